"""The page of the claim `newton-step`: how far from training each step ends, in function space and in parameter space.

The control that decides is the linearised model's gradient flow, from the gradient's direction (t → 0) to the Newton step (t =
∞). Arms are shown in two forms: the function to first order, in the tangent space, and the network itself at θ₀ + Δθ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ticketlab.claims.newton_step import formula
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import SMALLEST, Axis, above_zero, linear_axis, logarithmic_axis
from ticketlab.figures.certificates import all_met, met, proof, worst
from ticketlab.figures.curves import Curve, Level, Plot, each_seed
from ticketlab.figures.figure import Figure, Panel, alone
from ticketlab.figures.forest import Asked
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, choice, made, seconds_table
from ticketlab.figures.rows import Row, Rows, row_panels, series
from ticketlab.figures.spread import Spread, error, positive, seeds, spread
from ticketlab.figures.text_tables import TextTable, distance, mean, names, scored, summary
from ticketlab.figures.wording import extent, listed, measure, plural, power, quantity, setting
from ticketlab.laws.verdict import Verdict

__all__ = ["present"]

STEPS = (formula.GRADIENT, formula.NEWTON, formula.DAMPED, formula.STOPPED, formula.TWIN)
FORMS = {
    "tangent": Mark("to first order, in the tangent space", LIGHT.blue, "diamond"),
    "network": Mark("the network itself", LIGHT.green, "triangle-up"),
}
NAMES = {"tangent": "function", "network": "network"}
WHOLE = Mark("no nearer than the random start", LIGHT.soft, dash="dot", line=True)
SAME = Mark("as training", LIGHT.soft, dash="dot", line=True)
PATH = Mark("gradient flow of the linearised model", LIGHT.blue, line=True)
END = Mark("Newton step (t = ∞ for the square loss)", LIGHT.blue, "diamond")
NEAREST = Mark("nearest to training", LIGHT.vermilion, "circle")
BEST_GRADIENT = Mark("best gradient step", LIGHT.orange, dash="dash", line=True)
SECOND = Mark("second training", LIGHT.green, dash="dot", line=True)
TRAINING = Mark("trained network", LIGHT.ink, dash="dot", line=True)
TOLERANCE = Mark("tolerance", LIGHT.soft, dash="dash", line=True)
LINES = {
    formula.TRAINED: Mark("the trained network", LIGHT.blue, line=True),
    formula.TWIN: Mark("the second training", LIGHT.green, dash="dash", line=True),
}
KINDS = {
    formula.NEWTON: Mark("Newton step", LIGHT.blue, "diamond"),
    "damped Newton step": Mark("damped Newton step", LIGHT.vermilion, "square"),
    "flow": Mark("flow", LIGHT.green, "circle"),
}
LEFT = "left unexplained of training's change"
NEARER_SIDES = ("second nearer", "Newton nearer")
ASKED: Mapping[str, tuple[Any, ...]] = {  # the axis, what its sides are, and the columns of a seed's effect
    formula.SCORE: (
        "Newton step minus trained network",
        ("training better", "Newton better"),
        "newton_score",
        "trained_score",
    ),
    formula.NEWTON_NEAR: (f"{LEFT} by the Newton step", None, "newton_gap"),
    formula.GRADIENT_APART: (f"{LEFT} by the gradient step", None, "gradient_gap"),
    formula.NEARER: (
        "left by the gradient step minus left by the Newton step",
        NEARER_SIDES,
        "gradient_gap",
        "newton_gap",
    ),
    formula.FLOW: (
        "left at the end of the flow minus left at its best time",
        ("end nearer", "earlier nearer"),
        "newton_gap",
        "stopped_gap",
    ),
    formula.LUCK: (
        "left by the second training minus left by the Newton step",
        NEARER_SIDES,
        "second_gap",
        "newton_gap",
    ),
    formula.TURN: ("cosine of the Newton step with training", None),
    formula.LENGTH: ("length of the Newton step", ("shorter", "longer")),
}


def present(record: Record) -> Presentation:
    """What the page shows of a run of `newton-step`."""
    examples = record.evidence.tables.get("examples")

    def asked(effect: str, sides: tuple[str, str] | None, *columns: str) -> Asked:
        return Asked(effect, sides, lambda v: _by_seed(examples, v, columns) if columns and examples else ())

    return Presentation(
        asked={key: asked(*how) for key, how in ASKED.items()},
        figures=made(
            record,
            (unexplained, "arms"),
            (along_the_flow, "arms", "path"),
            (score_along_the_flow, "arms", "path"),
            (parameters, "arms"),
            (training, "curves", "training"),
        ),
        summaries=made(
            record,
            (arm_table, "arms"),
            (lambda t: seconds_table(t, {"loss": "loss", "part": "part"}), "timings"),
        ),
        certificates=made(record, (arrival, "certificates")),
        certificate_tables=made(record, (certificate_table, "certificates")),
    )


def _by_seed(examples: Table, v: Verdict, columns: Sequence[str]) -> tuple[float, ...]:
    rows = examples.where(**v.facets)
    effect = 100 * (rows[columns[0]] - (rows[columns[1]] if len(columns) > 1 else 0.0))
    return tuple(float(np.mean(effect[rows["seed"] == s])) for s in dict.fromkeys(rows["seed"].tolist()))


def _settings(table: Table) -> dict[tuple[str, str], Table]:
    return table.by("loss", "offset")


def _left(rows: Table, arm: str, form: str = "tangent") -> Spread:
    """Per cent of training's change that an arm leaves unexplained."""
    return positive(rows.where(arm=arm, form=form), "unexplained", 100)


