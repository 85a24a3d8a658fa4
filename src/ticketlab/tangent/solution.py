"""The solution in tangent space: the step Δθ, the function it computes, and the certificate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from ticketlab.networks.network import Params
from ticketlab.tangent.certificate import Certificate
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.point import TangentPoint, predict_points

__all__ = ["Solution", "Stats", "predict_all", "solutions_of"]


@dataclass(frozen=True)
class Stats:
    """The cost of the solve.

    Arguments:
        rung, reason: the solver, and why it was chosen.
        rows, columns: of the Jacobian, N·k and P.
        seconds: wall-clock seconds of the whole call, shared by all ridges of a path.
        kernel_seconds, factor_seconds, solve_seconds, certificate_seconds: its parts.
        peak_bytes: an estimate of the peak memory of matrices.
        flops: operations of forming the matrix, a multiply–add as two; matrix-free, those of the low-rank part or the inverses.
        predicted_seconds: by which the rung was chosen, without compiling and choosing a ridge; NaN if there is none.
    """

    rung: str
    reason: str
    rows: int
    columns: int
    seconds: float
    kernel_seconds: float
    factor_seconds: float
    solve_seconds: float
    certificate_seconds: float
    peak_bytes: int
    flops: float
    predicted_seconds: float = math.nan


@dataclass(frozen=True, eq=False)
class Solution:
    """F(x) = f(x, θ₀) + J(x)Δθ at the minimum for one ridge.

    Arguments:
        ridge: λ as in the objective; `relative_ridge` = λ / mean diag(K).
        step: Δθ as a list over the leaves that may move, float64.
        jacobian: at the training inputs, in float64.
        keeps_offset: whether f(x, θ₀) is part of F (else F = J(x)Δθ, the centred network).
        certificate, stats: the proof, and the cost.
    """

    ridge: float
    relative_ridge: float
    step: list[np.ndarray] = field(repr=False)
    jacobian: Jacobian = field(repr=False)
    keeps_offset: bool
    certificate: Certificate
    stats: Stats

    def predict(self, x: Float[Any, "m ..."]) -> Float[np.ndarray, "m k"]:
        """F(x), in float64. Cost: two or three forward passes."""
        at = self.jacobian.at(x)
        linear = np.asarray(at.jvp(self.step))
        return linear + np.asarray(at.outputs()) if self.keeps_offset else linear

    @cached_property
    def _point(self) -> TangentPoint:
        return TangentPoint(self.jacobian, self.step, self.keeps_offset)

    @property
    def delta(self) -> Params:
        """Δθ as a pytree of NumPy arrays like the parameters, float64, zero for parameters that may not move."""
        return self._point.delta

    @property
    def moved(self) -> Params:
        """θ₀ + Δθ, float64: the parameters of the network itself after the step."""
        return self._point.moved

    @property
    def relative_motion(self) -> float:
        """‖Δθ‖ / ‖θ₀‖ over all parameters; NaN for θ₀ = 0."""
        return self._point.relative_motion

    def _repr_html_(self) -> str:
        from html import escape

        rows = {
            "ridge λ": f"{self.ridge:.4g} ({self.relative_ridge:.3g} × mean diagonal of K)",
            "relative motion ‖Δθ‖/‖θ₀‖": f"{self.relative_motion:.4g}",
            "certificate": self.certificate.message(),
            "solver": f"{self.stats.rung}: {self.stats.reason}",
            "seconds": f"{self.stats.seconds:.2f}",
        }
        body = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows.items())
        return f"<table><caption>Tangent-space minimum</caption>{body}</table>"


def predict_all(solutions: Sequence[Solution], x: Float[Any, "m ..."]) -> Float[np.ndarray, "c m k"]:
    """F(x) of several solutions at the same θ₀ and selection, in one sweep."""
    return predict_points([s._point for s in solutions], x)


def solutions_of(
    jacobian: Jacobian,
    mean_diagonal: float,
    problems: Sequence[tuple[bool, float]],
    steps: Sequence[list[np.ndarray]],
    certificates: Sequence[Certificate],
    stats: Stats,
) -> list[Solution]:
    """One solution per problem (keeps f₀?, λ); they share their cost.

    Arguments:
        jacobian: at the training inputs, in float64.
        mean_diagonal: mean diag(K), the unit of relative ridges.
        problems, steps, certificates: for each solution.
        stats: of all together.
    """
    return [
        Solution(
            ridge=ridge,
            relative_ridge=ridge / mean_diagonal if mean_diagonal > 0 else ridge,
            step=step,
            jacobian=jacobian,
            keeps_offset=keeps,
            certificate=certificate,
            stats=stats,
        )
        for (keeps, ridge), step, certificate in zip(problems, steps, certificates, strict=True)
    ]
