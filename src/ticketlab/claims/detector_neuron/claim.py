"""The claim that a random network has no reliable class detector among its units, but detectors of simple stimuli.

A cell is one seed. The questions and their rules are in `formula`; `cell` computes one cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ticketlab.claims import plan_checks
from ticketlab.claims.detector_neuron import formula
from ticketlab.claims.literature import CAMERON_2011
from ticketlab.claims.study import Cell, Study
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

__all__ = ["DetectorNeuron", "DetectorNeuronPlan"]


@dataclass(frozen=True)
class DetectorNeuronPlan:
    """Is there a class detector among the units of a random network, and are there edge detectors?

    Arguments:
        task: images to classify, split anew for each seed.
        network: a convolutional network, drawn anew for each seed; shapes are asked of its second layer.
        seeds: how many draws of split and network; a verdict needs at least 2.
        first_seed: the number of the first seed; others draw other networks for the same question.
        permutations: of the labels, for the chance of the best unit.
        filters: random linear filters whose 99 % point a shape detector must exceed.
        steps: of the training of the same network.
        batch: examples in a step.
        optimiser: of the training.
    """

    task: TaskSource = Digits(train=800, validation=300, test=697)
    network: Architecture = ConvNet(depth=2, width=128)
    seeds: int = field(default=5, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    permutations: int = 199
    filters: int = 300
    steps: int = 100
    batch: int = 60
    optimiser: Optimiser = Adam()

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.drawn_at_random(self.network, "asks what is in a random network")
        plan_checks.at_least(self, 19, "permutations")
        plan_checks.at_least(self, 100, "filters")
        plan_checks.at_least(self, 1, "steps", "batch")

    @classmethod
    def presets(cls) -> dict[str, DetectorNeuronPlan]:
        return {"quick": cls(network=ConvNet(depth=2, width=64), permutations=99, filters=200, steps=80)}


class DetectorNeuron(Study):
    claim = "detector-neuron"
    statement = "A random network has no neuron that reliably detects a class, but neurons that detect simple stimuli."
    question = (
        "Search all units of a random network for a detector of each class. Is the best one reliable? And do channels of its "
        "second layer detect edges more often than random linear filters do?"
    )
    method = (
        "Every unit of every layer is scored for every class on test examples by its AUC. A channel counts as two units, its "
        "spatial maximum and its spatial mean. A high and a low response are both allowed to mark a class.",
        "The best unit of thousands is good by chance. So unit, direction and threshold are chosen on one half of the test "
        "examples and scored on the other, both ways. For the best unit of a network the class is chosen so, too. The chance of "
        "the largest statistic among all units and classes comes from permuted labels [Westfall & Young 1993].",
        "A reliable detector has a held-out AUC of at least 0.95 and a held-out J of at least 0.8, where J is the true-positive "
        "rate minus the false-positive rate [Youden 1950; Gale et al. 2020]. The reach of a unit is the smaller of "
        "(AUC − ½)/0.45 and J/0.8.",
        "With few test images a detector is missed. So detectors are planted among the units, 50 for each class, one at a time, "
        "and the best unit is chosen again. Their responses are normal, with an AUC of 0.978, a J of 0.844 and so a reach of "
        "1.056, halfway between a unit that just is reliable and one that never errs.",
        "Simple stimuli are edges, bars, corners, discs, rings, blobs, Gabors and gratings, all with equal mean and contrast. A "
        "channel detects a shape if its spatial maximum tells one member of the family (an edge of one orientation) from all "
        "other families and from phase-scrambled images. The member is chosen at half of the positions and scored at the "
        "others. The AUC has to be above 0.9, and above that of 99 % of random linear filters of the same receptive field, "
        "with the same activation function and pooling. Linear filters that are made for each member of the family go through "
        "the same test. Where they detect less than half of the members, the shape is not asked about.",
        "Reach is one number a seed, with Student's interval. Channels are examples of their seed, and the interval of their "
        "share counts both sources of chance [Cameron et al. 2011].",
    )
    arms = (
        Arm(formula.RANDOM, "The network as it is drawn.", "The claim."),
        Arm(
            formula.TRAINED,
            "The same network after training.",
            "What training adds; and whether the task can be learnt.",
        ),
        Arm(
            formula.FILTERS,
            "Equally many Gaussian filters of the input.",
            "Whether the network's units exceed them.",
        ),
        Arm(formula.BRIGHTNESS, "The mean of the image.", "What brightness alone detects."),
        Arm(
            formula.MULTIGRAPH,
            "All parallel edges ±S·2^−k in the place of every weight, with nothing drawn.",
            "What a network without content scores: its units are constant.",
        ),
    )
    redraws = (
        "A seed draws the split, the network, the data order, the filters, the phases and the permutations."
    )
    sources = (
        Source(
            "Gale et al. 2020",
            "E. M. Gale, N. Martin, R. Blything, A. Nguyen, J. S. Bowers. Are there any 'object detectors' in the hidden layers "
            "of CNNs trained to identify objects or scenes? Vision Research 176.",
            "https://arxiv.org/abs/2007.01062",
        ),
        Source(
            "Westfall & Young 1993", "P. H. Westfall, S. S. Young. Resampling-Based Multiple Testing. Wiley."
        ),
        Source("Youden 1950", "W. J. Youden. Index for rating diagnostic tests. Cancer 3."),
        CAMERON_2011,
    )
    needs = ("classes",)
    plan_type = DetectorNeuronPlan
    cell = "units", "all units"

    def asked(self, plan: DetectorNeuronPlan) -> Agenda:
        return Agenda(formula.RULE, formula.formula(), formula.side_questions())

    def brief(self, plan: DetectorNeuronPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        classes = tables["classes"]
        best = {
            source: float(classes.where(source=source)["reach"].max())
            for source in (formula.RANDOM, formula.TRAINED, formula.FILTERS)
        }
        return (
            ", ".join(f"{source} {value:.0%}" for source, value in best.items()) + " of a reliable detector"
        )

    def verdicts(
        self, plan: DetectorNeuronPlan, tables: Mapping[str, Table], levels: Levels
    ) -> Sequence[Verdict]:
        return formula.verdicts(tables, levels)
