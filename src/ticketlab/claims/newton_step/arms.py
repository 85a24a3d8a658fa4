"""What the arms end with: a function on all parts of the data, and the Δθ that it belongs to; and how far that is from training.

A step is a Δθ, and gives two functions: the tangent function F(x) = f(x, θ₀) + J(x)Δθ, and the network at θ₀ + Δθ. The offset
says whether f(x, θ₀) is kept in both or centred away.

Newton steps go to the minimum of the loss's second-order model, damped or not; the steps against the gradient are in `gradient`.
The linearised model's gradient flow joins the gradient's direction (t → 0) to the Newton step (t = ∞). For the square loss the
whole path has a closed form; other losses are integrated, to the last finite time.

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
from ticketlab.claims.newton_step.formula import DAMPED, FORMS, NEWTON
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

__all__ = ["Candidate", "Candidates", "Sides", "Start", "choose", "flat", "flow", "inside", "newton_steps"]

FIRST_TIME = 0.1  # of the flow, relative to the inverse of the largest curvature: next to nothing is learnt
FLOW_TOLERANCE = 1e-4  # of the integrator, for losses without a closed form


@dataclass(frozen=True)
class Candidate:
    """A function on all parts, and the Δθ that it belongs to.

    Arguments:
        delta: flattened; None for a function from another θ₀.
        setting, setting_name: what distinguishes it from the arm's other candidates.
        exact: whether the setting is known to be the best of all.
    """

    outputs: Outputs
    delta: np.ndarray | None
    setting: float = float("nan")
    setting_name: str = ""
    exact: bool = False


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
        return {name: kept * outputs for name, outputs in self._before.items()}

    @cached_property
    def _before(self) -> Outputs:
        """f(x, θ₀)."""
        return self.network_outputs(self.params)

    def moved_outputs(self, point: TangentPoint, offset: str) -> Outputs:
        """f(x, θ₀ + Δθ), less f(x, θ₀) when it is centred away."""
        params = jax.tree.map(lambda p: np.asarray(p, np.float32), point.moved)
        outputs = self.network_outputs(params)
        return minus(outputs, self._before) if offset == "centred" else outputs

    def network_outputs(self, params: Params) -> Outputs:
        found = network_outputs(self.network, params, self.task)
        return {name: outputs.astype(np.float64) for name, outputs in found.items()}

    def tangent_outputs(self, points: Sequence[TangentPoint]) -> list[Outputs]:
        values = {name: predict_points(points, part.x) for name, part in parts(self.task).items()}
        return [{name: v[i] for name, v in values.items()} for i in range(len(points))]


def flat(delta: Params) -> np.ndarray:
    return np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(delta)])


# --- steps and flow ---


def newton_steps(at: Start, offset: str) -> tuple[Candidates, list[GaussNewtonStep]]:
    """The Newton steps, each as a tangent function and as a network; and how they were found."""
    ridges = [0.0, *(r * at.kernel.mean_diagonal for r in at.plan.ridges)]
    newton = gauss_newton_steps(at.kernel, at.loss, at.targets, ridges, centred=offset == "centred")
    points = [step.point for step in newton]
    steps: Candidates = {}
    for ridge, point, tangent in zip((0.0, *at.plan.ridges), points, at.tangent_outputs(points), strict=True):
        for form, outputs in zip(FORMS, (tangent, at.moved_outputs(point, offset)), strict=True):
            candidate = Candidate(outputs, flat(point.delta), ridge, "ridge")
            steps.setdefault((DAMPED if ridge else NEWTON, form), []).append(candidate)
    return steps, newton


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
        left = self.seen(outputs[part] - self.trained.outputs[part])
        return np.sum(left**2, axis=1) / self._scale(part)

    def change(self, part: str) -> np.ndarray:
        """‖f_T − f₀‖² example by example, relative to its mean."""
        return self._changes(part) / self._scale(part)

    def _changes(self, part: str) -> np.ndarray:
        moved = self.seen(self.trained.outputs[part] - self.at.outputs(self.offset)[part])
        return np.sum(moved**2, axis=1)

    def _scale(self, part: str) -> float:
        return max(float(np.mean(self._changes(part))), 1e-300)

    def seen(self, difference: np.ndarray) -> np.ndarray:
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


def inside(candidate: Candidate, of: Sequence[Candidate]) -> bool:
    """Whether smaller and larger settings were tried; or there are no better ones, or no smaller ones than 0.

    Arguments:
        of: all candidates of the arm.
    """
    settings = [c.setting for c in of]
    between = min(settings) < candidate.setting < max(settings)
    return candidate.exact or candidate.setting == 0 or between


def parameter_space(delta: np.ndarray | None, reference: np.ndarray | None) -> tuple[float, float, float]:
    """cos(Δ, Δ_T), ‖Δ‖/‖Δ_T‖ and ‖Δ − Δ_T‖/‖Δ_T‖; NaN from another θ₀."""
    if delta is None or reference is None:
        return float("nan"), float("nan"), float("nan")
    length, size = float(np.linalg.norm(delta)), float(np.linalg.norm(reference))
    cosine = float(delta @ reference / (length * size)) if length > 0 and size > 0 else float("nan")
    return cosine, length / size, float(np.linalg.norm(delta - reference)) / size
