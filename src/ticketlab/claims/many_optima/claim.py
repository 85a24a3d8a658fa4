"""The claim that many different networks do the task well: other functions, and not one network up to symmetry.

A cell is one seed: one pair of independent networks, with the twin, the copy and the tickets that belong to it. The questions and
their rules are in `formula`; `cell` computes one cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ticketlab.claims import plan_checks
from ticketlab.claims.literature import CAMERON_2011, STOCK_2019
from ticketlab.claims.many_optima.formula import (
    COPY,
    INDEPENDENT,
    OWN,
    PERMUTED,
    RULE,
    TICKETS,
    TWIN,
    UNTRAINED,
    formula,
    side_questions,
    verdicts,
)
from ticketlab.claims.study import Cell, Study
from ticketlab.evidence.arm import Arm
from ticketlab.evidence.source import Source
from ticketlab.evidence.tables import Table
from ticketlab.laws.agenda import Agenda
from ticketlab.laws.rules import Levels
from ticketlab.laws.verdict import Verdict
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.architectures import MLP
from ticketlab.tasks.sources import Digits, TaskSource
from ticketlab.training.optimisers import Adam, Optimiser

__all__ = ["ManyOptima", "ManyOptimaPlan"]


@dataclass(frozen=True)
class ManyOptimaPlan:
    """Do independently trained networks end in different functions and different basins?

    Arguments:
        task: a task with classes, split anew for each seed.
        network: one whose units are described.
        seeds: how many pairs of independent networks; a verdict needs at least 2.
        first_seed: the number of the first seed; others draw other networks for the same question.
        steps: of every training.
        batch: examples in a step.
        optimiser: of every training.
        fork: the part of training that a network and its copy share.
        density: the fraction of the weights that tickets keep.
        points: values of α on a line.
        restarts: random orders from which matching starts, besides the three that are always tried.
    """

    task: TaskSource = Digits(train=800, validation=300, test=697)
    network: Architecture = MLP(widths=(256, 256))
    seeds: int = field(default=20, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    steps: int = 1000
    batch: int = 60
    optimiser: Optimiser = Adam()
    fork: float = 0.05
    density: float = 0.2
    points: int = 25
    restarts: int = 3

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.drawn_at_random(
            self.network, "compares networks from independent starts, and would compare a start with itself"
        )
        plan_checks.at_least(self, 1, "batch")
        plan_checks.at_least(self, 20, "steps")
        plan_checks.at_least(self, 3, "points")
        plan_checks.at_least(self, 0, "restarts")
        plan_checks.fraction(self, "fork", "density")

    @property
    def shared_steps(self) -> int:
        """The steps that a network and its copy share."""
        return max(1, round(self.fork * self.steps))

    @classmethod
    def presets(cls) -> dict[str, ManyOptimaPlan]:
        return {"quick": cls(network=MLP(widths=(64, 64)), seeds=4, steps=400, points=11)}


class ManyOptima(Study):
    claim = "many-optima"
    statement = "Many different networks do the task well."
    question = (
        "Train two networks from independent starts. Do they differ in what they compute, more than copies of one network do? "
        "And are they in different basins, even if the units of one are put in the best order?"
    )
    method = (
        "Networks are compared in canonical form: for ReLU units the norms of incoming and outgoing weights are made equal, "
        "which changes no output [Stock et al. 2019]. Then the units of one are permuted so that its weights are most like the "
        "other's [Ainsworth et al. 2022]. Starts are the order as it is, sorted weights, activations and random orders.",
        "The distance is ‖A − B‖/√(‖A‖‖B‖). Matching takes something off any distance, so the similarity index counts it from "
        "independent networks (0) to twins (1), both matched by the same code.",
        "The error barrier is the highest test error on the line between two networks minus the mean of its ends, as they are "
        "and matched, each with and without REPAIR, which gives every hidden unit on the line the mean and spread that it has at "
        "the ends [Jordan et al. 2022]. The barrier is bracketed by its maximum and by an estimate whose place on the line is "
        "chosen on the other half of the examples.",
        "Seeds are independent: each has its own split and its own networks. Intervals count seeds and test examples as two "
        "sources of chance [Cameron et al. 2011]. The index and the distances are one number a seed, with Student's interval.",
    )
    arms = (
        Arm(INDEPENDENT, "Another start and another order of the data.", "The claim."),
        Arm(
            TWIN,
            "The same start, another order of the data from the first step.",
            "The near end of the index.",
        ),
        Arm(COPY, "Another order of the data after a small part of training.", "What the order alone does."),
        Arm(
            OWN,
            "The weights that are largest after training, rewound to the start and trained alone.",
            "Whether a ticket is the network that it comes from.",
        ),
        Arm(TICKETS, "The tickets of both independent networks.", "Whether tickets are one network."),
        Arm(UNTRAINED, "The independent network at its start.", "What matching takes off any distance."),
        Arm(
            PERMUTED,
            "The independent start, trained on permuted labels.",
            "What training alone does to distances.",
        ),
    )
    redraws = "A seed draws the split, both starts, the orders of the data and the permutation of the labels."
    sources = (
        STOCK_2019,
        Source(
            "Ainsworth et al. 2022",
            "S. K. Ainsworth, J. Hayase, S. Srinivasa. Git re-basin: merging models modulo permutation symmetries.",
            "https://arxiv.org/abs/2209.04836",
        ),
        Source(
            "Jordan et al. 2022",
            "K. Jordan, H. Sedghi, O. Saukh, R. Entezari, B. Neyshabur. REPAIR: renormalizing permuted activations for "
            "interpolation repair.",
            "https://arxiv.org/abs/2211.08403",
        ),
        CAMERON_2011,
    )
    needs = ("examples", "pairs", "networks")
    plan_type = ManyOptimaPlan
    cell = "pair", "independent networks"

    def asked(self, plan: ManyOptimaPlan) -> Agenda:
        return Agenda(RULE, formula(), side_questions())

    def brief(self, plan: ManyOptimaPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        pair = tables["pairs"].where(arm=INDEPENDENT)
        return (
            f"independent networks: distance {pair['raw'].mean():.2f}, matched {pair['matched'].mean():.2f}; disagreement "
            f"{pair['disagreement'].mean():.1%}"
        )

    def verdicts(
        self, plan: ManyOptimaPlan, tables: Mapping[str, Table], levels: Levels
    ) -> Sequence[Verdict]:
        return verdicts(tables, levels)
