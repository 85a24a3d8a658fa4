"""One tangent space over many devices: each device has its own examples, and everything else is replicated.

J has rows for each example, so examples can be distributed. A device holds its share of the inputs and all parameters. JΔ is
computed where the examples are and then gathered; Jᵀv is a sum over devices. Vectors in function and parameter space are
small compared with a sweep over the data. Every process holds them in full and takes the same steps. So a solver that only
uses products with J runs unchanged on one device, on several devices of a host, or on several hosts.

`Devices.found()` returns the devices of one host. With several processes, each calls `join` (see `processes`) before anything
else, and then all run the same program. They exchange only sums and gathers of these products.
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
    """A row of devices over which examples are distributed.

    Arguments:
        mesh: with one axis, named "examples", whose type is `AxisType.Auto` (the default of `jax.sharding.Mesh`).
    """

    mesh: Mesh

    @staticmethod
    def found(count: int | None = None) -> Devices:
        """The first `count` of the devices of all processes; all by default.

        Raises:
            UserError: if there are fewer.
        """
        there = jax.devices()
        if count is not None and not 1 <= count <= len(there):
            raise UserError(
                f"{count} devices",
                f"1 to {len(there)}, the number that JAX finds",
                "On CPUs, set XLA_FLAGS=--xla_force_host_platform_device_count before anything imports JAX.",
            )
        return Devices(Mesh(np.array(there[:count]), (AXIS,)))

    @staticmethod
    def of_each(count: int | None = None) -> Devices:
        """The first `count` of the devices of each process; all by default.

        Raises:
            UserError: if a process has fewer.
        """
        held = [[d for d in jax.devices() if d.process_index == p] for p in range(jax.process_count())]
        fewest = min(map(len, held))
        if count is not None and not 1 <= count <= fewest:
            each = " in every process" if len(held) > 1 else ""
            raise UserError(
                f"{count} devices",
                f"1 to {fewest}, the number that JAX finds{each}",
                "Ask for at most that number.",
            )
        return Devices(Mesh(np.array([device for devices in held for device in devices[:count]]), (AXIS,)))

    @property
    def processes(self) -> int:
        """The number of processes to which these devices belong."""
        return len({device.process_index for device in self.mesh.devices.flat})

    @property
    def first(self) -> bool:
        """Whether this process prints and writes for all."""
        return jax.process_index() == min(device.process_index for device in self.mesh.devices.flat)

    def __len__(self) -> int:
        return int(self.mesh.size)

    def lay(self, x: Float[np.ndarray, "n ..."]) -> Array:
        """Rows distributed over the devices; copies of the last row make the shares equal."""
        rows = np.minimum(np.arange(math.ceil(len(x) / len(self)) * len(self)), len(x) - 1)
        filled = x[rows]
        return jax.make_array_from_callback(
            filled.shape, NamedSharding(self.mesh, SPREAD), lambda index: filled[index]
        )

    def everywhere(self, tree: Any) -> Any:
        """Every array of a tree, in full on every device. All processes must give the same arrays."""
        sharding = NamedSharding(self.mesh, WHOLE)

        def place(array: Any) -> Array:
            if isinstance(array, jax.Array) and array.sharding == sharding:
                return array
            copies = [jax.device_put(array, device) for device in self.mesh.local_devices]
            return jax.make_array_from_single_device_arrays(np.shape(array), sharding, copies)

        return jax.tree.map(place, tree)

    def here(self, tree: Any) -> Any:
        """Every array of a tree, gathered from the devices into this process. Cost: a gather."""
        return jax.tree.map(lambda array: array.addressable_data(0), _joined(self)(tree))

    def collected(self, parts: Sequence[Array]) -> np.ndarray:
        """Stacks one array from every device, in the order of the devices.

        Arguments:
            parts: the arrays of this process's devices, all of the same shape.

        Cost: a gather if there are several processes.
        """
        if self.processes == 1:
            return np.stack([np.asarray(part) for part in parts])
        shape, sharding = (len(self), *parts[0].shape), NamedSharding(self.mesh, SPREAD)
        whole = jax.make_array_from_single_device_arrays(shape, sharding, [part[None] for part in parts])
        return np.asarray(self.here(whole))

    def gathered(self, f: Callable[..., Array], axis: int) -> Callable[..., Array]:
        """`f(at, x, v)`, computed for the examples of each device and joined along `axis`.

        Arguments:
            f: a function of replicated values (`at`), of examples, and of a replicated vector.
            axis: the axis of the result along which the examples lie.
        """
        return _call(self, _gathered(self, f, axis))

    def summed(self, f: Callable[..., Any], axis: int) -> Callable[..., Any]:
        """`f(at, x, v)`, computed for the examples of each device, with its part of v along `axis`, and added up."""
        return _call(self, _summed(self, f, axis))


def share_processors(count: int) -> None:
    """Makes JAX see this number of CPU devices; has no effect after anything has asked JAX for a device.

    On a host with accelerators these are the devices, and CPUs do not matter.
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
    # Gathers and sums replicate the result, but the types of a gather do not show it.
    spread = jax.shard_map(
        local, mesh=devices.mesh, in_specs=(WHOLE, SPREAD, WHOLE), out_specs=WHOLE, check_vma=False
    )
    return jax.jit(spread)
