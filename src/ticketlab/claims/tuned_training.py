"""Training that is tuned and goes to its end: all step sizes side by side, each scored at the epoch that validation prefers.

The grid of step sizes is extended while the choice lies at an edge, and the epochs are doubled until the chosen run has settled
(`claims.settling`). Runs that go on give the bits of runs that were never stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from ticketlab import training
from ticketlab.claims.fair_search import Candidate, Scored, best, edges, scored, wider
from ticketlab.claims.settling import settled
from ticketlab.claims.start import Outputs, batch_of, minus, network_outputs, relative_motion
from ticketlab.errors import NumericalFailure
from ticketlab.networks.network import Network, Params
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.tasks.task import Task
from ticketlab.training.optimisers import Optimiser
from ticketlab.training.result import Ending

__all__ = ["Course", "Ended", "Lane", "Tuned", "again", "side_by_side", "tuned_training"]

EVALUATIONS = 30  # of the first run
Told = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Course:
    """What is trained, and how.

    Arguments:
        network, loss, task: f, and what it learns.
        params: θ₀.
        order: the key of the data order.
        optimiser: its step size is not used.
        batch: examples in a step.
        epochs: at first.
        doublings, extensions: how often the epochs may be doubled, and the grid extended.
        movable: a pytree like θ₀ of zeros and ones; parameters with a zero stay as they were drawn. None: all move.
        centred: whether f(x, θ) − f(x, θ₀) is trained; all parameters move then.
    """

    network: Network
    loss: ConvexLoss
    task: Task
    params: Params
    order: jax.Array
    optimiser: Optimiser
    batch: int
    epochs: int
    doublings: int
    extensions: int
    movable: Any = None
    centred: bool = False

    def outputs(self, params: Params) -> Outputs:
        """What is trained, on every part of the data."""
        now = network_outputs(self.network, params, self.task)
        return minus(now, network_outputs(self.network, self.params, self.task)) if self.centred else now

    def kept(self) -> Params:
        """The parameters that do not move, zero elsewhere."""
        return jax.tree.map(lambda p, m: np.asarray(p) * (1 - m), self.params, self.movable)

    def whole(self, trained: Params) -> Params:
        """The network's parameters, from what was trained."""
        return trained if self.movable is None else jax.tree.map(lambda a, b: a + b, trained, self.kept())


@dataclass(frozen=True, eq=False)
class Tuned:
    """The chosen run.

    Arguments:
        candidates: all step sizes, scored on every part of the data.
        params: at the chosen epoch of the chosen one.
        size: its step size.
        settled: whether it was trained to the end.
        epochs: how long.
    """

    candidates: list[Scored]
    params: Params
    size: float
    settled: bool
    epochs: int

    @property
    def inside(self) -> bool:
        """Whether the step size lies inside its grid."""
        return not edges(self.candidates)


@dataclass(frozen=True, eq=False)
class _Run:
    """Replicas with their step sizes, trained equally long; the validation curves from the start."""

    sizes: list[float]
    result: training.TrainingResult
    losses: np.ndarray
    scores: np.ndarray

    def settled(self, i: int) -> bool:
        return settled(self.losses[:, i], self.scores[:, i])

    def best(self, i: int) -> Params:
        """What was trained, at the best point by validation."""
        assert self.result.best is not None
        return jax.tree.map(lambda leaf: np.asarray(leaf)[i], self.result.best.params)


def tuned_training(
    course: Course, sizes: Sequence[float], unit: float = 1.0, progress: Told = lambda done: None
) -> Tuned:
    """The network at the step size and epoch that validation chooses.

    Arguments:
        sizes: candidates, in units of `unit`.

    Raises:
        NumericalFailure: if training diverges at every step size.
    Cost: a doubling trains every step size on.
    """
    epochs, most = course.epochs, course.epochs * 2**course.doublings
    runs = [_longer(course, [*sizes], unit, epochs)]
    extensions = 0
    while True:
        candidates, run, i = _chosen(course, runs)
        towards = edges(candidates)
        if not run.settled(i) and epochs < most:
            epochs *= 2
            runs = [_longer(course, run.sizes, unit, epochs, run) for run in runs]
        elif towards and extensions < course.extensions:
            extensions += 1
            tried = [size for run in runs for size in run.sizes]
            runs.append(_longer(course, wider(tried, towards, len(towards)), unit, epochs))
        else:
            break
        progress(min(0.9, (epochs / course.epochs + extensions) / 2**course.doublings))
    return Tuned(candidates, course.whole(run.best(i)), run.sizes[i] * unit, run.settled(i), epochs)


