"""The claim that the minimum-loss point in the parameter tangent space is about as good as ordinary gradient descent.

Here are the plan and the cells. `tangent_minimum_formula` has the questions and the rule. `tangent_arms` computes one cell, and
is imported when a cell is run, because it needs JAX. A cell is one loss and one seed: the seed draws the split, θ₀ and the data
order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ticketlab.claims import plan_checks
from ticketlab.claims.literature import BERGER_1982, CAMERON_2011, JACOT_2018, LEE_2019, SCHUIRMANN_1987
from ticketlab.claims.study import Cell, Study
from ticketlab.claims.tangent_minimum.formula import DESCENT, TANGENT, verdicts
from ticketlab.errors import UserError
from ticketlab.evidence.source import Source
from ticketlab.evidence.tables import Evidence, Table
from ticketlab.laws.rules import USUAL, Levels
from ticketlab.networks.architectures import MLP, Architecture
from ticketlab.tasks.sources import Digits, TaskSource

if TYPE_CHECKING:
    pass

__all__ = ["TangentMinimum", "TangentMinimumPlan"]

Loss = Literal["square", "cross-entropy"]


@dataclass(frozen=True)
class TangentMinimumPlan:
    """Is the tangent-space minimum as good as gradient descent?

    Arguments:
        task: the data to learn.
        network: the network, drawn anew for each seed.
        losses: the losses that both sides minimise.
        seeds: how many times split, network and data order are drawn; at least 2 for a verdict.
        margin: the difference in test score that still counts as equal (0.01: one percentage point of accuracy).
        ridges: the candidates for λ, relative to the mean diagonal of the tangent kernel.
        step_sizes: the candidates for the step size, relative to the inverse of the loss's largest curvature at θ₀; as many as
            ridges.
        momentum: of gradient descent.
        batch: examples in a step of gradient descent.
        epochs: passes over the training data, to begin with; the best epoch is chosen by validation score.
        doublings: how often the epochs are doubled at most, until the run with the chosen step size has its lowest validation
            loss inside, or its highest score inside and a loss that hardly falls.
        extensions: how often both grids are extended at most, until the chosen ridge and step size lie inside.
        tolerance: on the relative duality gap of every tangent-space minimum.
    """

    task: TaskSource = Digits(train=400, validation=397, test=1000)
    network: Architecture = MLP(widths=(256, 256))
    losses: tuple[Loss, ...] = ("square", "cross-entropy")
    seeds: int = field(default=5, metadata={"cells": False})
    margin: float = field(default=0.01, metadata={"cells": False})
    ridges: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    step_sizes: tuple[float, ...] = (0.06, 0.16, 0.4, 1.0, 2.5, 6.0)
    momentum: float = 0.9
    batch: int = 64
    epochs: int = 120
    doublings: int = 2
    extensions: int = 4
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds)
        plan_checks.margin_inside(self.margin)
        plan_checks.losses_once(self.losses)
        plan_checks.different(self, "ridges", "step_sizes")
        if len(self.ridges) != len(self.step_sizes):
            raise UserError(
                f"{len(self.ridges)} ridges and {len(self.step_sizes)} step sizes",
                "as many of the one as of the other",
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
                task=Digits(train=250, validation=300, test=1200),
                network=MLP(widths=(128, 128)),
                seeds=3,
            )
        }


class TangentMinimum(Study):
    claim = "tangent-minimum"
    statement = (
        "The minimum-loss point in the parameter tangent space is about as good as ordinary gradient descent."
    )
    question = (
        "Take a random network, and let it change only to first order in its parameters. "
        "Is the best function it can then compute about as good as the network that gradient descent finds?"
    )
    method = (
        "The tangent space [Jacot et al. 2018] [Lee et al. 2019] of a network f at its random parameters θ₀ is the set of "
        "functions F(x) = f(x, θ₀) + Δθ·df/dθ(x, θ₀), one for every Δθ. Its minimum is the Δθ with the least Σ ℓ(F(xₙ), yₙ) + "
        "½λ‖Δθ‖² over the training examples: one linear system for the square loss, a convex problem for softmax "
        "cross-entropy. It is computed exactly; each one carries a certificate, the duality gap, which bounds how far the "
        "objective can be above its minimum, checked in float64 with derivatives of the network itself. Where the kernel "
        "matrix is large, the systems are solved by preconditioned conjugate gradients [Díaz et al. 2023].",
        "Gradient descent starts from the same θ₀, on the same examples, with the same loss, and changes the real network: "
        "minibatches with momentum. Both sides are tuned on the same validation examples with the same number of candidates: "
        "the ridge λ on the one side, the step size on the other, where the best epoch is chosen by validation as well. Of "
        "equal validation scores the lower validation loss wins. Ridges are relative to the mean diagonal of the tangent "
        "kernel, step sizes to the inverse of the largest curvature of the loss at θ₀. Where a choice is at the edge of its "
        "grid, the grid is extended, and the other side gets equally many candidates more. Gradient descent is trained until "
        "the validation loss of the chosen step size has its minimum inside the run, or the highest validation score lies inside "
        "and the second half of the run has lowered that loss by less than a tenth.",
        "Every seed draws the split into training, validation and test examples, the parameters θ₀ and the data order anew "
        "(an official test part stays as it is). Everything is done twice: with f(x, θ₀) kept, as the claim says, and with it "
        "centred away, f(x, θ) − f(x, θ₀), because the random function at the start can cost accuracy of its own.",
        "Other arms are measured for comparison: the minimum-norm limit λ → 0 of the square loss (cross-entropy has none on "
        "separable data, where its minimum is at infinity: the smallest ridge takes its place); the real network at θ₀ + Δθ; "
        "the read-out layer alone, fitted the same way; and a linear model on the inputs, with no network at all.",
        "The verdict is an equivalence test [Schuirmann 1987]. The effect is the mean difference in test score, tangent "
        "minimum minus gradient descent, paired by seed and by test example. Its interval counts both the differences "
        "between seeds and the sampling of test examples [Cameron et al. 2011]. The claim is that the scores are equal for "
        "every loss with f₀ kept, so no correction for the number of losses is needed for it to hold [Berger 1982]; to fail, "
        "a loss must fail at a corrected level. f₀ centred away, the read-out layer and the network at θ₀ + Δθ are side "
        "questions with levels of their own.",
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

    def cells(self, plan: TangentMinimumPlan) -> tuple[Cell, ...]:
        weights = {"square": 1.0, "cross-entropy": 1.5}
        seeds = tuple(range(plan.seeds))
        return tuple(Cell(loss, {"loss": loss}, weights[loss], f"{loss} loss", seeds) for loss in plan.losses)

    def brief(self, plan: TangentMinimumPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        arms = tables["arms"].where(offset="kept")
        score = dict(zip(arms["arm"].tolist(), arms["test_score"].tolist(), strict=True))
        return f"test score {score[TANGENT]:.3f} in tangent space, {score[DESCENT]:.3f} by gradient descent"

    def conclude(
        self, plan: TangentMinimumPlan, tables: Mapping[str, Table], levels: Levels = USUAL
    ) -> Evidence:
        if "examples" not in tables:
            return Evidence(dict(tables))
        losses = [loss for loss in plan.losses if loss in tables["examples"]["loss"]]
        return Evidence(dict(tables), tuple(verdicts(plan.losses, losses, plan.margin, tables, levels)))
