"""The certificate of a solution: a proven bound on its distance from the minimum.

For min_Δ P(Δ) = Σ ℓ(f₀ + JΔ, y) + ½λ‖Δ‖² and any v in the domain of ℓ*, weak duality gives min P ≥ D(v) = ⟨v, f₀⟩ − Σ ℓ*(v) −
‖Jᵀv‖²/2λ. At v = ∇ℓ(f₀ + JΔ) the difference P(Δ) − D(v) is ‖∇P(Δ)‖²/2λ, so the objective is within `duality_gap` of its
minimum, for every convex loss. All numbers are computed in float64 with Jacobian-vector products, not with the solver's
matrix.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Certificate", "Result", "relative_gap"]


def relative_gap(gap: float, primal: float) -> float:
    """(P − D)/|P|: a loss may be negative, as minus a log-density is."""
    return gap / max(abs(primal), 1e-300)


class Result(StrEnum):
    """How a solve ended."""

    MET = "tolerance met"
    MISSED = "tolerance missed"


@dataclass(frozen=True)
class Certificate:
    """What is known about a solution.

    Arguments:
        result: whether the tolerance was met.
        tolerance: on `duality_gap`.
        primal, dual: P(Δ) and D(v); dual is NaN for λ = 0.
        duality_gap: (P − D)/|P|. For the minimum-norm solution (λ = 0), the gradient norm ‖Jᵀ∇ℓ‖ relative to its value at
            Δ = 0; with Δ = Jᵀu, a zero gradient makes the solution that of the pseudo-inverse.
        relative_residual: ‖∇P(Δ)‖/‖∇P(0)‖. For the square loss and Δ = Jᵀu this is ‖(K + λI)u − r‖/‖r‖ in the norm of K,
            which ignores the null space of K, on which Δ does not depend.
        condition: an estimate of the condition number of K + λI (a lower bound unless from an eigendecomposition); NaN if
            unknown.
        steps, iterations: Newton steps, and conjugate-gradient iterations in all of them.
        precision: of the numbers in this certificate.
    """

    result: Result
    tolerance: float
    primal: float
    dual: float
    duality_gap: float
    relative_residual: float
    condition: float
    steps: int
    iterations: int
    precision: str = "float64"

    @property
    def met(self) -> bool:
        return self.result is Result.MET

    def message(self) -> str:
        """One sentence: the accuracy reached, and what to change if the tolerance was missed."""
        gap = f"relative duality gap {self.duality_gap:.1e}, tolerance {self.tolerance:.0e}"
        if self.met:
            return f"The minimum was reached ({gap})."
        todo = "a larger ridge, more steps or a larger tolerance"
        if math.isnan(self.dual):
            todo = "a small ridge instead of the minimum-norm limit, or a larger tolerance"
        return (
            f"The tolerance was missed ({gap}, relative residual {self.relative_residual:.1e}): use {todo}."
        )
