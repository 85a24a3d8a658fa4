"""The page of the claim `random-filters`: the blocks, with random, Gabor and learned filters; pooling; and frozen layers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from ticketlab.claims.random_filters import formula
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.figure import Figure, Panel
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, made, seconds_table
from ticketlab.figures.rows import bars
from ticketlab.figures.spread import Spread, score
from ticketlab.figures.text_tables import TextTable, count, mean, scored, summary
from ticketlab.figures.wording import fixed

__all__ = ["present"]

FILTERS = {
    "random": Mark("random filters", LIGHT.blue),
    "gabor": Mark("Gabor filters", LIGHT.green, "triangle-up"),
    "learned": Mark("learned filters", LIGHT.vermilion, "square"),
}
POOLS = {
    "average": Mark("average pooling", LIGHT.blue),
    "maximum": Mark("maximum pooling", LIGHT.orange, "diamond"),
    "none": Mark("no pooling", LIGHT.purple, "x"),
}
FROZEN = Mark("first layers frozen at random", LIGHT.blue)
PIXELS = Mark("the pixels themselves", LIGHT.soft, dash="dash", line=True)
RECTIFY = {"none": "not rectified", "absolute": "absolute value", "relu": "positive part"}


def present(record: Record) -> Presentation:
    return Presentation(
        figures=made(record, by_blocks, by_pool, by_frozen),
        summaries=made(record, design_table, frozen_table, partial(seconds_table, by={"part": "part"})),
    )


def by_blocks(designs: Table, examples: Table) -> Figure:
    """Test score by rectification and normalisation, with average pooling."""
    averaged = designs.where(pool="average")
    gap = 100 * float(np.mean(examples[formula.RANDOM] - examples[formula.LEARNED]))
    return Figure(
        "blocks",
        f"Random filters with all blocks score {fixed(abs(gap), 1)} points {'less' if gap < 0 else 'more'} than learned ones",
        "Test scores of a ridge read-out, with average pooling. Signs are means over seeds, bars 95 % intervals; the numbers are "
        "the means, in the order of the key.",
        _panels(averaged, "filters", FILTERS, examples),
    )


def by_pool(designs: Table, examples: Table) -> Figure:
    """Test score of random filters by pooling."""
    drawn = designs.where(filters="random")
    pools = set(drawn["pool"].tolist())
    whole = {pool: float(drawn.where(pool=pool)["test_score"].mean()) for pool in POOLS if pool in pools}
    best = max(whole, key=lambda pool: whole[pool])
    return Figure(
        "pools",
        f"Over all designs with random filters, {POOLS[best].label} scores most: {fixed(100 * whole[best], 1)} %",
        "Test scores of a ridge read-out of random filters. Without pooling there are more features to read out. Signs are means "
        "over seeds, bars 95 % intervals; the numbers are the means, in the order of the key.",
        _panels(drawn, "pool", POOLS, examples),
    )


def _panels(designs: Table, column: str, marks: Mapping[str, Mark], examples: Table) -> tuple[Panel, ...]:
    """A panel for each number of stages, a row for each rectification and normalisation."""
    found: dict[str, dict[str, dict[Mark, Spread]]] = {}
    for (stages,), of in designs.by("stages").items():
        rows = found.setdefault("one stage" if stages == 1 else "two stages", {})
        for (rectify, normalise), some in of.by("rectify", "normalise").items():
            label = f"{RECTIFY[str(rectify)]}, {'normalised' if normalise else 'not normalised'}"
            rows[label] = {mark: score(some.where(**{column: name})) for name, mark in marks.items()}
    pixels = 100 * float(np.mean(examples[formula.PIXELS]))
    return bars(
        "test score, %",
        found,
        {name: {pixels: PIXELS} for name in found},
        note=lambda _, of: " · ".join(fixed(s.mean, 1) for s in of),
        dots=False,
        also=[pixels],
    )


def by_frozen(freezing: Table) -> Figure:
    """Test score by the number of frozen layers."""
    rows = {
        "all trained" if number == 0 else f"first {number} frozen": {FROZEN: score(of)}
        for number, of in freezing.along("frozen")
    }
    means = [next(iter(of.values())).mean for of in rows.values()]
    return Figure(
        "frozen",
        f"Freezing layers at random takes the test score from {fixed(means[0], 1)} % to {fixed(means[-1], 1)} %",
        "A deep network whose first layers stay as they were drawn, and whose others are trained. Small signs are seeds, bars "
        "95 % intervals of the mean.",
        bars("test score, %", {"": rows}, unit=" %"),
    )


def design_table(designs: Table) -> TextTable:
    cells = {"features": count("features"), "test score": scored("test_score")}
    by = {
        "stages": "stages",
        "filters": "filters",
        "rectify": "rectified",
        "normalise": "normalised",
        "pool": "pooling",
    }
    return summary("Every design: means over seeds, ± 95 %.", designs, by, cells, name="design-summary")


def frozen_table(freezing: Table) -> TextTable:
    cells = {"layers trained": mean("trained_layers"), "test score": scored("test_score")}
    caption = "A deep network with its first layers frozen at random: means over seeds, ± 95 %."
    return summary(caption, freezing, {"frozen": "layers frozen"}, cells, name="frozen-summary")
