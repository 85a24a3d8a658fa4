"""What one cell of the study `linear-regime` computes: a network of one parameterisation at every width, trained, and its
linearisation trained the same way.

    draw split  →  at each width: θ₀  →  gradient descent to θ_T  |  the linear model at the same step, in closed form
    →  motion, kernel drift, distance  →  tables
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab.claims.linear_regime.claim import LinearRegimePlan
from ticketlab.claims.linear_regime.formula import CONTROL
from ticketlab.claims.start import Clock, built, drawn_task, largest_curvature, relative_motion, score_of
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.errors import NumericalFailure, UserError
from ticketlab.evidence.tables import Table
from ticketlab.networks.initialisation import Parameterisation
from ticketlab.networks.network import Network, Params, parameter_count
from ticketlab.tangent.alignment import centred_alignment, target_alignment
from ticketlab.tangent.devices import Devices
from ticketlab.tangent.dual import DualKernel, dual_kernel
from ticketlab.tangent.flow import GradientDescent, Lanczos, TrainingPath, path_of
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.kernel import tangent_kernel
from ticketlab.tangent.quadrature import kernel_spectrum
from ticketlab.tasks.losses import SQUARE
from ticketlab.tasks.task import Task
from ticketlab.training import Replicas, Sgd, TrainingData, TrainingPlan, TrainingResult, stack, train
from ticketlab.training.result import Ending

__all__ = ["at_widths", "measure"]

KRYLOV_STEPS = (100, 300, 900)  # the next larger where the defect is above the tolerance
LOOKS = 20  # at the training loss, of the network and of its linearisation
RIDGE = 1e-2  # of the effective dimension, relative to mean diag(K)
PROBES, PROBE_STEPS = 8, 40  # random vectors, and products with K for each, from which it is estimated
ROWS = 12_000  # Nk above which K takes more than a gigabyte


def measure(
    plan: LinearRegimePlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    """One cell's tables."""
    return at_widths(plan, cell.settings["parameterisation"], cell.seeds[0], progress, devices)


def at_widths(
    plan: LinearRegimePlan,
    parameterisation: str,
    seed: int,
    progress: Progress,
    devices: Devices | None = None,
) -> dict[str, Table]:
    """All widths of one parameterisation and one seed, as tidy tables."""
    task = drawn_task(plan.task, seed)
    if (rows := len(task.train) * task.outputs) > ROWS:
        raise UserError(
            f"{len(task.train)} training examples with {task.outputs} outputs, {rows} rows",
            f"at most {ROWS}",
            f"Use fewer: --task …:train={ROWS // task.outputs}. The tangent kernel is formed at every width.",
        )
    shares = sorted(plan.shares)
    architecture = replace(plan.network, parameterisation=Parameterisation(parameterisation))
    networks = [built(architecture.widened(share), task.input_shape, task.outputs) for share in shares]
    sizes = [_width(network) for network in networks]
    if len(set(sizes)) < len(sizes):
        raise UserError(
            f"shares {shares} that give the widths {sizes}",
            "different widths",
            "Use a wider network, or fewer shares.",
        )
    widths, curves, seconds = [], [], []
    work = np.cumsum([0.0, *np.square(shares)])
    for i, (network, width) in enumerate(zip(networks, sizes, strict=True)):
        low, high = work[i : i + 2] / work[-1]

        def told(what: str, done: float, low: float = low, high: float = high, width: int = width) -> None:
            progress(f"width {width}, {what}", float(low + (high - low) * done))

        clock = Clock()
        key = jax.random.fold_in(jax.random.key(seed), i)
        row, curve = _at_width(plan, task, network, parameterisation, key, told, devices)
        clock.lap("all")
        about = {"parameterisation": parameterisation, "seed": seed, "width": width}
        widths.append({**about, **row})
        curves += [{**about, **point} for point in curve]
        seconds.append({**about, "seconds": clock.seconds["all"]})
    tables = (
        Table.from_rows("widths", widths, meanings=_MEANINGS),
        Table.from_rows("curves", curves, meanings=_MEANINGS),
        Table.from_rows("timings", seconds, units={"seconds": "s"}, measured=True),
    )
    return {table.name: table for table in tables}


