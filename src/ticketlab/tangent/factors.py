"""The factors of the kernel's contractions for a block of examples, from one forward and k reverse sweeps.

Zeros are added to the pre-activation z of every layer. One vector-Jacobian product per output then gives the cotangents
δ = ∂f_c/∂z of all layers, and the forward pass gives their inputs a. Parameters without a description are differentiated
example by example. If only the read-out z = output moves, δ is the identity and K = BBᵀ ⊗ I_k with B = [s_w·a, s_b]; then B is
enough.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ticketlab.compiled_programs import quick_options
from ticketlab.networks.layers import Layer
from ticketlab.networks.network import Network
from ticketlab.tangent.contractions import (
    Contraction,
    Factor,
    FactorProduct,
    GatedProduct,
    JacobianProduct,
    TangentProduct,
    outputs_at,
)
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.kernel_plan import KernelPlan
from ticketlab.tangent.selection import leaf_paths

__all__ = ["block_factors", "only_readout_moves", "readout_root"]


def block_factors(jacobian: Jacobian, plan: KernelPlan, size: int) -> Callable[[int], tuple[Factor, ...]]:
    """The function that computes the factors of each part for block i; copies of the last example fill the last block."""
    sweep = _compiled(
        jacobian.network,
        jax.tree.structure(jacobian.params),
        tuple((part.leaves, part.contraction) for part in plan.parts),
        jacobian.quick,
    )
    kept = [_kept(part.contraction, jacobian._masks[i]) for part in plan.parts for i in part.leaves]
    x, leaves = np.asarray(jacobian.x), jacobian._leaves

    def factors(i: int) -> tuple[Factor, ...]:
        rows = np.minimum(np.arange(i * size, (i + 1) * size), len(x) - 1)
        block = jax.device_put(np.asarray(x[rows], jacobian.dtype))
        found = sweep(leaves, kept, block)
        return tuple(
            (block, leaves, factor) if isinstance(part.contraction, TangentProduct) else factor
            for part, factor in zip(plan.parts, found, strict=True)
        )

    return factors


def _kept(contraction: Contraction, mask: Any) -> np.ndarray | None:
    """The columns that a mask keeps, in the order of the contraction; None for all."""
    if mask is True:
        return None
    kept = np.asarray(mask)
    return contraction.columns(kept) if isinstance(contraction, JacobianProduct) else np.flatnonzero(kept)


@lru_cache(maxsize=64)
def _compiled(
    network: Network, structure: Any, parts: tuple[tuple[tuple[int, ...], Any], ...], quick: bool
) -> Callable[..., Any]:
    """The sweep over one block: (all leaves, kept columns of each leaf that moves, x) → each part's factor."""
    described = [c for _, c in parts if not isinstance(c, TangentProduct) and c.layer is not None]
    swept = [c.layer for c in described if _takes_cotangents(c)]

    @partial(jax.jit, compiler_options=quick_options() if quick else None)
    def sweep(leaves: list[Array], kept: list[Array | None], x: Array) -> list[Factor]:
        params = jax.tree.unflatten(structure, leaves)
        a, delta = _cotangents(network, params, x, swept) if described else ({}, {})
        remaining = iter(kept)
        factors: list[Factor] = []
        for numbers, contraction in parts:
            columns = [next(remaining) for _ in numbers]
            match contraction:
                case FactorProduct(layer=layer):
                    factors.append(contraction.gather(a[layer.name], delta.get(layer.name)))
                case GatedProduct(layer=layer):
                    factors.append(contraction.gather(a[layer.name], *_gate(network, params, x, layer)))
                case JacobianProduct(layer=Layer() as layer):
                    factors.append(contraction.gather(a[layer.name], delta[layer.name], columns))
                case JacobianProduct():
                    rows = _rows(TangentProduct(network, structure, numbers), leaves, x)
                    flat = [g.reshape(*g.shape[:2], -1) for g in rows]
                    factors.append(
                        tuple(g if i is None else g[:, :, i] for g, i in zip(flat, columns, strict=True))
                    )
                case TangentProduct():
                    rows = _rows(contraction, leaves, x)
                    factors.append(tuple(_only(g, i) for g, i in zip(rows, columns, strict=True)))
        return factors

    return sweep


