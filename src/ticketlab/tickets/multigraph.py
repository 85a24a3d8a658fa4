"""A complete multigraph with base-2 spaced weights: a network that carries nothing, and that a mask turns into any network.

Every parameter is replaced by 2b parallel edges, whose weights are fixed:

    ± S·2^−k,   k = 1 … b,   S the layer's power of two

Nothing is drawn. All edges together sum to zero, and all units of a layer are alike. But a mask adds up the edges that it keeps,
so it can write any weights, to b binary digits and a sign:

    w ≈ Σ_k (m⁺_k − m⁻_k) S·2^−k,   error at most S·2^−(b+1)

So what a mask of this network does says nothing about the network. It is what the mask's bits store.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Bool

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.networks.network import Params

__all__ = ["Edges", "all_edges", "edges_of", "shuffled_edges", "summed"]


@dataclass(frozen=True)
class Edges:
    """A mask over the edges that stand for one array of parameters.

    Arguments:
        kept: positive and negative edges, from the largest to the smallest.
        scale: S.
    """

    kept: Bool[np.ndarray, "2 b ..."]
    scale: float

    @property
    def weights(self) -> np.ndarray:
        """What the kept edges add up to, in float64: a sum of powers of two, so exact."""
        sizes = self.scale * 0.5 ** np.arange(1, self.kept.shape[1] + 1)
        positive, negative = np.tensordot(sizes, self.kept, axes=(0, 1))
        return np.asarray(positive - negative)


def edges_of(params: Params, bits: int) -> Params:
    """The mask that writes the parameters, as `Edges` in the place of every array.

    Arguments:
        params: one network's.
        bits: b, at most 24, the digits of float32.

    Raises:
        UserError: for another number of bits.
        NumericalFailure: for parameters that are not finite.
    """
    if not 1 <= bits <= 24:
        raise UserError(f"bits={bits}", "1 to 24")
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params)):
        raise NumericalFailure("Some parameters are not finite, so no edges add up to them.")
    return jax.tree.map(lambda array: _edges(np.asarray(array, np.float64), bits), params)


def _edges(array: np.ndarray, bits: int) -> Edges:
    largest = float(np.abs(array).max(initial=0.0))
    power = int(np.ceil(np.log2(largest))) if largest > 0 else 0
    counts = np.rint(np.abs(array) * 2.0 ** (bits - power)).astype(np.int64)
    if counts.max(initial=0) >= 2**bits:  # the largest is rounded up to S, which has no edge
        power += 1
        counts = np.rint(np.abs(array) * 2.0 ** (bits - power)).astype(np.int64)
    digits = np.stack([(counts >> (bits - k)) & 1 for k in range(1, bits + 1)]).astype(bool)
    return Edges(np.stack([digits & (array > 0), digits & (array < 0)]), 2.0**power)


def all_edges(edges: Params) -> Params:
    """The mask that keeps every edge; they add up to zero."""
    return jax.tree.map(lambda of: Edges(np.ones(of.kept.shape, bool), of.scale), edges, is_leaf=_is_edges)


def summed(edges: Params, like: Params) -> Params:
    """The parameters that the kept edges add up to, in the types of `like`."""
    return jax.tree.map(
        lambda of, array: of.weights.astype(np.asarray(array).dtype), edges, like, is_leaf=_is_edges
    )


def shuffled_edges(edges: Params, rng: np.random.Generator) -> Params:
    """Random masks with equally many edges of each array."""
    return jax.tree.map(
        lambda of: Edges(rng.permutation(of.kept.ravel()).reshape(of.kept.shape), of.scale),
        edges,
        is_leaf=_is_edges,
    )


def _is_edges(node: object) -> bool:
    return isinstance(node, Edges)
