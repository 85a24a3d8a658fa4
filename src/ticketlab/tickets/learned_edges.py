"""Masks learned over the multigraph: a search for subnetworks of a network in which nothing was drawn.

    θ = Σ_k (m⁺_k − m⁻_k) S·2^−k,   m = 1 where a score s is above 0,   ∂m/∂s := 1

Only the scores are trained. Every edge of a pair has a score of its own, so the search can write any weights on the grid. What it
reaches is what the bits of a mask can store: quantised training. It calibrates searches over random weights, which should do
better than this before their success is put down to the weights.

The derivative is that of edge-popup: Ramanujan et al. 2019, arXiv 1911.13299, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ticketlab.errors import UserError
from ticketlab.networks.network import Network, Params
from ticketlab.networks.straight_through import straight_through
from ticketlab.tickets.multigraph import Edges
from ticketlab.training.replicas import Replicas

__all__ = ["LearnedEdges"]

START = 0.1  # scores are uniform on ±START, so half of the edges are kept at first


@dataclass(frozen=True)
class LearnedEdges:
    """The multigraph with b pairs of edges for each parameter, as a reparameterisation: parameters from scores.

    Arguments:
        bits: b, at most 24.
    """

    bits: int = 8

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 24:
            raise UserError(f"bits={self.bits}", "1 to 24")

    def __call__(self, trained: Params, frozen: Params, key: Array) -> Params:
        """θ, from scores `[2, b, …]` and the power of two S of each array."""

        def total(scores: Array, scale: Array) -> Array:
            kept = straight_through((scores > 0).astype(scores.dtype), scores)
            sizes = scale * jnp.asarray(0.5 ** np.arange(1, self.bits + 1), scores.dtype)
            return jnp.tensordot(sizes, kept[0] - kept[1], axes=(0, 0))

        return jax.tree.map(total, trained, frozen)

    def scales(self, network: Network) -> dict[str, float]:
        """S of each layer: the power of two nearest to √(12/fan-in), for which half of the edges have He's variance 2/fan-in."""
        return {layer.name: 2.0 ** round(math.log2(math.sqrt(12 / layer.inputs))) for layer in network.layers}

    def replicas(self, network: Network, score_keys: Array, order_keys: Array) -> Replicas:
        """R multigraphs, ready to train their scores.

        Arguments:
            network: whose parameters are written; with a description of its layers.
            score_keys: of the initial scores, `[R]`.
            order_keys: of the data orders, `[R]` or one.
        """
        shapes = jax.eval_shape(network.init, score_keys[0])
        leaves, structure = jax.tree.flatten(shapes)
        keys = jnp.stack([jax.random.split(key, len(leaves)) for key in score_keys], axis=1)
        scores = [
            jnp.stack(
                [jax.random.uniform(k, (2, self.bits, *leaf.shape), jnp.float32, -START, START) for k in own]
            )
            for own, leaf in zip(keys, leaves, strict=True)
        ]
        scales = self.scales(network)
        frozen = {
            name: {leaf: jnp.full((len(score_keys),), scales[name], jnp.float32) for leaf in arrays}
            for name, arrays in shapes.items()
        }
        return Replicas(jax.tree.unflatten(structure, scores), order_keys, effective=self, frozen=frozen)

    def edges(self, network: Network, scores: Mapping[str, Mapping[str, Any]]) -> Params:
        """The mask that one network's scores say, as `Edges` in the place of every array."""
        scales = self.scales(network)
        return {
            name: {leaf: Edges(np.asarray(s) > 0, scales[name]) for leaf, s in leaves.items()}
            for name, leaves in scores.items()
        }
