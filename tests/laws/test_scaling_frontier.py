"""The lower envelope of trainings: against the known one of L(P, D) = E + A·P^(−a) + B·D^(−b)."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from ticketlab.errors import UserError
from ticketlab.laws.scaling import frontier

SIZES = np.geomspace(900, 290_000, 7)
LENGTHS = np.array([1 / 27, 1 / 9, 1 / 3, 1]) * 1e6  # examples
BUDGETS = 6 * SIZES[:, None] * LENGTHS


def loss(p, d, a=0.35, b=0.35, floor=1.0):
    return floor + 12 * p**-a + 30 * d**-b


def known(c, **law):
    """The least loss for C = 6PD and its size."""
    found = minimize_scalar(
        lambda z: loss(np.exp(z), c / 6 / np.exp(z), **law), bounds=(0, 20), method="bounded"
    )
    return found.fun, np.exp(found.x)


def measured(seeds=1, noise=0.0, rng=None, **law):
    exact = loss(SIZES[:, None], LENGTHS, **law)
    own = 0.0 if rng is None else noise * rng.standard_normal((2, seeds, *exact.shape))
    both = np.broadcast_to(exact, (2, seeds, *exact.shape)) * np.exp(own)
    return frontier(SIZES, BUDGETS, *both)


@pytest.mark.parametrize("law", [{}, {"floor": 0.0}, {"a": 0.3, "b": 0.4}])
def test_without_noise_it_is_the_known_one(law) -> None:
    found = measured(**law)
    low, high = found.ends
    assert found.range >= 4
    for b in np.flatnonzero(found.inside):
        least, size = known(found.budgets[b], **law)
        assert found.losses[0, b] == pytest.approx(least, rel=1e-3)
        assert found.sizes[b] == pytest.approx(size, rel=0.03)
    true = np.log(known(found.budgets[low], **law)[0] / known(found.budgets[high], **law)[0])
    assert found.exponents[0] == pytest.approx(true / np.log(found.range), rel=0.005)


def test_it_is_below_every_training_that_takes_as_much() -> None:
    found = measured()
    trained = loss(SIZES[:, None], LENGTHS)
    for b in np.flatnonzero(found.inside):
        same = np.abs(np.log(BUDGETS / found.budgets[b])) < 0.02
        assert np.all(found.losses[0, b] <= trained[same] * 1.005)


def test_where_no_smaller_size_reaches_the_budget_nothing_is_used() -> None:
    found = measured()
    assert not found.inside[found.budgets > BUDGETS[-3, -1]].any()
    assert not found.inside[found.budgets < BUDGETS[2, 0]].any()


def test_a_best_size_at_the_end_is_not_used() -> None:
    """More data are worth nothing, so the largest size that reaches a budget is always best."""
    exact = 1 + 12 * SIZES[:, None] ** -0.3 + 0 * LENGTHS
    found = frontier(SIZES, BUDGETS, exact[None], exact[None])
    assert found.ends is None or found.range < 1.5
    none = frontier(SIZES[:3], BUDGETS[:3], exact[None, :3], exact[None, :3])
    assert none.ends is None
    assert np.isnan(none.exponents).all()


def test_the_mean_over_seeds_is_not_biased_by_the_choice() -> None:
    rng, errors = np.random.default_rng(0), []
    for _ in range(40):
        found = measured(seeds=3, noise=0.005, rng=rng)
        low, high = found.ends
        true = np.log(known(found.budgets[low])[0] / known(found.budgets[high])[0]) / np.log(found.range)
        errors.append(found.exponents.mean() - true)
    assert abs(np.mean(errors)) < 0.005 * 0.08 + 3 * np.std(errors) / np.sqrt(len(errors))


def test_a_length_that_was_left_out_changes_little() -> None:
    """The largest size is compared at small budgets alone."""
    whole, exact = measured(), loss(SIZES[:, None], LENGTHS)[None]
    some = np.where((np.arange(7)[:, None] == 6) & (np.arange(4) == 2), np.nan, BUDGETS)
    found = frontier(SIZES, some, exact, exact)
    assert found.exponents == pytest.approx(whole.exponents, rel=0.01)


def test_one_decade_at_most_is_used() -> None:
    assert measured().range <= 10 * (1 + 1e-6)


def test_too_few_sizes_and_budgets_that_fall_are_refused() -> None:
    exact = loss(SIZES[:, None], LENGTHS)[None]
    with pytest.raises(UserError, match="at least 3 sizes"):
        frontier(SIZES[:2], BUDGETS[:2], exact[:, :2], exact[:, :2])
    with pytest.raises(UserError, match="do not increase"):
        frontier(SIZES, BUDGETS[:, ::-1], exact, exact)
