"""Masks that are learned over frozen random weights: what the searches for them have in common.

    θ = g(s, W, k):   weights W frozen, a score s for each of them, and in each layer a mask m(s) through which the loss is seen

Only s takes steps. A method says how scores start, how a mask follows from them (in a way that has a derivative), and what the
network is given: `ScoredMask` is that much, and `training.Reparameterisation` to the training program. Biases and normalisations
are frozen as they were drawn. How many weights a layer keeps is a number beside the frozen weights, so that replicas of many
densities are one program. What comes out is a mask like any other, `tickets.Mask`, with exact counts, and the parameters under
it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.networks.layers import Layer
from ticketlab.networks.network import Network, Params
from ticketlab.networks.straight_through import straight_through
from ticketlab.tickets.largest import largest
from ticketlab.tickets.masks import prunable_layers
from ticketlab.tickets.ranking import highest
from ticketlab.training.replicas import Replicas

__all__ = [
    "ScoredMask",
    "counts_at",
    "draw_scores",
    "frozen_with",
    "learned_from",
    "ranked",
    "require_frozen",
    "top",
]

WEIGHTS, COUNTS = "weights", "counts"
Densities: TypeAlias = float | Sequence[float] | np.ndarray
"""The fraction of each layer's weights that is kept: one number for all replicas, or one for each."""


class ScoredMask(ABC):
    """A way to learn a mask: a frozen choice, and a function from scores and frozen weights to a network's parameters."""

    @abstractmethod
    def start(self, layer: Layer, key: Array, density: float) -> Array:
        """The scores of one layer before the first step."""

    @abstractmethod
    def chosen(self, scores: Array, count: Array, key: Array) -> Array:
        """The mask of one layer, zeros and ones, with a derivative in the scores."""

    @abstractmethod
    def weight(self, weight: Array, mask: Array) -> Array:
        """What one layer computes with, from its frozen weight and a mask of it."""

    @abstractmethod
    def mask(self, scores: Mapping[str, np.ndarray], counts: Mapping[str, int]) -> dict[str, np.ndarray]:
        """The mask that was learned by one network, without chance and with exact counts.

        Raises:
            NumericalFailure: for scores that are not numbers.
        """

    def __call__(self, trained: Params, frozen: Any, key: Array) -> Params:
        """The network's parameters, where `trained` are scores by layer and `frozen` is what `frozen_with` gives."""
        keys = jax.random.split(key, len(trained))
        masks = {
            name: self.chosen(jnp.asarray(trained[name]), jnp.asarray(frozen[COUNTS][name]), keys[i])
            for i, name in enumerate(sorted(trained))
        }
        return self.ticket(frozen[WEIGHTS], masks)

    def ticket(self, params: Params, mask: Mapping[str, Any]) -> Params:
        """The parameters of one network under a mask: what it computes with, without scores."""

        params = jax.tree.map(jnp.asarray, params)

        def masked(weight: Array, kept: Any) -> Array:
            return self.weight(weight, jnp.asarray(kept, weight.dtype))

        return {
            name: {**leaves, "weight": masked(leaves["weight"], mask[name])} if name in mask else leaves
            for name, leaves in params.items()
        }

    def replicas(
        self, network: Network, params: Params, density: Densities, score_keys: Array, order_keys: Array
    ) -> Replicas:
        """R networks whose weights are frozen, ready to be trained: their scores are what is trained.

        Arguments:
            network: any with a description of its layers.
            params: their weights W, `[R, …]`; they are not changed.
            density: the fraction of each layer's weights that is kept, `[R]` or one number, in (0, 1].
            score_keys: from which scores start, `[R]`.
            order_keys: of the data, `[R]` or one; masks that are drawn are drawn by them too.

        Raises:
            UserError: for densities outside (0, 1], or a network without a description of its layers.
        """
        number = len(jax.tree.leaves(params)[0])
        densities = np.broadcast_to(np.asarray(density, float), number).tolist()
        layers = prunable_layers(network)
        scores = {
            layer.name: jnp.stack(
                [self.start(layer, jax.random.fold_in(score_keys[r], i), d) for r, d in enumerate(densities)]
            )
            for i, layer in enumerate(layers)
        }
        return Replicas(scores, order_keys, effective=self, frozen=frozen_with(network, params, densities))

    def masks(
        self, network: Network, scores: Params, density: Densities
    ) -> tuple[dict[str, np.ndarray], ...]:
        """The masks that R networks have learned, by the scores that training ended with."""
        host = {layer.name: np.asarray(scores[layer.name]) for layer in prunable_layers(network)}
        number = len(next(iter(host.values())))
        densities = np.broadcast_to(np.asarray(density, float), number).tolist()
        return tuple(
            self.mask({name: array[r] for name, array in host.items()}, counts_at(network, d))
            for r, d in enumerate(densities)
        )


