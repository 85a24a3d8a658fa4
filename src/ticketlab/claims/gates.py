"""Gates that several claims have: is either side better than guessing, and was fitted what should have been?

Where both sides guess, "equally good" says nothing. Where a network has hardly fitted its labels, neither does "as well fitted".
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ticketlab.claims.asking import Part, no_misses
from ticketlab.claims.headroom import LEAST, share
from ticketlab.claims.wording import percent
from ticketlab.evidence.tables import Column, Table
from ticketlab.laws.formulae import Gate, Tables
from ticketlab.laws.rules import USUAL, Levels

__all__ = ["FITTED", "fitted_gate", "skill_gate"]

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


def _gain(learnt: Table, column: str) -> float:
    """The share of the headroom above guessing that one seed's scores gain."""
    guess = float(np.mean(learnt["guess"]))
    return (float(np.mean(learnt[column])) - guess) / max(1 - guess, 1 / len(learnt))
