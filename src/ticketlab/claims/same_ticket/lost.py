"""What the rest has lost, as a share of what chance rests know; in the task, and on the labels of a random teacher.

    s = (chance rest − rest) / (chance rest − guessing),   at most 1

A network that has learnt more has more to lose, so points of two tasks cannot be compared, and shares can. Networks that know
more might lose a larger share, too, whatever they learnt. So the share is also taken *earlier* in training, when chance rests
know as much as they do on a teacher's labels, and must be larger then too.

A rest that scores less than guessing has lost all. The interval of a difference of two shares is that of their linearised terms,

    (a − s·b)/mean b,   a = chance rest − rest,   b = chance rest − guessing,

over seeds and test examples. A share at its limit has no error. But where it may be below, the true difference may be smaller
(in the task) or larger (on a teacher's labels) by that error, which counts on this side if it makes the interval wider: errors of
two shares may cancel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from jaxtyping import Float

from ticketlab.claims.asking import columns
from ticketlab.claims.headroom import difference
from ticketlab.claims.same_ticket.tables import REST
from ticketlab.claims.wording import number, points
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Bracket, Difference, of_seeds, paired_difference
from ticketlab.laws.formulae import Gate, Tables
from ticketlab.laws.rules import ALPHA, USUAL, Levels
from ticketlab.laws.scale import Scale

__all__ = [
    "BOTH",
    "EARLIER",
    "LOST",
    "also_earlier",
    "more_lost",
    "share_lost",
    "to_lose",
    "was_earlier",
    "was_taught",
]

LOST = Scale("% of what chance rests know", 100.0)


@dataclass(frozen=True)
class Scored:
    """The columns of one task.

    Arguments:
        rest, chance_rest, guess: test scores.
        training: how the training is called.
    """

    rest: str
    chance_rest: str
    guess: str
    training: str


IN_THE_TASK = Scored(REST, "chance_rest", "guess", "training")
ON_A_TEACHERS_LABELS = Scored(
    "rest_teacher", "chance_rest_teacher", "guess_teacher", "training on a teacher's labels"
)
BOTH = (IN_THE_TASK, ON_A_TEACHERS_LABELS)
EARLIER = Scored("rest_earlier", "chance_rest_earlier", "guess", "training, when chance rests knew as much,")


@dataclass(frozen=True)
class Share:
    """A share lost, a mean over seeds and test examples, before its limit of 1.

    Arguments:
        lost: a/mean b of each entry, whose mean is s.
        known: −s·(b/mean b − 1), the part of the denominator, with mean 0.
        unit: the most that one example can change it.
    """

    lost: Float[np.ndarray, "n"]
    known: Float[np.ndarray, "n"]
    unit: float

    @property
    def mean(self) -> float:
        return float(np.mean(self.lost))


def share_lost(examples: Table, of: Scored) -> Share:
    """s in one task. What chance rests know is taken for one right answer at least; `to_lose` asks for far more."""
    knows = examples[of.chance_rest] - examples[of.guess]
    size = max(float(np.mean(knows)), 1 / len(examples))
    lost = (examples[of.chance_rest] - examples[of.rest]) / size
    return Share(lost, -float(np.mean(lost)) * (knows - np.mean(knows)) / size, 1 / size)


def more_lost(examples: Table, of: Scored = IN_THE_TASK) -> Bracket:
    """The share lost in the task minus that on a teacher's labels; not a number in a run without a teacher."""
    if not was_taught(examples):
        unknown = of_seeds(np.full(len(set(examples["seed"].tolist())), np.nan))
        return Bracket(unknown, unknown)
    task, teacher = share_lost(examples, of), share_lost(examples, ON_A_TEACHERS_LABELS)
    more = min(task.mean, 1.0) - min(teacher.mean, 1.0)
    ones, others = _weights(examples, of), _weights(examples, ON_A_TEACHERS_LABELS)

    def widest(ones: tuple[int, ...], others: tuple[int, ...]) -> Difference:
        found = [_weighted(examples, task, teacher, one, other) for one, other in product(ones, others)]
        return replace(max(found, key=lambda of: of.half_width(ALPHA)), mean=more)

    return Bracket(widest(ones, others[:1]), widest(ones[:1], others))


def _weights(examples: Table, of: Scored) -> tuple[int, ...]:
    """Whether the error of a share counts, by the estimate: not at its limit, where the rest is below guessing. Unless it surely
    is, both come into question.
    """
    below = difference(examples, of.guess, of.rest)
    if below.mean <= 0:
        return (1,)
    return (0,) if below.lower(ALPHA) > 0 else (0, 1)


def _weighted(examples: Table, task: Share, teacher: Share, one: int, other: int) -> Difference:
    return paired_difference(
        one * task.lost - other * teacher.lost,
        examples["seed"],
        examples["id"],
        unit=task.unit + teacher.unit,
        also=one * task.known - other * teacher.known,
    )


def was_taught(examples: Table) -> bool:
    """Whether a run trained on a teacher's labels."""
    return ON_A_TEACHERS_LABELS.rest in columns(examples)


def was_earlier(examples: Table) -> bool:
    """Whether a run measured the share at equal knowledge."""
    return EARLIER.rest in columns(examples)


def also_earlier(least: float) -> Gate:
    """At equal knowledge, too, the rest has lost more than on a teacher's labels; keeps back *holds* alone.

    Arguments:
        least: what the shares have to differ by in the end.
    """

    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        examples = tables["examples"]
        if not was_taught(examples) or more_lost(examples).upper(levels.fails) < least:
            return None
        if not was_earlier(examples):
            return "This older run did not measure the share lost when chance rests knew as much as on a teacher's labels."
        found = more_lost(examples, EARLIER)
        if not found.decidable or found.lower(levels.smaller) > 0:
            return None
        more, low, high = (
            number(100 * v) for v in (found.mean, found.lower(levels.smaller), found.upper(levels.smaller))
        )
        return (
            "When chance rests knew as much as they do on a teacher's labels, the share lost differed from the one there by "
            f"{more} % ({low} to {high}). It must be shown to be larger: the rest may lose more because the network knows more."
        )

    return Gate(
        "as much known",
        "at equal knowledge, too, the rest has lost a larger share than on a teacher's labels",
        passed,
        "More seeds or test examples would show whether that share is larger.",
        shows=True,
    )


def to_lose(least: float) -> Gate:
    """Chance rests know something beyond guessing, in both tasks; else there is no share of it.

    Arguments:
        least: what they have to know, of test score.
    """

    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        examples = tables["examples"]
        if not was_taught(examples):
            return "This older run did not train on a teacher's labels, the control that tells whether the task dampens the rest."
        for of in BOTH:
            known = difference(examples, of.chance_rest, of.guess)
            if known.decidable and known.lower(levels.smaller) <= least:
                return (
                    f"After {of.training}, chance rests differ from guessing by {points(known.mean)} points (at least "
                    f"{points(known.lower(levels.smaller))}), and more than {100 * least:g} are required: a share of less says "
                    "nothing."
                )
        return None

    return Gate(
        "to-lose",
        "chance rests know something that could be lost, in the task and on a teacher's labels",
        passed,
        "More seeds or test examples would show what chance rests know, and a network that learns more would let them know it.",
        shows=True,
    )
