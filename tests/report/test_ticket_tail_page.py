"""The page of `ticket-tail`, from invented numbers: its findings follow from them."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims.ticket_tail.claim import TicketTail, TicketTailPlan
from ticketlab.claims.ticket_tail.measures import LOG, SKILL
from ticketlab.evidence.tables import Table
from ticketlab.report.page import presentation

SHAPES = {
    "unit": -0.3,
    "network": 0.1,
    "mask": 0.12,
    "read-out": -0.1,
    "tangent direction": 0.05,
    "probe": -0.16,
}
NORMAL = -0.17


def tables(seeds=3):
    rows = {name: [] for name in ("tails", "curves", "gains", "predictions", "timings")}
    for kind, shape in SHAPES.items():
        for seed in range(seeds):
            about = {"kind": kind, "seed": seed}
            shift = 0.005 * (seed - 1)
            best = {"best": 0.08 + shift, "best_10": 0.1 + shift, "best_100": 0.12 + shift}
            for scale in (LOG, SKILL):
                found = {
                    "share": 0.2,
                    "excesses": 8000,
                    "shape": shape + shift,
                    "raw_shape": shape,
                    "normal_shape": NORMAL,
                }
                checks = {"apart": 0.002, "moments_shape": shape, "reliability": 0.97, "distinct": 1.0}
                rows["tails"].append({**about, "scale": scale, "tickets": 40_000, **found, **checks, **best})
            for count in (1, 10, 100, 800, 1000):
                skill = 0.01 + 0.02 * np.log10(count) + shift
                rows["curves"].append(
                    {**about, "count": count, "naive": skill + 0.005, "held_out": skill, "permuted": -0.001}
                )
            rows["gains"].append(
                {**about, "before": 0.02, "last": 0.02 * (1 + shape) + shift / 10, "normal_ratio": 0.8}
            )
            for count, blocks in ((1633, 24), (39_200, 1)):
                known = 1.0 if blocks > 1 else float("nan")
                scores = {"crps": 1e-3, "crps_normal": 2e-3, "crps_exponential": 3e-3}
                row = {
                    "fitted": 800,
                    "count": count,
                    "blocks": blocks,
                    "predicted": 0.08,
                    "seen": 0.079,
                    "gain": 0.01 * known,
                }
                row |= {"missed": (0.1 + shift) * known, "covered": 0.95 + shift if blocks > 1 else 1.0}
                rows["predictions"].append({**about, **row, **{n: v * known for n, v in scores.items()}})
            rows["timings"].append({**about, "part": "draws", "seconds": 2.0})
    return {
        name: Table.from_rows(
            name, of, units={"seconds": "s"} if name == "timings" else {}, measured=name == "timings"
        )
        for name, of in rows.items()
    }


def toy_record(record):
    study, plan = TicketTail(), TicketTailPlan(seeds=3)
    return replace(record, claim=study.claim, evidence=study.conclude(plan, tables()), plan={"seeds": 3})


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


def test_all_figures_are_made_and_their_findings_follow(page, check_words) -> None:
    show = presentation(page)
    figures = {figure.key: figure for figure in show.figures}
    assert list(figures) == ["best-of-n", "shapes"]
    assert "random units explains 7.0 % of the targets' variance" in figures["best-of-n"].title
    assert figures["shapes"].title.startswith("4 of 6 kinds")  # of the probes it is not certain
    assert [table.name for table in show.summaries] == [
        "bought",
        "tails-of-kinds",
        "predictions-of-kinds",
        "seconds",
    ]
    check_words(show)


def test_an_older_run_has_a_page(record, check_words) -> None:
    """Its best of all was predicted, and what predictions missed was counted otherwise."""
    of = tables()
    columns = [replace(c, name="best_1") if c.name == "best" else c for c in of["tails"].columns]
    kept = [c for c in of["predictions"].columns if c.name not in ("gain", "missed")]
    of |= {
        "tails": replace(of["tails"], columns=tuple(columns)),
        "predictions": replace(of["predictions"], columns=tuple(kept)),
    }
    study, plan = TicketTail(), TicketTailPlan(seeds=3)
    older = replace(record, claim=study.claim, evidence=study.conclude(plan, of), plan={"seeds": 3})
    assert len(presentation(older).summaries) == 4
    check_words(presentation(older))
    said = {(v.facets["kind"], v.key): str(v.outcome) for v in older.evidence.verdicts[1:]}
    assert said["network", "predicted"] == "undecided"


def test_a_short_tail_of_one_kind_fails_the_claim(page) -> None:
    claim, *asked = page.evidence.verdicts
    assert str(claim.outcome) == "fails"
    assert "unit: the tail" in claim.reading
    said = {(v.facets["kind"], v.key): str(v.outcome) for v in asked}
    assert said["network", "tail"] == "holds"
    assert said["unit", "tail"] == "fails"
    assert said["network", "predicted"] == said["network", "covered"] == "holds"
    assert said["unit", "straight"] == "fails"
