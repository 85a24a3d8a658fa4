"""Planted tables of `existence-bounds`: products by tolerance, weights that are missed, and scores of masked networks."""

from __future__ import annotations

from dataclasses import dataclass

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
from ticketlab.claims.existence_bounds.growth import HALFWAY
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
BITS = -np.log2(TOLERANCES)
RANGE, APART = BITS[-1] - BITS[0], BITS - BITS.mean()
FIRST = {SUBSET: 6.4, PICK: 22.0}  # n_δ at the largest ε
NOISE = {SUBSET: (0.05, 0.25), PICK: (0.05, 0.02)}  # between seeds, of the slope or exponent and of the lean
STEPS = 8  # of a correction that multiplies its error by less than a fifth


@dataclass(frozen=True)
class World:
    """What is true of the products, of the masked networks' scores, and of what the targets have learnt.

    Arguments:
        missed: the share of weights that the allowed products miss.
        slope, lean: products for each halving of ε, and where they lie between a logarithm, 0, and a power of 1/ε, 1.
        exponent, told: of one product in 1/ε, and its lean.
        reached, alone: how many ε are reached, from the largest on, by a subset and by one product.
        score: the masked network's, minus its target's.
        fitted: the score of the network that was trained on permuted labels.
        permuted: the masked network's, minus that, as a share of the headroom.
        random: the searched mask's score minus the random mask's, as a share of the headroom.
        skill: of the target.
        exceeds: whether an attack exceeds its certificate.
        guess: the accuracy of always guessing the most frequent class.
    """

    missed: float = MISSES / 5
    slope: float = 1.2
    lean: float = 0.0
    exponent: float = 1.0
    told: float = 1.0
    reached: int = len(TOLERANCES)
    alone: int = len(TOLERANCES)
    score: float = 0.0
    fitted: float = 0.98
    permuted: float = 0.0
    random: float = 0.5
    skill: Skill = Skill()
    exceeds: bool = False
    guess: float = FREQUENT


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
    fitted = {TARGET: world.fitted, SUBSET: _written(world)}
    return {
        "weights": made("weights", weights),
        "growth": _growth(world, sample, rng),
        "constructions": made("constructions", {"seed": np.arange(sample.seeds), "certified": certified}),
        "examples": examples(sample, scored, rng, world.skill, world.guess),
        "learnt": examples(sample, fitted, rng),
    }


def _growth(world: World, sample: Sample, rng: np.random.Generator) -> Table:
    """Five numbers of products for each seed and search."""
    of = {SUBSET: (world.slope, world.lean, world.reached), PICK: (world.exponent, world.told, world.alone)}
    products = []
    for search, (steep, leaning, reached) in of.items():
        noise = rng.standard_normal((2, sample.seeds)) * np.array(NOISE[search])[:, None]
        found = _products(search, steep + noise[0], leaning + noise[1])
        found[:, reached:] = np.nan
        products.append(found)
    count = len(TOLERANCES)
    columns = {
        "search": np.repeat(list(of), sample.seeds * count),
        "seed": np.tile(np.repeat(np.arange(sample.seeds), count), len(of)),
        "tolerance": np.tile(TOLERANCES, len(of) * sample.seeds),
        "left": np.full(len(of) * sample.seeds * count, 0.1),
        "products": np.concatenate(products).ravel(),
    }
    return made("growth", columns)


def _products(search: str, steep: np.ndarray, leaning: np.ndarray) -> np.ndarray:
    """n_δ with these slopes, for one product exponents, and leans. The last number is corrected until the steepness is right."""
    place = (BITS - BITS[0]) / RANGE
    rise = steep * RANGE
    for _ in range(STEPS):
        last = FIRST[search] * np.exp2(rise) if search == PICK else FIRST[search] + rise
        grown = (last / FIRST[search])[:, None]
        w = leaning[:, None]
        found: np.ndarray = FIRST[search] * ((1 - w) * (1 + place * (grown - 1)) + w * grown**place)
        rise = (
            rise + (steep - (np.log2(found) if search == PICK else found) @ APART / (APART @ APART)) * RANGE
        )
    return found


