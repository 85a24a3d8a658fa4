"""The factors s(t) by which a schedule multiplies the step size, tabulated a segment of steps at a time.

A step reads its factor from a table, so the schedule is no part of the program of a step, and runs of different lengths share
their programs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ticketlab.training.optimisers import Constant, Schedule

__all__ = ["SEGMENT", "factors"]

SEGMENT = 1000  # steps between checks for progress and interruption; changes no bit


def factors(schedule: Schedule, start: int) -> Float[np.ndarray, " steps"] | None:
    """s(start), …, s(start + SEGMENT − 1), as precise as the calculation; None if s is constant."""
    if isinstance(schedule, Constant):
        return None
    return _factors(schedule, start, bool(jax.config.read("jax_enable_x64")))


@lru_cache(maxsize=1024)
def _factors(schedule: Schedule, start: int, wide: bool) -> np.ndarray:
    return np.asarray(_table(schedule, wide)(start))


@lru_cache(maxsize=64)
def _table(schedule: Schedule, wide: bool) -> Callable[[int], Array]:
    """Computed one after the other, which gives the bits that a step would compute; `wide` keeps precisions apart."""
    factor = schedule.factor()

    @jax.jit
    def table(start: Array) -> Array:
        first = jnp.zeros(SEGMENT, jnp.result_type(factor(jnp.int32(0))))
        return jax.lax.fori_loop(0, SEGMENT, lambda i, known: known.at[i].set(factor(start + i)), first)

    return table
