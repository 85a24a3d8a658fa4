"""The compiled program: W replicas take steps in parallel lanes and are then assessed.

`begin`, `advance` and `assess` are pure functions of arrays whose leading axis is W, the lanes. They are compiled once for
a `Program`, for any number of steps, so that a run is a plain loop over segments. A lane whose replica has ended is still
computed with the others, but its state is restored. Nothing changes it, and nothing (such as NaN) spreads from it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Int

from ticketlab.networks.evaluation import evaluate
from ticketlab.networks.network import Network, Params
from ticketlab.training.batches import epoch_order
from ticketlab.training.optimisers import Optimiser, Sgd
from ticketlab.training.plan import Accuracy, Interpolation, Score, Stop, ValidationLoss, ValidationScore
from ticketlab.training.reparameterisation import Reparameterisation
from ticketlab.training.result import Best, Ended, PerReplica, TrainingState

__all__ = ["Lanes", "Measured", "Program", "advance", "assess", "begin", "blank_best", "offsets"]

# One processor per group: groups run in parallel, small products do not.
_jit = functools.partial(
    jax.jit, static_argnames=("program",), compiler_options={"xla_cpu_multi_thread_eigen": False}
)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Lanes:
    """The inputs of W replicas.

    Arguments:
        order_keys: key data.
        step_sizes: η.
        masks: m, or None.
        x, y, validation_x, validation_y: the data; None if there are none.
        factors: s(t) of the steps of a segment, from its first on; None: 1.
        offset, validation_offset: f(x, m⊙θ_c) `[n, k]`, subtracted from the outputs; None if no replica is centred.
        frozen: the fixed argument of the reparameterisation; None if there is none.
    """

    order_keys: Any
    step_sizes: Any
    masks: Any
    x: Any
    y: Any
    validation_x: Any
    validation_y: Any
    factors: Any = None
    offset: Any = None
    validation_offset: Any = None
    frozen: Any = None


@dataclass(frozen=True)
class Program:
    """What the compiled code depends on, apart from shapes.

    Arguments:
        network: f; a step normalises a batch with its own statistics, an evaluation with those of the training data.
        loss: of a batch.
        steps_per_epoch: whole batches in an epoch; `batch` None takes all examples in every step.
        own: the fields of `Lanes` with a leading axis of lanes; all lanes share the others.
        key_kind: the generator of the order keys.
        effective: maps what is trained to the network's parameters; None: the identity.
    """

    network: Network
    loss: Callable[[Array, Array], Array]
    optimiser: Optimiser
    stop: Stop
    score: Score
    batch: int | None
    steps_per_epoch: int
    evaluate_training: bool
    own: frozenset[str]
    key_kind: str
    effective: Reparameterisation | None = None

    def axes(self) -> Lanes:
        """The fields with an axis of lanes, as `in_axes` of `jax.vmap`."""
        return Lanes(**{f.name: 0 if f.name in self.own else None for f in fields(Lanes)})

    def of_steps(self) -> Program:
        """The same for all programs that take the same steps, so that `advance` is compiled once for them."""
        return replace(
            self,
            optimiser=replace(self.optimiser, step_size=1.0),  # step sizes are in the lanes
            stop=ValidationLoss(),
            score=Accuracy(),
            evaluate_training=False,
        )

    def of_evaluations(self) -> Program:
        """The same for all programs that evaluate alike, whatever steps they take."""
        return replace(self, optimiser=Sgd(), batch=None, steps_per_epoch=1)

    def of_memory(self) -> Program:
        """The same for all programs whose replicas need the same memory."""
        return replace(self.of_starts(), batch=self.batch, own=frozenset(), key_kind="")

    def of_starts(self) -> Program:
        """The same for all programs whose states have the same arrays."""
        return replace(self.of_steps(), batch=None, steps_per_epoch=1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Measured:
    """One evaluation of W replicas; NaN for replicas that have ended and for values that were not requested."""

    batch_loss: PerReplica
    train_loss: PerReplica
    train_score: PerReplica
    validation_loss: PerReplica
    validation_score: PerReplica


@_jit
def begin(program: Program, lanes: Lanes, params: Params) -> TrainingState:
    """The state before the first step."""
    params = _masked(params, lanes.masks)
    w = len(lanes.step_sizes)
    count, number = jnp.zeros(w, jnp.int32), jnp.zeros(w, lanes.step_sizes.dtype)
    best = None
    if lanes.validation_x is not None:
        best = blank_best(params, count, number)
    optimiser = jax.vmap(program.optimiser.direction().init)(params)
    return TrainingState(params, optimiser, count, number, count, count, best)


def blank_best(params: Params, steps: PerReplica, zero: PerReplica) -> Best:
    """The best point before any evaluation: the current point, worse than any other.

    Arguments:
        params: of the replicas, `[R, …]`.
        steps: taken so far `[R]`.
        zero: zeros with the type of the losses `[R]`.
    """
    return Best(params, steps, zero + jnp.nan, zero + jnp.nan, zero + jnp.inf, jnp.zeros_like(steps))


@_jit
def take_up(program: Program, lanes: Lanes, state: TrainingState) -> TrainingState:
    """The state with masks applied to parameters and optimiser moments; a best point with masked weights is forgotten."""
    if lanes.masks is None:
        return state
    params, best = _masked(state.params, lanes.masks), state.best
    if best is not None:
        pairs = zip(*map(jax.tree.leaves, (best.params, _masked(best.params, lanes.masks))), strict=True)
        same = functools.reduce(jnp.logical_and, [(a == b).reshape(len(a), -1).all(1) for a, b in pairs])
        best = _where(same, best, blank_best(params, state.steps, jnp.zeros_like(state.batch_loss)))
    optimiser = optax.tree_utils.tree_map_params(
        program.optimiser.direction(), jnp.multiply, state.optimiser, lanes.masks
    )
    return replace(state, params=params, optimiser=optimiser, best=best)


@_jit
def offsets(program: Program, lanes: Lanes, centre: Params, centred: Array) -> tuple[Array, Array | None]:
    """f(x, m⊙θ_c) on training and validation inputs, and 0 for lanes that are not centred: `[w, n, k]` each."""

    def one(lane: Lanes, centre: Params, on: Array) -> tuple[Array, Array | None]:
        centre = _effective(program, lane, _masked(centre, lane.masks), jnp.int32(0))
        train = jnp.where(on, evaluate(program.network, centre, lane.x, lane.x), 0)
        if lane.validation_x is None:
            return train, None
        return train, jnp.where(on, evaluate(program.network, centre, lane.validation_x, lane.x), 0)

    return jax.vmap(one, in_axes=(program.axes(), 0, 0))(lanes, centre, centred)


@_jit
def advance(
    program: Program, lanes: Lanes, state: TrainingState, start: Int[Array, ""], stop: Int[Array, ""]
) -> TrainingState:
    """The state after steps `start` … `stop` − 1 of every replica that has not ended."""
    per_epoch, batch = program.steps_per_epoch, program.batch
    direction = program.optimiser.direction()

    def loss(params: Params, lane: Lanes, rows: Array | None, t: Array) -> Array:
        x, y, offset = (a if a is None or rows is None else a[rows] for a in (lane.x, lane.y, lane.offset))
        outputs = program.network.apply(_effective(program, lane, params, t), x)
        return jnp.mean(program.loss(outputs if offset is None else outputs - offset, y))

    def one_step(carry: Any, lane: Lanes, rows: Array | None, size: Array, t: Array) -> Any:
        params, optimiser, total = carry
        value, gradient = jax.value_and_grad(loss)(params, lane, rows, t)
        # θ is m⊙θ from the start; m⊙∇ masks the moments, the decay and hence the step, so θ stays masked.
        d, optimiser = direction.update(_masked(gradient, lane.masks), optimiser, params)
        params = jax.tree.map(lambda p, d: p - (lane.step_sizes * size).astype(p.dtype) * d, params, d)
        return params, optimiser, total + value

    axes = program.axes()
    rows_axis = None if batch is None else axes.order_keys
    all_lanes = jax.vmap(one_step, in_axes=(0, axes, rows_axis, None, None))

    def one_epoch(epoch: Array, carry: Any) -> Any:
        order = jnp.zeros(0) if batch is None else _order(program, lanes, epoch)

        def step(t: Array, carry: Any) -> Any:
            rows = None
            if batch is not None:
                rows = lax.dynamic_slice_in_dim(order, (t - epoch * per_epoch) * batch, batch, axis=-1)
            factor = jnp.ones(()) if lanes.factors is None else lanes.factors[t - start]
            return all_lanes(carry, lanes, rows, factor, t)

        first, last = jnp.maximum(start, epoch * per_epoch), jnp.minimum(stop, (epoch + 1) * per_epoch)
        return lax.fori_loop(first, last, step, carry)

    params, optimiser, total = lax.fori_loop(
        start // per_epoch,
        -(-stop // per_epoch),
        one_epoch,
        (state.params, state.optimiser, state.batch_loss),
    )
    new = replace(
        state,
        params=params,
        optimiser=optimiser,
        steps=state.steps + (stop - start),
        batch_loss=total,
        batches=state.batches + (stop - start),
    )
    return _where(state.ended == Ended.NO, new, state)


@_jit
def assess(program: Program, lanes: Lanes, state: TrainingState) -> tuple[TrainingState, Measured]:
    """One evaluation: measures every replica, keeps its best point, and ends those that meet the stop."""
    running = state.ended == Ended.NO
    train_loss = train_score = validation_loss = validation_score = jnp.full_like(state.batch_loss, jnp.nan)
    if program.evaluate_training or isinstance(program.stop, Interpolation):
        train_loss, train_score = _measure(program, lanes, state, "x", "y", "offset")
    if state.best is not None:
        validation_loss, validation_score = _measure(
            program, lanes, state, "validation_x", "validation_y", "validation_offset"
        )
    batch_loss = jnp.divide(state.batch_loss, state.batches)
    measured = Measured(batch_loss, train_loss, train_score, validation_loss, validation_score)
    diverged = ~_finite(state, measured)
    best = None if state.best is None else _better(program, state, measured, diverged)
    ended = jnp.where(_finished(program.stop, best, measured), _reason(program.stop), int(Ended.NO))
    new = replace(
        state,
        batch_loss=jnp.zeros_like(state.batch_loss),
        batches=jnp.zeros_like(state.batches),
        ended=jnp.where(diverged, int(Ended.DIVERGED), ended).astype(state.ended.dtype),
        best=best,
    )
    return _where(running, new, state), jax.tree.map(lambda a: jnp.where(running, a, jnp.nan), measured)


def _order(program: Program, lanes: Lanes, epoch: Array) -> Array:
    """The order of the examples in an epoch, `[w, n]`, or `[n]` if shared."""

    def one(data: Array) -> Array:
        n = lanes.y.shape[1] if "y" in program.own else lanes.y.shape[0]
        return epoch_order(jax.random.wrap_key_data(data, impl=program.key_kind), epoch, n)

    return jax.vmap(one)(lanes.order_keys) if "order_keys" in program.own else one(lanes.order_keys)


def _measure(
    program: Program, lanes: Lanes, state: TrainingState, x: str, y: str, offset: str
) -> tuple[Array, Array]:
    """Mean loss and score of every lane on one part of the data."""

    def one(lane: Lanes, params: Params, t: Array) -> tuple[Array, Array]:
        f = evaluate(program.network, _effective(program, lane, params, t), getattr(lane, x), lane.x)
        targets, f0 = getattr(lane, y), getattr(lane, offset)
        f = f if f0 is None else f - f0
        return jnp.mean(program.loss(f, targets)), program.score(f, targets)

    return jax.vmap(one, in_axes=(program.axes(), 0, 0))(lanes, state.params, state.steps)


def _effective(program: Program, lane: Lanes, params: Params, t: Array) -> Params:
    """The parameters of one lane's network at step t: the masked θ, or its reparameterisation."""
    if program.effective is None:
        return params
    key = jax.random.wrap_key_data(lane.order_keys, impl=program.key_kind)
    return program.effective(params, lane.frozen, jax.random.fold_in(key, t))


