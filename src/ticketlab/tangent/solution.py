"""The minimum in tangent space as one holds it: the step Δθ, the function it computes, and the certificate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from ticketlab.networks.network import Params
from ticketlab.tangent.certificate import Certificate
from ticketlab.tangent.jacobian import Jacobian

__all__ = ["Solution", "Stats", "predict_all"]


@dataclass(frozen=True)
class Stats:
    """What the solve took.

    Arguments:
        rung: which solver was used, and `reason` why.
        rows, columns: of the Jacobian, N·k and P.
        seconds: wall-clock seconds of the whole call, shared by all ridges of a path.
        kernel_seconds, factor_seconds, solve_seconds, certificate_seconds: its parts.
        peak_bytes: an estimate of the largest memory held at once by matrices.
        flops: multiply–adds (as two operations) of forming and factorising the matrix.
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


@dataclass(frozen=True, eq=False)
class Solution:
    """F(x) = f(x, θ₀) + J(x)Δθ at the minimum for one ridge.

    Arguments:
        ridge: λ as it stands in the objective; `relative_ridge` = λ / mean diag(K).
        step: Δθ as a list over the leaves that may move, float64.
        jacobian: at the training inputs, in float64.
        keeps_offset: whether f(x, θ₀) is part of F (else F = J(x)Δθ, the centred network).
        certificate, stats: the proof, and what it took.
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
    def delta(self) -> Params:
        """Δθ as a pytree of NumPy arrays like the parameters, float64, zero where nothing may move."""
        return jax.tree.map(np.asarray, self.jacobian.embed(self.step))

    @cached_property
    def moved(self) -> Params:
        """θ₀ + Δθ, float64: where the real network stands if it takes the step."""
        return jax.tree.map(lambda a, b: np.asarray(a, np.float64) + b, self.jacobian.params, self.delta)

    @cached_property
    def relative_motion(self) -> float:
        """‖Δθ‖ / ‖θ₀‖ over all parameters; NaN from θ₀ = 0."""
        square = sum(float(np.sum(np.square(d))) for d in self.step)
        start = sum(
            float(np.sum(np.square(np.asarray(p, np.float64)))) for p in jax.tree.leaves(self.jacobian.params)
        )
        return float(np.sqrt(square / start)) if start > 0 else float("nan")

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
    at = solutions[0].jacobian.at(x)
    f0 = np.asarray(at.outputs())
    kept = np.array([s.keeps_offset for s in solutions])
    return np.asarray(at.push_forward([s.step for s in solutions])) + kept[:, None, None] * f0
