"""The curve of failures against searches of random pools, and the density against all subsets."""

import itertools

import jax
import numpy as np
import pytest

from ticketlab.networks import MLP
from ticketlab.tickets.constructions import (
    DoubleDepth,
    HeNormal,
    Sums,
    Target,
    absorbed,
    closest,
    density,
    exchanged,
    expected_hits,
    failure_chance,
    law,
    lueker,
    needed,
    one_product,
    over_signs,
    pools,
    reached,
    shortfall,
)
from ticketlab.tickets.constructions.subset_sum import doubled


def drawn(n, count=2000, products=False, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (count, n))
    x = x * rng.uniform(0, 1, (count, n)) if products else x
    return x, rng.uniform(-0.5, 0.5, count)


def test_the_density_is_that_of_all_subsets():
    x, _ = drawn(18, 3)
    grid = np.linspace(-1, 1, 21)
    for row in x:
        sums = doubled(row[None])[0]
        counted = [np.mean(np.abs(sums - z) < 0.05) / 0.1 for z in grid]
        np.testing.assert_allclose(density(np.tile(row, (21, 1)), grid), counted, rtol=0.15, atol=0.02)


def test_there_is_no_sum_outside_of_what_the_products_add_up_to():
    x = np.array([[0.5, -0.25]])
    assert density(np.repeat(x, 4, axis=0), np.array([-0.26, 0.51, 0.4, -0.2])).astype(bool).tolist() == [
        False,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("products", [False, True])
@pytest.mark.parametrize(("n", "tolerance"), [(8, 0.01), (8, 0.1), (12, 0.01), (12, 0.003), (10, 0.03)])
def test_measured_failures_lie_around_the_curve(n, tolerance, products):
    """Within three standard deviations of 2 000 weights, which is about a tenth of the rate."""
    x, z = drawn(n, products=products, seed=n)
    failed = np.abs((x * closest(x, z)).sum(axis=1) - z) > tolerance
    chance = failure_chance(x, z, tolerance)
    assert chance.sum() > 5
    assert abs(failed.sum() - chance.sum()) < 3 * np.sqrt((chance * (1 - chance)).sum())


@pytest.mark.parametrize("tolerance", [0.003, 0.03, 0.1])
def test_absorbing_products_changes_no_hit(tolerance):
    """All subsets of the pool against all subsets of what is left."""
    x, z = drawn(9, 300, products=True, seed=2)
    x[::3, :4] = 0.0
    hit = (np.abs(doubled(x) - z[:, None]) <= tolerance).any(axis=1)
    windows = absorbed(x, z, tolerance)
    again = (np.abs(doubled(windows.left) - windows.middle[:, None]) <= windows.half[:, None]).any(axis=1)
    assert 0 < hit.sum() < len(hit)
    assert np.any((x != 0) & (windows.left == 0))
    np.testing.assert_array_equal(again, hit)
    sizes = np.where(windows.left == 0, np.inf, np.abs(windows.left)).min(axis=1)
    assert np.all(sizes > 2 * windows.half)


def test_with_few_products_left_the_chance_is_that_of_all_signs():
    """Each row is searched once for each way to sign its products."""
    x, z = drawn(4, 30, seed=3)
    windows = absorbed(np.concatenate([x, np.zeros((30, 2))], axis=1), z, 0.02)
    for row in range(30):
        sizes = windows.left[row][windows.left[row] != 0]
        ways = itertools.product([1, -1], repeat=len(sizes))
        sums = [doubled(np.abs(sizes[None]) * way)[0] for way in ways]
        share = np.mean([np.abs(of - windows.middle[row]).min() > windows.half[row] for of in sums])
        own = windows.rows(np.arange(30) == row)
        assert over_signs(own)[0] == pytest.approx(share)
        assert failure_chance(x[row : row + 1], z[row : row + 1], 0.02)[0] == pytest.approx(share)


def test_the_chance_goes_on_where_signs_are_no_longer_tried():
    """With six products all signs are tried, with seven not where none is absorbed; measured over 4 000 pools each."""
    for n in (6, 7):
        x, z = drawn(n, 4000, seed=n)
        chance = failure_chance(x, z, 0.01)
        failed = np.abs((x * closest(x, z)).sum(axis=1) - z) > 0.01
        assert abs(failed.sum() - chance.sum()) < 3 * np.sqrt((chance * (1 - chance)).sum())


def test_products_below_the_tolerance_do_not_count_as_products():
    x, z = drawn(8, 200)
    dust = np.concatenate([x, np.full((200, 6), 1e-9)], axis=1)
    np.testing.assert_allclose(expected_hits(dust, z, 0.01), expected_hits(x, z, 0.01), rtol=5e-3)


def test_one_product_is_near_or_zero_is():
    pool = np.array([[0.5, -0.2], [0.5, -0.2], [0.5, -0.2]])
    np.testing.assert_array_equal(one_product(pool, np.array([0.49, 0.3, 0.005]), 0.02), [False, True, False])


def test_the_bound_of_the_theorem_falls_from_one():
    values = lueker(np.array([4.0, 8.0, 16.0, 64.0]), 2.0**-8, 1.0)
    assert values[0] == values[1] == 1
    assert values[2] == pytest.approx(np.exp(-64 / 64))
    assert np.all(np.diff(values[1:]) < 0)


@pytest.mark.parametrize("plan", [DoubleDepth(attempts=1), DoubleDepth(law=HeNormal(), attempts=1)])
def test_pools_are_those_of_the_construction(plan):
    """All weights of a target, searched by hand, fail as often as its construction says."""
    architecture = MLP((5,))
    params = jax.tree.map(np.asarray, architecture.build((9,), 3).init(jax.random.key(0)))
    params["dense1"]["bias"] = np.linspace(-0.3, 0.3, 5, dtype=np.float32)
    target = Target(architecture, (9,), 3, params)
    plan = DoubleDepth(count=10, law=plan.law, attempts=1, signed=False)
    construction = plan(target, 4)
    found = pools(plan, target, 4, 10**6, np.random.default_rng(0))
    assert len(found.target) == target.weights
    error = np.abs((found.pool * closest(found.pool, found.target)).sum(axis=1) - found.target)
    failures = int((error > plan.tolerance * found.unit).sum())
    told = sum(r.failures[0] for r in construction.reports)
    assert failures > 0
    assert told - 1 <= failures <= told  # the constant that is carried is no weight of the target
    assert np.all(np.bincount(found.source) <= 6)


def test_the_density_with_a_window_is_the_share_of_subsets_in_it():
    x, z = drawn(12, 4)
    for half in (0.3, 0.1):
        counted = np.mean(np.abs(doubled(x) - z[:, None]) <= half, axis=1)
        near = 2 * half * Sums(x, np.full(4, half)).density(z)
        np.testing.assert_allclose(near, counted, rtol=0.12, atol=0.01)


def test_a_window_alone_has_about_the_density_of_a_uniform_number():
    """The saddlepoint density of a uniform number is too high in the middle; with one product or more it is smooth."""
    alone = Sums(np.zeros((3, 2)), np.full(3, 0.5)).density(np.array([0.0, 0.25, 0.6]))
    np.testing.assert_allclose(alone, [1.0, 1.0, 0.0], atol=0.15)


def test_without_products_only_targets_below_the_tolerance_are_written():
    chance = failure_chance(np.zeros((2, 3)), np.array([0.005, 0.5]), 0.01)
    np.testing.assert_array_equal(chance, [0, 1])


def test_the_chance_is_the_exponential_of_the_hits_where_windows_are_short():
    x, z = drawn(14, 300)
    np.testing.assert_allclose(
        failure_chance(x, z, 1e-4), np.exp(-expected_hits(x, z, 1e-4)), rtol=1e-3, atol=1e-6
    )


def small_target():
    architecture = MLP((6,))
    params = jax.tree.map(np.asarray, architecture.build((30,), 3).init(jax.random.key(0)))
    return Target(architecture, (30,), 3, params)


def test_exchanged_targets_are_those_of_the_same_source_and_move():
    found = pools(DoubleDepth(8, signed=False), small_target(), 0, 10**6, np.random.default_rng(0))
    other = exchanged(found)
    for source in np.unique(other.source):
        mine, theirs = found.source == source, other.source == source
        assert sorted(found.target[mine]) == sorted(other.target[theirs])
        np.testing.assert_array_equal(found.pool[mine], other.pool[theirs])
        assert np.all(found.target[mine] != other.target[theirs])
    assert len(exchanged(found, 10**6).pool) == 0


def test_exchanged_targets_fail_as_often():
    """Over 40 networks, within three standard errors, which are those that the networks show."""
    target, gains, errors = small_target(), [], []
    for seed in range(40):
        found = pools(DoubleDepth(10, signed=False), target, seed, 10**6, np.random.default_rng(0))
        failed, other = shortfall(found)[1] > 0.03, exchanged(found)
        count, error = law(found, failed, [(other, shortfall(other)[1] > 0.03)])
        gains.append(failed.sum() - count)
        errors.append(error)
    assert abs(np.mean(gains)) < 3 * np.std(gains, ddof=1) / np.sqrt(len(gains))
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(gains), rel=0.25)


