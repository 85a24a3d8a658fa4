"""What the claim `linear-regime` says, as a formula: sizes at the widest network, exponents over widths, and the control.

"Little" and "good" are absolute. At the widest network the parameters have moved by less than a tenth of their length, the drift
of the kernel, 1 − CKA, is below a tenth, and the distance to the linear model is below a tenth of training's own motion in
function space. That all three also fall with width, with an exponent, says that it is width which makes them small.

The control is a gate. Under μP, which learns features at every width, the distance must stay: it has to be large at the widest
network, and must not fall over widths as fast as that of the others has to. If it vanished too, these widths could not tell a
network that becomes linear from one that must not. Then nothing is decided, whatever the other networks do.

All of it is asked for every loss and depth. What counts as trained depends on the loss. The square loss must have converged, on
both sides. Cross-entropy on data that can be separated falls for ever, so the network must have reached a stated training loss;
the linear model is compared at the same step, wherever its own loss is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ticketlab.claims.answers import claim_verdict, concerned, side_verdicts
from ticketlab.claims.asking import three
from ticketlab.claims.gates import skill_gate
from ticketlab.claims.wording import number, plural
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Difference, of_seeds
from ticketlab.laws.formulae import All, Answer, Formula, Gate, Gated, Question, Tables, answer, verdict_of
from ticketlab.laws.power_law import SMALLEST, PowerLaw, power_law
from ticketlab.laws.rules import ALPHA, USUAL, Above, Below, Levels, Rule
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "CONTROL", "EXPONENTS", "GIVEN", "MEASURES", "TITLES", "Setting", "Terms", "fitted", "formula", "settled",
    "side_questions", "verdicts", "whole_rule",
]  # fmt: skip

GIVEN = "given"  # that of a start from a file, which has one width
TITLES = {"standard": "standard", "ntk": "NTK", "mup": "μP", GIVEN: "start's own"}
MEASURES = {  # column: how it is called
    "motion": "motion of the parameters",
    "drift": "drift of the kernel",
    "distance": "distance to the linear model",
}
CONTROL = "mup"
CONTROLLED = ("drift", "distance")  # ‖θ_T − θ₀‖/‖θ₀‖ falls under μP too, because ‖θ₀‖ grows with width
SIZES = ("distance", "drift")  # asked at the widest network; motion too, but not of a start from a file
EXPONENTS = ("falls", "vanishes")
# What counts as small: of training's motion in function space, of the kernel's alignment, of the parameters' length.
SMALL = 0.1
LARGE = 0.2  # what the control's distance must exceed
SETTLED = (
    0.01  # of the loss at the start: what may be left, or what the last quarter of the steps may still gain
)
UNITS = {
    "drift": Scale("% drift", 100.0, bounds=(0.0, 100.0), log=True),
    "distance": Scale("% of training's motion", 100.0, log=True),
    "motion": Scale("% of the parameters' length", 100.0, log=True),
}
OF = {
    "drift": "(1 − CKA)",
    "distance": "of training's motion in function space",
    "motion": "of their length at the start",
}
EXPONENT = Scale("exponent α")
ASKED = {"small": "is small", "stays": "stays", "falls": "falls", "vanishes": "does not fall"}
SIZE_SAYS = {
    "small": three("that is little", "that is not little", "whether that is little"),
    "stays": three(
        "the control is far from linear, as it must be",
        "the control is too near to its linear model",
        "whether the control is far from linear",
    ),
}


@dataclass(frozen=True)
class Setting:
    """For what the claim is asked.

    Arguments:
        loss: square or cross-entropy.
        depth: hidden layers; 0 for a network that has no such number.
    """

    loss: str
    depth: int

    @property
    def title(self) -> str:
        layers = f", {plural(self.depth, 'hidden layer')}" if self.depth else ""
        return f"{self.loss} loss{layers}"

    def where(self) -> dict[str, str | int]:
        """Its columns."""
        return {"loss": self.loss, "depth": self.depth}

    def rows(self, table: Table, parameterisation: str) -> Table:
        """A table's rows about it, in one parameterisation."""
        return table.where(**self.where(), parameterisation=parameterisation)


