"""Which pairs of pixels a covariance holds: pixel p of one image with pixel p + l of the other, for some lags l.

A convolution moves both pixels of a pair together: with stride s, lag l of its output needs lag s·l of its input and no other.
Flatten needs lag 0 alone. An average pool needs the lags within a window, and a mean over all pixels needs all lags. So the lags
that matter are found from the output backwards, and a covariance is an array `[…, lags down, lags across, height, width]`. With
flattened images it is as small as the images; two 2 × 2 pools below add 9 and 49 lags, not all pairs of pixels.

Places where p + l is outside the image hold zero.
"""

from __future__ import annotations

from typing import TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ticketlab.networks.layers import Shape

__all__ = ["Lags", "all_lags", "inside", "no_lag", "of_right", "selected", "union"]

Lags: TypeAlias = tuple[tuple[int, ...], ...]
"""For each axis of pixels the lags in ascending order; 0 is always one of them."""


def no_lag(axes: int) -> Lags:
    """Each pixel with itself."""
    return ((0,),) * axes


def all_lags(pixels: Shape) -> Lags:
    """All pairs of pixels."""
    return tuple(tuple(range(1 - size, size)) for size in pixels)


def union(one: Lags, other: Lags) -> Lags:
    return tuple(tuple(sorted({*a, *b})) for a, b in zip(one, other, strict=True))


def selected(covariance: Array, lags: Lags, wanted: Lags) -> Array:
    """The covariance at the wanted lags, in their order."""
    if lags == wanted:
        return covariance
    axes = len(lags)
    for axis, (have, want) in enumerate(zip(lags, wanted, strict=True)):
        places = [have.index(lag) for lag in want]
        if places != list(range(len(have))):
            covariance = jnp.take(covariance, np.array(places), axis=covariance.ndim - 2 * axes + axis)
    return covariance


def inside(lags: Lags, pixels: Shape) -> np.ndarray | None:
    """Whether p + l is in the image, `[*lags, *pixels]`; None if it always is."""
    axes = len(lags)
    if lags == no_lag(axes):
        return None
    mask: np.ndarray = np.ones((1,) * (2 * axes), bool)
    for axis, partner in enumerate(_partners(lags, pixels)):
        mask = mask & ((partner >= 0) & (partner < pixels[axis]))
    return mask


def of_right(values: Array, lags: Lags, pixels: Shape) -> Array:
    """Values of the second image, `[…, *pixels]`, at p + l: `[…, *lags, *pixels]`; outside, those of the border."""
    axes = len(lags)
    if lags == no_lag(axes):
        return values.reshape(*values.shape[: values.ndim - axes], *(1,) * axes, *pixels)
    places = [np.clip(p, 0, size - 1) for p, size in zip(_partners(lags, pixels), pixels, strict=True)]
    return values[(..., *places)]


def _partners(lags: Lags, pixels: Shape) -> list[np.ndarray]:
    """p + l along each axis, shaped to broadcast over `[*lags, *pixels]`."""
    axes = len(lags)
    found = []
    for axis, (own, size) in enumerate(zip(lags, pixels, strict=True)):
        shape = [1] * (2 * axes)
        shape[axis], shape[axes + axis] = len(own), size
        found.append((np.array(own)[:, None] + np.arange(size)).reshape(shape))
    return found
