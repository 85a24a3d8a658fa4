"""Sequences of a Markov chain whose transitions have Zipf weights: next-token data with known entropy.

From symbol i the next is the symbol of rank r with probability ∝ r^(−exponent), in an order of its own for each i. With the
stationary distribution π, the smallest mean cross-entropy of the next token is the entropy rate

    h = −Σ_i π_i Σ_j P_ij log P_ij

and the largest accuracy Σ_i π_i max_j P_ij. Only the last token matters, so every longer memory is wasted.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from ticketlab.errors import UserError
from ticketlab.tasks.sequences.draws import uniforms, zipf

__all__ = ["chain", "entropy_rate", "sequences", "stationary"]


def chain(symbols: int, exponent: float, draw: int) -> Float[np.ndarray, "k k"]:
    """The transition matrix P: a row for each symbol, with the same weights in an order drawn for it."""
    if not 2 <= symbols <= 1000 or not 0 <= exponent < np.inf:
        raise UserError(
            f"symbols={symbols}, exponent={exponent}",
            "from 2 to 1 000 symbols, and an exponent of at least 0",
        )
    ranks = np.argsort(uniforms(np.random.PCG64(draw), symbols, symbols), axis=1).argsort(axis=1)
    return zipf(symbols, exponent)[ranks]


def stationary(p: Float[np.ndarray, "k k"]) -> Float[np.ndarray, "k"]:
    """π with πP = π and sum 1."""
    k = len(p)
    equations = np.vstack([p.T - np.eye(k), np.ones(k)])
    return np.linalg.lstsq(equations, np.append(np.zeros(k), 1.0), rcond=None)[0]


def entropy_rate(p: Float[np.ndarray, "k k"]) -> float:
    """h in nats."""
    logarithms = np.log(p, out=np.zeros_like(p), where=p > 0)
    return float(-stationary(p) @ (p * logarithms).sum(axis=1))


def sequences(
    p: Float[np.ndarray, "k k"], examples: int, length: int, draw: int
) -> Int[np.ndarray, "examples length"]:
    """Independent sequences from the stationary chain; `draw` is their seed."""
    source, k = np.random.PCG64([draw, 1]), len(p)
    u = uniforms(source, examples, length)
    found = np.empty((examples, length), np.int64)
    ends = np.cumsum(p, axis=1)
    found[:, 0] = np.searchsorted(np.cumsum(stationary(p)), u[:, 0])
    for t in range(1, length):
        found[:, t] = (u[:, t, None] > ends[np.minimum(found[:, t - 1], k - 1)]).sum(axis=1)
    return np.minimum(found, k - 1)
