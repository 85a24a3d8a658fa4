"""Planted tables of `random-filters`: the test scores of random filters, learned filters and pixels, and the gates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ticketlab.claims.planted import ALIKE, FREQUENT, NOTHING, Skill, cases_of, compared, examples
from ticketlab.claims.random_filters.formula import HALF, LEARNED, PIXELS, RANDOM, SCORE, formula
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Asked, Case, Kind, Sample, disagreement
from ticketlab.laws.formulae import Question, Tables

MARGIN = 0.02


@dataclass(frozen=True)
class World:
    """Scores, and which gates are passed.

    Arguments:
        short: by how much random filters score less than learned ones.
        above: by how much they score more than the pixels.
        best: the score of the best of all; None: the sample's accuracy.
    """

    short: float = 0.0
    above: float = 0.05
    best: float | None = None
    skill: Skill = Skill()
    settled: bool = True
    inside: bool = True


def accuracies(world: World, sample: Sample) -> dict[str, float]:
    random = (sample.accuracy if world.best is None else world.best) - max(world.short, -world.above, 0.0)
    return {RANDOM: random, LEARNED: random + world.short, PIXELS: random - world.above}


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    choices = [
        {"arm": arm, "inside": world.inside, "settled": world.settled or arm != LEARNED}
        for arm in (RANDOM, LEARNED, PIXELS)
    ]
    return {
        "examples": examples(sample, accuracies(world, sample), rng, world.skill),
        "choices": Table.from_rows("choices", choices),
    }


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    if not world.skill.task:
        return None
    of = accuracies(world, sample)
    if question.key == HALF:
        return Asked(of[RANDOM] - (of[LEARNED] + of[PIXELS]) / 2, sample.examples * _apart(sample, of))
    return compared(sample, of[RANDOM], of[LEARNED if question.key == SCORE else PIXELS])


def _apart(sample: Sample, of: dict[str, float]) -> float:
    """How many examples differ, each counted by the square of what it contributes, a half or a whole, as a share of all:

    d² = ½·(random − learned)² + ½·(random − pixels)² − ¼·(learned − pixels)²,   d = random − ½·(learned + pixels)
    """
    learned, pixels = (disagreement(sample, of[RANDOM], of[other]) for other in (LEARNED, PIXELS))
    return (learned + pixels) / 2 - disagreement(sample, of[LEARNED], of[PIXELS]) / 4


def cases() -> tuple[Case, ...]:
    m = MARGIN
    worlds = [
        (Kind.INSIDE, "half a margin each", World(m / 2, 3 * m / 2)),
        (Kind.BOUNDARY, "a margin below learned filters", World(short=m)),
        (Kind.BOUNDARY, "as good as the pixels, and better than learned filters", World(-m, 0.0)),
        (Kind.BOUNDARY, "half of what learned filters gain", World(m / 2, m / 2)),
        (Kind.TOGETHER, "a margin below learned filters, with half of their gain", World(m, m)),
        (Kind.TOGETHER, "random filters, learned filters and pixels alike", World(0.0, 0.0)),
        (Kind.OUTSIDE, "one and a half margins below learned filters", World(short=1.5 * m)),
        (Kind.OUTSIDE, "half a margin below the pixels", World(above=-m / 2)),
        (Kind.OUTSIDE, "a fifth of what learned filters gain", World(0.8 * m, 0.2 * m)),
        (Kind.NOTHING, "permuted labels", World(skill=NOTHING)),
        (Kind.NOTHING, "all guess", World(skill=ALIKE)),
        (Kind.VACUOUS, "filters hardly better than guessing, pixels not at all", World(best=FREQUENT + 0.05)),
        (Kind.GATE, "filters not trained to the end", World(settled=False)),
        (Kind.GATE, "a setting at the edge", World(inside=False)),
    ]
    return cases_of("random-filters", formula(m), planted, truth, worlds)
