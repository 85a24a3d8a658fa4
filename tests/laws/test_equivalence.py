"""Better in one of several ways, and what follows for a claim that one of several things holds."""

import pytest

from ticketlab.laws.equivalence import Difference, any_of, beats
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
