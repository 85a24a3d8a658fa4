"""An effect and its uncertainty, with two sources of chance: the drawn seeds, and the test examples.

Two methods are scored on the same test examples in every run (seed), so their differences are paired. The mean difference
varies between seeds and with the sample of test examples. If seeds share examples, averaging over seeds does not remove the
second kind. So the variance has two parts,

    V_seeds      what seeds add to the sampling of examples:  max(C_seeds − (1 − (seeds−1)^(−7/8))·C_both, 0)
    V_examples   the sampling of examples:                    C_examples + floor

where C_G is the variance clustered by G (Cameron, Gelbach & Miller 2011, equation 2.8). The first has only seeds − 1
degrees of freedom, the second has examples − 1. One Student factor for both would make intervals far too wide for few
seeds. So each part has its own factor, and the half-widths are added in quadrature (Graybill & Wang 1980; Zou & Donner
2008):

    h(α)² = t²(seeds − 1, α)·V_seeds + t²(examples − 1, α)·V_examples

C_both is the contribution of sampling examples to C_seeds. With few seeds only part of it is subtracted, because
C_seeds is then often far too small by chance; with two seeds, nothing. The exponent was chosen by coverage
(docs/decisions.md).

The floor: if hardly any example differs from the others, the sample says nothing about rare ones that it lacks. As
Bonett & Price 2012 do for paired proportions, two examples that differ in opposite directions are added. Their squared
size is the mean of that of the examples which do differ, each weighted by what it contributes to the variance,

    w + (1 − w)·Σ m⁴ / Σ m²,   w = exp(−3·(Σ m²)²),   m = an example's mean difference over seeds, in units,

because what does not recur from seed to seed moves the mean by less. w is the weight of a prior of one whole unit. Without any
such example the interval reaches ±3/n, the "rule of three"; where those that differ reach about as far as one example moves the
mean (Σ m² = 1), the prior hardly counts.

An example differs from the others if it is away from the median. Where two methods mostly agree, these are their
disagreements. Where one is nearly always right and the other guesses, they are the first one's errors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int
from scipy.special import stdtrit

__all__ = ["Bracket", "Difference", "Effect", "of_seeds", "paired_difference"]

PSEUDO = 1.2  # multiplies the square of each of the two added examples; gives ±3/n without any disagreement
FADES = 3.0  # exp(−FADES·(Σ m²)²) is the weight of a disagreement of a whole unit
UNUSUAL = 1 / 8  # of a unit: how far from the median an example has something rare to say
FALLS = 7 / 8  # (seeds − 1)^−FALLS is the part of C_both that is not subtracted


@runtime_checkable
class Effect(Protocol):
    """What a rule decides about: an estimate with one-sided bounds.

    The argument of `lower` and `upper` is the probability that the bound is wrong.
    """

    @property
    def mean(self) -> float: ...

    def lower(self, level: float) -> float: ...

    def upper(self, level: float) -> float: ...

    def interval(self, level: float = 0.95) -> tuple[float, float]: ...


@dataclass(frozen=True)
class Difference:
    """A mean difference with its two sources of chance.

    Arguments:
        mean: over all seeds and test examples.
        seed_variance: V_seeds, of the mean; NaN for a single seed.
        example_variance: V_examples, of the mean; 0 for one number per seed.
        seeds, examples: the numbers of independent ones.
        lower_known, upper_known: whether the values bound the truth on that side. A truncated time is itself only a bound,
            which supports one side.
        crossed_variance: the part of V_examples that is averaged over seeds too, C/(seeds·examples).
        rounding: how far the mean may be off because values on a grid are rounded alike, however many seeds there are; the
            half-width is not below it.
    """

    mean: float
    seed_variance: float
    example_variance: float = 0.0
    seeds: int = 1
    examples: int = 0
    lower_known: bool = True
    upper_known: bool = True
    crossed_variance: float = 0.0
    rounding: float = 0.0

    @property
    def decidable(self) -> bool:
        """Whether there are at least two seeds."""
        return self.seeds >= 2

    @property
    def standard_error(self) -> float:
        return float(np.sqrt(self.seed_variance + self.example_variance))

    def half_width(self, level: float) -> float:
        """h(α), for the one-sided level α; infinite for a single seed."""
        if not self.decidable:
            return float("inf")
        return max(float(np.sqrt(sum(self.squares(level)))), self.rounding)

    def squares(self, level: float) -> tuple[float, float]:
        """The contributions of seeds and of examples to h²(α)."""
        by_seeds = _student(self.seeds - 1, level) ** 2 * self.seed_variance
        if self.example_variance <= 0:
            return by_seeds, 0.0
        return by_seeds, _student(max(self.examples - 1, 1), level) ** 2 * self.example_variance

    def of_size(self, seeds: int | None = None, examples: int | None = None) -> Difference:
        """The same estimate with other numbers of seeds and test examples, by the three parts of the variance."""
        s, n = seeds or self.seeds, examples or self.examples
        by_seeds, by_examples = self.seeds / s, self.examples / n if n else 1.0
        fixed = self.example_variance - self.crossed_variance
        crossed = self.crossed_variance * by_seeds * by_examples
        return replace(
            self,
            seed_variance=self.seed_variance * by_seeds,
            example_variance=fixed * by_examples + crossed,
            crossed_variance=crossed,
            seeds=s,
            examples=n,
        )

    def lower(self, level: float) -> float:
        return self.mean - self.half_width(level) if self.lower_known else float("-inf")

    def upper(self, level: float) -> float:
        return self.mean + self.half_width(level) if self.upper_known else float("inf")

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The two-sided interval with this coverage."""
        return self.lower((1 - level) / 2), self.upper((1 - level) / 2)

    def __neg__(self) -> Difference:
        return replace(self, mean=-self.mean, lower_known=self.upper_known, upper_known=self.lower_known)


