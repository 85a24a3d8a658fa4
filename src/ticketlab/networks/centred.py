"""The network minus its outputs at the start: f'(x, θ) = f(x, θ) − f(x, θ₀), which is zero at θ₀.

The outputs of a random network are noise for learning and can cost accuracy. Centring removes them and changes nothing
else. Since θ₀ is fixed, ∂f'/∂θ = ∂f/∂θ everywhere, so the tangent space and the tangent kernel stay the same. Only the
residual changes, from y − f(x, θ₀) to y.

Source: Chizat, Oyallon, Bach 2018, arXiv 1812.07956 (networks that are zero at initialisation).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from jaxtyping import Array

from ticketlab.networks.layers import Layer
from ticketlab.networks.network import Network, Params

__all__ = ["centred", "centred_apply"]


def centred_apply(network: Network) -> Callable[[Params, Params, Array], Array]:
    """f(x, θ) − f(x, θ₀) as `(params, params0, x) -> outputs[n, k]`: as an argument, θ₀ can differ between replicas.

    Differentiate it in `params` alone. Cost: two forward passes; the gradient costs the same as that of the network.
    """

    def apply(params: Params, params0: Params, x: Array) -> Array:
        return network.apply(params, x) - network.apply(params0, x)

    return apply


def centred(network: Network, params0: Params) -> Network:
    """The network minus its outputs at `params0`, as a network.

    Arguments:
        network: any network.
        params0: θ₀, fixed.

    Raises:
        UserError: for a network that normalises over the batch.

    Returns:
        A network whose `init` returns θ₀ for every key, since it is centred there. Features, layers and units are those
        of the network. Taps and corrections act on f(x, θ) alone, so vector-Jacobian products are those of the network.
    """
    network.require_each_alone("a centred network")
    difference, inner_tapped, inner_corrected = centred_apply(network), network.tapped, network.corrected

    def init(key: Array) -> Params:
        return params0

    def apply(params: Params, x: Array) -> Array:
        return difference(params, params0, x)

    def tapped(params: Params, x: Array, taps: Mapping[str, Array]) -> tuple[Array, dict[str, Array]]:
        assert inner_tapped is not None
        outputs, inputs = inner_tapped(params, x, taps)
        return outputs - network.apply(params0, x), inputs

    def corrected(params: Params, x: Array, correct: Callable[[Layer, Array], Array]) -> Array:
        assert inner_corrected is not None
        return inner_corrected(params, x, correct) - network.apply(params0, x)

    return replace(
        network,
        name=f"{network.name}, centred",
        init=init,
        apply=apply,
        tapped=None if inner_tapped is None else tapped,
        corrected=None if inner_corrected is None else corrected,
        steps=(),  # its function is not that of the stages
        parameterisation=None,
    )
