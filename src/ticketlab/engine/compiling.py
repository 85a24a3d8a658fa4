"""How long this process has been compiling, from JAX's own monitoring; it says nothing of the pace of the work."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["Compiling"]

_EVENTS = "/jax/core/compile/"  # tracing, lowering, and compiling itself


class Compiling:
    """Counts seconds of compiling from the moment when JAX is there to tell."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._listens = False

    def seconds(self) -> float:
        """So far; 0 while JAX is not imported."""
        if not self._listens and "jax" in sys.modules:
            from jax import monitoring

            self._listens = True
            monitoring.register_event_duration_secs_listener(self._count)
        return self._seconds

    def _count(self, event: str, duration_secs: float, **more: Any) -> None:
        if event.startswith(_EVENTS):
            self._seconds += duration_secs