def _start(network: Network, parameterisation: str, key: jax.Array) -> Params:
    """θ₀; under μP with a read-out of zero (Yang et al. 2022): a random one has noise that vanishes only as width grows."""
    params = network.init(key)
    if parameterisation != CONTROL:
        return params
    last = network.layers[-1].name
    return {**params, last: jax.tree.map(jnp.zeros_like, params[last])}


def _width(network: Network) -> int:
    """Units of the widest hidden layer."""
    hidden = network.layers[:-1]
    if not hidden:
        raise UserError(
            f"{network.name}, which has no hidden layer", "a network with one", "Use --network mlp:512x512."
        )
    return max(layer.units for layer in hidden)


def _at_width(
    plan: LinearRegimePlan,
    task: Task,
    network: Network,
    parameterisation: str,
    key: jax.Array,
    progress: Progress,
    devices: Devices | None,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    draw, order = jax.random.split(key)
    params = _start(network, parameterisation, draw)
    step_size = plan.step_size / largest_curvature(network, params, task.train, SQUARE)
    result = _train(plan, task, network, params, order, step_size, progress)
    trained = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), result.params)

    progress("tangent kernel", 0.7)
    kernel = dual_kernel(Jacobian(network, params, task.train.x, dtype=np.float64, devices=devices))
    progress("linearisation", 0.8)
    path, defect = _linearised(plan, task, kernel, step_size)
    (linear,) = path.predict(task.test.x, [plan.steps])  # without f₀, when it is centred away
    progress("kernel at the end", 0.9)
    start, end = (
        np.asarray(Jacobian(network, p, task.test.x).outputs(), np.float64) for p in (params, trained)
    )
    if plan.centred:
        start, end = np.zeros_like(start), end - start
    steps = result.curves.steps.tolist()
    losses = 0.5 * np.mean(np.sum(path.residuals(steps) ** 2, axis=2), axis=1)
    row = {
        "parameters": parameter_count(params),
        "motion": relative_motion(trained, params),
        **_kernels(plan, task, kernel, trained),
        "distance": float(np.sqrt(np.mean((end - linear) ** 2) / max(np.mean((end - start) ** 2), 1e-300))),
        "features": _feature_motion(network, params, trained, task.test.x),
        "train_loss": float(result.curves.train_loss[-1, 0]),
        "linear_train_loss": float(losses[-1]),
        "test_score": float(np.mean(task.scores(end, task.test))),
        "linear_test_score": float(np.mean(task.scores(linear, task.test))),
        "step_size": step_size,
        "defect": defect,
    }
    curve = [
        {
            "step": int(step),
            "train_loss": float(result.curves.train_loss[i, 0]),
            "linear_train_loss": float(losses[i]),
        }
        for i, step in enumerate(steps)
    ]
    return row, curve


