"""The page of `tail-exponent`, from invented numbers: its findings follow from them."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims.tail_exponent import formula as rule
from ticketlab.claims.tail_exponent.claim import TailExponent, TailExponentPlan
from ticketlab.claims.tail_exponent.planted import World, planted
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Sample
from ticketlab.report.page import presentation

SIZES = {3: 30, 8: 80, 20: 200, 50: 500, 128: 1280}


def tables(seeds=3):
    exponents = planted(World(ratio=0.2), Sample(seeds, 0), np.random.default_rng(0))["exponents"]
    exponents = exponents.adding(shape=np.full(len(exponents), -0.2), scale=np.full(len(exponents), 0.05))
    losses, timings = [], []
    for row in exponents.rows():
        about = {name: row[name] for name in ("task", "place", "network", "seed")}
        slopes = {rule.BEST: row["predicted"], rule.SELECTED: row["selected"], rule.TRAINED: row["trained"]}
        losses += [
            {**about, "kind": kind, "width": width, "parameters": size, "loss": (size / 20) ** -slope}
            for kind, slope in slopes.items()
            for width, size in SIZES.items()
        ]
        timings.append({**about, "part": "training", "seconds": 2.0})
    return {
        "exponents": exponents,
        "losses": Table.from_rows("losses", losses),
        "timings": Table.from_rows("timings", timings, units={"seconds": "s"}, measured=True),
    }


def toy_record(record):
    study, plan = TailExponent(), TailExponentPlan(seeds=3)
    return replace(record, claim=study.claim, evidence=study.conclude(plan, tables()), plan={"seeds": 3})


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


def test_all_figures_are_made_and_their_findings_follow(page, check_words) -> None:
    show = presentation(page)
    figures = {figure.key: figure for figure in show.figures}
    assert list(figures) == ["predicted-and-measured", "losses"]
    assert "predicts 0.2" in figures["predicted-and-measured"].title
    assert len(figures["predicted-and-measured"].panels) == 2
    assert "within each network" in figures["predicted-and-measured"].caption
    assert len(figures["losses"].panels) == 8
    assert len(show.summaries) == 2
    check_words(show)


def test_the_invented_numbers_fail(page) -> None:
    whole = next(v for v in page.evidence.verdicts if not v.question)
    assert str(whole.outcome) == "fails"
