"""Planted tables for the side questions of `scaling`: losses by size and length, read-outs, and losses along a sequence.

Each question has worlds in which it is true, on its boundary and false, and one for each way in which it could say *holds* and be
wrong. They are no part of the claim's calibration: side questions have levels of their own, and tests repeat these worlds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np
from jaxtyping import Float

from ticketlab.claims.planted import made
from ticketlab.claims.scaling import planted as runs
from ticketlab.claims.scaling.formula import LEAST
from ticketlab.claims.scaling.sides import COMPUTE, CONTEXT, NOISY, SECOND, side_questions
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Formula, Gated, Question, Tables
from ticketlab.laws.scaling import frontier

__all__ = ["SideWorld", "planted_sides", "question", "side_cases"]

KIND = "MLP"
STEPS = runs.STEPS // np.array([27, 9, 3, 1])  # of the trainings
EXAMPLES = 128.0 * STEPS
RUN = 0.003  # spread of a run's log loss
SAMPLES = (Sample(3, 0), Sample(10, 0))


@dataclass(frozen=True)
class SideWorld:
    """What is measured besides the loss at equal steps.

    Arguments:
        compute: the exponent along the envelope, for the form "both".
        form: "both": of size and examples; "size": of size alone; "ended": nothing buys anything.
        short_regret: of the step size in short trainings.
        noisy: the exponent with noise in the inputs.
        probe, untrained: exponents of the read-out's error, trained and at the start.
        start: the error at the start, smallest size; 0.8 when trained.
        early, late: exponents in the first and the last quarter of a sequence.
        room: the late loss at the smallest size over the smallest possible one; NaN: not known.
        base: everything else.
    """

    compute: float = 0.05
    form: str = "both"
    short_regret: float = 0.0
    noisy: float = 0.05
    probe: float = 0.04
    untrained: float = 0.005
    start: float = 0.95
    early: float = 0.01
    late: float = 0.05
    room: float = float("nan")
    base: runs.World = field(default=runs.World())


def _trained(world: SideWorld) -> tuple[Float[np.ndarray, "n l"], Float[np.ndarray, "n l"]]:
    """Operations, and losses without noise."""
    sizes = runs.SIZES[:, None]
    budgets = 6 * sizes * EXAMPLES
    # Without a floor the envelope is a power law, so the exponent is the same wherever its budgets end.
    losses = 12 * sizes**-0.35 + (30 * EXAMPLES**-0.35 if world.form == "both" else 0 * EXAMPLES)
    if world.form == "ended":
        losses = np.full(budgets.shape, 2.0)
    if world.form == "both":  # log L multiplied by a factor multiplies the exponent by it
        losses = losses ** (world.compute / _exponent(budgets, losses))
    return budgets, losses


def _exponent(budgets: np.ndarray, losses: np.ndarray) -> float:
    return float(frontier(runs.SIZES, budgets, losses[None], losses[None]).exponents[0])


def planted_sides(world: SideWorld, sample: Sample, rng: np.random.Generator) -> Tables:
    """The runs of one architecture and the transformer, with their lengths."""
    found = runs.planted(world.base, sample, rng)
    table = found["runs"]
    columns = {c.name: np.asarray(c.values) for c in table.columns}
    relative = table["parameters"].astype(float) / runs.SIZES[0]

    def drawn(level: float, exponent: float) -> np.ndarray:
        common = 0.01 * rng.standard_normal(sample.seeds)[table["seed"]]
        return level * relative**-exponent * np.exp(common + RUN * rng.standard_normal(len(relative)))

    middle = table["place"] == len(runs.SIZES) // 2
    columns |= {
        "noisy": drawn(2.2, world.noisy),
        "probe": drawn(0.8, world.probe),
        "untrained_probe": drawn(world.start, world.untrained),
        "early_loss": drawn(2.5, world.early),
        "late_loss": drawn(2.0, world.late),
        "least_late_loss": np.full(len(relative), 2.0 / world.room),
        "short_regret": np.where(middle, world.short_regret, np.nan),
    }
    return {"runs": made("runs", columns), "lengths": made("lengths", _lengths(world, sample, rng))}


def _lengths(world: SideWorld, sample: Sample, rng: np.random.Generator) -> dict[str, np.ndarray]:
    budgets, losses = _trained(world)
    shape = (sample.seeds, *losses.shape)
    own = RUN * rng.standard_normal((2, *shape))
    both = losses * np.exp(own + 0.01 * rng.standard_normal((sample.seeds, 1, 1)))
    seed, place, length = np.indices(shape)
    return {
        "kind": np.array([KIND] * seed.size),
        "place": place.ravel(),
        "seed": seed.ravel(),
        "parameters": runs.SIZES[place].ravel(),
        "steps": STEPS[length].ravel(),
        "operations": np.broadcast_to(budgets, shape).ravel(),
        "validation_loss": both[0].ravel(),
        "loss": both[1].ravel(),
    }


def question(key: str) -> Formula:
    """The side question of the architecture, with its gates."""
    for found in side_questions((KIND,)):
        assert isinstance(found, Gated)
        part = found.part
        if isinstance(part, Question) and (part.key, part.facets["kind"]) == (key, KIND):
            return found
    raise KeyError(key)


def truth(world: SideWorld, sample: Sample, question: Question) -> Asked | None:
    if question.key == COMPUTE:
        found = _exponent(*_trained(world))
        return Asked(found) if np.isfinite(found) else None
    growth = world.late - max(world.early, 0.0)
    return Asked({NOISY: world.noisy, SECOND: world.probe, CONTEXT: growth}[question.key])


def side_cases() -> tuple[Case, ...]:
    w, half = SideWorld, LEAST / 2
    worlds = [
        (NOISY, Kind.INSIDE, "noise costs all sizes alike", w()),
        (NOISY, Kind.BOUNDARY, "with noise, at the limit", w(noisy=LEAST)),
        (NOISY, Kind.OUTSIDE, "larger networks need clean inputs", w(noisy=-0.02)),
        (COMPUTE, Kind.INSIDE, "size and examples pay", w()),
        (COMPUTE, Kind.BOUNDARY, "computation at its limit", w(compute=LEAST)),
        (COMPUTE, Kind.OUTSIDE, "computation buys little", w(compute=half / 2)),
        (COMPUTE, Kind.OUTSIDE, "nothing buys anything", w(form="ended")),
        (COMPUTE, Kind.GATE, "the best size is the largest that was tried", w(form="size")),
        (COMPUTE, Kind.GATE, "short trainings have a wrong step size", w(short_regret=0.03)),
        (SECOND, Kind.INSIDE, "better features", w()),
        (SECOND, Kind.BOUNDARY, "features at the limit", w(probe=LEAST)),
        (SECOND, Kind.OUTSIDE, "features for one task alone", w(probe=0.0)),
        (SECOND, Kind.OUTSIDE, "the larger forget what the second task needs", w(probe=-0.02)),
        (SECOND, Kind.GATE, "width alone", w(untrained=0.04)),
        (SECOND, Kind.GATE, "better before training", w(start=0.6)),
        (CONTEXT, Kind.INSIDE, "late losses fall faster", w()),
        (CONTEXT, Kind.BOUNDARY, "late losses at the limit", w(early=0.02, late=0.02 + LEAST)),
        (CONTEXT, Kind.OUTSIDE, "all steps profit alike", w(early=0.05, late=0.05)),
        (CONTEXT, Kind.OUTSIDE, "early steps suffer from size", w(early=-0.05, late=0.0)),
        (CONTEXT, Kind.GATE, "all has been learnt", w(late=0.0, room=1.02)),
    ]
    return tuple(
        Case(
            "scaling",
            name,
            kind,
            question(key),
            partial(planted_sides, world),
            partial(truth, world),
            SAMPLES[1:] if kind is Kind.GATE else SAMPLES,
        )
        for key, kind, name, world in worlds
    )
