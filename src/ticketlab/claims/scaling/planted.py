"""Planted tables of `scaling`: curves of a known form, with noise of seeds and of single runs.

The curve follows a form up to the second largest size. The last fall may be another share of what a law promises, or have another
exponent, so that each question has its boundary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ticketlab.claims.planted import cases_of, made
from ticketlab.claims.scaling.families import YARDSTICK
from ticketlab.claims.scaling.formula import (
    ARRIVES,
    EXPONENT,
    LEAST,
    Curves,
    formula,
    local,
    promised,
)
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Question, Tables
from ticketlab.laws.scaling import POWER, fit_curve

__all__ = ["SIZES", "World", "cases", "curve", "planted"]

SIZES = np.geomspace(1000, 320_000, 7)
SHORT = np.geomspace(10_000, 320_000, 7)
KINDS = ("MLP", YARDSTICK)
SURE = Sample(10, 0)
SEEDS = (Sample(5, 0), Sample(10, 0), Sample(3, 0), Sample(2, 0))
CHANCE = 0.0015  # spread of the log loss of a run with permuted targets, which learns frequencies alone
STEPS = 8000
SHORTER = 0.1  # log loss of a third of these steps above that of all
SHARED = 0.02  # spread of the logarithm of the loss that all sizes of a seed have in common


FORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "power": lambda m: 1 + 1.5 * m**-0.3,
    "steep power": lambda m: 3 * m**-0.5,
    "slow power": lambda m: 3 * m**-0.05,
    "edge": lambda m: 3 * m ** (-LEAST / ARRIVES),  # two thirds of its fall have the exponent at its limit
    "crawling power": lambda m: 3 * m**-0.005,
    "logarithmic": lambda m: 3 - 0.25 * np.log(m),
    "exponential": lambda m: 1 + 2 * np.exp(-m / m[-1]),
    "stretched exponential": lambda m: 1 + 2 * np.exp(-2 * np.sqrt(m / m[-1])),
    "ended exponential": lambda m: 1 + 2 * np.exp(-25 * m / m[-1]),
    "ended": lambda m: 1 + 1.5 * np.minimum(m, m[-3]) ** -0.3,
    "about to end": lambda m: 1 + 1.5 * np.minimum(m, np.sqrt(m[-1] * m[-2])) ** -0.3,
    "flat": lambda m: np.full(len(m), 2.0),
}


@dataclass(frozen=True)
class World:
    """A curve and how it was measured.

    Arguments:
        form: of the curve, against size relative to the smallest.
        share: of what a power law promises, that arrives at the largest size; NaN: what the form says.
        end: the exponent between the two largest sizes; NaN: what the form says.
        control: the exponent with permuted targets.
        control_at_end: that between the two largest sizes; NaN: the same.
        noise: the spread of a run's log loss.
        short: whether the sizes span too little.
        guess: the loss of the targets' frequencies.
        late, regret, gap: of training, step size and data.
        inside: whether step sizes lie inside their grid.
        shorter: the log loss of a third of the steps above that of all, at the smallest size.
        stopped: whether the trainings of the smallest size ended after a third of their steps.
        yardstick: the transformer's form.
    """

    form: str = "power"
    share: float = float("nan")
    end: float = float("nan")
    control: float = 0.0
    control_at_end: float = float("nan")
    noise: float = 0.003
    short: bool = False
    guess: float = 3.5
    late: float = 0.0
    regret: float = 0.0
    gap: float = 0.02
    inside: bool = True
    shorter: float = SHORTER
    stopped: bool = False
    yardstick: str = "power"


def curve(world: World) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Sizes, and losses without noise."""
    sizes = SHORT if world.short else SIZES
    losses = FORMS[world.form](sizes / sizes[0])
    if np.isfinite(world.share):
        law = fit_curve(POWER, sizes[:-1], losses[:-1], np.full(len(sizes) - 1, 0.01))
        start, end = np.log(law.at(sizes[-2:]))
        losses = np.append(losses[:-1], np.exp(start - world.share * (start - end)))
    if np.isfinite(world.end):
        losses = np.append(losses[:-1], losses[-2] * (sizes[-1] / sizes[-2]) ** -world.end)
    return sizes, losses


