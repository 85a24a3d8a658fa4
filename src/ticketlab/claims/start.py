"""Where the cells of every study start: the split, the network, its loss and its unit of step sizes, functions of plan and seed.

Data sets and networks are made once for all cells of a process, so that what is compiled for one network is compiled once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ticketlab.claims.rows import rows_of
from ticketlab.errors import UserError
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.evaluation import evaluate
from ticketlab.networks.network import Network, Params
from ticketlab.networks.pretrained import Pretrained
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.spectrum import extreme_eigenvalues
from ticketlab.tasks import split
from ticketlab.tasks.dataset import Dataset
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY, SQUARE, ConvexLoss, Targets
from ticketlab.tasks.pinned import check_pinned
from ticketlab.tasks.sources import NamedFolder, OwnFile, TaskSource
from ticketlab.tasks.step_losses import each_step
from ticketlab.tasks.task import Split, Task
from ticketlab.training import Accuracy, Replicas, RSquared, StepAccuracy, TrainingData, train
from ticketlab.training.optimisers import Constant
from ticketlab.training.plan import Score, TrainingPlan

__all__ = [
    "LOSSES", "Clock", "Outputs", "batch_of", "built", "check_classes", "check_losses", "check_one_answer", "drawn_task",
    "each_part", "evaluated", "example_rows", "example_scores", "guessed", "largest_curvature", "loss_of", "minus",
    "network_outputs", "network_scores", "parts", "permuted", "permuted_labels", "relative_motion", "score_of", "seed_keys",
    "taken", "trained", "training_plan",
]  # fmt: skip

LOSSES = {"square": SQUARE, "cross-entropy": SOFTMAX_CROSS_ENTROPY}
FileState = tuple[str, int, int, int, int]
Outputs = dict[str, np.ndarray]
"""A function's values by part of the task."""

CURVATURE_EXAMPLES = 256  # enough for the largest curvature, which sets the unit of step sizes


def drawn_task(source: TaskSource, seed: int) -> Task:
    """The data set, split by the seed; UserError when it has changed since the run began."""
    dataset = _loaded(source, _files(source))
    check_pinned(source, dataset.content_hash, dataset.name)
    return split(dataset, seed, source.sizes())


@lru_cache(maxsize=2)
def _loaded(source: TaskSource, files: tuple[FileState, ...]) -> Dataset:
    """The data set, read once for all cells, and again when its files have changed since."""
    return source.load()


def _files(source: TaskSource) -> tuple[FileState, ...]:
    """Place, times and size of every file that a data set is read from."""
    if isinstance(source, OwnFile):
        place = source.where()
    elif isinstance(source, NamedFolder):
        place = source.path()
    else:
        return ()
    found = sorted(p.resolve() for p in (place, *place.rglob("*")) if p.is_file())
    states = [(p, p.stat()) for p in found]
    return tuple((str(p), s.st_mtime_ns, s.st_ctime_ns, s.st_size, s.st_ino) for p, s in states)


def taken(part: Split, rows: np.ndarray | slice) -> Split:
    """Some examples of a part."""
    labels = None if part.labels is None else part.labels[rows]
    return Split(part.x[rows], part.targets[rows], part.ids[rows], labels)


def each_part(task: Task, changed: Callable[[Split], Split]) -> Task:
    """The task with every part changed alike: first training, then validation, then test data."""
    return replace(task, **{name: changed(part) for name, part in parts(task).items()})  # type: ignore[arg-type]


def permuted_labels(task: Task, seed: int) -> Task:
    """The task with the labels of every part in another order: there is nothing to be learnt, and as much to be fitted."""
    rng = np.random.Generator(np.random.PCG64(seed))
    return each_part(task, lambda part: permuted(part, rng))


def permuted(part: Split, rng: np.random.Generator) -> Split:
    """The same examples with one another's labels."""
    order = np.argsort(rng.random(len(part)), kind="stable")
    labels = None if part.labels is None else part.labels[order]
    return replace(part, targets=part.targets[order], labels=labels)


