"""The end of a run, as requested on the command line: after the plan's seeds, when the claim is decided, or in time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from ticketlab.errors import UserError

__all__ = ["Ending"]

_UNITS = {"h": 3600.0, "min": 60.0, "m": 60.0, "s": 1.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(h|min|m|s)\s*")


@dataclass(frozen=True)
class Ending:
    """The end of a run.

    Arguments:
        until: "decided" to add seeds until the claim as a whole is decided; None for the plan's seeds.
        at_most: how long to add seeds, "30min"; None for no limit.
    """

    until: Annotated[
        Literal["decided"] | None,
        tyro.conf.arg(
            help="decided: adds seeds in planned looks, up to four times the plan's, until the claim is decided",
            help_behavior_hint="",
        ),
    ] = None
    at_most: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="TIME",
            help="with --until: the time limit, for example 90s, 30min or 1h30min",
            help_behavior_hint="",
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.at_most is None:
            return
        if self.until is None:
            raise UserError(
                "--at-most alone", "it together with --until decided", "A run without --until ends by itself."
            )
        if not re.fullmatch(f"(?:{_PART.pattern})+", self.at_most) or not self.seconds:
            raise UserError(f"--at-most {self.at_most}", "a time such as 90s, 30min or 1h30min")

    @property
    def seconds(self) -> float | None:
        """The time limit in seconds; None for no limit."""
        if self.at_most is None:
            return None
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(self.at_most))

    @property
    def words(self) -> list[str]:
        """The options, as typed."""
        values = {"--until": self.until, "--at-most": self.at_most}
        return [word for name, value in values.items() if value is not None for word in (name, value)]
