"""Planted tables of `gp-performance`: scores of training, its pictures and arbitrary kernels, their choices, and the gates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from ticketlab.claims.gp_performance.formula import (
    ARMS,
    COLUMNS,
    DESCENT,
    NOTHING,
    PICTURES,
    SHUFFLED,
    TRUE,
    Asked,
    parts,
)
from ticketlab.claims.gp_performance.shares import ARBITRARY, RBF_NOISE
from ticketlab.claims.planted import ALIKE, FREQUENT, Skill, cases_of, compared, examples, made, of_headroom
from ticketlab.claims.planted import NOTHING as NOTHING_LEARNT
from ticketlab.evidence.tables import Table, concatenate
from ticketlab.laws.calibration import Asked as Truth
from ticketlab.laws.calibration import Case, Kind, Sample
from ticketlab.laws.formulae import All, Question, Tables

MAJORITY = 0.9
MORE = Sample(10, 4000, 0.99, 0.0)  # a small gain is known, so that only its size keeps the claim back
ASKED = Asked((1.0,), (300,), MAJORITY, 0.01)


@dataclass(frozen=True)
class World:
    """What the pictures have of training's gain, and how the measurement went.

    Arguments:
        shares: of the NNGP posterior, the law of trained networks and the tangent minimum.
        arbitrary: of the RBF kernel and the linear one, which know nothing of the network.
        gain: of training over guessing; None: that of the sample's accuracy.
        spread: of the seeds in training, where it differs more than the sample's do.
        shuffled: the score of everybody on shuffled labels; guessing scores a tenth.
        skill: what was learnt.
        settled, inside, met: whether training ended, choices lie inside, minima are certified.
        on_test: whether the pictures' candidates were chosen by test scores.
        candidates: of the pictures; training has three.
    """

    shares: tuple[float, float, float] = (0.97, 0.97, 0.97)
    arbitrary: tuple[float, float] = (0.6, 0.5)
    gain: float | None = None
    spread: float = 0.0
    shuffled: float = FREQUENT
    skill: Skill = Skill()
    settled: bool = True
    inside: bool = True
    met: bool = True
    on_test: bool = False
    candidates: int = 3

    def accuracies(self, sample: Sample) -> dict[str, float]:
        """Of every arm; a picture that explains more than all is better than training."""
        most = max(1.0, *self.shares, *self.arbitrary)
        gain = (sample.accuracy - FREQUENT) / most if self.gain is None else self.gain
        shares = {
            DESCENT: 1.0,
            **dict(zip((*PICTURES, *ARBITRARY), (*self.shares, *self.arbitrary), strict=True)),
        }
        return {COLUMNS[arm]: FREQUENT + share * gain for arm, share in shares.items()}


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    found = []
    for labels in (TRUE, SHUFFLED):
        true = labels == TRUE
        arms = (
            world.accuracies(sample)
            if true
            else dict.fromkeys((COLUMNS[arm] for arm in (*ARMS, *ARBITRARY)), world.shuffled)
        )
        rows = examples(sample, arms, rng, world.skill if true else Skill())
        if true and world.spread > sample.spread:
            rows = rows.adding(**{COLUMNS[DESCENT]: _differing(world, sample, arms[COLUMNS[DESCENT]], rng)})
        about = {"labels": labels, "width": 1.0, "size": 300}
        constant = {name: np.full(len(rows), value) for name, value in about.items()}
        found.append(made("examples", {**constant, **{c: rows[c] for c in ("seed", "id", "guess", *arms)}}))
    return {"examples": concatenate("examples", found), **_choices(world, sample.seeds)}


def _differing(world: World, sample: Sample, accuracy: float, rng: np.random.Generator) -> np.ndarray:
    """Scores of training whose seeds differ, while those of its pictures do not."""
    of = replace(sample, spread=world.spread)
    return examples(of, {"trained": accuracy}, rng, world.skill)["trained"]


@lru_cache(64)
def _choices(world: World, seeds: int) -> dict[str, Table]:
    """Candidates and choices, which do not depend on chance: one is best on validation examples, another on test examples."""
    about = {"labels": TRUE, "width": 1.0, "size": 300}
    tuning: list[dict[str, Any]] = []
    choices: list[dict[str, Any]] = []
    for seed in range(seeds):
        for arm in (*ARMS, *ARBITRARY, RBF_NOISE):
            count = world.candidates if arm in PICTURES else 3
            best = 2 if world.on_test and arm in PICTURES else 1
            tuning += [
                {
                    **about,
                    "offset": offset,
                    "seed": seed,
                    "arm": arm,
                    "candidate": 10.0**-i,
                    "chosen": i == best,
                }
                | {"validation_score": 0.9 if i == 1 else 0.8, "validation_loss": 0.1 if i == 1 else 0.2}
                for offset in ("kept", "centred")
                for i in range(count)
            ]
            outcome = {"inside": world.inside or arm not in ARMS, "settled": world.settled}
            choices += [
                {**about, "offset": offset, "seed": seed, "arm": arm, **outcome}
                for offset in ("kept", "centred")
            ]
    certificates = [{**about, "met": world.met}]
    return {
        "tuning": Table.from_rows("tuning", tuning),
        "choices": Table.from_rows("choices", choices),
        "certificates": Table.from_rows("certificates", certificates),
    }


def truth(world: World, sample: Sample, question: Question) -> Truth | None:
    if question.key == NOTHING:
        return of_headroom(sample, world.shuffled)
    if not world.skill.task:
        return None
    found = world.accuracies(sample)
    picture, trained = found[COLUMNS[question.facets["picture"]]], found[COLUMNS[DESCENT]]
    share = (picture - FREQUENT) / (trained - FREQUENT)
    return Truth(share, compared(sample, picture, trained).discordant)


def cases() -> tuple[Case, ...]:
    m = MAJORITY
    worlds = [
        (Kind.INSIDE, "half of what may be missing is", World((0.95, 0.95, 0.95))),
        (Kind.BOUNDARY, "one share just is the majority", World((m, 1.0, 1.0))),
        (Kind.BOUNDARY, "another share is, others explain more than all", World((1.02, 1.0, m))),
        (Kind.TOGETHER, "all shares just are the majority", World((m, m, m))),
        (Kind.OUTSIDE, "one share is half as far below", World((0.85, 1.0, 1.0))),
        (Kind.OUTSIDE, "shuffled labels leak", World(shuffled=0.3)),
        (Kind.NOTHING, "permuted labels", World(skill=NOTHING_LEARNT)),
        (Kind.NOTHING, "all guess", World(skill=ALIKE)),
        (Kind.NOTHING, "training gains next to nothing", World((0.5, 0.5, 0.5), gain=0.02)),
        (Kind.VACUOUS, "training is hardly better than guessing", World((0.1, 0.1, 0.1), gain=0.07)),
        (Kind.GATE, "training's gain differs between seeds", World((0.25, 0.25, 0.25), gain=0.4, spread=0.8)),
        (Kind.GATE, "training not finished", World(settled=False)),
        (Kind.GATE, "a choice at the edge", World(inside=False)),
        (Kind.GATE, "a minimum not certified", World(met=False)),
        (Kind.GATE, "pictures tuned on test examples", World(on_test=True)),
        (Kind.GATE, "fewer candidates for the pictures", World(candidates=2)),
        (Kind.BOUNDARY, "an arbitrary kernel just has the majority", World((1.0, 1.0, 1.0), (m, 0.5))),
        (Kind.BOUNDARY, "training just has the majority of a picture", World((1.0, 1 / m, 1.0))),
        (Kind.GATE, "an arbitrary kernel is as good as the pictures", World(arbitrary=(0.97, 0.8))),
        (Kind.GATE, "pictures gain twice as much as training", World((2.0, 2.0, 2.0))),
    ]
    asked = All(tuple(parts(ASKED).values()), key="claim")
    found = cases_of("gp-performance", asked, planted, truth, worlds)
    return tuple(replace(c, samples=(MORE,)) if c.kind is Kind.VACUOUS else c for c in found)
