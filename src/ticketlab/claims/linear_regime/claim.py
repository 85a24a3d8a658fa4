"""The claim that large networks move their parameters little and are well described by their linear approximation.

A cell is one loss, depth, parameterisation and seed, at all widths. The questions and their rules are in `formula`; `cell`
computes one cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from ticketlab.claims import plan_checks
from ticketlab.claims.linear_regime import formula
from ticketlab.claims.literature import JACOT_2018, LEE_2019, YANG_2022
from ticketlab.claims.study import Cell, Study, seed_numbers
from ticketlab.claims.wording import plural
from ticketlab.errors import UserError
from ticketlab.evidence.arm import Arm
from ticketlab.evidence.source import Source
from ticketlab.evidence.tables import Evidence, Table
from ticketlab.laws.agenda import Agenda
from ticketlab.laws.rules import USUAL, Levels
from ticketlab.laws.verdict import Verdict
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.architectures import MLP
from ticketlab.networks.pretrained import Pretrained
from ticketlab.tasks.sources import Digits, TaskSource

__all__ = ["LinearRegime", "LinearRegimePlan"]

Parameterised = Literal["standard", "ntk", "mup"]
LossName = Literal["square", "cross-entropy"]


@dataclass(frozen=True)
class LinearRegimePlan:
    """Do networks become linear as they become wide?

    Arguments:
        task: the data to learn.
        network: the widest network; the others have shares of its units in every hidden layer. Its parameterisation is
            replaced. A network that starts at the parameters of a file has one width and one parameterisation: there the
            claim asks about sizes alone.
        depths: numbers of hidden layers; the claim is asked for each. An MLP with one hidden layer repeats it. Any other
            network keeps its own depth.
        losses: square, cross-entropy or both; the claim is asked for each.
        shares: of the units, at least two; 1 is the network itself.
        parameterisations: which are compared. The claim is about standard and ntk; mup (μP) is the control.
        seeds: how many draws of split and networks; a verdict needs at least 2.
        first_seed: the number of the first seed; others draw other networks for the same question.
        least: the exponent above which a measure falls: faster than width to the power −least. The control's distance
            must fall with a smaller one.
        step_size: of gradient descent, relative to the inverse of the loss's largest curvature at θ₀; it then scales
            with width as each parameterisation asks: 1/width (standard), constant (NTK and μP). It is halved, up to six
            times, where training diverges or does not learn; the linear model takes the same.
        momentum: of gradient descent, on all training examples in every step.
        steps: of gradient descent, at most. With the square loss a network stops before when hardly any loss is left (10⁻⁴ of
            the start's), and its linearisation goes on until it has converged too.
        reached: with cross-entropy, which has no minimum, the share of the network's training loss at the start at which
            both sides stop.
        centred: whether the random function is subtracted, f(x, θ) − f(x, θ₀), so that every network starts from zero
            and has the same to learn; under μP it vanishes with width anyway.
        kernel_examples: training examples on which the kernels at the start and at the end are compared.
        tolerance: on the defect of the linearised model's path.
    """

    task: TaskSource = Digits(train=100, validation=100, test=1200)
    network: Architecture = MLP(widths=(1024,))
    depths: tuple[int, ...] = field(default=(1, 2, 3), metadata={"cells": False})
    losses: tuple[LossName, ...] = field(default=("square", "cross-entropy"), metadata={"cells": False})
    shares: tuple[float, ...] = (0.0625, 0.25, 1.0)
    parameterisations: tuple[Parameterised, ...] = ("standard", "ntk", "mup")
    seeds: int = field(default=5, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    least: float = field(default=0.25, metadata={"cells": False})
    step_size: float = 0.5
    momentum: float = 0.9
    steps: int = 1600
    reached: float = 0.1
    centred: bool = True
    kernel_examples: int = 100
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.different(self, "shares")
        if len(self.shares) < 2:
            raise UserError(f"shares {self.shares}", "at least two")
        plan_checks.losses_once(self.losses)
        plan_checks.each_once(self, "depths", "parameterisations", some=True)
        if min(self.depths) < 1:
            raise UserError(f"depths {self.depths}", "at least one hidden layer")
        plan_checks.fraction(self, "reached")
        plan_checks.positive(self, "least", "step_size", "tolerance")
        plan_checks.momentum_below_one(self.momentum)
        plan_checks.at_least(self, 1, "steps")
        plan_checks.at_least(self, 2, "kernel_examples")

    @property
    def one_start(self) -> bool:
        """Whether the network starts at the parameters of a file, which are of one width and one parameterisation."""
        return isinstance(self.network, Pretrained)

    @property
    def compared(self) -> tuple[str, ...]:
        """The parameterisations that there are."""
        return (formula.GIVEN,) if self.one_start else self.parameterisations

    def settings(self) -> tuple[formula.Setting, ...]:
        """For which the claim is asked."""
        depths = self.depths if _repeated(self.network) else (_hidden(self.network),)
        return tuple(formula.Setting(loss, depth) for depth in depths for loss in self.losses)

    def of_depth(self, depth: int) -> Architecture:
        """The widest network with this number of hidden layers."""
        if isinstance(self.network, MLP) and _repeated(self.network):
            return replace(self.network, widths=self.network.widths * depth)
        return self.network

    @classmethod
    def presets(cls) -> dict[str, LinearRegimePlan]:
        return {
            "quick": cls(
                task=Digits(train=50, validation=100, test=600),
                depths=(1,),
                losses=("square",),
                shares=(0.125, 0.5, 1.0),
                seeds=8,
                kernel_examples=50,
            )
        }


def _repeated(network: Architecture) -> bool:
    """Whether there is one hidden layer, which can be repeated."""
    return isinstance(network, MLP) and len(network.widths) == 1


def _hidden(network: Architecture) -> int:
    """Hidden layers of an MLP; 0 for others."""
    return len(network.widths) if isinstance(network, MLP) else 0


class LinearRegime(Study):
    claim = "linear-regime"
    statement = "As networks get large the parameters move little and the linear approximation is good."
    question = (
        "Train networks of growing width. Do their parameters, their tangent kernel and their distance from the "
        "linear approximation change less and less, and how fast?"
    )
    method = (
        "One architecture is trained at several widths, from random parameters θ₀ to θ_T, by gradient descent on all training "
        "examples. The claim is asked for each loss and each number of hidden layers.",
        "The linearisation F(x) = f(x, θ₀) + Δθ·df/dθ(x, θ₀) is trained with the same loss, step size, momentum and "
        "number of steps. With the square loss this is done in closed form along the eigenfunctions of the tangent kernel "
        "[Jacot et al. 2018] [Lee et al. 2019], and with cross-entropy step by step in function space. Unless the plan says "
        "otherwise, the random function is subtracted on both sides. So every network starts from zero and has the same to "
        "learn.",
        "The square loss is trained for a fixed number of steps, after which both sides must have converged. Cross-entropy on "
        "data that can be separated has no minimum: outputs grow for ever, and every network leaves every linear model in the "
        "end. So it is trained until a stated share of the loss is left, and both sides are compared at that step.",
        "Each width has three measures. Motion is ‖θ_T − θ₀‖/‖θ₀‖. Drift of the tangent kernel is 1 − CKA, one minus "
        "the centred alignment of the kernels at the start and at the end [Cortes et al. 2012] [Kornblith et al. "
        "2019]. Distance is the root mean square of f_T − F_T over test examples, relative to that of f_T − f₀, the "
        "change that training made.",
        "Each measure is fitted with width to the power −α, seed by seed. The 95 % interval of the exponent is "
        "Student's over seeds. In the standard and the NTK parameterisation the claim asks two things. At the widest "
        "network, distance must be below a tenth of training's change, drift below a tenth, and motion below a tenth: this "
        "is what “good” and “little” mean. And every measure must fall with an exponent above `least`.",
        "Step sizes are relative to the inverse of the largest curvature of the loss at θ₀, so training is equally "
        "fast at every width. That step size falls about as 1/width in the standard parameterisation. In the other "
        "two it hardly depends on width.",
        "The control is μP, which learns features at every width [Yang & Hu 2021]; with one hidden layer it is the "
        "mean-field limit [Mei et al. 2018]. Its read-out starts at zero [Yang et al. 2022], because a random one "
        "has noise that vanishes only as width grows. μP must not become linear: its distance at the widest network "
        "must be above a fifth, and must not fall with an exponent above `least`. Where that is not shown, these widths cannot "
        "tell a network that becomes linear from one that does not, and the claim is undecided. The exponent of its drift "
        "is a side question.",
        "Motion is no control. With several hidden layers ‖θ_T − θ₀‖/‖θ₀‖ falls under μP too: ‖θ₀‖ grows with width, "
        "and the motion that changes features does not. Small motion alone says nothing about linearity.",
    )
    arms = (
        Arm("standard", "Variances in the draw: weights of order 1/√width.", "The claim."),
        Arm(
            "NTK",
            "Parameters of order one, with factors in front of them.",
            "The claim, where theory proves the limit.",
        ),
        Arm(
            "μP",
            "The parameterisation that learns features at every width, with a read-out that starts at zero.",
            "The control, which must not become linear.",
        ),
    )
    redraws = "A seed draws the split and the networks of all widths."
    sources = (
        JACOT_2018,
        LEE_2019,
        Source(
            "Yang & Hu 2021",
            "G. Yang, E. J. Hu. Tensor Programs IV: Feature Learning in Infinite-Width Neural Networks. ICML 2021.",
            "https://arxiv.org/abs/2011.14522",
        ),
        YANG_2022,
        Source(
            "Mei et al. 2018",
            "S. Mei, A. Montanari, P.-M. Nguyen. A Mean Field View of the Landscape of Two-Layer Neural Networks. PNAS 115.",
            "https://arxiv.org/abs/1804.06561",
        ),
        Source(
            "Cortes et al. 2012",
            "C. Cortes, M. Mohri, A. Rostamizadeh. Algorithms for Learning Kernels Based on Centered Alignment. JMLR 13.",
            "https://arxiv.org/abs/1203.0550",
        ),
        Source(
            "Kornblith et al. 2019",
            "S. Kornblith, M. Norouzi, H. Lee, G. Hinton. Similarity of Neural Network Representations Revisited. ICML 2019.",
            "https://arxiv.org/abs/1905.00414",
        ),
    )
    needs = ("widths",)
    plan_type = LinearRegimePlan

    def remarks(self, plan: LinearRegimePlan) -> tuple[str, ...]:
        if not plan.one_start:
            return ()
        return (
            "The parameters of a file are of one width and one parameterisation. So other widths, their exponents and the "
            "control, μP, are left out, and the verdict is about this start alone.",
        )

    def asked(self, plan: LinearRegimePlan) -> Agenda:
        terms = _terms(plan)
        return Agenda(formula.whole_rule(terms), formula.formula(terms), formula.side_questions(terms))

    def cells(self, plan: LinearRegimePlan) -> tuple[Cell, ...]:
        return tuple(
            Cell(
                f"{at.loss}-depth{at.depth}-{name}",
                {**at.where(), "parameterisation": name},
                float(max(at.depth, 1)),
                f"{at.title}, {formula.TITLES[name]} parameterisation",
                seed_numbers(plan),
            )
            for at in plan.settings()
            for name in plan.compared
        )

    def brief(self, plan: LinearRegimePlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        widths = tables["widths"]
        if plan.one_start:
            return f"drift {widths['drift'][0]:.2g}, distance {widths['distance'][0]:.2g}"
        first, last = int(np.argmin(widths["width"])), int(np.argmax(widths["width"]))
        said = [f"{widths[c][first]:.2g} to {widths[c][last]:.2g}" for c in ("drift", "distance")]
        halved = int(np.sum(widths["halvings"] > 0))
        note = (
            f"; training diverged at {plural(halved, 'width')}, and was repeated with half the step size"
            if halved
            else ""
        )
        return f"from the narrowest to the widest, drift {said[0]}, distance {said[1]}{note}"

    def conclude(
        self, plan: LinearRegimePlan, tables: Mapping[str, Table], levels: Levels = USUAL
    ) -> Evidence:
        found = super().conclude(plan, tables, levels)
        if plan.one_start:
            return found
        complete = self._complete(plan, tables) if "widths" in tables else {}
        fits = [
            _fit_row(tables["widths"], at, name, measure)
            for at, names in complete.items()
            for name in names
            for measure in formula.MEASURES
        ]
        more = {"fits": Table.from_rows("fits", fits)} if fits else {}
        return replace(found, tables={**found.tables, **more})

    def verdicts(
        self, plan: LinearRegimePlan, tables: Mapping[str, Table], levels: Levels
    ) -> Sequence[Verdict]:
        return formula.verdicts(_terms(plan), self._complete(plan, tables), tables, levels)

    @staticmethod
    def _complete(
        plan: LinearRegimePlan, tables: Mapping[str, Table]
    ) -> dict[formula.Setting, tuple[str, ...]]:
        """The parameterisations of each setting that have been run."""
        rows = tables["widths"]
        return {
            at: tuple(name for name in plan.compared if len(at.rows(rows, name))) for at in plan.settings()
        }


def _terms(plan: LinearRegimePlan) -> formula.Terms:
    return formula.Terms(plan.compared, plan.settings(), plan.least, plan.reached)


def _fit_row(rows: Table, at: formula.Setting, parameterisation: str, measure: str) -> dict[str, object]:
    law = formula.fitted(at.rows(rows, parameterisation), measure)
    low, high = law.exponent.interval()
    return {
        **at.where(),
        "parameterisation": parameterisation,
        "measure": measure,
        "exponent": law.exponent.mean,
        "low": low,
        "high": high,
        "level": law.level,
        "misfit": law.misfit,
    }
