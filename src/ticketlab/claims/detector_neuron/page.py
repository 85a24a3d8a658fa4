"""The page of the claim `detector-neuron`: the best unit for each class, and the share of channels that detect each shape."""

from __future__ import annotations

from ticketlab.claims.detector_neuron import formula
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import linear_axis
from ticketlab.figures.figure import Figure, Panel
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, made, seconds_table
from ticketlab.figures.rows import Row, Rows, series
from ticketlab.figures.spread import spread
from ticketlab.figures.text_tables import TextTable, count, interval, mean, scored, summary
from ticketlab.figures.wording import fixed

__all__ = ["present"]

SOURCES = {
    formula.RANDOM: Mark("random network", LIGHT.blue),
    formula.TRAINED: Mark("the same network, trained", LIGHT.vermilion, "square"),
    formula.FILTERS: Mark("equally many linear filters", LIGHT.green, "triangle-up"),
    formula.BRIGHTNESS: Mark("total brightness", LIGHT.ink, "x"),
}
RELIABLE = Mark("a reliable detector", LIGHT.soft, dash="dash", line=True)
EXPECTED = Mark("random linear filters", LIGHT.soft, dash="dot", line=True)


def present(record: Record) -> Presentation:
    """What the page shows of a run."""
    return Presentation(
        figures=made(record, (classes, "classes"), (shapes, "shapes")),
        summaries=made(
            record,
            (best_table, "classes"),
            (scan_table, "scans"),
            (shape_table, "shapes"),
            (_seconds, "timings"),
        ),
    )


def classes(table: Table) -> Figure:
    """The reach of the best unit by class, in four sources."""
    rows = []
    for (name,), of in table.by("class").items():
        found = [
            series(mark, spread(100 * of.where(source=source)["reach"].astype(float)), dots=False)
            for source, mark in SOURCES.items()
            if len(of.where(source=source))
        ]
        rows.append(
            Row(
                str(name),
                tuple(found),
                note=" · ".join(fixed(s.centre, 0) for s in found if s.centre is not None),
            )
        )
    ends = [end for row in rows for s in row.series for end in s.ends]
    axis = linear_axis("reach, % of a reliable detector", [*ends, 0.0, 100.0])
    largest = max(_largest(table, formula.RANDOM))
    title = f"The best unit of any random network has {fixed(100 * largest, 0)} % of the reach of a reliable detector"
    caption = (
        "For each class, the unit that is best on one half of the test examples, scored on the other: the smaller of "
        "(AUC − ½)/0.45 and J/0.8. Signs are means over seeds, bars 95 % intervals; the numbers are the means, in the order "
        "of the key."
    )
    return Figure("classes", title, caption, (Panel("", Rows(tuple(rows), axis, {100.0: RELIABLE})),))


def shapes(table: Table) -> Figure:
    """The share of channels that detect each family, layer by layer."""
    panels = []
    ends = [0.0, 1.0]
    by_layer = {}
    for (layer,), of in table.by("layer").items():
        by_layer[layer] = [
            (
                family,
                [(mark, spread(100 * rows["share"])) for mark, rows in _sources(of.where(family=family))],
            )
            for family in formula.SHAPES
        ]
        ends += [end for _, found in by_layer[layer] for _, s in found for end in s.ends]
    axis = linear_axis("channels that detect the shape, %", ends)
    for layer, found in by_layer.items():
        rows = tuple(
            Row(family, tuple(series(mark, s) for mark, s in both), unit=" %") for family, both in found
        )
        panels.append(Panel(str(layer), Rows(rows, axis, {100 * formula.CHANCE: EXPECTED})))
    last = table.where(source=formula.RANDOM, layer=table["layer"][-1], family=formula.SHAPES[0])
    title = f"{fixed(100 * float(last['share'].mean()), 1)} % of the channels in the second layer of random networks detect edges"
    caption = (
        "A channel detects a shape if its spatial maximum tells one member of the family from all other families and from "
        "phase-scrambled images, better than 99 % of random linear filters of the same receptive field. Small signs are seeds."
    )
    return Figure("shapes", title, caption, tuple(panels))


def _sources(rows: Table) -> list[tuple[Mark, Table]]:
    return [(mark, of) for source, mark in SOURCES.items() if len(of := rows.where(source=source))]


def _largest(table: Table, source: str) -> list[float]:
    return [float(of["reach"].max()) for of in table.where(source=source).by("seed").values()]


def best_table(table: Table) -> TextTable:
    cells = {
        "AUC": interval("auc", low=0.0, high=1.0),
        "J": interval("youden", low=-1.0, high=1.0),
        "reach, %": interval("reach", 100.0),
        "reliable units": mean("reliable_units"),
    }
    caption = "The best unit for each class, chosen on one half of the test examples and scored on the other: means ± 95 %."
    return summary(caption, table, {"source": "units of", "class": "class"}, cells, name="best-units")


def scan_table(table: Table) -> TextTable:
    cells = {
        "units": count("units"),
        "largest |z|": mean("largest_z"),
        "5 % point of the null": mean("critical_z"),
        "largest p-value": lambda rows: fixed(float(rows["p_value"].max()), 3),
    }
    caption = "The largest rank-sum statistic of all units and classes, next to its null under permuted labels: means over seeds."
    return summary(caption, table, {"source": "units of"}, cells, name="scans")


def shape_table(table: Table) -> TextTable:
    cells = {"field": names_of_field, "threshold AUC": mean("threshold"), "detectors, %": scored("share")}
    by = {"source": "channels of", "layer": "layer", "family": "shape"}
    return summary(
        "Channels that detect simple shapes: means over seeds, ± 95 %.", table, by, cells, name="shapes"
    )


def names_of_field(rows: Table) -> str:
    size = int(rows["field"][0])
    return f"{size} × {size}"


def _seconds(table: Table) -> TextTable:
    return seconds_table(table, {"part": "part"})
