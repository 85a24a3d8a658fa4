"""Planted tables of `multigraph`: scores of the masked multigraph and its target, and measures of four objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ticketlab.claims.headroom import LEAST
from ticketlab.claims.multigraph.formula import (
    EDGES,
    EMPTY,
    MEASURES,
    NET,
    PERMUTED,
    RANDOM,
    TARGET,
    TRUE,
    WRITTEN,
    formula,
    of_learned_masks,
)
from ticketlab.claims.planted import (
    ALIKE,
    FREQUENT,
    NOTHING,
    Skill,
    cases_of,
    compared,
    examples,
    made,
    of_headroom,
)
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Asked, Case, Kind, Sample
from ticketlab.laws.formulae import Question, Tables

MARGIN, NOISE = 0.01, 0.03


@dataclass(frozen=True)
class World:
    """What is true of the scores, and of the measures.

    Arguments:
        written: the masked multigraph's score, minus its target's.
        fitted: the score of the network that was trained on permuted labels.
        permuted: the masked multigraph's, minus that, as a share of the headroom.
        empty, random: of all edges and of random masks, the gain over guessing as a share of the headroom.
        net, mixed, edges, mask: every measure's gain on the random network, with permuted labels, on the multigraph, and on a
            random mask of it.
        unlearnt: over which object, or with which labels, the search did not learn.
        skill: of the target.
    """

    written: float = 0.0
    fitted: float = 0.98
    permuted: float = 0.0
    empty: float = 0.0
    random: float = 0.0
    net: float = 0.5
    mixed: float = 0.0
    edges: float = 0.0
    mask: float = 0.0
    unlearnt: str = ""
    skill: Skill = Skill()


def planted(world: World, sample: Sample, rng: np.random.Generator) -> Tables:
    return {
        "examples": examples(sample, _accuracies(world, sample), rng, world.skill),
        "learnt": examples(sample, _fitted(world), rng),
        "measures": _measures(world, sample, rng),
        "searches": _searches(world, sample),
    }


def _accuracies(world: World, sample: Sample) -> dict[str, float]:
    return {
        TARGET: sample.accuracy,
        WRITTEN: min(sample.accuracy + world.written, 1.0),
        EMPTY: FREQUENT + world.empty * (1 - FREQUENT),
        RANDOM: FREQUENT + world.random * (1 - FREQUENT),
    }


def _fitted(world: World) -> dict[str, float]:
    return {TARGET: world.fitted, WRITTEN: world.fitted + world.permuted * (1 - FREQUENT)}


def _measures(world: World, sample: Sample, rng: np.random.Generator) -> Table:
    of = {NET: world.net, PERMUTED: world.mixed, EDGES: world.edges, RANDOM: world.mask}
    rows = [(s, m, o, g) for s in range(sample.seeds) for m in MEASURES for o, g in of.items()]
    seed, measure, object_, gain = (np.array(column) for column in zip(*rows, strict=True))
    above = gain + NOISE * rng.standard_normal(len(rows))
    return made("measures", {"seed": seed, "measure": measure, "of": object_, "above": above})


def _searches(world: World, sample: Sample) -> Table:
    """Training scores; the mask over a random network fits few permuted labels."""
    fits = {(NET, TRUE): 1.0, (NET, PERMUTED): 0.3, (EDGES, TRUE): 1.0, (RANDOM, TRUE): 1.0}
    rows = [
        {
            "seed": seed,
            "over": over,
            "labels": labels,
            "train_score": FREQUENT if world.unlearnt == (over if labels == TRUE else labels) else score,
        }
        for (over, labels), score in fits.items()
        for seed in range(sample.seeds)
    ]
    return Table.from_rows("searches", rows)


def truth(world: World, sample: Sample, question: Question) -> Asked | None:
    of = _accuracies(world, sample)
    match question.key:
        case "written":
            return compared(sample, of[WRITTEN], of[TARGET])
        case key if key == PERMUTED:
            fitted = _fitted(world)
            return of_headroom(sample, fitted[WRITTEN], fitted[TARGET])
        case "chance":
            return Asked(world.edges)
        case "separates":
            return Asked(world.net - world.mixed)
        case "beyond":
            return Asked(world.net - world.mask)
        case key if key in (EMPTY, RANDOM):
            return of_headroom(sample, of[key]) if world.skill.task else Asked(0.0, 0.0)
    return None


def cases() -> tuple[Case, ...]:
    half = LEAST / 2
    worlds = [
        (
            Kind.INSIDE,
            "all by half a margin",
            World(-MARGIN / 2, permuted=-half, empty=half, random=half, edges=half),
        ),
        (Kind.BOUNDARY, "the mask is a margin less accurate", World(written=-MARGIN)),
        (Kind.BOUNDARY, "the mask is a margin more accurate", World(written=MARGIN)),
        (Kind.BOUNDARY, "a tenth is lost of permuted labels", World(permuted=-LEAST)),
        (Kind.BOUNDARY, "all edges gain a tenth", World(empty=LEAST)),
        (Kind.BOUNDARY, "random masks gain a tenth", World(random=LEAST)),
        (Kind.BOUNDARY, "measures of all edges gain a tenth", World(edges=LEAST)),
        (
            Kind.TOGETHER,
            "all of these",
            World(-MARGIN, permuted=-LEAST, empty=LEAST, random=LEAST, edges=LEAST),
        ),
        (Kind.OUTSIDE, "the mask is one and a half margins less accurate", World(written=-1.5 * MARGIN)),
        (Kind.OUTSIDE, "random masks gain half as much again", World(random=1.5 * LEAST)),
        (Kind.OUTSIDE, "measures of all edges gain nine tenths", World(edges=0.9)),
        (Kind.NOTHING, "permuted labels", World(skill=NOTHING)),
        (Kind.VACUOUS, "the target guesses", World(skill=ALIKE)),
        (Kind.GATE, "permuted labels are hardly fitted", World(fitted=0.2, permuted=-0.055)),
    ]
    separates, chance, beyond = of_learned_masks()
    searches = [
        (chance, "the search over the multigraph has not learnt", World(unlearnt=EDGES)),
        (separates, "the search over the random network has not learnt", World(net=0.0, unlearnt=NET)),
        (separates, "the search over permuted labels has not learnt", World(unlearnt=PERMUTED)),
        (beyond, "the search over a random mask has not learnt", World(unlearnt=RANDOM)),
    ]
    return (
        *cases_of("multigraph", formula(MARGIN), planted, truth, worlds),
        *(
            case
            for asked, name, world in searches
            for case in cases_of("multigraph", asked, planted, truth, [(Kind.GATE, name, world)])
        ),
    )
