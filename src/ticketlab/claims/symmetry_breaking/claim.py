"""The claim that without a random start all units of a layer stay equal, so that nothing can be picked.

A cell is one seed. The questions and their rules are in `formula`; `starts` has the symmetric starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ticketlab.claims import plan_checks
from ticketlab.claims.literature import CAMERON_2011
from ticketlab.claims.study import Cell, Study
from ticketlab.claims.symmetry_breaking import formula
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
from ticketlab.training.optimisers import Optimiser, Sgd

__all__ = ["SymmetryBreaking", "SymmetryBreakingPlan"]


@dataclass(frozen=True)
class SymmetryBreakingPlan:
    """Do units that start alike stay alike, and how much noise tells them apart?

    Arguments:
        task: the data to learn, split anew for each seed.
        network: one with at least two units in every hidden layer.
        seeds: how many draws of split, weights and data order; a verdict needs at least 2.
        first_seed: the number of the first seed; others draw other networks for the same question.
        noises: sizes of the noise that is added to the constant start, as shares of the random start's weights.
        copies: of each random unit in the duplicated start.
        margin: the difference in test score by which noise that is enough may lose (0.02: two percentage points of accuracy).
        steps: of training, the same for all starts.
        batch: examples in a step.
        optimiser: of the training; its step size is the unit of `step_sizes`.
        step_sizes: candidates for each start without noise. With noise it is that of the optimiser.
        extensions: how often a start's candidates may be extended, until the choice lies inside.
    """

    task: TaskSource = Digits(train=800, validation=300, test=697)
    network: Architecture = MLP(widths=(48, 48))
    seeds: int = field(default=5, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    noises: tuple[float, ...] = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
    copies: int = 8
    margin: float = field(default=0.02, metadata={"cells": False})
    steps: int = 3000
    batch: int = 60
    optimiser: Optimiser = Sgd(step_size=0.1, momentum=0.9)
    step_sizes: tuple[float, ...] = (0.125, 0.25, 0.5, 1.0, 2.0)
    extensions: int = 3

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.drawn_at_random(self.network, "asks what a random start does")
        plan_checks.margin_inside(self.margin)
        plan_checks.different(self, "noises", "step_sizes")
        if len(set(map(formula.noisy, self.noises))) < len(self.noises):
            raise UserError(f"noises {self.noises}", "sizes that differ in their first digit")
        plan_checks.at_least(self, 2, "copies")
        plan_checks.at_least(self, 8, "steps")
        plan_checks.at_least(self, 1, "batch")
        plan_checks.at_least(self, 0, "extensions")

    @classmethod
    def presets(cls) -> dict[str, SymmetryBreakingPlan]:
        return {"quick": cls(noises=(1e-6, 1e-4, 1e-2), seeds=3, steps=1500)}


class SymmetryBreaking(Study):
    claim = "symmetry-breaking"
    statement = (
        "Without a random start the gradients of a layer's units are all equal, and nothing can be picked."
    )
    question = (
        "Start with equal weights in every layer. Do the units of a layer ever differ, does the network learn less, and how much "
        "noise is enough to tell units apart?"
    )
    method = (
        "The constant start gives every weight of a layer one value: the root mean square of the random weights over the root of "
        "their number into a unit. Sums of equal activations then are as large as random ones. Two other starts have a symmetry "
        "too: constants of either sign, and several copies of each random unit. Noise is a share of the random start, added to "
        "the constant one. In float32 the smallest shares change only the last digits of the weights, or none.",
        "Validation chooses a step size for each start without noise, by the score at the end of training; candidates are added "
        "while the choice lies at an edge. A start with noise has the optimiser's step size, so that times can be compared. All "
        "starts of a seed are trained on the same batches.",
        "Distinct units are counted by their incoming weights and bias: they differ by more than 10⁻⁶ of their norm. The rank of "
        "the gradients of a layer's units, over all training examples, counts singular values above 10⁻⁶ of the largest; the "
        "larger of start and end of training is taken. Counts are read on a logarithmic scale, one number a seed.",
        "Units differ from the step at which, in every hidden layer, they deviate from their mean by a tenth of the norm of "
        "their weights. A deviation of size ε grows exponentially while it is small [Saxe et al. 2014], so this step should be "
        "a line in ln(1/ε), with ε the deviation before the first step. Noise that does not grow by the end of training is left "
        "out of the line.",
        "Equal units get equal gradients only if sums are rounded alike. A library may round some columns of a product in "
        "another order; that is noise of about 10⁻⁸. So a gate asks whether the constant start's units are equal to the last bit "
        "at every look. Where it is open, one distinct unit is left; that is a side question, asked without this gate.",
        "Test scores are paired by seed and test example, with both sources of chance [Cameron et al. 2011].",
    )
    arms = (
        Arm(formula.RANDOM, "The network as it is drawn.", "The standard."),
        Arm(formula.CONSTANT, "One value for all weights of a layer.", "The claim."),
        Arm(
            formula.SIGNS, "The same with every second unit negative.", "A symmetry with two kinds of units."
        ),
        Arm(
            formula.DUPLICATED,
            "Copies of a few random units.",
            "As many kinds of units as there are copied ones.",
        ),
        Arm("noise", "The constant start with noise of several sizes.", "How much noise is enough."),
    )
    redraws = "A seed draws the split, the random start, which is also the noise, and the data order."
    sources = (
        Source(
            "Saxe et al. 2014",
            "A. M. Saxe, J. L. McClelland, S. Ganguli. Exact solutions to the nonlinear dynamics of learning in deep linear "
            "neural networks. ICLR 2014.",
            "https://arxiv.org/abs/1312.6120",
        ),
        CAMERON_2011,
    )
    needs = ("examples", "layers", "arms")
    plan_type = SymmetryBreakingPlan
    cell = "starts", "all starts"

    def asked(self, plan: SymmetryBreakingPlan) -> Agenda:
        return Agenda(formula.RULE, formula.formula(), formula.side_questions(plan.margin, plan.noises))

    def brief(self, plan: SymmetryBreakingPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        arms, layers = tables["arms"], tables["layers"]
        said = (
            f"{start} {100 * float(np.mean(arms.where(start=start)['test_score'])):.1f} % with "
            f"at most {int(layers.where(start=start)['distinct'].max())} distinct units a layer"
            for start in (formula.RANDOM, formula.CONSTANT)
        )
        return ", ".join(said)

    def verdicts(
        self, plan: SymmetryBreakingPlan, tables: Mapping[str, Table], levels: Levels
    ) -> Sequence[Verdict]:
        return formula.verdicts(plan.margin, plan.noises, tables, levels)
