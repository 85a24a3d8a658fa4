"""Flatten: the units of all pixels become one layer, so each pixel meets only itself."""

from __future__ import annotations

import math
from dataclasses import replace

import jax.numpy as jnp
from jaxtyping import Array

from ticketlab.infinite.lags import Lags, no_lag
from ticketlab.infinite.rules.rules import lags_before, limit
from ticketlab.infinite.state import Recursion, State
from ticketlab.networks import Flatten
from ticketlab.networks.layers import Shape
from ticketlab.networks.stages.stage import Step

__all__: list[str] = []


@lags_before.register
def _(stage: Flatten, step: Step, given: Shape, after: Lags) -> Lags:
    return no_lag(len(given) - 1)


@limit.register
def _(stage: Flatten, step: Step, given: Shape, state: State, after: Lags, recursion: Recursion) -> State:
    if not state.pixels:
        return state
    state = state.settled()
    axes = len(state.pixels)

    def mean(covariance: Array, over: int) -> Array:
        return jnp.mean(covariance, axis=tuple(range(covariance.ndim - over, covariance.ndim)))

    means = state.means
    return replace(
        state,
        nngp=mean(state.nngp, 2 * axes),
        ntk=None if state.ntk is None else mean(state.ntk, 2 * axes),
        lags=(),
        pixels=(),
        gaussian=state.gaussian and math.prod(state.pixels) == 1,  # else variances differ between units
        means=None if means is None else (mean(means[0], axes), mean(means[1], axes)),
    )
