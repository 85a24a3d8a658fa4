"""One cell: one seed, whose starts are trained in one program, each with the step size that validation chose; as tidy tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab.claims import start
from ticketlab.claims.fair_search import Candidate, Scored, best, edges, inside, scored, wider
from ticketlab.claims.rows import tables_of
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.claims.symmetry_breaking import formula
from ticketlab.claims.symmetry_breaking.claim import SymmetryBreakingPlan
from ticketlab.claims.symmetry_breaking.starts import (
    by_unit,
    constant,
    distinct,
    duplicated,
    independent,
    signs,
    spread,
    with_noise,
)
from ticketlab.errors import NumericalFailure, UserError
from ticketlab.evidence.tables import Table
from ticketlab.networks.network import Network, Params
from ticketlab.tangent.devices import Devices
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.tasks.task import Task
from ticketlab.training import Replicas, TrainingData, TrainingResult, stack, train
from ticketlab.training.result import Ending

__all__ = ["measure"]

LOOKS = 60  # at spreads and training scores, evenly over the steps
Told = Callable[[float], None]
BROKEN = 0.1  # of the norm of a layer's weights: from there on its units differ


def measure(
    plan: SymmetryBreakingPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    seed, clock = cell.seeds[0], start.Clock()
    progress("drawing split and network", 0.0)
    task = start.drawn_task(plan.task, seed)
    start.check_one_answer(task)
    network, loss = start.built(plan.network, task.input_shape, task.outputs), start.loss_of(task)
    _check(network)
    init, order = jax.random.split(jax.random.key(seed))
    starts = _starts(plan, network, network.init(init))
    alone = {name: starts[name] for name in formula.ALONE}
    found = _tuned(plan, network, loss, task, alone, order, lambda done: progress("step sizes", 0.4 * done))
    clock.lap("step sizes")
    chosen = {name: best(of).candidate.setting for name, of in found.items()}
    sizes = [plan.optimiser.step_size * chosen.get(name, 1.0) for name in starts]
    params = stack(list(starts.values()))
    looks = _looks(plan.steps)
    how = start.training_plan(
        plan,
        task,
        evaluate_every=looks[1],
        evaluate_training=True,
        checkpoints=looks,
        score=start.score_of(task),
    )
    result = train(
        network,
        loss,
        TrainingData.of(task),
        how,
        Replicas(params, jnp.broadcast_to(order, len(starts)), step_sizes=np.array(sizes, np.float32)),
        progress=lambda fraction: progress("training", 0.4 + 0.45 * fraction),
    )
    _refuse_diverged(result, list(starts))
    clock.lap("training")
    progress("units and gradients", 0.9)
    x, y = task.train.x, task.train.targets
    gradients = [_gradients(network, loss, of, x, y) for of in (params, result.params)]
    clock.lap("units and gradients")
    test = start.example_scores(network, result.params, task, task.test)
    rows: dict[str, list[dict[str, Any]]] = {"arms": [], "layers": [], "curves": []}
    for number, name in enumerate(starts):
        noise = 0.0 if name in alone else plan.noises[number - len(alone)]
        about = {"start": name if name in alone else "noise", "noise": noise, "seed": seed}
        curve = _curve(network, result, number)
        rows["curves"] += [{**about, **row} for row in curve]
        at = {"step_size": sizes[number], "inside": name in alone and inside(found[name])}
        rows["arms"].append({**about, **_arm(curve), **at, "test_score": float(test[number].mean())})
        both = [jax.tree.map(lambda a, n=number: a[n], of) for of in gradients]
        after = jax.tree.map(lambda a, n=number: a[n], result.params)
        rows["layers"] += [{**about, **row} for row in _layers(network, after, both)]
    rows["examples"] = start.example_rows(task, seed, dict(zip(starts, test, strict=True)))
    rows["timings"] = clock.rows(seed=seed)
    return tables_of(rows, _MEANINGS)


def _check(network: Network) -> None:
    network.require_layers("symmetric starts")
    if not network.unit_groups or any(group.units < 2 for group in network.unit_groups):
        raise UserError(
            f"{network.name}, which has no hidden layer, or one with a single unit",
            "hidden layers of at least two units",
            "A single unit has no other to be equal to.",
        )


def _tuned(
    plan: SymmetryBreakingPlan,
    network: Network,
    loss: ConvexLoss,
    task: Task,
    starts: Mapping[str, Params],
    order: jax.Array,
    progress: Told,
) -> dict[str, list[Scored]]:
    """All candidates of each start's step size, scored at the end of training; more of them while the choice is at an edge."""
    found: dict[str, list[Scored]] = {name: [] for name in starts}
    grids = {name: list(plan.step_sizes) for name in starts}
    for number in range(1 + plan.extensions):
        lanes = [(name, size) for name, sizes in grids.items() for size in sizes]
        replicas = Replicas(
            stack([starts[name] for name, _ in lanes]),
            jnp.broadcast_to(order, len(lanes)),
            step_sizes=np.array([plan.optimiser.step_size * size for _, size in lanes], np.float32),
        )
        how = start.training_plan(plan, task, evaluate_every=plan.steps)
        ended = train(network, loss, TrainingData.of(task), how, replicas)
        for lane, ((name, size), end) in enumerate(zip(lanes, ended.endings, strict=True)):
            params = jax.tree.map(lambda a, n=lane: a[n], ended.params)
            outputs = start.evaluated(network, params, task, task.validation)
            fine = end is not Ending.DIVERGED and bool(np.isfinite(outputs).all())
            candidate = Candidate(size, "step size", {"validation": outputs} if fine else {}, 0.0)
            found[name].append(scored(task, loss, candidate))
        progress((number + 1) / (1 + plan.extensions))
        grids = {name: more for name, of in found.items() if (more := _more(of))}
        if not grids:
            break
    return found


