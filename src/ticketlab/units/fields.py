"""Random linear filters of a receptive field: the control for units that read part of an image.

A unit of a convolutional layer sees a window of the input. Its control is a Gaussian filter of that window, applied at
every position, through the same activation function, and pooled to a spatial maximum and a spatial mean. In the first
layer of a Gaussian random network units and controls have the same law.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from ticketlab.errors import UserError
from ticketlab.networks.network import Network, Params
from ticketlab.networks.stages import Activation
from ticketlab.networks.stages.activation import activate
from ticketlab.units.reading import Group, Pooling, Responses

__all__ = ["FieldFilters", "receptive_field", "spatial_maxima"]

BLOCK = (
    8 * 1024**2
)  # bytes of filtered images at a time; 28 × 28 pixels took a third of the time that 240 MB took
PROBES = 8  # random inputs that show which pixels matter


@dataclass(frozen=True, eq=False)
class FieldFilters(Responses):
    """Gaussian filters of a window of the image, zero-padded, then an activation function and a pool.

    Arguments:
        x: images `[n, height, width, channels]`.
        window: height and width of the filters in pixels, odd.
        count: the number of filters; each is read out as spatial maximum and as spatial mean.
        seed: of the draw.
        activation: after the filter.
    """

    x: Float[np.ndarray, "n height width channels"]
    window: int
    count: int
    seed: int
    activation: Activation = Activation.RELU
    groups: tuple[Group, ...] = field(init=False)
    examples: int = field(init=False)

    def __post_init__(self) -> None:
        if self.window < 1 or self.window % 2 == 0:
            raise UserError(
                f"filters of {self.window} pixels", "an odd number of pixels, so that they have a centre"
            )
        poolings: tuple[Pooling, ...] = ("maximum", "mean")
        title = f"random filters, {self.window} × {self.window}"
        object.__setattr__(self, "groups", tuple(Group(title, self.count, pooling) for pooling in poolings))
        object.__setattr__(self, "examples", len(self.x))

    def read(self, start: int, stop: int) -> Float[np.ndarray, "units n"]:
        shape = (self.window, self.window, self.x.shape[-1], self.count)
        drawn = np.random.default_rng(self.seed).standard_normal(shape).astype(np.float32)
        return _read(self.x, drawn, self.activation, start, stop)


def spatial_maxima(
    x: Float[np.ndarray, "n height width channels"],
    filters: Float[np.ndarray, "window window channels count"],
    activation: Activation = Activation.RELU,
) -> Float[np.ndarray, "count n"]:
    """The responses of given filters as `FieldFilters` reads its own: zero-padded, activation function, spatial maximum.

    Arguments:
        x: images.
        filters: float32.
        activation: after the filter.
    """
    return _read(x, filters, activation, 0, filters.shape[-1])


def receptive_field(network: Network, params: Params) -> dict[str, int]:
    """The pixels that the middle of each layer's feature map sees, along the longer side of their bounding box.

    Found by differentiating the sum of a layer's channels at the middle with respect to random images. Dense layers see
    the whole frame.

    Arguments:
        network: of images `[height, width, channels]`, a function of each example alone.
        params: θ.

    Cost: one forward and backward pass on 8 images for each layer.
    """
    network.require_layers("measuring receptive fields")
    network.require_each_alone("measuring receptive fields")
    if len(network.input_shape) != 3:
        raise UserError(f"inputs of shape {network.input_shape}", "images [height, width, channels]")
    x = jax.random.normal(jax.random.key(0), (PROBES, *network.input_shape))
    slopes = _slopes(network)(params, x)
    found = {}
    for name, slope in slopes.items():
        seen = np.argwhere(np.asarray(slope) != 0)
        sides = np.ptp(seen, axis=0) + 1 if len(seen) else np.ones(2, int)
        found[name] = int(sides.max())
    return found


@lru_cache(maxsize=16)
def _slopes(network: Network) -> Any:
    """`(params, x) -> {layer: Σ|∂(middle)/∂x|, [height, width]}`."""

    def of(params: Params, x: Array) -> dict[str, Array]:
        features = network.features
        assert features is not None
        names = list(jax.eval_shape(features, params, x))

        def middles(inputs: Array) -> Array:
            found = features(params, inputs)
            at = {name: tuple(size // 2 for size in found[name].shape[1:-1]) for name in names}
            return jnp.stack([jnp.sum(found[name][(slice(None), *at[name])]) for name in names])

        slopes = jax.jacrev(middles)(x)  # [layers, probes, height, width, channels]
        return dict(zip(names, jnp.sum(jnp.abs(slopes), axis=(1, 4)), strict=True))

    return jax.jit(of)


@lru_cache(maxsize=16)
def _compiled(activation: Activation) -> Any:
    def of(x: Array, filters: Array) -> Array:
        z = lax.conv_general_dilated(x, filters, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        a = activate(activation, z)
        return jnp.concatenate([jnp.max(a, axis=(1, 2)).T, jnp.mean(a, axis=(1, 2)).T])

    return jax.jit(of)


def _read(
    x: Float[np.ndarray, "n height width channels"],
    filters: Float[np.ndarray, "window window channels count"],
    activation: Activation,
    start: int,
    stop: int,
) -> Float[np.ndarray, "units n"]:
    """Maxima of all filters, then means: those numbered start to stop − 1."""
    examples, pixels, count = len(x), x.shape[1] * x.shape[2], filters.shape[-1]
    rows = min(max(1, BLOCK // (4 * pixels * count)), examples)
    found = np.empty((stop - start, examples), np.float32)
    for first in range(0, examples, rows):
        # The last block reaches back, so that all have one size and one compiled program.
        first = min(first, examples - rows)
        block = _filtered(jnp.asarray(x[first : first + rows]), jnp.asarray(filters), activation)
        found[:, first : first + rows] = np.asarray(block)[start:stop]
    return found


def _filtered(x: Array, filters: Array, activation: Activation) -> Array:
    return _compiled(activation)(x, filters)
