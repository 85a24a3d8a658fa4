"""Subset sums against all subsets, and searches against what they promise."""

import itertools

import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.tickets.constructions.searches import (
    GOLDEN,
    FittingSum,
    GoldenBins,
    PickOne,
    SubsetSum,
    reaches_all,
)
from ticketlab.tickets.constructions.subset_sum import closest, doubled, smallest


def all_subsets(n):
    return np.array(list(itertools.product([False, True], repeat=n)))


def rows(n, count=40, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (count, n)), rng.uniform(-1, 1, count)


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_the_closest_subset_is_that_of_trying_all(n):
    x, z = rows(n)
    every = np.abs(x @ all_subsets(n).T - z[:, None]).min(axis=1)
    found = closest(x, z)
    np.testing.assert_allclose(np.abs((x * found).sum(axis=1) - z), every, atol=1e-14)


def test_the_smallest_subset_within_the_tolerance_is_that_of_trying_all():
    x, z = rows(9)
    tolerance = np.full(len(z), 0.05)
    subsets = all_subsets(9)
    error, size = np.abs(x @ subsets.T - z[:, None]), subsets.sum(axis=1)
    fewest = np.where(error <= tolerance[:, None], size, 99).min(axis=1)
    found = smallest(x, z, tolerance)
    within = fewest < 99
    assert 0 < within.sum() < len(z)  # both kinds of row occur
    np.testing.assert_array_equal(found.sum(axis=1)[within], fewest[within])
    assert np.all(np.abs((x * found).sum(axis=1) - z)[within] <= 0.05)
    np.testing.assert_array_equal(found[~within], closest(x, z)[~within])


def test_rows_in_blocks_are_the_rows_alone(monkeypatch):
    x, z = rows(8)
    whole = closest(x, z)
    monkeypatch.setattr("ticketlab.tickets.constructions.subset_sum.ENTRIES", 48)
    np.testing.assert_array_equal(closest(x, z), whole)


def test_sums_double():
    np.testing.assert_array_equal(
        doubled(np.array([[1.0, 10.0, 100.0]]))[0], [0, 1, 10, 11, 100, 101, 110, 111]
    )


def test_a_zero_is_no_product():
    assert not closest(np.zeros((1, 4)), np.ones(1)).any()


def test_more_products_are_used_only_where_the_error_asks_for_them():
    x, z = rows(16, 300)
    tolerance = np.full(len(z), 0.01)
    found = SubsetSum(start=8, step=4)(x, z, tolerance)
    first = np.abs((x[:, :8] * closest(x[:, :8], z)).sum(axis=1) - z) <= 0.01
    assert 0 < first.sum() < len(z)
    assert not found[first, 8:].any()
    error = np.abs((x * found).sum(axis=1) - z)
    best = np.abs((x * closest(x, z)).sum(axis=1) - z)
    np.testing.assert_array_equal(error > 0.01, best > 0.01)  # nothing that can be reached is missed


def test_long_rows_use_their_largest_products():
    x = np.concatenate([np.full((3, 20), 1e-6), np.array([[0.5, 0.25, 0.125]] * 3)], axis=1)
    found = SubsetSum(start=2, step=2, most=4)(x, np.array([0.5, 0.75, 0.875]), np.full(3, 1e-3))
    np.testing.assert_array_equal(found[:, 20:].sum(axis=1), [1, 2, 3])


def test_one_product_is_picked_if_it_is_nearer_than_zero():
    pool = np.array([[0.3, -0.5, 0.9], [0.3, -0.5, 0.9]])
    kept = PickOne()(pool, np.array([0.8, 0.05]), np.zeros(2))
    np.testing.assert_array_equal(kept, [[False, False, True], [False, False, False]])


@pytest.mark.parametrize("sign", [1, -1])
def test_taking_what_fits_reaches_every_target_that_its_condition_promises(sign):
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(60):
        x, tolerance = rng.uniform(0, 1, 24) ** 2, 0.01
        if not reaches_all(x, tolerance):
            continue
        found += 1
        z = np.linspace(0, x.sum(), 200)
        pool = np.broadcast_to(sign * x, (200, 24))
        kept = FittingSum()(pool, sign * z, np.full(200, tolerance))
        assert np.abs(np.abs((pool * kept).sum(axis=1)) - z).max() <= tolerance * (1 + 1e-9)
    assert found > 5


def test_the_condition_fails_where_a_target_is_missed():
    x, tolerance = np.array([0.9, 0.1]), 0.01
    assert not reaches_all(x, tolerance)
    kept = FittingSum()(x[None], np.array([0.5]), np.array([tolerance]))
    assert abs(float((x * kept).sum()) - 0.5) > tolerance


def test_one_product_in_each_golden_bin_reaches_everything():
    rng = np.random.default_rng(2)
    bins, z = 11, np.linspace(0, 1, 400)
    digits = GOLDEN ** (np.arange(bins) + rng.uniform(0, 1, (400, bins)))
    pool = np.concatenate([digits, -digits], axis=1)
    tolerance = np.full(400, GOLDEN ** (bins - 1) / 2)  # half of what the last bin may leave
    assert all(reaches_all(row, tolerance[0]) for row in digits)
    for sign in (1, -1):
        kept = GoldenBins(bins=bins)(pool, sign * z, tolerance)
        assert np.all(np.abs((pool * kept).sum(axis=1) - sign * z) <= tolerance * (1 + 1e-9))
    fine = FittingSum()(pool, z, tolerance)
    assert np.all(np.abs((pool * fine).sum(axis=1) - z) <= tolerance * (1 + 1e-9))


def test_only_the_first_product_of_a_golden_bin_is_a_digit():
    pool = np.array([[0.95, 0.7, 0.9, 0.5]])  # the first bin is (0.618, 1], the second (0.382, 0.618]
    kept = GoldenBins(bins=2)(pool, np.array([1.45]), np.array([0.01]))
    np.testing.assert_array_equal(kept, [[True, False, False, True]])


def test_impossible_numbers_of_products_are_refused():
    with pytest.raises(UserError, match="at most 40"):
        SubsetSum(start=12, most=60)
