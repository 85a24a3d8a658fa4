"""How often each function was drawn, counted in a stream: memory grows with the number of functions, not of draws.

Draws are divided among a few independent streams: every eighth run, or every eighth chain. The difference between streams is what
chance alone makes of one law, so halves of one sampler, ceilings and standard errors follow from the same table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt8

from ticketlab.errors import UserError

__all__ = ["STREAMS", "Counts", "Tally", "aligned", "tables_of_both"]

STREAMS = 8


@dataclass(frozen=True)
class Counts:
    """Functions with the number of times that each stream drew them.

    Arguments:
        functions: distinct, in the order of their bytes.
        by_stream: `[n, streams]`.
        examples: m, the number of labels of a function.
    """

    functions: UInt8[np.ndarray, "n bytes"]
    by_stream: Int[np.ndarray, "n streams"]
    examples: int

    def __post_init__(self) -> None:
        if self.functions.shape[1] != -(-self.examples // 8):
            raise UserError(
                f"functions of {self.functions.shape[1]} bytes",
                f"{-(-self.examples // 8)} for {self.examples} labels",
            )

    @property
    def total(self) -> Int[np.ndarray, "n"]:
        """How often each function was drawn."""
        return self.by_stream.sum(axis=1)

    @property
    def draws(self) -> int:
        return int(self.by_stream.sum())

    @property
    def streams(self) -> int:
        return self.by_stream.shape[1]

    def of_streams(self, streams: slice) -> Counts:
        """The counts of some streams alone; functions that these did not draw stay, with zeros."""
        return Counts(self.functions, self.by_stream[:, streams], self.examples)

    def halves(self) -> tuple[Counts, Counts]:
        """The counts of the even and of the odd streams: two independent samples of one law."""
        return self.of_streams(slice(0, None, 2)), self.of_streams(slice(1, None, 2))

    def most_frequent(self, number: int) -> Counts:
        """The functions that were drawn most often, the first one first."""
        order = np.argsort(-self.total, kind="stable")[:number]
        return Counts(self.functions[order], self.by_stream[order], self.examples)


class Tally:
    """Counts that grow. Each function is looked up by a hash of its bytes.

    Arguments:
        examples, streams: of a function, and of the draws.
    """

    def __init__(self, examples: int, streams: int = STREAMS) -> None:
        self._examples, self._streams = examples, streams
        self._place: dict[bytes, int] = {}
        self._counts = np.zeros((64, streams), np.int64)

    @staticmethod
    def of(counts: Counts) -> Tally:
        """A tally that continues from these counts."""
        tally = Tally(counts.examples, counts.streams)
        tally._place = {f.tobytes(): i for i, f in enumerate(counts.functions)}
        tally._counts = np.concatenate([counts.by_stream, tally._counts])
        return tally

    def add(self, functions: UInt8[np.ndarray, "n bytes"], streams: Int[np.ndarray, "n"]) -> None:
        """Counts n more draws."""
        if not len(functions):
            return
        distinct, which = np.unique(_as_items(functions), return_inverse=True)
        rows = np.array([self._place.setdefault(f.tobytes(), len(self._place)) for f in distinct])
        if len(self._place) > len(self._counts):
            more = max(len(self._place), 2 * len(self._counts)) - len(self._counts)
            self._counts = np.concatenate([self._counts, np.zeros((more, self._streams), np.int64)])
        np.add.at(self._counts, (rows[which], streams), 1)

    def counts(self) -> Counts:
        """The table so far."""
        width = -(-self._examples // 8)
        functions = np.frombuffer(b"".join(self._place), np.uint8).reshape(-1, width)
        order = np.argsort(_as_items(functions), kind="stable") if len(functions) else np.arange(0)
        return Counts(functions[order], self._counts[: len(functions)][order], self._examples)


def aligned(one: Counts, other: Counts) -> tuple[Int[np.ndarray, "n s"], Int[np.ndarray, "n t"]]:
    """The counts by stream of both, for all functions that either drew, in one order."""
    return tables_of_both(one, other)[1:]


def tables_of_both(
    one: Counts, other: Counts
) -> tuple[UInt8[np.ndarray, "n bytes"], Int[np.ndarray, "n s"], Int[np.ndarray, "n t"]]:
    """All functions that either drew, and the counts by stream of both."""
    if one.examples != other.examples:
        raise UserError(
            f"functions of {one.examples} and of {other.examples} labels", "labels of the same examples"
        )
    both = np.concatenate([one.functions, other.functions])
    distinct, place, which = np.unique(_as_items(both), return_index=True, return_inverse=True)
    tables = []
    for counts, rows in ((one, which[: len(one.functions)]), (other, which[len(one.functions) :])):
        table = np.zeros((len(distinct), counts.streams), np.int64)
        table[rows] = counts.by_stream
        tables.append(table)
    drawn = (tables[0].sum(axis=1) > 0) | (tables[1].sum(axis=1) > 0)
    return both[place[drawn]], tables[0][drawn], tables[1][drawn]


def _as_items(functions: UInt8[np.ndarray, "n bytes"]) -> np.ndarray:
    """Each function as one item, so that rows are sorted and compared as a whole."""
    rows = np.ascontiguousarray(functions)
    return rows.view(np.dtype((np.void, rows.shape[1]))).ravel()
