"""Repeats planted cases, some with a rule from which something was taken away, and prints the rates as JSON.

A program of its own, because the tests check annotations at every call, which makes repetitions ten times as slow.
"""

import contextlib
import dataclasses
import json
import sys
import zlib
from unittest.mock import patch

import numpy as np

from ticketlab.claims.linear_mode import formula as mode
from ticketlab.claims.planted import all_cases
from ticketlab.claims.ticket_tail import planted as tail
from ticketlab.claims.winning_ticket import formula as winning
from ticketlab.laws import difference, formulae
from ticketlab.laws.calibration import RARE, Kind, Sample, difference_cases, repeated
from ticketlab.laws.formulae import Gated, Not, Question
from ticketlab.laws.rules import Levels
from ticketlab.laws.verdict import Outcome

REPETITIONS = 200
CASES = {f"{c.claim}: {c.name}": c for of in (difference_cases(()), *all_cases().values()) for c in of}
CLAIMS = sorted({c.claim for c in CASES.values()} - {"a difference of scores"})
LARGEST = Sample(10, 3000, 0.99, 0.0)
SHARED, SPREAD = Sample(10, 400, 0.5, 0.9), Sample(3, 1000, 0.9, 0.5, 0.15)

alone = difference._clustered


def not_by(number):
    """Groups of which there are so many are not taken together."""
    return lambda e, groups: alone(e, np.arange(len(e)) if np.max(groups) + 1 == number else groups)


MUTATIONS = {
    "": contextlib.nullcontext,
    "no floor": lambda: patch.object(difference, "PSEUDO", 0.0),
    "not clustered by example": lambda: patch.object(difference, "_clustered", not_by(SHARED.examples)),
    "not clustered by seed": lambda: patch.object(difference, "_clustered", not_by(SPREAD.seeds)),
    "levels not divided": lambda: patch.object(formulae, "Levels", lambda *given: Levels()),
    "stops taken for seen": lambda: patch.object(winning, "replace", lambda found, **changes: found),
    "looks taken for exact times": lambda: patch.object(winning, "_rounding", lambda *_: (0.0, 0.0)),
    "the maximum of a line": lambda: patch.object(mode, "Bracket", lambda low, high: high),
}
TAKEN_AWAY = {  # the case whose bar each mutation breaks, with one of the samples for which it is calibrated
    "no floor": ("winning-ticket: a margin less accurate than dense", Sample(10, 100, 0.9, **RARE)),
    "not clustered by example": ("untrained-subnetwork: a margin less accurate than dense", SHARED),
    "not clustered by seed": ("untrained-subnetwork: a margin less accurate than dense", SPREAD),
    "levels not divided": ("linear-regime: all but the control's", Sample(10, 0, spread=0.5)),
    "stops taken for seen": ("winning-ticket: stops are not seen", Sample(3, 100, 0.9, 0.9)),
    "looks taken for exact times": (
        "winning-ticket: later by a quarter, a look every 100 steps",
        Sample(2, 1000, 0.9, 0.5),
    ),
    "the maximum of a line": ("linear-mode: it works, with the barrier at its limit", SHARED),
}


def gates(formula):
    """The keys of all gates in a formula."""
    if isinstance(formula, Gated):
        return {gate.key for gate in formula.gates} | gates(formula.part)
    return set().union(*(gates(part) for part in getattr(formula, "parts", ())))


def without_gate(formula, key):
    if isinstance(formula, Gated):
        kept = tuple(gate for gate in formula.gates if gate.key != key)
        return dataclasses.replace(formula, gates=kept, part=without_gate(formula.part, key))
    if hasattr(formula, "parts"):
        return dataclasses.replace(formula, parts=tuple(without_gate(part, key) for part in formula.parts))
    return formula


def once(ask):
    """`ask`, which is not asked again about tables that it has seen; always at the same levels."""
    said = {}

    def asked(tables, *levels):
        if id(tables) not in said:
            said[id(tables)] = tables, ask(tables, *levels)  # kept, so that no others get their identity
        return said[id(tables)][1]

    return asked


