"""The claim that training ends equivalent to one Newton step from the random start, and not to one gradient step.

Here are the plan and the cells. `newton_step_formula` has the questions and the rule. `newton_arms` computes one cell, and is
imported when a cell is run, because it needs JAX. A cell is one loss and one seed: the seed draws the split, θ₀, and the other
start of the second training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from ticketlab.claims import plan_checks
from ticketlab.claims.literature import BERGER_1982, CAMERON_2011, JACOT_2018, LEE_2019, SCHUIRMANN_1987
from ticketlab.claims.newton_step.formula import GRADIENT, NEWTON, verdicts
from ticketlab.claims.study import Cell, Study
from ticketlab.errors import UserError
from ticketlab.evidence.source import Source
from ticketlab.evidence.tables import Evidence, Table
from ticketlab.laws.rules import USUAL, Levels
from ticketlab.networks.architectures import MLP, Architecture
from ticketlab.tasks.sources import Digits, TaskSource

if TYPE_CHECKING:
    pass

__all__ = ["NewtonStep", "NewtonStepPlan"]

Loss = Literal["square", "cross-entropy"]


@dataclass(frozen=True)
class NewtonStepPlan:
    """Is a trained network one Newton step from its start?

    Arguments:
        task: the data to learn.
        network: the network, drawn anew for each seed.
        losses: the losses that are minimised.
        seeds: how many times split and networks are drawn; at least 2 for a verdict.
        margin: the difference in test score that still counts as equal (0.01: one percentage point of accuracy).
        gradient_steps: candidates for the size of the single gradient step, relative to the inverse of the loss's largest
            curvature at θ₀; the one that ends nearest to the trained network on validation data is used.
        ridges: candidates for the damping of the damped Newton step, relative to the mean diagonal of the tangent kernel; chosen
            likewise.
        step_size: of gradient descent to convergence, relative to the same inverse curvature.
        momentum: of gradient descent, on all training examples in every step.
        steps: at most so many.
        converged: gradient descent has converged when its training loss is at most this share of the loss of outputs that are
            zero.
        times: how many times of the linearised model's gradient flow are looked at.
        last_time: the last finite one, relative to the inverse of the largest curvature.
        tolerance: on the stationarity of every Newton step, and on the defect of the flow.
    """

    task: TaskSource = Digits(train=250, validation=300, test=1200)
    network: Architecture = MLP(widths=(512, 512))
    losses: tuple[Loss, ...] = ("square",)
    seeds: int = field(default=5, metadata={"cells": False})
    margin: float = field(default=0.01, metadata={"cells": False})
    gradient_steps: tuple[float, ...] = (0.3, 0.6, 1.0, 1.7, 3.0, 6.0)
    ridges: tuple[float, ...] = (1e-3, 1e-2, 1e-1, 1.0)
    step_size: float = 1.0
    momentum: float = 0.9
    steps: int = 4000
    converged: float = 0.01
    times: int = 25
    last_time: float = 1e5
    tolerance: float = 1e-5

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds)
        plan_checks.margin_inside(self.margin)
        plan_checks.losses_once(self.losses)
        plan_checks.different(self, "gradient_steps", "ridges")
        plan_checks.positive(self, "step_size", "converged", "tolerance")
        plan_checks.momentum_below_one(self.momentum)
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
                seeds=3,
                times=15,
            )
        }


class NewtonStep(Study):
    claim = "newton-step"
    statement = "Training ends equivalent to one Newton step, not one gradient step."
    question = (
        "Train a network to convergence, and from the same random start take one Newton step, and one gradient step. "
        "Which of them ends where training ends?"
    )
    method = (
        "From the same random parameters θ₀ and on the same data, three things are done. Gradient descent trains the network to "
        "convergence, on all training examples in every step. One gradient step moves against the gradient at θ₀. One "
        "Gauss–Newton step goes to the minimum of the loss's second-order model at θ₀, the one of smallest ‖Δθ‖ of all "
        "[Martens 2020]; for the square loss that model is exact in the tangent space [Jacot et al. 2018], and the step goes to "
        "its minimum-norm solution. Every step is taken twice: as the tangent function F(x) = f(x, θ₀) + Δθ·df/dθ(x, θ₀), and as "
        "the network at θ₀ + Δθ.",
        "How far a function F is from the trained network f_T is measured on test examples as the part of training's change that "
        "it leaves unexplained, Σ‖F − f_T‖² / Σ‖f_T − f₀‖²: 0 for the same function, 1 for one that is no nearer than the random "
        "start. For cross-entropy, outputs are taken up to a constant an example, which softmax does not see. Also measured "
        "are agreement of predictions, root mean square and Kullback–Leibler divergence; in parameter space the cosine and the "
        "length of the step against training's θ_T − θ₀.",
        "Everything else is made as favourable to the gradient step as can be: its size, like the damping of the damped Newton "
        "step and the time at which the flow is stopped, is the one that ends nearest to the trained network on validation "
        "examples. The Newton step of minimum norm has nothing to choose.",
        "Three controls follow. The linearised model's gradient flow at every time t from 0 to ∞ [Lee et al. 2019], which joins "
        "the direction of the gradient step (t → 0) to the Newton step (t = ∞, for the square loss): if training were one of "
        "them, the distance along this path would fall to its end. A second training from another θ₀ says how near to each other "
        "two trainings are: what is nearer than that cannot be told from training by its function more than the luck of the "
        "start can. And everything is done with f(x, θ₀) kept and with it centred away.",
        "Equivalent means that all of the following hold. The test scores are equal within the margin: two one-sided "
        "tests at 2.5 % [Schuirmann 1987]. The Newton step leaves less than a tenth of training's change unexplained, and "
        "the best gradient step leaves more. The Newton step is nearer by more than a twentieth of training's change: "
        "shares that differ by less count as equally near. For the square loss, no earlier time of the flow is nearer "
        "than its end by as much. Effects are paired by seed and test example, and their intervals count both the "
        "differences between seeds and the sampling of test examples [Cameron et al. 2011]. The claim holds if all "
        "questions hold, so no correction is needed [Berger 1982]; to fail, a question must fail at a corrected level.",
        "The second training, parameter space, f₀ centred away and the network at θ₀ + Δθ are side questions with levels "
        "of their own. A step has training's direction if its cosine is above √0.9: then the best multiple of it leaves "
        "less than a tenth of ‖θ_T − θ₀‖² unexplained.",
    )
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

    def cells(self, plan: NewtonStepPlan) -> tuple[Cell, ...]:
        weights = {"square": 1.0, "cross-entropy": 3.0}
        seeds = tuple(range(plan.seeds))
        return tuple(Cell(loss, {"loss": loss}, weights[loss], f"{loss} loss", seeds) for loss in plan.losses)

    def brief(self, plan: NewtonStepPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        arms = tables["arms"].where(offset="kept", form="tangent")
        left = dict(zip(arms["arm"].tolist(), arms["unexplained"].tolist(), strict=True))
        return f"of training's change, {left[NEWTON]:.0%} unexplained by the Newton step, {left[GRADIENT]:.0%} by a gradient step"

    def conclude(self, plan: NewtonStepPlan, tables: Mapping[str, Table], levels: Levels = USUAL) -> Evidence:
        if "examples" not in tables:
            return Evidence(dict(tables))
        losses = [loss for loss in plan.losses if loss in tables["examples"]["loss"]]
        return Evidence(dict(tables), tuple(verdicts(plan.losses, losses, plan.margin, tables, levels)))
