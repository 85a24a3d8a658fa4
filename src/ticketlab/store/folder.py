"""A run folder: everything that a run produces, and all that a report needs.

plan.toml           what was asked; `ticketlab run plan.toml` asks it again
data.json           the data sets as read: content, target, notes on guesses and omissions
environment.json    versions, device and threads
cells/              one immutable folder for each finished cell
    evidence/           the tables of the evidence as Parquet files
evidence.json       their columns, units, meanings and checksums, and the digest
verdict.json        the verdicts
plan.protocol.json  the protocol, if the plan was registered before
looks.json          how often verdicts were looked at, with how many seeds, and at which level; and looks-copy.json
report.html         the page, written from the files above
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shlex
import shutil
import tomllib
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ticketlab.choices import family
from ticketlab.claims.study import Study, groups
from ticketlab.engine.run import Observer, run_study
from ticketlab.engine.threads import available_cores, thread_counts
from ticketlab.errors import UserError, counted
from ticketlab.evidence.tables import Evidence
from ticketlab.laws.looks import Look
from ticketlab.laws.verdict import Outcome, Verdict
from ticketlab.plans import find_study, parse_toml, plan_hash, toml
from ticketlab.store.cells import CellFolders, cell_records, read_tables, reread_tables, write_tables
from ticketlab.store.data import content_hash, data_hashes, read_data
from ticketlab.store.environment import environment
from ticketlab.store.failures import storing
from ticketlab.store.identity import dependencies
from ticketlab.store.lock import only_process
from ticketlab.store.look_file import Looks, question_hash
from ticketlab.store.lost_plan import claim_of, restore_plan
from ticketlab.store.protocol import SUFFIX, Protocol, read_protocol
from ticketlab.store.records import read_record, strict, write_record, write_text
from ticketlab.store.tables import Damaged
from ticketlab.store.watch import Watch
from ticketlab.store.whole import flush_tree, move
from ticketlab.tasks.pinned import pinned

if TYPE_CHECKING:
    from ticketlab.engine.runner import Runner
    from ticketlab.networks.pretrained import Pretrained
    from ticketlab.tangent.devices import Devices
    from ticketlab.tasks.sources import TaskSource

__all__ = ["RunFolder", "default_place"]


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run of one plan.

    Arguments:
        path: its path.
        study: the study.
        plan_text: the plan as a TOML file.
        registered: the protocol that was written before the run, if there is one.
    """

    path: Path
    study: Study
    plan_text: str
    registered: Protocol | None = None

    @staticmethod
    def of(
        study: Study, plan: Any, path: Path | None = None, registered: Protocol | None = None
    ) -> RunFolder:
        """The folder for a plan, which need not exist yet; by default its usual place in `runs/`."""
        return RunFolder(path or default_place(study.claim, plan), study, toml(study.claim, plan), registered)

    @staticmethod
    def open(path: Path, studies: Mapping[str, str]) -> RunFolder:
        """The folder of an earlier run; UserError for anything else. A lost plan is restored from its cells."""
        file = path / "plan.toml"
        restore_plan(path)
        if not file.is_file():
            raise UserError(
                f"{path}, which holds no plan.toml", "the folder of a run", "`ticketlab run` creates one."
            )
        claim = str(parse_toml(file).get("claim"))
        return RunFolder(path, find_study(claim, studies), file.read_text(encoding="utf-8-sig"))

    @property
    def claim(self) -> str:
        return self.study.claim

    @property
    def report_path(self) -> Path:
        return self.path / "report.html"

    def plan_table(self) -> dict[str, Any]:
        """The stored plan as nested tables of plain values, without the claim."""
        return _without_claim(tomllib.loads(self.plan_text))

    def environment(self) -> dict[str, Any]:
        """Versions, device and threads of the process that worked here last."""
        return self._record("environment.json")

    def looks(self) -> Looks:
        """The looks at the question of this plan, whatever its number of seeds."""
        return Looks(self.path, self.claim, self.plan_table())

    def look(self) -> Look | None:
        """The look with this plan's seeds, if there was one."""
        seeds = self.plan_table().get("seeds", 1)
        return next((look for look in self.looks().so_far() if look.seeds == seeds), None)

    def data(self) -> dict[str, Any]:
        """What was read of the data sets, by the plan's option; nothing of runs before this was written."""
        return self._record("data.json") if (self.path / "data.json").exists() else {}

    def protocol(self) -> Protocol | None:
        """The protocol under which this was run, if it was registered."""
        file = self.path / f"plan{SUFFIX}"
        return read_protocol(file) if file.exists() else None

    def cells(self) -> list[dict[str, Any]]:
        """The records of the cells behind the evidence, in the plan's order: title, seconds, finished, what they depend on."""
        kept = {record["identity"]: record for record in cell_records(self.path / "cells")}
        return [kept[i] for i in self._record("evidence.json")["cells"] if i in kept]

    def finished(self) -> bool:
        """Whether the evidence of this very plan is stored."""
        try:
            return self._record("evidence.json")["plan"] == self._plan_seal()
        except UserError:
            return False

    def up_to_date(
        self,
        plan: Any,
        note: Callable[[str], None] = lambda text: None,
        devices: Devices | None = None,
        runner: Runner | None = None,
        hashed: Callable[[TaskSource | Pretrained], str] = content_hash,
    ) -> bool:
        """Whether a run of this plan is stored whole, with its page, and `run` would use all of its cells again.

        Arguments:
            plan, note, devices, runner: as for `run`.
            hashed: gives the content hash of a data set or a start.

        Raises: UserError for data that cannot be read, for workers that differ, and when the folder is in use.
        """
        if not self._whole():
            return False
        device = None if runner is None else runner.device(self.study, plan, note)
        depends = dependencies(self.study, plan, devices, data_hashes(plan, hashed), device)
        with only_process(self.path):
            keeper = CellFolders(self.path / "cells", depends)
            cells = groups(self.study.cells(plan), keeper.has)
            return self._concluded_from([*map(keeper.identity, cells)]) and all(map(keeper.whole, cells))

    def evidence(self) -> Evidence:
        """The stored evidence, with the bits that were stored.

        Raises UserError if the run is not finished or a file is damaged.
        """
        record = self._record("evidence.json")
        if record["plan"] != self._plan_seal():
            raise self._unfinished()
        try:
            tables = read_tables(record["tables"], self.path / "evidence")
        except Damaged as damage:
            raise self._damaged(damage) from None
        verdicts = tuple(_verdict(v) for v in self._record("verdict.json")["verdicts"])
        return Evidence(tables, verdicts)

    def run(
        self,
        plan: Any,
        observer: Observer | None = None,
        note: Callable[[str], None] = lambda text: None,
        devices: Devices | None = None,
        most: int | None = None,
        runner: Runner | None = None,
    ) -> Evidence:
        """Runs what is not finished yet, and stores the evidence.

        Arguments:
            plan: the plan that this folder is for.
            observer: receives progress and verdicts.
            note: receives messages on kept cells that cannot be used.
            devices: over which examples are spread; by default all on one.
            most: seeds at which a planned sequence of looks ends that this run belongs to; None if it belongs to none.
            runner: where the cells run; by default here, one after the other.

        Returns: the evidence as it is stored.

        Raises: as `engine.run_study`; UserError when the folder holds something else, is in use, or cannot be written.
        """
        device = None if runner is None else runner.device(self.study, plan, note)
        with self.work(plan, note, devices, most, device) as keeper:
            return self.keep(run_study(self.study, plan, keeper, observer, devices, runner), keeper, plan)

    @contextlib.contextmanager
    def work(
        self,
        plan: Any,
        note: Callable[[str], None] = lambda text: None,
        devices: Devices | None = None,
        most: int | None = None,
        device: Mapping[str, Any] | None = None,
    ) -> Iterator[CellFolders]:
        """Prepares the folder, keeps other processes out, and gives the keeper of the plan's cells.

        Arguments:
            plan, note, devices, most: as for `run`.
            device: where the cells run, if not in this process.

        A run that ends before anything was computed leaves no folder that was not there before.

        Raises UserError when the folder holds something else, is in use, or cannot be written.
        """
        self._check_free()
        watch = Watch(plan, data_hashes)
        data = read_data(plan)  # before the folder is created, so that unusable data leave no folder
        hashes = {where: own.hash for where, own in data.items()}
        depends = dependencies(self.study, plan, devices, hashes, device)
        for where, own in data.items():
            for text in (*([f"The target is {own.target!r}."] if own.target else []), *own.notes, own.start):
                if text:
                    note(f"{where}: {text}")
        for text in self.study.remarks(plan):
            note(text)
        made = [place for place in (self.path, self.path.parent) if not place.exists()]
        with storing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with (
            only_process(self.path),
            self._nothing_left(made),
            pinned({own.source: own.hash for own in data.values()}),
        ):
            # First: by its plan the folder is known after a kill.
            write_text(self.path / "plan.toml", self.plan_text)
            seeds = getattr(plan, "seeds", 1)
            keeper = CellFolders(
                self.path / "cells",
                depends,
                note,
                self.plan_text,
                lambda: watch.check(depends["data"]),
                (self.looks(), seeds, most),
            )
            self._start_afresh(keeper, plan)
            self._register()
            write_record(self.path / "data.json", {where: own.record() for where, own in data.items()})
            write_record(self.path / "environment.json", environment(devices, device))
            yield keeper

    def _whole(self) -> bool:
        """Whether plan, evidence and page of this very plan are here, and not damaged."""
        with contextlib.suppress(UserError):
            plan = _without_claim(parse_toml(self.path / "plan.toml"))
            self.evidence()
            return plan_hash(self.claim, plan) == self._plan_seal() and self.report_path.exists()
        return False

    def _register(self) -> None:
        """Puts the protocol next to the plan. Raises UserError if the folder is of a run under another one."""
        if self.registered is None:
            return
        before = self.protocol()
        if before is not None and before.digest != self.registered.digest:
            raise UserError(
                f"{self.path}, a run under another protocol ({before.digest[:12]}…)",
                "a new folder",
                "Give another --out.",
            )
        self.registered.write(self.path / f"plan{SUFFIX}")

    @contextlib.contextmanager
    def _nothing_left(self, made: Sequence[Path]) -> Iterator[None]:
        """Removes the folders that this run has made when it ends before anything was computed; it holds their lock."""
        try:
            yield
        except BaseException:
            if self.path in made and not any(self.path.glob("cells/[!.]*")):
                shutil.rmtree(self.path, ignore_errors=True)
                with contextlib.suppress(OSError):  # there are other runs by now
                    for place in made[1:]:
                        place.rmdir()
            raise

    def keep(self, evidence: Evidence, keeper: CellFolders, plan: Any) -> Evidence:
        """Stores a finished run's evidence and verdicts; returns them as they are read back."""
        partial, final = self.path / ".evidence.partial", self.path / "evidence"
        with storing(self.path):
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
        tables = write_tables(evidence.tables, partial)
        with storing(self.path):
            flush_tree(partial)
            shutil.rmtree(final, ignore_errors=True)
            move(partial, final)
        kept = Evidence(reread_tables(tables, final), evidence.verdicts)
        record = {
            "plan": self._plan_seal(),
            "plan_file": self.plan_text,
            "digest": kept.digest(),
            "cells": self._identities(keeper, plan),
            "tables": tables,
        }
        write_record(
            self.path / "verdict.json", {"claim": self.claim, "verdicts": verdict_records(evidence.verdicts)}
        )
        write_record(self.path / "evidence.json", record)
        return kept

    def _plan_seal(self) -> str:
        return plan_hash(self.claim, self.plan_table())

    def _check_free(self) -> None:
        """A run folder of the same claim, an empty folder, or none."""
        path = self.path
        if path.exists() and not path.is_dir():
            raise UserError(f"{path}, which is a file", "a folder, or an unused name", "Give another --out.")
        claim = claim_of(path)
        if path.is_dir() and claim is None and any(not p.name.startswith(".") for p in path.iterdir()):
            raise UserError(
                f"{path}, which holds other files", "an empty folder or a run folder", "Give another --out."
            )
        if claim not in (None, self.claim):
            raise UserError(f"{path}, a run of {claim}", f"a run of {self.claim}", "Give another --out.")

    def _start_afresh(self, keeper: CellFolders, plan: Any) -> None:
        """Removes conclusions and page that other cells led to. The cells stay, and are reused when they are valid."""
        if self._concluded_from(self._identities(keeper, plan)):
            return
        with storing(self.path):
            for name in ("evidence.json", "verdict.json", "report.html"):
                (self.path / name).unlink(missing_ok=True)
            shutil.rmtree(self.path / "evidence", ignore_errors=True)

    def _concluded_from(self, cells: Sequence[str]) -> bool:
        """Whether the stored evidence is of this plan and of the cells of these identities."""
        with contextlib.suppress(UserError):
            record = self._record("evidence.json")
            return bool(record["plan"] == self._plan_seal() and record["cells"] == cells)
        return False

    def _identities(self, keeper: CellFolders, plan: Any) -> list[str]:
        return [keeper.identity(cell) for cell in groups(self.study.cells(plan), keeper.has)]

    def _record(self, name: str) -> dict[str, Any]:
        if name == "evidence.json" and not (self.path / name).exists():
            raise self._unfinished()
        try:
            return read_record(self.path / name)
        except Damaged as damage:
            raise self._damaged(damage) from None

    def _unfinished(self) -> UserError:
        count = self.kept_cells()
        kept = f"{counted(count, 'cell')} {'is' if count == 1 else 'are'} kept"
        return UserError(
            f"the run in {self.path}, which is not finished ({kept})",
            "a finished run",
            f"Finish it: {self._again()}",
        )

    def _damaged(self, damage: Damaged) -> UserError:
        return UserError(
            f"a damaged run in {self.path}: {damage}", "", f"Repair it from the kept cells: {self._again()}"
        )

    def _again(self) -> str:
        """The command that uses the kept cells: in processes of one thread each, if they were made in such ones."""
        with contextlib.suppress(Damaged, KeyError):
            threads = read_record(self.path / "environment.json")["device"]["threads"]
            if set(threads.values()) == {"1"} and threads != thread_counts(os.environ):
                return f"{self.command()} --jobs {available_cores()}"
        return self.command()

    def kept_cells(self) -> int:
        """The number of complete cells in the folder."""
        return len(cell_records(self.path / "cells"))

    def command(self) -> str:
        """The command that runs this plan in this folder."""
        return shlex.join(["ticketlab", "run", str(self.path / "plan.toml"), "--out", str(self.path)])


