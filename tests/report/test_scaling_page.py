"""The page of `scaling`, from invented curves: its findings follow from them."""

import re
from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims.scaling import page as drawn
from ticketlab.claims.scaling.claim import Scaling, ScalingPlan
from ticketlab.claims.scaling.families import OTHERS, YARDSTICK
from ticketlab.evidence.tables import Table
from ticketlab.report.page import presentation, render
from ticketlab.tasks.sources import SourceCode

LAWS = {"MLP": (1.6, 1.2, 0.25), "CNN": (1.5, 1.3, 0.3), "GRU": (1.4, 1.5, 0.3), "LSTM": (1.4, 1.6, 0.35)}
LAWS |= {YARDSTICK: (1.3, 1.8, 0.3)}
ENDED = "MLP"
SIZES = np.geomspace(900, 290_000, 7)


def tables(seeds=3, second=True, context=False):
    rng, other, rows = (
        np.random.default_rng(0),
        np.random.default_rng(1),
        {"runs": [], "lengths": [], "timings": []},
    )
    for kind, (floor, amount, exponent) in LAWS.items():
        for seed in range(seeds):
            for place, size in enumerate(SIZES):
                least = SIZES[-3] if kind == ENDED else size
                loss = floor + amount * (min(size, least) / SIZES[0]) ** -exponent
                loss *= np.exp(0.002 * rng.standard_normal() + 0.01 * (seed - 1))
                found = {
                    "loss": loss,
                    "noisy": 1.1 * loss,
                    "train_loss": 0.97 * loss,
                    "validation_loss": loss,
                }
                found |= {"permuted": 3.0 + 0.003 * rng.standard_normal(), "guess": 3.0, "inside": True}
                checked = -0.01 if place == len(SIZES) // 2 else np.nan
                found |= {"late": 0.02 if place >= 5 else np.nan, "regret": checked, "short_regret": checked}
                found |= {"probe": 0.5 * loss, "untrained_probe": 0.9} if second else {"probe": np.nan}
                found |= {"untrained_probe": 0.9 if second else np.nan}
                found |= {"early_loss": 1.2 if context else np.nan, "late_loss": loss if context else np.nan}
                found |= {"least_late_loss": 0.5 if context else np.nan}
                for steps in (296, 888, 2666, 8000):
                    trained = floor + 12 * size**-0.35 + 30 * (128 * steps) ** -0.35
                    trained *= np.exp(0.002 * other.standard_normal() + 0.01 * (seed - 1))
                    rows["lengths"].append(
                        {
                            "kind": kind,
                            "place": place,
                            "seed": seed,
                            "parameters": round(size),
                            "steps": steps,
                            "operations": 6 * size * 128 * steps,
                            "validation_loss": trained,
                            "loss": trained,
                        }
                    )
                rows["runs"].append(
                    {
                        "kind": kind,
                        "place": place,
                        "seed": seed,
                        "parameters": round(size),
                        "width": 8 * (place + 1),
                        "step_size": 0.016,
                        "steps": 8000,
                        **found,
                    }
                )
            rows["timings"].append(
                {"kind": kind, "place": 0, "seed": seed, "part": "training", "seconds": 20.0}
            )
    return {
        name: Table.from_rows(
            name, of, units={"seconds": "s"} if name == "timings" else {}, measured=name == "timings"
        )
        for name, of in rows.items()
    }


def toy_record(record):
    study, plan = Scaling(), ScalingPlan(seeds=3)
    return replace(record, claim=study.claim, evidence=study.conclude(plan, tables()), plan={"seeds": 3})


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


