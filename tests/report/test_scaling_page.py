"""The page of `scaling`, from invented curves: its findings follow from them."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims.scaling.claim import Scaling, ScalingPlan
from ticketlab.claims.scaling.families import OTHERS, YARDSTICK
from ticketlab.evidence.tables import Table
from ticketlab.report.page import presentation

LAWS = {"MLP": (1.6, 1.2, 0.25), "CNN": (1.5, 1.3, 0.3), "GRU": (1.4, 1.5, 0.3), "LSTM": (1.4, 1.6, 0.35)}
LAWS |= {YARDSTICK: (1.3, 1.8, 0.3)}
ENDED = "MLP"
SIZES = np.geomspace(900, 290_000, 7)


def tables(seeds=3):
    rng, rows = np.random.default_rng(0), {"runs": [], "timings": []}
    for kind, (floor, amount, exponent) in LAWS.items():
        for seed in range(seeds):
            for place, size in enumerate(SIZES):
                least = SIZES[-3] if kind == ENDED else size
                loss = floor + amount * (min(size, least) / SIZES[0]) ** -exponent
                loss *= np.exp(0.002 * rng.standard_normal() + 0.01 * (seed - 1))
                last = place == len(SIZES) - 1
                found = {
                    "loss": loss,
                    "noisy": 1.1 * loss,
                    "train_loss": 0.97 * loss,
                    "validation_loss": loss,
                }
                found |= {"permuted": 3.0 + 0.003 * rng.standard_normal(), "guess": 3.0, "inside": True}
                found |= {"late": 0.02 if place >= 5 else np.nan, "regret": -0.01 if last else np.nan}
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
    assert [figure.key for figure in show.figures] == ["loss-by-size"]
    assert show.figures[0].title == "CNN, GRU, LSTM and transformer still improve at the largest size"
    assert [table.name for table in show.summaries] == ["laws", "sizes", "crossings", "seconds"]
    laws = {row[0]: row for row in show.summaries[0].rows}
    assert set(laws) == {*OTHERS, YARDSTICK}
    assert laws["GRU"][2].startswith("0.29")  # planted: 0.3
    assert len(show.summaries[2].rows) == 10
    assert any("this run" in row[0] for row in show.published[0].rows)
    check_words(show)


def test_one_architecture_that_has_ended_fails_the_claim(page) -> None:
    claim, *asked = page.evidence.verdicts
    assert str(claim.outcome) == "fails"
    said = {(v.facets["kind"], v.key): str(v.outcome) for v in asked}
    assert said["MLP", "exponent"] == "fails"
    assert {
        said[kind, key] for kind in ("CNN", "GRU", "LSTM") for key in ("exponent", "promise", "control")
    } == {"holds"}
    assert said[YARDSTICK, "exponent"] == "holds"


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
