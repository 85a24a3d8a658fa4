"""The claim that the tail of random units tells how fast the loss falls with size.

A cell is one pair of task and network. The questions and their rules are in `formula`; `cell` computes one seed of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ticketlab.claims import plan_checks
from ticketlab.claims.study import Cell, Study, seed_numbers
from ticketlab.claims.tail_exponent import formula
from ticketlab.errors import UserError
from ticketlab.evidence.arm import Arm
from ticketlab.evidence.source import Source
from ticketlab.evidence.tables import Table
from ticketlab.laws.agenda import Agenda
from ticketlab.laws.rules import Levels
from ticketlab.laws.verdict import Verdict
from ticketlab.tasks.sources import Boolean, Digits, TaskSource, Teacher

__all__ = ["Kind", "TailExponent", "TailExponentPlan"]

Kind: TypeAlias = Literal["ReLU", "tanh", "erf"]
TASKS: tuple[TaskSource, ...] = (
    Digits(train=500, validation=140, test=1157),
    *(Teacher(dimensions=d, train=1000, validation=500, test=2000) for d in (2, 3, 4, 8, 16)),
    Boolean(bits=12, target="majority", train=1000, validation=500, test=2500),
    Boolean(bits=12, target="random", leaves=24, train=1000, validation=500, test=2500),
)


@dataclass(frozen=True)
class TailExponentPlan:
    """Does the tail of random units predict the exponent with which the loss falls with size?

    Arguments:
        tasks: with one answer for each example; classes are regressed on as one-hot targets. A verdict needs at least 6,
            of different names.
        networks: the activations of the networks, which have one hidden layer.
        widths: of the networks, increasing; at least 5, over one and a half decades of parameters.
        tickets: random units of each pair, in a seed; 5 000 or more.
        seeds: how many draws of split, units and networks; a verdict needs at least 2.
        first_seed: the number of the first seed; others draw other units and networks for the same question.
        step_sizes: of Adam, tried for each network, increasing; at least 3. The grid extends itself.
        batch: examples in a step.
        steps: of every training.
        floor: E, the least possible loss as a share of the targets' variance.
    """

    tasks: tuple[TaskSource, ...] = TASKS
    networks: tuple[Kind, ...] = ("ReLU", "tanh")
    widths: tuple[int, ...] = (3, 8, 20, 50, 128)
    tickets: int = 20_000
    seeds: int = field(default=5, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    step_sizes: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    batch: int = 50
    steps: int = 2000
    floor: float = 0.0

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.each_once(self, "tasks", "networks", some=True)
        plan_checks.different(self, "step_sizes")
        plan_checks.at_least(self, 1, "batch")
        plan_checks.at_least(self, 40, "steps")
        plan_checks.at_least(self, 5000, "tickets")
        if len(self.widths) < 5 or list(self.widths) != sorted(set(self.widths)) or self.widths[0] < 1:
            raise UserError(f"widths {self.widths}", "at least 5, increasing")
        if 10 * self.widths[-1] > self.tickets:
            raise UserError(
                f"tickets={self.tickets} for a width of {self.widths[-1]}",
                "at least 10 times the largest width",
                "The best of as many units as the widest network has is estimated from them.",
            )
        if len(self.step_sizes) < 3 or list(self.step_sizes) != sorted(self.step_sizes):
            raise UserError(f"step_sizes {self.step_sizes}", "at least 3, increasing")
        if not 0 <= self.floor < 1:
            raise UserError(f"floor={self.floor}", "a share of the targets' variance, from 0 to below 1")

    @property
    def pairs(self) -> int:
        """How many pairs of task and network there are."""
        return len(self.tasks) * len(self.networks)

    @classmethod
    def presets(cls) -> dict[str, TailExponentPlan]:
        return {"quick": cls(networks=("ReLU",), tickets=5000, seeds=2, steps=600)}


class TailExponent(Study):
    claim = "tail-exponent"
    statement = "The tail of random units tells how fast the loss falls with size."
    question = (
        "A network of width w has w units. Suppose that its loss is that of the best one of them. Does the exponent with which "
        "the best of w falls predict that of trained networks, over many pairs of task and network?"
    )
    method = (
        "The loss of a unit is the share of the targets' variance that is left by its best gain and offset. On the scale "
        "X = −log(loss − floor) the best of n gains σ·log n if the tail of X is exponential with scale σ. The loss of the best "
        "then falls like n^(−σ). With P parameters the predicted exponent is α̂ = σ · dlog n/dlog P.",
        "The tail need not be exponential. So α̂ is the mean gain over the widths used: (B(n₊) − B(n₋)) / log(P₊/P₋), where "
        "B(n) is the expected best of n. With thousands of units drawn, B(n) is exact within the sample and needs no fit. The "
        "noise of the test set is taken out to first order by comparing halves of the test examples [Cook & Stefanski 1994].",
        "The measured exponent is (log L₋ − log L₊) / log(P₊/P₋) of networks with the same widths on the same test examples. "
        "Their loss is the share of the targets' variance that is left, minus the floor. Prediction and measurement thus have "
        "one scale, one range and one definition.",
        "Trained networks have one hidden layer and the square loss. For every network the step size of Adam is chosen on "
        "validation data, from a grid that extends itself, and so is the best step. Half of the steps, at the smallest and the "
        "largest width, tell whether more would change the exponent. Networks with random features keep their first layer and "
        "have a ridge read-out.",
        "Two things are asked of means over seeds. One is the rank correlation of predicted and measured exponents over the "
        "tasks of a network, averaged over networks by Fisher's z. So it does not count how networks differ. The other is the "
        "mean of |α̂ − α|/α over pairs. Networks on one task are alike, so that the tasks count as independent and the pairs do "
        "not: with T tasks z has a standard error of at least 1.06/√(T − 3) "
        "[Fieller, Hartley & Pearson 1957; Bonett & Wright 2000], to which the spread between halves of the seeds is added "
        "[Shao & Wu 1989].",
        "The prediction is expected to fail. A trained network combines its units and changes them. Random search in d "
        "dimensions has the exponent 2/d, and trained networks were found to have about 4/d [Sharma & Kaplan 2020].",
    )
    arms = (
        Arm("best unit", "The expected best of w random units.", "The prediction."),
        Arm("trained", "All weights are trained.", "The claim."),
        Arm("random features", "A ridge read-out of w random units.", "A side question."),
        Arm("permuted targets", "The same units, with the targets in another order.", "What chance gives."),
    )
    redraws = (
        "A seed draws the split, the halves, all units, the networks, the data order and the permutation."
    )
    sources = (
        Source(
            "Sharma & Kaplan 2020",
            "U. Sharma, J. Kaplan. A Neural Scaling Law from the Dimension of the Data Manifold.",
            "https://arxiv.org/abs/2004.10802",
        ),
        Source(
            "Cook & Stefanski 1994",
            "J. R. Cook, L. A. Stefanski. Simulation-extrapolation estimation in parametric measurement error models. JASA 89.",
        ),
        Source(
            "Fieller, Hartley & Pearson 1957",
            "E. C. Fieller, H. O. Hartley, E. S. Pearson. Tests for rank correlation coefficients I. Biometrika 44.",
        ),
        Source(
            "Bonett & Wright 2000",
            "D. G. Bonett, T. A. Wright. Sample size requirements for estimating Pearson, Kendall and Spearman correlations. "
            "Psychometrika 65.",
        ),
        Source(
            "Shao & Wu 1989",
            "J. Shao, C. F. J. Wu. A General Theory for Jackknife Variance Estimation. Annals of Statistics 17.",
        ),
    )
    needs = ("exponents",)
    plan_type = TailExponentPlan

    def asked(self, plan: TailExponentPlan) -> Agenda:
        return Agenda(formula.RULE, formula.formula(), formula.side_questions())

    def cells(self, plan: TailExponentPlan) -> tuple[Cell, ...]:
        return tuple(
            Cell(
                f"task{place}-{kind.lower()}",
                {"place": place, "network": kind},
                title=f"task {place + 1} of {len(plan.tasks)} with {kind}",
                seeds=seed_numbers(plan),
            )
            for place in range(len(plan.tasks))
            for kind in plan.networks
        )

    def brief(self, plan: TailExponentPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        row = next(iter(tables["exponents"].rows()))
        return (
            f"{row['task']}: predicted {row['predicted']:.3f}, random features {row['selected']:.3f}, trained "
            f"{row['trained']:.3f}"
        )

    def verdicts(
        self, plan: TailExponentPlan, tables: Mapping[str, Table], levels: Levels
    ) -> Sequence[Verdict]:
        if len(tables["exponents"].by("place", "network")) < plan.pairs:
            return ()  # everything is asked over all pairs
        return formula.verdicts(tables, levels)
