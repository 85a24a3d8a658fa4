"""Calibration of intervals, rules and formulae: a formula decides about many tables generated from a known truth.

**Scores.** Methods are scored on n test examples in S seeds. Each example has a latent difficulty; a method is right where

    z < Φ⁻¹(accuracy)·√(1 + σ²),   z = √c·y + √(1−c)·y_m + σ·η_ms,   y = √ρ·u_i + √(1−ρ)·w_si

with standard normal u, w and η; y_m is defined like y. ρ is the share of difficulty common to all seeds, c the correlation
of the methods, and σ the spread between seeds. Accuracies are exact, and so is the true difference. With ρ = c = 1 the less
accurate of two methods is wrong wherever the other is, in every seed. Such *rare, one-sided* disagreements, one example in a
hundred, may not occur at all in a sample of a hundred.

**Cases.** A case is a formula, a way to plant its tables, and the truth about its questions. Its kind determines which verdicts
would be wrong. `repeated` counts the outcomes over many repetitions, how often each question's 95 % interval covers the truth,
and its width compared with the ideal one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtri

from ticketlab.laws.difference import Difference, paired_difference
from ticketlab.laws.formulae import Answer, Formula, Question, Tables, answer
from ticketlab.laws.rules import Above, Rule, Within
from ticketlab.laws.scale import POINTS
from ticketlab.laws.verdict import Outcome

__all__ = [
    "RARE",
    "Asked",
    "Case",
    "Kind",
    "Rates",
    "Sample",
    "both_right",
    "difference_cases",
    "disagreement",
    "missed",
    "repeated",
    "scores",
]

WRONG, LEAST, MOST = 0.05, 0.935, 0.98  # bars: wrong verdicts, coverage
ENOUGH = 10  # discordant pairs that are expected in a seed; with fewer, intervals may cover more than MOST
MARGIN = 0.01


# --- scores ---


@dataclass(frozen=True)
class Sample:
    """How much is measured, and where chance comes from.

    Arguments:
        seeds, examples: S and n.
        accuracy: of what is measured, where it is good.
        shared: ρ, the share of difficulty that seeds have in common.
        spread: σ, of seeds on the probit scale; of numbers that seeds give, the spread of their logarithm or log-odds.
        correlation: c, of the methods.
        pool: seeds draw their test examples from n times this number; with 1 they share all of them.
    """

    seeds: int
    examples: int
    accuracy: float = 0.9
    shared: float = 0.5
    spread: float = 0.0
    correlation: float = 0.8
    pool: float = 1.0

    @property
    def rare(self) -> bool:
        """Whether methods disagree in one direction only, in the same examples for all seeds."""
        return self.correlation == self.shared == 1


RARE = {"shared": 1.0, "correlation": 1.0}
"""Options of a sample whose disagreements are rare and one-sided."""


def scores(
    sample: Sample, accuracies: Sequence[float], rng: np.random.Generator
) -> tuple[Int[np.ndarray, "S n"], Float[np.ndarray, "M S n"]]:
    """The examples of each seed, by number, and each method's scores on them, 0 or 1."""
    s, shape = sample, (sample.seeds, sample.examples)
    pool = round(s.pool * s.examples)
    ids = np.broadcast_to(np.arange(s.examples), shape)
    if pool > s.examples:
        ids = np.stack([rng.permutation(pool)[: s.examples] for _ in range(s.seeds)])

    def difficulty() -> np.ndarray:
        y = np.sqrt(s.shared) * rng.standard_normal(pool, np.float32)[ids]
        if s.shared < 1:
            y = y + np.sqrt(1 - s.shared) * rng.standard_normal(shape, np.float32)
        return y

    right, common = np.empty((len(accuracies), *shape)), np.sqrt(s.correlation) * difficulty()
    for m, limit in enumerate(ndtri(accuracies) * np.sqrt(1 + s.spread**2)):
        own = np.sqrt(1 - s.correlation) * difficulty() if s.correlation < 1 else 0.0
        right[m] = common + own < limit - s.spread * rng.standard_normal((s.seeds, 1))
    return ids, right


