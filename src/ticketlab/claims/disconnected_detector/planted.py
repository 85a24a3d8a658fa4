"""Planted tables of `disconnected-detector`: AUCs of units under three masks, and of the gradient, by seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ticketlab.claims.disconnected_detector.formula import (
    BEFORE,
    CEILING,
    DETECTS,
    GRADIENT,
    LABELS,
    NOT_YET,
    RANDOM,
    RELIABLE,
    SIZE,
    TICKET,
    formula,
)
from ticketlab.claims.planted import ALIKE, FREQUENT, NOTHING, Skill, cases_of, examples, made
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Question, Tables

NOISE = 0.01  # of a seed's AUC, its standard deviation
LAYERS = ("dense1", "dense2", "output")


@dataclass(frozen=True)
class World:
    """Differences of AUCs.

    Arguments:
        auc: of the ticket's best units under the mask.
        gain: what they gain by it, over what best units gain by a random mask.
        labels: over that under masks from permuted labels.
        before: of these units in the whole network, over the average one.
        gradient: of −w ∂L/∂w for the ticket's weights, over ½, by layer.
        ceiling: of a second search's scores for them, over ½, by layer.
        base: what best units gain by a random mask.
        searched: the training score of the mask from permuted labels.
    """

    auc: float = 0.98
    gain: float = 0.1
    labels: float = 0.1
    before: float = 0.02
    gradient: tuple[float, ...] = (0.02, 0.02, 0.02)
    ceiling: tuple[float, ...] = (0.25, 0.25, 0.25)
    base: float = 0.1
    searched: float = 0.5
    skill: Skill = Skill()

    @property
    def whole(self) -> float:
        """The AUC of the ticket's best units in the whole network."""
        return self.auc - self.base - self.gain


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    seeds = sample.seeds

    def noisy(mean: float) -> np.ndarray:
        return mean + NOISE * rng.standard_normal(seeds)

    average = np.full(seeds, world.whole - world.before)
    gains = {TICKET: world.base + world.gain, RANDOM: world.base}
    gains[LABELS] = gains[TICKET] - world.labels
    units: dict[str, list[np.ndarray]] = {}
    for source, gain in gains.items():
        whole = noisy(0.0) + average + world.before
        columns = {
            "source": np.full(seeds, source),
            "seed": np.arange(seeds),
            "auc": whole + noisy(gain),
            "whole": whole,
            "average": average,
        }
        for name, of in columns.items():
            units.setdefault(name, []).append(of)
    count = seeds * len(LAYERS)
    weights = {
        "source": np.full(count, TICKET),
        "layer": np.repeat(LAYERS, seeds),
        "seed": np.tile(np.arange(seeds), len(LAYERS)),
        "auc": np.concatenate([noisy(0.5 + of) for of in world.gradient]),
        "common": np.full(count, 0.5),
        "density": np.full(count, 0.5),
        "ceiling": np.concatenate([noisy(0.5 + of) for of in world.ceiling]),
    }
    return {
        "units": made("units", {name: np.concatenate(of) for name, of in units.items()}),
        "weights": made("weights", weights),
        "examples": examples(sample, {TICKET: max(sample.accuracy, 0.9)}, rng, world.skill, FREQUENT),
        "learnt": examples(sample, {LABELS: world.searched}, rng),
    }


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    if question.key in (GRADIENT, CEILING):
        layer = LAYERS.index(question.facets["layer"])
        gradient, ceiling = world.gradient[layer], world.ceiling[layer]
        return Asked(gradient if question.key == GRADIENT else abs(gradient) - ceiling / 2)
    units = {DETECTS: world.auc, NOT_YET: world.whole, BEFORE: world.before}
    if question.key in units:
        return Asked(units[question.key])
    return Asked(world.gain if question.facets["source"] == RANDOM else world.labels)


def cases() -> tuple[Case, ...]:
    half = SIZE / 2
    worlds = [
        (Kind.INSIDE, "all by half", World(RELIABLE + half / 2, SIZE + half, SIZE + half, half, (half,) * 3)),
        (Kind.BOUNDARY, "five points more than under a random mask", World(gain=SIZE)),
        (Kind.BOUNDARY, "five points more than under one from permuted labels", World(labels=SIZE)),
        (Kind.BOUNDARY, "units are just reliable", World(auc=RELIABLE)),
        (Kind.BOUNDARY, "units just were reliable before", World(auc=0.99, base=0.99 - RELIABLE - 0.1)),
        (Kind.BOUNDARY, "five points better before", World(before=SIZE)),
        (Kind.BOUNDARY, "the gradient has an AUC of 0.55 in every layer", World(gradient=(SIZE,) * 3)),
        (Kind.BOUNDARY, "the gradient has an AUC of 0.45 in a layer", World(gradient=(0.02, 0.02, -SIZE))),
        (
            Kind.BOUNDARY,
            "the gradient says half of what a second search says",
            World(ceiling=(0.25, 0.25, 0.1), gradient=(0.02, 0.02, 0.05)),
        ),
        (Kind.TOGETHER, "all of these", World(RELIABLE, SIZE, SIZE, SIZE, (SIZE,) * 3, (2 * SIZE,) * 3)),
        (Kind.OUTSIDE, "the gradient has an AUC of 0.6 in a layer", World(gradient=(0.02, 0.02, 2 * SIZE))),
        (Kind.OUTSIDE, "the gradient is reversed", World(gradient=(-0.3,) * 3)),
        (
            Kind.OUTSIDE,
            "the gradient says two thirds of what a second search says",
            World(gradient=(0.04,) * 3, ceiling=(0.06,) * 3),
        ),
        (Kind.OUTSIDE, "units detect nothing reliably", World(auc=0.9)),
        (Kind.OUTSIDE, "units were reliable before", World(0.99, 0.09, 0.07, 0.03, base=-0.075)),
        (Kind.OUTSIDE, "a random mask gains as much", World(gain=0.0)),
        (Kind.NOTHING, "permuted labels", World(skill=NOTHING)),
        (Kind.VACUOUS, "the ticket guesses", World(skill=ALIKE)),
        (Kind.GATE, "a search over permuted labels learns nothing", World(searched=FREQUENT + 0.02)),
        (Kind.GATE, "a second search finds other weights", World(ceiling=(SIZE / 5,) * 3)),
        (
            Kind.GATE,
            "it finds the same weights in one layer only",
            World(gradient=(0.035, 0.035, 0.0), ceiling=(0.035, 0.035, 0.1)),
        ),
    ]
    return cases_of("disconnected-detector", formula(LAYERS), planted, truth, worlds)
