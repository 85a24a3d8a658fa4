"""The error of a paired difference; better in one of several ways; what follows for a claim that one of several things holds."""

import numpy as np
import pytest

from ticketlab.laws.equivalence import Difference, any_of, beats, paired_difference
from ticketlab.laws.verdict import Outcome

HOLDS, FAILS, UNDECIDED = Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED


@pytest.mark.parametrize(
    ("mean", "error", "outcome"),
    [
        (0.005, 0.001, HOLDS),  # better, however little
        (0.02, 0.001, HOLDS),
        (0.0, 0.001, FAILS),  # as good, within the margin
        (-0.05, 0.001, FAILS),
        (0.0, 0.01, UNDECIDED),
        (0.02, 0.02, UNDECIDED),
    ],
)
def test_beats(mean, error, outcome) -> None:
    assert beats(Difference(mean, error, 9, error, error), 0.01) is outcome


def test_more_questions_make_failing_harder_and_more_ways_holding() -> None:
    nearly = Difference(0.0, 0.004, 9, 0.004, 0.004)
    assert [beats(nearly, 0.01, q) for q in (1, 20)] == [FAILS, UNDECIDED]
    hardly = Difference(0.0235, 0.01, 9, 0.01, 0.01)
    assert [beats(hardly, 0.01, 1, ways) for ways in (1, 2)] == [HOLDS, UNDECIDED]


def test_one_run_decides_nothing() -> None:
    nan = float("nan")
    assert beats(Difference(0.5, nan, 0, nan, nan), 0.01) is UNDECIDED


@pytest.mark.parametrize(
    ("outcomes", "whole"),
    [
        ([FAILS, HOLDS], HOLDS),
        ([UNDECIDED, HOLDS], HOLDS),
        ([FAILS, FAILS], FAILS),
        ([FAILS, UNDECIDED], UNDECIDED),
    ],
)
def test_any_of(outcomes, whole) -> None:
    assert any_of(outcomes) is whole


def clustered_both_ways(d, seed, example):
    """Cameron, Gelbach & Miller 2011, equation 2.8, over all pairs of rows: those that share a seed, an example, both."""
    e = (d - d.mean()) / len(d)
    share = [seed[:, None] == seed, example[:, None] == example]
    parts = []
    for same in (share[0], share[1], share[0] & share[1]):
        groups = len(np.unique(same, axis=0))
        parts.append(groups / (groups - 1) * e @ same @ e)
    return np.sqrt(max(parts[0] + parts[1] - parts[2], *parts[:2]))


@pytest.mark.parametrize("rows", [1, 3])
def test_the_error_is_that_of_all_pairs_of_rows(rows) -> None:
    """Also with several rows for a seed and an example, in any order and not of all as many."""
    rng = np.random.default_rng(0)
    seed, example = (np.repeat(a.ravel(), rows) for a in np.meshgrid(np.arange(5), 100 + np.arange(30)))
    d = rng.normal(size=5)[seed] + rng.normal(size=30)[example - 100] + rng.normal(size=len(seed))
    d += np.repeat(2 * rng.normal(size=150), rows)
    chosen = rng.permutation(len(d))[: len(d) - 7]
    d, seed, example = d[chosen], seed[chosen], example[chosen]
    found = paired_difference(d, seed, example)
    assert found.standard_error == pytest.approx(clustered_both_ways(d, seed, example), rel=1e-12)


def test_rows_of_one_seed_and_example_count_as_their_mean() -> None:
    rng = np.random.default_rng(1)
    seed, example = (a.ravel() for a in np.meshgrid(np.arange(6), np.arange(40)))
    d = rng.normal(size=(240, 4)) + rng.normal(size=240)[:, None]
    alone = paired_difference(d.mean(axis=1), seed, example)
    rows = paired_difference(d.ravel(), np.repeat(seed, 4), np.repeat(example, 4))
    assert rows.mean == pytest.approx(alone.mean)
    assert rows.standard_error == pytest.approx(alone.standard_error)


def test_with_one_row_a_seed_and_example_the_last_part_is_their_sum_of_squares_to_the_bit() -> None:
    rng = np.random.default_rng(2)
    seed, example = (a.ravel()[:117] for a in np.meshgrid(np.arange(4), np.arange(30)))
    order = rng.permutation(117)
    seed, example = seed[order], example[order]
    d = rng.normal(size=4)[seed] + rng.normal(size=30)[example] + rng.normal(size=117)
    e = (d - float(d.mean())) / 117
    by = [np.bincount(groups, e) for groups in (seed, example)]
    parts = [float(sums @ sums) * (len(sums) / (len(sums) - 1)) for sums in by]
    variance = parts[0] + parts[1] - 117 / 116 * float(e @ e)
    assert variance > max(parts)
    assert paired_difference(d, seed, example).standard_error == float(np.sqrt(variance))