def remembered(formula):
    """The formula, with every effect and every gate computed once for all that is asked of the same tables."""
    if isinstance(formula, Question):
        return dataclasses.replace(formula, effect=once(formula.effect))
    if isinstance(formula, Gated):
        gated = tuple(dataclasses.replace(gate, passed=once(gate.passed)) for gate in formula.gates)
        return dataclasses.replace(formula, gates=gated, part=remembered(formula.part))
    if isinstance(formula, Not):
        return dataclasses.replace(formula, part=remembered(formula.part))
    return dataclasses.replace(formula, parts=tuple(remembered(part) for part in formula.parts))


def stream_of(name):
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))


def without_each_gate(name, sample, repetitions):
    """What comes out of one sequence of planted tables without each of the gates."""
    case, stream = CASES[name], stream_of(name)
    formula = remembered(case.formula)
    planted = [case.plant(sample, stream) for _ in range(repetitions)]
    found = {}
    for gate in sorted(gates(formula)):
        again = iter(planted)
        open_to_all = dataclasses.replace(
            case, formula=without_gate(formula, gate), decide=None, plant=lambda *_, again=again: next(again)
        )
        found[gate] = counted(open_to_all, repeated(open_to_all, sample, repetitions, stream))
    return found


def rates(name, sample, mutation="", repetitions=REPETITIONS):
    """What comes out of a case, after a mutation."""
    case = CASES[name]
    with MUTATIONS[mutation]():
        return counted(case, repeated(case, sample, repetitions, stream_of(name)))


def counted(case, found):
    return {
        "wrong": max(found.outcomes[outcome] for outcome in case.kind.wrong),
        "coverage": min(found.coverage.values(), default=1.0),
        **{str(outcome): found.outcomes[outcome] for outcome in Outcome},
    }


def of_kind(*kinds):
    return [name for name, case in CASES.items() if case.kind in kinds and case.claim in CLAIMS]


def first(claim, kind):
    return next(name for name in of_kind(kind) if CASES[name].claim == claim)


def on_all_boundaries(claim):
    return rates(first(claim, Kind.TOGETHER), Sample(5, 100, 0.9, 0.5, 0.15))


KEPT_BACK = [  # by a gate alone; of tickets that guess linear-mode says nothing anyway
    name for name in of_kind(Kind.VACUOUS, Kind.GATE) if name != "linear-mode: all guess"
]


def far_from_boundaries():
    """Of cases that are decided the same way nearly always, so that few repetitions do, and a smaller pool of tails."""
    few, unmeasured = 3, of_kind(Kind.NOTHING, Kind.VACUOUS, Kind.GATE)
    planted = {name: CASES[name].samples[0] for name in unmeasured}
    with patch.object(tail, "POOL", 2 * max(sample.seeds for sample in planted.values())):
        return {
            "unmeasured": {name: rates(name, sample, "", few) for name, sample in planted.items()},
            "without a gate": {name: without_each_gate(name, planted[name], 10) for name in KEPT_BACK},
            "outside": {name: rates(name, LARGEST, "", few) for name in of_kind(Kind.OUTSIDE)},
        }


def all_rates():
    return {
        **far_from_boundaries(),
        "boundaries": {claim: on_all_boundaries(claim) for claim in CLAIMS},
        "laws": {
            f"{seeds} seeds, {of}": rates(
                "a difference of scores: equal, a margin below", Sample(seeds, **sample)
            )
            for seeds in (2, 3, 5, 10)
            for of, sample in {
                "differing": {"examples": 400, "spread": 0.15},
                "rare": {"examples": 100, **RARE},
            }.items()
        },
        "equal": rates("a difference of scores: no difference", Sample(3, 10_000, 0.9, 0.5), "", 50),
        "intact": {mutation: rates(*of) for mutation, of in TAKEN_AWAY.items()},
        "mutated": {mutation: rates(*of, mutation) for mutation, of in TAKEN_AWAY.items()},
    }


if __name__ == "__main__":
    json.dump(all_rates(), sys.stdout)
