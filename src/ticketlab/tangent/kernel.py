"""The tangent kernel K = J Jᵀ in blocks, from the structure of each layer, avoiding Jacobian rows of length P where possible.

Examples are processed in blocks. The factors of a block (inputs and cotangents of the layers, or rows of the Jacobian) are
computed once and held while memory allows. Each pair of blocks is one compiled program, which contracts every part of the
network in the way that `kernel_cost` chose. If X₁ = X₂, only pairs on one side of the diagonal are computed. With several
devices, each computes its share of the rows of blocks of K(X, X).

The full K has one row per example and output. `averaged_kernel`, the mean over outputs, is k² times smaller. It is exact for
an infinitely wide network and only an approximation for a finite one. `kernel_diagonal` needs no pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ticketlab.compiled_programs import quick_options
from ticketlab.tangent.contractions import Contraction, Factor
from ticketlab.tangent.devices import Devices
from ticketlab.tangent.factors import block_factors, only_readout_moves, readout_root
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.kernel_plan import MEMORY, KernelPlan, Part, kernel_cost

__all__ = [
    "KernelPlan",
    "Part",
    "averaged_kernel",
    "kernel_blocks",
    "kernel_cost",
    "kernel_diagonal",
    "only_readout_moves",
    "readout_root",
    "tangent_kernel",
]


def tangent_kernel(
    jacobian: Jacobian,
    other: Jacobian | None = None,
    *,
    memory: int = MEMORY,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Float[Any, "rows columns"]:
    """K(X₁, X₂) = J(X₁) J(X₂)ᵀ as a matrix `[n₁·k, n₂·k]`, rows ordered by example, then output.

    Arguments:
        jacobian: at X₁; sets the selection and precision of the kernel.
        other: at X₂, with the same network, θ₀ and selection. Without it X₂ = X₁, and all devices of the Jacobian compute
            only the symmetric half.
        memory: bytes on each device for factors and blocks, in addition to the result (default: 1 GiB). With less, blocks
            are smaller and their factors are computed more than once.
        progress: called with the fraction done.

    Cost: as counted by `kernel_cost(jacobian, other)`. With D devices, each contracts 1/D of the pairs and sweeps over the
        examples in these, half of all examples or more. Memory: the result, and `memory`.
    """
    plan = kernel_cost(jacobian, other, memory=memory)
    if other is None and jacobian.devices is not None:
        matrix = _over_devices(jacobian, jacobian.devices, plan, progress)
    else:
        matrix = _assembled(jacobian, other, plan, jacobian.outputs_per_example, progress)
    return _scaled(matrix, jacobian.scale, (other or jacobian).scale, jacobian.outputs_per_example)


def _scaled(matrix: Any, down: np.ndarray | None, across: np.ndarray | None, outputs: int) -> Any:
    """diag(s₁) K diag(s₂)."""
    if down is not None:
        matrix *= np.repeat(down, outputs).astype(matrix.dtype)[:, None]
    if across is not None:
        matrix *= np.repeat(across, outputs).astype(matrix.dtype)
    return matrix


def averaged_kernel(
    jacobian: Jacobian,
    other: Jacobian | None = None,
    *,
    memory: int = MEMORY,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Float[Any, "n m"]:
    """1/k Σ_c K(x_n c, x_m c), the trace over outputs divided by their number, `[n₁, n₂]`.

    K ≈ averaged ⊗ I_k is exact for infinite width (NTK parameterisation) and for the read-out's part; otherwise it is
    approximate.

    Arguments: as for `tangent_kernel`.
    Cost: as `kernel_cost(jacobian, other, averaged=True)` counts it; k² times less memory than K.
    """
    plan = kernel_cost(jacobian, other, averaged=True, memory=memory)
    matrix = _assembled(jacobian, other, plan, 1, progress)
    return _scaled(matrix, jacobian.scale, (other or jacobian).scale, 1)


def kernel_diagonal(jacobian: Jacobian, *, memory: int = MEMORY) -> Float[Array, "n k"]:
    """K(x_n c, x_n c) = ‖∂f_c(x_n)/∂θ‖². Cost: the sweeps and factors of `kernel_cost`, no pairs of examples."""
    plan = kernel_cost(jacobian, memory=memory)
    contractions = tuple(part.contraction for part in plan.parts)
    with jacobian.x64():
        factors = block_factors(jacobian, plan, plan.block)
        blocks = range(-(-jacobian.examples // plan.block))
        found = jnp.concatenate([_diagonal(contractions, factors(i)) for i in blocks])[: jacobian.examples]
        return _scaled(found, None if jacobian.scale is None else np.square(jacobian.scale), None, 1)


def kernel_blocks(jacobian: Jacobian) -> Iterator[Float[Array, "rows rows"]]:
    """K(X_i, X_i) for each batch of the Jacobian, the blocks on the diagonal of K.

    Cost: the sweeps and factors of `kernel_cost`, and the pairs of each batch, computed twice.
    """
    size, n = jacobian.batch, jacobian.examples
    plan = kernel_cost(jacobian.at(jacobian.x[:size]))
    contractions = tuple(part.contraction for part in plan.parts)
    factors = block_factors(jacobian, plan, min(size, n))
    for i in range(-(-n // size)):
        with jacobian.x64():
            factor = factors(i)
            block = _block_program(jacobian.quick)(contractions, False, factor, factor)
        rows = (min(n, (i + 1) * size) - i * size) * jacobian.outputs_per_example
        yield block[:rows, :rows]


def _assembled(
    jacobian: Jacobian,
    other: Jacobian | None,
    plan: KernelPlan,
    rows: int,
    progress: Callable[[float], None],
) -> Any:
    """All blocks in their places; `rows` is the number per example, 1 for the mean over outputs."""
    symmetric = other is None
    n, m = jacobian.examples, (other or jacobian).examples
    contractions = tuple(part.contraction for part in plan.parts)
    with jacobian.x64():
        left = block_factors(jacobian, plan, plan.block)
        right = left if other is None else block_factors(other, plan, plan.block_beside)
        result = _empty((n * rows, m * rows), jacobian.dtype)
        pair = _block_program(jacobian.quick)
        down, across = range(-(-n // plan.block)), range(-(-m // plan.block_beside))
        total = len(down) * (len(down) + 1) // 2 if symmetric else len(down) * len(across)
        done = 0
        for start in down[:: plan.held]:
            panel = {i: left(i) for i in down[start : start + plan.held]}
            for j in across[start if symmetric else 0 :]:
                beside = panel[j] if symmetric and j in panel else right(j)
                for i in panel if not symmetric else [i for i in panel if i <= j]:
                    block = pair(contractions, rows == 1, panel[i], beside)
                    result = _place(result, block, i, j, symmetric)
                    done += 1
                    progress(done / total)
        return result


def _over_devices(
    jacobian: Jacobian, devices: Devices, plan: KernelPlan, progress: Callable[[float], None]
) -> Any:
    """K(X, X); each device computes equally many rows of blocks.

    Blocks of examples form a circle, and each is paired with itself and with the half of the circle that follows. Each pair
    occurs once, and every row of blocks is equal work. The rest of a row is the transpose of other rows.
    """
    rows, blocks = jacobian.outputs_per_example, -(-jacobian.examples // plan.block)
    share = -(-blocks // len(devices))
    with jacobian.x64():
        here = {
            number: block_factors(
                replace(jacobian, params=jax.device_put(jacobian.params, device)), plan, plan.block
            )
            for number, device in enumerate(devices.mesh.devices.flat)
            if device.process_index == jax.process_index()
        }
        result = _empty((jacobian.examples * rows, jacobian.examples * rows), jacobian.dtype)
        for start in range(0, share, plan.held):
            height = min(plan.held, share - start)
            panels = [
                _panel(plan, factors, number * share + start, height, blocks)
                for number, factors in here.items()
            ]
            for below in range(height):
                strips = devices.collected([panel[below] for panel in panels])
                for number, strip in enumerate(strips):
                    result = _laid(result, strip, number * share + start + below, blocks)
                progress((start + below + 1) / share)
        return result


def _panel(
    plan: KernelPlan, factors: Callable[[int], tuple[Factor, ...]], first: int, height: int, blocks: int
) -> list[Array]:
    """For blocks from the first on: the part of K with the half of the circle that follows."""
    contractions, half = tuple(part.contraction for part in plan.parts), blocks // 2 + 1
    pair = _block_program(False)
    panel = {i: factors(i % blocks) for i in range(first, first + height)}
    strips: dict[int, list[Array]] = {i: [] for i in panel}
    for j in range(first, first + height + half - 1):
        beside = panel[j] if j in panel else factors(j % blocks)
        for i, strip in strips.items():
            if 0 <= j - i < half:
                mine = _meets(i % blocks, j - i, blocks)
                strip.append(
                    pair(contractions, False, panel[i], beside) if mine else jnp.zeros_like(strip[0])
                )
    return [jnp.concatenate(strip, axis=1) for strip in strips.values()]


def _meets(i: int, step: int, blocks: int) -> bool:
    """Whether block i is paired with the block this many steps ahead.

    Of two opposite blocks only one is: in the first half of the circle every other one, so that all shares are equal.
    """
    return 2 * step != blocks or (i < step) == (i % step % 2 == 0)


def _laid(result: Any, strip: np.ndarray, i: int, blocks: int) -> Any:
    """Puts a row of blocks and its transpose in their places; rows beyond the last are padding."""
    for step, block in enumerate(np.split(strip, blocks // 2 + 1, axis=1) if i < blocks else []):
        if _meets(i, step, blocks):
            result = _place(result, block, i, (i + step) % blocks, True)
    return result


@cache
def _block_program(quick: bool) -> Callable[..., Any]:
    options = quick_options() if quick else None
    return jax.jit(_block, static_argnums=(0, 1), compiler_options=options)


def _block(
    contractions: tuple[Contraction, ...], averaged: bool, left: tuple[Factor, ...], right: tuple[Factor, ...]
) -> Float[Any, "rows columns"]:
    total: Any = 0
    for contraction, a, b in zip(contractions, left, right, strict=True):
        total = total + (contraction.mean(a, b) if averaged else contraction.full(a, b))
    return total if averaged else total.reshape(total.shape[0] * total.shape[1], -1)


@partial(jax.jit, static_argnums=0)
def _diagonal(contractions: tuple[Contraction, ...], factors: tuple[Factor, ...]) -> Float[Array, "n k"]:
    parts = [c.diagonal(factor) for c, factor in zip(contractions, factors, strict=True)]
    return jnp.sum(jnp.stack(parts), axis=0)


def _empty(shape: tuple[int, int], dtype: Any) -> Any:
    """Zeros for a result: on the host if that is where programs run, where placing blocks needs no program of its own."""
    return np.zeros(shape, dtype) if jax.default_backend() == "cpu" else jnp.zeros(shape, dtype)


def _place(result: Any, block: Array | np.ndarray, i: int, j: int, symmetric: bool) -> Any:
    """Puts the block of rows i and columns j and its transpose in their places, without padding."""
    row, column = i * block.shape[0], j * block.shape[1]
    height, width = min(block.shape[0], result.shape[0] - row), min(block.shape[1], result.shape[1] - column)
    if isinstance(result, np.ndarray):
        part = np.asarray(block)[:height, :width]
        result[row : row + height, column : column + width] = part
        if symmetric:  # symmetric to the bit, for any order of sums in the matrix product
            both = (part + part.T) / 2 if i == j else part
            result[column : column + width, row : row + height] = both.T
        return result
    return _placed(result, block, row, column, height, width, symmetric, i == j)


@partial(jax.jit, static_argnums=(4, 5, 6, 7), donate_argnums=0)
def _placed(
    result: Array,
    block: Array,
    row: Any,
    column: Any,
    height: int,
    width: int,
    symmetric: bool,
    diagonal: bool,
) -> Array:
    block = block[:height, :width]
    if symmetric and diagonal:  # symmetric to the bit, for any order of sums in the matrix product
        block = (block + block.T) / 2
    result = jax.lax.dynamic_update_slice(result, block, (row, column))
    return (
        jax.lax.dynamic_update_slice(result, block.T, (column, row)) if symmetric and not diagonal else result
    )
