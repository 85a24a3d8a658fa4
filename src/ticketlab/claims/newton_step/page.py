"""The page of the claim `newton-step`: how far from training each step ends, in function space and in parameter space.

The control that decides is the linearised model's gradient flow, from the gradient's direction (t → 0) to the Newton step (t =
∞). Arms are shown in two forms: the function to first order, in the tangent space, and the network itself at θ₀ + Δθ.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from ticketlab.claims.newton_step import formula
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import SMALLEST, Axis, above_zero, linear_axis, logarithmic_axis
from ticketlab.figures.certificates import all_met, met, proof, worst
from ticketlab.figures.curves import Curve, Level, each_seed, plots
from ticketlab.figures.figure import Figure, Panel, alone
from ticketlab.figures.forest import Asked
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, by_setting, choice, made, seconds_table
from ticketlab.figures.rows import Rows, bars
from ticketlab.figures.spread import Spread, error, positive, seeds, spread
from ticketlab.figures.text_tables import TextTable, distance, mean, names, scored, summary
from ticketlab.figures.wording import MISSING, extent, listed, measure, plural, power, quantity, setting
from ticketlab.laws.verdict import Verdict

__all__ = ["present"]

STEPS = (formula.GRADIENT, formula.NEWTON, formula.DAMPED, formula.STOPPED, formula.TWIN)
FORMS = {
    "tangent": Mark("to first order, in the tangent space", LIGHT.blue, "diamond"),
    "network": Mark("the network itself", LIGHT.green, "triangle-up"),
}
NAMES = {"tangent": "function", "network": "network"}
LOOKS = (
    (LIGHT.blue, "diamond"),
    (LIGHT.vermilion, "square"),
    (LIGHT.green, "triangle-up"),
    (LIGHT.purple, "x"),
)
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
NEARER = ("second nearer", "Newton nearer")
ASKED = {  # the axis, and what its sides are
    formula.SCORE: ("Newton step minus trained network", ("training better", "Newton better")),
    formula.NEWTON_NEAR: (f"{LEFT} by the Newton step", None),
    formula.GRADIENT_APART: (f"{LEFT} by the gradient step", None),
    formula.NEARER: ("left by the gradient step minus left by the Newton step", NEARER),
    formula.FLOW: (
        "left at the end of the flow minus left at its best time",
        ("end nearer", "earlier nearer"),
    ),
    formula.LUCK: ("left by the second training minus left by the Newton step", NEARER),
    formula.TURN: ("cosine of the Newton step with training", None),
    formula.LENGTH: ("length of the Newton step", ("shorter", "longer")),
}


def present(record: Record) -> Presentation:
    dots = partial(_by_seed, record.evidence.tables.get("examples"))
    return Presentation(
        asked={key: Asked(effect, sides, dots) for key, (effect, sides) in ASKED.items()},
        figures=made(record, unexplained, along_the_flow, score_along_the_flow, parameters, convergence),
        summaries=made(record, arm_table, partial(seconds_table, by={"loss": "loss", "part": "part"})),
        certificates=made(record, arrival),
        certificate_tables=made(record, certificate_table),
    )


def _by_seed(examples: Table | None, v: Verdict) -> tuple[float, ...]:
    """The effect of each seed, in per cent, where examples have it."""
    columns = formula.compared(v.key)
    if not examples or not columns:
        return ()
    rows = examples.where(**v.facets)
    effect = 100 * (rows[columns[0]] - (rows[columns[1]] if len(columns) > 1 else 0.0))
    return tuple(float(np.mean(effect[rows["seed"] == s])) for s in dict.fromkeys(rows["seed"].tolist()))


def _left(rows: Table, arm: str, form: str = "tangent") -> Spread:
    """Per cent of training's change that an arm leaves unexplained."""
    return positive(rows.where(arm=arm, form=form), "unexplained", 100)


# --- function space ---


