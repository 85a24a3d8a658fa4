"""The claim that the minimum-loss point in the parameter tangent space is about as good as ordinary gradient descent.

A cell is one loss and a seed. The questions and their rules are in `formula`; `cell` computes one cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ticketlab.claims import plan_checks
from ticketlab.claims.literature import BERGER_1982, CAMERON_2011, JACOT_2018, LEE_2019, SCHUIRMANN_1987
from ticketlab.claims.study import Cell, Study, of_losses
from ticketlab.claims.tangent_minimum import formula
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

__all__ = ["TangentMinimum", "TangentMinimumPlan"]

Loss = Literal["square", "cross-entropy"]


@dataclass(frozen=True)
class TangentMinimumPlan:
    """Is the tangent-space minimum as good as gradient descent?

    Arguments:
        task: the data to learn.
        network: the network, drawn anew for each seed.
        losses: the losses that both sides minimise.
        seeds: how many draws of split, network and data order; a verdict needs at least 2.
        first_seed: the number of the first seed; others draw other networks for the same question.
        margin: the difference in test score that counts as equal (0.01: one percentage point of accuracy).
        ridges: candidates for λ, relative to the mean diagonal of the tangent kernel.
        step_sizes: candidates for the step size, relative to the inverse of the loss's largest curvature at θ₀; equally
            many as ridges.
        momentum: of gradient descent.
        batch: examples in a step of gradient descent.
        epochs: passes over the training data at first. The validation score, measured at least 30 times during them, chooses
            the best point.
        doublings: how often the epochs may be doubled. They are doubled until the chosen step size has its highest
            validation score inside the run, and there its lowest validation loss too, or one that hardly falls. Step
            sizes with both inside are not trained on.
        extensions: how often both grids may be extended, until the chosen ridge and step size lie inside.
        tolerance: on the relative duality gap of every tangent-space minimum.
    """

    task: TaskSource = Digits(train=300, validation=297, test=1200)
    network: Architecture = MLP(widths=(128, 128))
    losses: tuple[Loss, ...] = ("square", "cross-entropy")
    seeds: int = field(default=12, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    margin: float = field(default=0.01, metadata={"cells": False})
    ridges: tuple[float, ...] = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    step_sizes: tuple[float, ...] = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
    momentum: float = 0.9
    batch: int = 64
    epochs: int = 120
    doublings: int = 5
    extensions: int = 4
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.margin_inside(self.margin)
        plan_checks.losses_once(self.losses)
        plan_checks.different(self, "ridges", "step_sizes")
        if len(self.ridges) != len(self.step_sizes):
            raise UserError(
                f"{len(self.ridges)} ridges and {len(self.step_sizes)} step sizes",
                "equally many of both",
                "Both sides are tuned with an equal budget.",
            )
        plan_checks.momentum_below_one(self.momentum)
        plan_checks.at_least(self, 1, "batch", "epochs")
        plan_checks.at_least(self, 0, "doublings", "extensions")
        if not 0 < self.tolerance < 1:
            raise UserError(f"tolerance={self.tolerance}", "a number between 0 and 1")

    @classmethod
    def presets(cls) -> dict[str, TangentMinimumPlan]:
        return {
            "quick": cls(
                task=Digits(train=200, validation=300, test=1297),
                losses=("square",),
                seeds=8,
                ridges=(1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0),
                step_sizes=(0.25, 0.5, 1.0, 2.0, 4.0, 8.0),
            )
        }


class TangentMinimum(Study):
    claim = "tangent-minimum"
    statement = (
        "The minimum-loss point in the parameter tangent space is about as good as ordinary gradient descent."
    )
    question = (
        "Take a random network, and let it change only to first order in its parameters. Is the best function it can "
        "then compute about as good as the network that gradient descent finds?"
    )
    method = (
        "A random network f has parameters θ₀. Its tangent space is the set of functions F(x) = f(x, θ₀) + "
        "Δθ·df/dθ(x, θ₀), one for every Δθ [Jacot et al. 2018] [Lee et al. 2019]. The minimum is the Δθ with the "
        "least Σ ℓ(F(xₙ), yₙ) + ½λ‖Δθ‖² over the training examples. For the square loss this is a linear system; for "
        "softmax cross-entropy it is a convex problem.",
        "The minimum is computed exactly and carries a certificate. The duality gap bounds how far the objective can "
        "be above its minimum. It is computed in float64, with derivatives of the network itself. Large systems are "
        "solved by preconditioned conjugate gradients [Díaz et al. 2023].",
        "Gradient descent starts from the same θ₀, with the same examples and the same loss. It changes the real "
        "network, by minibatches with momentum.",
        "Both sides are tuned on the same validation examples, with equally many candidates: ridges on one side, "
        "step sizes on the other. Validation also chooses the best epoch. If two candidates have the same validation "
        "score, the lower validation loss wins. Ridges are relative to the mean diagonal of the tangent kernel. Step "
        "sizes are relative to the inverse of the largest curvature of the loss at θ₀.",
        "If the choice lies at the edge of its grid, the grid is extended, and the other side gets equally many new "
        "candidates. Training continues until the highest validation score of the chosen step size lies inside the "
        "run, and its lowest validation loss too. It is enough if the second half of the run lowered that loss by less "
        "than a tenth.",
        "Everything is done twice: with f(x, θ₀) kept, as the claim says, and with it centred away, f(x, θ) − f(x, "
        "θ₀). The random function at the start can cost accuracy of its own.",
        "The verdict is an equivalence test [Schuirmann 1987]. The effect is the mean difference in test score, tangent "
        "minimum minus gradient descent, paired by seed and by test example. Its interval counts both sources of chance, seeds "
        "and test examples [Cameron et al. 2011]. The claim needs equal scores for every loss with f₀ kept. So it needs no "
        "correction for the number of losses to hold [Berger 1982]; to fail, a loss must fail at a corrected level.",
    )
    arms = (
        Arm(
            formula.DESCENT,
            "The network, trained on the same loss by minibatches with momentum.",
            "The standard.",
        ),
        Arm(formula.TANGENT, "The minimum in the tangent space; validation chooses the ridge.", "The claim."),
        Arm(
            formula.LIMIT,
            "The end of the ridge path, λ → 0. Cross-entropy has none on separable data; the smallest ridge takes its place.",
            "What an exact fit does.",
        ),
        Arm(
            formula.MOVED,
            "The real network at the tangent minimum's parameters.",
            "Whether the first-order picture still describes the network there.",
        ),
        Arm(
            formula.READ_OUT,
            "The tangent minimum of the last layer alone, with the same ridges.",
            "Whether random features are enough.",
        ),
        Arm(
            formula.LINEAR,
            "The same loss and ridges on the inputs, from zero, without a network.",
            "Whether the task is too easy to tell.",
        ),
    )
    redraws = (
        "A seed draws the split, the parameters θ₀ and the data order. An official test part stays as it is."
    )
    sources = (
        JACOT_2018,
        LEE_2019,
        Source(
            "Díaz et al. 2023",
            "M. Díaz, E. N. Epperly, Z. Frangella, J. A. Tropp, R. J. Webber. Robust, randomized preconditioning for kernel "
            "ridge regression.",
            "https://arxiv.org/abs/2304.12465",
        ),
        SCHUIRMANN_1987,
        CAMERON_2011,
        BERGER_1982,
    )
    plan_type = TangentMinimumPlan

    def asked(self, plan: TangentMinimumPlan) -> Agenda:
        sides = [side for loss in plan.losses for side in formula.side_questions(loss, plan.margin)]
        return Agenda(formula.RULE, formula.formula(plan.losses, plan.margin), tuple(sides))

    def cells(self, plan: TangentMinimumPlan) -> tuple[Cell, ...]:
        return of_losses(plan, {"square": 1.0, "cross-entropy": 1.5})

    def brief(self, plan: TangentMinimumPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        arms = tables["arms"].where(offset="kept")
        score = dict(zip(arms["arm"].tolist(), arms["test_score"].tolist(), strict=True))
        return f"test score {score[formula.TANGENT]:.3f} in tangent space, {score[formula.DESCENT]:.3f} by gradient descent"

    def verdicts(
        self, plan: TangentMinimumPlan, tables: Mapping[str, Table], levels: Levels
    ) -> Sequence[Verdict]:
        complete = [loss for loss in plan.losses if loss in tables["examples"]["loss"]]
        return formula.verdicts(plan.losses, complete, plan.margin, tables, levels)
