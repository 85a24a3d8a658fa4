"""Planted tables of `random-pick`: what each seed measures of two laws whose distance, slope and errors are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ticketlab.claims.planted import cases_of, made
from ticketlab.claims.random_pick.formula import ARMS, MOST, formula
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Question, Tables

NOISE = 0.02  # of a seed's total variation, its standard deviation
PERMUTATIONS = 8
SEEDS = (Sample(5, 0), Sample(3, 0), Sample(10, 0), Sample(2, 0))


@dataclass(frozen=True)
class World:
    """Two laws, and how well they were measured.

    Arguments:
        distance: total variation, of every way of training but the last.
        last: that of the last one; None: the same.
        own: total variation from random networks of the trained width; None: as from infinite width.
        own_known: whether it was measured.
        slope, correlation, bias: of log P_SGD on log P_B, and the difference of mean errors.
        error, chance, unseen, fitted, r_hat, decades: what gates ask for; chance is the error of the more frequent label.
        leak: by how much training on shuffled labels errs less than labels drawn at random.
        alike: the difference of mean errors on shuffled labels.
        flat: the probability that two runs on shuffled labels end on the same function; 0.3 on the true labels.
        shuffled_fitted: the share of runs that fit shuffled labels.
        width, matched, halves, within: total variation of random networks of infinite width from the trained width, from the
            error-matched law and between halves, and the correlation of ranks among functions with equally many errors.
        width_r_hat, width_effective: of the chains of the trained width.
        halves_spread: standard deviation of the total variation between halves, over seeds.
        halves_slope: of the fit between halves.
    """

    distance: float = 0.03
    last: float | None = None
    own: float | None = None
    own_known: bool = True
    slope: float = 1.0
    correlation: float = 0.9
    bias: float = 0.0
    error: float = 0.15
    chance: float = 0.5
    unseen: float = 0.1
    fitted: float = 1.0
    r_hat: float = 1.0
    decades: float = 3.0
    leak: float = 0.0
    alike: float = 0.0
    flat: float = 0.05
    shuffled_fitted: float = 1.0
    width: float = 0.01
    width_r_hat: float = 1.0
    width_effective: float = 2_000.0
    matched: float = 0.4
    halves: float = 0.0
    halves_spread: float = 0.003
    within: float = 0.6
    halves_slope: float = 1.0


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    columns: dict[str, list[np.ndarray]] = {}
    for arm in ARMS:
        distance = _distance(world, arm)
        tv = distance + NOISE * rng.standard_normal(sample.seeds)
        own = tv + _own(world, arm) - distance + 0.005 * rng.standard_normal(sample.seeds)
        error = world.error + 0.02 * rng.standard_normal(sample.seeds)
        bias = world.bias + 0.005 * rng.standard_normal(sample.seeds)
        row = {
            "training": np.full(sample.seeds, arm),
            "seed": np.arange(sample.seeds),
            "tv_low": tv,
            "tv_low_width": own if world.own_known else np.full(sample.seeds, np.nan),
            "tv_high": tv,
            "slope": world.slope + 0.05 * rng.standard_normal(sample.seeds),
            "correlation": world.correlation + 0.02 * rng.standard_normal(sample.seeds),
            "bayes_error": error,
            "error": error + bias,
            "chance": np.full(sample.seeds, world.chance),
            "effective": np.full(sample.seeds, 10_000.0),
            "rank_within": world.within + 0.01 * rng.standard_normal(sample.seeds),
            "repeat": 0.3 + 0.01 * rng.standard_normal(sample.seeds),
        }
        constant = {
            "unseen": world.unseen,
            "bayes_unseen": world.unseen,
            "fitted": world.fitted,
            "r_hat": world.r_hat,
            "decades": world.decades,
            "tv_within": 0.1,
            "scatter": 0.3,
            "plain_correlation": 0.8,
            "ceiling": 0.9,
        }
        row |= {name: np.full(sample.seeds, value) for name, value in constant.items()}
        for name, values in row.items():
            columns.setdefault(name, []).append(values)
    return {
        "laws": made("laws", {name: np.concatenate(parts) for name, parts in columns.items()}),
        "controls": made("controls", _controls(world, sample, rng)),
        "shuffled": made("shuffled", _shuffled(world, sample, rng)),
    }


def _controls(world: World, sample: Sample, rng: np.random.Generator) -> dict[str, np.ndarray]:
    means = {
        "halves_low": world.halves,
        "halves_slope": world.halves_slope,
        "halves_correlation": 0.98,
        "matched_low": world.matched,
        "width_tv": world.width,
    }
    spread = dict.fromkeys(means, 0.003) | {"halves_low": world.halves_spread}
    noisy = {name: means[name] + of * rng.standard_normal(sample.seeds) for name, of in spread.items()}
    chains = {"width_r_hat": world.width_r_hat, "width_effective": world.width_effective}
    constant = {name: np.full(sample.seeds, value) for name, value in chains.items()}
    return {"seed": np.arange(sample.seeds), **noisy, **constant}


def _shuffled(world: World, sample: Sample, rng: np.random.Generator) -> dict[str, np.ndarray]:
    seed = np.repeat(np.arange(sample.seeds), PERMUTATIONS)
    random = 2 * world.chance * (1 - world.chance)
    bayes = random - world.leak + 0.02 * rng.standard_normal(len(seed))
    return {
        "seed": seed,
        "permutation": np.tile(np.arange(PERMUTATIONS), sample.seeds),
        "fitted": np.full(len(seed), world.shuffled_fitted),
        "error": bayes + world.alike + 0.005 * rng.standard_normal(len(seed)),
        "bayes_error": bayes,
        "random_labels": np.full(len(seed), random),
        "repeat": world.flat + 0.01 * rng.standard_normal(len(seed)),
    }


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    """That of the nearer width."""
    arm = question.facets["training"]
    return Asked(min(_distance(world, arm), _own(world, arm)))


def _distance(world: World, arm: str) -> float:
    return world.distance if world.last is None or arm != ARMS[-1] else world.last


def _own(world: World, arm: str) -> float:
    return _distance(world, arm) if world.own is None else world.own


def cases() -> tuple[Case, ...]:
    worlds = [
        (Kind.INSIDE, "total variation by half", World(distance=MOST / 2)),
        (Kind.BOUNDARY, "one way of training is just as far as allowed", World(last=MOST)),
        (Kind.TOGETHER, "all ways of training are", World(distance=MOST)),
        (Kind.BOUNDARY, "far, but from its own width just as far as allowed", World(distance=0.2, own=MOST)),
        (Kind.OUTSIDE, "one way of training is half as far again", World(last=1.5 * MOST)),
        (Kind.VACUOUS, "both guess", World(error=0.5)),
        (Kind.VACUOUS, "both give the more frequent label", World(error=0.125, chance=0.125)),
        (Kind.GATE, "functions hardly repeat", World(unseen=0.9)),
        (Kind.GATE, "runs do not fit", World(fitted=0.5)),
        (Kind.GATE, "chains have not mixed", World(r_hat=1.3)),
        (Kind.GATE, "halves of the chains differ", World(halves=0.3)),
        (Kind.GATE, "halves differ in some training sets", World(halves=0.15, halves_spread=0.15)),
        (Kind.GATE, "held-out labels leak", World(leak=0.3)),
        (Kind.GATE, "the width moves the law", World(distance=0.2, width=0.2)),
        (Kind.GATE, "chains of the trained width have not mixed", World(width_r_hat=1.3)),
        (Kind.GATE, "the distance from the trained width is not known", World(distance=0.2, own_known=False)),
        (Kind.GATE, "the law is no more than its errors", World(matched=0.02)),
    ]
    return cases_of("random-pick", formula(), planted, truth, worlds, many=SEEDS, few=SEEDS[:2])
