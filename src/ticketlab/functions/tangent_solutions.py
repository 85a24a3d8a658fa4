"""Functions of tangent-space solutions: networks that are linear in their parameters at θ₀, and fit the training examples.

    F(x) = f₀(x) + J(x)Δ,    Δ = Δ₀ + J_Sᵀ(K + λI)⁻¹(y − f₀(S) − J_S Δ₀),    K = J_S J_Sᵀ

Gradient flow of the square loss takes the linear model from Δ₀ to this Δ. What is in Δ₀ along the null space of J_S stays as it
is, so there are two sources of chance, and two laws:

- *over random starts*: every draw has a θ₀ of its own, and Δ₀ = 0. It is the law of networks that are trained so lazily that they
  stay linear;
- *along one null space*: all draws have one θ₀, and Δ₀ has the law of the initialisation's parameters. Every solution of the
  linear problem at θ₀ is such a draw plus a fixed one ("sample then optimise", Matthews et al. 2017, "Sample-then-optimize
  posterior sampling for Bayesian linear models").

With Δ₀ from N(0, I) in the NTK parameterisation the second law, over θ₀ too, tends to that of the Gaussian process with the
tangent kernel (He et al. 2020, arXiv 2007.05864).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Shaped

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
from ticketlab.networks.network import Network

__all__ = ["TangentSolutions", "tangent_outputs"]

TOGETHER = 32  # Jacobians that are computed at once


@dataclass(frozen=True, eq=False)
class TangentSolutions:
    """Functions of tangent-space solutions, over random starts or along the null space of one start.

    Arguments:
        network: with one output, whose sign is the label.
        x, labels: the training examples S and their labels 0 or 1, fitted as −1 and 1 with the square loss.
        held_out: the inputs on which functions are compared.
        start: the key of the one θ₀ along whose null space is drawn; None: a θ₀ for each draw, and Δ₀ = 0.
        ridge: λ as a share of the mean diagonal of K.
        chunk: solutions in a step of the sampler, a multiple of 32.

    Cost of a draw over random starts: n + m gradients of one network, and a system of n equations; along one null space: a
        product of that Jacobian with a vector.
    """

    network: Network
    x: Shaped[np.ndarray, "n ..."]
    labels: Shaped[np.ndarray, "n"]
    held_out: Shaped[np.ndarray, "m ..."]
    start: Array | None = None
    ridge: float = 1e-6
    chunk: int = 1024

    def __post_init__(self) -> None:
        checked_labels(self.labels, len(self.x))
        if self.network.outputs != 1 or self.chunk < 1 or self.chunk % TOGETHER or not self.ridge > 0:
            raise UserError(
                f"{self.network.outputs} outputs, chunks of {self.chunk} and a ridge of {self.ridge}",
                f"one output, chunks of a multiple of {TOGETHER}, and a ridge above 0",
            )

    @property
    def examples(self) -> int:
        return len(self.held_out)

    def init(self, key: Array) -> State:
        return first_state(key)

    def step(self, state: State) -> tuple[State, Drawn]:
        key, numbers = sampler_key(state), run_numbers(state, self.chunk)
        keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.asarray(numbers, jnp.uint32))
        if self.start is None:
            outputs = tangent_outputs(self, keys, None)[:, 0]
        else:
            outputs = tangent_outputs(self, self.start[None], keys)[0]
        return next_chunk(state), Drawn(packed(outputs > 0), streams_of(numbers), len(numbers))


def tangent_outputs(
    of: TangentSolutions, starts: Array, moves: Array | None, *, training: bool = False
) -> Float[np.ndarray, "starts draws m"]:
    """F on the held-out examples at each start, for each initial Δ₀.

    Arguments:
        starts: keys of the θ₀.
        moves: keys of the Δ₀, the same at every start; None: Δ₀ = 0 alone.
        training: whether F on the training examples comes before it.
    """
    both = np.concatenate([np.asarray(of.x, np.float32), np.asarray(of.held_out, np.float32)])
    targets = 2.0 * checked_labels(of.labels, len(of.x)) - 1.0
    found = []
    for some in np.split(np.arange(len(starts)), range(TOGETHER, len(starts), TOGETHER)):
        f0, kernel, moved = (
            np.asarray(a, np.float64)
            for a in _linear(of.network, starts[some], moves, jnp.asarray(both), len(of.x))
        )
        found.append(_solved(f0, kernel, moved, targets, of.ridge))
    outputs = np.concatenate(found)
    return outputs if training else outputs[:, :, len(of.x) :]


def _solved(
    f0: np.ndarray, kernel: np.ndarray, moved: np.ndarray, targets: np.ndarray, ridge: float
) -> np.ndarray:
    """F = a + K_·S (K_SS + λI)⁻¹ (y − a_S), where a = f₀ + JΔ₀ on S and E together, for each start."""
    n = len(targets)
    own = kernel[:, :n]
    level = ridge * np.einsum("aii->a", own) / n
    before = f0[:, None] + moved
    missing = np.swapaxes(targets - before[:, :, :n], 1, 2)
    weights = np.linalg.solve(own + level[:, None, None] * np.eye(n), missing)
    result: np.ndarray = before + np.swapaxes(kernel @ weights, 1, 2)
    return result


@partial(jax.jit, static_argnums=(0, 4))
def _linear(
    network: Network, starts: Array, moves: Array | None, x: Array, n: int
) -> tuple[Array, Array, Array]:
    """f₀ `[starts, n + m]`, the tangent kernel with S `[starts, n + m, n]`, and JΔ₀ `[starts, draws, n + m]`."""

    def one(key: Array) -> tuple[Array, Array, Array]:
        theta, build = ravel_pytree(network.init(key))

        def outputs(flat: Array) -> Array:
            return network.apply(build(flat), x)[:, 0]

        jacobian = jax.jacrev(outputs)(theta)
        kernel = jnp.matmul(jacobian, jacobian[:n].T, precision=jax.lax.Precision.HIGHEST)
        if moves is None:
            moved = jnp.zeros((1, len(x)))
        else:
            draws = jax.lax.map(lambda k: jacobian @ ravel_pytree(network.init(k))[0], moves, batch_size=64)
            moved = draws
        return outputs(theta), kernel, moved

    return jax.lax.map(one, starts, batch_size=8)
