"""How often a weight cannot be written: a curve without a fitted constant, the law itself, and the form that the theorem has.

Of the 2^n sums of a pool x, about

    h = 2^n · P(|S − z| ≤ ε),     S the sum of a random subset, z the target,

lie within ε of the target. If they fell independently, a weight would fail with probability (1 − h/2^n)^(2^n), given its pool,
which is e^−h for short windows. So failures have two regimes. As long as 2^n ε is small, each product about doubles h. Beyond
that only targets fail that lie at the edge of what their pool adds up to, or outside. Few sums are near, and more products
help slowly.

P is 2ε·f(z), f the saddlepoint density of S + U with U uniform between −ε and ε. With K'(s) = z,

    f(z) ∝ e^{K(s) − s z} / √(2π K''(s)),     K(s) = Σ ln((1 + e^{s x_i})/2) + ln(sinh(sε)/(sε)),

normalised: by itself it is a fifth too high for four products of uniform weights, and 7 % for twelve. A target of at most ε needs
no product, so it cannot fail.

Sums that differ only by small products hit or miss together. A window of length w, and the same one shifted by a product of at
most w, make one window of length w + |x|. So the smallest products are absorbed, one after the other, into a window that begins
with 2ε, as long as the next is not larger. This is exact. h and S are then those of the m products that are left. A target in the
window of the empty subset cannot fail; N = 2^m − 1 others may hit. The smallest product that is left is longer than the window,
so that sums with it and without it have windows that never overlap. What falls independently is such a pair: (1 − 2h/N)^(N/2).

That pairs fall independently is an approximation, worst where few products are left. So with at most six the chance is exact.
The laws of random weights are even, so given the sizes of the products, and those that were absorbed, each one that is left has
its sign by a fair coin. All of their signs are tried with all of their subsets (`over_signs`).

The law itself needs no approximation at all: the weights that leave a source are independent of the target, so each pool might as
well have had the target of another weight of its source (`exchanged`). The rate of failures with such targets estimates the same
expectation.

Sources: Lueker 1998, "Exponentially small bounds on the expected optimum of the partition and subset sum problems"; da Cunha et
al. 2022, arXiv 2204.13929 (the bound); Daniels 1954, "Saddlepoint approximations in statistics" (the density). The combination,
and the absorbed products, are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit

from ticketlab.tickets.constructions.double_depth import DoubleDepth
from ticketlab.tickets.constructions.searches import SubsetSum
from ticketlab.tickets.constructions.subset_sum import closest
from ticketlab.tickets.constructions.sums import rows_of
from ticketlab.tickets.constructions.target import Target

__all__ = [
    "Pools", "Sums", "Windows", "absorbed", "density", "exchanged", "expected_hits", "failure_chance", "law", "lueker", "needed",
    "one_product", "over_signs", "pools", "reached", "shortfall",
]  # fmt: skip

NODES = 240  # at which the density is known
FEW = 6  # products left, at most, whose signs are all tried
AT_ONCE = 2**22  # sums held at the same time


@dataclass(frozen=True)
class Sums:
    """How S + U is distributed, S the sum of a random subset of each row and U uniform, by the saddlepoint approximation.

    S is within `half` of a number as often as S + U has the density 1/(2·half) there, with U between −half and half.

    Arguments:
        pool: products; zeros are places without one.
        half: of each row's U; 0 for S alone.

    Cost: 240 evaluations of K and its derivatives, once for all targets.
    """

    pool: Float[np.ndarray, "m n"]
    half: Float[np.ndarray, " m"]

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        """z and f at nodes s = u/(1 − |u|)/scale, equally spaced in u, `[m, nodes]`; ∫ f dz = ∫ f K'' ds = 1."""
        x = self.pool
        scale = np.maximum(np.sqrt((x**2).sum(axis=1) / 4 + self.half**2 / 3), 1e-300)
        edges = np.linspace(-1, 1, NODES + 2)[1:-1]
        z, f, mass = (np.zeros((len(x), NODES)) for _ in range(3))
        for k, u in enumerate(edges):
            s = u / (1 - abs(u)) / scale
            p = expit(s[:, None] * x)
            cumulant = (np.logaddexp(0, s[:, None] * x) - np.log(2)).sum(axis=1)
            window, slope, bend = _uniform(s * self.half)
            z[:, k] = (x * p).sum(axis=1) + self.half * slope
            second = (x**2 * p * (1 - p)).sum(axis=1) + self.half**2 * bend
            with np.errstate(under="ignore", divide="ignore", invalid="ignore"):
                f[:, k] = np.exp(cumulant + window - s * z[:, k]) / np.sqrt(2 * np.pi * second)
                mass[:, k] = f[:, k] * second / (1 - abs(u)) ** 2 / scale
        f, mass = (np.nan_to_num(a, nan=0.0, posinf=0.0, neginf=0.0) for a in (f, mass))
        total = np.maximum(mass.sum(axis=1, keepdims=True), 1e-300)
        return z, f / (total * (edges[1] - edges[0]))

    def density(self, target: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        """f at each row's target; 0 outside of what the row adds up to."""
        z, f = self._table
        low, high = np.minimum(self.pool, 0).sum(axis=1), np.maximum(self.pool, 0).sum(axis=1)
        inside = (target > low - self.half) & (target < high + self.half)
        found = np.zeros(len(z))
        for row in np.flatnonzero(inside):
            found[row] = np.interp(target[row], z[row], f[row])
        return found


