"""Training R replicas in groups of W lanes; each group runs independently from its first step to its last.

The parameters of a group stay in one processor's cache for thousands of steps, and groups run in parallel, one per
processor. This makes small networks fast. A loop over all replicas in every step would be limited by memory, and one
product divided among processors by synchronisation.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, replace

import jax
import numpy as np

from ticketlab.errors import UserError, counted
from ticketlab.networks.network import Network
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.tasks.target_check import check_targets
from ticketlab.training.factors import SEGMENT, factors
from ticketlab.training.groups import Groups, layout, program_and_lanes
from ticketlab.training.plan import (
    Accuracy,
    Interpolation,
    Resources,
    RSquared,
    TrainingPlan,
    ValidationScore,
)
from ticketlab.training.program import Lanes, Measured, Program, advance, assess, begin, offsets, take_up
from ticketlab.training.replicas import Replicas, TrainingData
from ticketlab.training.result import Ended, LearningCurves, TrainingResult, TrainingState, endings

__all__ = ["train"]


def train(
    network: Network,
    loss: ConvexLoss,
    data: TrainingData,
    plan: TrainingPlan,
    replicas: Replicas,
    *,
    start: TrainingState | None = None,
    resources: Resources | None = None,
    progress: Callable[[float], None] | None = None,
) -> TrainingResult:
    """Train R replicas of a network at once, each from its own θ₀.

        θ ← θ − η s(t) d(∇_θ mean_{n ∈ batch} ℓ(f(xₙ, m⊙θ + c) [− f(xₙ, m⊙θ_c + c)], yₙ))

    Arguments:
        network, loss: f and ℓ.
        data: training and validation examples, shared or one set per replica.
        plan: steps, batches, optimiser, evaluations and stops, the same for all replicas.
        replicas: θ₀, data orders, step sizes, masks, whether outputs are centred, and the reparameterisation of θ.
        start: a state to resume from (`result.state`, or one of `result.checkpoints`), with equally many replicas; its
            parameters replace θ₀. Resuming from step s gives the same bits as a run without a stop. Under a new mask, a best
            point at which masked weights are not zero is forgotten.
        resources: memory, processors and lanes; None: chosen automatically.
        progress: called from time to time, in the calling thread, with the fraction of the work done. An exception from
            it ends the run at the next segment, as Ctrl-C does.

    Returns:
        The final state, learning curves, best points and checkpoints, as NumPy arrays on the host. A replica whose
        parameters or losses are no longer finite ends as `Ending.DIVERGED`; the others are unaffected.

    Raises:
        UserError: if arrays do not fit each other, for targets that the loss does not accept, for a score that cannot decide, if
            one group does not fit in memory, or for centred replicas of a network
            that normalises over the batch.

    Cost: R·steps·(3 forward passes on a batch), plus an evaluation on the validation data every `evaluate_every` steps.
    """
    data.check(network, len(replicas))
    for targets in (data.y, data.validation_y):
        if targets is not None:
            check_targets(loss, targets)
    _check_score(network, plan)
    if np.any(replicas.centred):
        network.require_each_alone("centred replicas")
    program, lanes = program_and_lanes(network, loss, data, plan, replicas)
    first = _first_step(data, plan, replicas, start)
    sizes = layout(program, lanes, replicas.params, len(replicas), resources or Resources())
    run = _Run(program, plan, lanes, replicas, start, first, Groups(len(replicas), sizes.width))
    done = _run_groups(run, sizes.workers, progress or (lambda fraction: None))
    return _assemble(run, done)


@dataclass(frozen=True)
class _Run:
    """A run before its first step; `first` is the step from which it continues."""

    program: Program
    plan: TrainingPlan
    lanes: Lanes
    replicas: Replicas
    start: TrainingState | None
    first: int
    groups: Groups

    def stops(self) -> Iterator[tuple[int, bool]]:
        """The steps at which segments end, and whether an evaluation is due at each."""
        every, end, step = (
            self.plan.evaluate_every or self.program.steps_per_epoch,
            self.plan.steps,
            self.first,
        )
        if self.start is None:
            yield 0, True
        while step < end:
            kept = [c for c in self.plan.checkpoints if c > step]
            step = min(end, step + SEGMENT, (step // every + 1) * every, *kept)
            yield step, step % every == 0 or step == end


@dataclass(frozen=True)
class _Done:
    """The results of one group, on the host."""

    state: TrainingState
    measured: list[tuple[int, Measured]]
    checkpoints: dict[int, TrainingState]


def _check_score(network: Network, plan: TrainingPlan) -> None:
    """The largest of one output is always the right one, so every network would fit."""
    decides = isinstance(plan.stop, ValidationScore) or plan.stop == Interpolation()
    if decides and network.outputs == 1 and isinstance(plan.score, Accuracy):
        raise UserError(
            f"{plan.stop} with Accuracy() and one output",
            "a score that one output can miss",
            "Use BinaryAccuracy() for targets 0 and 1, or SignAccuracy() for targets −1 and 1.",
        )


def _first_step(
    data: TrainingData, plan: TrainingPlan, replicas: Replicas, start: TrainingState | None
) -> int:
    """The step from which the replicas continue; raises a UserError if the plan cannot be carried out."""
    if getattr(plan.stop, "patience", None) is not None and data.validation_x is None:
        raise UserError(f"{plan.stop} without validation data", "validation_x and validation_y in the data")
    if isinstance(plan.stop, Interpolation) and plan.stop.loss is None and isinstance(plan.score, RSquared):
        raise UserError(
            "Interpolation() with RSquared()", "Interpolation(loss=…), because R² does not reach 1 exactly"
        )
    if start is None:
        return 0
    if len(start.steps) != len(replicas):
        raise UserError(
            f"a state of {counted(len(start.steps), 'replica')} for {counted(len(replicas), 'replica')}",
            "the same number",
        )
    running = set(np.asarray(start.steps)[np.asarray(start.ended) == Ended.NO].tolist())
    if len(running) > 1:
        raise UserError(f"replicas at steps {sorted(running)}", "the same step for all that continue")
    if running and max(running) > plan.steps:
        raise UserError(
            f"a state at step {max(running)} for a plan of {plan.steps}", "a plan that ends later"
        )
    return running.pop() if running else plan.steps


def _begin_group(run: _Run, group: int) -> tuple[Lanes, TrainingState]:
    """The lanes of a group and its state before the first segment."""
    replicas, groups = run.replicas, run.groups
    lanes = groups.cut_lanes(run.lanes, run.program.own, group)
    params = groups.cut(replicas.params, group)
    if np.any(replicas.centred):
        centre = params if replicas.centre is None else groups.cut(replicas.centre, group)
        centred = groups.cut(np.broadcast_to(np.asarray(replicas.centred, bool), len(replicas)), group)
        offset, validation_offset = offsets(run.program.of_evaluations(), lanes, centre, centred)
        lanes = replace(lanes, offset=offset, validation_offset=validation_offset)
    if run.start is None:
        return lanes, begin(run.program.of_starts(), lanes, params)
    return lanes, take_up(run.program.of_starts(), lanes, groups.cut(run.start, group))


def _train_group(run: _Run, group: int, advanced: Callable[[int], None], cancelled: threading.Event) -> _Done:
    """One group from its first step to its last, or until all its replicas have ended."""
    lanes, state = _begin_group(run, group)
    at, measured, checkpoints = run.first, [], {}
    for step, due in run.stops():
        if cancelled.is_set():
            break
        if (np.asarray(state.ended) == Ended.NO).any():
            lanes = replace(lanes, factors=factors(run.plan.schedule, at))
            with _steps_compiled(run, lanes, state) if step == at else nullcontext():
                if step > at:
                    state = advance(run.program.of_steps(), lanes, state, at, step)
                if due:
                    state, now = assess(run.program.of_evaluations(), lanes, state)
                    measured.append((step, jax.device_get(now)))
        if step in run.plan.checkpoints:
            checkpoints[step] = jax.device_get(state)
        at = step
        advanced(step)
    return _Done(jax.device_get(state), measured, checkpoints)


@contextmanager
def _steps_compiled(run: _Run, lanes: Lanes, state: TrainingState) -> Iterator[None]:
    """Compiles what takes steps in another thread, while this one compiles what evaluates."""
    wide, at = jax.config.read("jax_enable_x64"), run.first

    def compile_it() -> None:
        with jax.enable_x64(wide):  # other threads do not inherit settings of a context manager
            advance(run.program.of_steps(), lanes, state, at, at)

    with ThreadPoolExecutor(1) as other:
        compiled = other.submit(compile_it)
        yield
        compiled.result()


def _run_groups(run: _Run, workers: int, progress: Callable[[float], None]) -> list[_Done]:
    """Trains all groups, `workers` at a time; reports progress in this thread."""
    if len(run.groups) > 1:  # compile once, before several threads would
        compile_first = replace(run, plan=replace(run.plan, steps=run.first, checkpoints=()))
        _train_group(compile_first, 0, lambda step: None, threading.Event())
    reached = np.full(len(run.groups), run.first)
    cancelled, wide = threading.Event(), jax.config.read("jax_enable_x64")

    def one(group: int) -> _Done:
        with jax.enable_x64(wide):
            return _train_group(run, group, lambda step: reached.__setitem__(group, step), cancelled)

    with ThreadPoolExecutor(workers) as pool:
        tasks = [pool.submit(one, group) for group in range(len(run.groups))]
        try:
            waiting = set(tasks)
            while waiting:
                finished, waiting = wait(waiting, timeout=0.1, return_when=FIRST_EXCEPTION)
                for task in finished:
                    task.result()
                progress(float((reached.mean() - run.first) / max(1, run.plan.steps - run.first)))
        finally:  # even after Ctrl-C or an exception from `progress` the pool waits for its threads
            cancelled.set()
            for task in tasks:
                task.cancel()
    return [task.result() for task in tasks]


def _assemble(run: _Run, done: list[_Done]) -> TrainingResult:
    groups, longest = run.groups, max((d.measured for d in done), key=len)
    blank = Measured(*[np.full(groups.width, np.nan, np.float32)] * len(fields(Measured)))
    rows = [[m for _, m in d.measured] + [blank] * (len(longest) - len(d.measured)) for d in done]
    measured = [groups.join([row[i] for row in rows]) for i in range(len(longest))]
    curves = {
        f.name: np.array([getattr(m, f.name) for m in measured]).reshape(len(longest), groups.replicas)
        for f in fields(Measured)
    }
    state = groups.join([d.state for d in done])
    return TrainingResult(
        state=state,
        curves=LearningCurves(np.array([step for step, _ in longest], np.int64), **curves),
        endings=endings(state.ended),
        checkpoints={c: groups.join([d.checkpoints[c] for d in done]) for c in done[0].checkpoints},
        order_keys=np.asarray(jax.random.key_data(run.replicas.order_keys)),
    )
