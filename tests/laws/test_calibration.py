"""Planted scores: the interval covers the truth, the rules are seldom wrong, and what they need cannot be taken away."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.laws import calibration, difference
from ticketlab.laws.calibration import MARGIN, Setting, rates, truth, wrong
from ticketlab.laws.verdict import Outcome

REPETITIONS = 200
WORST = 0.085  # rates of 5 % stay below in 200 repetitions with 98.5 %
COVERAGE = 0.895  # rates of 93.5 % stay above with 98.5 %


def stream(number):
    return np.random.Generator(np.random.PCG64(number))


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize(
    "setting",
    [
        Setting(0, 400, 0.9, -MARGIN),
        Setting(0, 400, 0.9, -MARGIN, spread=0.15),
        Setting(0, 100, 0.985, MARGIN, shared=0.9),
        Setting(0, 400, 0.5, -1.5 * MARGIN, spread=0.15),
        Setting(0, 400, 0.9, -MARGIN, shared=1.0, rare=MARGIN, correlation=1.0),
        Setting(0, 100, 0.9, -MARGIN, shared=1.0, rare=MARGIN, correlation=1.0),
    ],
    ids=str,
)
def test_verdicts_are_seldom_wrong_and_intervals_cover(seeds, setting) -> None:
    found = rates(replace(setting, seeds=seeds), REPETITIONS, stream(seeds))
    assert wrong(found) <= WORST
    assert found.coverage >= COVERAGE


@pytest.mark.parametrize(
    "setting", [Setting(3, 400, 0.9, -0.01, 0.9), Setting(3, 200, 0.9, -0.01, 0.9, 0.0, 0.01)]
)
def test_what_is_planted_has_the_difference_that_is_said(setting) -> None:
    rng = stream(1)
    means = [float(np.mean(calibration.planted(setting, rng))) for _ in range(2000)]
    assert np.mean(means) == pytest.approx(truth(setting), abs=4 * np.std(means) / np.sqrt(2000))


def test_without_the_floor_rare_disagreements_are_missed(monkeypatch) -> None:
    setting = Setting(10, 100, 0.9, -MARGIN, shared=1.0, rare=MARGIN, correlation=1.0)
    assert wrong(rates(setting, REPETITIONS, stream(2))) <= WORST
    monkeypatch.setattr(difference, "PSEUDO", 0.0)
    assert wrong(rates(setting, REPETITIONS, stream(2))) > 2 * WORST


def test_without_clustering_by_example_intervals_are_too_short(monkeypatch) -> None:
    setting = Setting(10, 400, 0.9, 0.0, shared=0.9)
    alone = difference._clustered

    def every_pair_by_itself(e, groups):
        return alone(e, np.arange(len(e)))

    assert rates(setting, REPETITIONS, stream(3)).coverage >= COVERAGE
    monkeypatch.setattr(difference, "_clustered", every_pair_by_itself)
    assert rates(setting, REPETITIONS, stream(3)).coverage < 0.8


def test_without_clustering_by_seed_intervals_are_too_short(monkeypatch) -> None:
    setting = Setting(5, 2000, 0.9, 0.0, spread=0.15)
    alone = difference._clustered

    def seeds_by_pair(e, groups):
        return alone(e, np.arange(len(e)) if len(np.unique(groups)) == 5 else groups)

    assert rates(setting, REPETITIONS, stream(4)).coverage >= COVERAGE
    monkeypatch.setattr(difference, "_clustered", seeds_by_pair)
    assert rates(setting, REPETITIONS, stream(4)).coverage < 0.85


def test_equal_methods_are_found_equal_where_the_data_suffice() -> None:
    found = rates(Setting(3, 10_000, 0.95, 0.0, shared=0.9), 50, stream(5))
    assert found.outcomes["equal"][Outcome.HOLDS] > 0.9
