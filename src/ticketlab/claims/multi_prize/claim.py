"""The claim that the accurate subnetwork of a random network may have binary weights, and binary activations too.

There are two cells: networks with the chosen activation function, and with signs in its place. The questions and their rules are
in `formula`; `learned` has what is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ticketlab.claims import plan_checks
from ticketlab.claims.literature import CAMERON_2011, RAMANUJAN_2020
from ticketlab.claims.multi_prize.formula import BOTH, RULE, WEIGHTS, conclude, formula, sides
from ticketlab.claims.study import Cell, DraftedStudy, seed_numbers
from ticketlab.errors import UserError
from ticketlab.evidence.arm import Arm
from ticketlab.evidence.source import Source
from ticketlab.evidence.tables import Table
from ticketlab.laws.agenda import Agenda
from ticketlab.laws.rules import Levels
from ticketlab.laws.verdict import Verdict
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.architectures import MLP, ConvNet
from ticketlab.networks.stages import Activation, Normalisation
from ticketlab.tasks.sources import Digits, TaskSource
from ticketlab.training.optimisers import Adam, Optimiser

__all__ = ["MultiPrize", "MultiPrizePlan"]


@dataclass(frozen=True)
class MultiPrizePlan:
    """Does a random network contain an accurate subnetwork whose weights, and activations, are binary?

    Arguments:
        task: the data to learn, split once for all seeds.
        network: the random network; its activation function is that of the full-precision side. If its weights are ±
            one constant already, a mask of full precision is no control.
        seeds: how many draws of weights, scores, data order, permuted labels and random masks; a verdict needs at least
            2.
        first_seed: the number of the first seed; others draw other networks for the same question.
        density: the fraction of each layer's weights that is kept.
        margin: the difference in test score that counts as equal (0.02: two percentage points of accuracy).
        steps: of every search and training; step sizes fall to zero along half a cosine.
        batch: examples in a step.
        optimiser: of the searches, which move scores.
        dense_optimiser: of the training of weights of full precision.
        binary_optimiser: of the training of binary weights.
    """

    task: TaskSource = Digits(train=800, validation=300, test=697)
    network: Architecture = MLP(widths=(256, 256))
    seeds: int = field(default=8, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    density: float = 0.5
    margin: float = field(default=0.02, metadata={"cells": False})
    steps: int = 1000
    batch: int = 60
    optimiser: Optimiser = Adam(step_size=4e-3)
    dense_optimiser: Optimiser = Adam()
    binary_optimiser: Optimiser = Adam(step_size=4e-3)

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.drawn_at_random(self.network, "asks what is in a random network")
        plan_checks.margin_inside(self.margin)
        plan_checks.fraction(self, "density", hint="With all weights kept there is nothing to choose.")
        if self.network.activation is Activation.SIGN:
            raise UserError(
                "a network of sign activations as the full-precision side",
                "another activation function",
                "Signs take its place in the second half of the study.",
            )
        with_signs(self.network)
        plan_checks.at_least(self, 1, "steps", "batch")

    @classmethod
    def presets(cls) -> dict[str, MultiPrizePlan]:
        return {
            "quick": cls(
                task=Digits(train=500, validation=300, test=900), network=MLP(widths=(128, 128)), steps=400
            )
        }


class MultiPrize(DraftedStudy):
    claim = "multi-prize"
    statement = (
        "A random network contains a subnetwork that is as accurate as the trained one, needs no training of its "
        "weights, and is binary, in its weights and in its activations too."
    )
    question = (
        "Take the signs of a random network's weights and learn only which to keep, with one gain for each layer. Is "
        "the rest as accurate as the network trained at full precision, also when its activations are signs?"
    )
    method = (
        "Masks are learned by biprop [Diffenderfer & Kailkhura 2021]. As in edge-popup [Ramanujan et al. 2020], every weight "
        "has a score, and the highest |scores| of each layer are kept, exactly the number that the density gives. The network "
        "computes with the sign of each kept weight, times the mean of the kept |weights| of its layer. No weight is trained.",
        "Sign activations are +1 or −1. Their own derivative is zero, and 2(1 − |x|) on |x| ≤ 1 takes its place. "
        "Before each of them is a normalisation, over the layer's units unless the network has another. Its scales "
        "and shifts are trained only where weights are. Pools come before both.",
        "Each ticket, with and without sign activations, is compared with its controls. Both tickets are judged "
        "against the trained network of full precision with the chosen activation function. The question is decided "
        "only if the searches and the training have converged, and the searches over permuted labels guess. All networks "
        "are measured at the last step.",
        "Differences in score are paired by seed and by test example, with standard errors for both sources of "
        "chance [Cameron et al. 2011]. A check after every search proves that the ticket's weights are signs of the "
        "drawn ones, times one number for each layer, or exactly zero.",
    )
    arms = (
        Arm("ticket", "Signs of the frozen weights with a gain, mask by biprop.", "The claim."),
        Arm("mask", "Frozen weights of full precision, mask by edge-popup.", "What binary weights cost."),
        Arm(
            "random",
            "Signs of the frozen weights under a random mask with the ticket's counts.",
            "Whether any mask would do.",
        ),
        Arm("dense", "Trained weights of full precision.", "The standard."),
        Arm(
            "binarised",
            "Trained weights that the network sees as signs with a gain [Rastegari et al. 2016].",
            "What training binary weights reaches.",
        ),
        Arm("permuted", "Biprop over permuted labels.", "Nothing must be learnt from them."),
    )
    redraws = (
        "All seeds share one split of the data. A seed draws the weights, the scores, the data order, the permuted "
        "labels and the random masks. Intervals do not cover the choice of training examples."
    )
    sources = (
        Source(
            "Diffenderfer & Kailkhura 2021",
            "J. Diffenderfer, B. Kailkhura. Multi-Prize Lottery Ticket Hypothesis: Finding Accurate Binary Neural Networks "
            "by Pruning A Randomly Weighted Network. ICLR 2021.",
            "https://arxiv.org/abs/2103.09377",
        ),
        RAMANUJAN_2020,
        Source(
            "Rastegari et al. 2016",
            "M. Rastegari, V. Ordonez, J. Redmon, A. Farhadi. XNOR-Net: ImageNet Classification Using Binary Convolutional "
            "Neural Networks. ECCV 2016.",
            "https://arxiv.org/abs/1603.05279",
        ),
        CAMERON_2011,
    )
    needs = ("examples", "permuted")
    plan_type = MultiPrizePlan

    def asked(self, plan: MultiPrizePlan) -> Agenda:
        return Agenda(RULE, formula(plan.margin), sides(plan.margin))

    def cells(self, plan: MultiPrizePlan) -> tuple[Cell, ...]:
        seeds = seed_numbers(plan)
        return (
            Cell("signs", {"signs": True}, 6.0, BOTH, seeds, together=True),
            Cell("weights", {"signs": False}, 6.0, WEIGHTS, seeds, together=True),
        )

    def brief(self, plan: MultiPrizePlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        examples = tables["examples"]
        said = {
            arm: f"{float(np.mean(examples[arm])):.3f}" for arm in ("ticket", "random", "binarised", "dense")
        }
        return (
            f"test score: ticket {said['ticket']}, random mask {said['random']}, trained binary {said['binarised']}, trained "
            f"{said['dense']}"
        )

    def verdicts(
        self, plan: MultiPrizePlan, tables: Mapping[str, Table], levels: Levels
    ) -> Sequence[Verdict]:
        settings = [set(tables[name]["setting"].tolist()) for name in self.needs]
        return conclude(plan.margin, tables, levels) if settings == [{WEIGHTS, BOTH}] * 2 else ()


def with_signs(network: Architecture) -> Architecture:
    """The same architecture with sign activations, each after a normalisation: the network's own, or over the layer's units.

    Raises:
        UserError: for any but an MLP with hidden layers or a ConvNet, which have such a normalisation and no pool after a sign.
    """
    if not isinstance(network, MLP | ConvNet) or (isinstance(network, MLP) and not network.widths):
        raise UserError(
            f"{network.describe()}, with sign activations",
            "a network in which every sign follows a normalisation, and no pool follows a sign",
            "Use an mlp with hidden layers, or a conv.",
        )
    normalisation = network.normalisation or Normalisation.CHANNELS
    return replace(network, activation=Activation.SIGN, normalisation=normalisation)
