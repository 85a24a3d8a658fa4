"""The outputs on each example of the minimum without it, from the minimum with all: one formula for any loss and ridge.

At the minimum F = −K∇ℓ(F)/λ. One Newton step for the problem without example n changes its k outputs to

    F₋ₙ = F + (I − SₙHₙ)⁻¹ Sₙ gₙ,       S = K(HK + λI)⁻¹,

with gradient g and curvature H of the loss, and Sₙ the k × k block of S. For the square loss this is exact (the PRESS residual);
for others it is the approximate leave-one-out estimate. From features F with K = FFᵀ,

    Sₙ = Fₙ(FᵀHF + λI)⁻¹Fₙᵀ.

Sources: Allen 1974 (PRESS); Rad & Maleki 1801.10243 (approximate leave-one-out).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Float, Int

from ticketlab.errors import UserError

__all__ = ["ROUGH", "Features", "RidgeScores", "left_out", "own_influence", "tried"]

ROUGH = 1e-3  # the relative duality gap to which minima are found for comparing ridges
PATIENCE = 2  # ridges in a row that are worse than the best before the rest is not tried


@dataclass(frozen=True, eq=False)
class Features:
    """K = FFᵀ.

    Arguments:
        columns: F `[n·k, r]`.
        squares: the diagonal of FᵀF `[r]` if the columns are orthogonal, so that H = I needs no factorisation; else None.
    """

    columns: Float[np.ndarray, "m r"]
    squares: Float[np.ndarray, "r"] | None = None


@dataclass(frozen=True, eq=False)
class RidgeScores:
    """The mean score of each ridge on examples left out, in the given order; −∞ for ridges that were not tried.

    Arguments:
        scores: larger is better.
        best: the index of the best; ties go to the largest ridge.
        rows: the examples that were left out or held out; None for all.
    """

    scores: Float[np.ndarray, "ridges"]
    best: int
    rows: Int[np.ndarray, "m"] | None = None


def left_out(
    influence: Float[np.ndarray, "n k k"],
    curvature: Float[np.ndarray, "n k k"] | None,
    gradient: Float[np.ndarray, "n k"],
    outputs: Float[np.ndarray, "n k"],
) -> Float[np.ndarray, "n k"]:
    """F₋ₙ.

    Arguments:
        influence: Sₙ.
        curvature, gradient, outputs: H, g and F at the minimum; H is None for the identity.
    """
    sh = influence if curvature is None else influence @ curvature
    moved = np.linalg.solve(np.eye(outputs.shape[1]) - sh, influence @ gradient[..., None])
    return outputs + moved[..., 0]


def own_influence(
    features: Features, curvature: Float[np.ndarray, "n k k"] | None, ridge: float, outputs: int
) -> Float[np.ndarray, "n k k"]:
    """Sₙ.

    Arguments:
        features: F.
        curvature: H at the minimum; None for the identity.
        ridge: λ > 0.
        outputs: k.

    Cost: 2 n·k·r² multiply–adds; n·k²·r if H = I and the columns are orthogonal.
    """
    n, f = len(features.columns) // outputs, features.columns
    if curvature is None and features.squares is not None:
        z = f / np.sqrt(features.squares + ridge)
    else:
        h = np.broadcast_to(np.eye(outputs), (n, outputs, outputs)) if curvature is None else curvature
        z = _whitened(f, h, ridge)
    by_example = z.reshape(n, outputs, -1)
    return by_example @ by_example.transpose(0, 2, 1)


def _whitened(
    f: Float[np.ndarray, "m r"], h: Float[np.ndarray, "n k k"], ridge: float
) -> Float[np.ndarray, "m r"]:
    """F L⁻ᵀ with LLᵀ = FᵀHF + λI."""
    hf = np.matmul(h, f.reshape(len(h), h.shape[-1], -1)).reshape(f.shape)
    inner = f.T @ hf
    inner = 0.5 * (inner + inner.T)
    inner[np.diag_indices_from(inner)] += ridge + 1e-12 * np.trace(inner) / max(len(inner), 1)
    return scipy.linalg.solve_triangular(np.linalg.cholesky(inner), f.T, lower=True).T


def tried(
    ridges: Sequence[float], outputs: Iterator[np.ndarray], score: Callable[[np.ndarray], float]
) -> RidgeScores:
    """Scores from the largest ridge to the smallest, until two in a row are worse than the best.

    Arguments:
        ridges: λ of each candidate.
        outputs: the outputs left out for each ridge, from the largest to the smallest.
        score: of these, for all examples; larger is better.

    Raises: UserError for a score that is not a number.
    """
    scores, order = np.full(len(ridges), -np.inf), np.argsort(-np.asarray(ridges), kind="stable")
    best, worse = int(order[0]), 0
    for i, left in zip(order, outputs, strict=False):
        scores[i] = score(left)
        if np.isnan(scores[i]):
            raise UserError(
                f"a score that is not a number, with ridge {ridges[i]:.3g}",
                "a score that is defined for every ridge",
                "Use another criterion, or leave it out.",
            )
        best = int(i) if scores[i] > scores[best] else best
        worse = worse + 1 if scores[i] < scores[best] else 0
        if worse == PATIENCE:
            break
    return RidgeScores(scores, best)
