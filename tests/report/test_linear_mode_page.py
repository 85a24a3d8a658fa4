"""The page of `linear-mode`, from invented numbers: its findings follow from them, and what lacks something has a page."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims.linear_mode.claim import LinearMode, LinearModePlan
from ticketlab.evidence.tables import Evidence, Table
from ticketlab.figures.html import prose
from ticketlab.report.page import presentation, render

PLAN = LinearModePlan(seeds=4, rewind_steps=(0, 20), copies=3, steps=100)
BARRIER = {
    ("ticket", 0): 0.08, ("ticket", 20): 0.002, ("dense", 0): 0.05, ("dense", 20): 0.0,
    ("random", 0): 0.3, ("random", 20): 0.2, ("shuffled", 0): 0.25, ("shuffled", 20): 0.21,
}  # fmt: skip
SCORE = {
    ("ticket", 0): 0.92, ("ticket", 20): 0.968, ("dense", 0): 0.97, ("dense", 20): 0.97,
    ("random", 0): 0.90, ("random", 20): 0.91, ("shuffled", 0): 0.90, ("shuffled", 20): 0.92,
}  # fmt: skip
ARMS = ("ticket", "dense", "random", "shuffled")


def tables(arms=ARMS, seeds=4, steps=(0, 20), barrier=BARRIER, score=SCORE, n=500):
    found = {name: [] for name in ("barriers", "copies", "lines", "networks", "checks", "timings")}
    columns = {name: [] for name in ("rewind_step", "seed", "id", "guess")}
    columns |= {f"{arm}_{what}": [] for arm in arms for what in ("score", "barrier", "barrier_split")}
    for k in steps:
        for arm in arms:
            for seed in range(seeds):
                about = {"rewind_step": k, "arm": arm, "seed": seed}
                height, level = barrier[arm, k] * (1 + 0.02 * seed), score[arm, k] + 0.0005 * seed
                for pair in ("1–2", "1–3", "2–3"):
                    errors = {
                        "test_error": height,
                        "train_error": height / 2,
                        "test_loss": 1.0,
                        "train_loss": 0.5,
                    }
                    found["barriers"].append({**about, "pair": pair, **errors, "alpha": 0.5, "distance": 0.7})
                for copy in (1, 2, 3):
                    found["copies"].append(
                        {
                            **about,
                            "copy": copy,
                            "test_score": level,
                            "train_score": 1.0,
                            "test_loss": 0.1,
                            "train_loss": 0.0,
                        }
                    )
                for alpha in (0.0, 0.5, 1.0):
                    error = 1 - level + height * (alpha == 0.5)
                    found["lines"].append({**about, "alpha": alpha, "test_error": error, "train_error": 0.01})
                kept = 1.0 if arm == "dense" else 0.12
                found["networks"].append({**about, "density": kept, "effective_density": kept, "kept": 100})
        found["checks"].append({"rewind_step": k, "pruned": 1000, "parameters_left": 0, "moments": 0})
        found["timings"].append({"rewind_step": k, "what": "dense", "network_steps": 1000, "seconds": 2.0})
        for seed in range(seeds):
            columns["rewind_step"] += [k] * n
            columns["seed"] += [seed] * n
            columns["id"] += list(range(n))
            columns["guess"] += [0.0] * n
            for arm in arms:
                each = np.arange(n)
                columns[f"{arm}_score"] += ((7 * each + seed) % n < n * score[arm, k]).astype(float).tolist()
                rises = ((11 * each + seed) % n < n * barrier[arm, k]).astype(float)
                columns[f"{arm}_barrier"] += rises.tolist()
                columns[f"{arm}_barrier_split"] += rises.tolist()
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    made = {name: Table.from_rows(name, of, measured=name == "timings") for name, of in found.items()}
    return {**made, "examples": Table.from_rows("examples", rows)}


def page_of(record, plan, given):
    study = LinearMode()
    evidence = study.conclude(plan, given)
    return replace(
        record, claim=study.claim, evidence=evidence, plan={"seeds": 4, "stable": 0.02, "margin": 0.01}
    )


def toy_record(record):
    return page_of(record, PLAN, tables())


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


def test_all_figures_are_made(page, check_words) -> None:
    show = presentation(page)
    assert [f.key for f in show.figures] == ["barriers", "relation", "accuracy", "paths"]
    assert len(show.summaries) == 2
    assert len(show.certificate_tables) == 1
    check_words(show)


def test_findings_follow_from_the_numbers(page) -> None:
    figures = {f.key: f for f in presentation(page).figures}
    title = figures["barriers"].title
    assert title.startswith("Mean barriers below 2 points: ticket at k = 20, dense network at k = 20")
    assert "random mask (Erdős–Rényi) at no k" in title
    assert "−5.00 at k = 0 and −0.20 at k = 20" in figures["accuracy"].title
    assert (
        figures["relation"].title
        == "Of 6 subnetworks none is as accurate as the dense network with a barrier above 2 points"
    )
    first = next(iter(figures["relation"].panels[0].chart.points()))
    assert (first.series, first.at, first.value) == (
        "ticket, k = 0",
        pytest.approx(8.24),
        pytest.approx(-5.0),
    )
    assert [p.name for p in figures["paths"].panels] == ["k = 0", "k = 20"]
    on_the_line = [p.value for p in figures["paths"].panels[0].chart.points() if p.series == "ticket"]
    assert on_the_line == pytest.approx([7.925, 16.165, 7.925])


def test_a_subnetwork_that_is_accurate_and_unstable_is_named(record) -> None:
    given = tables(score={**SCORE, ("shuffled", 0): 0.969})
    figures = {f.key: f for f in presentation(page_of(record, PLAN, given)).figures}
    assert "1 is as accurate" in figures["relation"].title
    assert "shuffled mask, k = 0" in figures["relation"].title


def test_every_arm_and_step_is_in_the_table(page) -> None:
    table = presentation(page).summaries[0]
    assert len(table.rows) == 2 * 4
    assert table.groups == ((0, "from step 0"), (4, "from step 20"))
    assert table.rows[4][:2] == ("ticket", "12 %")
    assert table.rows[4][4].startswith("0.206")
    assert presentation(page).certificate_tables[0].rows[1] == (
        "20",
        "1\N{NARROW NO-BREAK SPACE}000",
        "0",
        "0",
    )


def test_without_masks_to_compare_with_there_is_a_page(record) -> None:
    plan = replace(PLAN, controls=())
    show = presentation(page_of(record, plan, tables(("ticket", "dense"))))
    assert [f.key for f in show.figures] == ["barriers", "relation", "accuracy", "paths"]


def test_one_seed_and_barriers_of_zero_have_a_page(record, check_words) -> None:
    given = tables(seeds=1, barrier=dict.fromkeys(BARRIER, 0.0))
    check_words(presentation(page_of(record, replace(PLAN, seeds=1), given)))


def test_a_table_that_is_missing_leaves_its_figures_out(page) -> None:
    kept = {n: t for n, t in page.evidence.tables.items() if n not in ("lines", "copies", "timings")}
    show = presentation(replace(page, evidence=Evidence(kept, page.evidence.verdicts)))
    assert [f.key for f in show.figures] == ["barriers"]
    assert presentation(replace(page, evidence=Evidence({}))).figures == ()


def test_the_page_is_written(page) -> None:
    html = render(page)
    assert "its weights under a shuffled mask" in html
    assert prose(page.evidence.verdicts[0].reading) in html
