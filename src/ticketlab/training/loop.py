"""Training R replicas: they fall into groups of W lanes, and each group runs from its first step to its last on its own.

A group's parameters stay in one processor's cache for thousands of steps, and groups run beside each other, one a processor.
That is what makes small networks fast: a loop over all replicas in every step would be bound by memory, and a product shared
out among processors by waiting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, fields, replace

import jax
import numpy as np

from ticketlab.errors import UserError
from ticketlab.networks.network import Network
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.training.groups import Groups, layout, program_and_lanes
from ticketlab.training.plan import Interpolation, Resources, RSquared, TrainingPlan
from ticketlab.training.program import Lanes, Measured, Program, advance, assess, begin, offsets, take_up
from ticketlab.training.replicas import Replicas, TrainingData
from ticketlab.training.result import Ended, LearningCurves, TrainingResult, TrainingState, endings

__all__ = ["train"]

_SEGMENT = 1000  # steps between two looks at progress and interruption; changes no bit


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
        data: training and validation examples, shared, or each replica its own.
        plan: steps, batches, optimiser, evaluations and stops, for all alike.
        replicas: θ₀, data orders, step sizes, masks, whether the outputs are centred, and what stands between θ and the network.
        start: a state to go on from, of as many replicas (`result.state`, or one of `result.checkpoints`); its parameters
            take the place of θ₀. Going on from step s gives the bits of a run that was never stopped.
        resources: memory, processors and lanes; None: chosen.
        progress: called now and then, in the calling thread, with the fraction of the work that is done. What it raises
            ends the run at the next segment, as Ctrl-C does.

    Returns:
        The final state, learning curves, best points and checkpoints, as NumPy arrays on the host. A replica whose parameters
        or losses are no longer finite has ended as `Ending.DIVERGED`, and the others do not notice.

    Raises:
        UserError: where arrays do not fit, where the memory does not hold one group, or for centred replicas of a network that
            normalises over the batch.

    Cost: R·steps·(3 forward passes on a batch), and an evaluation on the validation data each `evaluate_every` steps.
    """
    data.check(network, len(replicas))
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
    """A run before its first step; `first` is the step from which it goes on."""

    program: Program
    plan: TrainingPlan
    lanes: Lanes
    replicas: Replicas
    start: TrainingState | None
    first: int
    groups: Groups

    def stops(self) -> Iterator[tuple[int, bool]]:
        """The steps at which a segment ends, each with whether an evaluation is due there."""
        every, end, step = (
            self.plan.evaluate_every or self.program.steps_per_epoch,
            self.plan.steps,
            self.first,
        )
        if self.start is None:
            yield 0, True
        while step < end:
            kept = [c for c in self.plan.checkpoints if c > step]
            step = min(end, step + _SEGMENT, (step // every + 1) * every, *kept)
            yield step, step % every == 0 or step == end


@dataclass(frozen=True)
class _Done:
    """What one group leaves on the host."""

    state: TrainingState
    measured: list[tuple[int, Measured]]
    checkpoints: dict[int, TrainingState]


def _first_step(
    data: TrainingData, plan: TrainingPlan, replicas: Replicas, start: TrainingState | None
) -> int:
    """The step from which the replicas go on, when the plan can be carried out at all."""
    if getattr(plan.stop, "patience", None) is not None and data.validation_x is None:
        raise UserError(f"{plan.stop} without validation data", "validation_x and validation_y in the data")
    if isinstance(plan.stop, Interpolation) and plan.stop.loss is None and isinstance(plan.score, RSquared):
        raise UserError(
            "Interpolation() with RSquared()", "Interpolation(loss=…), as R² does not reach 1 exactly"
        )
    if start is None:
        return 0
    if len(start.steps) != len(replicas):
        raise UserError(f"a state of {len(start.steps)} replicas for {len(replicas)}", "as many")
    running = set(np.asarray(start.steps)[np.asarray(start.ended) == Ended.NO].tolist())
    if len(running) > 1:
        raise UserError(f"replicas at steps {sorted(running)}", "one step for all that go on")
    if running and max(running) > plan.steps:
        raise UserError(
            f"a state at step {max(running)} for a plan of {plan.steps}", "a plan that ends later"
        )
    return running.pop() if running else plan.steps


def _begin_group(run: _Run, group: int) -> tuple[Lanes, TrainingState]:
    """What a group is given, and its state before the first segment."""
    replicas, groups = run.replicas, run.groups
    lanes = groups.cut_lanes(run.lanes, run.program.own, group)
    params = groups.cut(replicas.params, group)
    if np.any(replicas.centred):
        centre = params if replicas.centre is None else groups.cut(replicas.centre, group)
        centred = groups.cut(np.broadcast_to(np.asarray(replicas.centred, bool), len(replicas)), group)
        offset, validation_offset = offsets(run.program, lanes, centre, centred)
        lanes = replace(lanes, offset=offset, validation_offset=validation_offset)
    if run.start is None:
        return lanes, begin(run.program, lanes, params)
    return lanes, take_up(run.program, lanes, groups.cut(run.start, group))


def _train_group(run: _Run, group: int, advanced: Callable[[int], None], cancelled: threading.Event) -> _Done:
    """One group from its first step to its last, or until all its replicas have ended."""
    lanes, state = _begin_group(run, group)
    at, measured, checkpoints = run.first, [], {}
    for step, due in run.stops():
        if cancelled.is_set():
            break
        if (np.asarray(state.ended) == Ended.NO).any():
            state = advance(run.program, lanes, state, at, step)
            if due:
                state, now = assess(run.program, lanes, state)
                measured.append((step, jax.device_get(now)))
        if step in run.plan.checkpoints:
            checkpoints[step] = jax.device_get(state)
        at = step
        advanced(step)
    return _Done(jax.device_get(state), measured, checkpoints)


def _run_groups(run: _Run, workers: int, progress: Callable[[float], None]) -> list[_Done]:
    """All groups, `workers` at a time; progress is told in this thread."""
    if len(run.groups) > 1:  # compile once, before several threads would
        compile_first = replace(run, plan=replace(run.plan, steps=run.first, checkpoints=()))
        _train_group(compile_first, 0, lambda step: None, threading.Event())
    reached = np.full(len(run.groups), run.first)
    cancelled, wide = threading.Event(), jax.config.read("jax_enable_x64")

    def one(group: int) -> _Done:
        with jax.enable_x64(wide):  # settings made by a context manager do not pass to other threads
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
        finally:  # whatever ended the wait, Ctrl-C and what `progress` raises too: the pool waits for its threads
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
