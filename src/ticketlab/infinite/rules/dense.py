"""Dense layers: the mean over inputs is the state itself."""

from __future__ import annotations

from ticketlab.infinite.lags import Lags
from ticketlab.infinite.rules.rules import fresh, limit
from ticketlab.infinite.state import Recursion, State
from ticketlab.networks import Dense
from ticketlab.networks.layers import Shape
from ticketlab.networks.stages.stage import Step

__all__: list[str] = []


@limit.register
def _(stage: Dense, step: Step, given: Shape, state: State, after: Lags, recursion: Recursion) -> State:
    assert step.drawn is not None
    return fresh(step.drawn, state.settled(), recursion)
