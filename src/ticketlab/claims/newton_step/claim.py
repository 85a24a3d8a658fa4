"""The claim that training ends equivalent to one Newton step from the random start, and not to one gradient step.

A cell is one loss and a seed. The questions and their rules are in `formula`; `cell` computes one cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ticketlab.claims import plan_checks
from ticketlab.claims.literature import BERGER_1982, CAMERON_2011, JACOT_2018, LEE_2019, SCHUIRMANN_1987
from ticketlab.claims.newton_step.formula import GRADIENT, NEWTON, RULE, formula, side_questions, verdicts
from ticketlab.claims.study import Cell, Study, of_losses
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

__all__ = ["NewtonStep", "NewtonStepPlan"]

Loss = Literal["square", "cross-entropy"]
MOST_LEFT = 0.1  # of the training loss of zero outputs, after which training may be said to have converged


@dataclass(frozen=True)
class NewtonStepPlan:
    """Is a trained network one Newton step from its start?

    Arguments:
        task: the data to learn.
        network: the network, drawn anew for each seed, and once more for the second training.
        losses: the losses that are minimised.
        seeds: how many draws of split and networks; a verdict needs at least 2.
        first_seed: the number of the first seed; others draw other networks for the same question.
        margin: the difference in test score that counts as equal (0.01: one percentage point of accuracy).
        gradient_steps: candidates for the size of the gradient step, relative to the inverse of the loss's largest
            curvature at θ₀. The size that ends nearest to the trained network on validation data is used. For the
            tangent function it is the best of all sizes. For the network these candidates are where the search begins.
        extensions: how many sizes may be added at the ends of these candidates, until the network's best size lies
            inside. The steps around it are then halved four times.
        ridges: candidates for the damping of the damped Newton step, relative to the mean diagonal of the tangent
            kernel; chosen likewise.
        step_size: of gradient descent to convergence, relative to the same inverse curvature.
        momentum: of gradient descent, on all training examples in every step.
        steps: of gradient descent, at most.
        converged: the share of the training loss of zero outputs below which gradient descent has converged; at most 0.1.
        times: how many times of the linearised model's gradient flow are looked at.
        last_time: the last finite time, relative to the inverse of the largest curvature.
        tolerance: on the stationarity of every Newton step, and on the defect of the flow.
    """

    task: TaskSource = Digits(train=250, validation=300, test=1200)
    network: Architecture = MLP(widths=(512, 512))
    losses: tuple[Loss, ...] = ("square",)
    seeds: int = field(default=5, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    margin: float = field(default=0.01, metadata={"cells": False})
    gradient_steps: tuple[float, ...] = (0.3, 0.6, 1.0, 1.7, 3.0, 6.0)
    extensions: int = 10
    ridges: tuple[float, ...] = (1e-3, 1e-2, 1e-1, 1.0)
    step_size: float = 1.0
    momentum: float = 0.9
    steps: int = 4000
    converged: float = 0.01
    times: int = 25
    last_time: float = 1e5
    tolerance: float = 1e-5

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.margin_inside(self.margin)
        plan_checks.losses_once(self.losses)
        plan_checks.different(self, "gradient_steps", "ridges")
        plan_checks.positive(self, "step_size", "tolerance")
        plan_checks.fraction(
            self, "converged", hint="Training that keeps more of its loss has not ended.", most=MOST_LEFT
        )
        plan_checks.momentum_below_one(self.momentum)
        plan_checks.at_least(self, 0, "extensions")
        plan_checks.at_least(self, 1, "steps")
        plan_checks.at_least(self, 2, "times")
        if not 1 < self.last_time < np.inf:
            raise UserError(f"last_time={self.last_time}", "a number above 1")

    @classmethod
    def presets(cls) -> dict[str, NewtonStepPlan]:
        return {
            "quick": cls(
                task=Digits(train=100, validation=300, test=1200),
                network=MLP(widths=(256,)),
                seeds=8,
                times=15,
            )
        }


class NewtonStep(Study):
    claim = "newton-step"
    statement = "Training ends equivalent to one Newton step, not one gradient step."
    question = (
        "Train a network to convergence. From the same random start take one Newton step, and one gradient step. "
        "Which of them ends where training ends?"
    )
    method = (
        "All three start from the same random parameters θ₀ and use the same data. Gradient descent trains the network to "
        "convergence, on all training examples in every step. One gradient step moves against the gradient at θ₀.",
        "One Gauss–Newton step goes to the minimum of the loss's second-order model at θ₀; of all minima it takes the one with "
        "the smallest ‖Δθ‖ [Martens 2020]. For the square loss that model is exact in the tangent space [Jacot et al. 2018]. "
        "Every step is taken twice: as the tangent function F(x) = f(x, θ₀) + Δθ·df/dθ(x, θ₀), and as the network at θ₀ + Δθ.",
        "The distance of a function F from the trained network f_T is measured on test examples. It is the part of training's "
        "change that F leaves unexplained, Σ‖F − f_T‖² / Σ‖f_T − f₀‖²: 0 for the same function, 1 for one no nearer than the "
        "random start. For cross-entropy, outputs are compared up to a constant for each example, which softmax ignores.",
        "Agreement of predictions, root mean square and Kullback–Leibler divergence are measured too. In parameter "
        "space the step is compared with θ_T − θ₀ by cosine and by length.",
        "The size of the gradient step is the one that ends nearest to the trained network on validation examples. As a "
        "tangent function the step's squared distance is quadratic in its size, so the best of all sizes is known. As a "
        "network it is searched: candidates are added while the best lies at an end, and then around it. The damping of the "
        "damped Newton step and the time at which the flow stops are the nearest of their candidates. The Newton step of "
        "minimum norm has nothing to choose.",
        "The linearised model's gradient flow joins the gradient step's direction (t → 0) to the Newton step (t = ∞, "
        "for the square loss) [Lee et al. 2019]. If training were the Newton step, the distance to it would fall all "
        "along this path. A second training from another θ₀ shows how far the luck of the start moves the result. "
        "Everything is done with f(x, θ₀) kept and with it centred away.",
        "Equivalent means that all of these hold. The test scores are equal within the margin, by two one-sided "
        "tests at 2.5 % [Schuirmann 1987]. The Newton step leaves less than a tenth of training's change "
        "unexplained, and the best gradient step leaves more. The Newton step is nearer by more than a twentieth of "
        "training's change. For the square loss, no earlier time of the flow is nearer than its end by that amount.",
        "Effects are paired by seed and by test example. Their intervals count both sources of chance [Cameron et "
        "al. 2011]. The claim holds if all questions hold, so it needs no correction for their number [Berger 1982]; "
        "to fail, a question must fail at a corrected level. A step has training's direction if its cosine is above "
        "√0.9: then its best multiple leaves less than a tenth of ‖θ_T − θ₀‖² unexplained.",
    )
    arms = (
        Arm(
            "trained network",
            "Gradient descent with momentum on all training examples, until the training loss is at most `converged` "
            "times that of zero outputs.",
            "The end of training.",
        ),
        Arm("Newton step", "The minimum of the second-order model with the smallest ‖Δθ‖.", "The claim."),
        Arm(
            "damped Newton step",
            "The same with the ridge that ends nearest to training.",
            "What damping changes.",
        ),
        Arm(
            "gradient step",
            "θ₀ − η∇L, with the size η that ends nearest to training.",
            "The alternative that the claim denies.",
        ),
        Arm(
            "flow",
            "The linearised model's gradient flow, stopped at every time from nearly 0 to ∞.",
            "Whether an earlier time is nearer than the Newton step.",
        ),
        Arm(
            "second training",
            "Another random network, trained on the same data.",
            "How much the luck of the start matters.",
        ),
    )
    redraws = "A seed draws the split, the parameters θ₀, and those of the second training."
    sources = (
        JACOT_2018,
        LEE_2019,
        Source(
            "Martens 2020",
            "J. Martens. New Insights and Perspectives on the Natural Gradient Method. JMLR 21.",
            "https://arxiv.org/abs/1412.1193",
        ),
        SCHUIRMANN_1987,
        CAMERON_2011,
        BERGER_1982,
    )
    plan_type = NewtonStepPlan

    def asked(self, plan: NewtonStepPlan) -> Agenda:
        sides = [side for loss in plan.losses for side in side_questions(loss, plan.margin)]
        return Agenda(RULE, formula(plan.losses, plan.margin), tuple(sides))

    def cells(self, plan: NewtonStepPlan) -> tuple[Cell, ...]:
        return of_losses(plan, {"square": 1.0, "cross-entropy": 3.0})

    def brief(self, plan: NewtonStepPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        arms = tables["arms"].where(offset="kept", form="tangent")
        left = dict(zip(arms["arm"].tolist(), arms["unexplained"].tolist(), strict=True))
        return f"of training's change, {left[NEWTON]:.0%} unexplained by the Newton step, {left[GRADIENT]:.0%} by a gradient step"

    def verdicts(
        self, plan: NewtonStepPlan, tables: Mapping[str, Table], levels: Levels
    ) -> Sequence[Verdict]:
        complete = [loss for loss in plan.losses if loss in tables["examples"]["loss"]]
        return verdicts(plan.losses, complete, plan.margin, tables, levels)
