"""The claim that a weight's gradient is its relative contribution to good and bad subnetworks.

A cell is one seed. The questions and their rules are in `formula`; contributions are those of `ticketlab.tickets.contributions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ticketlab.claims import plan_checks
from ticketlab.claims.edge_contribution import formula
from ticketlab.claims.literature import LEE_AJANTHAN_2019
from ticketlab.claims.study import Cell, Study
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
from ticketlab.training.optimisers import Adam, Optimiser

__all__ = ["EdgeContribution", "EdgeContributionPlan"]

FEWEST = 20  # examples: with a few, permuted labels are much the same as true ones


@dataclass(frozen=True)
class EdgeContributionPlan:
    """Is a weight's gradient at the full network what the weight contributes to subnetworks?

    Arguments:
        task: the data to learn, split anew for each seed.
        network: drawn anew for each seed; small, because the noise of a contribution grows with the number of weights.
        seeds: how many draws; a verdict needs at least 2.
        first_seed: the number of the first seed; others draw other networks for the same question.
        masks: random masks at each density.
        densities: how many, by the Gauss–Legendre rule; odd, so that ½ is one of them.
        examples: training examples on which losses and gradients are taken; 20 or more.
        shown: weights of each network in the figure.
        steps: of the training of the same network.
        batch: examples in a step.
        optimiser: of the training.
    """

    task: TaskSource = Digits(train=800, validation=300, test=697)
    network: Architecture = MLP(widths=(16, 16))
    seeds: int = field(default=5, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    masks: int = 10_000
    densities: int = 5
    examples: int = 300
    shown: int = 300
    steps: int = 500
    batch: int = 60
    optimiser: Optimiser = Adam(step_size=3e-3)

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.drawn_at_random(self.network, "asks what is in a random network")
        plan_checks.at_least(self, 3, "densities")
        plan_checks.at_least(self, 4, "masks")
        if self.densities % 2 == 0 or self.densities > 15:
            raise UserError(
                f"densities={self.densities}", "an odd number from 3 to 15", "The middle one is ½."
            )
        if self.masks % 2:
            raise UserError(
                f"masks={self.masks}", "an even number", "Two halves show how noisy the values are."
            )
        plan_checks.at_least(self, 1, "shown", "steps", "batch")
        plan_checks.at_least(self, FEWEST, "examples")

    @classmethod
    def presets(cls) -> dict[str, EdgeContributionPlan]:
        return {"quick": cls(seeds=3, masks=6000, densities=3, examples=200)}

    def measures(self) -> tuple[str, ...]:
        """What the claim asks about."""
        return formula.inner(((np.polynomial.legendre.leggauss(self.densities)[0] + 1) / 2).tolist())


class EdgeContribution(Study):
    claim = "edge-contribution"
    statement = "Each weight is part of many subnetworks, good and bad, and its gradient is its relative contribution to them."
    question = (
        "Keep random weights of a random network, thousands of times. Does the average fall of the loss by a weight's presence "
        "follow from the gradient at the full network?"
    )
    method = (
        "The contribution of a weight at a density is the mean loss of the masked networks without it minus that of those with "
        "it. All weights are estimated from the same masks, with standard errors. At density ½ it is the Banzhaf value. Its "
        "mean over all densities is the Shapley value [Owen 1972], summed here by the Gauss–Legendre rule. The rule's error is "
        "estimated by leaving out the middle density. The question about it is decided only if the correlation stays on its side "
        "of the limit, whichever way the error points.",
        "It is compared with −w·∂L/∂w of the same loss at the full network, which is the first-order effect of removing one "
        "weight from it, and without its sign the score of SNIP [Lee et al. 2019].",
        "Sampled contributions are noisy, and noise lowers a correlation. So contributions are taken from two halves of the "
        "masks. The correlation with the gradient is divided by the root of the correlation between the halves [Spearman 1904].",
        "The gradient for permuted labels is the deciding control, for Banzhaf values: it knows how much signal a weight "
        "carries, but nothing of the task. Where the gradient follows nearly completely, the control has no room to differ, and "
        "is not asked for. Where the two gradients are nearly the same, the comparison cannot fail. Random signs of the "
        "gradients show how large a correlation is by chance.",
        "Correlations are one number a seed, with Student's interval.",
    )
    arms = (
        Arm(formula.RANDOM, "The network as it is drawn.", "The claim."),
        Arm(
            formula.TRAINED,
            "The same network after training.",
            "Whether the gradient tells more, or less, once it is small.",
        ),
    )
    redraws = "A seed draws the split, the network, the data order and the masks."
    sources = (
        Source(
            "Owen 1972",
            "G. Owen. Multilinear extensions of games. Management Science 18.",
        ),
        LEE_AJANTHAN_2019,
        Source(
            "Spearman 1904",
            "C. Spearman. The proof and measurement of association between two things. American Journal of Psychology 15.",
        ),
    )
    needs = ("measures", "examples")
    plan_type = EdgeContributionPlan
    cell = "weights", "all masks"

    def asked(self, plan: EdgeContributionPlan) -> Agenda:
        measures = plan.measures()
        return Agenda(formula.RULE, formula.formula(measures), formula.side_questions(measures))

    def brief(self, plan: EdgeContributionPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        rows = tables["measures"].where(measure=formula.BANZHAF)
        said = (
            f"{source} {float(np.mean(rows.where(source=source)['corrected'])):.2f}"
            for source in (formula.RANDOM, formula.TRAINED)
        )
        return f"correlation of gradient and Banzhaf value: {', '.join(said)}"

    def verdicts(
        self, plan: EdgeContributionPlan, tables: Mapping[str, Table], levels: Levels
    ) -> Sequence[Verdict]:
        return formula.verdicts(plan.measures(), tables, levels)
