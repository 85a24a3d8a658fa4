"""The page of the claim `scaling`: loss against size with fitted laws, exponents next to published ones, and where laws cross.

Loss against computation, and what the side questions measured, have figures and tables of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from ticketlab.claims.scaling.families import OTHERS, YARDSTICK
from ticketlab.claims.scaling.formula import EXPONENT, PROMISE, curves, local
from ticketlab.claims.scaling.laws import Crossing, Fit, band, crossings, fits
from ticketlab.claims.scaling.sides import COMPUTE, CONTEXT, NOISY, RANGE, SECOND, envelope, growth, lengths
from ticketlab.claims.wording import sentence
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import logarithmic_axis
from ticketlab.figures.curves import Curve, curve, plots
from ticketlab.figures.figure import Figure
from ticketlab.figures.forest import Asked
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, made, seconds_table
from ticketlab.figures.spread import spread
from ticketlab.figures.text_tables import Cell, TextTable, interval, summary
from ticketlab.figures.wording import MISSING, estimate, fixed, listed, plus_minus, power, quantity
from ticketlab.laws.difference import of_seeds

__all__ = ["present"]

KINDS = (*OTHERS, YARDSTICK)
MEASURED = Mark("test loss", LIGHT.blue)
LAW = Mark("fitted law", LIGHT.soft, dash="solid", line=True)
BAND = Mark("95 % of laws fitted to seeds drawn again", LIGHT.soft, dash="dot", line=True)
PERMUTED = Mark("with permuted targets", LIGHT.vermilion, "x", "dash")
LENGTHS = Mark("one size, trainings of several lengths", LIGHT.soft, "circle", "solid", line=True)
LEAST = Mark("least loss for a computation", LIGHT.blue)
PROBED = Mark("read-out of trained features", LIGHT.blue)
UNTRAINED = Mark("read-out before training", LIGHT.vermilion, "x", "dash")
EARLY = Mark("first quarter of a sequence", LIGHT.vermilion, "x", "dash")
LATE = Mark("last quarter of a sequence", LIGHT.blue)
FLOOR = Mark("the smallest possible there", LIGHT.soft, dash="dot", line=True)
PUBLISHED = (
    ("transformer, text, parameters", "0.076", "Kaplan et al. 2020"),
    ("transformer, text, parameters (with a floor)", "0.34", "Hoffmann et al. 2022"),
    ("images, convolutional networks, parameters", "about 0.5", "Sharma & Kaplan 2020"),
)


def present(record: Record) -> Presentation:
    runs = record.evidence.tables.get("runs")
    found = fits(runs, KINDS) if runs is not None and len(runs) else {}
    return Presentation(
        figures=made(record, loss_by_size, loss_by_computation, second_by_size, context_by_size, found=found),
        summaries=made(
            record,
            law_table,
            computation_table,
            size_table,
            second_table,
            context_table,
            crossing_table,
            partial(seconds_table, by={"kind": "kind", "part": "part"}),
            found=found,
        ),
        published=made(record, published_exponents, found=found),
        asked={
            EXPONENT: Asked("exponent at the largest sizes"),
            PROMISE: Asked(
                "measured fall minus two thirds of the promised one", ("less arrives", "more arrives")
            ),
            NOISY: Asked("exponent with noise in the inputs"),
            COMPUTE: Asked("exponent of the least loss against computation"),
            SECOND: Asked("exponent of the error on the second task"),
            CONTEXT: Asked("late exponent minus early one"),
        },
    )


def loss_by_size(runs: Table, found: Mapping[str, Fit]) -> Figure | None:
    """The loss of each architecture against its size, on logarithmic axes, with the fitted law and its band."""
    if not found:
        return None
    panels = {kind: _drawn(kind, fit, runs) for kind, fit in found.items()}
    falling = [kind for kind, fit in found.items() if _grows(local(fit.curves))]
    sizes = runs["parameters"].astype(float).tolist()
    title = (
        f"{listed(falling)} still {'improves' if len(falling) == 1 else 'improve'} at the largest size"
        if falling
        else "No architecture is shown to improve at the largest size"
    )
    return Figure(
        "loss-by-size",
        sentence(title),
        "Test loss against the number of parameters, both logarithmic. The law E + A·P^(−α) is fitted to all sizes. The "
        "signs are means over seeds with 95 % intervals, which include what a seed adds to all sizes; the law's band does not.",
        plots(panels, logarithmic_axis("parameters", sizes), partial(logarithmic_axis, "test loss")),
    )


def _drawn(kind: str, fit: Fit, runs: Table) -> list[Curve]:
    places, law = band(fit)
    x = places.tolist()
    permuted = curves(kind, {"runs": runs}, "permuted")
    return [
        Curve(LAW, x, law[0].tolist()),
        Curve(BAND, x, law[1].tolist(), thin=True),
        Curve(BAND, x, law[2].tolist(), thin=True),
        curve(PERMUTED, permuted.sizes.tolist(), [spread(of) for of in permuted.losses.T]),
        curve(
            MEASURED,
            fit.curves.sizes.tolist(),
            [spread(of) for of in fit.curves.losses.T],
            joined=False,
            strong=True,
        ),
    ]


def _measured(runs: Table, column: str) -> bool:
    return bool(np.isfinite(runs[column].astype(float)).any())


def loss_by_computation(lengths: Table, found: Mapping[str, Fit]) -> Figure | None:
    """The loss against the operations of training: a curve a size, and the least loss along their lower envelope."""
    panels = {kind: _along_computation(kind, lengths) for kind in found}
    panels = {kind: drawn for kind, drawn in panels.items() if drawn}
    if not panels:
        return None
    best = {kind: envelope(kind, {"lengths": lengths}) for kind in panels}
    falls = {kind: of.exponents for kind, of in best.items() if of is not None and of.range >= RANGE}
    sure = {kind: float(each.mean()) for kind, each in falls.items() if _grows(each)}
    title = (
        f"With ten times the computation the best loss falls by {_falls(sure)} ({listed(list(sure))})"
        if sure
        else "No best loss is shown to fall with the computation"
        if falls
        else "No best size for a computation lies between two that are worse over a wide enough range"
    )
    places = [float(v) for v in lengths["operations"]]
    return Figure(
        "loss-by-computation",
        title,
        "Test loss against the operations of training, both logarithmic. Each point is a training of its own length, with its "
        "own decay of the step size; points of one size are joined. The least loss is drawn where a smaller and a larger size "
        "are worse, with 95 % intervals. Means over seeds.",
        plots(panels, logarithmic_axis("operations", places), partial(logarithmic_axis, "test loss")),
    )


def _grows(exponents: np.ndarray) -> bool:
    """Whether exponents of seeds are above 0.01 by their 95 % interval, so that a headline may say it."""
    return of_seeds(exponents).lower(0.025) > 0.01


def _falls(exponents: Mapping[str, float]) -> str:
    shown = sorted(100 * -np.expm1(-value * np.log(10)) for value in exponents.values())
    first, last = (fixed(float(value), 1) for value in (shown[0], shown[-1]))
    return f"{first} %" if first == last else f"{first} to {last} %"


def _along_computation(kind: str, table: Table) -> list[Curve]:
    best = envelope(kind, {"lengths": table})
    if best is None:
        return []
    _, budgets, _, test = lengths(kind, {"lengths": table})
    drawn = [
        Curve(
            LENGTHS, own[np.isfinite(own)].tolist(), mean[np.isfinite(own)].tolist(), thin=True, signed=True
        )
        for own, mean in zip(budgets, test.mean(axis=0), strict=True)
    ]
    used = np.flatnonzero(best.inside)
    for stretch in np.split(used, np.flatnonzero(np.diff(used) > 1) + 1):  # nothing is known between them
        some = stretch[:: max(1, len(used) // 8)]
        spreads = [spread(best.losses[:, b]) for b in some]
        if spreads:
            drawn.append(curve(LEAST, best.budgets[some].tolist(), spreads, strong=True))
    return drawn


def second_by_size(runs: Table, found: Mapping[str, Fit]) -> Figure | None:
    """The error of a read-out for the second task, trained and before."""
    if not _measured(runs, "probe"):
        return None
    pairs = {"probe": PROBED, "untrained_probe": UNTRAINED}
    better = [kind for kind in found if _grows(local(curves(kind, {"runs": runs}, "probe")))]
    title = (
        f"{listed(better)} {'serves' if len(better) == 1 else 'serve'} a second task better at the largest size"
        if better
        else "No architecture is shown to serve a second task better at the largest size"
    )
    return _two_by_size(
        "second-task",
        title,
        "Share of the variance of the token after the next that a linear read-out of the last hidden features leaves. Test data, "
        "means over seeds ± 95 %.",
        "variance left",
        runs,
        found,
        pairs,
    )


def context_by_size(runs: Table, found: Mapping[str, Fit]) -> Figure | None:
    """The loss early and late in a sequence."""
    if not _measured(runs, "late_loss"):
        return None
    pairs = {"early_loss": EARLY, "late_loss": LATE}
    if _measured(runs, "least_late_loss"):
        pairs["least_late_loss"] = FLOOR
    better = [kind for kind in found if _grows(growth(kind, {"runs": runs}))]
    title = (
        f"{listed(better)} {'learns' if len(better) == 1 else 'learn'} more from what was read at the largest size"
        if better
        else "No architecture is shown to learn more from what was read at the largest size"
    )
    return _two_by_size(
        "context",
        title,
        "Test loss in the first and in the last quarter of a sequence. Means over seeds ± 95 %.",
        "test loss",
        runs,
        found,
        pairs,
    )


def _two_by_size(
    key: str,
    title: str,
    caption: str,
    upright: str,
    runs: Table,
    found: Mapping[str, Fit],
    marks: Mapping[str, Mark],
) -> Figure | None:
    """A curve a column, of each architecture."""
    panels: dict[str, list[Curve]] = {}
    for kind in found:
        for column, mark in marks.items():
            of = curves(kind, {"runs": runs}, column)
            spreads = [spread(each) for each in of.losses.T]
            drawn = curve(mark, of.sizes.tolist(), spreads, signed=mark is not FLOOR)
            panels.setdefault(kind, []).append(drawn)
    if not panels:
        return None
    x = logarithmic_axis("parameters", runs["parameters"].astype(float).tolist())
    return Figure(key, sentence(title), caption, plots(panels, x, partial(logarithmic_axis, upright)))


def law_table(found: Mapping[str, Fit]) -> TextTable | None:
    """The law of each architecture."""
    if not found:
        return None
    rows = tuple(
        (
            kind,
            plus_minus(float(local(fit.curves).mean()), spread(local(fit.curves)).interval),
            estimate(fit.law.exponent, fit.law.interval),
            fixed(fit.law.spread, 3),
            fixed(fit.law.floor, 2),
            f"{fit.contest.endless.name} by {fixed(fit.contest.lead, 1)} over {fit.contest.ending.name}",
            f"{fixed(100 * float(np.mean(fit.miss)), 1)} %",
            f"{fixed(100 * fit.law.left_out, 1)} %",
        )
        for kind, fit in found.items()
    )
    return TextTable(
        "Laws E + A·P^(−α). The exponent at the end is that of the whole loss between the two largest sizes, mean over seeds "
        "± 95 %. α has its profile interval; its search ends at 0.02 and 3. The forecast is that of a law fitted without the "
        "largest size; the last column is the larger error of one fitted without the two largest.",
        (
            "kind",
            "exponent at the end",
            "α",
            "sd of α, seeds drawn again",
            "E",
            "best form without an end, and its lead in AICc",
            "forecast minus measured loss",
            "error without the two largest",
        ),
        rows,
        1,
        name="laws",
    )


def computation_table(lengths: Table, found: Mapping[str, Fit]) -> TextTable | None:
    """The exponent of computation, next to that of size at equal steps."""
    rows = []
    for kind, fit in found.items():
        best = envelope(kind, {"lengths": lengths})
        if best is None:
            continue
        at_equal_steps = plus_minus(float(local(fit.curves).mean()), spread(local(fit.curves)).interval)
        if best.ends is None:
            rows.append((kind, MISSING, MISSING, MISSING, at_equal_steps))
            continue
        budgets, sizes = ([power(float(of[b])) for b in best.ends] for of in (best.budgets, best.sizes))
        exponent = plus_minus(float(best.exponents.mean()), spread(best.exponents).interval)
        rows.append((kind, exponent, " to ".join(budgets), " to ".join(sizes), at_equal_steps))
    if not rows:
        return None
    return TextTable(
        "The exponent of the least loss against the operations of training, mean over seeds ± 95 %, between the first and the "
        "last budget at which a smaller and a larger size are worse. The last column is another thing: the exponent of size at "
        "equally many steps, from the table above.",
        (
            "kind",
            "exponent of computation",
            "operations",
            "best size, parameters",
            "exponent of size at equal steps",
        ),
        tuple(rows),
        1,
        name="computation",
    )


def second_table(runs: Table, found: Mapping[str, Fit]) -> TextTable | None:
    """The second task, at the two largest sizes."""
    if not _measured(runs, "probe"):
        return None
    columns = {"trained": "probe", "before training": "untrained_probe"}
    return _ends_table(
        "Share of the variance of the token after the next that a linear read-out leaves, at the two largest sizes, and its "
        "exponent between them. Means over seeds ± 95 %.",
        columns,
        runs,
        found,
        "second-task",
    )


def context_table(runs: Table, found: Mapping[str, Fit]) -> TextTable | None:
    """The loss early and late in a sequence, at the two largest sizes."""
    if not _measured(runs, "late_loss"):
        return None
    columns = {"first quarter": "early_loss", "last quarter": "late_loss"}
    return _ends_table(
        "Test loss in the first and in the last quarter of a sequence, at the two largest sizes, and its exponent between them. "
        "Means over seeds ± 95 %.",
        columns,
        runs,
        found,
        "context",
    )


def _ends_table(
    caption: str, columns: Mapping[str, str], runs: Table, found: Mapping[str, Fit], name: str
) -> TextTable | None:
    rows = []
    for kind in found:
        for title, column in columns.items():
            of = curves(kind, {"runs": runs}, column)
            ends = [spread(of.losses[:, place]) for place in (-2, -1)]
            slope = spread(local(of))
            rows.append((kind, title, *(plus_minus(s.mean, s.interval) for s in (*ends, slope))))
    if not rows:
        return None
    head = ("kind", "", "second largest size", "largest size", "exponent")
    return TextTable(caption, head, tuple(rows), 2, name=name)


def size_table(runs: Table) -> TextTable:
    """The losses of each size."""
    cells: dict[str, Cell] = {
        "parameters": lambda rows: quantity(int(rows["parameters"][0])),
        "width": lambda rows: quantity(int(rows["width"][0])),
        "test loss": interval("loss"),
        "validation": interval("validation_loss"),
        "training": interval("train_loss"),
        "noisy inputs": interval("noisy"),
        "permuted targets": interval("permuted"),
        "half of the steps": _known("late", lambda late: 100 * np.expm1(late), " %"),
        "other step size": _known("regret", lambda regret: 100 * np.expm1(regret), " %"),
    }
    guess = fixed(float(np.mean(runs["guess"])), 3)
    caption = (
        "Losses (cross-entropies in nats, or halves of squares), means over seeds ± 95 %. Frequencies of training targets give "
        f"{guess}. Half of the steps: how much larger the validation loss is then. Other step size: how much smaller it would be "
        "at half or twice the step size."
    )
    titles: dict[str, str] = {kind: kind for kind in KINDS if len(runs.where(kind=kind))}
    return summary(caption, runs, {"kind": "kind", "place": "size"}, cells, titles=titles, name="sizes")


def _known(column: str, shown: Callable[[float], float], unit: str) -> Cell:
    """The mean over the rows that have a number, a dash where none has."""

    def cell(rows: Table) -> str:
        known = rows[column].astype(float)
        known = known[np.isfinite(known)]
        return f"{fixed(shown(float(known.mean())), 1)}{unit}" if len(known) else MISSING

    return cell


def crossing_table(found: Mapping[str, Fit]) -> TextTable | None:
    """Where the laws of two architectures cross."""
    if len(found) < 2:
        return None
    rows = []
    for pair in crossings(found):
        first, second = found[pair.one], found[pair.other]
        largest = min(first.means.sizes[-1], second.means.sizes[-1])
        ahead = first.law.fitted.at(np.array([largest]))[0] < second.law.fitted.at(np.array([largest]))[0]
        words = "; ".join(_crossing(crossing, largest) for crossing in pair.crossings)
        none = "nowhere" if pair.apart else "nowhere, but they are not told apart everywhere"
        rows.append((f"{pair.one}, {pair.other}", pair.one if ahead else pair.other, words or none))
    return TextTable(
        "Sizes at which the fitted laws cross, up to ten times the largest size, and which architecture is better at the largest "
        "size that both have. In brackets: the sizes around a crossing at which the two laws are not told apart (95 %, by the "
        "jackknife over seeds).",
        ("architectures", "better at the largest size", "crossings, parameters"),
        tuple(rows),
        1,
        name="crossings",
    )


def _crossing(crossing: Crossing, largest: float) -> str:
    said = power(crossing.size) + (", extrapolated" if crossing.size > largest else "")
    if crossing.interval is None:
        return said
    low, high = crossing.interval
    if low == 0 and np.isinf(high):
        return f"{said} (anywhere)"
    if low == 0:
        return f"{said} (below {power(high)})"
    return f"{said} (from {power(low)} on)" if np.isinf(high) else f"{said} ({power(low)} to {power(high)})"


def published_exponents(found: Mapping[str, Fit]) -> TextTable | None:
    """Exponents of papers next to ours."""
    if not found:
        return None
    ours = tuple(
        (f"{kind}, this run (with a floor)", estimate(fit.law.exponent, fit.law.interval), "this run")
        for kind, fit in found.items()
    )
    return TextTable(
        "Published exponents of size next to ours. Tasks, sizes and lengths of training differ, so only the order of magnitude "
        "can be compared. A law with a floor has a larger α than one without.",
        ("", "α", "source"),
        (*ours, *PUBLISHED),
        1,
        name="published",
    )
