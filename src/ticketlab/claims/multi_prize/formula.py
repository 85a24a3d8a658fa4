"""What the claim `multi-prize` says, as a formula: the same questions of each prize, under *all*.

A prize is a ticket with binary weights, or one with binary weights and activations. Both are compared with one network: the one
of full precision, with the activation function that was chosen, whose weights are trained. What each ticket loses against a mask
of full precision, or against trained binary weights, are side questions.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.asking import Part
from ticketlab.claims.gates import skill_gate
from ticketlab.claims.learned.halfway import rows_of_arms
from ticketlab.claims.learned.questions import KEPT_BACK, Asked, converged, found, not_behind
from ticketlab.evidence.tables import Table
from ticketlab.laws.formulae import All, Formula, Gate, Gated, Tables, answer
from ticketlab.laws.rules import USUAL, Levels
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = ["BOTH", "RULE", "WEIGHTS", "conclude", "formula", "sides"]

WEIGHTS, BOTH = "binary weights", "binary weights and activations"
FULL = ("full precision", "the trained network of full precision")
OTHERS = {
    "mask": ("a mask of full precision", "the search for a mask of full precision"),
    "binarised": ("trained binary weights", "the training of binary weights"),
}


def formula(margin: float) -> Formula:
    """The claim.

    Arguments:
        margin: the difference in test score that still counts as equal.
    """
    return All(tuple(_prize(setting, margin) for setting in (WEIGHTS, BOTH)))


def sides(margin: float) -> tuple[Formula, ...]:
    """Against a mask of full precision, and against trained binary weights."""
    asked = ((BOTH, "mask"), (WEIGHTS, "binarised"), (BOTH, "binarised"))
    return tuple(_side(setting, other, margin) for setting, other in asked)


def conclude(margin: float, tables: Mapping[str, Table], levels: Levels = USUAL) -> tuple[Verdict, ...]:
    """The claim as a whole, then its questions."""
    whole = answer(formula(margin), tables, levels)
    return verdicts_of(claim_verdict(whole, RULE, SAYS), whole, sides(margin), tables, levels)


RULE = (
    "Everything is asked at the density fixed before the runs. The claim holds if all questions hold for both tickets, the "
    "one with binary weights and the one with binary weights and activations: it is as accurate as the trained network of "
    "full precision, and better than guessing, than a random mask of equal counts over the same signs and than the same "
    "search over permuted labels. The claim fails if one of them fails. Otherwise it is undecided. The questions of a ticket are "
    "undecided if neither it nor the trained network is better than guessing, if its search or the training of that network has "
    f"not converged, {KEPT_BACK}"
)
SAYS = {
    Outcome.HOLDS: "The random network contains subnetworks of binary weights, with and without binary activations, that are as "
    "accurate as the trained network of full precision. No weight was trained.",
    Outcome.FAILS: "Not all of the prizes were found.",
    Outcome.UNDECIDED: "These runs do not decide whether the random network contains all of the prizes.",
}


def _prize(setting: str, margin: float) -> Formula:
    trained = "the training of the network of full precision"
    gates = (
        _search(setting, margin),
        converged("training", trained, _arm(WEIGHTS, "dense"), _examples(setting), margin),
        _standard(setting, margin),
    )
    return found(_asked(setting, margin), gates, key="prize", title=setting)


def _side(setting: str, other: str, margin: float) -> Formula:
    whom, made = OTHERS[other]
    gates = (
        skill_gate(_examples(setting), ("ticket", other)),
        _search(setting, margin),
        converged("other", f"{made} ({setting})", _arm(setting, other), _examples(setting), margin),
    )
    return Gated(gates, _asked(setting, margin).as_accurate(other, (other, whom)))


def _search(setting: str, margin: float) -> Gate:
    """Its search has converged."""
    return converged("search", f"the search ({setting})", _arm(setting, "ticket"), _examples(setting), margin)


def _standard(setting: str, margin: float) -> Gate:
    """The trained network of full precision fits as many training labels as the ticket.

    It contains the one with binary weights, but not the one with sign activations, which is another network.
    """

    def dense(tables: Tables) -> Table:
        rows = _arm(WEIGHTS, "dense")(tables)
        return rows.adding(setting=np.full(len(rows), setting))

    ticket = _arm(setting, "ticket")
    if setting == WEIGHTS:
        return not_behind(dense, ticket, margin)
    so = "the ticket may be as accurate only because that training fell short"
    return not_behind(dense, ticket, margin, f"the ticket ({setting})", so)


def _asked(setting: str, margin: float) -> Asked:
    return Asked(
        _examples(setting),
        lambda tables: tables["permuted"].where(setting=setting),
        lambda arm: _arm(setting, arm),
        FULL,
        "a random mask of equal counts over the same signs",
        margin,
        f"{setting}: ",
        {"prize": setting},
    )


def _examples(setting: str) -> Part:
    """The test scores of a setting, with those of the trained network of full precision in a column."""

    def part(tables: Tables) -> Table:
        dense = tables["examples"].where(setting=WEIGHTS)["dense"]
        return tables["examples"].where(setting=setting).adding(**{FULL[0]: dense})

    return part


def _arm(setting: str, arm: str) -> Part:
    return lambda tables: rows_of_arms(tables).where(setting=setting, arm=arm)
