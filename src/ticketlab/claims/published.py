"""What papers report, next to what a run measured. Levels can be compared only where data and network are the same."""

from __future__ import annotations

from collections.abc import Sequence

from ticketlab.evidence.record import Record
from ticketlab.figures.text_tables import TextTable

__all__ = ["CONV", "FULLY", "LENET", "Paper", "published_table"]

LENET, CONV, FULLY = "MNIST, LeNet-300-100", "CIFAR-10, Conv-2", "MNIST, fully connected"

Paper = tuple[str, str, str, str]
"""What was measured, the number as it was published, on which data with which network, and the source as it is cited."""


def published_table(record: Record, rows: Sequence[tuple[Paper, str]]) -> TextTable | None:
    """Published numbers with ours, those that this run has."""
    if not rows:
        return None
    ours = "; ".join(record.facts[name] for name in ("Task", "Network") if name in record.facts)
    body = tuple(
        (what, own, number, f"{setting}, not {ours or 'this'}", source)
        for (what, number, setting, source), own in rows
    )
    return TextTable(
        "Published numbers next to ours. Where data, network or length of training differ, compare the signs of "
        "differences and not the levels.",
        ("", "ours", "published", "setting differs in", "source"),
        body,
        1,
        name="published",
    )
