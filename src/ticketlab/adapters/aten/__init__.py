"""PyTorch's core ATen operations as functions of JAX arrays, by the names that an exported graph gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ticketlab.adapters.aten.layers import LAYERS
from ticketlab.adapters.aten.pointwise import POINTWISE
from ticketlab.adapters.aten.reductions import REDUCTIONS
from ticketlab.adapters.aten.shapes import SHAPES

__all__ = ["ATEN"]

ATEN: Mapping[str, Callable[..., Any]] = {**POINTWISE, **REDUCTIONS, **SHAPES, **LAYERS}
"""Every known operation, "aten.relu.default" and so on."""
