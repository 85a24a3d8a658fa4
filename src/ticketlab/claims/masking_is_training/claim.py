"""The claim that pruning is itself optimisation: that choosing a mask does to a network what training does.

A cell is a seed. The questions and their rules are in `formula`; `cell` trains the dense network, makes all masks, and scores
and trains the masked networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from ticketlab.claims import plan_checks
from ticketlab.claims.literature import CAMERON_2011, LEE_AJANTHAN_2019, ZHOU_2019
from ticketlab.claims.masking_is_training.formula import RULE, conclude, formula, said, sides
from ticketlab.claims.study import Cell, DraftedStudy
from ticketlab.errors import UserError
from ticketlab.evidence.arm import Arm
from ticketlab.evidence.source import Source
from ticketlab.evidence.tables import Table
from ticketlab.laws.agenda import Agenda
from ticketlab.laws.rules import Levels
from ticketlab.laws.verdict import Verdict
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.architectures import MLP
from ticketlab.tasks.sources import Digits, TaskSource
from ticketlab.tickets.ranking import LayerWise, Pruning
from ticketlab.training.optimisers import Adam, Constant, Optimiser, Schedule

__all__ = ["MaskOneName", "MaskZeroName", "MaskingIsTraining", "MaskingIsTrainingPlan", "SomeCriterion"]

SomeCriterion = Literal[
    "large-final", "large-final-same-sign", "magnitude-increase", "magnitude-increase-same-sign", "movement",
    "movement-same-sign", "large-both", "large-both-same-sign", "large-initial", "large-initial-same-sign",
    "random", "random-same-sign", "small-final", "small-final-same-sign", "snip", "grasp", "synflow",
]  # fmt: skip
MaskOneName = Literal[
    "rewind", "rewind-random-sign", "reinitialise", "reinitialise-same-sign", "reshuffle",
    "reshuffle-same-sign", "constant", "constant-same-sign",
]  # fmt: skip
MaskZeroName = Literal["zero", "frozen", "frozen-if-grown", "frozen-if-shrunk"]
Trained = Literal["all", "rewound", "none"]


@dataclass(frozen=True)
class MaskingIsTrainingPlan:
    """Does choosing a mask do to a network what training does?

    Arguments:
        task: the data to learn, split anew for every seed.
        network: the dense network.
        seeds: how many draws of split, parameters, data order and controls; a verdict needs at least 2.
        first_seed: the number of the first seed; others draw other networks for the same question.
        density: the density at which the question is decided, that of the nearest level, which must be within 15 %.
        levels: densities, each from the one before by the rule of pruning.
        pruning: how many weights go from one level to the next, in each layer or in all.
        one_shot: whether every level's mask comes from the dense network, so that all criteria see the same final
            weights; with no, each criterion trains under its own masks, level after level.
        criteria: which choose masks; large-final-same-sign decides the question and is always among them.
        ones: what happens to the weights that are kept.
        zeros: what happens to the weights that are removed.
        trained: which masked networks are trained too: all (every combination at the density that decides, and the
            rewound ones with zeros at every level), rewound (only these), or none.
        random_masks: how many random masks with the chosen mask's layer counts it is compared with.
        scored: examples, at most, for criteria with gradients and for the fit of permuted labels.
        steps: of training.
        batch: examples in a step.
        optimiser: how a step is taken.
        schedule: the factor of the step size.
        evaluate_every: steps between two looks at the validation data; trained networks are scored at the lowest
            validation loss.
        permuted_labels: whether the labels are permuted first, so that there is nothing to learn and no mask to find.
    """

    task: TaskSource = Digits(train=800, validation=300, test=697)
    network: Architecture = MLP(widths=(100, 50))
    seeds: int = field(default=5, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
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
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.drawn_at_random(self.network, "asks what masks do to weights that are not trained")
        plan_checks.fraction(self, "density", hint="21 % is 0.21.")
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
                seeds=8,
                levels=2,
                criteria=("large-final", "magnitude-increase"),
                ones=("rewind", "constant-same-sign"),
                trained="none",
                random_masks=20,
            )
        }


class MaskingIsTraining(DraftedStudy):
    claim = "masking-is-training"
    statement = "Pruning is itself optimisation: masking is training."
    question = (
        "Set weights of an untrained network to zero, chosen by how training moved them, and leave all others as "
        "they were drawn. Does the network then do the task, better than under random masks with equally many "
        "weights?"
    )
    method = (
        "A dense network is trained from θ_i to θ_f. A criterion gives every weight a score, from both [Zhou et al. "
        "2019] or from gradients at θ_i [Lee et al. 2019; Wang et al. 2020; Tanaka et al. 2020]. The weights with "
        "the highest scores are kept, exactly the number that the density gives, in each layer or in the whole "
        "network.",
        "The mask-1 action says what happens to kept weights. They are rewound to θ_i, drawn anew, shuffled, or set "
        "to ± one constant, with or without their signs. The mask-0 action says what happens to removed weights. "
        "They become zero, or are frozen as drawn, or the two by whether training made them larger. The resulting "
        "networks are scored untrained, and then trained too.",
        "One arm was fixed before the runs: keep the largest |θ_f| of those that kept their sign, rewind, zero the "
        "rest. The verdict depends on it, untrained, at one density. It must do better than guessing and better than "
        "random masks with equally many weights in every layer. It must also do better than the mask that the same "
        "criterion finds on permuted training labels. If masks only made networks well-conditioned, that mask would "
        "do equally well.",
        "The second part of the claim is about direction: weights that go to zero are those that training was moving "
        "there. So only those removed weights that shrank are zeroed, and the others are frozen. This must be better "
        "than its twin, which zeroes equally many removed weights of each layer at random (the mean over "
        "`random_masks` draws). It must also be better than zeroing equally many in each layer that shrank most in training on "
        "permuted labels. Zeroing only those that grew must be worse than its own twin. Better and worse mean by a tenth of the "
        "headroom above guessing.",
        "The multigraph is the last control. In the place of every weight it has parallel edges with the fixed weights ±S·2^−k, "
        "k from 1 to 8, so it is the same for every seed and for all units of a layer. Masks of it can write any weights. The "
        "mask that writes the trained ones must do at least as well as the chosen mask, up to a point. A table has its scores "
        "for fewer edges, under random masks, and the fit of permuted labels.",
        "Side questions compare both with the network as it was drawn. They also ask whether a mask fits permuted "
        "training labels. Another one asks whether the chosen mask changes hidden units' responses on test data more "
        "than a random mask does. The page compares what the mask chooses with what training moves: bits, distance "
        "and direction.",
        "Differences in score are paired by seed and by test example, with standard errors for both sources of "
        "chance [Cameron et al. 2011]. After every training a check proves that removed weights took no part, "
        "whether they are zero or frozen.",
    )
    arms = (
        Arm(
            "chosen mask",
            "Large final with the same sign; kept weights rewound, removed weights zero; untrained.",
            "The claim.",
        ),
        Arm("guessing", "Always the most frequent class.", "Whether the network knows anything."),
        Arm(
            "random masks",
            "Equally many weights in every layer, chosen at random.",
            "Whether any mask would do.",
        ),
        Arm(
            "mask from permuted labels",
            "The same criterion after training on permuted labels.",
            "Whether it is the task that chooses.",
        ),
        Arm(
            "zeroing what shrank",
            "Of the removed weights, only those that training made smaller become zero; the others are frozen.",
            "Whether masking moves weights where training moved them.",
        ),
        Arm(
            "its twin",
            "Equally many removed weights of each layer become zero, chosen at random.",
            "Whether the direction counts.",
        ),
        Arm(
            "zeroing what shrank on permuted labels",
            "Equally many removed weights of each layer become zero, those that shrank most in training on permuted labels.",
            "Whether the task chooses.",
        ),
        Arm(
            "zeroing what grew",
            "Only those removed weights that training made larger become zero.",
            "The converse, which must do harm.",
        ),
        Arm(
            "multigraph",
            "A network without randomness, 16 parallel edges ±S·2^−k for each weight, under the mask that training gives.",
            "Whether the mask or the start holds the task.",
        ),
    )
    redraws = "A seed draws the split, the parameters θ_i, the data order, the permuted labels and the random masks."
    sources = (
        ZHOU_2019,
        LEE_AJANTHAN_2019,
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

    def asked(self, plan: MaskingIsTrainingPlan) -> Agenda:
        return Agenda(RULE, formula(), sides())

    def brief(self, plan: MaskingIsTrainingPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        return said(tables)

    def verdicts(
        self, plan: MaskingIsTrainingPlan, tables: Mapping[str, Table], levels: Levels
    ) -> Sequence[Verdict]:
        return conclude(tables, levels)
