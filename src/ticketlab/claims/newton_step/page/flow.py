"""The control that decides: the linearised model's gradient flow, from the gradient's direction (t → 0) to the Newton step (t
= ∞)."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from ticketlab.claims.newton_step.page.sides import GRADIENT, NEWTON, TRAINED, TWIN, of_arm
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import linear_axis, logarithmic_axis
from ticketlab.figures.figure import Figure, Panel, chart
from ticketlab.figures.lines import line, signs
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.setting import Setting, percent, seeds, settings
from ticketlab.figures.wording import extent, measure, power

__all__ = ["along_the_flow", "score_along_the_flow"]

FLOW = Mark("gradient flow of the linearised model", LIGHT.blue, line=True)
END = Mark("Newton step (t = ∞ for the square loss)", LIGHT.blue, "diamond")
NEAREST = Mark("nearest to training", LIGHT.vermilion, "circle")
BEST_GRADIENT = Mark("best gradient step", LIGHT.orange, dash="dash", line=True)
SECOND = Mark("second training", LIGHT.green, dash="dot", line=True)
TRAINING = Mark("trained network", LIGHT.ink, dash="dot", line=True)
HEIGHT = 280
TIME = "time t, relative to the inverse of the largest curvature"


def along_the_flow(arms: Table, path: Table) -> Figure:
    """How far the flow is from training at every time."""
    ends = [100 * v for v in path["unexplained"].tolist()]
    others = [
        v
        for s in settings(arms)
        for a, f in ((GRADIENT, "tangent"), (TWIN, "network"))
        for v in of_arm(arms, s, a, f, "unexplained").values
    ]
    y = logarithmic_axis("left unexplained of training's change, %", [*ends, *others])
    x = _time_axis(path)
    panels, nearest = [], []
    for s in settings(path):
        times, mean = _mean(s.of(path), "unexplained", 100.0)
        best = int(np.argmin(mean))
        nearest.append(times[best])
        newton = of_arm(arms, s, NEWTON, "tangent", "unexplained")
        traces: list[Any] = [
            *_horizontal(
                x,
                [
                    (BEST_GRADIENT, of_arm(arms, s, GRADIENT, "tangent", "unexplained").mean),
                    (SECOND, of_arm(arms, s, TWIN, "network", "unexplained").mean),
                ],
            ),
            *_paths(s.of(path), "unexplained", 100.0),
            line(times, mean, FLOW, f"{FLOW.label}, mean", width=2.5),
            signs(times[best : best + 1], mean[best : best + 1], NEAREST, ["nearest to training"]),
            signs(np.array([_right(x)]), np.array([newton.mean]), END, ["Newton step"]),
        ]
        panels.append(
            Panel(str(s), chart(traces, x=x, y=y, height=HEIGHT), _words(s, times, mean, newton.mean))
        )
    return Figure(
        "flow",
        _title(nearest, path),
        "How much of training's change the linearised model's gradient flow leaves unexplained on test examples, stopped at "
        f"time t. The thick line is the mean over {seeds(path)}, thin lines are single seeds. The flow sets out in the direction "
        "of the gradient step and, with the square loss, ends in the Newton step of minimum norm, drawn at the right edge. If "
        "training were the Newton step, the line would fall to its end.",
        tuple(panels),
        (FLOW, NEAREST, END, BEST_GRADIENT, SECOND),
    )


def _title(nearest: list[float], path: Table) -> str:
    last = float(path["time"][np.isfinite(path["time"])].max())
    late = sum(t >= last for t in nearest)
    if late == len(nearest):
        return "The flow of the linearised model comes nearest to training at its end"
    early = [t for t in nearest if t < last]
    where = "in every setting" if late == 0 else f"in {len(early)} of {len(nearest)} settings"
    return f"The flow of the linearised model comes nearest to training before its end {where}, at time {extent(early)}"


def _words(s: Setting, times: np.ndarray, mean: np.ndarray, newton: float) -> tuple[str, ...]:
    best = int(np.argmin(mean))
    return (
        f"{s}: {measure(float(mean[0]))} % is left unexplained at time {power(float(times[0]))}, least at time "
        f"{power(float(times[best]))} with {measure(float(mean[best]))} %, and {measure(newton)} % by the Newton step.",
    )


def score_along_the_flow(arms: Table, path: Table) -> Figure:
    """Test error along the flow, against the trained network's."""
    trained = {s: 100 - of_arm(arms, s, TRAINED, "network", "test_score").mean for s in settings(arms)}
    y = linear_axis(
        f"test error, % of {_what(arms)}",
        [*percent(path["test_score"]).tolist(), *trained.values()],
        include=0.0,
    )
    x = _time_axis(path)
    panels = []
    changes = []
    for s in settings(path):
        rows = s.of(path)
        times, mean = _mean(rows, "test_score", 1.0)
        error = 100 * (1 - mean)
        newton = 100 - of_arm(arms, s, NEWTON, "tangent", "test_score").mean
        changes.append(newton - trained[s])
        traces: list[Any] = [
            *_horizontal(x, [(TRAINING, trained[s])]),
            *[
                line(t, 100 * (1 - v), FLOW, f"seed {seed}", width=1, opacity=0.35)
                for seed, t, v in _seeds(rows, "test_score")
            ],
            line(times, error, FLOW, f"{FLOW.label}, mean", width=2.5),
            signs(np.array([_right(x)]), np.array([newton]), END, ["Newton step"]),
        ]
        words = (
            f"{s}: test error {measure(float(error[-1]))} % at the last time and {measure(newton)} % at the Newton step, against "
            f"{measure(trained[s])} % of the trained network."
        )
        panels.append(Panel(str(s), chart(traces, x=x, y=y, height=HEIGHT), (words,)))
    return Figure(
        "flow-score",
        f"The Newton step's test error is {_against(changes)} the trained network's",
        f"Test error of the linearised model's gradient flow, stopped at time t: mean over {seeds(path)} and single seeds. The "
        "dotted line is the mean of the trained network.",
        tuple(panels),
        (FLOW, END, TRAINING),
    )


