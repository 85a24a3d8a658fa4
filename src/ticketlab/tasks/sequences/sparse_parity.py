"""Multitask sparse parity: many small problems, each rarer than the one before, all in one data set.

An input has a one-hot code of the task and n bits. The label is the parity of k of the bits, which each task has chosen for
itself. Task t occurs with probability ∝ t^(−(a + 1)). Parities cannot be learnt in part, so each task is a unit of skill that
is there or not; a network that has the m most frequent ones has a loss ∝ m^(−a). With enough data the loss can be 0.

Source: Michaud, Liu, Girit, Tegmark 2023, arXiv 2303.13506, section 3.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from ticketlab.errors import UserError
from ticketlab.tasks.sequences.draws import choices, uniforms, zipf

__all__ = ["drawn", "subsets"]


def subsets(tasks: int, bits: int, size: int, draw: int) -> Int[np.ndarray, "tasks size"]:
    """The bits of each task."""
    if not (1 <= tasks <= 10_000 and 1 <= size <= bits <= 1000):
        raise UserError(
            f"tasks={tasks}, bits={bits}, subset={size}",
            "1 to 10 000 tasks, at most 1 000 bits, and subsets that are no larger",
        )
    return np.argsort(uniforms(np.random.PCG64([draw, 1]), tasks, bits), axis=1)[:, :size]


def drawn(
    examples: int, tasks: int, bits: int, size: int, exponent: float, draw: int
) -> tuple[Int[np.ndarray, "n inputs"], Int[np.ndarray, "n"]]:
    """Inputs of zeros and ones, tasks first, and labels 0 or 1."""
    if not 0 <= exponent < np.inf:
        raise UserError(f"exponent={exponent}", "at least 0")
    chosen = subsets(tasks, bits, size, draw)
    source = np.random.PCG64([draw, 2])
    which = choices(source, zipf(tasks, 1 + exponent), examples)
    values = (uniforms(source, examples, bits) < 0.5).astype(np.int64)
    labels = np.take_along_axis(values, chosen[which], axis=1).sum(axis=1) % 2
    return np.concatenate([np.eye(tasks, dtype=np.int64)[which], values], axis=1), labels
