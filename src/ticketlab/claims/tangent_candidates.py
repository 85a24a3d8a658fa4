"""Minima in a tangent space as candidates of a search: one for each ridge, with f₀ kept or centred away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ticketlab.claims.fair_search import Candidate, Scored, scored
from ticketlab.claims.start import parts
from ticketlab.networks.network import Network, Params
from ticketlab.tangent.minimise import MINIMUM_NORM, Relative, ridge_path
from ticketlab.tangent.newton import NewtonOptions
from ticketlab.tangent.solution import predict_all
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.tasks.task import Task

__all__ = ["tangent_candidates"]


def tangent_candidates(
    network: Network,
    params: Params,
    task: Task,
    loss: ConvexLoss,
    ridges: Sequence[float],
    *,
    centred: tuple[bool, ...] = (False, True),
    tolerance: float,
    **how: Any,
) -> dict[bool, list[Scored]]:
    """The minima at these ridges, relative to the mean diagonal of the kernel; 0 is the minimum-norm limit.

    Arguments:
        centred: whether f₀ is centred away; the result has the candidates of each.
        tolerance: on the relative duality gap.
        how: further arguments of `ridge_path`.
    """
    solutions = ridge_path(
        network,
        params,
        task,
        loss=loss,
        ridges=[Relative(ridge) if ridge > 0 else MINIMUM_NORM for ridge in ridges],
        centred=centred,
        options=NewtonOptions(tolerance=tolerance),
        **how,
    )
    outputs = {name: predict_all(solutions, part.x) for name, part in parts(task).items()}
    found = []
    for i, (ridge, solution) in enumerate(zip([*ridges] * len(centred), solutions, strict=True)):
        own = {name: values[i] for name, values in outputs.items()}
        outcome = str(solution.certificate.result)
        candidate = Candidate(
            ridge, "ridge", own, solution.relative_motion, outcome=outcome, solution=solution
        )
        found.append(scored(task, loss, candidate))
    return {c: found[i * len(ridges) : (i + 1) * len(ridges)] for i, c in enumerate(centred)}
