"""The claim that a wide enough random network contains an accurate subnetwork, without any training of its weights.

The plan is here. What is asked is in `untrained_subnetwork_formula`, and what is run in `learned_arms`. There is a cell for each
width: its arms, with all its seeds, are trained in a few programs, and a draft says where they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from ticketlab.claims import plan_checks
from ticketlab.claims.literature import CAMERON_2011, RAMANUJAN_2020, ZHOU_2019
from ticketlab.claims.study import Cell, DraftedStudy
from ticketlab.claims.untrained_subnetwork.formula import conclude
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Evidence, Table
from ticketlab.laws.rules import USUAL, Levels
from ticketlab.networks.architectures import MLP, Architecture
from ticketlab.networks.initialisation import Distribution, Initialisation
from ticketlab.tasks.sources import Digits, TaskSource
from ticketlab.training.optimisers import Adam, Optimiser

if TYPE_CHECKING:
    pass

__all__ = ["UntrainedSubnetwork", "UntrainedSubnetworkPlan"]

Search = Literal["edge-popup", "supermask"]


@dataclass(frozen=True)
class UntrainedSubnetworkPlan:
    """Does a random network contain an accurate subnetwork, with no training of its weights?

    Arguments:
        task: the data to learn, split once for all seeds.
        network: the random network, at the width and with the distribution of weights at which the question is decided.
        search: how the mask is learned: edge-popup, or supermask (a probability for each weight).
        seeds: how many times weights, scores, data order, permuted labels and random masks are drawn; at least 2 for a verdict.
        density: the fraction of each layer's weights that is kept, where the question is decided (a supermask starts with it).
        margin: the difference in test score that still counts as equal (0.02: two percentage points of accuracy).
        rescale: whether what is kept is scaled up for what is gone.
        densities: other fractions kept, for the figure.
        widths: other widths, as factors on the network's, for the second question.
        distributions: of the weights, for the figure: normal, uniform, signed-constant.
        steps: of the search, and of the dense network's training; step sizes fall to zero along half a cosine.
        batch: examples in a step.
        optimiser: of the search, which moves scores.
        dense_optimiser: of the dense network's training, which moves weights.
    """

    task: TaskSource = Digits(train=800, validation=300, test=697)
    network: Architecture = MLP(
        widths=(256, 256), initialisation=Initialisation(distribution=Distribution.SIGNED_CONSTANT)
    )
    search: Search = "edge-popup"
    seeds: int = field(default=8, metadata={"cells": False})
    density: float = 0.5
    margin: float = field(default=0.02, metadata={"cells": False})
    rescale: bool = True
    densities: tuple[float, ...] = (0.02, 0.05, 0.1, 0.25, 0.75, 0.9)
    widths: tuple[float, ...] = field(default=(0.03125, 0.0625, 0.125, 0.25, 0.5), metadata={"cells": False})
    distributions: tuple[Distribution, ...] = (
        Distribution.NORMAL,
        Distribution.UNIFORM,
        Distribution.SIGNED_CONSTANT,
    )
    steps: int = 1000
    batch: int = 60
    optimiser: Optimiser = Adam()
    dense_optimiser: Optimiser = Adam()

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds)
        plan_checks.margin_inside(self.margin)
        for density in (self.density, *self.densities):
            if not 0 < density <= 1:
                raise UserError(
                    f"density {density:g}",
                    "the fraction that is kept, above 0 and at most 1",
                    "10 % kept is 0.1.",
                )
        for width in self.widths:
            if not 0 < width < np.inf or width == 1:
                raise UserError(
                    f"widths {self.widths}", "positive factors other than 1, which is always there"
                )
        plan_checks.each_once(self, "densities", "widths", "distributions")
        sizes = (1.0, *self.widths)
        networks = {size: self.network.widened(size).stages(outputs=1) for size in sizes}
        if len(set(networks.values())) < len(sizes) or len({_name(size) for size in sizes}) < len(sizes):
            raise UserError(
                f"widths {self.widths}, with which two networks have as many units, or one name",
                f"factors that give networks other than {self.network.describe()}, and than one another",
                "Leave one of them out.",
            )
        plan_checks.at_least(self, 1, "steps", "batch")

    @classmethod
    def presets(cls) -> dict[str, UntrainedSubnetworkPlan]:
        return {
            "quick": cls(
                task=Digits(train=500, validation=300, test=900),
                network=MLP(
                    widths=(128, 128),
                    initialisation=Initialisation(distribution=Distribution.SIGNED_CONSTANT),
                ),
                seeds=3,
                densities=(0.1, 0.9),
                widths=(0.0625, 0.25),
                distributions=(Distribution.NORMAL,),
                steps=400,
            )
        }


class UntrainedSubnetwork(DraftedStudy):
    claim = "untrained-subnetwork"
    statement = (
        "A wide enough random network contains an accurate subnetwork, with no training of its weights."
    )
    question = (
        "Freeze the weights of a random network and learn only which of them are kept. Is what is left as accurate as the same "
        "network with its weights trained?"
    )
    method = (
        "Every weight of the random network has a score, and only scores are trained. By edge-popup [Ramanujan et al. 2020] "
        "the highest |scores| of each layer are kept, exactly as many as the density says, ties broken by index; the "
        "gradient passes the choice as if all were kept. By a supermask [Zhou et al. 2019] each weight is kept with the "
        "probability that is the logistic function of its score, drawn in every step; the ticket is then the more probable "
        "value of each bit. Biases stay as they were drawn. Optionally, and by default, what is kept is scaled up for what "
        "is gone.",
        "Each ticket is compared with a random mask that keeps equally many weights in every layer, over the same weights; "
        "with the dense network, trained from the same weights on the same batches; and with the same search over permuted "
        "labels, which has nothing to find and shows how much a mask can memorise. All are measured at the last step, so that "
        "nothing is chosen by validation data.",
        "The question is decided at one method, density, width and distribution of the weights, fixed beforehand. It is decided "
        "only if the search and the training of the dense network have converged: a search that has not fitted its training "
        "labels, and still rises, says nothing of what it would find. Differences in score are paired by seed and by test "
        "example, with standard errors for both sources of chance [Cameron et al. 2011]. A side question asks whether the ticket "
        "gains more from width than the dense network. All seeds share one split of the data: intervals speak of other networks "
        "on this data set.",
        "After every search a check proves that the ticket's weights are those that were drawn, times one number a layer, or "
        "exactly zero.",
    )
    sources = (RAMANUJAN_2020, ZHOU_2019, CAMERON_2011)
    plan_type = UntrainedSubnetworkPlan

    def cells(self, plan: UntrainedSubnetworkPlan) -> tuple[Cell, ...]:
        sizes = (1.0, *sorted(plan.widths, reverse=True))
        arms = 4 + len(plan.densities) + len(plan.distributions)
        seeds = tuple(range(plan.seeds))
        return tuple(
            Cell(
                f"width-{_name(s)}",
                {"size": s},
                s * (arms if s == 1 else 2),
                f"{_name(s)} × the width",
                seeds,
                True,
            )
            for s in sizes
        )

    def brief(self, plan: UntrainedSubnetworkPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        examples = tables["examples"]
        said = {arm: f"{float(np.mean(examples[arm])):.3f}" for arm in ("ticket", "random", "dense")}
        return f"test score: ticket {said['ticket']}, random mask {said['random']}, dense {said['dense']}"

    def conclude(
        self, plan: UntrainedSubnetworkPlan, tables: Mapping[str, Table], levels: Levels = USUAL
    ) -> Evidence:
        if "examples" not in tables or "permuted" not in tables:
            return Evidence(dict(tables))
        sizes = np.unique(tables["examples"]["size"])
        widths = len(sizes) == 1 + len(plan.widths) > 1
        return Evidence(dict(tables), conclude(plan.margin, tables, levels, widths=widths))


def _name(size: float) -> str:
    return f"{size:g}"
