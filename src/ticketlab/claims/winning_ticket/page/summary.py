"""The numbers behind the figures, as tables: every arm at every level, the proof about pruned weights, and how long it took."""

from __future__ import annotations

import numpy as np

from ticketlab.claims.winning_ticket.page.levels import DYNAMIC, MARKS, arms_in, percent
from ticketlab.evidence.tables import Table
from ticketlab.figures.spread import spread
from ticketlab.figures.text_tables import TextTable
from ticketlab.figures.wording import MISSING, measure, plural, plus_minus, quantity

__all__ = ["check_table", "level_table", "time_table"]


def level_table(levels: Table) -> TextTable:
    """Means over seeds with 95 % intervals, by level and arm."""
    rows: list[tuple[str, ...]] = []
    groups: list[tuple[int, str]] = []
    for number in sorted(set(levels["level"].tolist())):
        at = levels.where(level=number)
        decided = ", where the question is decided" if at["decisive"].any() else ""
        groups.append((len(rows), f"level {number}{decided}"))
        moving = [arm for arm in DYNAMIC if len(at.where(arm=arm))]
        for arm in ["dense"] if number == 0 else [*arms_in(at), *moving]:
            of = at.where(arm=arm)
            scores = [spread(100 * of[c]) for c in ("test_score", "final_test_score", "validation_score")]
            stop = spread(of["early_stop_step"].astype(float))
            effective = float(np.mean(of["effective_density"]))
            rows.append(
                (
                    {**MARKS, **DYNAMIC}[arm].label if arm != "dense" else arm,
                    percent(float(np.mean(of["density"]))),
                    percent(effective) if np.isfinite(effective) else MISSING,
                    quantity(int(of["parameters"][0])),
                    *(plus_minus(s.mean, s.interval) for s in (*scores, stop)),
                )
            )
    head = (
        "arm",
        "kept",
        "effective",
        "parameters",
        "test, %",
        "at the end, %",
        "validation, %",
        "early stop",
    )
    seeds = plural(len(set(levels["seed"].tolist())), "seed")
    return TextTable(
        f"Every level: means over {seeds}, with 95 % intervals (±). Test and validation scores are those at the early stop; "
        "effective is the share of the weights that lie on a path from an input to an output.",
        head,
        tuple(rows),
        1,
        tuple(groups),
    )


def check_table(checks: Table) -> TextTable:
    """What the check of pruned weights found after every training."""
    columns = ("pruned", "parameters_left", "best", "moments")
    rows = tuple(
        (quantity(row["level"]), row["arms"], *(quantity(row[c]) for c in columns))
        for row in checks.totals("level", "arms")
    )
    return TextTable(
        "Pruned parameters of all networks that were trained together, and how many of them, and of the optimiser's moments of "
        "them, were not exactly zero: at the end of training, and at the early stop.",
        ("level", "arms", "pruned", "not zero at the end", "at the early stop", "moments"),
        rows,
        2,
    )


def time_table(timings: Table) -> TextTable:
    """Seconds and network-steps a second, by level."""
    rows = tuple(
        (
            quantity(r["level"]),
            quantity(r["network_steps"]),
            measure(r["seconds"]),
            quantity(round(r["network_steps"] / r["seconds"])),
        )
        for r in timings.totals("level")
    )
    return TextTable(
        "Training of each level: steps times networks, seconds, and network-steps a second. Measured times differ from run to "
        "run; the first level compiles.",
        ("level", "network-steps", "seconds", "a second"),
        rows,
    )
