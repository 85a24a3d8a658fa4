"""Looking ten times: the rate of a false verdict stays at the level that is shared out, and passes it where none is."""

import itertools

import numpy as np
import pytest

from ticketlab.laws.difference import Difference
from ticketlab.laws.looks import Look, look_at, schedule, spent
from ticketlab.laws.rules import ALPHA, USUAL, Above, Levels
from ticketlab.laws.verdict import Outcome

SEEDS = tuple(range(4, 41, 4))  # at ten looks
REPETITIONS = 2000


def sequence(most):
    looks = []
    for seeds in SEEDS:
        looks.append(look_at(seeds, looks, most))
    return looks


def false_rates(levels, examples=0.0):
    """How often, at a true effect on the limit, any of the looks says *holds*, and *fails*.

    Arguments:
        levels: of each look.
        examples: the standard error of what all seeds have in common, the sample of test examples, of which there are many.
    """
    rng, rules = np.random.default_rng(3), Above(0.0)
    values = rng.standard_normal((REPETITIONS, SEEDS[-1])) + examples * rng.standard_normal((REPETITIONS, 1))
    seen = {outcome: np.zeros(REPETITIONS, bool) for outcome in (Outcome.HOLDS, Outcome.FAILS)}
    for seeds, of in zip(SEEDS, levels, strict=True):
        v = values[:, :seeds]
        means, variances = v.mean(axis=1), v.var(axis=1, ddof=1) / seeds
        # Student's factor is never below the normal one: the others are undecided at this level and at any lower one.
        for r in np.flatnonzero(np.abs(means) > 1.95 * np.sqrt(variances + examples**2)):
            effect = Difference(float(means[r]), float(variances[r]), examples**2, seeds, 10**6)
            outcome = rules.outcome(effect, of)
            if outcome in seen:
                seen[outcome][r] = True
    return {outcome: float(of.mean()) for outcome, of in seen.items()}


CHANCE = 2.3 * np.sqrt(ALPHA / REPETITIONS)  # of the rate itself, one in a hundred


@pytest.mark.parametrize("examples", [0.0, 0.2])
def test_planned_looks_keep_the_level(examples):
    rates = false_rates([look.levels for look in sequence(SEEDS[-1])], examples)
    assert max(rates.values()) <= ALPHA + CHANCE


@pytest.mark.parametrize("examples", [0.0, 0.2])
def test_looks_at_a_run_that_is_extended_by_hand(examples):
    """The first has the whole level already; the others together add less than two fifths of it."""
    rates = false_rates([look.levels for look in sequence(None)], examples)
    assert max(rates.values()) <= 1.39 * ALPHA + CHANCE


def test_looks_that_each_have_the_whole_level_break_it():
    rates = false_rates([USUAL] * len(SEEDS))
    assert min(rates.values()) > 2.5 * ALPHA


def test_what_is_spent_adds_up_to_the_level():
    assert spent(1.0) == pytest.approx(ALPHA)
    looks = sequence(SEEDS[-1])
    assert sum(look.level for look in looks) == pytest.approx(ALPHA)
    assert all(a.level < b.level for a, b in itertools.pairwise(looks))
    assert looks[0].level < 1e-10
    *_, half, whole = schedule(5, 20)
    assert (
        look_at(whole, [look_at(half, [], whole)], whole).level > 0.93 * ALPHA
    )  # with looks that double little is lost
    by_hand = sequence(None)
    assert by_hand[0].level == ALPHA
    assert sum(look.level for look in by_hand) <= 1.393 * ALPHA


def test_a_look_at_as_many_seeds_is_the_same_look():
    looks = sequence(SEEDS[-1])
    assert look_at(8, looks, SEEDS[-1]) is looks[1]
    assert look_at(8, looks) is looks[1]


def test_what_makes_a_look_unplanned():
    """Beyond the end of its sequence, in a sequence that ends elsewhere, with fewer seeds than were seen, or by hand."""
    before = [Look(1, 5, spent(0.25), 20)]
    assert look_at(10, before, 20) == Look(2, 10, spent(0.5) - spent(0.25), 20)
    for seeds, most in ((40, 20), (10, 40), (4, 20), (10, None)):
        look = look_at(seeds, before, most)
        assert (look.most, look.level) == (None, pytest.approx(ALPHA * 6 / (4 * np.pi**2)))
        assert look.levels == Levels(look.level, look.level)
        assert look.extended
    assert not look_at(5, []).extended


@pytest.mark.parametrize(
    ("first", "most", "seeds"), [(5, 20, (5, 10, 20)), (3, 13, (3, 6, 12, 13)), (4, 4, (4,)), (2, 3, (2, 3))]
)
def test_planned_looks_double(first, most, seeds):
    assert schedule(first, most) == seeds
