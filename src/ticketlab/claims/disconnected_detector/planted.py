"""Planted tables of `disconnected-detector`: AUCs of units under three masks, and of the gradient, by seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ticketlab.claims.disconnected_detector.formula import LABELS, RANDOM, RELIABLE, SIZE, TICKET, formula
from ticketlab.claims.planted import ALIKE, FREQUENT, NOTHING, Skill, cases_of, examples, made
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Question, Tables

NOISE = 0.01  # of a seed's AUC, its standard deviation
BASE = 0.1  # the gain by choice alone


@dataclass(frozen=True)
class World:
    """Differences of AUCs.

    Arguments:
        auc: of the ticket's best units under the mask.
        gain: what they gain by it, over what best units gain by a random mask.
        labels: over that under masks from permuted labels.
        before: of these units in the whole network, over the average one.
        gradient: of −w ∂L/∂w for the ticket's weights, over ½.
        ceiling: of a second search's scores for them, over ½.
    """

    auc: float = 0.98
    gain: float = 0.1
    labels: float = 0.1
    before: float = 0.02
    gradient: float = 0.0
    ceiling: float = 0.25
    skill: Skill = Skill()


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    seeds = sample.seeds

    def noisy(mean: float) -> np.ndarray:
        return mean + NOISE * rng.standard_normal(seeds)

    average = np.full(seeds, world.auc - BASE - world.gain - world.before)
    gains = {TICKET: BASE + world.gain, RANDOM: BASE, LABELS: BASE + world.gain - world.labels}
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
    weights = {
        "source": np.full(seeds, TICKET),
        "layer": np.full(seeds, "dense1"),
        "seed": np.arange(seeds),
        "auc": noisy(0.5 + world.gradient),
        "common": np.full(seeds, 0.5),
        "density": np.full(seeds, 0.5),
        "ceiling": noisy(0.5 + world.ceiling),
    }
    return {
        "units": made("units", {name: np.concatenate(of) for name, of in units.items()}),
        "weights": made("weights", weights),
        "examples": examples(sample, {TICKET: max(sample.accuracy, 0.9)}, rng, world.skill, FREQUENT),
    }


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    if question.key == "detects":
        return Asked(world.auc)
    if question.key == "before":
        return Asked(world.before)
    if question.key == "gradient":
        return Asked(world.gradient)
    return Asked(world.gain if question.facets["source"] == RANDOM else world.labels)


def cases() -> tuple[Case, ...]:
    half = SIZE / 2
    worlds = [
        (Kind.INSIDE, "all by half", World(RELIABLE + half / 2, SIZE + half, SIZE + half, half, half)),
        (Kind.BOUNDARY, "five points more than under a random mask", World(gain=SIZE)),
        (Kind.BOUNDARY, "five points more than under one from permuted labels", World(labels=SIZE)),
        (Kind.BOUNDARY, "units are just reliable", World(auc=RELIABLE)),
        (Kind.BOUNDARY, "five points better before", World(before=SIZE)),
        (Kind.BOUNDARY, "the gradient has an AUC of 0.55", World(gradient=SIZE)),
        (Kind.TOGETHER, "all of these", World(RELIABLE, SIZE, SIZE, SIZE, SIZE)),
        (Kind.OUTSIDE, "the gradient has an AUC of 0.6", World(gradient=2 * SIZE)),
        (Kind.OUTSIDE, "units detect nothing reliably", World(auc=0.9)),
        (Kind.OUTSIDE, "a random mask gains as much", World(gain=0.0)),
        (Kind.NOTHING, "permuted labels", World(skill=NOTHING)),
        (Kind.VACUOUS, "the ticket guesses", World(skill=ALIKE)),
        (Kind.GATE, "a second search finds other weights", World(ceiling=SIZE / 5)),
    ]
    return cases_of("disconnected-detector", formula(), planted, truth, worlds)
