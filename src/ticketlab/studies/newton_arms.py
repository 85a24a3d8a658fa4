"""What one cell of the study `newton-step` computes: where training, one gradient step and one Newton step end, and how far
apart.

    draw split, θ₀, θ₀'  →  tangent kernel  →  gradient and Newton steps, the linearised model's flow
    →  gradient descent to convergence from θ₀ and θ₀'  →  distances  →  tables

A step is a Δθ, and gives two functions: the tangent function, and the network at θ₀ + Δθ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.networks.network import Network, Params
from ticketlab.studies.evidence import Table
from ticketlab.studies.newton_step import (
    DAMPED,
    FORMS,
    GRADIENT,
    NEWTON,
    OFFSETS,
    START,
    STOPPED,
    TRAINED,
    TWIN,
    VARIANTS,
    NewtonStepPlan,
)
from ticketlab.studies.start import Clock, built, drawn_task, largest_curvature
from ticketlab.studies.study import Progress
from ticketlab.tangent.devices import Devices
from ticketlab.tangent.dual import DualKernel, dual_kernel
from ticketlab.tangent.flow import GradientFlow, path_of
from ticketlab.tangent.function_flow import function_path
from ticketlab.tangent.gauss_newton import GaussNewtonStep, gauss_newton_steps
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.point import TangentPoint, predict_points
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY, SQUARE, ConvexLoss, Targets
from ticketlab.tasks.task import Split, Task
from ticketlab.training import (
    Accuracy,
    Interpolation,
    Replicas,
    RSquared,
    Sgd,
    TrainingData,
    TrainingPlan,
    stack,
    train,
)
from ticketlab.training.result import Ending

__all__ = ["compare"]

LOSSES = {"square": SQUARE, "cross-entropy": SOFTMAX_CROSS_ENTROPY}
PARTS = ("train", "validation", "test")
FIRST_TIME = 0.1  # of the flow, relative to the inverse of the largest curvature: next to nothing is learnt
ROWS = 6000  # Nk above which an eigendecomposition of K takes minutes
FLOW_TOLERANCE = 1e-4  # of the integrator, for losses without a closed form
Outputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Candidate:
    """A function on all parts, and the Δθ that it belongs to, flattened; None for one from another θ₀."""

    outputs: Outputs
    delta: np.ndarray | None
    setting: float = float("nan")
    setting_name: str = ""


@dataclass(frozen=True)
class _At:
    """Where a cell starts from: everything that does not depend on the offset."""

    plan: NewtonStepPlan
    task: Task
    loss: ConvexLoss
    network: Network
    params: Params
    kernel: DualKernel
    unit: float  # the inverse of the loss's largest curvature

    @property
    def parts(self) -> dict[str, Split]:
        return {"train": self.task.train, "validation": self.task.validation, "test": self.task.test}

    @property
    def targets(self) -> np.ndarray:
        targets = np.asarray(self.task.train.targets, np.float64)
        return (
            targets / targets.sum(axis=1, keepdims=True)
            if self.loss.targets is Targets.DISTRIBUTION
            else targets
        )

    def start(self, offset: str) -> Outputs:
        """f(x, θ₀), or 0 when it is centred away."""
        return {
            name: (outputs if offset == "kept" else np.zeros_like(outputs))
            for name, outputs in self.network_outputs(self.params).items()
        }

    def network_outputs(self, params: Params) -> Outputs:
        return {
            name: np.asarray(Jacobian(self.network, params, part.x).outputs(), np.float64)
            for name, part in self.parts.items()
        }

    def tangent_outputs(self, points: Sequence[TangentPoint]) -> list[Outputs]:
        values = {name: predict_points(points, part.x) for name, part in self.parts.items()}
        return [{name: v[i] for name, v in values.items()} for i in range(len(points))]


def compare(
    plan: NewtonStepPlan, loss_name: str, seed: int, progress: Progress, devices: Devices | None = None
) -> dict[str, Table]:
    """All arms for one loss and one seed, as tidy tables."""
    progress("drawing split and networks", 0.0)
    clock, loss = Clock(), LOSSES[loss_name]
    task = drawn_task(plan.task, seed)
    _check(plan, task)
    network = built(plan.network, task.input_shape, task.outputs)
    one, other, order = jax.random.split(jax.random.key(seed), 3)
    params, twin = network.init(one), network.init(other)
    unit = 1.0 / largest_curvature(network, params, task.train, loss)

    progress("gradient descent", 0.02)
    trained, curves = _train(
        plan,
        task,
        loss,
        network,
        (params, twin),
        order,
        unit,
        lambda done: progress(TRAINED, 0.02 + 0.5 * done),
    )
    clock.lap("gradient descent, two starts")
    progress("tangent kernel", 0.52)
    kernel = dual_kernel(Jacobian(network, params, task.train.x, dtype=np.float64, devices=devices))
    clock.lap("tangent kernel")
    at = _At(plan, task, loss, network, params, kernel, unit)

    cell = {"loss": loss_name, "seed": seed}
    rows: dict[str, list[dict[str, Any]]] = {
        "arms": [],
        "candidates": [],
        "path": [],
        "certificates": [],
        "examples": [],
    }
    for i, offset in enumerate(OFFSETS):
        share = 0.55 + 0.22 * i
        progress(f"steps, f₀ {offset}", share)
        sides = _Sides(at, offset, *(_trained_function(at, offset, *pair) for pair in trained[offset]))
        steps, stationary = _steps(at, offset)
        clock.lap(f"steps, f₀ {offset}")
        progress(f"flow of the linearised model, f₀ {offset}", share + 0.08)
        path, defects = _flow(at, offset)
        clock.lap(f"flow, f₀ {offset}")
        _require(plan, offset, stationary, defects)
        chosen = _choose(
            sides, {**steps, (STOPPED, "tangent"): [c for _, c in path if np.isfinite(c.setting)]}
        )
        about = {**cell, "offset": offset}
        rows["arms"] += [{**about, **row} for row in sides.arm_rows(chosen)]
        rows["candidates"] += [{**about, **row} for row in sides.candidate_rows(steps, chosen)]
        rows["path"] += [{**about, **row} for row in sides.path_rows(path)]
        rows["certificates"] += [{**about, **row} for row in _certificate_rows(plan, stationary, defects)]
        rows["examples"] += [{**about, **row} for row in sides.example_rows(chosen)]
    rows["curves"] = [{**cell, **row} for row in curves]
    tables = [Table.from_rows(n, r, units=_UNITS, meanings=_MEANINGS) for n, r in rows.items()]
    seconds = [{**cell, "part": part, "seconds": value} for part, value in clock.seconds.items()]
    tables.append(Table.from_rows("timings", seconds, units=_UNITS, measured=True))
    return {table.name: table for table in tables}


def _check(plan: NewtonStepPlan, task: Task) -> None:
    for name in plan.losses:  # all of them, so that a mistake is found in the first cell
        if LOSSES[name].targets is not Targets.REAL and task.kind != "classification":
            raise UserError(
                f"the {name} loss for {task.name}, a regression task",
                "the square loss",
                "Add --losses square.",
            )
    rows = len(task.train) * task.outputs
    if rows > ROWS:
        raise UserError(
            f"{len(task.train)} training examples with {task.outputs} outputs, {rows} rows",
            f"at most {ROWS}",
            f"Use fewer: --task …:train={ROWS // task.outputs}. The kernel is decomposed into all its eigenvectors.",
        )


# --- training ---


def _train(
    plan: NewtonStepPlan,
    task: Task,
    loss: ConvexLoss,
    network: Network,
    starts: tuple[Params, Params],
    order: jax.Array,
    unit: float,
    progress: Callable[[float], None],
) -> tuple[dict[str, list[tuple[Params, Params]]], list[dict[str, Any]]]:
    """(θ₀, θ_T) by offset, from both starts; and the learning curves. Four replicas of one program."""
    lanes = [
        (offset, arm, start) for offset in OFFSETS for arm, start in zip((TRAINED, TWIN), starts, strict=True)
    ]
    targets = np.asarray(task.train.targets, np.float32)
    nothing = float(jnp.mean(loss.value(jnp.zeros_like(targets), jnp.asarray(targets))))
    goal = plan.converged * nothing
    result = train(
        network,
        loss,
        TrainingData(task.train.x, targets),
        TrainingPlan(
            steps=plan.steps,
            batch=None,
            optimiser=Sgd(momentum=plan.momentum),
            stop=Interpolation(loss=goal),
            score=Accuracy() if task.kind == "classification" else RSquared(),
            evaluate_every=max(1, plan.steps // 160),
            evaluate_training=True,
        ),
        Replicas(
            params=stack([start for _, _, start in lanes]),
            order_keys=order,
            step_sizes=np.full(len(lanes), plan.step_size * unit, np.float32),
            centred=np.array([offset == "centred" for offset, _, _ in lanes]),
        ),
        progress=progress,
    )
    curves = [
        {"offset": offset, "arm": arm, "step": int(step), "train_loss": float(result.curves.train_loss[j, i])}
        for i, (offset, arm, _) in enumerate(lanes)
        for j, step in enumerate(result.curves.steps)
        if np.isfinite(result.curves.train_loss[j, i])
    ]
    trained: dict[str, list[tuple[Params, Params]]] = {offset: [] for offset in OFFSETS}
    for i, (offset, _, start) in enumerate(lanes):
        if result.endings[i] is not Ending.INTERPOLATED:
            known = result.curves.train_loss[:, i]
            reached = float(known[np.isfinite(known)][-1]) / nothing
            raise NumericalFailure(
                f"gradient descent with f₀ {offset} has not converged: after {int(result.steps[i])} steps its training loss is "
                f"{reached:.2g} of that of zero outputs, above {plan.converged:g} ({result.endings[i]}). "
                + ("Use a smaller step_size." if result.endings[i] is Ending.DIVERGED else "Use more steps.")
            )
        trained[offset].append((start, jax.tree.map(lambda leaf, i=i: jnp.asarray(leaf[i]), result.params)))
    return trained, curves


def _trained_function(at: _At, offset: str, start: Params, params: Params) -> Candidate:
    outputs = at.network_outputs(params)
    if offset == "centred":
        before = at.network_outputs(start)
        outputs = {name: outputs[name] - before[name] for name in PARTS}
    moved = jax.tree.map(lambda a, b: np.asarray(a, np.float64) - np.asarray(b, np.float64), params, start)
    return Candidate(outputs, _flat(moved))


# --- steps ---

Steps = dict[tuple[str, str], list[Candidate]]  # by arm and form


def _steps(at: _At, offset: str) -> tuple[Steps, list[GaussNewtonStep]]:
    """The gradient steps and the Newton steps, each as a tangent function and as a network."""
    jacobian, centred = at.kernel.jacobian, offset == "centred"
    start = at.start(offset)["train"]
    with jax.enable_x64(True):
        slope = np.asarray(at.loss.gradient(jnp.asarray(start), jnp.asarray(at.targets))) / len(start)
    downhill = [-np.asarray(leaf) for leaf in jacobian.pull_back(slope[None])[0]]
    gradient = [
        TangentPoint(jacobian, [size * at.unit * leaf for leaf in downhill], not centred)
        for size in at.plan.gradient_steps
    ]
    ridges = [0.0, *(r * at.kernel.mean_diagonal for r in at.plan.ridges)]
    newton = gauss_newton_steps(at.kernel, at.loss, at.targets, ridges, centred=centred)
    points = [*gradient, *(step.point for step in newton)]
    names = [GRADIENT] * len(gradient) + [NEWTON] + [DAMPED] * len(at.plan.ridges)
    settings = [*at.plan.gradient_steps, 0.0, *at.plan.ridges]
    before = at.start("kept") if centred else None
    steps: Steps = {}
    for name, setting, point, tangent in zip(
        names, settings, points, at.tangent_outputs(points), strict=True
    ):
        kind = "step size" if name == GRADIENT else "ridge"
        network = at.network_outputs(jax.tree.map(lambda p: jnp.asarray(p, jnp.float32), point.moved))
        if before is not None:
            network = {part: network[part] - before[part] for part in PARTS}
        for form, outputs in zip(FORMS, (tangent, network), strict=True):
            candidate = Candidate(outputs, _flat(point.delta), setting, kind)
            steps.setdefault((name, form), []).append(candidate)
    return steps, newton


def _flow(at: _At, offset: str) -> tuple[list[tuple[float, Candidate]], dict[float, float]]:
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
            at.kernel,
            at.loss,
            at.targets,
            times,
            centred=offset == "centred",
            tolerance=FLOW_TOLERANCE,
        ).points
        known = {}
    found = [
        (t, Candidate(outputs, _flat(point.delta), t, "time"))
        for t, point, outputs in zip(relative, points, at.tangent_outputs(points), strict=True)
    ]
    return found, known


def _require(
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


def _choose(sides: _Sides, steps: Steps) -> dict[tuple[str, str], Candidate]:
    """Of each arm's candidates the one that is nearest to the trained network on validation examples."""
    return {
        key: min(candidates, key=lambda c: sides.unexplained(c.outputs, "validation"))
        for key, candidates in steps.items()
    }


