"""What the claim `linear-regime` says, as a formula: sizes at the widest network, exponents over widths, and the control.

"Little" and "good" are absolute: at the widest network the distance to the linear model is below a tenth of training's own motion
in function space, and the kernel's drift 1 − CKA is below a tenth. That they also fall with width, with an exponent, says that it
is width which makes them small. And under μP, which learns features at every width, the distance must stay: if it vanished too,
these widths could not tell a network that becomes linear from one that must not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ticketlab.claims.answers import claim_verdict
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Difference, of_seeds
from ticketlab.laws.formulae import All, Formula, Gate, Gated, Question, Tables, answer, verdict_of
from ticketlab.laws.power_law import PowerLaw, power_law
from ticketlab.laws.rules import Above, Below, Levels
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "CONTROL",
    "EXPONENTS",
    "MEASURES",
    "SIZES",
    "TITLES",
    "fitted",
    "formula",
    "side_questions",
    "verdicts",
    "whole_rule",
]

TITLES = {"standard": "standard", "ntk": "NTK", "mup": "μP"}
MEASURES = {  # column: how it is called
    "motion": "motion of the parameters",
    "drift": "drift of the kernel",
    "distance": "distance to the linear model",
}
CONTROL = "mup"
CONTROLLED = ("drift", "distance")  # ‖θ_T − θ₀‖/‖θ₀‖ falls under μP too, because ‖θ₀‖ grows with width
EXPONENTS, SIZES = ("falls", "vanishes"), ("small", "stays")
SMALL = 0.1  # what counts as small: of training's motion in function space, and of the kernel's alignment
LARGE = 0.2  # what the control's distance must exceed
SETTLED = (
    0.01  # of the loss at the start: what may be left, or what the last quarter of the steps may still gain
)
UNITS = {
    "drift": Scale("% drift", 100.0, bounds=(0.0, 100.0)),
    "distance": Scale("% of training's motion", 100.0),
}
EXPONENT = Scale("exponent α")


def formula(parameterisations: Sequence[str], least: float) -> Formula:
    """The claim.

    Arguments:
        parameterisations: of the plan.
        least: the exponent above which a measure falls.
    """
    sides = Gate("sides", "both sides are asked", lambda tables: _sides(parameterisations))
    gates = (sides, *(_gate(name) for name in parameterisations))
    return Gated(gates, All(tuple(_asked(name, least) for name in parameterisations)))


def verdicts(
    parameterisations: Sequence[str], complete: Sequence[str], least: float, tables: Mapping[str, Table]
) -> list[Verdict]:
    """The claim once all parameterisations are complete, and the questions about those that are."""
    if set(complete) == set(parameterisations):
        whole = answer(formula(parameterisations, least), tables)
        claim, found = [claim_verdict(whole, whole_rule(least), _SAYS)], list(whole.parts[0].parts)
    else:
        level = Levels(fails=Levels().fails / len(parameterisations))
        claim, found = [], [answer(_of(name, least), tables, level) for name in complete]
    headline = [verdict_of(q, tables) for part in found for q in part.questions()]
    beside = [
        verdict_of(answer(side, tables), tables, headline=False)
        for side in side_questions(least)
        if CONTROL in complete
    ]
    return claim + headline + beside


def side_questions(least: float) -> tuple[Formula, ...]:
    """What is asked of the control besides."""
    return tuple(_vanishes(measure, least) for measure in CONTROLLED)


def fitted(rows: Table, parameterisation: str, measure: str) -> PowerLaw:
    """The power law of one measure in one parameterisation."""
    of = rows.where(parameterisation=parameterisation)
    return power_law(of["width"].astype(float), of[measure], of["seed"])


def _of(name: str, least: float) -> Formula:
    """What is asked of one parameterisation, provided that its training has converged."""
    return Gated((_gate(name),), _asked(name, least))


def _asked(name: str, least: float) -> Formula:
    if name == CONTROL:
        return _stays()
    sizes = tuple(_small(name, measure) for measure in ("distance", "drift"))
    return All((*sizes, *(_falls(name, measure, least) for measure in MEASURES)))


# --- gates ---


def _sides(parameterisations: Sequence[str]) -> str | None:
    if CONTROL not in parameterisations:
        return "The control, μP, was left out of the plan, so nothing says that these widths can tell the two apart."
    if set(parameterisations) == {CONTROL}:
        return "The plan asks of no parameterisation that should become linear."
    return None


def _gate(name: str) -> Gate:
    return Gate("converged", f"{TITLES[name]}: training converged", lambda tables: _converged(tables, name))


def _converged(tables: Tables, name: str) -> str | None:
    """Whether the network and its linearisation have stopped learning, at every width and seed."""
    rows: Table = tables["curves"].where(parameterisation=name)
    short = total = 0
    for seed in np.unique(rows["seed"]):
        for width in np.unique(rows["width"]):
            of = rows.where(seed=seed, width=width)
            for column in ("train_loss", "linear_train_loss"):
                total += 1
                short += not _settled(of["step"], of[column])
    if not short:
        return None
    return (
        f"{short} of {total} trainings in the {TITLES[name]} parameterisation had not converged at their last step, so we do "
        "not know where they end."
    )


def _settled(step: np.ndarray, loss: np.ndarray) -> bool:
    """Whether hardly any of the loss is left; or most of it is gone, and the last quarter of the steps gained hardly any.

    A flat end alone says nothing: a network that does not learn at all has it too.
    """
    order = np.argsort(step)
    step, loss = step[order], loss[order]
    quarter = float(np.interp(0.75 * step[-1], step, loss))
    flat = quarter - loss[-1] <= SETTLED * loss[0]
    return bool(loss[-1] <= SETTLED * loss[0] or (flat and loss[-1] < loss[0] / 2))


# --- questions ---


def _at_the_widest(tables: Tables, name: str, measure: str) -> Difference:
    of: Table = tables["widths"].where(parameterisation=name)
    return of_seeds(of[measure][of["width"] == of["width"].max()])


def _small(name: str, measure: str) -> Question:
    scale = UNITS[measure]
    return Question(
        key="small",
        title=f"{TITLES[name]}: {MEASURES[measure]} is small",
        effect=lambda tables: _at_the_widest(tables, name, measure),
        rule=Below(SMALL),
        what=f"the {MEASURES[measure]} at the widest network",
        scale=scale,
        reading=lambda tables: _size_read(tables, name, measure),
        says={
            Outcome.HOLDS: "that is little",
            Outcome.FAILS: "that is not little",
            Outcome.UNDECIDED: "the data do not decide whether that is little",
        },
        facets={"parameterisation": name, "measure": measure},
    )


def _stays() -> Question:
    return Question(
        key="stays",
        title=f"{TITLES[CONTROL]}: {MEASURES['distance']} stays",
        effect=lambda tables: _at_the_widest(tables, CONTROL, "distance"),
        rule=Above(LARGE),
        what=f"the {MEASURES['distance']} at the widest network",
        scale=UNITS["distance"],
        reading=lambda tables: _size_read(tables, CONTROL, "distance"),
        says={
            Outcome.HOLDS: "the control does not become linear, as it must not",
            Outcome.FAILS: "the control becomes linear, which it must not",
            Outcome.UNDECIDED: "the data do not decide whether the control becomes linear",
        },
        facets={"parameterisation": CONTROL, "measure": "distance"},
    )


def _falls(name: str, measure: str, least: float) -> Question:
    return Question(
        key="falls",
        title=f"{TITLES[name]}: {MEASURES[measure]} falls",
        effect=lambda tables: fitted(tables["widths"], name, measure).exponent,
        rule=Above(least),
        what=f"the exponent α of the {MEASURES[measure]}, which falls as width to the power −α,",
        scale=EXPONENT,
        reading=lambda tables: _fall_read(tables, name, measure),
        says={
            Outcome.HOLDS: f"it falls faster than width to the power {_number(-least)}",
            Outcome.FAILS: f"it does not fall as fast as width to the power {_number(-least)}",
            Outcome.UNDECIDED: "the data do not decide whether that is fast enough",
        },
        facets={"parameterisation": name, "measure": measure},
    )


def _vanishes(measure: str, least: float) -> Question:
    """A side question about the control."""
    return Question(
        key="vanishes",
        title=f"{TITLES[CONTROL]}: {MEASURES[measure]} does not fall",
        effect=lambda tables: fitted(tables["widths"], CONTROL, measure).exponent,
        rule=Below(least),
        what=f"the exponent α of the {MEASURES[measure]}, which falls as width to the power −α,",
        scale=EXPONENT,
        reading=lambda tables: _fall_read(tables, CONTROL, measure),
        says={
            Outcome.HOLDS: "it does not vanish with width, as it must not in the control",
            Outcome.FAILS: "it vanishes with width, which it must not in the control",
            Outcome.UNDECIDED: "the data do not decide whether it vanishes with width",
        },
        facets={"parameterisation": CONTROL, "measure": measure},
    )


def _size_read(tables: Tables, name: str, measure: str) -> str:
    width = int(np.max(tables["widths"]["width"]))
    size = _number(100 * _at_the_widest(tables, name, measure).mean)
    of = "of training's motion in function space" if measure == "distance" else "(1 − CKA)"
    return (
        f"In the {TITLES[name]} parameterisation, at width {width}, the {MEASURES[measure]} is {size} % {of}"
    )


def _fall_read(tables: Tables, name: str, measure: str) -> str:
    of = tables["widths"].where(parameterisation=name)
    widths = of["width"]
    ends = [float(np.mean(of[measure][widths == w])) for w in (widths.min(), widths.max())]
    exponent = fitted(tables["widths"], name, measure).exponent.mean
    return (
        f"In the {TITLES[name]} parameterisation the {MEASURES[measure]} goes from {_number(ends[0])} at width {widths.min()} to "
        f"{_number(ends[1])} at width {widths.max()}, as width to the power {_number(-exponent)}"
    )


def _number(value: float) -> str:
    return f"{value:.2g}".replace("-", "−")


# --- the claim ---

_SAYS = {
    Outcome.HOLDS: "The wider the network, the less its parameters and its kernel move, and at the widest its linear "
    "approximation is good. The control, which learns features at every width, does not become linear.",
    Outcome.FAILS: "Wide networks were not found to be linear, in the sense of the claim.",
    Outcome.UNDECIDED: "These runs do not decide whether networks become linear as they become wide.",
}


def whole_rule(least: float) -> str:
    """The rule of the claim as a whole."""
    small, large, settled = (f"{100 * share:g} %" for share in (SMALL, LARGE, SETTLED))
    return (
        "The claim holds if two things are true. In every parameterisation but the control, the distance to the linear model at "
        f"the widest network is below {small} of training's motion in function space, the drift of the kernel there is below "
        f"{small}, and motion, drift and distance fall with an exponent above {least:g}. And in the control, μP, the distance at "
        f"the widest network stays above {large}. It fails if any of these fails. Otherwise it is undecided; and always if "
        "training has not converged, or if the control was left out. Converged means that hardly any of the training loss is "
        f"left ({settled} of the start's), or that most of it is gone and the last quarter of the steps gained no more than that."
    )
