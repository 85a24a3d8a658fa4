"""That the steps arrived: every Newton step is stationary, and the flow obeys its own equation, both within the plan's tolerance.

Both are judged by differentiating the network itself, without the matrix that was decomposed.
"""

from __future__ import annotations

from typing import Any

from ticketlab.claims.newton_step.claim import NewtonStepPlan
from ticketlab.claims.newton_step.formula import DAMPED, NEWTON
from ticketlab.errors import NumericalFailure
from ticketlab.tangent.gauss_newton import GaussNewtonStep

__all__ = ["certificate_rows", "require"]


def require(
    plan: NewtonStepPlan, offset: str, newton: list[GaussNewtonStep], defects: dict[float, float]
) -> None:
    """A verdict on Newton steps needs Newton steps."""
    for step in newton:
        if not step.stationarity <= plan.tolerance:
            raise NumericalFailure(
                f"The Newton step with f₀ {offset} and ridge {step.ridge:g} is not stationary: relative gradient of its model "
                f"{step.stationarity:.1e}, tolerance {plan.tolerance:g}. Use a larger tolerance, or fewer training examples."
            )
    for time, defect in defects.items():
        if not defect <= plan.tolerance:
            raise NumericalFailure(
                f"The flow with f₀ {offset} misses its own equation at relative time {time:g} by {defect:.1e}, tolerance "
                f"{plan.tolerance:g}. Use a larger tolerance, or fewer training examples."
            )


def certificate_rows(
    plan: NewtonStepPlan, newton: list[GaussNewtonStep], defects: dict[float, float]
) -> list[dict[str, Any]]:
    settings = (0.0, *plan.ridges)
    rows: list[dict[str, Any]] = [
        {
            "what": NEWTON if ridge == 0 else DAMPED,
            "setting": ridge,
            "measure": "stationarity",
            "value": s.stationarity,
        }
        for ridge, s in zip(settings, newton, strict=True)
    ]
    rows += [{"what": "flow", "setting": t, "measure": "defect", "value": d} for t, d in defects.items()]
    return [
        {**row, "tolerance": plan.tolerance, "met": row["value"] <= plan.tolerance, "precision": "float64"}
        for row in rows
    ]