def test_sources_that_cannot_be_exchanged_add_nothing():
    found = pools(DoubleDepth(6, signed=False), small_target(), 0, 40, np.random.default_rng(0))
    other = exchanged(found)
    assert len(other.source) < len(found.source)
    failed = shortfall(found)[1] > 0.01
    alone = ~np.isin(found.source, other.source)
    count, _ = law(found, failed, [(other, np.zeros(len(other.source), bool))])
    assert count == failed[alone].sum()
    twice = [(exchanged(found, by), np.ones(len(exchanged(found, by).source), bool)) for by in (1, 2)]
    assert len(twice[0][1]) > len(twice[1][1])
    assert law(found, failed, twice)[0] == failed[alone].sum() + len(other.source)


def test_what_is_needed_is_found_by_trying_every_number_of_products():
    x, z = drawn(7, 60)
    z[0] = 0.001
    counts = needed(x, z, (0.1, 0.01), 7)
    for row in range(len(x)):
        for number, tolerance in enumerate((0.1, 0.01)):
            tried = [np.abs(doubled(x[row : row + 1, :k]) - z[row]).min() <= tolerance for k in range(8)]
            assert counts[number, row] == (tried.index(True) if any(tried) else np.inf)
    assert counts[1, 0] == 0
    assert np.isinf(counts).any()


def test_the_number_that_leaves_a_share_lies_between_whole_numbers():
    counts = np.array([1, 2, 3, 3, 4, 4, 4, 5, 9, np.inf])
    assert reached(counts, 0.2) == pytest.approx(5)
    assert 4 < reached(counts, 0.25) < 5
    assert np.isnan(reached(counts, 0.05))
    assert reached(np.zeros(5), 0.1) == 0
    assert np.isnan(reached(np.full(3, np.inf), 0.1))
    assert np.isnan(reached(np.zeros(0), 0.1))  # no weight is as large as ε: nothing is known
