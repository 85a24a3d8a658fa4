"""Proof that everything arrived: training converged, the Newton steps are stationary, and the flow obeys its own equation."""

from __future__ import annotations

import numpy as np

from ticketlab.claims.newton_step.page.sides import NEWTON, TRAINED, TWIN
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import SMALLEST, above_zero, linear_axis, logarithmic_axis
from ticketlab.figures.figure import Figure, Panel, chart
from ticketlab.figures.lines import line
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.rows import Row, Series, row_chart
from ticketlab.figures.setting import seeds, settings
from ticketlab.figures.text_tables import TextTable
from ticketlab.figures.wording import extent, listed, plural, power, quantity

__all__ = ["arrival", "certificate_table", "training"]

TOLERANCE = Mark("tolerance", LIGHT.soft, dash="dash", line=True)
LINES = {
    TRAINED: Mark("the trained network", LIGHT.blue, line=True),
    TWIN: Mark("the second training", LIGHT.green, dash="dash", line=True),
}
KINDS = {
    NEWTON: Mark("Newton step", LIGHT.blue, "diamond"),
    "damped Newton step": Mark("damped Newton step", LIGHT.vermilion, "square"),
    "flow": Mark("flow", LIGHT.green, "circle"),
}
HEIGHT = 250


def training(curves: Table, ends: Table) -> Figure:
    """Training loss against steps, to convergence; `ends` says how each run ended."""
    x = linear_axis("step", curves["step"].tolist(), include=0.0)
    y = logarithmic_axis("training loss", curves["train_loss"].tolist())
    panels, lengths = [], []
    for s in settings(curves):
        traces = []
        for arm, mark in LINES.items():
            for seed in dict.fromkeys(curves["seed"].tolist()):
                of = s.of(curves, arm=arm, seed=seed)
                if len(of):
                    traces.append(
                        line(
                            of["step"], of["train_loss"], mark, f"{arm}, seed {seed}", width=1.5, opacity=0.8
                        )
                    )
                    lengths.append(int(of["step"].max()))
        last = [int(s.of(curves, seed=k)["step"].max()) for k in dict.fromkeys(curves["seed"].tolist())]
        panels.append(
            Panel(
                str(s),
                chart(traces, x=x, y=y, height=HEIGHT),
                (f"{s}: training ended within {extent(last)} steps.",),
            )
        )
    return Figure(
        "training",
        _ended(ends, max(lengths)),
        f"Training loss of gradient descent on all training examples, over {seeds(curves)}; a run ends where its loss has fallen "
        "to the plan's share of that of zero outputs.",
        tuple(panels),
        tuple(LINES.values()),
    )


def _ended(ends: Table, longest: int) -> str:
    reached, total = int(ends["converged"].sum()), len(ends)
    if reached == total:
        return f"Gradient descent converged in every run, within {quantity(longest)} steps"
    return f"Gradient descent converged in {quantity(reached)} of {plural(total, 'run')} within {quantity(longest)} steps"


def arrival(table: Table) -> Figure:
    """Stationarity of every Newton step, and the flow's defect, against the tolerance."""
    met, total = int(table["met"].sum()), len(table)
    tolerances = sorted(set(table["tolerance"].tolist()))
    x = logarithmic_axis(
        "stationarity of a step, or defect of the flow", [*tolerances, *above_zero(table["value"])]
    )
    rows = [
        Row(
            str(s),
            tuple(
                Series(mark, above_zero(of["value"]))
                for kind, mark in KINDS.items()
                if len(of := s.of(table, what=kind))
            ),
        )
        for s in settings(table)
    ]
    worst = power(float(np.max(table["value"])))
    return Figure(
        "certificates",
        f"{'All' if met == total else f'{quantity(met)} of'} {plural(total, 'check')} met the tolerance",
        "For every Newton step the gradient of its second-order model, relative to that at θ₀; for the flow how far it is from "
        "its own equation, at its first, a middle, and its last time. Both are computed in float64 by differentiating the "
        f"network, without the matrix that was decomposed. Values below {power(SMALLEST)} are drawn there.",
        (
            Panel(
                "",
                row_chart(rows, x=x, limits=dict.fromkeys(tolerances, TOLERANCE)),
                (
                    f"The largest value is {worst}; the tolerance is {listed([power(t) for t in tolerances])}.",
                ),
            ),
        ),
        (*KINDS.values(), TOLERANCE),
    )


def certificate_table(table: Table) -> TextTable:
    """By setting: the worst of each over seeds."""
    rows: list[tuple[str, ...]] = []
    groups: list[tuple[int, str]] = []
    for s in settings(table):
        groups.append((len(rows), str(s)))
        for kind in KINDS:
            of = s.of(table, what=kind)
            if len(of):
                rows.append(
                    (
                        kind,
                        listed(sorted(set(of["measure"].tolist()))),
                        power(float(of["value"].max())),
                        f"{int(of['met'].sum())} of {len(of)}",
                    )
                )
    return TextTable(
        "Certificates, in float64: the worst value over seeds, ridges and times.",
        ("what", "measure", "worst", "met"),
        tuple(rows),
        2,
        tuple(groups),
    )
