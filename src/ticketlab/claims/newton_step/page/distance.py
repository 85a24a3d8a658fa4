"""How far from training each step ends: in function space, in parameter space, and in the terms of the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ticketlab.claims.newton_step.formula import (
    FLOW,
    GRADIENT_APART,
    LENGTH,
    LUCK,
    NEARER,
    NEWTON_NEAR,
    SCORE,
    TURN,
    VARIANTS,
)
from ticketlab.claims.newton_step.page.sides import (
    DAMPED,
    FORMS,
    GRADIENT,
    NEWTON,
    STEPS,
    STOPPED,
    forms_in,
    of_arm,
)
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import linear_axis, logarithmic_axis
from ticketlab.figures.figure import Figure, Panel
from ticketlab.figures.forest import forest
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.rows import Row, Series, row_chart
from ticketlab.figures.setting import Setting, seeds, settings
from ticketlab.figures.spread import Spread
from ticketlab.figures.wording import extent, listed, measure, plus_minus
from ticketlab.laws.verdict import Verdict

__all__ = ["parameters", "unexplained", "verdict"]


@dataclass(frozen=True)
class Asked:
    """How a question is drawn.

    Arguments:
        name: of its panel.
        effect: what the axis shows.
        sides: what lies below zero, and above; None where zero has no meaning of its own.
        columns: of the examples whose difference the effect is; none for parameter space.
    """

    name: str
    effect: str
    sides: tuple[str, str] | None = None
    columns: tuple[str, ...] = ()


LEFT = "left unexplained of training's change"
PANELS = {
    SCORE: Asked(
        "same test score",
        "Newton step minus trained network",
        ("training better", "Newton step better"),
        ("newton_score", "trained_score"),
    ),
    NEWTON_NEAR: Asked(
        "training ends at the Newton step", f"{LEFT} by the Newton step", None, ("newton_gap",)
    ),
    GRADIENT_APART: Asked(
        "training does not end at a gradient step", f"{LEFT} by the gradient step", None, ("gradient_gap",)
    ),
    NEARER: Asked(
        "nearer than a gradient step",
        "left by the gradient step minus left by the Newton step",
        ("gradient nearer", "Newton nearer"),
        ("gradient_gap", "newton_gap"),
    ),
    FLOW: Asked(
        "no earlier time of the flow is nearer",
        "left at the end of the flow minus left at its best time",
        ("end nearer", "earlier time nearer"),
        ("newton_gap", "stopped_gap"),
    ),
    LUCK: Asked(
        "nearer than a second training",
        "left by the second training minus left by the Newton step",
        ("second nearer", "Newton nearer"),
        ("second_gap", "newton_gap"),
    ),
    TURN: Asked("direction in parameter space", "cosine with training"),
    LENGTH: Asked("length in parameter space", "longer than training's motion", ("shorter", "longer")),
}
WHOLE = Mark("no nearer than the random start", LIGHT.soft, dash="dot", line=True)


def verdict(questions: Sequence[Verdict], examples: Table | None, margin: float | None) -> Figure | None:
    """A panel for each question, with the single seeds where the examples are known."""
    overall = forest(questions)
    if overall is None:
        return None
    panels: list[Panel] = []
    for key, asked in PANELS.items():
        short = [replace(v, question=_variant(v)) for v in questions if v.key == key]
        dots = {v.question: _by_seed(examples, v, asked.columns) for v in short} if examples else {}
        figure = forest(
            short,
            margin=margin if key == SCORE else None,
            dots=dots,
            effect=asked.effect,
            sides=asked.sides,
        )
        if figure is not None:
            panels.append(replace(figure.panels[0], name=asked.name))
    return Figure(
        "verdict",
        overall.title,
        f"{overall.caption} Open signs are single seeds. The shaded band is the margin within which two scores count as equal; "
        "it was fixed before the runs.",
        tuple(panels),
        overall.marks,
    )


def _variant(v: Verdict) -> str:
    return f"{v.facets['loss']} loss, {VARIANTS[v.facets['offset'], v.facets['form']]}"


def _by_seed(examples: Table, v: Verdict, columns: tuple[str, ...]) -> tuple[float, ...]:
    if not columns:
        return ()
    rows = examples.where(**v.facets)
    effect = 100 * (rows[columns[0]] - (rows[columns[1]] if len(columns) > 1 else 0.0))
    return tuple(float(np.mean(effect[rows["seed"] == s])) for s in dict.fromkeys(rows["seed"].tolist()))


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
