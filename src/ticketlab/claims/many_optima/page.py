"""The page of the claim `many-optima`: distances and disagreements of every arm, and the error on the lines between networks."""

from __future__ import annotations

import numpy as np

from ticketlab.claims.many_optima import formula
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import linear_axis
from ticketlab.figures.curves import Plot, mean_curve
from ticketlab.figures.figure import Figure, Panel, alone
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, made, seconds_table
from ticketlab.figures.rows import Row, Rows, series
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
    """What the page shows of a run."""
    return Presentation(
        figures=made(record, (distances, "pairs"), (paths, "lines")),
        summaries=made(
            record,
            (pair_table, "pairs"),
            (barrier_table, "pairs"),
            (network_table, "networks"),
            (_seconds, "timings"),
        ),
    )


def distances(table: Table) -> Figure:
    """Of every arm from the first network, raw and matched."""
    rows = []
    for arm, title in ARMS.items():
        of = table.where(arm=arm)
        if len(of):
            found = [
                series(mark, spread(of[c].astype(float))) for mark, c in ((RAW, "raw"), (MATCHED, "matched"))
            ]
            rows.append(Row(title, tuple(found)))
    ends = [end for row in rows for s in row.series for end in s.ends]
    axis = linear_axis("distance, ‖A − B‖/√(‖A‖‖B‖)", [0.0, *ends])
    ours = table.where(arm=formula.INDEPENDENT)
    title = (
        f"The best order of the units brings independent networks from {fixed(float(ours['raw'].mean()), 2)} to "
        f"{fixed(float(ours['matched'].mean()), 2)}"
    )
    caption = (
        f"Distance of the first network of each pair from others, over {seeds(table)}: means with 95 % intervals, and single "
        "seeds. What matching takes off the distance to an untrained network is no likeness."
    )
    return Figure("distances", title, caption, alone(Rows(tuple(rows), axis)))


def paths(table: Table) -> Figure:
    """Mean test error at every α: a panel an arm, a curve a way."""
    curves = {
        arm: tuple(
            mean_curve(mark, of, "alpha", "error", 100)
            for way, mark in WAYS.items()
            if len(of := table.where(arm=arm, way=way))
        )
        for arm in DRAWN
    }
    errors = [e for drawn in curves.values() for c in drawn for e in c.y]
    x, y = linear_axis("α", [0.0, 1.0]), linear_axis("test error, %", [0.0, *errors])
    panels = tuple(Panel(ARMS[arm], Plot(x, y, drawn, height=260)) for arm, drawn in curves.items() if drawn)
    caption = (
        f"From one network (α = 0) to the other (α = 1): means over {seeds(table)} at each α. The verdict is about each "
        "seed's own line."
    )
    return Figure("paths", "Test error on the lines between networks", caption, panels)


def pair_table(table: Table) -> TextTable:
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
    return summary(caption, table, {"arm": "to"}, cells, titles=ARMS, name="pairs")


def barrier_table(table: Table) -> TextTable | None:
    rows = table.taken(np.flatnonzero(np.isfinite(table["barrier"].astype(float))))
    if not len(rows):
        return None
    cells = {mark.label: interval(way, 100.0, 0.0, 100.0) for way, mark in WAYS.items()}
    caption = "Barriers of test error in points, of single lines: means ± 95 %. Their maxima are too high by chance."
    return summary(caption, rows, {"arm": "to"}, cells, titles=ARMS, name="barriers")


def network_table(table: Table) -> TextTable:
    cells = {"training, %": scored("train_score"), "test, %": scored("test_score")}
    return summary(
        "Scores of all networks: means ± 95 %.", table, {"network": "network"}, cells, name="networks"
    )


def _seconds(table: Table) -> TextTable:
    return seconds_table(table, {"part": "part"})
