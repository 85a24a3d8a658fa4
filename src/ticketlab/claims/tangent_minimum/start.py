"""Where every arm starts from, and what it ends with: candidates, scored on every part of the data; validation chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np

from ticketlab.claims.start import Outputs, minus, network_outputs, parts
from ticketlab.claims.tangent_minimum.claim import TangentMinimumPlan
from ticketlab.networks.network import Network, Params
from ticketlab.tangent.devices import Devices
from ticketlab.tangent.solution import Solution
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.tasks.task import Split, Task

__all__ = ["Arms", "Candidate", "Scored", "Start", "best"]


@dataclass(frozen=True)
class Candidate:
    """One candidate of an arm: a function on all parts of the data, with what it is and how it came about."""

    setting: float
    setting_name: str
    outputs: Outputs  # empty where it diverged
    motion: float
    stop_step: int = 0
    outcome: str = "minimum reached"
    solution: Solution | None = None


@dataclass(frozen=True)
class Scored:
    """A candidate with its scores and losses on each part."""

    candidate: Candidate
    score: dict[str, float]
    loss: dict[str, float]

    def rank(self) -> tuple[float, float]:
        """Larger is better: validation score, then lower validation loss."""
        return self.score["validation"], -self.loss["validation"]


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
        score, loss = {}, {}
        for name, part in parts(self.task).items():
            outputs = candidate.outputs.get(name)
            score[name] = (
                float(np.mean(self.task.scores(outputs, part))) if outputs is not None else float("nan")
            )
            loss[name] = self.mean_loss(outputs, part) if outputs is not None else float("inf")
        return Scored(candidate, score, loss)

    def mean_loss(self, outputs: np.ndarray, part: Split) -> float:
        with jax.enable_x64(True):
            values = self.loss.values(np.asarray(outputs, np.float64), np.asarray(part.targets, np.float64))
            return float(np.mean(values))

    def outputs(self, params: Params, offset: str) -> Outputs:
        """f(x, θ), or f(x, θ) − f(x, θ₀) when that is centred away."""
        now = network_outputs(self.network, params, self.task)
        return now if offset == "kept" else minus(now, network_outputs(self.network, self.params, self.task))


def best(candidates: Sequence[Scored]) -> Scored:
    """The candidate of the highest validation score, of equals that with the lowest validation loss."""
    usable = [s for s in candidates if s.candidate.outputs]
    return max(usable or candidates, key=Scored.rank)
