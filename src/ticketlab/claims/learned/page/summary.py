"""The numbers behind the figures, as tables: every arm of every setting, the proof about frozen weights, and how long it took."""

from __future__ import annotations

import numpy as np

from ticketlab.claims.learned.page.arms import LABELS
from ticketlab.evidence.tables import Table
from ticketlab.figures.spread import spread
from ticketlab.figures.text_tables import TextTable
from ticketlab.figures.wording import MISSING, measure, plural, plus_minus, quantity

__all__ = ["arm_table", "check_table", "time_table"]


def arm_table(arms: Table) -> TextTable:
    """Means over seeds with 95 % intervals, by setting and arm."""
    rows: list[tuple[str, ...]] = []
    groups: list[tuple[int, str]] = []
    for setting in dict.fromkeys(arms["setting"].tolist()):
        at = arms.where(setting=setting)
        groups.append((len(rows), f"{setting}: {quantity(int(at['weights'][0]))} weights"))
        kinds = zip(*(at[c].tolist() for c in ("arm", "asked", "distribution")), strict=True)
        for arm, asked, distribution in dict.fromkeys(kinds):
            of = at.where(arm=arm, asked=asked, distribution=distribution)
            scores = [spread(100 * of[c]) for c in ("test_score", "sampled_test_score", "train_score")]
            kept = 100 * float(np.mean(of["density"]))
            rows.append(
                (
                    LABELS.get(arm, arm),
                    distribution,
                    f"{quantity(float(f'{kept:.3g}'))} %",
                    quantity(round(float(np.mean(of["kept"])))),
                    *(plus_minus(s.mean, s.interval) if s.values else MISSING for s in scores),
                )
            )
    seeds = plural(len(set(arms["seed"].tolist())), "seed")
    return TextTable(
        f"Every arm: means over {seeds}, with 95 % intervals (±), at the last step. Test scores are on true labels, training "
        "scores on the labels that were learnt from; drawn is the mean over ten masks, where masks are drawn.",
        ("arm", "weights", "kept", "weights kept", "test, %", "drawn, %", "training, %"),
        tuple(rows),
        2,
        tuple(groups),
    )


def check_table(checks: Table) -> TextTable:
    """What the check of frozen weights compared."""
    rows = []
    for setting, arm in dict.fromkeys(zip(checks["setting"].tolist(), checks["arm"].tolist(), strict=True)):
        of = checks.where(setting=setting, arm=arm)
        rows.append((setting, LABELS.get(arm, arm), quantity(len(of)), quantity(int(np.sum(of["compared"])))))
    return TextTable(
        "After every search each entry of the ticket's parameters was compared with what had been drawn: all were the same, "
        "times one number a layer, or exactly zero under the mask. A run in which one differs ends.",
        ("setting", "arm", "tickets", "entries compared"),
        tuple(rows),
        2,
    )


def time_table(timings: Table) -> TextTable:
    """Seconds and network-steps a second, by setting and arms."""
    rows = tuple(
        (
            r["setting"],
            r["arms"],
            quantity(r["network_steps"]),
            measure(r["seconds"]),
            quantity(round(r["network_steps"] / r["seconds"])),
        )
        for r in timings.totals("setting", "arms")
    )
    return TextTable(
        "Searches and trainings: steps times networks, seconds, and network-steps a second. Measured times differ from run "
        "to run, and include compiling.",
        ("setting", "arms", "network-steps", "seconds", "a second"),
        rows,
        2,
    )
