"""The page of `same-ticket`, from invented numbers: its findings follow from them."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims.same_ticket import tables as read
from ticketlab.claims.same_ticket.claim import SameTicket, SameTicketPlan
from ticketlab.claims.same_ticket.planted import World, accuracies, planted
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Sample
from ticketlab.report.page import presentation, render

PLAN = SameTicketPlan(seeds=3, others=("snip",))
STEPS, SEEDS, NOISE = (0, 10, 100), range(3), 0.01
SCORES = {"ticket": 0.9, "stratified": 0.5, "shuffled": 0.5, "rest": 0.3, "stratified rest": 0.4}
GROWN = {
    ("ticket", "true"): 0.2,
    ("snip", "true"): 0.1,
    ("ticket", "permuted"): 0.01,
    ("snip", "permuted"): 0.05,
}


def _rows():
    """Rows by table, of one seed after another."""
    for seed in SEEDS:
        shift = NOISE * (seed - 1)
        for (mask, labels), growth in GROWN.items():
            for i, step in enumerate(STEPS):
                place = {0: read.START, STEPS[-1]: read.END}.get(step, "between")
                at = {"mask": mask, "labels": labels, "step": step, "at": place}
                for of, score in SCORES.items():
                    yield "paths", seed, {**at, "of": of, "score": score - 0.02 * i + shift, "explained": 0.5}
                    if (mask, labels) == ("ticket", "permuted"):
                        taught = {**at, "labels": "teacher", "of": of, "score": 0.1 + 0.02 * i + shift}
                        yield "paths", seed, {**taught, "explained": 0.5}
                share = 0.5 * np.exp(growth * i / 2 + shift * i)
                for kind in ("norm", "motion") if step else ("norm",):
                    yield (
                        "shares",
                        seed,
                        {**at, "kind": kind, "share": share, "stratified": 0.5, "shuffled": 0.5, "z": 3.0},
                    )
        for of in ("ticket", "stratified"):
            for what, score in (("itself", 0.95), ("zero", 0.9), ("the twin's", 0.94)):
                yield "instead", seed, {"of": of, "instead": what, "score": score + shift}
        for density in (0.8, 0.5, 0.2):
            for of in (read.TRAINED, read.PERMUTED, "chance", "initial size"):
                yield (
                    "wound",
                    seed,
                    {
                        "density": density,
                        "of": of,
                        "score": (0.8 if of == read.TRAINED else 0.1) * density + shift,
                    },
                )
        for what in (read.REST, read.TICKET, read.CHANCE_MASK):
            scores = {"score": 0.95, "ticket_score": 0.9, "rest_score": 0.3, "disagreement": 0.02 + shift}
            yield "redrawn", seed, {"redrawn": what, **scores}
        for end, kappa in ((read.TRAINED, 0.2), (read.PERMUTED, 0.05)):
            overlaps = {
                "kappa": kappa + shift,
                "kappa_stratified": 0.01,
                "jaccard": 0.4,
                "jaccard_chance": 0.33,
            }
            yield "overlaps", seed, {"mask": "ticket", "end": end, **overlaps}
        for of, distance in (
            (read.ALONE, 0.2),
            (read.TWIN, 0.1),
            (read.PERMUTED, 0.5),
            (read.UNTRAINED, 1.0),
        ):
            near = distance + shift
            alike = 0.0 if of == read.UNTRAINED else 1 - near
            found = {"raw": near, "distance": near, "moved_units": 0, "cosine": alike, "disagreement": 0.02}
            yield "weights", seed, {"of": of, **found}
        for network in (read.TRAINED, read.TWIN, read.PERMUTED, read.TEACHER, read.ALONE):
            scores = {
                "step": 100,
                "train_score": 1.0,
                "test_score": 0.95,
                "motion": 0.3 + shift,
                "fitted": True,
                "learnt": True,
            }
            yield "networks", seed, {"network": network, **scores}
        yield "timings", seed, {"part": "training", "seconds": 2.0}


def tables():
    rows = {}
    for name, seed, row in _rows():
        rows.setdefault(name, []).append({"seed": seed, **row})
    made = {
        name: Table.from_rows(
            name, of, units={"seconds": "s"} if name == "timings" else {}, measured=name == "timings"
        )
        for name, of in rows.items()
    }
    world = World()
    found = planted(world, Sample(3, 2000, 0.95), np.random.default_rng(0))["examples"]
    draw = np.random.default_rng(1)
    more = {
        "wound": 0.6,
        "wound_chance": 0.1,
        "wound_permuted": 0.1,
        "ticket_redrawn": accuracies(world, 0.95)["ticket"],
    }
    more |= {"differs_rest": 0.02, "differs_ticket": 0.05, f"differs_{read.CHANCE_MASK}": 0.02}
    return {
        **made,
        "examples": found.adding(**{n: (draw.random(len(found)) < p).astype(float) for n, p in more.items()}),
    }


def toy_record(record):
    study = SameTicket()
    return replace(record, claim=study.claim, evidence=study.conclude(PLAN, tables()), plan={"seeds": 3})


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


def test_all_figures_are_made_and_their_findings_follow(page, check_words) -> None:
    show = presentation(page)
    figures = {figure.key: figure for figure in show.figures}
    assert list(figures) == ["through-training", "reinforcement", "replaced", "wound-back"]
    assert "scores 90.0 % at the start and 86.0 % in the trained network" in figures["through-training"].title
    assert "by +22.2 %" in figures["reinforcement"].title
    assert "loses 5.0 points" in figures["replaced"].title
    assert "scores 64.0 % with 80 % kept" in figures["wound-back"].title
    assert [panel.name for panel in figures["through-training"].panels] == [
        "true labels", "permuted labels", "a teacher's labels",
    ]  # fmt: skip
    assert len(show.summaries) == 7
    check_words(show)


def test_an_older_run_without_a_teacher_has_a_page(record, check_words) -> None:
    given = tables()
    kept = tuple(column for column in given["examples"].columns if not column.name.endswith("_teacher"))
    given |= {
        "examples": replace(given["examples"], columns=kept),
        "paths": given["paths"].taken(given["paths"]["labels"] != "teacher"),
        "networks": given["networks"].taken(given["networks"]["network"] != read.TEACHER),
    }
    study = SameTicket()
    older = replace(
        record, claim=study.claim, evidence=study.conclude(PLAN, given), plan={"seeds": 3, "others": ["snip"]}
    )
    show = presentation(older)
    panels = {figure.key: len(figure.panels) for figure in show.figures}
    assert panels["through-training"] == 2
    check_words(show)
    said = next(v for v in older.evidence.verdicts if v.key == "dampened by the task")
    assert "This older run did not train on a teacher's labels" in said.reading
    assert said.reading.split(",")[0] in render(older)


def test_the_invented_numbers_hold(page) -> None:
    found = {v.key: v for v in page.evidence.verdicts}
    assert str(found["claim"].outcome) == "holds"
    assert str(found["same motion"].outcome) == "holds"
    assert [str(found[key].outcome) for key in ("grown also", "grown also by the task")] == ["holds"] * 2