def _uniform(a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ln(sinh a / a) and its first two derivatives."""
    near = np.abs(a) < 1e-2
    b = np.where(near, 1.0, a)
    size = np.abs(b)
    with np.errstate(over="ignore"):
        value = size + np.log1p(-np.exp(-2 * size)) - np.log(2 * size)
        slope, bend = 1 / np.tanh(b) - 1 / b, 1 / b**2 - 1 / np.sinh(size) ** 2
    return (
        np.where(near, a**2 / 6, value),
        np.where(near, a / 3 - a**3 / 45, slope),
        np.where(near, 1 / 3 - a**2 / 15, bend),
    )


def density(pool: Float[np.ndarray, "m n"], target: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """The saddlepoint density of a random subset's sum at each row's target; 0 outside of what the row adds up to.

    It is normalised: its integral over the targets is 1.
    """
    return Sums(pool, np.zeros(len(pool))).density(target)


@dataclass(frozen=True)
class Windows:
    """What is left of a problem once its small products are absorbed: a sum of `left` hits if it is within `half` of `middle`.

    Arguments:
        left: products; zeros are places without one.
        middle, half: of each row's window.
    """

    left: Float[np.ndarray, "m n"]
    middle: Float[np.ndarray, " m"]
    half: Float[np.ndarray, " m"]

    @property
    def count(self) -> Float[np.ndarray, " m"]:
        """N, of sums of one product or more."""
        return 2.0 ** (self.left != 0).sum(axis=1) - 1

    def rows(self, chosen: Bool[np.ndarray, " m"]) -> Windows:
        """Those of the chosen rows."""
        return Windows(self.left[chosen], self.middle[chosen], self.half[chosen])


def absorbed(pool: Float[np.ndarray, "m n"], target: Float[np.ndarray, " m"], tolerance: float) -> Windows:
    """The same hits and misses with fewer products and longer windows; exact.

    Arguments:
        pool: products; zeros are places without one.
        target: z.
        tolerance: ε.
    """
    order = np.argsort(np.abs(pool), axis=1)
    x = np.take_along_axis(pool, order, axis=1)
    size = np.abs(x)
    before = 2 * tolerance + np.cumsum(size, axis=1) - size  # the window's length as each comes to it
    small = np.logical_and.accumulate(size <= before, axis=1)
    middle = target - (x * small).sum(axis=1) / 2
    return Windows(np.where(small, 0.0, x), middle, tolerance + (size * small).sum(axis=1) / 2)


def expected_hits(
    pool: Float[np.ndarray, "m n"], target: Float[np.ndarray, " m"], tolerance: float
) -> Float[np.ndarray, " m"]:
    """h of each row: the expected number of windows that hold the target; infinite where that of no product left does.

    Arguments:
        pool, target, tolerance: as in `absorbed`.
    """
    return _hits(absorbed(pool, target, tolerance))


def failure_chance(
    pool: Float[np.ndarray, "m n"], target: Float[np.ndarray, " m"], tolerance: float
) -> Float[np.ndarray, " m"]:
    """The probability that no sum of a row is within the tolerance.

    With at most six products left it is exact over their signs, and else (1 − 2h/N)^(N/2), which is e^−h for short windows.

    Arguments:
        pool, target, tolerance: as in `absorbed`.

    Cost: 4^6 sums for a row with six products left, and the density's for one with more.
    """
    windows = absorbed(pool, target, tolerance)
    number = (windows.left != 0).sum(axis=1)
    chance = np.zeros(len(number))
    for count in range(FEW + 1):
        rows = number == count
        chance[rows] = over_signs(windows.rows(rows))
    many = windows.rows(number > FEW)
    pairs = many.count / 2
    with np.errstate(divide="ignore"):
        chance[number > FEW] = np.exp(pairs * np.log1p(-np.minimum(_hits(many) / pairs, 1.0)))
    return chance


def over_signs(windows: Windows) -> Float[np.ndarray, " m"]:
    """The share of the ways to sign what is left with which no subset of it hits.

    Arguments:
        windows: of rows that have equally many products left.

    Cost: 4^k sums for each row, with k products left.
    """
    left = windows.left
    order = np.argsort(left == 0, axis=1, kind="stable")
    sizes = np.abs(np.take_along_axis(left, order, axis=1))[:, : int((left != 0).sum(axis=1).max(initial=0))]
    count = sizes.shape[1]
    bits = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
    signed = ((1 - 2 * bits)[:, None] * bits).reshape(4**count, count)  # signs by subsets
    failed = np.zeros(len(sizes))
    step = max(1, AT_ONCE // 4**count)
    for first in range(0, len(sizes), step):
        rows = slice(first, first + step)
        distance = np.abs(sizes[rows] @ signed.T - windows.middle[rows, None])
        hit = (distance <= windows.half[rows, None]).reshape(-1, 2**count, 2**count).any(axis=2)
        failed[rows] = 1 - hit.mean(axis=1)
    return failed


def _hits(windows: Windows) -> np.ndarray:
    hits = windows.count * 2 * windows.half * Sums(windows.left, windows.half).density(windows.middle)
    return np.where(np.abs(windows.middle) <= windows.half, np.inf, hits)


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


def exchanged(found: Pools, by: int = 1) -> Pools:
    """The same pools with the targets of other weights of their source: the same law, since both are independent.

    Arguments:
        by: how far targets move within their source, 1 or more. Sources with at most `by` weights are left out.
    """
    kept, other = [], []
    for source in np.unique(found.source):
        own = np.flatnonzero(found.source == source)
        if len(own) > by:
            kept.append(own)
            other.append(np.roll(own, by))
    if not kept:
        return replace(
            found, pool=found.pool[:0], target=found.target[:0], unit=found.unit[:0], source=found.source[:0]
        )
    rows, moved = np.concatenate(kept), np.concatenate(other)
    return replace(
        found,
        pool=found.pool[rows],
        target=found.target[moved],
        unit=found.unit[moved],
        source=found.source[rows],
    )


def law(
    found: Pools, failed: Bool[np.ndarray, " m"], others: Sequence[tuple[Pools, np.ndarray]]
) -> tuple[float, float]:
    """How many weights would fail by the law, and the standard error of the difference to those that do.

    Sources are independent, and the weights of a source share its units, so sources are the clusters of the standard error. A
    source with too few weights to exchange their targets counts with its own failures, and adds nothing to the difference.

    Arguments:
        failed: whether each weight fails.
        others: exchanged pools, and whether each fails; at least one.
    """
    size = int(found.source.max(initial=0)) + 1
    total, tries = np.zeros(size), np.zeros(size)
    for other, of in others:
        total += np.bincount(other.source, of.astype(float), size)
        tries += np.bincount(other.source, minlength=size) > 0
    own = np.bincount(found.source, failed.astype(float), size)
    difference = np.where(tries > 0, own - total / np.maximum(tries, 1), 0.0)
    return float(np.sum(own) - np.sum(difference)), float(np.sqrt(np.sum(difference**2)))


def shortfall(found: Pools) -> tuple[Float[np.ndarray, "m n"], Float[np.ndarray, " m"]]:
    """The products that a subset sum may use, at most 28, and the error of its closest subset, as fractions of the unit."""
    pool, wanted = found.relative
    order = np.argsort(-np.abs(pool), axis=1)[
        :, : SubsetSum().most
    ]  # zeros, where there is no product, come last
    pool = np.take_along_axis(pool, order, axis=1)
    pool = pool[:, : max(1, int((pool != 0).sum(axis=1).max(initial=0)))]
    return pool, np.abs((pool * closest(pool, wanted)).sum(axis=1) - wanted)


def needed(
    pool: Float[np.ndarray, "m n"], target: Float[np.ndarray, " m"], tolerances: tuple[float, ...], most: int
) -> Float[np.ndarray, "tolerances m"]:
    """The least number of products, in the order of the row, whose subsets come within each tolerance; ∞ if `most` do not.

    Arguments:
        pool: products, without zeros among the first `most`.
        target: z.
        tolerances: ε.
        most: products tried, at most 40.
    """
    found = np.full((len(tolerances), len(pool)), np.inf)
    for number, tolerance in enumerate(tolerances):
        found[number, np.abs(target) <= tolerance] = 0
    for count in range(1, most + 1):
        rows = np.flatnonzero(np.isinf(found).any(axis=0))
        if not len(rows):
            break
        part = pool[rows, :count]
        error = np.abs((part * closest(part, target[rows])).sum(axis=1) - target[rows])
        for number, tolerance in enumerate(tolerances):
            first = rows[error <= tolerance]
            found[number, first] = np.minimum(found[number, first], count)
    return found


def reached(counts: Float[np.ndarray, " m"], left: float) -> float:
    """n_δ: how many products leave a share δ of the weights unwritten, between whole numbers by ln of the share; NaN if none do,
    or if there are no weights.

    Arguments:
        counts: what each weight needs, ∞ where that is not known.
        left: δ.
    """
    if not len(counts):
        return float("nan")
    most = counts[np.isfinite(counts)].max(initial=0)
    number = np.arange(int(most) + 1)
    share = 1 - np.searchsorted(np.sort(counts), number, side="right") / len(counts)
    if not len(share) or share[-1] > left:
        return float("nan")
    above = int(np.argmax(share <= left))
    if above == 0:
        return 0.0
    high, low = np.log(share[above - 1]), np.log(max(share[above], 0.5 / len(counts)))
    return float(above - 1 + (high - np.log(left)) / (high - low))
