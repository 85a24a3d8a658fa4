"""The claim that a random network contains any target, and need only be logarithmically wider.

A cell is one seed. The questions and their rules are in `formula`; `cell` computes one cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ticketlab.claims import plan_checks
from ticketlab.claims.existence_bounds import formula
from ticketlab.claims.literature import BERGER_1982, CAMERON_2011
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

__all__ = ["ExistenceBounds", "ExistenceBoundsPlan"]

MOST = 40  # products that a search meets in the middle


@dataclass(frozen=True)
class ExistenceBoundsPlan:
    """Does a random network contain a trained one, and how much larger has it to be?

    Arguments:
        task: the data that the target learns, split anew for each seed.
        network: the target: dense layers or convolutions with ReLU.
        seeds: how many draws of split, target and random networks; a verdict needs at least 2.
        first_seed: the number of the first seed; others draw other networks for the same question.
        tolerance: ε, the error allowed of a weight, as a fraction of the largest weight of its layer.
        count: hidden units drawn for each input, where a network is constructed; about half are usable.
        tolerances: values of ε for failure rates and growth.
        counts: units drawn for each input, for failure rates.
        left: δ, the share of weights that may be left unwritten where growth is measured.
        weights: how many weights of the target are sampled for rates and growth.
        margin: the difference in test score that counts as equal (0.01: one percentage point of accuracy).
        bits: of the multigraph.
        inputs: compared with the target in each check, those of the attack included.
        others: whether to construct the other kinds as well, some far larger than the target.
        steps: of the target's training.
        fitting_steps: of the training on permuted labels.
        batch: examples in a step.
        optimiser: of both.
    """

    task: TaskSource = Digits(train=800, validation=300, test=697)
    network: Architecture = MLP(widths=(64,))
    seeds: int = field(default=5, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    tolerance: float = 0.01
    count: int = 32
    tolerances: tuple[float, ...] = (0.1, 0.03, 0.01, 0.003, 0.001)
    counts: tuple[int, ...] = (8, 12, 16, 20, 24, 32)
    left: float = 0.1
    weights: int = 2000
    margin: float = field(default=0.01, metadata={"cells": False})
    bits: int = 8
    inputs: int = 10_000
    others: bool = True
    steps: int = 1500
    fitting_steps: int = 6000
    batch: int = 60
    optimiser: Optimiser = Adam()

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.drawn_at_random(self.network, "asks what is in a random network")
        plan_checks.margin_inside(self.margin)
        plan_checks.different(self, "tolerances", "counts")
        for value in (self.tolerance, *self.tolerances, self.left):
            if not 0 < value < 1:
                raise UserError(f"tolerance or share {value:g}", "a fraction between 0 and 1")
        if len(self.tolerances) < 3:
            raise UserError(f"tolerances {self.tolerances}", "at least three, to tell how products grow")
        if formula.allowed(self.tolerance) > MOST:
            raise UserError(
                f"tolerance={self.tolerance:g}, which allows {formula.allowed(self.tolerance)} products",
                f"a tolerance of at least {2 ** (-MOST / 4):.2g}, which allows {MOST}",
            )
        plan_checks.at_least(self, 1, "count", "weights", "inputs", "steps", "fitting_steps", "batch")
        if not 1 <= self.bits <= 24:
            raise UserError(f"bits={self.bits}", "1 to 24")

    @classmethod
    def presets(cls) -> dict[str, ExistenceBoundsPlan]:
        return {
            "quick": cls(
                task=Digits(train=500, validation=300, test=900),
                network=MLP(widths=(32,)),
                seeds=3,
                counts=(8, 16, 24),
                inputs=4000,
                others=False,
                steps=1000,
                fitting_steps=8000,
            )
        }


class ExistenceBounds(Study):
    claim = "existence-bounds"
    statement = (
        "A random network that is only logarithmically wider, and twice as deep, contains any target network."
    )
    question = (
        "Find the mask that makes a random network a trained one. How many random products does a weight need, how does their "
        "number grow as the error falls, and what does it say about learning that the mask exists?"
    )
    method = (
        "Between two layers of the target, the random network has n units for each input, of which the mask keeps one arriving "
        "weight. A weight of the target is then a sum of those products uv that the mask keeps. The closest of all subsets is "
        "found exactly, by meeting in the middle [Pensia et al. 2020; Malach et al. 2020].",
        "A weight fails if no sum is within ε, a fraction of the largest weight of its layer. The curve for the failure rate "
        "comes from the saddlepoint density of the sums, and has no fitted constant. A check needs no approximation: each pool "
        "of products is tried with the target of another weight of its input, which has the same law.",
        "n_δ is the number of products that leave a share δ of the weights unwritten. It is measured over weights larger than "
        "the largest ε. Next to it are a logarithm and a power of 1/ε with the same ends; which of them is nearer decides. The "
        "older construction, one product for each weight, is measured alike [Malach et al. 2020].",
        "Weights that fail get fresh units until none fails. The weights of the random network are drawn again and compared bit "
        "by bit. Under its mask it is compared with its target on test examples, on random inputs and on inputs that gradient "
        "ascent finds. A certificate from measured spectral norms bounds the difference in the whole ball.",
        "Other constructions are next to it: digits of the golden ratio [Orseau et al. 2020], one more layer, He's law, and the "
        "multigraph. A convolution of the target becomes a 1 × 1 convolution and one of its own window [da Cunha et al. 2022].",
        "Two targets are controls: a network that has fitted permuted labels, and the trained one with the weights of each layer "
        "shuffled. A random mask keeps equally many weights of each array.",
        "Numbers of products are one number a seed, with Student's interval. Test scores are paired by example, and their "
        "intervals count both sources of chance [Cameron et al. 2011]. The claim needs all its statements [Berger 1982].",
    )
    arms = (
        Arm(formula.TARGET, "The trained network.", "What the random network should contain."),
        Arm(formula.SUBSET, "The random network under the mask that was searched for.", "The claim."),
        Arm(
            formula.RANDOM,
            "The same network with equally many random weights in each array.",
            "Whether any mask does.",
        ),
        Arm(
            formula.PERMUTED,
            "A target that has fitted permuted labels.",
            "Whether the mask says anything about learning.",
        ),
        Arm(
            formula.SHUFFLED,
            "The trained target, with the weights of each layer shuffled.",
            "Whether the weights' place matters.",
        ),
        Arm(formula.PICK, "One product for each weight.", "The earlier bound, which is polynomial."),
    )
    redraws = (
        "A seed draws the split, the targets, the data order, the permuted labels, and all random networks."
    )
    sources = (
        Source(
            "Malach et al. 2020",
            "E. Malach, G. Yehudai, S. Shalev-Shwartz, O. Shamir. Proving the Lottery Ticket Hypothesis: Pruning is All You "
            "Need. ICML 2020.",
            "https://arxiv.org/abs/2002.00585",
        ),
        Source(
            "Pensia et al. 2020",
            "A. Pensia, S. Rajput, A. Nagle, H. Vishwakarma, D. Papailiopoulos. Optimal Lottery Tickets via Subset Sum: "
            "Logarithmic Over-Parameterization is Sufficient. NeurIPS 2020.",
            "https://arxiv.org/abs/2006.07990",
        ),
        Source(
            "Orseau et al. 2020",
            "L. Orseau, M. Hutter, O. Rivasplata. Logarithmic Pruning is All You Need. NeurIPS 2020.",
            "https://arxiv.org/abs/2006.12156",
        ),
        Source(
            "da Cunha et al. 2022",
            "A. da Cunha, E. Natale, L. Viennot. Proving the Strong Lottery Ticket Hypothesis for Convolutional Neural Networks. "
            "ICLR 2022.",
            "https://arxiv.org/abs/2111.11146",
        ),
        CAMERON_2011,
        BERGER_1982,
    )
    needs = ("constructions",)
    plan_type = ExistenceBoundsPlan
    cell = "constructions", "all constructions"

    def asked(self, plan: ExistenceBoundsPlan) -> Agenda:
        return Agenda(
            formula.rule(plan.tolerance, plan.margin),
            formula.formula(plan.tolerance, plan.margin),
            formula.side_questions(plan.tolerances),
        )

    def brief(self, plan: ExistenceBoundsPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        growth = tables["growth"].where(search=formula.SUBSET)
        least, most = (growth["products"][at] for at in np.argsort(-growth["tolerance"])[[0, -1]])
        score = float(np.mean(tables["examples"][formula.SUBSET]))
        return f"{least:.1f} to {most:.1f} products a weight, masked network's test accuracy {score:.1%}"

    def verdicts(
        self, plan: ExistenceBoundsPlan, tables: Mapping[str, Table], levels: Levels
    ) -> Sequence[Verdict]:
        return formula.verdicts(tables, plan.tolerance, plan.margin, plan.tolerances, levels)
