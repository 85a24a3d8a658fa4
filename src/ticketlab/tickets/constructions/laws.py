"""The laws that random weights are drawn from, and how long a product of two of them is.

A target is scaled until its largest weight is `REACH` standard deviations of the products: a subset sum reaches that with few
products, and hardly anything beyond what it adds up to. For U[−1, 1] this is ½, where products have density ≥ ½ ln 2.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from ticketlab.errors import UserError

__all__ = ["REACH", "HeNormal", "Hyperbolic", "Law", "Uniform"]

REACH = 1.5


class Law(ABC):
    """How the weights of a layer are drawn, all independent."""

    @abstractmethod
    def weights(
        self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int
    ) -> Float32[np.ndarray, "..."]:
        """Weights of a layer whose units read `fan_in` numbers each."""

    @abstractmethod
    def sd(self, fan_in: int) -> float:
        """The root mean square of a weight."""

    def biases(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Float32[np.ndarray, "..."] | None:
        """Biases; None for a law whose networks have none, so that a constant input has to be carried."""
        return None

    @property
    def bias_sd(self) -> float:
        """The root mean square of a bias, 0 without."""
        return 0.0


@dataclass(frozen=True)
class Uniform(Law):
    """U[−1, 1] in every layer, as in the theorems.

    Arguments:
        biased: whether there are biases, drawn from the same law.
    """

    biased: bool = True

    def weights(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
        return _uniform(rng, shape)

    def sd(self, fan_in: int) -> float:
        return 1 / math.sqrt(3)

    def biases(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray | None:
        return _uniform(rng, shape) if self.biased else None

    @property
    def bias_sd(self) -> float:
        return 1 / math.sqrt(3) if self.biased else 0.0


@dataclass(frozen=True)
class HeNormal(Law):
    """Normal with variance 2/fan-in, as networks are initialised.

    Products have the standard deviation 2/√(fan-in · fan-in), far below the weights of a trained network. So the random network
    contains λ f for a known, small λ, and not f itself.

    Arguments:
        sigma_b: the standard deviation of biases; 0 for none.

    Source: He, Zhang, Ren, Sun 2015, arXiv 1502.01852, equation 10.
    """

    sigma_b: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.sigma_b < math.inf:
            raise UserError(f"sigma_b = {self.sigma_b}", "a number that is not negative")

    def weights(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
        return rng.standard_normal(shape, np.float32) * np.float32(self.sd(fan_in))

    def sd(self, fan_in: int) -> float:
        return math.sqrt(2 / fan_in)

    def biases(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray | None:
        return rng.standard_normal(shape, np.float32) * np.float32(self.sigma_b) if self.sigma_b else None

    @property
    def bias_sd(self) -> float:
        return self.sigma_b


@dataclass(frozen=True)
class Hyperbolic(Law):
    """Density proportional to 1/|w| on α ≤ |w| ≤ β: equally many weights between any two sizes of one ratio.

    Arguments:
        low, high: α and β.
        biased: whether there are biases, drawn from the same law.

    Source: Orseau, Hutter, Rivasplata 2020, arXiv 2006.12156, section 3.
    """

    low: float = 0.03
    high: float = 3.0
    biased: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high < math.inf:
            raise UserError(f"hyperbolic weights from {self.low} to {self.high}", "0 < low < high")

    def weights(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
        even = rng.random(shape, np.float32) * 2 - 1  # its sign and its size are independent
        size = np.exp(math.log(self.low) + math.log(self.high / self.low) * np.abs(even))
        return np.copysign(size, even).astype(np.float32)

    def sd(self, fan_in: int) -> float:
        return math.sqrt((self.high**2 - self.low**2) / (2 * math.log(self.high / self.low)))

    def biases(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray | None:
        return self.weights(rng, shape, 1) if self.biased else None

    @property
    def bias_sd(self) -> float:
        return self.sd(1) if self.biased else 0.0


def _uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.random(shape, np.float32) * 2 - 1
