"""Planted tables of `newton-step`: scores, and squared distances to the trained network along a flow, with noise by example.

An example's squared distance is its change in training (heavy-tailed) times the share that is left unexplained, times noise.
What the flow leaves has its minimum before the end: it is read at the time that validation data choose, and at the one that test
data do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ticketlab.claims.newton_step.formula import (
    FLOW,
    GRADIENT,
    GRADIENT_APART,
    NEARER,
    NEWTON_NEAR,
    SCORE,
    formula,
)
from ticketlab.claims.planted import ALIKE, NOTHING, Skill, cases_of, compared, examples, made
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Question, Tables

MARGIN = 0.01
TIMES = 6  # of the flow, the last is the Newton step
NOISE = 0.5  # of one example's distance, the spread of its logarithm
VALIDATION = 300  # examples


@dataclass(frozen=True)
class World:
    """The shares that are left, by how much the Newton step scores better, and which gates are passed.

    Arguments:
        earlier: what the flow leaves at its best time.
        inside: whether the gradient step's size lies inside what was tried.
    """

    gain: float = 0.0
    newton: float = 0.02
    gradient: float = 0.5
    earlier: float = 0.02
    skill: Skill = Skill()
    converged: bool = True
    met: bool = True
    inside: bool = True


def pair(world: World, sample: Sample) -> tuple[float, float]:
    trained = sample.accuracy - max(world.gain, 0.0)
    return trained + world.gain, trained


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    columns = ("newton_score", "trained_score")
    rows = examples(sample, dict(zip(columns, pair(world, sample), strict=True)), rng, world.skill)
    shape, normal = (sample.seeds, sample.examples), rng.standard_normal
    of_example = normal(int(rows["id"].max()) + 1)[rows["id"].reshape(shape)]
    change = np.exp(0.7 * (np.sqrt(0.5) * of_example + np.sqrt(0.5) * normal(shape)))
    change /= change.mean(axis=1, keepdims=True)

    def factor(*size: int) -> np.ndarray:
        """Of seeds and of examples, with the mean 1; also the one of validation."""
        spread = sample.spread + 0.05
        return np.exp(spread * normal((sample.seeds, 1)) - spread**2 / 2) * np.ones(size)

    def noise() -> np.ndarray:
        return np.exp(NOISE * normal(shape) - NOISE**2 / 2)

    of_seed, shared = factor(sample.seeds, 1), noise()
    curve = (
        world.newton + (world.earlier - world.newton) * np.sin(np.pi * np.arange(TIMES) / (TIMES - 1)) ** 2
    )
    curve[TIMES // 2] = world.earlier
    gaps = [share * of_seed * change * shared * (0.9 + 0.1 * noise()) for share in curve]
    seen = [gap.mean(axis=1) for gap in gaps]
    chosen = [share * np.exp(NOISE / VALIDATION**0.5 * normal(sample.seeds)) for share in curve]
    at = np.arange(sample.seeds)
    stopped, nearest = (np.stack(gaps)[np.argmin(of, axis=0), at] for of in (chosen, seen))
    found = {
        "change": change,
        "newton_gap": gaps[-1],
        "gradient_gap": world.gradient * factor(sample.seeds, 1) * change * noise(),
        "stopped_gap": stopped,
        "nearest_gap": nearest,
    }
    facets = {"loss": "square", "offset": "kept", "form": "tangent"}
    about = {name: np.full(len(rows), value) for name, value in facets.items()}
    distances = {name: values.ravel() for name, values in found.items()}
    return {
        "examples": made("examples", {**about, **{c.name: c.values for c in rows.columns}, **distances}),
        "training": Table.from_rows("training", [{"loss": "square", "converged": world.converged}]),
        "certificates": Table.from_rows("certificates", [{"loss": "square", "met": world.met}]),
        "candidates": Table.from_rows(
            "candidates", [{**facets, "arm": GRADIENT, "chosen": True, "inside": world.inside}]
        ),
    }


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    if question.key == SCORE:
        return compared(sample, *pair(world, sample)) if world.skill.task else None
    left = {
        NEWTON_NEAR: world.newton,
        GRADIENT_APART: world.gradient,
        NEARER: world.gradient - world.newton,
        FLOW: world.newton - world.earlier,
    }
    return Asked(left[question.key])


def cases() -> tuple[Case, ...]:
    worlds = [
        (Kind.INSIDE, "every share at half its limit", World(0.005, 0.05, 0.15, 0.025)),
        (Kind.BOUNDARY, "the score a margin below", World(-0.01)),
        (Kind.BOUNDARY, "the Newton step leaves 10 %", World(newton=0.1, earlier=0.1)),
        (Kind.BOUNDARY, "the gradient step leaves 10 %", World(gradient=0.1)),
        (Kind.BOUNDARY, "the Newton step is nearer by 5 %", World(newton=0.07, gradient=0.12, earlier=0.07)),
        (Kind.BOUNDARY, "an earlier time is nearer by 5 %", World(newton=0.07, earlier=0.02)),
        (Kind.TOGETHER, "all but the gradient step's", World(-0.01, 0.1, 0.15, 0.05)),
        (Kind.OUTSIDE, "the Newton step leaves 15 %", World(newton=0.15, earlier=0.15)),
        (Kind.OUTSIDE, "a gradient step leaves 3 %", World(gradient=0.03)),
        (Kind.NOTHING, "permuted labels", World(skill=NOTHING)),
        (Kind.VACUOUS, "both guess", World(skill=ALIKE)),
        (Kind.GATE, "training not converged", World(converged=False)),
        (Kind.GATE, "a step not exact", World(met=False)),
        (Kind.GATE, "a better gradient step beyond what was tried", World(inside=False)),
    ]
    return cases_of("newton-step", formula(("square",), MARGIN), planted, truth, worlds)
