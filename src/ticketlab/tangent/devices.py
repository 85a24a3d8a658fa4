"""One tangent space over many devices: every device has its own examples, and everything else is whole everywhere.

J has rows for each example, so examples can be spread. A device holds its share of the inputs, and all parameters. JΔ is computed
where the examples are and gathered; Jᵀv is a sum over devices. Vectors in function and in parameter space are small beside what a
sweep over the data costs. They are whole in every process, and every process takes the same steps with them: a solver that is
made of products with J runs on one device, on several of one host, or on several hosts, and need not know.

The devices of one host are there at once: `Devices.found()`. For several processes, each calls `join` (see `processes`) before
anything else, and then all of them run the same program. Nothing but sums and gathers of these products passes between them.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float

from ticketlab.errors import UserError

__all__ = ["Devices", "share_processors"]

AXIS = "examples"
WHOLE, SPREAD = PartitionSpec(), PartitionSpec(AXIS)


@dataclass(frozen=True)
class Devices:
    """Devices in a row, over which examples are spread.

    Arguments:
        mesh: with one axis, named "examples", whose type is `AxisType.Auto` (the default of `jax.sharding.Mesh`).
    """

    mesh: Mesh

    @staticmethod
    def found(count: int | None = None) -> Devices:
        """The first `count` of the devices of all processes; all of them by default.

        Raises:
            UserError: when there are not as many.
        """
        there = jax.devices()
        if count is not None and not 1 <= count <= len(there):
            raise UserError(
                f"{count} devices",
                f"1 to {len(there)}, as many as JAX finds",
                "On processors, set XLA_FLAGS=--xla_force_host_platform_device_count before anything imports JAX.",
            )
        return Devices(Mesh(np.array(there[:count]), (AXIS,)))

    @staticmethod
    def of_each(count: int | None = None) -> Devices:
        """The first `count` of the devices of each process; all of them by default.

        Raises:
            UserError: when a process does not have as many.
        """
        held = [[d for d in jax.devices() if d.process_index == p] for p in range(jax.process_count())]
        fewest = min(map(len, held))
        if count is not None and not 1 <= count <= fewest:
            each = " in every process" if len(held) > 1 else ""
            raise UserError(
                f"{count} devices",
                f"1 to {fewest}, as many as JAX finds{each}",
                "Ask for as many as there are.",
            )
        return Devices(Mesh(np.array([device for devices in held for device in devices[:count]]), (AXIS,)))

    @property
    def processes(self) -> int:
        """How many processes these devices belong to."""
        return len({device.process_index for device in self.mesh.devices.flat})

    @property
    def first(self) -> bool:
        """Whether this is the process that speaks and writes for all."""
        return jax.process_index() == min(device.process_index for device in self.mesh.devices.flat)

    def __len__(self) -> int:
        return int(self.mesh.size)

    def lay(self, x: Float[np.ndarray, "n ..."]) -> Array:
        """Rows spread over the devices, filled up with the last one until all have as many."""
        rows = np.minimum(np.arange(math.ceil(len(x) / len(self)) * len(self)), len(x) - 1)
        filled = x[rows]
        return jax.make_array_from_callback(
            filled.shape, NamedSharding(self.mesh, SPREAD), lambda index: filled[index]
        )

    def everywhere(self, tree: Any) -> Any:
        """Every array of a tree, whole on every device. All processes must give the same."""
        sharding = NamedSharding(self.mesh, WHOLE)

        def place(array: Any) -> Array:
            if isinstance(array, jax.Array) and array.sharding == sharding:
                return array
            copies = [jax.device_put(array, device) for device in self.mesh.local_devices]
            return jax.make_array_from_single_device_arrays(np.shape(array), sharding, copies)

        return jax.tree.map(place, tree)

    def here(self, tree: Any) -> Any:
        """Every array of a tree that lies over the devices, put together in this process. Cost: a gather."""
        return jax.tree.map(lambda array: array.addressable_data(0), _joined(self)(tree))

    def collected(self, parts: Sequence[Array]) -> np.ndarray:
        """One array from every device, on top of each other in the order of the devices.

        Arguments:
            parts: those of this process's devices, of the same shape everywhere.

        Cost: a gather where there are several processes.
        """
        if self.processes == 1:
            return np.stack([np.asarray(part) for part in parts])
        shape, sharding = (len(self), *parts[0].shape), NamedSharding(self.mesh, SPREAD)
        whole = jax.make_array_from_single_device_arrays(shape, sharding, [part[None] for part in parts])
        return np.asarray(self.here(whole))

    def gathered(self, f: Callable[..., Array], axis: int) -> Callable[..., Array]:
        """`f(at, x, v)`, computed for the examples of each device and put together along `axis`.

        Arguments:
            f: of what is whole (`at`), of examples, and of a vector that is whole.
            axis: of the result, along which its examples lie.
        """
        return _call(self, _gathered(self, f, axis))

    def summed(self, f: Callable[..., Any], axis: int) -> Callable[..., Any]:
        """`f(at, x, v)`, computed for the examples of each device, with its part of v along `axis`, and added up."""
        return _call(self, _summed(self, f, axis))


def share_processors(count: int) -> None:
    """Makes processors count as so many devices; before anything asks JAX for one, afterwards it does nothing.

    On a host with accelerators these are the devices, and processors do not matter.
    """
    with contextlib.suppress(RuntimeError):  # JAX has its devices already
        jax.config.update("jax_num_cpu_devices", count)


def _call(devices: Devices, program: Callable[..., Any]) -> Callable[..., Any]:
    def call(at: Any, x: Array, v: Any = ()) -> Any:
        result = program(devices.everywhere(at), x, devices.everywhere(v))
        return jax.tree.map(lambda array: array.addressable_data(0), result)  # this process's own copy

    return call


@lru_cache(maxsize=16)
def _joined(devices: Devices) -> Callable[..., Any]:
    return jax.jit(lambda tree: tree, out_shardings=NamedSharding(devices.mesh, WHOLE))


@lru_cache(maxsize=256)
def _gathered(devices: Devices, f: Callable[..., Array], axis: int) -> Callable[..., Array]:
    def local(at: Any, x: Array, v: Any) -> Array:
        found = f(at, x, *([v] if jax.tree.leaves(v) else []))
        return jax.lax.all_gather(found, AXIS, axis=axis, tiled=True)

    return _program(devices, local)


@lru_cache(maxsize=256)
def _summed(devices: Devices, f: Callable[..., Any], axis: int) -> Callable[..., Any]:
    def local(at: Any, x: Array, v: Array) -> Any:
        mine = jax.lax.dynamic_slice_in_dim(v, jax.lax.axis_index(AXIS) * len(x), len(x), axis)
        return jax.lax.psum(f(at, x, mine), AXIS)

    return _program(devices, local)


def _program(devices: Devices, local: Callable[..., Any]) -> Callable[..., Any]:
    # Gathers and sums make the result whole; that it is cannot be seen from the types of a gather.
    spread = jax.shard_map(
        local, mesh=devices.mesh, in_specs=(WHOLE, SPREAD, WHOLE), out_specs=WHOLE, check_vma=False
    )
    return jax.jit(spread)