def again(course: Course, tuned: Tuned, order: jax.Array) -> Params:
    """The parameters of a twin: the chosen step size and length, with another data order."""
    run = _longer(course, [tuned.size], 1.0, tuned.epochs, order=order)
    return course.whole(run.best(0))


@dataclass(frozen=True, eq=False)
class Lane:
    """Where one of several trainings of a network starts, and which of its parameters move (pytrees like θ₀)."""

    params: Params
    movable: Any


@dataclass(frozen=True, eq=False)
class Ended:
    """A training at the best point by validation, whether it was trained to the end, and for how many epochs."""

    params: Params
    settled: bool
    epochs: int


def side_by_side(course: Course, lanes: Sequence[Lane], size: float) -> list[Ended]:
    """Several starts in one program, with one step size, on the same batches; the epochs are doubled until all have settled.

    Arguments:
        course: with all parameters movable; its θ₀ is not used.
        size: the step size of all.
    """
    epochs, most = course.epochs, course.epochs * 2**course.doublings
    run = _longer(course, [size] * len(lanes), 1.0, epochs, lanes=lanes)
    while not all(map(run.settled, range(len(lanes)))) and epochs < most:
        epochs *= 2
        run = _longer(course, run.sizes, 1.0, epochs, run, lanes=lanes)
    return [
        Ended(
            replace(course, params=lane.params, movable=lane.movable).whole(run.best(i)),
            run.settled(i),
            epochs,
        )
        for i, lane in enumerate(lanes)
    ]


def _chosen(course: Course, runs: Sequence[_Run]) -> tuple[list[Scored], _Run, int]:
    """All candidates, and the run and place of the chosen one."""
    places = [(run, i) for run in runs for i in range(len(run.sizes))]
    candidates = [_candidate(course, run, i) for run, i in places]
    chosen = best(candidates)
    if not chosen.candidate.outputs:
        raise NumericalFailure("Training diverged at every step size that was tried. Use smaller ones.")
    return candidates, *places[candidates.index(chosen)]


def _candidate(course: Course, run: _Run, i: int) -> Scored:
    params = course.whole(run.best(i))
    outputs = course.outputs(params)
    diverged = run.result.endings[i] is Ending.DIVERGED
    fine = not diverged and all(np.isfinite(of).all() for of in outputs.values())
    motion = relative_motion(params, course.params)
    return scored(
        course.task, course.loss, Candidate(run.sizes[i], "step size", outputs if fine else {}, motion)
    )


def _longer(
    course: Course,
    sizes: list[float],
    unit: float,
    epochs: int,
    before: _Run | None = None,
    order: jax.Array | None = None,
    lanes: Sequence[Lane] | None = None,
) -> _Run:
    """Trained for this number of epochs in all, from where they were; every size from θ₀, or each in its own lane."""
    batch = batch_of(course.batch, course.task)
    steps = len(course.task.train) // batch
    starts = [course] * len(sizes)
    if lanes is not None:
        starts = [replace(course, params=lane.params, movable=lane.movable) for lane in lanes]
    options: dict[str, Any] = {"centred": course.centred}
    if starts[0].movable is not None:
        options |= {
            "masks": training.stack([of.movable for of in starts]),
            "effective": training.Sum(),
            "frozen": training.stack([of.kept() for of in starts]),
        }
    result = training.train(
        course.network,
        course.loss,
        training.TrainingData.of(course.task),
        training.TrainingPlan(
            steps=epochs * steps,
            batch=batch,
            evaluate_every=max(1, course.epochs // EVALUATIONS) * steps,
            optimiser=course.optimiser,
            stop=training.ValidationScore(),
        ),
        training.Replicas(
            params=training.stack([of.params for of in starts]),
            order_keys=course.order if order is None else order,
            step_sizes=np.array([unit * size for size in sizes], np.float32),
            **options,
        ),
        start=None if before is None else before.result.state,
    )
    losses, right = result.curves.validation_loss, result.curves.validation_score
    if before is not None:
        losses, right = np.concatenate([before.losses, losses]), np.concatenate([before.scores, right])
    return _Run(sizes, result, losses, right)
