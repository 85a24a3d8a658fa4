"""The guess-and-check search: do random networks that happen to fit a few examples have what training gains?

Random networks are drawn until enough fit. Where too few are expected to, nothing is searched, and that seed says nothing. Its
column of scores has those of guessing, which do not count.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from ticketlab.claims.asking import three
from ticketlab.claims.gates import skill_gate
from ticketlab.claims.gp_performance.shares import EXPLAINED, explained, known_gain, read_share
from ticketlab.claims.wording import number
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import of_seeds
from ticketlab.laws.formulae import Formula, Gate, Gated, Question, Tables
from ticketlab.laws.ratio import Ratio
from ticketlab.laws.rules import Above

__all__ = ["GUESSED", "SEARCH", "WORTH_IT", "searched"]

SEARCH, GUESSED = "search", "random networks that fit"
WORTH_IT = 60  # expected random networks that fit, without which the search is not begun
ACCEPTED, FITTED = 30, 0.99  # random networks that fit, in each seed; training runs that fit


def searched(size: int, majority: float) -> Formula:
    """The side question with its gates.

    Arguments:
        size: training examples of two classes.
        majority: the share that counts as the large majority.
    """
    part = partial(_examples, size)
    gates = (
        Gate(
            "found",
            "enough random networks fit",
            partial(_enough, size),
            "More --networks, or fewer examples, would do.",
        ),
        Gate("fits", "training runs fit", partial(_fit, size), "More --steps would let them fit."),
        skill_gate(part, ("trained_score",)),
        known_gain(part, "trained_score"),
    )
    asked = Question(
        key=SEARCH,
        title=f"{GUESSED}, {_where(size)}",
        effect=partial(_effect, size),
        rule=Above(majority),
        what="the share of training's gain over guessing that random networks which happen to fit have",
        scale=EXPLAINED,
        reading=partial(_reading, size),
        says=three(
            "to fit is nearly all that training does",
            "training does more than to fit",
            "whether training does more than to fit",
        ),
        facets={"picture": GUESSED, "size": str(size)},
    )
    return Gated(gates, asked)


def _where(size: int) -> str:
    return f"{size} training examples of two classes"


def _effect(size: int, tables: Tables) -> Ratio:
    if _seeds_that_found(size, tables):
        return explained(_examples(size, tables), "search_score", "trained_score")
    unknown = of_seeds(np.full(len(tables["searches"].where(size=size)), np.nan))
    return Ratio(unknown, unknown, unknown)


def _reading(size: int, tables: Tables) -> str:
    if not _seeds_that_found(size, tables):
        return f"With {_where(size)}, no random network was found that fits"
    columns, name = ("search_score", "trained_score"), "random networks that happen to fit"
    return read_share(partial(_examples, size), *columns, name, _where(size), tables)


def _examples(size: int, tables: Tables) -> Table:
    """Those of the seeds in which random networks were found; of all seeds if there is none."""
    examples: Table = tables["search_examples"].where(size=size)
    seeds = _seeds_that_found(size, tables)
    return examples.taken(np.isin(examples["seed"], seeds)) if seeds else examples


def _seeds_that_found(size: int, tables: Tables) -> list[int]:
    searches = tables["searches"].where(size=size)
    found: list[int] = searches["seed"][searches["accepted"] > 0].tolist()
    return found


def _enough(size: int, tables: Tables) -> str | None:
    rows = tables["searches"].where(size=size)
    least = int(np.min(rows["accepted"]))
    if least >= ACCEPTED:
        return None
    tried, few = int(rows["tried_for"][0]), float(np.min(rows["expected"]))
    if few < WORTH_IT:
        return (
            f"In {int(np.sum(rows['expected'] < WORTH_IT))} of {len(rows)} seeds too few of {tried} random networks were "
            f"expected to fit {size} examples ({few:.2g}, and {WORTH_IT} are required), so nothing was searched there."
        )
    return (
        f"Of {tried} random networks, {float(np.mean(rows['expected'])):.0f} were expected to fit {size} examples; in one seed "
        f"{least} were found, and {ACCEPTED} are required."
    )


def _fit(size: int, tables: Tables) -> str | None:
    least = float(np.min(tables["searches"].where(size=size)["fitted"]))
    return None if least >= FITTED else f"Only {number(100 * least)} % of the training runs fit."
