"""The plan of a tangent kernel: for each layer the contraction with the fewest operations, in blocks that fit in memory.

Only costs are computed here, from the shapes of the layers and from the selection. If X₁ = X₂, operations are counted for the
symmetric half of K; a multiply–add counts as two. For a network without a description XLA counts the operations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from ticketlab.networks.layers import Layer
from ticketlab.networks.network import Network
from ticketlab.tangent.contractions import (
    Contraction,
    FactorProduct,
    JacobianProduct,
    TangentProduct,
    Way,
    count,
    positions,
    ways,
)
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.selection import leaf_paths

__all__ = ["MEMORY", "KernelPlan", "Part", "common_block", "kernel_cost"]

MEMORY = 2**30
"""The default budget of bytes for factors and blocks, in addition to the result."""

COMMON_BLOCKS = (8, 32, 128, 512, 2048)
BLOCK_ROWS = {"cpu": 640}  # a block and its parts fit in the cache, and the matrix product runs at full rate
_BLOCK_ROWS_ELSEWHERE = 4096
SMALL_ROWS = 128


@dataclass(frozen=True)
class Part:
    """Parameters whose part of K has one contraction.

    Arguments:
        name: the layer, or the paths of the leaves.
        leaves: their numbers in the order of `jax.tree.leaves`.
        contraction: the method.
        flops: for contracting all pairs of examples and forming the factors of each.
        factor_bytes: of its factors for one example.
        others: the other possible methods, with their operations.
    """

    name: str
    leaves: tuple[int, ...]
    contraction: Contraction
    flops: float
    factor_bytes: int
    others: tuple[tuple[Contraction, float], ...] = ()


@dataclass(frozen=True)
class KernelPlan:
    """The cost of forming a kernel.

    Arguments:
        parts: the contraction of each part, in order of depth.
        sweep_flops: of the forward and reverse sweeps that give the inputs and cotangents of all layers.
        flops: total: sweeps, factors, and contractions of all pairs of examples, once for n m and m n.
        block, block_beside: examples in a block of X₁ and of X₂.
        held: blocks whose factors are kept while they are paired with all others; the others' are recomputed if needed.
        result_bytes, block_bytes, factor_bytes: of the result, of one block of it, and of the factors held at once.
    """

    parts: tuple[Part, ...]
    sweep_flops: float
    flops: float
    block: int
    block_beside: int
    held: int
    result_bytes: int
    block_bytes: int
    factor_bytes: int

    def describe(self) -> str:
        """A table in plain text: each part, its contraction, its operations, and the alternatives."""
        lines = [f"sweeps: forward and reverse, {self.sweep_flops / 1e9:.3g} GFLOP"]
        for part in self.parts:
            others = "".join(f"; {other.title} {flops / 1e9:.3g}" for other, flops in part.others)
            lines.append(f"{part.name}: {part.contraction.title}, {part.flops / 1e9:.3g} GFLOP{others}")
        total = f"in all {self.flops / 1e9:.3g} GFLOP in blocks of {self.block} examples"
        memory = f"result {self.result_bytes / 1e6:.3g} MB, factors {self.factor_bytes / 1e6:.3g} MB"
        return "\n".join([*lines, f"{total}; {memory}"])


def kernel_cost(
    jacobian: Jacobian, other: Jacobian | None = None, *, averaged: bool = False, memory: int = MEMORY
) -> KernelPlan:
    """The plan of `tangent_kernel(jacobian, other)`, or of `averaged_kernel`.

    Arguments:
        jacobian, other: at X₁ and X₂; without the latter X₂ = X₁.
        averaged: whether only the mean over outputs is needed.
        memory: bytes for factors and blocks, in addition to the result.
    """
    network, k = jacobian.network, jacobian.outputs_per_example
    n, m = jacobian.examples, (other or jacobian).examples
    pairs, examples = (n * (n + 1) / 2, n) if other is None else (float(n) * m, n + m)
    item = np.dtype(jacobian.dtype).itemsize
    parts = []
    for name, leaves, possible in _possible(jacobian, k if averaged else k * k):
        costs = [way.flops(pairs, examples) for way in possible]
        best = int(np.argmin(costs))
        others = tuple(
            (w.contraction, cost) for w, cost in zip(possible, costs, strict=True) if w is not possible[best]
        )
        way = possible[best]
        parts.append(Part(name, leaves, way.contraction, costs[best], way.numbers * item, others))
    parts = _together(parts)
    sweep = _sweep_flops(network, parts) * examples
    rows = 1 if averaged else k
    symmetric = n if other is None and not jacobian.filled else None
    size, held = _division(network, parts, symmetric, rows, item, memory)
    block, beside = _even(n, size), _even(m, size)
    if jacobian.filled:
        block = beside = min(jacobian.batch, 1 << size.bit_length() - 1)
    return KernelPlan(
        parts=tuple(parts),
        sweep_flops=sweep,
        flops=sweep + sum(part.flops for part in parts),
        block=block,
        block_beside=beside,
        held=held,
        result_bytes=n * m * rows**2 * item,
        block_bytes=block * beside * rows**2 * item,
        factor_bytes=min(held * block, n) * sum(part.factor_bytes for part in parts),
    )


def _possible(jacobian: Jacobian, products: int) -> Iterator[tuple[str, tuple[int, ...], list[Way]]]:
    """For each layer that moves, and for all other leaves together, the possible contractions.

    `products`: the number of pairs of outputs, k² or k.
    """
    network, k = jacobian.network, jacobian.outputs_per_example
    paths, masks = leaf_paths(jacobian.params), jacobian._masks
    numbers = {path: i for i, path in enumerate(paths)}
    structure = jax.tree.structure(jacobian.params)
    described = set()
    later = 0.0  # operations of a forward pass through the later layers
    found = []
    for layer in reversed(network.layers):
        leaves = tuple(
            numbers[layer.name, leaf] for leaf in ("weight", "bias") if (layer.name, leaf) in numbers
        )
        described |= set(leaves)
        moving = tuple(i for i in leaves if masks[i] is not False)
        if moving:
            weight, bias = masks[leaves[0]], masks[leaves[1]] if len(leaves) > 1 else False
            possible = list(ways(layer.stage, layer, weight, bias, k, products))
            rows = sum(_kept(jacobian, i) for i in moving)
            pair = 2 * k * (_forward(layer) + later)
            example = 4 * k * _forward_all(network)
            possible.append(Way(TangentProduct(network, structure, moving), pair, example, k * rows))
            found.append((layer.name, moving, possible))
        later += _forward(layer)
    yield from reversed(found)
    rest = tuple(i for i, mask in enumerate(masks) if mask is not False and i not in described)
    if rest:
        shapes = tuple(np.shape(leaf) for leaf in jax.tree.leaves(jacobian.params))
        forward = _counted(network, structure, shapes, np.dtype(jacobian.dtype))
        columns = sum(_kept(jacobian, i) for i in rest)
        written = Way(JacobianProduct(None), 2.0 * products * columns, 2 * k * forward, k * columns)
        push = Way(TangentProduct(network, structure, rest), 2 * k * forward, 2 * k * forward,
                    k * sum(np.size(jax.tree.leaves(jacobian.params)[i]) for i in rest))  # fmt: skip
        yield ", ".join(".".join(paths[i]) or "parameters" for i in rest), rest, [written, push]


def _together(parts: Sequence[Part]) -> list[Part]:
    """One sweep of Jacobian-vector products for all parts that use them."""
    pushed = [part for part in parts if isinstance(part.contraction, TangentProduct)]
    if len(pushed) < 2:
        return list(parts)
    first = pushed[0].contraction
    assert isinstance(first, TangentProduct)
    leaves = tuple(sorted(i for part in pushed for i in part.leaves))
    one = Part(
        ", ".join(part.name for part in pushed),
        leaves,
        TangentProduct(first.network, first.structure, leaves),
        # They share the pass through the later layers; that of the first part is the longest.
        max(part.flops for part in pushed),
        sum(part.factor_bytes for part in pushed),
    )
    return [*(part for part in parts if part not in pushed), one]


def _sweep_flops(network: Network, parts: Sequence[Part]) -> float:
    """For one example: forward, then back for each output to the first layer whose cotangents are needed."""
    needs = {
        part.name: part.contraction for part in parts if not isinstance(part.contraction, TangentProduct)
    }
    back, started = 0.0, False
    for layer in network.layers:
        # The cotangents of the read-out's input are its weights and cost nothing.
        back += _forward(layer) if started and not layer.readout else 0.0
        started = started or (
            isinstance(needs.get(layer.name), FactorProduct | JacobianProduct) and not layer.readout
        )
    described = any(layer.name in needs for layer in network.layers)
    return (_forward_all(network) if described else 0.0) + network.outputs * back


def _division(
    network: Network, parts: Sequence[Part], symmetric: int | None, rows: int, item: int, memory: int
) -> tuple[int, int]:
    """The most examples in a block, and the blocks held; `symmetric`: the number of examples of a symmetric kernel."""
    factors = sum(part.factor_bytes for part in parts)
    swept = sum(math.prod(x.output_shape) * network.outputs + positions(x) * x.inputs for x in network.layers)
    products = [p.contraction.layer for p in parts if isinstance(p.contraction, FactorProduct)]
    largest = max(map(positions, products), default=1)
    size = BLOCK_ROWS.get(jax.default_backend(), _BLOCK_ROWS_ELSEWHERE) // rows
    # A quarter for the sweep and factors of one block, a quarter for products, the rest for held factors.
    size = min(size, memory // 4 // max(1, 3 * swept * item + factors))
    size = min(size, math.isqrt(memory // 4 // (3 * rows**2 * item * largest)))
    if symmetric is not None:
        # Blocks on the diagonal are computed twice, so at least eight blocks, unless they become too small for a matrix product.
        size = min(size, max(-(-symmetric // 8), -(-SMALL_ROWS // rows)))
    size = max(1, size)
    return size, max(1, memory // 2 // max(1, size * factors))


def common_block(examples: int, outputs: int) -> int:
    """The next of a few numbers of examples, as long as a block of K is not too large; more examples take several blocks."""
    most = max(1, BLOCK_ROWS.get(jax.default_backend(), _BLOCK_ROWS_ELSEWHERE) // outputs)
    most = 1 << most.bit_length() - 1
    return min(next((size for size in COMMON_BLOCKS if size >= examples), most), most)


def _even(examples: int, size: int) -> int:
    """The size of the fewest blocks that suffice, all nearly equal."""
    return -(-examples // -(-examples // size))


def _forward(layer: Layer) -> float:
    """Operations of the layer for one example."""
    return 2.0 * positions(layer) * layer.inputs * layer.units


def _forward_all(network: Network) -> float:
    return sum(_forward(layer) for layer in network.layers)


def _kept(jacobian: Jacobian, leaf: int) -> int:
    return count(jacobian._masks[leaf], int(np.size(jax.tree.leaves(jacobian.params)[leaf])))


@lru_cache(maxsize=64)
def _counted(network: Network, structure: Any, shapes: tuple[tuple[int, ...], ...], dtype: np.dtype) -> float:
    """Operations of a forward pass for one example, as counted by XLA."""
    with jax.enable_x64(dtype == np.float64):
        leaves = [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]
        x = jax.ShapeDtypeStruct((1, *network.input_shape), dtype)
        counted = jax.jit(network.apply).lower(jax.tree.unflatten(structure, leaves), x).cost_analysis()
    return float((counted or {}).get("flops", 0.0)) or 2.0 * sum(math.prod(shape) for shape in shapes)
