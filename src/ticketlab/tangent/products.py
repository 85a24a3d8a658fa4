"""K u = J(Jᵀu) again and again at the same θ₀: what the forward pass leaves behind is kept, so that it is run once.

A reverse sweep, written as a function of the cotangents, carries the activations it needs with it. Kept in memory it gives Jᵀu
without a forward pass, and its transpose, which automatic differentiation knows too, gives JΔ. For a fully connected network
the two sweeps of a product then take four matrix products a hidden layer, three for the first: the least there is. Where the
activations do not fit, each sweep runs its own forward pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from ticketlab.tangent.jacobian import Jacobian

__all__ = ["Products"]


class Products:
    """Jᵀu, JΔ and K u for one function at a time, at the precision of the Jacobian.

    Arguments:
        jacobian: J.
        memory: bytes that kept activations may take on each device (default: 4 GB).
    """

    def __init__(self, jacobian: Jacobian, memory: int = 4 * 10**9) -> None:
        self.jacobian = jacobian
        first = next(iter(jacobian.reverse_sweeps()))
        self.kept_bytes = math.ceil(jacobian.examples / first[0]) * _activation_bytes(*first)
        everywhere = memory * (1 if jacobian.devices is None else len(jacobian.devices))
        self._sweeps = list(jacobian.reverse_sweeps()) if self.kept_bytes <= everywhere else None
        if self._sweeps is None:
            self.kept_bytes = 0

    def pull(self, u: Float[Any, "n k"]) -> list[Array]:
        """Jᵀu."""
        values = np.asarray(u, self.jacobian.dtype)
        if self._sweeps is None:
            return self.jacobian.vjp(values)
        total: list[Array] | None = None
        devices, start = self.jacobian.devices, 0
        filling = sum(size for size, _ in self._sweeps) - len(values)
        values = np.pad(values, ((0, filling), (0, 0))) if filling else values
        with self.jacobian.x64():
            for size, sweep in self._sweeps:
                part = values[start : start + size]
                total = _pulled(sweep, part if devices is None else devices.lay(part), total)
                start += size
            assert total is not None
            return total if devices is None else devices.here(total)

    def push(self, delta: Sequence[Any]) -> Float[np.ndarray, "n k"]:
        """JΔ."""
        if self._sweeps is None:
            return np.asarray(self.jacobian.jvp(delta))
        k, devices = self.jacobian.outputs_per_example, self.jacobian.devices
        with self.jacobian.x64():
            steps = list(delta) if devices is None else devices.everywhere(list(delta))
            parts = [_pushed(k, size, sweep, steps) for size, sweep in self._sweeps]
            parts = parts if devices is None else devices.here(parts)
        return np.concatenate([np.asarray(part) for part in parts])[: self.jacobian.examples]

    def gram(self, u: Float[Any, "n k"]) -> Float[np.ndarray, "n k"]:
        """K u in float64, from sweeps in the Jacobian's precision. Cost: a reverse and a forward sweep."""
        return self.push(self.pull(u)).astype(np.float64)

    def grams(self, u: Float[Any, "c n k"]) -> Float[np.ndarray, "c n k"]:
        """K u for c functions, one after the other."""
        return np.stack([self.gram(one) for one in u])


def _activation_bytes(examples: int, sweep: Callable[..., Any]) -> int:
    """Of the arrays with a row an example; the others are parameters, which all batches share."""
    leaves = jax.tree.leaves(sweep)
    return sum(leaf.nbytes for leaf in leaves if leaf.ndim and leaf.shape[0] == examples)


@jax.jit
def _pulled(sweep: Callable[..., Any], u: Array, total: list[Array] | None) -> list[Array]:
    (delta,) = sweep(u)
    return delta if total is None else [a + b for a, b in zip(total, delta, strict=True)]


@partial(jax.jit, static_argnums=(0, 1))
def _pushed(k: int, examples: int, sweep: Callable[..., Any], delta: list[Array]) -> Float[Array, "b k"]:
    shape = jax.ShapeDtypeStruct((examples, k), delta[0].dtype)
    (outputs,) = jax.linear_transpose(lambda v: sweep(v)[0], shape)(delta)
    return outputs
