"""What would decide an undecided question: the number of seeds or of test examples, at its present estimate.

The variance of a mean difference over S seeds and n test examples has three parts,
    V = A/S + B/n + C/(S·n):
differences between seeds, differences between examples common to all seeds, and differences in both. With more seeds and the
same test examples B/n stays, so more seeds may not be enough. With more examples and the same seeds A/S stays. The rule itself
decides about the same estimate with the variance that it would have, so the forecast uses the actual rule. The estimate will
move; at the stated number a verdict comes in somewhat more than half of all cases.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ticketlab.laws.difference import Bracket, Difference, Effect
from ticketlab.laws.ratio import Ratio
from ticketlab.laws.rules import Levels, Rule
from ticketlab.laws.verdict import Outcome

__all__ = ["Outlook", "fewest", "outlook", "projected"]

SEEDS = 1000  # the most that are worth naming
EXAMPLES = 10_000_000  # likewise


@dataclass(frozen=True)
class Outlook:
    """What would decide a question.

    Arguments:
        words: one or two sentences.
        seeds: the number that would decide it with the present test examples; None if no number would.
    """

    words: str = ""
    seeds: int | None = None


def projected(effect: Effect, seeds: int | None = None, examples: int | None = None) -> Effect:
    """The effect with the same estimate but more seeds or test examples; unchanged for unknown kinds."""
    if isinstance(effect, Bracket):
        return Bracket(effect.low.of_size(seeds, examples), effect.high.of_size(seeds, examples))
    return effect.of_size(seeds, examples) if isinstance(effect, (Difference, Ratio)) else effect


def fewest(decided: Callable[[int], bool], above: int, most: int) -> int | None:
    """The smallest number above one from which on every number decides; None if there is none up to the most.

    From 20 on it is rounded up to two digits.
    """
    if above >= most or not decided(most):
        return None
    low, high = above, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decided(middle) else (middle, high)
    digits = 10 ** max(0, len(str(high)) - 2) if high > 20 else 1
    return -(-high // digits) * digits


def outlook(effect: Effect, rule: Rule, levels: Levels) -> Outlook:
    """What would decide an undecided question."""
    sides: tuple[Effect, ...] = (effect,)
    if isinstance(effect, Bracket):
        sides = (effect.low, effect.high)
    elif isinstance(effect, Ratio):
        sides = (effect.above, effect.below)
    parts = [side for side in sides if isinstance(side, Difference)]
    if not parts:
        return Outlook()
    if not all(part.decidable for part in parts):
        return Outlook("At least 2 seeds are needed.", 2)
    if math.isnan(effect.mean):
        return Outlook()
    have, n = parts[0].seeds, parts[0].examples

    def decides(seeds: int | None = None, examples: int | None = None) -> bool:
        return rule.outcome(projected(effect, seeds, examples), levels) is not Outcome.UNDECIDED

    seeds = fewest(lambda s: decides(seeds=s), have, SEEDS)
    if not any(part.example_variance for part in parts):
        return Outlook(_of_seeds(parts, seeds, decides), seeds)
    examples = fewest(lambda m: decides(examples=m), n, EXAMPLES)
    by_seeds, by_examples = (
        sum(of) for of in zip(*(part.squares(levels.holds) for part in parts), strict=True)
    )
    more = (
        "differences between seeds" if by_seeds > by_examples else f"the sample of {_number(n)} test examples"
    )
    if seeds and examples:
        words = (
            f"The main source of uncertainty is {more}. At the present estimate about {_number(seeds)} seeds would decide it, or "
            f"about {_number(examples)} test examples."
        )
    elif seeds:
        words = (
            f"More test examples cannot decide it with {have} seeds. At the present estimate about {_number(seeds)} seeds "
            "would."
        )
    elif examples:
        words = (
            f"More seeds cannot decide it with {_number(n)} test examples. At the present estimate about {_number(examples)} "
            "test examples would."
        )
    else:
        words = "Neither more seeds nor more test examples alone can decide it: the estimate is too close to the limit."
    return Outlook(words, seeds)


def _of_seeds(parts: list[Difference], seeds: int | None, decides: Callable[[int], bool]) -> str:
    if seeds:
        return f"At the present estimate about {_number(seeds)} seeds would decide it."
    if not all(part.lower_known and part.upper_known for part in parts):
        return (
            "More seeds cannot decide it: some values are only bounds, because training was too short, or was looked at too "
            "seldom. Longer training would, or closer looks."
        )
    return f"Not even {_number(SEEDS)} seeds would decide it: the estimate is too close to the limit."


def _number(value: int) -> str:
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