def counts_at(network: Network, density: float) -> dict[str, int]:
    """How many weights each layer keeps at a density: ⌊density · n + ½⌋, and at least one.

    Raises:
        UserError: for a density outside (0, 1].
    """
    if not 0 < density <= 1:
        raise UserError(
            f"density={density:g}", "the fraction of the weights that is kept, above 0 and at most 1"
        )
    return {
        layer.name: max(1, int(density * math.prod(layer.weight_shape) + 0.5))
        for layer in prunable_layers(network)
    }


def frozen_with(network: Network, params: Params, densities: list[float]) -> dict[str, Any]:
    """What R replicas have beside their scores: weights `[R, …]`, and how many of them each layer keeps `[R]`."""
    counts = [counts_at(network, d) for d in densities]
    return {
        WEIGHTS: params,
        COUNTS: {name: np.array([c[name] for c in counts], np.int32) for name in counts[0]},
    }


def draw_scores(layer: Layer, key: Array) -> Array:
    """Kaiming-uniform scores, U(−1/√fan_in, 1/√fan_in), as PyTorch starts a layer's weights."""
    bound = 1 / math.sqrt(layer.inputs)
    return jax.random.uniform(key, layer.weight_shape, jnp.float32, -bound, bound)


def top(scores: Array, count: Array) -> Array:
    """The mask of the `count` largest |s|, whose derivative in |s| is taken to be one."""
    sizes = jnp.abs(scores)
    return straight_through(largest(sizes, count).astype(sizes.dtype), sizes)


def ranked(scores: Mapping[str, np.ndarray], counts: Mapping[str, int]) -> dict[str, np.ndarray]:
    """The same mask on the host, layer by layer."""
    learned_from(scores)
    full = {name: np.ones(array.shape, bool) for name, array in scores.items()}
    return highest({name: np.abs(array) for name, array in scores.items()}, counts, full)


def learned_from(scores: Mapping[str, np.ndarray]) -> None:
    """Nothing, if scores are numbers.

    Raises:
        NumericalFailure: if not.
    """
    if any(np.isnan(array).any() for array in scores.values()):
        raise NumericalFailure("Scores that are not numbers cannot be ranked: the search has diverged.")


def require_frozen(drawn: Params, ticket: Params, masks: Mapping[str, Any], *, signs: bool = False) -> int:
    """The proof that a ticket is made of the weights that were drawn: how many entries were compared.

    In each layer the weights under the mask are the drawn ones (or their signs) times one number, those outside it are exactly
    zero, and everything that no mask is about has the bits that were drawn.

    Arguments:
        drawn: one network's parameters, drawn again by its key.
        ticket: the parameters it computes with.
        masks: by layer.
        signs: whether only the signs of the weights are used.

    Raises:
        NumericalFailure: if not, which would make every result of the run void.
    """
    compared = 0
    for name, leaves in drawn.items():
        for leaf, array in leaves.items():
            was, now = np.asarray(array, np.float64), np.asarray(ticket[name][leaf], np.float64)
            if leaf == "weight" and name in masks:
                was = np.where(masks[name], np.sign(was) if signs else was, 0.0)
                most = np.max(np.abs(was))
                gain = np.max(np.abs(now)) / most if most else 1.0
                same = bool(np.all((was == 0) <= (now == 0))) and np.allclose(
                    now, gain * was, rtol=1e-6, atol=0
                )
            else:
                same = bool(np.array_equal(was, now))
            if not same:
                raise NumericalFailure(
                    f"{name}/{leaf} of a ticket is not what was drawn: frozen weights were moved."
                )
            compared += now.size
    return compared
