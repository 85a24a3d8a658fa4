"""Filters that nobody trained: drawn at random, or Gabor functions. Both have unit norm on average.

Source of Gabor's bandwidth and aspect: Petkov & Kruizinga 1997, doi:10.1007/s004220050323.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

__all__ = ["gabor_filters", "random_filters"]

FREQUENCY, ASPECT, BANDWIDTH = 0.25, 0.5, 0.56  # cycles a pixel; γ; σ·f for one octave


def random_filters(
    width: int, maps: int, units: int, rng: np.random.Generator
) -> Float[np.ndarray, "width width maps units"]:
    """k ~ N(0, 1/(width²·maps)), float32."""
    drawn = rng.standard_normal((width, width, maps, units)) / np.sqrt(width**2 * maps)
    return drawn.astype(np.float32)


def gabor_filters(width: int, maps: int, units: int) -> Float[np.ndarray, "width width maps units"]:
    """Evenly spaced orientations, each in two phases, ¼ cycle a pixel, the same in all maps; mean 0, norm 1, float32.

    cos(2πf·x′ + φ)·exp(−(x′² + γ²y′²)/2σ²),   f = ¼, γ = ½, σ = 0.56/f, φ ∈ {0, π/2}
    """
    at = np.arange(width) - (width - 1) / 2
    y, x = np.meshgrid(at, at, indexing="ij")
    sigma = BANDWIDTH / FREQUENCY
    bank = []
    for unit in range(units):
        theta, phase = np.pi * (unit // 2) / ((units + 1) // 2), np.pi / 2 * (unit % 2)
        along, across = x * np.cos(theta) + y * np.sin(theta), -x * np.sin(theta) + y * np.cos(theta)
        wave = np.cos(2 * np.pi * FREQUENCY * along + phase)
        filter_ = wave * np.exp(-(along**2 + ASPECT**2 * across**2) / (2 * sigma**2))
        filter_ -= filter_.mean()
        bank.append(filter_ / np.linalg.norm(filter_))
    shaped = np.repeat(np.stack(bank, axis=-1)[:, :, None], maps, axis=2) / np.sqrt(maps)
    return shaped.astype(np.float32)
