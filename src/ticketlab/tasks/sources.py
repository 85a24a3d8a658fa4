"""Where data comes from: each choice is a frozen record of how to get one data set, and `load()` gets it.

Nothing heavy is imported until `load()` is called, since the command line lists these choices in its help. Every choice has the
optional counts `train`, `validation` and `test` (see `Sizes`), so that a plan says "mnist with 3 200 to train on" in one line.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from ticketlab.tasks.dataset import Dataset
    from ticketlab.tasks.splitting import Sizes

__all__ = ["Digits", "TaskSource"]


@dataclass(frozen=True, kw_only=True)
class TaskSource(ABC):
    """A choice of data set.

    Arguments:
        train, validation, test: counts of examples in each part; None for the default shares (see `Sizes`).
    """

    train: int | None = None
    validation: int | None = None
    test: int | None = None

    what: ClassVar[str] = ""

    @abstractmethod
    def load(self) -> Dataset:
        """The data set, read and checked."""

    @abstractmethod
    def describe(self) -> str:
        """One line for reports and tables."""

    def sizes(self) -> Sizes:
        """The counts asked for, for `split`."""
        from ticketlab.tasks.splitting import Sizes

        return Sizes(self.train, self.validation, self.test)


@dataclass(frozen=True, kw_only=True)
class Digits(TaskSource):
    """scikit-learn's 1 797 real handwritten digits, 8 × 8 pixels of 0 … 16, ten classes; the default."""

    what: ClassVar[str] = "1 797 handwritten digits of 8×8 pixels, ten classes"

    def load(self) -> Dataset:
        from sklearn.datasets import load_digits

        from ticketlab.tasks.dataset import Dataset

        bunch = load_digits()
        return Dataset(
            name="digits",
            x=bunch.images[..., None],
            labels=bunch.target,
            classes=tuple(str(c) for c in bunch.target_names),
            scale=16.0,
        )

    def describe(self) -> str:
        return f"digits: {self.what} (scikit-learn)"
