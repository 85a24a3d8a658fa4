"""The pages of `untrained-subnetwork` and `multi-prize`, from invented numbers: their findings follow from them."""

from dataclasses import replace

import pytest

from ticketlab.claims.multi_prize.claim import BOTH, WEIGHTS, MultiPrize, MultiPrizePlan
from ticketlab.claims.untrained_subnetwork.claim import UntrainedSubnetwork, UntrainedSubnetworkPlan
from ticketlab.evidence.tables import Evidence, Table
from ticketlab.figures.html import prose
from ticketlab.report.page import presentation, render

PLAN = UntrainedSubnetworkPlan(seeds=3, widths=(0.5, 0.25))
SCORES = {"ticket": 0.95, "random": 0.2, "dense": 0.97, "permuted": 0.1, "permuted dense": 0.11}
OTHERS = {0.1: 0.9, 0.9: 0.96}


def arm_row(setting, size, arm, score, seed, asked=0.5, distribution="signed-constant"):
    return {
        **{
            "setting": setting,
            "arm": arm,
            "size": size,
            "distribution": distribution,
            "asked": asked,
            "seed": seed,
        },
        "permuted": arm.startswith("permuted"),
        "density": asked,
        "kept": int(1000 * asked),
        "weights": 1000,
        "parameters": 1030,
        "test_score": score + 0.001 * (seed - 1),
        "sampled_test_score": score - 0.01 if arm == "ticket" else float("nan"),
        "train_score": 0.4 if arm == "permuted" else 1.0,
        "validation_score": score,
    }


def arms_of(seeds):
    for seed in range(seeds):
        for k, size in enumerate((1.0, 0.5, 0.25)):
            for arm, score in SCORES.items():
                if size == 1 or arm in ("ticket", "random", "dense"):
                    asked = 1.0 if "dense" in arm else 0.5
                    yield arm_row(f"width {size:g}", size, arm, score - 0.05 * k, seed, asked)
        for density, score in OTHERS.items():
            yield arm_row("width 1", 1.0, "density", score, seed, density)
            yield arm_row("width 1", 1.0, "random density", 0.15, seed, density)
        yield arm_row("width 1", 1.0, "distribution", 0.93, seed, distribution="normal")
        yield arm_row("width 1", 1.0, "random distribution", 0.18, seed, distribution="normal")


def example_rows(settings, seeds, scores, n=200):
    for setting, size in settings:
        for seed in range(seeds):
            for i in range(n):
                right = {arm: float((7 * i + seed) % n < n * s) for arm, s in scores.items()}
                yield {
                    "setting": setting,
                    "size": size,
                    "seed": seed,
                    "id": i,
                    "guess": float(i % 10 == 0),
                    **right,
                }


def beside(setting, seeds):
    """Curves, checks and timings of a setting."""
    curves = [
        {
            **{
                "setting": setting,
                "arm": arm,
                "size": 1.0,
                "distribution": "normal",
                "asked": 0.5,
                "seed": seed,
            },
            **{"step": step, "batch_loss": 0.1, "validation_score": 0.9 * step / 20},
        }
        for arm in ("ticket", "permuted", "dense")
        for seed in range(seeds)
        for step in (0, 10, 20)
    ]
    checks = [
        {"setting": setting, "arm": arm, "seed": seed, "compared": 1030, "kept": 500}
        for arm in ("ticket", "permuted")
        for seed in range(seeds)
    ]
    timings = [{"setting": setting, "arms": "ticket, density", "network_steps": 3000, "seconds": 1.5}]
    made = {"curves": Table.from_rows("curves", curves), "checks": Table.from_rows("checks", checks)}
    return {**made, "timings": Table.from_rows("timings", timings, measured=True)}


def tables(seeds=3):
    widths = [("width 1", 1.0), ("width 0.5", 0.5), ("width 0.25", 0.25)]
    compared = {arm: SCORES[arm] for arm in ("ticket", "random", "dense")}
    permuted = {arm: SCORES[arm] for arm in ("permuted", "permuted dense")}
    return {
        "arms": Table.from_rows("arms", arms_of(seeds)),
        "examples": Table.from_rows("examples", example_rows(widths, seeds, compared)),
        "permuted": Table.from_rows("permuted", example_rows(widths[:1], seeds, permuted)),
        **beside("width 1", seeds),
    }


