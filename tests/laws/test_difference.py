"""The two parts of a paired difference's variance, against all pairs of rows written out; and what does not change them."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.laws.difference import FADES, FALLS, PSEUDO, of_seeds, paired_difference


def clustered_both_ways(d, seed, example):
    """Cameron, Gelbach & Miller 2011, equation 2.8, over all pairs of rows: those that share a seed, an example, both."""
    e = (d - d.mean()) / len(d)
    share = [seed[:, None] == seed, example[:, None] == example]
    parts = []
    for same in (share[0], share[1], share[0] & share[1]):
        groups = len(np.unique(same, axis=0))
        parts.append(groups / (groups - 1) * e @ same @ e)
    return parts


@pytest.mark.parametrize("rows", [1, 3])
def test_the_parts_are_those_of_all_pairs_of_rows(rows) -> None:
    """Also with several rows for a seed and an example, in any order and not equally many of all."""
    rng = np.random.default_rng(0)
    seed, example = (np.repeat(a.ravel(), rows) for a in np.meshgrid(np.arange(5), 100 + np.arange(30)))
    d = rng.normal(size=5)[seed] + rng.normal(size=30)[example - 100] + rng.normal(size=len(seed))
    chosen = rng.permutation(len(d))[: len(d) - 7]
    d, seed, example = d[chosen], seed[chosen], example[chosen]
    by_seed, by_example, both = clustered_both_ways(d, seed, example)
    found = paired_difference(d, seed, example, unit=None)
    assert found.example_variance == pytest.approx(by_example, rel=1e-12)
    assert found.seed_variance == pytest.approx(by_seed - (1 - 4**-FALLS) * both, rel=1e-12)
    assert (found.seeds, found.examples) == (5, 30)


def test_the_floor_is_that_of_two_examples_whose_size_is_learnt() -> None:
    """Three of 50 examples disagree: one in every seed, one in one seed of four, one in both directions."""
    d = np.zeros((4, 50))
    d[:, 0], d[1, 1], d[0, 2], d[3, 2] = 1, -1, 1, -1
    seed, example = np.repeat(np.arange(4), 50), np.tile(np.arange(50), 4)
    with_floor, without = (
        paired_difference(d.ravel(), seed, example, unit=u).example_variance for u in (1.0, None)
    )
    prior = np.exp(-FADES * (1 + 1 / 16) ** 2)
    square = prior + (1 - prior) * (1 + 1 / 16**2) / (1 + 1 / 16)
    assert with_floor - without == pytest.approx(2 * PSEUDO * square / 50**2)


def test_it_does_not_matter_which_of_two_kinds_of_examples_is_rare() -> None:
    """A method with few errors differs from guessing on nearly all examples. The floor is of the errors."""
    rng = np.random.default_rng(4)
    seed, example = np.repeat(np.arange(5), 400), np.tile(np.arange(400), 5)
    errors = (rng.random(2000) < 0.03).astype(float)
    few, many = (paired_difference(d, seed, example) for d in (errors, 1 - errors))
    assert many.mean == pytest.approx(1 - few.mean)
    assert many.example_variance == pytest.approx(few.example_variance)


def test_small_parts_in_a_ratio_are_no_disagreements() -> None:
    """Where guessing is right too, a method without errors has another part in its share of the headroom, but hardly."""
    rng = np.random.default_rng(5)
    seed, example = np.repeat(np.arange(4), 100), np.tile(np.arange(100), 4)
    d = np.where(rng.random(400) < 0.1, 0.05, 0.0)
    d[example == 3] = 1.0
    with_floor, without = (paired_difference(d, seed, example, unit=u).example_variance for u in (1.0, None))
    assert with_floor - without == pytest.approx(2 * PSEUDO / 100**2)


def test_a_unit_scales_everything() -> None:
    rng = np.random.default_rng(3)
    seed, example = np.repeat(np.arange(4), 50), np.tile(np.arange(50), 4)
    d = rng.choice([-1.0, 0.0, 1.0], 200, p=[0.1, 0.8, 0.1])
    one, ten = paired_difference(d, seed, example), paired_difference(10 * d, seed, example, unit=10.0)
    assert ten.interval() == pytest.approx(tuple(10 * end for end in one.interval()))


def test_rows_of_one_seed_and_example_count_as_their_mean() -> None:
    rng = np.random.default_rng(1)
    seed, example = (a.ravel() for a in np.meshgrid(np.arange(6), np.arange(40)))
    d = rng.normal(size=(240, 4)) + rng.normal(size=240)[:, None]
    alone = paired_difference(d.mean(axis=1), seed, example, unit=None)
    rows = paired_difference(d.ravel(), np.repeat(seed, 4), np.repeat(example, 4), unit=None)
    assert rows.mean == pytest.approx(alone.mean)
    assert rows.standard_error == pytest.approx(alone.standard_error)


def test_names_and_order_do_not_matter() -> None:
    rng = np.random.default_rng(2)
    seed, example = (a.ravel() for a in np.meshgrid(np.arange(4), np.arange(30)))
    d = rng.choice([-1.0, 0.0, 1.0], 120)
    order = rng.permutation(120)
    again = paired_difference(d[order], 10 - 3 * seed[order], 7 * example[order] + 1000)
    assert again.interval() == pytest.approx(paired_difference(d, seed, example).interval())


def test_rounding_does_not_average_out_over_seeds() -> None:
    """What is rounded alike in every seed is off by as much; it counts only where chance is smaller."""
    rounded = replace(of_seeds(np.zeros(4)), rounding=0.1)
    assert of_seeds(np.zeros(4)).interval() == (0.0, 0.0)
    assert rounded.interval() == rounded.of_size(seeds=400).interval() == (-0.1, 0.1)
    spread = of_seeds(np.array([-1.0, 0.0, 1.0, 2.0]))
    assert replace(spread, rounding=0.1).interval() == spread.interval()
    assert not np.isfinite(replace(of_seeds(np.zeros(1)), rounding=0.1).interval()).any()