@dataclass(frozen=True)
class Bracket:
    """A quantity estimated twice, once biased downwards and once upwards, such as a maximum along a noisy line.

    Its lower bound comes from the first estimate and its upper bound from the second, so that neither bias helps a verdict.
    """

    low: Difference
    high: Difference

    @property
    def mean(self) -> float:
        return (self.low.mean + self.high.mean) / 2

    @property
    def decidable(self) -> bool:
        return self.low.decidable and self.high.decidable

    @property
    def seeds(self) -> int:
        return self.low.seeds

    def lower(self, level: float) -> float:
        return self.low.lower(level)

    def upper(self, level: float) -> float:
        return self.high.upper(level)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        return self.lower((1 - level) / 2), self.upper((1 - level) / 2)


def of_seeds(values: Float[np.ndarray, "n"]) -> Difference:
    """The mean of one number per seed, with Student's interval.

    Arguments:
        values: on a symmetric scale (logarithms of ratios and times).
    """
    count = len(values)
    variance = float(np.var(values, ddof=1) / count) if count > 1 else float("nan")
    return Difference(float(np.mean(values)), variance, 0.0, count, 0)


def paired_difference(
    difference: Float[np.ndarray, "n"],
    seed: Int[np.ndarray, "n"],
    example: Int[np.ndarray, "n"],
    *,
    unit: float | None = 1.0,
    also: Float[np.ndarray, "n"] | None = None,
) -> Difference:
    """The mean of paired differences, with the contributions of seeds and of test examples to its variance.

        C_G = (G/(G−1)) Σ_g (Σ_{i∈g} e_i)² / n²,   e = difference − mean

    Arguments:
        difference: the first score minus the second, one or more entries (widths, say) for every seed and example.
        seed: the run of each entry.
        example: the test example of each entry, by its number in the data set.
        unit: the largest difference that one example can make, which scales the floor; None for quantities without one.
        also: another term with mean 0: for a ratio, the part of its denominator.

    Source: Cameron, Gelbach & Miller 2011, Robust inference with multiway clustering, equation 2.8; Bonett & Price 2012,
    Adjusted Wald confidence interval for a difference of binomial proportions based on paired data.
    """
    d = np.asarray(difference, float)
    mean = float(d.mean())
    e = (d - mean if also is None else d - mean + also) / len(d)
    (seeds, run), (examples, which) = _numbered(seed), _numbered(example)
    clustered = _clustered(e, which)
    pair, parts = run * examples + which, d if also is None else d + also
    by_example = clustered + (0.0 if unit is None else _floor(*_of_pairs(parts, pair, examples), unit))
    if seeds < 2:
        return Difference(mean, float("nan"), by_example, seeds, examples)
    both = _both(e, pair)
    by_seed = max(_clustered(e, run) - (1 - (seeds - 1) ** -FALLS) * both, 0.0)
    crossed = _crossed(clustered, both - by_seed / examples, len(d) / examples)
    return Difference(mean, by_seed, by_example, seeds, examples, crossed_variance=crossed)


def _crossed(by_example: float, rest: float, entries: float) -> float:
    """C/N, of N entries, some of each example, with C_examples = (B + C/entries)·entries/N and rest = (B + C)/N.

    If seeds do not share examples, the two cannot be separated: new seeds bring new examples, so everything counts as C.
    """
    if entries <= 1:
        return by_example
    return min(max((rest - by_example / entries) * entries / (entries - 1), 0.0), by_example)


def _of_pairs(d: np.ndarray, pair: np.ndarray, examples: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the entries of each seed and example, and its example."""
    count = np.bincount(pair)
    there = np.flatnonzero(count)
    return np.bincount(pair, weights=d)[there] / count[there], there % examples


def _floor(d: np.ndarray, example: np.ndarray, unit: float) -> float:
    """The contribution of the two added examples to the variance of the mean."""
    count, middle = np.bincount(example), len(d) // 2
    apart = (d - np.sort(d)[middle]) / unit  # sorting, since selection is slow where values tie
    unusual = np.bincount(example, weights=np.abs(apart) > UNUSUAL) > 0
    squares = (np.bincount(example, weights=apart)[unusual] / count[unusual]) ** 2
    total = float(squares.sum())
    prior = np.exp(-FADES * total**2)
    square = prior + (1 - prior) * (squares @ squares / total if total else 0.0)
    return float(2 * PSEUDO * square * unit**2 / len(count) ** 2)


@lru_cache(4096)
def _student(freedom: float, level: float) -> float:
    return -float(stdtrit(freedom, level))


def _numbered(names: np.ndarray) -> tuple[int, np.ndarray]:
    """The number of distinct names, and the index of each entry's name; without sorting if names are close together."""
    low = names.min()
    if names.max() - low > 4 * len(names):
        different, number = np.unique(names, return_inverse=True)
        return len(different), number
    number = names - low
    there = np.bincount(number) > 0
    if there.all():
        return len(there), number
    return int(np.sum(there)), (np.cumsum(there) - 1)[number]


def _both(e: np.ndarray, pair: np.ndarray) -> float:
    """C_both; numbers of pairs may be missing."""
    sums, count = np.bincount(pair, weights=e), np.count_nonzero(np.bincount(pair))
    return float(sums @ sums) * (count / (count - 1) if count > 1 else 1.0)


def _clustered(e: np.ndarray, groups: np.ndarray) -> float:
    """C_G, of groups by number."""
    sums = np.bincount(groups, weights=e)
    count = len(sums)
    return float(sums @ sums) * (count / (count - 1) if count > 1 else 1.0)
