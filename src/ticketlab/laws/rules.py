"""The four rules: each decides about an effect at a one-sided level and states itself in words, so the printed rule is exact.

Every rule is monotone: with the same estimate, a larger error moves the outcome only towards *undecided*. "Better" is `Above`
zero, or above the smallest effect that matters; "as good" is `Above` minus the margin; "equal" is `Within` the margin, which is
two one-sided tests (Schuirmann 1987).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from ticketlab.laws.difference import Effect
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome

__all__ = ["USUAL", "Above", "Below", "Between", "Levels", "Rule", "Within", "confidence"]

ALPHA = 0.025


@dataclass(frozen=True)
class Levels:
    """The probabilities with which *holds* and *fails* may be wrong.

    Arguments:
        holds, fails: one-sided.
    """

    holds: float = ALPHA
    fails: float = ALPHA

    @property
    def smaller(self) -> float:
        """For what has to be shown before anything is said: it may be wrong for either outcome."""
        return min(self.holds, self.fails)


USUAL = Levels()
"""Those of a run that is looked at once."""


class Rule(ABC):
    """A decision rule for an effect."""

    def strictest(self, levels: Levels) -> float:
        """The smallest one-sided level of its bounds: that of the widest interval that decides."""
        return min(levels.holds, levels.fails)

    @abstractmethod
    def bounds(self) -> tuple[float, float]:
        """Between which effects it holds; infinite where it is open."""

    @abstractmethod
    def outcome(self, effect: Effect, levels: Levels) -> Outcome:
        """Holds, fails or undecided."""

    @abstractmethod
    def words(self, what: str, scale: Scale, levels: Levels) -> str:
        """The rule in plain words, one sentence for each outcome."""


@dataclass(frozen=True)
class Above(Rule):
    """The effect lies above a limit."""

    limit: float

    def bounds(self) -> tuple[float, float]:
        return self.limit, float("inf")

    def outcome(self, effect: Effect, levels: Levels) -> Outcome:
        if effect.lower(levels.holds) > self.limit:
            return Outcome.HOLDS
        return Outcome.FAILS if effect.upper(levels.fails) < self.limit else Outcome.UNDECIDED

    def words(self, what: str, scale: Scale, levels: Levels) -> str:
        return _one_sided(what, scale, levels, self.limit, "above", "below")


@dataclass(frozen=True)
class Below(Rule):
    """The effect lies below a limit."""

    limit: float

    def bounds(self) -> tuple[float, float]:
        return float("-inf"), self.limit

    def outcome(self, effect: Effect, levels: Levels) -> Outcome:
        if effect.upper(levels.holds) < self.limit:
            return Outcome.HOLDS
        return Outcome.FAILS if effect.lower(levels.fails) > self.limit else Outcome.UNDECIDED

    def words(self, what: str, scale: Scale, levels: Levels) -> str:
        return _one_sided(what, scale, levels, self.limit, "below", "above")


@dataclass(frozen=True)
class Between(Rule):
    """The effect lies between two limits. It can fail on either side, so each side has half the level."""

    low: float
    high: float

    def bounds(self) -> tuple[float, float]:
        return self.low, self.high

    def strictest(self, levels: Levels) -> float:
        return min(levels.holds, levels.fails / 2)

    def outcome(self, effect: Effect, levels: Levels) -> Outcome:
        if self.low < effect.lower(levels.holds) and effect.upper(levels.holds) < self.high:
            return Outcome.HOLDS
        half = levels.fails / 2
        outside = effect.lower(half) > self.high or effect.upper(half) < self.low
        return Outcome.FAILS if outside else Outcome.UNDECIDED

    def words(self, what: str, scale: Scale, levels: Levels) -> str:
        holds, fails = _percent(levels.holds), _percent(levels.fails / 2)
        region = self.region(scale)
        return (
            f"Holds if the {holds} interval of {what} lies within {region}. Fails if the "
            f"{_again(fails, holds)} lies wholly outside. Otherwise the question is undecided."
        )

    def region(self, scale: Scale) -> str:
        low, high = sorted((scale.shown(self.low), scale.shown(self.high)))
        return f"{scale.number(low)} to {scale.number(high)} {scale.unit}".strip()


@dataclass(frozen=True)
class Within(Rule):
    """The effect lies within ±margin."""

    margin: float

    def bounds(self) -> tuple[float, float]:
        return -self.margin, self.margin

    def strictest(self, levels: Levels) -> float:
        return min(levels.holds, levels.fails / 2)

    def outcome(self, effect: Effect, levels: Levels) -> Outcome:
        return Between(-self.margin, self.margin).outcome(effect, levels)

    def words(self, what: str, scale: Scale, levels: Levels) -> str:
        return Between(-self.margin, self.margin).words(what, scale, levels)


def _one_sided(what: str, scale: Scale, levels: Levels, limit: float, towards: str, away: str) -> str:
    """A scale may reverse the direction: the logarithm of a speed-up is shown as more or fewer steps."""
    if scale.falls:
        towards, away = away, towards
    holds, fails = _percent(levels.holds), _percent(levels.fails)
    return (
        f"Holds if the {holds} interval of {what} lies {towards} {scale.limit(limit)}. Fails if the {_again(fails, holds)} lies "
        f"{away} it. Otherwise the question is undecided."
    )


def _percent(level: float) -> str:
    """The two-sided confidence for a one-sided level."""
    return confidence(1 - 2 * level)


def confidence(level: float) -> str:
    """A two-sided confidence in words: "95 %", "99.24 %", "99.9985 %"."""
    missing = 100 * (1 - level)
    digits = max(2, 1 - math.floor(math.log10(missing))) if missing > 0 else 2
    return f"{100 - missing:.{digits}f}".rstrip("0").rstrip(".") + " %"


def _again(fails: str, holds: str) -> str:
    return "interval" if fails == holds else f"{fails} interval"
