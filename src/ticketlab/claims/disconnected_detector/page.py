"""The page of the claim `disconnected-detector`: best units with and without the rest, and what the gradient knows of masks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ticketlab.claims.asking import columns
from ticketlab.claims.disconnected_detector import formula
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.figure import Figure, Panel
from ticketlab.figures.gallery import gallery, unit_note
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, in_order, made, seconds_table
from ticketlab.figures.rows import bars
from ticketlab.figures.spread import spread
from ticketlab.figures.text_tables import TextTable, interval, scored, summary
from ticketlab.figures.wording import fixed

__all__ = ["present"]

SOURCES = (formula.TICKET, formula.RANDOM, formula.LABELS, formula.SECOND)
PLACES: Mapping[str, Mark] = {
    "auc": Mark("under the mask", LIGHT.blue),
    "whole": Mark("the same units in the whole network", LIGHT.vermilion, "square"),
    "average": Mark("the whole network's average unit", LIGHT.soft, "x"),
}
GRADIENT = Mark("−w·∂L/∂w", LIGHT.blue)
CEILING = Mark("scores of a second search", LIGHT.green, "triangle-up")
CHANCE = Mark("chance", LIGHT.soft, dash="dash", line=True)
RELIABLE = Mark("a reliable detector's AUC", LIGHT.soft, dash="dot", line=True)

SHOWN = {formula.TICKET: "under the ticket's mask", formula.WHOLE: "the same units in the whole network"}


def present(record: Record) -> Presentation:
    return Presentation(
        figures=made(record, with_and_without, of_gradient, of_units),
        summaries=made(record, score_table, unit_table, weight_table, seconds_table),
    )


def _means(rows: Table, column: str) -> np.ndarray:
    """Means over classes or layers, by seed."""
    return np.array([float(np.mean(of[column])) for of in rows.by("seed").values()])


def with_and_without(units: Table) -> Figure:
    """The best units of each mask, with and without the rest of the network."""
    found = {
        source: {mark: spread(_means(rows, column)) for column, mark in PLACES.items()}
        for source, rows in in_order(units, "source", SOURCES).items()
    }
    own, whole = (fixed(float(np.mean(units.where(source=formula.TICKET)[c])), 3) for c in ("auc", "whole"))
    return Figure(
        "units",
        f"The ticket's best units have an AUC of {own} once the rest is cut off, and of {whole} before",
        "For each class the unit that is best under the mask on one half of the test examples, scored on the other; then the "
        "same unit in the whole network. Means over classes and seeds, bars 95 % intervals; the numbers are in the order of the "
        "key.",
        bars(
            "held-out AUC",
            {"": found},
            {"": {0.95: RELIABLE}},
            note=lambda _, of: " · ".join(fixed(s.mean, 3) for s in of),
            dots=False,
            also=[0.5, 1.0],
        ),
    )


def of_gradient(weights: Table) -> Figure:
    """How well the gradient of the whole network tells a mask's weights from the others, layer by layer."""
    layers = list(dict.fromkeys(weights["layer"].tolist()))
    panels = {
        layer: {
            source: {
                mark: spread(_means(rows.where(layer=layer), column))
                for mark, column in _told(weights).items()
            }
            for source, rows in in_order(weights, "source", SOURCES).items()
        }
        for layer in layers
    }
    auc = fixed(float(np.mean(weights.where(source=formula.TICKET)["auc"])), 3)
    return Figure(
        "gradient",
        f"The gradient of the whole random network tells the ticket's weights from the others with an AUC of {auc}",
        "The AUC of −w·∂L/∂w at the whole network for the weights that a mask keeps, in each layer; ½ is chance. The sizes of "
        "the scores that a second search learned tell the ticket's weights as well as can be expected. Small signs are seeds, "
        "bars 95 % intervals.",
        bars("AUC", panels, {layer: {0.5: CHANCE} for layer in panels}, also=[0.45, 0.55]),
    )


def of_units(pictures: Table) -> Figure:
    """What the units that mark classes best under the ticket's mask like, there and in the whole network."""
    one = pictures.where(seed=pictures["seed"].min())
    found = {title: one.where(source=source) for source, title in SHOWN.items()}
    under, whole = (fixed(float(np.mean(rows["auc"])), 2) for rows in found.values())
    return Figure(
        "pictures",
        f"The units that mark classes best under the ticket's mask have a mean AUC of {under} there and of {whole} in the whole "
        "network",
        "One seed. For some classes the unit whose high responses under the mask mark the class best on all test images, with "
        "its AUC there, which that choice makes larger, and the same unit in the whole network. Then an image that gradient "
        "ascent finds for its pre-activation (of a channel, the mean over pixels), the nine test images to which it responds "
        "most, and nine spread over its ranks from the 50 % to the 90 % quantile. Grey values are stretched for each strip. The "
        "file has mean responses, in standard deviations over test images.",
        tuple(Panel(title, gallery(rows, "class", unit_note)) for title, rows in found.items()),
    )


def _told(weights: Table) -> Mapping[Mark, str]:
    """What tells weights, by its column; a run that is older has no second search."""
    return {GRADIENT: "auc"} | ({CEILING: "ceiling"} if "ceiling" in columns(weights) else {})


def score_table(examples: Table) -> TextTable:
    rows = [
        {"mask": source, "seed": seed, "score": float(np.mean(of[source]))}
        for source in SOURCES
        if source in columns(examples)
        for (seed,), of in examples.by("seed").items()
    ]
    table = Table.from_rows("scores", rows)
    return summary(
        "Test scores: means over seeds ± 95 %.",
        table,
        {"mask": "mask"},
        {"test score, %": scored("score")},
        name="scores",
    )


def unit_table(units: Table) -> TextTable:
    cells = {
        "under the mask": interval("auc", low=0.0, high=1.0),
        "same units, whole network": interval("whole", low=0.0, high=1.0),
        "best unit, whole network": interval("best", low=0.0, high=1.0),
        "average unit": interval("average", low=0.0, high=1.0),
    }
    caption = "Held-out AUCs of the best units by class: means over seeds ± 95 %."
    return summary(caption, units, {"source": "mask", "class": "class"}, cells, name="units")


def weight_table(weights: Table) -> TextTable:
    cells = {
        "AUC of −w·∂L/∂w": interval("auc", low=0.0, high=1.0),
        "in common, %": scored("common"),
        "by chance, %": scored("density"),
        **(
            {"AUC of a second search": interval("ceiling", low=0.0, high=1.0)}
            if CEILING in _told(weights)
            else {}
        ),
        "rank correlation with scores": interval("rank_correlation", low=-1.0, high=1.0),
    }
    caption = "The gradient and the masks' weights, by layer: means over seeds ± 95 %."
    return summary(caption, weights, {"source": "mask", "layer": "layer"}, cells, name="weights")
