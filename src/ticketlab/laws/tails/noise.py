"""The noise of a finite test set, and how to take it out of a tail.

A ticket's measured quality is X̂ = X + e, with e from the sampling of test examples. Two halves A and B of the examples give two
measurements with the same X:

    Var(X) = Cov(X̂_A, X̂_B),   τ² = Var(e) = Var((X̂_A − X̂_B)/2),   reliability ρ = Var(X)/(Var(X) + τ²)

Noise draws a short tail towards the normal law's. It hides shortness, and does not make a tail look long. With ρ of .98 and more
nothing need be done. With less, noise is added on purpose and the trend is followed back to none: simulation–extrapolation.

Source: Cook & Stefanski 1994, Simulation–extrapolation estimation in parametric measurement error models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ticketlab.errors import UserError

__all__ = ["RELIABLE", "Reliability", "extrapolated", "reliability", "with_noise", "without_noise"]

RELIABLE = 0.98
ADDED = (0.5, 1.0, 1.5, 2.0)  # λ: the noise that is added has the variance λτ²


@dataclass(frozen=True)
class Reliability:
    """How much of what differs between tickets is not noise.

    Arguments:
        signal: Var(X), of the tickets' true qualities.
        noise: τ², of the mean of the two halves.
    """

    signal: float
    noise: float

    @property
    def ratio(self) -> float:
        """ρ; 0 if the halves do not agree at all."""
        signal = max(self.signal, 0.0)
        return signal / (signal + self.noise) if signal + self.noise > 0 else 0.0

    @property
    def enough(self) -> bool:
        """Whether the tail can be fitted as it is."""
        return self.ratio >= RELIABLE


def reliability(one: Float[np.ndarray, "n"], other: Float[np.ndarray, "n"]) -> Reliability:
    """Compares the qualities of the same tickets on two halves of the test examples.

    Raises: UserError unless there are equally many, at least three.
    """
    a, b = np.asarray(one, float), np.asarray(other, float)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 3:
        raise UserError(f"{a.shape} and {b.shape} qualities", "the same tickets twice, at least three")
    return Reliability(float(np.cov(a, b)[0, 1]), float(np.var((a - b) / 2, ddof=1)))


def extrapolated(
    values: Float[np.ndarray, "n"],
    noise: float,
    estimate: Callable[[Float[np.ndarray, "n"]], float],
    rng: np.random.Generator,
    repeats: int = 8,
) -> float:
    """An estimate without noise: noise of variance λτ² is added, and a parabola in λ is followed to λ = −1.

    Arguments:
        values: measured.
        noise: τ².
        estimate: of the values, such as the shape of their tail at a fixed share.
        repeats: of the added noise, over which estimates are averaged; an even number.
    """
    return without_noise(with_noise(values, noise, rng, repeats), estimate)


def with_noise(
    values: Float[np.ndarray, "n"], noise: float, rng: np.random.Generator, repeats: int = 2
) -> list[Float[np.ndarray, "_ n"]]:
    """The values with no noise added, and then with λτ² more, several times each; without noise the values alone.

    Every noise is added and subtracted, and all λ have the same: what chance there is in it nearly cancels at λ = −1.

    Raises: UserError if the noise is below 0, or `repeats` not even.
    """
    values = np.asarray(values, float)
    if not noise >= 0:
        raise UserError(f"noise={noise:g}", "its variance, at least 0")
    if repeats < 2 or repeats % 2:
        raise UserError(f"repeats={repeats}", "an even number, at least 2: noise is added and subtracted")
    if not noise:
        return [values[None]]
    once = np.sqrt(noise) * rng.standard_normal((repeats // 2, len(values)))
    both = np.concatenate([once, -once])
    return [values[None], *(values + np.sqrt(more) * both for more in ADDED)]


def without_noise(
    several: Sequence[Float[np.ndarray, "_ n"]], estimate: Callable[[Float[np.ndarray, "n"]], float]
) -> float:
    """The estimate at λ = −1, from values that `with_noise` made."""
    found = [float(np.mean([estimate(values) for values in of])) for of in several]
    return found[0] if len(found) == 1 else float(np.polyval(np.polyfit((0.0, *ADDED), found, 2), -1.0))
