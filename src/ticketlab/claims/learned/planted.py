"""Planted tables of the claims about learned masks, `untrained-subnetwork` and `multi-prize`: the same questions, of one or two
tickets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ticketlab.claims.learned.halfway import HALFWAY, NOTED
from ticketlab.claims.multi_prize.formula import BOTH, WEIGHTS
from ticketlab.claims.multi_prize.formula import formula as prizes
from ticketlab.claims.planted import (
    ALIKE,
    FREQUENT,
    MANY,
    NOTHING,
    Skill,
    cases_of,
    compared,
    examples,
    made,
    of_headroom,
)
from ticketlab.claims.untrained_subnetwork.formula import formula as untrained
from ticketlab.evidence.tables import Table, concatenate
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Question, Tables

MARGIN = 0.02
FITTED = {
    "ticket": (1.0, 0.99),
    "dense": (1.0, 1.0),
    "permuted": (0.7, 0.4),
}  # training scores, at the end and half-way


@dataclass(frozen=True)
class World:
    """What the ticket gains, and what the search over permuted labels does.

    Arguments:
        ticket: over guessing, as a share of the headroom; None for the sample's accuracy.
        gain: over the dense network, in score.
        random: over a random mask, as a share of the headroom.
        labels: over the search on permuted labels, likewise.
        fitted: training scores that differ from the usual ones, at the end and half-way.
        guess: the share of the most frequent class.
    """

    ticket: float | None = None
    gain: float = 0.05
    random: float = 0.3
    labels: float | None = None
    skill: Skill = Skill()
    fitted: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    guess: float = FREQUENT


def accuracies(world: World, sample: Sample) -> dict[str, float]:
    guess, room = world.guess, 1 - world.guess
    ticket = (
        guess + world.ticket * room if world.ticket is not None else sample.accuracy + min(0.0, world.gain)
    )
    permuted = guess if world.labels is None else ticket - world.labels * room
    return {
        "ticket": ticket,
        "dense": ticket - world.gain,
        "random": ticket - world.random * room,
        "permuted": permuted,
    }


def planted(settings: Sequence[str], world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    """A ticket in each setting."""
    scored = {"examples": ("ticket", "dense", "random"), "permuted": ("permuted",)}
    of = accuracies(world, sample)
    rows = examples(
        sample, {f"{s} {arm}": a for s in settings for arm, a in of.items()}, rng, world.skill, world.guess
    )
    shared = {"size": np.ones(len(rows)), **{c: rows[c] for c in ("seed", "id", "guess")}}
    found: dict[str, list[Table]] = {"examples": [], "permuted": [], "arms": []}
    for setting in settings:
        for name, arms in scored.items():
            own = {"setting": np.full(len(rows), setting), **{arm: rows[f"{setting} {arm}"] for arm in arms}}
            found[name].append(made(name, {**shared, **own}))
        ends = [
            {"setting": setting, "size": 1.0, "arm": arm, "train_score": end, HALFWAY: half, NOTED: 0.5}
            for arm, (end, half) in {**FITTED, **world.fitted}.items()
        ]
        found["arms"].append(Table.from_rows("arms", ends))
    return {name: concatenate(name, parts) for name, parts in found.items()}


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    if not world.skill.task:
        return None
    of = accuracies(world, sample)
    if question.key == "score":
        return compared(sample, of["ticket"], of["dense"])
    one, other = {
        "guessing": ("ticket", None),
        "random": ("ticket", "random"),
        "labels": ("ticket", "permuted"),
    }[question.key]
    return of_headroom(sample, of[one], None if other is None else of[other], world.guess)


def cases() -> tuple[Case, ...]:
    m = MARGIN
    worlds = [
        (Kind.INSIDE, "half a margin each", World(0.35, -m / 2, 0.15, 0.3)),
        (Kind.BOUNDARY, "a margin less accurate than dense", World(gain=-m)),
        (Kind.BOUNDARY, "a tenth better than a random mask", World(random=0.1)),
        (Kind.BOUNDARY, "a tenth better than guessing", World(0.1, random=0.11, labels=0.11)),
        (Kind.BOUNDARY, "permuted labels gain a tenth", World(0.4, labels=0.3)),
        (Kind.TOGETHER, "the score, a random mask and permuted labels", World(0.4, -m, 0.1, 0.3)),
        (Kind.OUTSIDE, "one and a half margins below dense", World(gain=-1.5 * m)),
        (Kind.OUTSIDE, "a twentieth better than a random mask", World(random=0.05)),
        (Kind.NOTHING, "permuted labels", World(skill=NOTHING)),
        (Kind.VACUOUS, "all guess", World(skill=ALIKE)),
        (Kind.GATE, "the search has not converged", World(fitted={"ticket": (0.6, 0.5)})),
        (
            Kind.GATE,
            "training has not converged",
            World(fitted={"dense": (0.6, 0.5), "ticket": (0.6, 0.6)}),
        ),
        (Kind.GATE, "the search falls", World(fitted={"ticket": (0.5, 0.9)})),
        (Kind.GATE, "training falls", World(fitted={"dense": (0.5, 0.9), "ticket": (0.5, 0.5)})),
        (Kind.GATE, "training is stuck on a plateau", World(gain=0.4, fitted={"dense": (0.5, 0.5)})),
        (Kind.GATE, "permuted labels gain half of the headroom", World(labels=0.5)),
    ]
    frequent = [(Kind.GATE, "the margin is most of what is gained", World(0.4, -0.1, 0.4, 0.9, guess=0.8))]
    one, two = partial(planted, ("the network",)), partial(planted, (WEIGHTS, BOTH))
    return (
        *cases_of("untrained-subnetwork", untrained(m), one, truth, worlds),
        *cases_of("multi-prize", prizes(m), two, truth, worlds, many=MANY[::3], few=MANY[2:3]),
        *cases_of("untrained-subnetwork", untrained(10 * m), one, truth, frequent),
        *cases_of("multi-prize", prizes(10 * m), two, truth, frequent),
    )
