"""The claim that dense random networks contain subnetworks that, trained alone, do as well in similar time.

The plan, the rule and the verdict stand here; what is run stands in `ticket_levels`, which is imported when it is, because it
needs JAX. There is one cell: all seeds with all their controls are trained in one program, level after level, and a draft says
where they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ticketlab.errors import UserError
from ticketlab.laws.equivalence import Difference, all_of, any_of, beats, exceeds, paired_difference
from ticketlab.laws.verdict import Outcome, Verdict
from ticketlab.networks.architectures import MLP, Architecture
from ticketlab.studies.evidence import Evidence, Table
from ticketlab.studies.literature import CAMERON_2011
from ticketlab.studies.study import Blank, Cell, Draft, Progress, Source, Study, silent
from ticketlab.tasks.sources import Digits, TaskSource
from ticketlab.tickets.ranking import LayerWise, Pruning
from ticketlab.training.optimisers import Adam, Constant, Optimiser, Schedule

__all__ = ["DENSE", "GUESS", "TICKET", "WinningTicket", "WinningTicketPlan"]

Control = Literal["reinitialised", "shuffled", "both", "equal-size", "random"]
DENSE, TICKET, GUESS = "dense", "ticket", "guess"
TITLES: Mapping[str, str] = {
    "reinitialised": "its mask over new weights",
    "shuffled": "its weights under a shuffled mask",
    "both": "new weights under a shuffled mask",
    "equal-size": "a dense network of equal size",
    "random": "a random mask with the Erdős–Rényi profile",
}
SKILL = 0.1  # better than guessing means by as much
WAYS = 2  # to be better than a control: more accurate, or sooner


@dataclass(frozen=True)
class WinningTicketPlan:
    """Do dense random networks contain subnetworks that train as well as they do?

    Arguments:
        task: the data to learn, split once for all seeds.
        network: the dense network.
        seeds: how many times parameters, data order and controls are drawn; at least 2 for a verdict.
        density: the density at which the question is decided, that of the nearest level.
        margin: the difference in test score that still counts as equal (0.01: one percentage point of accuracy).
        slower: how many times the steps of the dense network still count as a similar time.
        levels: rounds of pruning.
        pruning: which weights go after a round.
        rewind_step: the step k to which weights, moments and data order are reset; 0 is the random start.
        one_shot: whether every level's mask comes from the dense network, and not from the level before.
        controls: what is trained beside the tickets.
        steps: of training at every level.
        batch: examples in a step.
        optimiser: how a step is taken.
        schedule: the factor of the step size.
        evaluate_every: steps between two looks at the validation data; the early stop is at the lowest validation loss.
        permuted_labels: whether the labels are permuted first, so that there is nothing to be learnt and no ticket to be found.
    """

    task: TaskSource = Digits(train=800, validation=300, test=697)
    network: Architecture = MLP(widths=(100, 50))
    seeds: int = 10
    density: float = 0.12
    margin: float = field(default=0.01, metadata={"cells": False})
    slower: float = field(default=1.25, metadata={"cells": False})
    levels: int = 12
    pruning: Pruning = LayerWise()
    rewind_step: int = 0
    one_shot: bool = False
    controls: tuple[Control, ...] = ("reinitialised", "shuffled", "both", "equal-size", "random")
    steps: int = 1000
    batch: int = 60
    optimiser: Optimiser = Adam(step_size=4e-3)
    schedule: Schedule = Constant()
    evaluate_every: int = 20
    permuted_labels: bool = False

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise UserError(f"seeds={self.seeds}", "at least 1, and at least 2 for a verdict")
        if not 0 < self.density < 1:
            raise UserError(f"density={self.density}", "a fraction between 0 and 1", "21 % is 0.21.")
        if not 0 < self.margin < 1:
            raise UserError(
                f"margin={self.margin}", "a fraction between 0 and 1", "One percentage point is 0.01."
            )
        if not (np.isfinite(self.slower) and self.slower >= 1):
            raise UserError(f"slower={self.slower}", "a factor of at least 1")
        if len(set(self.controls)) < len(self.controls):
            raise UserError(f"controls {self.controls}", "each once")
        for name in ("levels", "steps", "batch", "evaluate_every"):
            if getattr(self, name) < 1:
                raise UserError(f"{name}={getattr(self, name)}", "at least 1")
        if not 0 <= self.rewind_step < self.steps:
            raise UserError(
                f"rewind_step={self.rewind_step}", f"a step before the end of training, 0 to {self.steps - 1}"
            )

    @classmethod
    def presets(cls) -> dict[str, WinningTicketPlan]:
        return {
            "quick": cls(
                task=Digits(train=500, validation=300, test=900),
                network=MLP(widths=(64, 32)),
                seeds=3,
                density=0.18,
                levels=8,
                steps=400,
                evaluate_every=10,
            )
        }


class WinningTicket(Study):
    claim = "winning-ticket"
    statement = "Dense random networks contain subnetworks that, trained alone, reach the dense accuracy in similar time."
    question = (
        "Train a network, remove its smallest weights and put the others back to where they started. Does what is left learn as "
        "well and as fast as the whole, and is that due to this mask and these weights?"
    )
    method = (
        "Tickets are found by iterative magnitude pruning [Frankle & Carbin 2019]: the network is trained, a fraction of its "
        "surviving weights goes, those of the smallest magnitude, and the others are reset to their values at step k of dense "
        "training [Frankle et al. 2020], together with the optimiser's moments and the position in the data order. That is "
        "repeated, level after level. Counts are exact: weights are ranked, ties broken by index. Biases are never pruned.",
        "At every level each ticket is trained beside its controls, from the same step, on the same batches. Reinitialised: its "
        "mask over weights that are drawn anew. Shuffled: its weights under a mask that is shuffled within each layer. Both: the "
        "two together. Equal size: a dense network with as many parameters, narrower in every hidden layer. Random: a mask of as "
        "many weights with the Erdős–Rényi profile of layer densities [Evci et al. 2020].",
        "The early stop is the step with the lowest validation loss; scores are those on test data there. All networks are "
        "trained to the last step in any case, because it is there that weights are ranked.",
        "The question is decided at one density, fixed beforehand; the other levels are shown. A subnetwork is a winning "
        "ticket when it does better than guessing, its test score is at most the margin below the dense network's, its early "
        "stop is not much later, and it is better than every control: more accurate, or sooner. Differences in score are paired "
        "by seed and by test example, with standard errors for both sources of chance [Cameron et al. 2011]; times are compared "
        "by the mean logarithm of their ratio over seeds. All seeds share one split of the data: intervals speak of other "
        "networks on this data set.",
        "After every level a check proves that pruned weights took no part: they, and the optimiser's moments of them, are "
        "exactly zero.",
    )
    sources = (
        Source(
            "Frankle & Carbin 2019",
            "J. Frankle, M. Carbin. The Lottery Ticket Hypothesis: Finding Sparse, Trainable Neural Networks. ICLR 2019.",
            "https://arxiv.org/abs/1803.03635",
        ),
        Source(
            "Frankle et al. 2020",
            "J. Frankle, G. K. Dziugaite, D. M. Roy, M. Carbin. Linear Mode Connectivity and the Lottery Ticket Hypothesis. "
            "ICML 2020.",
            "https://arxiv.org/abs/1912.05671",
        ),
        Source(
            "Evci et al. 2020",
            "U. Evci, T. Gale, J. Menick, P. S. Castro, E. Elsen. Rigging the Lottery: Making All Tickets Winners. ICML 2020.",
            "https://arxiv.org/abs/1911.11134",
        ),
        CAMERON_2011,
    )
    plan_type = WinningTicketPlan

    def cells(self, plan: WinningTicketPlan) -> tuple[Cell, ...]:
        return (Cell("levels", {}, 1.0, "all seeds and levels"),)

    def run(self, plan: WinningTicketPlan, cell: Cell, progress: Progress = silent) -> dict[str, Table]:
        return self.resume(plan, cell, Blank(), progress)

    def resume(
        self, plan: WinningTicketPlan, cell: Cell, draft: Draft, progress: Progress = silent
    ) -> dict[str, Table]:
        from ticketlab.studies.ticket_levels import search_levels

        return search_levels(plan, draft, progress)

    def brief(self, plan: WinningTicketPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        said = _sides(tables)
        return (
            f"test score {said.ticket:.3f} at density {said.density:.3f}, dense {said.dense:.3f}; "
            f"early stop at step {said.steps:.0f}, dense {said.dense_steps:.0f}"
        )

    def conclude(self, plan: WinningTicketPlan, tables: Mapping[str, Table]) -> Evidence:
        if "examples" not in tables:
            return Evidence(dict(tables))
        asked = 3 + WAYS * len(plan.controls)
        dense = [
            _guessing(plan, tables, asked),
            _accuracy(plan, tables, asked),
            _as_soon(plan, tables, asked),
        ]
        controls = {
            name: [_better(plan, tables, asked, name), _sooner(plan, tables, asked, name)]
            for name in plan.controls
        }
        questions = [*dense, *(question for pair in controls.values() for question in pair)]
        return Evidence(dict(tables), (_claim(plan, tables, dense, controls), *questions))


@dataclass(frozen=True)
class _Sides:
    """The means on which the question turns."""

    density: float
    ticket: float
    dense: float
    steps: float
    dense_steps: float


def _sides(tables: Mapping[str, Table]) -> _Sides:
    ticket, dense = (_decisive(tables, arm) for arm in (TICKET, DENSE))
    return _Sides(
        float(np.mean(ticket["density"])),
        float(np.mean(ticket["test_score"])),
        float(np.mean(dense["test_score"])),
        float(np.mean(ticket["early_stop_step"])),
        float(np.mean(dense["early_stop_step"])),
    )


def _decisive(tables: Mapping[str, Table], arm: str) -> Table:
    """An arm's rows at the level at which the question is decided, one a seed; the dense networks stand at level 0."""
    rows = tables["levels"].where(arm=arm)
    return rows if arm == DENSE else rows.where(decisive=True)


