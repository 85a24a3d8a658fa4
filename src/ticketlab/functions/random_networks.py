"""P_B(f | S) at finite width, exactly: random networks, of which those that fit S are kept.

Most networks do not fit more than a few examples. How many will is foretold by the evidence P(S) of the infinitely wide network,
from expectation propagation with the zero–one likelihood. So few networks are tried in vain. Networks are drawn by the same
`init` as those that are trained, biases included.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Shaped

from ticketlab.errors import UserError
from ticketlab.functions.label_strings import packed
from ticketlab.functions.sampler import (
    Drawn,
    State,
    checked_labels,
    first_state,
    next_chunk,
    run_numbers,
    sampler_key,
    streams_of,
)
from ticketlab.infinite import expectation_propagation, kernels
from ticketlab.infinite.binary_labels import Likelihood
from ticketlab.networks.network import Network

__all__ = ["RandomNetworks", "expected_acceptances"]

TOGETHER = 256  # networks that are drawn and evaluated at once


def expected_acceptances(
    network: Network, x: Shaped[np.ndarray, "n ..."], labels: Shaped[np.ndarray, "n"], networks: int
) -> float:
    """How many of so many random networks will fit, to a factor of about two: networks · P(S).

    P(S) is that of infinite width, by expectation propagation with the zero–one likelihood.

    Raises:
        UserError: for a network without a limit, or other labels than 0 and 1.
        NumericalFailure: if expectation propagation does not converge.
    """
    signs = 2.0 * checked_labels(labels, len(x)) - 1.0
    covariance = kernels(network, np.asarray(x, np.float64), get="nngp").nngp
    posterior = expectation_propagation(covariance, signs, likelihood=Likelihood.ZERO_ONE)
    return networks * math.exp(posterior.log_marginal_likelihood)


@dataclass(frozen=True, eq=False)
class RandomNetworks:
    """Random networks that happen to fit the training examples.

    Arguments:
        network: with one output, whose sign is the label.
        x, labels: the training examples S and their labels 0 or 1; with no example every network is kept.
        held_out: the inputs on which functions are compared.
        chunk: networks in a step of the sampler.
    """

    network: Network
    x: Shaped[np.ndarray, "n ..."]
    labels: Shaped[np.ndarray, "n"]
    held_out: Shaped[np.ndarray, "m ..."]
    chunk: int = 65_536

    def __post_init__(self) -> None:
        if len(self.x):
            checked_labels(self.labels, len(self.x))
        if self.network.outputs != 1 or self.chunk < 1 or self.chunk % TOGETHER:
            raise UserError(
                f"{self.network.outputs} outputs and chunks of {self.chunk} networks",
                f"one output, and chunks of a multiple of {TOGETHER}",
            )

    @property
    def examples(self) -> int:
        return len(self.held_out)

    def init(self, key: Array) -> State:
        return first_state(key)

    def step(self, state: State) -> tuple[State, Drawn]:
        key = sampler_key(state)
        numbers = run_numbers(state, self.chunk)
        x, held_out = (jnp.asarray(a, jnp.float32) for a in (self.x, self.held_out))
        if not len(x):
            labels = np.asarray(_labels(self.network, key, jnp.asarray(numbers, jnp.uint32), held_out))
            return next_chunk(state), Drawn(packed(labels), streams_of(numbers), len(numbers))
        y = jnp.asarray(checked_labels(self.labels, len(self.x)))
        fits = np.asarray(_fits(self.network, key, jnp.asarray(numbers, jnp.uint32), x, y))
        kept = numbers[fits]
        # Drawn once more, which is cheaper than evaluating all on the held-out examples; always the same shape.
        padded = (
            np.resize(kept, -(-max(len(kept), 1) // TOGETHER) * TOGETHER) if len(kept) else numbers[:TOGETHER]
        )
        parts = [
            np.asarray(_labels(self.network, key, jnp.asarray(some, jnp.uint32), held_out))
            for some in padded.reshape(-1, TOGETHER)
        ]
        functions = packed(np.concatenate(parts)[: len(kept)])
        return next_chunk(state), Drawn(functions, streams_of(kept), len(numbers))


@partial(jax.jit, static_argnums=0)
def _fits(network: Network, key: Array, numbers: Array, x: Array, labels: Array) -> Array:
    return jax.lax.map(lambda i: jnp.all(_label(network, key, i, x) == labels), numbers, batch_size=TOGETHER)


@partial(jax.jit, static_argnums=0)
def _labels(network: Network, key: Array, numbers: Array, x: Array) -> Array:
    return jax.lax.map(lambda i: _label(network, key, i, x), numbers, batch_size=TOGETHER)


def _label(network: Network, key: Array, number: Array, x: Array) -> Array:
    return network.apply(network.init(jax.random.fold_in(key, number)), x)[:, 0] > 0