@dataclass(frozen=True)
class Terms:
    """What was fixed before the runs.

    Arguments:
        parameterisations: of the plan.
        settings: losses and depths for which the claim is asked.
        least: the exponent above which a measure falls.
        reached: with cross-entropy, the share of the loss at the start that may be left.
    """

    parameterisations: tuple[str, ...]
    settings: tuple[Setting, ...]
    least: float
    reached: float

    @property
    def asked(self) -> tuple[str, ...]:
        """The parameterisations that the claim is about; the control if there is nothing else, which a gate keeps undecided."""
        return tuple(name for name in self.parameterisations if name != CONTROL) or (CONTROL,)

    @property
    def one_start(self) -> bool:
        """Whether all seeds start at the parameters of a file, which are of one width."""
        return self.parameterisations == (GIVEN,)


def formula(terms: Terms) -> Formula:
    """The claim: for every loss and depth, in every parameterisation but the control."""
    if terms.one_start:
        return All(tuple(_of_setting(terms, at) for at in terms.settings))
    sides = Gate("sides", "both sides are asked", lambda tables: _sides(terms.parameterisations), _BOTH)
    return Gated((sides,), All(tuple(_of_setting(terms, at) for at in terms.settings)))


def side_questions(terms: Terms) -> tuple[Formula, ...]:
    """The side questions about the control."""
    if terms.one_start:
        return ()
    return tuple(side for at in terms.settings for side in _about_control(terms, at))


def verdicts(
    terms: Terms, complete: Mapping[Setting, Sequence[str]], tables: Tables, levels: Levels = USUAL
) -> list[Verdict]:
    """The claim once everything is complete, and the questions about what is.

    Arguments:
        complete: by setting, the parameterisations all of whose cells have been run.
        levels: of the claim as a whole, and of every side question.
    """
    whole = all(set(complete[at]) == set(terms.parameterisations) for at in terms.settings)
    if whole:
        found = answer(formula(terms), tables, levels)
        claim, parts = (
            [claim_verdict(found, whole_rule(terms), START_SAYS if terms.one_start else SAYS, inner=_where)],
            [found],
        )
    else:
        share = Levels(levels.holds, levels.fails / (len(terms.settings) * len(terms.asked)))
        claim = []
        parts = [
            answer(_of(terms, at, name), tables, share)
            for at, names in complete.items()
            for name in terms.asked
            if name in names
        ]
    asked = [q for part in parts for q in part.questions()]
    sides = [side for at in terms.settings if CONTROL in complete[at] for side in _about_control(terms, at)]
    return [*claim, *(verdict_of(q, tables) for q in asked), *side_verdicts(sides, tables, levels)]


def fitted(rows: Table, measure: str) -> PowerLaw:
    """The power law of one measure, of the rows of one setting and parameterisation."""
    return power_law(rows["width"].astype(float), rows[measure], rows["seed"])


def _of_setting(terms: Terms, at: Setting) -> Formula:
    """All parameterisations together: what one side leaves open says nothing of the other either."""
    names = terms.parameterisations
    gates = [gate for name in names for gate in _gates(terms, at, name)]
    if CONTROL in names:
        gates.append(_control(terms, at))
    return Gated(tuple(gates), All(tuple(_asked(terms, at, name) for name in terms.asked)), at.title)


def _of(terms: Terms, at: Setting, name: str) -> Formula:
    """What is asked of one parameterisation, provided that its training has converged."""
    return Gated(_gates(terms, at, name), _asked(terms, at, name))


