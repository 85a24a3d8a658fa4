"""The claim that usefulness appears neither in one unit nor in a read-out of one layer, but in the tangent space of all layers.

A cell is one seed. The questions and their rules are in `formula`; `cell` computes one cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ticketlab.claims import plan_checks
from ticketlab.claims.ladder import formula
from ticketlab.claims.literature import ALAIN_BENGIO_2016, CAMERON_2011, JACOT_2018, RAMANUJAN_2020
from ticketlab.claims.study import Cell, Study
from ticketlab.evidence.arm import Arm
from ticketlab.evidence.tables import Table
from ticketlab.laws.agenda import Agenda
from ticketlab.laws.rules import Levels
from ticketlab.laws.verdict import Verdict
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.architectures import MLP
from ticketlab.tasks.sources import Digits, TaskSource

__all__ = ["Ladder", "LadderPlan"]


@dataclass(frozen=True)
class LadderPlan:
    """At which rung, from one unit to the trained network, does a random network become useful?

    Arguments:
        task: data with classes, split anew for each seed.
        network: with at least one hidden layer, drawn anew for each seed.
        seeds: how many draws of split, network and data order; a verdict needs at least 2.
        first_seed: the number of the first seed; others draw other networks for the same question.
        margin: the difference in test score to the trained network that still counts as enough (0.02: two points).
        penalties: candidates for the ridge of read-outs of standardised features.
        ridges: candidates for the ridge of tangent-space minima, relative to the mean diagonal of the kernel.
        step_sizes: of training, relative to the inverse of the loss's largest curvature at θ₀.
        momentum: of training.
        batch: examples in a step, of training and of the search for a mask.
        epochs: of training at first.
        doublings: how often the epochs may be doubled, until training has come to its end.
        densities: fractions of weights that an untrained mask may keep; of three or more, the chosen one has to lie inside.
        search_sizes: step sizes of Adam in the search for a mask.
        search_steps: steps of that search; step sizes fall to zero along half a cosine.
        extensions: how often every grid may be extended, until the choice lies inside.
        tolerance: on the relative duality gap of tangent-space minima.
    """

    task: TaskSource = Digits(train=300, validation=297, test=1200)
    network: Architecture = MLP(widths=(128, 128))
    seeds: int = field(default=12, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    margin: float = field(default=0.02, metadata={"cells": False})
    penalties: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
    ridges: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    step_sizes: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
    momentum: float = 0.9
    batch: int = 60
    epochs: int = 120
    doublings: int = 4
    densities: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)
    search_sizes: tuple[float, ...] = (0.003, 0.01, 0.03)
    search_steps: int = 500
    extensions: int = 3
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.drawn_at_random(self.network, "compares with random networks of infinite width")
        plan_checks.margin_inside(self.margin)
        plan_checks.different(self, "penalties", "ridges", "step_sizes", "search_sizes")
        plan_checks.momentum_below_one(self.momentum)
        plan_checks.kept_fraction(*self.densities)
        plan_checks.each_once(self, "densities", some=True)
        plan_checks.at_least(self, 1, "batch", "epochs")
        plan_checks.at_least(self, 2, "search_steps")
        plan_checks.at_least(self, 0, "doublings", "extensions")
        plan_checks.fraction(self, "tolerance")

    @classmethod
    def presets(cls) -> dict[str, LadderPlan]:
        return {
            "quick": cls(
                task=Digits(train=150, validation=147, test=1500),
                network=MLP(widths=(64, 64)),
                seeds=4,
                densities=(0.5,),
            )
        }


def _arms() -> tuple[Arm, ...]:
    about = {
        formula.UNIT: (
            "The unit, of all layers, that classifies best by cutting its response into k intervals.",
            "The first rung.",
        ),
        formula.UNITS: (
            "For each class the unit with the AUC farthest from ½; these k units are read out linearly.",
            "A detector for each class.",
        ),
        formula.PROBE: (
            "Ridge regression on the features of one hidden layer; validation chooses the layer.",
            "Whether a linear combination of a layer's units is enough.",
        ),
        formula.PROBES: ("The same on all hidden layers together.", "Whether several layers add to it."),
        formula.LAYER: (
            "The tangent-space minimum where only one layer's parameters move; validation chooses the layer.",
            "Whether one layer's tangent space is enough.",
        ),
        formula.HIDDEN: ("The same where all layers but the read-out move.", "What the read-out adds."),
        formula.TANGENT: ("The tangent-space minimum where all parameters move.", "The claim."),
        formula.MASK: (
            "Edge-popup over the weights as drawn; validation chooses density and step size.",
            "What a choice among weights does, without changing one.",
        ),
        formula.TRAINED: ("The same network, trained to its end.", "The standard."),
        formula.LOGISTIC: (
            "Logistic regression on the features of one hidden layer; validation chooses the layer.",
            "Whether another linear combination is enough.",
        ),
        formula.LOGISTICS: ("The same on all hidden layers together.", "Another read-out."),
        formula.NNGP: (
            "Regression with the kernel of infinitely wide networks whose read-out alone is trained.",
            "A read-out of infinitely many units.",
        ),
        formula.NTK: (
            "The same with the tangent kernel of infinitely wide networks.",
            "The tangent space of infinitely many parameters.",
        ),
    }
    controls = Arm(
        "controls",
        "The same fit, or a ridge read-out with equally many parameters, on random projections of the input.",
        "Whether a rung owes its score to the network, or to its number of parameters.",
    )
    return (*(Arm(formula.NAMES[key], *of) for key, of in about.items()), controls)


class Ladder(Study):
    claim = "ladder"
    statement = (
        "Neither one neuron of a random network nor a linear combination of a layer's neurons is enough; the tangent space of "
        "all layers is."
    )
    question = (
        "Climb from one unit of a random network to the network trained. At which rung is the test score that of the trained "
        "network, and better than that of equally many parameters on random projections of the input?"
    )
    method = (
        "All rungs use one random network and one split a seed. One unit classifies by k intervals of its response, found by a "
        "tree of k leaves. A unit for each class is chosen by its AUC on training data. A channel of a convolution counts as two "
        "units, its spatial maximum and its spatial mean. Linear read-outs [Alain & Bengio 2016] are ridge "
        "regressions on one-hot labels.",
        "The tangent space at θ₀ is the set of functions f(x, θ₀) + Δθ·df/dθ(x, θ₀) [Jacot et al. 2018]. Its minimum of the "
        "square loss is exact and carries a certificate. A layer's tangent space lets only that layer's parameters move. "
        "Validation chooses the ridge, and whether f(x, θ₀) is kept or centred away; for training it chooses that, too.",
        "The untrained mask keeps some weights exactly as drawn [Ramanujan et al. 2020]. Training minimises the square loss by "
        "minibatches with momentum, and validation chooses the epoch.",
        "Every setting is chosen on the same validation examples. A grid is extended while its best value lies at an edge. "
        "Training goes on until its highest validation score lies inside the run, and its lowest validation loss too. It is "
        "enough if the second half of the run lowered that loss by less than a tenth.",
        "Next to the ladder are logistic read-outs, and regression with the two kernels of infinite width [Jacot et al. 2018]. "
        "The claim asks about the logistic read-out of the best layer too. The control of the kernels is a Gaussian kernel of "
        "the input, the limit of infinitely many random features. Validation chooses its width.",
        "The control of a rung has equally many parameters: for P parameters and k classes, a ridge read-out of P/k − 1 random "
        "projections of the input, linear or rectified. Rungs that choose among units choose among equally many projections. "
        "For the mask, P is the number of weights, each of which takes one bit.",
        "Differences are paired by seed and test example. Their intervals count both sources of chance [Cameron et al. 2011].",
    )
    arms = _arms()
    redraws = "A seed draws the split, the network, the data orders, the scores of the mask and the random projections."
    sources = (
        JACOT_2018,
        RAMANUJAN_2020,
        ALAIN_BENGIO_2016,
        CAMERON_2011,
    )
    plan_type = LadderPlan
    cell = "rungs", "all rungs"

    def asked(self, plan: LadderPlan) -> Agenda:
        return Agenda(formula.RULE, formula.formula(plan.margin), formula.side_questions(plan.margin))

    def brief(self, plan: LadderPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        rungs = tables["rungs"]
        score = dict(zip(rungs["rung"].tolist(), rungs["test_score"].tolist(), strict=True))
        shown = {
            "unit": formula.UNIT,
            "layer": formula.PROBE,
            "tangent space": formula.TANGENT,
            "mask": formula.MASK,
        }
        said = ", ".join(f"{name} {score[key]:.3f}" for name, key in shown.items())
        return f"test score: {said}, trained {score[formula.TRAINED]:.3f}"

    def verdicts(self, plan: LadderPlan, tables: Mapping[str, Table], levels: Levels) -> Sequence[Verdict]:
        return formula.verdicts(plan.margin, tables, levels)
