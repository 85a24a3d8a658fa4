"""Planted tables of `edge-contribution`: correlations of gradients with contributions, by seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ticketlab.claims.edge_contribution.formula import BANZHAF, HALF, MORE, NEARLY, RANDOM, SHAPLEY, formula
from ticketlab.claims.planted import ALIKE, NOTHING, Skill, cases_of, examples, made
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Question, Tables

NOISE = 0.04  # of a seed's correlation, its standard deviation
MEASURES = ("density 0.23", BANZHAF, "density 0.77", SHAPLEY)


@dataclass(frozen=True)
class World:
    """Correlations corrected for noise, alike for all measures but one.

    Arguments:
        correlation: of gradients.
        lowest: of the first measure; None for the same.
        more: than the gradient for permuted labels.
        reliability: of contributions.
        alike: the correlation of the gradients for true and for permuted labels.
        rule_error: of Shapley values, from few densities.
    """

    correlation: float = 0.85
    lowest: float | None = None
    more: float = 0.3
    reliability: float = 0.5
    alike: float = 0.6
    rule_error: float = 0.02
    skill: Skill = Skill()


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    rows: dict[str, list[np.ndarray]] = {}
    for measure in MEASURES:
        own = _true(world, measure) + NOISE * rng.standard_normal(sample.seeds)
        more = world.more + NOISE * rng.standard_normal(sample.seeds)
        columns = {
            "source": np.full(sample.seeds, RANDOM),
            "measure": np.full(sample.seeds, measure),
            "seed": np.arange(sample.seeds),
            "corrected": own,
            "correlation": own * np.sqrt(world.reliability),
            "permuted": own - more,
            "reliability": world.reliability + NOISE * rng.standard_normal(sample.seeds) / 4,
            "alike": world.alike + NOISE * rng.standard_normal(sample.seeds) / 4,
            "changed": np.full(sample.seeds, 0.9),
            "rule_error": np.full(sample.seeds, world.rule_error if measure == SHAPLEY else np.nan),
        }
        for name, of in columns.items():
            rows.setdefault(name, []).append(of)
    return {
        "measures": made("measures", {name: np.concatenate(of) for name, of in rows.items()}),
        "examples": examples(sample, {"trained": sample.accuracy}, rng, world.skill),
    }


def _true(world: World, measure: str) -> float:
    return world.lowest if world.lowest is not None and measure == MEASURES[0] else world.correlation


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    return Asked(world.more if question.key == "labels" else _true(world, question.facets["measure"]))


def cases() -> tuple[Case, ...]:
    worlds = [
        (Kind.INSIDE, "by half as much again", World(0.8, more=0.15)),
        (Kind.BOUNDARY, "the limit at one density", World(lowest=HALF)),
        (Kind.BOUNDARY, "a tenth more than permuted labels", World(more=MORE)),
        (Kind.TOGETHER, "both of these", World(HALF, more=MORE)),
        (Kind.OUTSIDE, "far less at one density", World(lowest=HALF / 2)),
        (Kind.BOUNDARY, "as much as permuted labels, and nearly all", World(NEARLY, more=0.0)),
        (Kind.INSIDE, "as much as permuted labels, and all", World(0.99, more=0.0)),
        (Kind.OUTSIDE, "permuted labels do as well", World(0.8, more=0.0)),
        (Kind.NOTHING, "permuted labels", World(skill=NOTHING)),
        (Kind.VACUOUS, "the trained network guesses", World(skill=ALIKE)),
        (Kind.GATE, "contributions are noise", World(reliability=0.02)),
        (Kind.GATE, "gradients for permuted labels are nearly the same", World(0.8, more=0.0, alike=0.95)),
        (Kind.GATE, "Shapley values from too few densities", World(rule_error=0.4)),
    ]
    return cases_of("edge-contribution", formula(MEASURES), planted, truth, worlds)
