"""What it is to do a task: to be better than guessing, by a tenth of what guessing leaves to be gained.

Ten points for all tasks would ask too much where guessing is nearly right, because most examples are of one class, and would let
pass there what learns from labels that mean nothing.
"""

from __future__ import annotations

import numpy as np

from ticketlab.studies.evidence import Table

__all__ = ["least_skill", "least_skill_in_words"]

SKILL = 0.1


def least_skill(examples: Table) -> float:
    """SKILL·(1 − the mean score of guessing).

    That is 0.09 of accuracy with ten classes as frequent, and 0.1 of R², where guessing scores 0.

    Arguments:
        examples: with a column "guess", the score of always guessing what is most frequent, or the mean.
    """
    return SKILL * (1.0 - float(np.mean(examples["guess"])))


def least_skill_in_words(examples: Table) -> str:
    return f"a tenth of what guessing leaves to be gained ({100 * least_skill(examples):.2g} points here)"
