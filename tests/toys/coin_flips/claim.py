"""A claim that is one folder of two files, as a newcomer would add it: a coin is fair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.study import Cell, DraftedStudy
from ticketlab.evidence.arm import Arm
from ticketlab.evidence.tables import Evidence, Table
from ticketlab.laws.agenda import Agenda
from ticketlab.laws.difference import of_seeds
from ticketlab.laws.formulae import Question, answer
from ticketlab.laws.rules import USUAL, Levels, Within
from ticketlab.laws.scale import SHARE
from ticketlab.laws.verdict import Outcome


@dataclass(frozen=True)
class CoinFlipsPlan:
    """Is a coin fair?

    Arguments:
        seeds: how many coins are flipped.
        flips: of each.
        bias: what is added to the probability of heads.
        margin: the share of heads away from one half that still counts as fair.
    """

    seeds: int = field(default=6, metadata={"cells": False})
    flips: int = 2000
    bias: float = 0.0
    margin: float = field(default=0.05, metadata={"cells": False})


class CoinFlips(DraftedStudy):
    claim = "coin-flips"
    statement = "A coin is fair."
    question = "Flip coins many times. Is the share of heads one half?"
    method = ("Coins are flipped and heads are counted.",)
    arms = (Arm("coin", "a generator of random bits", "the only one there is"),)
    redraws = "A seed draws all flips of a coin."
    sources = ()
    plan_type = CoinFlipsPlan

    def asked(self, plan: CoinFlipsPlan) -> Agenda:
        return Agenda("The claim holds if its question does.", _formula(plan))

    def cells(self, plan: CoinFlipsPlan) -> tuple[Cell, ...]:
        return (Cell("flips", title="all coins", seeds=tuple(range(plan.seeds)), together=True),)

    def conclude(self, plan: CoinFlipsPlan, tables: Mapping[str, Table], levels: Levels = USUAL) -> Evidence:
        found = answer(_formula(plan), tables, levels)
        says = {outcome: f"Whether a coin is fair: this {outcome}." for outcome in Outcome}
        claim = claim_verdict(found, self.asked(plan).rule, says)
        return Evidence(dict(tables), verdicts_of(claim, found, (), tables, levels))


def _formula(plan: CoinFlipsPlan) -> Question:
    return Question(
        key="fair",
        title="heads are half of all flips",
        effect=lambda tables: of_seeds(tables["coins"]["heads"] - 0.5),
        rule=Within(plan.margin),
        what="the share of heads, less one half,",
        scale=SHARE,
        reading=lambda tables: (
            f"Heads came up in {100 * float(np.mean(tables['coins']['heads'])):.1f} % of the flips"
        ),
        says={Outcome.HOLDS: "fair", Outcome.FAILS: "not fair", Outcome.UNDECIDED: "perhaps fair"},
    )
