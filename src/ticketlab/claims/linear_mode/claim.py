"""The claim that subnetworks found by pruning only work when they are stable to the noise of SGD.

A cell is one rewind step k and a group of seeds. The questions and their rules are in `formula`; `cell` searches, and trains the
copies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ticketlab.claims import plan_checks
from ticketlab.claims.linear_mode.formula import LOGIC, RULE, Terms, formula, side_questions, verdicts
from ticketlab.claims.literature import CAMERON_2011, EVCI_2020, FRANKLE_2020, FRANKLE_CARBIN_2019
from ticketlab.claims.study import Cell, DraftedStudy, seed_numbers
from ticketlab.errors import UserError
from ticketlab.evidence.arm import Arm
from ticketlab.evidence.tables import Table
from ticketlab.laws.agenda import Agenda
from ticketlab.laws.rules import Levels
from ticketlab.laws.verdict import Verdict
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.architectures import MLP
from ticketlab.tasks.sources import Digits, TaskSource
from ticketlab.tickets.control_names import MaskControl
from ticketlab.tickets.ranking import LayerWise, Pruning
from ticketlab.training.optimisers import Adam, Constant, Optimiser, Schedule

__all__ = ["LinearMode", "LinearModePlan"]


@dataclass(frozen=True)
class LinearModePlan:
    """Do pruned networks only work when they are stable to the noise of SGD?

    Arguments:
        task: the data to learn, with classes; split once for all seeds. Its validation part is not used.
        network: the dense network.
        seeds: how many draws of parameters, data orders and masks; a verdict needs at least 2.
        first_seed: the number of the first seed; others draw other networks for the same question.
        rewind_steps: the steps k from which copies are trained; tickets are rewound to them.
        copies: of every network, each with its own data order; every two of them are the ends of a line.
        stable: the error barrier below which a network is stable (0.02: two percentage points).
        margin: the difference in score that counts as equal.
        levels: rounds of pruning before the question is asked.
        pruning: which weights go after a round.
        controls: masks that are compared with the ticket's; "random" decides.
        points: values of α on a line, its ends included.
        steps: of training, in every round and of every copy, counted from the random start.
        batch: examples in a step.
        optimiser: how a step is taken.
        schedule: the factor of the step size.
    """

    task: TaskSource = Digits(train=800, validation=100, test=897)
    network: Architecture = MLP(widths=(100, 100, 100, 100))
    seeds: int = field(default=10, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    rewind_steps: tuple[int, ...] = field(default=(0, 20, 100, 300), metadata={"cells": False})
    copies: int = 3
    stable: float = field(default=0.02, metadata={"cells": False})
    margin: float = field(default=0.01, metadata={"cells": False})
    levels: int = 7
    pruning: Pruning = LayerWise(fraction=0.3, output=0.15)
    controls: tuple[MaskControl, ...] = ("random", "shuffled")
    points: int = 30
    steps: int = 1000
    batch: int = 30
    optimiser: Optimiser = Adam(step_size=0.004)
    schedule: Schedule = Constant()

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.margin_inside(self.margin)
        plan_checks.margin_inside(self.stable, "stable")
        plan_checks.at_least(self, 1, "levels", "steps", "batch")
        plan_checks.at_least(self, 2, "copies")
        plan_checks.at_least(self, 3, "points")
        plan_checks.each_once(self, "controls")
        known = self.rewind_steps
        if not known or list(known) != sorted(set(known)) or not 0 <= known[0] <= known[-1] < self.steps:
            raise UserError(
                f"rewind_steps {known}", f"steps before the end of training, 0 to {self.steps - 1}, in order"
            )

    @classmethod
    def presets(cls) -> dict[str, LinearModePlan]:
        return {"quick": cls(seeds=8, rewind_steps=(0, 50), copies=2, controls=("random",), steps=400)}


class LinearMode(DraftedStudy):
    claim = "linear-mode"
    statement = "Those subnetworks only work when they are stable to SGD noise."
    question = (
        "Train two copies of a pruned network on the same data in different orders. Is the straight line between "
        "them free of a barrier, and do pruned networks reach the dense accuracy only where it is?"
    )
    method = (
        "This is the instability analysis of [Frankle et al. 2020]. The copies of a network start from one state: "
        "the parameters and the optimiser's moments at step k of dense training, under a mask. They are trained to "
        "the end in data orders of their own.",
        "Every two copies are joined by the line θ(α) = (1 − α)·θ_A + α·θ_B. The error is measured at equally spaced "
        "values of α, both ends included. The barrier is the highest error minus the mean of both ends'. Batch "
        "statistics, where the network has them, are estimated anew at every α from training data.",
        "The barrier is never below zero, and chance alone makes it larger. So a second estimate chooses α on one "
        "half of the test examples and measures on the other half, and the other way round. A network is stable if "
        "the first estimate is below two points. It is not stable if the second is above.",
        "For every k, tickets are found by iterative magnitude pruning with rewinding to k [Frankle & Carbin 2019; "
        "Frankle et al. 2020]. The network is trained, its smallest surviving weights are removed, and the others "
        "are reset to step k. Copies of the other arms are trained from the same step and in the same orders.",
        "A ticket works if two things hold at the last step. Its copies are as accurate as the dense network's, up "
        "to the margin, and they are more accurate than those of the random mask, by more than the margin. Where any "
        "mask would do, there is nothing to explain. The claim is tested at every k, and fails if one ticket works "
        "and is not stable. It holds only if both sides were seen: one ticket that is stable and works, and one that "
        "is neither stable nor as accurate. Nothing is decided unless the dense network's copies fit all their "
        "training labels but the margin.",
        "Two side questions do not count for the claim. One is the converse: do stable tickets work? The other asks "
        "it of all masks of this density, controls included: are those that are as accurate as the dense network "
        "stable?",
        "Barriers and scores are compared by seed and by test example, with standard errors for both sources of "
        "chance [Cameron et al. 2011]. A seed's barrier is that of the mean of its lines, attributed to examples at "
        "the α where it is highest. The claim as a whole says “holds” or “fails” wrongly with a probability of at most "
        "2.5 % each.",
        "After the last round a check proves that pruned weights took no part: they and the optimiser's moments of "
        "them are exactly zero in every copy.",
    )
    arms = (
        Arm("ticket", "Mask by magnitude, rewound to step k.", "The claim."),
        Arm("dense", "No mask.", "The standard of accuracy."),
        Arm(
            "random",
            "A random mask with equally many weights and the Erdős–Rényi profile of layer densities [Evci et al. "
            "2020].",
            "Whether any mask would do; it decides whether a ticket works.",
        ),
        Arm(
            "shuffled",
            "The ticket's mask, shuffled within each layer.",
            "Whether the layer counts alone matter.",
        ),
    )
    redraws = (
        "All seeds share one split of the data. A seed draws the parameters, the data orders and the masks, so "
        "intervals do not cover the choice of training examples."
    )
    sources = (FRANKLE_2020, FRANKLE_CARBIN_2019, EVCI_2020, CAMERON_2011)
    plan_type = LinearModePlan

    def asked(self, plan: LinearModePlan) -> Agenda:
        terms = self._terms(plan)
        return Agenda(RULE, formula(terms, plan.rewind_steps), side_questions(terms), LOGIC)

    def cells(self, plan: LinearModePlan) -> tuple[Cell, ...]:
        return tuple(
            Cell(f"k{k}", {"rewind_step": k}, 1.0, f"rewound to step {k}", seed_numbers(plan), True)
            for k in plan.rewind_steps
        )

    def brief(self, plan: LinearModePlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        words = []
        for arm in ("ticket", "dense"):
            error = 100 * float(tables["barriers"].where(arm=arm)["test_error"].mean())
            score = 100 * float(tables["copies"].where(arm=arm)["test_score"].mean())
            words.append(f"{arm} {score:.1f} %, barrier {error:.2f} points")
        return "; ".join(words)

    def verdicts(
        self, plan: LinearModePlan, tables: Mapping[str, Table], levels: Levels
    ) -> Sequence[Verdict]:
        return verdicts(self._terms(plan), tables, levels)

    @staticmethod
    def _terms(plan: LinearModePlan) -> Terms:
        return Terms(plan.stable, plan.margin, plan.rewind_steps, plan.controls)
