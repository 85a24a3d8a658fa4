"""A network with batch statistics as one without: the statistics become part of its parameters.

    z = (a − μ)/√(σ² + ε) · γ + β  =  a · γ' + β',     γ' = γ/√(σ² + ε),  β' = β − μ γ'

The scale of a layer before such a normalisation is void: training with weight decay lets it drift. Where the layer
directly precedes, γ' goes into its weights, column by column, and the normalisation keeps a scale of one and the shift β'.
Elsewhere γ' and β' stay in the normalisation. The folded network is the same architecture with the statistics
fixed at mean 0 and variance 1 − ε, so that its normalisations only multiply and add.
"""

from __future__ import annotations

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab.errors import UserError
from ticketlab.networks.evaluation import estimated_statistics
from ticketlab.networks.network import Network, Params
from ticketlab.networks.stages.normalisation import EPSILON
from ticketlab.symmetry.places import Arrays, arrays_of, like
from ticketlab.symmetry.scale_groups import folded_pairs

__all__ = ["folded", "neutral"]


def folded(network: Network, params: Params, reference: np.ndarray | None) -> tuple[Network, Params]:
    """A network of each example alone that computes the same function, and its parameters.

    Arguments:
        network, params: f and θ of one network. Without batch statistics both come back as they are.
        reference: training inputs, from which the statistics are estimated as in `networks.evaluate`.

    Raises:
        UserError: for a network with batch statistics without reference inputs, or with a normalisation that has no shift.

    Cost: a forward pass on up to 4 096 examples.
    """
    if network.statistics is None:
        return network, params
    if reference is None:
        raise UserError(
            f"{network.name}, which normalises over the batch, without inputs",
            "training inputs, from which its statistics are estimated",
            "Pass reference=task.train.x.",
        )
    still = neutral(network)
    known = _statistics(network, params, jnp.asarray(reference))
    arrays, before = (
        arrays_of(network, params),
        {norm: layer for layer, norm in folded_pairs(network).items()},
    )
    for norm, (mean, variance) in known.items():
        _fold(arrays, norm, before.get(norm), np.asarray(mean, float), np.asarray(variance, float))
    return still, like(arrays, params)


_statistics = jax.jit(estimated_statistics, static_argnums=0)


@lru_cache(maxsize=64)
def neutral(network: Network) -> Network:
    """The network whose batch normalisations only multiply by γ and add β; other networks come back as they are.

    Raises:
        UserError: for a normalisation over the batch without β, which cannot hold the mean.
    """
    if network.frozen is None:
        return network
    norms = [layer for layer in network.layers if layer.stage.of_batch]
    for layer in norms:
        if not layer.has_bias:
            raise UserError(
                f"normalisation {layer.name!r} without a shift",
                "one, which takes the mean of the batch statistics",
                "Build the network with biases, or without a second normalisation directly after.",
            )
    units = {layer.name: layer.units for layer in norms}
    still = 1 - np.float32(EPSILON)
    return network.frozen({name: (jnp.zeros(n), jnp.full(n, still)) for name, n in units.items()})


def _fold(arrays: Arrays, norm: str, layer: str | None, mean: np.ndarray, variance: np.ndarray) -> None:
    scale = arrays[norm]["weight"] / np.sqrt(variance + EPSILON)
    arrays[norm]["bias"] -= mean * scale
    if layer is None:
        arrays[norm]["weight"] = scale
        return
    arrays[layer]["weight"] *= scale
    arrays[norm]["weight"] = np.ones_like(scale)
