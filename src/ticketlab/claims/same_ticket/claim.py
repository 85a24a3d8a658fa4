"""The claim that the ticket which is good at the start is the one that training reinforces, while the rest is dampened.

A cell is one seed: one θ₀, its masks, and the networks that are trained from it. The questions and their rules are in `formula`;
`masks` fixes the masks, `networks` trains, `followed` measures, and `cell` makes the tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ticketlab.claims import plan_checks
from ticketlab.claims.literature import CAMERON_2011, RAMANUJAN_2020, STOCK_2019, ZHOU_2019
from ticketlab.claims.same_ticket import formula
from ticketlab.claims.same_ticket.tables import (
    ALONE,
    CHANCE_MASK,
    PERMUTED,
    REST,
    TEACHER,
    TICKET,
    TRAINED,
    TWIN,
)
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

__all__ = ["LONGEST", "MaskName", "SameTicket", "SameTicketPlan", "TicketName"]

TicketName = Literal["edge-popup", "biprop", "supermask", "snip", "synflow"]
MaskName = Literal["edge-popup", "biprop", "supermask", "snip", "synflow", "twin"]
LONGEST = 4  # times as many steps, at most, for a control to move as far


@dataclass(frozen=True)
class SameTicketPlan:
    """Is the ticket that is good at the start the one that training reinforces?

    Arguments:
        task: a task with classes, split anew for each seed.
        network: one whose units are described.
        ticket: the mask about which the claim is decided.
        others: other masks, which are followed too.
        seeds: how many starts; a verdict needs at least 2.
        first_seed: the number of the first seed; others draw other networks for the same question.
        density: the fraction of each layer's weights that masks keep (a supermask starts with it).
        densities: other fractions, for winding back.
        search_steps: of every search for a mask.
        steps: of every training.
        batch: examples in a step.
        search_optimiser: of scores, whose step size falls to zero along half a cosine.
        optimiser: of weights.
        chance_masks: draws of each kind, for shares; accuracies take the first 5.
        redraws: of the rest, of the ticket, and of a chance mask of it.
    """

    task: TaskSource = Digits(train=800, validation=300, test=697)
    network: Architecture = MLP(widths=(300, 100))
    ticket: TicketName = "edge-popup"
    others: tuple[MaskName, ...] = ("biprop", "supermask", "snip", "synflow", "twin")
    seeds: int = field(default=10, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    density: float = 0.5
    densities: tuple[float, ...] = (0.8, 0.2, 0.1, 0.05)
    search_steps: int = 1000
    steps: int = 1000
    batch: int = 60
    search_optimiser: Optimiser = Adam()
    optimiser: Optimiser = Adam()
    chance_masks: int = 20
    redraws: int = 2

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.drawn_at_random(
            self.network, "draws the rest of the network again, and would compare a start with itself"
        )
        plan_checks.kept_fraction(self.density, *self.densities)
        plan_checks.each_once(self, "densities", "others")
        plan_checks.at_least(self, 1, "batch", "search_steps", "redraws")
        plan_checks.at_least(self, 10, "steps")
        plan_checks.at_least(self, 2, "chance_masks")
        if self.density == 1 or self.density in self.densities:
            raise UserError(
                f"density={self.density:g} and densities {self.densities}",
                "a density below 1 that is not repeated",
            )
        if self.ticket in self.others:
            raise UserError(
                f"{self.ticket} as the ticket and among the others",
                "each mask once",
                "Leave it out of --others.",
            )

    def looks(self) -> tuple[int, ...]:
        """The steps at which everything is measured: 0, 3, 10, 30, 100, … and the last."""
        powers = [3, *(round(f * 10**k) for k in range(1, 10) for f in (1, 3))]
        return (0, *(step for step in powers if step < self.steps), self.steps)

    def control_looks(self) -> tuple[int, ...]:
        """The steps at which training on other labels is kept: the same, and twenty in every decade.

        They begin at a hundredth of the steps and end at four times as many, in case other labels move the weights more slowly.
        """
        close = (max(1, round(self.steps * 10 ** (i / 20))) for i in range(-40, 13))
        return tuple(sorted({*self.looks(), *close, 2 * self.steps, LONGEST * self.steps}))

    @classmethod
    def presets(cls) -> dict[str, SameTicketPlan]:
        return {
            "quick": cls(
                network=MLP(widths=(128, 64)),
                others=("snip", "twin"),
                seeds=4,
                densities=(0.8, 0.2),
                search_steps=500,
                steps=500,
                redraws=1,
            )
        }


class SameTicket(Study):
    claim = "same-ticket"
    statement = (
        "The ticket that is good at the start is the one that training reinforces, and the rest is dampened."
    )
    question = (
        "Fix a good subnetwork of the random network, without looking at its training. Then train the whole network. Does the "
        "subnetwork survive, is it reinforced, is the rest dampened, and does it carry the network alone in the end?"
    )
    method = (
        "Edge-popup finds a mask over the random weights, on the training data and in an order of its own [Ramanujan et al. "
        "2020]. Then all weights are trained, and the mask is laid over the network again and again. No weight of the training "
        "has a part in the choice: a mask of the trained network would be reinforced by selection alone.",
        "Every number is compared with chance masks that keep equally many weights in each tenth of |θ₀| of a layer, because "
        "large weights stay large without learning. Shares of the norm are taken in balanced form, where the incoming and "
        "outgoing weights of a ReLU unit have equal norms [Stock et al. 2019]. The control that decides is training on permuted "
        "labels from the same θ₀, since masks from one start overlap whatever was learnt [Grosse & Backes 2020]. It is judged at "
        "the look at which it has moved the weights as far as training did, because motion alone loses a ticket, and equally "
        "many steps may move them twice as far.",
        "A network that was trained on permuted labels guesses on test examples, and so does its rest. Whether the task dampens "
        "the rest is therefore asked of a second control, the labels of a random teacher: another random network of the same "
        "architecture. Its outputs are standardised over the training inputs, and the largest is the label. These labels can be "
        "learnt, and the ticket was not searched for with them. Compared is the share of what chance rests know, beyond "
        "guessing, that the rest has lost: a network that has learnt more has more points to lose. It may lose a larger share "
        "as well, whatever it learns. So the share is also taken earlier in training, when chance rests know as much as they do "
        "on the teacher's labels in the end.",
        "Side questions. The causal arm draws the rest of θ₀ anew, or the ticket, or a chance mask of it, and trains again. "
        "Winding back lays the mask of the largest trained weights over θ₀ [Zhou et al. 2019]. And the motion of the ticket's "
        "weights from θ₀ is compared with that in training alone, by its cosine, on a scale from permuted labels (0) to twin "
        "(1). The weights themselves share θ₀, so a ticket that was never trained is near to them too.",
        "Intervals count seeds and test examples as two sources of chance [Cameron et al. 2011]. Shares, overlaps and distances "
        "are one number a seed, with Student's interval.",
    )
    arms = (
        Arm(TRAINED, "All weights, from θ₀, on true labels.", "Where the ticket is followed."),
        Arm(TWIN, "The same θ₀, another order of the data.", "The near end of the index, and a mask."),
        Arm(
            PERMUTED,
            "The same θ₀ and order, permuted labels, until the weights have moved as far.",
            "The control that decides.",
        ),
        Arm(
            TEACHER,
            "The same θ₀ and order, the labels of another random network, until the weights have moved as far.",
            "The control for the rest, which has something to lose.",
        ),
        Arm(ALONE, "The ticket trained without the rest.", "Whether it moves in the same way."),
        Arm(
            f"{REST} redrawn",
            "The ticket of θ₀ with another random rest.",
            "Whether the rest matters.",
        ),
        Arm(f"{TICKET} redrawn", "The rest of θ₀ with another random ticket.", "Whether the ticket matters."),
        Arm(
            f"{CHANCE_MASK} redrawn",
            "θ₀ with other random weights in a chance mask of the ticket.",
            "Whether any mask of its size and its weights' sizes matters as much.",
        ),
    )
    redraws = (
        "A seed draws the split, θ₀, the orders of the data, the searches' scores, the permutation of the labels, the teacher, "
        "the chance masks and the redrawn parts."
    )
    sources = (
        RAMANUJAN_2020,
        ZHOU_2019,
        STOCK_2019,
        Source(
            "Grosse & Backes 2020",
            "K. Grosse, M. Backes. How many winning tickets are there in one DNN?",
            "https://arxiv.org/abs/2006.07014",
        ),
        CAMERON_2011,
    )
    needs = ("examples", "shares", "networks", "overlaps", "weights")
    plan_type = SameTicketPlan
    cell = "start", "one start"

    def asked(self, plan: SameTicketPlan) -> Agenda:
        return Agenda(formula.RULE, formula.formula(), formula.side_questions(plan.others))

    def brief(self, plan: SameTicketPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        start, end = (f"{np.mean(tables['examples'][name]):.1%}" for name in ("start", TICKET))
        return f"the ticket scores {start} at the start and {end} in the trained network"

    def verdicts(
        self, plan: SameTicketPlan, tables: Mapping[str, Table], levels: Levels
    ) -> Sequence[Verdict]:
        return formula.verdicts(tables, plan.others, levels)
