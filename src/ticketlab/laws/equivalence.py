"""Are two ways of doing a task equally good, up to a margin fixed beforehand? A paired comparison with two sources of chance.

Both methods are scored on the same test examples in every run (seed), so the differences are paired. They vary between runs,
and with the examples that happen to be in the test set; when several runs share test examples, averaging over runs does not
average the second kind away. The variance of the mean difference is therefore clustered both ways: V = V_seeds + V_examples −
V_both, and never less than either.

Equivalence is shown when the whole 95 % interval lies within ±margin, which is two one-sided tests at 2.5 % each (Schuirmann
1987). A claim "for each of these questions" needs no correction to hold (an intersection–union test, Berger 1982); to fail,
one question must fail at a level corrected for the number of questions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.special import stdtrit

from ticketlab.laws.verdict import Outcome

__all__ = [
    "Difference",
    "all_of",
    "any_of",
    "beats",
    "equivalence",
    "exceeds",
    "negation",
    "paired_difference",
    "side",
]


@dataclass(frozen=True)
class Difference:
    """A mean paired difference and how sure it is.

    Arguments:
        mean: over all runs and test examples.
        standard_error: with both sources of chance; NaN for a single run.
        freedom: degrees of freedom, runs − 1.
        seed_error, example_error: the standard errors with only one source of chance.
    """

    mean: float
    standard_error: float
    freedom: int
    seed_error: float
    example_error: float

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The two-sided Student interval; (−∞, ∞) when there is a single run."""
        if self.freedom < 1:
            return (-np.inf, np.inf)
        half = float(stdtrit(self.freedom, 0.5 + level / 2)) * self.standard_error
        return (self.mean - half, self.mean + half)


def paired_difference(
    difference: Float[np.ndarray, "n"], seed: Int[np.ndarray, "n"], example: Int[np.ndarray, "n"]
) -> Difference:
    """The mean of paired differences, with a variance clustered by run and by test example.

        V_G = (G/(G−1)) Σ_g (Σ_{i∈g} e_i)² / n²,   e = difference − mean,
        V = max(V_seeds + V_examples − V_both, V_seeds, V_examples),   V_both: a group for every run and test example

    Arguments:
        difference: score of the one minus score of the other, an entry or several (widths, say) for every run and test
            example.
        seed: the entry's run.
        example: the entry's test example, by its number in the data set.

    Source: Cameron, Gelbach & Miller 2011, Robust inference with multiway clustering, equation 2.8.
    """
    d = np.asarray(difference, float)
    mean = float(d.mean())
    e = (d - mean) / len(d)
    runs = len(np.unique(seed))
    by_example = _clustered(e, example)
    if runs < 2:
        return Difference(mean, float("nan"), 0, float("nan"), float(np.sqrt(by_example)))
    by_seed = _clustered(e, seed)
    variance = max(by_seed + by_example - _clustered(e, _pairs(seed, example)), by_seed, by_example)
    return Difference(
        mean, float(np.sqrt(variance)), runs - 1, float(np.sqrt(by_seed)), float(np.sqrt(by_example))
    )


def _pairs(seed: np.ndarray, example: np.ndarray) -> np.ndarray:
    """A number for every (seed, example), in the order in which they come."""
    named, number = np.unique(example, return_inverse=True)
    run = np.unique(seed, return_inverse=True)[1]
    _, first, which = np.unique(run * len(named) + number, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[which]


def _clustered(e: np.ndarray, groups: np.ndarray) -> float:
    _, which = np.unique(groups, return_inverse=True)
    sums = np.bincount(which, weights=e)
    count = len(sums)
    return float(sums @ sums) * (count / (count - 1) if count > 1 else 1.0)


def equivalence(difference: Difference, margin: float, questions: int = 1) -> Outcome:
    """Holds: the 95 % interval lies within ±margin. Fails: that at level 1 − 0.05/questions lies outside. Else undecided."""
    low, high = difference.interval()
    if -margin <= low and high <= margin:
        return Outcome.HOLDS
    low, high = difference.interval(1 - 0.05 / questions)
    if low > margin or high < -margin:
        return Outcome.FAILS
    return Outcome.UNDECIDED


def exceeds(difference: Difference, least: float = 0.0, questions: int = 1) -> Outcome:
    """Holds: the 95 % interval lies above `least`. Fails: that at level 1 − 0.05/questions lies below. Else undecided."""
    if difference.interval()[0] > least:
        return Outcome.HOLDS
    if difference.interval(1 - 0.05 / questions)[1] < least:
        return Outcome.FAILS
    return Outcome.UNDECIDED


def beats(difference: Difference, margin: float, questions: int = 1, ways: int = 1) -> Outcome:
    """Is the one better than the other, in one of several ways in which it may be?

    Holds: the interval at level 1 − 0.05/ways lies above 0. Fails: not so, and that at level 1 − 0.05/questions lies below
    +margin, so that the other is as good up to the margin, or better. Else undecided.
    """
    if difference.interval(1 - 0.05 / ways)[0] > 0:
        return Outcome.HOLDS
    if difference.interval(1 - 0.05 / questions)[1] < margin:
        return Outcome.FAILS
    return Outcome.UNDECIDED


def side(difference: Difference, limit: float, questions: int = 1) -> Outcome:
    """On which side of a limit? Holds: the interval at level 1 − 0.05/questions lies above it. Fails: below. Else undecided.

    Asked of so many questions, all that is decided is right with a probability of 95 %, and so is what follows from it.
    """
    low, high = difference.interval(1 - 0.05 / questions)
    return Outcome.HOLDS if low > limit else Outcome.FAILS if high < limit else Outcome.UNDECIDED


def all_of(outcomes: list[Outcome]) -> Outcome:
    """The claim that every one holds."""
    if Outcome.FAILS in outcomes:
        return Outcome.FAILS
    return Outcome.HOLDS if all(o is Outcome.HOLDS for o in outcomes) else Outcome.UNDECIDED


def any_of(outcomes: list[Outcome]) -> Outcome:
    """The claim that at least one holds."""
    if Outcome.HOLDS in outcomes:
        return Outcome.HOLDS
    return Outcome.FAILS if all(o is Outcome.FAILS for o in outcomes) else Outcome.UNDECIDED


def negation(outcome: Outcome) -> Outcome:
    """The claim that it does not hold."""
    return {Outcome.HOLDS: Outcome.FAILS, Outcome.FAILS: Outcome.HOLDS}.get(outcome, outcome)
