"""The page of the claim `many-optima`: distances and disagreements of every arm, and the error on the lines between networks."""

from __future__ import annotations

import numpy as np

from ticketlab.claims.asking import columns
from ticketlab.claims.many_optima import formula
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import linear_axis
from ticketlab.figures.curves import mean_curve, plots
from ticketlab.figures.figure import Figure
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, made, seconds_table
from ticketlab.figures.rows import bars
from ticketlab.figures.spread import seeds, spread
from ticketlab.figures.text_tables import TextTable, interval, mean, scored, summary
from ticketlab.figures.wording import fixed

__all__ = ["present"]

ARMS = {
    formula.TWIN: "its twin",
    formula.COPY: "its copy",
    formula.OWN: "its own ticket",
    formula.INDEPENDENT: "an independent network",
    formula.TICKETS: "between two tickets",
    formula.PERMUTED: "trained on permuted labels",
    formula.UNTRAINED: "untrained",
}
RAW = Mark("as they are", LIGHT.vermilion, "square")
MATCHED = Mark("in canonical form, units in the best order", LIGHT.blue)
WAYS = {
    "barrier": Mark("as they are", LIGHT.vermilion, "square", "dash"),
    "barrier_repair": Mark("as they are, REPAIR", LIGHT.orange, "diamond", "dot"),
    "barrier_matched": Mark("matched", LIGHT.green, "triangle-up", "dash"),
    "barrier_both": Mark("matched, REPAIR", LIGHT.blue),
}
DRAWN = (formula.INDEPENDENT, formula.TICKETS, formula.OWN, formula.TWIN)


def present(record: Record) -> Presentation:
    return Presentation(
        figures=made(record, distances, paths),
        summaries=made(record, pair_table, barrier_table, network_table, seconds_table),
    )


def distances(pairs: Table) -> Figure:
    """Of every arm from the first network, raw and matched."""
    columns = {RAW: "raw", MATCHED: "matched"}
    found = {
        title: {mark: spread(of[column].astype(float)) for mark, column in columns.items()}
        for arm, title in ARMS.items()
        if len(of := pairs.where(arm=arm))
    }
    ours = pairs.where(arm=formula.INDEPENDENT)
    near = [fixed(float(ours[column].mean()), 2) for column in columns.values()]
    return Figure(
        "distances",
        f"The best order of the units brings independent networks from {near[0]} to {near[1]}",
        f"Distance of the first network of each pair from others, over {seeds(pairs)}: means with 95 % intervals, and single "
        "seeds. What matching takes off the distance to an untrained network is no likeness.",
        bars("distance, ‖A − B‖/√(‖A‖‖B‖)", {"": found}, also=[0.0]),
    )


def paths(lines: Table) -> Figure:
    """Mean test error at every α: a panel an arm, a curve a way."""
    curves = {
        ARMS[arm]: tuple(
            mean_curve(mark, of, "alpha", "error", 100)
            for way, mark in WAYS.items()
            if len(of := lines.where(arm=arm, way=way))
        )
        for arm in DRAWN
        if len(lines.where(arm=arm))
    }
    return Figure(
        "paths",
        "Test error on the lines between networks",
        f"From one network (α = 0) to the other (α = 1): means over {seeds(lines)} at each α. The verdict is about each seed's "
        "own line.",
        plots(
            curves,
            linear_axis("α", [0.0, 1.0]),
            lambda errors: linear_axis("test error, %", [0.0, *errors]),
            height=260,
        ),
    )


def pair_table(pairs: Table) -> TextTable:
    cells = {
        "raw": interval("raw", low=0.0),
        "canonical": interval("balanced", low=0.0),
        "matched": interval("matched", low=0.0),
        "units moved": mean("moved"),
        "disagreement, %": scored("disagreement"),
        "outputs explained, %": mean("explained", 100.0),
        "CKA": mean("cka"),
    }
    caption = "Distances and functions, from the first network of each pair (or between both tickets): means ± 95 %."
    return summary(caption, pairs, {"arm": "to"}, cells, titles=ARMS, name="pairs")


def barrier_table(pairs: Table) -> TextTable | None:
    rows = pairs.taken(np.flatnonzero(np.isfinite(pairs["barrier"].astype(float))))
    if not len(rows):
        return None
    cells = {mark.label: interval(way, 100.0, 0.0, 100.0) for way, mark in WAYS.items()}
    caption = "Barriers of test error in points, of single lines: means ± 95 %. Their maxima are too high by chance."
    return summary(caption, rows, {"arm": "to"}, cells, titles=ARMS, name="barriers")


def network_table(networks: Table) -> TextTable:
    cells = {"training, %": scored("train_score"), "test, %": scored("test_score")}
    whose = "those that the network learnt from" if "labels" in columns(networks) else "true ones for all"
    caption = f"Scores of all networks: means ± 95 %. The training labels are {whose}."
    return summary(caption, networks, {"network": "network"}, cells, name="networks")