def _more(found: Sequence[Scored]) -> list[float]:
    """One candidate more at each edge towards which the grid is too narrow."""
    towards = edges(found)
    return wider([of.candidate.setting for of in found], towards, len(towards))


def _starts(plan: SymmetryBreakingPlan, network: Network, drawn: Params) -> dict[str, Params]:
    """By name; the four without noise come first."""
    return {
        formula.RANDOM: drawn,
        formula.CONSTANT: constant(network, drawn),
        formula.SIGNS: signs(network, drawn),
        formula.DUPLICATED: duplicated(network, drawn, plan.copies),
        **{formula.noisy(noise): with_noise(network, drawn, noise) for noise in plan.noises},
    }


def _looks(steps: int) -> tuple[int, ...]:
    every = max(1, steps // LOOKS)
    return tuple(range(0, steps + 1, every))


@partial(jax.jit, static_argnums=(0, 1))
def _gradients(network: Network, loss: ConvexLoss, params: Params, x: Any, y: Any) -> Params:
    """Of the mean loss of all training examples, for each network `[R, …]`."""

    def mean_loss(of: Params) -> Any:
        return jnp.mean(loss.value(network.apply(of, x), y))

    return jax.lax.map(jax.grad(mean_loss), params)


def _refuse_diverged(result: TrainingResult, names: list[str]) -> None:
    lost = [name for name, end in zip(names, result.endings, strict=True) if end is Ending.DIVERGED]
    if lost:
        raise NumericalFailure(
            f"Training diverged from these starts: {', '.join(lost)}. Use a smaller step size."
        )


def _curve(network: Network, result: TrainingResult, number: int) -> list[dict[str, Any]]:
    """Spread and training score at every look."""
    scores = dict(
        zip(result.curves.steps.tolist(), result.curves.train_score[:, number].tolist(), strict=True)
    )
    found = []
    for step, state in sorted(result.checkpoints.items()):
        params = jax.tree.map(lambda a: np.asarray(a[number]), state.params)
        least = min(spread(by_unit(group, params)) for group in network.unit_groups)
        equal = all(np.ptp(by_unit(group, params), axis=0).max() == 0 for group in network.unit_groups)
        found.append({"step": step, "spread": least, "train_score": scores[step], "equal": equal})
    return found


def _arm(curve: list[dict[str, Any]]) -> dict[str, Any]:
    """The step from which units of all layers differ, and training scores over the last two quarters of the looks."""
    quarter = max(1, len(curve) // 4)
    means = [
        float(np.mean([row["train_score"] for row in part]))
        for part in (curve[-quarter:], curve[-2 * quarter : -quarter])
    ]
    broken = next((row["step"] for row in curve if row["spread"] >= BROKEN), float("nan"))
    return {
        "broken": float(broken),
        "equal": all(row["equal"] for row in curve),
        "at_start": curve[0]["spread"],
        "spread": curve[-1]["spread"],
        "train_score": means[0],
        "before": means[1],
    }


def _layers(network: Network, after: Params, gradients: list[Params]) -> list[dict[str, Any]]:
    return [
        {
            "layer": group.layer,
            "units": group.units,
            "distinct": distinct(by_unit(group, after)),
            "rank": max(independent(by_unit(group, of)) for of in gradients),
        }
        for group in network.unit_groups
    ]


_MEANINGS = {
    "start": "the kind of start; noise is added to the constant one",
    "noise": "the size of the noise, as a share of the random start's weights",
    "spread": "‖U − ū‖/‖U‖ of the incoming weights U of a layer's units, the least of all hidden layers",
    "at_start": "the spread before the first step",
    "broken": "the first look at which the spread is at least 0.1; missing if there is none",
    "equal": "whether the units of every hidden layer are equal to the last bit; of arms, at every look",
    "train_score": "on training data; of arms, the mean over the last quarter of the looks",
    "before": "the same over the quarter before",
    "step_size": "of training; validation chose it for each start without noise",
    "inside": "whether it was chosen, and lies inside its grid or next to one that is as good",
    "distinct": "units that differ by more than 10⁻⁶ of their norm, after training",
    "rank": "of the gradients of the layer's units, the larger of start and end: singular values above 10⁻⁶ of the largest",
    "part": "of the cell",
}
