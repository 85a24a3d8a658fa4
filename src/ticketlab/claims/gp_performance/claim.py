"""The claim that Gaussian-process and kernel pictures explain the large majority of what training gains over guessing.

A cell is one width and training size with a seed; or shuffled labels; or the guess-and-check search. The questions and their
rules are in `formula`; `cell` computes one cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ticketlab.claims import plan_checks
from ticketlab.claims.gp_performance import formula
from ticketlab.claims.gp_performance.search import GUESSED
from ticketlab.claims.gp_performance.shares import LINEAR, RBF
from ticketlab.claims.literature import BERGER_1982, CAMERON_2011, HE_2020, LEE_2019, SCHUIRMANN_1987
from ticketlab.claims.study import Cell, Study, seed_numbers
from ticketlab.claims.tangent_minimum.claim import TangentMinimumPlan
from ticketlab.errors import UserError
from ticketlab.evidence.arm import Arm
from ticketlab.evidence.source import Source
from ticketlab.evidence.tables import Table
from ticketlab.laws.agenda import Agenda
from ticketlab.laws.formulae import All
from ticketlab.laws.rules import Levels
from ticketlab.laws.verdict import Verdict
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.architectures import MLP
from ticketlab.tasks.sources import Digits, TaskSource

__all__ = ["CHUNK", "GpPerformance", "GpPerformancePlan"]

CHUNK = 16_384


@dataclass(frozen=True)
class GpPerformancePlan:
    """How much of what training gains over guessing do Gaussian-process and kernel pictures explain?

    Arguments:
        task: the data to learn; its training part has at least as many examples as the largest size.
        network: with a limit of infinite width.
        widths: of the trained networks, as multiples of the network's.
        sizes: numbers of training examples, ascending; the claim is asked of the largest.
        seeds: how many draws of split, network and data order; a verdict needs at least 2.
        first_seed: the number of the first seed; others draw other networks for the same question.
        majority: the share of training's gain that counts as the large majority.
        margin: the difference in test score that counts as equal (0.01: one percentage point of accuracy).
        ridges: candidates for λ and for the noise of the posteriors, relative to the mean diagonal of the kernel.
        step_sizes: candidates for the step size, relative to the inverse of the loss's largest curvature at θ₀; equally many
            as ridges.
        momentum: of gradient descent.
        batch: examples in a step of gradient descent.
        epochs: passes over the training data at first.
        doublings: how often the epochs may be doubled, until training has ended.
        extensions: how often grids may be extended, until the choices lie inside.
        tolerance: on the relative duality gap of every tangent-space minimum.
        search_sizes: numbers of training examples of the guess-and-check search; none for no search.
        search_width: of the network of the search, as a multiple of the network's.
        pair: the two classes of the search, by their numbers.
        networks: random networks that are tried in the search, a multiple of 16 384.
        runs: training runs that the search is compared with.
        steps: the most steps of one of these runs.
        step_share: their step size as a share of the largest stable one.
    """

    task: TaskSource = Digits(train=200, validation=297, test=1300)
    network: Architecture = MLP(widths=(128, 128))
    widths: tuple[float, ...] = (0.25, 1.0)
    sizes: tuple[int, ...] = (50, 100, 200)
    seeds: int = field(default=5, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    majority: float = field(default=0.9, metadata={"cells": False})
    margin: float = field(default=0.01, metadata={"cells": False})
    ridges: tuple[float, ...] = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    step_sizes: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
    momentum: float = 0.9
    batch: int = 64
    epochs: int = 120
    doublings: int = 4
    extensions: int = 4
    tolerance: float = 1e-4
    search_sizes: tuple[int, ...] = (4, 8, 16)
    search_width: float = 0.25
    pair: tuple[int, ...] = (3, 5)
    networks: int = 65_536
    runs: int = 512
    steps: int = 4096
    step_share: float = 0.2

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.drawn_at_random(self.network, "compares with random networks of infinite width")
        plan_checks.different(self, "widths", "sizes")
        if list(self.sizes) != sorted(self.sizes):
            raise UserError(f"sizes {self.sizes}", "ascending numbers of training examples")
        if not 0 < self.majority < 1:
            raise UserError(f"majority={self.majority}", "a number between 0 and 1")
        plan_checks.each_once(self, "search_sizes", "pair")
        if any(size < 2 or size % 2 for size in self.search_sizes) or len(self.pair) != 2:
            raise UserError(
                f"search_sizes {self.search_sizes} and pair {self.pair}",
                "even numbers of examples, and two classes",
            )
        plan_checks.multiple_of(self, CHUNK, "networks")
        plan_checks.at_least(self, 1, "runs", "steps")
        plan_checks.positive(self, "step_share", "search_width")
        self.tuning()

    def tuning(self) -> TangentMinimumPlan:
        """How both sides are tuned: as in the study `tangent-minimum`; checks these options."""
        return TangentMinimumPlan(
            task=self.task,
            network=self.network,
            losses=("square",),
            margin=self.margin,
            ridges=self.ridges,
            step_sizes=self.step_sizes,
            momentum=self.momentum,
            batch=self.batch,
            epochs=self.epochs,
            doublings=self.doublings,
            extensions=self.extensions,
            tolerance=self.tolerance,
        )

    def asked(self) -> formula.Asked:
        """Of what the claim is asked."""
        return formula.Asked(self.widths, self.sizes, self.majority, self.margin, self.search_sizes)

    @classmethod
    def presets(cls) -> dict[str, GpPerformancePlan]:
        return {
            "quick": cls(
                task=Digits(train=100, validation=297, test=1400),
                widths=(1.0,),
                sizes=(50, 100),
                seeds=4,
                ridges=(1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0),
                step_sizes=(0.5, 1.0, 2.0, 4.0, 8.0, 16.0),
                search_sizes=(4, 8),
                networks=CHUNK,
                runs=256,
            )
        }


class GpPerformance(Study):
    claim = "gp-performance"
    statement = "Gaussian-process and kernel pictures explain the large majority of what training gains."
    question = (
        "A trained network is better than guessing. How much of this gain have pictures in which no features are learnt: "
        "random networks of infinite width given the data, the kernel of training, the tangent space of a finite network?"
    )
    method = (
        "The share explained is what a picture gains over guessing, divided by what training gains. Guessing always gives the "
        "most frequent class. All are scored on the same test examples, and are fitted to the same targets with the square loss. "
        "The interval of the share counts seeds, test examples and the gain in its denominator [Cameron et al. 2011].",
        "Two pictures have infinite width, from the network's own layers. The NNGP posterior is the law of random networks given "
        "the data [Lee et al. 2018]. The law of trained wide networks is that of gradient flow from random starts; it is the "
        "posterior of nothing [Lee et al. 2019] [He et al. 2020]. Its mean is also that of the Gaussian process whose covariance "
        "is the tangent kernel. The mean predicts, for both.",
        "The third picture is the minimum in the tangent space of the finite network at the θ₀ from which it is trained.",
        "Where a task is easy, any classifier has most of what training gains. So two arbitrary kernels are the control: an RBF "
        "kernel and a linear one of the inputs, which know nothing of the network. A picture explains something only if they do "
        "not have the large majority too. And training must have the large majority of what its picture gains: a picture that "
        "gains far more than training is not one of it.",
        "All are tuned on the same validation examples with equally many candidates: noise or ridge on one side, step sizes and "
        "the moment to stop on the other. The scale of a kernel needs no candidates of its own, because only its ratio to the "
        "noise matters. Training ends when its highest validation score lies inside the run, and its lowest loss too or one that "
        "hardly falls. If training or the tangent minimum chooses the edge of a grid, all grids get more candidates.",
        "The RBF kernel has its width to choose, around the median distance, with each of the noises. Where an arbitrary kernel "
        "would choose an edge, its grid of widths or noises gets more candidates.",
        "A random network computes a random function f₀ before any training. Training and tangent minimum are measured with it "
        "centred away, f(x, θ) − f(x, θ₀), as the claim is asked, and kept. With f₀ kept, training loses what the means of "
        "infinite width cannot lose, and one draw of the law of trained networks is the like of it. Training sets are nested: "
        "smaller ones are the first examples of the largest, which also standardises the inputs.",
        "The guess-and-check search draws random networks and keeps those that happen to fit a few examples of two classes. "
        "Training runs from the same law of starts stop at the first evaluation where they fit [Chiang et al. 2023]. The report "
        "gives how many networks were expected to fit; where these are too few, nothing is searched.",
        "Equal scores are tested by two one-sided tests [Schuirmann 1987]. All shares have to hold, so the claim needs no "
        "correction to hold [Berger 1982]; to fail, a share must fail at a corrected level.",
    )
    arms = (
        Arm(formula.DESCENT, "The network, trained by minibatches with momentum.", "The standard."),
        Arm(formula.NNGP, "The mean of random networks of infinite width, given the data.", "The claim."),
        Arm(formula.NTK, "The mean over random starts, with the tangent kernel in its limit.", "The claim."),
        Arm(formula.TANGENT, "The minimum in the tangent space at θ₀.", "The claim, at finite width."),
        Arm(formula.DRAW, "One function of the law of trained wide networks.", "What the start costs."),
        Arm(RBF, "Regression with an RBF kernel of the inputs.", "Whether any kernel does as well."),
        Arm(LINEAR, "Regression with x·x′ + 1, a linear kernel of the inputs.", "Whether the task is easy."),
        Arm(
            GUESSED,
            "Random networks that fit a few examples without training.",
            "Whether it is enough to fit.",
        ),
        Arm(
            "shuffled labels",
            "Everything on labels in random order, at the smallest size.",
            "Whether test labels leak.",
        ),
    )
    redraws = "A seed draws the split, the parameters θ₀, the data orders and the random networks."
    sources = (
        Source(
            "Lee et al. 2018",
            "J. Lee, Y. Bahri, R. Novak, S. S. Schoenholz, J. Pennington, J. Sohl-Dickstein. Deep Neural Networks as Gaussian "
            "Processes. ICLR 2018.",
            "https://arxiv.org/abs/1711.00165",
        ),
        LEE_2019,
        HE_2020,
        Source(
            "Chiang et al. 2023",
            "P. Chiang, R. Ni, D. Y. Miller, A. Bansal, J. Geiping, M. Goldblum, T. Goldstein. Loss Landscapes are All You Need: "
            "Neural Network Generalization Can Be Explained Without the Implicit Bias of Gradient Descent. ICLR 2023.",
        ),
        SCHUIRMANN_1987,
        CAMERON_2011,
        BERGER_1982,
    )
    plan_type = GpPerformancePlan

    def asked(self, plan: GpPerformancePlan) -> Agenda:
        asked = plan.asked()
        counted = All(tuple(formula.parts(asked).values()), key="claim")
        return Agenda(formula.rule(asked), counted, tuple(formula.side_questions(asked)))

    def cells(self, plan: GpPerformancePlan) -> tuple[Cell, ...]:
        seeds = seed_numbers(plan)
        true = [
            Cell(
                f"width{number}-train{size}",
                {"labels": formula.TRUE, "width": width, "size": size},
                size * (0.5 + width),
                f"width × {width:g}, {size} training examples",
                seeds,
            )
            for number, width in enumerate(plan.widths, 1)
            for size in plan.sizes
        ]
        control = {"labels": formula.SHUFFLED, "width": plan.widths[-1], "size": plan.sizes[0]}
        weight = plan.sizes[0] * (0.5 + plan.widths[-1])
        cells = [*true, Cell("shuffled", control, weight, "shuffled labels", seeds)]
        if plan.search_sizes:
            searched = {"sizes": list(plan.search_sizes)}
            cells.append(Cell("search", searched, 100.0, "random networks that fit", seeds))
        return tuple(cells)

    def brief(self, plan: GpPerformancePlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        if "searches" in tables:
            rows = tables["searches"]
            found = [
                f"{a} of {e:.3g} expected ({n} examples)"
                for n, a, e in zip(
                    rows["size"].tolist(), rows["accepted"].tolist(), rows["expected"].tolist(), strict=True
                )
            ]
            return f"random networks that fit: {', '.join(found)}"
        arms = tables["arms"].where(offset="centred")
        return "test score: " + ", ".join(
            f"{arm} {score:.3f}"
            for arm, score in zip(arms["arm"].tolist(), arms["test_score"].tolist(), strict=True)
        )

    def verdicts(
        self, plan: GpPerformancePlan, tables: Mapping[str, Table], levels: Levels
    ) -> Sequence[Verdict]:
        return formula.verdicts(plan.asked(), tables, levels)