def test_all_figures_and_tables_are_made_and_their_findings_follow(page, check_words) -> None:
    show = presentation(page)
    assert [figure.key for figure in show.figures] == ["loss-by-size", "loss-by-computation", "second-task"]
    assert show.figures[1].title.startswith("With ten times the computation the best loss falls by ")
    assert (
        show.figures[2].title
        == "CNN, GRU, LSTM and transformer serve a second task better at the largest size"
    )
    assert show.figures[0].title == "CNN, GRU, LSTM and transformer still improve at the largest size"
    assert [table.name for table in show.summaries] == [
        "laws",
        "computation",
        "sizes",
        "second-task",
        "crossings",
        "seconds",
    ]
    by_name = {table.name: table for table in show.summaries}
    laws = {row[0]: row for row in by_name["laws"].rows}
    assert set(laws) == {*OTHERS, YARDSTICK}
    assert laws["GRU"][2].startswith("0.29")  # planted: 0.3
    assert len(by_name["crossings"].rows) == 10
    assert all("±" in row[1] for row in by_name["computation"].rows)
    assert len(by_name["second-task"].rows) == 10
    assert any("this run" in row[0] for row in show.published[0].rows)
    check_words(show)


def test_one_architecture_that_has_ended_fails_the_claim(page) -> None:
    claim, *asked = page.evidence.verdicts
    assert str(claim.outcome) == "fails"
    said = {(v.facets["kind"], v.key): str(v.outcome) for v in asked}
    assert said["MLP", "exponent"] == "fails"
    others = ("CNN", "GRU", "LSTM")
    assert {said[kind, key] for kind in others for key in ("exponent", "promise")} == {"holds"}
    assert said[YARDSTICK, "exponent"] == "holds"
    assert {said[kind, "compute"] for kind in LAWS} == {"holds"}
    assert said["GRU", "second"] == "holds"
    assert said[ENDED, "second"] == "fails"


def test_a_task_with_an_answer_at_every_step_has_a_figure_of_it(record, check_words) -> None:
    study = Scaling()
    kinds = ("GRU", "LSTM", YARDSTICK)
    plan = ScalingPlan(seeds=3, task=SourceCode(answers="every"), architectures=kinds)
    made = tables(second=False, context=True)
    runs, lengths = (
        made[n].taken(np.flatnonzero(np.isin(made[n]["kind"], kinds))) for n in ("runs", "lengths")
    )
    evidence = study.conclude(plan, {**made, "runs": runs, "lengths": lengths})
    show = presentation(replace(record, claim=study.claim, evidence=evidence, plan={"seeds": 3}))
    assert [figure.key for figure in show.figures] == ["loss-by-size", "loss-by-computation", "context"]
    assert "context" in [table.name for table in show.summaries]
    assert {str(v.outcome) for v in evidence.verdicts if v.key == "context"} == {"holds"}
    check_words(show)


def test_a_run_whose_best_sizes_lie_at_an_end_has_a_page(page) -> None:
    """There is no exponent of computation then, and nothing in its place."""
    lengths = page.evidence.tables["lengths"]
    some = {**page.evidence.tables, "lengths": lengths.taken(np.flatnonzero(lengths["steps"] >= 2666))}
    evidence = Scaling().conclude(ScalingPlan(seeds=3), some)
    asked = [v for v in evidence.verdicts if v.key == "compute"]
    assert {str(v.outcome) for v in asked} == {"undecided"}
    seen = re.sub(r"<(script|style).*?</\1>", "", render(replace(page, evidence=evidence)), flags=re.DOTALL)
    assert "Nowhere does the best size of the GRU" in seen
    assert not re.search(r"\bnan\b", seen, re.IGNORECASE)


def test_a_run_of_two_sizes_has_no_figure(page) -> None:
    runs = page.evidence.tables["runs"]
    few = runs.taken(np.flatnonzero(runs["place"] < 2))
    part = replace(page, evidence=replace(page.evidence, tables={"runs": few}, verdicts=()))
    assert presentation(part).figures == ()


def test_a_run_in_which_no_seed_has_all_sizes_has_no_figure(page) -> None:
    runs = page.evidence.tables["runs"]
    odd = runs.taken(np.flatnonzero(runs["place"] != runs["seed"]))
    part = replace(page, evidence=replace(page.evidence, tables={"runs": odd}, verdicts=()))
    assert presentation(part).figures == ()


def test_a_headline_says_what_the_seeds_are_sure_of():
    """Above 0.01 by the interval, and not by the mean alone; one seed is sure of nothing."""
    assert drawn._grows(np.array([0.02, 0.026, 0.032]))
    assert not drawn._grows(np.array([0.0, 0.025, 0.05]))
    assert not drawn._grows(np.array([0.03]))
