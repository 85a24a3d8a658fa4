"""The page of `tangent-sampling`, from invented numbers: its findings follow from them."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims.tangent_sampling.claim import TangentSampling, TangentSamplingPlan
from ticketlab.claims.tangent_sampling.planted import World, planted
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Sample
from ticketlab.report.page import presentation

SEEDS, EXAMPLES = 3, 16


def tables():
    rng = np.random.default_rng(0)
    found = planted(World(distance=0.3), Sample(SEEDS, 0), rng)
    laws = found["laws"]
    more = {name: np.full(len(laws), 0.2) for name in ("tv_corrected", "label_rms", "energy")}
    trained = rng.random(SEEDS * EXAMPLES)
    rows = {
        "labels": [
            {"seed": i // EXAMPLES, "example": i % EXAMPLES, "target": int(p > 0.5), "trained": float(p)}
            | {"starts": float(p**2), "null": 0.5}
            for i, p in enumerate(trained)
        ],
        "timings": [{"seed": s, "part": "trained networks", "seconds": 2.0} for s in range(SEEDS)],
    }
    made = {
        name: Table.from_rows(
            name, of, units={"seconds": "s"} if name == "timings" else {}, measured=name == "timings"
        )
        for name, of in rows.items()
    }
    return {**found, "laws": laws.adding(**more), **made}


def toy_record(record):
    study, plan = TangentSampling(), TangentSamplingPlan(seeds=SEEDS)
    return replace(record, claim=study.claim, evidence=study.conclude(plan, tables()), plan={"seeds": SEEDS})


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


def test_all_figures_are_made_and_their_findings_follow(page, check_words) -> None:
    show = presentation(page)
    figures = {figure.key: figure for figure in show.figures}
    assert list(figures) == ["variance", "labels"]
    assert "differ by 0.20" in figures["labels"].title
    share = float(np.mean(page.evidence.tables["variance"].where(law="training")["rows"]))
    assert f"θ₀ has {100 * share:.0f} % of the variance" in figures["variance"].title
    assert [len(table.rows) for table in show.summaries] == [4, 4, 1]
    check_words(show)
