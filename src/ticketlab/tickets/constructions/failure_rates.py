"""How often a weight cannot be written: a curve without a fitted constant, and the form that the theorem has.

Of the 2^n sums of a pool x, about

    λ = 2^n · 2ε · f(z),     f the density of a random subset's sum at the target z,

lie within ε of the target. If they fall like a Poisson process, a weight fails with probability e^−λ, given its pool. So failures
have two regimes. As long as 2^n ε is small, each product halves λ. Beyond that only targets fail that lie at the edge of what
their pool adds up to, or outside; then f is small or zero, and more products help slowly.

f is the saddlepoint density. With K(s) = Σ ln((1 + e^{s x_i})/2) and K'(s) = z,

    f(z) = e^{K(s) − s z} / √(2π K''(s)).

A normal density would be up to seven times too small a failure rate for products of uniform weights, whose sums end abruptly.

Sums that differ only by products below ε hit or miss together: their windows, 2ε long, overlap by more than half. They count as
one clump. λ is multiplied by the length of the union of the windows of all sums of these small products, as a fraction of the
windows' lengths together.

The curve is an approximation, best where windows are short and sums are many. For products of uniform weights on targets up to ½
it was within a tenth of the measured rate from n = 12 on, and for n = 8 up to a sixth off (ε = 0.003 to 0.03).

Sources: Lueker 1998, "Exponentially small bounds on the expected optimum of the partition and subset sum problems"; da Cunha et
al. 2022, arXiv 2204.13929 (the bound); Daniels 1954, "Saddlepoint approximations in statistics" (the density); Aldous 1989,
"Probability approximations via the Poisson clumping heuristic" (clumps). The combination is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit

from ticketlab.tickets.constructions.double_depth import DoubleDepth
from ticketlab.tickets.constructions.subset_sum import doubled
from ticketlab.tickets.constructions.sums import rows_of
from ticketlab.tickets.constructions.target import Target

__all__ = ["Pools", "density", "expected_hits", "lueker", "one_product", "pools"]

CLUMPED = 8  # small products counted, the largest of them
HALVINGS = 60


def density(pool: Float[np.ndarray, "m n"], target: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """The saddlepoint density of a random subset's sum at each row's target; 0 outside of what the row adds up to.

    Cost: 60 evaluations of K'.
    """
    inside = (target > np.minimum(pool, 0).sum(axis=1)) & (target < np.maximum(pool, 0).sum(axis=1))
    x, z = pool[inside], target[inside]
    scale = np.sqrt((x**2).sum(axis=1)) / 2
    # K' is increasing: halve the interval of u = s·scale/(1 + |s|·scale), which is bounded.
    low, high = np.full(len(x), -1.0), np.full(len(x), 1.0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        s = middle / (1 - np.abs(middle)) / scale
        below = (x * expit(s[:, None] * x)).sum(axis=1) < z
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    s = (low + high) / 2
    s = s / np.maximum(1 - np.abs(s), 1e-16) / scale
    p = expit(s[:, None] * x)
    cumulant = (np.logaddexp(0, s[:, None] * x) - np.log(2)).sum(axis=1)
    second = (x**2 * p * (1 - p)).sum(axis=1)
    found = np.zeros(len(pool))
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        found[inside] = np.exp(cumulant - s * z) / np.sqrt(2 * np.pi * second)
    return np.nan_to_num(found, nan=0.0, posinf=0.0)


def expected_hits(
    pool: Float[np.ndarray, "m n"], target: Float[np.ndarray, " m"], tolerance: float
) -> Float[np.ndarray, " m"]:
    """λ of each row: the expected number of clumps of sums within the tolerance. A row fails with probability e^−λ.

    Arguments:
        pool: products; zeros are places without one.
        target: z.
        tolerance: ε.
    """
    counts = (pool != 0).sum(axis=1)
    hits = 2.0**counts * 2 * tolerance * density(pool, target)
    return hits * _clumps(pool, tolerance)


def one_product(
    pool: Float[np.ndarray, "m n"], target: Float[np.ndarray, " m"], tolerance: float
) -> Bool[np.ndarray, " m"]:
    """Whether no single product, nor nothing, is within the tolerance of each row's target."""
    nearest = np.minimum(np.abs(pool - target[:, None]).min(axis=1), np.abs(target))
    return nearest > tolerance


