"""Repeated products K u = J(Jᵀu) at the same θ₀, with kept activations, so that the forward pass runs once.

A reverse sweep, as a function of the cotangents, holds the activations that it needs. Kept in memory, it gives Jᵀu without a
forward pass. Its transpose, also from automatic differentiation, gives JΔ. For a fully connected network the two sweeps of a
product then take four matrix products per hidden layer and three for the first, which is the minimum. If the activations do
not fit, each sweep runs its own forward pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
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
        point: the same Jacobian in the precision in which kept activations are computed; None for the Jacobian's own.
    """

    def __init__(self, jacobian: Jacobian, memory: int = 4 * 10**9, *, point: Jacobian | None = None) -> None:
        self.jacobian = jacobian
        first = next(iter(jacobian.reverse_sweeps()))
        self.kept_bytes = math.ceil(jacobian.examples / first[0]) * _activation_bytes(*first)
        everywhere = memory * (1 if jacobian.devices is None else len(jacobian.devices))
        self._sweeps: list[tuple[int, Callable[..., Any]]] | None = None
        if self.kept_bytes > everywhere:
            self.kept_bytes = 0
            return
        self._sweeps = []
        for i, (size, sweep) in enumerate(jacobian.reverse_sweeps()):
            if point is not None:
                sweep = _rounded(point.reverse_sweep(i), sweep)
            self._sweeps.append((size, _sharing(first[1] if i == 0 else self._sweeps[0][1], sweep)))

    @staticmethod
    def at_exact_point(jacobian: Jacobian, memory: int = 4 * 10**9) -> Products:
        """Products in float32 whose kept activations were computed in float64 and then rounded.

        A ReLU unit whose pre-activation is within rounding of zero can be on in one precision and off in the other, which
        changes entries of J. For all of MNIST the error in K u caused a relative gap of 1 to 8 · 10⁻².
        """
        return Products(jacobian, memory, point=replace(jacobian, dtype=np.float64))

    def sweep(self, i: int) -> Callable[..., Any]:
        """v `[b, k]` ↦ Jᵀv for batch i, not scaled. Cost: nothing if it is kept, otherwise a forward pass."""
        return self.jacobian.reverse_sweep(i) if self._sweeps is None else self._sweeps[i][1]

    def pull(self, u: Float[Any, "n k"]) -> list[Array]:
        """Jᵀu."""
        values = np.asarray(u, self.jacobian.dtype)
        if self._sweeps is None:
            return self.jacobian.vjp(values)
        values = np.asarray(self.jacobian.scaled(values), self.jacobian.dtype)
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
        whole = np.concatenate([np.asarray(part) for part in parts])[: self.jacobian.examples]
        return np.asarray(self.jacobian.scaled(whole))

    def gram(self, u: Float[Any, "n k"]) -> Float[np.ndarray, "n k"]:
        """K u in float64, from sweeps in the Jacobian's precision. Cost: a reverse and a forward sweep."""
        return self.push(self.pull(u)).astype(np.float64)

    def grams(self, u: Float[Any, "c n k"]) -> Float[np.ndarray, "c n k"]:
        """K u for c functions, one after the other."""
        return np.stack([self.gram(one) for one in u])


def _activation_bytes(examples: int, sweep: Callable[..., Any]) -> int:
    """Of the arrays with one row per example; the others are parameters, which all batches share."""
    leaves = jax.tree.leaves(sweep)
    return sum(leaf.nbytes for leaf in leaves if leaf.ndim and leaf.shape[0] == examples)


def _rounded(exact: Callable[..., Any], sweep: Callable[..., Any]) -> Callable[..., Any]:
    """The sweep with values from one in another precision; both are the same program and hold values in the same order."""
    own, structure = jax.tree.flatten(sweep)
    values = jax.tree.leaves(exact)
    if [value.shape for value in values] != [leaf.shape for leaf in own]:
        return sweep
    return jax.tree.unflatten(structure, [v.astype(leaf.dtype) for v, leaf in zip(values, own, strict=True)])


def _sharing(first: Callable[..., Any], sweep: Callable[..., Any]) -> Callable[..., Any]:
    """The sweep, sharing the parameter arrays of the first, so that all batches keep them once."""

    def shared(own: Array, other: Array) -> Array:
        same = own.shape == other.shape and own.is_fully_addressable and np.array_equal(own, other)
        return other if same else own

    own, structure = jax.tree.flatten(sweep)
    return jax.tree.unflatten(structure, map(shared, own, jax.tree.leaves(first)))


@jax.jit
def _pulled(sweep: Callable[..., Any], u: Array, total: list[Array] | None) -> list[Array]:
    (delta,) = sweep(u)
    return delta if total is None else [a + b for a, b in zip(total, delta, strict=True)]


@partial(jax.jit, static_argnums=(0, 1))
def _pushed(k: int, examples: int, sweep: Callable[..., Any], delta: list[Array]) -> Float[Array, "b k"]:
    shape = jax.ShapeDtypeStruct((examples, k), delta[0].dtype)
    (outputs,) = jax.linear_transpose(lambda v: sweep(v)[0], shape)(delta)
    return outputs
