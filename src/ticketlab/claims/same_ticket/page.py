"""The page of the claim `same-ticket`: scores under masks through training, growth, what replaces the rest, wind-back."""

from __future__ import annotations

import numpy as np

from ticketlab.claims.same_ticket import formula
from ticketlab.claims.same_ticket.tables import (
    ALONE,
    CHANCE_MASK,
    END,
    PERMUTED,
    REST,
    START,
    TICKET,
    TRAINED,
    TWIN,
    UNTRAINED,
    growths,
)
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import axis_at, linear_axis
from ticketlab.figures.curves import Curve, curve, plots
from ticketlab.figures.figure import Figure
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, made, seconds_table
from ticketlab.figures.rows import bars
from ticketlab.figures.spread import seeds, spread
from ticketlab.figures.text_tables import TextTable, interval, mean, scored, summary
from ticketlab.figures.wording import fixed

__all__ = ["present"]

GROUPS = {
    "ticket": Mark("the ticket", LIGHT.blue),
    "stratified": Mark("chance masks", LIGHT.green, "triangle-up", "dash"),
    "rest": Mark("the rest", LIGHT.vermilion, "square"),
    "stratified rest": Mark("chance rests", LIGHT.orange, "diamond", "dash"),
}
LABELS = {"true": "true labels", "permuted": "permuted labels", "teacher": "a teacher's labels"}
TRUE, FALSE = Mark("true labels", LIGHT.blue), Mark("permuted labels", LIGHT.vermilion, "square")
BACK = {
    TRAINED: Mark("after training", LIGHT.blue),
    PERMUTED: Mark("after permuted labels", LIGHT.vermilion, "square", "dash"),
    "chance": Mark("chance masks", LIGHT.green, "triangle-up", "dash"),
    "initial size": Mark("at the start", LIGHT.orange, "diamond", "dot"),
}
KEPT = {"ticket": GROUPS["ticket"], "stratified": GROUPS["stratified"]}


def present(record: Record) -> Presentation:
    return Presentation(
        figures=made(record, through_training, reinforcement, replaced, wound_back),
        summaries=made(
            record,
            path_table,
            share_table,
            overlap_table,
            weight_table,
            redrawn_table,
            network_table,
            seconds_table,
        ),
    )


def through_training(paths: Table) -> Figure:
    """Test scores under the ticket, the rest, and chance masks, at every look."""
    rows = paths.where(mask=TICKET)
    steps = sorted({int(step) for step in rows.where(labels="true")["step"]})
    curves = {
        title: tuple(_at_looks(mark, of.where(of=group), steps) for group, mark in GROUPS.items())
        for labels, title in LABELS.items()
        if len(of := rows.where(labels=labels))
    }
    true = rows.where(labels="true", of="ticket")
    ends = [fixed(100 * float(true.where(step=step)["score"].mean()), 1) for step in (steps[0], steps[-1])]
    return Figure(
        "through-training",
        f"The ticket scores {ends[0]} % at the start and {ends[1]} % in the trained network",
        f"Test scores of the network under masks fixed at the start, at each look: means over {seeds(rows)}. Chance masks keep "
        "equally many weights of each initial size. After a teacher's labels, scores are on those of the test examples.",
        plots(
            curves,
            axis_at(
                "step of training", [float(max(step, 1)) for step in steps], [str(step) for step in steps]
            ),
            lambda scores: linear_axis("test score, %", [0.0, 100.0, *scores]),
            height=280,
        ),
    )


def _at_looks(mark: Mark, rows: Table, steps: list[int]) -> Curve:
    """Means at each look; the start, which a logarithmic axis lacks, is at step 1."""
    means = [100 * float(np.mean(rows.where(step=step)["score"])) for step in steps]
    return Curve(mark, [float(max(step, 1)) for step in steps], means)


def reinforcement(shares: Table) -> Figure:
    """By how much the share of each mask has grown, on true and on permuted labels."""
    found = {
        "the ticket" if name == TICKET else name: {
            mark: spread(100 * np.expm1(growths({"shares": shares}, labels, "norm", name)))
            for labels, mark in (("true", TRUE), ("permuted", FALSE))
        }
        for name in dict.fromkeys(shares["mask"].tolist())
    }
    grown = np.expm1(growths({"shares": shares}, "true"))
    limit = Mark("required", LIGHT.soft, dash="dash", line=True)
    return Figure(
        "reinforcement",
        f"Training changes the ticket's share of the norm by {_signed(100 * float(grown.mean()))} %, against chance masks",
        "Growth through training of the mask's share of the squared norm, in balanced form, divided by that of "
        "masks with equally many weights of each initial size. On permuted labels, until the weights have moved as far. Means "
        "with 95 % intervals, and single seeds.",
        bars("growth, %", {"": found}, {"": {100 * float(np.expm1(formula.GROWTH)): limit}}, also=[0.0]),
    )


