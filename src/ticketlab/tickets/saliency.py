"""Pruning at initialisation: criteria that use gradients of the untrained network.

    SNIP      |θ ⊙ ∂L/∂θ|        first-order change of the loss if the weight is removed
    GraSP      θ ⊙ H g           loss of descent in the next small step if it is removed, g = ∂L/∂θ, H = ∂²L/∂θ²
    SynFlow    θ ⊙ ∂R/∂θ,        R = the sum of the outputs for an input of ones, with |θ| for θ and without biases

all for the network under the current mask, m ⊙ θ. GraSP's scores are signed: the highest are kept, even if negative.

SynFlow uses no data. With ReLU and similar functions f is homogeneous in the weights of each layer. So the scores of every
layer add up to R (Tanaka et al., theorem 2), and the scores into a hidden unit and out of it have equal sums (theorem 1). A
layer with few weights therefore has high scores. This keeps it from being emptied if scores are updated as weights are
removed: `rounds` is 100.

Sources: Lee, Ajanthan & Torr 2019, arXiv 1810.02340, equation 6 and algorithm 1; Wang, Zhang & Grosse 2020, arXiv 2002.07376,
equation 8 and algorithm 1 (which removes the highest −θ ⊙ Hg, and divides outputs by a temperature of 200); Tanaka, Kunin, Yamins
& Ganguli 2020, arXiv 2006.05467, equation 4 and algorithm 1.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ticketlab.errors import UserError
from ticketlab.networks.network import Network, Params
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.tickets.criterion import Scores, Seen
from ticketlab.tickets.masks import Mask, over_parameters, prunable_weights, weights_in, with_weights

__all__ = ["Grasp", "Snip", "SynFlow", "require_homogeneous"]

Weights = dict[str, Array]


@dataclass(frozen=True)
class Snip:
    """|θ ⊙ ∂L/∂θ|, where L is the mean loss of the examples in `seen`.

    Arguments:
        rounds: 1 in the paper; more update the gradient as weights are removed.
    """

    rounds: int = 1

    def __post_init__(self) -> None:
        _check_rounds(self.rounds)

    def scores(self, seen: Seen, mask: Mask) -> Scores:
        """Cost: one gradient of the mean loss."""
        seen.require(self, "loss", "x", "y")
        params = _under(mask, seen.initial)
        found = _snip(seen.network, seen.loss, params, seen.x, seen.y)
        return {name: np.asarray(score) for name, score in found.items()}


@dataclass(frozen=True)
class Grasp:
    """θ ⊙ H g for the mean loss of the examples in `seen`, with outputs f/T.

    Arguments:
        temperature: T, which prevents softmax from saturating.
        rounds: 1 in the paper.
    """

    temperature: float = 200.0
    rounds: int = 1

    def __post_init__(self) -> None:
        _check_rounds(self.rounds)
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise UserError(f"temperature={self.temperature}", "a positive number")

    def scores(self, seen: Seen, mask: Mask) -> Scores:
        """Cost: one gradient, and one product of the Hessian with a vector."""
        seen.require(self, "loss", "x", "y")
        params, x, y = _under(mask, seen.initial), seen.x, seen.y
        found = _grasp(seen.network, seen.loss, self.temperature, params, x, y)
        return {name: np.asarray(score) for name, score in found.items()}


@dataclass(frozen=True)
class SynFlow:
    """|θ| ⊙ ∂R/∂|θ|, R = Σ_k f_k(1, |θ|), without biases.

    Arguments:
        rounds: the number of rounds in which weights are removed, on an exponential schedule.
    """

    rounds: int = 100

    def __post_init__(self) -> None:
        _check_rounds(self.rounds)

    def scores(self, seen: Seen, mask: Mask) -> Scores:
        """In float64, because R grows with the product of all widths.

        Raises:
            UserError: for a network that is not homogeneous in its weights, such as one with normalisation or tanh, or that
                has no description of its layers.

        Cost: one gradient of one example.
        """
        network = seen.network
        require_homogeneous(network)
        with jax.enable_x64(True):
            params = jax.tree.map(lambda a: np.asarray(a, np.float64), _under(mask, seen.initial))
            found = _synflow(network, params)
        return {name: np.asarray(score) for name, score in found.items()}


def require_homogeneous(network: Network) -> None:
    """Checks that SynFlow can score a network.

    Raises:
        UserError: if the network is not homogeneous in its weights, or has no description of its layers.
    """
    layers = network.require_layers("SynFlow")
    scaled = all(layer.gates == 1 and layer.stage.weighted for layer in layers)
    if not (scaled and all(group.rescalable for group in network.unit_groups)):
        raise UserError(
            f"{network.name}, which is not homogeneous in its weights",
            "a network with ReLU and without normalisation, for SynFlow",
            "Leave SynFlow out of the criteria.",
        )


def _under(mask: Mask, params: Params) -> Params:
    return jax.tree.map(lambda a, m: np.where(m, np.asarray(a), 0), params, over_parameters(mask, params))


def _of_weights(network: Network, params: Params) -> tuple[Weights, Callable[[Weights], Params]]:
    """The weights by layer, and the inverse: parameters with these weights and the other leaves unchanged."""
    names = [weight.name for weight in prunable_weights(network)]
    return weights_in(params, names), lambda weights: with_weights(params, weights)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _snip(network: Network, loss: ConvexLoss, params: Params, x: Array, y: Array) -> Weights:
    weights, back = _of_weights(network, params)
    gradient = jax.grad(lambda w: jnp.mean(loss.value(network.apply(back(w), x), y)))(weights)
    return jax.tree.map(lambda w, g: jnp.abs(w * g), weights, gradient)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _grasp(
    network: Network, loss: ConvexLoss, temperature: Any, params: Params, x: Array, y: Array
) -> Weights:
    weights, back = _of_weights(network, params)
    gradient = jax.grad(lambda w: jnp.mean(loss.value(network.apply(back(w), x) / temperature, y)))
    g = gradient(weights)
    _, hg = jax.jvp(gradient, (weights,), (g,))  # g → Hg
    return jax.tree.map(jnp.multiply, weights, hg)


@functools.partial(jax.jit, static_argnums=0)
def _synflow(network: Network, params: Params) -> Weights:
    positive = {
        name: {leaf: jnp.zeros_like(a) if leaf == "bias" else jnp.abs(a) for leaf, a in leaves.items()}
        for name, leaves in params.items()
    }
    weights, back = _of_weights(network, positive)
    ones = jnp.ones((1, *network.input_shape), jnp.float64)
    gradient = jax.grad(lambda w: jnp.sum(network.apply(back(w), ones)))(weights)
    return jax.tree.map(jnp.multiply, weights, gradient)


def _check_rounds(rounds: int) -> None:
    if rounds < 1:
        raise UserError(f"rounds={rounds}", "at least 1")
