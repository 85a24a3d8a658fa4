"""The page of the claim `edge-contribution`: correlations over densities, and gradients against Banzhaf values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ticketlab.claims.asking import columns
from ticketlab.claims.edge_contribution import formula
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import linear_axis
from ticketlab.figures.curves import Curve, Level, curve, plots
from ticketlab.figures.figure import Figure
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, in_order, made, seconds_table
from ticketlab.figures.spread import spread
from ticketlab.figures.text_tables import TextTable, interval, mean, summary
from ticketlab.figures.wording import fixed

__all__ = ["present"]

SOURCES = (formula.RANDOM, formula.TRAINED)

MARKS: Mapping[str, Mark] = {
    "corrected": Mark("gradient", LIGHT.blue),
    "permuted": Mark("gradient for permuted labels", LIGHT.vermilion, "square", "dash"),
    "random_signs": Mark("random signs", LIGHT.soft, "x", "dot"),
}
WEIGHT = Mark("a weight", LIGHT.blue)
LIMIT = Mark("half of the variance", LIGHT.soft, dash="dash", line=True)


def present(record: Record) -> Presentation:
    return Presentation(
        figures=made(record, over_densities, one_against_another),
        summaries=made(record, measure_table, seconds_table),
    )


def over_densities(measures: Table) -> Figure:
    """Corrected correlations by density, of gradients and their controls."""
    panels = {}
    for source, rows in in_order(measures, "source", SOURCES).items():
        known = rows.taken(np.flatnonzero(np.isfinite(rows["density"])))
        places = [float(p) for p, _ in known.along("density")]
        panels[source] = [
            curve(
                mark,
                places,
                [spread(of[column].astype(float), -1.0, 1.0) for _, of in known.along("density")],
            )
            for column, mark in MARKS.items()
        ]
    banzhaf = measures.where(source=formula.RANDOM, measure=formula.BANZHAF)
    own, other = (fixed(float(banzhaf[column].mean()), 2) for column in ("corrected", "permuted"))
    return Figure(
        "densities",
        f"In random networks the gradient correlates by {own} with Banzhaf values, and that for permuted labels by {other}",
        "The correlation of −w·∂L/∂w at the full network with the mean fall of the loss by a weight's presence in subnetworks, "
        "by the density of these. Corrected for the noise of the contributions; means over seeds, bars 95 % intervals.",
        plots(
            panels,
            linear_axis("density of the subnetworks", [0.0, 1.0]),
            lambda ends: linear_axis("correlation", [*ends, 0.0, 1.0]),
            [Level(LIMIT, y=formula.HALF)],
        ),
    )


def one_against_another(weights: Table) -> Figure:
    """Gradient against Banzhaf value, weight by weight, in one network of each kind."""
    first = {
        source: rows.where(seed=rows["seed"].min())
        for source, rows in in_order(weights, "source", SOURCES).items()
    }
    panels: dict[str, list[Curve]] = {}
    shown, least = 0, 1.0
    for source, rows in first.items():
        x, y = _scaled(rows["saliency"]), _scaled(rows["banzhaf"])
        inside = (np.abs(x) <= 3) & (np.abs(y) <= 3)
        panels[source] = [Curve(WEIGHT, x[inside].tolist(), y[inside].tolist(), joined=False, signed=True)]
        shown, least = max(shown, len(x)), min(least, float(inside.mean()))
    share = float(
        np.mean(np.sign(first[formula.RANDOM]["saliency"]) == np.sign(first[formula.RANDOM]["banzhaf"]))
    )
    return Figure(
        "weights",
        f"In a random network {fixed(100 * share, 0)} % of gradients have the sign of the sampled contribution",
        f"Up to {shown} weights of one network, each with its −w·∂L/∂w at the full network and its sampled Banzhaf value, in "
        f"standard deviations; {fixed(100 * least, 0)} % or more lie within three of them and are drawn. Values are noisy.",
        plots(
            panels,
            linear_axis("−w·∂L/∂w, standard deviations", [-3.0, 3.0]),
            linear_axis("Banzhaf value, standard deviations", [-3.0, 3.0]),
        ),
    )


def _scaled(values: np.ndarray) -> np.ndarray:
    return values / max(float(np.std(values)), 1e-30)


def measure_table(measures: Table) -> TextTable:
    cells = {
        "loss": mean("loss"),
        "two halves": interval("reliability", low=-1.0, high=1.0),
        "correlation": interval("correlation", low=-1.0, high=1.0),
        "corrected": interval("corrected", low=-1.0, high=1.0),
        "permuted labels": interval("permuted", low=-1.0, high=1.0),
        "random signs": mean("random_signs"),
        "ranks, corrected": interval("rank_corrected", low=-1.0, high=1.0),
        "same sign, %": interval("signs", 100.0, 0.0, 100.0),
    }
    if "rule_error" in columns(measures):  # runs that are older do not have it
        cells["error of the rule"] = mean("rule_error")
    if "alike" in columns(measures):
        cells["two gradients"] = interval("alike", low=-1.0, high=1.0)
    caption = (
        "Gradients against contributions: means over seeds ± 95 %. The error of the Shapley value's rule over densities is in "
        "standard deviations of Shapley values over weights. The two gradients are those for true and for permuted labels."
    )
    return summary(
        caption, measures, {"source": "weights of", "measure": "contribution"}, cells, name="measures"
    )
