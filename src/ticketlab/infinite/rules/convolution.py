"""Convolutions: a unit reads the mean over a window, which moves both pixels of a pair together.

    A[K](p, p′) = q⁻² Σ_Δ K(s p + Δ, s p′ + Δ),        zero outside the image, q the window, s the stride

The divisor is q² at the border too, because the fan-in counts the padding. Padding is XLA's, which is not symmetric if a stride
leaves an odd number of pixels.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ticketlab.infinite.lags import Lags
from ticketlab.infinite.rules.rules import fresh, lags_before, limit
from ticketlab.infinite.state import Recursion, State
from ticketlab.networks import Convolution
from ticketlab.networks.layers import Shape
from ticketlab.networks.stages.stage import Step

__all__: list[str] = []

_FEW_PIXELS = 256  # for which a product over all pixels at once costs less than two with a transposition


@lags_before.register
def _(stage: Convolution, step: Step, given: Shape, after: Lags) -> Lags:
    return tuple(tuple(stage.stride * lag for lag in lags) for lags in after)


@limit.register
def _(stage: Convolution, step: Step, given: Shape, state: State, after: Lags, recursion: Recursion) -> State:
    assert step.drawn is not None
    state = state.settled()
    height, width, _ = stage.shape(given)
    mean = state.mapped(
        lambda kernel: _window_mean(stage, state.pixels, kernel), lags=after, pixels=(height, width)
    )
    return fresh(step.drawn, mean, recursion)


def _window_mean(stage: Convolution, pixels: Shape, covariance: Array) -> Array:
    """A[K], as products with matrices of zeros and ones: faster than sums of shifted arrays, whose rows are short."""
    down, across = _windows(stage, pixels)
    (height, rows), (width, columns) = down.shape, across.shape
    if rows * columns <= _FEW_PIXELS:  # one product over all pixels
        whole = jnp.asarray(np.kron(down, across).T / stage.window**2, covariance.dtype)
        found = covariance.reshape(-1, rows * columns) @ whole
        return found.reshape(*covariance.shape[:-2], height, width)
    first = covariance @ jnp.asarray(across.T / stage.window**2, covariance.dtype)
    return jnp.einsum("Ii,...iJ->...IJ", jnp.asarray(down, covariance.dtype), first)


def _windows(stage: Convolution, pixels: Shape) -> list[np.ndarray]:
    """For each axis which pixels a window covers, `[windows, pixels]`."""
    window, stride = stage.window, stage.stride
    pads = jax.lax.padtype_to_pads(pixels, (window, window), stage.strides, stage.padding)
    found = []
    for (before, after), size in zip(pads, pixels, strict=True):
        starts = np.arange(0, size + before + after - window + 1, stride) - before
        place = np.arange(size) - starts[:, None]
        found.append(((place >= 0) & (place < window)).astype(float))
    return found
