"""The side questions of `scaling` on planted worlds: they hold, fail, and are kept back where they would be wrong."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims.scaling import sides
from ticketlab.claims.scaling.claim import Scaling, ScalingPlan
from ticketlab.claims.scaling.formula import LEAST
from ticketlab.claims.scaling.planted_sides import SideWorld, planted_sides, question, side_cases
from ticketlab.laws.calibration import Kind, Sample, repeated
from ticketlab.laws.formulae import Gated, answer
from ticketlab.laws.verdict import Outcome
from ticketlab.tasks.sources import Digits, InContext, SourceCode

CASES = {case.name: case for case in side_cases()}
BOUNDARIES = [name for name, case in CASES.items() if case.kind is Kind.BOUNDARY]
MANY = Sample(10, 0)


def rates(name, sample, repetitions):
    return repeated(CASES[name], sample, repetitions, np.random.default_rng(0))


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.kind is Kind.INSIDE])
def test_what_is_true_holds(name) -> None:
    assert rates(name, MANY, 20).outcomes[Outcome.HOLDS] > 0.9


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.kind is Kind.OUTSIDE])
def test_what_is_false_fails(name) -> None:
    found = rates(name, MANY, 20).outcomes
    assert found[Outcome.HOLDS] == 0
    assert found[Outcome.FAILS] > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("name", BOUNDARIES)
@pytest.mark.parametrize("seeds", [3, 10])
def test_on_a_boundary_little_is_said_and_intervals_cover(name, seeds) -> None:
    """Rates of 2.5 % on either side stay below 6.5 % with 99.8 % in 150 repetitions, coverages of 95 % above 88.5 %."""
    found = rates(name, Sample(seeds, 0), 150)
    assert max(found.outcomes[Outcome.HOLDS], found.outcomes[Outcome.FAILS]) <= 0.065
    assert min(found.coverage.values()) >= 0.885


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.kind is Kind.GATE])
def test_where_it_would_be_wrong_nothing_is_said(name) -> None:
    assert rates(name, MANY, 20).outcomes[Outcome.UNDECIDED] == 1


@pytest.mark.parametrize(
    ("name", "gate"),
    [
        ("short trainings have a wrong step size", "short"),
        ("width alone", "earned"),
        ("better before training", "earned"),
        ("all has been learnt", "room"),
    ],
)
def test_without_its_gate_it_would_be_decided(name, gate) -> None:
    case = CASES[name]
    assert isinstance(case.formula, Gated)
    open_ = replace(case.formula, gates=tuple(g for g in case.formula.gates if g.key != gate))
    tables = case.plant(MANY, np.random.default_rng(0))
    assert answer(open_, tables).outcome is not Outcome.UNDECIDED
    assert answer(case.formula, tables).outcome is Outcome.UNDECIDED


def test_early_losses_that_rise_are_no_gain_late() -> None:
    """Without the bound at 0 this would hold: late minus early is 0.05."""
    tables = planted_sides(SideWorld(early=-0.05, late=0.0), MANY, np.random.default_rng(0))
    assert sides.growth("MLP", tables).mean() < LEAST


def test_a_length_that_a_seed_lacks_is_left_out() -> None:
    tables = dict(planted_sides(SideWorld(), Sample(3, 0), np.random.default_rng(0)))
    rows = tables["lengths"]
    lost = (rows["seed"] == 1) & (rows["place"] == 6) & (rows["steps"] == rows["steps"].min())
    part = {**tables, "lengths": rows.taken(np.flatnonzero(~lost))}
    _, budgets, _, _ = sides.lengths("MLP", part)
    assert np.isnan(budgets[6]).sum() == 1
    assert np.isfinite(budgets[:6]).all()
    whole, some = (sides.envelope("MLP", of) for of in (tables, part))
    assert some.exponents == pytest.approx(whole.exponents, rel=0.05)


def test_a_seed_without_a_size_is_left_out() -> None:
    tables = dict(planted_sides(SideWorld(), Sample(3, 0), np.random.default_rng(0)))
    rows = tables["lengths"]
    part = rows.taken(np.flatnonzero((rows["seed"] != 2) | (rows["place"] != 4)))
    assert sides.lengths("MLP", {"lengths": part})[3].shape[0] == 2


def test_where_fewer_steps_do_better_nothing_is_said_of_computation() -> None:
    """Such a size would count at its operations with a loss above the one that they reach."""
    tables = dict(planted_sides(SideWorld(), MANY, np.random.default_rng(0)))
    rows = tables["lengths"]
    worst = (rows["place"] == 0) & (rows["steps"] == rows["steps"].max())
    losses = np.where(worst, 1.5 * rows["validation_loss"], rows["validation_loss"])
    found = answer(question(sides.COMPUTE), {**tables, "lengths": rows.adding(validation_loss=losses)})
    assert found.outcome is Outcome.UNDECIDED
    assert [words[:16] for words in found.closed] == ["With fewer steps"]


def test_without_lengths_nothing_is_said() -> None:
    tables = dict(planted_sides(SideWorld(), Sample(3, 0), np.random.default_rng(0)))
    few = tables["lengths"].taken(np.flatnonzero(tables["lengths"]["place"] < 2))
    found = answer(question(sides.COMPUTE), {**tables, "lengths": few})
    assert found.outcome is Outcome.UNDECIDED
    assert "Nowhere" in " ".join(found.closed)


@pytest.mark.parametrize(
    ("task", "kinds", "asked"),
    [
        (SourceCode(), ("MLP", "transformer"), {sides.SECOND}),
        (Digits(), ("MLP", "transformer"), set()),
        (SourceCode(answers="every"), ("GRU", "transformer"), {sides.CONTEXT}),
        (InContext(answers="every"), ("GRU", "transformer"), {sides.CONTEXT}),
    ],
)
def test_questions_are_asked_where_they_mean_something(task, kinds, asked) -> None:
    agenda = Scaling().asked(ScalingPlan(task=task, architectures=kinds))
    keys = {part.part.key for part in agenda.sides if isinstance(part, Gated)}
    assert keys & {sides.SECOND, sides.CONTEXT} == asked
    assert {sides.COMPUTE, sides.NOISY} <= keys
