"""Planted tables of `winning-ticket`: scores of all arms, early stops with heavy tails that end with training, and the checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from ticketlab.claims.planted import ALIKE, FREQUENT, NOTHING, SURE, Skill, cases_of, compared, examples, made
from ticketlab.claims.winning_ticket.formula import DENSE, SOONER, TICKET, TITLES, Terms, formula
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Question, Tables

EVERY = 20  # steps between two looks
TERMS = Terms(margin=0.01, slower=1.25, shortest=EVERY, longest=1000, controls=tuple(TITLES))
M, TAILS = TERMS.margin, 3  # degrees of freedom of the times' logarithms
LOOKED_AT = (Sample(2, 1000, 0.9, 0.5), Sample(3, 1000, 0.9, 0.5), Sample(10, 1000, 0.9, 0.5))
"""Few seeds may well be rounded alike; many may all be rounded in the same direction."""


@dataclass(frozen=True)
class World:
    """What the ticket gains over the dense network and over its controls.

    Arguments:
        gain: in test score.
        sooner: the ratio of steps to the early stop, of the other to the ticket.
        steps: of the ticket.
        skill: what is learnt.
        left: pruned weights that are not zero.
        every: steps between two looks.
        learning: whether the dense network's validation loss still falls by much when training ends.
        unlearnt: whether it is never below that before training, so that the dense network stops at step 0.
        guess: the share of the most frequent class.
        fitted: the training score of the dense network in the end; that of all others is 1.
    """

    gain: Mapping[str, float] = field(default_factory=lambda: _over(0.03, 0.05))
    sooner: Mapping[str, float] = field(default_factory=lambda: _over(1.5, 1.6))
    steps: float = 300.0
    skill: Skill = Skill()
    left: int = 0
    every: int = EVERY
    learning: bool = False
    unlearnt: bool = False
    guess: float = FREQUENT
    fitted: float = 1.0


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
        steps.append(np.clip(world.every * np.round(true / world.every), world.every, TERMS.longest))
        if world.unlearnt and arm == DENSE:
            steps[-1] = np.zeros(sample.seeds)
    arms = np.repeat(list(accuracies), sample.seeds)
    other = arms != DENSE
    levels = {
        "arm": arms,
        "seed": np.tile(np.arange(sample.seeds), len(accuracies)),
        "level": other.astype(int),
        "decisive": other,
        "early_stop_step": np.concatenate(steps),
        "final_train_score": np.where(other, 1.0, world.fitted),
    }
    checks = [
        {"level": level, "arms": ", ".join(arms), "parameters_left": world.left, "best": 0, "moments": 0}
        for level, arms in ((0, [DENSE]), (1, [a for a in accuracies if a != DENSE]))
    ]
    return {
        "examples": examples(sample, accuracies, rng, world.skill, world.guess),
        "levels": made("levels", levels),
        "curves": _curves(world, sample),
        "checks": Table.from_rows("checks", checks),
    }


def _curves(world: World, sample: Sample) -> Table:
    """The dense networks' validation curves."""
    looks = TERMS.longest // world.every + 1
    loss = np.geomspace(2.0, 1e-4, looks) + (0.0 if world.learning else 0.3)
    if world.unlearnt:
        loss = np.append(2.3, np.full(looks - 1, 3.0))
    return made(
        "curves",
        {
            "arm": np.full(looks * sample.seeds, DENSE),
            "seed": np.repeat(np.arange(sample.seeds), looks),
            "validation_loss": np.tile(loss, sample.seeds),
            "validation_score": np.full(looks * sample.seeds, sample.accuracy),
        },
    )


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
        (Kind.VACUOUS, "all guess", World(sooner=_over(0.5, 1.6), skill=ALIKE)),
        (Kind.GATE, "pruned weights took part", World(left=1)),
        (Kind.OUTSIDE, "ten times later, both before the first look", World(sooner=_over(0.1, 60), steps=8)),
        (Kind.GATE, "looks too far apart", World(sooner=_over(1.5, 1.6), steps=67)),
        (
            Kind.GATE,
            "the dense network is never better than before training",
            World(_over(SURE.accuracy - FREQUENT, 0.05), unlearnt=True),
        ),
        (
            Kind.GATE,
            "the dense network is still learning",
            World(_over(0.01, 0.05), _over(5.0, 1.6), steps=400, learning=True),
        ),
        (Kind.GATE, "the dense network fits less than its ticket", World(_over(0.25, 0.05), fitted=0.75)),
    ]
    return (
        *cases_of("winning-ticket", formula(TERMS), planted, truth, worlds),
        *(_looked_at(every) for every in (25, 100, 200)),
        _rewound(),
        _guessing(),
    )


def _looked_at(every: int) -> Case:
    """Later than dense by a quarter, at 200 and 250 steps; looks at an eighth of the dense time, or far apart. Times decide."""
    world = World(_over(0.1, 0.1), _over(1 / TERMS.slower, 1.6), steps=250, every=every)
    case = _case(Kind.BOUNDARY, f"later by a quarter, a look every {every} steps", world)
    return replace(case, formula=formula(replace(TERMS, shortest=every)), samples=LOOKED_AT)


def _rewound() -> Case:
    """A ticket rewound to a step after the dense network's early stop, which it cannot be as soon as."""
    world = World(sooner=_over(300 / 650, 1.6), steps=650)
    case = _case(Kind.GATE, "rewound to after the dense network's early stop", world)
    return replace(case, formula=formula(replace(TERMS, rewind_step=600)))


def _guessing() -> Case:
    """A ticket that gives the most frequent class, with a margin that is larger than what the dense network gains."""
    world = World(_over(-0.14, 0.2), guess=0.85)
    case = _case(Kind.GATE, "a ticket that guesses is within a wide margin", world)
    return replace(case, formula=formula(replace(TERMS, margin=0.2)))


def _case(kind: Kind, name: str, world: World) -> Case:
    return Case(
        "winning-ticket", name, kind, formula(TERMS), partial(planted, world), partial(truth, world), (SURE,)
    )
