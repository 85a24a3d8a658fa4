"""Block coordinate descent on the dual, with momentum: (K + λI)u = r, b examples at a time.

Let B be a block of examples and Δ = Jᵀu. A step makes the residual of the block zero,

    s = (K_BB + λI)⁻¹ (r − JΔ − λu)_B,      u_B ← u_B + s,      Δ ← Δ + J_Bᵀs,

and uses only b examples. An epoch is one step per block in random order. It costs one product with K and a product with
each inverse; the inverses are computed once. The rate depends on λ and on the part of K's diagonal that a block cannot
predict from itself,

    d = 1 / mean diag (K_BB + λI)⁻¹,

but not on the largest eigenvalues of K, which grow with the number of examples and slow conjugate gradients down. An
epoch removes the fraction √(λ/d) of the error with momentum, and λ/d without. The method keeps two sequences of points,
x and v,

    y = (1 − α)x + αv,      x ← y + s e_B,      v ← βv + (1 − β)y + γ s e_B,      α = 1/(1 + γm),      β = 1 − 1/(γm)

for m blocks, where s is the step from y. γ grows with the epochs up to a bound, as in methods that do not know √(d/λ).
The result is the mean of x over an epoch, which averages out random overshooting along large eigenvalues. A separate
product with K judges it.

Sources: Shalev-Shwartz, Zhang 1209.1873 (dual ascent); Nesterov, SIAM J. Optim. 22, 341 (2012) and Gower, Hanzely, Richtárik,
Stich 1802.04079 (momentum); Fercoq, Richtárik 1312.5799 (momentum that grows); Rathore et al. 2407.10070 (ASkotch, the same for
kernel matrices, with approximate inverses).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float, Int

from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.kernel import kernel_blocks
from ticketlab.tangent.products import Products
from ticketlab.tangent.residual_smoothing import DualPoint, Watch

__all__ = ["Blocks", "block_descent", "inverse_bytes", "prepare_blocks"]

FIRST, FURTHEST = 3.0, 8.0  # γ at the start, and its bound in multiples of √(d/λ)
CHECK = 7  # epochs between two evaluations of the mean
STALLED = 4  # evaluations in which the gap falls by less than a tenth
KEY = 0  # of the partition and the order of steps, which change the path to the solution but not the solution


@dataclass(frozen=True, eq=False)
class Blocks:
    """A random partition of the examples, ready for one ridge.

    Arguments:
        order: the examples, block after block `[n]`.
        products: J at the examples in this order; its batches are the blocks.
        inverses: (K_BB + λI)⁻¹ `[b·k, b·k]`, float32.
        ridge: λ.
        spread: d/λ.
    """

    order: Int[np.ndarray, "n"]
    products: Products
    inverses: list[Array]
    ridge: float
    spread: float


def inverse_bytes(examples: int, outputs: int, rows: int) -> int:
    """Of the inverses of all blocks."""
    return 4 * examples * outputs * max(rows, outputs)


def prepare_blocks(
    jacobian: Jacobian,
    ridge: float,
    rows: int,
    memory: int,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Blocks | None:
    """Blocks of `rows` rows of K, a multiple of the outputs; None where float32 cannot invert one.

    Arguments:
        jacobian: in float32.
        ridge: λ > 0.
        rows: of K in a block.
        memory: bytes for kept activations.
        progress: called with the fraction done.

    Cost: for m blocks of b examples the kernels K_BB, and m(bk)³ operations. Memory: n·k·b·k numbers.
    """
    size = max(1, rows // jacobian.outputs_per_example)
    size = math.ceil(jacobian.examples / math.ceil(jacobian.examples / size))  # blocks of nearly equal size
    order = np.random.default_rng(KEY).permutation(jacobian.examples)
    jacobian = replace(jacobian, x=np.asarray(jacobian.x)[order], batch=size)
    inverses: list[Array] = []
    for kernel in kernel_blocks(jacobian):
        inverse = _inverse(kernel, ridge)
        if inverse is None:
            return None
        inverses.append(inverse)
        progress(min(1.0, len(inverses) * size / jacobian.examples))
    known = np.mean(np.concatenate([np.asarray(jnp.diagonal(inverse), np.float64) for inverse in inverses]))
    return Blocks(
        order, Products.at_exact_point(jacobian, memory), inverses, ridge, 1.0 / (ridge * float(known))
    )


def block_descent(blocks: Blocks, start: DualPoint, limit: int, watch: Watch) -> DualPoint:
    """Continues from an iterate until `watch` stops it, after `limit` epochs, or when progress stalls.

    The correction to the start is in float32; restarting from the result with its exact residual gives more digits.

    Cost: an epoch is a reverse and a forward sweep and a product with each inverse; every few epochs a product with K.
    """
    if watch(start):
        return start
    rng, steps = np.random.default_rng(KEY + 1), len(blocks.inverses)
    points = _Points.at_zero(blocks, start.residual[blocks.order])
    best, waiting = start, 0
    for epoch in range(limit):
        look = epoch % CHECK == CHECK - 1 or epoch == limit - 1
        mean = points.epoch(
            blocks, rng.permutation(steps), _Momentum.of_epoch(epoch, steps, blocks.spread), look
        )
        if mean is None:
            continue
        before, best = best.squared_residual, best.towards(_moved(blocks, start, mean, epoch + 1))
        waiting = 0 if best.squared_residual < 0.9 * before else waiting + 1
        if watch(best) or waiting >= STALLED:
            return best
    return best


def _moved(blocks: Blocks, start: DualPoint, mean: Float[np.ndarray, "n k"], epochs: int) -> DualPoint:
    """The start plus the correction, in the original order of the examples."""
    back = np.argsort(blocks.order)
    u, ku = mean[back].astype(np.float64), blocks.products.gram(mean)[back]
    residual = start.residual - ku - blocks.ridge * u
    return DualPoint(start.u + u, start.ku + ku, residual, start.iterations + epochs)


@dataclass(frozen=True)
class _Momentum:
    """The steps of an epoch; x and v are combinations of two points p and q, and each step changes one block of these.

    (x, v) = T(p, q), and a step with y = (1 − α)x + αv changes T → MT; (p, q) then takes the step T⁻¹(1, γ)ᵀ s.

    Arguments:
        looks: y in terms of p and q, before each step `[m, 2]`.
        moves: T⁻¹(1, γ)ᵀ at each step `[m, 2]`.
        means: Σ of x in terms of p and q over the steps before each step, and all `[m + 1, 2]`, divided by m.
        last: T after the last `[2, 2]`.
    """

    looks: Float[np.ndarray, "m 2"]
    moves: Float[np.ndarray, "m 2"]
    means: Float[np.ndarray, "m1 2"]
    last: Float[np.ndarray, "2 2"]

    @staticmethod
    def of_epoch(epoch: int, steps: int, spread: float) -> _Momentum:
        gamma = max(FIRST, min(float(epoch), FURTHEST * math.sqrt(spread)))
        alpha, beta = 1.0 / (1.0 + gamma * steps), 1.0 - 1.0 / (gamma * steps)
        m = np.array([[1 - alpha, alpha], [(1 - beta) * (1 - alpha), beta + (1 - beta) * alpha]])
        t, looks, moves, means = np.eye(2), [], [], [np.zeros(2)]
        for _ in range(steps):
            looks.append(m[0] @ t)
            t = m @ t
            moves.append(np.linalg.solve(t, [1.0, gamma]))
            means.append(means[-1] + t[0] / steps)
        return _Momentum(np.array(looks), np.array(moves), np.array(means), t)


@dataclass
class _Points:
    """p and q (their blocks of u, and their Δ), and the targets of each block."""

    targets: list[Array]
    u: tuple[list[Array], list[Array]]
    delta: tuple[list[Array], list[Array]]

    @staticmethod
    def at_zero(blocks: Blocks, targets: Float[np.ndarray, "n k"]) -> _Points:
        jacobian = blocks.products.jacobian
        parts = [
            jax.device_put(np.asarray(targets[i : i + jacobian.batch], np.float32))
            for i in range(0, len(targets), jacobian.batch)
        ]
        p, q = ([jnp.zeros_like(part) for part in parts] for _ in range(2))
        dp, dq = ([jnp.zeros_like(leaf) for leaf in jacobian.moving_leaves] for _ in range(2))
        return _Points(parts, (p, q), (dp, dq))

    def epoch(
        self, blocks: Blocks, order: Int[np.ndarray, "m"], momentum: _Momentum, look: bool
    ) -> Float[np.ndarray, "n k"] | None:
        """One step per block; returns the mean of x over the epoch if it is to be evaluated."""
        (p, q), (dp, dq) = self.u, self.delta
        mean: list[Any] = [None] * len(order)
        for step, i in enumerate(order.tolist()):
            before = p[i], q[i]
            p[i], q[i], dp, dq = _step(
                blocks.products.sweep(i),
                blocks.inverses[i],
                self.targets[i],
                np.float32(blocks.ridge),
                momentum.looks[step].astype(np.float32),
                momentum.moves[step].astype(np.float32),
                (p[i], q[i]),
                dp,
                dq,
            )
            if look:
                mean[i] = _mixed(momentum.means[step], before) + _mixed(
                    momentum.means[-1] - momentum.means[step], (p[i], q[i])
                )
        last = momentum.last.astype(np.float32)
        for i, pair in enumerate(zip(p, q, strict=True)):
            p[i], q[i] = _both(last, pair)
        ends = [_both(last, pair) for pair in zip(dp, dq, strict=True)]
        self.delta = [end for end, _ in ends], [end for _, end in ends]
        return np.concatenate(mean) if look else None


def _mixed(weights: np.ndarray, pair: tuple[Array, Array]) -> np.ndarray:
    return np.float32(weights[0]) * np.asarray(pair[0]) + np.float32(weights[1]) * np.asarray(pair[1])


@jax.jit
def _both(t: Array, pair: tuple[Array, Array]) -> tuple[Array, Array]:
    p, q = pair
    return t[0, 0] * p + t[0, 1] * q, t[1, 0] * p + t[1, 1] * q


@partial(jax.jit, donate_argnums=(7, 8))
def _step(
    sweep: Callable[..., Any],
    inverse: Float[Array, "bk bk"],
    target: Float[Array, "b k"],
    ridge: Array,
    look: Float[Array, "2"],
    move: Float[Array, "2"],
    u: tuple[Float[Array, "b k"], Float[Array, "b k"]],
    dp: list[Array],
    dq: list[Array],
) -> tuple[Array, Array, list[Array], list[Array]]:
    delta = [look[0] * a + look[1] * b for a, b in zip(dp, dq, strict=True)]
    shape = jax.ShapeDtypeStruct(target.shape, target.dtype)
    (outputs,) = jax.linear_transpose(lambda v: sweep(v)[0], shape)(delta)
    residual = target - outputs - ridge * (look[0] * u[0] + look[1] * u[1])
    s = (inverse @ residual.ravel()).reshape(target.shape)
    (d,) = sweep(s)
    dp = [a + move[0] * b for a, b in zip(dp, d, strict=True)]
    dq = [a + move[1] * b for a, b in zip(dq, d, strict=True)]
    return u[0] + move[0] * s, u[1] + move[1] * s, dp, dq


def _inverse(kernel: Float[Array, "m m"], ridge: float) -> Array | None:
    a = np.array(kernel, np.float32)
    a[np.arange(len(a)), np.arange(len(a))] += np.float32(ridge)
    factor, info = scipy.linalg.lapack.spotrf(a.T, lower=1, overwrite_a=1)
    if info != 0:
        return None
    lower, info = scipy.linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
    return _symmetric(lower.T) if info == 0 else None


@jax.jit
def _symmetric(upper: Array) -> Array:
    return jnp.triu(upper) + jnp.triu(upper, 1).T
