"""Planted tables of `linear-mode`: scores, and errors along lines between copies, with and without a bump.

At the first of two rewind steps the ticket is neither stable nor accurate, at the second it is both. Along a line an example's
latent place wanders, so that values of α near to each other go wrong on much the same examples. The barrier's two estimates are
made of the wrong answers as the study makes them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ticketlab.claims.linear_mode.formula import DENSE, RANDOM, TICKET, Terms, decided, formula
from ticketlab.claims.linear_mode.planted_lines import planted_barrier
from ticketlab.claims.planted import ALIKE, FREQUENT, NOTHING, Skill, cases_of, compared, examples, made
from ticketlab.evidence.tables import Table, concatenate
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Answer, Question, Tables
from ticketlab.laws.verdict import Outcome

STEPS = (0, 300)
TERMS = Terms(stable=0.02, margin=0.01, rewind_steps=STEPS)
M, S = TERMS.margin, TERMS.stable


@dataclass(frozen=True)
class World:
    """What the ticket is at each rewind step.

    Arguments:
        barrier: of the ticket.
        gain: in score over the dense network.
        over_random: in score over a random mask.
        room: what networks of the sample's accuracy gain over guessing, if it is not what they gain over one of ten classes.
        fitted: the share of the training labels that the dense network fits.
    """

    barrier: tuple[float, float] = (0.1, 0.0)
    gain: tuple[float, float] = (-0.05, 0.05)
    over_random: tuple[float, float] = (0.1, 0.1)
    skill: Skill = Skill()
    room: float | None = None
    fitted: float = 1.0


def accuracies(world: World, sample: Sample, step: int) -> dict[str, float]:
    ticket = sample.accuracy + min(0.0, world.gain[step])
    scored = {TICKET: ticket, DENSE: ticket - world.gain[step], RANDOM: ticket - world.over_random[step]}
    return {f"{arm}_score": accuracy for arm, accuracy in scored.items()}


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    parts = []
    for number, k in enumerate(STEPS):
        guess = FREQUENT if world.room is None else sample.accuracy - world.room
        rows = examples(sample, accuracies(world, sample, number), rng, world.skill, guess)
        low, high = planted_barrier(world.barrier[number], sample, rows["id"], rng, points=8, memory=0.8)
        columns = {column.name: column.values for column in rows.columns}
        columns |= {f"{TICKET}_barrier_split": low, f"{TICKET}_barrier": high}
        parts.append(made("examples", {"rewind_step": np.full(len(rows), k), **columns}))
    dense = [{"rewind_step": k, "arm": DENSE, "train_score": world.fitted} for k in STEPS]
    return {"examples": concatenate("examples", parts), "copies": Table.from_rows("copies", dense)}


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    """A barrier's interval is between two estimates on purpose, and is judged by verdicts."""
    if question.key == "stable" or not world.skill.task:
        return None
    of = accuracies(world, sample, STEPS.index(int(question.facets["rewind_step"])))
    other = DENSE if question.key == "accurate" else RANDOM
    return compared(sample, of[f"{TICKET}_score"], of[f"{other}_score"])


def decide(tables: Tables) -> tuple[Outcome, Answer]:
    return decided(TERMS, tables)


def cases() -> tuple[Case, ...]:
    worlds = [
        (Kind.INSIDE, "half a margin each", World((1.5 * S, S / 2), (-1.5 * M, -M / 2))),
        (Kind.BOUNDARY, "it works, with the barrier at its limit", World((0.1, S))),
        (Kind.BOUNDARY, "unstable, a margin less accurate", World((0.1, 0.1), (-M, -0.05))),
        (
            Kind.BOUNDARY,
            "unstable, a margin better than a random mask",
            World((0.1, 0.0), (0.05, 0.05), (M, 0.1)),
        ),
        (Kind.BOUNDARY, "stable, a margin less accurate", World((0.1, 0.0), (-0.05, -M))),
        (Kind.TOGETHER, "both work, with the barrier at its limit", World((S, S), (0.05, 0.05))),
        (Kind.OUTSIDE, "it works, and the barrier is above by half", World((0.1, 1.5 * S))),
        (Kind.OUTSIDE, "it works, and the barrier is large", World((0.1, 0.1))),
        (Kind.NOTHING, "permuted labels", World(skill=NOTHING)),
        (Kind.VACUOUS, "all guess", World(skill=ALIKE)),
        (Kind.GATE, "training has not converged", World((0.1, 0.1), (0.05, 0.05), fitted=0.5)),
        (Kind.GATE, "guessing is as good", World((0.1, 0.1), (0.05, 0.05), room=0.0)),
        (Kind.GATE, "no barrier could be high", World((0.1, 0.0), (-0.05, 0.0), room=0.025)),
    ]
    return cases_of("linear-mode", formula(TERMS, STEPS), planted, truth, worlds, decide=decide)
