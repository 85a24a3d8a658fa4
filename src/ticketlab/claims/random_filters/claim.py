"""The claim that random convolution, rectification, local normalisation and pooling are almost as good as learned features.

A cell is one seed. The questions and their rules are in `formula`; `cell` computes one cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ticketlab.claims import plan_checks
from ticketlab.claims.literature import CAMERON_2011
from ticketlab.claims.random_filters import formula
from ticketlab.claims.study import Cell, Study
from ticketlab.errors import UserError
from ticketlab.evidence.arm import Arm
from ticketlab.evidence.source import Source
from ticketlab.evidence.tables import Table
from ticketlab.laws.agenda import Agenda
from ticketlab.laws.rules import Levels
from ticketlab.laws.verdict import Verdict
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.architectures import ConvNet
from ticketlab.tasks.sources import Digits, TaskSource
from ticketlab.training.optimisers import Adam, Optimiser

__all__ = ["RandomFilters", "RandomFiltersPlan"]


@dataclass(frozen=True)
class RandomFiltersPlan:
    """Are random filters almost as good as learned ones, once their responses are rectified, normalised and pooled?

    Arguments:
        task: images to classify, split anew for each seed.
        filters: of the first stage.
        second: filters of the second stage.
        width: of the filters in pixels.
        neighbourhood: of local contrast normalisation in pixels, odd.
        window: of pooling in pixels.
        network: a deep network whose first layers are frozen at random.
        frozen: how many first layers are frozen, besides none.
        copied: how many first layers are copied between two halves of the classes.
        seeds: how many draws of split, filters and data order; a verdict needs at least 2.
        first_seed: the number of the first seed; others draw other filters for the same question.
        margin: the difference in test score that counts as equal (0.02: two points).
        penalties: candidates for the ridge of the read-out, for standardised features.
        step_sizes: of the training of filters and of the network.
        optimiser: of both; its step size is not used.
        batch: examples in a step.
        epochs: of training at first.
        doublings: how often the epochs may be doubled, until training has come to its end.
        extensions: how often every grid may be extended, until the choice lies inside.
    """

    task: TaskSource = Digits(train=300, validation=297, test=1200)
    filters: int = 16
    second: int = 32
    width: int = 3
    neighbourhood: int = 3
    window: int = 2
    network: Architecture = ConvNet(depth=2, width=8)
    frozen: tuple[int, ...] = (1, 2, 3, 4)
    copied: tuple[int, ...] = (1, 3)
    seeds: int = field(default=5, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    margin: float = field(default=0.02, metadata={"cells": False})
    penalties: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
    step_sizes: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03)
    optimiser: Optimiser = Adam()
    batch: int = 50
    epochs: int = 30
    doublings: int = 6
    extensions: int = 3

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.drawn_at_random(self.network, "asks how good random filters are")
        plan_checks.margin_inside(self.margin)
        plan_checks.different(self, "penalties", "step_sizes")
        plan_checks.at_least(self, 1, "filters", "second", "width", "window", "batch", "epochs")
        plan_checks.at_least(self, 0, "doublings", "extensions")
        plan_checks.each_once(self, "frozen")
        plan_checks.each_once(self, "copied")
        if any(count < 1 for count in (*self.frozen, *self.copied)):
            raise UserError(
                f"frozen {self.frozen}, copied {self.copied}", "at least 1 layer; none is always there"
            )
        if self.neighbourhood < 1 or self.neighbourhood % 2 == 0:
            raise UserError(f"neighbourhood={self.neighbourhood}", "an odd number of pixels")

    @classmethod
    def presets(cls) -> dict[str, RandomFiltersPlan]:
        return {
            "quick": cls(
                task=Digits(train=200, validation=200, test=1397),
                filters=8,
                second=16,
                network=ConvNet(depth=2, width=4),
                frozen=(1, 2),
                copied=(1,),
                seeds=3,
                step_sizes=(0.003, 0.01, 0.03),
            )
        }


class RandomFilters(Study):
    claim = "random-filters"
    statement = "Random convolution, rectification, local normalisation and pooling are almost as good as learned features."
    question = (
        "Convolve images with random filters, rectify, normalise contrast and pool. Does a linear read-out of that score as well "
        "as one with learned filters? Which of the blocks does it need?"
    )
    method = (
        "A stage convolves, takes the hyperbolic tangent, rectifies (absolute value, positive part, or not at all), normalises "
        "local contrast or does not, and pools (average, maximum, or not at all) [Jarrett et al. 2009]. The published stage has "
        "a gain for each map and pools overlapping windows; this one does neither. Pixels outside the image count as zeros. "
        "That random filters do well there was explained by the architecture [Saxe et al. 2011].",
        "Random filters are Gaussian. Gabor filters have evenly spaced orientations in two phases; their second stage is "
        "random. Learned filters start as the random ones and are trained together with a linear read-out, by minibatches on "
        "cross-entropy. Validation chooses step size and epoch. Random filters are run in all combinations, with one and two "
        "stages; Gabor filters with average pooling; learned filters with average pooling, with and without each block.",
        "Every set of features then gets the same read-out: ridge regression on one-hot labels, with the ridge chosen on "
        "validation data. So do the pixels themselves. Random and learned filters, with both blocks and with neither, and the "
        "pixels get a logistic read-out, too, in the same way. The bare front end has neither rectification nor normalisation.",
        "Freezing: in a deep network the first n layers stay as they were drawn, and the rest is trained, for n from 0 on.",
        "Copying [Yosinski et al. 2014]: the classes fall into two random halves, with a network trained on each. On half B, the "
        "first n layers are those of the network of half A, or of half B, frozen or fine-tuned, or as drawn and frozen. The "
        "layers above are drawn anew and trained, with the step size that validation chose for half B.",
        "A grid is extended while its best value lies at an edge. Training goes on until its highest validation score lies "
        "inside the run, and its lowest validation loss too. It is enough if the second half lowered that loss by less than a "
        "tenth.",
        "Differences are paired by seed and test example. Their intervals count both sources of chance [Cameron et al. 2011].",
    )
    arms = (
        Arm(
            formula.NAMES[formula.RANDOM],
            "Random filters, absolute value, normalised, average-pooled.",
            "The claim.",
        ),
        Arm(formula.NAMES[formula.LEARNED], "The same with learned filters.", "The standard."),
        Arm(
            formula.NAMES[formula.PIXELS],
            "The pixels, with the same read-out.",
            "Whether the task needs features at all.",
        ),
        Arm("designs", "Other combinations of blocks.", "Which blocks matter."),
        Arm("frozen", "A deep network with its first n layers at random.", "How far randomness goes."),
        Arm(
            "copied",
            "A deep network on half of the classes, with its first n layers from a network on either half.",
            "Whether layers serve other classes, and other layers above them.",
        ),
    )
    redraws = (
        "A seed draws the split, the filters, the networks, the halves of the classes and the data order."
    )
    sources = (
        Source(
            "Jarrett et al. 2009",
            "K. Jarrett, K. Kavukcuoglu, M. Ranzato, Y. LeCun. What is the best multi-stage architecture for object recognition? "
            "ICCV.",
            "https://doi.org/10.1109/ICCV.2009.5459469",
        ),
        Source(
            "Saxe et al. 2011",
            "A. M. Saxe, P. W. Koh, Z. Chen, M. Bhand, B. Suresh, A. Y. Ng. On random weights and unsupervised feature learning. "
            "ICML.",
        ),
        Source(
            "Yosinski et al. 2014",
            "J. Yosinski, J. Clune, Y. Bengio, H. Lipson. How transferable are features in deep neural networks? NeurIPS.",
            "https://arxiv.org/abs/1411.1792",
        ),
        CAMERON_2011,
    )
    plan_type = RandomFiltersPlan
    cell = "filters", "all filters"

    def asked(self, plan: RandomFiltersPlan) -> Agenda:
        return Agenda(
            formula.RULE,
            formula.formula(plan.margin),
            formula.side_questions(plan.margin, plan.frozen, plan.copied),
        )

    def brief(self, plan: RandomFiltersPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        rows = tables["examples"]
        shown = (formula.RANDOM, formula.LEARNED, formula.PLAIN, formula.PIXELS)
        return "test score: " + ", ".join(f"{formula.NAMES[c]} {float(rows[c].mean()):.3f}" for c in shown)

    def verdicts(
        self, plan: RandomFiltersPlan, tables: Mapping[str, Table], levels: Levels
    ) -> Sequence[Verdict]:
        return formula.verdicts(plan.margin, plan.frozen, tables, levels, plan.copied)
