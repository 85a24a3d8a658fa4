"""The network less what it computed at the start: f'(x, θ) = f(x, θ) − f(x, θ₀), which is zero at θ₀.

A random network's own outputs are noise to what is learnt, and they can cost accuracy. Centring removes them, and
nothing else: since θ₀ is held fixed, ∂f'/∂θ = ∂f/∂θ everywhere, so the tangent space and the tangent kernel stay as
they are, and only the residual changes, from y − f(x, θ₀) to y.

Source: Chizat, Oyallon, Bach 2018, arXiv 1812.07956 (networks that are zero at initialisation).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from jaxtyping import Array

from ticketlab.networks.network import Network, Params

__all__ = ["centred", "centred_apply"]


def centred_apply(network: Network) -> Callable[[Params, Params, Array], Array]:
    """f(x, θ) − f(x, θ₀) as `(params, params0, x) -> outputs[n, k]`: θ₀ is an argument, so that replicas can each have theirs.

    Differentiate it in `params` alone. Cost: two forward passes; the gradient costs as much as the network's own.
    """

    def apply(params: Params, params0: Params, x: Array) -> Array:
        return network.apply(params, x) - network.apply(params0, x)

    return apply


def centred(network: Network, params0: Params) -> Network:
    """The network less its outputs at `params0`, itself a network.

    Arguments:
        network: any network.
        params0: θ₀, held fixed.

    Raises:
        UserError: for a network that normalises over the batch.

    Returns:
        A network whose `init` gives θ₀ whatever the key, since it is centred there; features, layers and units are those
        of the network, and taps act on f(x, θ) alone, so that a vector-Jacobian product gives the network's own.
    """
    network.require_each_alone("a centred network")
    difference, inner_tapped = centred_apply(network), network.tapped

    def init(key: Array) -> Params:
        return params0

    def apply(params: Params, x: Array) -> Array:
        return difference(params, params0, x)

    def tapped(params: Params, x: Array, taps: Mapping[str, Array]) -> tuple[Array, dict[str, Array]]:
        assert inner_tapped is not None
        outputs, inputs = inner_tapped(params, x, taps)
        return outputs - network.apply(params0, x), inputs

    return replace(
        network,
        name=f"{network.name}, centred",
        init=init,
        apply=apply,
        tapped=None if inner_tapped is None else tapped,
    )
