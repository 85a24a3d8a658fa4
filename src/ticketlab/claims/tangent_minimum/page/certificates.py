"""Proof that the minima were reached: the duality gap and the residual of every solve, against the tolerance.

The gap bounds, without any assumption, how far a solution's objective can be above the smallest possible one.
"""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from ticketlab.claims.tangent_minimum.page.arms import ARMS, arms_in
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import SMALLEST, above_zero, logarithmic_axis
from ticketlab.figures.figure import Figure, Panel
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.rows import Row, Series, row_chart
from ticketlab.figures.setting import settings
from ticketlab.figures.text_tables import TextTable
from ticketlab.figures.wording import extent, listed, plural, power, quantity

__all__ = ["certificate_table", "certificates"]

GAP, RESIDUAL = "relative duality gap", "relative residual"
TOLERANCE = Mark("tolerance on the gap", LIGHT.soft, dash="dash", line=True)


def certificates(table: Table) -> Figure:
    """Relative duality gap, with its tolerance, and relative residual of every solve, by setting and arm."""
    met, total = int(table["met"].sum()), len(table)
    tolerances = sorted(set(table["tolerance"].tolist()))
    gap, residual = power(_worst(table["duality_gap"])), power(_worst(table["relative_residual"]))
    allowed = listed([power(t) for t in tolerances])
    return Figure(
        "certificates",
        f"{'All' if met == total else f'{quantity(met)} of'} {plural(total, 'solution')} met the tolerance",
        f"Every solve of every ridge and seed, computed again in {_precision(table)} with derivatives of the network itself. "
        "The relative duality gap (primal minus dual objective, over the primal) bounds how far the objective is above its "
        "minimum; for the minimum-norm limit the relative norm of the gradient stands for it. Values below "
        f"{power(SMALLEST)} are drawn there.",
        (
            Panel(
                GAP,
                _chart(table, "duality_gap", GAP, tolerances),
                (f"The largest {GAP} is {gap}; the tolerance is {allowed}.",),
            ),
            Panel(
                RESIDUAL,
                _chart(table, "relative_residual", RESIDUAL, []),
                (f"The largest {RESIDUAL} is {residual}.",),
            ),
        ),
        (*(ARMS[arm] for arm in arms_in(table)), TOLERANCE),
    )


def _chart(table: Table, column: str, name: str, tolerances: list[float]) -> go.Figure:
    by_setting = {s: s.of(table) for s in settings(table)}
    rows = [
        Row(str(s), tuple(Series(ARMS[arm], above_zero(of.where(arm=arm)[column])) for arm in arms_in(of)))
        for s, of in by_setting.items()
    ]
    x = logarithmic_axis(name, [*tolerances, *above_zero(table[column])])
    return row_chart(rows, x=x, limits=dict.fromkeys(tolerances, TOLERANCE))


def certificate_table(table: Table) -> TextTable:
    """By setting and arm: how it was solved, and the worst of each measure over seeds."""
    rows: list[tuple[str, ...]] = []
    groups: list[tuple[int, str]] = []
    for s in settings(table):
        groups.append((len(rows), str(s)))
        rows += [_summary(s.of(table, arm=arm), arm) for arm in arms_in(s.of(table))]
    head = ("arm", "rung", "relative ridge", "iterations", "condition", "duality gap", "residual", "met")
    caption = (
        f"Certificates, in {_precision(table)}: the worst value over ridges and seeds, by setting and arm."
    )
    return TextTable(caption, head, tuple(rows), 2, tuple(groups))


def _summary(rows: Table, arm: str) -> tuple[str, ...]:
    return (
        arm,
        listed(sorted(set(rows["rung"].tolist()))),
        extent(rows["ridge"]),
        power(float(rows["iterations"].max())),
        *(power(_worst(rows[column])) for column in ("condition", "duality_gap", "relative_residual")),
        f"{int(rows['met'].sum())} of {len(rows)}",
    )


def _precision(table: Table) -> str:
    return listed(sorted(set(table["precision"].tolist())))


def _worst(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.abs(known).max()) if len(known) else float("nan")
