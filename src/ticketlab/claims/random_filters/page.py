"""The page of the claim `random-filters`: the blocks, with random, Gabor and learned filters; pooling; and frozen layers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ticketlab.claims.random_filters import formula
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.figure import Figure, Panel
from ticketlab.figures.gallery import gallery
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
WHOLE = Mark("all layers trained on half B", LIGHT.soft, dash="dash", line=True)
COPIED = (
    Mark("half A, frozen", LIGHT.vermilion, "square"),
    Mark("half A, fine-tuned", LIGHT.orange, "diamond"),
    Mark("half B, frozen", LIGHT.blue),
    Mark("half B, fine-tuned", LIGHT.green, "triangle-up"),
    Mark("as drawn, frozen", LIGHT.purple, "x"),
)
PIXELS = Mark("the pixels themselves", LIGHT.soft, dash="dash", line=True)
RECTIFY = {"none": "not rectified", "absolute": "absolute value", "relu": "positive part"}


def present(record: Record) -> Presentation:
    return Presentation(
        figures=made(record, by_blocks, by_pool, by_frozen, by_copied, of_filters),
        summaries=made(record, design_table, logistic_table, frozen_table, copied_table, seconds_table),
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


def by_copied(transfer: Table) -> Figure:
    """Test score on half B by the number of copied layers."""
    marks = dict(zip(formula.COPIES.values(), COPIED, strict=True))
    base = 100 * float(transfer.where(layers=0)["test_score"].mean())
    found = {
        f"first {'layer' if count == 1 else f'{count} layers'}": {
            mark: score(of.where(source=source)) for source, mark in marks.items()
        }
        for count, of in transfer.along("layers")
        if count
    }
    most = [next(iter(of.values())).mean for of in found.values()][-1]
    return Figure(
        "copied",
        f"With the most layers from other classes the test score is {fixed(most, 1)} %, and {fixed(base, 1)} % when all are "
        "trained",
        "Test scores on half B of the classes. The first layers come from a network of half A or half B, or stay as they were "
        "drawn; the layers above are trained anew. Signs are means over seeds, bars 95 % intervals; the numbers are the means, "
        "in the order of the key. The line is the network of half B.",
        bars(
            "test score, %",
            {"": found},
            {"": {base: WHOLE}},
            note=lambda _, of: " · ".join(fixed(s.mean, 1) for s in of),
            dots=False,
            also=[base],
        ),
    )


def of_filters(pictures: Table) -> Figure:
    """Some filters of each bank in one seed, and what they like."""
    one = pictures.where(seed=pictures["seed"].min())
    panels = {str(name): rows for (name,), rows in one.by("filters_of").items()}
    count = len(set(one["filter"].tolist()))
    return Figure(
        "filters",
        f"{count} filters of each kind, with the images that they like",
        "One seed. A filter of the first stage, with zero as the middle grey; an image that gradient ascent finds for it; the "
        "nine test images to which it responds most, and nine spread over its ranks from the 50 % to the 90 % quantile. A "
        "response is the mean over pixels of the rectified map. Grey values are stretched for each strip. The file has mean "
        "responses, in standard deviations over test images.",
        tuple(Panel(name, gallery(rows, "filter")) for name, rows in panels.items()),
    )


def logistic_table(logistic: Table) -> TextTable:
    named = logistic.adding(name=np.array([formula.NAMES[arm] for arm in logistic["arm"].tolist()]))
    cells = {"logistic": scored("test_score"), "ridge": scored("ridge_score")}
    caption = "Test scores of logistic and ridge read-outs of the same features: means over seeds, ± 95 %."
    return summary(caption, named, {"name": "features of"}, cells, name="logistic-summary")


def copied_table(transfer: Table) -> TextTable:
    cells = {"test score": scored("test_score"), "validation score": scored("validation_score")}
    by = {"source": "first layers from", "layers": "how many"}
    caption = "Networks on half B of the classes: means over seeds, ± 95 %."
    return summary(caption, transfer, by, cells, name="copied-summary")


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
