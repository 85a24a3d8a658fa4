"""The two functions that every kind of stage defines, and the walk through several stages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import singledispatch
from typing import Any

import jax

from ticketlab.errors import UserError
from ticketlab.infinite.lags import Lags
from ticketlab.infinite.state import Recursion, State
from ticketlab.networks.layers import DrawnLayer, Shape
from ticketlab.networks.stages.stage import Step

__all__ = ["fresh", "lags_before", "limit", "most_places", "refuse", "through", "wanted_lags"]


def refuse(what: str, reason: str, do: str) -> UserError:
    """The error for a stage without a limit."""
    return UserError(f"{what}, {reason}", "stages with a limit of infinite width", do)


@singledispatch
def limit(stage: Any, step: Step, given: Shape, state: State, after: Lags, recursion: Recursion) -> State:
    """The state after a stage.

    Arguments:
        stage, step: the stage, and the stage fitted to its place.
        given: the shape that reaches it.
        state: before it, at the lags that `lags_before` named.
        after: the lags wanted after it.
        recursion: the pass, for variances.

    Raises:
        UserError: if the stage has no limit.
    """
    raise refuse(
        f"a stage {type(stage).__name__}",
        "for which no limit is known",
        "Average the empirical kernel of wide networks (ticketlab.tangent.averaged_kernel), or register a rule.",
    )


@singledispatch
def lags_before(stage: Any, step: Step, given: Shape, after: Lags) -> Lags:
    """The lags that a stage needs before it for those wanted after it; by default the same."""
    return after


def through(steps: Sequence[Step], given: Shape, state: State, after: Lags, recursion: Recursion) -> State:
    """The state after all the steps; `given` is the shape that reaches the first."""
    wanted = wanted_lags(steps, given, after)
    state = state.at(wanted[0])
    for step, lags in zip(steps, wanted[1:], strict=True):
        state = _computed(limit(step.stage, step, given, state, lags, recursion).masked())
        given = step.stage.shape(given)
    return state


def _computed(state: State) -> State:
    """The same, stored: a stage that reads an entry several times would otherwise compute it as often, and so on downwards."""
    nngp, ntk = jax.lax.optimization_barrier((state.nngp, state.ntk))
    return replace(state, nngp=nngp, ntk=ntk)


def wanted_lags(steps: Sequence[Step], given: Shape, after: Lags) -> list[Lags]:
    """The lags before each step, and after the last."""
    shapes = [given]
    for step in steps:
        shapes.append(step.stage.shape(shapes[-1]))
    found = [after]
    for step, shape in zip(reversed(steps), reversed(shapes[:-1]), strict=True):
        found.append(lags_before(step.stage, step, shape, found[-1]))
    return found[::-1]


def most_places(steps: Sequence[Step], given: Shape, after: Lags) -> int:
    """The largest number of pairs of pixels that a pair of examples has on the way."""
    most = 1
    wanted = wanted_lags(steps, given, after)
    for step, before, behind in zip(steps, wanted[:-1], wanted[1:], strict=True):
        most = max(most, _places(before, given))
        for inner in (step.body, step.shortcut):
            most = max(most, most_places(inner, given, behind) if inner else 1)
        given = step.stage.shape(given)
    return most


def _places(lags: Lags, given: Shape) -> int:
    return math.prod(map(len, lags)) * math.prod(given[:-1])


def fresh(drawn: DrawnLayer, state: State, recursion: Recursion) -> State:
    """The state after a layer of fresh weights whose unit reads the mean over its inputs that `state` holds.

    Σ = w² K + v²,  Θ = w² Θ_below + [trained] (m² n K + m_b²), with w² = n (m s_W)² and v² = (m_b s_b)². n is the fan-in, m and
    m_b the constants in front, s_W and s_b the standard deviations of the draw.
    """
    layer = drawn.layer
    weight = layer.inputs * (layer.weight_scale * drawn.weight_sd) ** 2
    bias = (layer.bias_scale * drawn.bias_sd) ** 2 if layer.has_bias else 0.0
    ntk = state.ntk
    if ntk is not None:
        ntk = weight * ntk
        if recursion.trains(layer):
            constant = layer.bias_scale**2 if layer.has_bias else 0.0
            ntk = ntk + (layer.inputs * layer.weight_scale**2 * state.nngp + constant)
    return replace(state, nngp=weight * state.nngp + bias, ntk=ntk, gaussian=True, means=None, owned=None)