def replaced(instead: Table) -> Figure:
    """What the trained network scores with something else in the place of the rest."""
    found = {
        str(what): {
            mark: spread(100 * of.where(of=group)["score"].astype(float), 0.0, 100.0)
            for group, mark in KEPT.items()
        }
        for (what,), of in instead.by("instead").items()
    }
    lost = instead.where(of="ticket")
    cost = 100 * float(
        lost.where(instead="itself")["score"].mean() - lost.where(instead="zero")["score"].mean()
    )
    return Figure(
        "replaced",
        f"Without the rest, the trained network loses {fixed(cost, 1)} points",
        "Test scores of the trained network with other values in the place of the weights outside the ticket, and outside chance "
        "masks. Means with 95 % intervals, and single seeds.",
        bars("test score, %", {"": found}, also=[0.0, 100.0]),
    )


def wound_back(wound: Table) -> Figure:
    """The untrained network under the largest weights of trained ones, over densities."""
    densities = sorted({float(d) for d in wound["density"]}, reverse=True)
    curves = {
        "": tuple(
            curve(
                mark,
                [100 * d for d in densities],
                [spread(100 * rows.where(density=d)["score"].astype(float), 0.0, 100.0) for d in densities],
            )
            for which, mark in BACK.items()
            if len(rows := wound.where(of=which))
        )
    }
    ours = wound.where(of=TRAINED)
    best = max(densities, key=lambda d: float(ours.where(density=d)["score"].mean()))
    score = fixed(100 * float(ours.where(density=best)["score"].mean()), 1)
    return Figure(
        "wound-back",
        f"On the untrained network, the mask of the largest trained weights scores {score} % with {fixed(100 * best, 0)} % kept",
        f"Test scores of θ₀ under masks of the largest weights of each layer: means over {seeds(wound)} with 95 % intervals.",
        plots(
            curves,
            axis_at(
                "weights kept, %",
                [100 * d for d in densities],
                [fixed(100 * d, 0) for d in densities],
                reverse=True,
            ),
            lambda scores: linear_axis("test score, %", [0.0, *scores]),
            height=280,
        ),
    )


def path_table(paths: Table) -> TextTable:
    ends = paths.taken(np.isin(paths["at"], (START, END)))
    cells = {"test, %": scored("score"), "function explained, %": interval("explained", 100.0, 0.0, 100.0)}
    by = {"mask": "mask", "labels": "labels", "at": "at the", "of": "under"}
    return summary(
        "Scores under masks, at the start and at the end of training (on other labels, where the weights have moved as far as on "
        "true ones), on test labels, true ones or the teacher's: means ± 95 %.",
        ends,
        by,
        cells,
        name="paths",
    )


def share_table(shares: Table) -> TextTable:
    last = shares.where(at=END)
    cells = {
        "mask, %": interval("share", 100.0, 0.0, 100.0),
        "chance, %": interval("stratified", 100.0, 0.0, 100.0),
        "chance of the layer, %": interval("shuffled", 100.0, 0.0, 100.0),
        "z": mean("z"),
    }
    by = {"mask": "mask", "labels": "labels", "kind": "share of"}
    return summary("Shares at the end of training: means ± 95 %.", last, by, cells, name="shares")


def overlap_table(overlaps: Table) -> TextTable:
    cells = {
        "κ": interval("kappa", low=-1.0, high=1.0),
        "κ of chance masks": interval("kappa_stratified", low=-1.0, high=1.0),
        "Jaccard": mean("jaccard"),
        "by chance": mean("jaccard_chance"),
    }
    caption = "Overlap of masks fixed at the start with the largest weights of networks: means ± 95 %."
    return summary(caption, overlaps, {"mask": "mask", "end": "largest weights of"}, cells, name="overlaps")


def weight_table(weights: Table) -> TextTable:
    titles = {
        ALONE: "the ticket trained alone",
        TWIN: "the twin",
        PERMUTED: "after permuted labels",
        UNTRAINED: "the untrained ticket",
    }
    cells = {
        "distance": interval("raw", low=0.0),
        "balanced, matched": interval("distance", low=0.0),
        "cosine of motion": interval("cosine", low=-1.0, high=1.0),
        "disagreement, %": scored("disagreement"),
    }
    caption = "The ticket's weights in the trained network, next to those in others: means ± 95 %."
    return summary(caption, weights, {"of": "next to"}, cells, titles=titles, name="weights")


def redrawn_table(redrawn: Table) -> TextTable:
    cells = {
        "network, %": scored("score"),
        "ticket, %": scored("ticket_score"),
        "rest, %": scored("rest_score"),
        "disagreement, %": scored("disagreement"),
    }
    titles = {REST: "the rest", TICKET: "the ticket", CHANCE_MASK: "a chance mask of it"}
    caption = "A part of θ₀ drawn anew before training: test scores, and disagreement with the trained network; means ± 95 %."
    return summary(caption, redrawn, {"redrawn": "redrawn"}, cells, titles=titles, name="redrawn")


def network_table(networks: Table) -> TextTable:
    cells = {
        "step": mean("step"),
        "training, %": scored("train_score"),
        "test, %": scored("test_score"),
        "motion": interval("motion", low=0.0),
    }
    caption = (
        "Scores of all networks, each on the labels that it was trained on, and on true test labels or, if it was trained on "
        "those of a teacher, on its test labels: means ± 95 %."
    )
    return summary(caption, networks, {"network": "network"}, cells, name="networks")


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")