def _gain(tables: Mapping[str, Table], other: str) -> Difference:
    """How much better the ticket's test score is, paired by seed and test example."""
    examples = tables["examples"]
    return paired_difference(examples[TICKET] - examples[other], examples["seed"], examples["id"])


def _speed(plan: WinningTicketPlan, tables: Mapping[str, Table], other: str) -> Difference:
    """The mean of log(steps of the other / steps of the ticket) to the early stop, over seeds."""
    steps = [
        np.maximum(_decisive(tables, arm)["early_stop_step"], plan.evaluate_every) for arm in (other, TICKET)
    ]
    seed = _decisive(tables, TICKET)["seed"]
    return paired_difference(np.log(steps[0] / steps[1]), seed, seed)


def _guessing(plan: WinningTicketPlan, tables: Mapping[str, Table], asked: int) -> Verdict:
    gain = _gain(tables, GUESS)
    outcome = exceeds(gain, SKILL, asked)
    said = {
        Outcome.HOLDS: "it has learnt the task",
        Outcome.FAILS: "it has not learnt the task",
        Outcome.UNDECIDED: "the data do not decide whether it has learnt the task",
    }[outcome]
    reading = f"The ticket scores {_points(gain.mean)} points more than always guessing what is most frequent: {said}."
    rule = (
        f"(better than guessing) Holds when the 95 % interval of the difference lies above {100 * SKILL:g} points; fails when "
        f"{_corrected(asked)} lies below; undecided otherwise."
    )
    return _in_points("better than guessing", outcome, rule, gain, reading)


