"""Barriers: error and loss along the straight line between two networks.

    θ(α) = (1 − α)·θ_A + α·θ_B,   barrier = max_α err(θ(α)) − ½(err(θ_A) + err(θ_B)),   α = 0, …, 1 in equal steps

A barrier near zero means that both networks are in one linearly connected region of low error: *linear mode
connectivity*. The estimate is never below zero, since the ends are among the points. If error varies along the line
only by chance, the estimate is slightly positive, so it is biased towards instability. Batch statistics, if any, are
estimated from training data at every α, as at the ends.

Source: Frankle, Dziugaite, Roy, Carbin 2019, arXiv 1912.05671, section 2 (30 values of α, error); Izmailov et al. 2018,
arXiv 1803.05407, section 3.2 (batch statistics of averaged weights).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

from ticketlab.errors import UserError, counted
from ticketlab.networks.evaluation import evaluate
from ticketlab.networks.network import Network, Params
from ticketlab.tasks.losses import ConvexLoss

__all__ = ["POINTS", "Between", "Lines", "barrier", "lines", "peak", "straight"]

Between: TypeAlias = Callable[[Network, Array | float, Params, Params, Array], Params]
"""`(network, α, θ_A, θ_B, reference inputs) -> θ(α)`, traced in a compiled program."""

POINTS = 30  # values of α, including the ends


@dataclass(frozen=True)
class Lines:
    """Losses and errors along the lines between P pairs of networks.

    Arguments:
        alphas: from 0 to 1.
        loss: mean over the examples.
        wrong: whether the largest output of each example differs from its largest target.
    """

    alphas: Float[np.ndarray, "A"]
    loss: Float[np.ndarray, "P A"]
    wrong: Bool[np.ndarray, "P A n"]

    @property
    def error(self) -> Float[np.ndarray, "P A"]:
        """The fraction of the examples that are wrong."""
        return self.wrong.mean(axis=-1)


def lines(
    network: Network,
    loss: ConvexLoss,
    one: Params,
    other: Params,
    x: Float[Array | np.ndarray, "n ..."],
    targets: Float[Array | np.ndarray, "n k"],
    *,
    reference: Float[Array | np.ndarray, "m ..."],
    points: int = POINTS,
    between: Between | None = None,
) -> Lines:
    """Loss and errors along the lines between P pairs of networks.

    Arguments:
        network, loss: f and ℓ.
        one, other: θ_A and θ_B, `[P, …]`.
        x, targets: the examples, with one-hot targets.
        reference: training inputs, from which batch statistics are estimated; other networks ignore them.
        points: values of α, at least 2.
        between: what is in place of the straight line, such as REPAIR (`ticketlab.symmetry.repaired_between`).

    Raises:
        UserError: for fewer points, or a network with one output.

    Cost: P·points forward passes over the examples, in sequence in one compiled program.
    """
    if points < 2:
        raise UserError(f"{counted(points, 'point')} on a line", "at least 2, its ends")
    if network.outputs < 2:
        raise UserError("a network with one output", "one output for each class, for errors along a line")
    alphas = np.linspace(0.0, 1.0, points)
    losses, wrong = _along(network, loss, between or straight, one, other, alphas, x, targets, reference)
    return Lines(alphas, np.asarray(losses, np.float64), np.asarray(wrong))


def straight(network: Network, alpha: Array | float, one: Params, other: Params, reference: Array) -> Params:
    """θ(α). α = 0 and α = 1 give the networks themselves, to the bit: a + 0·b is a, and 0·a + b is b."""
    return jax.tree.map(lambda a, b: ((1 - alpha) * a + alpha * b).astype(a.dtype), one, other)


def barrier(values: Float[np.ndarray, "*rest A"]) -> Float[np.ndarray, "*rest"]:
    """The highest value along each line minus the mean of its ends; never below zero."""
    return values.max(axis=-1) - (values[..., 0] + values[..., -1]) / 2


def peak(values: Float[np.ndarray, "*rest A"]) -> np.ndarray:
    """Where along each line the value is highest; ties go to the first."""
    return np.argmax(values, axis=-1)


@partial(jax.jit, static_argnames=("network", "loss", "between"))
def _along(
    network: Network,
    loss: ConvexLoss,
    between: Between,
    one: Params,
    other: Params,
    alphas: Array,
    x: Array,
    targets: Array,
    reference: Array,
) -> tuple[Array, Array]:
    labels = jnp.argmax(targets, axis=-1)

    def pair(ends: tuple[Params, Params]) -> tuple[Array, Array]:
        def point(alpha: Array) -> tuple[Array, Array]:
            params = between(network, alpha, *ends, reference)
            outputs = evaluate(network, params, x, reference)
            return jnp.mean(loss.value(outputs, targets)), jnp.argmax(outputs, axis=-1) != labels

        return lax.map(point, alphas)

    return lax.map(pair, (one, other))
