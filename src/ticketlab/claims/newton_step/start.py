"""Where a cell starts from, and what every arm ends with: a function on all parts of the data, and the Δθ that it belongs to.

A step is a Δθ, and gives two functions: the tangent function, and the network at θ₀ + Δθ. The offset says whether f(x, θ₀) is
kept in both or centred away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np

from ticketlab.claims.newton_step.claim import NewtonStepPlan
from ticketlab.claims.start import Outputs, network_outputs, parts
from ticketlab.networks.network import Network, Params
from ticketlab.tangent.dual import DualKernel
from ticketlab.tangent.point import TangentPoint, predict_points
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.tasks.task import Task

__all__ = ["Candidate", "Candidates", "Start", "flat"]


@dataclass(frozen=True)
class Candidate:
    """A function on all parts, and the Δθ that it belongs to, flattened; None for one from another θ₀."""

    outputs: Outputs
    delta: np.ndarray | None
    setting: float = float("nan")
    setting_name: str = ""


Candidates = dict[tuple[str, str], list[Candidate]]
"""By arm and form."""


@dataclass(frozen=True)
class Start:
    """Everything that does not depend on the offset."""

    plan: NewtonStepPlan
    task: Task
    loss: ConvexLoss
    network: Network
    params: Params
    kernel: DualKernel
    unit: float  # the inverse of the loss's largest curvature

    @property
    def targets(self) -> np.ndarray:
        return self.loss.float64_targets(self.task.train.targets)

    def outputs(self, offset: str) -> Outputs:
        """f(x, θ₀), or 0 when it is centred away."""
        return {
            name: (outputs if offset == "kept" else np.zeros_like(outputs))
            for name, outputs in self.network_outputs(self.params).items()
        }

    def network_outputs(self, params: Params) -> Outputs:
        found = network_outputs(self.network, params, self.task)
        return {name: outputs.astype(np.float64) for name, outputs in found.items()}

    def tangent_outputs(self, points: Sequence[TangentPoint]) -> list[Outputs]:
        values = {name: predict_points(points, part.x) for name, part in parts(self.task).items()}
        return [{name: v[i] for name, v in values.items()} for i in range(len(points))]


def flat(delta: Params) -> np.ndarray:
    return np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(delta)])
