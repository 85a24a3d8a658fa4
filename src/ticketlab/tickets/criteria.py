"""Criteria that use only weights: their initial values w_i, and their values after training w_f.

    large final          |w_f|                  the rule of magnitude pruning
    small final          −|w_f|                 its reverse, a control
    large initial        |w_i|                  uses nothing learnt
    magnitude increase   |w_f| − |w_i|
    movement             |w_f − w_i|
    large both           min(ρ|w_f|, ρ|w_i|)    ρ the rank within the layer: small at neither end
    random               a random number

Each can require the *same sign* before and after training. Then all weights that keep their sign rank before all
others; the others follow in order of their index if more are needed. A weight that is zero before or after has no sign
to keep.

The paper scales one of the two magnitudes so that their percentiles agree. Here ranks replace both, so that they agree
everywhere.

Source: Zhou, Lan, Liu & Yosinski 2019, arXiv 1905.01067, section 2 and figure 3; section 5 for signs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import numpy as np
from scipy.stats import rankdata

from ticketlab.tickets.criterion import Scores, Seen
from ticketlab.tickets.masks import Mask, weights_of

__all__ = [
    "LargeBoth",
    "LargeFinal",
    "LargeInitial",
    "MagnitudeIncrease",
    "Movement",
    "Random",
    "SmallFinal",
    "WeightCriterion",
]


@dataclass(frozen=True)
class WeightCriterion(ABC):
    """A criterion that uses both w_i and w_f, weight by weight.

    Arguments:
        same_sign: whether weights with w_i w_f > 0 come before all others.
    """

    same_sign: bool = False
    rounds: ClassVar[int] = 1

    @abstractmethod
    def score(self, initial: np.ndarray, final: np.ndarray) -> np.ndarray:
        """The scores of one layer, ignoring signs."""

    def scores(self, seen: Seen, mask: Mask) -> Scores:
        """The scores of all layers."""
        seen.require(self, "final")
        final = weights_of(seen.network, seen.final)
        found = {n: self.score(w, final[n]) for n, w in weights_of(seen.network, seen.initial).items()}
        return _agreeing_first(self, seen, found) if self.same_sign else found


@dataclass(frozen=True)
class LargeFinal(WeightCriterion):
    """|w_f|."""

    def score(self, initial: np.ndarray, final: np.ndarray) -> np.ndarray:
        return np.abs(final)


@dataclass(frozen=True)
class SmallFinal(WeightCriterion):
    """−|w_f|: keeps what magnitude pruning would remove first."""

    def score(self, initial: np.ndarray, final: np.ndarray) -> np.ndarray:
        return -np.abs(final)


@dataclass(frozen=True)
class MagnitudeIncrease(WeightCriterion):
    """|w_f| − |w_i|."""

    def score(self, initial: np.ndarray, final: np.ndarray) -> np.ndarray:
        return np.abs(final) - np.abs(initial)


@dataclass(frozen=True)
class Movement(WeightCriterion):
    """|w_f − w_i|."""

    def score(self, initial: np.ndarray, final: np.ndarray) -> np.ndarray:
        return np.abs(final - initial)


@dataclass(frozen=True)
class LargeBoth(WeightCriterion):
    """min(ρ(|w_f|), ρ(|w_i|)), where ρ is the rank within the layer as a fraction of its weights; ties have their mean rank."""

    def score(self, initial: np.ndarray, final: np.ndarray) -> np.ndarray:
        return np.minimum(_percentile(np.abs(initial)), _percentile(np.abs(final)))


@dataclass(frozen=True)
class LargeInitial:
    """|w_i|; only the sign of w_f is used."""

    same_sign: bool = False
    rounds: ClassVar[int] = 1

    def scores(self, seen: Seen, mask: Mask) -> Scores:
        """The scores of all layers."""
        found = {name: np.abs(w) for name, w in weights_of(seen.network, seen.initial).items()}
        return _agreeing_first(self, seen, found) if self.same_sign else found


@dataclass(frozen=True)
class Random:
    """A number drawn from the key in `seen`; with `same_sign` a random choice among weights that keep their sign."""

    same_sign: bool = False
    rounds: ClassVar[int] = 1

    def scores(self, seen: Seen, mask: Mask) -> Scores:
        """Uniform numbers, layer by layer."""
        seen.require(self, "key")
        key: Any = seen.key
        initial = weights_of(seen.network, seen.initial)
        found = {
            name: np.asarray(jax.random.uniform(jax.random.fold_in(key, i), w.shape))
            for i, (name, w) in enumerate(initial.items())
        }
        return _agreeing_first(self, seen, found) if self.same_sign else found


def _agreeing_first(criterion: object, seen: Seen, scores: Scores) -> Scores:
    """−∞ where signs differ or one is zero; NaN stays NaN, so that it is detected."""
    seen.require(criterion, "final")
    initial, final = (weights_of(seen.network, params) for params in (seen.initial, seen.final))
    return {
        name: np.where(
            ((np.sign(initial[name]) == np.sign(final[name])) & (initial[name] != 0)) | np.isnan(score),
            score,
            -np.inf,
        )
        for name, score in scores.items()
    }


def _percentile(values: np.ndarray) -> np.ndarray:
    if np.isnan(values).any():
        return np.full(values.shape, np.nan)
    return rankdata(values).reshape(values.shape) / values.size