def prize_tables(seeds=3):
    scores = {
        "ticket": 0.95,
        "random": 0.2,
        "mask": 0.96,
        "random mask": 0.2,
        "dense": 0.97,
        "binarised": 0.94,
    }
    settings = [(BOTH, 1.0), (WEIGHTS, 1.0)]
    arms = [
        arm_row(s, 1.0, arm, score, seed)
        for s, _ in settings
        for seed in range(seeds)
        for arm, score in scores.items()
    ]
    arms += [arm_row(s, 1.0, "permuted", 0.1, seed) for s, _ in settings for seed in range(seeds)]
    return {
        "arms": Table.from_rows("arms", arms),
        "examples": Table.from_rows("examples", example_rows(settings, seeds, scores)),
        "permuted": Table.from_rows("permuted", example_rows(settings, seeds, {"permuted": 0.1})),
        **beside(BOTH, seeds),
    }


def page_of(record, study, plan, given):
    return replace(record, claim=study.claim, evidence=study.conclude(plan, given), plan={"seeds": 3})


def toy_record(record):
    return page_of(record, UntrainedSubnetwork(), PLAN, tables())


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


def toy_prizes(record):
    return page_of(record, MultiPrize(), MultiPrizePlan(seeds=3), prize_tables())


@pytest.fixture(scope="module")
def prizes(record):
    return toy_prizes(record)


def test_all_figures_are_made(page, prizes, check_words) -> None:
    show = presentation(page)
    assert [f.key for f in show.figures] == [
        "densities",
        "widths",
        "distributions",
        "memory",
        "training",
    ]
    assert [f.key for f in presentation(prizes).figures] == ["prizes", "memory", "training"]
    assert len(show.summaries) == 2
    assert len(show.certificate_tables) == 1
    check_words(show)
    check_words(presentation(prizes))


def test_findings_follow_from_the_numbers(page, prizes) -> None:
    figures = {f.key: f for f in presentation(page).figures}
    assert "With 10 % to 90 % of the weights kept tickets score 90.0 to 96.0 %" in figures["densities"].title
    gap = next(iter(figures["densities"].panels[1].chart.points()))
    assert (gap.at, gap.value) == (pytest.approx(10), pytest.approx(-7.0))
    assert "From 1/4 to 1 times the width the ticket goes from 85.0 to 95.0 %" in figures["widths"].title
    assert "score 93.0 % (normal) and 95.0 % (± one constant)" in figures["distributions"].title
    assert "fits 40.0 % of the training labels, and on true labels scores 10.0 %" in figures["memory"].title
    chance = [
        p for p in figures["densities"].panels[0].chart.points() if p.series == "random mask of equal counts"
    ]
    assert (chance[0].at, chance[0].value) == (pytest.approx(10), pytest.approx(15.0))
    prize = {f.key: f for f in presentation(prizes).figures}["prizes"]
    assert f"{WEIGHTS} 95.0 %; {BOTH} 95.0 %; the trained network of full precision 97.0 %" in prize.title
    assert len(prize.panels) == 2


def test_every_arm_is_in_the_table(page) -> None:
    table, checks = presentation(page).summaries[0], presentation(page).certificate_tables[0]
    assert len(table.rows) == 5 + 4 + 2 + 2 * 3
    thousand = "1\N{NARROW NO-BREAK SPACE}000 weights"
    assert [g for _, g in table.groups] == [f"width {w}: {thousand}" for w in ("1", "0.5", "0.25")]
    row = next(r for r in table.rows if r[0].startswith("ticket"))
    assert row[1:5] == ("0.5", "signed-constant", "50 %", "500")
    assert row[6].startswith("94.0")
    assert checks.rows[0][2:] == ("3", "3\N{NARROW NO-BREAK SPACE}090")


def test_one_seed_has_no_intervals_and_a_page(record) -> None:
    page = page_of(record, UntrainedSubnetwork(), replace(PLAN, seeds=1), tables(1))
    assert len(presentation(page).figures) == 5


def test_a_table_that_is_missing_leaves_its_figures_out(page) -> None:
    kept = {n: t for n, t in page.evidence.tables.items() if n not in ("curves", "timings")}
    show = presentation(replace(page, evidence=Evidence(kept, page.evidence.verdicts)))
    assert "training" not in [f.key for f in show.figures]
    assert len(show.summaries) == 1
    assert presentation(replace(page, evidence=Evidence({}))).figures == ()


def test_the_pages_are_written(page, prizes) -> None:
    for of in (page, prizes):
        html = render(of)
        assert prose(of.evidence.verdicts[0].reading) in html
