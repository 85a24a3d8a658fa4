"""Average pools: a mean over pairs of pixels, one in each window. Maximum pools have no limit in closed form.

out(P, P + L) = w⁻⁴ Σ_ij K(w P + i, w (P + L) + j),        so lag L needs the lags w L + j − i.
"""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ticketlab.infinite.lags import Lags, all_lags
from ticketlab.infinite.rules.rules import lags_before, limit, refuse
from ticketlab.infinite.state import Recursion, State
from ticketlab.networks import GlobalAverage, Pool, Pooling
from ticketlab.networks.layers import Shape
from ticketlab.networks.stages.stage import Step

__all__: list[str] = []


@lags_before.register
def _(stage: Pool, step: Step, given: Shape, after: Lags) -> Lags:
    w = stage.window
    return tuple(tuple(sorted({w * lag + d for lag in lags for d in range(1 - w, w)})) for lags in after)


@limit.register
def _(stage: Pool, step: Step, given: Shape, state: State, after: Lags, recursion: Recursion) -> State:
    if stage.pooling is Pooling.MAX:
        raise refuse(
            "a maximum pool",
            "whose covariance has no closed form",
            "Choose pooling=average, or average the empirical kernel of wide networks "
            "(ticketlab.tangent.averaged_kernel).",
        )
    state = state.settled()
    height, width, _ = stage.shape(given)
    means = state.means
    return replace(
        state,
        nngp=_pooled(state, state.nngp, stage.window, after),
        ntk=None if state.ntk is None else _pooled(state, state.ntk, stage.window, after),
        lags=after,
        pixels=(height, width),
        means=None if means is None else (_windows(means[0], stage), _windows(means[1], stage)),
    )


def _pooled(state: State, covariance: Array, w: int, after: Lags) -> Array:
    """The covariance of the means: one matrix over the lags and pixels of each axis."""
    across, down = (
        jnp.asarray(_weights(have, want, size, w), covariance.dtype)
        for have, want, size in zip(state.lags, after, state.pixels, strict=True)
    )
    return jnp.einsum("...klij,KIki,LJlj->...KLIJ", covariance, across, down)


def _weights(have: tuple[int, ...], want: tuple[int, ...], size: int, w: int) -> np.ndarray:
    """How much of K at a lag and pixel goes to a lag and window, `[wanted lags, windows, lags, pixels]`."""
    found = np.zeros((len(want), size // w, len(have), size))
    for k, lag in enumerate(want):
        for window in range(size // w):
            for i in range(w):
                for j in range(w):
                    found[k, window, have.index(w * lag + j - i), window * w + i] += 1 / w**2
    return found


def _windows(means: Array, stage: Pool) -> Array:
    n, height, width = means.shape
    w = stage.window
    rows, columns = height // w, width // w
    return jnp.mean(means[:, : rows * w, : columns * w].reshape(n, rows, w, columns, w), axis=(2, 4))


@lags_before.register
def _(stage: GlobalAverage, step: Step, given: Shape, after: Lags) -> Lags:
    return all_lags(given[:-1])


@limit.register
def _(
    stage: GlobalAverage, step: Step, given: Shape, state: State, after: Lags, recursion: Recursion
) -> State:
    state = state.settled()
    pairs = int(np.prod(state.pixels)) ** 2

    def mean(covariance: Array) -> Array:
        return jnp.sum(covariance, axis=tuple(range(covariance.ndim - 4, covariance.ndim))) / pairs

    means = state.means
    return replace(
        state,
        nngp=mean(state.nngp),
        ntk=None if state.ntk is None else mean(state.ntk),
        lags=(),
        pixels=(),
        means=None if means is None else (jnp.mean(means[0], (1, 2)), jnp.mean(means[1], (1, 2))),
    )
