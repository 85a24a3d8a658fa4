"""What the claim `winning-ticket` says, as a formula: the ticket against the dense network, and against every control.

A winning ticket is as accurate as the dense network, and as soon. And its mask and its weights matter: it is not less accurate
than any control, and it is better than each, which means more accurate or sooner. Without "not less accurate" a ticket that stops
a little sooner than a control would count as better even where the control is more accurate by points.

Everything is asked at one density. Scores are paired by seed and test example, times by seed, as logarithms of their ratio. An
early stop at the last step is a lower bound on the time, because training was too short to see it: it supports one side only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.asking import scores, three
from ticketlab.claims.gates import skill_gate
from ticketlab.claims.wording import listed, margin_words, plural
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Difference, of_seeds
from ticketlab.laws.formulae import All, Answer, Any, Formula, Gate, Gated, Question, Tables, answer
from ticketlab.laws.rules import USUAL, Above, Levels, Rule
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = ["DENSE", "GUESS", "TICKET", "TITLES", "Terms", "formula", "said", "verdicts", "whole_rule"]

DENSE, TICKET, GUESS = "dense", "ticket", "guess"
TITLES: Mapping[str, str] = {
    "reinitialised": "its mask over new weights",
    "shuffled": "its weights under a shuffled mask",
    "both": "new weights under a shuffled mask",
    "equal-size": "a dense network of equal size",
    "random": "an Erdős–Rényi random mask",
}
SOONER = 1.1  # the smallest ratio of times that counts as sooner
STEPS = Scale("% more steps", -1.0, ratio=True)
TITLED = {  # a question's title, for what the ticket is compared with
    "as-accurate": "as accurate as {}",
    "not-less-accurate": "not less accurate than {}",
    "more-accurate": "more accurate than {}",
    "as-soon": "as soon as {}",
    "sooner": "sooner than {}",
}


@dataclass(frozen=True)
class Terms:
    """What was fixed before the runs.

    Arguments:
        margin: the difference in test score that still counts as equal.
        slower: the ratio of steps that still counts as a similar time.
        shortest: steps to the first look at the validation data; an early stop before counts as one there.
        longest: steps to the last look, at the end of training; an early stop there is a lower bound.
        controls: with which the ticket is compared.
    """

    margin: float
    slower: float
    shortest: int
    longest: int
    controls: tuple[str, ...]


def formula(terms: Terms) -> Formula:
    """The claim."""
    with_one = "Some --controls would open it."
    gates = (
        skill_gate(_examples, (TICKET, DENSE)),
        Gate("exact", "pruned weights are exactly zero", partial(_exact, terms)),
        Gate("controls", "compared with a control", lambda tables: _compared(terms), with_one),
    )
    dense = (
        _score(terms, DENSE, "as-accurate", Above(-terms.margin)),
        _time(terms, DENSE, "as-soon", Above(-float(np.log(terms.slower)))),
    )
    return Gated(gates, All((*dense, *(_better(terms, name) for name in terms.controls))))


def verdicts(terms: Terms, tables: Mapping[str, Table], levels: Levels = USUAL) -> tuple[Verdict, ...]:
    """On the claim as a whole, then on each question: the dense network first, then the controls."""
    found = answer(formula(terms), tables, levels)
    claim = claim_verdict(found, whole_rule(terms), _says(terms, tables), inner=_concerned)
    return verdicts_of(claim, found, (), tables, levels)


def said(tables: Tables) -> str:
    """The means on which the claim turns, in a line."""
    score, stop, density = (_mean(tables, TICKET, c) for c in ("test_score", "early_stop_step", "density"))
    dense, dense_stop = (_mean(tables, DENSE, c) for c in ("test_score", "early_stop_step"))
    return (
        f"test score {score:.3f} at density {density:.3f}, dense {dense:.3f}; early stop at step {stop:.0f}, "
        f"dense {dense_stop:.0f}"
    )


def _mean(tables: Tables, arm: str, column: str) -> float:
    return float(np.mean(_decisive(tables, arm)[column]))


# --- gates ---


def _exact(terms: Terms, tables: Tables) -> str | None:
    """Whether pruned weights, and the optimiser's moments of them, were exactly zero in every training that was compared."""
    checks = tables.get("checks")
    if checks is None:
        return "There is no check that pruned weights were exactly zero, so they may have taken part in training."
    left = sum(int(np.sum(checks[c])) for c in ("parameters_left", "best", "moments"))
    if left:
        return f"{left} pruned weights or moments were not zero, so pruned weights took part in training."
    checked = {
        (n, arm) for n, arms in zip(checks["level"], checks["arms"], strict=True) for arm in arms.split(", ")
    }
    levels = tables["levels"]
    trained = set(zip(levels["level"], levels["arm"], strict=True))
    lacking = [a for a in (TICKET, *terms.controls) if any(at not in checked for at in trained if at[1] == a)]
    if lacking:
        return f"Nothing checked that pruned weights were exactly zero in these: {', '.join(lacking)}."
    return None


def _compared(terms: Terms) -> str | None:
    if terms.controls:
        return None
    return "The ticket was compared with no control, so nothing says whether its mask or its weights matter."


# --- questions ---


