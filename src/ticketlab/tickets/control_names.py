"""The names of the controls, for plans, which are read before anything is computed."""

from __future__ import annotations

from typing import Literal

__all__ = ["Control", "MaskControl"]

MaskControl = Literal["reinitialised", "shuffled", "both", "random"]
"""Networks under a mask with equally many weights."""

Control = Literal[MaskControl, "equal-size"]
"""These, and a dense network with equally many parameters."""