# --- function space ---


def unexplained(arms: Table) -> Figure:
    """Every arm's unexplained share of training's change, on test examples."""
    found = {
        setting(*key): {arm: {f: s for f in FORMS if (s := _left(of, arm, f)).values} for arm in STEPS}
        for key, of in _settings(arms).items()
    }
    rows = {
        name: [
            Row(arm, tuple(series(FORMS[f], s) for f, s in of.items()), unit=" %")
            for arm, of in by_arm.items()
            if of
        ]
        for name, by_arm in found.items()
    }
    limits = {name: {100.0: WHOLE} for name in rows}
    newton, gradient = (
        [of[arm]["tangent"].mean for of in found.values() if "tangent" in of[arm]]
        for arm in (formula.NEWTON, formula.GRADIENT)
    )
    return Figure(
        "unexplained",
        f"The Newton step leaves {extent(newton, measure)} % of what training changed unexplained, the best gradient step "
        f"{extent(gradient, measure)} %",
        "Σ‖F − f_T‖² / Σ‖f_T − f₀‖² over test examples, with f_T the trained network: 0 for the same function, 100 % for one "
        f"that is no nearer than the random start. Filled signs are means over {seeds(arms)}, bars their 95 % intervals, "
        "open signs single seeds; numbers are in the order of the key. The gradient step's size, the damping, and the time at "
        "which the flow is stopped are those that end nearest to the trained network on validation data; the Newton step has "
        "nothing to choose. The second training starts from another random network, on the same data.",
        row_panels(f"{LEFT}, %", rows, limits, also=[100.0], logarithmic=True),
    )


def _paths(rows: Table, values: np.ndarray) -> list[Curve]:
    """The flow of every seed, and the mean last."""
    finite = rows.adding(values=values).taken(np.isfinite(rows["time"]))
    return each_seed(PATH, finite, "time", "values")


def _end(axis: Axis, value: float) -> Curve:
    """The Newton step at the right edge, where t = ∞ is drawn."""
    edge = axis.high * (axis.low / axis.high) ** 0.02
    return Curve(END, [edge], [value], joined=False, signed=True)


def _time_axis(path: Table) -> Axis:
    times = path["time"][np.isfinite(path["time"])].tolist()
    return logarithmic_axis("time t, relative to the inverse of the largest curvature", times)