def permuted(world: World, sizes: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Losses with permuted targets, without noise."""
    losses = world.guess * (sizes / sizes[0]) ** -world.control
    if np.isfinite(world.control_at_end):
        losses[-1] = losses[-2] * (sizes[-1] / sizes[-2]) ** -world.control_at_end
    return np.asarray(losses)


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    """The runs of one architecture and of the transformer, and their losses by length."""
    found = [_runs(world, kind, sample.seeds, rng) for kind in KINDS]
    runs = {name: np.concatenate([of[name] for of in found]) for name in found[0]}
    return {"runs": made("runs", runs), "lengths": made("lengths", _lengths(world, runs, rng.spawn(1)[0]))}


def _runs(world: World, kind: str, seeds: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    of = replace(World(), form=world.yardstick) if kind == YARDSTICK else world
    sizes, losses = curve(of)
    n, shape = len(sizes), (seeds, len(sizes))

    def drawn(values: np.ndarray | float, noise: float = of.noise) -> np.ndarray:
        common, own = SHARED * rng.standard_normal((seeds, 1)), noise * rng.standard_normal(shape)
        return (values * np.exp(common + own)).ravel()

    def same(value: float) -> np.ndarray:
        return np.full(seeds * n, value)

    loss = drawn(losses)
    last = np.arange(seeds * n) % n == n - 1
    return {
        "kind": np.array([kind] * (seeds * n)),
        "place": np.tile(np.arange(n), seeds),
        "seed": np.repeat(np.arange(seeds), n),
        "parameters": np.tile(sizes, seeds),
        "loss": loss,
        "noisy": loss,
        "validation_loss": loss,
        "train_loss": loss * np.exp(-of.gap),
        "permuted": drawn(np.tile(permuted(of, sizes), (seeds, 1)), CHANCE),
        "guess": same(of.guess),
        "late": np.where(last, of.late, 0.0),
        "inside": same(float(of.inside)).astype(bool),
        "regret": np.where(np.arange(seeds * n) % n == n // 2, of.regret, np.nan),
        "steps": np.where(of.stopped & (np.arange(seeds * n) % n == 0), STEPS // 3, STEPS),
    }


def _lengths(world: World, runs: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Trainings of a third of the steps, and of all."""
    smallest = (runs["kind"] != YARDSTICK) & (runs["place"] == 0)
    more = np.where(smallest, world.shorter, SHORTER) + world.noise * rng.standard_normal(len(smallest))
    third, whole = (np.full(len(smallest), steps) for steps in (STEPS // 3, STEPS))
    return {
        **{name: np.tile(runs[name], 2) for name in ("kind", "place", "seed", "parameters")},
        "steps": np.concatenate([third, whole]),
        "operations": np.concatenate([6 * 128 * runs["parameters"] * steps for steps in (third, whole)]),
        **{
            name: np.concatenate([runs[name] * np.exp(more), runs[name]])
            for name in ("validation_loss", "loss")
        },
    }


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    """What the questions measure on the curve without noise."""
    sizes, losses = curve(world)
    of = Curves(sizes, losses[None])
    return Asked(float((local if question.key == EXPONENT else promised)(of)[0]))


def cases() -> tuple[Case, ...]:
    worlds = [
        (Kind.INSIDE, "a power law with a floor", World()),
        (Kind.INSIDE, "a slow power law", World("slow power")),
        (Kind.INSIDE, "a logarithmic curve", World("logarithmic")),
        (Kind.INSIDE, "more than is required arrives", World(share=1.25 * ARRIVES)),
        (Kind.BOUNDARY, "the exponent at its limit", World(end=LEAST)),
        (Kind.BOUNDARY, "two thirds of what is promised arrive", World(share=ARRIVES)),
        (Kind.BOUNDARY, "permuted targets at their limit", World(control=LEAST)),
        (Kind.TOGETHER, "all of these", World("edge", share=ARRIVES, control=LEAST)),
        (Kind.OUTSIDE, "it has ended", World("ended")),
        (Kind.OUTSIDE, "an exponential that has ended", World("ended exponential")),
        (Kind.OUTSIDE, "a crawling power law", World("crawling power")),
        (Kind.NOTHING, "no architecture learns", World("flat", guess=2.0, yardstick="flat")),
        (Kind.VACUOUS, "it guesses at every size", World("flat", guess=2.0)),
        (Kind.OUTSIDE, "it ends between the two largest sizes", World("about to end")),
        (Kind.GATE, "an exponential about to end", World("exponential")),
        (Kind.GATE, "a stretched exponential about to end", World("stretched exponential")),
        (Kind.GATE, "permuted targets pay too", World(control=2 * LEAST)),
        (Kind.GATE, "permuted targets pay at the largest size", World("slow power", control_at_end=0.05)),
        (Kind.GATE, "the largest size is not trained to the end", World("ended", late=0.05)),
        (Kind.GATE, "far from the end of training", World(late=0.2)),
        (Kind.GATE, "the smallest size does better with a third of the steps", World(shorter=-0.03)),
        (Kind.GATE, "the smallest size was stopped on the way", World(stopped=True)),
        (Kind.GATE, "a step size outside its grid", World(inside=False)),
        (Kind.GATE, "a step size that is wrong for all steps", World(regret=0.03)),
        (Kind.GATE, "data limit the largest size", World("ended", gap=0.3)),
        (Kind.GATE, "noisy runs", World("steep power", noise=0.03)),
        (Kind.GATE, "sizes that span too little", World(short=True)),
        (Kind.GATE, "hardly better than frequencies", World(guess=1.3)),
        (Kind.GATE, "the transformer does not improve", World("ended", yardstick="flat")),
        (
            Kind.GATE,
            "the transformer improves as little",
            World("crawling power", yardstick="crawling power"),
        ),
    ]
    found = cases_of("scaling", formula(KINDS[:1]), planted, truth, worlds, many=SEEDS, few=SEEDS[:3])
    return tuple(replace(c, samples=(SURE,)) if c.kind in (Kind.VACUOUS, Kind.GATE) else c for c in found)
