"""Planted scores have the accuracies and disagreements that are said; and what counts as a missed bar."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.laws.calibration import (
    LEAST,
    RARE,
    Kind,
    Rates,
    Sample,
    difference_cases,
    disagreement,
    missed,
    scores,
)
from ticketlab.laws.verdict import Outcome

BELOW = next(case for case in difference_cases(()) if case.name == "equal, a margin below")


def stream(number):
    return np.random.Generator(np.random.PCG64(number))


@pytest.mark.parametrize(
    "sample",
    [Sample(3, 400, 0.9, 0.9), Sample(3, 200, 0.5, 0.0, 0.15, pool=2.0), Sample(3, 200, 0.9, **RARE)],
    ids=["shared", "other examples", "rare"],
)
def test_scores_have_the_accuracies_and_disagreements_that_are_said(sample) -> None:
    rng = stream(1)
    accuracies = (sample.accuracy - 0.02, sample.accuracy)
    right = np.array([scores(sample, accuracies, rng)[1] for _ in range(300)])
    means = right.mean(axis=(2, 3))
    error = means.std(axis=0) / np.sqrt(len(means))
    np.testing.assert_array_less(np.abs(means.mean(axis=0) - accuracies), 4 * error)
    apart = np.mean(right[:, 0] != right[:, 1], axis=(1, 2))
    assert np.mean(apart) == pytest.approx(
        disagreement(sample, *accuracies), abs=4 * apart.std() / np.sqrt(300)
    )


def test_seeds_draw_their_examples_from_a_pool() -> None:
    ids, _ = scores(Sample(5, 100, pool=2.0), (0.9,), stream(0))
    assert [len(set(of)) for of in ids.tolist()] == [100] * 5
    assert 150 < len(np.unique(ids)) <= 200
    shared, _ = scores(Sample(5, 100), (0.9,), stream(0))
    assert len(np.unique(shared)) == 100


def test_what_is_wrong_follows_from_what_is_planted() -> None:
    rates = Rates({Outcome.HOLDS: 0.9, Outcome.FAILS: 0.06, Outcome.UNDECIDED: 0.04})
    sample, said = Sample(5, 100), {}
    for kind in Kind:
        said[kind] = missed(replace(BELOW, kind=kind), sample, rates)
    assert said[Kind.INSIDE] == ["fails in 6.0%"]
    assert said[Kind.OUTSIDE] == ["holds in 90.0%"]
    assert {len(said[kind]) for kind in Kind} == {1, 2}


@pytest.mark.parametrize(
    ("seeds", "coverage", "discordant", "words"),
    [
        (5, LEAST - 0.001, 50, "covers 93.4%"),
        (2, LEAST, 50, None),
        (5, 0.981, 50, "too wide"),
        (5, 0.981, 9, None),  # few disagreements
        (3, 1.0, 50, None),  # few seeds
    ],
)
def test_bars_of_coverage(seeds, coverage, discordant, words) -> None:
    rates = Rates(dict.fromkeys(Outcome, 0.0), {"a": coverage}, {}, {"a": discordant})
    said = missed(BELOW, Sample(seeds, 100), rates)
    assert bool(said) is (words is not None)
    assert words is None or words in said[0]
