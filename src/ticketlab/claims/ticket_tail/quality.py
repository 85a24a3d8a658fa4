"""How good a ticket is, on a continuous scale, with its free gains taken out.

A ticket is a function f of k outputs, or one unit a. What it says about the targets Y does not depend on its offset or on its
scale, so both are chosen by least squares. A function has one gain for all outputs, a unit one for each target:

    skill = ⟨Y, f⟩² / (‖f‖² ‖Y‖²),   of a unit  Σ_c ⟨Y_c, a⟩² / (‖a‖² ‖Y‖²),   all centred over the examples

The skill is the share of the targets' variance that is explained, and the loss is L = 1 − skill. Either sign of the gain counts.
The examples have two halves. Scored on the other half, a ticket keeps the gain and the offset of the half on which it was chosen.
There chance has no skill: it is negative on average.

All of this follows from sums over each half, so a ticket need not be kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ticketlab.errors import UserError

__all__ = ["Qualities", "Sums", "qualities", "scaled"]

SILENT = 1e-4  # of a ticket's mean square about the mean of all examples, in single precision


class Sums(NamedTuple):
    """Sums over the examples of each half h, for tickets t with m outputs.

    Arguments:
        mean: of the outputs, `[2, t, m]`.
        square: Σ f², over examples and outputs, `[2, t]`.
        cross: Σ⟨f, y⟩ for each gain, `[2, t, g]`.
    """

    mean: Float[np.ndarray, "2 t m"]
    square: Float[np.ndarray, "2 t"]
    cross: Float[np.ndarray, "2 t g"]


@dataclass(frozen=True)
class Qualities:
    """The skill of tickets.

    Arguments:
        whole: on all examples.
        halves: on each half alone, `[2, t]`.
        held_out: of the ticket with the gain and offset of the first half, on the second; and the other way, `[2, t]`.
    """

    whole: Float[np.ndarray, "t"]
    halves: Float[np.ndarray, "2 t"]
    held_out: Float[np.ndarray, "2 t"]

    def __len__(self) -> int:
        return len(self.whole)

    @classmethod
    def joined(cls, parts: list[Qualities]) -> Qualities:
        whole, halves, held_out = (
            np.concatenate([getattr(part, name) for part in parts], axis=-1)
            for name in ("whole", "halves", "held_out")
        )
        return cls(whole, halves, held_out)


def qualities(sums: Sums, targets: Float[np.ndarray, "n k"], cut: int) -> Qualities:
    """The skills of tickets from their sums.

    Arguments:
        targets: Y, of both halves in order.
        cut: examples in the first half.
    """
    mean, square, cross = (np.asarray(part, float) for part in sums)
    parts = targets[:cut], targets[cut:]
    counts = np.array([cut, len(targets) - cut])
    of_targets = np.stack([part.mean(axis=0) for part in parts])
    spread = np.array([np.sum((part - part.mean(axis=0)) ** 2) for part in parts])
    covariance = np.stack(
        [
            c - n * _products(m, t, c.shape[-1])
            for c, n, m, t in zip(cross, counts, mean, of_targets, strict=True)
        ]
    )
    variance = square - counts[:, None] * np.sum(mean**2, axis=-1)
    covariance, variance = _heard(covariance, variance, square)
    apart, targets_apart = mean[1] - mean[0], of_targets[1] - of_targets[0]
    together = counts[0] * counts[1] / counts.sum()
    products = _products(apart, targets_apart, cross.shape[-1])
    of_whole = _heard(
        covariance.sum(axis=0) + together * products,
        variance.sum(axis=0) + together * np.sum(apart**2, axis=-1),
        square.sum(axis=0),
    )
    whole = _skill(*of_whole, spread.sum() + together * np.sum(targets_apart**2))
    halves = np.stack([_skill(covariance[h], variance[h], spread[h]) for h in (0, 1)])
    held_out = []
    for here, there in ((0, 1), (1, 0)):
        gain = covariance[here] / _divisor(variance[here])[:, None]
        more = covariance[there] + counts[there] * products
        size = variance[there] + counts[there] * np.sum(apart**2, axis=-1)
        guess = spread[there] + counts[there] * np.sum(targets_apart**2)
        held_out.append(np.sum(2 * gain * more - gain**2 * size[:, None], axis=-1) / guess)
    return Qualities(whole, halves, np.stack(held_out))


def scaled(skill: Float[np.ndarray, "..."], floor: float) -> Float[np.ndarray, "..."]:
    """X = −log(L − E), on which steady returns are a straight line.

    Raises: UserError for a ticket at or below the floor.
    """
    above = 1 - np.asarray(skill, float) - floor
    if np.min(above) <= 0:
        raise UserError(
            f"a ticket with a loss of {1 - np.max(skill):.3g}, where the floor is {floor:g}",
            "a floor below every loss",
            "Lower --floor.",
        )
    return -np.log(above)


def _products(mean: np.ndarray, targets: np.ndarray, gains: int) -> np.ndarray:
    """⟨f̄, ȳ⟩ for each gain: over all outputs, or of one unit with each target."""
    return mean * targets if mean.shape[-1] == 1 and gains == len(targets) else (mean @ targets)[:, None]


def _heard(covariance: np.ndarray, variance: np.ndarray, square: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Zeros for a ticket that is silent: the same on all examples, but for rounding."""
    heard = variance > SILENT * square
    return np.where(heard[..., None], covariance, 0.0), np.where(heard, variance, 0.0)


def _divisor(variance: np.ndarray) -> np.ndarray:
    """The variance, or 1 for a silent ticket, whose numerators are 0."""
    return np.where(variance > 0, variance, 1.0)


def _skill(covariance: np.ndarray, variance: np.ndarray, spread: float) -> np.ndarray:
    return np.sum(covariance**2, axis=-1) / (_divisor(variance) * spread)
