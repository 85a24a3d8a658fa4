"""The settings of a study of losses, each a loss with f₀ kept or centred away; and how many seeds stand behind a figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ticketlab.report.wording import plural
from ticketlab.studies.evidence import Table

__all__ = ["Setting", "seeds", "settings"]


@dataclass(frozen=True)
class Setting:
    """A loss, with f₀ kept or centred away."""

    loss: str
    offset: str

    def __str__(self) -> str:
        return f"{self.loss} loss, f₀ {self.offset}"

    def of(self, table: Table, **equal: Any) -> Table:
        """This setting's rows."""
        return table.where(loss=self.loss, offset=self.offset, **equal)


def settings(table: Table) -> list[Setting]:
    """The settings of a table, in the order in which they appear."""
    pairs = zip(table["loss"].tolist(), table["offset"].tolist(), strict=True)
    return [Setting(*pair) for pair in dict.fromkeys(pairs)]


def seeds(table: Table) -> str:
    """ "5 seeds"."""
    return plural(len(set(table["seed"].tolist())), "seed")
