"""A rung of the ladder in one seed: what it answers on every test example, what was fitted for it, and what validation chose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from ticketlab.claims.fair_search import Scored, best, edges, inputs_of, labels_of
from ticketlab.claims.ladder.claim import LadderPlan
from ticketlab.networks.network import Network, Params
from ticketlab.tangent.certificate import Certificate
from ticketlab.tangent.devices import Devices
from ticketlab.tasks.task import Task
from ticketlab.units import Parts

__all__ = ["OFFSETS", "Rung", "Start", "best_rung", "of_candidates"]

OFFSETS = ("kept", "centred")


@dataclass(frozen=True)
class Start:
    """Where every rung starts from: the task, and the network as it was drawn."""

    plan: LadderPlan
    task: Task
    network: Network
    params: Params
    seed: int
    devices: Devices | None

    @property
    def labels(self) -> Parts:
        return labels_of(self.task)

    @property
    def inputs(self) -> Parts:
        return inputs_of(self.task)


@dataclass(frozen=True, eq=False)
class Rung:
    """One rung, tuned.

    Arguments:
        correct: of every test example, 0 or 1.
        validation: accuracy, by which choices were made.
        parameters: real numbers that were fitted.
        bits: log₂ of the number of subsets (units, layers, masks) among which the data chose.
        setting, setting_name: what validation chose ("ridge"), and its value.
        candidates: how many settings were tried.
        inside: whether the setting lies inside its grid.
        offset: whether f(x, θ₀) was kept or centred away; empty for a rung that does not choose.
        layer: whose rung it is; empty for one that is not of one layer.
        certificate: of a tangent-space minimum.
        step: its Δθ.
    """

    correct: Float[np.ndarray, "n"]
    validation: float
    parameters: int
    bits: float = 0.0
    setting: float = math.nan
    setting_name: str = ""
    candidates: int = 1
    inside: bool = True
    offset: str = ""
    layer: str = ""
    certificate: Certificate | None = None
    step: Params = field(default=None, repr=False)

    @property
    def test(self) -> float:
        return float(np.mean(self.correct))


def of_candidates(task: Task, candidates: Sequence[Scored], parameters: int, name: str) -> Rung:
    """The rung that validation chooses among tuned candidates."""
    chosen = best(candidates)
    return Rung(
        np.asarray(task.scores(chosen.candidate.outputs["test"], task.test), float),
        chosen.score["validation"],
        parameters,
        setting=chosen.candidate.setting,
        setting_name=name,
        candidates=len(candidates),
        inside=not edges(candidates),
    )


def best_rung(rungs: Sequence[Rung]) -> Rung:
    """The one of the highest validation score, of equals the first."""
    return max(rungs, key=lambda rung: rung.validation)
