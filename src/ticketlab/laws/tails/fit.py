"""The tail of a sample: its threshold, its law, and the interval of its shape.

The law is that of maximum likelihood above the chosen threshold, and the interval of ξ comes from the profile likelihood. It is
then widened by what the likelihood does not know: that the tail is only nearly of this form, that draws may share something, and
that they were measured with noise. The sample is split into halves A and B many times, by groups if there are any. If the spread

    s = √(mean (ξ_A − ξ_B)²) / 2

is more than the likelihood expects, the interval is wider by that factor. Half-samples know more than samples drawn again: these
repeat the largest excess or lose it, and never have a larger one.

With noise all of these ξ are followed back to none (`noise.py`), with the same added noise in a sample and its halves. The
likelihood knows nothing of groups and noise. There s decides alone, and has Student's factor: of the groups, or of the splits.

A number is printed only if maximum likelihood and empirical Bayes agree to within a tenth.

Source: McCarthy 1969, Pseudo-replication: half samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtri
from scipy.stats import chi2
from scipy.stats import t as student

from ticketlab.errors import UserError
from ticketlab.laws.tails.noise import with_noise, without_noise
from ticketlab.laws.tails.pareto import FEWEST as FITTED
from ticketlab.laws.tails.pareto import (
    Pareto,
    empirical_bayes,
    maximum_likelihood,
    profile_bounds,
    weighted_moments,
)
from ticketlab.laws.tails.threshold import FEWEST, QUANTILES, candidates, chosen

__all__ = ["AGREE", "Tail", "fit_tail", "normal_shape"]

AGREE = 0.1  # how far apart the shapes of two estimators may be
RESAMPLES, INNER = 60, 10  # of the sample, and for the choice of a threshold in each of them
SPLITS = 40  # of the sample into halves
LEAST = 20  # excesses that any candidate must leave
FIRST = 100  # draws for the choice of the threshold itself
REGULAR = -0.5  # below this shape the likelihood has no usual theory


@dataclass(frozen=True)
class Tail:
    """The upper tail of a sample.

    Arguments:
        threshold: u.
        share: P(X > u), the share of the sample above u.
        excesses: their number.
        law: of the excesses, by maximum likelihood.
        shapes: ξ by each estimator.
        interval: of ξ, at the level that was asked for.
        widened: the factor by which the profile interval was widened.
        draws: (u, P(X > u), ξ, σ) of each time the sample was drawn again.
    """

    threshold: float
    share: float
    excesses: int
    law: Pareto
    shapes: dict[str, float]
    interval: tuple[float, float]
    widened: float
    draws: Float[np.ndarray, "b 4"]

    @property
    def doubt(self) -> str | None:
        """Why the shape should not be printed; None if there is no reason."""
        one, other = self.shapes["maximum likelihood"], self.shapes["empirical Bayes"]
        if abs(one - other) > AGREE:
            return (
                f"Two estimators of ξ differ: {one:.2f} by maximum likelihood, {other:.2f} by empirical Bayes. The threshold is "
                "too low, or the tail is no generalised Pareto law."
            )
        if one < REGULAR:
            return f"ξ = {one:.2f}. Below −½ the usual errors of maximum likelihood do not hold."
        return None


def fit_tail(
    values: Float[np.ndarray, "n"],
    rng: np.random.Generator,
    *,
    groups: Int[np.ndarray, "m"] | None = None,
    noise: float = 0.0,
    level: float = 0.95,
    quantiles: tuple[float, ...] = QUANTILES,
    fewest: int = FEWEST,
    resamples: int = RESAMPLES,
) -> Tail:
    """Fits the upper tail of a sample.

    Arguments:
        values: continuous, larger is better. Counts and accuracies are not continuous.
        rng: for the draws with replacement.
        groups: of each value, if values that share a group are not independent (masks of one random network, say). The spread
            then has as many degrees of freedom as there are groups but one.
        noise: τ², the variance of the noise in every value. The interval is then that of ξ without it; `law` and `draws` are of
            the values as they were measured.
        level: coverage of the interval.
        quantiles: candidates for the threshold, as shares of the sample below it.
        fewest: excesses that a candidate must leave, at least 20.
        resamples: how often the sample is drawn again, at least 3 times.

    Raises: UserError for values that are not finite, too few of them, or too many equal ones.

    Cost: `resamples` × (a fit and 10 draws for each candidate) passes over the values above the lowest candidate, and 80 fits to
    half of the values; with noise, 9 times as many of these.
    """
    values = _checked(values, groups)
    if resamples < 3:
        raise UserError(f"resamples={resamples}", "at least 3")
    if fewest < LEAST:
        raise UserError(f"fewest={fewest}", f"at least {LEAST}, so that half of the excesses can be fitted")
    found = candidates(values, quantiles, fewest)
    different = len(np.unique(values[values > found.thresholds[0]]))
    if different < LEAST:
        raise UserError(
            f"{different} different values above the lowest threshold",
            f"at least {LEAST}",
            "Counts and accuracies have no tail to fit: give a continuous quality.",
        )
    threshold = found.thresholds[chosen(values, found.thresholds, rng, FIRST)]
    excesses = _above(values, threshold)
    law = maximum_likelihood(excesses)
    draws = _again(values, groups, found.thresholds, rng, resamples)
    share, drop = len(excesses) / len(values), float(chi2.ppf(level, 1))
    shape, spread = _spread(values, groups, share, noise, rng.spawn(1)[0])
    low, high = profile_bounds(excesses, law, drop)
    few = _factor(groups, noise, level)
    widened = max(few * spread / ((high - low) / (2 * np.sqrt(drop))), 1.0)
    return Tail(
        threshold,
        share,
        len(excesses),
        law,
        {
            "maximum likelihood": law.shape,
            "empirical Bayes": empirical_bayes(excesses).shape,
            "probability-weighted moments": weighted_moments(excesses).shape,
        },
        (shape - widened * (law.shape - low), shape + widened * (high - law.shape)),
        widened,
        draws,
    )


@lru_cache(4096)
def normal_shape(share: float, excesses: int) -> float:
    """ξ that maximum likelihood gives for a normal law: below 0 at every threshold, and only slowly rising to it.

    It depends on the number of excesses too: the law has no end, so the end that is fitted moves with the largest of them.

    Arguments:
        share: P(X > u), at most ½.
        excesses: k. The law is fitted to the quantiles (i − ½)/k of the excesses.
    """
    p = (np.arange(excesses) + 0.5) / excesses
    return maximum_likelihood(-ndtri(share * (1 - p)) + ndtri(share)).shape


def _spread(
    values: np.ndarray, groups: np.ndarray | None, share: float, noise: float, rng: np.random.Generator
) -> tuple[float, float]:
    """ξ without noise, and s, the spread of ξ over samples of this size."""
    members = np.arange(len(values)) if groups is None else np.unique(groups, return_inverse=True)[1]
    several, fitted = with_noise(values, noise, rng), partial(_shape, share=share)
    apart = []
    for _ in range(SPLITS):
        half = rng.permutation(members.max() + 1) % 2 > 0
        first, second = (
            without_noise([v[:, rows] for v in several], fitted) for rows in (half[members], ~half[members])
        )
        apart.append(first - second)
    return without_noise(several, fitted), float(np.sqrt(np.mean(np.square(apart)))) / 2


def _factor(groups: np.ndarray | None, noise: float, level: float) -> float:
    """Student's factor over the normal law's, where s alone says how wide the interval is; 1 where it only widens another."""
    known = [SPLITS] if noise else []
    if groups is not None:
        known.append(len(np.unique(groups)) - 1)
    return float(student.ppf((1 + level) / 2, min(known)) / ndtri((1 + level) / 2)) if known else 1.0


def _shape(values: np.ndarray, share: float) -> float:
    """ξ above the value that this share exceeds."""
    return maximum_likelihood(_above(values, float(np.quantile(values, 1 - share)))).shape


def _again(
    values: np.ndarray,
    groups: np.ndarray | None,
    thresholds: tuple[float, ...],
    rng: np.random.Generator,
    resamples: int,
) -> np.ndarray:
    """(u, P(X > u), ξ, σ) of each draw, with the threshold chosen anew."""
    low = thresholds[0]
    above, count = values[values > low], len(values)
    members = None if groups is None else _members(groups[values > low], groups)
    draws = np.empty((resamples, 4))
    for b in range(resamples):
        if members is None:
            sample, size = (
                above[rng.integers(len(above), size=rng.binomial(count, len(above) / count))],
                count,
            )
        else:
            sample, size = _of_groups(above, members, rng)
        left = _leaving(sample, thresholds)
        u = left[chosen(sample, left, rng, INNER)]
        excesses = _above(sample, u)
        law = maximum_likelihood(excesses)
        draws[b] = u, len(excesses) / size, law.shape, law.scale
    return draws


def _leaving(sample: np.ndarray, thresholds: tuple[float, ...]) -> tuple[float, ...]:
    """The thresholds that leave enough of a sample to fit a law; a draw of few groups may have hardly any tail."""
    left = tuple(u for u in thresholds if np.sum(sample > u) >= FITTED)
    if not left:
        raise UserError(
            f"groups of which a draw has {int(np.sum(sample > thresholds[0]))} values in the tail",
            f"at least {FITTED} in every draw of groups",
            "Draw more networks, and mask each.",
        )
    return left


def _members(of_above: np.ndarray, groups: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """For each group, which of the values above the lowest threshold are its own, and how many values it has."""
    return [(np.flatnonzero(of_above == g), int(np.sum(groups == g))) for g in np.unique(groups)]


def _of_groups(
    above: np.ndarray, members: list[tuple[np.ndarray, int]], rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Groups drawn with replacement: their values above the lowest threshold, and the number of all their values."""
    chosen = [members[g] for g in rng.integers(len(members), size=len(members))]
    return above[np.concatenate([own for own, _ in chosen])], sum(size for _, size in chosen)


def _above(values: np.ndarray, threshold: float) -> np.ndarray:
    return values[values > threshold] - threshold


def _checked(values: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    values = np.asarray(values, float)
    if values.ndim != 1 or not np.all(np.isfinite(values)):
        raise UserError("values that are not a list of finite numbers", "finite numbers in one dimension")
    if groups is not None and len(groups) != len(values):
        raise UserError(f"{len(groups)} groups for {len(values)} values", "one group for each value")
    if groups is not None and len(np.unique(groups)) < 2:
        raise UserError("one group", "at least two groups, or none", "Draw more networks, and mask each.")
    return values
