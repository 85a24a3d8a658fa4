"""REPAIR: between two networks, every hidden unit gets back the mean and the spread that the ends have.

A unit halfway between two units of correlation ρ varies less than either: Var(½(X + Y)) = ½(1 + ρ)σ². From layer to layer the
activations collapse, and with them the outputs, even where the units correspond. The correction, layer by layer from the input,

    z ← (z − μ_α)/σ_α · ((1 − α)σ_A + α σ_B) + (1 − α)μ_A + α μ_B,

uses moments over reference inputs and pixels. The moments at α are those after all earlier layers are corrected. It is an
affine function of z, so it goes into the layer's weights and bias. A layer directly before a normalisation is left alone: the
normalisation's own scale and shift are corrected. It lifts networks that were not matched a little, too, so a barrier after
REPAIR has to be compared with that of the unmatched pair.

Source: Jordan, Sedghi, Saukh, Entezari, Neyshabur 2022, arXiv 2211.08403.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ticketlab.errors import UserError
from ticketlab.networks.layers import Layer
from ticketlab.networks.network import Network, Params
from ticketlab.networks.stages.normalisation import Normalise
from ticketlab.networks.stages.stage import Step
from ticketlab.tickets.barriers import straight

__all__ = ["Moments", "moments", "repaired", "repaired_between", "repaired_layers"]

ROWS = 1024  # most reference inputs
LEAST = 1e-6  # the standard deviation of a unit that does not vary

Moments: TypeAlias = Mapping[str, tuple[Array, Array]]
"""Mean and standard deviation of each unit's z, `{layer: ([units], [units])}`."""


@lru_cache(maxsize=64)
def repaired_layers(network: Network) -> tuple[str, ...]:
    """The layers that are corrected: all hidden ones with a bias that no normalisation directly follows.

    Raises:
        UserError: for layers without biases, layers that are applied several times, batch statistics, or no description.
    """
    layers = network.require_layers("REPAIR")
    network.require_each_alone("REPAIR (or use the batch statistics of every point, as `lines` does)")
    last = [layer for layer in layers if layer.stage.weighted][-1].name
    skipped = {*_before_normalisations(network.steps), last}
    hidden = [layer for layer in layers if layer.name not in skipped]
    for layer in hidden:
        if not layer.has_bias:
            raise UserError(
                f"layer {layer.name!r} without a bias", "one, for REPAIR", "Build the network with biases."
            )
        if layer.times:
            raise UserError(
                f"layer {layer.name!r}, which is applied several times", "layers applied once, for REPAIR"
            )
    return tuple(layer.name for layer in hidden)


def moments(network: Network, params: Params, x: Float[Array | np.ndarray, "n ..."]) -> Moments:
    """The moments of the layers that REPAIR corrects, over inputs and pixels."""
    wanted = repaired_layers(network)
    found: dict[str, tuple[Array, Array]] = {}

    def seen(layer: Layer, z: Array) -> Array:
        if layer.name in wanted:
            found[layer.name] = _moments(z)
        return z

    assert network.corrected is not None  # a network with layers has it
    network.corrected(params, jnp.asarray(x), seen)
    if missing := sorted(set(wanted) - set(found)):
        raise UserError(
            f"layer {missing[0]!r}, which is computed step by step", "layers applied once, for REPAIR"
        )
    return found


def repaired(
    network: Network, params: Params, target: Moments, x: Float[Array | np.ndarray, "n ..."]
) -> Params:
    """Parameters whose layers have the target's moments on these inputs; traceable.

    Cost: one forward pass.
    """
    changed = {layer: dict(leaves) for layer, leaves in params.items()}

    def corrected(layer: Layer, z: Array) -> Array:
        if layer.name not in target:
            return z
        (mean, sd), (wanted_mean, wanted_sd) = _moments(z), target[layer.name]
        scale = jnp.where(sd > LEAST, wanted_sd / jnp.maximum(sd, LEAST), 1.0)
        shift = wanted_mean - scale * mean
        leaves = changed[layer.name]
        leaves["weight"] = leaves["weight"] * scale
        leaves["bias"] = leaves["bias"] * scale + shift / layer.bias_scale
        return z * scale + shift

    assert network.corrected is not None
    network.corrected(params, jnp.asarray(x), corrected)
    return changed


def repaired_between(
    network: Network, alpha: Array | float, one: Params, other: Params, reference: Array
) -> Params:
    """The repaired point of the line, for `tickets.lines(…, between=repaired_between)`.

    Cost: three forward passes on up to 1 024 reference inputs.
    """
    x = reference[:ROWS]
    ends = [moments(network, params, x) for params in (one, other)]
    target = jax.tree.map(lambda a, b: (1 - alpha) * a + alpha * b, *ends)
    return repaired(network, straight(network, alpha, one, other, reference), target, x)


def _moments(z: Array) -> tuple[Array, Array]:
    axes = tuple(range(z.ndim - 1))
    return jnp.mean(z, axes), jnp.std(z, axes)


def _before_normalisations(steps: Sequence[Step]) -> Iterator[str]:
    for step, after in pairwise(steps):
        if isinstance(after.stage, Normalise) and step.drawn is not None:
            yield step.layer.name
    for step in steps:
        yield from _before_normalisations(step.body)
        yield from _before_normalisations(step.shortcut)
