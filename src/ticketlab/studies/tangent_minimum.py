"""The claim that the minimum-loss point in the parameter tangent space is about as good as ordinary gradient descent.

The plan, the cells and the verdict stand here; what one cell computes stands in `tangent_arms`, which is imported when a cell
is run, because it needs JAX. A cell is one loss and one seed: the seed draws the split, θ₀ and the data order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from ticketlab.errors import UserError
from ticketlab.laws.equivalence import Difference, all_of, equivalence, paired_difference
from ticketlab.laws.verdict import Outcome, Verdict
from ticketlab.networks.architectures import MLP, Architecture
from ticketlab.studies import plan_checks
from ticketlab.studies.evidence import Evidence, Table
from ticketlab.studies.literature import BERGER_1982, CAMERON_2011, JACOT_2018, LEE_2019, SCHUIRMANN_1987
from ticketlab.studies.study import Cell, Progress, Source, Study, cells_by_loss, complete, silent
from ticketlab.tasks.sources import Digits, TaskSource

if TYPE_CHECKING:
    from ticketlab.tangent.devices import Devices

__all__ = ["ARMS", "TangentMinimum", "TangentMinimumPlan"]

Loss = Literal["square", "cross-entropy"]
OFFSETS = ("kept", "centred")
DESCENT, TANGENT, LIMIT = "gradient descent", "tangent minimum", "minimum-norm limit"
MOVED, READ_OUT, LINEAR = "network at θ₀ + Δθ", "read-out layer", "linear model"
ARMS = (DESCENT, TANGENT, LIMIT, MOVED, READ_OUT, LINEAR)


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
        epochs: passes over the training data; the best epoch is chosen by validation score.
        tolerance: on the relative duality gap of every tangent-space minimum.
    """

    task: TaskSource = Digits(train=1000, validation=397, test=400)
    network: Architecture = MLP(widths=(512, 512))
    losses: tuple[Loss, ...] = ("square", "cross-entropy")
    seeds: int = field(default=5, metadata={"cells": False})
    margin: float = field(default=0.01, metadata={"cells": False})
    ridges: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1)
    step_sizes: tuple[float, ...] = (0.4, 1.0, 2.5, 6.0)
    momentum: float = 0.9
    batch: int = 64
    epochs: int = 30
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
        if not 0 < self.tolerance < 1:
            raise UserError(f"tolerance={self.tolerance}", "a number between 0 and 1")

    @classmethod
    def presets(cls) -> dict[str, TangentMinimumPlan]:
        return {
            "quick": cls(
                task=Digits(train=250, validation=300, test=1200),
                network=MLP(widths=(128, 128)),
                seeds=3,
                epochs=120,
                ridges=(1e-3, 1e-2, 1e-1),
                step_sizes=(1.0, 2.5, 6.0),
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
        "kernel, step sizes to the inverse of the largest curvature of the loss at θ₀.",
        "Every seed draws the split into training, validation and test examples, the parameters θ₀ and the data order anew "
        "(an official test part stays as it is). Everything is done twice: with f(x, θ₀) kept, as the claim says, and with it "
        "centred away, f(x, θ) − f(x, θ₀), because the random function at the start can cost accuracy of its own.",
        "Beside the two sides of the claim stand: the minimum-norm limit λ → 0 of the square loss (cross-entropy has none on "
        "separable data, where its minimum is at infinity: the smallest ridge takes its place); the real network at θ₀ + Δθ; "
        "the read-out layer alone, fitted the same way; and a linear model on the inputs, with no network at all.",
        "The verdict is an equivalence test [Schuirmann 1987]. The effect is the mean difference in test score, tangent "
        "minimum minus gradient descent, paired by seed and by test example. Its standard error counts both the differences "
        "between seeds and the sampling of test examples (two-way clustering [Cameron et al. 2011]), with Student's t on "
        "seeds − 1 degrees of freedom. The claim is that this holds for every loss, so no correction for their number is "
        "needed for it to hold [Berger 1982]; to fail, a question must fail at a corrected level.",
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
        return cells_by_loss(plan.losses, plan.seeds, {"square": 1.0, "cross-entropy": 1.5})

    def run(
        self,
        plan: TangentMinimumPlan,
        cell: Cell,
        progress: Progress = silent,
        devices: Devices | None = None,
    ) -> dict[str, Table]:
        from ticketlab.studies.tangent_arms import compare

        return compare(plan, cell.settings["loss"], cell.settings["seed"], progress, devices)

    def brief(self, plan: TangentMinimumPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        arms = tables["arms"].where(offset="kept")
        score = dict(zip(arms["arm"].tolist(), arms["test_score"].tolist(), strict=True))
        return f"test score {score[TANGENT]:.3f} in tangent space, {score[DESCENT]:.3f} by gradient descent"

    def conclude(self, plan: TangentMinimumPlan, tables: Mapping[str, Table]) -> Evidence:
        if "arms" not in tables:
            return Evidence(dict(tables))
        losses = complete(tables["arms"], "loss", plan.losses, plan.seeds)
        questions = [_question(plan, tables, loss, offset) for loss in losses for offset in OFFSETS]
        whole = [_claim(plan, questions)] if len(losses) == len(plan.losses) else []
        return Evidence(dict(tables), tuple(whole + questions))


def _question(plan: TangentMinimumPlan, tables: Mapping[str, Table], loss: str, offset: str) -> Verdict:
    examples = tables["examples"].where(loss=loss, offset=offset)
    difference = paired_difference(
        examples["tangent_score"] - examples["descent_score"], examples["seed"], examples["id"]
    )
    outcome = equivalence(difference, plan.margin, 2 * len(plan.losses))
    low, high = difference.interval()
    return Verdict(
        question=f"{loss} loss, f₀ {offset}",
        outcome=outcome,
        rule=_rule(plan),
        effect=100 * difference.mean,
        interval=(100 * low, 100 * high),
        unit="points of test score",
        reading=_reading(plan, tables, loss, offset, difference, outcome),
        headline=offset == "kept",
    )


def _claim(plan: TangentMinimumPlan, questions: list[Verdict]) -> Verdict:
    headline = [q for q in questions if q.headline]
    outcome = all_of([q.outcome for q in headline])
    concerned = [q.question.removesuffix(" loss, f₀ kept") for q in headline if q.outcome is outcome]
    losses = f"the {' and '.join(concerned)} loss{'es' if len(concerned) > 1 else ''}"
    reading = {
        Outcome.HOLDS: "The tangent-space minimum is about as good as gradient descent, with every loss tried.",
        Outcome.FAILS: f"The tangent-space minimum is not about as good as gradient descent, with {losses}.",
        Outcome.UNDECIDED: "These runs do not decide whether the tangent-space minimum is about as good as gradient "
        f"descent: undecided with {losses}.",
    }[outcome]
    return Verdict(
        question="",
        outcome=outcome,
        rule="The claim holds when it holds for every loss with f₀ kept, fails when it fails for one of them, and is undecided "
        "otherwise.",
        effect=None,
        interval=None,
        unit="",
        reading=reading,
    )


def _rule(plan: TangentMinimumPlan) -> str:
    return (
        f"Holds when the 95 % interval of the difference in test score lies within ±{100 * plan.margin:g} points; fails when "
        f"the interval, at a level corrected for the {2 * len(plan.losses)} questions asked, lies wholly outside; undecided "
        "otherwise."
    )


def _reading(
    plan: TangentMinimumPlan,
    tables: Mapping[str, Table],
    loss: str,
    offset: str,
    difference: Difference,
    outcome: Outcome,
) -> str:
    arms = tables["arms"].where(loss=loss, offset=offset)
    mean = {arm: 100 * float(np.mean(arms.where(arm=arm)["test_score"])) for arm in (TANGENT, DESCENT)}
    low, high = difference.interval()
    start = (
        f"With the {loss} loss{'' if offset == 'kept' else ' and f₀ centred away'}, the tangent-space minimum scores "
        f"{mean[TANGENT]:.1f} % on test data and gradient descent {mean[DESCENT]:.1f} %"
    )
    if difference.freedom < 1:
        return f"{start}; one seed is not enough to say how sure this is."
    gap = (
        f"a difference of {_signed(difference.mean)} points (95 % interval {_signed(low)} to {_signed(high)})"
    )
    margin = f"±{100 * plan.margin:g} points"
    if outcome is Outcome.HOLDS:
        return f"{start}: {gap}, which is within {margin}, so they are about equally good."
    if outcome is Outcome.FAILS:
        better = "the tangent-space minimum" if difference.mean > 0 else "gradient descent"
        return f"{start}: {gap}, which is beyond {margin}, so {better} is better."
    return f"{start}: {gap}, which neither lies within {margin} nor beyond, so the data do not decide."


def _signed(fraction: float) -> str:
    """In points, with a typographic minus."""
    return f"{100 * fraction:+.2f}".replace("-", "−")
