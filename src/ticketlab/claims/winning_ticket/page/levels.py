"""What happens as weights go: accuracy and early stop against density with all controls, and where the weights are that stay."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import axis, linear_axis, logarithmic_axis
from ticketlab.figures.figure import Figure, Panel, chart
from ticketlab.figures.lines import line, signs, with_intervals
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.rows import Row, Series, row_chart
from ticketlab.figures.spread import Spread, spread
from ticketlab.figures.wording import estimate, fixed, listed, plural, quantity

__all__ = [
    "DYNAMIC",
    "MARKS",
    "accuracy",
    "arms_in",
    "dynamic",
    "early_stop",
    "layers",
    "percent",
    "training",
]

MARKS = {
    "ticket": Mark("ticket", LIGHT.blue, "circle"),
    "reinitialised": Mark("its mask over new weights", LIGHT.vermilion, "square", "dash"),
    "shuffled": Mark("its weights under a shuffled mask", LIGHT.green, "triangle-up", "dot"),
    "both": Mark("new weights under a shuffled mask", LIGHT.orange, "diamond", "dash"),
    "equal-size": Mark("dense, of equal size", LIGHT.purple, "cross", "dot"),
    "random": Mark("random mask (Erdős–Rényi)", LIGHT.ink, "x", "dot"),
}
DYNAMIC = {
    "rigl": Mark("RigL: the mask follows gradients", LIGHT.vermilion, "circle"),
    "set": Mark("SET: the mask changes at random", LIGHT.green, "square"),
    "gradual": Mark("gradual pruning from dense", LIGHT.orange, "triangle-up"),
}
DENSE = Mark("dense network", LIGHT.soft, dash="dash", line=True)
DECISIVE = Mark("the density at which the question is decided", LIGHT.rule, line=True)
LAYERS = (LIGHT.blue, LIGHT.vermilion, LIGHT.green, LIGHT.orange, LIGHT.purple, LIGHT.ink)
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "cross", "x")


def arms_in(table: Table) -> list[str]:
    """The ticket and its controls, those that a table has, in the order of the page."""
    present = set(table["arm"].tolist())
    return [arm for arm in MARKS if arm in present]


def dynamic(levels: Table) -> Figure | None:
    """Masks that change, beside the ticket and the random mask, at the one density that decides; None if none were trained."""
    arms = [arm for arm in DYNAMIC if len(levels.where(arm=arm))]
    if not arms or "ticket" not in arms_in(levels):
        return None
    shown = {arm: mark for arm, mark in {**MARKS, **DYNAMIC}.items() if arm in ("ticket", "random", *arms)}
    rows, words = [], []
    for arm, mark in shown.items():
        if not len(_at_decisive(levels, arm)):
            continue
        s = spread(100 * _at_decisive(levels, arm)["final_test_score"])
        note = estimate(s.mean, s.interval)
        rows.append(Row(mark.label, (Series(mark, s.values, s.mean, s.interval),), note))
        words.append(f"{mark.label}: test score at the end {note} %.")
    values = [v for row in rows for v in row.series[0].dots]
    said = [
        f"{DYNAMIC[arm].label} {estimate(spread(100 * _at_decisive(levels, arm)['final_test_score']).mean, None)} %"
        for arm in arms
    ]
    return Figure(
        "dynamic",
        f"Masks that change while the network learns, at {percent(_decisive_density(levels))} of the weights: {listed(said)}",
        "Test score after the last step, when every mask has its final density: means with 95 % intervals, seeds as open signs. "
        "These networks search while they train, and the verdict does not turn on them.",
        (Panel("", row_chart(rows, x=linear_axis("test score at the end, %", values)), tuple(words)),),
        tuple(shown.values()),
    )


def accuracy(levels: Table) -> Figure | None:
    """Test score at the early stop against density: a panel a control, with the ticket, and the dense network as a line."""
    if "ticket" not in arms_in(levels):
        return None
    gains = {a: _gap(levels, a, "test_score", 100.0) for a in arms_in(levels) if a != "ticket"}
    said = [f"{MARKS[a].label} {_signed(g)}" for a, g in gains.items()]
    at = percent(_decisive_density(levels))
    title = f"At {at} of the weights the ticket's test score is {_signed(_gap_to_dense(levels))} points from the dense network's"
    if said:
        title += f", and from its controls': {listed(said)}"
    return _against_density(
        "accuracy",
        title,
        levels,
        "test_score",
        100.0,
        "test score, %",
        "Test score at the early stop against the density of the mask, from dense at the left to sparse at the right",
    )


def early_stop(levels: Table) -> Figure | None:
    """The step of the lowest validation loss against density, likewise."""
    if "ticket" not in arms_in(levels):
        return None
    dense = spread(levels.where(arm="dense")["early_stop_step"].astype(float)).mean
    mine = spread(_at_decisive(levels, "ticket")["early_stop_step"].astype(float)).mean
    title = (
        f"At {percent(_decisive_density(levels))} of the weights the ticket's early stop is at step {mine:.0f}, the dense "
        f"network's at {dense:.0f}"
    )
    others = [
        f"{MARKS[a].label} {spread(_at_decisive(levels, a)['early_stop_step'].astype(float)).mean:.0f}"
        for a in arms_in(levels)
        if a != "ticket"
    ]
    if others:
        title += f", its controls' at: {listed(others)}"
    return _against_density(
        "early-stop",
        title,
        levels,
        "early_stop_step",
        1.0,
        "step of the early stop",
        "The step at which the validation loss was lowest, against density. An early stop at the last step means that training "
        "was too short to see it",
    )


def _against_density(
    key: str, title: str, levels: Table, column: str, factor: float, name: str, caption: str
) -> Figure:
    x = _density_axis(levels)
    y = linear_axis(name, (factor * levels[column]).tolist())
    dense = spread(factor * levels.where(arm="dense")[column].astype(float))
    controls = [arm for arm in arms_in(levels) if arm != "ticket"] or [""]
    panels = []
    for control in controls:
        ends = np.array([100.0 * levels["density"].min(), 100.0])
        traces: list[go.Scatter] = [line(ends, np.full(2, dense.mean), DENSE, DENSE.label, width=1.5)]
        words = [f"Dense network: {name} {_said(dense)}."]
        for arm in [a for a in ("ticket", control) if a]:
            each = _by_level(levels.where(arm=arm), column, factor)
            traces += _with_intervals(each, arm)
            words += [
                f"{MARKS[arm].label}, {percent(density)} of the weights: {name} {_said(s)}."
                for density, s in each
            ]
        panels.append(
            Panel(MARKS[control].label if control else "", _marked(traces, x, y, levels), tuple(words))
        )
    seeds = plural(len(set(levels["seed"].tolist())), "seed")
    return Figure(
        key,
        title,
        f"{caption}: means over {seeds} with 95 % intervals. The upright line is the density at which the question is decided, "
        "which was fixed before the runs.",
        tuple(panels),
        (*(MARKS[arm] for arm in arms_in(levels)), DENSE, DECISIVE),
    )


def training(curves: Table) -> Figure:
    """Validation loss by step at the level at which the question is decided, and of the dense network."""
    x = linear_axis("step", curves["step"].tolist(), include=0.0)
    arms = ["dense", *arms_in(curves)]
    means = {arm: _mean_curve(curves.where(arm=arm)) for arm in arms}
    y = logarithmic_axis("validation loss", [v for _, loss in means.values() for v in loss.tolist()])
    panels = []
    for control in [a for a in arms if a not in ("dense", "ticket")] or [""]:
        traces, words = [], []
        for arm in [a for a in ("dense", "ticket", control) if a in means]:
            mark = DENSE if arm == "dense" else MARKS[arm]
            steps, loss = means[arm]
            traces.append(line(steps, loss, mark, mark.label, width=2))
            best = int(np.argmin(loss))
            words.append(
                f"{mark.label}: lowest mean validation loss {fixed(float(loss[best]), 3)} at step {int(steps[best])}."
            )
        panels.append(
            Panel(MARKS[control].label if control else "", chart(traces, x=x, y=y, height=230), tuple(words))
        )
    return Figure(
        "training",
        "How the ticket, its controls and the dense network learn",
        "Validation loss by step, means over seeds, at the density at which the question is decided.",
        tuple(panels),
        (*(MARKS[arm] for arm in arms_in(curves)), DENSE),
    )


def layers(layers: Table, levels: Table) -> Figure:
    """The density of each layer against the density of the whole: of the ticket, and of the random mask."""
    x = _density_axis(levels)
    names = list(dict.fromkeys(layers["layer"].tolist()))
    marks = {n: Mark(n, LAYERS[i % 6], SYMBOLS[i % 6]) for i, n in enumerate(names)}
    shown = [arm for arm in ("ticket", "random") if len(layers.where(arm=arm))]
    values = np.concatenate([100 * layers.where(arm=arm)["density"] for arm in shown])
    y = linear_axis("density of the layer, %", values.tolist(), include=0.0)
    whole = {(r["level"], r["arm"]): r["density"] for r in levels.where(seed=0).rows()}
    panels = []
    for arm in shown:
        traces, words = [], []
        for name in names:
            of = layers.where(arm=arm, layer=name)
            numbers = sorted(set(of["level"].tolist()))
            at = np.array([100 * whole[n, arm] for n in numbers])
            mean = np.array([100 * float(np.mean(of.where(level=n)["density"])) for n in numbers])
            labels = [name] * len(at)
            traces += [line(at, mean, marks[name], name, width=1.5), signs(at, mean, marks[name], labels)]
            words.append(f"{name}: {percent(mean[-1] / 100)} kept at the last level.")
        panels.append(Panel(MARKS[arm].label, chart(traces, x=x, y=y, height=260), tuple(words)))
    last = levels.where(arm="ticket", level=int(levels["level"].max()))
    return Figure(
        "layers",
        f"At the last level {percent(float(np.mean(last['density'])))} of the weights are kept, and "
        f"{percent(float(np.mean(last['effective_density'])))} lie on a path from an input to an output",
        "The density of each layer against the density of the whole network, means over seeds.",
        tuple(panels),
        tuple(marks.values()),
    )


def percent(fraction: float) -> str:
    """ "21.5 %"."""
    return f"{quantity(float(f'{100 * fraction:.3g}'))} %"


def _by_level(rows: Table, column: str, factor: float) -> list[tuple[float, Spread]]:
    """(density, measurements over seeds), from dense to sparse."""
    levels = sorted(set(rows["level"].tolist()))
    parts = (rows.where(level=n) for n in levels)
    return [(float(np.mean(p["density"])), spread(factor * p[column].astype(float))) for p in parts]


def _with_intervals(each: Sequence[tuple[float, Spread]], arm: str) -> list[go.Scatter]:
    return [with_intervals([100 * density for density, _ in each], [s for _, s in each], MARKS[arm], " %")]


def _marked(traces: list[go.Scatter], x: dict[str, object], y: dict[str, object], levels: Table) -> go.Figure:
    at = 100 * _decisive_density(levels)
    place = {"x0": at, "x1": at, "yref": "paper", "y0": 0, "y1": 1}
    rule = {"type": "line", **place, "line": {"color": LIGHT.rule, "width": 2}, "layer": "below"}
    return chart(traces, x=x, y=y, height=260, shapes=[rule])


def _density_axis(levels: Table) -> dict[str, object]:
    """Logarithmic and reversed: every level is as far from the next, and weights go from left to right."""
    low = 100 * float(levels["density"].min())
    ticks = [t for t in (100, 50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1) if t >= low / 1.1]
    ends = np.log10([115.0, low / 1.15]).tolist()
    texts = [quantity(t) for t in ticks]
    return axis("weights kept, %", type="log", range=ends, tickvals=ticks, ticktext=texts)


def _at_decisive(levels: Table, arm: str) -> Table:
    return levels.where(arm=arm, decisive=True)


def _decisive_density(levels: Table) -> float:
    return float(np.mean(_at_decisive(levels, "ticket")["density"]))


def _gap(levels: Table, arm: str, column: str, factor: float) -> Spread:
    """The ticket's measurement less the arm's, seed by seed."""
    mine, other = (_at_decisive(levels, a)[column].astype(float) for a in ("ticket", arm))
    return spread(factor * (mine - other))


def _gap_to_dense(levels: Table) -> Spread:
    mine = _at_decisive(levels, "ticket")["test_score"]
    return spread(100 * (mine - levels.where(arm="dense")["test_score"]))


def _mean_curve(rows: Table) -> tuple[np.ndarray, np.ndarray]:
    steps = np.array(sorted(set(rows["step"].tolist())))
    return steps, np.array([float(np.mean(rows.where(step=int(s))["validation_loss"])) for s in steps])


def _signed(gap: Spread) -> str:
    return f"{gap.mean:+.2f}".replace("-", "−")


def _said(s: Spread) -> str:
    return estimate(s.mean, s.interval)
