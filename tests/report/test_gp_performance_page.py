"""The page of `gp-performance`, from invented numbers: its findings follow from them."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims.gp_performance import formula as rule
from ticketlab.claims.gp_performance.claim import GpPerformance, GpPerformancePlan
from ticketlab.claims.gp_performance.search import SEARCH
from ticketlab.claims.gp_performance.shares import ARBITRARY, LINEAR, RBF
from ticketlab.claims.planted import examples, made
from ticketlab.evidence.tables import Table, concatenate
from ticketlab.laws.calibration import Sample
from ticketlab.report.page import presentation

SEEDS, WIDTHS, SIZES = 3, (0.25, 1.0), (75, 150, 300)
SCORES = {
    75: {
        rule.DESCENT: 0.80,
        rule.NNGP: 0.80,
        rule.NTK: 0.80,
        rule.TANGENT: 0.78,
        rule.DRAW: 0.74,
        RBF: 0.70,
        LINEAR: 0.66,
    },
    150: {
        rule.DESCENT: 0.88,
        rule.NNGP: 0.87,
        rule.NTK: 0.87,
        rule.TANGENT: 0.86,
        rule.DRAW: 0.82,
        RBF: 0.74,
        LINEAR: 0.70,
    },
    300: {
        rule.DESCENT: 0.94,
        rule.NNGP: 0.93,
        rule.NTK: 0.92,
        rule.TANGENT: 0.90,
        rule.DRAW: 0.88,
        RBF: 0.78,
        LINEAR: 0.74,
    },
}


def tables():
    rng, parts = np.random.default_rng(0), []
    rows = {name: [] for name in ("arms", "tuning", "choices", "certificates", "searches", "timings")}
    settings = [(rule.TRUE, w, n) for w in WIDTHS for n in SIZES] + [(rule.SHUFFLED, 1.0, 75)]
    for labels, width, size in settings:
        about = {"labels": labels, "width": width, "size": size}
        true = labels == rule.TRUE
        planted = {rule.COLUMNS[arm]: v if true else 0.1 for arm, v in SCORES[size].items()}
        of = examples(Sample(SEEDS, 600), planted, rng)
        columns = {c: of[c] for c in ("seed", "id", "guess", *planted)}
        columns |= {f"kept_{arm}_score": of[f"{arm}_score"] for arm in ("descent", "tangent")}
        parts.append(made("examples", {**{k: np.full(len(of), v) for k, v in about.items()}, **columns}))
        for seed in range(SEEDS):
            for arm in (*rule.ARMS, rule.DRAW, *ARBITRARY):
                at = {**about, "seed": seed, "offset": "kept" if arm == rule.DRAW else "centred", "arm": arm}
                score = float(np.mean(of.where(seed=seed)[rule.COLUMNS[arm]]))
                found = {"test_score": score, "validation_score": score, "train_score": 1.0}
                rows["arms"].append({**at, **found, "setting": 0.01, "setting_name": "ridge"})
                rows["tuning"].append(
                    {
                        **at,
                        "validation_score": 0.9,
                        "validation_loss": 0.1,
                        "test_score": score,
                        "chosen": True,
                    }
                )
                for offset in ("kept", "centred"):
                    rows["choices"].append({**at, "offset": offset, "inside": True, "settled": True})
            rows["certificates"].append({**about, "seed": seed, "met": True})
            rows["timings"].append({**about, "seed": seed, "arm": rule.DESCENT, "seconds": 3.0})
    for seed in range(SEEDS):
        rows["searches"].append(
            {"size": 16, "seed": seed, "tried_for": 131072, "expected": 3.0, "accepted": 0, "fitted": 1.0}
        )
    small = examples(Sample(SEEDS, 200), {"trained_score": 0.9, "search_score": 0.5}, rng, guess=0.5)
    columns = {c: small[c] for c in ("seed", "id", "guess", "trained_score", "search_score")}
    return {
        "examples": concatenate("examples", parts),
        "search_examples": made("search_examples", {"size": np.full(len(small), 16), **columns}),
        **{
            name: Table.from_rows(
                name, of, units={"seconds": "s"} if name == "timings" else {}, measured=name == "timings"
            )
            for name, of in rows.items()
        },
    }


def toy_record(record, given=None):
    study, plan = GpPerformance(), GpPerformancePlan(seeds=SEEDS, sizes=SIZES, search_sizes=(16,))
    return replace(
        record, claim=study.claim, evidence=study.conclude(plan, given or tables()), plan={"seeds": SEEDS}
    )


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


def test_all_figures_are_made_and_their_findings_follow(page, check_words) -> None:
    show = presentation(page)
    figures = {figure.key: figure for figure in show.figures}
    assert list(figures) == ["learning-curves", "shares"]
    assert [len(figure.panels) for figure in figures.values()] == [2, 2]
    assert figures["learning-curves"].title.startswith("With most data and units, training scores 9")
    assert ", arbitrary kernels 7" in figures["learning-curves"].title
    low, high, *others = (float(w) for w in figures["shares"].title.split() if w.replace(".", "").isdigit())
    assert low == pytest.approx(100 * 0.80 / 0.84, abs=2.5)  # the tangent minimum
    assert high == pytest.approx(100 * 0.83 / 0.84, abs=2.5)  # the NNGP posterior
    assert others == pytest.approx(
        [100 * 0.64 / 0.84, 100 * 0.68 / 0.84], abs=2.5
    )  # the linear kernel, the RBF kernel
    for figure in figures.values():
        drawn = {p.series for panel in figure.panels for p in panel.chart.points()}
        assert drawn >= {*rule.PICTURES, RBF, LINEAR}
    scores = next(table for table in show.summaries if table.name == "scores")
    assert {RBF, LINEAR} <= {row[0] for row in scores.rows}
    assert len(show.summaries) == 3
    check_words(show)


def test_an_older_run_without_arbitrary_kernels_has_its_figures(record) -> None:
    given = tables()
    columns = tuple(c for c in given["examples"].columns if c.name not in ARBITRARY.values())
    given["examples"] = Table("examples", columns)
    for name in ("arms", "tuning", "choices"):
        rows = [row for row in given[name].rows() if row["arm"] not in ARBITRARY]
        given[name] = Table.from_rows(name, rows)
    page = toy_record(record, given)
    figures = {figure.key: figure for figure in presentation(page).figures}
    assert not any("arbitrary" in figure.title for figure in figures.values())
    assert page.evidence.verdicts[0].outcome != "holds"


def test_questions_by_width_size_and_picture(page) -> None:
    asked = [v for v in page.evidence.verdicts if v.question]
    assert len([v for v in asked if v.headline]) == 2 * 3 + 4
    keys = [v.key for v in asked if not v.headline]
    assert keys.count(rule.EQUAL) == 6
    assert keys.count(rule.SHARE) == 12
    assert keys.count(rule.GROWTH) == 6
    assert keys.count(rule.KEPT) == 6
    search = next(v for v in asked if v.key == SEARCH)
    assert (
        "too few of 131072 random networks were expected to fit 16 examples (3, and 60 are required)"
        in search.reading
    )
