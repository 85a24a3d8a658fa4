"""The claim that a wide enough random network contains an accurate subnetwork, without any training of its weights.

A cell is one width and a group of seeds. The questions and their rules are in `formula`; `learned` has what is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ticketlab.claims import plan_checks
from ticketlab.claims.literature import CAMERON_2011, RAMANUJAN_2020, ZHOU_2019
from ticketlab.claims.study import Cell, DraftedStudy, seed_numbers
from ticketlab.claims.untrained_subnetwork.formula import MULTIGRAPH, RULE, conclude, formula, side_questions
from ticketlab.errors import UserError
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

__all__ = ["UntrainedSubnetwork", "UntrainedSubnetworkPlan"]

Search = Literal["edge-popup", "supermask"]


@dataclass(frozen=True)
class UntrainedSubnetworkPlan:
    """Does a random network contain an accurate subnetwork, with no training of its weights?

    Arguments:
        task: the data to learn, split once for all seeds.
        network: the random network, with the width and the distribution of weights at which the question is decided.
        search: how the mask is learned: edge-popup, or supermask (a probability for each weight).
        seeds: how many draws of weights, scores, data order, permuted labels and random masks; a verdict needs at least
            2.
        first_seed: the number of the first seed; others draw other networks for the same question.
        density: the fraction of each layer's weights that is kept, where the question is decided; a supermask starts
            with it.
        margin: the difference in test score that counts as equal (0.02: two percentage points of accuracy).
        rescale: whether kept weights are scaled up to make up for the removed ones.
        densities: other fractions kept, for the figure.
        widths: other widths, as factors on the network's, for the side question.
        distributions: of the weights, all of one variance, for the figure.
        bits: pairs of edges in the place of each parameter of the multigraph; 0 leaves this control out.
        steps: of the search, and of the dense network's training; step sizes fall to zero along half a cosine.
        batch: examples in a step.
        optimiser: of the search, which moves scores.
        dense_optimiser: of the dense network's training, which moves weights, and of the scores of the multigraph's edges.
    """

    task: TaskSource = Digits(train=800, validation=300, test=697)
    network: Architecture = MLP(
        widths=(256, 256), initialisation=Initialisation(distribution=Distribution.SIGNED_CONSTANT)
    )
    search: Search = "edge-popup"
    seeds: int = field(default=8, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    density: float = 0.5
    margin: float = field(default=0.02, metadata={"cells": False})
    rescale: bool = True
    densities: tuple[float, ...] = (0.02, 0.05, 0.1, 0.25, 0.75, 0.9)
    widths: tuple[float, ...] = field(default=(0.03125, 0.0625, 0.125, 0.25, 0.5), metadata={"cells": False})
    distributions: tuple[Distribution, ...] = (
        Distribution.NORMAL,
        Distribution.UNIFORM,
        Distribution.SIGNED_CONSTANT,
    )
    bits: int = 8
    steps: int = 1000
    batch: int = 60
    optimiser: Optimiser = Adam()
    dense_optimiser: Optimiser = Adam()

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.drawn_at_random(self.network, "asks what is in a random network")
        plan_checks.margin_inside(self.margin)
        plan_checks.fraction(self, "density", hint="With all weights kept there is nothing to choose.")
        plan_checks.kept_fraction(*self.densities)
        for width in self.widths:
            if not 0 < width < np.inf or width == 1:
                raise UserError(
                    f"widths {self.widths}", "positive factors other than 1, which is always there"
                )
        plan_checks.each_once(self, "densities", "widths", "distributions")
        sizes = (1.0, *self.widths)
        networks = {size: self.network.widened(size).stages(outputs=1) for size in sizes}
        if len(set(networks.values())) < len(sizes) or len({_name(size) for size in sizes}) < len(sizes):
            raise UserError(
                f"widths {self.widths}, with which two networks have equally many units, or one name",
                f"factors that give networks other than {self.network.describe()}, and than one another",
                "Leave one of them out.",
            )
        plan_checks.at_least(self, 1, "steps", "batch")
        if not 0 <= self.bits <= 24:
            raise UserError(f"bits={self.bits}", "1 to 24, or 0 to leave the multigraph out")

    @classmethod
    def presets(cls) -> dict[str, UntrainedSubnetworkPlan]:
        return {
            "quick": cls(
                task=Digits(train=500, validation=300, test=900),
                network=MLP(
                    widths=(128, 128),
                    initialisation=Initialisation(distribution=Distribution.SIGNED_CONSTANT),
                ),
                densities=(),
                widths=(0.25,),
                distributions=(),
                bits=0,
                steps=400,
            )
        }


class UntrainedSubnetwork(DraftedStudy):
    claim = "untrained-subnetwork"
    statement = (
        "A wide enough random network contains an accurate subnetwork, with no training of its weights."
    )
    question = (
        "Freeze the weights of a random network and learn only which to keep. Is the rest as accurate as the same "
        "network with its weights trained?"
    )
    method = (
        "Every weight of the random network has a score, and only scores are trained. Edge-popup [Ramanujan et al. "
        "2020] keeps the highest |scores| of each layer, exactly the number that the density gives, with ties broken "
        "by index. Its gradient treats all weights as kept.",
        "A supermask [Zhou et al. 2019] keeps each weight with a probability, the logistic function of its score, "
        "and draws a mask in every step. The ticket is the more probable value of each bit. Biases stay as they were "
        "drawn. By default, kept weights are scaled up to make up for the removed ones.",
        "All arms have the same frozen or starting weights, seed by seed, and the same batches. All are measured at "
        "the last step, so validation data choose nothing.",
        "The question is decided at one method, density, width and distribution of the weights, fixed beforehand. It "
        "is decided only if the search and the training of the dense network have converged. A search that still "
        "rises does not show what it would find. It is decided only if the search over permuted labels guesses, too: "
        "anything better would be a leak.",
        "Differences in score are paired by seed and by test example, with standard errors for both sources of "
        "chance [Cameron et al. 2011]. A side question asks whether the ticket gains more from width than the dense "
        "network.",
        "The multigraph is the last control. In the place of every weight it has pairs of parallel edges with "
        "the fixed weights ±S·2^−k, and nothing is drawn. A search over its edges has the same steps. If its mask does as "
        "well, the ticket's accuracy says what a mask can store, and not what was in the random network.",
        "After every search a check proves that the ticket's weights are those that were drawn, times one number for "
        "each layer, or exactly zero.",
    )
    arms = (
        Arm("ticket", "Frozen weights, learned mask.", "The claim."),
        Arm(
            "random",
            "Frozen weights, a random mask with the ticket's counts layer by layer.",
            "Whether any mask would do.",
        ),
        Arm("dense", "Trained weights, no mask.", "The standard."),
        Arm(
            "permuted",
            "Frozen weights, a mask learned from permuted labels (another permutation for every seed).",
            "Nothing must be learnt; it shows how much a mask can memorise.",
        ),
        Arm(
            "permuted dense",
            "Weights trained on permuted labels, no mask.",
            "How much training can memorise.",
        ),
        Arm(
            MULTIGRAPH,
            "A network in which nothing was drawn, parallel edges ±S·2^−k, and a learned mask of them.",
            "Whether the ticket's accuracy needs random weights at all.",
        ),
    )
    redraws = (
        "All seeds share one split of the data. A seed draws the weights, the scores, the data order, the permuted "
        "labels and the random masks. Intervals do not cover the choice of training examples."
    )
    sources = (RAMANUJAN_2020, ZHOU_2019, CAMERON_2011)
    needs = ("examples", "permuted")
    plan_type = UntrainedSubnetworkPlan

    def asked(self, plan: UntrainedSubnetworkPlan) -> Agenda:
        sides = side_questions(plan.margin, widths=bool(plan.widths), edges=bool(plan.bits))
        return Agenda(RULE, formula(plan.margin), sides)

    def cells(self, plan: UntrainedSubnetworkPlan) -> tuple[Cell, ...]:
        sizes = (1.0, *sorted(plan.widths, reverse=True))
        arms = 4 + len(plan.densities) + len(plan.distributions) + plan.bits
        seeds = seed_numbers(plan)
        work = {s: s * (arms if s == 1 else 2) for s in sizes}
        return tuple(
            Cell(f"width-{_name(s)}", {"size": s}, work[s], f"{_name(s)} × the width", seeds, True)
            for s in sizes
        )

    def brief(self, plan: UntrainedSubnetworkPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        examples = tables["examples"]
        said = {arm: f"{float(np.mean(examples[arm])):.3f}" for arm in ("ticket", "random", "dense")}
        return f"test score: ticket {said['ticket']}, random mask {said['random']}, dense {said['dense']}"

    def verdicts(
        self, plan: UntrainedSubnetworkPlan, tables: Mapping[str, Table], levels: Levels
    ) -> Sequence[Verdict]:
        sizes = np.unique(tables["examples"]["size"])
        return conclude(
            plan.margin,
            tables,
            levels,
            widths=len(sizes) == 1 + len(plan.widths) > 1,
            edges=MULTIGRAPH in tables,
        )


def _name(size: float) -> str:
    return f"{size:g}"
