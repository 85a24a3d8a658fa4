"""Planted tables of `detector-neuron`: the reach of the best unit by seed, and channels that detect edges or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ticketlab.claims.detector_neuron.formula import (
    BEST,
    CHANCE,
    CLASS,
    PLANTED,
    RANDOM,
    SHAPES,
    THRESHOLDS,
    formula,
)
from ticketlab.claims.planted import ALIKE, NOTHING, Skill, cases_of, examples, made
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Question, Tables

NOISE = 0.05  # of a seed's reach, its standard deviation
SMALL = 0.01  # of the mean next to planted detectors of one class, which are many
CLASSES = 10


@dataclass(frozen=True)
class World:
    """What is true of random networks.

    Arguments:
        reach: the mean of the best unit, the same for every class.
        share: of channels that detect edges.
        ideal: the share of edges that ideal filters detect.
        next_to: the mean of the best unit next to a planted detector of the last class; of the others it is 1.04.
        skill: what the trained network has learnt.
    """

    reach: float = 0.7
    share: float = 0.1
    ideal: float = 1.0
    next_to: float = 1.04
    skill: Skill = Skill()


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    seeds = np.arange(sample.seeds)
    count = sample.seeds * sample.examples
    channels = {
        "source": np.full(count, RANDOM),
        "seed": np.repeat(seeds, sample.examples),
        "id": np.arange(count),
        SHAPES[0]: (rng.random(count) < world.share).astype(int),
    }
    return {
        "classes": made("classes", _classes(world, seeds, rng)),
        BEST: made(BEST, _reaches(world, seeds, rng)),
        "channels": made("channels", channels),
        THRESHOLDS: made(THRESHOLDS, _thresholds(world, seeds)),
        "examples": _learnt(sample, world.skill, rng),
    }


def _reaches(world: World, seeds: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """One for each seed: held-out, so that no choice among them has raised it."""
    reach = world.reach + NOISE * rng.standard_normal(len(seeds))
    return {
        "source": np.full(len(seeds), RANDOM),
        "seed": seeds,
        "auc": 0.5 + 0.45 * reach,
        "youden": 0.8 * reach,
        "reach": reach,
    }


def _classes(world: World, seeds: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    means = np.array([World.next_to] * (CLASSES - 1) + [world.next_to])
    next_to = means + SMALL * rng.standard_normal((len(seeds), CLASSES))
    columns = {"class": np.tile([str(c) for c in range(CLASSES)], len(seeds)), PLANTED: next_to.ravel()}
    return _reaches(world, np.repeat(seeds, CLASSES), rng) | columns


def _thresholds(world: World, seeds: np.ndarray) -> dict[str, np.ndarray]:
    columns = {"source": RANDOM, "layer": "conv-2", "family": SHAPES[0], "ideal": world.ideal}
    return {"seed": seeds} | {name: np.full(len(seeds), value) for name, value in columns.items()}


def _learnt(sample: Sample, skill: Skill, rng: np.random.Generator) -> Table:
    return examples(sample, {"trained": sample.accuracy}, rng, skill)


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    if question.key == CLASS:
        return Asked(world.reach)
    return Asked(world.share, sample.examples * world.share)


def cases() -> tuple[Case, ...]:
    worlds = [
        (Kind.INSIDE, "reach and share by half", World(0.5, 1.5 * CHANCE)),
        (Kind.BOUNDARY, "the best unit just is a detector", World(reach=1.0)),
        (Kind.BOUNDARY, "edges are detected as often as by chance", World(share=CHANCE)),
        (Kind.TOGETHER, "both of these", World(1.0, CHANCE)),
        (Kind.OUTSIDE, "the best unit has half as much again", World(reach=1.5)),
        (Kind.OUTSIDE, "edges are detected half as often as by chance", World(share=CHANCE / 2)),
        (Kind.NOTHING, "permuted labels", World(skill=NOTHING)),
        (Kind.VACUOUS, "the trained network guesses", World(skill=ALIKE)),
        (Kind.GATE, "not even ideal filters detect edges", World(ideal=0.0)),
        (Kind.GATE, "a detector of one class would be missed", World(next_to=0.95)),
    ]
    return cases_of("detector-neuron", formula(), planted, truth, worlds)