def _accuracy(plan: WinningTicketPlan, tables: Mapping[str, Table], asked: int) -> Verdict:
    gain, sides = _gain(tables, DENSE), _sides(tables)
    outcome = exceeds(gain, -plan.margin, asked)
    said = {
        Outcome.HOLDS: "it is as accurate",
        Outcome.FAILS: "it is less accurate",
        Outcome.UNDECIDED: "the data do not decide whether it is as accurate",
    }[outcome]
    reading = (
        f"With {100 * sides.density:.1f} % of the weights the ticket scores {100 * sides.ticket:.1f} % on test data and the "
        f"dense network {100 * sides.dense:.1f} %, a difference of {_points(gain.mean)} points: up to the margin of "
        f"{100 * plan.margin:g}, {said}."
    )
    rule = (
        f"(as accurate) Holds when the 95 % interval of the difference in test score lies above −{100 * plan.margin:g} points; "
        f"fails when {_corrected(asked)} lies below; undecided otherwise."
    )
    return _in_points("as accurate as the dense network", outcome, rule, gain, reading)


def _better(plan: WinningTicketPlan, tables: Mapping[str, Table], asked: int, name: str) -> Verdict:
    gain = _gain(tables, name)
    outcome = beats(gain, plan.margin, asked, WAYS)
    score = 100 * float(np.mean(_decisive(tables, name)["test_score"]))
    said = {
        Outcome.HOLDS: "the ticket is more accurate",
        Outcome.FAILS: f"the ticket is not more accurate, or by less than {100 * plan.margin:g} points",
        Outcome.UNDECIDED: "the data do not decide whether the ticket is more accurate",
    }[outcome]
    reading = f"{_sentence(TITLES[name])} scores {score:.1f} %, the ticket {_points(gain.mean)} points more: {said}."
    rule = (
        f"(more accurate than a control) Holds when the interval of the difference in test score, at a level corrected for the "
        f"{WAYS} ways to be better, lies above zero; fails when it does not and {_corrected(asked)} lies below "
        f"{100 * plan.margin:g} points; undecided otherwise."
    )
    return _in_points(f"more accurate than {TITLES[name]}", outcome, rule, gain, reading)


def _as_soon(plan: WinningTicketPlan, tables: Mapping[str, Table], asked: int) -> Verdict:
    speed = _speed(plan, tables, DENSE)
    outcome = exceeds(speed, -np.log(plan.slower), asked)
    said = {
        Outcome.HOLDS: "a similar time",
        Outcome.FAILS: "a longer time",
        Outcome.UNDECIDED: "the data do not decide whether that is a similar time",
    }[outcome]
    rule = (
        f"(as soon) Holds when the 95 % interval of the ratio of steps to the early stop lies below {plan.slower:g}; fails when "
        f"{_corrected(asked)} lies above; undecided otherwise."
    )
    return _in_time("as soon as the dense network", outcome, rule, speed, _stops(tables, DENSE, said))


