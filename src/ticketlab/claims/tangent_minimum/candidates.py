"""Where every arm starts from, and what it ends with: candidates, scored on every part of the data; validation chooses.

The search is fair (`claims.fair_search`): where one grid is extended, the other side gets equally many candidates more, so that
both end with the same number.
"""

from __future__ import annotations

from dataclasses import dataclass

from ticketlab.claims.fair_search import Candidate, Scored, scored
from ticketlab.claims.start import Outputs, minus, network_outputs
from ticketlab.claims.tangent_minimum.claim import TangentMinimumPlan
from ticketlab.networks.network import Network, Params
from ticketlab.tangent.devices import Devices
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.tasks.task import Task

__all__ = ["Arms", "Start"]

Arms = dict[tuple[str, str], list[Scored]]
"""By (offset, arm): the candidates."""


@dataclass(frozen=True)
class Start:
    """Where every arm starts from."""

    plan: TangentMinimumPlan
    task: Task
    loss: ConvexLoss
    network: Network
    params: Params
    devices: Devices | None

    def scored(self, candidate: Candidate) -> Scored:
        return scored(self.task, self.loss, candidate)

    def outputs(self, params: Params, offset: str) -> Outputs:
        """f(x, θ), or f(x, θ) − f(x, θ₀) when that is centred away."""
        now = network_outputs(self.network, params, self.task)
        return now if offset == "kept" else minus(now, network_outputs(self.network, self.params, self.task))