def along_the_flow(arms: Table, path: Table) -> Figure:
    """How far the flow is from training at every time."""
    others = [
        v
        for of in _settings(arms).values()
        for a, f in ((formula.GRADIENT, "tangent"), (formula.TWIN, "network"))
        for v in _left(of, a, f).values
    ]
    x = _time_axis(path)
    y = logarithmic_axis(f"{LEFT}, %", [*(100 * path["unexplained"]).tolist(), *others])
    panels, nearest, said = [], [], []
    for key, of in _settings(path).items():
        rows = arms.where(loss=key[0], offset=key[1])
        curves = _paths(of, 100 * of["unexplained"])
        times, mean = curves[-1].x, curves[-1].y
        best = int(np.argmin(mean))
        nearest.append(times[best])
        newton = _left(rows, formula.NEWTON).mean
        said.append(
            f"{setting(*key)} {measure(mean[best])} % at time {power(times[best])} and {measure(newton)} % by the Newton step"
        )
        signs = [Curve(NEAREST, [times[best]], [mean[best]], joined=False, signed=True), _end(x, newton)]
        levels = [
            (BEST_GRADIENT, _left(rows, formula.GRADIENT).mean),
            (SECOND, _left(rows, formula.TWIN, "network").mean),
        ]
        lines = tuple(Level(mark, y=at) for mark, at in levels if np.isfinite(at))
        panels.append(Panel(setting(*key), Plot(x, y, (*curves, *signs), lines)))
    return Figure(
        "flow",
        _flow_title(nearest, path),
        "How much of training's change the linearised model's gradient flow leaves unexplained on test examples, stopped at "
        f"time t. The thick line is the mean over {seeds(path)}, thin lines are single seeds. The flow sets out in the direction "
        "of the gradient step and, with the square loss, ends in the Newton step of minimum norm, drawn at the right edge. If "
        f"training were the Newton step, the line would fall to its end. It leaves least: {'; '.join(said)}.",
        tuple(panels),
    )


def _flow_title(nearest: Sequence[float], path: Table) -> str:
    last = float(path["time"][np.isfinite(path["time"])].max())
    early = [t for t in nearest if t < last]
    if not early:
        return "The flow of the linearised model comes nearest to training at its end"
    where = (
        "in every setting" if len(early) == len(nearest) else f"in {len(early)} of {len(nearest)} settings"
    )
    return f"The flow of the linearised model comes nearest to training before its end {where}, at time {extent(early)}"


def score_along_the_flow(arms: Table, path: Table) -> Figure:
    """Test error along the flow, against the trained network's."""

    def wrong(key: tuple[str, str], arm: str, form: str) -> float:
        return error(arms.where(loss=key[0], offset=key[1], arm=arm, form=form)).mean

    trained = {key: wrong(key, formula.TRAINED, "network") for key in _settings(arms)}
    what = "examples" if np.isfinite(arms["agreement"]).any() else "variance"
    x = _time_axis(path)
    y = linear_axis(
        f"test error, % of {what}",
        [*(100 * (1 - path["test_score"])).tolist(), *trained.values()],
        include=0.0,
    )
    panels, changes = [], []
    for key, of in _settings(path).items():
        newton = wrong(key, formula.NEWTON, "tangent")
        changes.append(newton - trained[key])
        curves = _paths(of, 100 - 100 * of["test_score"])
        panels.append(
            Panel(setting(*key), Plot(x, y, (*curves, _end(x, newton)), (Level(TRAINING, y=trained[key]),)))
        )
    return Figure(
        "flow-score",
        f"The Newton step's test error is {_against(changes)} the trained network's",
        f"Test error of the linearised model's gradient flow, stopped at time t: mean over {seeds(path)} and single seeds. The "
        "dotted line is the mean of the trained network.",
        tuple(panels),
    )


def _against(changes: Sequence[float]) -> str:
    if min(changes) > 0:
        return f"{extent(changes, measure)} points above"
    if max(changes) < 0:
        return f"{extent([-c for c in changes], measure)} points below"
    return f"within {measure(max(map(abs, changes)))} points of"


# --- parameter space, training ---


def parameters(arms: Table) -> Figure | None:
    """Direction and length of each step against training's."""
    hues, signs = (
        (LIGHT.blue, LIGHT.vermilion, LIGHT.green, LIGHT.purple),
        ("diamond", "square", "triangle-up", "x"),
    )
    by_setting = {setting(*key): of.where(form="tangent") for key, of in _settings(arms).items()}
    marks = {name: Mark(name, hue, sign) for name, hue, sign in zip(by_setting, hues, signs, strict=False)}
    panels: list[Panel] = []
    cosines: dict[str, list[float]] = {}
    for column, name, title, ends in (
        ("cosine", "direction", "cosine of the angle between Δθ and θ_T − θ₀", (-1.0, 1.0)),
        ("relative_length", "length", "‖Δθ‖ / ‖θ_T − θ₀‖", (0.0, np.inf)),
    ):
        found = {
            arm: {s: spread(of.where(arm=arm)[column], *ends) for s, of in by_setting.items()}
            for arm in (formula.GRADIENT, formula.NEWTON, formula.DAMPED, formula.STOPPED)
        }
        means = {arm: [v.mean for v in of.values()] for arm, of in found.items()}
        cosines = cosines or means
        rows = [
            Row(arm, drawn, extent(means[arm], measure))
            for arm, of in found.items()
            if (drawn := tuple(series(marks[s], v) for s, v in of.items() if v.values))
        ]
        if not rows:
            return None
        panels += row_panels(title, {name: rows}, {name: {1.0: SAME}}, also=[1.0], include=0.0)
    newton, gradient = (extent(cosines[arm], measure) for arm in (formula.NEWTON, formula.GRADIENT))
    return Figure(
        "parameters",
        f"In parameter space the Newton step has a cosine of {newton} with training, the gradient step {gradient}",
        "Direction and length of each step Δθ against training's θ_T − θ₀: means with 95 % intervals, open signs single seeds. "
        "At the dotted line they are the same. Two networks of nearly the same function can lie far apart in parameter space, "
        "so this is the stricter comparison.",
        tuple(panels),
    )


