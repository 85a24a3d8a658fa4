"""The page of the claim `symmetry-breaking`: scores and distinct units by start, how differences grow, and the time it takes."""

from __future__ import annotations

from functools import partial

import numpy as np

from ticketlab.claims.asking import columns
from ticketlab.claims.symmetry_breaking import formula
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import linear_axis, logarithmic_axis
from ticketlab.figures.curves import Curve, Level, mean_curve, plots
from ticketlab.figures.figure import Figure
from ticketlab.figures.palette import LIGHT, Mark, ramp
from ticketlab.figures.presentation import Presentation, made, seconds_table
from ticketlab.figures.rows import bars
from ticketlab.figures.spread import error, seeds, spread
from ticketlab.figures.text_tables import TextTable, interval, mean, ranged, scored, summary
from ticketlab.figures.wording import fixed

__all__ = ["present"]

STARTS = {
    formula.RANDOM: "random",
    formula.CONSTANT: "constant",
    formula.SIGNS: "constants of either sign",
    formula.DUPLICATED: "copies of random units",
}
ERROR = Mark("test error", LIGHT.blue)
TIMES = Mark("a seed", LIGHT.blue, "circle")
LINE = Mark("line through all", LIGHT.soft, dash="dash", line=True)
BROKEN = Mark("units differ", LIGHT.soft, dash="dot", line=True)


def present(record: Record) -> Presentation:
    return Presentation(
        figures=made(record, by_start, growth, time_to_differ),
        summaries=made(record, start_table, layer_table, seconds_table),
    )


def _names(arms: Table) -> dict[str, Table]:
    """The rows of each start, under the words for it, noise from large to small."""
    named = {title: arms.where(start=start) for start, title in STARTS.items()}
    noise = arms.where(start="noise")
    sizes = sorted({float(n) for n in noise["noise"]}, reverse=True)
    return {t: rows for t, rows in named.items() if len(rows)} | {
        f"constant, noise {formula.shown(n)}": noise.where(noise=n) for n in sizes
    }


def by_start(arms: Table) -> Figure:
    """Test error of every start."""
    found = {name: {ERROR: error(rows)} for name, rows in _names(arms).items()}
    one, other = (found[STARTS[start]][ERROR].mean for start in (formula.CONSTANT, formula.RANDOM))
    return Figure(
        "error",
        f"From equal weights the test error is {fixed(one, 1)} %, from random weights {fixed(other, 1)} %",
        f"Test error after training from each start: means over {seeds(arms)} with 95 % intervals; small signs are seeds. "
        "Noise is a share of the random weights that is added to the constant start.",
        bars("test error, %", {"": found}, unit=" %", also=[0.0]),
    )


def growth(curves: Table) -> Figure | None:
    """The spread of units over training, by size of noise."""
    noise = curves.where(start="noise")
    if not len(noise):
        return None
    sizes = sorted({float(n) for n in noise["noise"]})
    lines = []
    for colour, size in zip(ramp(len(sizes)), sizes, strict=True):
        mark = Mark(f"noise {formula.shown(size)}", colour, line=True)
        lines.append(mean_curve(mark, noise.where(noise=size), "step", "spread"))
    still = curves.where(start=formula.CONSTANT)
    most = float(still["spread"].max()) if len(still) else 0.0
    left = "does not grow at all" if most == 0 else f"reaches {most:.0e}"
    return Figure(
        "growth",
        f"Without noise the difference between units {left}",
        "The share of the norm of a layer's weights by which its units deviate from their mean, the least of all hidden layers, "
        "over training: means over seeds. Above the dotted line units count as different. Zero cannot be drawn on this axis.",
        plots(
            {"": lines},
            linear_axis("step", [float(s) for s in curves["step"]]),
            partial(logarithmic_axis, "deviation of units"),
            [Level(BROKEN, y=0.1)],
        ),
    )


def time_to_differ(record: Record, arms: Table) -> Figure | None:
    """The step from which units differ, against the noise; a rate only if times lie on a line, as the verdict says."""
    time = next((v for v in record.questions if v.key == "time"), None)
    steps_of = formula.rate(time, {"arms": arms})
    found = {s: rows for s, rows in formula.times({"arms": arms}).items() if len(rows) >= 3}
    if not found:
        return None
    sizes = np.concatenate([rows["at_start"].astype(float) for rows in found.values()])
    steps = np.concatenate([rows["broken"].astype(float) for rows in found.values()])
    slope, at = np.polyfit(-np.log(sizes), steps, 1)
    ends = np.array([sizes.min(), sizes.max()])
    dots = Curve(TIMES, sizes.tolist(), steps.tolist(), joined=False, signed=True)
    fitted = Curve(LINE, ends.tolist(), (slope * -np.log(ends) + at).tolist())
    return Figure(
        "times",
        "The time until units differ was not found to be a line in the logarithm of the noise"
        if steps_of is None
        else f"A tenth of the difference takes {fixed(steps_of * np.log(10), 0)} more steps until units differ",
        "The first look at which the units of all hidden layers differ, against their deviation before the first step: a sign "
        "for each seed and size of noise, and one line through all of them.",
        plots(
            {"": [dots, fitted]},
            logarithmic_axis("deviation of units at the start", sizes.tolist()),
            linear_axis("step", [*steps.tolist(), 0.0], include=0.0),
        ),
    )


def start_table(arms: Table) -> TextTable:
    named = arms.adding(name=_labels(arms))
    cells = {
        "test score, %": scored("test_score"),
        "training score, %": scored("train_score"),
        "units differ at step": ranged("broken"),
        "deviation at the end": mean("spread"),
    }
    if "step_size" in columns(arms):  # an older run has one for all
        cells["step size"] = ranged("step_size")
    caption = "Every start after training: means over seeds ± 95 %, and the range of steps."
    return summary(caption, named, {"name": "start"}, cells, name="starts")


def layer_table(layers: Table) -> TextTable:
    named = layers.adding(name=_labels(layers))
    cells = {
        "units": mean("units"),
        "distinct units": interval("distinct"),
        "independent gradients": lambda rows: fixed(spread(rows["rank"].astype(float)).mean, 1),
    }
    caption = "Distinct units after training, and the rank of the gradients of a layer's units: means over seeds ± 95 %."
    return summary(caption, named, {"name": "start", "layer": "layer"}, cells, name="layers")


def _labels(rows: Table) -> np.ndarray:
    pairs = zip(rows["start"].tolist(), rows["noise"].tolist(), strict=True)
    return np.array(
        [STARTS.get(start) or f"constant, noise {formula.shown(noise)}" for start, noise in pairs]
    )
