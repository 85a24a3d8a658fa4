"""What one cell of the study `tangent-minimum` computes: every arm for one loss and one seed, with f₀ kept and centred away.

    draw split, θ₀, data order  →  linear model, read-out, tangent minimum, its limit, the network at θ₀ + Δθ
    →  gradient descent  →  tables

All candidates of an arm are computed at once: one kernel serves all ridges and both offsets, one training program all step sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.networks.architectures import MLP
from ticketlab.networks.network import Network, Params
from ticketlab.studies.evidence import Table
from ticketlab.studies.start import Clock, built, drawn_task, largest_curvature, relative_motion
from ticketlab.studies.study import Progress
from ticketlab.studies.tangent_minimum import DESCENT, TANGENT, TangentMinimumPlan
from ticketlab.tangent.devices import Devices
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.minimise import MINIMUM_NORM, Relative, ridge_path
from ticketlab.tangent.newton import NewtonOptions
from ticketlab.tangent.selection import AllParameters, Layers, Selection
from ticketlab.tangent.solution import Solution, predict_all
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY, SQUARE, ConvexLoss, Targets
from ticketlab.tasks.task import Split, Task
from ticketlab.training import (
    Accuracy,
    Replicas,
    RSquared,
    Sgd,
    TrainingData,
    TrainingPlan,
    ValidationScore,
    stack,
    train,
)
from ticketlab.training.result import Ending

__all__ = ["compare"]

LOSSES = {"square": SQUARE, "cross-entropy": SOFTMAX_CROSS_ENTROPY}


@dataclass(frozen=True)
class Candidate:
    """One candidate of an arm: a function on all parts of the data, with what it is and how it came about."""

    setting: float
    setting_name: str
    outputs: dict[str, np.ndarray]  # by part of the task; empty where it diverged
    motion: float
    stop_step: int = 0
    outcome: str = "minimum reached"
    solution: Solution | None = None


@dataclass(frozen=True)
class Scored:
    """A candidate with its scores and losses on each part."""

    candidate: Candidate
    score: dict[str, float]
    loss: dict[str, float]

    def rank(self) -> tuple[float, float]:
        """Larger is better: validation score, then lower validation loss."""
        return self.score["validation"], -self.loss["validation"]


def compare(
    plan: TangentMinimumPlan, loss_name: str, seed: int, progress: Progress, devices: Devices | None = None
) -> dict[str, Table]:
    """All arms for one loss and one seed, as tidy tables."""
    progress("drawing split and network", 0.0)
    loss = LOSSES[loss_name]
    task = drawn_task(plan.task, seed)
    for name in plan.losses:  # all of them, so that a mistake is found in the first cell
        if LOSSES[name].targets is not Targets.REAL and task.kind != "classification":
            raise UserError(
                f"the {name} loss for {task.name}, a regression task",
                "the square loss",
                "Add --losses square.",
            )
    network = built(plan.network, task.input_shape, task.outputs)
    draw, order = jax.random.split(jax.random.key(seed))
    at = _Start(plan, task, loss, network, network.init(draw), devices)
    clock = Clock()

    arms = _linear_model(at)
    clock.lap("linear model")
    progress(f"linear model {_test_score(arms, 'linear model'):.3f}; read-out layer", 0.02)
    arms |= _read_out(at)
    clock.lap("read-out layer")
    said = f"read-out layer {_test_score(arms, 'read-out layer'):.3f}"
    progress(f"{said}; tangent space", 0.06)
    arms |= _tangent(at, lambda what, fraction: progress(f"{said}; {what}", 0.06 + 0.54 * fraction))
    clock.lap(TANGENT)
    arms |= _moved(at, arms)
    clock.lap("network at θ₀ + Δθ")
    said = f"tangent minimum {_test_score(arms, TANGENT):.3f}"
    progress(f"{said}; gradient descent", 0.6)
    descended, curves = _descent(
        at, order, lambda fraction: progress(f"{said}; gradient descent", 0.6 + 0.4 * fraction)
    )
    arms |= descended
    clock.lap(DESCENT)
    return _tables(at, {"loss": loss_name, "seed": seed}, arms, curves, clock.seconds)


@dataclass(frozen=True)
class _Start:
    """Where every arm starts from."""

    plan: TangentMinimumPlan
    task: Task
    loss: ConvexLoss
    network: Network
    params: Params
    devices: Devices | None

    @property
    def parts(self) -> dict[str, Split]:
        return {"train": self.task.train, "validation": self.task.validation, "test": self.task.test}

    def scored(self, candidate: Candidate) -> Scored:
        score, loss = {}, {}
        for name, part in self.parts.items():
            outputs = candidate.outputs.get(name)
            score[name] = (
                float(np.mean(self.task.scores(outputs, part))) if outputs is not None else float("nan")
            )
            loss[name] = self.mean_loss(outputs, part) if outputs is not None else float("inf")
        return Scored(candidate, score, loss)

    def mean_loss(self, outputs: np.ndarray, part: Split) -> float:
        with jax.enable_x64(True):
            values = self.loss.values(np.asarray(outputs, np.float64), np.asarray(part.targets, np.float64))
            return float(np.mean(values))


Arms = dict[tuple[str, str], list[Scored]]  # by (offset, arm): the candidates


def _linear_model(at: _Start) -> Arms:
    """W x + b, from zero, on the inputs: the tangent space of a network with no hidden layer."""
    linear = built(MLP(widths=()), at.task.input_shape, at.task.outputs)
    zero = jax.tree.map(jnp.zeros_like, linear.init(jax.random.key(0)))
    found = _tuned_ridges(at, linear, zero, AllParameters(), (True,))
    return {(offset, "linear model"): found[True] for offset in ("kept", "centred")}


def _read_out(at: _Start) -> Arms:
    """The tangent space of the last layer alone."""
    if not at.network.layers:
        return {}
    last = Layers((at.network.layers[-1].name,))
    found = _tuned_ridges(at, at.network, at.params, last, (False, True))
    return {(_offset(centred), "read-out layer"): found[centred] for centred in (False, True)}


def _tuned_ridges(
    at: _Start, network: Network, params: Params, selection: Selection, centred: tuple[bool, ...]
) -> dict[bool, list[Scored]]:
    ridges = [Relative(r) for r in at.plan.ridges]
    solutions = ridge_path(
        network,
        params,
        at.task,
        loss=at.loss,
        ridges=ridges,
        selection=selection,
        centred=centred,
        options=NewtonOptions(tolerance=at.plan.tolerance),
        devices=at.devices,
    )
    _require_minima(solutions)
    settings = at.plan.ridges * len(centred)
    scored = [at.scored(c) for c in _as_candidates(at, solutions, settings)]
    return {c: scored[i * len(ridges) : (i + 1) * len(ridges)] for i, c in enumerate(centred)}


def _tangent(at: _Start, progress: Progress) -> Arms:
    """The whole tangent space: the ridge path, and the minimum-norm limit where there is one."""
    ridges: list[Any] = [Relative(r) for r in at.plan.ridges]
    if at.loss.quadratic:
        ridges.append(MINIMUM_NORM)
    solutions = ridge_path(
        at.network,
        at.params,
        at.task,
        loss=at.loss,
        ridges=ridges,
        centred=(False, True),
        options=NewtonOptions(tolerance=at.plan.tolerance),
        devices=at.devices,
        progress=partial(_tangent_progress, progress, at.plan.tolerance),
    )
    settings = tuple(0.0 if r is MINIMUM_NORM else r.value for r in ridges) * 2
    _require_minima(solutions)
    scored = [at.scored(c) for c in _as_candidates(at, solutions, settings)]
    arms: Arms = {}
    for i, offset in enumerate(("kept", "centred")):
        path = scored[i * len(ridges) : (i + 1) * len(ridges)]
        tuned = path[: len(at.plan.ridges)]
        limit = path[-1] if at.loss.quadratic else min(tuned, key=lambda s: s.candidate.setting)
        arms[offset, TANGENT] = tuned
        arms[offset, "minimum-norm limit"] = [limit]
    return arms


def _require_minima(solutions: Sequence[Solution]) -> None:
    """A verdict on tangent-space minima needs minima."""
    for solution in solutions:
        if not solution.certificate.met:
            raise NumericalFailure(
                f"The minimum at relative ridge {solution.relative_ridge:g} was not reached. "
                f"{solution.certificate.message()}"
            )


def _tangent_progress(progress: Progress, tolerance: float, what: str, value: float) -> None:
    """A fraction of the tangent arm: a third for the kernel, then by orders of magnitude of the gap."""
    if what == "kernel":
        progress("tangent kernel", 0.33 * value)
    else:
        left = np.log(max(value, tolerance)) / np.log(tolerance)
        progress(f"tangent minimum, relative gap {value:.0e}", 0.4 + 0.55 * float(np.clip(left, 0.0, 1.0)))


def _as_candidates(at: _Start, solutions: Sequence[Solution], settings: Sequence[float]) -> list[Candidate]:
    outputs = {name: predict_all(solutions, part.x) for name, part in at.parts.items()}
    return [
        Candidate(
            setting=settings[i],
            setting_name="ridge",
            outputs={name: values[i] for name, values in outputs.items()},
            motion=solution.relative_motion,
            outcome=str(solution.certificate.result),
            solution=solution,
        )
        for i, solution in enumerate(solutions)
    ]


def _moved(at: _Start, arms: Arms) -> Arms:
    """The real network at θ₀ + Δθ, with the Δθ of the chosen tangent minimum."""
    moved: Arms = {}
    for offset in ("kept", "centred"):
        chosen = best(arms[offset, TANGENT]).candidate
        assert chosen.solution is not None
        params = jax.tree.map(lambda p: np.asarray(p, np.float32), chosen.solution.moved)
        outputs = _network_outputs(at, params, offset)
        finite = all(np.isfinite(o).all() for o in outputs.values())
        candidate = Candidate(
            chosen.setting,
            "ridge",
            outputs if finite else {},
            chosen.motion,
            outcome="evaluated" if finite else "diverged",
        )
        moved[offset, "network at θ₀ + Δθ"] = [at.scored(candidate)]
    return moved


def _network_outputs(at: _Start, params: Params, offset: str) -> dict[str, np.ndarray]:
    outputs = {}
    for name, part in at.parts.items():
        now = Jacobian(at.network, params, part.x).outputs()
        start = 0.0 if offset == "kept" else np.asarray(Jacobian(at.network, at.params, part.x).outputs())
        outputs[name] = np.asarray(now) - start
    return outputs


def _descent(
    at: _Start, order: jax.Array, progress: Callable[[float], None]
) -> tuple[Arms, list[dict[str, Any]]]:
    """Gradient descent in parameter space: every step size, with f₀ kept and centred away, as replicas of one program."""
    plan, data = at.plan, TrainingData.of(at.task)
    batch = min(plan.batch, len(at.task.train))
    steps = plan.epochs * (len(at.task.train) // batch)
    unit = 1.0 / largest_curvature(at.network, at.params, at.task.train, at.loss)
    candidates = [(offset, size) for offset in ("kept", "centred") for size in plan.step_sizes]
    result = train(
        at.network,
        at.loss,
        data,
        TrainingPlan(
            steps=steps,
            batch=batch,
            optimiser=Sgd(momentum=plan.momentum),
            stop=ValidationScore(),
            score=Accuracy() if at.task.kind == "classification" else RSquared(),
        ),
        Replicas(
            params=stack([at.params] * len(candidates)),
            order_keys=order,
            step_sizes=np.array([unit * size for _, size in candidates], np.float32),
            centred=np.array([offset == "centred" for offset, _ in candidates]),
        ),
        progress=progress,
    )
    assert result.best is not None
    arms: Arms = {(offset, DESCENT): [] for offset in ("kept", "centred")}
    curves: list[dict[str, Any]] = []
    for i, (offset, size) in enumerate(candidates):
        params = jax.tree.map(lambda leaf, i=i: np.asarray(leaf)[i], result.best.params)
        outputs = _network_outputs(at, params, offset)
        # Its best point may well be finite, the start at worst, but a run that diverged is no choice.
        if result.endings[i] is Ending.DIVERGED or not all(np.isfinite(o).all() for o in outputs.values()):
            outputs = {}
        candidate = Candidate(
            size,
            "step size",
            outputs,
            relative_motion(params, at.params),
            stop_step=int(result.best.steps[i]),
            outcome=str(result.endings[i]),
        )
        arms[offset, DESCENT].append(at.scored(candidate))
        for j, step in enumerate(result.curves.steps):
            curves.append(
                {
                    "offset": offset,
                    "step_size": size,
                    "step": int(step),
                    "train_loss": float(result.curves.batch_loss[j, i]),
                    "validation_score": float(result.curves.validation_score[j, i]),
                    "validation_loss": float(result.curves.validation_loss[j, i]),
                }
            )
    for offset in ("kept", "centred"):
        if not any(s.candidate.outputs for s in arms[offset, DESCENT]):
            endings = sorted({Ending(s.candidate.outcome).value for s in arms[offset, DESCENT]})
            raise NumericalFailure(
                f"gradient descent with f₀ {offset} {', '.join(endings)} at every step size {list(plan.step_sizes)}: try "
                "smaller ones"
            )
    return arms, curves


def best(candidates: Sequence[Scored]) -> Scored:
    """The candidate of the highest validation score, of equals that with the lowest validation loss."""
    usable = [s for s in candidates if s.candidate.outputs]
    return max(usable or candidates, key=Scored.rank)


def _test_score(arms: Arms, arm: str) -> float:
    return best(arms["kept", arm]).score["test"] if ("kept", arm) in arms else float("nan")


def _offset(centred: bool) -> str:
    return "centred" if centred else "kept"


def _tables(
    at: _Start, cell: dict[str, Any], arms: Arms, curves: list[dict[str, Any]], seconds: dict[str, float]
) -> dict[str, Table]:
    chosen = {key: best(candidates) for key, candidates in arms.items()}
    tables = (
        Table.from_rows("arms", _arm_rows(at, cell, chosen), units=_UNITS, meanings=_MEANINGS),
        Table.from_rows("tuning", _tuning_rows(cell, arms, chosen), units=_UNITS, meanings=_MEANINGS),
        Table.from_rows("curves", [{**cell, **row} for row in curves], units=_UNITS, meanings=_MEANINGS),
        Table.from_rows("certificates", _certificate_rows(cell, arms), units=_UNITS, meanings=_MEANINGS),
        Table.from_rows("examples", _example_rows(at, cell, chosen), units=_UNITS, meanings=_MEANINGS),
        Table.from_rows(
            "timings",
            [{**cell, "arm": arm, "seconds": value} for arm, value in seconds.items()],
            units=_UNITS,
            meanings=_MEANINGS,
            measured=True,
        ),
    )
    return {table.name: table for table in tables}


_UNITS = {"seconds": "s"}
_MEANINGS = {
    "offset": "whether f(x, θ₀) is kept or centred away",
    "test_score": "accuracy, or R² for regression",
    "test_loss": "mean loss per example",
    "agreement": "fraction of test examples on which the prediction is that of gradient descent",
    "relative_motion": "‖Δθ‖/‖θ₀‖",
    "setting": "the chosen ridge relative to mean diag(K), or step size relative to the inverse largest curvature at θ₀",
    "duality_gap": "(primal − dual)/primal; for the minimum-norm limit the relative gradient norm",
    "relative_residual": "‖Jᵀ(∇ℓ(F) + λu)‖/‖Jᵀ∇ℓ(f₀)‖",
    "condition": "estimated condition number of K + λI",
    "stop_step": "the step whose parameters were chosen by validation",
    "seconds": "of all candidates of the arm together, compilation included",
}


def _arm_rows(
    at: _Start, cell: dict[str, Any], chosen: dict[tuple[str, str], Scored]
) -> list[dict[str, Any]]:
    rows = []
    for (offset, arm), s in chosen.items():
        reference = chosen[offset, DESCENT].candidate.outputs["test"]
        outputs = s.candidate.outputs.get("test")
        agreement = float("nan")
        if at.task.kind == "classification" and outputs is not None:
            agreement = float(np.mean(np.argmax(outputs, axis=1) == np.argmax(reference, axis=1)))
        rows.append(
            {
                "loss": cell["loss"],
                "offset": offset,
                "seed": cell["seed"],
                "arm": arm,
                "test_score": s.score["test"],
                "validation_score": s.score["validation"],
                "train_score": s.score["train"],
                "test_loss": s.loss["test"],
                "agreement": agreement,
                "relative_motion": s.candidate.motion,
                "setting": s.candidate.setting,
                "setting_name": s.candidate.setting_name,
            }
        )
    return rows


def _tuning_rows(
    cell: dict[str, Any], arms: Arms, chosen: dict[tuple[str, str], Scored]
) -> list[dict[str, Any]]:
    return [
        {
            "loss": cell["loss"],
            "offset": offset,
            "seed": cell["seed"],
            "arm": arm,
            "candidate": s.candidate.setting,
            "validation_score": s.score["validation"],
            "validation_loss": s.loss["validation"],
            "test_score": s.score["test"],
            "test_loss": s.loss["test"],
            "train_loss": s.loss["train"],
            "chosen": s is chosen[offset, arm],
            "stop_step": s.candidate.stop_step,
            "outcome": s.candidate.outcome,
        }
        for (offset, arm), candidates in arms.items()
        for s in candidates
    ]


def _certificate_rows(cell: dict[str, Any], arms: Arms) -> list[dict[str, Any]]:
    rows = []
    for (offset, arm), candidates in arms.items():
        if arm == "linear model" and offset == "centred":
            continue  # the same model stands beside both offsets
        for s in candidates:
            solution = s.candidate.solution
            if solution is None or (arm == "minimum-norm limit" and solution.ridge > 0):
                continue
            c = solution.certificate
            rows.append(
                {
                    "loss": cell["loss"],
                    "offset": offset,
                    "seed": cell["seed"],
                    "arm": arm,
                    "ridge": s.candidate.setting,
                    "relative_residual": c.relative_residual,
                    "duality_gap": c.duality_gap,
                    "primal": c.primal,
                    "dual": c.dual,
                    "condition": c.condition,
                    "iterations": c.iterations,
                    "precision": c.precision,
                    "rung": solution.stats.rung,
                    "met": c.met,
                    "tolerance": c.tolerance,
                }
            )
    return rows


def _example_rows(
    at: _Start, cell: dict[str, Any], chosen: dict[tuple[str, str], Scored]
) -> list[dict[str, Any]]:
    rows = []
    for offset in ("kept", "centred"):
        scores = {
            arm: at.task.scores(chosen[offset, arm].candidate.outputs["test"], at.task.test)
            for arm in (DESCENT, TANGENT)
        }
        for i, example in enumerate(at.task.test.ids.tolist()):
            rows.append(
                {
                    "loss": cell["loss"],
                    "offset": offset,
                    "seed": cell["seed"],
                    "id": example,
                    "descent_score": float(scores[DESCENT][i]),
                    "tangent_score": float(scores[TANGENT][i]),
                }
            )
    return rows
