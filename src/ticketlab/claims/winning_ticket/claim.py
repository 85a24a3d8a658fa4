"""The claim that dense random networks contain subnetworks that, trained alone, do as well in similar time.

The questions and their rules are in `formula`; `cell` trains a group of seeds
with all controls in one program, level after level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ticketlab.claims import plan_checks
from ticketlab.claims.literature import CAMERON_2011, EVCI_2020, FRANKLE_2020, FRANKLE_CARBIN_2019
from ticketlab.claims.study import Cell, DraftedStudy, seed_numbers
from ticketlab.claims.winning_ticket.formula import Terms, formula, said, verdicts, whole_rule
from ticketlab.errors import UserError
from ticketlab.evidence.arm import Arm
from ticketlab.evidence.source import Source
from ticketlab.evidence.tables import Table
from ticketlab.laws.agenda import Agenda
from ticketlab.laws.rules import Levels
from ticketlab.laws.verdict import Verdict
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.architectures import MLP
from ticketlab.networks.pretrained import Pretrained
from ticketlab.tasks.sources import Digits, TaskSource
from ticketlab.tickets.control_names import Control
from ticketlab.tickets.ranking import LayerWise, Pruning
from ticketlab.training.optimisers import Adam, Constant, Optimiser, Schedule

__all__ = ["WinningTicket", "WinningTicketPlan"]

DynamicName = Literal["rigl", "set", "gradual"]


@dataclass(frozen=True)
class WinningTicketPlan:
    """Do dense random networks contain subnetworks that train as well as they do?

    Arguments:
        task: the data to learn, split once for all seeds.
        network: the dense network.
        seeds: how many draws of parameters, data order and controls; a verdict needs at least 2.
        first_seed: the number of the first seed; others draw other networks for the same question.
        density: the density at which the question is decided, that of the nearest level, which must be within 15 %.
        margin: the difference in test score that counts as equal (0.01: one percentage point of accuracy).
        slower: how many times the dense network's steps still count as a similar time.
        levels: rounds of pruning.
        pruning: which weights go after a round.
        rewind_step: the step k to which weights, moments and data order are reset; 0 is the random start.
        one_shot: whether every level's mask comes from the dense network, and not from the level before.
        controls: what is trained for comparison with the tickets.
        dynamic: training with masks that change, to the density that decides; it has no part in the verdict.
        steps: of training at every level.
        batch: examples in a step.
        optimiser: how a step is taken.
        schedule: the factor of the step size.
        evaluate_every: steps between two looks at the validation data, below `steps`; the early stop is at the lowest
            validation loss.
        permuted_labels: whether the labels are permuted first, so that there is nothing to learn and no ticket to find.
    """

    task: TaskSource = Digits(train=800, validation=300, test=697)
    network: Architecture = MLP(widths=(100, 50))
    seeds: int = field(default=10, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    density: float = 0.12
    margin: float = field(default=0.01, metadata={"cells": False})
    slower: float = field(default=1.25, metadata={"cells": False})
    levels: int = 12
    pruning: Pruning = LayerWise()
    rewind_step: int = 0
    one_shot: bool = False
    controls: tuple[Control, ...] = ("reinitialised", "shuffled", "both", "equal-size", "random")
    dynamic: tuple[DynamicName, ...] = ()
    steps: int = 1000
    batch: int = 60
    optimiser: Optimiser = Adam(step_size=4e-3)
    schedule: Schedule = Constant()
    evaluate_every: int = 20
    permuted_labels: bool = False

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.margin_inside(self.margin)
        plan_checks.fraction(self, "density", hint="21 % is 0.21.")
        if not (np.isfinite(self.slower) and self.slower > 1):
            raise UserError(
                f"slower={self.slower}",
                "a factor above 1",
                "Times are known to the distance of two looks only.",
            )
        plan_checks.each_once(self, "controls", "dynamic")
        plan_checks.at_least(self, 1, "levels", "steps", "batch", "evaluate_every")
        if self.evaluate_every >= self.steps:
            raise UserError(
                f"evaluate_every={self.evaluate_every} with steps={self.steps}",
                "looks at the validation data before the last step",
                "With the last alone every early stop would be there.",
            )
        if not 0 <= self.rewind_step < self.steps:
            raise UserError(
                f"rewind_step={self.rewind_step}", f"a step before the end of training, 0 to {self.steps - 1}"
            )

    @property
    def compared(self) -> tuple[Control, ...]:
        """The controls that the network can have: one of equal size needs a network whose widths are known."""
        return tuple(c for c in self.controls if self.network.described or c != "equal-size")

    @classmethod
    def presets(cls) -> dict[str, WinningTicketPlan]:
        return {
            "quick": cls(
                task=Digits(train=500, validation=300, test=900),
                network=MLP(widths=(64, 32)),
                density=0.18,
                levels=8,
                controls=("reinitialised", "shuffled", "both", "equal-size"),
                steps=400,
                evaluate_every=10,
            )
        }


class WinningTicket(DraftedStudy):
    claim = "winning-ticket"
    statement = "Dense random networks contain subnetworks that, trained alone, reach the dense accuracy in similar time."
    question = (
        "Train a network, remove its smallest weights and reset the others to where they started. Does the rest "
        "learn as well and as fast as the whole, and is that due to this mask and these weights?"
    )
    method = (
        "Tickets are found by iterative magnitude pruning [Frankle & Carbin 2019]. The network is trained, and the smallest of "
        "its surviving weights are removed. The others are reset to their values at step k of dense training [Frankle et al. "
        "2020], with the optimiser's moments and the position in the data order. With k above 0 the claim is about the network "
        "at step k, and not about the random one. This is repeated level after level. Counts "
        "are exact: weights are ranked, and ties are broken by index. Biases are never pruned.",
        "At every level, all seeds of the ticket and its controls are trained from the same step, on the same "
        "batches. If asked for, training with changing masks is compared at the density that decides. These masks "
        "have the random mask's layer counts. Weights grow where the gradient is largest (RigL) or at random (SET), "
        "or are pruned gradually from dense [Evci et al. 2020; Mocanu et al. 2018; Zhu & Gupta 2017]. Such a mask "
        "searches during training, so it is no control and has no part in the verdict.",
        "The early stop is the step with the lowest validation loss; the scores that count are those on test data "
        "there. All networks train to the last step, because weights are ranked there. An early stop is known to the distance "
        "of two looks at the validation data: one at the last step is a lower bound, one at the first look an upper bound.",
        "The question is decided at one density, fixed beforehand; the other levels are shown. A winning ticket has a test "
        "score at most the margin below the dense network's, and its early stop is not much later. It must also be at most the "
        "margin less accurate than any control, and more accurate by half the margin or sooner by a tenth.",
        "Differences in score are paired by seed and by test example, with standard errors for both sources of "
        "chance [Cameron et al. 2011]. Times are compared by the mean logarithm of their ratio over seeds.",
        "After every level, and after training with changing masks, a check proves that pruned weights took no part: "
        "they and the optimiser's moments of them are exactly zero.",
    )
    arms = (
        Arm("ticket", "Mask by magnitude; weights of the dense network at step k.", "The claim."),
        Arm("dense", "No mask.", "The standard, for accuracy and for time."),
        Arm(
            "reinitialised",
            "The ticket's mask over weights that are drawn anew.",
            "Whether these weights matter.",
        ),
        Arm(
            "shuffled",
            "The ticket's weights under its mask, shuffled within each layer.",
            "Whether this mask matters.",
        ),
        Arm("both", "The same shuffle and the same draw.", "Whether the layer counts alone do it."),
        Arm(
            "equal-size",
            "A dense network with equally many parameters, narrower in every hidden layer, with weights of its own.",
            "Whether size alone does it.",
        ),
        Arm(
            "random",
            "A random mask with equally many weights and the Erdős–Rényi profile of layer densities [Evci et al. "
            "2020]; weights of the dense network at step k.",
            "Whether any sparse network does it.",
        ),
    )
    redraws = (
        "All seeds share one split of the data. A seed draws the parameters, the data order and the controls, so "
        "intervals do not cover the choice of training examples."
    )
    sources = (
        FRANKLE_CARBIN_2019,
        FRANKLE_2020,
        EVCI_2020,
        Source(
            "Mocanu et al. 2018",
            "D. C. Mocanu et al. Scalable training of artificial neural networks with adaptive sparse connectivity inspired by "
            "network science. Nature Communications 9.",
            "https://arxiv.org/abs/1707.04780",
        ),
        Source(
            "Zhu & Gupta 2017",
            "M. Zhu, S. Gupta. To prune, or not to prune: exploring the efficacy of pruning for model compression.",
            "https://arxiv.org/abs/1710.01878",
        ),
        CAMERON_2011,
    )
    plan_type = WinningTicketPlan

    def remarks(self, plan: WinningTicketPlan) -> tuple[str, ...]:
        found = []
        if plan.compared != plan.controls:
            found.append(
                f"The control 'equal-size' is left out: nothing says how wide the layers of {plan.network.describe()} are, so no "
                "narrower network can be made of it."
            )
        if plan.rewind_step:
            found.append(
                f"Weights are those of step {plan.rewind_step} of dense training, so nothing is said of the random network."
            )
        return tuple(found)

    def asked(self, plan: WinningTicketPlan) -> Agenda:
        terms = self._terms(plan)
        return Agenda(whole_rule(terms), formula(terms))

    def cells(self, plan: WinningTicketPlan) -> tuple[Cell, ...]:
        return (Cell("levels", {}, 1.0, "all levels", seed_numbers(plan), together=True),)

    def brief(self, plan: WinningTicketPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        return said(tables)

    def verdicts(
        self, plan: WinningTicketPlan, tables: Mapping[str, Table], levels: Levels
    ) -> Sequence[Verdict]:
        return verdicts(self._terms(plan), tables, levels)

    @staticmethod
    def _terms(plan: WinningTicketPlan) -> Terms:
        network = plan.network
        return Terms(
            plan.margin,
            plan.slower,
            plan.evaluate_every,
            plan.steps,
            plan.compared,
            plan.rewind_step,
            network.where().name if isinstance(network, Pretrained) else "",
        )
