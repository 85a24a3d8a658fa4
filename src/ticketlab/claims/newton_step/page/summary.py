"""The numbers behind the figures, as tables: every arm's distances from the trained network."""

from __future__ import annotations

import numpy as np

from ticketlab.claims.newton_step.page.sides import START, STEPS, TRAINED, forms_in
from ticketlab.evidence.tables import Table
from ticketlab.figures.setting import seeds, settings
from ticketlab.figures.spread import spread
from ticketlab.figures.text_tables import TextTable
from ticketlab.figures.wording import MISSING, extent, measure, plus_minus

__all__ = ["arm_table"]


def arm_table(arms: Table) -> TextTable:
    """Means over seeds with 95 % intervals, by setting, arm and form."""
    rows: list[tuple[str, ...]] = []
    groups: list[tuple[int, str]] = []
    for s in settings(arms):
        groups.append((len(rows), str(s)))
        rows += [
            _summary(s.of(arms, arm=arm, form=form), arm, form)
            for arm in (TRAINED, *STEPS, START)
            for form in forms_in(arms, s, arm)
        ]
    head = (
        "arm",
        "as",
        "unexplained, %",
        "RMS",
        "KL",
        "agreement, %",
        "test score, %",
        "cosine",
        "length",
        "chosen",
    )
    caption = (
        f"Every arm against the trained network: means over {seeds(arms)}, with 95 % intervals (±). RMS, KL and agreement "
        "are those of the outputs, of their softmax, and of the predictions on test examples; cosine and length "
        "those of Δθ against training's."
    )
    return TextTable(caption, head, tuple(rows), 2, tuple(groups))


def _summary(rows: Table, arm: str, form: str) -> tuple[str, ...]:
    def cell(column: str, factor: float = 1.0) -> str:
        s = spread(factor * rows[column])
        return plus_minus(s.mean, s.interval) if s.values else MISSING

    def mean(column: str, factor: float = 1.0) -> str:
        return measure(spread(factor * rows[column]).mean)

    name = rows["setting_name"].tolist()[0]
    chosen = f"{name} {extent(rows['setting'])}" if name and np.isfinite(rows["setting"]).any() else MISSING
    return (
        arm,
        "function" if form == "tangent" else "network",
        cell("unexplained", 100.0),
        mean("rms"),
        mean("divergence"),
        mean("agreement", 100.0),
        cell("test_score", 100.0),
        mean("cosine"),
        mean("relative_length"),
        chosen,
    )