# --- cases ---


class Kind(StrEnum):
    """What is planted, by what may be said of it."""

    INSIDE = "true by half a margin"
    BOUNDARY = "on a boundary"
    TOGETHER = "on all boundaries"
    OUTSIDE = "false by half a margin"
    NOTHING = "permuted labels"
    VACUOUS = "all guess"
    GATE = "a gate closed"

    @property
    def wrong(self) -> tuple[Outcome, ...]:
        """The verdicts that are wrong. On a boundary both are; of what was not measured nothing may be said."""
        alone = {Kind.INSIDE: (Outcome.FAILS,), Kind.OUTSIDE: (Outcome.HOLDS,)}
        return alone.get(self, (Outcome.HOLDS, Outcome.FAILS))


@dataclass(frozen=True)
class Asked:
    """What is true of a question.

    Arguments:
        effect: on the scale on which it is analysed.
        discordant: the pairs of scores expected in a seed that differ from the usual pair: the disagreements, where methods
            mostly agree; None where there is nothing to count.
    """

    effect: float
    discordant: float | None = None


@dataclass(frozen=True)
class Case:
    """A truth that is planted.

    Arguments:
        claim: whose formula it is.
        name: what is planted, in a few words.
        kind: what may be said of it.
        formula: what is asked.
        plant: the tables of one repetition.
        truth: of each question; None where it has none (a bracket that is wide on purpose is judged by its verdicts).
        samples: for which it is repeated.
        decide: from tables to the outcome of the claim and the answer to the formula, where the formula alone is not all.
    """

    claim: str
    name: str
    kind: Kind
    formula: Formula
    plant: Callable[[Sample, np.random.Generator], Tables]
    truth: Callable[[Sample, Question], Asked | None]
    samples: tuple[Sample, ...] = ()
    decide: Callable[[Tables], tuple[Outcome, Answer]] | None = None

    def decided(self, tables: Tables) -> tuple[Outcome, Answer]:
        if self.decide is not None:
            return self.decide(tables)
        found = answer(self.formula, tables)
        return found.outcome, found


@dataclass(frozen=True)
class Rates:
    """What came out of many repetitions of one case.

    Arguments:
        outcomes: how often each came out.
        coverage: of the 95 % interval of each question that has a truth.
        width: of its half, over 1.96 standard deviations of the estimate.
        discordant: pairs expected in a seed that differ from the usual one, of those questions for which they count.
    """

    outcomes: Mapping[Outcome, float]
    coverage: Mapping[str, float] = field(default_factory=dict)
    width: Mapping[str, float] = field(default_factory=dict)
    discordant: Mapping[str, float] = field(default_factory=dict)


def repeated(case: Case, sample: Sample, repetitions: int, rng: np.random.Generator) -> Rates:
    """Plants and decides many times."""
    counts = dict.fromkeys(Outcome, 0)
    asked: dict[str, Asked] = {}
    means: dict[str, list[float]] = {}
    halves: dict[str, list[float]] = {}
    covered: dict[str, int] = {}
    for number in range(repetitions):
        outcome, found = case.decided(case.plant(sample, rng))
        counts[outcome] += 1
        for each in found.questions():
            assert isinstance(each.formula, Question)
            assert each.effect is not None
            name = named(each.formula)
            if number == 0 and (true := case.truth(sample, each.formula)) is not None:
                asked[name], means[name], halves[name], covered[name] = true, [], [], 0
            if name in asked:
                low, high = each.effect.interval()
                covered[name] += low <= asked[name].effect <= high
                halves[name].append((high - low) / 2)
                means[name].append(each.effect.mean)
    ideal = {name: 1.96 * float(np.std(of)) for name, of in means.items()}
    return Rates(
        {outcome: count / repetitions for outcome, count in counts.items()},
        {name: count / repetitions for name, count in covered.items()},
        {name: float(np.mean(of)) / ideal[name] for name, of in halves.items() if ideal[name] > 0},
        {name: true.discordant for name, true in asked.items() if true.discordant is not None},
    )


