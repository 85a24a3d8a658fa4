"""The arrays of a network: its parameters, its features, and the statistics with which it normalises over the batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from jaxtyping import Array

__all__ = ["Features", "Params", "Statistics"]

Params: TypeAlias = (
    Any  # a pytree of floating arrays; for zoo networks {layer name: {"weight": …, "bias": …}}
)
Features: TypeAlias = Mapping[str, Array]
Statistics: TypeAlias = Mapping[str, tuple[Array, Array]]
"""Mean and variance of each channel for every normalisation over the batch, `{layer name: ([units], [units])}`."""
