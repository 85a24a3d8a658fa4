"""Planted tables of `linear-regime`: power laws over width, whose levels and exponents vary between seeds, and loss curves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

from ticketlab.claims.linear_regime.formula import CONTROL, EXPONENTS, MEASURES, Setting, Terms, formula
from ticketlab.claims.planted import cases_of, made
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Question, Tables

NAMES, WIDTHS, LEAST = ("standard", "ntk", CONTROL), np.array([64, 128, 256, 512]), 0.25
SETTINGS = (Setting("square", 1), Setting("cross-entropy", 1))
TERMS = Terms(NAMES, SETTINGS, LEAST, reached=0.1)
NOISE = 0.05  # spread of the logarithm of one measured number
MANY = tuple(Sample(seeds, 0, spread=spread) for seeds in (2, 3, 5, 10) for spread in (0.0, 0.5))


@dataclass(frozen=True)
class World:
    """What becomes of the two networks that should become linear, at the widest and over widths; and of the control.

    Arguments:
        distance, drift, motion: at the widest.
        exponent: of all measures.
        control, fall: the control's distance at the widest, and its exponent.
        left: the share of the loss that is left at the end of training.
        score: of both sides at the widest; guessing scores a tenth.
    """

    distance: float = 0.03
    drift: float = 0.03
    exponent: float = 0.6
    control: float = 0.5
    left: float = 0.001
    score: float = 0.9
    motion: float = 0.03
    fall: float = 0.0

    def sizes(self, name: str) -> dict[str, float]:
        of_control = {"distance": self.control, "drift": 0.5}
        others = {"distance": self.distance, "drift": self.drift}
        return {"motion": self.motion, **(of_control if name == CONTROL else others)}

    def exponent_of(self, name: str) -> float:
        return self.fall if name == CONTROL else self.exponent


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    shape, parts = (sample.seeds, len(WIDTHS)), []
    for at, name in product(SETTINGS, NAMES):
        about = {**at.where(), "parameterisation": name}
        columns = {column: np.full(sample.seeds * len(WIDTHS), value) for column, value in about.items()}
        columns |= {
            "seed": np.repeat(np.arange(sample.seeds), len(WIDTHS)),
            "width": np.tile(WIDTHS, sample.seeds),
        }
        for measure, size in world.sizes(name).items():
            level = np.log(size) + sample.spread * rng.standard_normal((sample.seeds, 1))
            power = world.exponent_of(name) + 0.1 * rng.standard_normal((sample.seeds, 1))
            noise = NOISE * rng.standard_normal(shape)
            columns[measure] = np.exp(level - power * np.log(WIDTHS / WIDTHS[-1]) + noise).ravel()
        parts.append(columns)
    widths = {column: np.concatenate([of[column] for of in parts]) for column in parts[0]}
    return {"widths": made("widths", widths), "curves": curves(world.left), "examples": scored(world.score)}


@lru_cache
def curves(left: float) -> Table:
    """Of one seed and width: the gate does not depend on chance."""
    rows = [
        {**at.where(), "parameterisation": name, "seed": 0, "width": 512, "step": step}
        | {"train_loss": left ** (step / 100), "linear_train_loss": 0.001 ** (step / 100)}
        for at, name in product(SETTINGS, NAMES)
        for step in (0, 50, 75, 100)
    ]
    return Table.from_rows("curves", rows)


@lru_cache
def scored(score: float) -> Table:
    """Test examples of two seeds: this gate does not depend on chance either."""
    rows = [
        {**at.where(), "parameterisation": name, "seed": seed, "id": i, "guess": float(i % 10 == 0)}
        | dict.fromkeys(("network", "linear"), float(i % 10 < 10 * score))
        for at, name in product(SETTINGS, NAMES)
        for seed in (0, 1)
        for i in range(20)
    ]
    return Table.from_rows("examples", rows)


def truth(world: World, sample: Sample, question: Question) -> Asked:
    name, measure = question.facets["parameterisation"], question.facets["measure"]
    assert measure in MEASURES
    if question.key in EXPONENTS:
        return Asked(world.exponent_of(name))
    return Asked(float(np.log(world.sizes(name)[measure])))


def cases() -> tuple[Case, ...]:
    worlds = [
        (Kind.INSIDE, "every size and exponent by half", World(0.05, 0.05, 0.375, 0.3, motion=0.05)),
        (Kind.BOUNDARY, "the distance is 10 %", World(distance=0.1)),
        (Kind.BOUNDARY, "the drift is 10 %", World(drift=0.1)),
        (Kind.BOUNDARY, "the motion is 10 %", World(motion=0.1)),
        (Kind.BOUNDARY, "the exponents are the least", World(exponent=LEAST)),
        (Kind.BOUNDARY, "the control's distance is 20 %", World(control=0.2)),
        (Kind.BOUNDARY, "the control falls with the least exponent", World(fall=LEAST)),
        (Kind.TOGETHER, "all but the control's", World(0.1, 0.1, LEAST, motion=0.1)),
        (Kind.OUTSIDE, "the distance is 15 %", World(distance=0.15)),
        (Kind.OUTSIDE, "the motion is 300 %", World(motion=3.0)),
        (Kind.OUTSIDE, "the exponents are half the least", World(exponent=LEAST / 2)),
        (Kind.OUTSIDE, "nothing falls with width", World(0.03, 0.03, 0.0, 0.5)),
        (Kind.VACUOUS, "networks that learn nothing", World(left=0.98)),
        (Kind.VACUOUS, "all guess", World(score=0.1)),
        (Kind.GATE, "training stops early", World(left=0.3)),
        (Kind.GATE, "the control is near its linear model", World(control=0.05)),
        (Kind.GATE, "the control becomes linear as fast", World(control=0.3, fall=0.6)),
    ]
    return cases_of("linear-regime", formula(TERMS), planted, truth, worlds, many=MANY, few=MANY[2::4])
