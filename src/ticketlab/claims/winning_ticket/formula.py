"""What the claim `winning-ticket` says, as a formula: the ticket against the dense network, and against every control.

A winning ticket is as accurate as the dense network, and as soon. And its mask and its weights matter: it is not less accurate
than any control, and it is better than each, which means more accurate or sooner. Without "not less accurate" a ticket that stops
a little sooner than a control would count as better even where the control is more accurate by points.

Everything is asked at one density. Scores are paired by seed and test example, times by seed, as logarithms of their ratio.

A time is known to the distance of two looks at the validation data. An early stop at the last step is a lower bound, because
training was too short to see it, and one at the first look is an upper bound: each supports one side only. Between them a stop
is rounded by half a look at most. Few seeds may agree because of it, so the variance of a stop is not below that of a uniform
error, d²/12. All seeds may be rounded in the same direction, so the interval is not narrower than that. And that two times are
similar is not said where looks are too far apart to show it, nor anything of time where the dense network's stop is at step 0,
before training.

The dense network is the standard of accuracy only if it was trained to its end: its validation loss has its minimum inside the
run, or hardly falls (`settling.settled`). If it is still learning in a seed, or is never better than before training, the ticket
cannot be shown to be as accurate. Nor can a ticket that guesses, which is within the margin where one class is frequent.

With late rewinding the weights are those of step k of dense training. Then nothing is said of the random network, a ticket's stop
cannot be before k, and the dense network must still be learning at step k.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.asking import columns, scores, three
from ticketlab.claims.gates import margin_gate, skill_gate
from ticketlab.claims.headroom import difference
from ticketlab.claims.settling import LATE, settled
from ticketlab.claims.wording import listed, margin_words, percent, plural, weights_kept
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
        shortest: steps between two looks at the validation data, and to the first; an early stop before counts as one there.
        longest: steps to the last look, at the end of training; an early stop there is a lower bound.
        controls: with which the ticket is compared.
        rewind_step: k, of dense training, from which the ticket and its controls have their weights; 0 is their start.
        start: the file whose parameters all seeds start with; empty for a random start.
    """

    margin: float
    slower: float
    shortest: int
    longest: int
    controls: tuple[str, ...]
    rewind_step: int = 0
    start: str = ""

    @property
    def closest(self) -> float:
        """How far apart looks may be, as a share of the dense network's time, to show that another time is similar."""
        return (self.slower - 1) / 2


