"""Masks learned over frozen random weights: the common part of these searches.

    θ = g(s, W, k):   frozen weights W, a score s for each, and in each layer a mask m(s) through which the loss depends on s

Only s is trained. A method (`ScoredMask`) defines the initial scores, a differentiable mask, and the parameters of the
network. To the training program it is a `training.Reparameterisation`. Biases and normalisations are frozen at their
initial values. The number of weights that a layer keeps is an argument like the frozen weights, so that replicas of
many densities share one program. The result is an ordinary mask, `tickets.Mask`, with exact counts, and the parameters
under it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
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
"""The fraction of each layer's weights that is kept: one number for all replicas, or one per replica."""


class ScoredMask(ABC):
    """A method to learn a mask: a frozen choice, and a function from scores and frozen weights to parameters."""

    @abstractmethod
    def start(self, layer: Layer, key: Array, density: float) -> Array:
        """The scores of one layer before the first step."""

    @abstractmethod
    def chosen(self, scores: Array, count: Array, key: Array) -> Array:
        """The mask of one layer, zeros and ones, with a derivative in the scores."""

    @abstractmethod
    def weight(self, weight: Array, mask: Array) -> Array:
        """The effective weight of one layer, from its frozen weight and its mask."""

    @abstractmethod
    def mask(self, scores: Mapping[str, np.ndarray], counts: Mapping[str, int]) -> dict[str, np.ndarray]:
        """The mask learned by one network, deterministic and with exact counts.

        Raises:
            NumericalFailure: for scores that are not numbers.
        """

    def __call__(self, trained: Params, frozen: Any, key: Array) -> Params:
        """The network's parameters; `trained` holds scores by layer, `frozen` comes from `frozen_with`."""
        keys = jax.random.split(key, len(trained))
        masks = {
            name: self.chosen(jnp.asarray(trained[name]), jnp.asarray(frozen[COUNTS][name]), keys[i])
            for i, name in enumerate(sorted(trained))
        }
        return self.under(frozen[WEIGHTS], masks)

    def ticket(self, params: Params, mask: Mapping[str, Any]) -> Params:
        """The effective parameters of one network under a mask, without scores; one program for the whole network."""
        return _ticket(self, params, dict(mask))

    def under(self, params: Params, mask: Mapping[str, Any]) -> Params:
        """The same, as a part of another program."""

        def masked(weight: Any, kept: Any) -> Array:
            weight = jnp.asarray(weight)
            return self.weight(weight, jnp.asarray(kept, weight.dtype))

        return {
            name: {**leaves, "weight": masked(leaves["weight"], mask[name])} if name in mask else leaves
            for name, leaves in params.items()
        }

    def replicas(
        self, network: Network, params: Params, density: Densities, score_keys: Array, order_keys: Array
    ) -> Replicas:
        """R networks with frozen weights, ready to train their scores.

        Arguments:
            network: any with a description of its layers.
            params: their weights W, `[R, …]`, which do not change.
            density: the fraction of each layer's weights that is kept, `[R]` or one number, in (0, 1].
            score_keys: keys of the initial scores, `[R]`.
            order_keys: keys of the data orders, `[R]` or one; random masks are drawn by them too.

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
        """The masks that R networks have learned, by their scores at the end of training."""
        host = {layer.name: np.asarray(scores[layer.name]) for layer in prunable_layers(network)}
        number = len(next(iter(host.values())))
        densities = np.broadcast_to(np.asarray(density, float), number).tolist()
        return tuple(
            self.mask({name: array[r] for name, array in host.items()}, counts_at(network, d))
            for r, d in enumerate(densities)
        )


@partial(jax.jit, static_argnums=0)
def _ticket(method: ScoredMask, params: Params, mask: dict[str, Any]) -> Params:
    return method.under(params, mask)


def counts_at(network: Network, density: float) -> dict[str, int]:
    """The number of weights that each layer keeps at a density: ⌊density · n + ½⌋, at least one.

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
    """The fixed part of R replicas: weights `[R, …]`, and the number that each layer keeps `[R]`."""
    counts = [counts_at(network, d) for d in densities]
    return {
        WEIGHTS: params,
        COUNTS: {name: np.array([c[name] for c in counts], np.int32) for name in counts[0]},
    }


def draw_scores(layer: Layer, key: Array) -> Array:
    """Kaiming-uniform scores, U(−1/√fan_in, 1/√fan_in), like PyTorch's initial weights."""
    bound = 1 / math.sqrt(layer.inputs)
    return jax.random.uniform(key, layer.weight_shape, jnp.float32, -bound, bound)


def top(scores: Array, count: Array) -> Array:
    """The mask of the `count` largest |s|; its derivative in |s| is defined as one."""
    sizes = jnp.abs(scores)
    return straight_through(largest(sizes, count).astype(sizes.dtype), sizes)


def ranked(scores: Mapping[str, np.ndarray], counts: Mapping[str, int]) -> dict[str, np.ndarray]:
    """The same mask on the host, layer by layer."""
    learned_from(scores)
    full = {name: np.ones(array.shape, bool) for name, array in scores.items()}
    return highest({name: np.abs(array) for name, array in scores.items()}, counts, full)


def learned_from(scores: Mapping[str, np.ndarray]) -> None:
    """Checks that scores are numbers.

    Raises:
        NumericalFailure: if they are not.
    """
    if any(np.isnan(array).any() for array in scores.values()):
        raise NumericalFailure(
            "Some scores are not numbers, so they cannot be ranked: the search has diverged."
        )


def require_frozen(drawn: Params, ticket: Params, masks: Mapping[str, Any], *, signs: bool = False) -> int:
    """Proves that a ticket consists of the weights as drawn; returns the number of entries compared.

    In each layer the weights under the mask are the drawn ones (or their signs) times one number, and those outside are exactly
    zero. All other parameters have the bits as drawn.

    Arguments:
        drawn: the parameters of one network, drawn again by its key.
        ticket: its effective parameters.
        masks: by layer.
        signs: whether only the signs of the weights are used.

    Raises:
        NumericalFailure: if not, which would invalidate every result of the run.
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
                    f"{name}/{leaf} of a ticket differs from the draw: frozen weights have moved."
                )
            compared += now.size
    return compared
