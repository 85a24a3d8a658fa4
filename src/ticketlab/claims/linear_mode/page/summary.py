"""The numbers behind the figures, as tables: every arm at every step, the proof about pruned weights, and how long it took."""

from __future__ import annotations

import numpy as np

from ticketlab.claims.linear_mode.page.steps import MARKS, arms_in, by_seed, steps_in
from ticketlab.claims.winning_ticket.page.levels import percent
from ticketlab.evidence.tables import Table
from ticketlab.figures.text_tables import TextTable
from ticketlab.figures.wording import measure, plural, plus_minus, quantity

__all__ = ["arm_table", "check_table", "time_table"]


def arm_table(copies: Table, barriers: Table, networks: Table) -> TextTable:
    """Means over seeds with 95 % intervals, by rewind step and arm."""
    rows: list[tuple[str, ...]] = []
    groups: list[tuple[int, str]] = []
    for k in steps_in(copies):
        groups.append((len(rows), f"from step {k}"))
        for arm in arms_in(copies):
            measured = [
                *(by_seed(copies, k, arm, name) for name in ("test_score", "train_score")),
                *(by_seed(barriers, k, arm, name) for name in ("test_error", "train_error")),
                *(by_seed(barriers, k, arm, name, 1.0) for name in ("test_loss", "train_loss", "distance")),
            ]
            kept = float(np.mean(networks.where(rewind_step=k, arm=arm)["density"]))
            rows.append(
                (MARKS[arm].label, percent(kept), *(plus_minus(s.mean, s.interval) for s in measured))
            )
    seeds = plural(len(set(copies["seed"].tolist())), "seed")
    return TextTable(
        f"Every arm at every step: means over {seeds}, with 95 % intervals (±). Barriers of error are in points, those of loss "
        "in nats; the distance between two copies is relative to the mean of their norms.",
        (
            "arm",
            "kept",
            "test, %",
            "training, %",
            "barrier of test error",
            "of training error",
            "of test loss",
            "of training loss",
            "distance",
        ),
        tuple(rows),
        1,
        tuple(groups),
    )


def check_table(checks: Table) -> TextTable:
    """What the check of pruned weights found in the copies."""
    rows = tuple(
        tuple(quantity(row[c]) for c in ("rewind_step", "pruned", "parameters_left", "moments"))
        for row in checks.totals("rewind_step")
    )
    return TextTable(
        "Pruned parameters of all copies, and how many of them, and of the optimiser's moments of them, were not exactly zero at "
        "the end of training.",
        ("from step", "pruned", "not zero at the end", "moments"),
        rows,
    )


def time_table(timings: Table) -> TextTable:
    """Seconds, by rewind step and what was done."""
    rows = tuple(
        (quantity(r["rewind_step"]), r["what"], quantity(r["network_steps"]), measure(r["seconds"]))
        for r in timings.totals("rewind_step", "what")
    )
    return TextTable(
        "What took how long: steps times networks, and seconds. Measured times differ from run to run; what is first compiles.",
        ("from step", "what", "network-steps", "seconds"),
        rows,
    )
