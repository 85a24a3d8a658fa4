"""Planted tables of `same-ticket`: test scores of the ticket, the rest and chance masks, and the growth of shares by seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ticketlab.claims.headroom import LEAST
from ticketlab.claims.planted import (
    ALIKE,
    FREQUENT,
    NOTHING,
    Skill,
    cases_of,
    compared,
    examples,
    made,
    of_headroom,
)
from ticketlab.claims.same_ticket.formula import COST, GROWTH, SLACK, formula, side_questions
from ticketlab.claims.same_ticket.tables import ALONE, END, PERMUTED, REST, START, TICKET, TRAINED, TWIN
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Question, Tables

OTHER = "snip"  # another mask, of a side question
NOISE = 0.02  # of a seed's growth, its standard deviation
MOTION = 0.25  # of training
LEAST_SCORE = LEAST * (1 - FREQUENT)  # what the control must lose, as a difference in score


@dataclass(frozen=True)
class World:
    """What is true, as differences in test score; accuracies count from that of the trained network.

    Arguments:
        change: ticket after training minus at the start.
        task: ticket minus the same after training on permuted labels.
        growth, growth_permuted: g, on true and on permuted labels.
        other, other_permuted: the same of another mask.
        rest: the rest minus chance rests.
        rest_permuted: the same after training on permuted labels.
        left: what these chance rests score above guessing.
        cost: ticket minus the whole network.
        places: ticket minus chance masks.
        alone, twin, motion_permuted: cosines of the ticket's motion with that in the trained network.
        skill: what the networks have learnt.
        fitted, learnt: whether the network fits its labels, and whether the control has learnt its own.
        far: how far the control has moved, as a multiple of training's motion.
        lost: whether training loses all: what it leads to guesses, and only the untrained ticket does not.
    """

    change: float = 0.0
    task: float = 0.25
    growth: float = 0.2
    growth_permuted: float = 0.0
    other: float = 0.1
    other_permuted: float = 0.0
    rest: float = -0.15
    rest_permuted: float = 0.0
    left: float = 0.3
    cost: float = -0.02
    places: float = 0.2
    alone: float = 0.75
    twin: float = 0.85
    motion_permuted: float = 0.25
    skill: Skill = Skill()
    fitted: bool = True
    learnt: bool = True
    far: float = 1.0
    lost: bool = False


def accuracies(world: World, accuracy: float) -> dict[str, float]:
    """Of every column."""
    ticket, chance_rest = accuracy + world.cost, 0.6 * accuracy
    found = {
        TRAINED: accuracy,
        "start": ticket - world.change,
        TICKET: ticket,
        "chance": ticket - world.places,
        REST: chance_rest + world.rest,
        "chance_rest": chance_rest,
        "ticket_permuted": ticket - world.task,
        "rest_permuted": FREQUENT + world.left + world.rest_permuted,
        "chance_rest_permuted": FREQUENT + world.left,
    }
    return (
        {name: FREQUENT if name != "start" else score for name, score in found.items()}
        if world.lost
        else found
    )


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    ticket = _share_rows(TICKET, (world.growth, world.growth_permuted), sample.seeds, rng)
    scores = examples(sample, accuracies(world, sample.accuracy), rng, world.skill)
    other = _share_rows(OTHER, (world.other, world.other_permuted), sample.seeds, rng)
    return {
        "examples": scores,
        "shares": Table.from_rows("shares", [*ticket, *other]),
        "networks": _networks(world, sample.seeds),
        "weights": _weights(world, sample.seeds, rng),
    }


def _share_rows(
    mask: str, growths: tuple[float, float], seeds: int, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """A mask's shares at the start and the end, on true and on permuted labels."""
    rows = []
    for labels, growth in zip(("true", "permuted"), growths, strict=True):
        ends = 0.5 * np.exp(growth + NOISE * rng.standard_normal(seeds))
        for step, at, shares in ((0, START, np.full(seeds, 0.5)), (100, END, ends)):
            about = {"mask": mask, "labels": labels, "kind": "norm", "step": step, "at": at}
            rows += [
                {"seed": seed, **about, "share": float(share), "stratified": 0.5}
                for seed, share in enumerate(shares)
            ]
    return rows


def _networks(world: World, seeds: int) -> Table:
    """Of each seed the trained network and the control."""
    columns = {
        "seed": np.repeat(np.arange(seeds), 2),
        "network": np.tile([TRAINED, PERMUTED], seeds),
        "fitted": np.tile([world.fitted, True], seeds),
        "learnt": np.tile([True, world.learnt], seeds),
        "motion": np.tile([MOTION, world.far * MOTION], seeds),
    }
    return made("networks", columns)