def _accuracies(world: World, sample: Sample) -> tuple[float, float, float]:
    """Of the target, of the masked network, and of the random mask."""
    target = sample.accuracy
    masked = min(target + world.score, 1.0)
    return target, masked, masked - world.random * (1 - world.guess)


def _written(world: World) -> float:
    """Of what the mask makes of the network that has fitted permuted labels."""
    return world.fitted + world.permuted * (1 - FREQUENT)


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    target, masked, random = _accuracies(world, sample)
    match question.key:
        case "missed":
            return Asked(world.missed, sample.examples * world.missed)
        case "slope":
            return Asked(world.slope)
        case "lean":
            return Asked(world.lean)
        case "told":
            return Asked(world.told)
        case "score":
            return compared(sample, masked, target)
        case key if key == PICK:
            return Asked(world.exponent)
        case key if key == PERMUTED:
            return of_headroom(sample, _written(world), world.fitted)
        case key if key == RANDOM:
            return of_headroom(sample, masked, random, world.guess) if world.skill.task else Asked(0.0, 0.0)
    return None


def cases() -> tuple[Case, ...]:
    low, high = SLOPE
    worlds = [
        (
            Kind.INSIDE,
            "all by half a margin",
            World(
                MISSES / 2, 1.0, HALFWAY / 2, 0.9, 0.75, score=-MARGIN / 2, permuted=-LEAST / 2, random=0.15
            ),
        ),
        (Kind.BOUNDARY, "one weight in a thousand is missed", World(missed=MISSES)),
        (Kind.BOUNDARY, "the smallest slope", World(slope=low)),
        (Kind.BOUNDARY, "the largest slope", World(slope=high)),
        (Kind.BOUNDARY, "growth is halfway to a power", World(lean=HALFWAY)),
        (Kind.BOUNDARY, "one product grows as 1/ε to the 0.8", World(exponent=0.8)),
        (Kind.BOUNDARY, "one product grows halfway to a logarithm", World(told=HALFWAY)),
        (Kind.BOUNDARY, "the mask is a margin less accurate", World(score=-MARGIN)),
        (Kind.BOUNDARY, "a tenth is lost of permuted labels", World(permuted=-LEAST)),
        (Kind.BOUNDARY, "a random mask is a tenth worse", World(random=LEAST)),
        (
            Kind.TOGETHER,
            "all of these",
            World(MISSES, low, HALFWAY, 0.8, HALFWAY, score=-MARGIN, permuted=-LEAST, random=LEAST),
        ),
        (Kind.OUTSIDE, "growth is a power", World(lean=1.0)),
        (Kind.OUTSIDE, "the mask is one and a half margins less accurate", World(score=-1.5 * MARGIN)),
        (Kind.OUTSIDE, "a random mask does as well", World(random=LEAST / 2)),
        (Kind.NOTHING, "permuted labels", World(skill=NOTHING)),
        (Kind.VACUOUS, "the target guesses", World(skill=ALIKE)),
        (Kind.GATE, "an attack exceeds its certificate", World(missed=0.0, exceeds=True)),
        (Kind.GATE, "two of five ε are not reached", World(missed=0.0, reached=3)),
        (Kind.GATE, "one product does not reach two of five ε", World(missed=0.0, alone=3)),
        (Kind.GATE, "permuted labels are hardly fitted", World(missed=0.0, fitted=0.2, permuted=-0.055)),
    ]
    lossy = World(missed=0.0, score=-0.07, random=0.3, guess=0.88)
    coarse = (Kind.GATE, "the margin is most of what is gained", lossy)
    return (
        *cases_of("existence-bounds", formula(TOLERANCE, MARGIN), planted, truth, worlds),
        *cases_of("existence-bounds", formula(TOLERANCE, 10 * MARGIN), planted, truth, [coarse]),
    )