def _sooner(plan: WinningTicketPlan, tables: Mapping[str, Table], asked: int, name: str) -> Verdict:
    speed = _speed(plan, tables, name)
    outcome = beats(speed, np.log(plan.slower), asked, WAYS)
    said = {
        Outcome.HOLDS: "the ticket is sooner",
        Outcome.FAILS: f"the ticket is not sooner, or by less than a factor of {plan.slower:g}",
        Outcome.UNDECIDED: "the data do not decide whether the ticket is sooner",
    }[outcome]
    rule = (
        "(sooner than a control) Holds when the interval of the ratio of steps to the early stop, at a level corrected for the "
        f"{WAYS} ways to be better, lies below 1; fails when it does not and {_corrected(asked)} lies above "
        f"{1 / plan.slower:.2g}; undecided otherwise."
    )
    return _in_time(f"sooner than {TITLES[name]}", outcome, rule, speed, _stops(tables, name, said))


def _stops(tables: Mapping[str, Table], other: str, said: str) -> str:
    steps = [float(np.mean(_decisive(tables, arm)["early_stop_step"])) for arm in (TICKET, other)]
    whom = "the dense network" if other == DENSE else TITLES[other]
    return f"The ticket's early stop is at step {steps[0]:.0f} on average, that of {whom} at {steps[1]:.0f}: {said}."


def _in_time(question: str, outcome: Outcome, rule: str, speed: Difference, reading: str) -> Verdict:
    """As the share by which the ticket's steps exceed the other's."""
    low, high = speed.interval()
    more = [100 * float(np.expm1(-log)) for log in (speed.mean, high, low)]
    return Verdict(
        question, outcome, rule, more[0], (more[1], more[2]), "% more steps", _sure(speed, reading)
    )


def _in_points(question: str, outcome: Outcome, rule: str, gain: Difference, reading: str) -> Verdict:
    low, high = gain.interval()
    interval = (100 * low, 100 * high)
    return Verdict(
        question, outcome, rule, 100 * gain.mean, interval, "points of test score", _sure(gain, reading)
    )


def _sure(difference: Difference, reading: str) -> str:
    """The reading without its conclusion where there is only one seed."""
    if difference.freedom >= 1:
        return reading
    return f"{reading.rpartition(':')[0]}; one seed is not enough to say how sure this is."


def _claim(
    plan: WinningTicketPlan,
    tables: Mapping[str, Table],
    dense: list[Verdict],
    controls: Mapping[str, list[Verdict]],
) -> Verdict:
    parts = {q.question: q.outcome for q in dense}
    parts |= {
        f"better than {TITLES[name]}": any_of([q.outcome for q in both]) for name, both in controls.items()
    }
    outcome = all_of(list(parts.values()))
    if outcome is Outcome.HOLDS and not controls:
        outcome = Outcome.UNDECIDED
    concerned = "; ".join(part for part, found in parts.items() if found is outcome)
    return Verdict(
        question="",
        outcome=outcome,
        rule="The claim holds when, at the density fixed beforehand, the ticket is better than guessing, as accurate as the "
        "dense network and as soon as it, and better than every control, that is more accurate or sooner; it fails when one of "
        "these fails, of a control both ways; and it is undecided otherwise, also without controls.",
        effect=None,
        interval=None,
        unit="",
        reading=_whole(
            outcome, dense[0].outcome, concerned, f"{100 * _sides(tables).density:.1f} % of the weights"
        ),
    )


def _whole(outcome: Outcome, guessing: Outcome, concerned: str, kept: str) -> str:
    if guessing is Outcome.FAILS:
        return f"No winning ticket was found: what pruning left, {kept}, does not do better than guessing."
    if outcome is Outcome.FAILS:
        return f"With {kept} no winning ticket was found: what pruning left is not {concerned}."
    if outcome is Outcome.HOLDS:
        return (
            f"The random network contains a subnetwork with {kept} that trains as well as the whole in similar time, and neither "
            "its mask nor its weights can be left to chance."
        )
    if concerned:
        return f"These runs do not decide whether there is a winning ticket with {kept}: undecided is whether it is {concerned}."
    return f"What pruning left, {kept}, does as well as the whole, but it was compared with no control."


def _corrected(asked: int) -> str:
    return f"the interval, at a level corrected for the {asked} questions asked,"


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


def _points(fraction: float) -> str:
    """In points, with a typographic minus."""
    return f"{100 * fraction:+.2f}".replace("-", "−")