def _weights(world: World, seeds: int, rng: np.random.Generator) -> Table:
    """Cosines of the ticket's motion in other networks. A ticket that does not move has exactly 0."""
    planted = {ALONE: world.alone, TWIN: world.twin, PERMUTED: world.motion_permuted}
    columns = {
        "seed": np.tile(np.arange(seeds), len(planted)),
        "of": np.repeat([*planted], seeds),
        "cosine": np.repeat([*planted.values()], seeds),
    }
    noise = NOISE * rng.standard_normal(len(columns["cosine"]))
    columns["cosine"] = columns["cosine"] + np.where(columns["cosine"] == 0, 0.0, noise)
    return made("weights", columns)


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    at = accuracies(world, sample.accuracy)

    def pair(one: str, other: str) -> Callable[[], Asked]:
        return lambda: compared(sample, at[one], at[other])

    asked: dict[str, Callable[[], Asked]] = {
        "kept": pair(TICKET, "start"),
        "kept by the task": lambda: of_headroom(sample, at[TICKET], at["ticket_permuted"]),
        "grown": lambda: Asked(world.growth),
        "grown by the task": lambda: Asked(world.growth - world.growth_permuted),
        "grown also": lambda: Asked(world.other),
        "grown also by the task": lambda: Asked(world.other - world.other_permuted),
        "dampened": pair(REST, "chance_rest"),
        "dampened by the task": lambda: Asked(
            at[REST] - at["chance_rest"] - at["rest_permuted"] + at["chance_rest_permuted"]
        ),
        "cheap": pair(TICKET, TRAINED),
        "by its places": pair(TICKET, "chance"),
    }
    return asked[question.key]() if world.skill.task and question.key in asked else None


def cases() -> tuple[Case, ...]:
    half = World(
        change=-SLACK / 2,
        task=1.5 * LEAST_SCORE,
        growth=1.5 * GROWTH,
        growth_permuted=GROWTH / 2,
        rest=-1.5 * COST,
        cost=-COST / 2,
        places=1.5 * COST,
    )
    edge = World(
        change=-SLACK,
        task=LEAST_SCORE,
        growth=GROWTH,
        growth_permuted=GROWTH,
        rest=-COST,
        rest_permuted=-COST,
        cost=-COST,
        places=COST,
    )
    worlds = [
        (Kind.INSIDE, "all by half", half),
        (Kind.BOUNDARY, "the ticket loses what it may", World(change=-SLACK)),
        (Kind.BOUNDARY, "permuted labels just lose it", World(task=LEAST_SCORE)),
        (Kind.BOUNDARY, "its share grows by 5 %", World(growth=GROWTH)),
        (Kind.BOUNDARY, "permuted labels reinforce as much", World(growth_permuted=0.2)),
        (Kind.BOUNDARY, "the rest is just dampened", World(rest=-COST)),
        (Kind.BOUNDARY, "permuted labels dampen as much", World(rest_permuted=-0.15)),
        (Kind.BOUNDARY, "the rest is worth what it may be", World(cost=-COST)),
        (Kind.BOUNDARY, "chance masks lose just enough more", World(places=COST)),
        (Kind.TOGETHER, "all of these", edge),
        (Kind.OUTSIDE, "training destroys it by half too much", World(change=-1.5 * SLACK, cost=-0.04)),
        (Kind.OUTSIDE, "other labels keep it", World(task=LEAST_SCORE / 2)),
        (Kind.OUTSIDE, "half the growth", World(growth=GROWTH / 2)),
        (Kind.OUTSIDE, "permuted labels reinforce more", World(growth_permuted=0.25)),
        (Kind.OUTSIDE, "the rest is dampened by half", World(rest=-COST / 2)),
        (Kind.OUTSIDE, "the rest is needed", World(cost=-1.5 * COST)),
        (Kind.OUTSIDE, "chance masks lose half as much more", World(places=COST / 2)),
        (Kind.NOTHING, "permuted labels", World(skill=NOTHING)),
        (Kind.NOTHING, "all guess", World(skill=ALIKE)),
        (Kind.VACUOUS, "all networks guess once they are trained", World(lost=True)),
        (Kind.GATE, "the network does not fit", World(fitted=False)),
        (Kind.GATE, "the control moves half as far", World(far=0.5)),
        (Kind.GATE, "the control moves twice as far", World(far=2.1)),
        (Kind.GATE, "the control learns nothing of its labels", World(learnt=False)),
        (Kind.GATE, "the ticket is not good at the start", World(change=0.7)),
        (Kind.GATE, "the control has nothing that could be dampened", World(left=0.0)),
    ]  # fmt: skip
    return (*cases_of("same-ticket", formula(), planted, truth, worlds), *_of_sides())


def _of_sides() -> tuple[Case, ...]:
    """Side questions, in worlds where they are false or say nothing."""
    lost = World(other=-0.036, other_permuted=-0.083)
    worlds = {
        "reinforced also": [(Kind.OUTSIDE, "another mask loses share, and more on permuted labels", lost)],
        "same motion": [
            (Kind.OUTSIDE, "trained alone the ticket does not move", World(alone=0.0)),
            (
                Kind.OUTSIDE,
                "trained alone it does not move, and permuted labels turn it back",
                World(alone=0.0, motion_permuted=-0.9),
            ),
            (
                Kind.GATE,
                "twins move no more alike than on permuted labels",
                World(twin=0.33, motion_permuted=0.25),
            ),
        ],
    }
    return tuple(
        case
        for asked in side_questions((OTHER,))
        if asked.part.key in worlds
        for case in cases_of("same-ticket", asked, planted, truth, worlds[asked.part.key])
    )
