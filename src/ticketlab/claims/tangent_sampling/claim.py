"""The claim that the law over functions that training reaches is that of tangent-space solutions over random starts.

A cell is one seed: one training set S. The questions and their rules are in `formula`; `cell` computes one cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ticketlab.claims import plan_checks
from ticketlab.claims.literature import HE_2020, JACOT_2018, LEE_2019, SCHUIRMANN_1987
from ticketlab.claims.random_pick.claim import Binary
from ticketlab.claims.study import Cell, Study
from ticketlab.claims.tangent_sampling import formula
from ticketlab.errors import UserError
from ticketlab.evidence.arm import Arm
from ticketlab.evidence.source import Source
from ticketlab.evidence.tables import Table
from ticketlab.laws.agenda import Agenda
from ticketlab.laws.rules import Levels
from ticketlab.laws.verdict import Verdict
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.architectures import MLP
from ticketlab.networks.initialisation import Family, Initialisation
from ticketlab.tasks.sources import Boolean, TaskSource

__all__ = ["CHUNK", "TangentSampling", "TangentSamplingPlan"]

CHUNK = 1024
MOST = {"loss": 0.05, "ridge": 1e-3}  # half of a squared error on targets of ±1, and relative


@dataclass(frozen=True)
class TangentSamplingPlan:
    """Does training reach functions with the probabilities that tangent-space solutions have?

    Arguments:
        task: classes, made binary; its training part is S, and functions are compared on its test part.
        binary: how classes are grouped in two.
        network: with one output.
        seeds: how many draws of S; a verdict needs at least 2.
        first_seed: the number of the first seed; others draw other training sets for the same question.
        runs: of training, each from its own θ₀ with its own data order, a multiple of 1 024.
        draws: tangent-space solutions, over random starts and along null spaces, a multiple of 1 024.
        nulls: starts whose null spaces are drawn from; each has its share of the draws.
        levels: starts, and data orders or null-space draws, of the split of variance: a network for each pair.
        members: networks in an ensemble.
        loss: the mean training loss (half a squared error) at which a run ends; at most 0.05.
        steps: the most steps of a run.
        batch: examples in a step.
        step_share: the step size as a share of the largest stable one of a random network.
        ridge: of the tangent-space solutions, relative to the mean diagonal of the kernel: small, because the law is that of
            exact fits.
    """

    task: TaskSource = Boolean(target="first", train=16, validation=102, test=10)
    binary: Binary = Binary.HALVES
    network: Architecture = MLP(widths=(40, 40), initialisation=Initialisation(Family.LECUN, sigma_b=1.0))
    seeds: int = field(default=5, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    runs: int = 2048
    draws: int = 8192
    nulls: int = 8
    levels: int = 32
    members: int = 8
    loss: float = 0.01
    steps: int = 20_000
    batch: int = 8
    step_share: float = 0.2
    ridge: float = 1e-6

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.drawn_at_random(self.network, "asks for the law of functions over random starts")
        plan_checks.multiple_of(self, CHUNK, "runs", "draws")
        if self.nulls < 1 or self.draws % (self.nulls * CHUNK):
            raise UserError(
                f"{self.nulls} null spaces for {self.draws} draws", f"equal shares of a multiple of {CHUNK}"
            )
        plan_checks.at_least(self, 2, "levels", "members")
        plan_checks.at_least(self, 1, "steps", "batch")
        plan_checks.positive(self, "loss", "step_share", "ridge")
        for name, most in MOST.items():
            if getattr(self, name) > most:
                raise UserError(
                    f"{name}={getattr(self, name):g}",
                    f"at most {most:g}",
                    "With a larger one functions are compared that do not fit the training examples.",
                )

    @classmethod
    def presets(cls) -> dict[str, TangentSamplingPlan]:
        return {"quick": cls(seeds=2, runs=CHUNK, draws=4 * CHUNK, nulls=4, levels=16)}


class TangentSampling(Study):
    claim = "tangent-sampling"
    statement = (
        "The law over functions that training reaches is that of tangent-space solutions over random starts."
    )
    question = (
        "Networks are trained thousands of times on the same examples. Do they reach functions with the probabilities of "
        "networks that stay linear in their parameters? And does chance come from the start, the data order, or directions "
        "that the data leave free?"
    )
    method = (
        "A function is the string of its labels on held-out examples. Training minimises the square loss with targets −1 and 1, "
        "and ends where the training loss is small. A tangent-space solution is linear in the parameters at its θ₀, and fits the "
        "training examples exactly with the smallest change from there: it is where gradient flow takes the linear model "
        "[Jacot et al. 2018] [Lee et al. 2019].",
        "Two laws of tangent-space solutions are drawn. In the first each has a θ₀ of its own. In the second all have one θ₀, "
        "and their change starts from a random one, with the law of the initialisation: what lies in the null space of the "
        "training examples stays (sample, then optimise) [Matthews et al. 2017] [He et al. 2020].",
        "Total variation is estimated twice. A set of functions that one half of the draws chooses and the other half measures "
        "gives a value whose mean is at most the truth. The plug-in value has a mean that is at least the truth. The lower bound "
        "of the first and the upper bound of the second decide. The same numbers between two halves of the trained networks show "
        "what chance alone makes.",
        "Variance is split by training a network for each pair of a start and a data order, and by solving for each pair of a "
        "start and a draw from the null space: variance components of a two-way classification, of labels on held-out examples.",
        "One number a seed, with Student's interval. Equal mean errors are tested by two one-sided tests [Schuirmann 1987].",
    )
    arms = (
        Arm("trained networks", "Each from its own θ₀, with its own data order.", "The claim."),
        Arm(formula.TITLES[formula.STARTS], "Exact fits, linear at a θ₀ of their own.", "The claim."),
        Arm(formula.TITLES[formula.NULL], "Exact fits, linear at one θ₀.", "Whether one start is enough."),
        Arm(formula.TITLES[formula.HALVES], "Two halves of one sampler.", "The ceiling."),
        Arm(
            formula.TITLES[formula.ENSEMBLES],
            "The sign of mean outputs, of trained networks and of tangent solutions.",
            "Whether what remains of chance in deep ensembles agrees.",
        ),
    )
    redraws = "A seed draws the training set, the held-out set, the networks, the data orders and the null-space directions."
    sources = (
        JACOT_2018,
        LEE_2019,
        Source(
            "Matthews et al. 2017",
            "A. G. de G. Matthews, J. Hron, R. E. Turner, Z. Ghahramani. Sample-then-optimize posterior sampling for Bayesian "
            "linear models. NeurIPS workshop on Advances in Approximate Bayesian Inference.",
        ),
        HE_2020,
        SCHUIRMANN_1987,
    )
    needs = ("laws", "variance")
    plan_type = TangentSamplingPlan
    cell = "functions", "functions"

    def asked(self, plan: TangentSamplingPlan) -> Agenda:
        return Agenda(formula.RULE, formula.formula(), formula.side_questions())

    def brief(self, plan: TangentSamplingPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        laws = tables["laws"]
        found = [
            (name, *(float(laws.where(comparison=name)[column][0]) for column in ("tv_low", "tv_high")))
            for name in (formula.STARTS, formula.NULL)
        ]
        return "total variation: " + ", ".join(f"{name} {low:.2f}–{high:.2f}" for name, low, high in found)

    def verdicts(
        self, plan: TangentSamplingPlan, tables: Mapping[str, Table], levels: Levels
    ) -> Sequence[Verdict]:
        return formula.verdicts(tables, levels)
