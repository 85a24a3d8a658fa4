"""Kernels in pairs of blocks of examples, on one side of the diagonal if both sets of examples are the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.infinite.hermite import MOST_TERMS
from ticketlab.infinite.recursion import Recipe, entered, itself_compiled, pair_compiled
from ticketlab.infinite.rules import most_places

__all__ = ["Block", "assembled", "block_size", "met_with_themselves"]

HELD = 6  # arrays of a state's size in flight in a block
_PLACES = 2**18  # pairs of examples and pixels in a block, whose arrays then stay in a cache
_MOST_EXAMPLES = 128  # in a block, so that the symmetric half is not much more than half
_TAIL, _LARGEST_TAIL = 1e-12, 1e-6  # of a series: aimed at, and accepted


def block_size(recipe: Recipe, memory: int, examples: int) -> int:
    """Examples in a block: what memory holds, what a cache holds, and no more than the next power of two."""
    steps, shape = entered(recipe.network)
    places = most_places(steps, shape, ())
    held = math.isqrt(memory // (8 * HELD * places))
    if held < 1:
        raise UserError(
            f"{memory:,} bytes for kernels with {places:,} pairs of pixels for a pair of examples",
            f"at least {8 * HELD * places:,}",
            "Give more memory, or flatten instead of taking the mean over all pixels.",
        )
    cached = max(1, math.isqrt(_PLACES // places))
    rounded = 1 << (examples - 1).bit_length()  # few sizes, so few programs
    return min(held, cached, _MOST_EXAMPLES, rounded)


@dataclass(frozen=True)
class Block:
    """A block of examples, met with themselves."""

    x: Array
    variances: tuple[Array, ...]
    nngp: np.ndarray
    ntk: np.ndarray | None


def met_with_themselves(
    recipe: Recipe, x: Float[np.ndarray, "n ..."], size: int
) -> tuple[Recipe, list[Block]]:
    """The blocks, the last one padded with zeros; the recipe with as many terms as the series needs."""
    padding = np.zeros((-len(x) % size, *x.shape[1:]))
    parts = jax.device_put(np.split(np.concatenate([x, padding]), -(-len(x) // size)))
    while True:
        found = [itself_compiled(recipe, part) for part in parts]
        tail = max(float(f[3]) for f in found)
        if tail <= _TAIL or recipe.terms >= MOST_TERMS:
            break
        recipe = replace(recipe, terms=2 * recipe.terms)
    if not tail <= _LARGEST_TAIL:
        raise NumericalFailure(
            f"the series of tanh leaves out {tail:.0e} of its kernel after {MOST_TERMS} terms, more than {_LARGEST_TAIL:.0e}: "
            "pre-activations are too large. Standardise the inputs, or choose erf, which has a closed form."
        )
    blocks = [
        Block(part, variances, np.asarray(nngp), None if ntk is None else np.asarray(ntk))
        for part, (variances, nngp, ntk, _) in zip(parts, found, strict=True)
    ]
    return recipe, blocks


def assembled(
    recipe: Recipe,
    down: list[Block],
    across: list[Block],
    symmetric: bool,
    devices: Sequence[Any],
    progress: Callable[[float], None],
) -> tuple[np.ndarray, np.ndarray | None]:
    """All blocks in their places; while one device computes, the next gets its pair."""
    size, other = len(down[0].x), len(across[0].x)
    shape = (len(down) * size, len(across) * other)
    nngp, ntk = np.zeros(shape), np.zeros(shape) if recipe.ntk else None
    pairs = [(i, j) for i in range(len(down)) for j in range(i if symmetric else 0, len(across))]
    for done, (i, j, found) in enumerate(_computed(recipe, down, across, pairs, devices), start=1):
        for result, block, own in (
            (nngp, found[0], down[i].nngp),
            (ntk, found[1], down[i].ntk),
        ):
            if result is None or block is None:
                continue
            part = np.asarray(block)
            if symmetric and i == j:
                part = (part + part.T) / 2
                np.fill_diagonal(part, own)  # exact, where formulas would lose digits
            result[i * size : (i + 1) * size, j * other : (j + 1) * other] = part
            if symmetric and i != j:
                result[j * other : (j + 1) * other, i * size : (i + 1) * size] = part.T
        progress(done / len(pairs))
    return nngp, ntk


def _computed(
    recipe: Recipe,
    down: list[Block],
    across: list[Block],
    pairs: list[tuple[int, int]],
    devices: Sequence[Any],
) -> Iterator[tuple[int, int, tuple[Array, Array | None]]]:
    """The blocks in the order of the pairs, two pairs ahead on each device."""
    ahead: list[tuple[int, int, tuple[Array, Array | None]]] = []
    for number, (i, j) in enumerate(pairs):
        left, right = down[i], across[j]
        with jax.default_device(devices[number % len(devices)]):
            arguments = (left.x, right.x, left.variances, right.variances)
            if len(devices) > 1:
                arguments = jax.device_put(arguments, devices[number % len(devices)])
            ahead.append((i, j, pair_compiled(recipe, *arguments)))
        if len(ahead) > 2 * len(devices):
            yield ahead.pop(0)
    yield from ahead
