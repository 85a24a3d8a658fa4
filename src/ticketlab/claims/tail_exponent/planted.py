"""Planted tables of `tail-exponent`: pairs of task and network whose predicted and measured exponents have a known law.

Logarithms of both exponents are normal with a known correlation. A part of their variance is the task's, common to its networks;
where it is all of it, networks on one task are the same. All exponents of a network may be apart from those of another. Seeds add
noise. Every repetition draws other tasks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq

from ticketlab.claims.planted import cases_of, made
from ticketlab.claims.tail_exponent.formula import MISSED, RANKS, TASKS, formula
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Question, Tables

__all__ = ["World", "cases", "planted"]

NETWORKS = ("ReLU", "tanh", "erf")
TYPICAL, NOISE = 0.4, 0.03  # the median exponent, and the noise of a seed as a share of it
SURE = Sample(10, 0)  # without a gate the claim would be decided
BOTH_WAYS = "exponents still change, some up and some down, in three seeds"
SEEDS = (Sample(5, 0), Sample(10, 0), Sample(3, 0), Sample(2, 0))


@dataclass(frozen=True)
class World:
    """The law of the exponents.

    Arguments:
        correlation: of the logarithms of predicted and measured ones.
        ratio: the median of predicted over measured ones.
        spread: the standard deviation of the logarithms.
        common: the share of their variance that networks on one task have in common.
        tasks, networks: their numbers.
        apart: half of what the logarithms of predicted, and of measured, exponents differ by from the first to the last network.
        skill: whether units are better than with permuted targets.
        falls: whether the loss falls for all pairs; else it rises slowly for one of them.
        reliability: of the units' qualities.
        half: the exponent after half of the steps, as a share of that after all.
        both_ways: the share by which half of the steps lower the exponents of every other network and raise the others.
        wobble: the noise of a seed's exponent after half of the steps, as a share of that after all.
        inside: whether all step sizes are.
        learns: whether anything does; else exponents are noise.
    """

    correlation: float = 0.95
    ratio: float = 0.95
    spread: float = 0.3
    common: float = 0.7
    tasks: int = 8
    networks: int = 2
    apart: tuple[float, float] = (0.0, 0.0)
    skill: bool = True
    falls: bool = True
    reliability: float = 0.99
    half: float = 0.98
    both_ways: float = 0.0
    wobble: float = NOISE
    inside: bool = True
    learns: bool = True

    @property
    def rank_correlation(self) -> float:
        """Spearman's, of a normal law, within a network."""
        return float(6 / np.pi * np.arcsin(self.correlation / 2))

    @property
    def miss(self) -> float:
        """E|α̂/α − 1|, with log α̂/α normal, by Gauss–Hermite quadrature."""
        deviation = self.spread * np.sqrt(2 * (1 - self.correlation))
        ratios = self.ratio * np.exp((self.apart[0] - self.apart[1]) * self.places)
        return float(np.mean([_miss(ratio, deviation) for ratio in ratios]))

    @property
    def places(self) -> np.ndarray:
        """Of the networks, from −1 to 1."""
        return np.linspace(-1, 1, self.networks)


@lru_cache(256)
def _miss(ratio: float, deviation: float) -> float:
    x = np.linspace(-8, 8, 4001)
    weights = np.exp(-(x**2) / 2)
    return float(np.abs(ratio * np.exp(deviation * x) - 1) @ weights / weights.sum())


def _at_limit(world: World, low: float, high: float) -> World:
    """The same with the ratio, between two others, at which predictions miss by as much as is allowed."""
    return replace(world, ratio=float(brentq(lambda r: replace(world, ratio=r).miss - MISSED, low, high)))


