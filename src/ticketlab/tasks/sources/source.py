"""What every choice of data has: how many examples go into each part, and `load()`.

A choice is a frozen record of how to get one data set. Its fields are numbers and text alone: they are a plan's options and its
file format.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

if TYPE_CHECKING:
    from ticketlab.tasks.dataset import Dataset
    from ticketlab.tasks.splitting import Sizes
    from ticketlab.tasks.task import Task

__all__ = ["Kind", "TaskSource"]

Kind: TypeAlias = Literal["classification", "regression"]


@dataclass(frozen=True, kw_only=True)
class TaskSource(ABC):
    """A choice of data set.

    Arguments:
        train, validation, test: counts of examples in each part; None for the default shares (see `Sizes`).
    """

    train: int | None = None
    validation: int | None = None
    test: int | None = None

    what: ClassVar[str]
    size: ClassVar[str] = "yours"
    how: ClassVar[str] = ""
    package: ClassVar[str] = ""  # that must be installed beside Ticketlab's own

    @abstractmethod
    def load(self) -> Dataset:
        """The data set, read and checked; raises UserError when it is missing or wrong."""

    @abstractmethod
    def describe(self) -> str:
        """One line for reports and tables."""

    def sizes(self) -> Sizes:
        """The counts that were asked for, as `split` takes them."""
        from ticketlab.tasks.splitting import Sizes

        return Sizes(self.train, self.validation, self.test)

    def task(self, seed: int) -> Task:
        """The data set read and split: `split(self.load(), seed, self.sizes())`, a function of the data and the seed alone.

        Arguments:
            seed: of the split.

        Raises:
            UserError: data that are missing or wrong, or counts that they do not allow.
        """
        from ticketlab.tasks.splitting import split

        return split(self.load(), seed, self.sizes())
