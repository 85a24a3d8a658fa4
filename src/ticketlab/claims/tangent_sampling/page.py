"""The page of the claim `tangent-sampling`: single labels in both laws, and where the variance comes from."""

from __future__ import annotations

import numpy as np

from ticketlab.claims.asking import columns
from ticketlab.claims.tangent_sampling import formula
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import linear_axis
from ticketlab.figures.curves import Curve, Plot, points
from ticketlab.figures.figure import Figure, alone
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, made, seconds_table
from ticketlab.figures.rows import bars
from ticketlab.figures.spread import spread
from ticketlab.figures.text_tables import TextTable, interval, mean, summary
from ticketlab.figures.wording import fixed

__all__ = ["present"]

STARTS = Mark("tangent solutions over random starts", LIGHT.blue)
NULL = Mark("along the null space of one start", LIGHT.vermilion, "square")
EQUAL = Mark("equal probabilities", LIGHT.soft, dash="dot", line=True)
TRAINING = Mark("trained networks", LIGHT.ink)
TANGENT = Mark("tangent solutions", LIGHT.blue, "square")
PARTS = {"rows": "the start θ₀", "columns": "data order, or null space", "rest": "both together"}


def present(record: Record) -> Presentation:
    return Presentation(
        figures=made(record, sources, single_labels),
        summaries=made(record, law_table, detail_table, seconds_table),
    )


def sources(variance: Table) -> Figure:
    """The shares of the variance."""
    of = {mark: variance.where(law=law) for law, mark in (("training", TRAINING), ("tangent", TANGENT))}
    found = {
        title: {mark: spread(100 * rows[part]) for mark, rows in of.items()} for part, title in PARTS.items()
    }
    start, second = (fixed(100 * float(np.mean(of[TRAINING][part])), 0) for part in ("rows", "columns"))
    title = f"In training, θ₀ has {start} % of the variance of labels, and the order of the data {second} %"
    caption = (
        "Variance components of labels on held-out examples, a network for each pair of a start and a data order (training), or "
        "of a start and a null-space draw (tangent solutions). Means over seeds with 95 % intervals; small signs are seeds."
    )
    return Figure(
        "variance",
        title,
        caption,
        bars("share of the variance, %", {"": found}, {}, unit=" %", also=[0.0, 100.0]),
    )


def single_labels(labels: Table, laws: Table) -> Figure:
    """P(label = 1) of tangent solutions against that of trained networks, an example a sign."""
    drawn = (
        Curve(EQUAL, [0.0, 1.0], [0.0, 1.0]),
        points(STARTS, labels, "trained", "starts"),
        points(NULL, labels, "trained", "null"),
    )
    axes = [
        linear_axis(f"P(label = 1), {whose}", [0.0, 1.0])
        for whose in ("trained networks", "tangent solutions")
    ]
    rms = fixed(float(np.mean(laws.where(comparison=formula.STARTS)["label_rms"])), 2)
    title = (
        f"Single labels have probabilities that differ by {rms} from those of tangent solutions over starts"
    )
    caption = (
        "Every sign is a held-out example of a seed. The number is a root mean square, averaged over seeds."
    )
    return Figure("labels", title, caption, alone(Plot(axes[0], axes[1], drawn, height=360)))


def law_table(laws: Table) -> TextTable:
    cells = {
        "TV, from below": interval("tv_low"),
        "TV, corrected": interval("tv_corrected"),
        "TV, plug-in": interval("tv_high"),
        "error, %": interval("error", 100.0),
        "error, other, %": interval("other_error", 100.0),
    }
    caption = (
        "Trained networks compared with each other law; ensembles are compared with ensembles, and halves with each other. Means "
        "over seeds ± 95 %."
    )
    return summary(caption, laws, {"comparison": "compared with"}, cells, titles=formula.TITLES, name="laws")


def detail_table(laws: Table) -> TextTable:
    cells = {
        "top function": mean("top"),
        "top, other": mean("other_top"),
        "unseen": mean("unseen"),
        "unseen, other": mean("other_unseen"),
        "labels, rms": mean("label_rms"),
        "energy distance": mean("energy"),
    }
    if "matched_low" in columns(laws):  # older runs do not have it
        cells["from errors alone"] = mean("matched_low")
    caption = (
        "The probability of the most frequent function and of those that were not drawn, in each law; two distances that need no "
        "function twice; and the total variation of trained networks from a law with their errors and nothing else, from below: "
        "means over seeds."
    )
    return summary(
        caption, laws, {"comparison": "compared with"}, cells, titles=formula.TITLES, name="laws-more"
    )
