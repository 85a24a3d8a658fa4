"""What one cell of the study `linear-regime` computes: a network of one parameterisation at every width, trained, and its
linearisation trained the same way.

    draw split  →  at each width: θ₀  →  gradient descent to θ_T  |  the linear model at the same step
    →  motion, kernel drift, distance  →  tables

With the square loss the linear model's path is known in closed form, and T is the plan's last step. A network with hardly any
loss left stays where it is. So its training stops, and its linear model may take longer: where it learns more slowly, it is
followed until it has converged too. The cross-entropy of data that can be separated has no minimum at finite parameters, and its
outputs grow for ever. So training stops at a stated training loss, and both are compared at that step: gradient descent on the
linear model is the same recurrence with K in place of f.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab import training
from ticketlab.claims import start
from ticketlab.claims.linear_regime.claim import LinearRegimePlan
from ticketlab.claims.linear_regime.formula import CONTROL, settled
from ticketlab.claims.linear_regime.linear import LinearPath, Start, linearised
from ticketlab.claims.rows import rows_of, tables_of
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.errors import NumericalFailure, UserError
from ticketlab.evidence.tables import Table
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.initialisation import Parameterisation
from ticketlab.networks.network import Network, Params, parameter_count
from ticketlab.tangent.alignment import centred_alignment, target_alignment
from ticketlab.tangent.devices import Devices
from ticketlab.tangent.dual import DualKernel, dual_kernel
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.kernel import tangent_kernel
from ticketlab.tangent.quadrature import kernel_spectrum
from ticketlab.training.result import Ending

__all__ = ["measure"]

HALVINGS = 6  # of a step size with which training diverges
TRIAL = 200  # steps with cross-entropy, which must halve the loss or reach the stated one
LOOKS = 40  # at the training loss, of the network and of its linearisation
GONE = 1e-4  # of the square loss at the start: with less left, residuals are below 1 % of what they were, and training stops
LONGER = (1, 4, 16)  # times the plan's steps, for the linear model of a network whose loss is gone
RIDGE = 1e-2  # of the effective dimension, relative to mean diag(K)
PROBES, PROBE_STEPS = 8, 40  # random vectors, and products with K for each, from which it is estimated
ROWS = 12_000  # Nk above which K takes more than a gigabyte


def measure(
    plan: LinearRegimePlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    """All widths of one loss, depth, parameterisation and seed, as tidy tables."""
    loss, depth, parameterisation = (cell.settings[name] for name in ("loss", "depth", "parameterisation"))
    seed = cell.seeds[0]
    task = start.drawn_task(plan.task, seed)
    start.check_losses(plan.losses, task)
    if (rows := len(task.train) * task.outputs) > ROWS:
        raise UserError(
            f"{len(task.train)} training examples with {task.outputs} outputs, {rows} rows",
            f"at most {ROWS}",
            f"Use fewer: --task …:train={ROWS // task.outputs}. The tangent kernel is formed at every width.",
        )
    shares = (1.0,) if plan.one_start else sorted(plan.shares)
    networks = [
        start.built(a, task.input_shape, task.outputs) for a in _architectures(plan, depth, parameterisation)
    ]
    sizes = [_width(network) for network in networks]
    if len(set(sizes)) < len(sizes):
        raise UserError(
            f"shares {shares} that give the widths {sizes}",
            "different widths",
            "Use a wider network, or fewer shares.",
        )
    about = {"loss": loss, "depth": depth, "parameterisation": parameterisation, "seed": seed}
    found: dict[str, list[dict[str, Any]]] = {"widths": [], "curves": [], "examples": [], "timings": []}
    work = np.cumsum([0.0, *np.square(shares)])
    for i, (network, width) in enumerate(zip(networks, sizes, strict=True)):
        low, high = work[i : i + 2] / work[-1]

        def told(what: str, done: float, low: float = low, high: float = high, width: int = width) -> None:
            progress(f"width {width}, {what}", float(low + (high - low) * done))

        clock = start.Clock()
        draw, order = jax.random.split(jax.random.fold_in(jax.random.key(seed), i))
        params, convex = _params(network, parameterisation, draw), start.LOSSES[loss]
        step_size = plan.step_size / start.largest_curvature(network, params, task.train, convex)
        at = Start(plan, task, convex, network, params, order, step_size)
        row, curve, examples = _at_width(at, told, devices)
        clock.lap("all")
        found["widths"].append({**about, "width": width, **row})
        found["curves"] += [{**about, "width": width, **point} for point in rows_of(curve)]
        found["timings"].append({**about, "width": width, "seconds": clock.seconds["all"]})
        if width == max(sizes):
            found["examples"] = [{**about, **score} for score in rows_of(examples)]
    return tables_of(found, _MEANINGS)


def _architectures(plan: LinearRegimePlan, depth: int, parameterisation: str) -> list[Architecture]:
    """One for each width, the narrowest first; a start from a file has its own width alone."""
    if plan.one_start:
        return [plan.network]
    widest = replace(plan.of_depth(depth).staged(), parameterisation=Parameterisation(parameterisation))
    return [widest.widened(share) for share in sorted(plan.shares)]


def _params(network: Network, parameterisation: str, key: jax.Array) -> Params:
    """θ₀; under μP with a read-out of zero (Yang et al. 2022): a random one has noise that vanishes only as width grows."""
    params = network.init(key)
    if parameterisation != CONTROL:
        return params
    last = network.layers[-1].name
    return {**params, last: jax.tree.map(jnp.zeros_like, params[last])}


def _width(network: Network) -> int:
    """Units of the widest hidden layer; 0 for a network without a description of its layers."""
    if not network.layers:
        return 0
    hidden = network.layers[:-1]
    if not hidden:
        raise UserError(
            f"{network.name}, which has no hidden layer", "a network with one", "Use --network mlp:512x512."
        )
    return max(layer.units for layer in hidden)


def _at_width(
    at: Start, progress: Progress, devices: Devices | None
) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What was measured at one width: the row of the table of widths; the training losses at every look; and of every test
    example the scores at the end.
    """
    plan, task, network = at.plan, at.task, at.network
    jacobian = Jacobian(network, at.params, task.train.x, dtype=np.float64, devices=devices)
    result, halvings = _trained(at, progress)
    at = _halved(at, halvings)
    trained = jax.tree.map(lambda leaf: jax.device_put(leaf[0]), result.params)
    last = int(result.steps[0])
    steps = [step for step in result.curves.steps.tolist() if step <= last]

    progress("tangent kernel", 0.7)
    kernel = dual_kernel(jacobian)
    progress("linearisation", 0.8)
    path = _followed(at, kernel, steps)
    linear = path.outputs  # without f₀, when it is centred away
    progress("kernel at the end", 0.9)
    before, after = (
        np.asarray(Jacobian(network, p, task.test.x).outputs(), np.float64) for p in (at.params, trained)
    )
    if plan.centred:
        before, after = np.zeros_like(before), after - before
    looks = result.curves.train_loss[result.curves.steps <= last, 0]
    train_loss = np.pad(looks, (0, len(path.steps) - len(looks)), mode="edge")
    scores, linear_scores = (task.scores(outputs, task.test) for outputs in (after, linear))
    row = {
        "parameters": parameter_count(at.params),
        "motion": start.relative_motion(trained, at.params),
        **_kernels(at, kernel, trained),
        "distance": float(
            np.sqrt(np.mean((after - linear) ** 2) / max(np.mean((after - before) ** 2), 1e-300))
        ),
        "features": _feature_motion(at, trained),
        "last_step": last,
        "linear_step": path.steps[-1],
        "train_loss": float(train_loss[-1]),
        "linear_train_loss": float(path.losses[-1]),
        "test_score": float(np.mean(scores)),
        "linear_test_score": float(np.mean(linear_scores)),
        "step_size": at.step_size,
        "halvings": halvings,
        "defect": path.defect,
    }
    losses = {"train_loss": train_loss, "linear_train_loss": path.losses}
    curve = {"step": np.array(path.steps), **{name: of.astype(float) for name, of in losses.items()}}
    examples = {"id": task.test.ids, "guess": start.guessed(task), "network": scores, "linear": linear_scores}
    return row, curve, examples


