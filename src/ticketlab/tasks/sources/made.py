"""Generated data: complete truth tables, and noisy lines in the shape of digits.

This file has the options; `ticketlab.tasks.boolean` and `ticketlab.tasks.mnist1d` generate the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from ticketlab.errors import UserError
from ticketlab.tasks.sources.source import TaskSource

if TYPE_CHECKING:
    from ticketlab.tasks.dataset import Dataset

__all__ = ["Boolean", "Mnist1d"]


@dataclass(frozen=True, kw_only=True)
class Boolean(TaskSource):
    """All 2ⁿ inputs of n bits with a Boolean target; inputs are not standardised.

    Arguments:
        bits: n, from 2 to 16.
        target: a name (parity, majority, and, or, first), a truth table of 2ⁿ characters 0 and 1 (values on 00…0, 00…1, …,
            11…1), or "random", drawn by at most one of `ones`, `leaves`, `complexity` (uniformly if none is given).
        ones: the number of inputs with value 1.
        leaves: the number of leaves of a random decision tree.
        complexity: Lempel–Ziv complexity in bits; the nearest of 2 000 candidates is taken.
        draw: the seed of the target, at least 0.
        zero: the input value for bit 0, −1 or 0; bit 1 is 1.
    """

    bits: int = 7
    target: str = "majority"
    ones: int | None = None
    leaves: int | None = None
    complexity: float | None = None
    draw: int = 0
    zero: Literal[-1, 0] = -1

    what: ClassVar[str] = "all inputs of n bits; target named, written out, or drawn with a chosen complexity"
    size: ClassVar[str] = "2ⁿ (n = 7: 128)"

    def table(self) -> str:
        """The truth table of the target, a string of 2ⁿ characters 0 and 1."""
        from ticketlab.tasks import boolean

        chosen = [name for name in ("ones", "leaves", "complexity") if getattr(self, name) is not None]
        if not 2 <= self.bits <= 16 or self.draw < 0 or self.zero not in (-1, 0):
            raise UserError(
                f"bits={self.bits}, draw={self.draw}, zero={self.zero}",
                "bits from 2 to 16, draw of at least 0, and zero −1 or 0",
            )
        if len(chosen) > 1 or (chosen and self.target != "random"):
            raise UserError(
                f"target={self.target!r} with {' and '.join(chosen)}",
                "at most one of ones, leaves and complexity, and only with target='random'",
            )
        if self.target in boolean.NAMED:
            return "".join("01"[int(v)] for v in boolean.NAMED[self.target](boolean.all_inputs(self.bits)))
        if self.target == "random":
            if self.ones is not None:
                return boolean.draw_ones(self.bits, self.ones, self.draw)
            if self.leaves is not None:
                return boolean.decision_tree(self.bits, self.leaves, self.draw)
            if self.complexity is not None:
                return boolean.draw_complexity(self.bits, self.complexity, self.draw)
            return boolean.draw_uniform(self.bits, self.draw)
        if set(self.target) <= {"0", "1"} and len(self.target) == 2**self.bits:
            return self.target
        raise UserError(
            f"target={self.target!r} ({len(self.target)} characters)",
            f"{', '.join(boolean.NAMED)}, random, or {2**self.bits} characters 0 and 1 for {self.bits} bits",
        )

    def load(self) -> Dataset:
        import numpy as np

        from ticketlab.tasks import boolean
        from ticketlab.tasks.dataset import Dataset

        table = self.table()
        named = self.target in (*boolean.NAMED, "random")
        return Dataset(
            name=f"boolean-{self.bits} {self.target if named else 'table'}",
            x=boolean.signs(boolean.all_inputs(self.bits), self.zero),
            classes=("0", "1"),
            labels=np.array([int(v) for v in table]),
            features=tuple(f"bit{i}" for i in range(self.bits)),
            standardise=False,
            notes=(
                f"The truth table has {table.count('1')} ones in {len(table)} entries and a Lempel–Ziv complexity of "
                f"{boolean.lempel_ziv(table):g} bits.",
            ),
        )

    def describe(self) -> str:
        options = [f"{name}={getattr(self, name)}" for name in ("ones", "leaves", "complexity")]
        drawn = [option for option in options if not option.endswith("None")] + [f"draw {self.draw}"]
        what = f"random target ({', '.join(drawn)})" if self.target == "random" else f"target {self.target}"
        return f"all {2**self.bits} inputs of {self.bits} bits, {what}"


@dataclass(frozen=True, kw_only=True)
class Mnist1d(TaskSource):
    """MNIST-1D: digits drawn as noisy, shifted and sheared lines of 40 points, made on the spot (extra `mnist1d`).

    The package draws from NumPy's global generator, whose state is restored afterwards. The last fifth is the test part.
    Source: Greydanus, Kobak, Scaling down deep learning with MNIST-1D, arXiv 2011.14439.

    Arguments:
        samples: the number of examples.
        draw: the seed (42 gives the published set).
    """

    samples: int = 5000
    draw: int = 42

    what: ClassVar[str] = "digits as noisy lines of 40 points, made on the spot"
    size: ClassVar[str] = "5 000"
    how: ClassVar[str] = "pip install 'ticketlab[mnist1d]'"
    package: ClassVar[str] = "mnist1d"

    def load(self) -> Dataset:
        from ticketlab.tasks.mnist1d import made

        return made(self.samples, self.draw)

    def describe(self) -> str:
        return f"MNIST-1D, {self.samples} examples (draw {self.draw})"
