"""Planted tables of `many-optima`: how often networks disagree, how high the barrier is, and distances by seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ticketlab.claims.linear_mode.planted_lines import planted_barrier
from ticketlab.claims.many_optima.formula import (
    COPY,
    FUNCTIONS,
    INDEPENDENT,
    LEAST,
    LIMIT,
    OTHER_TICKET,
    OWN,
    PERMUTED,
    TICKET,
    TICKETS,
    TWIN,
    UNTRAINED,
    formula,
    side_questions,
)
from ticketlab.claims.planted import ALIKE, FREQUENT, NOTHING, Skill, cases_of, examples, made
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Question, Tables

COPIES = 0.02  # how often copies disagree


@dataclass(frozen=True)
class World:
    """What is true of independent networks.

    Arguments:
        excess: of their disagreement over that of copies and a tenth of the error rate.
        bump: the error barrier between them, matched and with REPAIR.
        skill: what the networks have learnt.
        fitted: whether they fit their training data.
        train_score: the share of it that they fit.
        tickets_fitted: whether their tickets do.
        twin: the distance of a twin, where that of an independent network is 1.1.
        guess: the share of the most frequent class.
    """

    excess: float = 0.02
    bump: float = 0.06
    skill: Skill = Skill()
    fitted: bool = True
    train_score: float = 1.0
    tickets_fitted: bool = True
    twin: float = 0.3
    guess: float = FREQUENT


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    rows = examples(sample, {"trained": sample.accuracy}, rng, world.skill, world.guess)
    wrong = 1 - rows["trained"]
    accuracy = sample.accuracy if world.skill.task else float(np.mean(rows["trained"]))
    seed_effect = sample.spread / 30 * rng.standard_normal(sample.seeds)[rows["seed"].astype(int)]
    rate = np.clip(COPIES + LEAST * (1 - accuracy) + world.excess + seed_effect, 0, 1)
    columns = {column.name: column.values for column in rows.columns}
    columns |= {
        "wrong": wrong,
        f"differs_{INDEPENDENT}": (rng.random(len(rows)) < rate).astype(float),
        f"differs_{COPY}": (rng.random(len(rows)) < COPIES).astype(float),
    }
    for arm in (INDEPENDENT, TICKETS):
        low, high = planted_barrier(world.bump, sample, rows["id"], rng, points=11, memory=0.95)
        columns |= {f"barrier_split_{arm}": low, f"barrier_{arm}": high}
    return {
        "examples": made("examples", columns),
        "networks": _networks(world),
        "pairs": _pairs(world, sample, rng),
    }


def _networks(world: World) -> Table:
    columns = {
        "network": np.array(["one", "other", TICKET, OTHER_TICKET]),
        "counts": np.array([True, True, False, False]),
        "train_score": np.full(4, world.train_score),
        "fitted": np.array([world.fitted] * 2 + [world.tickets_fitted] * 2),
    }
    return made("networks", columns)


def _pairs(world: World, sample: Sample, rng: np.random.Generator) -> Table:
    """Distances as they were seen in networks: twins near, all others far."""
    usual = {INDEPENDENT: 1.1, TWIN: world.twin, OWN: 0.6, TICKETS: 1.2, UNTRAINED: 1.15, PERMUTED: 1.2}
    arms, seeds = list(usual), np.arange(sample.seeds)
    noise = 0.02 * rng.standard_normal((len(arms), sample.seeds))
    columns = {
        "arm": np.repeat(arms, sample.seeds),
        "seed": np.tile(seeds, len(arms)),
        "matched": (np.array(list(usual.values()))[:, None] + noise).ravel(),
        "barrier": np.full(noise.size, 0.3),
    }
    return made("pairs", columns)


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    """A barrier's interval is between two estimates on purpose, and is judged by verdicts."""
    if question.key != FUNCTIONS or not world.skill.task:
        return None
    rate = COPIES + LEAST * (1 - sample.accuracy) + world.excess
    return Asked(world.excess, sample.examples * (rate + COPIES))


def cases() -> tuple[Case, ...]:
    worlds = [
        (Kind.INSIDE, "other functions, and a barrier above its limit by half", World(0.02, 1.5 * LIMIT)),
        (Kind.BOUNDARY, "the functions just matter", World(excess=0.0)),
        (Kind.BOUNDARY, "the barrier at its limit", World(bump=LIMIT)),
        (Kind.TOGETHER, "both of these", World(0.0, LIMIT)),
        (Kind.OUTSIDE, "copies disagree more", World(excess=-0.01)),
        (Kind.OUTSIDE, "half the barrier", World(bump=LIMIT / 2)),
        (Kind.NOTHING, "permuted labels", World(skill=NOTHING)),
        (Kind.VACUOUS, "the networks guess", World(skill=ALIKE)),
        (Kind.GATE, "the networks do not fit", World(fitted=False)),
        (
            Kind.GATE,
            "half of what guessing leaves is fitted, which is 95 %",
            World(bump=LIMIT / 4, guess=0.9, train_score=0.95),
        ),
        (Kind.GATE, "hardly any barrier could be above the limit", World(bump=LIMIT / 4, guess=0.97)),
    ]
    return (*cases_of("many-optima", formula(), planted, truth, worlds), *_of_tickets())


def _of_tickets() -> tuple[Case, ...]:
    """The questions about tickets, of tickets that learnt nothing: no barrier is between them."""
    unfit = World(bump=0.0, tickets_fitted=False)
    closed = {
        TICKETS: {"the tickets do not fit": unfit},
        OWN: {
            "a ticket next to its own network does not fit": unfit,
            "twins end as far apart as independent networks": World(twin=1.03),
        },
    }
    return tuple(
        case
        for asked in side_questions()
        for name, world in closed.get(asked.part.key, {}).items()
        for case in cases_of("many-optima", asked, planted, truth, [(Kind.GATE, name, world)])
    )
