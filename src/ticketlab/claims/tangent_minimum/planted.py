"""Planted tables of `tangent-minimum`: differences in score by loss, and the gates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ticketlab.claims.planted import ALIKE, FREQUENT, NOTHING, Skill, cases_of, compared, examples, made
from ticketlab.claims.tangent_minimum.formula import DESCENT, TANGENT, formula
from ticketlab.evidence.tables import Table, concatenate
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Question, Tables

MARGIN = 0.01
LOSSES = ("square", "cross-entropy")


@dataclass(frozen=True)
class World:
    """By how much the tangent minimum is better with each loss, which gates are passed, and the most frequent class's share."""

    gains: tuple[float, float] = (0.0, 0.0)
    skill: Skill = Skill()
    settled: bool = True
    inside: bool = True
    met: bool = True
    guess: float = FREQUENT


def pair(world: World, sample: Sample, loss: str) -> tuple[float, float]:
    """The accuracies of both sides; that of the better one is the sample's."""
    gain = world.gains[LOSSES.index(loss)]
    descent = sample.accuracy - max(gain, 0.0)
    return descent + gain, descent


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    sides = ("tangent_score", "descent_score")
    arms = {
        f"{side} {loss}": accuracy
        for loss in LOSSES
        for side, accuracy in zip(sides, pair(world, sample, loss), strict=True)
    }
    rows = examples(sample, arms, rng, world.skill, world.guess)
    of_all = {"offset": np.full(len(rows), "kept"), **{c: rows[c] for c in ("seed", "id", "guess")}}
    parts = []
    for loss in LOSSES:
        of_loss = {"loss": np.full(len(rows), loss), **{side: rows[f"{side} {loss}"] for side in sides}}
        parts.append(made("examples", {**of_all, **of_loss}))
    gates = [{"loss": loss, "offset": "kept", "arm": arm} for loss in LOSSES for arm in (DESCENT, TANGENT)]
    choices = [{**row, "inside": world.inside, "settled": world.settled} for row in gates]
    return {
        "examples": concatenate("examples", parts),
        "choices": Table.from_rows("choices", choices),
        "certificates": Table.from_rows("certificates", [{**row, "met": world.met} for row in gates]),
    }


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    if not world.skill.task:
        return None
    return compared(sample, *pair(world, sample, question.facets["loss"]))


def cases() -> tuple[Case, ...]:
    half, m = MARGIN / 2, MARGIN
    worlds = [
        (Kind.INSIDE, "half a margin above and below", World((half, -half))),
        (Kind.BOUNDARY, "one loss a margin below", World((-m, 0.0))),
        (Kind.BOUNDARY, "one loss a margin above", World((m, 0.0))),
        (Kind.TOGETHER, "a margin above and below", World((m, -m))),
        (Kind.OUTSIDE, "one loss one and a half margins below", World((-3 * half, 0.0))),
        (Kind.NOTHING, "permuted labels", World(skill=NOTHING)),
        (Kind.VACUOUS, "both guess", World(skill=ALIKE)),
        (Kind.GATE, "descent not trained to the end", World(settled=False)),
        (Kind.GATE, "a choice at the edge", World(inside=False)),
        (Kind.GATE, "a minimum not certified", World(met=False)),
    ]
    coarse = (Kind.GATE, "the margin is more than can be gained", World((-0.03, -0.03), guess=0.95))
    return (
        *cases_of("tangent-minimum", formula(LOSSES, MARGIN), planted, truth, worlds),
        *cases_of("tangent-minimum", formula(LOSSES, 5 * MARGIN), planted, truth, [coarse]),
    )