def _better(program: Program, state: TrainingState, measured: Measured, diverged: Array) -> Best:
    """The best point, with the present one; outputs that are not numbers may well have the higher score."""
    old = state.best
    assert old is not None
    loss, score = measured.validation_loss, measured.validation_score
    criterion = -score if isinstance(program.stop, ValidationScore) else loss
    new = Best(state.params, state.steps, loss, score, criterion, jnp.zeros_like(old.waited))
    return _where((criterion < old.criterion) & ~diverged, new, replace(old, waited=old.waited + 1))


def _finished(stop: Stop, best: Best | None, measured: Measured) -> Any:
    if isinstance(stop, Interpolation):
        return measured.train_score >= 1 if stop.loss is None else measured.train_loss <= stop.loss
    if best is None or stop.patience is None:
        return jnp.zeros(measured.batch_loss.shape, bool)
    return best.waited >= stop.patience


def _reason(stop: Stop) -> int:
    return int(Ended.INTERPOLATED if isinstance(stop, Interpolation) else Ended.NO_BETTER)


def _finite(state: TrainingState, measured: Measured) -> Array:
    """The lanes with finite parameters and with finite losses since the last evaluation."""
    leaves = [jnp.isfinite(a).reshape(len(a), -1).all(1) for a in jax.tree.leaves(state.params)]
    ok = functools.reduce(jnp.logical_and, leaves, jnp.isfinite(state.batch_loss))
    return ok if state.best is None else ok & jnp.isfinite(measured.validation_loss)


def _masked(tree: Params, masks: Params | None) -> Params:
    return tree if masks is None else jax.tree.map(jnp.multiply, tree, masks)


def _where(lanes: Any, new: Any, old: Any) -> Any:
    """`new` in the selected lanes, `old` in the others."""
    return jax.tree.map(lambda n, o: jnp.where(lanes.reshape(-1, *[1] * (n.ndim - 1)), n, o), new, old)
