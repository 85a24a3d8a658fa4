"""The exponents of one pair of task and network: predicted from its random units, and measured on losses by size.

On the scale X = −log(L − E) of a unit's loss, let B(n) be the expected best of n units. A network of width w has n = w units. If
its loss were that of its best unit, then between the smallest and the largest width

    α̂ = (B(n₊) − B(n₋)) / log(P₊/P₋),      P the parameters of the networks,

would be the exponent of the loss. It is measured over the same range, with the same definition,

    α = (log(L₋ − E) − log(L₊ − E)) / log(P₊/P₋).

For an exponential tail of scale σ, B(n) grows by σ for each e-fold of n, and α̂ = σ·log(n₊/n₋)/log(P₊/P₋). Losses are shares of
the targets' variance, of units and networks alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from ticketlab.claims.ticket_tail.quality import Qualities, scaled
from ticketlab.errors import UserError
from ticketlab.laws.tails import best_in_sample, empirical_bayes
from ticketlab.laws.tails.pareto import Pareto

__all__ = ["best_units", "measured_exponent", "ridge_loss", "share_left", "tail_law"]

SHARE = 0.05  # of the units, above the threshold of the tail
PENALTIES = 10.0 ** np.arange(-10, 3)  # of the ridge, in units of the largest eigenvalue


def best_units(of: Qualities, floor: float, counts: Sequence[int]) -> Float[np.ndarray, "c"]:
    """B(n), the expected best of n units on the scale −log(L − E), without the noise of the test set.

        B = 2 B(all examples) − ½ (B(first half) + B(second half)),

    which is right to first order in the noise (`claims.ticket_tail.measures`).

    Arguments:
        of: the skills of the units, on all test examples and on each half.
        floor: E, as a share of the targets' variance.
        counts: n.

    Raises: UserError for a unit at or below the floor, and for n above the number of units.
    """
    whole = best_in_sample(scaled(of.whole, floor), counts)
    halves = [best_in_sample(half, counts) for half in scaled(of.halves, floor)]
    return np.asarray(2 * whole - np.mean(halves, axis=0))


def measured_exponent(
    losses: Float[np.ndarray, "n"], parameters: Int[np.ndarray, "n"], floor: float
) -> float:
    """α between the smallest and the largest size.

    Arguments:
        losses: L, by increasing size.
        parameters: P.
        floor: E.

    Raises: UserError for a loss at or below the floor.
    """
    above = np.asarray(losses, float) - floor
    if np.min(above) <= 0:
        raise UserError(
            f"a network with a loss of {np.min(losses):.3g}, where the floor is {floor:g}",
            "a floor below every loss",
            "Lower --floor.",
        )
    return float(np.log(above[0] / above[-1]) / np.log(parameters[-1] / parameters[0]))


def tail_law(of: Qualities, floor: float) -> Pareto:
    """Shape ξ and scale σ of the best twentieth of the units on the scale −log(L − E), without the noise of the test set."""
    whole, *halves = (_fitted(values) for values in (scaled(of.whole, floor), *scaled(of.halves, floor)))
    shape, scale = (
        2 * getattr(whole, name) - float(np.mean([getattr(half, name) for half in halves]))
        for name in ("shape", "scale")
    )
    return Pareto(shape, scale)


def _fitted(values: Float[np.ndarray, "n"]) -> Pareto:
    threshold = np.quantile(values, 1 - SHARE)
    return empirical_bayes(values[values > threshold] - threshold)


def share_left(outputs: Float[np.ndarray, "n k"], targets: Float[np.ndarray, "n k"]) -> float:
    """L = Σ‖f − y‖² / Σ‖y − ȳ‖², one minus the explained share of the targets' variance."""
    y = np.asarray(targets, float)
    return float(np.sum((np.asarray(outputs, float) - y) ** 2) / np.sum((y - y.mean(axis=0)) ** 2))


def ridge_loss(features: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> float:
    """The test loss of a ridge read-out with an offset, whose penalty has the least validation loss.

        min_W ‖Y − ΦW‖² + λ‖W‖²,   centred;   (ΦᵀΦ + λ)W = ΦᵀY from the eigenvalues of ΦᵀΦ

    Arguments:
        features: Φ `[n, p]` of the training, validation and test parts.
        targets: Y `[n, k]` of each.

    Cost: O(np² + p³), and O(pk(p + n)) for each of 13 penalties.
    """
    centre, mean = features[0].mean(axis=0), np.asarray(targets[0], float).mean(axis=0)
    train, *others = (np.asarray(part, float) - centre for part in features)
    values, vectors = np.linalg.eigh(train.T @ train)
    values = np.maximum(values, 0.0)
    cross = vectors.T @ (train.T @ (np.asarray(targets[0], float) - mean))
    largest = max(
        float(values[-1]), 1e-30
    )  # of units that are silent on all training examples nothing is read
    found = []
    for penalty in PENALTIES * largest:
        weights = vectors @ (cross / (values + penalty)[:, None])
        found.append([share_left(x @ weights + mean, y) for x, y in zip(others, targets[1:], strict=True)])
    return float(min(found)[1])
