"""The page of `random-pick`, from invented numbers: its findings follow from them."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims.random_pick import formula as rule
from ticketlab.claims.random_pick.claim import RandomPick, RandomPickPlan
from ticketlab.claims.random_pick.planted import World, planted
from ticketlab.evidence.tables import Column, Table
from ticketlab.laws.calibration import Sample
from ticketlab.report.page import presentation

SHOWN, MEASURES = (
    60,
    (
        "tv_corrected",
        "both",
        "rank_within_ceiling",
        "rank",
        "rank_ceiling",
        "label_rms",
        "label_correlation",
        "energy",
        "spectrum_distance",
    ),
)


def tables(seeds=5):
    rng = np.random.default_rng(0)
    found_by_rule = planted(World(distance=0.3), Sample(seeds, 0), rng)
    laws = found_by_rule["laws"]
    more = tuple(Column(name, np.full(len(laws), 0.2)) for name in MEASURES)
    rows = {"functions": [], "labels": [], "spectra": [], "timings": []}
    law = np.arange(1.0, SHOWN + 1) ** -1.2
    law /= 1.25 * law.sum()
    for seed in range(seeds):
        for arm in rule.ARMS:
            for i, p in enumerate(law):
                trained = float(p * np.exp(0.3 * rng.standard_normal())) if i % 7 else 0.0
                about = {"training": arm, "seed": seed, "function": f"{i:016b}", "errors": i % 9}
                about["complexity"] = 10.0 + i
                found = {"trained": trained, "bayes": float(p), "matched": float(p) / 30}
                counts = {"trained_count": round(8192 * trained), "bayes_count": round(8192 * p)}
                rows["functions"].append({**about, **found, **counts})
            for example in range(16):
                about = {"training": arm, "seed": seed, "example": example, "label": example % 2}
                rows["labels"].append({**about, "bayes_one": 0.3, "trained_one": 0.4})
        for source in ("bayes", *rule.ARMS):
            for errors, p in enumerate((0.5, 0.3, 0.2)):
                rows["spectra"].append({"source": source, "seed": seed, "errors": errors, "probability": p})
        rows["timings"].append({"seed": seed, "part": "SGD, square loss", "seconds": 2.0})
    made = {
        name: Table.from_rows(
            name, of, units={"seconds": "s"} if name == "timings" else {}, measured=name == "timings"
        )
        for name, of in rows.items()
    }
    controls = found_by_rule["controls"].adding(width_error=np.full(seeds, 1.0))
    shuffled = found_by_rule["shuffled"]
    made |= {"controls": controls, "shuffled": shuffled.adding(bayes_repeat=np.full(len(shuffled), 0.01))}
    return {"laws": replace(laws, columns=(*laws.columns, *more)), **made}


def toy_record(record):
    study, plan = RandomPick(), RandomPickPlan(seeds=5)
    return replace(record, claim=study.claim, evidence=study.conclude(plan, tables()), plan={"seeds": 5})


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


def test_all_figures_are_made_and_their_findings_follow(page, check_words) -> None:
    show = presentation(page)
    figures = {figure.key: figure for figure in show.figures}
    assert list(figures) == ["scatter", "ranks", "matched", "complexities", "spectra", "labels"]
    assert len(figures["scatter"].panels) == 4
    assert "1.5 decades more probable" in figures["matched"].title  # log₁₀ 30
    assert "rank correlation −1.00 at random" in figures["complexities"].title
    assert "differ by 0.10 (root mean square)" in figures["labels"].title
    assert "Training makes 0.70 errors on average, random networks that fit 0.70" in figures["spectra"].title
    assert [len(table.rows) for table in show.summaries] == [4, 4, 1, 5, 5, 1]
    check_words(show)


def test_the_invented_numbers_fail_almost(page) -> None:
    whole = next(v for v in page.evidence.verdicts if not v.question)
    assert str(whole.outcome) == "fails"
    assert whole.reading.startswith("Almost")
