"""The fast calibration: every claim's whole formula, 200 times a case; and what is taken away from a rule breaks a bar.

`make calibrate` asks 2 000 times, with all samples. The bounds here are those that 200 repetitions keep by chance where the bars
are met: rates of 5 % stay below 8.5 % with 98.5 %, coverages of 93.5 % above 87.5 % with 99.8 %, as there are many questions.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import toy_rates
from toy_rates import CASES, CLAIMS, KEPT_BACK, TAKEN_AWAY, first, gates, of_kind

from ticketlab import claims
from ticketlab.claims.planted import examples, of_headroom
from ticketlab.laws.calibration import Kind, Sample, named
from ticketlab.laws.difference import UNUSUAL
from ticketlab.laws.formulae import answer

WORST, COVERAGE = 0.085, 0.875
UNMEASURED = of_kind(Kind.NOTHING, Kind.VACUOUS, Kind.GATE)


@pytest.fixture(scope="module")
def rates():
    program = Path(toy_rates.__file__)
    done = subprocess.run([sys.executable, str(program)], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_claim_is_planted():
    assert set(CLAIMS) == set(claims.CLAIMS)
    for claim in CLAIMS:
        kinds = {case.kind for case in CASES.values() if case.claim == claim}
        assert kinds >= {Kind.INSIDE, Kind.BOUNDARY, Kind.TOGETHER, Kind.OUTSIDE, Kind.VACUOUS}


@pytest.mark.parametrize("claim", CLAIMS)
def test_all_that_a_formula_asks_has_a_truth(claim):
    """But for barriers, which are bracketed by two estimates, and judged by verdicts."""
    case = CASES[first(claim, Kind.INSIDE)]
    sample = case.samples[0]
    found = answer(case.formula, case.plant(sample, np.random.default_rng(0)))
    asked = [each.formula for each in found.questions()]
    assert {q.key for q in asked if case.truth(sample, q) is None} <= {"stable", "basins"}
    assert len({named(q) for q in asked}) == len(asked)


@pytest.mark.parametrize("claim", CLAIMS)
def test_on_all_its_boundaries_a_claim_is_seldom_decided_and_intervals_cover(rates, claim):
    found = rates["boundaries"][claim]
    assert found["wrong"] <= WORST
    assert found["coverage"] >= COVERAGE


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("of", ["differing", "rare"])
def test_a_difference_at_its_margin_is_seldom_decided(rates, seeds, of):
    found = rates["laws"][f"{seeds} seeds, {of}"]
    assert found["wrong"] <= WORST
    assert found["coverage"] >= COVERAGE


def test_three_seeds_find_equal_methods_equal_where_examples_suffice(rates):
    """Where seeds do not vary. Student's factor of three seeds for the examples' error too would never find them equal."""
    assert rates["equal"]["holds"] > 0.5
    assert rates["equal"]["coverage"] >= COVERAGE


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_is_false_fails_where_the_data_suffice(rates, claim):
    """A rule that never decides is never wrong."""
    assert any(of["fails"] > 0.5 for name, of in rates["outside"].items() if CASES[name].claim == claim)


@pytest.mark.parametrize("name", UNMEASURED)
def test_where_nothing_was_measured_nothing_is_said(rates, name):
    assert rates["unmeasured"][name]["undecided"] == 1


@pytest.mark.parametrize(("accuracy", "other"), [(0.97, None), (0.6, None), (0.97, 0.1), (0.6, 0.3)])
def test_pairs_that_differ_from_the_usual_one_are_counted_as_expected(accuracy, other):
    """In a share of the headroom; a method that hardly errs is then discordant where it errs."""
    sample, rng, counts = Sample(3, 200, shared=0.5), np.random.default_rng(0), []
    expected = of_headroom(sample, accuracy, other)
    for _ in range(60):
        rows = examples(sample, {"one": accuracy, "other": other or 0.0}, rng)
        second = rows["guess"] if other is None else rows["other"]
        part = rows["one"] - second - expected.effect * (1 - rows["guess"])
        counts.append(np.sum(np.abs(part - np.median(part)) > UNUSUAL) / 3)
    error = np.std(counts) / np.sqrt(len(counts))
    assert np.mean(counts) == pytest.approx(expected.discordant, abs=4 * error)
    if accuracy > 0.9 and other is None:
        assert expected.discordant == pytest.approx(200 * (1 - accuracy))


# --- mutations ---


@pytest.mark.parametrize("name", KEPT_BACK)
def test_without_its_gate_a_claim_is_decided_where_nothing_was_measured(rates, name):
    """One gate alone keeps it undecided."""
    assert min(of["undecided"] for of in rates["without a gate"][name].values()) < 0.5


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_gate_keeps_a_planted_case_back(rates, claim):
    """But for those that ask which arms a plan has."""
    of_plan = {"linear-regime": {"sides"}, "winning-ticket": {"controls"}}
    needed = {
        gate
        for name, found in rates["without a gate"].items()
        for gate, of in found.items()
        if CASES[name].claim == claim and of["undecided"] < 0.5
    }
    asked = set().union(*(gates(case.formula) for case in CASES.values() if case.claim == claim))
    assert needed == asked - of_plan.get(claim, set())


@pytest.mark.parametrize("mutation", TAKEN_AWAY)
def test_what_a_rule_needs_cannot_be_taken_away(rates, mutation):
    name, sample = TAKEN_AWAY[mutation]
    assert sample in CASES[name].samples  # so `make calibrate` fails too
    assert rates["intact"][mutation]["wrong"] <= WORST
    mutated = rates["mutated"][mutation]
    assert mutated["wrong"] > WORST or mutated["coverage"] < COVERAGE
