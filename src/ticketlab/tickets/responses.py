"""The change of each unit's response when the weights before it change, by masking or by training.

The response of a unit is its pre-activation z on given examples, for a channel at every pixel. Two numbers measure its change:

    decorrelation = 1 − corr(z, z′)              0: the same up to scale and shift, 1: nothing in common, 2: reversed
    relative change = rms(z′ − z) / rms(z)       0: the same

A constant response has no correlation; its decorrelation is 1, or 0 if both responses are equal. Batch statistics, if
any, are estimated from training data at the current parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from ticketlab.networks.convolution import convolve_once
from ticketlab.networks.evaluation import estimated_statistics
from ticketlab.networks.layers import pre_activation
from ticketlab.networks.network import Network, Params
from ticketlab.tickets.masks import prunable_layers

__all__ = ["Change", "change", "responses"]

CONSTANT = 1e-5  # a response whose spread, relative to its size, is below this counts as constant


@dataclass(frozen=True)
class Change:
    """The changes of the units of one layer.

    Arguments:
        decorrelation: 1 − corr(z, z′), unit by unit.
        relative: rms(z′ − z) / rms(z); NaN for a unit whose response is zero.
    """

    decorrelation: Float[np.ndarray, "units"]
    relative: Float[np.ndarray, "units"]


def responses(
    network: Network, params: Params, x: Any, reference: Any
) -> dict[str, Float[np.ndarray, "rows units"]]:
    """z of every layer with weights, for all examples and pixels.

    Arguments:
        network, params: f and θ.
        x: inputs `[n, *input_shape]`.
        reference: training inputs, from which batch statistics are estimated; other networks ignore them.

    Raises:
        UserError: for a network without a description of its layers.
    """
    prunable_layers(network)  # refuses a network without a description
    found = _compiled(network)(params, x, reference)
    return {name: np.asarray(z) for name, z in found.items()}


def change(
    before: dict[str, Float[np.ndarray, "rows units"]], after: dict[str, Float[np.ndarray, "rows units"]]
) -> dict[str, Change]:
    """The changes of responses, by layer."""
    return {name: _change(z, after[name]) for name, z in before.items()}


@lru_cache(maxsize=64)
def _compiled(network: Network) -> Any:
    def all_layers(params: Params, x: Array, reference: Array) -> dict[str, Array]:
        alone = network
        if network.frozen is not None:
            alone = network.frozen(estimated_statistics(network, params, reference))
        assert alone.tapped is not None
        _, inputs = alone.tapped(params, x, {})
        found = {}
        for layer in prunable_layers(network):
            z = pre_activation(layer, params[layer.name], inputs[layer.name], convolve_once)
            found[layer.name] = z.reshape(-1, z.shape[-1])
        return found

    return jax.jit(all_layers)


def _change(z: np.ndarray, other: np.ndarray) -> Change:
    a, b = (v.astype(np.float64) for v in (z, other))
    distance, size = (np.sqrt(np.mean(v**2, axis=0)) for v in (b - a, a))
    relative = np.divide(distance, size, out=np.full(a.shape[1], np.nan), where=size > 0)
    centred = [v - v.mean(axis=0) for v in (a, b)]
    norms = [np.linalg.norm(v, axis=0) for v in centred]
    # A constant response differs from its mean only by rounding in single precision.
    varies = np.all(
        [n > CONSTANT * np.linalg.norm(v, axis=0) for n, v in zip(norms, (a, b), strict=True)], axis=0
    )
    products = np.sum(centred[0] * centred[1], axis=0)
    correlation = np.divide(products, norms[0] * norms[1], out=np.zeros(a.shape[1]), where=varies)
    decorrelation = np.where(varies, 1 - np.clip(correlation, -1, 1), np.where(distance > 0, 1.0, 0.0))
    return Change(decorrelation, relative)
