"""What the arms end with: a function on all parts of the data, and the Δθ that it belongs to; and how far that is from training.

A step is a Δθ, and gives two functions: the tangent function F(x) = f(x, θ₀) + J(x)Δθ, and the network at θ₀ + Δθ. The offset
says whether f(x, θ₀) is kept in both or centred away.

Single steps go against the gradient, and to the minimum of the loss's second-order model, damped or not. The linearised model's
gradient flow joins the direction of the one (t → 0) to the other (t = ∞). For the square loss the whole path has a closed form;
other losses are integrated, to the last finite time.

How far a function is from the trained network is the part of training's change that it leaves unexplained,

    unexplained(F) = Σ‖F − f_T‖² / Σ‖f_T − f₀‖²    0: the same function, 1: no nearer than the random start
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import jax
import numpy as np
import scipy.special

from ticketlab.claims.newton_step.claim import NewtonStepPlan
from ticketlab.claims.newton_step.formula import DAMPED, FORMS, GRADIENT, NEWTON
from ticketlab.claims.start import Outputs, largest_curvature, minus, network_outputs, parts
from ticketlab.networks.network import Network, Params
from ticketlab.tangent.devices import Devices
from ticketlab.tangent.dual import DualKernel, dual_kernel
from ticketlab.tangent.flow import GradientFlow, path_of
from ticketlab.tangent.function_flow import function_path
from ticketlab.tangent.gauss_newton import GaussNewtonStep, gauss_newton_steps
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.point import TangentPoint, predict_points
from ticketlab.tasks.losses import ConvexLoss, Targets
from ticketlab.tasks.task import Task

__all__ = ["Candidate", "Candidates", "Sides", "Start", "choose", "flat", "flow", "single_steps"]

FIRST_TIME = 0.1  # of the flow, relative to the inverse of the largest curvature: next to nothing is learnt
FLOW_TOLERANCE = 1e-4  # of the integrator, for losses without a closed form


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
    devices: Devices | None

    @cached_property
    def unit(self) -> float:
        """The inverse of the loss's largest curvature."""
        return 1.0 / largest_curvature(self.network, self.params, self.task.train, self.loss)

    @cached_property
    def kernel(self) -> DualKernel:
        """K at the training inputs."""
        x = self.task.train.x
        return dual_kernel(Jacobian(self.network, self.params, x, dtype=np.float64, devices=self.devices))

    @property
    def targets(self) -> np.ndarray:
        return self.loss.float64_targets(self.task.train.targets)

    def outputs(self, offset: str) -> Outputs:
        """f(x, θ₀), or 0 when it is centred away."""
        kept = 1.0 if offset == "kept" else 0.0
        return {name: kept * outputs for name, outputs in self.network_outputs(self.params).items()}

    def network_outputs(self, params: Params) -> Outputs:
        found = network_outputs(self.network, params, self.task)
        return {name: outputs.astype(np.float64) for name, outputs in found.items()}

    def tangent_outputs(self, points: Sequence[TangentPoint]) -> list[Outputs]:
        values = {name: predict_points(points, part.x) for name, part in parts(self.task).items()}
        return [{name: v[i] for name, v in values.items()} for i in range(len(points))]


def flat(delta: Params) -> np.ndarray:
    return np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(delta)])


# --- steps and flow ---


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
        network = at.network_outputs(jax.tree.map(lambda p: np.asarray(p, np.float32), point.moved))
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
        slope = np.asarray(at.loss.gradient(start, at.targets)) / len(start)
    downhill = [-np.asarray(leaf) for leaf in jacobian.pull_back(slope[None])[0]]
    return [
        TangentPoint(jacobian, [size * at.unit * leaf for leaf in downhill], offset != "centred")
        for size in at.plan.gradient_steps
    ]