def seed_keys(seeds: Sequence[int], stream: int, count: int) -> Array:
    """The keys of seeds, so many each, `[seeds, count]`.

    Arguments:
        stream: of every seed's key; what chose a study's default plan has used others than the study.
    """
    keys = (jax.random.fold_in(jax.random.key(seed), stream) for seed in seeds)
    return jnp.stack([jax.random.split(key, count) for key in keys])


def batch_of(batch: int, task: Task) -> int:
    """Examples in a step: as the plan says, or all there are where that is fewer (the run's notes say so)."""
    return min(batch, len(task.train))


def guessed(task: Task) -> np.ndarray:
    """Each test example's score where the most frequent class, or the mean, is always the answer."""
    if task.train.labels is None or task.test.labels is None:
        return np.zeros(len(task.test))
    right = task.test.labels == np.bincount(task.train.labels.ravel()).argmax()
    return right.reshape(len(task.test), -1).mean(axis=1)


def example_rows(task: Task, seed: int, scores: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """A row a test example, with the score of guessing and those of each column."""
    same = {"seed": np.full(len(task.test), seed), "id": task.test.ids, "guess": guessed(task)}
    return rows_of({**same, **scores})


def example_scores(network: Network, params: Params, task: Task, part: Split) -> np.ndarray:
    """Every network's score on every example of a part, `[S, n]`; one network at a time, which needs one compilation.

    Arguments:
        params: of S networks, `[S, …]`.
    """
    host = jax.device_get(params)
    count = len(jax.tree.leaves(host)[0])
    each = (jax.tree.map(lambda a, i=i: a[i], host) for i in range(count))
    return np.stack([network_scores(network, p, task, part) for p in each])


def network_scores(network: Network, params: Params, task: Task, part: Split) -> np.ndarray:
    """One network's score on every example of a part, `[n]`."""
    return task.scores(evaluated(network, params, task, part), part)


def evaluated(network: Network, params: Params, task: Task, part: Split) -> np.ndarray:
    """One network's outputs on every example of a part, `[n, k]`; batch statistics are estimated from training data."""
    return np.asarray(_compiled(network)(params, part.x, task.train.x))


@lru_cache(maxsize=64)
def _compiled(network: Network) -> Any:
    return jax.jit(partial(evaluate, network))


def check_losses(losses: Sequence[str], task: Task) -> None:
    """Refuses a loss that needs classes for a task that has none: all of a plan's, so that the first cell finds a mistake.

    Refuses a task with an answer at every step too: its outputs are those of many classifications.
    """
    check_one_answer(task)
    for name in losses:
        if LOSSES[name].targets is not Targets.REAL and task.kind != "classification":
            raise UserError(
                f"the {name} loss for {task.name}, a regression task",
                "the square loss",
                "Add --losses square.",
            )


def check_classes(task: Task) -> None:
    """Refuses a task without classes, and one with an answer at every step."""
    check_one_answer(task)
    if task.kind != "classification":
        raise UserError(f"{task.name}, a regression task", "a task with classes", "Choose another --task.")


def check_one_answer(task: Task) -> None:
    """Refuses a task with an answer at every step, for a study that compares outputs class by class."""
    if task.steps > 1:
        raise UserError(
            f"{task.name} with {task.steps} answers for each example",
            "one answer for each example, for this study",
            "Ask for the last answer alone: answers=last in --task.",
        )


def loss_of(task: Task) -> ConvexLoss:
    """What is minimised where a plan has no choice of losses: each answer's cross-entropy, or the square loss for regression."""
    return each_step(SOFTMAX_CROSS_ENTROPY, task.steps) if task.kind == "classification" else SQUARE


def score_of(task: Task) -> Score:
    """What training is scored by: accuracy (at every step that has an answer), or R² for regression."""
    if task.kind != "classification":
        return RSquared()
    return Accuracy() if task.steps == 1 else StepAccuracy(task.steps)


def training_plan(plan: Any, task: Task, **other: Any) -> TrainingPlan:
    """Training as a plan says: its steps, batch, optimiser and schedule; `other` is what is asked for besides, or instead."""
    own = {
        "steps": plan.steps,
        "batch": batch_of(plan.batch, task),
        "optimiser": plan.optimiser,
        "schedule": getattr(plan, "schedule", Constant()),
    }
    return TrainingPlan(**{**own, **other})


def trained(network: Network, loss: ConvexLoss, task: Task, how: TrainingPlan, replicas: Replicas) -> Params:
    """What a single replica has at the end of its training, which nothing looks at before."""
    result = train(network, loss, TrainingData.of(task), replace(how, evaluate_every=how.steps), replicas)
    return jax.tree.map(lambda leaf: np.asarray(leaf[0]), result.params)


def built(architecture: Architecture, input_shape: tuple[int, ...], outputs: int) -> Network:
    """One `Network` object for all cells, so that what is compiled for it is compiled once.

    Raises:
        UserError: as `Architecture.build`, and when the file that a network starts at has changed since the run began.
    """
    if not isinstance(architecture, Pretrained):
        return _built(architecture, input_shape, outputs)
    check_pinned(architecture, architecture.digest(), architecture.start)
    return architecture.build(input_shape, outputs)  # by the content of its file, which may have changed


@lru_cache(maxsize=16)
def _built(architecture: Architecture, input_shape: tuple[int, ...], outputs: int) -> Network:
    return architecture.build(input_shape, outputs)


def largest_curvature(network: Network, params: Params, part: Split, loss: ConvexLoss) -> float:
    """The largest curvature of the mean loss at θ₀ on some examples, the unit of step sizes.

    It is κ_max(K)/N times the mean curvature of an example's loss in its outputs.
    """
    x, y = part.x[:CURVATURE_EXAMPLES], part.targets[:CURVATURE_EXAMPLES]
    jacobian = Jacobian(network, params, x)
    _, largest = extreme_eigenvalues(jacobian.gram, (len(x), network.outputs), steps=12)
    hessian = np.asarray(loss.hessian(jacobian.outputs(), y))
    mean = float(np.mean(np.trace(hessian, axis1=1, axis2=2))) / network.outputs
    return max(mean * largest / len(x), 1e-12)


def parts(task: Task) -> dict[str, Split]:
    return {"train": task.train, "validation": task.validation, "test": task.test}


def network_outputs(network: Network, params: Params, task: Task) -> Outputs:
    """f(x, θ) on every part."""
    return {
        name: np.asarray(Jacobian(network, params, part.x).outputs()) for name, part in parts(task).items()
    }


def minus(outputs: Outputs, others: Outputs) -> Outputs:
    """The difference of two functions."""
    return {name: values - others[name] for name, values in outputs.items()}


def relative_motion(params: Params, start: Params) -> float:
    """‖θ − θ₀‖ / ‖θ₀‖ over all parameters."""
    moved = sum(
        float(np.sum(np.square(np.asarray(a, np.float64) - np.asarray(b, np.float64))))
        for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(start), strict=True)
    )
    size = sum(float(np.sum(np.square(np.asarray(b, np.float64)))) for b in jax.tree.leaves(start))
    return float(np.sqrt(moved / size))


class Clock:
    """Seconds of each arm."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, arm: str) -> None:
        now = time.perf_counter()
        self.seconds[arm], self._last = now - self._last, now

    def rows(self, by: str = "part", **about: Any) -> list[dict[str, Any]]:
        """A row an arm, in the column `by`; what is said about all of them comes first."""
        return [{**about, by: arm, "seconds": seconds} for arm, seconds in self.seconds.items()]
