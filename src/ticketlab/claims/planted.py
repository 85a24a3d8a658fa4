"""What the planted tables of all claims share: test examples with scores, and the samples for which cases are repeated.

`claims/<claim>/planted.py` has the cases of a claim: tables that its formula reads, made from a planted truth
(`ticketlab.laws.calibration`). Each is a world, a frozen object whose defaults make the claim comfortably true, and of which a
case changes what it is about. `make calibrate` repeats every case, and tests repeat some.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from ticketlab.evidence.tables import Column, Table
from ticketlab.laws.calibration import RARE, Asked, Case, Kind, Sample, both_right, disagreement, scores
from ticketlab.laws.difference import UNUSUAL
from ticketlab.laws.formulae import Answer, Formula, Question, Tables
from ticketlab.laws.verdict import Outcome

__all__ = [
    "ALIKE", "FREQUENT", "MANY", "NOTHING", "SURE", "Skill", "all_cases", "cases_of", "compared", "examples", "made",
    "of_headroom",
]  # fmt: skip

World = TypeVar("World")

MANY = (
    Sample(10, 100, 0.9, **RARE),
    Sample(5, 400, 0.9, 0.0, 0.15, pool=2.0),
    Sample(3, 100, 0.9, 0.9),
    Sample(10, 400, 0.5, 0.9),
    Sample(2, 400, 0.9, 0.5, 0.15),
    Sample(3, 1000, 0.9, 0.5, 0.15),
    Sample(5, 100, 0.99, 0.5),
)
"""Samples of a boundary: every number of seeds and kind of chance, and the worst corners of their product."""

LARGE = Sample(3, 10_000, 0.99, 0.5)
"""The largest test set, of a claim's first boundary."""

FEW = (Sample(3, 400, 0.9, 0.5, 0.15), Sample(10, 400, 0.99, 0.5))
"""Samples of what lies on either side."""

SURE = Sample(10, 400, 0.99, 0.0)
"""Of what was not measured: without its gate it would be decided."""

FREQUENT = 0.1  # the share of the most frequent class


@dataclass(frozen=True)
class Skill:
    """What the methods have learnt.

    Arguments:
        task: the task, so that their accuracies are those that are planted; else nothing.
        alike: without the task: whether all give the most frequent class, or each another class at random.
    """

    task: bool = True
    alike: bool = False


NOTHING, ALIKE = Skill(False), Skill(False, True)


def examples(
    sample: Sample,
    accuracies: Mapping[str, float],
    rng: np.random.Generator,
    skill: Skill = Skill(),
    guess: float = FREQUENT,
) -> Table:
    """Scores by seed and test example, with the score of always guessing the most frequent class.

    Arguments:
        accuracies: by column.
        guess: the share of the most frequent class.
    """
    at = sample if skill.task else replace(sample, shared=0.0, correlation=0.0, spread=0.0)
    planted = [accuracy if skill.task else guess for accuracy in accuracies.values()]
    ids, right = scores(at, planted, rng)
    frequent = (rng.random(int(ids.max()) + 1) < guess).astype(float)[ids].ravel()
    columns = {
        "seed": np.repeat(np.arange(sample.seeds), sample.examples),
        "id": ids.ravel(),
        "guess": frequent,
    }
    columns |= {name: frequent if skill.alike else right[m].ravel() for m, name in enumerate(accuracies)}
    return made("examples", columns)


def made(name: str, columns: Mapping[str, np.ndarray]) -> Table:
    """A table of columns."""
    return Table(name, tuple(Column(column, values) for column, values in columns.items()))


def compared(sample: Sample, one: float, other: float) -> Asked:
    """What is true of a difference between two methods' scores."""
    return Asked(one - other, sample.examples * disagreement(sample, one, other))


def of_headroom(sample: Sample, one: float, other: float | None = None, guess: float = FREQUENT) -> Asked:
    """What is true of a share θ of the headroom above guessing.

    A pair counts by its part in θ, which is right₁ − right₂ − θ·(1 − guess right). A method that hardly errs differs from
    guessing on nearly all examples, always in one direction. The discordant pairs are then its errors.

    Arguments:
        one, other: the methods' accuracies; without the second, guessing itself.
    """
    rights = np.array([(1, 1), (1, 0), (0, 1), (0, 0)])
    second = guess if other is None else other
    both = one * guess if other is None else both_right(sample, one, other)
    cells = np.array([both, one - both, second - both, 1 - one - second + both])
    share = (one - second) / (1 - guess)
    parts, chances = [], []
    for right, chance in ((1.0, guess), (0.0, 1 - guess)):
        parts.append(rights[:, 0] - rights[:, 1] - share * (1 - right))
        chances.append(cells * (chance if other is not None else rights[:, 1] == right))
    part, weight = np.concatenate(parts), np.concatenate(chances)
    order = np.argsort(part)
    usual = part[order][np.searchsorted(np.cumsum(weight[order]), 0.5)]
    return Asked(share, sample.examples * float(weight[np.abs(part - usual) > UNUSUAL].sum()))


def cases_of(
    claim: str,
    formula: Formula,
    plant: Callable[[World, Sample, np.random.Generator], Tables],
    truth: Callable[[World, Sample, Question], Asked | None],
    worlds: Sequence[tuple[Kind, str, World]],
    *,
    many: tuple[Sample, ...] = MANY,
    few: tuple[Sample, ...] = FEW,
    decide: Callable[[Tables], tuple[Outcome, Answer]] | None = None,
) -> tuple[Case, ...]:
    """A case for each world.

    Arguments:
        plant, truth: the tables of one repetition in a world, and what is true there of a question.
        worlds: what is planted, with its kind and name.
        many: samples of the first boundary, to which the usual ones add the largest; every second serves all boundaries
            together, every third each other boundary.
        few: samples of what is true or false by half.
    """
    first = next((number for number, (kind, *_) in enumerate(worlds) if kind is Kind.BOUNDARY), None)

    def samples(number: int, kind: Kind) -> tuple[Sample, ...]:
        if number == first:
            return (*many, LARGE) if many is MANY else many
        if kind in (Kind.BOUNDARY, Kind.TOGETHER):
            apart = 2 if kind is Kind.TOGETHER else 3
            return many[number % apart :: apart]
        if kind in (Kind.INSIDE, Kind.OUTSIDE):
            return few
        return (SURE if many[0].examples else many[-2],)

    return tuple(
        Case(
            claim,
            name,
            kind,
            formula,
            partial(plant, world),
            partial(truth, world),
            samples(number, kind),
            decide,
        )
        for number, (kind, name, world) in enumerate(worlds)
    )


def all_cases() -> dict[str, tuple[Case, ...]]:
    """The cases of every claim, by the folder that has them."""
    folders = sorted(file.parent.name for file in Path(__file__).parent.glob("*/planted.py"))
    found: dict[str, Callable[[], tuple[Case, ...]]] = {
        folder: importlib.import_module(f"{__package__}.{folder}.planted").cases for folder in folders
    }
    return {folder: cases() for folder, cases in found.items()}
