"""Normalisations over channels: in the limit the mean and variance of the channels are those of their law.

    ẑ = (z − E z)/√(Var z + ε),     Σ̂ = (K − E z E z′)/√((Var z + ε)(Var z′ + ε)),     Θ likewise divided

The derivative also projects onto the complement of 1 and ẑ, which vanishes with the inverse width.
"""

from __future__ import annotations

from dataclasses import replace

import jax

from ticketlab.infinite.lags import Lags
from ticketlab.infinite.rules.rules import limit, refuse
from ticketlab.infinite.state import Owned, Recursion, State
from ticketlab.networks import Normalise
from ticketlab.networks.layers import Shape
from ticketlab.networks.stages.normalisation import EPSILON
from ticketlab.networks.stages.stage import Step

__all__: list[str] = []


@limit.register
def _(stage: Normalise, step: Step, given: Shape, state: State, after: Lags, recursion: Recursion) -> State:
    if stage.of_batch:
        raise refuse(
            "a normalisation over the batch",
            "which makes an example's outputs depend on the whole batch",
            "Normalise over channels.",
        )
    state = state.settled()
    left, right = recursion.sides(state)
    nngp = state.nngp
    if state.means is not None:
        first, second = state.means
        nngp = nngp - state.left(first) * state.right(second)
        left, right = left - first**2, right - second**2
    scale = state.left(jax.lax.rsqrt(left + EPSILON)) * state.right(jax.lax.rsqrt(right + EPSILON))
    layer = step.layer
    owned = None
    if state.ntk is not None and recursion.trains(layer):
        owned = Owned(layer.weight_scale**2, layer.bias_scale**2 if layer.has_bias else 0.0)
    return replace(
        state,
        nngp=nngp * scale,
        ntk=None if state.ntk is None else state.ntk * scale,
        means=None,
        owned=owned,
    )
