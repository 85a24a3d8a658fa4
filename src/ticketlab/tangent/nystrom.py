"""A low-rank part of the tangent kernel, K ≈ FFᵀ, from some of its columns: a preconditioner for systems with K.

Let S be r rows of K (pivots), K_SS = LLᵀ and F = K_{:S} L⁻ᵀ. Then K − FFᵀ is positive semi-definite; a smaller trace means a
better approximation. Pivots are whole examples with all outputs, because the columns of an example share the layers' inner
products. They are drawn in proportion to the remaining trace (randomly pivoted Cholesky), in blocks, from a random subset of
the examples, so that F takes one pass over the data. With H ⪰ 0 the curvature of a loss and G = H^½F,

    (H^½KH^½ + λI)⁻¹ ≈ (GGᵀ + μI)⁻¹ = (I − G(GᵀG + μI)⁻¹Gᵀ)/μ,       μ = λ + mean diag(H) · mean diag(K − FFᵀ).

Sources: Díaz, Epperly, Frangella, Tropp, Webber 2304.12465 (randomly pivoted Cholesky as preconditioner); Epperly, Tropp,
Webber 2410.03969 (pivots in blocks).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float

from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.kernel import kernel_diagonal, tangent_kernel
from ticketlab.tangent.operators import independent_cholesky

__all__ = ["LowRank", "Preconditioner", "low_rank", "preconditioner"]

CANDIDATES = 20  # candidate examples per pivot
BLOCK = 16  # examples drawn at a time
DEPENDENT = 1e-5  # rows of K_SS whose remainder is below this fraction of the diagonal are left out: the precision of float32


@dataclass(frozen=True, eq=False)
class LowRank:
    """F, in blocks of examples.

    Arguments:
        blocks: of F `[b·k, r]`, float32.
        inner: FᵀF `[r, r]`, float64.
        mean_diagonal: mean diag(K).
        left: mean diag(K − FFᵀ), the remainder.
    """

    blocks: list[Array]
    inner: Float[np.ndarray, "r r"]
    mean_diagonal: float
    left: float

    @property
    def rank(self) -> int:
        return len(self.inner)

    @property
    def nbytes(self) -> int:
        return sum(block.nbytes for block in self.blocks)


def low_rank(
    jacobian: Jacobian,
    rank: int,
    seed: int,
    progress: Callable[[float], None] = lambda fraction: None,
) -> LowRank:
    """F with about `rank` columns: a multiple of the outputs, fewer if the kernel has lower rank.

    Arguments:
        jacobian: in float32.
        rank: r; 0 for none.
        seed: of the pivots, which change the path to a solution, not the solution.
        progress: called with the fraction done.

    Cost: r columns of the kernel, and n·k·r² multiply–adds, once if pivots are drawn from all examples. Memory: n·k·r numbers.
    """
    diagonal = kernel_diagonal(jacobian)
    mean = float(np.mean(np.asarray(diagonal, np.float64)))
    k, n = jacobian.outputs_per_example, jacobian.examples
    wanted = min(rank // k, n)
    if wanted == 0 or mean == 0:
        return LowRank([], np.zeros((0, 0)), mean, mean)
    rng = np.random.default_rng(seed)
    candidates = np.sort(rng.choice(n, min(n, max(CANDIDATES * wanted, BLOCK)), replace=False))
    chosen, drawn = _pivots(jacobian, candidates, diagonal, wanted, rng)
    if len(candidates) == n:  # pivots were drawn from all rows
        progress(1.0)
        inner = np.asarray(_inner(jnp.asarray(drawn)), np.float64)
        return LowRank([jnp.asarray(drawn)], inner, mean, _left(mean, inner, n * k))
    pivots = jacobian.at(np.asarray(jacobian.x)[chosen])
    factor, kept = independent_cholesky(np.asarray(tangent_kernel(pivots), np.float64), DEPENDENT)
    inverse = scipy.linalg.solve_triangular(factor, np.eye(len(factor)), lower=True)
    spread = np.zeros((wanted * k, len(kept)), np.float32)
    spread[kept] = inverse.T
    blocks, inner, x = [], np.zeros((len(kept), len(kept))), np.asarray(jacobian.x)
    for start in range(0, n, jacobian.batch):
        rows = tangent_kernel(jacobian.at(x[start : start + jacobian.batch]), pivots)
        block, part = _factor_block(rows, spread)
        blocks.append(block)
        inner += np.asarray(part, np.float64)
        progress(min(1.0, (start + jacobian.batch) / n))
    return LowRank(blocks, inner, mean, _left(mean, inner, n * k))


def _left(mean: float, inner: np.ndarray, rows: int) -> float:
    return max(mean - float(np.trace(inner)) / rows, 0.0)


@dataclass(frozen=True, eq=False)
class Preconditioner:
    """(GGᵀ + μI)⁻¹ up to the factor μ, on functions `[n, k]`.

    Arguments:
        low_rank: F.
        root: H^½ `[n, k, k]`, None for the identity.
        inverse: (GᵀG + μI)⁻¹ `[r, r]`.
    """

    low_rank: LowRank
    root: Float[np.ndarray, "n k k"] | None
    inverse: Float[np.ndarray, "r r"]

    def __call__(self, v: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """v − G(GᵀG + μI)⁻¹Gᵀv. Cost: two passes over F."""
        if not self.low_rank.blocks:
            return v
        curved = rooted(self.root, v).astype(np.float32).ravel()
        ends = np.cumsum([0] + [len(block) for block in self.low_rank.blocks])
        parts = list(zip(self.low_rank.blocks, ends, ends[1:], strict=False))
        inner = np.sum([_transposed(b, curved[i:j]) for b, i, j in parts], axis=0, dtype=np.float64)
        weights = (self.inverse @ inner).astype(np.float32)
        taken = np.concatenate([np.asarray(_times(b, weights)) for b, _, _ in parts])
        return v - rooted(self.root, taken.reshape(v.shape).astype(np.float64))


def preconditioner(
    low_rank: LowRank, ridge: float, root: Float[np.ndarray, "n k k"] | None = None
) -> Preconditioner:
    """For H^½KH^½ + λI. Cost: r³ operations; with a root also n·k·r² multiply–adds."""
    inner, mean = low_rank.inner, 1.0
    if root is not None:
        mean = float(np.mean(np.square(root))) * root.shape[-1]  # mean diag(H): H = H^½H^½
        inner = np.zeros_like(inner)
        start = 0
        for block in low_rank.blocks:
            examples = len(block) // root.shape[-1]
            part = root[start : start + examples].astype(np.float32)
            inner += np.asarray(_curved_inner(block, part), np.float64)
            start += examples
    size = len(inner)
    # Rounding in float32 must not make it indefinite.
    shift = ridge + mean * low_rank.left + 1e-6 * float(np.trace(inner)) / max(size, 1)
    return Preconditioner(low_rank, root, _inverse(inner, shift))


def rooted(root: Float[np.ndarray, "n k k"] | None, v: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """H^½v."""
    return v if root is None else np.einsum("nij,nj->ni", root, v)


def _inverse(inner: np.ndarray, shift: float) -> np.ndarray:
    if shift == 0 or not len(inner):
        return np.zeros_like(inner)
    factor = scipy.linalg.cho_factor(inner + shift * np.eye(len(inner)), lower=True)
    return np.asarray(scipy.linalg.cho_solve(factor, np.eye(len(inner))))


def _pivots(
    jacobian: Jacobian, candidates: np.ndarray, diagonal: Array, wanted: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of examples drawn in proportion to the remaining trace, and F at the candidates."""
    k = jacobian.outputs_per_example
    among = jacobian.at(np.asarray(jacobian.x)[candidates])
    left = np.asarray(diagonal, np.float64)[candidates]
    done = np.zeros((len(candidates) * k, 0), np.float32)
    chosen: list[int] = []
    while len(chosen) < wanted:
        weights = np.maximum(left.sum(axis=1), 0.0)
        weights[chosen] = 0.0
        some = int(np.count_nonzero(weights > 1e-7 * np.max(diagonal)))
        count = min(BLOCK, wanted - len(chosen), some)
        if count == 0:  # no trace remains: the other examples add nothing
            unused = np.setdiff1d(np.arange(len(candidates)), chosen)[: wanted - len(chosen)]
            return candidates[chosen + unused.tolist()], done
        drawn = rng.choice(len(candidates), count, replace=False, p=weights / weights.sum())
        rows = (drawn[:, None] * k + np.arange(k)).ravel()
        fresh = np.asarray(tangent_kernel(among, among.at(np.asarray(among.x)[drawn])))
        fresh = fresh - done @ done[rows].T
        factor, kept = independent_cholesky(fresh[rows].astype(np.float64), DEPENDENT)
        new = scipy.linalg.solve_triangular(factor, fresh[:, kept].T.astype(np.float64), lower=True).T
        done = np.concatenate([done, new.astype(np.float32)], axis=1)
        left = left - np.square(new).sum(axis=1).reshape(-1, k)
        chosen += drawn.tolist()
    return candidates[chosen], done


@jax.jit
def _factor_block(rows: Array, spread: Array) -> tuple[Array, Array]:
    block = jnp.matmul(rows, spread)
    return block, _inner(block)


@jax.jit
def _inner(block: Array) -> Array:
    return jnp.matmul(block.T, block)


@jax.jit
def _curved_inner(block: Array, root: Array) -> Array:
    n, k, _ = root.shape
    curved = jnp.einsum("nij,njr->nir", root, block.reshape(n, k, -1)).reshape(block.shape)
    return jnp.matmul(curved.T, curved)


@jax.jit
def _transposed(block: Array, v: Array) -> Array:
    return jnp.matmul(v, block)


@jax.jit
def _times(block: Array, weights: Array) -> Array:
    return jnp.matmul(block, weights)
