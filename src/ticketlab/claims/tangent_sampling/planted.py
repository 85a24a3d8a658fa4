"""Planted tables of `tangent-sampling`: what each seed measures of two laws whose distance, errors and variances are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ticketlab.claims.planted import cases_of, made
from ticketlab.claims.tangent_sampling.formula import ENSEMBLES, HALVES, MOST, NULL, STARTS, formula
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Question, Tables

NOISE = 0.02  # of a seed's total variation, its standard deviation
SEEDS = (Sample(5, 0), Sample(3, 0), Sample(10, 0), Sample(2, 0))


@dataclass(frozen=True)
class World:
    """Laws, and how well they were measured.

    Arguments:
        distance, null: total variation between trained networks and tangent solutions, over starts and along one null space.
        bias: the difference of mean errors.
        order, null_space: shares of the variance that are left at one start.
        matched: total variation of trained networks from the law with the same errors and nothing else.
        error, chance, unseen, fitted, fits, other_fits, top, total: what gates ask for; chance is the error of the more frequent
            label.
    """

    distance: float = 0.03
    null: float = 0.4
    matched: float = 0.3
    bias: float = 0.0
    order: float = 0.03
    null_space: float = 0.3
    error: float = 0.1
    chance: float = 0.5
    unseen: float = 0.1
    fitted: float = 1.0
    fits: float = 1.0
    other_fits: float = 1.0
    top: float = 0.4
    total: float = 0.1


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    seeds = np.arange(sample.seeds)
    matched = world.matched + NOISE * rng.standard_normal(sample.seeds)
    laws: dict[str, list[np.ndarray]] = {}
    for comparison, distance in {
        STARTS: world.distance,
        NULL: world.null,
        HALVES: 0.0,
        ENSEMBLES: 0.1,
    }.items():
        tv = distance + NOISE * rng.standard_normal(sample.seeds)
        error = world.error + 0.01 * rng.standard_normal(sample.seeds)
        columns = {
            "comparison": np.full(sample.seeds, comparison),
            "seed": seeds,
            "tv_low": tv,
            "tv_high": tv,
            "matched_low": matched,
            "error": error + world.bias + 0.005 * rng.standard_normal(sample.seeds),
            "other_error": error,
        }
        constant = {
            "chance": world.chance,
            "unseen": world.unseen,
            "other_unseen": world.unseen,
            "fitted": world.fitted,
            "fits": world.fits,
            "other_fits": world.other_fits,
            "top": world.top,
            "other_top": world.top,
        }
        columns |= {name: np.full(sample.seeds, value) for name, value in constant.items()}
        for name, values in columns.items():
            laws.setdefault(name, []).append(values)
    left = np.concatenate(
        [share + 0.01 * rng.standard_normal(sample.seeds) for share in (world.order, world.null_space)]
    )
    variance = {
        "law": np.repeat(["training", "tangent"], sample.seeds),
        "seed": np.tile(seeds, 2),
        "rows": 1 - left,
        "columns": 0.1 * left,
        "rest": 0.9 * left,
        "total": np.full(2 * sample.seeds, world.total),
    }
    return {
        "laws": made("laws", {name: np.concatenate(parts) for name, parts in laws.items()}),
        "variance": made("variance", variance),
    }


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    return Asked(world.distance)


def cases() -> tuple[Case, ...]:
    worlds = [
        (Kind.INSIDE, "total variation by half", World(distance=MOST / 2)),
        (Kind.BOUNDARY, "the laws are just as far apart as allowed", World(distance=MOST)),
        (Kind.TOGETHER, "its only boundary", World(distance=MOST)),
        (Kind.OUTSIDE, "half as far again", World(distance=1.5 * MOST)),
        (Kind.VACUOUS, "both guess", World(error=0.5)),
        (Kind.VACUOUS, "both give the more frequent label", World(error=0.125, chance=0.125)),
        (Kind.GATE, "functions hardly repeat", World(unseen=0.9)),
        (Kind.GATE, "both laws are nearly one function", World(top=0.98)),
        (Kind.GATE, "runs did not end", World(fitted=0.5)),
        (Kind.GATE, "trained networks miss training labels", World(distance=0.3, fits=0.5)),
        (Kind.GATE, "tangent solutions miss training labels", World(distance=0.3, other_fits=0.5)),
        (Kind.GATE, "held-out examples show no more than errors", World(matched=0.05)),
        (
            Kind.BOUNDARY,
            "just as far apart as allowed, and from errors alone too",
            World(distance=MOST, matched=MOST),
        ),
    ]
    return cases_of("tangent-sampling", formula(), planted, truth, worlds, many=SEEDS, few=SEEDS[:2])
