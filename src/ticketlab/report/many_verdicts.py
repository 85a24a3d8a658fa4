"""How sure many verdicts are together: each with its p-value, raw and adjusted for all that were asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from ticketlab.figures.text_tables import TextTable, html_table
from ticketlab.figures.wording import plural
from ticketlab.laws.multiplicity import adjusted
from ticketlab.laws.verdict import Outcome

__all__ = ["Judged", "how_sure"]

Q = 0.05  # the share of wrong verdicts that is allowed among those that remain


@dataclass(frozen=True)
class Judged:
    """One verdict on a claim as a whole.

    Arguments:
        labels: what names it in the table.
        outcome: the verdict.
        p: twice the smallest level at which it is decided as it is.
        more: further cells of its row.
    """

    labels: tuple[str, ...]
    outcome: Outcome
    p: float
    more: tuple[str, ...] = ()

    def remains(self, adjusted_p: float) -> bool:
        return self.outcome is not Outcome.UNDECIDED and adjusted_p <= Q


def how_sure(
    judged: Sequence[Judged], before: str, heads: tuple[str, ...], more: tuple[str, ...] = (), *, name: str
) -> str:
    """The sentences and the table as HTML; empty without verdicts.

    Arguments:
        judged: all verdicts that were asked.
        before: what was asked, one sentence or more.
        heads: over the labels.
        more: over the further cells.
        name: of the table's file.
    """
    if not judged:
        return ""
    control = [float(p) for p in adjusted([each.p for each in judged])]
    kept = [each.remains(p) for each, p in zip(judged, control, strict=True)]
    rows = tuple(
        (*each.labels, str(each.outcome), *each.more, _p(each.p), _p(p), "yes" if remains else "no")
        for each, p, remains in zip(judged, control, kept, strict=True)
    )
    decided = sum(each.outcome is not Outcome.UNDECIDED for each in judged)
    said = (
        f"{before} Of {plural(decided, 'decided verdict')}, {sum(kept)} remain if the expected share of wrong verdicts "
        f"among them is to be at most {100 * Q:g} %, however they depend on each other (Benjamini and Yekutieli 2001)."
    )
    table = TextTable(
        "p is twice the smallest level at which a verdict would be decided as it is.",
        (*heads, "verdict", *more, "p", "adjusted p", "remains"),
        rows,
        labels=len(heads) + 1,
        name=name,
    )
    return f"<p>{escape(said)}</p>{html_table(table)}"


def _p(value: float) -> str:
    return "< 0.00001" if value < 1e-5 else f"{np.format_float_positional(float(f'{value:.2g}'), trim='-')}"
