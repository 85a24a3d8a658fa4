"""Planted tables of `masking-is-training`: untrained scores under the masks, whose differences are shares of the headroom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ticketlab.claims.masking_is_training import formula
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
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Question, Tables


@dataclass(frozen=True)
class World:
    """Differences between masks, as shares of the headroom above guessing; but that of the multigraph, which is one of scores.

    Arguments:
        mask: the chosen mask, over guessing; None for the sample's accuracy.
        over: over random masks, and over the mask from permuted labels.
        shrunk: zeroing what shrank, over its twin, and over what shrank most with permuted labels.
        grown: zeroing what grew, over its twin.
        trained: the trained network, over guessing.
        multigraph: over the chosen mask.
        twin: the score of the choices that are compared with what grew.
        fitted: training scores on true labels, and on permuted ones.
        guess: the share of the most frequent class.
        shrank: the share of the removed weights that training made smaller.
    """

    mask: float | None = None
    over: tuple[float, float] = (0.3, 0.3)
    shrunk: tuple[float, float] = (0.2, 0.2)
    grown: float = -0.2
    trained: float = 0.9
    multigraph: float = 0.005
    twin: float = 0.5
    fitted: tuple[float, float] = (1.0, 0.99)
    guess: float = FREQUENT
    shrank: float = 0.7
    skill: Skill = Skill()


def accuracies(world: World, sample: Sample) -> Mapping[str, float]:
    room = 1 - world.guess
    mask = sample.accuracy if world.mask is None else world.guess + world.mask * room
    return {
        formula.MASK: mask,
        formula.RANDOM: mask - world.over[0] * room,
        formula.PERMUTED: mask - world.over[1] * room,
        formula.TRAINED: world.guess + world.trained * room,
        formula.MULTIGRAPH: min(mask + world.multigraph, 1.0),
        formula.SHRUNK: 0.5,
        formula.SHRUNK_TWIN: 0.5 - world.shrunk[0] * room,
        formula.SHRUNK_PERMUTED: 0.5 - world.shrunk[1] * room,
        formula.GROWN: world.twin + world.grown * room,
        formula.GROWN_TWIN: world.twin,
    }


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    fitted = dict(zip((formula.TRAINED, formula.PERMUTED), world.fitted, strict=True))
    return {
        "examples": examples(sample, accuracies(world, sample), rng, world.skill, world.guess),
        "learnt": examples(replace(sample, spread=0.0), fitted, rng, guess=world.guess),
        "masks": made(
            "masks",
            {
                "criterion": np.full(sample.seeds, formula.PREREGISTERED),
                "decisive": np.full(sample.seeds, True),
                "shrank": np.full(sample.seeds, world.shrank),
            },
        ),
    }


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    if not world.skill.task:
        return None
    of = accuracies(world, sample)
    one, twin = (
        {"shrunk": formula.SHRUNK, "grown": formula.GROWN}.get(question.key, formula.MASK),
        question.facets.get("against"),
    )
    if twin is not None:
        return of_headroom(sample, of[one], of[twin], world.guess)
    if question.key == "multigraph":
        return compared(sample, of[formula.MULTIGRAPH], of[formula.MASK])
    against = {"guessing": None, "random": formula.RANDOM, "labels": formula.PERMUTED}[question.key]
    return of_headroom(sample, of[formula.MASK], None if against is None else of[against], world.guess)


def cases() -> tuple[Case, ...]:
    worlds = [
        (
            Kind.INSIDE,
            "shares of 15 %",
            World(0.25, (0.15, 0.15), (0.15, 0.15), -0.15, multigraph=-formula.MARGIN / 2),
        ),
        (Kind.BOUNDARY, "a tenth better than random masks", World(over=(0.1, 0.3))),
        (Kind.BOUNDARY, "a tenth better than permuted labels", World(over=(0.3, 0.1))),
        (Kind.BOUNDARY, "a tenth better than guessing", World(0.1, (0.15, 0.15))),
        (Kind.BOUNDARY, "the same, one class frequent", World(0.1, (0.5, 0.5), guess=0.8)),
        (Kind.BOUNDARY, "zeroing what shrank is a tenth better than its twin", World(shrunk=(0.1, 0.3))),
        (Kind.BOUNDARY, "zeroing what grew is a tenth worse than its twin", World(grown=-0.1)),
        (Kind.BOUNDARY, "the multigraph is less accurate by the margin", World(multigraph=-formula.MARGIN)),
        (Kind.TOGETHER, "all of these", World(0.1, (0.1, 0.1), (0.1, 0.1), -0.1, multigraph=-formula.MARGIN)),
        (Kind.OUTSIDE, "shares of 5 %", World(over=(0.05, 0.05))),
        (Kind.OUTSIDE, "what is zeroed matters by shares of 5 %", World(shrunk=(0.05, 0.05), grown=-0.05)),
        (Kind.NOTHING, "permuted labels", World(skill=NOTHING)),
        (Kind.VACUOUS, "all guess", World(skill=ALIKE)),
        (Kind.GATE, "the trained network guesses", World(trained=0.0)),
        (Kind.GATE, "training has hardly begun", World(0.02, (0.01, 0.01), trained=0.17, fitted=(0.3, 0.99))),
        (Kind.GATE, "permuted labels are not fitted", World(fitted=(1.0, 0.8))),
        (Kind.GATE, "zeroing at random leaves nothing to lose", World(grown=-0.02, twin=0.12)),
        (
            Kind.GATE,
            "training shrank nearly all removed weights",
            World(shrunk=(0.0, 0.0), grown=0.0, twin=0.1, shrank=0.98),
        ),
        (
            Kind.GATE,
            "training shrank hardly any removed weight",
            World(shrunk=(0.0, 0.0), grown=0.0, shrank=0.02),
        ),
    ]
    return cases_of("masking-is-training", formula.formula(), planted, truth, worlds)
