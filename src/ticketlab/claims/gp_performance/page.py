"""The page of the claim `gp-performance`: learning curves of finite and infinite width, shares explained, and the search."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import numpy as np

from ticketlab.claims.asking import columns
from ticketlab.claims.gp_performance import formula
from ticketlab.claims.gp_performance.shares import ARBITRARY, LINEAR, RBF, explained
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import linear_axis, logarithmic_axis
from ticketlab.figures.curves import Curve, Level, Plot, curve
from ticketlab.figures.figure import Figure, Panel
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, choice, made, seconds_table
from ticketlab.figures.spread import score
from ticketlab.figures.text_tables import TextTable, count, mean, ranged, scored, summary
from ticketlab.figures.wording import fixed

__all__ = ["present"]

MARKS = {
    formula.DESCENT: Mark(formula.DESCENT, LIGHT.ink),
    formula.NNGP: Mark(formula.NNGP, LIGHT.blue, "square"),
    formula.NTK: Mark(formula.NTK, LIGHT.vermilion, "triangle-up"),
    formula.TANGENT: Mark(formula.TANGENT, LIGHT.green, "diamond"),
    formula.DRAW: Mark(formula.DRAW, LIGHT.purple, "x"),
    RBF: Mark(RBF, LIGHT.orange, "circle", "dot"),
    LINEAR: Mark(LINEAR, LIGHT.soft, "cross", "dot"),
}
MAJORITY = Mark("all of training's gain", LIGHT.soft, dash="dash", line=True)


def present(record: Record) -> Presentation:
    seconds = partial(seconds_table, by={"arm": "arm", "size": "examples"})
    return Presentation(
        figures=made(record, learning_curves, shares),
        summaries=made(record, score_table, search_table, seconds),
    )


def learning_curves(arms: Table) -> Figure:
    """Test scores by training size, a panel a width."""
    of = arms.where(labels=formula.TRUE)
    drawn = {
        width: [
            _curve(mark, mine)
            for arm, mark in MARKS.items()
            if len(mine := rows.where(arm=arm, offset=_offset(arm)))
        ]
        for (width,), rows in of.by("width").items()
    }
    every = [c for curves in drawn.values() for c in curves]
    x = logarithmic_axis("training examples", [v for c in every for v in c.x])
    y = linear_axis("test score, %", [v for c in every for v in c.ends])
    panels = tuple(Panel(f"width × {width:g}", Plot(x, y, tuple(curves))) for width, curves in drawn.items())
    largest = of.where(size=int(np.max(of["size"])), width=float(np.max(of["width"])))
    means = {
        arm: 100 * float(np.mean(mine["test_score"]))
        for arm in (*formula.ARMS, *ARBITRARY)
        if len(mine := largest.where(arm=arm, offset=_offset(arm)))
    }
    title = (
        f"With most data and units, training scores {fixed(means[formula.DESCENT], 1)} %, its pictures "
        f"{_extent(means, formula.PICTURES)} %{_also(means)}"
    )
    caption = (
        "Means over seeds with 95 % intervals. All are tuned on the same validation examples. The law of trained wide networks "
        "is shown by its mean, and by one function drawn from it. Training and tangent minimum have f₀ centred away. RBF and "
        "linear kernels of the inputs know nothing of the network."
    )
    return Figure("learning-curves", title, caption, panels)


def _extent(means: Mapping[str, float], arms: Iterable[str]) -> str:
    found = [means[arm] for arm in arms]
    return f"{fixed(min(found), 1)} to {fixed(max(found), 1)}"


def _also(means: Mapping[str, float]) -> str:
    """What arbitrary kernels have, in a title; an older run has measured none."""
    return f", arbitrary kernels {_extent(means, ARBITRARY)} %" if ARBITRARY.keys() <= means.keys() else ""


def _offset(arm: str) -> str:
    """Where the claim is asked; a draw has its random function."""
    return "kept" if arm == formula.DRAW else "centred"


def _curve(mark: Mark, rows: Table) -> Curve:
    each = rows.along("size")
    return curve(mark, [float(size) for size, _ in each], [score(of) for _, of in each])


def shares(examples: Table) -> Figure:
    """The share explained by training size, a panel a width."""
    of = examples.where(labels=formula.TRUE)
    arms = [*formula.PICTURES, *(arm for arm, column in ARBITRARY.items() if column in columns(of))]
    drawn = {width: [_shares(arm, rows) for arm in arms] for (width,), rows in of.by("width").items()}
    every = [c for curves in drawn.values() for c in curves]
    x = logarithmic_axis("training examples", [v for c in every for v in c.x])
    y = linear_axis("share of training's gain, %", [*(v for c in every for v in c.ends), 100.0])
    whole = (Level(MAJORITY, y=100.0),)
    panels = tuple(
        Panel(f"width × {width:g}", Plot(x, y, tuple(curves), whole)) for width, curves in drawn.items()
    )
    title = f"With most data, pictures have {_lasts(drawn, formula.PICTURES)} % of training's gain"
    if len(arms) > len(formula.PICTURES):
        title += f", arbitrary kernels {_lasts(drawn, ARBITRARY)} %"
    caption = (
        "What a picture gains over guessing, divided by what training gains, with f₀ centred away. Intervals (95 %) count seeds, "
        "test examples and the gain of training. A share that arbitrary kernels have too explains nothing: RBF and linear "
        "kernels of the inputs know nothing of the network."
    )
    return Figure("shares", title, caption, panels)


def _lasts(drawn: Mapping[float, Sequence[Curve]], arms: Iterable[str]) -> str:
    """From the smallest to the largest share of some arms with most data, over widths."""
    marks = [MARKS[arm] for arm in arms]
    ends = [c.y[-1] for curves in drawn.values() for c in curves if c.mark in marks]
    return f"{fixed(min(ends), 1)} to {fixed(max(ends), 1)}"


def _shares(arm: str, rows: Table) -> Curve:
    each = rows.along("size")
    found = [explained(of, formula.COLUMNS[arm], formula.COLUMNS[formula.DESCENT]) for _, of in each]
    ends = [
        tuple(100 * end for end in d.interval()) if np.isfinite(d.interval()).all() else None for d in found
    ]
    means = [100 * d.mean for d in found]
    return Curve(MARKS[arm], [float(size) for size, _ in each], means, ends, signed=True)  # type: ignore[arg-type]


def score_table(arms: Table) -> TextTable:
    cells = {
        "test score, %": scored("test_score"),
        "validation, %": scored("validation_score"),
        "training, %": scored("train_score"),
        "chosen": choice,
    }
    by = {"arm": "arm", "width": "width", "size": "examples", "offset": "f₀"}
    return summary(
        "Scores by arm: means over seeds ± 95 %.", arms.where(labels=formula.TRUE), by, cells, name="scores"
    )


def search_table(searches: Table) -> TextTable:
    cells = {"tried": mean("tried_for"), "expected to fit": ranged("expected"), "found": ranged("accepted")}
    caption = "Random networks that happen to fit a few examples: expected from infinite width, and found. Ranges over seeds."
    return summary(
        caption, searches, {"size": "examples"}, {**cells, "seeds": count("accepted")}, name="search"
    )
