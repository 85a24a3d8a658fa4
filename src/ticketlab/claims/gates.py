"""Gates that several claims have: is either side better than guessing, and was fitted what should have been?

Where both sides guess, "equally good" says nothing. Nor does it where the margin is all that is gained over guessing, or a low
barrier where no barrier could be high. Where a network has hardly fitted its labels, "as well fitted" says nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ticketlab.claims.asking import Part, no_misses
from ticketlab.claims.headroom import LEAST, difference, share
from ticketlab.claims.wording import margin_words, percent, points
from ticketlab.evidence.tables import Column, Table
from ticketlab.laws.difference import Bracket, paired_difference
from ticketlab.laws.formulae import Gate, Tables
from ticketlab.laws.rules import USUAL, Levels

__all__ = ["FITTED", "START", "barrier_gate", "fitted_gate", "fitting", "margin_gate", "skill_gate"]

START = "start_score"  # the score of a start from a file, before any training
FITTED = 0.9  # of what guessing leaves to be gained, on training data


def skill_gate(examples_of: Callable[[Tables], Table], columns: tuple[str, ...]) -> Gate:
    """Is the better side better than guessing, by a tenth of the headroom above guessing, at the level of what is asked?

    Arguments:
        examples_of: the test examples, from a study's tables, with the columns "guess", "seed" and "id".
        columns: the sides that are compared; or the trained network alone.

    A single seed passes: nothing is decided by one seed anyway, and the reading should say so.
    """

    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        of = examples_of(tables)
        gains = [share(of, column, "guess") for column in columns]
        best = max(gains, key=lambda gain: gain.lower(levels.smaller))
        if not best.decidable or best.lower(levels.smaller) > LEAST:
            return None
        who, it = (
            ("Neither side is", "the better one gains")
            if len(columns) > 1
            else ("The trained network is not", "it gains")
        )
        least = f"{100 * LEAST:g} %"
        return (
            f"{who} better than guessing: of what guessing leaves to be gained {it} {percent(best.mean)} (at least "
            f"{percent(best.lower(levels.smaller))}), and {least} is required."
        )

    opens = "More training examples, or a network that learns this task, would make it a question."
    return Gate("skill", "better than guessing", passed, opens, shows=True)


def margin_gate(
    examples_of: Callable[[Tables], Table],
    one: tuple[str, str],
    other: tuple[str, str],
    margin: float,
    *,
    skilled: bool = True,
    opens: str = "A smaller --margin would open the question, or a task on which more is gained over guessing.",
) -> Gate:
    """Of two sides within the margin, does the one that gains less over guessing gain at least half as much as the other?

    Where 98.5 % of the examples are of one class, guessing is within a point of a network that is right on 99.2 %. Sides that
    differ by more than the margin pass, because they are not called equal. Over a start from a file that is better than guessing
    gains are counted from there: where nothing is left to be learnt, everything ends there.

    Arguments:
        examples_of: as of `skill_gate`; with the column `START`, if all seeds start at parameters from a file.
        one, other: the column of a side, and its name with an article.
        skilled: whether a gate of skill keeps sides back that both guess; otherwise this one does.
        opens: what would open it, a sentence.
    """

    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        of = examples_of(tables)
        (less, who), (more, whom) = sorted((one, other), key=lambda side: float(np.mean(of[side[0]])))
        known = _knows(of)
        base = START if known else "guess"
        gains = [float(np.mean(of[column])) - float(np.mean(of[base])) for column in (less, more)]
        if gains[1] - gains[0] > margin or (skilled and not known and gains[1] <= 0):
            return None
        half = paired_difference(of[less] - (of[more] + of[base]) / 2, of["seed"], of["id"])
        if not half.decidable or half.lower(levels.smaller) > 0:
            return None
        over = "the start" if known else "guessing"
        return (
            f"Equal within {margin_words(margin)} says little here: over {over} {who} gains {points(gains[0])} points and "
            f"{whom} {points(gains[1])}. The former was not shown to be at least half of the latter."
        )

    return Gate(
        "margin", "within the margin, both gain about as much over guessing", passed, opens, shows=True
    )


def barrier_gate(
    examples_of: Callable[[Tables], Table],
    side: tuple[str, str],
    barrier: Callable[[Tables], Bracket],
    limit: float,
    *,
    skilled: bool = True,
) -> Gate:
    """Do the ends of a line gain twice the limit over guessing, so that a barrier on it could be above the limit?

    Between networks that gain little no barrier is high: in between they can only lose what they gain. A barrier that is above
    the limit passes.

    Arguments:
        examples_of: as of `skill_gate`.
        side: the column with the scores of the ends, and their name.
        barrier: from a study's tables.
        limit: below which a barrier is called low, a share of the examples.
        skilled: whether a gate of skill keeps back ends that guess; otherwise this one does.
    """
    column, who = side

    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        gain = difference(examples_of(tables), column, "guess")
        least = gain.lower(levels.smaller)
        unasked = not gain.decidable or (skilled and gain.mean <= 0)
        if unasked or least > 2 * limit or barrier(tables).mean > limit:
            return None
        return (
            f"Over guessing, {who} gain {points(gain.mean)} points (at least {points(least)}), so barriers could hardly be above "
            f"{100 * limit:g} points: more than {200 * limit:g} are required."
        )

    opens = "A task on which more is gained over guessing would make it a question."
    return Gate("high", "networks gain twice as much over guessing as the limit", passed, opens, shows=True)


def _knows(examples: Table) -> bool:
    """Whether all seeds have a start from a file that is better than guessing."""
    names = {column.name for column in examples.columns}
    return START in names and float(np.mean(examples[START])) > float(np.mean(examples["guess"]))


def fitted_gate(
    learnt: Part,
    column: str,
    labels: str = "permuted labels",
    so: str = "so there is little to be kept",
    opens: str = "More --fitting-steps, or a wider network, would make it a question.",
) -> Gate:
    """Has the network of every seed fitted its labels, to nine tenths of the headroom above guessing?

    Arguments:
        learnt: the training examples, from a study's tables, with the columns "guess" and "seed".
        column: the scores of the network that was trained on them.
        labels: what they are called.
        so: why nothing is decided otherwise.
        opens: what would open it, a sentence.
    """

    def fits(tables: Tables) -> Table:
        gains = [_gain(of, column) for of in learnt(tables).by("seed").values()]
        return Table("fits", (Column("fitted", np.array(gains) >= FITTED),))

    least = f"{100 * FITTED:g} %"
    return no_misses(
        "fitted",
        f"{labels} are fitted to {least} of the headroom in every seed",
        fits,
        "fitted",
        f"{{}} networks gain less than {least} of what guessing leaves on their {labels}, {so}.",
        opens,
    )


def fitting(networks: Table, examples: Table) -> Table:
    """The networks, "fitted" only if they gain nine tenths of what guessing leaves too: more than 95 % where a class is frequent.

    Arguments:
        networks: with the columns "fitted" and "train_score".
        examples: with the column "guess".
    """
    left = (1.0 - FITTED) * (1.0 - float(np.mean(examples["guess"])))
    return networks.adding(fitted=networks["fitted"] & (1.0 - networks["train_score"] <= left + 1e-9))


def _gain(learnt: Table, column: str) -> float:
    """The share of the headroom above guessing that one seed's scores gain."""
    guess = float(np.mean(learnt["guess"]))
    return (float(np.mean(learnt[column])) - guess) / max(1 - guess, 1 / len(learnt))
