"""The single steps from θ₀: against the gradient, and to the minimum of the loss's second-order model, damped or not.

Every step is taken twice: as the tangent function F(x) = f(x, θ₀) + J(x)Δθ, and as the network at θ₀ + Δθ.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab.claims.newton_step.formula import DAMPED, FORMS, GRADIENT, NEWTON
from ticketlab.claims.newton_step.start import Candidate, Candidates, Start, flat
from ticketlab.claims.start import minus
from ticketlab.tangent.gauss_newton import GaussNewtonStep, gauss_newton_steps
from ticketlab.tangent.point import TangentPoint

__all__ = ["single_steps"]


def single_steps(at: Start, offset: str) -> tuple[Candidates, list[GaussNewtonStep]]:
    """The gradient steps and the Newton steps, each as a tangent function and as a network; and how the latter were found."""
    ridges = [0.0, *(r * at.kernel.mean_diagonal for r in at.plan.ridges)]
    newton = gauss_newton_steps(at.kernel, at.loss, at.targets, ridges, centred=offset == "centred")
    gradient = _gradient_steps(at, offset)
    points = [*gradient, *(step.point for step in newton)]
    names = [GRADIENT] * len(gradient) + [NEWTON] + [DAMPED] * len(at.plan.ridges)
    settings = [*at.plan.gradient_steps, 0.0, *at.plan.ridges]
    before = at.outputs("kept") if offset == "centred" else None
    steps: Candidates = {}
    for name, setting, point, tangent in zip(
        names, settings, points, at.tangent_outputs(points), strict=True
    ):
        kind = "step size" if name == GRADIENT else "ridge"
        network = at.network_outputs(jax.tree.map(lambda p: jnp.asarray(p, jnp.float32), point.moved))
        if before is not None:
            network = minus(network, before)
        for form, outputs in zip(FORMS, (tangent, network), strict=True):
            candidate = Candidate(outputs, flat(point.delta), setting, kind)
            steps.setdefault((name, form), []).append(candidate)
    return steps, newton


def _gradient_steps(at: Start, offset: str) -> list[TangentPoint]:
    """Δθ = −η Jᵀ∇L(f₀) for every candidate η."""
    jacobian, start = at.kernel.jacobian, at.outputs(offset)["train"]
    with jax.enable_x64(True):
        slope = np.asarray(at.loss.gradient(jnp.asarray(start), jnp.asarray(at.targets))) / len(start)
    downhill = [-np.asarray(leaf) for leaf in jacobian.pull_back(slope[None])[0]]
    return [
        TangentPoint(jacobian, [size * at.unit * leaf for leaf in downhill], offset != "centred")
        for size in at.plan.gradient_steps
    ]
