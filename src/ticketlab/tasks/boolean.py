"""Boolean functions of n bits: all 2ⁿ inputs, and targets that are named, written out, or drawn with a chosen complexity.

A function is its truth table, the string of its values on 00…0, 00…1, …, 11…1 (the first bit is the most significant).
The literature on P(f) uses the complexity of Lempel and Ziv (1976), averaged over both reading directions,

    K(s) = log₂|s| · (W(s) + W(reversed s)) / 2,    K = log₂|s| for a constant s,

where W is the number of words of the exhaustive parsing. Sources: Lempel, Ziv, On the complexity of finite sequences, IEEE
Trans. Inf. Theory 22 (1976) 75; Dingle, Camargo, Louis, Nature Communications 9 (2018) 761; Valle-Pérez, Camargo, Louis, arXiv
1805.08522 (7 bits). The other common measure is the share of ones: Mingard et al., arXiv 1909.11522.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Int8, UInt8

from ticketlab.errors import UserError

__all__ = [
    "NAMED",
    "all_inputs",
    "decision_tree",
    "draw_complexity",
    "draw_ones",
    "draw_uniform",
    "lempel_ziv",
    "signs",
    "words",
]

CANDIDATES = 2000


def all_inputs(bits: int) -> UInt8[np.ndarray, "m bits"]:
    """All inputs of n bits in the order of the truth table: row i is i in base 2."""
    return ((np.arange(2**bits)[:, None] >> np.arange(bits)[::-1]) & 1).astype(np.uint8)


NAMED: dict[str, Callable[[UInt8[np.ndarray, "m n"]], np.ndarray]] = {
    "parity": lambda b: b.sum(axis=1) % 2 == 1,
    "majority": lambda b: 2 * b.sum(axis=1) > b.shape[1],
    "and": lambda b: b.min(axis=1) == 1,
    "or": lambda b: b.max(axis=1) == 1,
    "first": lambda b: b[:, 0] == 1,
}
"""Functions by name: an odd number of ones; more ones than zeros; all ones; any one; the first bit alone."""


def words(s: str) -> int:
    """W(s): the words of Lempel and Ziv's exhaustive parsing, each the shortest that has not occurred before it ends.

    Cost: about |s|² / log|s| character comparisons, in C.
    """
    count, start, n = 0, 0, len(s)
    while start < n:
        count += 1
        length, seen = 1, 0
        # A longer word cannot occur before its own prefix does, so the search continues from the prefix.
        while (
            start + length <= n and (seen := s.find(s[start : start + length], seen, start + length - 1)) >= 0
        ):
            length += 1
        start += length
    return count


def lempel_ziv(table: str) -> float:
    """K(s) in bits, as in the equation above."""
    if len(set(table)) < 2:
        return math.log2(len(table))
    return math.log2(len(table)) * (words(table) + words(table[::-1])) / 2


def draw_uniform(bits: int, draw: int) -> str:
    """A truth table in which every value is a fair coin; `draw` is its seed."""
    return _string((np.random.PCG64(draw).random_raw(2**bits) & np.uint64(1)).astype(np.uint8))


def draw_ones(bits: int, ones: int, draw: int) -> str:
    """A truth table with exactly `ones` ones at random places; `draw` is its seed."""
    if not 1 <= ones < 2**bits:
        raise UserError(f"ones={ones} for {bits} bits", f"from 1 to {2**bits - 1}, so that both values occur")
    order = np.argsort(np.random.PCG64(draw).random_raw(2**bits), kind="stable")
    table = np.zeros(2**bits, np.uint8)
    table[order[:ones]] = 1
    return _string(table)


def decision_tree(bits: int, leaves: int, draw: int) -> str:
    """The truth table of a random decision tree. Leaves are split one at a time, on a bit that their path has not used.

    If both children of a split are leaves, their values differ, so no leaf is superfluous. `draw` is the seed.
    """
    if not 2 <= leaves <= 2**bits:
        raise UserError(f"leaves={leaves} for {bits} bits", f"from 2 to {2**bits}")
    source, inputs = np.random.PCG64(draw), all_inputs(bits)
    table = np.zeros(2**bits, np.uint8)
    open_leaves: list[tuple[np.ndarray, tuple[int, ...]]] = [(np.arange(2**bits), tuple(range(bits)))]
    for _ in range(leaves - 1):
        splittable = [i for i, (_, free) in enumerate(open_leaves) if free]
        rows, free = open_leaves.pop(splittable[_below(source, len(splittable))])
        bit, flip = free[_below(source, len(free))], _below(source, 2)
        table[rows] = inputs[rows, bit] ^ flip
        left = tuple(b for b in free if b != bit)
        open_leaves += [(rows[inputs[rows, bit] == side], left) for side in (0, 1)]
    return _string(table)


def draw_complexity(bits: int, complexity: float, draw: int) -> str:
    """The truth table, among 2 000 candidates, whose K is nearest to `complexity`; `draw` is the seed.

    A candidate is a random word repeated to full length, with some bits flipped. The length of the word and the number of
    flips are drawn on a logarithmic scale. The result is not uniform among functions of its complexity, but it covers
    them from periodic to random.

    Raises: UserError if no candidate comes within one word in each direction.
    """
    n, source = 2**bits, np.random.PCG64(draw)
    found: dict[str, float] = {}
    for _ in range(CANDIDATES):
        period, flips = _logarithmic(source, bits), _logarithmic(source, bits) - 1
        table = np.resize(source.random_raw(period) % 2, n).astype(np.uint8)
        table[source.random_raw(flips) % n] ^= 1
        candidate = _string(table)
        found[candidate] = lempel_ziv(candidate)
        if (
            abs(found[candidate] - complexity) <= bits / 4 and len(set(candidate)) == 2
        ):  # K moves in steps of bits / 2
            return candidate
    varied = {table: k for table, k in found.items() if len(set(table)) == 2}
    best = min(varied, key=lambda table: abs(varied[table] - complexity))
    if not abs(varied[best] - complexity) <= bits:  # nor is NaN near to anything
        raise UserError(
            f"complexity={complexity:g} for {bits} bits",
            f"from about {min(varied.values()):g} to {max(varied.values()):g} (Lempel–Ziv, in bits)",
        )
    return best


def signs(inputs: UInt8[np.ndarray, "m n"], zero: int) -> Int8[np.ndarray, "m n"]:
    """Bits as numbers: 1 stays 1, and 0 becomes `zero` (−1 or 0)."""
    return np.where(inputs == 1, 1, zero).astype(np.int8)


def _below(source: np.random.PCG64, n: int) -> int:
    """A number from 0 to n − 1 from raw bits, the stream that NumPy promises never to change."""
    return int(source.random_raw()) % n


def _logarithmic(source: np.random.PCG64, bits: int) -> int:
    """A number from 1 to 2 ** bits, about equally often in each octave."""
    return 1 + _below(source, 2 ** _below(source, bits + 1))


def _string(table: UInt8[np.ndarray, "m"]) -> str:
    return "".join("01"[v] for v in table)
