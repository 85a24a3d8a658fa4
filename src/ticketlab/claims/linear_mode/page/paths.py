"""Error along the lines between copies: a panel a rewind step, a curve an arm."""

from __future__ import annotations

import numpy as np

from ticketlab.claims.linear_mode.page.steps import MARKS, arms_in, steps_in
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import linear_axis, logarithmic_axis
from ticketlab.figures.figure import Figure, Panel, chart
from ticketlab.figures.lines import line
from ticketlab.figures.wording import fixed, plural

__all__ = ["paths"]

FACTOR = 5  # between the highest and the lowest error, from which on the axis is logarithmic


def paths(table: Table) -> Figure:
    """Mean test error over seeds and pairs at every α."""
    arms, curves = arms_in(table), {}
    for k in steps_in(table):
        for arm in arms:
            rows = table.where(rewind_step=k, arm=arm)
            alphas = np.unique(rows["alpha"])
            curves[k, arm] = (
                alphas,
                np.array([100 * rows["test_error"][rows["alpha"] == a].mean() for a in alphas]),
            )
    x = linear_axis("α", [0.0, 1.0])
    errors = [v for _, error in curves.values() for v in error.tolist()]
    wide = min(errors) > 0 and max(errors) > FACTOR * min(errors)
    y = (logarithmic_axis if wide else linear_axis)("test error, %", errors)
    panels = []
    for k in steps_in(table):
        traces, words = [], []
        for arm in arms:
            alphas, error = curves[k, arm]
            traces.append(line(alphas, error, MARKS[arm], MARKS[arm].label, width=2))
            ends = (error[0] + error[-1]) / 2
            words.append(
                f"{MARKS[arm].label}: mean test error {fixed(float(ends), 2)} % at the ends of the lines, at most "
                f"{fixed(float(error.max()), 2)} % between them."
            )
        panels.append(Panel(f"k = {k}", chart(traces, x=x, y=y, height=260), tuple(words)))
    seeds = plural(len(set(table["seed"].tolist())), "seed")
    return Figure(
        "paths",
        "Test error on the lines between copies",
        f"From one copy (α = 0) to another (α = 1): means over {seeds} and all pairs of copies, at each α. The mean of "
        "curves that are highest at different α is lower than the mean of their highest points. The verdict is about the mean of "
        "each seed's lines, the table of barriers about single lines.",
        tuple(panels),
        tuple(MARKS[arm] for arm in arms),
    )
