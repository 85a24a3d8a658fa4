"""The linearised model's gradient flow, which joins the direction of the gradient step (t → 0) to the Newton step (t = ∞).

For the square loss the whole path has a closed form; other losses are integrated, to the last finite time.
"""

from __future__ import annotations

import numpy as np

from ticketlab.claims.newton_step.start import Candidate, Start, flat
from ticketlab.tangent.flow import GradientFlow, path_of
from ticketlab.tangent.function_flow import function_path

__all__ = ["flow"]

FIRST_TIME = 0.1  # of the flow, relative to the inverse of the largest curvature: next to nothing is learnt
FLOW_TOLERANCE = 1e-4  # of the integrator, for losses without a closed form


def flow(at: Start, offset: str) -> tuple[list[tuple[float, Candidate]], dict[float, float]]:
    """The linearised model's gradient flow: (t, function) from nearly 0 to ∞, where there is one; and its defects."""
    (path,) = path_of(at.kernel, at.targets, GradientFlow(), centred=(offset == "centred",))
    relative = np.geomspace(FIRST_TIME, at.plan.last_time, at.plan.times).tolist()
    times = [t / path.largest_curvature for t in relative]
    if at.loss.quadratic:
        relative.append(float("inf"))
        points = path.points([*times, float("inf")])
        looked = [0, len(times) // 2, len(times)]
        defects = path.defect([[*times, float("inf")][i] for i in looked])
        known = {relative[i]: float(d) for i, d in zip(looked, defects, strict=True)}
    else:
        points = function_path(
            at.kernel, at.loss, at.targets, times, centred=offset == "centred", tolerance=FLOW_TOLERANCE
        ).points
        known = {}
    found = [
        (t, Candidate(outputs, flat(point.delta), t, "time"))
        for t, point, outputs in zip(relative, points, at.tangent_outputs(points), strict=True)
    ]
    return found, known
