"""Contributions of single weights: by how much the presence of a weight lowers the loss, on average over subnetworks.

A subnetwork keeps every weight with probability p, each by itself. The contribution of weight i at density p is

    φ_i(p) = E[L | i removed] − E[L | i kept],

which is positive for a weight that helps. It says all that averages over subnetworks can say:

    Banzhaf value   φ_i(½), every subnetwork counting alike
    Shapley value   ∫₀¹ φ_i(p) dp, every size of subnetwork counting alike (Owen 1972)
    saliency        −w_i ∂L/∂w_i at the full network, the first-order form of φ_i(1)

φ_i(p) is a polynomial in p, so n Gauss–Legendre densities give a Shapley value exactly if there are at most 2n weights. With an
odd number of densities the middle one is ½. All weights are estimated from the same masks, because each mask has every weight
either kept or removed.

Sources: Owen 1972, Multilinear extensions of games, Management Science 18 (the integral); Wang & Jia 2023, Data Banzhaf, arXiv
2205.15466 (every sample serves all players); Lee et al. 2019, arXiv 1810.02340, equation 6 (SNIP, whose score is the absolute
value of the saliency).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ticketlab.errors import UserError, counted
from ticketlab.networks.network import Network, Params
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.tickets.masks import prunable_weights, weights_in, with_weights

__all__ = [
    "Contributions",
    "all_subsets",
    "first_order_contributions",
    "rule_error",
    "sampled_contributions",
    "shapley_densities",
]

CHUNK = 16 * 1024**2  # bytes of masked weights that are held at once
MOST = 12  # weights whose subsets are all counted


@dataclass(frozen=True)
class Contributions:
    """Sampled contributions of all weights at one density.

    Arguments:
        density: p.
        halves: φ from each half of the masks, which are independent `[2, weights]`.
        errors: standard errors of each half.
        masks: how many masks in each half.
        loss: the mean loss of the masked networks.
    """

    density: float
    halves: Float[np.ndarray, "2 weights"]
    errors: Float[np.ndarray, "2 weights"]
    masks: int
    loss: float

    @property
    def values(self) -> Float[np.ndarray, " weights"]:
        """φ, the mean of both halves."""
        return self.halves.mean(axis=0)

    @property
    def standard_errors(self) -> Float[np.ndarray, " weights"]:
        return np.sqrt(np.sum(self.errors**2, axis=0)) / 2


def shapley_densities(count: int) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Gauss–Legendre densities in (0, 1) with their weights: Σ weight · φ(density) is the Shapley value."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


def rule_error(halves: Float[np.ndarray, "n 2 weights"]) -> float:
    """The error of the Shapley rule, as a share of the standard deviation of Shapley values over weights.

        E_i = Σ_j (w_j − v_j) φ_i(p_j),    √(Σ_i E_i^A E_i^B / Σ_i (s_i^A − s̄^A)(s_i^B − s̄^B))

    v are the weights of the rule that leaves out the middle density, so E is the error of a rule that is exact for polynomials of
    degree n − 2 only, in place of 2n − 1: a cautious estimate. The two halves of the masks are independent, so their products
    have the mean of the squares without the noise.

    Arguments:
        halves: contributions at the n densities of `shapley_densities`, n odd and at least 3, from each half of the masks.

    Returns: 0 where noise hides the error, and infinity where it hides the values.
    """
    densities, shares = shapley_densities(len(halves))
    others = np.delete(densities, len(halves) // 2)
    powers = np.arange(len(others))
    lower = np.linalg.solve(others[None] ** powers[:, None], 1 / (powers + 1))
    apart = shares - np.insert(lower, len(halves) // 2, 0.0)
    error, values = (np.tensordot(of, halves, axes=1) for of in (apart, shares))
    centred = values - values.mean(axis=1, keepdims=True)
    squares, scale = float(np.mean(error[0] * error[1])), float(np.mean(centred[0] * centred[1]))
    return float(np.sqrt(max(squares, 0.0) / scale)) if scale > 0 else float("inf")


def all_subsets(losses: Float[np.ndarray, " subsets"], density: float | None = None) -> np.ndarray:
    """Exact contributions from the losses of all 2^m subnetworks; number b keeps weight i where bit i of b is 1.

        φ_i = Σ_S c(|S|) [L(S) − L(S ∪ i)],   c(s) = s! (m − s − 1)!/m!  (Shapley),  p^s (1 − p)^(m−1−s)  (density p)

    Arguments:
        losses: `[2^m]`, m ≤ 12.
        density: p; None for Shapley values. ½ gives Banzhaf values.

    Raises:
        UserError: for another number of losses.
    """
    m = len(losses).bit_length() - 1
    if len(losses) != 2**m or not 1 <= m <= MOST:
        raise UserError(f"{len(losses)} losses", f"one for each of 2^m subnetworks, m from 1 to {MOST}")
    numbers = np.arange(2**m)
    sizes = np.array([int(b).bit_count() for b in numbers])
    found = []
    for i in range(m):
        without = numbers[(numbers >> i) & 1 == 0]
        s = sizes[without]
        if density is None:
            share = np.array([1 / (m * math.comb(m - 1, size)) for size in s])
        else:
            share = density**s * (1 - density) ** (m - 1 - s)
        found.append(float(share @ (losses[without] - losses[without | (1 << i)])))
    return np.array(found)


def first_order_contributions(
    network: Network, loss: ConvexLoss, params: Params, x: np.ndarray, y: np.ndarray
) -> Float[np.ndarray, " weights"]:
    """−w ∂L/∂w of the mean loss at the full network, for all weights in order of depth. Cost: one gradient."""
    weights = _weights(network, params)
    found = _first_order(network, loss, weights, params, x, y)
    return np.concatenate([np.asarray(found[name], np.float64).ravel() for name in weights])


def sampled_contributions(
    network: Network,
    loss: ConvexLoss,
    params: Params,
    x: np.ndarray,
    y: np.ndarray,
    density: float,
    masks: int,
    key: Array,
) -> Contributions:
    """Contributions of all weights, sampled with random masks; biases and normalisations are always there.

    Arguments:
        network, loss, params: of one network; the loss is the mean over the examples x, y.
        density: p, with which each weight is kept, 0 < p < 1.
        masks: in all; an even number of at least 4.
        key: of the masks.

    Raises:
        UserError: for other numbers, and for so few masks that fewer than two of a half keep a weight, or remove it.

    Cost: one forward pass on the examples for each mask. The standard error of a value is about sd(L)/√(masks · p(1 − p)).
    """
    if not 0 < density < 1:
        raise UserError(f"density={density:g}", "a number between 0 and 1")
    if masks < 4 or masks % 2:
        raise UserError(f"masks={masks}", "an even number of at least 4")
    weights = _weights(network, params)
    size = sum(math.prod(of.shape) for of in weights.values())
    wanted, half = max(1, CHUNK // (4 * size)), masks // 2
    chunk = -(-half // -(-half // wanted))  # equal chunks but for the last, in as few as memory allows
    found = [
        _half(network, loss, weights, params, x, y, density, k, half, chunk) for k in jax.random.split(key, 2)
    ]
    values, errors, means = (np.stack(of) for of in zip(*found, strict=True))
    return Contributions(density, values, errors, half, float(means.mean()))


def _half(
    network: Network,
    loss: ConvexLoss,
    weights: Mapping[str, Any],
    params: Params,
    x: np.ndarray,
    y: np.ndarray,
    density: float,
    key: Array,
    masks: int,
    chunk: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """φ, its standard error and the mean loss of masks in chunks, from sums in double precision.

    Every chunk is computed whole, by one compiled program; of the last only as many masks count as are missing.
    """
    total: list[np.ndarray] = []
    for number, k in enumerate(jax.random.split(key, -(-masks // chunk))):
        bits, losses = _chunk(network, loss, weights, params, x, y, density, k, chunk)
        count = min(chunk, masks - number * chunk)
        kept, of = np.asarray(bits, np.float64)[:count], np.asarray(losses, np.float64)[:count]
        both = np.stack([np.ones(count), of, of**2])
        sums = [np.stack([both @ kept, np.broadcast_to(both.sum(axis=1)[:, None], (3, kept.shape[1]))])]
        total = sums if not total else [total[0] + sums[0]]
    with_it = total[0][0]
    without = total[0][1] - with_it
    if few := int(np.count_nonzero(np.minimum(with_it[0], without[0]) < 2)):
        raise UserError(
            f"{masks} masks in each half at density {density:g}, of which fewer than two keep, or remove, "
            f"{counted(few, 'weight')}",
            "at least two that keep each weight, and two that remove it",
            "Take more masks.",
        )
    means, variances = [], []
    for count, first, second in (with_it, without):
        mean = first / count
        means.append(mean)
        variances.append(np.maximum(second / count - mean**2, 0) / (count - 1))
    overall = total[0][1][1, 0] / total[0][1][0, 0]
    return means[1] - means[0], np.sqrt(variances[0] + variances[1]), np.array(overall)


def _weights(network: Network, params: Params) -> dict[str, Any]:
    return weights_in(params, [weight.name for weight in prunable_weights(network)])


def _mean_loss(
    network: Network, loss: ConvexLoss, weights: Mapping[str, Any], params: Params, x: Any, y: Any
) -> Array:
    return jnp.mean(loss.value(network.apply(with_weights(params, weights), x), y))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _first_order(
    network: Network, loss: ConvexLoss, weights: dict[str, Any], params: Params, x: Any, y: Any
) -> dict[str, Array]:
    gradient = jax.grad(lambda w: _mean_loss(network, loss, w, params, x, y))(weights)
    return jax.tree.map(lambda w, g: -w * g, weights, gradient)


@functools.partial(jax.jit, static_argnums=(0, 1, 8))
def _chunk(
    network: Network,
    loss: ConvexLoss,
    weights: dict[str, Any],
    params: Params,
    x: Any,
    y: Any,
    density: Any,
    key: Any,
    chunk: int,
) -> tuple[Array, Array]:
    """Masks `[chunk, weights]` and their losses."""
    shapes: Sequence[tuple[int, ...]] = [of.shape for of in weights.values()]
    bits = jax.random.bernoulli(key, density, (chunk, sum(map(math.prod, shapes))))

    def of_mask(mask: Array) -> Array:
        parts = jnp.split(mask, np.cumsum([math.prod(s) for s in shapes])[:-1])
        pairs = zip(weights.items(), parts, strict=True)
        masked = {name: w * part.reshape(w.shape) for (name, w), part in pairs}
        return _mean_loss(network, loss, masked, params, x, y)

    return bits, jax.vmap(of_mask)(bits)
