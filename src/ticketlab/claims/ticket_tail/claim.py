"""The claim that more random tickets keep paying: what the best of n gains depends on the tail of the tickets' qualities.

A cell is one kind of ticket. The questions and their rules are in `formula`; `cell` computes one seed of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ticketlab.claims import plan_checks
from ticketlab.claims.study import Cell, Study, seed_numbers
from ticketlab.claims.ticket_tail import formula
from ticketlab.claims.ticket_tail.measures import LOG
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

__all__ = ["TicketTail", "TicketTailPlan"]

Main: TypeAlias = Literal["unit", "network"]
Other: TypeAlias = Literal["mask", "read-out", "tangent direction", "probe"]
WORK = {"unit": 0.1, "network": 2.0, "mask": 1.0, "read-out": 0.2, "tangent direction": 2.0, "probe": 1.0}
FEWEST = 20_000  # of the headline, and a quarter of it for the other kinds


@dataclass(frozen=True)
class TicketTailPlan:
    """Does the best of n random tickets keep improving, tenfold by tenfold?

    Arguments:
        task: its test part scores the tickets, in two halves; the training part serves the probes alone.
        network: random networks, and where units, masks, read-outs, directions and probes come from.
        kinds: of tickets, that the claim is about.
        also: other kinds, as side questions.
        tickets: of each kind of the claim, in a seed; 20 000 or more.
        fewer: of each other kind; 5 000 or more.
        seeds: how many draws of split, tickets and shared network; a verdict needs at least 2.
        first_seed: the number of the first seed; others draw other tickets for the same question.
        density: with which a mask keeps a weight.
        floor: E, the least possible loss as a share of the targets' variance.
    """

    task: TaskSource = Digits(train=300, validation=100, test=1397)
    network: Architecture = MLP(widths=(64,))
    kinds: tuple[Main, ...] = ("unit", "network")
    also: tuple[Other, ...] = ("mask", "read-out", "tangent direction", "probe")
    tickets: int = 40_000
    fewer: int = 10_000
    seeds: int = field(default=5, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    density: float = 0.5
    floor: float = 0.0

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.drawn_at_random(self.network, "compares many random draws with one another")
        plan_checks.each_once(self, "kinds", some=True)
        plan_checks.each_once(self, "also")
        plan_checks.at_least(self, FEWEST, "tickets")
        plan_checks.at_least(self, FEWEST // 4, "fewer")
        plan_checks.fraction(self, "density", hint="With 1 all masks are the same ticket.")
        if not 0 <= self.floor < 1:
            raise UserError(f"floor={self.floor}", "a share of the targets' variance, from 0 to below 1")

    @classmethod
    def presets(cls) -> dict[str, TicketTailPlan]:
        return {"quick": cls(also=(), tickets=20_000, seeds=3)}


class TicketTail(Study):
    claim = "ticket-tail"
    statement = (
        "More random tickets keep paying: with every ten times more of them, the best one improves as it would under a normal "
        "law, or more."
    )
    question = (
        "Draw thousands of random tickets and score them. How good is the best of n, does the tail of the tickets tell, and what "
        "would ten and a hundred times more buy?"
    )
    method = (
        "The skill of a ticket is the share of the targets' variance that it explains with its best gain and offset. Its loss is "
        "one minus that. On the scale −log(loss − floor) steady returns are a straight line against the logarithm of n.",
        "The tail is that of a generalised Pareto law above a threshold, which is the lowest that is no worse than the best one "
        "[Murphy et al. 2023]. A loss has a floor, and even a normal law, fitted above a threshold, has a shape below 0. So the "
        "shape is compared with a normal law's at the same threshold.",
        "A ticket that is chosen on one half of the test examples is scored on the other, with the gain and offset of the first. "
        "Noise of the test set makes a short tail look like a normal one. Every estimate of the tail is therefore made with all "
        "examples and with each half, and followed back to no noise [Cook & Stefanski 1994].",
        "Two estimators of the shape, maximum likelihood and empirical Bayes [Zhang & Stephens 2009], have to agree to a tenth.",
        "Fits to disjoint sets of a few tickets predict the best of larger sets, nearly three times as large from 40 000 "
        "tickets on. What is missed is counted in the gain that is foretold, so a prediction that nothing is gained misses by "
        "−1. The misses of all fits of a seed are averaged.",
        "One number a seed, with Student's interval.",
    )
    arms = (
        Arm("unit", "A unit of the first hidden layer, with one gain for each target.", "The claim."),
        Arm("network", "A random network.", "The claim."),
        Arm(
            "mask",
            "One random network of a seed, each weight kept with a given probability.",
            "A side question.",
        ),
        Arm("read-out", "A Gaussian read-out of the last hidden layer of that network.", "A side question."),
        Arm(
            "tangent direction",
            "A direction in that network's parameter tangent space; the targets are what the network leaves.",
            "A side question.",
        ),
        Arm("probe", "A ridge read-out of the last hidden layer of a random network.", "A side question."),
        Arm("permuted targets", "The same tickets, with the targets in another order.", "What chance gives."),
    )
    redraws = "A seed draws the split, the halves, all tickets, the shared network and the permutation."
    sources = (
        Source(
            "Murphy et al. 2023",
            "C. Murphy, J. A. Tawn, Z. Varty. Automated threshold selection and associated inference uncertainty for univariate "
            "extremes.",
            "https://arxiv.org/abs/2310.17999",
        ),
        Source(
            "Cook & Stefanski 1994",
            "J. R. Cook, L. A. Stefanski. Simulation-extrapolation estimation in parametric measurement error models. JASA 89.",
        ),
        Source(
            "Zhang & Stephens 2009",
            "J. Zhang, M. A. Stephens. A new and efficient estimation method for the generalized Pareto distribution. "
            "Technometrics 51.",
        ),
    )
    needs = ("tails", "curves", "gains", "predictions")
    plan_type = TicketTailPlan

    def asked(self, plan: TicketTailPlan) -> Agenda:
        return Agenda(
            formula.RULE, formula.formula(plan.kinds), formula.side_questions(plan.kinds, plan.also)
        )

    def cells(self, plan: TicketTailPlan) -> tuple[Cell, ...]:
        counts: dict[str, int] = dict.fromkeys(plan.kinds, plan.tickets)
        counts |= dict.fromkeys(plan.also, plan.fewer)
        return tuple(
            Cell(
                kind.replace(" ", "-"),
                {"kind": kind, "tickets": count},
                WORK[kind] * count / FEWEST,
                f"{kind}s",
                seed_numbers(plan),
            )
            for kind, count in counts.items()
        )

    def brief(self, plan: TicketTailPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        row = next(iter(tables["tails"].where(scale=LOG).rows()))
        shape, normal, best = row["shape"], row["normal_shape"], row["best"]
        return f"shape {shape:.2f}, a normal law's {normal:.2f}; the best of {row['tickets']} explains {best:.1%}"

    def verdicts(
        self, plan: TicketTailPlan, tables: Mapping[str, Table], levels: Levels
    ) -> Sequence[Verdict]:
        complete = [kind for kind in (*plan.kinds, *plan.also) if kind in tables["tails"]["kind"]]
        return formula.verdicts(plan.kinds, plan.also, complete, tables, levels)
