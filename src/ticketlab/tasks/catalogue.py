"""The catalogue of data: the choices by name, which of these are available, and how a path is recognised."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ticketlab.errors import UserError
from ticketlab.tasks.sources import (
    Boolean,
    Bundled,
    Cifar10,
    Csv,
    Digits,
    Fashion,
    Hub,
    Idx,
    ImageFolder,
    InContext,
    Markov,
    Mnist,
    Mnist1d,
    NamedFolder,
    NextRow,
    Npz,
    OwnFile,
    Parquet,
    SourceCode,
    SparseParity,
    TaskSource,
    Teacher,
    Text,
)

__all__ = ["TASKS", "Available", "available", "check", "from_path"]

TASKS: dict[str, type[TaskSource]] = {
    "digits": Digits,
    "boolean": Boolean,
    "mnist1d": Mnist1d,
    "source-code": SourceCode,
    "next-row": NextRow,
    "markov": Markov,
    "in-context": InContext,
    "sparse-parity": SparseParity,
    "teacher": Teacher,
    "bundled": Bundled,
    "mnist": Mnist,
    "fashion": Fashion,
    "cifar10": Cifar10,
    "idx": Idx,
    "npz": Npz,
    "csv": Csv,
    "parquet": Parquet,
    "images": ImageFolder,
    "text": Text,
    "hub": Hub,
}
"""Every choice of data, by its name in plans and on the command line."""


@dataclass(frozen=True)
class Available:
    """One row of the list of data.

    Arguments:
        name: in `TASKS`.
        what: a one-phrase description.
        size: the number of examples (train + official test).
        present: whether it can be loaded now; None if that depends on the options.
        how: how to get or name it; empty if it is always available.
    """

    name: str
    what: str
    size: str
    present: bool | None
    how: str


def available() -> tuple[Available, ...]:
    """Every choice, whether it is available, and how to get it."""
    rows = []
    for name, source in TASKS.items():
        present, how = _present(source), source.how
        if present is False and issubclass(source, NamedFolder):
            how = f"put {how} into $TICKETLAB_DATA/{name}, or pass {name}:folder=FOLDER"
        rows.append(Available(name, source.what, source.size, present, "" if present else how))
    return tuple(rows)


def _present(source: type[TaskSource]) -> bool | None:
    if source.package and find_spec(source.package) is None:
        return False
    if issubclass(source, (OwnFile, Hub)):
        return None
    if issubclass(source, NamedFolder):
        try:
            source().path()
        except UserError:
            return False
    return True


def from_path(path: str | Path) -> TaskSource:
    """The source that reads a file or folder, recognised by its content if possible, else by its suffix.

    Raises: UserError if the path does not exist or holds nothing that can be read.
    """
    from ticketlab.tasks.formats.files import expanded, file_start, reading

    where, what = expanded(path), "a data file, or a folder of them"
    with reading(where, what):
        folder = where.is_dir()
    if folder:
        return _folder(where)
    start = file_start(where, what)
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):  # a table may begin with a column "PK"
        return Npz(path=str(path))
    if start.startswith(b"PAR1"):
        return Parquet(path=str(path))
    if start[:2] == b"\0\0" or ("idx" in where.name and "ubyte" in where.name):
        return Idx(path=str(where.parent))
    if where.name.lower().removesuffix(".gz").endswith((".csv", ".tsv", ".txt", ".data")):
        return Csv(path=str(path))
    hint = {
        b"\x80": "Pickles are never read, because they can run any code. Save arrays with numpy.savez.",
        b"\x93NUMPY": "A single array has no targets. Save inputs and targets together with numpy.savez(x=…, y=…).",
    }
    raise UserError(
        f"a file of unknown format, {where} (it starts with {start.hex(' ')})",
        "NPZ, Parquet, CSV, or a folder of IDX files, Parquet files or images",
        next(
            (text for magic, text in hint.items() if start.startswith(magic)), "Convert it to one of these."
        ),
    )


def _folder(where: Path) -> TaskSource:
    from ticketlab.tasks.formats.files import files_in
    from ticketlab.tasks.formats.parquet import parquet_files

    inside = files_in(where, "a folder of data")
    if any("idx" in p.name and "ubyte" in p.name for p in inside):
        return Idx(path=str(where))
    if parquet_files(where):
        return Parquet(path=str(where))
    if any(p.name in ("data_batch_1.bin", "data_batch_1") for p in inside):
        return Cifar10(folder=str(where))
    if any(p.is_dir() for p in inside):
        return ImageFolder(path=str(where))
    raise UserError(
        f"nothing to read in the folder {where} ({len(inside)} file{'' if len(inside) == 1 else 's'})",
        "IDX files, Parquet files, or one sub-folder of images for each class",
        "Give the path of one file.",
    )


def check(source: TaskSource | str | Path) -> tuple[tuple[str, str], ...]:
    """Reads data as a study would and splits them; returns rows of a name and a value to print.

    Arguments:
        source: the data, or the path of a file or folder.

    Raises: UserError that says what is wrong with it.
    """
    from ticketlab.tasks.splitting import split

    source = source if isinstance(source, TaskSource) else from_path(source)
    dataset = source.load()
    task = split(dataset, seed=0, sizes=source.sizes())
    parts = f"{len(task.train)} train, {len(task.validation)} validation, {len(task.test)} test"
    notes = tuple(("note", note) for note in task.notes[len(dataset.notes) :])
    return (("read as", type(source).__name__), *dataset.summary(), ("split", parts), *notes)
