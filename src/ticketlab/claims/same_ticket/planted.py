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
from ticketlab.claims.same_ticket.tables import (
    ALONE,
    END,
    PERMUTED,
    REST,
    START,
    TEACHER,
    TICKET,
    TRAINED,
    TWIN,
)
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
        known: what chance rests score above guessing.
        rest: the rest minus chance rests.
        known_teacher, rest_teacher: the same after training on a teacher's labels.
        earlier: the share that the rest has lost in training when chance rests know as much as there; None: as in the end.
        cost: ticket minus the whole network.
        places: ticket minus chance masks.
        alone, twin, motion_permuted: cosines of the ticket's motion with that in the trained network.
        skill: what the networks have learnt.
        fitted: whether the network fits its labels.
        learnt, learnt_teacher: whether the controls have learnt their own.
        far, far_teacher: how far the controls have moved, as multiples of training's motion.
        lost: whether training loses all: what it leads to guesses, and only the untrained ticket does not.
    """

    change: float = 0.0
    task: float = 0.25
    growth: float = 0.2
    growth_permuted: float = 0.0
    other: float = 0.1
    other_permuted: float = 0.0
    known: float = 0.4
    rest: float = -0.2
    known_teacher: float = 0.3
    rest_teacher: float = -0.03
    earlier: float | None = None
    cost: float = -0.02
    places: float = 0.2
    alone: float = 0.75
    twin: float = 0.85
    motion_permuted: float = 0.25
    skill: Skill = Skill()
    fitted: bool = True
    learnt: bool = True
    learnt_teacher: bool = True
    far: float = 1.0
    far_teacher: float = 1.0
    lost: bool = False


def accuracies(world: World, accuracy: float) -> dict[str, float]:
    """Of every column."""
    ticket, chance_rest = accuracy + world.cost, FREQUENT + world.known
    found = {
        TRAINED: accuracy,
        "start": ticket - world.change,
        TICKET: ticket,
        "chance": ticket - world.places,
        REST: chance_rest + world.rest,
        "chance_rest": chance_rest,
        "ticket_permuted": ticket - world.task,
        "rest_teacher": FREQUENT + world.known_teacher + world.rest_teacher,
        "chance_rest_teacher": FREQUENT + world.known_teacher,
    }
    return (
        {name: FREQUENT if name != "start" else score for name, score in found.items()}
        if world.lost
        else found
    )


def _earlier(world: World) -> dict[str, float]:
    """Of the rest and chance rests earlier in training."""
    known = 0.0 if world.lost else min(world.known, world.known_teacher)
    share = -world.rest / world.known if world.earlier is None else world.earlier
    return {"rest_earlier": FREQUENT + (1 - share) * known, "chance_rest_earlier": FREQUENT + known}


def lost(world: World) -> tuple[float, float]:
    """The shares of what chance rests know that the rest has lost, in the task and on a teacher's labels."""
    return min(-world.rest / world.known, 1.0), min(-world.rest_teacher / world.known_teacher, 1.0)


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    ticket = _share_rows(TICKET, (world.growth, world.growth_permuted), sample.seeds, rng)
    scores = examples(sample, accuracies(world, sample.accuracy), rng, world.skill)
    other = _share_rows(OTHER, (world.other, world.other_permuted), sample.seeds, rng)
    weights = _weights(world, sample.seeds, rng)
    guess = (rng.random(len(scores)) < FREQUENT).astype(float)  # a teacher's classes are those of its seed
    earlier = examples(sample, _earlier(world), rng, world.skill)
    earlier_columns = {name: earlier[name] for name in _earlier(world)}
    return {
        "examples": scores.adding(guess_teacher=guess, **earlier_columns),
        "shares": Table.from_rows("shares", [*ticket, *other]),
        "networks": _networks(world, sample.seeds),
        "weights": weights,
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
    """Of each seed the trained network and the controls."""
    columns = {
        "seed": np.repeat(np.arange(seeds), 3),
        "network": np.tile([TRAINED, PERMUTED, TEACHER], seeds),
        "fitted": np.tile([world.fitted, True, True], seeds),
        "train_score": np.ones(3 * seeds),
        "learnt": np.tile([True, world.learnt, world.learnt_teacher], seeds),
        "motion": MOTION * np.tile([1.0, world.far, world.far_teacher], seeds),
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

    asked: dict[str, Callable[[], Asked | None]] = {
        "kept": pair(TICKET, "start"),
        "kept by the task": lambda: of_headroom(sample, at[TICKET], at["ticket_permuted"]),
        "grown": lambda: Asked(world.growth),
        "grown by the task": lambda: Asked(world.growth - world.growth_permuted),
        "grown also": lambda: Asked(world.other),
        "grown also by the task": lambda: Asked(world.other - world.other_permuted),
        "dampened": pair(REST, "chance_rest"),
        "dampened by the task": lambda: _more_lost(world, sample),
        "cheap": pair(TICKET, TRAINED),
        "by its places": pair(TICKET, "chance"),
    }
    return asked[question.key]() if world.skill.task and question.key in asked else None


def _more_lost(world: World, sample: Sample) -> Asked | None:
    """Chance rests that differ from the rest are discordant. At the limit of a share an interval has one side to miss, and is not
    too wide if it covers more. Where chance rests guess there is no share.
    """
    if world.lost:
        return None
    task, teacher = lost(world)
    at = accuracies(world, sample.accuracy)
    compares = compared(sample, at[REST], at["chance_rest"]).discordant
    return Asked(task - teacher, compares if max(task, teacher) < 1 else None)


def cases() -> tuple[Case, ...]:
    half = World(
        change=-SLACK / 2,
        task=1.5 * LEAST_SCORE,
        growth=1.5 * GROWTH,
        growth_permuted=GROWTH / 2,
        known=0.3,
        rest=-1.5 * COST,
        rest_teacher=-0.03,
        cost=-COST / 2,
        places=1.5 * COST,
    )
    edge = World(
        change=-SLACK,
        task=LEAST_SCORE,
        growth=GROWTH,
        growth_permuted=GROWTH,
        known=0.25,
        rest=-COST,
        rest_teacher=-0.03,
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
        (Kind.BOUNDARY, "a teacher's labels dampen nearly as much", World(rest_teacher=-0.12)),
        (Kind.BOUNDARY, "nearly as much where more is known", World(known_teacher=0.6, rest_teacher=-0.24)),
        (Kind.BOUNDARY, "nearly as much where little is known", World(known_teacher=0.1, rest_teacher=-0.04)),
        (Kind.BOUNDARY, "nearly all is lost on a teacher's labels too", World(rest=-0.4, rest_teacher=-0.27)),
        (Kind.BOUNDARY, "the same, and the rest is below guessing", World(rest=-0.45, rest_teacher=-0.27)),
        (Kind.BOUNDARY, "the rest is worth what it may be", World(cost=-COST)),
        (Kind.BOUNDARY, "chance masks lose just enough more", World(places=COST)),
        (Kind.TOGETHER, "all of these", edge),
        (Kind.OUTSIDE, "training destroys it by half too much", World(change=-1.5 * SLACK, cost=-0.04)),
        (Kind.OUTSIDE, "other labels keep it", World(task=LEAST_SCORE / 2)),
        (Kind.OUTSIDE, "half the growth", World(growth=GROWTH / 2)),
        (Kind.OUTSIDE, "permuted labels reinforce more", World(growth_permuted=0.25)),
        (Kind.OUTSIDE, "the rest is dampened by half", World(rest=-COST / 2)),
        (Kind.OUTSIDE, "a teacher's labels dampen nearly as much, by half", World(rest_teacher=-0.135)),
        (Kind.OUTSIDE, "a teacher's labels dampen more", World(rest_teacher=-0.21)),
        (Kind.OUTSIDE, "as large a share of less", World(known_teacher=0.1, rest_teacher=-0.05)),
        (Kind.OUTSIDE, "all is lost in both, and the rest is below guessing", World(rest=-0.48, rest_teacher=-0.3)),
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
        (Kind.GATE, "on a teacher's labels it moves half as far", World(far_teacher=0.5)),
        (Kind.GATE, "on a teacher's labels it moves twice as far", World(far_teacher=2.1)),
        (Kind.GATE, "of a teacher's labels it learns nothing", World(learnt_teacher=False)),
        (Kind.GATE, "chance rests know little of a teacher's labels", World(rest=-0.32, known_teacher=0.048, rest_teacher=0.02)),
        (Kind.GATE, "chance rests know nothing, so a rest of it is not dampened", World(known=0.02, rest=-0.015)),
        (Kind.GATE, "chance rests know little of the task", World(known=0.04, rest=-0.1)),
        (Kind.GATE, "the rest loses more only where more is known", World(earlier=0.1)),
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
