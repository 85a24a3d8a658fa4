"""One cell: one architecture at one size, for one seed, trained for all steps and for fewer; as rows of tidy tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from ticketlab import training
from ticketlab.claims.rows import tables_of
from ticketlab.claims.scaling import readings
from ticketlab.claims.scaling.claim import ScalingPlan
from ticketlab.claims.scaling.families import Answers, Kind, network_of, parameters_at, width_for
from ticketlab.claims.scaling.transfer import Moved, factors, start
from ticketlab.claims.start import (
    Clock,
    batch_of,
    check_one_answer,
    drawn_task,
    each_part,
    loss_of,
    permuted,
    score_of,
    taken,
)
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.errors import NumericalFailure, UserError
from ticketlab.evidence.tables import Table
from ticketlab.networks.network import Network, Params
from ticketlab.networks.operations import forward_operations
from ticketlab.tangent.devices import Devices
from ticketlab.tasks.losses import SQUARE, ConvexLoss
from ticketlab.tasks.step_losses import each_step
from ticketlab.tasks.task import Split, Task
from ticketlab.training.result import Ending, TrainingResult

__all__ = ["measure"]

STREAM = 97  # of the seeds' keys
LOOKS = 40  # evaluations of a run
NEXT = 2.0  # between step sizes of the grid, and those of the checks
EXTENSIONS = 3  # of the grid
CORRUPTED = 0.1  # of the inputs, for the loss with noise
SEEN = 4096  # training examples whose loss is measured
TUNING, LARGE = 3, 2  # the part of all steps that step sizes are tried for, and that at the two largest sizes
SHORTER = (27, 9)  # parts of all steps for which a size is trained too
FEW = 10  # evaluations of these


def measure(
    plan: ScalingPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    seed, kind, place, clock = cell.seeds[0], cell.settings["kind"], cell.settings["place"], Clock()
    progress("drawing examples", 0.0)
    setting = _setting(plan, kind, seed)
    clock.lap("data")
    large = place >= len(plan.sizes) - 2
    tuning = plan.steps // (LARGE if large else TUNING)
    tuned = _tuned(
        setting,
        place,
        plan.step_sizes,
        tuning,
        lambda done: progress("trying step sizes", 0.02 + 0.35 * done),
    )
    clock.lap("tuning")
    task, about = setting.task, {"kind": kind, "place": place, "seed": seed}
    result = _trained(
        setting,
        place,
        [tuned.step_size],
        plan.steps,
        lambda done: progress("training", 0.4 + 0.26 * done),
    )
    _check_ended(kind, result)
    clock.lap("training")
    progress("training with permuted targets", 0.66)
    shuffled = setting.permuted(seed)
    control = _trained(shuffled, place, [tuned.step_size], plan.steps)
    clock.lap("control")
    late = tuned.log - _logs(result)[0] if large else float("nan")
    regret = short_regret = float("nan")
    lengths = [_length(setting, place, plan.steps, result), tuned.length]
    progress("shorter trainings", 0.92)
    for part in SHORTER:
        short = _trained(setting, place, [tuned.step_size], plan.steps // part, looks=FEW)
        _check_ended(kind, short)
        lengths.append(_length(setting, place, plan.steps // part, short))
    clock.lap("shorter")
    if place == len(plan.sizes) // 2:
        progress("checking the step size", 0.95)
        regret = _regret(setting, place, tuned.step_size, result, plan.steps, LOOKS)
        short_regret = _regret(setting, place, tuned.step_size, short, plan.steps // SHORTER[-1], FEW)
        clock.lap("check")
    params = setting.effective(place, result)
    losses = {
        "loss": setting.loss(place, params, task.test),
        "noisy": setting.loss(place, params, setting.corrupted(seed)),
        "train_loss": setting.loss(place, params, setting.seen(seed)),
        "validation_loss": _best_loss(result),
        "permuted": shuffled.loss(place, shuffled.effective(place, control), shuffled.task.test),
        "guess": setting.guess(),
    }
    more = {**setting.second(place, params, seed), **setting.along(place, params)}
    clock.lap("readings")
    row = {**about, "parameters": setting.count(place), "width": setting.widths[place]}
    row |= {"step_size": tuned.step_size, **losses, **more, "late": late, "steps": int(result.steps[0])}
    row |= {"inside": tuned.inside, "regret": regret, "short_regret": short_regret}
    rows: dict[str, list[dict[str, Any]]] = {
        "runs": [row],
        "lengths": [{**about, "parameters": setting.count(place), **length} for length in lengths],
        "curves": [
            {**about, "step": int(step), "validation": float(value)}
            for step, value in zip(result.curves.steps, result.curves.validation_loss[:, 0], strict=True)
            if np.isfinite(value)
        ],
        "timings": clock.rows(**about),
    }
    return tables_of(rows, _MEANINGS)


# --- a family on a task ---


@dataclass(frozen=True, eq=False)
class _Setting:
    """A family of networks and what it learns.

    Arguments:
        widths: of each size.
        symbols: different tokens; None for inputs that are numbers.
        answers: "last" or "every".
        least: the smallest possible loss at each step; None where it is not known.
        key: of parameters and order, the same for all sizes.
    """

    kind: Kind
    task: Task
    widths: tuple[int, ...]
    symbols: int | None
    answers: Answers
    least: np.ndarray | None
    batch: int
    key: jax.Array

    def network(self, place: int) -> Network:
        return network_of(self.kind, self.widths[place], *_shape(self.task, self.symbols, self.answers))

    def count(self, place: int) -> int:
        return parameters_at(self.kind, self.widths[place], *_shape(self.task, self.symbols, self.answers))

    @property
    def measure(self) -> ConvexLoss:
        """What is minimised: cross-entropy in nats, or half the square; the mean over the steps that are answered."""
        if self.task.kind == "classification":
            return loss_of(self.task)
        return each_step(SQUARE, self.task.outputs)

    def loss(self, place: int, params: Params, part: Split) -> float:
        outputs = self.outputs(place, params, part)
        return float(np.mean(self.measure.values(outputs, np.asarray(part.targets, np.float64))))

    def outputs(self, place: int, params: Params, part: Split) -> np.ndarray:
        applied = _applied(self.network(place))
        some = (part.x[i : i + 2048] for i in range(0, len(part), 2048))
        return np.concatenate([np.asarray(applied(params, x), np.float64) for x in some])

    def guess(self) -> float:
        """The loss of the training frequencies (the unigram loss of a text), or of the mean, on test data."""
        train, targets = self.task.train.targets, np.asarray(self.task.test.targets, np.float64)
        outputs = train.mean(axis=0, dtype=np.float64)
        if self.task.kind == "classification":
            outputs = np.log((len(train) * outputs + 0.5) / (len(train) + 0.5 * len(self.task.classes)))
        return float(np.mean(self.measure.values(np.tile(outputs, (len(targets), 1)), targets)))

    def second(self, place: int, params: Params, seed: int) -> dict[str, float]:
        """The errors of a second read-out, trained and at the start; NaN where the task has no second one."""
        probed = untrained = float("nan")
        if self.symbols is not None and self.answers == "last":
            task = readings.second_task(self.task, np.random.default_rng((STREAM, 4, seed)))
            network, (first, _) = self.network(place), self.fixed(place)
            probed, untrained = (readings.probe_error(network, p, task) for p in (params, first))
        return {"probe": probed, "untrained_probe": untrained}

    def along(self, place: int, params: Params) -> dict[str, float]:
        """The losses early and late in the sequence; NaN where the last step alone is answered."""
        early = late = least = float("nan")
        if self.answers == "every":
            part, steps = self.task.test, self.task.input_shape[0]
            outputs, targets = self.outputs(place, params, part), np.asarray(part.targets, np.float64)
            classes = self.task.kind == "classification"
            early, late = readings.early_and_late(readings.losses_by_step(outputs, targets, steps, classes))
            least = float("nan") if self.least is None else readings.early_and_late(self.least)[1]
        return {"early_loss": early, "late_loss": late, "least_late_loss": least}

    def fixed(self, place: int) -> tuple[Params, Params]:
        """θ₀ and c."""
        network, narrowest = self.network(place), self.network(0)
        return start(network, narrowest, jax.random.fold_in(self.key, place)), factors(network, narrowest)

    def effective(self, place: int, result: TrainingResult, replica: int = 0) -> Params:
        """θ at the best point of a replica."""
        assert result.best is not None
        first = jax.tree.map(lambda leaf: leaf[replica], result.best.params)
        return Moved()(first, self.fixed(place), self.key)

    def permuted(self, seed: int) -> _Setting:
        """The same inputs, with targets of other examples in every part."""
        rng = np.random.default_rng((STREAM, 1, seed))
        return replace(self, task=each_part(self.task, lambda part: permuted(part, rng)))

    def corrupted(self, seed: int) -> Split:
        """Test inputs of which a tenth are those of another example."""
        rng, test = np.random.default_rng((STREAM, 2, seed)), self.task.test
        other = test.x[rng.permutation(len(test))]
        return replace(test, x=np.where(rng.random(test.x.shape) < CORRUPTED, other, test.x))

    def seen(self, seed: int) -> Split:
        """Some training examples, at random: neighbours in a text are alike."""
        part = self.task.train
        return taken(part, np.random.default_rng((STREAM, 3, seed)).permutation(len(part))[:SEEN])


@lru_cache(maxsize=16)
def _setting(plan: ScalingPlan, kind: Kind, seed: int) -> _Setting:
    task = _task(plan, seed)
    symbols = None
    if hasattr(plan.task, "symbols"):
        symbols = 1 + int(max(part.x.max() for part in (task.train, task.validation, task.test)))
    shape = _shape(task, symbols, plan.answers)
    widths = tuple(width_for(kind, size, *shape) for size in plan.sizes)
    if len(set(widths)) < len(widths):
        raise UserError(
            f"sizes {plan.sizes}, for which the {kind} has widths {widths}", "a width for each size"
        )
    key = jax.random.fold_in(jax.random.key(seed), STREAM)
    least = readings.least_losses(plan.task) if plan.answers == "every" else None
    return _Setting(kind, task, widths, symbols, plan.answers, least, batch_of(plan.batch, task), key)


def _shape(
    task: Task, symbols: int | None, answers: Answers
) -> tuple[tuple[int, ...], int, int | None, Answers]:
    return task.input_shape, task.outputs, symbols, answers


@lru_cache(maxsize=4)
def _task(plan: ScalingPlan, seed: int) -> Task:
    task = drawn_task(plan.task, seed)
    if plan.answers == "last":
        check_one_answer(task)
        if task.kind != "classification":
            raise UserError(
                f"{task.name}, a regression task",
                "a task with classes, whose loss is a cross-entropy, or one with an answer at every step",
            )
    return task


# --- training ---


@dataclass(frozen=True)
class _Tuned:
    """The step size of a network.

    Arguments:
        inside: whether it lies inside its grid.
        log: of its validation loss.
        length: the training with it.
    """

    step_size: float
    inside: bool
    log: float
    length: dict[str, Any]


def _tuned(
    setting: _Setting, place: int, grid: Sequence[float], steps: int, progress: Callable[[float], None]
) -> _Tuned:
    """The step size with the least validation loss after so many steps; the grid goes on where its end is the best."""
    new = list(grid)
    found: dict[float, float] = {}
    trained: dict[float, tuple[TrainingResult, int]] = {}
    for extension in range(EXTENSIONS + 1):
        result = _trained(setting, place, new, steps, (lambda done: None) if extension else progress)
        found |= dict(zip(new, _logs(result), strict=True))
        trained |= {size: (result, i) for i, size in enumerate(new)}
        tried = sorted(found)
        chosen = min(tried, key=lambda size: found[size])
        if not np.isfinite(found[chosen]):
            raise NumericalFailure("Training diverged at every step size that was tried. Use smaller ones.")
        inside = tried[0] < chosen < tried[-1]
        if inside or extension == EXTENSIONS:
            break
        new = [chosen / NEXT if chosen == tried[0] else chosen * NEXT]
    return _Tuned(chosen, inside, found[chosen], _length(setting, place, steps, *trained[chosen]))


def _length(
    setting: _Setting, place: int, steps: int, result: TrainingResult, replica: int = 0
) -> dict[str, Any]:
    """A training of some steps: what it takes, and its losses at the best point.

    The gradient takes twice as many operations as the forward pass. Steps after the best point count too: the step size was to
    fall over all of them.
    """
    operations = 3 * forward_operations(setting.network(place)) * setting.batch * steps
    params = setting.effective(place, result, replica)
    return {
        "steps": steps,
        "operations": operations,
        "validation_loss": _best_loss(result, replica),
        "loss": setting.loss(place, params, setting.task.test),
    }


def _logs(result: TrainingResult) -> list[float]:
    """log of the best validation losses, infinite for a training that diverges."""
    return [
        np.inf if ending is Ending.DIVERGED else float(np.log(_best_loss(result, i)))
        for i, ending in enumerate(result.endings)
    ]


def _check_ended(kind: Kind, result: TrainingResult) -> None:
    if result.endings[0] is Ending.DIVERGED:
        raise NumericalFailure(
            f"Training of the {kind} diverged at the step size that was chosen for fewer steps."
        )


def _trained(
    setting: _Setting,
    place: int,
    step_sizes: list[float],
    steps: int,
    progress: Any = lambda done: None,
    looks: int = LOOKS,
) -> TrainingResult:
    """Adam at each step size, from one start and in one order, for all steps.

    A plateau ends no training: at a high step size it says nothing about the loss once the step size has fallen.
    """
    network, (first, scale), count = setting.network(place), setting.fixed(place), len(step_sizes)

    def many(tree: Params) -> Params:
        return training.stack([tree] * count)

    return training.train(
        network,
        setting.measure,
        training.TrainingData.of(setting.task),
        training.TrainingPlan(
            steps=steps,
            batch=setting.batch,
            evaluate_every=max(1, steps // looks),
            optimiser=training.Adam(),
            schedule=training.Warmup(max(1, steps // 50), training.Cosine(steps - max(1, steps // 50))),
            stop=training.ValidationLoss(),
            score=score_of(setting.task),
        ),
        training.Replicas(
            params=many(jax.tree.map(np.zeros_like, first)),
            order_keys=jax.random.fold_in(setting.key, 10_000),
            step_sizes=np.array(step_sizes, np.float32),
            effective=Moved(),
            frozen=many((first, scale)),
        ),
        progress=progress,
    )


def _regret(
    setting: _Setting, place: int, step_size: float, found: TrainingResult, steps: int, looks: int
) -> float:
    """log(validation loss of a training) − log(the least at half and twice its step size, in as many steps)."""
    others = _trained(setting, place, [step_size / NEXT, step_size * NEXT], steps, looks=looks)
    return _logs(found)[0] - min(_logs(others))


def _best_loss(result: TrainingResult, replica: int = 0) -> float:
    assert result.best is not None
    return float(result.best.loss[replica])


@lru_cache(maxsize=16)
def _applied(network: Network) -> Any:
    return jax.jit(network.apply)


_MEANINGS = {
    "kind": "of network",
    "place": "of the size, from the smallest",
    "parameters": "all of them, with tables and read-out",
    "step_size": "chosen after a third of the steps, or half of them at the two largest sizes",
    "loss": "mean on test data: cross-entropy in nats, or half the square",
    "noisy": "the same with a tenth of the inputs exchanged",
    "train_loss": "on training examples",
    "validation_loss": "at the best point",
    "permuted": "test loss after training with permuted targets, of permuted targets",
    "guess": "of the training frequencies, on test data",
    "steps": "that were taken",
    "late": "log validation loss after half of the steps above that after all, at the two largest sizes",
    "inside": "whether the step size lies inside its grid",
    "short_regret": "log loss above that at half or twice the step size, after a ninth of the steps, at the middle size",
    "probe": "share of the variance of the token after the next that a ridge read-out of the features leaves",
    "untrained_probe": "the same of the network at its start",
    "early_loss": "test loss in the first quarter of the steps, where each has an answer",
    "late_loss": "test loss in the last quarter",
    "least_late_loss": "the smallest possible one there",
    "operations": "of the training: 3 times those of a forward pass, for every example of every step",
    "regret": "log loss above that at half or twice the step size, after all steps, at the middle size",
}
