"""The curve of failures against searches of random pools, and the density against all subsets."""

import jax
import numpy as np
import pytest

from ticketlab.networks import MLP
from ticketlab.tickets.constructions import (
    DoubleDepth,
    HeNormal,
    Target,
    closest,
    density,
    expected_hits,
    lueker,
    one_product,
    pools,
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
@pytest.mark.parametrize(("n", "tolerance"), [(8, 0.01), (12, 0.01), (12, 0.003)])
def test_measured_failures_lie_around_the_curve(n, tolerance, products):
    """Within three standard deviations of 2 000 weights, and so within about a tenth of the rate; more would show that the curve
    is an approximation."""
    x, z = drawn(n, products=products, seed=n)
    failed = np.abs((x * closest(x, z)).sum(axis=1) - z) > tolerance
    chance = np.exp(-expected_hits(x, z, tolerance))
    assert chance.sum() > 5
    assert abs(failed.sum() - chance.sum()) < 3 * np.sqrt((chance * (1 - chance)).sum())


def test_products_below_the_tolerance_do_not_count_as_products():
    x, z = drawn(8, 200)
    dust = np.concatenate([x, np.full((200, 6), 1e-9)], axis=1)
    np.testing.assert_allclose(expected_hits(dust, z, 0.01), expected_hits(x, z, 0.01), rtol=1e-3)


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
