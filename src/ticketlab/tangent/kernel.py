"""The tangent kernel K = J Jᵀ in blocks, from each layer's structure, never through a P-long Jacobian where that can be avoided.

For a dense layer z = s_w·aW + s_b·b the part of K between output c of example n and output c' of example m is

    (s_w² aₙ·aₘ + s_b²) (δₙc · δₘc'),      δₙc = ∂f_c(xₙ)/∂z,

two matrix products and a Hadamard product (Jacot et al. 2018; Novak et al. 2022, section 3.2). Activations a and cotangents δ
of all layers come from one forward and k reverse sweeps. Parameters of other layers contract their explicit Jacobian, leaf by
leaf: right for every network, slower. When only the read-out z = output moves, δ is the identity and K = BBᵀ ⊗ I_k with
B = [s_w·a, s_b]: then B is enough, and K is never formed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ticketlab.networks.network import Layer, Network
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.selection import leaf_paths

__all__ = ["KernelCost", "kernel_cost", "only_readout_moves", "readout_root", "tangent_kernel"]

BLOCK_ROWS = 1536  # small enough that the cache holds what is added up, large enough for the matrix product's full rate


@dataclass(frozen=True)
class KernelCost:
    """What forming the symmetric K takes: multiply–adds counted as two operations, and bytes of the result and of one block."""

    flops: float
    result_bytes: int
    block_bytes: int


def tangent_kernel(
    jacobian: Jacobian,
    other: Jacobian | None = None,
    *,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Float[Array, "rows columns"]:
    """K(X₁, X₂) = J(X₁) J(X₂)ᵀ as a matrix `[n₁·k, n₂·k]`, rows ordered by example, then output.

    Arguments:
        jacobian: at X₁; its selection and precision are the kernel's.
        other: at X₂, with the same network, θ₀ and selection; left out, X₂ = X₁ and only the symmetric half is computed.
        progress: called with the fraction that is done.

    Cost: for a dense layer of `in` inputs and `units` units, n²(in + k²·units) multiply–adds, halved when symmetric; for any
    other leaf of p parameters n²k²p. Memory: the result, and a few blocks of 1536² numbers.
    """
    with jacobian.x64():
        left = _factors(jacobian)
        right = left if other is None else _factors(other)
        k = jacobian.outputs_per_example
        n1, n2 = jacobian.examples, (other or jacobian).examples
        size = _block_examples(jacobian)
        result = jnp.zeros((n1 * k, n2 * k), jacobian.dtype)
        pairs = [(i, j) for i in range(0, n1, size) for j in range(i if other is None else 0, n2, size)]
        scales = _scales(jacobian)
        for done, (i, j) in enumerate(pairs):
            block = _block(scales, _rows(left, i, size), _rows(right, j, size))
            result = _place(result, block, i * k, j * k, mirror=other is None and i != j)
            progress((done + 1) / len(pairs))
        return result


def only_readout_moves(jacobian: Jacobian) -> bool:
    """Whether only a dense last layer moves, as a whole, and its pre-activation is the output: then K = BBᵀ ⊗ I_k."""
    network = jacobian.network
    dense, leaves = _compiled_pattern(jacobian)
    if leaves or len(dense) != 1 or dense[0] != network.layers[-1] or dense[0].units != network.outputs:
        return False
    with jacobian.x64():  # what comes after the layer is not described, but one example's cotangents tell
        ((_, delta),) = _factors(jacobian.at(jacobian.x[:1]))
        return bool(jnp.all(delta == jnp.eye(network.outputs, dtype=delta.dtype)))


def readout_root(jacobian: Jacobian) -> Float[Array, "n p"]:
    """B with K = BBᵀ ⊗ I_k, where `only_readout_moves`."""
    (layer,), _ = _compiled_pattern(jacobian)
    with jacobian.x64():
        ((a, _),) = _factors(jacobian)
        b = layer.weight_scale * a
        if layer.has_bias:
            b = jnp.concatenate([b, jnp.full((len(b), 1), layer.bias_scale, b.dtype)], axis=1)
        return b


def kernel_cost(jacobian: Jacobian) -> KernelCost:
    """The counted cost of `tangent_kernel(jacobian)`."""
    n, k = jacobian.examples, jacobian.outputs_per_example
    dense, leaves = _compiled_pattern(jacobian)
    flops = sum(float(n) * n * (layer.inputs + k * k * layer.units) for layer in dense)
    sizes = [np.size(leaf) for leaf in jax.tree.leaves(jacobian.params)]
    flops += sum(float(n) * n * k * k * sizes[i] for i in leaves)
    item = np.dtype(jacobian.dtype).itemsize
    return KernelCost(flops, (n * k) ** 2 * item, (_block_examples(jacobian) * k) ** 2 * item)


# A factor is (a[n, in], δ[n, k, units]) of a dense layer, or (None, G[n, k, p]) for explicit Jacobian columns.
Factor = tuple[Any, Array]


def _factors(jacobian: Jacobian) -> list[Factor]:
    dense, leaves = _compiled_pattern(jacobian)
    structured, explicit = _factor_functions(
        jacobian.network,
        tuple(layer.name for layer in dense),
        tuple(leaves),
        jax.tree.structure(jacobian.params),
    )
    params = jax.tree.unflatten(jax.tree.structure(jacobian.params), jacobian._leaves)
    masks = [jacobian._masks[i] for i in leaves]
    parts = []
    for x in jacobian._batches:
        factors = list(structured(params, x)) if dense else []
        for g, mask in zip(explicit(params, x) if leaves else [], masks, strict=True):
            g = g.reshape(*g.shape[:2], -1)
            factors.append((None, g if mask is True else g * jnp.ravel(mask)))
        parts.append(factors)
    merged: list[Factor] = []
    for same in zip(*parts, strict=True):
        a = None if same[0][0] is None else jnp.concatenate([f[0] for f in same])
        merged.append((a, jnp.concatenate([f[1] for f in same])))
    return merged


def _compiled_pattern(jacobian: Jacobian) -> tuple[list[Layer], list[int]]:
    """The dense layers that move as a whole, and the numbers of the other leaves that move."""
    paths = leaf_paths(jacobian.params)
    whole = {layer.name for layer in jacobian.network.layers if layer.kind == "dense"}
    whole -= {path[0] for path, mask in zip(paths, jacobian._masks, strict=True) if path and mask is not True}
    dense = [layer for layer in jacobian.network.layers if layer.name in whole]
    others = [
        i
        for i, (path, mask) in enumerate(zip(paths, jacobian._masks, strict=True))
        if mask is not False and not (path and path[0] in whole)
    ]
    return dense, others


def _scales(jacobian: Jacobian) -> tuple[tuple[float, float] | None, ...]:
    dense, leaves = _compiled_pattern(jacobian)
    scales = [(x.weight_scale**2, x.bias_scale**2 if x.has_bias else 0.0) for x in dense]
    return (*scales, *([None] * len(leaves)))


@lru_cache(maxsize=64)
def _factor_functions(
    network: Network, names: tuple[str, ...], leaves: tuple[int, ...], structure: Any
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    k = network.outputs

    @jax.jit
    def structured(params: Any, x: Array) -> list[Factor]:
        tapped = network.tapped
        assert tapped is not None
        units = {layer.name: layer.units for layer in network.layers}
        taps = {name: jnp.zeros((x.shape[0], units[name]), x.dtype) for name in names}
        _, pull, inputs = jax.vjp(lambda t: tapped(params, x, t), taps, has_aux=True)
        seeds = jnp.broadcast_to(jnp.eye(k, dtype=x.dtype)[:, None, :], (k, x.shape[0], k))
        cotangents = jax.vmap(lambda v: pull(v)[0])(seeds)  # one reverse sweep an output: [k, n, units]
        return [(inputs[name], jnp.swapaxes(cotangents[name], 0, 1)) for name in names]

    @jax.jit
    def explicit(params: Any, x: Array) -> list[Array]:
        all_leaves = jax.tree.leaves(params)

        def outputs(moving: list[Array], example: Array) -> Array:
            merged = list(all_leaves)
            for i, leaf in zip(leaves, moving, strict=True):
                merged[i] = leaf
            return network.apply(jax.tree.unflatten(structure, merged), example[None])[0]

        rows = jax.vmap(jax.jacrev(outputs), in_axes=(None, 0))([all_leaves[i] for i in leaves], x)
        return list(rows)

    return structured, explicit


@partial(jax.jit, static_argnums=0)
def _block(
    scales: tuple[tuple[float, float] | None, ...], left: list[Factor], right: list[Factor]
) -> Float[Array, "rows columns"]:
    n, k = left[0][1].shape[:2]
    m = right[0][1].shape[0]
    total = jnp.zeros((n, k, m, k), left[0][1].dtype)
    for scale, (a, d), (b, e) in zip(scales, left, right, strict=True):
        part = jnp.matmul(d.reshape(n * k, -1), e.reshape(m * k, -1).T).reshape(n, k, m, k)
        if scale is not None:  # dense: (s_w² a·a' + s_b²) ∘ (δ·δ')
            part = (scale[0] * jnp.matmul(a, b.T) + scale[1])[:, None, :, None] * part
        total = total + part
    return total.reshape(n * k, m * k)


@partial(jax.jit, static_argnames="mirror", donate_argnums=0)
def _place(result: Array, block: Array, row: Any, column: Any, mirror: bool) -> Array:
    result = jax.lax.dynamic_update_slice(result, block, (row, column))
    return jax.lax.dynamic_update_slice(result, block.T, (column, row)) if mirror else result


def _rows(factors: list[Factor], start: int, size: int) -> list[Factor]:
    return [(None if a is None else a[start : start + size], d[start : start + size]) for a, d in factors]


def _block_examples(jacobian: Jacobian) -> int:
    return max(1, min(jacobian.examples, BLOCK_ROWS // jacobian.outputs_per_example))
