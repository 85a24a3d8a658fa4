"""The best stimulus of a unit: gradient ascent over images of fixed norm, from noise.

    maximise  z_u(x) − λ·TV(x)   over ‖x‖ = r,    TV(x) = mean of |differences of neighbouring pixels|

where z_u is the unit's pre-activation, the mean over pixels for a channel. A rectified unit that is off has no gradient,
its pre-activation has. Steps are Adam's with the part of the gradient along the sphere, each followed by a projection
onto it: with the whole gradient, Adam would end at its signs. The image is shifted by up to one pixel before each step,
so that single pixels do not win. For a unit of the first layer without shifts the answer is
known: r·w/‖w‖.

Sources: Erhan et al. 2009, Visualizing Higher-Layer Features of a Deep Network (activation maximisation); Kingma & Ba
2015, arXiv 1412.6980 (Adam).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float, Int

from ticketlab.errors import UserError
from ticketlab.networks.convolution import convolve_once
from ticketlab.networks.layers import pre_activation
from ticketlab.networks.network import Network, Params
from ticketlab.units.front_end import FrontEnd

__all__ = ["best_stimuli", "best_stimuli_of_filters"]

STEPS, STEP_SIZE = 256, 0.05


def best_stimuli(
    network: Network,
    params: Params,
    layer: str,
    units: Int[np.ndarray, "units"],
    key: Array,
    *,
    variation: float = 1e-3,
    jitter: bool = True,
    starts: int = 8,
) -> Float[np.ndarray, "units ..."]:
    """The images that several units of a layer respond to most, as far as ascent finds them.

    Arguments:
        network: a function of each example alone, with a description of its layers.
        params: θ.
        layer: the name of the layer.
        units: their numbers in the layer.
        key: of the first images and the shifts.
        variation: λ; 0 for inputs that are no images.
        jitter: whether images are shifted by −1, 0 or 1 pixels along both axes before each step.
        starts: images to start from; the one that ends with the largest response is returned.

    Returns: inputs of root mean square 1, `[units, *input_shape]`; a local maximum, so other keys may give others.

    Raises: UserError for a layer or a unit that the network has not.

    Cost: 256 forward and backward passes on one image for each unit and start.
    """
    network.require_each_alone("the best stimuli of its units")
    names = [of.name for of in network.require_layers("the best stimuli of its units")]
    if layer not in names:
        raise UserError(f"layer {layer!r}", f"one of {', '.join(names)}")
    _check_units(units, network.layers[names.index(layer)].output_shape[-1])
    image = len(network.input_shape) == 3
    return np.asarray(
        _of_network(network, layer, jitter and image, starts)(
            params, jnp.asarray(units), key, jnp.float32(variation if image else 0.0)
        )
    )


def best_stimuli_of_filters(
    front: FrontEnd,
    filters: Float[np.ndarray, "rows columns maps filters"],
    units: Int[np.ndarray, "units"],
    input_shape: tuple[int, ...],
    key: Array,
    *,
    variation: float = 1e-3,
    jitter: bool = True,
    starts: int = 8,
) -> Float[np.ndarray, "units height width maps"]:
    """The images to which maps of one stage of a front end respond most, by their mean over pixels.

    Arguments:
        front: the blocks of the stage.
        filters: k.
        units: numbers of filters.
        input_shape: of an image.
        key, variation, jitter, starts: as for `best_stimuli`.
    """
    _check_units(units, filters.shape[-1])
    found = _of_stage(front, input_shape, jitter, starts)
    return np.asarray(found(jnp.asarray(filters), jnp.asarray(units), key, jnp.float32(variation)))


def _check_units(units: Int[np.ndarray, "units"], there: int) -> None:
    """JAX would take the last unit for any larger number."""
    if np.any((np.asarray(units) < 0) | (np.asarray(units) >= there)):
        raise UserError(f"units {np.asarray(units).tolist()}", f"numbers from 0 to {there - 1}")


@lru_cache(maxsize=32)
def _of_stage(front: FrontEnd, input_shape: tuple[int, ...], jitter: bool, starts: int) -> Any:
    def response(filters: Array, x: Array, unit: Array) -> Array:
        return jnp.mean(front.stage(filters, x[None])[0], axis=(0, 1))[unit]

    return _ascent(response, input_shape, jitter, starts)


@lru_cache(maxsize=32)
def _of_network(network: Network, layer: str, jitter: bool, starts: int) -> Any:
    described = next(of for of in network.layers if of.name == layer)

    def response(params: Params, x: Array, unit: Array) -> Array:
        assert network.tapped is not None
        _, inputs = network.tapped(params, x[None], {})
        z = pre_activation(described, params[layer], inputs[layer], convolve_once)
        return jnp.mean(z.reshape(-1, z.shape[-1]), axis=0)[unit]

    return _ascent(response, network.input_shape, jitter, starts)


def _ascent(
    response: Callable[[Params, Array, Array], Array], shape: tuple[int, ...], jitter: bool, starts: int
) -> Any:
    """`(params, units, key, variation) -> images`, compiled."""
    adam = optax.adam(STEP_SIZE)

    def one(params: Params, unit: Array, key: Array, variation: Array) -> tuple[Array, Array]:
        def step(carry: tuple[Array, Any], key: Array) -> tuple[tuple[Array, Any], None]:
            x, state = carry
            shift = jax.random.randint(key, (2,), -1, 2) if jitter else jnp.zeros(2, int)

            def loss(x: Array) -> Array:
                seen = jnp.roll(x, shift, axis=(0, 1)) if jitter else x
                return variation * _variation(x) - response(params, seen, unit)

            gradient = jax.grad(loss)(x)
            along = gradient - jnp.mean(gradient * x) * x  # mean x² is 1
            updates, state = adam.update(along, state)
            return (_unit_size(x + updates), state), None

        start = _unit_size(_smooth(jax.random.normal(key, shape)))
        (x, _), _ = lax.scan(step, (start, adam.init(start)), jax.random.split(key, STEPS))
        return x, response(params, x, unit)

    def many(params: Params, units: Array, key: Array, variation: Array) -> Array:
        keys = jax.vmap(lambda unit: jax.random.split(jax.random.fold_in(key, unit), starts))(units)
        pairs = (jnp.repeat(units, starts), keys.reshape(-1))
        x, reached = lax.map(lambda pair: one(params, pair[0], pair[1], variation), pairs, batch_size=16)
        best = jnp.argmax(reached.reshape(-1, starts), axis=1)
        return x.reshape(-1, starts, *shape)[jnp.arange(len(units)), best]

    return jax.jit(many)


def _smooth(x: Array) -> Array:
    """Noise with an amplitude falling as 1/f, for images: white noise ends in worse maxima."""
    if x.ndim != 3:
        return x
    f = jnp.hypot(jnp.fft.fftfreq(x.shape[0])[:, None], jnp.fft.rfftfreq(x.shape[1])[None])
    scale = 1 / jnp.maximum(f, 1 / max(x.shape[:2]))
    return jnp.fft.irfft2(jnp.fft.rfft2(x, axes=(0, 1)) * scale[..., None], s=x.shape[:2], axes=(0, 1))


def _unit_size(x: Array) -> Array:
    return x / jnp.sqrt(jnp.mean(jnp.square(x)))


def _variation(x: Array) -> Array:
    if x.ndim != 3:
        return jnp.float32(0)
    return jnp.mean(jnp.abs(jnp.diff(x, axis=0))) + jnp.mean(jnp.abs(jnp.diff(x, axis=1)))
