"""Whether both were tuned fairly: the ridge path of the tangent minimum, and the learning curves of gradient descent.

A candidate chosen at the edge of what was tried hints that a wider search might have done better; both figures say how often.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ticketlab.claims.tangent_minimum.page.arms import DESCENT, LIMIT, TANGENT, error_of, errors
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import linear_axis, logarithmic_axis
from ticketlab.figures.figure import Figure, Panel, chart
from ticketlab.figures.lines import line, signs
from ticketlab.figures.palette import LIGHT, Mark, ramp
from ticketlab.figures.setting import Setting, percent, seeds, settings
from ticketlab.figures.wording import extent, fixed, listed, measure, plural, power, quantity, signed

__all__ = ["learning_curves", "ridge_path"]

TEST = Mark("test error", LIGHT.blue, line=True)
VALIDATION = Mark("validation error", LIGHT.orange, dash="dash", line=True)
CHOSEN = Mark("the ridge that validation chose", LIGHT.blue, "diamond")
LIMIT_LINE = Mark("test error of the minimum-norm limit", LIGHT.vermilion, dash="dot", line=True)
STOPPED = Mark("step that validation chose", LIGHT.vermilion, "circle")
HEIGHT = 270


def ridge_path(arms: Table, tuning: Table) -> Figure | None:
    """Validation and test error along the ridge path, with the chosen ridges and the minimum-norm limit."""
    tuning = _rounded(tuning)
    paths = {s: p for s in settings(tuning) if len(p := s.of(tuning, arm=TANGENT))}
    if not paths:
        return None
    tested = {s: errors(s.of(arms)) for s in paths}
    limits = {s: of[LIMIT].mean for s, of in tested.items() if LIMIT in of}
    tuned = {s: of[TANGENT].mean for s, of in tested.items() if TANGENT in of}
    gains = [tuned[s] - limits[s] for s in paths if s in limits and s in tuned]
    ends = [
        e for p in paths.values() for c in ("validation_score", "test_score") for e in percent(p[c]).tolist()
    ]
    x = logarithmic_axis("ridge, relative to mean diag K", tuning.where(arm=TANGENT)["candidate"].tolist())
    y = linear_axis(f"error, % of {error_of(arms)}", [*ends, *limits.values()], include=0.0)
    panels = tuple(
        Panel(str(s), _path_chart(p, limits.get(s), x, y), _path_words(s, p, tuned.get(s), limits.get(s)))
        for s, p in paths.items()
    )
    return Figure(
        "ridge-path",
        f"Tuning the ridge {_change(gains)} against the minimum-norm limit"
        if gains
        else "Error along the ridge path",
        f"Error of the {TANGENT} against its ridge, relative to the mean diagonal of the tangent kernel. Thick lines are "
        f"means over {seeds(tuning)}, thin lines single seeds. Only validation error was used to choose. {_stand_in(arms)}"
        f"{_edge(tuning, TANGENT, 'ridge')}",
        panels,
        (TEST, VALIDATION, CHOSEN, *([LIMIT_LINE] if limits else [])),
    )


def _rounded(tuning: Table) -> Table:
    """Candidates to six digits: ridges that differ between seeds by rounding only are the same candidate."""
    columns = (
        replace(c, values=np.array([float(f"{v:.6g}") for v in c.values.tolist()]))
        if c.name == "candidate"
        else c
        for c in tuning.columns
    )
    return Table(tuning.name, tuple(columns), tuning.measured)


def _stand_in(arms: Table) -> str:
    """Says for which losses the smallest ridge stands for a limit that does not exist."""
    limits = arms.where(arm=LIMIT)
    without = dict.fromkeys(limits["loss"][limits["setting"] > 0].tolist())
    names = listed([f"{loss} loss" for loss in without])
    return (
        f"With {names} there is no minimum-norm limit on separable data: the smallest ridge stands for it. "
        if without
        else ""
    )


def _path_words(s: Setting, path: Table, tuned: float | None, limit: float | None) -> tuple[str, ...]:
    chosen = path.where(chosen=True)["candidate"].tolist()
    parts = [f"{measure(tuned)} % at the chosen ridges ({extent(chosen)})"] if tuned is not None else []
    parts += [f"{measure(limit)} % in the minimum-norm limit"] if limit is not None else []
    return (f"{s}: mean test error {', '.join(parts)}.",) if parts else ()


def _path_chart(path: Table, limit: float | None, x: dict[str, Any], y: dict[str, Any]) -> go.Figure:
    traces: list[Any] = []
    for mark, score in ((VALIDATION, "validation_score"), (TEST, "test_score")):
        for seed in dict.fromkeys(path["seed"].tolist()):
            of = path.where(seed=seed)
            label = f"{mark.label}, seed {seed}"
            traces.append(line(of["candidate"], percent(of[score]), mark, label, width=1, opacity=0.35))
        ridges = np.unique(path["candidate"])
        means = np.array([percent(path.where(candidate=r)[score]).mean() for r in ridges])
        traces.append(line(ridges, means, mark, f"{mark.label}, mean", width=2.5))
    if limit is not None:
        ends = np.array([path["candidate"].min(), path["candidate"].max()])
        traces.append(line(ends, np.full(2, limit), LIMIT_LINE, LIMIT_LINE.label, width=2))
    chosen = path.where(chosen=True)
    names = [f"seed {seed}, chosen ridge" for seed in chosen["seed"].tolist()]
    traces.append(signs(chosen["candidate"], percent(chosen["test_score"]), CHOSEN, names))
    return chart(traces, x=x, y=y, height=HEIGHT)


def learning_curves(arms: Table, tuning: Table, curves: Table) -> Figure:
    """Training loss and validation error of gradient descent at every step size, the chosen ones emphasised."""
    sizes = sorted(set(curves["step_size"].tolist()))
    colours = dict(zip(sizes, ramp(len(sizes)), strict=True))
    after_start = curves["step"] > 0
    x = logarithmic_axis("step", curves["step"].tolist())
    loss = logarithmic_axis("training loss", curves["train_loss"][after_start].tolist())
    error = linear_axis(
        f"validation error, % of {error_of(arms)}",
        percent(curves["validation_score"][after_start]).tolist(),
        include=0.0,
    )
    panels = []
    for s in settings(curves):
        runs = _runs(s.of(curves), s.of(tuning, arm=DESCENT, chosen=True))
        losses = [(run, run.curve["train_loss"]) for run in runs]
        wrong = [(run, percent(run.curve["validation_score"])) for run in runs]
        rows = s.of(tuning, arm=DESCENT, chosen=True)
        panels += [
            Panel(f"{s}: training loss", _curve_chart(losses, colours, x, loss), _loss_words(s, rows)),
            Panel(f"{s}: validation error", _curve_chart(wrong, colours, x, error), _error_words(s, rows)),
        ]
    inside, total = inside_the_grid(tuning, DESCENT)
    return Figure(
        "learning-curves",
        f"The step size that validation chose lies inside what was tried in {quantity(inside)} of {plural(total, 'run')}",
        f"Learning curves of {DESCENT}, one line a step size and seed; the stronger the colour, the larger the step, "
        "which is relative to the inverse of the largest curvature of the loss at θ₀. Thick lines are the step sizes that "
        f"validation chose; the parameters at the marked step were used. {_diverged(tuning)}"
        f"{_still_improving(tuning, curves)}"
        f"{_edge(tuning, DESCENT, 'step size')}",
        tuple(panels),
        (*(Mark(f"step size {power(size)}", colour, line=True) for size, colour in colours.items()), STOPPED),
    )


def _loss_words(s: Setting, chosen: Table) -> tuple[str, ...]:
    sizes, stops = extent(chosen["candidate"].tolist()), extent(chosen["stop_step"].tolist())
    losses = extent(chosen["train_loss"].tolist())
    return (f"{s}: chosen step size {sizes} and step {stops}, with a training loss of {losses}.",)


def _error_words(s: Setting, chosen: Table) -> tuple[str, ...]:
    return (
        f"{s}: validation error {extent(percent(chosen['validation_score']).tolist(), measure)} % at the chosen step.",
    )


def _still_improving(tuning: Table, curves: Table) -> str:
    """Says in how many of the chosen runs the best step was the last, which hints that training was too short."""
    last = [
        bool(row["stop_step"] >= run["step"].max())
        for row in tuning.where(arm=DESCENT, chosen=True).rows()
        if len(
            run := curves.where(
                loss=row["loss"], offset=row["offset"], seed=row["seed"], step_size=row["candidate"]
            )
        )
    ]
    of = plural(len(last), "chosen run")
    return (
        f"In {quantity(sum(last))} of {of} the best step is the last, so longer training might help. "
        if any(last)
        else ""
    )


def _diverged(tuning: Table) -> str:
    runs = tuning.where(arm=DESCENT)
    count = int((runs["outcome"] == "diverged").sum())
    return f"{plural(count, 'run')} of {quantity(len(runs))} diverged. " if count else ""


@dataclass(frozen=True)
class _Run:
    """One training run; `stop` is the step whose parameters were used if validation chose the run, and None if not."""

    seed: int
    step_size: float
    curve: Table
    stop: float | None


def _runs(curves: Table, chosen: Table) -> list[_Run]:
    """One run a seed and step size, the chosen ones last, so that they are drawn on top."""
    stops = {(row["seed"], row["candidate"]): float(row["stop_step"]) for row in chosen.rows()}
    pairs = dict.fromkeys(zip(curves["seed"].tolist(), curves["step_size"].tolist(), strict=True))
    runs = [_Run(k, size, curves.where(seed=k, step_size=size), stops.get((k, size))) for k, size in pairs]
    return sorted(runs, key=lambda run: run.stop is not None)


def _curve_chart(
    runs: list[tuple[_Run, np.ndarray]], colours: dict[float, str], x: dict[str, Any], y: dict[str, Any]
) -> go.Figure:
    traces, stops = [], []
    for run, values in runs:
        label = f"step size {power(run.step_size)}, seed {run.seed}"
        style = {"width": 1.0, "opacity": 0.6} if run.stop is None else {"width": 2.5}
        steps = run.curve["step"]
        shown = steps > 0  # the axis is logarithmic
        traces.append(line(steps[shown], values[shown], Mark(label, colours[run.step_size]), label, **style))
        if run.stop is not None:
            at = int(np.abs(steps - run.stop).argmin())
            stops.append(signs(steps[at : at + 1], values[at : at + 1], STOPPED, [f"{label}, chosen step"]))
    return chart([*traces, *stops], x=x, y=y, height=HEIGHT)


def inside_the_grid(tuning: Table, arm: str) -> tuple[int, int]:
    """How many chosen candidates had a smaller and a larger one beside them, and how many were chosen in all."""
    of = tuning.where(arm=arm)
    inside = total = 0
    for s in settings(of):
        for row in s.of(of, chosen=True).rows():
            tried = s.of(of, seed=row["seed"])["candidate"]
            total += 1
            inside += bool(tried.min() < row["candidate"] < tried.max())
    return inside, total


def _edge(tuning: Table, arm: str, name: str) -> str:
    inside, total = inside_the_grid(tuning, arm)
    if inside == total:
        return f"The chosen {name} lies inside the range that was tried in all {plural(total, 'fit')}."
    return (
        f"In {quantity(total - inside)} of {plural(total, 'fit')} the chosen {name} is the smallest or the largest that was "
        "tried, so a wider search might do better."
    )


def _change(gains: list[float]) -> str:
    """ "lowers test error by 0.59 to 0.93 points"."""
    if max(gains) < 0:
        return f"lowers mean test error by {extent([-g for g in gains], _points)} points"
    if min(gains) > 0:
        return f"raises mean test error by {extent(gains, _points)} points"
    return f"changes mean test error by {signed(min(gains), 2)} to {signed(max(gains), 2)} points"


def _points(value: float) -> str:
    return fixed(value, 2)
