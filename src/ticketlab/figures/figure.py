"""What a figure is here: a finding, small charts next to each other, a key to their signs, and the numbers behind them.

Small charts instead of one large one, because they flow into one column on a telephone and two on paper. There are two kinds:
rows whose bars are drawn in the cells of a table (`rows`), and curves (`curves`). Both can say which numbers they show, so that
every figure can be read as a table and kept as a file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ticketlab.figures.palette import Mark

__all__ = ["Chart", "Figure", "Panel", "Point", "alone"]


@dataclass(frozen=True)
class Point:
    """One number of a chart: what it belongs to, where, its value, and its interval.

    `single` marks measurements of one seed, which are in the file and not in the table on the page.
    """

    series: str
    at: str | float
    value: float
    low: float | None = None
    high: float | None = None
    single: bool = False


@runtime_checkable
class Chart(Protocol):
    """What a panel shows."""

    def marks(self) -> Iterable[Mark]:
        """Those that need a key, in order."""

    def points(self) -> Iterable[Point]:
        """The numbers."""

    def html(self, label: str, described_by: str) -> str:
        """The chart as part of a page. `label` names it, `described_by` is the element that says how to read it."""


@dataclass(frozen=True)
class Panel:
    """One chart, with what sets it apart from its neighbours ("square loss, f₀ kept"); no name when it is alone."""

    name: str
    chart: Chart


def alone(chart: Chart) -> tuple[Panel, ...]:
    """The panels of a figure with one chart."""
    return (Panel("", chart),)


@dataclass(frozen=True)
class Figure:
    """Charts that show one finding.

    Arguments:
        key: file-safe and unique on the page ("test-error").
        title: the finding, computed from the data, a sentence without its full stop.
        caption: what is drawn and how to read it.
        panels: the charts.
        section: what neighbouring figures share ("square loss, 2 hidden layers"); a page folds all such sections but the first.
    """

    key: str
    title: str
    caption: str
    panels: tuple[Panel, ...]
    section: str = ""

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The key to the signs of all panels."""
        return tuple(dict.fromkeys(mark for panel in self.panels for mark in panel.chart.marks()))
