"""Ranking: the weights with the highest scores are kept, by rank and never by a threshold, so that counts are exact.

Ties keep the lower index. Indices run through a layer row by row, and through the layers of a network in order of depth. A
pruning rule, `LayerWise` or `Global`, removes the fraction p of the n survivors in a round and leaves n − ⌊p·n + ½⌋. Weights
that a mask has removed stay removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ticketlab.errors import NumericalFailure, UserError, counted
from ticketlab.tickets.masks import Mask, kept, same_shapes

OUTPUT = (
    "output"  # the name of the last layer in every network of the zoo; in others it is the last of the mask
)

__all__ = ["Counts", "Global", "LayerWise", "Pruning", "best", "highest", "highest_overall"]

Counts: TypeAlias = Mapping[str, int] | int
"""The number of weights kept: in each layer, or in the whole network."""


def highest(
    scores: Mapping[str, np.ndarray], counts: Mapping[str, int], among: Mask
) -> dict[str, np.ndarray]:
    """The mask that keeps, in each layer, the `counts[layer]` weights with the highest scores among those of a mask.

    Raises:
        UserError: if shapes differ, or for more weights than there are.
        NumericalFailure: for a score that is not a number.
    """
    _check(scores, among)
    return {name: _top(array, counts[name], among[name], f"layer {name!r}") for name, array in scores.items()}


def highest_overall(scores: Mapping[str, np.ndarray], count: int, among: Mask) -> dict[str, np.ndarray]:
    """The same with one ranking for all layers: the `count` highest scores of the network."""
    _check(scores, among)
    joined = [np.concatenate([np.ravel(tree[name]) for name in scores]) for tree in (scores, among)]
    flat = _top(joined[0], count, joined[1], "the network")
    ends = np.cumsum([array.size for array in scores.values()])[:-1]
    parts = np.split(flat, ends)
    return {
        name: part.reshape(array.shape) for (name, array), part in zip(scores.items(), parts, strict=True)
    }


def best(scores: Mapping[str, np.ndarray], counts: Counts, among: Mask) -> dict[str, np.ndarray]:
    """`highest` for counts by layer, `highest_overall` for one number."""
    if isinstance(counts, int | np.integer):
        return highest_overall(scores, int(counts), among)
    return highest(scores, counts, among)


@dataclass(frozen=True)
class LayerWise:
    """Removes a fraction of the survivors of every layer: those with the smallest |w|.

    Arguments:
        fraction: for dense layers, in [0, 1).
        convolution: for convolutions; none: as for dense layers.
        output: for the last layer; none: as for the others. The paper pruned LeNet-300-100 by 0.2, and its output by 0.1.

    Raises:
        UserError: for fractions outside [0, 1).

    Source: Frankle & Carbin 2018, arXiv 1803.03635, figure 2.
    """

    fraction: float = 0.2
    convolution: float | None = None
    output: float | None = 0.1

    def __post_init__(self) -> None:
        for name in ("fraction", "convolution", "output"):
            _check_fraction(name, getattr(self, name))

    def prune(self, weights: Mapping[str, np.ndarray], mask: Mask) -> dict[str, np.ndarray]:
        """The mask of the next round, from one network's weights by layer."""
        return best(_magnitudes(weights), self.survivors(mask), mask)

    def survivors(self, mask: Mask) -> dict[str, int]:
        """The number of weights left in each layer after a round."""
        last = OUTPUT if OUTPUT in mask else next(reversed(list(mask)), "")
        return {name: _survivors(array, self._of(array, name == last)) for name, array in mask.items()}

    def _of(self, weight: np.ndarray, last: bool) -> float:
        if last and self.output is not None:
            return self.output
        return self.fraction if weight.ndim <= 2 or self.convolution is None else self.convolution


@dataclass(frozen=True)
class Global:
    """Removes a fraction of all survivors of the network: those with the smallest |w| in any layer.

    Arguments:
        fraction: in [0, 1).

    Raises:
        UserError: for a fraction outside [0, 1).

    Source: Frankle & Carbin 2018, arXiv 1803.03635, section 4 (for deep networks).
    """

    fraction: float = 0.2

    def __post_init__(self) -> None:
        _check_fraction("fraction", self.fraction)

    def prune(self, weights: Mapping[str, np.ndarray], mask: Mask) -> dict[str, np.ndarray]:
        """The mask of the next round, from one network's weights by layer."""
        return best(_magnitudes(weights), self.survivors(mask), mask)

    def survivors(self, mask: Mask) -> int:
        """The number of weights left in the network after a round."""
        return kept(mask) - _share(self.fraction, kept(mask))


Pruning = LayerWise | Global


def _magnitudes(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.abs(array) for name, array in weights.items()}


def _survivors(mask: np.ndarray, fraction: float) -> int:
    n = int(np.count_nonzero(mask))
    return n - _share(fraction, n)


def _share(fraction: float, n: int) -> int:
    return int(fraction * n + 0.5)


def _top(scores: np.ndarray, count: int, among: np.ndarray, where: str) -> np.ndarray:
    candidates = np.flatnonzero(among)
    if not 0 <= count <= len(candidates):
        raise UserError(
            f"{counted(int(count), 'weight')} to keep in {where}",
            f"0 to {len(candidates)}, the number of weights left",
        )
    ranked = np.argsort(-np.ravel(scores)[candidates], kind="stable")  # ties go to the first
    mask = np.zeros(scores.size, bool)
    mask[candidates[ranked[:count]]] = True
    return mask.reshape(scores.shape)


def _check(scores: Mapping[str, np.ndarray], among: Mask) -> None:
    same_shapes(scores, among, "scores and a mask")
    if any(np.isnan(array).any() for array in scores.values()):
        raise NumericalFailure(
            "Some weights are not numbers, so they cannot be ranked: training has diverged."
        )


def _check_fraction(name: str, value: float | None) -> None:
    if value is not None and not 0 <= value < 1:
        raise UserError(f"{name}={value}", "a fraction of the surviving weights to remove, in [0, 1)")