def _without_claim(table: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name != "claim"}


def default_place(claim: str, plan: Any) -> Path:
    """`runs/<claim>-<task>-<first digits of a hash>`: one place for all plans that differ in the number of seeds alone."""
    hints = typing.get_type_hints(type(plan))
    parts = [claim]
    for f in dataclasses.fields(plan):
        within = family(hints[f.name])
        if within and within.noun == "task":
            task = getattr(plan, f.name)
            path = getattr(task, "path", None)
            name = Path(path).stem if isinstance(path, str) and path else within.name_of(task)
            parts.append(re.sub(r"[^\w.-]+", "-", name)[:40])
            break
    return Path("runs") / "-".join([*parts, question_hash(claim, plan)[:8]])


def verdict_records(verdicts: tuple[Verdict, ...]) -> list[dict[str, Any]]:
    """Verdicts as JSON values."""
    return [strict(dataclasses.asdict(v)) for v in verdicts]


def _verdict(record: Mapping[str, Any]) -> Verdict:
    effect = record["effect"]
    ends = {name: record.get(name) for name in ("interval", "deciding", "region")}
    return Verdict(
        **{
            **record,
            "outcome": Outcome(record["outcome"]),
            "effect": None if effect is None else float(effect),
            **{name: None if e is None else (float(e[0]), float(e[1])) for name, e in ends.items()},
        }
    )