def _takes_cotangents(contraction: Contraction) -> bool:
    if isinstance(contraction, FactorProduct):
        return not contraction.layer.readout
    return isinstance(contraction, JacobianProduct)


def _cotangents(
    network: Network, params: Any, x: Array, layers: Sequence[Layer]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """The input `[n, …]` of every layer, and the cotangents `[k, n, *output_shape]` of these."""
    assert network.tapped is not None
    tapped, (n, k) = network.tapped, (len(x), network.outputs)
    taps = {layer.name: jnp.zeros((n, *layer.output_shape), x.dtype) for layer in layers}
    _, pull, inputs = jax.vjp(lambda t: tapped(params, x, t), taps, has_aux=True)
    seeds = jnp.broadcast_to(jnp.eye(k, dtype=x.dtype)[:, None, :], (k, n, k))
    return inputs, jax.vmap(lambda v: pull(v)[0])(seeds)


def _gate(network: Network, params: Any, x: Array, layer: Layer) -> tuple[Array, Array]:
    """g = ∂h_u/∂z_pu `[n, …, units]` with h the read-out's input, and ∂f/∂h, the read-out's effective weights."""
    assert network.tapped is not None
    tapped, readout = network.tapped, next(layer for layer in network.layers if layer.readout)
    tap = jnp.zeros((len(x), *layer.output_shape), x.dtype)
    # h_u sees z_pu alone, so that one reverse sweep of Σ_u h_u gives all of them.
    h, pull = jax.vjp(lambda t: tapped(params, x, {layer.name: t})[1][readout.name], tap)
    return pull(jnp.ones_like(h))[0], readout.weight_scale * params[readout.name]["weight"]


def _rows(moving: TangentProduct, leaves: Sequence[Array], x: Array) -> list[Array]:
    """∂f_c(x_n)/∂leaf as `[n, k, *leaf]` for each leaf that moves."""
    at = [leaves[i] for i in moving.leaves]

    def one(example: Array) -> list[Array]:
        return jax.jacrev(lambda v: outputs_at(moving, leaves, example[None])(v)[0])(at)

    return jax.vmap(one)(x)


def _only(rows: Array, kept: Array | None) -> Array:
    """Zero for entries that may not move."""
    if kept is None:
        return rows
    flat = rows.reshape(*rows.shape[:2], -1)
    return jnp.zeros_like(flat).at[:, :, kept].set(flat[:, :, kept]).reshape(rows.shape)


def only_readout_moves(jacobian: Jacobian) -> bool:
    """Whether only a whole dense last layer moves and its pre-activation is the output; then K = BBᵀ ⊗ I_k."""
    readouts = {layer.name for layer in jacobian.network.layers if layer.readout}
    moving = {
        path[0] if path else ""
        for path, mask in zip(leaf_paths(jacobian.params), jacobian._masks, strict=True)
        if mask is not False
    }
    whole = all(
        mask is True
        for path, mask in zip(leaf_paths(jacobian.params), jacobian._masks, strict=True)
        if path and path[0] in readouts
    )
    return bool(readouts) and moving == readouts and whole


def readout_root(jacobian: Jacobian) -> Float[Array, "n p"]:
    """B with K = BBᵀ ⊗ I_k, if `only_readout_moves`."""
    (layer,) = (layer for layer in jacobian.network.layers if layer.readout)
    structure = jax.tree.structure(jacobian.params)
    sweep = _compiled(
        jacobian.network, structure, (((), FactorProduct(layer, layer.has_bias)),), jacobian.quick
    )
    with jacobian.x64():
        b = jnp.concatenate([sweep(jacobian._leaves, [], x)[0][0][:, 0] for x in jacobian._batches])
        b = b[: jacobian.examples]
        if layer.has_bias:
            b = jnp.concatenate([b, jnp.full((len(b), 1), layer.bias_scale, b.dtype)], axis=1)
        return b if jacobian.scale is None else b * jacobian.scale[:, None]