def named(question: Question) -> str:
    """The question's key and what it is asked of."""
    return " ".join([question.key, *question.facets.values()])


def missed(case: Case, sample: Sample, found: Rates) -> list[str]:
    """Which bars a case misses, in words."""
    says = [
        f"{outcome} in {found.outcomes[outcome]:.1%}"
        for outcome in case.kind.wrong
        if found.outcomes[outcome] > WRONG
    ]
    for name, coverage in found.coverage.items():
        enough = sample.seeds >= 5 and found.discordant.get(name, 0) >= ENOUGH
        if coverage < LEAST:
            says.append(f"{name}: covers {coverage:.1%}")
        elif enough and coverage > MOST:
            says.append(f"{name}: too wide, covers {coverage:.1%}")
    return says


# --- one difference of scores ---


def difference_cases(samples: Sequence[Sample]) -> tuple[Case, ...]:
    """The rules for one difference of two scores, without a claim around them: equal and better."""
    half, m = MARGIN / 2, MARGIN
    equal, better = Within(m), Above(0.0)
    planted = (
        ("no difference", Kind.INSIDE, equal, 0.0),
        ("equal, a margin below", Kind.BOUNDARY, equal, -m),
        ("equal, a margin above", Kind.BOUNDARY, equal, m),
        ("equal, one and a half below", Kind.OUTSIDE, equal, -3 * half),
        ("better, no difference", Kind.BOUNDARY, better, 0.0),
    )
    return tuple(_of_difference(name, kind, rule, d, tuple(samples)) for name, kind, rule, d in planted)


def _of_difference(name: str, kind: Kind, rule: Rule, difference: float, samples: tuple[Sample, ...]) -> Case:
    def both(sample: Sample) -> tuple[float, float]:
        other = sample.accuracy - max(difference, 0.0)
        return other + difference, other

    def plant(sample: Sample, rng: np.random.Generator) -> Tables:
        ids, right = scores(sample, both(sample), rng)
        seed = np.repeat(np.arange(sample.seeds), sample.examples)
        return {"difference": (right[0] - right[1]).ravel(), "seed": seed, "id": ids.ravel()}

    def effect(tables: Tables) -> Difference:
        return paired_difference(tables["difference"], tables["seed"], tables["id"])

    def truth(sample: Sample, question: Question) -> Asked:
        return Asked(difference, sample.examples * disagreement(sample, *both(sample)))

    words = {outcome: str(outcome) for outcome in Outcome}
    asked = Question("difference", name, effect, rule, "the difference", POINTS, lambda tables: "", words)
    return Case("a difference of scores", name, kind, asked, plant, truth, samples)


def disagreement(sample: Sample, one: float, other: float) -> float:
    """The share of examples on which two methods of these accuracies disagree in a seed."""
    return one + other - 2 * both_right(sample, one, other)


def both_right(sample: Sample, one: float, other: float) -> float:
    """The share of examples on which both are right in a seed.

    P(z < a and z' < b), by Gauss–Legendre over the correlation of z and z' (Drezner & Wesolowsky 1990, equation 1).
    """
    if sample.rare:
        return min(one, other)
    a, b = float(ndtri(one)), float(ndtri(other))
    if not np.isfinite([a, b]).all():
        return one * other
    nodes, weights = np.polynomial.legendre.leggauss(20)
    top = sample.correlation / (1 + sample.spread**2)
    r = top * (nodes + 1) / 2
    density = np.exp(-(a * a - 2 * r * a * b + b * b) / (2 * (1 - r * r))) / np.sqrt(1 - r * r)
    return one * other + top / 2 * float(weights @ density) / (2 * np.pi)
