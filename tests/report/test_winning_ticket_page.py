"""The page of `winning-ticket`, from invented numbers: its findings follow from them, and what lacks something has a page."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims.winning_ticket.claim import WinningTicket, WinningTicketPlan
from ticketlab.evidence.tables import Evidence, Table
from ticketlab.figures.html import prose
from ticketlab.report.page import presentation, render

PLAN = WinningTicketPlan(seeds=3, levels=2, density=0.5)
LAST = {
    "dense": 0.97,
    "ticket": 0.975,
    "reinitialised": 0.95,
    "shuffled": 0.94,
    "both": 0.93,
    "equal-size": 0.92,
}
LAST["random"] = 0.945
STOPS = {"dense": 600, "ticket": 400, **dict.fromkeys(PLAN.controls, 800)}


def tables(arms=tuple(LAST), seeds=3):
    levels, layers, curves, examples = [], [], [], []
    for level in range(3):
        for arm in [a for a in arms if (a == "dense") == (level == 0)]:
            for seed in range(seeds):
                density = 0.7**level
                about = {"level": level, "arm": arm, "seed": seed}
                levels.append(
                    {
                        **about,
                        "decisive": level == 2,
                        "density": density,
                        "effective_density": density - 0.01 * level,
                        "kept": int(1000 * density),
                        "parameters": round(1000 * density) + 30,
                        "early_stop_step": STOPS[arm] + 10 * seed,
                        "test_score": LAST[arm] + 0.001 * seed,
                        "validation_score": LAST[arm],
                        "validation_loss": 0.1,
                        "final_test_score": LAST[arm] - 0.01,
                    }
                )
                layers += [
                    {**about, "layer": n, "density": density * f}
                    for n, f in (("dense1", 0.9), ("output", 1.0))
                ]
                if level != 1:
                    curves += [
                        {**about, "step": s, "validation_loss": 1 / (1 + s), "validation_score": 0.9}
                        for s in (0, 10, 20)
                    ]
    for seed in range(seeds):
        for i in range(200):
            right = {arm: float((7 * i + seed) % 200 < 200 * LAST[arm]) for arm in arms}
            examples.append({"seed": seed, "id": i, "guess": float(i % 10 == 0), **right})
    checks = [
        {"level": n, "arms": "ticket", "pruned": 1000 * n, "parameters_left": 0, "best": 0, "moments": 0}
        for n in range(3)
    ]
    timings = [{"level": n, "network_steps": 3000, "seconds": 1.5} for n in range(3)]
    found = {"levels": levels, "layers": [r for r in layers if r["arm"] != "dense"], "curves": curves}
    found |= {"examples": examples, "checks": checks}
    made = {name: Table.from_rows(name, rows) for name, rows in found.items()}
    return {**made, "timings": Table.from_rows("timings", timings, measured=True)}


def page_of(record, plan, given):
    study = WinningTicket()
    return replace(record, claim=study.claim, evidence=study.conclude(plan, given), plan={"seeds": 3})


def toy_record(record):
    return page_of(record, PLAN, tables())


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


def test_all_figures_are_made(page, check_words) -> None:
    show = presentation(page)
    assert [f.key for f in show.figures] == ["accuracy", "early-stop", "training", "layers"]
    assert len(show.summaries) == 2
    assert len(show.certificate_tables) == 1
    check_words(show)


def test_findings_follow_from_the_numbers(page) -> None:
    figures = {f.key: f for f in presentation(page).figures}
    assert "At 49 % of the weights the ticket's test score is +0.50 points" in figures["accuracy"].title
    assert "dense, of equal size +5.50" in figures["accuracy"].title
    assert "early stop is at step 410, the dense network's at 610" in figures["early-stop"].title
    assert "49 % of the weights are kept, and 47 % lie on a path" in figures["layers"].title
    assert len(figures["accuracy"].panels) == 5
    points = list(figures["accuracy"].panels[0].chart.points())
    last = [p for p in points if p.series == "its mask over new weights"][-1]
    assert (last.at, last.value) == (pytest.approx(49), pytest.approx(95.1))
    assert [p.value for p in points if p.series == "dense network"] == [pytest.approx(97.1)]


def test_every_arm_and_level_is_in_the_table(page) -> None:
    table = presentation(page).summaries[0]
    assert len(table.rows) == 1 + 2 * 6
    assert [g for _, g in table.groups] == ["level 0", "level 1", "level 2, where the question is decided"]
    row = next(r for r in table.rows[7:] if r[0] == "ticket")
    assert row[1:4] == ("49 %", "47 %", "520")
    np.testing.assert_array_equal(presentation(page).certificate_tables[0].rows[2][3:], ["0", "0", "0"])


def test_masks_that_change_have_a_figure_of_their_own(record) -> None:
    arms = tables()["levels"].where(arm="ticket", level=2).rows()
    moved = [{**r, "arm": "rigl", "final_test_score": 0.9 + 0.001 * r["seed"]} for r in arms]
    given = tables()
    given["levels"] = Table.from_rows("levels", [*given["levels"].rows(), *moved])
    show = presentation(page_of(record, PLAN, given))
    keys = ["accuracy", "early-stop", "dynamic", "training", "layers"]
    assert [f.key for f in show.figures] == keys
    figure = show.figures[2]
    assert "RigL: the mask follows gradients 90.1" in figure.title
    assert [row.label.split(":")[0] for row in figure.panels[0].chart.rows] == [
        "ticket",
        "random mask (Erdős–Rényi)",
        "RigL",
    ]
    assert len(show.summaries[0].rows) == 1 + 2 * 6 + 1
    assert len(show.figures[0].panels) == 5


def test_without_controls_the_ticket_stands_alone(record) -> None:
    page = page_of(record, replace(PLAN, controls=()), tables(("dense", "ticket")))
    figures = {f.key: f for f in presentation(page).figures}
    assert len(figures["accuracy"].panels) == 1
    assert "controls" not in figures["accuracy"].title


def test_one_seed_has_no_intervals_and_a_page(record) -> None:
    page = page_of(record, replace(PLAN, seeds=1), tables(seeds=1))
    assert presentation(page).figures


def test_seeds_with_other_numbers_have_a_page(record) -> None:
    """`--first-seed 100`: the density of each layer is drawn against that of the seeds that there are."""
    given = {}
    for name, table in tables().items():
        rows = [{**row, **({"seed": 100 + row["seed"]} if "seed" in row else {})} for row in table.rows()]
        given[name] = Table.from_rows(name, rows, measured=table.measured)
    page = page_of(record, replace(PLAN, first_seed=100), given)
    assert [f.key for f in presentation(page).figures] == ["accuracy", "early-stop", "training", "layers"]


def test_a_table_that_is_missing_leaves_its_figures_out(page) -> None:
    kept = {n: t for n, t in page.evidence.tables.items() if n not in ("curves", "layers", "timings")}
    show = presentation(replace(page, evidence=Evidence(kept, page.evidence.verdicts)))
    assert [f.key for f in show.figures] == ["accuracy", "early-stop"]
    assert len(show.summaries) == 1
    assert presentation(replace(page, evidence=Evidence({}))).figures == ()


def test_the_page_is_written(page) -> None:
    html = render(page)
    assert "its weights under a shuffled mask" in html
    assert prose(page.evidence.verdicts[0].reading) in html


def test_published_numbers_are_next_to_ours(page) -> None:
    (table,) = presentation(page).published
    assert [row[:3] for row in table.rows[:3]] == [
        ("test score of the dense network", "97.10 −0.26 +0.24 %", "just over 98 %"),
        (
            "ticket minus dense network",
            "+0.50 (+0.50 to +0.50) points at 49 % kept",
            "more than +0.3 points at 13.5 % kept",
        ),
        (
            "steps to the early stop, ticket against dense",
            "33 % fewer at 49 % kept",
            "38 % fewer at 21 % kept",
        ),
    ]
    assert len(table.rows) == 5
    assert "just over 98 %" in render(page)