def _followed(at: Start, kernel: DualKernel, steps: list[int]) -> LinearPath:
    """The linear model, at the network's last step; or later with the square loss, if the network has stopped before its plan's.

    Arguments:
        steps: of the looks at the network's training.
    """
    end = at.plan.steps
    if not at.loss.finite_minimum or steps[-1] == end:
        return linearised(at, kernel, steps)
    for times in LONGER:
        more = range(0, times * end + 1, times * _every(at.plan))
        path = linearised(at, kernel, sorted({*steps, *more, times * end}))
        if settled(np.array(path.steps), path.losses):
            break
    return path


def _halved(at: Start, times: int) -> Start:
    return replace(at, step_size=at.step_size / 2**times)


def _trained(at: Start, progress: Progress) -> tuple[training.TrainingResult, int]:
    """Training, and how often the step size had to be halved, because training diverged or did not learn.

    The curvature at θ₀ bounds the step size of the first steps only. Under μP with a read-out of zero it knows nothing of the
    hidden layers: deep narrow networks diverge, and with cross-entropy units die, which leaves the loss where it was. So there
    the first steps are a trial, with a look at every step.
    """
    plan, slow = at.plan, None
    for halvings in range(HALVINGS + 1):
        steps = plan.steps if at.loss.finite_minimum else min(plan.steps, TRIAL)
        result = _train(_halved(at, halvings), steps, progress)
        left = result.curves.train_loss[:, 0]
        if result.endings[0] is Ending.DIVERGED or not np.all(np.isfinite(left)):
            continue
        if at.loss.finite_minimum or result.endings[0] is Ending.INTERPOLATED or steps == plan.steps:
            return result, halvings
        if left[-1] < left[0] / 2:
            return _train(_halved(at, halvings), plan.steps, progress), halvings
        slow = slow or (result, halvings)
    if slow is not None:  # a gate says that the stated loss was not reached
        return slow
    raise NumericalFailure(
        f"gradient descent diverged after {int(result.steps[0])} steps with {at.network.name}, and with every larger step size "
        f"tried: use a smaller step_size than {plan.step_size / 2**HALVINGS:g}"
    )


