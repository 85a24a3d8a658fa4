"""Rows of a study's tables while its cell runs: plain values, so that a draft can keep them, as bytes, beside its arrays.

Tables are made of them once, when the cell is done.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import numpy as np

__all__ = ["Rows", "read_rows", "written_rows"]

Rows: TypeAlias = dict[str, list[dict[str, Any]]]
"""Rows by table."""


def written_rows(rows: Rows) -> np.ndarray:
    """The rows as bytes."""
    return np.frombuffer(json.dumps(rows).encode(), np.uint8)


def read_rows(array: np.ndarray) -> Rows:
    """The rows that were written."""
    return json.loads(array.tobytes())
