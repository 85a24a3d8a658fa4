"""The numbers behind the figures: masks in bits and distances, every combination of actions, the proof, and how long it took."""

from __future__ import annotations

import numpy as np

from ticketlab.claims.masking_is_training.page.actions import ONE_TITLES, ZERO_MARKS
from ticketlab.claims.masking_is_training.page.criteria import at_decisive, criteria_in, percent, title_of
from ticketlab.evidence.tables import Table
from ticketlab.figures.spread import spread
from ticketlab.figures.text_tables import TextTable
from ticketlab.figures.wording import MISSING, measure, plural, plus_minus, quantity

__all__ = ["action_table", "check_table", "mask_table", "time_table"]


def mask_table(masks: Table, dense: Table, surprise: Table) -> TextTable:
    """What every criterion chooses at the density that decides, against what training moves."""
    at = at_decisive(masks)
    rows = [
        (
            "training of all weights",
            *(MISSING,) * 4,
            plus_minus(*_mean(dense, "moved")),
            quantity(round(float(np.mean(dense["bits"])))),
            measure(1.0),
        )
    ]
    for criterion in criteria_in(at):
        of = at.where(criterion=criterion)
        rows.append(
            (
                title_of(criterion),
                quantity(int(of["kept"][0])),
                quantity(round(float(np.mean(of["mask_bits"])))),
                percent(float(np.mean(of["flipped"]))),
                percent(float(np.mean(of["shrank"]))),
                plus_minus(*_mean(of, "moved")),
                quantity(round(float(np.mean(of["motion_bits"])))),
                plus_minus(*_mean(of, "aligned")),
            )
        )
    count = int(surprise["random_masks"][0])
    good = int(np.sum(surprise["as_good"]))
    return TextTable(
        f"Masks at {percent(float(np.mean(at['density'])))} of the weights, beside the motion of training: means over "
        f"{plural(len(dense), 'seed')}, ± 95 %. Of {quantity(count)} random masks a seed with as many weights in every layer "
        f"{quantity(good)} in all seeds scored as high untrained as the chosen one, so that by chance it would take "
        f"{'at least ' if not good else ''}{measure(float(np.mean(surprise['bits'])))} bits on average to find one. Naming any "
        "mask of these counts takes the bits in the third column.",
        (
            "mask",
            "kept",
            "bits of the mask",
            "sign changed",
            "removed shrank",
            "distance",
            "bits of the motion",
            "cosine",
        ),
        tuple(rows),
    )


def action_table(arms: Table) -> TextTable:
    """Every combination at the density that decides: untrained, and trained where that was done."""
    at = at_decisive(arms)
    zeros = [z for z in ZERO_MARKS if len(at.where(zero=z))]
    rows: list[tuple[str, ...]] = []
    groups = []
    for criterion in criteria_in(at):
        of = at.where(criterion=criterion)
        groups.append((len(rows), title_of(criterion)))
        for one in (o for o in ONE_TITLES if len(of.where(one=o))):
            cells = []
            for zero in zeros:
                two = [spread(100 * of.where(one=one, zero=zero)[c]) for c in ("test_score", "trained_score")]
                cells.append(" → ".join(plus_minus(s.mean, s.interval) for s in two if s.values) or MISSING)
            rows.append((ONE_TITLES[one], *cells))
    return TextTable(
        f"Every criterion with every action at {percent(float(np.mean(at['density'])))} of the weights: test score untrained → "
        f"trained, %, means over {plural(len(set(at['seed'].tolist())), 'seed')}, ± 95 %.",
        ("kept weights", *(ZERO_MARKS[z].label for z in zeros)),
        tuple(rows),
        1,
        tuple(groups),
    )


def check_table(checks: Table) -> TextTable:
    """What the check of removed weights found, over all seeds."""
    columns = ("networks", "removed", "parameters_left", "best", "moments")
    rows = tuple(
        (name, *(quantity(int(np.sum(checks.where(training=name)[c]))) for c in columns))
        for name in dict.fromkeys(checks["training"].tolist())
    )
    return TextTable(
        "Removed parameters of all trained networks, zero or frozen, and how many of them, and of the optimiser's moments of "
        "them, were not exactly zero in what training moves: at the end, and at the early stop.",
        ("training", "networks", "removed", "not zero at the end", "at the early stop", "moments"),
        rows,
    )


def time_table(timings: Table) -> TextTable:
    """Seconds and network-steps a second, over all seeds."""
    rows = []
    for name in dict.fromkeys(timings["training"].tolist()):
        of = timings.where(training=name)
        steps, seconds = int(np.sum(of["network_steps"])), float(np.sum(of["seconds"]))
        rows.append((name, quantity(steps), measure(seconds), quantity(round(steps / seconds))))
    return TextTable(
        "Training: steps times networks, seconds, and network-steps a second, over all seeds. Measured times differ from run to "
        "run; the first training compiles.",
        ("training", "network-steps", "seconds", "a second"),
        tuple(rows),
    )


def _mean(table: Table, column: str) -> tuple[float, tuple[float, float] | None]:
    s = spread(table[column])
    return s.mean, s.interval
