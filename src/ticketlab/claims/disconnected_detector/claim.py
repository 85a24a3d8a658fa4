"""The claim that in an untrained ticket units detect a class only once the rest is cut off, so that training has no reason to
find it.

A cell is one seed. The questions and their rules are in `formula`; `cell` computes one cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ticketlab.claims import plan_checks
from ticketlab.claims.disconnected_detector import formula
from ticketlab.claims.literature import LEE_AJANTHAN_2019, RAMANUJAN_2020
from ticketlab.claims.study import Cell, Study
from ticketlab.evidence.arm import Arm
from ticketlab.evidence.tables import Table
from ticketlab.laws.agenda import Agenda
from ticketlab.laws.rules import Levels
from ticketlab.laws.verdict import Verdict
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.architectures import MLP
from ticketlab.networks.initialisation import Distribution, Initialisation
from ticketlab.tasks.sources import Digits, TaskSource
from ticketlab.training.optimisers import Adam, Optimiser

__all__ = ["DisconnectedDetector", "DisconnectedDetectorPlan"]


@dataclass(frozen=True)
class DisconnectedDetectorPlan:
    """Do units of an untrained ticket detect a class only once the rest is cut off, and does the gradient point to its weights?

    Arguments:
        task: the data to learn, split anew for each seed.
        network: the random network, drawn anew for each seed.
        seeds: how many draws; a verdict needs at least 2.
        first_seed: the number of the first seed; others draw other networks for the same question.
        density: the fraction of each layer's weights that a mask keeps.
        steps: of the search; step sizes fall to zero along half a cosine.
        batch: examples in a step.
        optimiser: of the search, which moves scores.
    """

    task: TaskSource = Digits(train=800, validation=300, test=697)
    network: Architecture = MLP(
        widths=(256, 256), initialisation=Initialisation(distribution=Distribution.SIGNED_CONSTANT)
    )
    seeds: int = field(default=8, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    density: float = 0.5
    steps: int = 1000
    batch: int = 60
    optimiser: Optimiser = Adam()

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.drawn_at_random(self.network, "asks what is in a random network")
        plan_checks.fraction(self, "density", hint="With all weights kept there is no rest to cut off.")
        plan_checks.at_least(self, 1, "steps", "batch")

    @classmethod
    def presets(cls) -> dict[str, DisconnectedDetectorPlan]:
        network = MLP(
            widths=(128, 128), initialisation=Initialisation(distribution=Distribution.SIGNED_CONSTANT)
        )
        return {"quick": cls(network=network, seeds=4, steps=400)}


class DisconnectedDetector(Study):
    claim = "disconnected-detector"
    statement = "An untrained ticket's units detect a class only once the rest is cut off, so training has no reason to find it."
    question = (
        "Take a mask over random weights that does the task. Did its best units detect a class before the rest was cut off? And "
        "does the gradient of the whole random network point to the mask's weights?"
    )
    method = (
        "The mask is learned by edge-popup [Ramanujan et al. 2020]: weights stay as they were drawn, and scores decide which to "
        "keep. A check proves that its weights are those that were drawn, times one number for each layer, or exactly zero.",
        "Every hidden unit is scored for every class by its AUC on test examples. For each class the best unit of the masked "
        "network is chosen on one half of the examples and scored on the other, both ways. The same unit is scored in the whole "
        "network, where a high and a low response are again both allowed to mark the class.",
        "A unit that was chosen in one network is worse in another by choice alone. So the ticket's gain is compared with that "
        "under a random mask of equal counts and under a mask that the same search learned from permuted labels.",
        "The gradient is that of the mean training loss of the whole network at θ₀. −w·∂L/∂w is the fall of the loss by a "
        "weight's presence to first order [Lee et al. 2019]. Its AUC for kept against removed weights is asked of every layer. "
        "An AUC below ½ tells the weights as well as one above.",
        "Many masks may do a task, and then no score can tell the weights of one. The ceiling is the AUC of the sizes of the "
        "scores that a second search learned, over the same weights, from other scores and with another data order. The gradient "
        "must say less than half of what they say, in the same layer.",
        "Both are one number a seed, with Student's interval.",
    )
    arms = (
        Arm(formula.TICKET, "A mask learned over frozen random weights.", "The claim."),
        Arm(
            formula.RANDOM,
            "A random mask with the ticket's counts in each layer.",
            "What choosing the best unit gains.",
        ),
        Arm(
            formula.LABELS,
            "A mask that the same search learned from permuted labels.",
            "What a search does to units whatever it is for.",
        ),
        Arm(
            formula.SECOND,
            "A mask that the same search learned from other scores and another data order.",
            "How well the ticket's weights can be told at all.",
        ),
    )
    redraws = "A seed draws the split, the network, the scores, the data orders, the permuted labels and the random mask."
    sources = (
        RAMANUJAN_2020,
        LEE_AJANTHAN_2019,
    )
    needs = ("units", "weights", "examples")
    plan_type = DisconnectedDetectorPlan
    cell = "masks", "masks and units"

    def asked(self, plan: DisconnectedDetectorPlan) -> Agenda:
        return Agenda(formula.RULE, formula.formula(), formula.side_questions())

    def brief(self, plan: DisconnectedDetectorPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        units = tables["units"].where(source=formula.TICKET)
        weights = tables["weights"].where(source=formula.TICKET)
        own, whole, gradient = (float(np.mean(of)) for of in (units["auc"], units["whole"], weights["auc"]))
        return f"AUC of the best units {own:.3f}, in the whole network {whole:.3f}; of the gradient {gradient:.3f}"

    def verdicts(
        self, plan: DisconnectedDetectorPlan, tables: Mapping[str, Table], levels: Levels
    ) -> Sequence[Verdict]:
        return formula.verdicts(tables, levels)
