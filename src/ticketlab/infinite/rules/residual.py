"""Residual sums: covariances and tangent kernels add, if the two terms are independent and both Gaussian.

They are independent if the body ends in a layer of fresh weights.
"""

from __future__ import annotations

from dataclasses import replace

from ticketlab.infinite.lags import Lags, union
from ticketlab.infinite.rules.rules import lags_before, limit, refuse, through, wanted_lags
from ticketlab.infinite.state import Recursion, State
from ticketlab.networks import Convolution, Dense, Residual
from ticketlab.networks.layers import Shape
from ticketlab.networks.stages.stage import Step

__all__: list[str] = []

_DO = "Use pre-activation blocks: normalisation, activation, convolution, twice, inside the sum."


@lags_before.register
def _(stage: Residual, step: Step, given: Shape, after: Lags) -> Lags:
    body = wanted_lags(step.body, given, after)[0]
    return union(body, wanted_lags(step.shortcut, given, after)[0])


@limit.register
def _(stage: Residual, step: Step, given: Shape, state: State, after: Lags, recursion: Recursion) -> State:
    if not isinstance(step.body[-1].stage, Dense | Convolution):
        raise refuse(
            f"a residual sum whose body ends in {type(step.body[-1].stage).__name__}",
            "so the two terms are not independent",
            _DO,
        )
    if not step.shortcut and not state.gaussian:
        raise refuse(
            "a residual sum that skips values that are not Gaussian", "so the sum is not either", _DO
        )
    if not step.shortcut and state.owned is not None:
        raise refuse(
            "a residual sum that skips a normalisation with trained scales",
            "which later activations correlate with",
            _DO,
        )
    body = through(step.body, given, state, after, recursion)
    around = through(step.shortcut, given, state, after, recursion)
    ntk = None if body.ntk is None or around.ntk is None else body.ntk + around.ntk
    return replace(body, nngp=body.nngp + around.nngp, ntk=ntk)
