"""Planted tables of `winning-ticket`: scores of all arms, early stops with heavy tails that end with training, and the checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ticketlab.claims.planted import ALIKE, NOTHING, Skill, cases_of, compared, examples, made
from ticketlab.claims.winning_ticket.formula import DENSE, SOONER, TICKET, TITLES, Terms, formula
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Question, Tables

TERMS = Terms(margin=0.01, slower=1.25, shortest=20, longest=1000, controls=tuple(TITLES))
M, EVERY, TAILS = TERMS.margin, 20, 3  # steps between two looks; degrees of freedom of the times' logarithms


@dataclass(frozen=True)
class World:
    """What the ticket gains over the dense network and over its controls.

    Arguments:
        gain: in test score.
        sooner: the ratio of steps to the early stop, of the other to the ticket.
        steps: of the ticket.
        skill: what is learnt.
        left: pruned weights that are not zero.
    """

    gain: Mapping[str, float] = field(default_factory=lambda: _over(0.03, 0.05))
    sooner: Mapping[str, float] = field(default_factory=lambda: _over(1.5, 1.6))
    steps: float = 300.0
    skill: Skill = Skill()
    left: int = 0


def _over(dense: float, controls: float, **others: float) -> dict[str, float]:
    return {DENSE: dense, **dict.fromkeys(TERMS.controls, controls), **others}


def pair(world: World, sample: Sample, other: str) -> tuple[float, float]:
    ticket = sample.accuracy + min(0.0, *world.gain.values())
    return ticket, ticket - world.gain[other]


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    accuracies = {TICKET: pair(world, sample, DENSE)[0]}
    accuracies |= {other: pair(world, sample, other)[1] for other in world.gain}
    steps = []
    for arm in accuracies:
        noise = (0.05 + sample.spread) * rng.standard_t(TAILS, sample.seeds)
        true = world.steps * world.sooner.get(arm, 1.0) * np.exp(noise)
        steps.append(np.clip(EVERY * np.round(true / EVERY), TERMS.shortest, TERMS.longest))
    arms = np.repeat(list(accuracies), sample.seeds)
    other = arms != DENSE
    levels = {
        "arm": arms,
        "level": other.astype(int),
        "decisive": other,
        "early_stop_step": np.concatenate(steps),
    }
    checks = [
        {"level": level, "arms": ", ".join(arms), "parameters_left": world.left, "best": 0, "moments": 0}
        for level, arms in ((0, [DENSE]), (1, [a for a in accuracies if a != DENSE]))
    ]
    return {
        "examples": examples(sample, accuracies, rng, world.skill),
        "levels": made("levels", levels),
        "checks": Table.from_rows("checks", checks),
    }


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    other = question.facets["other"]
    if question.key in ("as-soon", "sooner"):
        return Asked(float(np.log(world.sooner[other])))
    return compared(sample, *pair(world, sample, other)) if world.skill.task else None


def cases() -> tuple[Case, ...]:
    late = 1 / TERMS.slower
    one = TERMS.controls[0]
    worlds = [
        (Kind.INSIDE, "half a margin of each", World(_over(-M / 2, -M / 2), _over(0.9, 1.3))),
        (Kind.BOUNDARY, "a margin less accurate than dense", World(_over(-M, 0.05))),
        (Kind.BOUNDARY, "later than dense by a quarter", World(sooner=_over(late, 1.6))),
        (Kind.BOUNDARY, "a margin less accurate than a control", World(_over(0.03, 0.05, **{one: -M}))),
        (
            Kind.BOUNDARY,
            "a control is equalled by accuracy and time",
            World(_over(0.03, 0.05, **{one: M / 2}), _over(1.5, 1.6, **{one: SOONER})),
        ),
        (Kind.BOUNDARY, "stops are not seen", World(sooner=_over(late, 1.6), steps=1500)),
        (Kind.TOGETHER, "a margin less accurate than all", World(_over(-M, -M), _over(late, 1.6))),
        (Kind.OUTSIDE, "one and a half margins below dense", World(_over(-1.5 * M, 0.05))),
        (Kind.OUTSIDE, "no better than its controls", World(_over(0.0, 0.0), _over(1.0, 1.0))),
        (Kind.NOTHING, "permuted labels", World(skill=NOTHING)),
        (Kind.VACUOUS, "all guess", World(skill=ALIKE)),
        (Kind.GATE, "pruned weights took part", World(left=1)),
    ]
    return cases_of("winning-ticket", formula(TERMS), planted, truth, worlds)
