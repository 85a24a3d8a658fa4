"""How far from training each step ends: in function space, in parameter space, and in the terms of the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ticketlab.laws.verdict import Verdict
from ticketlab.report.axes import linear_axis, logarithmic_axis
from ticketlab.report.figure import Figure, Panel
from ticketlab.report.forest import forest
from ticketlab.report.newton_step.sides import (
    DAMPED,
    FORMS,
    GRADIENT,
    NEWTON,
    STEPS,
    STOPPED,
    forms_in,
    of_arm,
)
from ticketlab.report.palette import LIGHT, Mark
from ticketlab.report.rows import Row, Series, row_chart
from ticketlab.report.setting import Setting, seeds, settings
from ticketlab.report.spread import Spread
from ticketlab.report.wording import extent, listed, measure, plus_minus
from ticketlab.studies.evidence import Table

__all__ = ["parameters", "unexplained", "verdict"]

SCORE, NEARER, LUCK = "same score", "nearer than a gradient step", "nearer than a second training"
EFFECTS = {  # what the axis shows, what lies below zero and above
    SCORE: ("Newton step minus trained network", ("training better", "Newton step better")),
    NEARER: ("left by the gradient step minus left by the Newton step", ("gradient nearer", "Newton nearer")),
    LUCK: ("left by the second training minus left by the Newton step", ("second nearer", "Newton nearer")),
}
COLUMNS = {
    SCORE: ("newton_score", "trained_score"),
    NEARER: ("gradient_gap", "newton_gap"),
    LUCK: ("second_gap", "newton_gap"),
}
VARIANTS = {
    "f₀ kept": ("kept", "tangent"),
    "f₀ centred": ("centred", "tangent"),
    "network at θ₀ + Δθ": ("kept", "network"),
}
WHOLE = Mark("no nearer than the random start", LIGHT.soft, dash="dot", line=True)


def verdict(questions: Sequence[Verdict], examples: Table | None, margin: float | None) -> Figure | None:
    """The three questions, a panel each, with the single seeds where the examples are known."""
    overall = forest(questions)
    if overall is None:
        return None
    panels: list[Panel] = []
    for asked, (effect, sides) in EFFECTS.items():
        of = [v for v in questions if v.question.endswith(f": {asked}")]
        short = [replace(v, question=v.question.removesuffix(f": {asked}")) for v in of]
        dots = {v.question: _by_seed(examples, v.question, asked) for v in short} if examples else {}
        figure = forest(
            short, margin=margin if asked == SCORE else None, dots=dots, effect=effect, sides=sides
        )
        if figure is not None:
            panels.append(replace(figure.panels[0], name=asked))
    return Figure(
        "verdict",
        overall.title,
        f"{overall.caption} Open signs are single seeds. The shaded band is the margin within which two scores count as equal; "
        "it was fixed before the runs. The other two effects are positive where the Newton step is the nearer one.",
        tuple(panels),
        overall.marks,
    )


def _by_seed(examples: Table, question: str, asked: str) -> tuple[float, ...]:
    loss, variant = question.split(" loss, ")
    offset, form = VARIANTS[variant]
    rows = examples.where(loss=loss, offset=offset, form=form)
    one, other = COLUMNS[asked]
    difference = 100 * (rows[one] - rows[other])
    return tuple(float(np.mean(difference[rows["seed"] == s])) for s in dict.fromkeys(rows["seed"].tolist()))


def unexplained(arms: Table) -> Figure:
    """Every arm's unexplained share of training's change, on test examples."""
    found = {s: _shares(arms, s) for s in settings(arms)}
    values = [
        v for of in found.values() for spreads in of.values() for s in spreads.values() for v in s.values
    ]
    x = logarithmic_axis("left unexplained of training's change, %", [*values, 100.0])
    panels = tuple(
        Panel(
            str(s),
            row_chart([_row(arm, of) for arm, of in by_arm.items()], x=x, limits={100.0: WHOLE}),
            _words(s, by_arm),
        )
        for s, by_arm in found.items()
    )
    newton = [of[NEWTON]["tangent"].mean for of in found.values() if NEWTON in of]
    gradient = [of[GRADIENT]["tangent"].mean for of in found.values() if GRADIENT in of]
    return Figure(
        "unexplained",
        f"The Newton step leaves {extent(newton, measure)} % of what training changed unexplained, the best gradient step "
        f"{extent(gradient, measure)} %",
        "Σ‖F − f_T‖² / Σ‖f_T − f₀‖² over test examples, with f_T the trained network: 0 for the same function, 100 % for one "
        f"that is no nearer than the random start. Filled signs are means over {seeds(arms)}, bars and ± their 95 % intervals, "
        "open signs single seeds. The gradient step's size, the damping, and the time at which the flow is stopped are "
        "those that end nearest to the trained network on validation data; the Newton step has nothing to choose. The second "
        "training starts from another random network, on the same data.",
        panels,
        (*FORMS.values(), WHOLE),
    )


Shares = Mapping[str, Spread]


def _shares(arms: Table, setting: Setting) -> dict[str, Shares]:
    found = {
        arm: {form: of_arm(arms, setting, arm, form, "unexplained") for form in forms_in(arms, setting, arm)}
        for arm in STEPS
    }
    return {arm: {f: s for f, s in of.items() if s.values} for arm, of in found.items() if of}


def _row(arm: str, of: Shares) -> Row:
    series = tuple(Series(FORMS[form], s.values, s.mean, _above_zero(s.interval)) for form, s in of.items())
    return Row(arm, series, " · ".join(f"{plus_minus(s.mean, s.interval)} %" for s in of.values()))


def _above_zero(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    """A logarithmic axis has no place for an interval that reaches below zero."""
    return interval if interval is None or interval[0] > 0 else None


def _words(setting: Setting, by_arm: Mapping[str, Shares]) -> tuple[str, ...]:
    parts = [
        f"{arm}{' (network)' if form == 'network' and len(of) > 1 else ''} {plus_minus(s.mean, s.interval)} %"
        for arm, of in by_arm.items()
        for form, s in of.items()
    ]
    return (f"{setting}: left unexplained by {listed(parts)}.",)


def parameters(arms: Table) -> Figure | None:
    """Direction and length of each step against training's."""
    rows = (GRADIENT, NEWTON, DAMPED, STOPPED)
    groups = settings(arms)
    marks = dict(
        zip(
            groups,
            (
                Mark(str(s), colour, symbol)
                for s, (colour, symbol) in zip(
                    groups,
                    (
                        (LIGHT.blue, "diamond"),
                        (LIGHT.vermilion, "square"),
                        (LIGHT.green, "triangle-up"),
                        (LIGHT.purple, "x"),
                    ),
                    strict=False,
                )
            ),
            strict=True,
        )
    )
    panels = []
    for column, name, factor in (
        ("cosine", "cosine of the angle between Δθ and θ_T − θ₀", 1.0),
        ("relative_length", "‖Δθ‖ / ‖θ_T − θ₀‖", 1.0),
    ):
        found = {arm: {s: of_arm(arms, s, arm, "tangent", column, factor) for s in groups} for arm in rows}
        found = {arm: {s: v for s, v in of.items() if v.values} for arm, of in found.items()}
        values = [v for of in found.values() for s in of.values() for v in s.values]
        if not values:
            return None
        x = linear_axis(name, [*values, 1.0], include=0.0)
        drawn = [
            Row(
                arm,
                tuple(Series(marks[s], v.values) for s, v in of.items()),
                extent([v.mean for v in of.values()], measure),
            )
            for arm, of in found.items()
        ]
        words = tuple(
            f"{s}: mean {name} {listed([f'{arm} {measure(of[s].mean)}' for arm, of in found.items() if s in of])}."
            for s in groups
        )
        panels.append(
            Panel(
                "direction" if column == "cosine" else "length",
                row_chart(drawn, x=x, limits={1.0: SAME}),
                words,
            )
        )
    cosines = [of_arm(arms, s, arm, "tangent", "cosine", 1.0).mean for s in groups for arm in (NEWTON,)]
    gradients = [of_arm(arms, s, GRADIENT, "tangent", "cosine", 1.0).mean for s in groups]
    return Figure(
        "parameters",
        f"In parameter space the Newton step has a cosine of {extent(cosines, measure)} with training, the gradient step "
        f"{extent(gradients, measure)}",
        "Direction and length of each step Δθ against training's θ_T − θ₀; one sign a seed. At the dotted line they are the "
        "same. Two networks of nearly the same function can lie far apart in parameter space, so this is the stricter "
        "comparison.",
        tuple(panels),
        (*marks.values(), SAME),
    )


SAME = Mark("as training", LIGHT.soft, dash="dot", line=True)
