"""What the pages of several claims say alike: settings (a loss, with f₀ kept or centred away), seeds, and errors in per cent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ticketlab.evidence.tables import Table
from ticketlab.figures.wording import plural

__all__ = ["Setting", "percent", "seeds", "settings"]


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


def percent(score: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The error that belongs to a score, in per cent: 100 (1 − score)."""
    return 100.0 * (1.0 - np.asarray(score, float))