def _asked(terms: Terms, at: Setting, name: str) -> Formula:
    if name == CONTROL:
        return _stays(at)
    small, measures = Below(float(np.log(SMALL))), SIZES if name == GIVEN else (*SIZES, "motion")
    sizes = tuple(_size(at, name, measure, "small", small) for measure in measures)
    if name == GIVEN:
        return All(sizes)
    return All((*sizes, *(_falls(terms, at, name, measure) for measure in MEASURES)))


def _about_control(terms: Terms, at: Setting) -> tuple[Formula, ...]:
    """What is asked of the control aside from the claim, provided that its training has converged."""
    falls = tuple(_as_fast(terms, at, measure) for measure in CONTROLLED)
    asked = falls if terms.asked == (CONTROL,) else (_stays(at), *falls)
    return tuple(Gated(_gates(terms, at, CONTROL), question) for question in asked)


# --- gates ---


def _sides(parameterisations: Sequence[str]) -> str | None:
    if CONTROL not in parameterisations:
        return "The control, μP, was left out of the plan, so nothing says that these widths can tell the two apart."
    if set(parameterisations) == {CONTROL}:
        return "The plan asks of no parameterisation that should become linear."
    return None


_BOTH = "A plan with μP and another one of --parameterisations would open the question."
_WIDER = "A wider --network, whose control is nearer to its limit, or more --seeds, would open the question."
_LONGER = "More --steps of training, or a larger --step-size, would open the question."


def _gates(terms: Terms, at: Setting, name: str) -> tuple[Gate, ...]:
    about = f"{TITLES[name]}, {at.title}"
    return (
        Gate(
            "trained",
            f"{about}: trained to the end",
            lambda tables: _trained(terms, at, name, tables),
            _LONGER,
        ),
        skill_gate(lambda tables: at.rows(tables["examples"], name), ("network", "linear")),
    )


def _trained(terms: Terms, at: Setting, name: str, tables: Tables) -> str | None:
    """Whether training has come to where the two sides are compared, at every width and seed."""
    rows = at.rows(tables["curves"], name)
    short = total = 0
    for seed in np.unique(rows["seed"]):
        for width in np.unique(rows["width"]):
            of = rows.where(seed=seed, width=width)
            for column in ("train_loss", "linear_train_loss") if at.loss == "square" else ("train_loss",):
                total += 1
                left = of[column][np.argsort(of["step"])]
                short += not (
                    settled(np.sort(of["step"]), left)
                    if at.loss == "square"
                    else left[-1] <= (terms.reached + 1e-4) * left[0]  # 1e-4: rounding
                )
    if not short:
        return None
    about = f"{short} of {total} trainings in the {TITLES[name]} parameterisation ({at.title}) had not"
    if at.loss == "square":
        return f"{about} converged at their last step, so we do not know where they end."
    return f"{about} reached {100 * terms.reached:g} % of the training loss at the start: use more steps."


def _control(terms: Terms, at: Setting) -> Gate:
    title = f"{TITLES[CONTROL]}, {at.title}: the control stays non-linear"
    return Gate("control", title, partial(_not_shown, terms, at), _WIDER, shows=True)


def _not_shown(terms: Terms, at: Setting, tables: Tables, levels: Levels = USUAL) -> str | None:
    """Whether the control was shown to stay away from its linear model: far at the widest network, and not falling as fast."""
    size, fall = (found(at, CONTROL, "distance", tables) for found in (_at_widest, _exponent_over_widths))
    if not fall.decidable:  # one seed decides nothing anyway
        return None
    missed = []
    if not size.lower(levels.smaller) > np.log(LARGE):
        bound = f"the lower bound, {_percent(size.lower(levels.smaller))}, is not above {100 * LARGE:g} %"
        missed.append(
            f"at the widest network its distance to the linear model is {_percent(size.mean)} of training's motion ({bound})"
        )
    if not fall.upper(levels.smaller) < terms.least:
        bound = f"the upper bound, {number(fall.upper(levels.smaller))}, is not below {terms.least:g}"
        missed.append(f"its distance falls with an exponent of {number(fall.mean)} ({bound})")
    if not missed:
        return None
    return (
        f"The control, {TITLES[CONTROL]} ({at.title}), was not shown to stay non-linear, so these widths cannot tell it from a "
        f"network that becomes linear: {' and '.join(missed)}."
    )


