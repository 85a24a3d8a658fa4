"""The claim that training picks one of the fitting functions at random, with the probability that random networks give it.

A cell is one seed: one training set S. The questions and their rules are in `formula`; `cell` computes one cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ticketlab.claims import plan_checks
from ticketlab.claims.literature import SCHUIRMANN_1987
from ticketlab.claims.random_pick import formula
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
from ticketlab.networks.initialisation import Family, Initialisation
from ticketlab.tasks.sources import Boolean, TaskSource

__all__ = ["Binary", "RandomPick", "RandomPickPlan"]

DRAWS, WIDTH_DRAWS, FEWER = 1024, 512, 128


class Binary(StrEnum):
    """Two groups of classes: the later half against the earlier, or odd numbers against even."""

    HALVES = "halves"
    PARITY = "parity"


@dataclass(frozen=True)
class RandomPickPlan:
    """Does training pick a function with the probability that random networks which fit give it?

    Arguments:
        task: classes, made binary; its training part is S, and functions are compared on its test part.
        binary: how classes are grouped in two.
        network: with a limit of infinite width, and one output.
        arms: ways of training: SGD with the square or the logistic loss, Adam, or SGD with all examples in each step; "momentum"
            and "single" (one example in each step) may be added.
        seeds: how many draws of S; a verdict needs at least 2.
        first_seed: the number of the first seed; others draw other training sets for the same question.
        runs: of each way of training, a multiple of 128.
        draws: of functions from the Gaussian posterior, a multiple of 1 024.
        width_draws: of functions of random networks of the trained width, a multiple of 512; 0: that law is not measured.
        shuffles: permutations of the training labels, each with a 128th of the runs.
        steps: the most steps of a run.
        batch: examples in a step.
        step_share: the step size of SGD as a share of the largest stable one of a random network; divided by ten with momentum,
            which then moves as far.
        adam_step_size: that of Adam.
    """

    task: TaskSource = Boolean(target="first", train=32, validation=80, test=16)
    binary: Binary = Binary.HALVES
    network: Architecture = MLP(widths=(40, 40), initialisation=Initialisation(Family.LECUN, sigma_b=1.0))
    arms: tuple[formula.Trained, ...] = formula.ARMS
    seeds: int = field(default=5, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    runs: int = 4096
    draws: int = 16_384
    width_draws: int = 4096
    shuffles: int = 64
    steps: int = 20_000
    batch: int = 8
    step_share: float = 0.2
    adam_step_size: float = 0.002

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.drawn_at_random(
            self.network, "compares training with random networks, over thousands of starts"
        )
        plan_checks.each_once(self, "arms", some=True)
        plan_checks.multiple_of(self, FEWER, "runs")
        plan_checks.multiple_of(self, DRAWS, "draws")
        if self.width_draws < 0 or self.width_draws % WIDTH_DRAWS:
            raise UserError(f"width_draws={self.width_draws}", f"0 or a multiple of {WIDTH_DRAWS}")
        plan_checks.at_least(self, 1, "steps", "batch", "shuffles")
        plan_checks.positive(self, "step_share", "adam_step_size")

    @classmethod
    def presets(cls) -> dict[str, RandomPickPlan]:
        return {"quick": cls(arms=("sgd", "logistic"), seeds=2, runs=2048, draws=16_384)}


class RandomPick(Study):
    claim = "random-pick"
    statement = "Training picks one of the functions that fit at random, with the probability that random networks give it."
    question = (
        "Networks are trained thousands of times on the same examples. Do they end on a function as often as random networks "
        "that fit these examples have that function?"
    )
    method = (
        "A function is the string of its labels on held-out examples. Its probability in training is the share of runs, from "
        "random starts, that end on it at the first evaluation where they fit the training examples. Its probability among "
        "random networks that fit is that of the Gaussian process of infinitely wide networks, given the signs on the training "
        "examples [Mingard et al. 2021]. It is drawn by paths that are reflected where a sign would change, which are exact for "
        "this zero–one likelihood [Pakman & Paninski 2014].",
        "The law of the initialisation is the same for both, biases included. The width is not: training has the plan's own. So "
        "random networks of that width that fit are drawn too, by elliptical slices of their weights [Murray et al. 2010]. Their "
        "total variation from infinite width has to be small. A difference counts only if training differs from both.",
        "Total variation is estimated twice. A set of functions that one half of the draws chooses and the other half measures "
        "gives a value whose mean is at most the truth. The plug-in value has a mean that is at least the truth. The lower bound "
        "of the first and the upper bound of the second decide. The first is measured from both widths, and the smaller value "
        "counts.",
        "Slope, scatter and correlation come from a fit in which both counts are Poisson and functions that one sampler missed "
        "are kept. The mass of functions that were never drawn follows from those drawn once [Good 1953].",
        "Four controls keep a verdict back. The first way of training is repeated on permuted labels, where nothing may be "
        "learnt. The law of random networks is compared with that of the trained width; with the law that has the same errors, "
        "in which functions with equally many errors are equally probable; and with itself, half against half.",
        "One number a seed, with Student's interval. Equal mean errors are tested by two one-sided tests [Schuirmann 1987].",
    )
    arms = (
        Arm(
            formula.BAYES,
            "Functions of infinitely wide random networks with the right signs on the training examples.",
            "The claim.",
        ),
        *(Arm(title, "Training runs until they fit.", "The claim.") for title in formula.TITLES.values()),
        Arm(
            formula.SHUFFLED,
            "The first way of training, with the training labels permuted.",
            "Whether held-out labels leak, and whether the law is flatter where nothing can be learnt.",
        ),
        Arm(
            formula.WIDTH,
            "Random networks of the trained width that fit.",
            "Whether a difference is that of width.",
        ),
        Arm(
            formula.UNIFORM,
            "The law with the same errors, in which functions with equally many errors are equally probable.",
            "Whether errors alone explain the law.",
        ),
    )
    redraws = "A seed draws the training set, the held-out set, the networks, the data orders and the chains."
    sources = (
        Source(
            "Mingard et al. 2021",
            "C. Mingard, G. Valle-Pérez, J. Skalse, A. A. Louis. Is SGD a Bayesian sampler? Well, almost. Journal of Machine "
            "Learning Research 22(79).",
            "https://arxiv.org/abs/2006.15191",
        ),
        Source(
            "Pakman & Paninski 2014",
            "A. Pakman, L. Paninski. Exact Hamiltonian Monte Carlo for truncated multivariate Gaussians. Journal of "
            "Computational and Graphical Statistics 23(2).",
            "https://arxiv.org/abs/1208.4118",
        ),
        Source(
            "Murray et al. 2010",
            "I. Murray, R. P. Adams, D. J. C. MacKay. Elliptical slice sampling. AISTATS 2010.",
            "https://arxiv.org/abs/1001.0175",
        ),
        Source(
            "Good 1953",
            "I. J. Good. The population frequencies of species and the estimation of population parameters. Biometrika 40.",
        ),
        SCHUIRMANN_1987,
    )
    needs = ("laws",)
    plan_type = RandomPickPlan
    cell = "functions", "functions"

    def asked(self, plan: RandomPickPlan) -> Agenda:
        return Agenda(formula.RULE, formula.formula(plan.arms), formula.side_questions(plan.arms))

    def brief(self, plan: RandomPickPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        laws = tables["laws"]
        found = (
            (
                formula.TITLES[arm],
                *(float(laws.where(training=arm)[column][0]) for column in ("tv_low", "tv_high")),
            )
            for arm in plan.arms
        )
        return "total variation: " + ", ".join(f"{title} {low:.2f}–{high:.2f}" for title, low, high in found)

    def verdicts(
        self, plan: RandomPickPlan, tables: Mapping[str, Table], levels: Levels
    ) -> Sequence[Verdict]:
        return formula.verdicts(tables, plan.arms, levels)
