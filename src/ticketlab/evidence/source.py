"""A publication that a claim or a method builds on."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Source"]


@dataclass(frozen=True)
class Source:
    """Where an idea or a figure was published.

    Arguments:
        key: as it is cited ("Jacot et al. 2018").
        citation: authors, title, where.
        url: if there is one.
    """

    key: str
    citation: str
    url: str = ""
