"""Planted tables of `ticket-tail`: tickets whose qualities have a known law, measured on halves of a noisy test set.

The tickets of every seed are drawn and go through the same measures as real ones. As that takes milliseconds a seed, each world
has a pool of finished seeds, and a repetition takes some of them without replacement.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtri

from ticketlab.claims.planted import cases_of, made
from ticketlab.claims.ticket_tail.formula import GAIN, HEADLINE, ROOM, formula
from ticketlab.claims.ticket_tail.measures import LOG, curve_rows, gains, ratio_of, tail_row, top
from ticketlab.claims.ticket_tail.quality import Qualities
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Question, Tables
from ticketlab.laws.tails import Pareto, normal_shape

__all__ = ["World", "cases", "planted", "pool"]

TICKETS, POOL = 5000, 200
BASE, STEP = 0.3, 0.01  # of the quality −log(loss): where it starts, and the unit of its law
GATED = 0.22  # noise beyond which a twentieth of what differs is noise, and nothing is asked
SEEDS = (Sample(5, 0), Sample(10, 0), Sample(3, 0), Sample(2, 0))


@dataclass(frozen=True)
class World:
    """The law of the tickets.

    Arguments:
        law: "normal", "exponential", or the shape of a generalised Pareto law.
        noise: the standard deviation of the noise of all test examples, as a share of the tickets' own.
        levels: to how many different qualities they are rounded; 0: not at all.
        better: whether they are better, held out, than with permuted targets.
    """

    law: str | float = "exponential"
    noise: float = 0.0
    levels: int = 0
    better: bool = True

    def quantile(self, p: np.ndarray) -> np.ndarray:
        if self.law == "normal":
            return ndtri(p)
        if self.law == "alike":
            return np.zeros(np.shape(p))
        return Pareto(0.0 if self.law == "exponential" else float(self.law), 1.0).quantile(p)


def drawn(world: World, rng: np.random.Generator) -> tuple[Qualities, Qualities]:
    """True and permuted tickets. The two halves have independent noise, and all examples that of their mean."""
    true = BASE + STEP * world.quantile(rng.random(TICKETS))
    if world.levels:
        true = np.round(true / STEP * world.levels) * STEP / world.levels
    spread = float(true.std()) if world.law != "alike" else STEP
    noise = np.sqrt(2) * world.noise * spread * rng.standard_normal((2, 2, TICKETS))
    better = true if world.better else 0.0 * true
    return _measured(better + noise[0]), _measured(noise[1])


def _measured(halves: np.ndarray) -> Qualities:
    skills = 1 - np.exp(-halves)
    return Qualities(1 - np.exp(-halves.mean(axis=0)), skills, skills[::-1])


@lru_cache(32)
def pool(world: World) -> dict[str, list[list[dict[str, float | str]]]]:
    """The rows of finished seeds, by table."""
    rng = np.random.Generator(np.random.PCG64(7))
    found: dict[str, list[list[dict[str, float | str]]]] = {"tails": [], "curves": [], "gains": []}
    for _ in range(POOL):
        true, permuted = drawn(world, rng)
        before, last = gains(true, 0.0)
        found["tails"].append([tail_row(true, LOG, 0.0, rng)])
        found["curves"].append(curve_rows(true, permuted, (top(TICKETS),)))
        found["gains"].append([{"before": before, "last": last, "normal_ratio": ratio_of(tickets=TICKETS)}])
    return found


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    """The tables of both kinds of ticket of the claim."""
    seeds = pool(world)
    taken = rng.permutation(POOL)[: 2 * sample.seeds].reshape(2, -1)
    tables = {}
    for name, of in seeds.items():
        rows = [
            {"kind": kind, "seed": seed, **row}
            for kind, numbers in zip(HEADLINE, taken, strict=True)
            for seed, number in enumerate(numbers.tolist())
            for row in of[number]
        ]
        tables[name] = made(name, {column: np.array([row[column] for row in rows]) for column in rows[0]})
    return tables


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    """The shape's distance from a normal law's at the thresholds that are chosen, and that of the ratio of gains."""
    if world.levels or not world.better or world.law == "alike" or world.noise > GATED:
        return None
    if question.key == GAIN:
        return Asked(ratio_of(world.quantile, TICKETS) - ratio_of(tickets=TICKETS))
    normal = np.array([row["normal_shape"] for rows in pool(world)["tails"] for row in rows], float)
    if world.law == "normal":
        return Asked(0.0)
    return Asked((0.0 if world.law == "exponential" else float(world.law)) - float(normal.mean()))


def _shortest() -> float:
    """The shape that is as much shorter than a normal law's as the rule allows, above the lowest threshold."""
    return round(normal_shape(0.2, TICKETS // 5) - ROOM, 3)


def cases() -> tuple[Case, ...]:
    worlds = [
        (Kind.INSIDE, "exponential tickets", World()),
        (Kind.INSIDE, "shape 0.2", World(0.2)),
        (Kind.INSIDE, "shape 0", World(0.0)),
        (Kind.INSIDE, "shape −0.1", World(-0.1)),
        (Kind.INSIDE, "normal tickets", World("normal")),
        (Kind.INSIDE, "exponential tickets, noise 0.2", World(noise=0.2)),
        (Kind.INSIDE, "normal tickets, noise 0.2", World("normal", 0.2)),
        (Kind.BOUNDARY, "just as short as is allowed", World(_shortest())),
        (Kind.BOUNDARY, "just as short as is allowed, noise 0.2", World(_shortest(), 0.2)),
        (Kind.TOGETHER, "just as short as is allowed, noise 0.1", World(_shortest(), 0.1)),
        (Kind.OUTSIDE, "shape −0.3", World(-0.3)),
        (Kind.OUTSIDE, "shape −0.3, noise 0.2", World(-0.3, 0.2)),
        (Kind.NOTHING, "permuted targets", World("alike", 1.0, better=False)),
        (Kind.VACUOUS, "tickets differ by noise alone", World("alike", 1.0)),
        (Kind.GATE, "shape −0.3, noise 0.3", World(-0.3, 0.3)),
        (Kind.GATE, "shape −0.3, noise 1", World(-0.3, 1.0)),
        (Kind.GATE, "tickets tie", World(levels=2)),
    ]
    return cases_of("ticket-tail", formula(), planted, truth, worlds, many=SEEDS, few=SEEDS[:3])