def _train(at: Start, steps: int, progress: Progress) -> training.TrainingResult:
    """Gradient descent on all training examples: until hardly any loss is left, or a stated share where there is no minimum."""
    plan, finite = at.plan, at.loss.finite_minimum
    return training.train(
        at.network,
        at.loss,
        training.TrainingData(at.task.train.x, at.task.train.targets),
        training.TrainingPlan(
            steps=steps,
            batch=None,
            optimiser=training.Sgd(momentum=plan.momentum),
            score=start.score_of(at.task),
            stop=training.Interpolation((GONE if finite else plan.reached) * _start_loss(at)),
            evaluate_every=_every(plan) if finite else max(1, steps // TRIAL),
            evaluate_training=True,
        ),
        training.Replicas(
            training.stack([at.params]),
            at.order,
            step_sizes=np.full(1, at.step_size, np.float32),
            centred=np.array([plan.centred]),
        ),
        progress=lambda done: progress("gradient descent", 0.7 * done),
    )


def _every(plan: LinearRegimePlan) -> int:
    """Steps from one look at the training loss to the next."""
    return max(1, plan.steps // LOOKS)


def _start_loss(at: Start) -> float:
    """The mean training loss at θ₀."""
    outputs = np.asarray(Jacobian(at.network, at.params, at.task.train.x).outputs())
    return float(
        jnp.mean(
            at.loss.values(np.zeros_like(outputs) if at.plan.centred else outputs, at.task.train.targets)
        )
    )


def _kernels(at: Start, kernel: DualKernel, trained: Params) -> dict[str, float]:
    """The tangent kernel at the start and at the end, on some training examples.

    Its drift 1 − CKA, its alignment with the targets and, at the start, its effective dimension.
    """
    task = at.task
    count = min(at.plan.kernel_examples, len(task.train))
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


def _feature_motion(at: Start, trained: Params) -> float:
    """‖h_T − h₀‖/‖h₀‖ of the last hidden layer's features; NaN for a network that does not describe them."""
    if at.network.features is None:
        return float("nan")
    features, x = jax.jit(at.network.features), at.task.test.x
    before, after = (np.asarray(list(features(p, x).values())[-1]) for p in (at.params, trained))
    return float(np.linalg.norm(after - before) / np.linalg.norm(before))


_MEANINGS = {
    "depth": "hidden layers; 0 for a network that has no such number",
    "last_step": "of the network's training",
    "linear_step": "at which its linearisation is compared with it",
    "network": "score of the network at the widest",
    "linear": "score of its linearisation",
    "guess": "score of always giving the most frequent class, or the mean",
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
    "step_size": "as it is taken: the plan's, over the largest curvature at θ₀, after any halving",
    "halvings": "how often the step size was halved, because training diverged",
    "defect": "how far the linearised model's path is from its own equation at the last step",
}
