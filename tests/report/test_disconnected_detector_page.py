"""The page of `disconnected-detector`, from invented numbers: its findings follow from them."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims.disconnected_detector import formula as rule
from ticketlab.claims.disconnected_detector.claim import DisconnectedDetector, DisconnectedDetectorPlan
from ticketlab.evidence.tables import Column, Table
from ticketlab.report.page import presentation

AUCS = {rule.TICKET: (0.98, 0.66), rule.RANDOM: (0.85, 0.75), rule.LABELS: (0.86, 0.74)}
GRADIENT = {rule.TICKET: 0.52, rule.RANDOM: 0.5, rule.LABELS: 0.51}


def tables(seeds=3, test=200):
    rng = np.random.default_rng(0)
    rows = {name: [] for name in ("units", "weights", "examples", "timings")}
    for seed in range(seeds):
        for source, (own, whole) in AUCS.items():
            about = {"source": source, "seed": seed}
            for name in "012":
                found = {"auc": own + 0.001 * seed, "whole": whole, "average": 0.65, "best": 0.9}
                rows["units"].append({**about, "class": name, "unit": "dense1, unit 3", **found})
            for layer in ("dense1", "output"):
                correlation = float("nan") if source == rule.RANDOM else 0.1
                found = {"auc": GRADIENT[source] + 0.001 * seed, "common": 0.52, "density": 0.5}
                rows["weights"].append(
                    {**about, "layer": layer, **found, "rank_correlation": correlation, "ceiling": 0.7}
                )
        right = {
            source: (rng.random(test) < score).astype(float)
            for source, score in zip(AUCS, (0.9, 0.1, 0.1), strict=True)
        }
        rows["examples"] += [
            {
                "seed": seed,
                "id": i,
                "guess": float(i % 10 == 0),
                **{s: float(of[i]) for s, of in right.items()},
            }
            for i in range(test)
        ]
        rows["timings"].append({"seed": seed, "part": "search", "seconds": 2.0})
    units = {"timings": {"seconds": "s"}}
    found = {
        name: Table.from_rows(name, of, units=units.get(name, {}), measured=name == "timings")
        for name, of in rows.items()
    }
    fitted = {rule.LABELS: (np.arange(seeds * test) % test < test / 2).astype(float)}
    learnt = {name: found["examples"][name] for name in ("seed", "id", "guess")} | fitted
    return found | {"learnt": Table("learnt", tuple(Column(*column) for column in learnt.items()))}


def toy_record(record):
    study, plan = DisconnectedDetector(), DisconnectedDetectorPlan(seeds=3)
    return replace(record, claim=study.claim, evidence=study.conclude(plan, tables()), plan={"seeds": 3})


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


def test_all_figures_are_made_and_their_findings_follow(page, check_words) -> None:
    show = presentation(page)
    figures = {figure.key: figure for figure in show.figures}
    assert list(figures) == ["units", "gradient"]
    assert "an AUC of 0.981 once the rest is cut off, and of 0.660 before" in figures["units"].title
    assert "with an AUC of 0.521" in figures["gradient"].title
    assert len(show.summaries) == 4
    check_words(show)


def test_the_invented_numbers_hold(page) -> None:
    whole = next(v for v in page.evidence.verdicts if not v.question)
    assert str(whole.outcome) == "holds"