# --- distances ---


@dataclass(frozen=True)
class _Sides:
    """The trained network with one offset, and how far other functions are from it."""

    at: _At
    offset: str
    trained: Candidate
    twin: Candidate

    def gaps(self, outputs: Outputs, part: str) -> np.ndarray:
        """‖F − f_T‖² example by example, relative to the mean of ‖f_T − f₀‖²; their mean is the unexplained share."""
        change = self._seen(self.trained.outputs[part] - self.at.start(self.offset)[part])
        left = self._seen(outputs[part] - self.trained.outputs[part])
        scale = float(np.mean(np.sum(change**2, axis=1)))
        return np.sum(left**2, axis=1) / max(scale, 1e-300)

    def _seen(self, difference: np.ndarray) -> np.ndarray:
        """What the loss sees of a difference of outputs: softmax does not see a constant."""
        if self.at.loss.targets is not Targets.DISTRIBUTION:
            return difference
        return difference - difference.mean(axis=1, keepdims=True)

    def unexplained(self, outputs: Outputs, part: str = "test") -> float:
        share = float(np.mean(self.gaps(outputs, part)))
        return share if np.isfinite(share) else float("inf")

    def _all(self, chosen: dict[tuple[str, str], Candidate]) -> dict[tuple[str, str], Candidate]:
        size = 0 if self.trained.delta is None else self.trained.delta.size
        start = Candidate(self.at.start(self.offset), np.zeros(size))
        return {
            (TRAINED, "network"): self.trained,
            **chosen,
            (TWIN, "network"): replace(self.twin, delta=None),
            (START, "network"): start,
        }

    def arm_rows(self, chosen: dict[tuple[str, str], Candidate]) -> list[dict[str, Any]]:
        return [
            {
                "arm": arm,
                "form": form,
                **self._measured(c),
                "setting": c.setting,
                "setting_name": c.setting_name,
            }
            for (arm, form), c in self._all(chosen).items()
        ]

    def _measured(self, c: Candidate) -> dict[str, float]:
        task, test, reference = self.at.task, c.outputs["test"], self.trained.outputs["test"]
        classes = task.kind == "classification"
        agreement = divergence = float("nan")
        if classes:
            agreement = float(np.mean(np.argmax(test, axis=1) == np.argmax(reference, axis=1)))
            p, q = (scipy.special.log_softmax(f, axis=1) for f in (reference, test))
            divergence = float(np.mean(np.sum(np.exp(p) * (p - q), axis=1)))
        cosine, length, distance = _parameter_space(c.delta, self.trained.delta)
        with jax.enable_x64(True):
            values = self.at.loss.value(jnp.asarray(c.outputs["train"]), jnp.asarray(self.at.targets))
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

    def candidate_rows(self, steps: Steps, chosen: dict[tuple[str, str], Candidate]) -> list[dict[str, Any]]:
        return [
            {
                "arm": arm,
                "form": form,
                "candidate": c.setting,
                "validation_unexplained": self.unexplained(c.outputs, "validation"),
                "unexplained": self.unexplained(c.outputs),
                "test_score": float(np.mean(self.at.task.scores(c.outputs["test"], self.at.task.test))),
                "chosen": c is chosen[arm, form],
            }
            for (arm, form), candidates in steps.items()
            for c in candidates
        ]

    def path_rows(self, path: list[tuple[float, Candidate]]) -> list[dict[str, Any]]:
        return [
            {
                "time": time,
                **self._measured(c),
                "validation_unexplained": self.unexplained(c.outputs, "validation"),
            }
            for time, c in path
        ]

    def example_rows(self, chosen: dict[tuple[str, str], Candidate]) -> list[dict[str, Any]]:
        """What the verdicts are drawn from: scores, and gaps to the trained network."""
        task = self.at.task
        trained = task.scores(self.trained.outputs["test"], task.test)
        twin = self.gaps(self.twin.outputs, "test")
        rows = []
        for form in [form for offset, form in VARIANTS if offset == self.offset]:
            newton, gradient = (chosen[arm, form].outputs for arm in (NEWTON, GRADIENT))
            score = task.scores(newton["test"], task.test)
            newton_gap, gradient_gap = (self.gaps(f, "test") for f in (newton, gradient))
            rows += [
                {
                    "form": form,
                    "id": example,
                    "trained_score": float(trained[i]),
                    "newton_score": float(score[i]),
                    "newton_gap": float(newton_gap[i]),
                    "gradient_gap": float(gradient_gap[i]),
                    "second_gap": float(twin[i]),
                }
                for i, example in enumerate(task.test.ids.tolist())
            ]
        return rows


