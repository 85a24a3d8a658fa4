"""The claim that pruning is itself optimisation: that choosing a mask does to a network what training does.

The plan is here, what is asked and what is run in `masking_arms`. A cell is a seed, with a split, a network and a
data order of its own: dense training, all masks at all densities, all their untrained networks, and the training of as many of
them as the plan asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from ticketlab.claims import plan_checks
from ticketlab.claims.literature import CAMERON_2011, ZHOU_2019
from ticketlab.claims.masking_is_training.formula import conclude, said
from ticketlab.claims.study import Cell, DraftedStudy
from ticketlab.errors import UserError
from ticketlab.evidence.source import Source
from ticketlab.evidence.tables import Evidence, Table
from ticketlab.laws.rules import USUAL, Levels
from ticketlab.networks.architectures import MLP, Architecture
from ticketlab.tasks.sources import Digits, TaskSource
from ticketlab.tickets.ranking import LayerWise, Pruning
from ticketlab.training.optimisers import Adam, Constant, Optimiser, Schedule

__all__ = ["MaskOneName", "MaskZeroName", "MaskingIsTraining", "MaskingIsTrainingPlan", "SomeCriterion"]

SomeCriterion = Literal[
    "large-final",
    "large-final-same-sign",
    "magnitude-increase",
    "magnitude-increase-same-sign",
    "movement",
    "movement-same-sign",
    "large-both",
    "large-both-same-sign",
    "large-initial",
    "large-initial-same-sign",
    "random",
    "random-same-sign",
    "small-final",
    "small-final-same-sign",
    "snip",
    "grasp",
    "synflow",
]
MaskOneName = Literal[
    "rewind",
    "rewind-random-sign",
    "reinitialise",
    "reinitialise-same-sign",
    "reshuffle",
    "reshuffle-same-sign",
    "constant",
    "constant-same-sign",
]
MaskZeroName = Literal["zero", "frozen", "frozen-if-grown", "frozen-if-shrunk"]
Trained = Literal["all", "rewound", "none"]


@dataclass(frozen=True)
class MaskingIsTrainingPlan:
    """Does choosing a mask do to a network what training does?

    Arguments:
        task: the data to learn, split anew for every seed.
        network: the dense network.
        seeds: how many times split, parameters, data order and controls are drawn; at least 2 for a verdict.
        density: the density at which the question is decided, that of the nearest level.
        levels: densities, each from the one before by the rule of pruning.
        pruning: how many weights go from one level to the next, in each layer or in all.
        one_shot: whether every level's mask comes from the dense network, so that all criteria see the same final weights; with
            no each criterion trains under its own masks, level after level.
        criteria: by which masks are chosen; large-final-same-sign decides the question and is always among them.
        ones: what becomes of the weights that are kept.
        zeros: what becomes of those that are not.
        trained: which masked networks are trained too: all (every combination at the density that decides, and the rewound ones
            with zeros at every level), rewound (only these), or none.
        random_masks: how many random masks with the chosen mask's layer counts it is compared with.
        scored: examples, at most, that criteria with gradients look at, and on which a fit of permuted labels is looked for.
        steps: of training.
        batch: examples in a step.
        optimiser: how a step is taken.
        schedule: the factor of the step size.
        evaluate_every: steps between two looks at the validation data; scores of trained networks are those at the lowest
            validation loss.
        permuted_labels: whether the labels are permuted first, so that there is nothing to be learnt, and no mask to be found.
    """

    task: TaskSource = Digits(train=800, validation=300, test=697)
    network: Architecture = MLP(widths=(100, 50))
    seeds: int = field(default=5, metadata={"cells": False})
    density: float = 0.37
    levels: int = 6
    pruning: Pruning = LayerWise(fraction=0.4, output=0.2)
    one_shot: bool = True
    criteria: tuple[SomeCriterion, ...] = get_args(SomeCriterion)
    ones: tuple[MaskOneName, ...] = get_args(MaskOneName)
    zeros: tuple[MaskZeroName, ...] = get_args(MaskZeroName)
    trained: Trained = "all"
    random_masks: int = 100
    scored: int = 1000
    steps: int = 600
    batch: int = 60
    optimiser: Optimiser = Adam(step_size=4e-3)
    schedule: Schedule = Constant()
    evaluate_every: int = 20
    permuted_labels: bool = False

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds)
        if not 0 < self.density < 1:
            raise UserError(f"density={self.density}", "a fraction between 0 and 1", "21 % is 0.21.")
        plan_checks.each_once(self, "criteria", "ones", "zeros", some=True)
        plan_checks.at_least(self, 1, "levels", "steps", "batch", "evaluate_every", "random_masks", "scored")
        if self.trained == "none" and not self.one_shot:
            raise UserError(
                "trained=none with one_shot=False",
                "one-shot masks, or rewound networks that are trained",
                "Masks of a level come from networks that were trained under those of the level before.",
            )

    @classmethod
    def presets(cls) -> dict[str, MaskingIsTrainingPlan]:
        return {
            "quick": cls(
                seeds=3,
                levels=4,
                random_masks=20,
                steps=300,
                trained="rewound",
                ones=("rewind", "reinitialise", "constant-same-sign"),
            )
        }


class MaskingIsTraining(DraftedStudy):
    claim = "masking-is-training"
    statement = "Pruning is itself optimisation: masking is training."
    question = (
        "Put weights of an untrained network to zero, chosen by how training moved them, and leave all others where they were "
        "drawn. Does the network then do the task, better than under random masks with equally many weights?"
    )
    method = (
        "A dense network is trained from θ_i to θ_f. A criterion gives every weight a score, from both [Zhou et al. 2019] or "
        "from gradients at θ_i [Lee et al. 2018; Wang et al. 2020; Tanaka et al. 2020], and exactly as many weights as the "
        "density says are kept, those of the highest scores: in each layer, or in the whole network, as the plan's rule of "
        "pruning says. What becomes of them is the mask-1 action (they are rewound to "
        "θ_i, drawn anew, shuffled, or set to ± one constant, with or without their signs), what becomes of the others the "
        "mask-0 action (zero, frozen where they were drawn, or that only where training made them larger). The networks that "
        "this makes are scored as they are, untrained; then they are trained too.",
        "One arm was fixed before the runs: keep the largest |θ_f| of those with the sign that they had, rewind, zero. The "
        "verdict turns on it, untrained, at one density. It must do better than guessing, better than random masks that keep "
        "equally many weights in every layer, and better than the mask that the same criterion finds where the training "
        "labels are permuted: there training fits what means nothing, and if masks only made networks well-conditioned, that "
        "mask would do equally well.",
        "The second part of the claim is about direction: weights that go to zero are those that training was moving there. "
        "So of the removed weights only those that shrank are put to zero, and the others frozen. That must be better than "
        "its twin, which zeroes equally many of the removed weights in each layer, chosen at random (the mean over "
        "`random_masks` draws), and better than zeroing those that shrank in training on permuted labels. The converse, in "
        "which only those that grew are put to zero, must be worse than its own twin.",
        "Side questions compare both with the network as it was drawn; ask whether a mask fits permuted training labels; and "
        "ask whether the chosen mask changes hidden units' responses on test data more than a random mask. The page shows "
        "what the mask chooses against what training moves: bits, distance, and direction.",
        "Differences in score are paired by seed and by test example, with standard errors for both sources of chance "
        "[Cameron et al. 2011]. Every seed has a split of its own.",
        "After every training a check proves that removed weights took no part, whether they are zero or frozen.",
    )
    sources = (
        ZHOU_2019,
        Source(
            "Lee et al. 2018",
            "N. Lee, T. Ajanthan, P. H. S. Torr. SNIP: Single-shot Network Pruning based on Connection Sensitivity. ICLR 2019.",
            "https://arxiv.org/abs/1810.02340",
        ),
        Source(
            "Wang et al. 2020",
            "C. Wang, G. Zhang, R. Grosse. Picking Winning Tickets Before Training by Preserving Gradient Flow. ICLR 2020.",
            "https://arxiv.org/abs/2002.07376",
        ),
        Source(
            "Tanaka et al. 2020",
            "H. Tanaka, D. Kunin, D. L. K. Yamins, S. Ganguli. Pruning neural networks without any data by iteratively "
            "conserving synaptic flow. NeurIPS 2020.",
            "https://arxiv.org/abs/2006.05467",
        ),
        CAMERON_2011,
    )
    plan_type = MaskingIsTrainingPlan

    def cells(self, plan: MaskingIsTrainingPlan) -> tuple[Cell, ...]:
        return (Cell("", seeds=tuple(range(plan.seeds))),)

    def brief(self, plan: MaskingIsTrainingPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        return said(tables)

    def conclude(
        self, plan: MaskingIsTrainingPlan, tables: Mapping[str, Table], levels: Levels = USUAL
    ) -> Evidence:
        if "examples" not in tables:
            return Evidence(dict(tables))
        return Evidence(dict(tables), conclude(tables, levels))
