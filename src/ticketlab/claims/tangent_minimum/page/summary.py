"""The numbers behind the figures, as tables: what each arm reaches by setting."""

from __future__ import annotations

import numpy as np

from ticketlab.claims.tangent_minimum.page.arms import arms_in, error_of
from ticketlab.evidence.tables import Table
from ticketlab.figures.setting import percent, seeds, settings
from ticketlab.figures.spread import Spread, spread
from ticketlab.figures.text_tables import TextTable
from ticketlab.figures.wording import MISSING, extent, listed, measure, plus_minus

__all__ = ["arm_table"]


def arm_table(arms: Table) -> TextTable:
    """Means over seeds with 95 % intervals, by setting and arm."""
    rows: list[tuple[str, ...]] = []
    groups: list[tuple[int, str]] = []
    for s in settings(arms):
        groups.append((len(rows), str(s)))
        rows += [_summary(s.of(arms, arm=arm), arm) for arm in arms_in(s.of(arms))]
    head = (
        "arm",
        "test, %",
        "validation, %",
        "training, %",
        "test loss",
        "agreement, %",
        "‖Δθ‖/‖θ₀‖, %",
        "chosen",
    )
    caption = (
        f"Every arm: means over {seeds(arms)}, with 95 % intervals (±). Test, validation and training stand for the error "
        f"there, as a share of {error_of(arms)}."
    )
    return TextTable(caption, head, tuple(rows), 1, tuple(groups))


def _summary(rows: Table, arm: str) -> tuple[str, ...]:
    named = listed(sorted(set(rows["setting_name"].tolist()) - {""}))
    chosen = f"{named} {extent(rows['setting'])}" if np.isfinite(rows["setting"]).any() else MISSING
    return (
        arm,
        *(
            _cell(spread(percent(rows[column])))
            for column in ("test_score", "validation_score", "train_score")
        ),
        _cell(spread(rows["test_loss"])),
        *(_mean(spread(100 * rows[column])) for column in ("agreement", "relative_motion")),
        chosen,
    )


def _cell(s: Spread) -> str:
    return plus_minus(s.mean, s.interval) if s.values else MISSING


def _mean(s: Spread) -> str:
    return measure(s.mean)
