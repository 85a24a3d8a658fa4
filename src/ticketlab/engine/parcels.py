"""What travels between the process that keeps results and those that compute them, as built-in values and NumPy arrays alone.

A cell's order names the study by its module and class and has the plan as text, as in its file, so that the other process builds
both itself. Tables, tickets and errors come back as dictionaries. A study, a plan or an error is never unpickled.
"""

from __future__ import annotations

import builtins
import dataclasses
import functools
import importlib
import tomllib
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ticketlab.claims.study import Cell, Study
from ticketlab.errors import NumericalFailure, UserError
from ticketlab.evidence.tables import Column, Table
from ticketlab.plans import structure, toml
from ticketlab.tasks.pinned import expected, pinned, read_from_files

if TYPE_CHECKING:
    from ticketlab.tickets.ticket import Ticket

__all__ = [
    "Parcel", "cell_of", "error_of", "opened", "ordered", "packed_cell", "packed_error", "packed_tables", "packed_ticket",
    "tables_of", "ticket_of",
]  # fmt: skip

Parcel = dict[str, Any]


def ordered(study: Study, plan: Any) -> Parcel:
    """What every cell of a plan needs: the study's name, the plan's text, and the content of its data if it is pinned.

    Raises UserError for a study that no other process can import.
    """
    cls = type(study)
    if cls.__module__ == "__main__" or "<locals>" in cls.__qualname__:
        raise UserError(
            f"the study {cls.__qualname__}, which other processes cannot import",
            "a class of a module, to run it in several processes",
            "Move the class to a file of its own and import it from there.",
        )
    found = {where: expected(source) for where, source in read_from_files(plan)}
    return {
        "study": f"{cls.__module__}:{cls.__qualname__}",
        "plan": toml(study.claim, plan, comments=False),
        "data": {where: hash for where, hash in found.items() if hash is not None},
    }


@contextmanager
def opened(order: Mapping[str, Any]) -> Iterator[tuple[Study, Any]]:
    """The study and the plan of an order; inside the block, data with another content are refused."""
    study, plan = _built(order["study"], order["plan"])
    hashes = {
        source: order["data"][where] for where, source in read_from_files(plan) if where in order["data"]
    }
    with pinned(hashes):
        yield study, plan


@functools.lru_cache(maxsize=8)
def _built(name: str, text: str) -> tuple[Study, Any]:
    module, _, cls = name.partition(":")
    study = getattr(importlib.import_module(module), cls)()
    table = tomllib.loads(text)
    del table["claim"]
    return study, structure(table, study.plan_type)


def packed_cell(cell: Cell) -> Parcel:
    return dataclasses.asdict(cell)


def cell_of(parcel: Mapping[str, Any]) -> Cell:
    return Cell(**{**parcel, "seeds": tuple(parcel["seeds"])})


def packed_tables(tables: Mapping[str, Table]) -> Parcel:
    return {
        name: {
            "measured": table.measured,
            "columns": [(c.name, np.asarray(c.values), c.unit, c.meaning) for c in table.columns],
        }
        for name, table in tables.items()
    }


def tables_of(parcel: Mapping[str, Any]) -> dict[str, Table]:
    return {
        name: Table(name, tuple(Column(*column) for column in table["columns"]), table["measured"])
        for name, table in parcel.items()
    }


def packed_ticket(ticket: Ticket) -> Parcel:
    import jax

    def arrays(tree: Any) -> Any:
        return jax.tree.map(np.asarray, tree)

    return {
        "start": arrays(ticket.start),
        "mask": arrays(ticket.mask),
        "trained": arrays(ticket.trained),
        "about": dict(ticket.about),
        "own": arrays({kind: dict(own) for kind, own in ticket.own.items()}),
    }


def ticket_of(parcel: Mapping[str, Any]) -> Ticket:
    from ticketlab.tickets.ticket import Ticket

    return Ticket(**parcel)


def packed_error(error: BaseException) -> Parcel:
    """An error with its traceback as text."""
    words = [error.got, error.expected, error.do] if isinstance(error, UserError) else [str(error)]
    return {
        "kind": type(error).__name__,
        "words": words,
        "trace": "".join(traceback.format_exception(error)),
    }


def error_of(parcel: Mapping[str, Any]) -> BaseException:
    """The error as itself, with the other process's traceback as a note; one of an unknown kind is a RuntimeError."""
    error = _error(parcel["kind"], parcel["words"])
    error.add_note(f"In another process:\n{parcel['trace']}")
    return error


def _error(kind: str, words: list[str]) -> BaseException:
    if kind == "UserError":
        return UserError(*words)
    if kind == "NumericalFailure":
        return NumericalFailure(*words)
    if kind in ("JaxRuntimeError", "XlaRuntimeError"):
        from jax.errors import JaxRuntimeError

        return JaxRuntimeError(*words)
    known = getattr(builtins, kind, None)
    if isinstance(known, type) and issubclass(known, BaseException):
        try:
            return known(*words)
        except TypeError:  # it is made of more than a text
            pass
    return RuntimeError(f"{kind}: {words[0]}")