def training(curves: Table, ends: Table) -> Figure:
    """Training loss against steps, to convergence; `ends` says how each run ended."""
    x = linear_axis("step", curves["step"].tolist(), include=0.0)
    y = logarithmic_axis("training loss", curves["train_loss"].tolist())
    panels = []
    for key, of in _settings(curves).items():
        drawn = [
            Curve(LINES[arm], run["step"].tolist(), run["train_loss"].tolist(), label=f"{arm}, seed {seed}")
            for (arm, seed), run in of.by("arm", "seed").items()
            if arm in LINES
        ]
        panels.append(Panel(setting(*key), Plot(x, y, tuple(drawn), height=250)))
    reached, total, longest = int(ends["converged"].sum()), len(ends), quantity(int(curves["step"].max()))
    runs = "in every run," if reached == total else f"in {quantity(reached)} of {plural(total, 'run')}"
    return Figure(
        "training",
        f"Gradient descent converged {runs} within {longest} steps",
        f"Training loss of gradient descent on all training examples, over {seeds(curves)}; a run ends where its loss has fallen "
        "to the plan's share of that of zero outputs.",
        tuple(panels),
    )


# --- tables and certificates ---


def arm_table(arms: Table) -> TextTable:
    """Means over seeds with 95 % intervals, by setting, arm and form."""
    return summary(
        f"Every arm against the trained network: means over {seeds(arms)}, with 95 % intervals. RMS, KL and agreement "
        "are those of the outputs, of their softmax, and of the predictions on test examples; cosine and length "
        "those of Δθ against training's.",
        arms,
        {"arm": "arm", "form": "as"},
        {
            "unexplained, %": distance("unexplained", 100),
            "RMS": mean("rms"),
            "KL": mean("divergence"),
            "agreement, %": mean("agreement", 100),
            "test score, %": scored("test_score"),
            "cosine": mean("cosine"),
            "length": mean("relative_length"),
            "chosen": choice,
        },
        group=("loss", "offset"),
        heading=setting,
        titles={arm: arm for arm in (formula.TRAINED, *STEPS, formula.START)} | NAMES,
        name="arms-summary",
    )


def arrival(table: Table) -> Figure:
    """Stationarity of every Newton step, and the flow's defect, against the tolerance."""
    tolerances = sorted(set(table["tolerance"].tolist()))
    rows = tuple(
        proof(
            setting(*key), {m: part["value"] for kind, m in KINDS.items() if len(part := of.where(what=kind))}
        )
        for key, of in _settings(table).items()
    )
    axis = logarithmic_axis(
        "stationarity of a step, or defect of the flow", [*tolerances, *above_zero(table["value"])]
    )
    return Figure(
        "certificates",
        all_met(table, "check"),
        "For every Newton step the gradient of its second-order model, relative to that at θ₀; for the flow how far it is from "
        "its own equation, at its first, a middle, and its last time. Both are computed in float64 by differentiating the "
        f"network, without the matrix that was decomposed. Values below {power(SMALLEST)} are drawn there. The largest is "
        f"{power(worst(table['value']))}; the tolerance is {listed([power(t) for t in tolerances])}.",
        alone(Rows(rows, axis, dict.fromkeys(tolerances, TOLERANCE))),
    )


def certificate_table(table: Table) -> TextTable:
    """By setting: the worst of each over seeds."""
    return summary(
        "Certificates, in float64: the worst value over seeds, ridges and times.",
        table,
        {"what": "what"},
        {"measure": names("measure"), "worst": lambda rows: power(worst(rows["value"])), "met": met},
        group=("loss", "offset"),
        heading=setting,
        titles={kind: kind for kind in KINDS},
        name="certificates-summary",
    )
