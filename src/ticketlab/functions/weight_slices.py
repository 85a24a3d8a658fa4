"""P_B(f | S) at finite width where rejection fails: elliptical slices in the space of weights.

The prior is the law of the initialisation. On the ellipse θ cos α + ν sin α through the weights θ of a network that fits S and a
fresh random network ν, points are tried until one fits, and the bracket around α = 0 shrinks after each failure. Chains start
from networks trained on S, so they first have to forget where training led them (`burn`).

All weights and biases have to be Gaussian with mean zero (or zero), because the ellipse leaves only such a prior as it is.

Source: Murray, Adams, MacKay 2010, arXiv 1001.0175, figure 2, with the zero–one likelihood.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Shaped, UInt8

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.functions.label_strings import differences, packed
from ticketlab.functions.sampler import (
    Drawn,
    State,
    checked_labels,
    chunk_key,
    first_state,
    next_chunk,
    streams_of,
)
from ticketlab.functions.training_runs import TrainingRuns
from ticketlab.networks.initialisation import Distribution
from ticketlab.networks.network import Network
from ticketlab.tasks.losses import SQUARED_HINGE
from ticketlab.training import Ended, Sgd, TrainingPlan

__all__ = ["WeightSlices"]

TRIES = 100  # on one ellipse; the bracket shrinks by a half or so each time


@dataclass(frozen=True, eq=False)
class WeightSlices:
    """Functions of networks drawn from the zero–one posterior of the initialisation's law.

    Arguments:
        network: with one output, drawn with Gaussian weights.
        x, labels: the training examples S and their labels 0 or 1.
        held_out: the inputs on which functions are compared.
        reference: as for `GaussianBounces`.
        chains: independent chains.
        draws: kept from each chain in a step of the sampler.
        thin: moves for each kept draw.
        burn: moves of every chain before the first.
        start: how the first networks are trained, with the squared hinge loss.
    """

    network: Network
    x: Shaped[np.ndarray, "n ..."]
    labels: Shaped[np.ndarray, "n"]
    held_out: Shaped[np.ndarray, "m ..."]
    reference: UInt8[np.ndarray, "bytes"] | None = None
    chains: int = 32
    draws: int = 16
    thin: int = 16
    burn: int = 1000
    start: TrainingPlan = field(
        default=TrainingPlan(steps=20_000, batch=None, optimiser=Sgd(0.05), evaluate_every=8)
    )

    def __post_init__(self) -> None:
        checked_labels(self.labels, len(self.x))
        if self.network.distribution is not Distribution.NORMAL:
            raise UserError(
                f"{self.network.name}, whose weights are not known to be Gaussian",
                "a network with Gaussian weights of mean zero",
                "Use Initialisation(distribution=normal), or RandomNetworks.",
            )
        if min(self.chains, self.draws, self.thin) < 1 or self.burn < 0:
            raise UserError(
                f"chains={self.chains}, draws={self.draws}, thin={self.thin}, burn={self.burn}",
                "positive numbers",
            )

    @property
    def examples(self) -> int:
        return len(self.held_out)

    def init(self, key: Array) -> State:
        first, burn = jax.random.split(jax.random.fold_in(key, 2**32 - 1))
        runs = TrainingRuns(self.network, SQUARED_HINGE, self.x, self.labels, self.held_out, self.start)
        params, _, ended = runs.trained(first, np.arange(2 * self.chains))
        fits = np.flatnonzero(ended == Ended.INTERPOLATED)[: self.chains]
        if len(fits) < self.chains:
            raise NumericalFailure(
                f"only {len(fits)} of {2 * self.chains} networks could be trained to fit the examples, and {self.chains} "
                "chains need a start: train longer, or with another step size"
            )
        weights = jax.vmap(lambda p: ravel_pytree(p)[0])(jax.tree.map(lambda a: jnp.asarray(a[fits]), params))
        moved = self._moved(burn, weights, self.burn)
        return {**first_state(key), "weights": np.asarray(moved)}

    def step(self, state: State) -> tuple[State, Drawn]:
        weights, kept = jnp.asarray(state["weights"]), []
        for key in jax.random.split(chunk_key(state), self.draws):
            weights = self._moved(key, weights, self.thin)
            kept.append(
                np.asarray(_outputs(self.network, weights, jnp.asarray(self.held_out, jnp.float32)) > 0)
            )
        functions = packed(np.concatenate(kept))
        zero = np.zeros(functions.shape[-1], np.uint8) if self.reference is None else self.reference
        return next_chunk(state, weights=np.asarray(weights)), Drawn(
            functions,
            np.tile(streams_of(np.arange(self.chains)), self.draws),
            self.draws * self.thin * self.chains,
            differences(functions, zero).reshape(self.draws, self.chains),
        )

    def _moved(self, key: Array, weights: Array, moves: int) -> Array:
        signs = 2.0 * checked_labels(self.labels, len(self.x)).astype(np.float32) - 1.0
        return _moves(self.network, key, weights, jnp.asarray(self.x, jnp.float32), jnp.asarray(signs), moves)


@partial(jax.jit, static_argnums=0)
def _outputs(network: Network, weights: Array, x: Array) -> Array:
    """f(x) of each chain, `[chains, n]`."""
    shapes = jax.eval_shape(network.init, jax.random.key(0))
    _, build = ravel_pytree(jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes))
    return jax.vmap(lambda w: network.apply(build(w), x)[:, 0])(weights)


@partial(jax.jit, static_argnums=0)
def _moves(network: Network, key: Array, weights: Array, x: Array, signs: Array, moves: Array) -> Array:
    """The chains after this number of moves."""

    def fits(w: Array) -> Array:
        return jnp.all(signs * _outputs(network, w, x) > 0, axis=1)

    def move(number: Array, w: Array) -> Array:
        drawing, angles = jax.random.split(jax.random.fold_in(key, number))
        draws = jax.random.split(drawing, len(w))
        prior = jax.vmap(lambda k: ravel_pytree(network.init(k))[0])(draws)
        high = jax.random.uniform(angles, (len(w),), w.dtype, 0.0, 2 * math.pi)

        def tried(carry: Any) -> Any:
            count, low, high, angle, found, done = carry
            point = w * jnp.cos(angle)[:, None] + prior * jnp.sin(angle)[:, None]
            good = fits(point) & ~done
            found = jnp.where(good[:, None], point, found)
            done = done | good
            low, high = jnp.where(angle < 0, angle, low), jnp.where(angle >= 0, angle, high)
            share = jax.random.uniform(jax.random.fold_in(angles, count), angle.shape, angle.dtype)
            return count + 1, low, high, low + (high - low) * share, found, done

        first = (jnp.int32(1), high - 2 * math.pi, high, high, w, jnp.zeros(len(w), bool))
        # A chain that finds nothing stays where it is.
        return lax.while_loop(lambda c: (c[0] <= TRIES) & ~jnp.all(c[-1]), tried, first)[4]

    return lax.fori_loop(0, moves, move, weights)
