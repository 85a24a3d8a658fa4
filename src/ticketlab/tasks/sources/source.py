"""The base class of all choices of data: the sizes of the parts, and `load()`.

A choice is a frozen record that says how to get one data set. Its fields are numbers and text only, since they are the
options of a plan and its file format.
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
    package: ClassVar[str] = ""  # an extra package that it needs

    @abstractmethod
    def load(self) -> Dataset:
        """The data set, read and checked; raises UserError if it is missing or wrong."""

    @abstractmethod
    def describe(self) -> str:
        """One line for reports and tables."""

    def sizes(self) -> Sizes:
        """The requested counts, as `split` takes them."""
        from ticketlab.tasks.splitting import Sizes

        return Sizes(self.train, self.validation, self.test)

    def task(self, seed: int) -> Task:
        """The data set read and split: `split(self.load(), seed, self.sizes())`, a function of the data and the seed alone.

        Arguments:
            seed: of the split.

        Raises:
            UserError: if data are missing or wrong, or do not allow these counts.
        """
        from ticketlab.tasks.splitting import split

        return split(self.load(), seed, self.sizes())
