"""Planted tables of `symmetry-breaking`: counts by seed, and test scores of the constant and the random start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import cycle, islice

import numpy as np

from ticketlab.claims.planted import ALIKE, FREQUENT, NOTHING, Skill, cases_of, examples, made, of_headroom
from ticketlab.claims.symmetry_breaking.formula import CONSTANT, RANDOM, formula
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Question, Tables

NOISE, ROOM = 0.05, 1 - FREQUENT
LIMIT = 1.5  # of counts
Fitted = tuple[tuple[float, float], ...]
"""Training scores of the last quarter of the steps, and of the one before, in turn for the seeds."""
FITTED: dict[str, Fitted] = {CONSTANT: ((0.3, 0.3),), RANDOM: ((1.0, 1.0),)}
FLAT = ((0.25, 0.25),) * 4
CANCELLING = ((0.6, 0.2), (0.1, 0.4), (0.1, 0.25), (0.3, 0.3), (0.3, 0.3))


@dataclass(frozen=True)
class World:
    """Geometric means of counts, and what the random start gains.

    Arguments:
        rank, distinct: of gradients, and of units, which are a side question.
        gain: of the random start over the constant one, as a share of the headroom.
        equal: whether rounding keeps units equal.
        fitted: training scores that differ from the usual ones.
        edge: the start whose step size lies at the edge of what was tried.
    """

    rank: float = 1.0
    distinct: float = 1.0
    gain: float = 0.3
    equal: bool = True
    fitted: Mapping[str, Fitted] = field(default_factory=dict)
    edge: str = ""
    skill: Skill = Skill()


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    seeds = np.arange(sample.seeds)
    layers = {"start": np.full(sample.seeds, CONSTANT), "seed": seeds, "units": np.full(sample.seeds, 48)}
    for column, mean in (("rank", world.rank), ("distinct", world.distinct)):
        wobble = NOISE * rng.standard_normal(sample.seeds) if mean > 1 else 0.0
        layers[column] = np.exp(np.log(mean) + wobble * np.ones(sample.seeds))
    arms = [
        {
            "start": start,
            "seed": seed,
            "equal": world.equal,
            "inside": start != world.edge,
            "train_score": last,
            "before": before,
        }
        for start, fitted in {**FITTED, **world.fitted}.items()
        for seed, (last, before) in enumerate(islice(cycle(fitted), sample.seeds))
    ]
    scored = {RANDOM: sample.accuracy, CONSTANT: sample.accuracy - world.gain * ROOM}
    return {
        "layers": made("layers", layers),
        "arms": Table.from_rows("arms", arms),
        "examples": examples(sample, scored, rng, world.skill),
    }


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    if question.key == "gradients":
        return Asked(float(np.log(world.rank)))
    if not world.skill.task:
        return None
    return of_headroom(sample, sample.accuracy, sample.accuracy - world.gain * ROOM)


def cases() -> tuple[Case, ...]:
    worlds = [
        (Kind.INSIDE, "worse by half as much again", World(gain=0.15)),
        (Kind.BOUNDARY, "the constant start is a tenth worse", World(gain=0.1)),
        (Kind.BOUNDARY, "one and a half independent gradients", World(rank=LIMIT)),
        (Kind.TOGETHER, "both of these", World(rank=LIMIT, gain=0.1)),
        (Kind.OUTSIDE, "the constant start is as good", World(gain=0.0)),
        (Kind.OUTSIDE, "two independent gradients", World(rank=2.0)),
        (Kind.NOTHING, "permuted labels", World(gain=0.0, skill=NOTHING)),
        (Kind.VACUOUS, "both starts guess", World(gain=0.0, skill=ALIKE)),
        (Kind.GATE, "rounding tells units apart", World(rank=2.0, distinct=2.0, equal=False)),
        (Kind.GATE, "the constant start still learns", World(fitted={CONSTANT: ((0.5, 0.4),)})),
        (Kind.GATE, "of five seeds one still learns", World(fitted={CONSTANT: ((0.3, 0.21), *FLAT)})),
        (Kind.GATE, "changes of five seeds cancel", World(fitted={CONSTANT: CANCELLING})),
        (Kind.GATE, "the constant start is flat at guessing", World(fitted={CONSTANT: ((0.1, 0.1),)})),
        (Kind.GATE, "the constant start's step size at the edge", World(edge=CONSTANT)),
        (Kind.GATE, "the random start's step size at the edge", World(gain=0.0, edge=RANDOM)),
        (Kind.GATE, "the random start still learns", World(fitted={RANDOM: ((0.9, 0.8),)})),
        (Kind.GATE, "the random start has collapsed", World(gain=0.0, fitted={RANDOM: ((0.3, 0.95),)})),
    ]
    return cases_of("symmetry-breaking", formula(), planted, truth, worlds)
