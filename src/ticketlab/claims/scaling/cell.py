"""One cell: one architecture at one size, for one seed, trained until validation gets no better; as rows of tidy tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from ticketlab import training
from ticketlab.claims.rows import tables_of
from ticketlab.claims.scaling.claim import ScalingPlan
from ticketlab.claims.scaling.families import Kind, network_of, parameters_at, width_for
from ticketlab.claims.scaling.transfer import Moved, factors, start
from ticketlab.claims.start import Clock, batch_of, check_one_answer, drawn_task, loss_of, permuted, score_of
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.errors import NumericalFailure, UserError
from ticketlab.evidence.tables import Table
from ticketlab.networks.network import Network, Params
from ticketlab.tangent.devices import Devices
from ticketlab.tasks.task import Split, Task
from ticketlab.training.result import Ending, TrainingResult

__all__ = ["measure"]

STREAM = 97  # of the seeds' keys
LOOKS = 40  # evaluations of a run
WAIT = 8  # evaluations without improvement that end it
NEXT = 2.0  # between step sizes of the grid, and those of the check
EXTENSIONS = 3  # of the grid
CORRUPTED = 0.1  # of the inputs, for the loss with noise
SEEN = 4096  # training examples whose loss is measured


def measure(
    plan: ScalingPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    seed, kind, place, clock = cell.seeds[0], cell.settings["kind"], cell.settings["place"], Clock()
    progress("drawing examples", 0.0)
    setting = _setting(plan, kind, seed)
    clock.lap("data")
    progress("tuning", 0.05)
    tuned = _tuned(plan, kind, seed)
    clock.lap("tuning")
    network = setting.network(place)
    task, about = setting.task, {"kind": kind, "place": place, "seed": seed}
    result = _trained(
        setting,
        place,
        [tuned.step_size],
        plan.steps,
        WAIT,
        lambda done: progress("training", 0.1 + 0.6 * done),
    )
    if result.endings[0] is Ending.DIVERGED:
        raise NumericalFailure(f"Training of the {kind} diverged at the step size of the narrower ones.")
    clock.lap("training")
    progress("training with permuted targets", 0.7)
    shuffled = setting.permuted(seed)
    control = _trained(shuffled, place, [tuned.step_size], plan.steps, WAIT)
    clock.lap("control")
    late = regret = float("nan")
    if place >= len(plan.sizes) - 2:
        progress("checking length and step size", 0.8)
        late, regret = _checked(setting, place, tuned.step_size, result, place == len(plan.sizes) - 1)
        clock.lap("check")
    params = setting.effective(place, result)
    parameters, width = setting.count(place), setting.widths[place]
    losses = {
        "loss": _loss(network, params, task, task.test),
        "noisy": _loss(network, params, task, setting.corrupted(seed)),
        "train_loss": _loss(network, params, task, setting.seen(seed)),
        "validation_loss": _best_loss(result),
        "permuted": _loss(network, setting.effective(place, control), task, shuffled.task.test),
        "guess": _guess(task),
    }
    row = {**about, "parameters": parameters, "width": width, "step_size": tuned.step_size, **losses}
    row |= {"late": late, "steps": int(result.steps[0]), "inside": tuned.inside, "regret": regret}
    rows: dict[str, list[dict[str, Any]]] = {
        "runs": [row],
        "curves": [
            {**about, "step": int(step), "validation": float(value)}
            for step, value in zip(result.curves.steps, result.curves.validation_loss[:, 0], strict=True)
            if np.isfinite(value)
        ],
        "timings": [{**about, "part": part, "seconds": value} for part, value in clock.seconds.items()],
    }
    return tables_of(rows, _MEANINGS)


# --- a family on a task ---


@dataclass(frozen=True, eq=False)
class _Setting:
    """A family of networks and what it learns.

    Arguments:
        widths: of each size.
        symbols: different tokens; None for inputs that are numbers.
        key: of parameters and order, the same for all sizes.
    """

    kind: Kind
    task: Task
    widths: tuple[int, ...]
    symbols: int | None
    batch: int
    key: jax.Array

    def network(self, place: int) -> Network:
        return network_of(
            self.kind, self.widths[place], self.task.input_shape, self.task.outputs, self.symbols
        )

    def count(self, place: int) -> int:
        return parameters_at(
            self.kind, self.widths[place], self.task.input_shape, self.task.outputs, self.symbols
        )

    def fixed(self, place: int) -> tuple[Params, Params]:
        """θ₀ and c."""
        network, narrowest = self.network(place), self.network(0)
        return start(network, narrowest, jax.random.fold_in(self.key, place)), factors(network, narrowest)

    def effective(self, place: int, result: TrainingResult) -> Params:
        """θ at the best point of the first replica."""
        assert result.best is not None
        first = jax.tree.map(lambda leaf: leaf[0], result.best.params)
        return Moved()(first, self.fixed(place), self.key)

    def permuted(self, seed: int) -> _Setting:
        """The same inputs, with targets of other examples in every part."""
        rng = np.random.default_rng((STREAM, 1, seed))
        train, validation, test = (
            permuted(part, rng) for part in (self.task.train, self.task.validation, self.task.test)
        )
        return replace(self, task=replace(self.task, train=train, validation=validation, test=test))

    def corrupted(self, seed: int) -> Split:
        """Test inputs of which a tenth are those of another example."""
        rng, test = np.random.default_rng((STREAM, 2, seed)), self.task.test
        other = test.x[rng.permutation(len(test))]
        return replace(test, x=np.where(rng.random(test.x.shape) < CORRUPTED, other, test.x))

    def seen(self, seed: int) -> Split:
        """Some training examples, at random: neighbours in a text are alike."""
        part = self.task.train
        some = np.random.default_rng((STREAM, 3, seed)).permutation(len(part))[:SEEN]
        labels = None if part.labels is None else part.labels[some]
        return replace(part, x=part.x[some], targets=part.targets[some], ids=part.ids[some], labels=labels)


@lru_cache(maxsize=16)
def _setting(plan: ScalingPlan, kind: Kind, seed: int) -> _Setting:
    task = _task(plan, seed)
    symbols = None
    if hasattr(plan.task, "symbols"):
        symbols = 1 + int(max(part.x.max() for part in (task.train, task.validation, task.test)))
    widths = tuple(width_for(kind, size, task.input_shape, task.outputs, symbols) for size in plan.sizes)
    if len(set(widths)) < len(widths):
        raise UserError(
            f"sizes {plan.sizes}, for which the {kind} has widths {widths}", "a width for each size"
        )
    key = jax.random.fold_in(jax.random.key(seed), STREAM)
    return _Setting(kind, task, widths, symbols, batch_of(plan.batch, task), key)


@lru_cache(maxsize=4)
def _task(plan: ScalingPlan, seed: int) -> Task:
    task = drawn_task(plan.task, seed)
    check_one_answer(task)
    if task.kind != "classification":
        raise UserError(
            f"{task.name}, a regression task", "a task with classes, whose loss is a cross-entropy"
        )
    return task


# --- training ---


@dataclass(frozen=True)
class _Tuned:
    step_size: float
    inside: bool


@lru_cache(maxsize=32)
def _tuned(plan: ScalingPlan, kind: Kind, seed: int) -> _Tuned:
    """The step size with the least validation loss at the two smallest sizes, by the mean of its logarithm."""
    setting, steps = _setting(plan, kind, seed), max(plan.steps // 3, LOOKS)
    found: dict[float, float] = {}
    new = list(plan.step_sizes)
    for extension in range(EXTENSIONS + 1):
        results = [_trained(setting, place, new, steps, None) for place in (0, 1)]
        for i, size in enumerate(new):
            fine = all(r.endings[i] is not Ending.DIVERGED for r in results)
            found[size] = sum(np.log(_best_loss(r, i)) for r in results) if fine else float("inf")
        tried = sorted(found)
        chosen = min(tried, key=lambda size: found[size])
        if not np.isfinite(found[chosen]):
            raise NumericalFailure("Training diverged at every step size that was tried. Use smaller ones.")
        inside = tried[0] < chosen < tried[-1]
        if inside or extension == EXTENSIONS:
            break
        new = [chosen / NEXT if chosen == tried[0] else chosen * NEXT]
    return _Tuned(chosen, inside)


def _trained(
    setting: _Setting,
    place: int,
    step_sizes: list[float],
    steps: int,
    patience: int | None,
    progress: Any = lambda done: None,
) -> TrainingResult:
    """Adam at each step size, from one start and in one order."""
    network, (first, scale), count = setting.network(place), setting.fixed(place), len(step_sizes)

    def many(tree: Params) -> Params:
        return training.stack([tree] * count)

    return training.train(
        network,
        loss_of(setting.task),
        training.TrainingData.of(setting.task),
        training.TrainingPlan(
            steps=steps,
            batch=setting.batch,
            evaluate_every=max(1, steps // LOOKS),
            optimiser=training.Adam(),
            schedule=training.Warmup(max(1, steps // 50), training.Cosine(steps - max(1, steps // 50))),
            stop=training.ValidationLoss(patience),
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


def _checked(
    setting: _Setting, place: int, step_size: float, whole: TrainingResult, other_sizes: bool
) -> tuple[float, float]:
    """Training of half the steps, with its own decay: how much worse it is, and how much better another step size would be.

    Both are differences of log validation losses, infinite for a training that diverges. The second is log(loss at this step
    size) − log(the least at half and twice of it); NaN without `other_sizes`.
    """
    sizes = [step_size, *([step_size / NEXT, step_size * NEXT] if other_sizes else [])]
    half = _trained(setting, place, sizes, int(whole.curves.steps[-1]) // 2, WAIT)
    losses = [
        np.inf if half.endings[i] is Ending.DIVERGED else np.log(_best_loss(half, i))
        for i in range(len(sizes))
    ]
    regret = losses[0] - min(losses[1:]) if other_sizes else np.nan
    return float(losses[0] - np.log(_best_loss(whole))), float(regret)


def _best_loss(result: TrainingResult, replica: int = 0) -> float:
    assert result.best is not None
    return float(result.best.loss[replica])


# --- losses ---


def _loss(network: Network, params: Params, task: Task, part: Split) -> float:
    """The mean cross-entropy, in nats."""
    outputs = np.concatenate(
        [
            np.asarray(_applied(network)(params, part.x[i : i + 2048]), np.float64)
            for i in range(0, len(part), 2048)
        ]
    )
    return float(np.mean(loss_of(task).values(outputs, np.asarray(part.targets, np.float64))))


@lru_cache(maxsize=16)
def _applied(network: Network) -> Any:
    return jax.jit(network.apply)


def _guess(task: Task) -> float:
    """The cross-entropy of the training frequencies on test data: the unigram loss of a text."""
    frequencies = (task.train.targets.sum(axis=0) + 0.5) / (len(task.train) + 0.5 * task.outputs)
    return float(-np.mean(task.test.targets @ np.log(frequencies)))


_MEANINGS = {
    "kind": "of network",
    "place": "of the size, from the smallest",
    "parameters": "all of them, with tables and read-out",
    "step_size": "chosen at the two smallest sizes",
    "loss": "mean cross-entropy on test data, nats",
    "noisy": "the same with a tenth of the inputs exchanged",
    "train_loss": "on training examples",
    "validation_loss": "at the best point",
    "permuted": "test loss after training with permuted targets, of permuted targets",
    "guess": "of the training frequencies, on test data",
    "late": "log validation loss after half of the steps above that after all, at the two largest sizes",
    "inside": "whether the step size lies inside its grid",
    "regret": "log loss above that at half or twice the step size, after half of the steps, at the largest size",
}
