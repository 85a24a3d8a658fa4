"""Biprop: a mask over the signs of random weights, with one gain a layer; and, to compare with, trained weights made binary.

    θ = α · m(|s|) ⊙ sign(W),   α = Σ |W| ⊙ m / Σ m

Masks are learned as by edge-popup; α, for which the kept signs are nearest to the kept weights, has no derivative. What is left
are weights of one bit (two with the mask) and a number for each layer. `Binarised` is the same without a mask and without frozen
weights: w are trained through θ = α sign(w), α the mean of |w| in the layer.

Sources: Diffenderfer & Kailkhura 2021, arXiv 2103.09377, algorithm 1; Rastegari, Ordonez, Redmon, Farhadi 2016, arXiv
1603.05279, equation 6 (α), and Courbariaux, Bengio, David 2015, arXiv 1511.00363 (training binary weights).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from ticketlab.networks.layers import Layer
from ticketlab.networks.network import Network, Params
from ticketlab.networks.straight_through import straight_through
from ticketlab.tickets.learned import ScoredMask, draw_scores, ranked, top
from ticketlab.tickets.masks import prunable_layers

__all__ = ["Binarised", "Biprop"]


@dataclass(frozen=True)
class Biprop(ScoredMask):
    """The largest scores of each layer, over the signs of its weights."""

    def start(self, layer: Layer, key: Array, density: float) -> Array:
        return draw_scores(layer, key)

    def chosen(self, scores: Array, count: Array, key: Array) -> Array:
        return top(scores, count)

    def weight(self, weight: Array, mask: Array) -> Array:
        kept = lax.stop_gradient(mask)
        gain = jnp.sum(jnp.abs(weight) * kept) / jnp.maximum(jnp.sum(kept), 1.0)
        return gain * (mask * jnp.sign(weight))

    def mask(self, scores: Mapping[str, np.ndarray], counts: Mapping[str, int]) -> dict[str, np.ndarray]:
        return ranked(scores, counts)


@dataclass(frozen=True)
class Binarised:
    """Trained weights of which the network sees signs and a gain, layer by layer: a `training.Reparameterisation`.

    Arguments:
        layers: those whose weights are binary.
    """

    layers: tuple[str, ...]

    @staticmethod
    def of(network: Network) -> Binarised:
        """All weights of a network; biases and normalisations stay as they are."""
        return Binarised(tuple(layer.name for layer in prunable_layers(network)))

    def __call__(self, trained: Params, frozen: Any, key: Array) -> Params:
        return {
            name: {**leaves, "weight": self.weight(leaves["weight"])} if name in self.layers else leaves
            for name, leaves in trained.items()
        }

    def weight(self, weight: Array) -> Array:
        """α sign(w), which passes the gradient on to w as it comes."""
        gain = jnp.mean(jnp.abs(weight))
        return straight_through(jnp.where(weight >= 0, gain, -gain), weight)
