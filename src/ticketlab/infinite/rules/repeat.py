"""Repetitions: tied weights give the same covariance as untied ones, but another tangent kernel.

Source: Alemohammad, Wang, Balestriero, Baraniuk 2020, arXiv 2006.10246 (the recurrent tangent kernel, with all pairs of
applications).
"""

from __future__ import annotations

from ticketlab.infinite.lags import Lags
from ticketlab.infinite.rules.rules import lags_before, limit, refuse, through, wanted_lags
from ticketlab.infinite.state import Recursion, State
from ticketlab.networks import Repeat, Residual
from ticketlab.networks.layers import Shape
from ticketlab.networks.stages.stage import Step

__all__: list[str] = []


@lags_before.register
def _(stage: Repeat, step: Step, given: Shape, after: Lags) -> Lags:
    return wanted_lags(step.body * stage.times, given, after)[0]


@limit.register
def _(stage: Repeat, step: Step, given: Shape, state: State, after: Lags, recursion: Recursion) -> State:
    if stage.times > 1 and state.ntk is not None:
        raise refuse(
            "the tangent kernel of a repetition",
            "which needs all pairs of applications",
            'Ask for get="nngp", or average the empirical kernel of wide networks (ticketlab.tangent.averaged_kernel).',
        )
    if stage.times > 1 and any(isinstance(inner.stage, Residual) for inner in step.body):
        raise refuse(
            "a residual sum inside a repetition", "whose terms share weights", "Leave the repetition out."
        )
    return through(step.body * stage.times, given, state, after, recursion)