def lueker(n: Float[np.ndarray, "..."], tolerance: float, constant: float) -> Float[np.ndarray, "..."]:
    """The theorem's bound on the failure rate, exp(−(n − C log2 1/ε)²/4n), 1 while n is at most C log2 1/ε.

    Arguments:
        n: products.
        tolerance: ε.
        constant: C, which the theorem does not give.

    Source: da Cunha et al. 2022, arXiv 2204.13929, theorem 1.
    """
    beyond = np.maximum(n - constant * np.log2(1 / tolerance), 0.0)
    return np.exp(-(beyond**2) / (4 * n))


def _clumps(pool: np.ndarray, tolerance: float) -> np.ndarray:
    small = np.where(np.abs(pool) <= tolerance, pool, 0.0)
    order = np.argsort(-np.abs(small), axis=1)[:, :CLUMPED]
    some = np.take_along_axis(small, order, axis=1)
    sums = np.sort(doubled(some), axis=1)
    union = np.minimum(np.diff(sums, axis=1), 2 * tolerance).sum(axis=1) + 2 * tolerance
    return union / (2.0 ** (some != 0).sum(axis=1) * 2 * tolerance)


@dataclass(frozen=True)
class Pools:
    """Weights of a target with the products that a random network has for them.

    Arguments:
        pool: products, zeros where a source has fewer usable units than another.
        target: what they should add up to.
        unit: the error of each that counts as 1; the tolerance is a fraction of it.
        source: the number of each weight's source, over all layers.
        draws: units that were drawn for the source; about half of them are usable.
    """

    pool: Float[np.ndarray, "m n"]
    target: Float[np.ndarray, " m"]
    unit: Float[np.ndarray, " m"]
    source: np.ndarray
    draws: int

    @property
    def relative(self) -> tuple[np.ndarray, np.ndarray]:
        """Products and targets as fractions of the unit."""
        return self.pool / self.unit[:, None], self.target / self.unit


def pools(plan: DoubleDepth, target: Target, seed: int, weights: int, rng: np.random.Generator) -> Pools:
    """The products that `plan` would draw first for some weights of a target, all from the network that it draws.

    Arguments:
        plan: of the construction.
        target: f.
        seed: of the random network.
        weights: how many; drawn without replacement from the weights and biases that are not zero.
        rng: draws which.
    """
    pairs = plan.pairs(target, seed)
    wanted, units, scale = [], [], 1.0
    for pair in pairs:
        sums, unit, factor = pair.wanted(scale, 1.0)
        wanted.append(sums[:, : sums.shape[1] - pair.regenerates])
        units.append(unit)
        scale *= factor
    places = [np.argwhere(w != 0) for w in wanted]
    bounds = np.cumsum([0, *map(len, places)])
    chosen = np.sort(rng.choice(bounds[-1], min(weights, int(bounds[-1])), replace=False))
    found, before = [], 0
    for pair, sums, unit, place, first, last in zip(
        pairs, wanted, units, places, bounds, bounds[1:], strict=False
    ):
        own = place[chosen[(chosen >= first) & (chosen < last)] - first]
        block = pair.block(0, np.repeat(np.arange(pair.sources), plan.count))
        sources, which = np.unique(own[:, 0], return_inverse=True)
        _, products = rows_of(block, 1, sources)
        pool = products[which, :, own[:, 1]] if len(own) else np.zeros((0, 0))
        pool = np.pad(pool, [(0, 0), (0, plan.count - pool.shape[1])])
        found.append((pool, sums[own[:, 0], own[:, 1]], unit[own[:, 0], own[:, 1]], before + own[:, 0]))
        before += pair.sources
    pool, values, unit, source = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Pools(pool, values, unit, source, plan.count)
