"""A study that takes no time: is the mean of random numbers zero? With an environment variable it can be made to go wrong midway.

TOY_TROUBLE is "<kind>:<cell>", where kind is numerical, user, interrupt, or sleep (which says so in a file named by TOY_ASLEEP).

TOY_FLAGS is a folder, for cells that run in other processes. Each cell that begins adds a line to its file `begun`. A file
`kill-<cell>-<number>` there is removed by the cell, which then kills its process; `wait-<cell>` holds it up while it is there,
and with `fail-<cell>` it raises an error.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ticketlab.claims.answers import claim_verdict
from ticketlab.claims.study import Cell, Draft, Progress, Study, silent
from ticketlab.errors import NumericalFailure, UserError
from ticketlab.evidence.tables import Evidence, Table
from ticketlab.laws.difference import of_seeds
from ticketlab.laws.formulae import Question, answer, verdict_of
from ticketlab.laws.rules import USUAL, Levels, Within
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.architectures import MLP
from ticketlab.tasks.sources import Digits, TaskSource

if TYPE_CHECKING:
    from ticketlab.tangent.devices import Devices


@dataclass(frozen=True)
class Gaussian:
    """A normal law.

    Arguments:
        scale: the standard deviation.
    """

    scale: float = 1.0


@dataclass(frozen=True)
class Uniform:
    """A uniform law.

    Arguments:
        low, high: the ends.
    """

    low: float = -1.0
    high: float = 1.0


@dataclass(frozen=True)
class Budget:
    """How much work.

    Arguments:
        draws: numbers a seed.
    """

    draws: int = 20


@dataclass(frozen=True)
class ToyPlan:
    """Whether random numbers have mean zero.

    Arguments:
        task: the data, which are not used.
        network: not used either.
        law: what the numbers are drawn from.
        signs: which signs are tried.
        seeds: how many times.
        margin: the mean that still counts as zero.
        offset: added to every number; none for nothing.
        budget: how much.
    """

    task: TaskSource = Digits()
    network: Architecture = MLP()
    law: Gaussian | Uniform = Gaussian()
    signs: tuple[Literal["plus", "minus"], ...] = ("plus", "minus")
    seeds: int = field(default=3, metadata={"cells": False})
    margin: float = field(default=0.5, metadata={"cells": False})
    offset: float | None = None
    budget: Budget = Budget()

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise UserError(f"seeds = {self.seeds}", "at least 1")

    @classmethod
    def presets(cls) -> dict[str, ToyPlan]:
        return {"quick": cls(seeds=1, signs=("plus",))}


class Toy(Study):
    claim = "toy"
    statement = "Random numbers have mean zero."
    question = "Is the mean of random numbers zero?"
    method = ("Numbers are drawn and averaged.",)
    sources = ()
    plan_type = ToyPlan

    def cells(self, plan: ToyPlan) -> tuple[Cell, ...]:
        return tuple(
            Cell(f"{sign}-seed{seed}", {"sign": sign, "seed": seed}, 1.0, f"{sign}, seed {seed}")
            for sign in plan.signs
            for seed in range(plan.seeds)
        )

    def run(
        self, plan: ToyPlan, cell: Cell, progress: Progress = silent, devices: Devices | None = None
    ) -> dict[str, Table]:
        began = time.perf_counter()
        progress("drawing", 0.5)
        flags(cell, progress)
        trouble(cell)
        random = np.random.default_rng(cell.settings["seed"])
        law = plan.law
        n = plan.budget.draws
        values = (
            random.normal(0, law.scale, n)
            if isinstance(law, Gaussian)
            else random.uniform(law.low, law.high, n)
        )
        values = values * (1 if cell.settings["sign"] == "plus" else -1) + (plan.offset or 0.0)
        rows = [
            {**cell.settings, "index": i, "value": v, "positive": bool(v > 0)} for i, v in enumerate(values)
        ]
        rows[0]["value"] = -np.nan
        times = [{**cell.settings, "seconds": time.perf_counter() - began}]
        return {
            "draws": Table.from_rows(
                "draws", rows, units={"value": "V"}, meanings={"value": "the number drawn"}
            ),
            "times": Table.from_rows("times", times, units={"seconds": "s"}, measured=True),
        }

    def brief(self, plan: ToyPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        return f"mean {np.nanmean(tables['draws']['value']):.2f}"

    def conclude(self, plan: ToyPlan, tables: Mapping[str, Table], levels: Levels = USUAL) -> Evidence:
        verdicts = []
        for sign in plan.signs if "draws" in tables else ():
            part = tables["draws"].where(sign=sign)
            if len(set(part["seed"])) < plan.seeds:
                continue
            mean = float(np.nanmean(part["value"]))
            outcome = Outcome.HOLDS if abs(mean) < plan.margin else Outcome.FAILS
            verdicts.append(
                Verdict(
                    sign,
                    outcome,
                    "mean within margin",
                    mean,
                    (mean - 1, mean + 1),
                    "V",
                    f"The mean is {mean:.2f}.",
                )
            )
        if len(verdicts) == len(plan.signs):
            outcomes = {v.outcome for v in verdicts}
            whole = Outcome.HOLDS if outcomes == {Outcome.HOLDS} else Outcome.FAILS
            verdicts.insert(
                0,
                Verdict("", whole, "all hold", None, None, "V", "Random numbers were averaged.", key="claim"),
            )
        return Evidence(dict(tables), tuple(verdicts))


def flags(cell: Cell, progress: Progress) -> None:
    if "TOY_FLAGS" not in os.environ:
        return
    folder = Path(os.environ["TOY_FLAGS"])
    with (folder / "begun").open("a") as file:
        file.write(f"{cell.name}\n")
    until = time.monotonic() + 60
    while (folder / f"wait-{cell.name}").exists() and time.monotonic() < until:
        time.sleep(0.02)
        progress("waiting", 0.5)
    if (folder / f"fail-{cell.name}").exists():
        raise UserError("a toy mistake", "none")
    for flag in folder.glob(f"kill-{cell.name}-*"):
        with contextlib.suppress(FileNotFoundError):
            flag.unlink()
            os.kill(os.getpid(), signal.SIGKILL)


def trouble(cell: Cell) -> None:
    kind, _, name = os.environ.get("TOY_TROUBLE", "").partition(":")
    if name != cell.name:
        return
    match kind:
        case "numerical":
            raise NumericalFailure("the residual is 1e-3, not 1e-8: take a larger ridge")
        case "user":
            raise UserError("a toy mistake", "none")
        case "interrupt":
            raise KeyboardInterrupt
        case "sleep":
            Path(os.environ["TOY_ASLEEP"]).touch()
            time.sleep(60)


class Leaving(Toy):
    """Keeps a draft, and leaves a ticket: a layer whose weight is the number of its seed."""

    claim = "leaving"

    def resume(
        self,
        plan: ToyPlan,
        cell: Cell,
        draft: Draft,
        progress: Progress = silent,
        devices: Devices | None = None,
    ) -> dict[str, Table]:
        from ticketlab.tickets.ticket import Ticket

        before = draft.read()
        stage = 1 + (0 if before is None else int(before["stage"]))
        draft.write({"stage": np.array(stage)})
        weight = {"dense": {"weight": np.array([[float(cell.settings["seed"])]])}}
        about = {"of": cell.name, "stage": str(stage)}
        draft.leave("ticket", Ticket(weight, {"dense": np.array([[True]])}, about=about))
        return self.run(plan, cell, progress, devices)


STUDIES: dict[str, Any] = {"toy": "toy_study:Toy", "hesitant": "toy_study:Hesitant"}


class Other(Toy):
    claim = "other"


class Hesitant(Toy):
    """Says only what its seeds show: whether the mean of each, over positive and negative numbers, is zero within the margin."""

    claim = "hesitant"

    def cells(self, plan: ToyPlan) -> tuple[Cell, ...]:
        return tuple(Cell(sign, {"sign": sign}, seeds=tuple(range(plan.seeds))) for sign in plan.signs)

    def run(
        self, plan: ToyPlan, cell: Cell, progress: Progress = silent, devices: Devices | None = None
    ) -> dict[str, Table]:
        settings = {**cell.settings, "seed": cell.seeds[0]}
        return super().run(plan, replace(cell, settings=settings), progress, devices)

    def conclude(self, plan: ToyPlan, tables: Mapping[str, Table], levels: Levels = USUAL) -> Evidence:
        if len(set(tables["draws"]["sign"])) < len(plan.signs):
            return Evidence(dict(tables))
        plus = tables["draws"].where(sign="plus")
        means = [float(np.nanmean(plus.where(seed=s)["value"])) for s in range(plan.seeds)]
        effect = of_seeds(np.array(means))
        question = Question(
            "mean", "the mean", lambda tables: effect, Within(plan.margin), "the mean", Scale("V"),
            lambda tables: f"The mean of {plan.seeds} seeds is {effect.mean:.2f}",
            {Outcome.HOLDS: "it is zero", Outcome.FAILS: "it is not", Outcome.UNDECIDED: "that may be zero"},
        )  # fmt: skip
        found = answer(question, tables, levels)
        claim = claim_verdict(found, "as the question", {o: f"It {o}." for o in Outcome})
        return Evidence(dict(tables), (claim, verdict_of(found, tables)))