def _train(
    plan: LinearRegimePlan,
    task: Task,
    network: Network,
    params: Params,
    order: jax.Array,
    step_size: float,
    progress: Progress,
) -> TrainingResult:
    """Gradient descent on all training examples, to the plan's last step."""
    result = train(
        network,
        SQUARE,
        TrainingData(task.train.x, task.train.targets),
        TrainingPlan(
            steps=plan.steps,
            batch=None,
            optimiser=Sgd(momentum=plan.momentum),
            score=score_of(task),
            evaluate_every=max(1, plan.steps // LOOKS),
            evaluate_training=True,
        ),
        Replicas(
            stack([params]),
            order,
            step_sizes=np.full(1, step_size, np.float32),
            centred=np.array([plan.centred]),
        ),
        progress=lambda done: progress("gradient descent", 0.7 * done),
    )
    if result.endings[0] is Ending.DIVERGED or not np.isfinite(result.curves.train_loss[-1, 0]):
        raise NumericalFailure(
            f"gradient descent diverged after {int(result.steps[0])} steps with {network.name}: use a smaller step_size than "
            f"{plan.step_size:g}"
        )
    return result


def _linearised(
    plan: LinearRegimePlan, task: Task, kernel: DualKernel, step_size: float
) -> tuple[TrainingPath, float]:
    """The path of gradient descent on the linearised network, from a Krylov space large enough for its last step."""
    targets = np.asarray(task.train.targets, np.float64)
    dynamics = GradientDescent(step_size, plan.momentum)
    for steps in KRYLOV_STEPS:
        (path,) = path_of(kernel, targets, dynamics, centred=(plan.centred,), method=Lanczos(steps))
        (defect,) = path.defect([plan.steps])
        if defect <= plan.tolerance:
            return path, float(defect)
    raise NumericalFailure(
        f"The linearised model's path misses its own equation at step {plan.steps} by {defect:.1e}, tolerance "
        f"{plan.tolerance:g}. Use a larger tolerance, fewer steps or a smaller step_size."
    )


def _kernels(plan: LinearRegimePlan, task: Task, kernel: DualKernel, trained: Params) -> dict[str, float]:
    """The tangent kernel at the start and at the end, on some training examples.

    Its drift 1 − CKA, its alignment with the targets and, at the start, its effective dimension.
    """
    count = min(plan.kernel_examples, len(task.train))
    rows, targets = count * task.outputs, np.asarray(task.train.targets[:count], np.float64)
    jacobian = replace(kernel.jacobian, x=task.train.x[:count])
    whole = kernel.matrix if kernel.matrix is not None else tangent_kernel(kernel.jacobian)
    before = np.asarray(whole)[:rows, :rows]
    after = np.asarray(tangent_kernel(replace(jacobian, params=trained)))
    seen = kernel_spectrum(
        lambda u: np.asarray(u) @ before, (1, rows), probes=PROBES, steps=PROBE_STEPS, seed=0
    )
    dimension = seen.effective_dimension(RIDGE * seen.mean.value)
    return {
        "drift": 1.0 - centred_alignment(before, after, task.outputs),
        "alignment_start": target_alignment(before, targets),
        "alignment_end": target_alignment(after, targets),
        "effective_dimension": dimension.value,
        "effective_dimension_error": dimension.standard_error,
    }


def _feature_motion(network: Network, params: Params, trained: Params, x: np.ndarray) -> float:
    """‖h_T − h₀‖/‖h₀‖ of the last hidden layer's features; NaN for a network that does not describe them."""
    if network.features is None:
        return float("nan")
    before, after = (list(network.features(p, jnp.asarray(x)).values())[-1] for p in (params, trained))
    return float(jnp.linalg.norm(after - before) / jnp.linalg.norm(before))


_MEANINGS = {
    "width": "units of the widest hidden layer",
    "motion": "‖θ_T − θ₀‖ / ‖θ₀‖",
    "drift": "1 − CKA of the tangent kernel at the start and at the end",
    "distance": "RMS of f_T − F_T over test examples, relative to that of f_T − f₀",
    "alignment_start": "centred alignment of the kernel at the start with the targets",
    "alignment_end": "the same at the end",
    "effective_dimension": "tr K(K + λI)⁻¹ of the kernel at the start, λ = 0.01 mean diag(K), by stochastic Lanczos quadrature",
    "effective_dimension_error": "its standard error over probes",
    "features": "‖h_T − h₀‖ / ‖h₀‖ of the last hidden layer's features",
    "train_loss": "mean training loss of the network",
    "linear_train_loss": "mean training loss of its linearisation, trained the same way",
    "test_score": "of the network: accuracy, or R² for regression",
    "linear_test_score": "of its linearisation",
    "step_size": "as it is taken: the plan's, over the largest curvature at θ₀",
    "defect": "how far the linearised model's path is from its own equation at the last step",
}
