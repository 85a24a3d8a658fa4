"""The claim that masks make anything of a multigraph in which nothing was drawn, and what that says of other measures.

A cell is one seed. The questions and their rules are in `formula`; `cell` computes one cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ticketlab.claims import plan_checks
from ticketlab.claims.literature import BERGER_1982, CAMERON_2011, RAMANUJAN_2020
from ticketlab.claims.multigraph.formula import (
    EDGES,
    EMPTY,
    NET,
    PERMUTED,
    RANDOM,
    TARGET,
    WRITTEN,
    formula,
    rule,
    side_questions,
    verdicts,
)
from ticketlab.claims.study import Cell, Study
from ticketlab.errors import UserError
from ticketlab.evidence.arm import Arm
from ticketlab.evidence.tables import Table
from ticketlab.laws.agenda import Agenda
from ticketlab.laws.rules import Levels
from ticketlab.laws.verdict import Verdict
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.architectures import MLP
from ticketlab.tasks.sources import Digits, TaskSource
from ticketlab.training.optimisers import Adam, Optimiser

__all__ = ["Multigraph", "MultigraphPlan"]


@dataclass(frozen=True)
class MultigraphPlan:
    """Can a mask write any network into edges that were not drawn, and which measures does that fool?

    Arguments:
        task: images or vectors to classify, split anew for each seed.
        network: whose weights the edges stand for.
        seeds: how many draws of split, network and masks; a verdict needs at least 2.
        first_seed: the number of the first seed; others draw other networks for the same question.
        bits: b, pairs of edges for each parameter, where the question is decided.
        widths: other numbers of bits, for the figure.
        margin: the difference in test score that counts as equal (0.01: one percentage point of accuracy).
        draws: random masks of the multigraph.
        density: the fraction of the random network's weights that the learned mask keeps.
        permutations: of the labels, for the scan of units.
        steps: of the target's training.
        fitting_steps: of the training on permuted labels.
        search_steps: of both searches for masks.
        batch: examples in a step.
        optimiser: of all of them.
    """

    task: TaskSource = Digits(train=800, validation=300, test=697)
    network: Architecture = MLP(widths=(64,))
    seeds: int = field(default=5, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    bits: int = 8
    widths: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    margin: float = field(default=0.01, metadata={"cells": False})
    draws: int = 100
    density: float = 0.5
    permutations: int = 19
    steps: int = 1500
    fitting_steps: int = 6000
    search_steps: int = 3000
    batch: int = 60
    optimiser: Optimiser = Adam()

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.drawn_at_random(self.network, "asks what is in a random network")
        plan_checks.margin_inside(self.margin)
        for bits in (self.bits, *self.widths):
            if not 1 <= bits <= 24:
                raise UserError(f"{bits} bits", "1 to 24")
        if self.bits in self.widths:
            raise UserError(
                f"widths {self.widths} with bits={self.bits}", "numbers of bits other than `bits`"
            )
        plan_checks.each_once(self, "widths")
        plan_checks.at_least(self, 1, "draws", "steps", "fitting_steps", "search_steps", "batch")
        plan_checks.at_least(self, 19, "permutations")
        if not 0 < self.density <= 1:
            raise UserError(f"density={self.density:g}", "the fraction that is kept, above 0 and at most 1")

    @classmethod
    def presets(cls) -> dict[str, MultigraphPlan]:
        return {
            "quick": cls(
                task=Digits(train=500, validation=300, test=900),
                network=MLP(widths=(32,)),
                seeds=3,
                widths=(1, 2, 4),
                draws=60,
                steps=1000,
                fitting_steps=8000,
                search_steps=1500,
            )
        }


class Multigraph(Study):
    claim = "multigraph"
    statement = (
        "A multigraph with base-2 spaced weights can be masked into any network, yet contains nothing useful "
        "without a mask."
    )
    question = (
        "Put parallel edges with fixed weights, ± powers of two, in the place of every weight. Does a mask turn them into a "
        "trained network, and into one that has fitted permuted labels? And which measures of a random network would this fool?"
    )
    method = (
        "In the place of each parameter are b pairs of parallel edges with the weights ±S·2^−k, where S is a power of two. All "
        "edges together add up to zero. A mask keeps the binary digits of a trained parameter, to an error of S·2^−(b+1).",
        "The multigraph is scored with all its edges, under random masks that keep each edge with probability one half, and "
        "under the mask that writes a trained network. Another mask writes a network that has fitted permuted labels.",
        "Four measures are calibrated: the accuracy of the network as it is drawn, the held-out AUC of the best hidden unit, a "
        "linear read-out of the last hidden layer, and the accuracy of a learned mask. Each is taken of a random network, of "
        "the same network with permuted labels, of the multigraph with all its edges, and of one random mask of it. Such a "
        "mask makes a random network too.",
        "The learned mask of a random network is that of edge-popup [Ramanujan et al. 2020]. That of the multigraph trains a "
        "score for each edge, and keeps edges with positive scores. An AUC of ½ and the most frequent class are chance.",
        "Test scores are paired by example, and their intervals count both sources of chance [Cameron et al. 2011]. Measures are "
        "one number a seed, with Student's interval. The claim needs all its statements [Berger 1982].",
    )
    arms = (
        Arm(TARGET, "The trained network.", "What the mask should write."),
        Arm(WRITTEN, "The multigraph under the mask of its binary digits.", "The first half of the claim."),
        Arm(EMPTY, "The multigraph with all its edges.", "The second half: nothing in it is useful."),
        Arm(
            RANDOM,
            "The multigraph under random masks.",
            "Whether any mask does, and what a measure makes of any random function.",
        ),
        Arm(NET, "A random network, as it is drawn.", "What measures are usually taken of."),
        Arm(PERMUTED, "Labels exchanged at random.", "What a mask or a measure makes of no content."),
        Arm(EDGES, "The multigraph, measured.", "What a measure makes of a network without content."),
    )
    redraws = "A seed draws the split, the networks, the data order, the permuted labels, the scores and the random masks."
    sources = (RAMANUJAN_2020, CAMERON_2011, BERGER_1982)
    needs = ("measures",)
    plan_type = MultigraphPlan
    cell = "multigraph", "masks and measures"

    def asked(self, plan: MultigraphPlan) -> Agenda:
        return Agenda(rule(plan.margin, plan.bits), formula(plan.margin), side_questions())

    def brief(self, plan: MultigraphPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        rows = tables["examples"]
        read = (f"{name} {float(np.mean(rows[name])):.1%}" for name in (TARGET, WRITTEN, EMPTY, RANDOM))
        return "test accuracy: " + ", ".join(read)

    def verdicts(
        self, plan: MultigraphPlan, tables: Mapping[str, Table], levels: Levels
    ) -> Sequence[Verdict]:
        return verdicts(tables, plan.margin, plan.bits, levels)
