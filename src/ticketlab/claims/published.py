"""What papers report, next to what a run measured. Levels can be compared only where data and network are the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ticketlab.evidence.record import Record
from ticketlab.figures.text_tables import TextTable

__all__ = ["CONV", "LENET", "Published", "published_table"]

LENET = "MNIST, LeNet-300-100"
CONV = "CIFAR-10, Conv-2"


@dataclass(frozen=True)
class Published:
    """A number of a paper.

    Arguments:
        what: was measured.
        number: as it was published.
        setting: on which data, with which network.
        source: as it is cited.
    """

    what: str
    number: str
    setting: str
    source: str


def published_table(record: Record, rows: Sequence[tuple[Published, str]]) -> TextTable | None:
    """Published numbers with ours, those that this run has."""
    if not rows:
        return None
    ours = "; ".join(record.facts[name] for name in ("Task", "Network") if name in record.facts)
    body = tuple((p.what, own, p.number, f"{p.setting}, not {ours or 'this'}", p.source) for p, own in rows)
    return TextTable(
        "Published numbers next to ours. Where data, network or length of training differ, compare the signs of "
        "differences and not the levels.",
        ("", "ours", "published", "setting differs in", "source"),
        body,
        1,
        name="published",
    )
