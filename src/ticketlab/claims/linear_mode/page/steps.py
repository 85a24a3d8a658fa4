"""Barrier and accuracy of every arm against the rewind step k, and the one against the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ticketlab.claims.winning_ticket.page.levels import MARKS as MASKS
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import axis, linear_axis, logarithmic_axis
from ticketlab.figures.figure import OUTLINE, Figure, Panel, chart
from ticketlab.figures.lines import short
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.spread import Spread, spread
from ticketlab.figures.wording import estimate, fixed, listed, plural, quantity

__all__ = ["FLOOR", "MARKS", "accuracy", "arms_in", "barriers", "by_seed", "relation", "steps_in"]

MARKS = {
    "ticket": MASKS["ticket"],
    "dense": Mark("dense network", LIGHT.soft, "diamond", "dash"),
    **{name: MASKS[name] for name in ("random", "shuffled", "reinitialised", "both")},
}
LIMIT = Mark("what still counts as stable, or as accurate", LIGHT.soft, dash="dot", line=True)
FLOOR = 0.05  # points; smaller barriers are drawn there
APART = 0.07  # between the arms at one k, in steps of the axis


def arms_in(table: Table) -> list[str]:
    """The arms that a table has, in the order of the page."""
    present = set(table["arm"].tolist())
    return [arm for arm in MARKS if arm in present]


def steps_in(table: Table) -> list[int]:
    """The rewind steps, in order."""
    return sorted(set(table["rewind_step"].tolist()))


def by_seed(table: Table, k: int, arm: str, column: str, factor: float = 100.0) -> Spread:
    """A measurement of an arm at step k: of each seed the mean over its pairs or copies, and how these lie."""
    rows = table.where(rewind_step=k, arm=arm)
    return spread(
        np.array([factor * rows.where(seed=s)[column].mean() for s in sorted(set(rows["seed"].tolist()))])
    )


def barriers(table: Table, stable: float) -> Figure:
    """The error barrier between copies against k, a series an arm."""
    ks = steps_in(table)
    known = {arm: [by_seed(table, k, arm, "test_error") for k in ks] for arm in arms_in(table)}
    y = logarithmic_axis(
        "error barrier, points", [FLOOR, stable, *_floored(n for each in known.values() for n in _ends(each))]
    )
    below = {
        arm: _where([k for k, s in zip(ks, each, strict=True) if s.mean < stable], ks)
        for arm, each in known.items()
    }
    where = listed([f"{MARKS[arm].label} {ks_below}" for arm, ks_below in below.items()])
    return Figure(
        "barriers",
        f"Mean barriers below {quantity(stable)} points: {where}",
        "Highest test error on the line between two copies less the mean of its ends, against the step k from which the copies "
        f"were trained: means over {_seeds(table)} with 95 % intervals. Below the line at {quantity(stable)} points a network is "
        f"stable. Barriers below {quantity(FLOOR)} points are drawn there.",
        (Panel("", _against_k(known, table, y, stable), _words(known, table, "error barrier")),),
        (*(MARKS[arm] for arm in known), LIMIT),
    )


def accuracy(table: Table, margin: float) -> Figure:
    """Test score of the copies against k, a series an arm."""
    known = {arm: [by_seed(table, k, arm, "test_score") for k in steps_in(table)] for arm in arms_in(table)}
    y = linear_axis("test score, %", [n for each in known.values() for n in _ends(each)])
    said = []
    for i, k in enumerate(steps_in(table)):
        if "dense" in known:
            gap = known["ticket"][i].mean - known["dense"][i].mean
            said.append(f"{gap:+.2f} at k = {k}".replace("-", "−"))
    title = (
        f"The ticket's test score less the dense network's, in points: {listed(said)}"
        if said
        else "Test score of the copies"
    )
    return Figure(
        "accuracy",
        title,
        "Test score of the copies at the last step, against the step k from which they were trained: means over "
        f"{_seeds(table)} with 95 % intervals. A ticket counts as as accurate down to {quantity(margin)} points below.",
        (Panel("", _against_k(known, table, y, None), _words(known, table, "test score, %")),),
        tuple(MARKS[arm] for arm in known),
    )


def relation(copies: Table, table: Table, stable: float, margin: float) -> Figure | None:
    """How far each subnetwork is from the dense accuracy, against its barrier: a sign an arm and step."""
    arms = [arm for arm in arms_in(table) if arm != "dense"]
    if "dense" not in arms_in(copies):
        return None
    places: dict[str, list[tuple[int, Spread, float]]] = {
        arm: [(k, by_seed(table, k, arm, "test_error"), _gap(copies, k, arm)) for k in steps_in(table)]
        for arm in arms
    }
    x = logarithmic_axis(
        "error barrier, points",
        [FLOOR, stable, *_floored(s.mean for each in places.values() for _, s, _ in each)],
    )
    y = linear_axis(
        "test score less the dense network's, points",
        [g for each in places.values() for _, _, g in each] + [-margin],
        include=None,
    )
    traces = [_places(places[arm], MARKS[arm]) for arm in arms]
    both = [(arm, k) for arm, each in places.items() for k, s, g in each if s.mean >= stable and g > -margin]
    subnetworks, limit = (
        plural(sum(map(len, places.values())), "subnetwork"),
        f"above {quantity(stable)} points",
    )
    title = (
        f"Of {subnetworks} {len(both)} are as accurate as the dense network, on the mean, with a barrier {limit}: "
        f"{listed([f'{MARKS[arm].label}, k = {k}' for arm, k in both])}"
        if both
        else f"Of {subnetworks} none is as accurate as the dense network with a barrier {limit}"
    )
    words = tuple(
        f"{MARKS[arm].label}, k = {k}: barrier {fixed(s.mean, 2)} points, test score less the dense network's {fixed(g, 2)}."
        for arm, each in places.items()
        for k, s, g in each
    )
    return Figure(
        "relation",
        title,
        "Each sign is an arm at one k: its mean barrier, and its mean test score less that of the dense network from the same k. "
        f"The claim says that the upper right corner is empty of tickets. Lines are at {quantity(stable)} points of barrier and "
        f"{quantity(margin)} below the dense network; barriers below {quantity(FLOOR)} points are drawn there.",
        (Panel("", chart(traces, x=x, y=y, height=300, shapes=[_level(-margin), _upright(stable)]), words),),
        (*(MARKS[arm] for arm in arms), LIMIT),
    )


def _places(each: Sequence[tuple[int, Spread, float]], mark: Mark) -> go.Scatter:
    return go.Scatter(
        x=[short(max(s.mean, FLOOR)) for _, s, _ in each],
        y=[short(g) for _, _, g in each],
        mode="markers+text",
        text=[f"k = {k}" for k, _, _ in each],
        textposition="bottom center",
        textfont={"size": 10, "color": LIGHT.soft},
        marker={"symbol": mark.symbol, "size": 9, "color": mark.colour, "line": OUTLINE},
        hovertemplate=f"{mark.label}, %{{text}}: %{{y:.3g}} points at a barrier of %{{x:.3g}}<extra></extra>",
    )


def _gap(copies: Table, k: int, arm: str) -> float:
    return by_seed(copies, k, arm, "test_score").mean - by_seed(copies, k, "dense", "test_score").mean


def _against_k(
    known: dict[str, list[Spread]], table: Table, y: dict[str, Any], limit: float | None
) -> go.Figure:
    """Means joined by lines with bars for their intervals; every k as far from the next."""
    ks, logarithmic = steps_in(table), y.get("type") == "log"
    x = axis(
        "rewind step k",
        range=[-0.4, len(ks) - 0.6],
        tickvals=list(range(len(ks))),
        ticktext=[quantity(k) for k in ks],
    )
    traces = []
    for i, (arm, each) in enumerate(known.items()):
        mark, shift = MARKS[arm], APART * (i - (len(known) - 1) / 2)
        means = [max(s.mean, FLOOR) if logarithmic else s.mean for s in each]
        lows = [_low(s, FLOOR if logarithmic else -np.inf) for s in each]
        highs = [s.interval[1] if s.interval else s.mean for s in each]
        traces.append(
            go.Scatter(
                x=[j + shift for j in range(len(ks))],
                y=[short(m) for m in means],
                error_y={
                    "array": [short(max(h - m, 0.0)) for h, m in zip(highs, means, strict=True)],
                    "arrayminus": [short(max(m - low, 0.0)) for low, m in zip(lows, means, strict=True)],
                    "color": mark.colour,
                    "thickness": 1.2,
                    "width": 3,
                },
                mode="lines+markers",
                line={"color": mark.colour, "width": 1.5, "dash": mark.dash},
                marker={"symbol": mark.symbol, "size": 8, "color": mark.colour},
                text=[quantity(k) for k in ks],
                hovertemplate=f"{mark.label}: %{{y:.3g}} at k = %{{text}}<extra></extra>",
            )
        )
    return chart(traces, x=x, y=y, height=300, shapes=[] if limit is None else [_level(limit)])


def _level(at: float) -> dict[str, Any]:
    line = {"color": LIMIT.colour, "width": 1.2, "dash": LIMIT.dash}
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": at,
        "y1": at,
        "line": line,
        "layer": "below",
    }


def _upright(at: float) -> dict[str, Any]:
    line = {"color": LIMIT.colour, "width": 1.2, "dash": LIMIT.dash}
    return {
        "type": "line",
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "x0": at,
        "x1": at,
        "line": line,
        "layer": "below",
    }


def _low(s: Spread, floor: float) -> float:
    return max(s.interval[0] if s.interval else s.mean, floor)


def _ends(each: Sequence[Spread]) -> list[float]:
    return [n for s in each for n in (s.mean, *(s.interval or ()))]


def _floored(values: Any) -> list[float]:
    return [max(v, FLOOR) for v in values]


def _where(chosen: list[int], every: list[int]) -> str:
    if not chosen:
        return "at no k"
    return "at every k" if chosen == every else f"at k = {listed([quantity(k) for k in chosen])}"


def _words(known: dict[str, list[Spread]], table: Table, what: str) -> tuple[str, ...]:
    return tuple(
        f"{MARKS[arm].label}, k = {k}: {what} {estimate(s.mean, s.interval)}."
        for arm, each in known.items()
        for k, s in zip(steps_in(table), each, strict=True)
    )


def _seeds(table: Table) -> str:
    return plural(len(set(table["seed"].tolist())), "seed")