def flow(at: Start, offset: str) -> tuple[list[tuple[float, Candidate]], dict[float, float]]:
    """The linearised model's gradient flow: (t, function) from nearly 0 to ∞, where there is one; and its defects."""
    (path,) = path_of(at.kernel, at.targets, GradientFlow(), centred=(offset == "centred",))
    relative = np.geomspace(FIRST_TIME, at.plan.last_time, at.plan.times).tolist()
    times, known = [t / path.largest_curvature for t in relative], {}
    if at.loss.quadratic:
        relative, times = [*relative, float("inf")], [*times, float("inf")]
        points = path.points(times)
        looked = [0, at.plan.times // 2, at.plan.times]
        defects = path.defect([times[i] for i in looked])
        known = {relative[i]: float(d) for i, d in zip(looked, defects, strict=True)}
    else:
        points = function_path(
            at.kernel, at.loss, at.targets, times, centred=offset == "centred", tolerance=FLOW_TOLERANCE
        ).points
    found = [
        (t, Candidate(outputs, flat(point.delta), t, "time"))
        for t, point, outputs in zip(relative, points, at.tangent_outputs(points), strict=True)
    ]
    return found, known


# --- distances ---


@dataclass(frozen=True)
class Sides:
    """The trained network with one offset, and how far other functions are from it."""

    at: Start
    offset: str
    trained: Candidate
    twin: Candidate

    def gaps(self, outputs: Outputs, part: str) -> np.ndarray:
        """‖F − f_T‖² example by example, relative to the mean of ‖f_T − f₀‖²; their mean is the unexplained share."""
        left = self._seen(outputs[part] - self.trained.outputs[part])
        return np.sum(left**2, axis=1) / self._scale(part)

    def change(self, part: str) -> np.ndarray:
        """‖f_T − f₀‖² example by example, relative to its mean."""
        return self._changes(part) / self._scale(part)

    def _changes(self, part: str) -> np.ndarray:
        moved = self._seen(self.trained.outputs[part] - self.at.outputs(self.offset)[part])
        return np.sum(moved**2, axis=1)

    def _scale(self, part: str) -> float:
        return max(float(np.mean(self._changes(part))), 1e-300)

    def _seen(self, difference: np.ndarray) -> np.ndarray:
        """What the loss sees of a difference of outputs: softmax does not see a constant."""
        if self.at.loss.targets is not Targets.DISTRIBUTION:
            return difference
        return difference - difference.mean(axis=1, keepdims=True)

    def unexplained(self, outputs: Outputs, part: str = "test") -> float:
        share = float(np.mean(self.gaps(outputs, part)))
        return share if np.isfinite(share) else float("inf")

    def measured(self, c: Candidate) -> dict[str, float]:
        task, test, reference = self.at.task, c.outputs["test"], self.trained.outputs["test"]
        agreement = divergence = float("nan")
        if task.kind == "classification":
            agreement = float(np.mean(np.argmax(test, axis=1) == np.argmax(reference, axis=1)))
            p, q = (scipy.special.log_softmax(f, axis=1) for f in (reference, test))
            divergence = float(np.mean(np.sum(np.exp(p) * (p - q), axis=1)))
        cosine, length, distance = parameter_space(c.delta, self.trained.delta)
        with jax.enable_x64(True):
            values = self.at.loss.values(c.outputs["train"], self.at.targets)
        return {
            "unexplained": self.unexplained(c.outputs),
            "rms": float(np.sqrt(np.mean((test - reference) ** 2))),
            "divergence": divergence,
            "agreement": agreement,
            "test_score": float(np.mean(task.scores(test, task.test))),
            "train_loss": float(np.mean(np.asarray(values))),
            "cosine": cosine,
            "relative_length": length,
            "relative_distance": distance,
        }


def choose(sides: Sides, candidates: Candidates) -> dict[tuple[str, str], Candidate]:
    """Of each arm's candidates the one that is nearest to the trained network on validation examples."""
    return {
        key: min(of, key=lambda c: sides.unexplained(c.outputs, "validation"))
        for key, of in candidates.items()
    }


def parameter_space(delta: np.ndarray | None, reference: np.ndarray | None) -> tuple[float, float, float]:
    """cos(Δ, Δ_T), ‖Δ‖/‖Δ_T‖ and ‖Δ − Δ_T‖/‖Δ_T‖; NaN from another θ₀."""
    if delta is None or reference is None:
        return float("nan"), float("nan"), float("nan")
    length, size = float(np.linalg.norm(delta)), float(np.linalg.norm(reference))
    cosine = float(delta @ reference / (length * size)) if length > 0 and size > 0 else float("nan")
    return cosine, length / size, float(np.linalg.norm(delta - reference)) / size
