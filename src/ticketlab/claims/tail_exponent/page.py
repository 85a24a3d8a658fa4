"""The page of the claim `tail-exponent`: predicted against measured exponents, the losses by size, and a table of the pairs."""

from __future__ import annotations

from functools import partial

import numpy as np

from ticketlab.claims.tail_exponent.formula import BEST, MISS, RANKS, SELECTED, TRAINED, exponents
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import logarithmic_axis
from ticketlab.figures.curves import Curve, curve, plots
from ticketlab.figures.figure import Figure
from ticketlab.figures.forest import Asked
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, made, seconds_table
from ticketlab.figures.spread import seeds, spread
from ticketlab.figures.text_tables import TextTable, interval, mean, summary
from ticketlab.figures.wording import fixed

__all__ = ["present"]

PANELS = {SELECTED: "random features", TRAINED: "trained networks"}
PAIRS = {
    "ReLU": Mark("a task with ReLU", LIGHT.blue),
    "tanh": Mark("a task with tanh", LIGHT.vermilion, "square"),
    "erf": Mark("a task with erf", LIGHT.green, "triangle-up"),
}
EQUAL = Mark("predicted and measured are equal", LIGHT.soft, dash="dot", line=True)
KINDS = {
    BEST: Mark("the best of w random units", LIGHT.vermilion, "square", "dash"),
    SELECTED: Mark("w random features, read out", LIGHT.green, "triangle-up", "dot"),
    TRAINED: Mark("trained networks of width w", LIGHT.blue),
}


def present(record: Record) -> Presentation:
    return Presentation(
        figures=made(record, predicted_and_measured, losses_by_size),
        summaries=made(
            record,
            pair_table,
            partial(seconds_table, by={"task": "task", "network": "network", "part": "part"}),
        ),
        asked={
            RANKS: Asked(
                "rank correlation of predicted and measured", ("the wrong order", "the right order")
            ),
            MISS: Asked("distance of predicted from measured"),
        },
    )


def predicted_and_measured(exponents: Table) -> Figure:
    """A sign for each pair, with the diagonal, for random features and for trained networks."""
    panels: dict[str, list[Curve]] = {title: [] for title in PANELS.values()}
    ends, ratios = [], []
    for (network,), of in exponents.by("network").items():
        for kind, title in PANELS.items():
            x, y, intervals, names = _means(kind, {"exponents": of})
            panels[title].append(
                Curve(PAIRS[network], x, y, intervals, joined=False, signed=True, texts=names)
            )
            ends += [*x, *y, *(v for pair in intervals if pair for v in pair)]
            ratios += [np.log(a / b) for a, b in zip(x, y, strict=True) if kind == TRAINED]
    positive = [v for v in ends if v > 0]
    low, high = (min(positive), max(positive)) if positive else (0.1, 1.0)
    drawn = {title: (Curve(EQUAL, [low, high], [low, high]), *curves) for title, curves in panels.items()}
    ratio = float(np.exp(np.median(ratios))) if ratios else float("nan")
    return Figure(
        "predicted-and-measured",
        f"The tail predicts {fixed(ratio, 2)} times the exponent of trained networks in the median",
        f"Exponents of the loss in the number of parameters: predicted from the best of w random units, and measured. Means over "
        f"{seeds(exponents)}, bars 95 %. On the dotted line both are equal. Tasks are ranked within each network. Pairs with an "
        "exponent of 0 or less are left out.",
        plots(
            drawn,
            logarithmic_axis("predicted exponent", [low, high]),
            lambda values: logarithmic_axis("measured exponent", [low, high]),
            height=300,
        ),
    )


def _means(
    kind: str, tables: dict[str, Table]
) -> tuple[list[float], list[float], list[tuple[float, float] | None], list[str]]:
    """Predicted and measured means of the pairs where both are above 0, with intervals of the latter, and names."""
    found = exponents(kind, tables)
    spreads = [spread(of, low=0.0) for of in found.measured]
    kept = [
        (float(x), s.mean, s.interval, name)
        for x, s, name in zip(found.predicted.mean(axis=1), spreads, found.names, strict=True)
        if x > 0 and s.mean > 0
    ]
    x, y, intervals, names = (list(of) for of in zip(*kept, strict=True)) if kept else ([], [], [], [])
    return x, y, intervals, names


def losses_by_size(losses: Table) -> Figure:
    """A panel for each task, with its first network."""
    first = losses["network"][0]
    panels = {}
    rows = losses.where(network=first)
    tasks = rows.by("place", "task")
    for (place, task), of in tasks.items():
        found = []
        for kind, mark in KINDS.items():
            places = of.where(kind=kind).along("parameters")
            found.append(
                curve(mark, [float(p) for p, _ in places], [spread(at["loss"], low=0.0) for _, at in places])
            )
        unique = len({name for _, name in tasks}) == len(tasks)
        panels[task if unique else f"{task} ({place + 1})"] = found
    return Figure(
        "losses",
        f"The loss by size, with {first}",
        f"The share of the targets' variance that is left on test data. Means over {seeds(losses)}, bars 95 %. The slope of the "
        "first curve is the prediction.",
        plots(
            panels,
            logarithmic_axis("parameters", rows["parameters"].astype(float).tolist()),
            partial(logarithmic_axis, "variance left"),
            height=240,
        ),
    )


def pair_table(exponents: Table) -> TextTable:
    cells = {
        "σ": mean("scale"),
        "ξ": interval("shape"),
        "predicted": interval("predicted"),
        "random features": interval("selected"),
        "trained": interval("trained"),
        "half of the steps": mean("half"),
    }
    caption = (
        "The pairs: scale σ and shape ξ of the best twentieth of the units, and exponents of the loss in the number of "
        "parameters. Means over seeds ± 95 %."
    )
    return summary(caption, exponents, {"task": "task", "network": "network"}, cells, name="pairs")