def unexplained(arms: Table) -> Figure:
    """Every arm's unexplained share of training's change, on test examples."""
    found = {
        name: {arm: {mark: _left(of, arm, form) for form, mark in FORMS.items()} for arm in STEPS}
        for name, of in by_setting(arms).items()
    }
    newton, gradient = (
        extent([of[arm][FORMS["tangent"]].mean for of in found.values()], measure)
        for arm in (formula.NEWTON, formula.GRADIENT)
    )
    return Figure(
        "unexplained",
        f"The Newton step leaves {newton} % of what training changed unexplained, the best gradient step {gradient} %",
        "Σ‖F − f_T‖² / Σ‖f_T − f₀‖² over test examples, with f_T the trained network: 0 for the same function, 100 % for one "
        f"that is no nearer than the random start. Filled signs are means over {seeds(arms)}, bars their 95 % intervals, "
        "open signs single seeds; numbers are in the order of the key. The gradient step's size, the damping, and the time at "
        "which the flow is stopped are those that end nearest to the trained network on validation data; the Newton step has "
        "nothing to choose. The second training starts from another random network, on the same data.",
        bars(
            f"{LEFT}, %",
            found,
            {name: {100.0: WHOLE} for name in found},
            unit=" %",
            also=[100.0],
            logarithmic=True,
        ),
    )


def _time_axis(path: Table) -> Axis:
    times = path["time"][np.isfinite(path["time"])].tolist()
    return logarithmic_axis("time t, relative to the inverse of the largest curvature", times)


def _paths(rows: Table, values: np.ndarray, axis: Axis, end: float) -> list[Curve]:
    """The flow of every seed, the mean after them, and the Newton step at the right edge, where t = ∞ is drawn."""
    edge = axis.high * (axis.low / axis.high) ** 0.02
    finite = rows.adding(values=values).taken(np.isfinite(rows["time"]))
    return [*each_seed(PATH, finite, "time", "values"), Curve(END, [edge], [end], joined=False, signed=True)]


