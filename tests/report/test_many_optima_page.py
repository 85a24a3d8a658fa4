"""The page of `many-optima`, from invented numbers: its findings follow from them."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims.many_optima import formula as rule
from ticketlab.claims.many_optima.claim import ManyOptima, ManyOptimaPlan
from ticketlab.claims.many_optima.page import WAYS
from ticketlab.claims.many_optima.planted import World, planted
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Sample
from ticketlab.report.page import presentation

MATCHED = {rule.TWIN: 0.3, rule.COPY: 0.28, rule.OWN: 0.7, rule.INDEPENDENT: 1.1, rule.TICKETS: 1.25}
FAR = {rule.PERMUTED: 1.2, rule.UNTRAINED: 1.15}


def tables(seeds=3):
    rows = {name: [] for name in ("networks", "pairs", "lines", "timings")}
    for seed in range(seeds):
        for name in ("one", "other", rule.TWIN, rule.TICKET, rule.OTHER_TICKET):
            rows["networks"].append(
                {
                    "seed": seed,
                    "network": name,
                    "train_score": 1.0,
                    "test_score": 0.95,
                    "fitted": True,
                    "counts": name in ("one", "other"),
                }
            )
        for arm, distance in {**MATCHED, **FAR}.items():
            bump = 0.3 if arm in (rule.INDEPENDENT, rule.TICKETS) else 0.01
            barriers = {way: bump / (i + 1) if arm in MATCHED else np.nan for i, way in enumerate(WAYS)}
            about = {"moved": 100, "disagreement": 0.04, "explained": 0.9, "cka": 0.8, **barriers}
            near = distance + 0.01 * seed
            found = {"raw": 1.3 * near, "balanced": 1.2 * near, "matched": near}
            rows["pairs"].append({"seed": seed, "arm": arm, **found, **about})
            for i, way in enumerate(WAYS) if arm in MATCHED else ():
                for alpha in (0.0, 0.25, 0.5, 0.75, 1.0):
                    error = 0.05 + 4 * alpha * (1 - alpha) * bump / (i + 1)
                    rows["lines"].append(
                        {"seed": seed, "arm": arm, "way": way, "alpha": alpha, "error": error, "loss": error}
                    )
        rows["timings"].append({"seed": seed, "part": "lines", "seconds": 2.0})
    made = {
        name: Table.from_rows(
            name, of, units={"seconds": "s"} if name == "timings" else {}, measured=name == "timings"
        )
        for name, of in rows.items()
    }
    examples = planted(World(0.06, 0.2), Sample(seeds, 2000, 0.95), np.random.default_rng(0))["examples"]
    return {**made, "examples": examples}


def toy_record(record):
    study, plan = ManyOptima(), ManyOptimaPlan(seeds=3)
    return replace(record, claim=study.claim, evidence=study.conclude(plan, tables()), plan={"seeds": 3})


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


def test_all_figures_are_made_and_their_findings_follow(page, check_words) -> None:
    show = presentation(page)
    figures = {figure.key: figure for figure in show.figures}
    assert list(figures) == ["distances", "paths"]
    assert "from 1.44 to 1.11" in figures["distances"].title
    assert len(figures["paths"].panels) == 4
    assert len(show.summaries) == 4
    check_words(show)


def test_the_invented_numbers_hold(page) -> None:
    whole = next(v for v in page.evidence.verdicts if not v.question)
    assert str(whole.outcome) == "holds"
