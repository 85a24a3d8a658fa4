"""A function as the string of its labels on m held-out examples, eight labels in a byte.

Two networks compute the same function if their outputs have the same signs on all of these examples. Strings are compared byte by
byte, and the distance between two of them is the number of examples on which they differ (Hamming 1950).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int, UInt8

__all__ = ["differences", "distances", "packed", "text", "unpacked"]

BLOCK = 256  # functions whose distances are computed at once


def packed(labels: Bool[np.ndarray, "*n m"]) -> UInt8[np.ndarray, "*n bytes"]:
    """Labels as bytes, the first label in the highest bit of the first byte; the rest of the last byte is 0."""
    return np.packbits(labels, axis=-1)


def unpacked(functions: UInt8[np.ndarray, "*n bytes"], examples: int) -> Bool[np.ndarray, "*n m"]:
    """The labels on the given number of examples."""
    return np.unpackbits(functions, axis=-1, count=examples).astype(bool)


def text(function: UInt8[np.ndarray, "bytes"], examples: int) -> str:
    """The labels as characters 0 and 1."""
    return "".join("01"[int(label)] for label in unpacked(function, examples))


def differences(
    functions: UInt8[np.ndarray, "n bytes"], other: UInt8[np.ndarray, "bytes"]
) -> Int[np.ndarray, "n"]:
    """On how many examples each function differs from another one; for the target these are its errors."""
    return np.bitwise_count(functions ^ other).sum(axis=-1, dtype=np.int64)


def distances(
    functions: UInt8[np.ndarray, "n bytes"], others: UInt8[np.ndarray, "k bytes"]
) -> Int[np.ndarray, "n k"]:
    """All Hamming distances between two sets of functions."""
    blocks = (functions[i : i + BLOCK, None] ^ others for i in range(0, len(functions), BLOCK))
    return np.concatenate([np.bitwise_count(block).sum(axis=-1, dtype=np.int64) for block in blocks])
