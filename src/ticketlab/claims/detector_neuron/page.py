"""The page of the claim `detector-neuron`: the best unit for each class, and the share of channels that detect each shape."""

from __future__ import annotations

from ticketlab.claims.asking import columns
from ticketlab.claims.detector_neuron import formula
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.figure import Figure, Panel
from ticketlab.figures.gallery import gallery, unit_note
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, made, seconds_table
from ticketlab.figures.rows import bars
from ticketlab.figures.spread import spread
from ticketlab.figures.text_tables import TextTable, count, interval, mean, scored, summary
from ticketlab.figures.wording import fixed

__all__ = ["present"]

SOURCES = {
    formula.RANDOM: Mark("random network", LIGHT.blue),
    formula.TRAINED: Mark("the same network, trained", LIGHT.vermilion, "square"),
    formula.FILTERS: Mark("equally many linear filters", LIGHT.green, "triangle-up"),
    formula.BRIGHTNESS: Mark("total brightness", LIGHT.ink, "x"),
    formula.MULTIGRAPH: Mark("multigraph, all edges", LIGHT.orange, "diamond"),
}
RELIABLE = Mark("a reliable detector", LIGHT.soft, dash="dash", line=True)
EXPECTED = Mark("random linear filters", LIGHT.soft, dash="dot", line=True)


def present(record: Record) -> Presentation:
    return Presentation(
        figures=made(record, by_class, by_shape, of_units),
        summaries=made(record, best_table, scan_table, shape_table, seconds_table),
    )


def by_class(classes: Table) -> Figure:
    """The reach of the best unit by class, by source."""
    found = {
        str(name): {mark: spread(100 * rows["reach"].astype(float)) for mark, rows in _sources(of)}
        for (name,), of in classes.by("class").items()
    }
    means = {
        str(name): 100 * float(of["reach"].mean())
        for (name,), of in classes.where(source=formula.RANDOM).by("class").items()
    }
    easiest = max(means, key=lambda name: means[name])
    return Figure(
        "classes",
        f"The best units of random networks are those for the class {easiest}: on average {fixed(means[easiest], 0)} % of a "
        "reliable detector",
        "For each class, the unit that is best on one half of the test examples, scored on the other: the smaller of "
        "(AUC − ½)/0.45 and J/0.8. Signs are means over seeds, bars 95 % intervals; the numbers are the means, in the order "
        "of the key.",
        bars(
            "reach, % of a reliable detector",
            {"": found},
            {"": {100.0: RELIABLE}},
            note=lambda _, of: " · ".join(fixed(s.mean, 0) for s in of),
            dots=False,
            also=[0.0, 100.0],
        ),
    )


def by_shape(shapes: Table) -> Figure:
    """The share of channels that detect each family, layer by layer."""
    found = {
        str(layer): {
            family: {
                mark: spread(100 * rows["share"], 0.0, 100.0)
                for mark, rows in _sources(of.where(family=family))
            }
            for family in formula.SHAPES
        }
        for (layer,), of in shapes.by("layer").items()
    }
    last = shapes.where(source=formula.RANDOM, layer=shapes["layer"][-1], family=formula.SHAPES[0])
    share = fixed(100 * float(last["share"].mean()), 1)
    limits = {name: {100 * formula.CHANCE: EXPECTED} for name in found}
    return Figure(
        "shapes",
        f"{share} % of the channels in the second layer of random networks detect edges",
        "A channel detects a shape if its spatial maximum tells one member of the family from all other families and from "
        "phase-scrambled images, better than 99 % of random linear filters of the same receptive field. Small signs are seeds.",
        bars("channels that detect the shape, %", found, limits, unit=" %", also=[0.0, 1.0]),
    )


def of_units(pictures: Table) -> Figure:
    """What the best units of one random network like, and those of the same network trained."""
    one = pictures.where(seed=pictures["seed"].min())
    found = {mark.label: rows for mark, rows in _sources(one)}
    random = one.where(source=formula.RANDOM)
    return Figure(
        "pictures",
        f"In a random network the units that mark classes best have AUCs of {fixed(float(random['auc'].min()), 2)} to "
        f"{fixed(float(random['auc'].max()), 2)}",
        "One seed. For some classes the unit whose high responses mark the class best on all test images, with its AUC there, "
        "which that choice makes larger. Then an image that gradient ascent finds for its pre-activation (of a channel, the mean "
        "over pixels), the nine test images to which it responds most, and nine spread over its ranks from the 50 % to the 90 % "
        "quantile. Grey values are stretched for each strip. The file has mean responses, in standard deviations over test "
        "images.",
        tuple(Panel(name, gallery(rows, "class", unit_note)) for name, rows in found.items()),
    )


def _sources(rows: Table) -> list[tuple[Mark, Table]]:
    return [(mark, of) for source, mark in SOURCES.items() if len(of := rows.where(source=source))]


def best_table(classes: Table) -> TextTable:
    cells = {
        "AUC": interval("auc", low=0.0, high=1.0),
        "J": interval("youden", low=-1.0, high=1.0),
        "reach, %": interval("reach", 100.0),
        "reliable units": mean("reliable_units"),
    }
    if formula.PLANTED in columns(classes):  # older runs do not have it
        cells["next to a planted one, %"] = interval(formula.PLANTED, 100.0)
    caption = (
        "The best unit for each class, chosen on one half of the test examples and scored on the other; and the reach of the "
        "best unit of all next to a planted detector of the class: means ± 95 %."
    )
    return summary(caption, classes, {"source": "units of", "class": "class"}, cells, name="best-units")


def scan_table(scans: Table) -> TextTable:
    cells = {
        "units": count("units"),
        "largest |z|": mean("largest_z"),
        "5 % point of the null": mean("critical_z"),
        "largest p-value": lambda rows: fixed(float(rows["p_value"].max()), 3),
    }
    caption = "The largest rank-sum statistic of all units and classes, next to its null under permuted labels: means over seeds."
    return summary(caption, scans, {"source": "units of"}, cells, name="scans")


def shape_table(shapes: Table) -> TextTable:
    cells = {
        "field": names_of_field,
        "threshold AUC": mean("threshold"),
        "detectors, %": scored("share"),
        **({"ideal filters, %": scored("ideal")} if "ideal" in columns(shapes) else {}),
    }
    by = {"source": "channels of", "layer": "layer", "family": "shape"}
    return summary(
        "Channels that detect simple shapes: means over seeds, ± 95 %.", shapes, by, cells, name="shapes"
    )


def names_of_field(rows: Table) -> str:
    size = int(rows["field"][0])
    return f"{size} × {size}"
