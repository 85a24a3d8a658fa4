"""Proof that the minima were reached: the duality gap and the residual of every solve, against the tolerance.

The gap bounds, without any assumption, how far a solution's objective can be above the smallest possible one.
"""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from ticketlab.report.axes import logarithmic_axis
from ticketlab.report.figure import Figure, Panel
from ticketlab.report.palette import LIGHT, Mark
from ticketlab.report.rows import Row, Series, row_chart
from ticketlab.report.tables import TextTable
from ticketlab.report.tangent_minimum.arms import ARMS, arms_in, settings
from ticketlab.report.wording import extent, listed, plural, power, quantity
from ticketlab.studies.evidence import Table

__all__ = ["certificate_table", "certificates"]

SMALLEST = 1e-18  # where a measure that is exactly zero is drawn on a logarithmic axis
MEASURES = {"duality_gap": "relative duality gap", "relative_residual": "relative residual"}
TOLERANCE = Mark("tolerance", LIGHT.soft, dash="dash", line=True)


def certificates(table: Table) -> Figure:
    """Relative duality gap and residual by setting and arm, with the tolerance."""
    met, total = int(table["met"].sum()), len(table)
    panels = tuple(
        Panel(name, _chart(table, column, name), _words(table, column, name))
        for column, name in MEASURES.items()
    )
    return Figure(
        "certificates",
        f"{'All' if met == total else f'{quantity(met)} of'} {plural(total, 'solution')} met the tolerance",
        "Relative duality gap (primal minus dual objective, an upper bound of what is still to be gained) and relative "
        "residual of every solution that the comparison uses; one sign a seed. Values below "
        f"{power(SMALLEST)} are drawn there.",
        panels,
        (*(ARMS[arm] for arm in arms_in(table)), TOLERANCE),
    )


def _chart(table: Table, column: str, name: str) -> go.Figure:
    by_setting = {s: s.of(table) for s in settings(table)}
    rows = [
        Row(str(s), tuple(Series(ARMS[arm], _positive(of.where(arm=arm)[column])) for arm in arms_in(of)))
        for s, of in by_setting.items()
    ]
    tolerances = sorted(set(table["tolerance"].tolist()))
    x = logarithmic_axis(name, [*tolerances, *_positive(table[column])])
    return row_chart(rows, x=x, limits=dict.fromkeys(tolerances, TOLERANCE))


def _positive(values: np.ndarray) -> tuple[float, ...]:
    return tuple(np.maximum(values[np.isfinite(values)], SMALLEST).tolist())


def _words(table: Table, column: str, name: str) -> tuple[str, ...]:
    tolerances = listed([power(t) for t in sorted(set(table["tolerance"].tolist()))])
    return (f"The largest {name} is {power(_worst(table[column]))}; the tolerance is {tolerances}.",)


def certificate_table(table: Table) -> TextTable:
    """By setting and arm: how it was solved, and the worst of each measure over seeds."""
    rows: list[tuple[str, ...]] = []
    groups: list[tuple[int, str]] = []
    for s in settings(table):
        groups.append((len(rows), str(s)))
        rows += [_summary(s.of(table, arm=arm), arm) for arm in arms_in(s.of(table))]
    head = (
        "arm",
        "rung",
        "precision",
        "relative ridge",
        "iterations",
        "condition",
        "duality gap",
        "residual",
        "met",
    )
    return TextTable(
        "Certificates: the worst value over seeds, by setting and arm.", head, tuple(rows), 3, tuple(groups)
    )


def _summary(rows: Table, arm: str) -> tuple[str, ...]:
    return (
        arm,
        listed(sorted(set(rows["rung"].tolist()))),
        listed(sorted(set(rows["precision"].tolist()))),
        extent(rows["ridge"]),
        power(float(rows["iterations"].max())),
        *(power(_worst(rows[column])) for column in ("condition", "duality_gap", "relative_residual")),
        f"{int(rows['met'].sum())} of {len(rows)}",
    )


def _worst(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.abs(known).max()) if len(known) else float("nan")