def formula(terms: Terms) -> Formula:
    """The claim."""
    with_one = "Some --controls would open it."
    gates = (
        skill_gate(_examples, (TICKET, DENSE)),
        Gate("exact", "pruned weights are exactly zero", partial(_exact, terms)),
        Gate("controls", "compared with a control", lambda tables: _compared(terms), with_one),
        Gate("rewound", "dense training goes on after the rewind step", partial(_rewound, terms), _EARLIER),
    )
    similar = Above(-float(np.log(terms.slower)))
    soon = _time(terms, DENSE, "as-soon", similar)
    looks = Gate("looks", "looks are close enough", partial(_looks, terms, similar), _CLOSER, shows=True)
    begun = Gate("begun", "dense training lowers the validation loss", _begun, _SMALLER)
    accurate = _score(terms, DENSE, "as-accurate", Above(-terms.margin))
    small = margin_gate(_examples, (TICKET, "the ticket"), (DENSE, "the dense network"), terms.margin)
    standard = (
        Gate("trained", "dense training has ended", partial(_trained, terms), _LONGER, shows=True),
        Gate(
            "behind", "dense training fits what the ticket's fits", partial(_fits, terms), _OTHER, shows=True
        ),
    )
    dense = (
        Gated((small, *standard), accurate, title=accurate.title),
        Gated((begun, looks), soon, title=soon.title),
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


_EARLIER = "A smaller --rewind-step would open it."
_CLOSER = "A smaller --evaluate-every would open the question."
_SMALLER = "A smaller step size, or a smaller --evaluate-every, would open the question."
_LONGER = "More --steps would open the question."
_OTHER = "A smaller step size, or another optimiser, would open the question."
_OLDER = "This older run has no training scores, so nothing says whether dense training fits what the ticket's fits."


def _rewound(terms: Terms, tables: Tables) -> str | None:
    """Whether the dense network is still learning at step k; the random start needs no such question."""
    stop = _mean(tables, DENSE, "early_stop_step")
    if terms.rewind_step < max(stop, 1):
        return None
    return (
        f"The dense network's early stop is at step {stop:.0f} on average, and the weights are those of step "
        f"{terms.rewind_step}: they are trained already, and no ticket can be as soon."
    )


def _begun(tables: Tables) -> str | None:
    dense = _decisive(tables, DENSE)
    never = int(np.sum(dense["early_stop_step"] == 0))
    if not never:
        return None
    return (
        f"In {never} of {plural(len(dense), 'seed')} the dense network's validation loss is lowest at step 0, before training, "
        "so nothing says how long training takes."
    )


def _looks(terms: Terms, similar: Above, tables: Tables, levels: Levels = USUAL) -> str | None:
    """It keeps back *holds* alone: a ticket that is late by more than looks can hide is late."""
    stop = _mean(tables, DENSE, "early_stop_step")
    late = _speed(terms, tables, DENSE).upper(levels.fails) < similar.limit
    if terms.shortest <= terms.closest * stop or late or not stop:
        return None
    return (
        f"There was a look every {terms.shortest} steps, and the dense network's early stop is at step {stop:.0f} on average. To "
        f"show that times are similar takes a look every {terms.closest * stop:.0f} steps, {100 * terms.closest:.3g} % of that."
    )


def _worse(terms: Terms, tables: Tables, levels: Levels) -> bool:
    return difference(_examples(tables), TICKET, DENSE).upper(levels.fails) < -terms.margin


def _trained(terms: Terms, tables: Tables, levels: Levels = USUAL) -> str | None:
    """It keeps back *holds* alone: a ticket that is less accurate than a network still learning is less accurate."""
    dense = _decisive(tables, DENSE)
    stop = dense["early_stop_step"]
    never = dense["seed"][stop == 0].tolist()
    outside = [*never, *dense["seed"][stop > LATE * terms.longest].tolist()]
    learning = [seed for seed in outside if seed in never or not _settled(tables, seed)]
    if not learning or _worse(terms, tables, levels):
        return None
    return (
        f"In {len(learning)} of {plural(len(dense), 'seed')} the dense network was still learning when training ended, at step "
        f"{terms.longest}: its validation loss is lowest in the last fifth, or at step 0. Its end may be more accurate."
    )


def _fits(terms: Terms, tables: Tables, levels: Levels = USUAL) -> str | None:
    """It keeps back *holds* alone: what a badly trained network beats, a better one beats too."""
    if _worse(terms, tables, levels):
        return None
    if "final_train_score" not in {column.name for column in tables["levels"].columns}:
        return _OLDER
    dense, ticket = (_mean(tables, arm, "final_train_score") for arm in (DENSE, TICKET))
    if ticket - dense <= terms.margin:
        return None
    return (
        f"The dense network scores {percent(dense)} on its training examples when training ends, and the ticket, which it "
        f"contains, {percent(ticket)}. So its training did not find what it can do."
    )


def _settled(tables: Tables, seed: int) -> bool:
    """Whether the dense network's loss hardly falls any more; not where an older run has no curves to tell it."""
    if "curves" not in tables or "validation_score" not in columns(tables["curves"]):
        return False
    curve = tables["curves"].where(arm=DENSE, seed=seed)
    return settled(curve["validation_loss"], curve["validation_score"])


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
    says = three(
        "that is a similar time or a shorter one", "that is a longer time", "whether that is a longer time"
    )
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

    The truth may lie lower if the ticket stops at the last step, as it may need longer, or the other at its first look, as it may
    need less. It may lie higher if the other stops at the last step, or the ticket at its first look.
    """
    steps = [np.maximum(_decisive(tables, arm)["early_stop_step"], terms.shortest) for arm in (other, TICKET)]
    late = [bool(np.any(s >= terms.longest)) for s in steps]
    early = [bool(np.any(s <= terms.shortest)) for s in steps]
    found = of_seeds(np.log(steps[0] / steps[1]))
    variance, most = _rounding(terms.shortest, *steps)
    return replace(
        found,
        seed_variance=float(np.maximum(found.seed_variance, variance / found.seeds)),
        rounding=most,
        lower_known=not (late[1] or early[0]),
        upper_known=not (late[0] or early[1]),
    )


def _rounding(every: int, *steps: np.ndarray) -> tuple[float, float]:
    """What a look every d steps does to the logarithm of a ratio: its variance in a seed, and the largest error of the mean.

    Σ d²/12t² and Σ d/2t over both times t.
    """
    parts = [every / s for s in steps]
    return float(sum(np.mean(p**2) for p in parts)) / 12, float(sum(np.mean(p) for p in parts)) / 2


def _stops(terms: Terms, tables: Tables, other: str) -> str:
    steps = [_decisive(tables, arm)["early_stop_step"] for arm in (TICKET, other)]
    names = ("the ticket", _whom(other))
    late = _counted(names, [s >= terms.longest for s in steps])
    early = _counted(names, [s <= terms.shortest for s in steps])
    bounds = [
        *([f"without an early stop: {late}; that mean is a lower bound"] if late else []),
        *([f"at the first look: {early}; that mean is an upper bound"] if early else []),
    ]
    means = [f"{float(np.mean(s)):.0f}" for s in steps]
    said = f"The ticket's early stop is at step {means[0]} on average, that of {_whom(other)} at {means[1]}"
    return f"{said} ({'; '.join(bounds)})" if bounds else said


def _counted(names: Sequence[str], found: Sequence[np.ndarray]) -> str:
    """In how many seeds each is found; those that are in none are left out."""
    return listed(
        [
            f"{name} in {plural(int(np.sum(of)), 'seed')}"
            for name, of in zip(names, found, strict=True)
            if np.any(of)
        ]
    )


# --- the claim ---


def whole_rule(terms: Terms) -> str:
    """The rule of the claim as a whole."""
    return (
        "Everything is asked at one density, fixed beforehand. The claim holds if the ticket is as accurate as the dense network "
        "and as soon, and if for every control it is not less accurate, and more accurate or sooner. It fails if any of these "
        "fails. Otherwise it is undecided; and always if neither the ticket nor the dense network is better than guessing, if "
        "no check showed that pruned weights were exactly zero, or if there is no control. An early stop at the last step, "
        f"{terms.longest}, is a lower bound: a question about time cannot hold on one of the ticket's, nor fail on one of the "
        "other's. One at the first look is an upper bound, the other way round. Whether the ticket is as soon is undecided if "
        "one of the dense network's is at step 0, before training. That the ticket is as soon does not hold if "
        f"looks, every {terms.shortest} steps, are further apart than {100 * terms.closest:.3g} % of the dense network's steps "
        "to its early stop. That it is as accurate does not hold if the dense network of some seed was still learning: its "
        "validation loss is lowest at step 0; or it is lowest in the last fifth of training, and either the second half lowered "
        "the loss by a tenth, or the validation score is highest in the last fifth. Nor does it hold if the dense network, at "
        "the end, scores less on training examples than the ticket by more than the margin; or if the ticket is not shown to "
        "gain at least half of what the dense network gains over guessing."
        + (f" Networks start at {terms.start}, so this is not about a random one." if terms.start else "")
        + (_late_rule(terms.rewind_step) if terms.rewind_step else "")
    )


def _late_rule(step: int) -> str:
    """What late rewinding changes."""
    return (
        f" Weights are those of step {step} of dense training, so this is not about the random network. Controls with weights of "
        f"their own train their first {step} steps under their masks. Steps count from the start of dense training. The claim is "
        f"undecided if the dense network's early stop is not after step {step}, on average."
    )


def _says(terms: Terms, tables: Tables) -> dict[Outcome, str]:
    kept, step = weights_kept(_mean(tables, TICKET, "density")), terms.rewind_step
    network = f"The network that starts at {terms.start}" if terms.start else "The random network"
    if step:
        network = f"The network, trained densely for {plural(step, 'step')},"
    rewound = f", rewound to step {step}," if step else ""
    return {
        Outcome.HOLDS: f"{network} contains a subnetwork with {kept} that trains as well as the whole in similar time. "
        f"It is more accurate or sooner than {listed([TITLES[c] for c in terms.controls])}.",
        Outcome.FAILS: f"With {kept}{rewound} no winning ticket was found.",
        Outcome.UNDECIDED: "These runs do not decide whether there is a winning ticket with "
        f"{kept}{rewound.removesuffix(',')}.",
    }


def _concerned(found: Answer) -> str:
    """Which comparisons the conclusion comes from: a control is named once, however many questions it has."""
    concerned = [part.formula.title for part in found.parts[0].parts if part.outcome is found.outcome]
    if found.outcome is Outcome.FAILS:
        return f"What pruning left is not {listed(concerned, 'nor')}."
    return f"It is open whether it is {listed(concerned)}."
