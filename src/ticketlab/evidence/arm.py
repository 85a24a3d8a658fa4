"""One of the ways to get a predictor that a study compares."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Arm"]


@dataclass(frozen=True)
class Arm:
    """What is compared, in words for people.

    Arguments:
        name: as figures and tables call it ("read-out layer").
        description: how it is made.
        purpose: what the comparison with it shows.
    """

    name: str
    description: str
    purpose: str
