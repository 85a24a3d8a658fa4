"""Scales: how an effect is shown, its unit and the step from the analysed number to the displayed one.

Scores are analysed as fractions and shown in points. Times are analysed as logarithms of a ratio and shown as per cent more
steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

__all__ = ["POINTS", "SHARE", "Scale"]


@dataclass(frozen=True)
class Scale:
    """From the analysed number to the displayed one.

    Arguments:
        unit: of the number that is read.
        factor: by which the analysed number is multiplied.
        ratio: whether the product is the logarithm of a ratio, which is read as per cent more (or, below 0, fewer).
        bounds: outside which the quantity cannot be; intervals end there.
        log: whether the analysed number is the logarithm of the one that is read, before the factor.
        of_accuracies: whether the bounds are those of accuracies; R², which has no lower end, may leave them.
    """

    unit: str
    factor: float = 1.0
    ratio: bool = False
    bounds: tuple[float, float] = (-np.inf, np.inf)
    log: bool = False
    of_accuracies: bool = False

    @property
    def falls(self) -> bool:
        """Whether a larger analysed number is shown as a smaller one."""
        return self.factor < 0

    def shown(self, value: float) -> float:
        scaled = self.factor * (float(np.exp(value)) if self.log else value)
        read = 100 * float(np.expm1(scaled)) if self.ratio else scaled
        return float(np.clip(read, *self.bounds))

    def around(self, estimate: float) -> Scale:
        """The scale on which this estimate is shown: without bounds if it lies outside those of accuracies."""
        inside = np.isclose(self.shown(estimate), self.unbounded.shown(estimate), rtol=1e-9, atol=1e-9)
        return self.unbounded if self.of_accuracies and not inside else self

    @property
    def unbounded(self) -> Scale:
        return replace(self, bounds=(-np.inf, np.inf))

    def interval(self, low: float, high: float) -> tuple[float, float]:
        """The displayed interval, with its ends in order."""
        one, other = self.shown(low), self.shown(high)
        return (min(one, other), max(one, other))

    def region(self, low: float, high: float) -> tuple[float, float]:
        """Where a rule holds, as it is read, ends in order; open ends stay infinite, whatever the bounds."""
        one, other = (self.shown(v) if np.isfinite(v) else v for v in (low, high))
        return (
            (-other if np.isinf(other) else other, -one if np.isinf(one) else one)
            if self.falls
            else (one, other)
        )

    def limit(self, value: float) -> str:
        """An analysed limit as it is read, with its unit; a ratio below 0 says in brackets what it means."""
        shown = self.shown(value)
        text = f"{self.number(shown)} {self.unit}".strip()
        return f"{text} ({self.number(-shown)} % fewer)" if self.ratio and shown < 0 else text

    def number(self, value: float) -> str:
        """A limit in words, with a typographic minus."""
        text = f"{value:.3g}".replace("-", "−")
        return "0" if text in ("−0", "0") else text


POINTS = Scale("points of test score", 100.0, bounds=(-100.0, 100.0), of_accuracies=True)
SHARE = Scale("%", 100.0)
