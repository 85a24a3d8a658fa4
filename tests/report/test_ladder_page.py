"""The page of `ladder`, from invented numbers: its findings follow from them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims.ladder import formula as rule
from ticketlab.claims.ladder.claim import Ladder, LadderPlan
from ticketlab.evidence.tables import Table
from ticketlab.laws.rules import ALPHA, Levels
from ticketlab.report.page import presentation

WRONG = {
    rule.UNIT: 0.75,
    rule.UNITS: 0.3,
    rule.PROBE: 0.15,
    rule.PROBES: 0.12,
    rule.LOGISTIC: 0.14,
    rule.MASK: 0.052,
    rule.TRAINED: 0.05,
}
LAYERS = ("dense1", "output")
EXAMPLES = 1200


def rungs_in_order():
    layers = [f"{rule.LAYER}: {name}" for name in LAYERS]
    return [*rule.RUNGS[:4], *layers, *rule.RUNGS[5:8], rule.LAYER, rule.TRAINED, *rule.OTHERS]


def tables(seeds=3):
    rng = np.random.default_rng(0)
    rows = {name: [] for name in ("examples", "rungs", "certificates", "search", "alignment", "timings")}
    rungs = rungs_in_order()
    for seed in range(seeds):
        difficulty = rng.random(EXAMPLES)
        columns = {
            "seed": np.full(EXAMPLES, seed),
            "id": np.arange(EXAMPLES),
            "guess": (np.arange(EXAMPLES) % 10 == 0),
        }
        for rung in rungs:
            wrong = WRONG.get(rung, 0.052)
            columns[rung] = difficulty > wrong
            columns[rule.control_of(rung)] = difficulty > wrong + 0.1
            row = {"seed": seed, "rung": rung, "layer": "dense1" if rung in (rule.PROBE, rule.LAYER) else ""}
            row |= {"test_score": 1 - wrong, "validation_score": 1 - wrong, "control_score": 0.9 - wrong}
            row |= {
                "parameters": 1000,
                "control_parameters": 1000,
                "bits": 1.0,
                "setting": 0.1,
                "setting_name": "ridge",
            }
            rows["rungs"].append({**row, "candidates": 5, "inside": True, "settled": True, "epochs": 0})
            if rung.startswith(rule.LAYER) or rung in (rule.HIDDEN, rule.TANGENT):
                found = {"relative_residual": 1e-9, "duality_gap": 1e-10, "condition": 1e4, "met": True}
                rows["certificates"].append({"seed": seed, "rung": rung, **found})
        names = list(columns)
        rows["examples"] += [
            {n: int(v) if n in ("seed", "id") else float(v) for n, v in zip(names, values, strict=True)}
            for values in zip(*columns.values(), strict=True)
        ]
        rows["search"].append(
            {"seed": seed, "setting": "the mask", "train_score": 1.0, "halfway_train_score": 1.0}
        )
        for layer in LAYERS:
            rows["alignment"].append(
                {
                    "seed": seed,
                    "layer": layer,
                    "cosine": 0.2 + 0.01 * seed,
                    "two_trainings": 0.9,
                    "permuted": 0.02,
                }
            )
        rows["timings"].append({"seed": seed, "part": "training", "seconds": 2.0})
    return {
        name: Table.from_rows(
            name, of, units={"seconds": "s"} if name == "timings" else {}, measured=name == "timings"
        )
        for name, of in rows.items()
    }


def toy_record(record):
    study, plan = Ladder(), LadderPlan(seeds=3)
    evidence = study.conclude(plan, tables())
    return replace(record, claim=study.claim, evidence=evidence, plan={"seeds": 3, "margin": 0.02})


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


def test_all_figures_are_made_and_their_findings_follow(page, check_words) -> None:
    show = presentation(page)
    figures = {figure.key: figure for figure in show.figures}
    assert list(figures) == ["rungs", "alignment"]
    assert figures["rungs"].title == (
        "The first rung that is shown to be enough and better than its control: the tangent space of the best layer"
    )
    assert "a cosine of 0.21 to 0.21" in figures["alignment"].title
    rows = [row.label for row in figures["rungs"].panels[0].chart.rows]
    assert rows[0] == rule.NAMES[rule.UNIT]
    assert rows[4:6] == [f"the tangent space of {layer} alone" for layer in LAYERS]
    assert rows[-5:] == [rule.NAMES[rung] for rung in (rule.TRAINED, *rule.OTHERS)]
    assert len(show.summaries) == 2
    assert len(show.certificate_tables) == 1
    check_words(show)


def test_without_a_standard_the_figure_says_what_it_shows_and_nothing_else(page) -> None:
    of = page.evidence.tables["rungs"]
    shut = {**page.evidence.tables, "rungs": of.adding(inside=np.zeros(len(of), bool))}
    closed = replace(page, evidence=Ladder().conclude(LadderPlan(seeds=3), shut))
    title = next(figure.title for figure in presentation(closed).figures if figure.key == "rungs")
    assert title == "Test errors of all rungs and of their controls"


def test_the_figure_names_the_rung_that_the_verdict_names(page) -> None:
    """At the level of a fourth look no rung is shown; at that of the first the same tables show one."""
    fourth = ALPHA * 6 / (4 * math.pi) ** 2
    look = Levels(fourth, fourth)
    later = replace(page, evidence=Ladder().conclude(LadderPlan(seeds=3), page.evidence.tables, look))
    title = next(figure.title for figure in presentation(later).figures if figure.key == "rungs")
    assert title == "No rung was shown to err as little as the trained network and less than its control"
    assert "No rung was shown to be both" in later.whole.reading


def test_the_invented_numbers_hold(page) -> None:
    assert str(page.whole.outcome) == "holds"