def along_the_flow(arms: Table, path: Table) -> Figure:
    """How far the flow is from training at every time."""
    x, of_arms = _time_axis(path), by_setting(arms)
    curves: dict[str, list[Curve]] = {}
    levels, nearest, said = {}, [], []
    for name, of in by_setting(path).items():
        rows = of_arms[name]
        newton = _left(rows, formula.NEWTON).mean
        curves[name] = _paths(of, 100 * of["unexplained"], x, newton)
        times, mean = curves[name][-2].x, curves[name][-2].y
        best = int(np.argmin(mean))
        nearest.append(times[best])
        said.append(
            f"{name} {measure(mean[best])} % at time {power(times[best])} and {measure(newton)} % by the Newton step"
        )
        curves[name].insert(-1, Curve(NEAREST, [times[best]], [mean[best]], joined=False, signed=True))
        at = {BEST_GRADIENT: _left(rows, formula.GRADIENT), SECOND: _left(rows, formula.TWIN, "network")}
        levels[name] = [Level(mark, y=s.mean) for mark, s in at.items() if s.values]
    return Figure(
        "flow",
        _flow_title(nearest, path),
        "How much of training's change the linearised model's gradient flow leaves unexplained on test examples, stopped at "
        f"time t. The thick line is the mean over {seeds(path)}, thin lines are single seeds. The flow sets out in the direction "
        "of the gradient step and, with the square loss, ends in the Newton step of minimum norm, drawn at the right edge. If "
        f"training were the Newton step, the line would fall to its end. It leaves least: {'; '.join(said)}.",
        plots(curves, x, partial(logarithmic_axis, f"{LEFT}, %"), levels),
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
    x, what = _time_axis(path), "examples" if np.isfinite(arms["agreement"]).any() else "variance"
    curves, levels, changes = {}, {}, []
    for name, of in by_setting(path).items():
        newton, trained = (
            error(by_setting(arms)[name].where(arm=arm, form=form)).mean
            for arm, form in ((formula.NEWTON, "tangent"), (formula.TRAINED, "network"))
        )
        changes.append(newton - trained)
        curves[name] = _paths(of, 100 - 100 * of["test_score"], x, newton)
        levels[name] = [Level(TRAINING, y=trained)]
    return Figure(
        "flow-score",
        f"The Newton step's test error is {_against(changes)} the trained network's",
        f"Test error of the linearised model's gradient flow, stopped at time t: mean over {seeds(path)} and single seeds. The "
        "dotted line is the mean of the trained network.",
        plots(curves, x, partial(linear_axis, f"test error, % of {what}", include=0.0), levels),
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
    of_settings = {name: of.where(form="tangent") for name, of in by_setting(arms).items()}
    marks = {name: Mark(name, *look) for name, look in zip(of_settings, LOOKS, strict=False)}

    def drawn(column: str, name: str, title: str, *ends: float) -> tuple[Panel, ...]:
        found = {
            arm: {marks[s]: spread(of.where(arm=arm)[column], *ends) for s, of in of_settings.items()}
            for arm in (formula.GRADIENT, formula.NEWTON, formula.DAMPED, formula.STOPPED)
        }
        return bars(
            title,
            {name: found},
            {name: {1.0: SAME}},
            note=lambda _, of: extent([s.mean for s in of], measure),
            also=[1.0],
            include=0.0,
        )

    newton, gradient = (
        extent((spread(of.where(arm=arm)["cosine"]).mean for of in of_settings.values()), measure)
        for arm in (formula.NEWTON, formula.GRADIENT)
    )
    if newton == MISSING:
        return None
    panels = (
        *drawn("cosine", "direction", "cosine of the angle between Δθ and θ_T − θ₀", -1.0, 1.0),
        *drawn("relative_length", "length", "‖Δθ‖ / ‖θ_T − θ₀‖", 0.0, np.inf),
    )
    return Figure(
        "parameters",
        f"In parameter space the Newton step has a cosine of {newton} with training, the gradient step {gradient}",
        "Direction and length of each step Δθ against training's θ_T − θ₀: means with 95 % intervals, open signs single seeds. "
        "At the dotted line they are the same. Two networks of nearly the same function can lie far apart in parameter space, "
        "so this is the stricter comparison.",
        panels,
    )


def convergence(curves: Table, training: Table) -> Figure:
    """Training loss against steps, to convergence."""
    drawn = {
        name: [
            Curve(LINES[arm], run["step"].tolist(), run["train_loss"].tolist(), label=f"{arm}, seed {seed}")
            for (arm, seed), run in of.by("arm", "seed").items()
            if arm in LINES
        ]
        for name, of in by_setting(curves).items()
    }
    reached, total = int(training["converged"].sum()), len(training)
    runs = "in every run," if reached == total else f"in {quantity(reached)} of {plural(total, 'run')}"
    x = linear_axis("step", curves["step"].tolist(), include=0.0)
    return Figure(
        "training",
        f"Gradient descent converged {runs} within {quantity(int(curves['step'].max()))} steps",
        f"Training loss of gradient descent on all training examples, over {seeds(curves)}; a run ends where its loss has fallen "
        "to the plan's share of that of zero outputs.",
        plots(drawn, x, partial(logarithmic_axis, "training loss"), height=250),
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


def arrival(certificates: Table) -> Figure:
    """Stationarity of every Newton step, and the flow's defect, against the tolerance."""
    tolerances = sorted(set(certificates["tolerance"].tolist()))
    rows = tuple(
        proof(name, {m: part["value"] for kind, m in KINDS.items() if len(part := of.where(what=kind))})
        for name, of in by_setting(certificates).items()
    )
    axis = logarithmic_axis(
        "stationarity of a step, or defect of the flow", [*tolerances, *above_zero(certificates["value"])]
    )
    return Figure(
        "certificates",
        all_met(certificates, "check"),
        "For every Newton step the gradient of its second-order model, relative to that at θ₀; for the flow how far it is from "
        "its own equation, at its first, a middle, and its last time. Both are computed in float64 by differentiating the "
        f"network, without the matrix that was decomposed. Values below {power(SMALLEST)} are drawn there. The largest is "
        f"{power(worst(certificates['value']))}; the tolerance is {listed([power(t) for t in tolerances])}.",
        alone(Rows(rows, axis, dict.fromkeys(tolerances, TOLERANCE))),
    )


def certificate_table(certificates: Table) -> TextTable:
    """By setting: the worst of each over seeds."""
    return summary(
        "Certificates, in float64: the worst value over seeds, ridges and times.",
        certificates,
        {"what": "what"},
        {"measure": names("measure"), "worst": lambda rows: power(worst(rows["value"])), "met": met},
        group=("loss", "offset"),
        heading=setting,
        titles={kind: kind for kind in KINDS},
        name="certificates-summary",
    )
