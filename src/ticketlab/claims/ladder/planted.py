"""Planted tables of `ladder`: the test scores of the rungs that the claim names, and the gates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ticketlab.claims.ladder.formula import (
    ABOVE,
    LOGISTIC,
    PROBE,
    TANGENT,
    TRAINED,
    UNIT,
    control_of,
    formula,
)
from ticketlab.claims.planted import ALIKE, FREQUENT, NOTHING, Skill, cases_of, compared, examples
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Question, Tables

MARGIN = 0.02
CONTROL = control_of(TANGENT)


@dataclass(frozen=True)
class World:
    """Scores, and which gates are passed.

    Arguments:
        unit, probe, logistic, tangent: by how much they score less than the trained network.
        above: by how much the tangent space scores more than its control.
        guess: the share of the most frequent class.
    """

    unit: float = 0.3
    probe: float = 0.1
    logistic: float = 0.1
    tangent: float = 0.0
    above: float = 0.05
    skill: Skill = Skill()
    settled: bool = True
    inside: bool = True
    met: bool = True
    guess: float = FREQUENT


def accuracies(world: World, sample: Sample) -> dict[str, float]:
    """The best of all has the sample's accuracy."""
    trained = sample.accuracy - max(0.0, -world.tangent, -world.tangent - world.above)
    tangent = trained - world.tangent
    return {
        UNIT: trained - world.unit,
        PROBE: trained - world.probe,
        LOGISTIC: trained - world.logistic,
        TANGENT: tangent,
        CONTROL: tangent - world.above,
        TRAINED: trained,
    }


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    rungs = [
        {"rung": rung, "inside": world.inside, "settled": world.settled}
        for rung in (UNIT, PROBE, LOGISTIC, TANGENT, TRAINED)
    ]
    return {
        "examples": examples(sample, accuracies(world, sample), rng, world.skill, world.guess),
        "rungs": Table.from_rows("rungs", rungs),
        "certificates": Table.from_rows("certificates", [{"rung": TANGENT, "met": world.met}]),
    }


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    if not world.skill.task:
        return None
    of = accuracies(world, sample)
    rung = question.facets["rung"]
    return compared(sample, of[rung], of[CONTROL if question.key == ABOVE else TRAINED])


def cases() -> tuple[Case, ...]:
    m = MARGIN
    worlds = [
        (Kind.INSIDE, "half a margin each", World(1.5 * m, 1.5 * m, 1.5 * m, m / 2, m / 2)),
        (Kind.BOUNDARY, "the read-out a margin below training", World(probe=m)),
        (Kind.BOUNDARY, "the logistic read-out a margin below training", World(logistic=m)),
        (Kind.BOUNDARY, "one unit a margin below training", World(unit=m)),
        (Kind.BOUNDARY, "the tangent space a margin below training", World(tangent=m)),
        (Kind.BOUNDARY, "the tangent space as good as its control", World(above=0.0)),
        (Kind.TOGETHER, "all five", World(m, m, m, m, 0.0)),
        (Kind.OUTSIDE, "the read-out half a margin below training", World(probe=m / 2)),
        (Kind.OUTSIDE, "the logistic read-out half a margin below", World(logistic=m / 2)),
        (Kind.OUTSIDE, "the tangent space one and a half margins below", World(tangent=1.5 * m)),
        (Kind.OUTSIDE, "the control better by half a margin", World(above=-m / 2)),
        (Kind.NOTHING, "permuted labels", World(skill=NOTHING)),
        (Kind.VACUOUS, "all guess", World(skill=ALIKE)),
        (Kind.GATE, "training not at its end", World(settled=False)),
        (Kind.GATE, "a setting at the edge", World(inside=False)),
        (Kind.GATE, "a minimum not certified", World(met=False)),
    ]
    coarse = World(0.04, 0.04, 0.04, 0.0, 0.04, guess=0.95)
    return (
        *cases_of("ladder", formula(m), planted, truth, worlds),
        *cases_of(
            "ladder", formula(3 * m), planted, truth, [(Kind.GATE, "all but the tangent space guess", coarse)]
        ),
    )