def _against(changes: list[float]) -> str:
    if min(changes) > 0:
        return f"{extent(changes, measure)} points above"
    if max(changes) < 0:
        return f"{extent([-c for c in changes], measure)} points below"
    return f"within {measure(max(map(abs, changes)))} points of"


def _what(arms: Table) -> str:
    return "examples" if np.isfinite(arms["agreement"]).any() else "variance"


def _time_axis(path: Table) -> dict[str, Any]:
    return logarithmic_axis(TIME, path["time"][np.isfinite(path["time"])].tolist())


def _right(x: dict[str, Any]) -> float:
    """The right edge, where t = ∞ is drawn."""
    return float(10 ** (x["range"][1] - 0.02 * (x["range"][1] - x["range"][0])))


def _seeds(rows: Table, column: str) -> list[tuple[int, np.ndarray, np.ndarray]]:
    found = []
    for seed in dict.fromkeys(rows["seed"].tolist()):
        of = rows.where(seed=seed)
        finite = np.isfinite(of["time"])
        found.append((seed, of["time"][finite], of[column][finite]))
    return found


def _mean(rows: Table, column: str, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Over seeds, time by time."""
    each = _seeds(rows, column)
    return each[0][1], factor * np.mean([values for _, _, values in each], axis=0)


def _paths(rows: Table, column: str, factor: float) -> list[go.Scatter]:
    return [
        line(times, factor * values, FLOW, f"seed {seed}", width=1, opacity=0.35)
        for seed, times, values in _seeds(rows, column)
    ]


def _horizontal(x: dict[str, Any], levels: list[tuple[Mark, float]]) -> list[go.Scatter]:
    ends = np.array([10 ** x["range"][0], 10 ** x["range"][1]])
    return [
        line(ends, np.full(2, level), mark, mark.label, width=2)
        for mark, level in levels
        if np.isfinite(level)
    ]