def _percent(logarithm: float) -> str:
    return f"{number(100 * float(np.exp(logarithm)))} %"


def settled(step: np.ndarray, loss: np.ndarray) -> bool:
    """Whether hardly any of the loss is left; or most of it is gone, and the last quarter of the steps gained hardly any.

    A flat end alone says nothing: a network that does not learn at all has it too.
    """
    quarter = float(np.interp(0.75 * step[-1], step, loss))
    flat = quarter - loss[-1] <= SETTLED * loss[0]
    return bool(loss[-1] <= SETTLED * loss[0] or (flat and loss[-1] < loss[0] / 2))


# --- questions ---


def _about(at: Setting, name: str, measure: str, key: str) -> dict[str, Any]:
    facets = {"loss": at.loss, "depth": str(at.depth), "parameterisation": name, "measure": measure}
    title = f"{TITLES[name]}, {at.title}: {MEASURES[measure]} {ASKED[key]}"
    return {"key": key, "title": title, "facets": facets}


def _at_widest(at: Setting, name: str, measure: str, tables: Tables) -> Difference:
    """A measure at the widest network: its logarithm, because sizes are skewed over seeds and their logarithms hardly are."""
    of = at.rows(tables["widths"], name)
    sizes = of[measure][of["width"] == of["width"].max()]
    return of_seeds(np.log(np.maximum(sizes, SMALLEST)))


def _exponent_over_widths(at: Setting, name: str, measure: str, tables: Tables) -> Difference:
    return fitted(at.rows(tables["widths"], name), measure).exponent


def _size(at: Setting, name: str, measure: str, key: str, rule: Rule) -> Question:
    """A measure at the widest network."""
    effect = partial(_at_widest, at, name, measure)

    def reading(tables: Tables) -> str:
        width = int(np.max(at.rows(tables["widths"], name)["width"]))
        return (
            f"In the {TITLES[name]} parameterisation ({at.title}), at width {width}, the {MEASURES[measure]} is "
            f"{_percent(effect(tables).mean)} {OF[measure]}"
        )

    return Question(
        **_about(at, name, measure, key),
        effect=effect,
        rule=rule,
        what=f"the {MEASURES[measure]} at the widest network",
        scale=UNITS[measure],
        reading=reading,
        says=SIZE_SAYS[key],
    )


def _stays(at: Setting) -> Question:
    """The size of the control's distance."""
    return _size(at, CONTROL, "distance", "stays", Above(float(np.log(LARGE))))


def _falls(terms: Terms, at: Setting, name: str, measure: str) -> Question:
    power = _power(terms)
    says = three(
        f"it falls faster than {power}", f"it does not fall as fast as {power}", "whether that is fast enough"
    )
    return _exponent(at, name, measure, "falls", Above(terms.least), says)


def _as_fast(terms: Terms, at: Setting, measure: str) -> Question:
    """Whether the control does not fall as the others have to."""
    power = _power(terms)
    says = three(
        f"in the control it does not fall as fast as {power}",
        f"in the control, too, it falls faster than {power}",
        f"whether it falls as fast as {power} in the control",
    )
    return _exponent(at, CONTROL, measure, "vanishes", Below(terms.least), says)


def _power(terms: Terms) -> str:
    return f"width to the power {number(-terms.least)}"


