"""Convolutions: a unit reads the mean over a window, which moves both pixels of a pair together.

    A[K](p, p′) = q⁻² Σ_Δ K(s p + Δ, s p′ + Δ),        zero outside the image, q the window, s the stride

The divisor is q² at the border too, because the fan-in counts the padding. Padding is XLA's, which is not symmetric if a stride
leaves an odd number of pixels.
"""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ticketlab.infinite.lags import Lags
from ticketlab.infinite.rules.rules import fresh, lags_before, limit
from ticketlab.infinite.state import Recursion, State
from ticketlab.networks import Convolution
from ticketlab.networks.layers import Shape
from ticketlab.networks.stages.stage import Step

__all__: list[str] = []


@lags_before.register
def _(stage: Convolution, step: Step, given: Shape, after: Lags) -> Lags:
    return tuple(tuple(stage.stride * lag for lag in lags) for lags in after)


@limit.register
def _(stage: Convolution, step: Step, given: Shape, state: State, after: Lags, recursion: Recursion) -> State:
    assert step.drawn is not None
    state = state.settled()
    ntk = None if state.ntk is None else _window_mean(stage, state, state.ntk)
    height, width, _ = stage.shape(given)
    mean = replace(
        state, nngp=_window_mean(stage, state, state.nngp), ntk=ntk, lags=after, pixels=(height, width)
    )
    return fresh(step.drawn, mean, recursion)


def _window_mean(stage: Convolution, state: State, covariance: Array) -> Array:
    """A[K], one axis of pixels after the other."""
    window, stride = stage.window, stage.stride
    pads = jax.lax.padtype_to_pads(state.pixels, (window, window), stage.strides, stage.padding)
    for axis, (pad, size) in enumerate(zip(pads, state.pixels, strict=True)):
        place = covariance.ndim - 2 + axis
        around = [(0, 0)] * covariance.ndim
        around[place] = pad
        padded = jnp.pad(covariance, around)
        last = size + sum(pad) - window
        shifted = (
            jax.lax.slice_in_dim(padded, first, first + last + 1, stride, place) for first in range(window)
        )
        covariance = jax.lax.optimization_barrier(sum(shifted, start=jnp.zeros((), covariance.dtype)))
    return covariance / window**2
