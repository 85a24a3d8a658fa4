"""Differences in score as shares of the headroom above guessing, for tasks of any balance of classes.

    share = mean(one − other) / (1 − mean score of guessing)

Ten points are a tenth of the headroom where ten classes are equally frequent. Where 92 % of the examples are of one class only
eight points can be gained at all, and no limit in points fits both tasks.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ticketlab.claims import wording
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Difference, paired_difference
from ticketlab.laws.scale import Scale

__all__ = ["HEADROOM", "LEAST", "avoided", "difference", "percent", "share"]

HEADROOM = Scale("% of the headroom above guessing", 100.0, bounds=(-np.inf, 100.0), of_accuracies=True)
LEAST = 0.1  # the smallest share that matters


def share(examples: Table, one: str, other: str) -> Difference:
    """The mean difference between two columns, as a share of the headroom. The headroom is that of the same test examples, and
    has its part in the error of the ratio.

    Arguments:
        examples: with columns "seed", "id" and "guess", the score of always guessing what is most frequent.
        one, other: columns with a score for every seed and test example.
    """
    room = max(1.0 - float(np.mean(examples["guess"])), 1.0 / max(len(examples), 1))
    gain = (examples[one] - examples[other]) / room
    of_room = float(np.mean(gain)) * ((1.0 - examples["guess"]) / room - 1.0)
    return paired_difference(gain, examples["seed"], examples["id"], unit=1.0 / room, also=-of_room)


def avoided(error: Float[np.ndarray, "n"], chance: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """The share of guessing's errors that are avoided, 1 − error/chance; 0 where guessing makes none.

    Arguments:
        error, chance: those of a method and of guessing, one of each for every seed.
    """
    makes = chance > 0
    return np.where(makes, 1 - error / np.where(makes, chance, 1.0), 0.0)


def difference(examples: Table, one: str, other: str) -> Difference:
    """The mean difference between two columns of scores."""
    return paired_difference(examples[one] - examples[other], examples["seed"], examples["id"])


def percent(examples: Table, column: str) -> str:
    """A mean score in words."""
    return wording.percent(float(np.mean(examples[column])))
