"""The page of `existence-bounds`, from invented numbers: its findings follow from them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims.existence_bounds import formula as rule
from ticketlab.claims.existence_bounds.claim import ExistenceBounds, ExistenceBoundsPlan
from ticketlab.evidence.tables import Table
from ticketlab.report.page import presentation

SEEDS, TOLERANCES, COUNTS = 3, (0.1, 0.01, 0.001), (8, 16, 32)
BUILT = ((rule.SUBSET, rule.TARGETS[0]), (rule.SUBSET, rule.PERMUTED), ("multigraph", rule.TARGETS[0]))


def rate_rows(seed):
    for target in rule.TARGETS:
        for tolerance in TOLERANCES:
            for drawn in COUNTS:
                expected = 2000 * math.exp(-(2.0 ** (drawn / 4)) * tolerance * 2)
                failed = int(expected * (0.8 if tolerance == 0.1 else 1.0)) + seed
                law = expected if target == rule.TARGETS[0] else math.nan
                yield {
                    "target": target,
                    "seed": seed,
                    "tolerance": tolerance,
                    "drawn": drawn,
                    "usable": drawn / 2,
                    "weights": 2000,
                    "failed": failed,
                    "expected": expected,
                    "law": law,
                    "spread": 10.0,
                    "inputs": 128,
                    "failed_inputs": min(failed, 128),
                    "free": 0.1,
                }


def growth_rows(seed, unreached=()):
    for tolerance in TOLERANCES:
        bits = -math.log2(tolerance)
        for search, products in ((rule.SUBSET, 4 + 1.1 * bits + 0.1 * seed), (rule.PICK, 2.5 / tolerance)):
            yield {
                "search": search,
                "seed": seed,
                "tolerance": tolerance,
                "left": 0.1,
                "weights": 900,
                "products": math.nan if search == rule.PICK and tolerance in unreached else products,
                "constant": products / bits,
            }


def construction_rows(seed):
    for number, (construction, target) in enumerate(BUILT):
        yield {
            "construction": construction,
            "target": target,
            "seed": seed,
            "size": 100.0,
            "kept": 6.0,
            "kept_share": 0.06,
            "bits": 30.0,
            "bits_needed": math.log2(200),
            "failed": 0.005,
            "failed_inputs": 0.1,
            "attempts": 3,
            "factor": 0.02,
            "attack": 0.2 + 0.01 * seed,
            "certificate": 1.2 + number,
            "radius": 15.0,
            "beyond": 0.4,
            "certified": True,
            "agreement": 0.99,
            "relative": 0.004,
            "whole": 1e-6,
        }


def score_rows(rng, accuracies):
    right = {name: rng.random(400) < accuracy for name, accuracy in accuracies.items()}
    right[rule.SUBSET] = right[rule.TARGET]
    for i in range(400):
        yield {"id": i, "guess": float(i % 10 == 0)} | {name: float(of[i]) for name, of in right.items()}


def tables(unreached=()):
    rng = np.random.default_rng(0)
    rows = {
        name: [] for name in ("rates", "growth", "constructions", "weights", "examples", "learnt", "timings")
    }
    for seed in range(SEEDS):
        rows["rates"] += rate_rows(seed)
        rows["growth"] += growth_rows(seed, unreached)
        rows["constructions"] += construction_rows(seed)
        rows["weights"] += [{"seed": seed, "id": 9000 * seed + i, "missed": 0} for i in range(2000)]
        own = {rule.TARGET: 0.96, rule.SUBSET: 0.96, rule.RANDOM: 0.1}
        rows["examples"] += [{"seed": seed, **row} for row in score_rows(rng, own)]
        rows["learnt"] += [{"seed": seed, **row} for row in score_rows(rng, {rule.TARGET: 0.97})]
        rows["timings"].append({"seed": seed, "part": "training", "seconds": 2.0})
    return {
        name: Table.from_rows(
            name, of, units={"seconds": "s"} if name == "timings" else {}, measured=name == "timings"
        )
        for name, of in rows.items()
    }


def toy_record(record, unreached=()):
    study, plan = ExistenceBounds(), ExistenceBoundsPlan(seeds=SEEDS, tolerances=TOLERANCES, counts=COUNTS)
    return replace(
        record, claim=study.claim, evidence=study.conclude(plan, tables(unreached)), plan={"seeds": SEEDS}
    )


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


def test_all_figures_are_made_and_their_findings_follow(page, check_words) -> None:
    show = presentation(page)
    figures = {figure.key: figure for figure in (*show.figures, *show.certificates)}
    assert list(figures) == ["rates", "growth", "certificates"]
    assert figures["growth"].title == "Each halving of ε costs a subset sum 1.10 products"
    caption = figures["growth"].caption
    assert "as 1/ε to the power 1.00." in caption
    assert caption.endswith("the closest subset lies at 0.00 and one product at 1.00.")
    assert "0.80 at ε = 0.1" in figures["rates"].caption
    assert "exceeds 40.0 % of the certificate" in figures["certificates"].title
    assert len(show.summaries) == 6
    check_words(show)


def test_what_was_not_reached_is_left_out_of_the_figure_and_decides_nothing(record, check_words) -> None:
    page = toy_record(record, unreached=(0.001,))
    show = presentation(page)
    plot = show.figures[1].panels[0].chart
    assert [len(curve.x) for curve in plot.curves] == [3, 2]
    assert "one product at –" in show.figures[1].caption
    check_words(show)
    outcomes = {v.key: str(v.outcome) for v in page.evidence.verdicts}
    assert outcomes["claim"] == outcomes["told"] == outcomes[rule.PICK] == "undecided"
    assert outcomes["lean"] == outcomes["slope"] == "holds"


def test_the_invented_numbers_hold(page) -> None:
    whole = next(v for v in page.evidence.verdicts if not v.question)
    assert str(whole.outcome) == "holds"