def _exponent(
    at: Setting, name: str, measure: str, key: str, rule: Rule, says: Mapping[Outcome, str]
) -> Question:
    """The exponent of a measure over widths."""
    effect = partial(_exponent_over_widths, at, name, measure)

    def reading(tables: Tables) -> str:
        of = at.rows(tables["widths"], name)
        ends = (of["width"].min(), of["width"].max())
        low, high = (number(float(np.mean(of[measure][of["width"] == width]))) for width in ends)
        return (
            f"In the {TITLES[name]} parameterisation ({at.title}) the {MEASURES[measure]} goes from {low} at width {ends[0]} to "
            f"{high} at width {ends[1]}, as width to the power {number(-effect(tables).mean)}"
        )

    return Question(
        **_about(at, name, measure, key),
        effect=effect,
        rule=rule,
        what=f"the exponent α of the {MEASURES[measure]}, which falls as width to the power −α,",
        scale=EXPONENT,
        reading=reading,
        says=says,
    )


# --- the claim ---

SAYS = {
    Outcome.HOLDS: "The wider the network, the less its parameters and its kernel move. At the widest they move little, and the "
    "linear approximation is good. The control, which learns features at every width, does not become linear at these widths.",
    Outcome.FAILS: "Wide networks were not found to be linear, in the sense of the claim.",
    Outcome.UNDECIDED: "These runs do not decide whether networks become linear as they become wide.",
}


START_SAYS = {
    Outcome.HOLDS: "Training from this start stays near its linear approximation.",
    Outcome.FAILS: "Training from this start leaves its linear approximation.",
    Outcome.UNDECIDED: "These runs do not decide whether training from this start stays near its linear approximation.",
}


def _where(found: Answer) -> str:
    """What fails or is undecided, each with the losses and depths where it does."""
    places: dict[str, list[str]] = {}
    for question in concerned(found, found.outcome):
        facets = question.facets
        words = f"{MEASURES[facets['measure']]} {ASKED[question.key]}"
        what = f"{TITLES[facets['parameterisation']]}: {words}"
        places.setdefault(what, []).append(Setting(facets["loss"], int(facets["depth"])).title)
    said = "; ".join(f"{what} ({'; '.join(where)})" for what, where in places.items())
    return f"What {'fails' if found.outcome is Outcome.FAILS else 'is undecided'}: {said}."


def whole_rule(terms: Terms) -> str:
    """The rule of the claim as a whole."""
    return _start_rule(terms) if terms.one_start else _rule_of_widths(terms)


def _start_rule(terms: Terms) -> str:
    small = f"{100 * SMALL:g} %"
    return (
        "Everything is asked for each loss of the plan. The claim holds for this start if the distance to the linear model is "
        f"below {small} of training's motion in function space, and the drift of the kernel is below {small}. It fails if one "
        "of them is above. Otherwise it is undecided; and always if training did not come to its end, or if neither the network "
        f"nor its linear model is better than guessing. {_end(terms)}"
    )


def _rule_of_widths(terms: Terms) -> str:
    small, large = (f"{100 * share:g} %" for share in (SMALL, LARGE))
    return (
        "Everything is asked for each loss and depth of the plan. The claim holds if, in every parameterisation but the control, "
        f"two things are true. At the widest network the distance to the linear model is below {small} of training's motion in "
        f"function space, the drift of the kernel is below {small}, and the motion of the parameters is below {small} of their "
        f"length. And motion, drift and distance fall with an exponent above {terms.least:g}. It fails if one of these is not "
        "true. Otherwise it is undecided. It is always undecided if the control, μP, was left out or not shown to stay "
        f"non-linear: its distance at the widest network has to be above {large}, and its exponent below {terms.least:g}, each "
        f"with {100 * (1 - ALPHA):g} % confidence, or more if the questions that it keeps back "
        "need more. The same goes if training did not come to its end, or if neither the network "
        f"nor its linear model is better than guessing. {_end(terms)}"
    )


def _end(terms: Terms) -> str:
    return (
        f"With the square loss the end is where hardly any of the training loss is left ({100 * SETTLED:g} % of the start's), or "
        f"where most of it is gone and the last quarter of the steps gained no more than that. With cross-entropy it is where "
        f"{100 * terms.reached:g} % are left."
    )
