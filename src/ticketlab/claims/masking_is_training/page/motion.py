"""How far units' responses change under a mask, and where masks move weights, beside where training moves them."""

from __future__ import annotations

import numpy as np

from ticketlab.claims.masking_is_training.formula import PREREGISTERED
from ticketlab.claims.masking_is_training.page.criteria import (
    CONTROL,
    at_decisive,
    criteria_in,
    percent,
    title_of,
)
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import linear_axis
from ticketlab.figures.figure import Figure, Panel
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.rows import Row, Series, row_chart
from ticketlab.figures.spread import spread
from ticketlab.figures.wording import estimate, listed, measure, plural

__all__ = ["direction", "units"]

MINE, OTHER = Mark("chosen mask and its rivals", LIGHT.blue, "circle"), Mark("random mask", LIGHT.ink, "x")
NOTHING = Mark("no common direction", LIGHT.soft, line=True)


def units(responses: Table) -> Figure:
    """Decorrelation of each layer's units, a panel a layer, a row a criterion."""
    at = at_decisive(responses)
    layers = list(dict.fromkeys(at["layer"].tolist()))
    x = linear_axis("decorrelation", at["decorrelation"].tolist(), include=0.0)
    panels = []
    for layer in layers:
        rows, words = [], []
        for criterion in criteria_in(at):
            of = at.where(criterion=criterion, layer=layer)
            s, size = spread(of["decorrelation"]), spread(of["relative_change"])
            rows.append(
                Row(
                    title_of(criterion),
                    (Series(_mark(criterion), s.values, s.mean, s.interval),),
                    measure(s.mean),
                )
            )
            words.append(
                f"{title_of(criterion)}: decorrelation {estimate(s.mean, s.interval)}, relative change "
                f"{estimate(size.mean, size.interval)}."
            )
        panels.append(Panel(layer, row_chart(rows, x=x), tuple(words)))
    said = [
        f"in {layer} {measure(of[0])} and {measure(of[1])}"
        for layer in layers
        for of in [
            [
                spread(at.where(criterion=c, layer=layer)["decorrelation"]).mean
                for c in (PREREGISTERED, CONTROL)
            ]
        ]
    ]
    seeds = plural(len(set(at["seed"].tolist())), "seed")
    return Figure(
        "responses",
        f"How far units' responses decorrelate from what they were as drawn, under the chosen mask and under a random one: "
        f"{listed(said)}",
        f"1 − correlation of each unit's pre-activation on test data before and after masking, untrained, at "
        f"{percent(float(np.mean(at['density'])))} of the weights: means over units and {seeds} with 95 % intervals, seeds as "
        "open signs. 0: the unit says what it said; 1: it says something else.",
        tuple(panels),
        (MINE, OTHER),
    )


def direction(masks: Table, dense: Table) -> Figure:
    """The cosine between what zeroing does to the weights and what training did."""
    at = at_decisive(masks)
    rows, words = [], []
    for criterion in criteria_in(at):
        of = at.where(criterion=criterion)
        s, far = spread(of["aligned"]), spread(of["moved"])
        series = (Series(_mark(criterion), s.values, s.mean, s.interval),) if s.values else ()
        rows.append(Row(title_of(criterion), series, measure(s.mean)))
        words.append(
            f"{title_of(criterion)}: cosine {estimate(s.mean, s.interval)}, distance {estimate(far.mean, far.interval)} of ‖θ_i‖."
        )
    mine, other = (spread(at.where(criterion=c)["aligned"]).mean for c in (PREREGISTERED, CONTROL))
    moved = spread(dense["moved"])
    x = linear_axis("cosine with the motion of training", at["aligned"].tolist(), include=0.0)
    return Figure(
        "direction",
        f"Zeroing by the chosen mask moves weights where training moves them with a cosine of {measure(mine)}, by a random mask "
        f"of {measure(other)}",
        f"Putting weights to zero is a motion in weight space. Its cosine with that of training, at "
        f"{percent(float(np.mean(at['density'])))} of the weights; training moved them by {measure(moved.mean)} of ‖θ_i‖. Means "
        "with 95 % intervals, seeds as open signs.",
        (Panel("", row_chart(rows, x=x, limits={0.0: NOTHING}), tuple(words)),),
        (MINE, OTHER, NOTHING),
    )


def _mark(criterion: str) -> Mark:
    return OTHER if criterion == CONTROL else MINE