def _spread_to_limit(world: World) -> World:
    """The same with the spread at which they do."""
    return replace(world, spread=float(brentq(lambda s: replace(world, spread=s).miss - MISSED, 0.1, 5.0)))


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    pairs, seeds = (world.tasks, world.networks), sample.seeds
    x, y = (
        np.sqrt(world.common) * rng.standard_normal((world.tasks, 1))
        + np.sqrt(1 - world.common) * rng.standard_normal(pairs)
        for _ in range(2)
    )
    other = world.correlation * x + np.sqrt(1 - world.correlation**2) * y
    true = (
        TYPICAL * np.exp(world.spread * x + world.apart[1] * world.places),
        world.ratio * TYPICAL * np.exp(world.spread * other + world.apart[0] * world.places),
    )
    shape = (*pairs, seeds)
    if world.learns:
        measured, predicted = (of[..., None] * (1 + NOISE * rng.standard_normal(shape)) for of in true)
    else:
        measured, predicted = TYPICAL * NOISE * rng.standard_normal((2, *shape))
    selected = measured.copy()
    ways = np.where(np.arange(world.networks) % 2, 1, -1)[:, None] * world.both_ways
    half = measured * (world.half + ways + world.wobble * rng.standard_normal(shape))
    if not world.falls:
        measured[0, 0] *= -0.1
        half[0, 0] *= -0.1
    held_out = 0.1 * (world.skill and world.learns) + 0.01 * rng.standard_normal(shape)
    place, network, seed = (index.ravel() for index in np.indices(shape))
    inside = np.full(place.size, True)
    inside[0] = world.inside
    columns = {
        "task": np.array([f"task {t}" for t in place]),
        "place": place,
        "network": np.array(NETWORKS)[network],
        "seed": seed,
        "predicted": predicted.ravel(),
        "selected": selected.ravel(),
        "trained": measured.ravel(),
        "half": half.ravel(),
        "inside": inside,
        "reliability": np.full(place.size, world.reliability),
        "held_out": held_out.ravel(),
        "permuted": 0.01 * rng.standard_normal(place.size),
    }
    return {"exponents": made("exponents", columns)}


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    if not world.learns or not world.falls:
        return None
    return Asked(world.rank_correlation if question.key == RANKS else world.miss)


def cases() -> tuple[Case, ...]:
    unrelated, far = World(0.0, spread=0.1), World(ratio=0.4)
    worlds = [
        (Kind.INSIDE, "it predicts order and size", World()),
        (Kind.INSIDE, "networks on one task are the same", World(common=1.0)),
        (Kind.BOUNDARY, "it ranks by chance", unrelated),
        (
            Kind.BOUNDARY,
            "it ranks tasks by chance, and networks are the same",
            replace(unrelated, common=1.0),
        ),
        (Kind.BOUNDARY, "it ranks by chance, and networks differ", replace(unrelated, apart=(0.3, 0.3))),
        (
            Kind.BOUNDARY,
            "it ranks by chance, and three networks differ the other way round",
            World(0.0, spread=0.05, tasks=12, networks=3, apart=(0.1, -0.1)),
        ),
        (Kind.BOUNDARY, "too low, by as much as is allowed", _at_limit(World(), 0.4, 0.95)),
        (Kind.BOUNDARY, "too high, by as much as is allowed", _at_limit(World(), 1.05, 2.0)),
        (Kind.BOUNDARY, "both ways, by as much as is allowed", _spread_to_limit(World(ratio=1.0))),
        (
            Kind.BOUNDARY,
            "both ways, by as much as is allowed, in 12 tasks with three networks",
            _spread_to_limit(World(ratio=1.0, tasks=12, networks=3)),
        ),
        (
            Kind.BOUNDARY,
            "three networks, each by another amount",
            _at_limit(World(spread=0.1, networks=3, apart=(0.1, -0.1)), 0.4, 0.95),
        ),
        (
            Kind.TOGETHER,
            "it ranks by chance, too low by as much as is allowed",
            _at_limit(unrelated, 0.4, 0.95),
        ),
        (Kind.OUTSIDE, "the wrong order", World(-0.95, 1.0, spread=0.08)),
        (Kind.OUTSIDE, "the right order and half the size", World(ratio=0.5)),
        (Kind.OUTSIDE, "the right order and twice the size", World(ratio=2.0)),
        (Kind.OUTSIDE, "the same for every pair, and too low", World(0.0, 0.4, spread=0.1)),
        (Kind.NOTHING, "permuted targets", World(learns=False)),
        (Kind.VACUOUS, "units are no better than chance", replace(far, skill=False)),
        (Kind.GATE, "too few tasks", replace(far, tasks=TASKS - 1)),
        (Kind.GATE, "units differ by noise", replace(far, reliability=0.85)),
        (Kind.GATE, "a loss that does not fall", World(-0.99, 1.0, spread=0.5, falls=False)),
        (Kind.GATE, "exponents still change", replace(far, half=0.8)),
        (Kind.GATE, BOTH_WAYS, replace(far, both_ways=0.15, wobble=0.2)),
        (Kind.GATE, "a step size outside its grid", replace(far, inside=False)),
    ]
    found = cases_of("tail-exponent", formula(), planted, truth, worlds, many=SEEDS, few=SEEDS[:3])
    return tuple(replace(c, samples=_samples(c)) for c in found)


def _samples(case: Case) -> tuple[Sample, ...]:
    if case.name == BOTH_WAYS:
        return (SEEDS[2],)
    return (SURE,) if case.kind in (Kind.VACUOUS, Kind.GATE) else case.samples
