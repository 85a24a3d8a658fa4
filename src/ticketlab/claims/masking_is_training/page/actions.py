"""What becomes of kept and of removed weights: the chosen mask with every action, untrained and trained."""

from __future__ import annotations

import numpy as np

from ticketlab.claims.masking_is_training.formula import PREREGISTERED
from ticketlab.claims.masking_is_training.page.criteria import DENSE, at_decisive, percent
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import axis
from ticketlab.figures.figure import Figure, Panel
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.rows import Row, Series, row_chart
from ticketlab.figures.spread import spread
from ticketlab.figures.wording import estimate, measure, plural

__all__ = ["ONE_TITLES", "ZERO_MARKS", "actions"]

ONE_TITLES = {
    "rewind": "rewound",
    "rewind-random-sign": "rewound, random signs",
    "reinitialise": "drawn anew",
    "reinitialise-same-sign": "drawn anew, same signs",
    "reshuffle": "shuffled",
    "reshuffle-same-sign": "shuffled, same signs",
    "constant": "± constant, random signs",
    "constant-same-sign": "± constant, same signs",
}
ZERO_MARKS = {
    "zero": Mark("removed weights are zero", LIGHT.blue, "circle"),
    "frozen": Mark("frozen where they were drawn", LIGHT.vermilion, "square"),
    "frozen-if-grown": Mark("zero if they shrank, else frozen", LIGHT.green, "triangle-up"),
    "frozen-if-shrunk": Mark("zero if they grew, else frozen", LIGHT.orange, "diamond"),
}


def actions(arms: Table, dense: Table) -> Figure | None:
    """A row a mask-1 action, a sign a mask-0 action; untrained, and trained where that was done; None for one combination."""
    at = at_decisive(arms).where(criterion=PREREGISTERED)
    present = {(one, zero) for one, zero in zip(at["one"].tolist(), at["zero"].tolist(), strict=True)}
    if len(present) < 2:
        return None
    ones = [one for one in ONE_TITLES if any(o == one for o, _ in present)]
    zeros = [zero for zero in ZERO_MARKS if any(z == zero for _, z in present)]
    panels = []
    for column, name in (("test_score", "untrained"), ("trained_score", "trained")):
        rows, words, low = [], [], 100.0
        for one in ones:
            series = []
            for zero in zeros:
                s = spread(100 * at.where(one=one, zero=zero)[column])
                if not s.values:
                    continue
                low = min(low, *s.values)
                series.append(Series(ZERO_MARKS[zero], (), s.mean, s.interval))
                words.append(
                    f"{ONE_TITLES[one]}, {ZERO_MARKS[zero].label}: {estimate(s.mean, s.interval)} %."
                )
            if series:
                rows.append(Row(ONE_TITLES[one], tuple(series), measure(series[0].centre or 0.0)))
        if len(rows) > 1 or name == "untrained":
            ends = [0.0, 102.0] if name == "untrained" else [max(0.0, low - 2), 100.5]
            limits = {100 * float(np.mean(dense["test_score"])): DENSE} if name == "trained" else {}
            chart = row_chart(rows, x=axis(f"test score {name}, %", range=ends), limits=limits)
            panels.append(Panel(name, chart, tuple(words)))
    kept, constant = (
        100 * float(np.mean(at.where(one=one, zero="zero")["test_score"]))
        for one in ("rewind", "constant-same-sign")
    )
    said = (
        ""
        if np.isnan(constant)
        else f", as ± one constant with the signs that they had {measure(constant)} %"
    )
    seeds = plural(len(set(at["seed"].tolist())), "seed")
    return Figure(
        "actions",
        f"With its kept weights rewound the untrained network scores {measure(kept)} %{said}",
        f"The chosen mask at {percent(float(np.mean(at['density'])))} of the weights with every action: means over {seeds} with "
        "95 % intervals; the number at the right is that with zeros."
        + (" The two scales differ." if len(panels) > 1 else ""),
        tuple(panels),
        (*(ZERO_MARKS[z] for z in zeros), *((DENSE,) if len(panels) > 1 else ())),
    )