def _better(terms: Terms, control: str) -> Formula:
    """Not less accurate than a control; and more accurate, or sooner."""
    ways = (
        _score(terms, control, "more-accurate", Above(terms.margin / 2)),
        _time(terms, control, "sooner", Above(float(np.log(SOONER)))),
    )
    title = f"better than {TITLES[control]}"
    return All(
        (_score(terms, control, "not-less-accurate", Above(-terms.margin)), Any(ways, "better", title)),
        control,
        title,
    )


def _whom(other: str) -> str:
    return "the dense network" if other == DENSE else TITLES[other]


def _score(terms: Terms, other: str, key: str, rule: Rule) -> Question:
    least, whom = margin_words(terms.margin / 2), (other, _whom(other))
    less = f"it is less accurate by more than {margin_words(terms.margin)}"
    says = three("it is as accurate", less, "whether it is as accurate")
    if key == "more-accurate":
        says = three(
            f"the ticket is more accurate by more than {least}",
            f"the ticket is not more accurate by {least}",
            f"whether the ticket is more accurate by {least}",
        )
    title, ticket = TITLED[key].format(whom[1]), (TICKET, "the ticket")
    return scores(key, title, _examples, ticket, whom, rule, says, facets={"other": other})


def _examples(tables: Tables) -> Table:
    found: Table = tables["examples"]
    return found


def _time(terms: Terms, other: str, key: str, rule: Rule) -> Question:
    factor = f"by a factor of {SOONER:g}"
    says = three("that is a similar time", "that is a longer time", "whether that is a similar time")
    if key == "sooner":
        says = three(
            f"the ticket is sooner {factor} at least",
            f"the ticket is not sooner {factor}",
            f"whether the ticket is sooner {factor}",
        )
    return Question(
        key=key,
        title=TITLED[key].format(_whom(other)),
        effect=lambda tables: _speed(terms, tables, other),
        rule=rule,
        what=f"the steps that the ticket needs to its early stop, compared with {_whom(other)},",
        scale=STEPS,
        reading=lambda tables: _stops(terms, tables, other),
        says=says,
        facets={"other": other},
    )


def _decisive(tables: Tables, arm: str) -> Table:
    """An arm's rows at the level at which the question is decided, one a seed; dense networks are at level 0."""
    rows: Table = tables["levels"].where(arm=arm)
    return rows if arm == DENSE else rows.where(decisive=True)


def _speed(terms: Terms, tables: Tables, other: str) -> Difference:
    """The mean of log(steps of the other / steps of the ticket) to the early stop, over seeds.

    A ticket that stops at the last step may need longer, so the truth may lie lower; if the other stops there, it may lie higher.
    """
    steps = [np.maximum(_decisive(tables, arm)["early_stop_step"], terms.shortest) for arm in (other, TICKET)]
    late = [bool(np.any(s >= terms.longest)) for s in steps]
    return replace(of_seeds(np.log(steps[0] / steps[1])), lower_known=not late[1], upper_known=not late[0])


def _stops(terms: Terms, tables: Tables, other: str) -> str:
    steps = [_decisive(tables, arm)["early_stop_step"] for arm in (TICKET, other)]
    means = [float(np.mean(s)) for s in steps]
    late = [int(np.sum(s >= terms.longest)) for s in steps]
    names = ("the ticket", _whom(other))
    never = [f"{name} in {plural(n, 'seed')}" for name, n in zip(names, late, strict=True) if n]
    bound = f" (without an early stop: {listed(never)}; that mean is a lower bound)" if never else ""
    return f"The ticket's early stop is at step {means[0]:.0f} on average, that of {_whom(other)} at {means[1]:.0f}{bound}"


# --- the claim ---


def whole_rule(terms: Terms) -> str:
    """The rule of the claim as a whole."""
    return (
        "Everything is asked at one density, fixed beforehand. The claim holds if the ticket is as accurate as the dense network "
        "and as soon, and if for every control it is not less accurate, and more accurate or sooner. It fails if any of these "
        "fails. Otherwise it is undecided; and always if neither the ticket nor the dense network is better than guessing, if "
        "no check showed that pruned weights were exactly zero, or if there is no control. An early stop at the last step, "
        f"{terms.longest}, is a lower bound: a question about time cannot hold on one of the ticket's, nor fail on one of the "
        "other's."
    )


def _says(terms: Terms, tables: Tables) -> dict[Outcome, str]:
    kept = f"{100 * _mean(tables, TICKET, 'density'):.1f} % of the weights"
    return {
        Outcome.HOLDS: f"The random network contains a subnetwork with {kept} that trains as well as the whole in similar time. "
        f"It is more accurate or sooner than {listed([TITLES[c] for c in terms.controls])}.",
        Outcome.FAILS: f"With {kept} no winning ticket was found.",
        Outcome.UNDECIDED: f"These runs do not decide whether there is a winning ticket with {kept}.",
    }


def _concerned(found: Answer) -> str:
    """Which comparisons the conclusion comes from: a control is named once, however many questions it has."""
    concerned = [part.formula.title for part in found.parts[0].parts if part.outcome is found.outcome]
    if found.outcome is Outcome.FAILS:
        return f"What pruning left is not {listed(concerned, 'nor')}."
    return f"It is open whether it is {listed(concerned)}."
