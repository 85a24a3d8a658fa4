"""The division of a run: R replicas in groups of W lanes, which share one program.

Copies of the last replica fill the last group, so that all groups have the same shapes. So the bits of a replica do not depend
on the number of groups that fit in memory. On a CPU they do not depend on the number of replicas either. On other devices W
follows from that number, and replicas agree to rounding.

Arrays reach the device by `jax.device_put`, because `jnp.asarray` compiles a program for every shape.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab.errors import UserError, counted
from ticketlab.networks.evaluation import block_rows, intermediate_bytes
from ticketlab.networks.network import Network, Params
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.training.memory import available_bytes, default_lanes, default_workers
from ticketlab.training.plan import Resources, TrainingPlan
from ticketlab.training.program import Lanes, Program
from ticketlab.training.replicas import Replicas, TrainingData

__all__ = ["Groups", "Layout", "layout", "program_and_lanes"]


@dataclass(frozen=True)
class Groups:
    """R replicas cut into groups of `width` lanes."""

    replicas: int
    width: int

    def __len__(self) -> int:
        return -(-self.replicas // self.width)

    def cut(self, tree: Any, group: int) -> Any:
        """The entries of one group from arrays `[R, …]`, on the device."""
        rows = np.minimum(np.arange(group * self.width, (group + 1) * self.width), self.replicas - 1)
        return jax.device_put(jax.tree.map(lambda a: np.asarray(a)[rows], tree))

    def cut_lanes(self, lanes: Lanes, own: frozenset[str], group: int) -> Lanes:
        """The lanes of one group: its entries of the per-replica arrays, and the shared arrays."""
        values = {f.name: getattr(lanes, f.name) for f in fields(Lanes)}
        return Lanes(**{name: self.cut(v, group) if name in own else v for name, v in values.items()})

    def join(self, parts: list[Any]) -> Any:
        """Arrays `[R, …]` joined from all groups, in order."""
        return jax.tree.map(lambda *a: np.concatenate(a)[: self.replicas], *parts)


def program_and_lanes(
    network: Network, loss: ConvexLoss, data: TrainingData, plan: TrainingPlan, replicas: Replicas
) -> tuple[Program, Lanes]:
    """The program of a run and the lanes of all its replicas: shared arrays on the device, per-replica arrays on the host."""
    sizes = plan.optimiser.step_size if replicas.step_sizes is None else replicas.step_sizes
    dtype = jnp.result_type(*jax.tree.leaves(replicas.params))
    given = Lanes(
        order_keys=jax.random.key_data(replicas.order_keys),
        step_sizes=np.broadcast_to(np.asarray(sizes, dtype), len(replicas)),
        masks=replicas.full_masks(),
        frozen=replicas.frozen,
        **{f.name: getattr(data, f.name) for f in fields(data)},
    )
    own = {"step_sizes", "masks", "offset", "validation_offset", "frozen"} | data.own(network)
    own |= {"order_keys"} if replicas.order_keys.ndim else set()
    placed = {
        f.name: jax.tree.map(np.asarray if f.name in own else jax.device_put, getattr(given, f.name))
        for f in fields(Lanes)
    }
    program = Program(
        network=network,
        loss=loss.value,
        optimiser=plan.optimiser,
        stop=plan.stop,
        score=plan.score,
        batch=plan.batch,
        steps_per_epoch=plan.steps_per_epoch(np.shape(data.y)[-2]),
        evaluate_training=plan.evaluate_training,
        own=frozenset(own),
        key_kind=str(jax.random.key_impl(replicas.order_keys)),
        effective=replicas.effective,
    )
    return program, Lanes(**placed)


@dataclass(frozen=True)
class Layout:
    """The number of lanes in a group and of simultaneous groups."""

    width: int
    workers: int


def layout(program: Program, lanes: Lanes, params: Params, replicas: int, resources: Resources) -> Layout:
    """The number of lanes in a group and of groups trained at the same time.

    Raises:
        UserError: if one group does not fit in memory.
    """
    (device,) = jnp.zeros(()).devices()
    step, whole = _bytes_per_replica(program, lanes, params)
    width = resources.lanes or max(default_lanes(device.platform, step, replicas), resources.least_lanes)
    group = width * whole
    memory = resources.memory_bytes or available_bytes(device)
    # By default `memory` is half of the available memory; a single group may use all of it.
    most = memory if resources.memory_bytes else 2 * memory
    if group > most:
        raise UserError(
            f"{most / 1e6:.1f} MB of memory for training",
            f"{group / 1e6:.1f} MB, for one group of {counted(width, 'replica')}",
            "Give more memory, or use fewer lanes (Resources(lanes=…)) or smaller batches.",
        )
    at_a_time = max(memory // group, 1)
    workers = min(resources.workers or default_workers(device.platform), at_a_time, -(-replicas // width))
    return Layout(width, workers)


def _bytes_per_replica(program: Program, lanes: Lanes, params: Params) -> tuple[int, int]:
    """Estimates of the bytes that one replica uses in a step, and that it keeps during training."""

    def shape(a: Any, lead: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(a.shape[lead:], a.dtype)

    one, frozen = (jax.tree.map(lambda a: shape(a, 1), tree) for tree in (params, lanes.frozen))
    x, y = (shape(getattr(lanes, name), int(name in program.own)) for name in ("x", "y"))
    leaves, structure = jax.tree.flatten((one, frozen, x, y))
    state, passes, evaluation = _bytes_on_the_way(
        program.of_memory(), tuple(leaves), structure, bool(jax.config.read("jax_enable_x64"))
    )
    kept = sum(a.nbytes // len(a) for name in program.own for a in jax.tree.leaves(getattr(lanes, name)))
    targets = sum(a.nbytes for a in (lanes.y, lanes.validation_y) if a is not None)
    # Old and new state, the gradient and what leads to it, an evaluation, offsets.
    return state + passes, 3 * state + passes + evaluation + kept + 2 * targets


@lru_cache(maxsize=256)
def _bytes_on_the_way(
    program: Program, leaves: tuple[jax.ShapeDtypeStruct, ...], structure: Any, wide: bool
) -> tuple[int, int, int]:
    """The bytes of a replica's state, of what a step computes and of what an evaluation does; a run in pieces asks once.

    Arguments:
        leaves, structure: the shapes of one replica's parameters and frozen arrays, of all inputs and of all targets.
        wide: whether float64 is enabled.
    """
    one, frozen, inputs, targets = jax.tree.unflatten(structure, leaves)

    def rows(a: jax.ShapeDtypeStruct, most: int | None) -> jax.ShapeDtypeStruct:
        return a if most is None else jax.ShapeDtypeStruct((min(most, a.shape[0]), *a.shape[1:]), a.dtype)

    def given(p: Params, frozen: Any) -> Params:
        return p if program.effective is None else program.effective(p, frozen, jax.random.key(0))

    def step(params: Params, frozen: Any, x: Any, y: Any) -> Any:
        return jax.value_and_grad(
            lambda p: program.loss(program.network.apply(given(p, frozen), x), y).mean()
        )(params)

    parameters = sum(a.size * a.dtype.itemsize for a in jax.tree.leaves(one))
    passes = intermediate_bytes(step, one, frozen, rows(inputs, program.batch), rows(targets, program.batch))
    moments = jax.eval_shape(program.optimiser.direction().init, one)
    state = 2 * parameters + sum(a.size * a.dtype.itemsize for a in jax.tree.leaves(moments))
    effective = jax.eval_shape(given, one, frozen)
    most = 2 * block_rows(program.network, effective)  # examples evaluated at once
    return state, passes, intermediate_bytes(program.network.apply, effective, rows(inputs, most))
