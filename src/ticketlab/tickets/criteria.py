"""Criteria that look at weights alone: where they were drawn, w_i, and where training took them, w_f.

    large final          |w_f|                  the rule of magnitude pruning
    small final          −|w_f|                 its reverse, a control
    large initial        |w_i|                  nothing learnt is seen
    magnitude increase   |w_f| − |w_i|
    movement             |w_f − w_i|
    large both           min(ρ|w_f|, ρ|w_i|)    ρ the rank within the layer: small at neither end
    random               a number that is drawn

Each can ask that weights have the *same sign* at both ends: then all that have come before all that have not, which are taken in
order of their index if the others are too few. A weight that is zero at either end has no sign to share.

Where the paper scales one of the two magnitudes so that their percentiles agree, both are replaced by their ranks here, which
makes them agree everywhere.

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
    """A criterion that looks at both w_i and w_f, weight by weight.

    Arguments:
        same_sign: whether weights with w_i w_f > 0 come before all others.
    """

    same_sign: bool = False
    rounds: ClassVar[int] = 1

    @abstractmethod
    def score(self, initial: np.ndarray, final: np.ndarray) -> np.ndarray:
        """The scores of one layer, without regard to signs."""

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
    """−|w_f|: what magnitude pruning would remove first is kept."""

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
    """min(ρ(|w_f|), ρ(|w_i|)), ρ the rank within the layer as a fraction of its weights, equals having their mean rank."""

    def score(self, initial: np.ndarray, final: np.ndarray) -> np.ndarray:
        return np.minimum(_percentile(np.abs(initial)), _percentile(np.abs(final)))


@dataclass(frozen=True)
class LargeInitial:
    """|w_i|; w_f is looked at for its sign alone."""

    same_sign: bool = False
    rounds: ClassVar[int] = 1

    def scores(self, seen: Seen, mask: Mask) -> Scores:
        """The scores of all layers."""
        found = {name: np.abs(w) for name, w in weights_of(seen.network, seen.initial).items()}
        return _agreeing_first(self, seen, found) if self.same_sign else found


@dataclass(frozen=True)
class Random:
    """A number drawn from the key that is seen; with `same_sign` a random choice among weights that keep their sign."""

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
    """−∞ where signs differ or one is zero; a score that is not a number stays one, so that it is found."""
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
