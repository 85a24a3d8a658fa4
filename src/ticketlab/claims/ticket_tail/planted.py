"""Planted tables of `ticket-tail`: tickets whose qualities have a known law, measured on halves of a noisy test set.

The tickets of every seed are drawn and go through the same measures as real ones. As that takes milliseconds a seed, each world
has a pool of finished seeds, and a repetition takes some of them without replacement.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
SECOND = 0.02  # of tickets in the second of two groups
GATED = 0.22  # noise beyond which a twentieth of what differs is noise, and nothing is asked
SURE = Sample(40, 0)  # without a gate the claim would be decided
SEEDS = (Sample(5, 0), Sample(10, 0), Sample(3, 0), Sample(2, 0))


@dataclass(frozen=True)
class World:
    """The law of the tickets.

    Arguments:
        law: "normal", "exponential", "alike", "two groups" (exponential, and a few together in its tail), or the shape of a
            generalised Pareto law.
        noise: the standard deviation of the noise of all test examples, as a share of the tickets' own.
        levels: to how many different qualities they are rounded; 0: not at all.
        permuted: how good tickets are with permuted targets, relative to those with true ones; they have the same law.
    """

    law: str | float = "exponential"
    noise: float = 0.0
    levels: int = 0
    permuted: float = 0.0

    def quantile(self, p: np.ndarray) -> np.ndarray:
        if self.law == "normal":
            return ndtri(p)
        if self.law == "alike":
            return np.zeros(np.shape(p))
        if self.law == "two groups":
            first = -np.log1p(-np.minimum(p, 1 - SECOND) / (1 - 0.999 * SECOND))
            return np.where(p < 1 - SECOND, first, 5 + (p - 1 + SECOND) / SECOND)
        return Pareto(0.0 if self.law == "exponential" else float(self.law), 1.0).quantile(p)


def drawn(world: World, rng: np.random.Generator) -> tuple[Qualities, Qualities]:
    """True and permuted tickets. The two halves have independent noise, and all examples that of their mean."""
    true = BASE + STEP * world.quantile(rng.random(TICKETS))
    if world.levels:
        true = np.round(true / STEP * world.levels) * STEP / world.levels
    spread = float(true.std()) if world.law != "alike" else STEP
    noise = np.sqrt(2) * world.noise * spread * rng.standard_normal((2, 2, TICKETS))
    return _measured(true + noise[0]), _measured(world.permuted * true + noise[1])


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
    if world.levels or world.permuted or world.law in ("alike", "two groups") or world.noise > GATED:
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
        (Kind.NOTHING, "permuted targets", World("alike", 1.0, permuted=1.0)),
        (Kind.VACUOUS, "tickets differ by noise alone", World("alike", 1.0)),
        (Kind.GATE, "shape −0.3, noise 0.3", World(-0.3, 0.3)),
        (Kind.GATE, "shape −0.3, noise 2", World(-0.3, 2.0)),
        (Kind.GATE, "permuted targets do as well", World(-0.3, permuted=1.2)),
        (Kind.GATE, "two groups of tickets", World("two groups")),
        (Kind.GATE, "tickets tie", World(levels=2)),
    ]
    found = cases_of("ticket-tail", formula(), planted, truth, worlds, many=SEEDS, few=SEEDS[:3])
    return tuple(replace(c, samples=(SURE,)) if c.kind in (Kind.VACUOUS, Kind.GATE) else c for c in found)
