"""Random numbers for data sets, made from raw bits alone: NumPy promises never to change that stream."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from ticketlab.errors import UserError

__all__ = ["check_draw", "choices", "normals", "uniforms", "zipf"]


def check_draw(draw: int, examples: int) -> None:
    if draw < 0 or examples < 20:
        raise UserError(f"draw={draw}, examples={examples}", "draw of at least 0, and at least 20 examples")


def uniforms(source: np.random.PCG64, *shape: int) -> Float[np.ndarray, "..."]:
    """Uniform on (0, 1), in steps of 2⁻⁵³."""
    bits = source.random_raw(int(np.prod(shape))) >> np.uint64(11)
    return ((bits.astype(np.float64) + 0.5) * 2.0**-53).reshape(shape)


def normals(source: np.random.PCG64, *shape: int) -> Float[np.ndarray, "..."]:
    """Standard normal, by the inverse of its distribution function."""
    from scipy.special import ndtri

    return ndtri(uniforms(source, *shape))


def choices(source: np.random.PCG64, weights: Float[np.ndarray, "k"], *shape: int) -> Int[np.ndarray, "..."]:
    """Numbers 0 … k − 1, drawn with these weights."""
    ends = np.cumsum(weights) / np.sum(weights)
    return np.minimum(np.searchsorted(ends, uniforms(source, *shape)), len(weights) - 1)


def zipf(k: int, exponent: float) -> Float[np.ndarray, "k"]:
    """Weights ∝ rank^(−exponent), with sum 1."""
    weights = np.arange(1, k + 1, dtype=np.float64) ** -exponent
    return weights / weights.sum()