def _parameter_space(delta: np.ndarray | None, reference: np.ndarray | None) -> tuple[float, float, float]:
    """cos(Δ, Δ_T), ‖Δ‖/‖Δ_T‖ and ‖Δ − Δ_T‖/‖Δ_T‖; NaN from another θ₀."""
    if delta is None or reference is None:
        return float("nan"), float("nan"), float("nan")
    length, size = float(np.linalg.norm(delta)), float(np.linalg.norm(reference))
    cosine = float(delta @ reference / (length * size)) if length > 0 and size > 0 else float("nan")
    return cosine, length / size, float(np.linalg.norm(delta - reference)) / size


def _flat(delta: Params) -> np.ndarray:
    return np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(delta)])


def _certificate_rows(
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


_UNITS = {"seconds": "s"}
_MEANINGS = {
    "offset": "whether f(x, θ₀) is kept or centred away",
    "form": "the function of the step: to first order (tangent), or the network at θ₀ + Δθ",
    "unexplained": "Σ‖F − f_T‖² / Σ‖f_T − f₀‖² over test examples, f_T the trained network",
    "validation_unexplained": "the same over validation examples, by which candidates are chosen",
    "rms": "root mean square of F − f_T over test examples and outputs",
    "divergence": "mean Kullback–Leibler divergence of softmax(F) from softmax(f_T)",
    "agreement": "fraction of test examples on which the prediction is that of the trained network",
    "test_score": "accuracy, or R² for regression",
    "cosine": "cos(Δθ, θ_T − θ₀)",
    "relative_length": "‖Δθ‖ / ‖θ_T − θ₀‖",
    "relative_distance": "‖Δθ − (θ_T − θ₀)‖ / ‖θ_T − θ₀‖",
    "setting": "step size relative to the inverse largest curvature, ridge relative to mean diag(K), or time relative to the "
    "inverse largest curvature",
    "time": "relative to the inverse of the largest curvature κ_max/N of the kernel",
    "newton_gap": "‖F − f_T‖² of the Newton step, relative to the mean of ‖f_T − f₀‖²",
    "gradient_gap": "the same of the best gradient step",
    "second_gap": "the same of a second training from another random start",
    "value": "stationarity: relative gradient of the step's model; defect: how far the flow is from its own equation",
}
