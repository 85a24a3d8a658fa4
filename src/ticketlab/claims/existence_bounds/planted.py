"""Planted tables of `existence-bounds`: products by tolerance, weights that are missed, and scores of masked networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ticketlab.claims.existence_bounds.formula import (
    MISSES,
    PERMUTED,
    PICK,
    RANDOM,
    SLOPE,
    SUBSET,
    TARGET,
    formula,
)
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
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Question, Tables

TOLERANCE, MARGIN = 0.01, 0.01
TOLERANCES = np.array([0.1, 0.03, 0.01, 0.003, 0.001])
NOISE = 0.1  # of a seed's n_δ, its standard deviation
BITS = -np.log2(TOLERANCES)


@dataclass(frozen=True)
class World:
    """What is true of the products, of the masked networks' scores, and of what the targets have learnt.

    Arguments:
        missed: the share of weights that the allowed products miss.
        slope: products for each halving of ε.
        bend: ln of the last half's step over the first half's.
        exponent: of one product in 1/ε.
        score: the masked network's, minus its target's.
        permuted: the same on permuted labels, as a share of the headroom.
        random: the searched mask's score minus the random mask's, as a share of the headroom.
        skill: of the target.
        exceeds: whether an attack exceeds its certificate.
    """

    missed: float = MISSES / 5
    slope: float = 1.2
    bend: float = 0.0
    exponent: float = 1.0
    score: float = 0.0
    permuted: float = 0.0
    random: float = 0.5
    skill: Skill = Skill()
    exceeds: bool = False


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    count = sample.seeds * sample.examples
    weights = {
        "seed": np.repeat(np.arange(sample.seeds), sample.examples),
        "id": np.arange(count),
        "missed": (rng.random(count) < world.missed).astype(int),
    }
    certified = np.ones(sample.seeds, bool)
    certified[0] = not world.exceeds
    target, masked, random = _accuracies(world, sample)
    scored = {TARGET: target, SUBSET: masked, RANDOM: random}
    fitted = {TARGET: sample.accuracy, SUBSET: _fitted(world, sample)}
    return {
        "weights": made("weights", weights),
        "growth": _growth(world, sample, rng),
        "constructions": made("constructions", {"seed": np.arange(sample.seeds), "certified": certified}),
        "examples": examples(sample, scored, rng, world.skill),
        "learnt": examples(sample, fitted, rng, world.skill),
    }


def _growth(world: World, sample: Sample, rng: np.random.Generator) -> Table:
    """Of a seed all numbers of products move together; those of one product by their logarithm."""
    rows: dict[str, list[np.ndarray]] = {
        "search": [],
        "seed": [],
        "tolerance": [],
        "left": [],
        "products": [],
    }
    for seed in range(sample.seeds):
        for search in (SUBSET, PICK):
            if search == SUBSET:
                noise = NOISE * rng.standard_normal(2)
                of = _products(world.slope + noise[0] / 2, world.bend + noise[1])
            else:
                of = 3.0 * TOLERANCES ** -(world.exponent + NOISE / 2 * rng.standard_normal())
            values: dict[str, Any] = {
                "search": search,
                "seed": seed,
                "tolerance": TOLERANCES,
                "left": 0.1,
                "products": of,
            }
            for name, value in values.items():
                rows[name].append(np.broadcast_to(value, TOLERANCES.shape))
    return made("growth", {name: np.concatenate(parts) for name, parts in rows.items()})


def _products(slope: float, bend: float) -> np.ndarray:
    """n_δ with this slope by least squares and this bend: a line broken in the middle of log 1/ε."""
    middle = (BITS[0] + BITS[-1]) / 2
    broken = np.minimum(BITS, middle) + np.exp(bend) * np.maximum(BITS - middle, 0.0)
    return 4.0 + slope / np.polyfit(BITS, broken, 1)[0] * (broken - BITS[0])


def _accuracies(world: World, sample: Sample) -> tuple[float, float, float]:
    """Of the target, of the masked network, and of the random mask."""
    target = sample.accuracy
    masked = min(target + world.score, 1.0)
    return target, masked, masked - world.random * (1 - FREQUENT)


def _fitted(world: World, sample: Sample) -> float:
    return sample.accuracy + world.permuted * (1 - FREQUENT)


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    target, masked, random = _accuracies(world, sample)
    match question.key:
        case "missed":
            return Asked(world.missed, sample.examples * world.missed)
        case "slope":
            return Asked(world.slope)
        case "bend":
            return Asked(world.bend)
        case "score":
            return compared(sample, masked, target)
        case key if key == PICK:
            return Asked(world.exponent)
        case key if key == PERMUTED:
            return of_headroom(sample, _fitted(world, sample), sample.accuracy)
        case key if key == RANDOM:
            return of_headroom(sample, masked, random) if world.skill.task else Asked(0.0, 0.0)
    return None


def cases() -> tuple[Case, ...]:
    low, high = SLOPE
    worlds = [
        (
            Kind.INSIDE,
            "all by half a margin",
            World(MISSES / 2, 1.0, 0.3, 0.9, -MARGIN / 2, -LEAST / 2, 0.15),
        ),
        (Kind.BOUNDARY, "one weight in a thousand is missed", World(missed=MISSES)),
        (Kind.BOUNDARY, "the smallest slope", World(slope=low)),
        (Kind.BOUNDARY, "the largest slope", World(slope=high)),
        (Kind.BOUNDARY, "the second half costs twice the first", World(bend=float(np.log(2)))),
        (Kind.BOUNDARY, "one product grows as 1/ε to the 0.8", World(exponent=0.8)),
        (Kind.BOUNDARY, "the mask is a margin less accurate", World(score=-MARGIN)),
        (Kind.BOUNDARY, "a tenth is lost of permuted labels", World(permuted=-LEAST)),
        (Kind.BOUNDARY, "a random mask is a tenth worse", World(random=LEAST)),
        (Kind.TOGETHER, "all of these", World(MISSES, low, float(np.log(2)), 0.8, -MARGIN, -LEAST, LEAST)),
        (Kind.OUTSIDE, "growth is polynomial", World(bend=1.5)),
        (Kind.OUTSIDE, "the mask is one and a half margins less accurate", World(score=-1.5 * MARGIN)),
        (Kind.OUTSIDE, "a random mask does as well", World(random=LEAST / 2)),
        (Kind.NOTHING, "permuted labels", World(skill=NOTHING)),
        (Kind.VACUOUS, "the target guesses", World(skill=ALIKE)),
        (Kind.GATE, "an attack exceeds its certificate", World(missed=0.0, exceeds=True)),
    ]
    return cases_of("existence-bounds", formula(TOLERANCE, MARGIN), planted, truth, worlds)
