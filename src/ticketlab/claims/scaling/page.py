"""The page of the claim `scaling`: loss against size with fitted laws, exponents next to published ones, and where laws cross."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from ticketlab.claims.scaling.families import OTHERS, YARDSTICK
from ticketlab.claims.scaling.formula import CONTROL, EXPONENT, NOISY, PROMISE, curves, local
from ticketlab.claims.scaling.laws import Fit, band, crossings, fits
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

__all__ = ["present"]

KINDS = (*OTHERS, YARDSTICK)
MEASURED = Mark("test loss", LIGHT.blue)
LAW = Mark("fitted law", LIGHT.soft, dash="solid", line=True)
BAND = Mark("95 % of laws fitted to seeds drawn again", LIGHT.soft, dash="dot", line=True)
PERMUTED = Mark("with permuted targets", LIGHT.vermilion, "x", "dash")
PUBLISHED = (
    ("transformer, text, parameters", "0.076", "Kaplan et al. 2020"),
    ("transformer, text, parameters (with a floor)", "0.34", "Hoffmann et al. 2022"),
    ("images, convolutional networks, parameters", "about 0.5", "Sharma & Kaplan 2020"),
)


def present(record: Record) -> Presentation:
    runs = record.evidence.tables.get("runs")
    found = fits(runs, KINDS) if runs is not None and len(runs) else {}
    return Presentation(
        figures=made(record, partial(loss_by_size, found=found)),
        summaries=made(
            record,
            partial(law_table, found=found),
            size_table,
            partial(crossing_table, found=found),
            partial(seconds_table, by={"kind": "kind", "part": "part"}),
        ),
        published=made(record, partial(published_exponents, found=found)),
        asked={
            EXPONENT: Asked("exponent at the largest sizes"),
            PROMISE: Asked(
                "measured fall minus two thirds of the promised one", ("less arrives", "more arrives")
            ),
            CONTROL: Asked("exponent with permuted targets"),
            NOISY: Asked("exponent with noise in the inputs"),
        },
    )


def loss_by_size(runs: Table, found: Mapping[str, Fit]) -> Figure | None:
    """The loss of each architecture against its size, on logarithmic axes, with the fitted law and its band."""
    if not found:
        return None
    panels = {kind: _drawn(kind, fit, runs) for kind, fit in found.items()}
    falling = [kind for kind, fit in found.items() if np.mean(local(fit.curves)) > 0.01]
    sizes = runs["parameters"].astype(float).tolist()
    title = (
        f"{listed(falling)} still {'improves' if len(falling) == 1 else 'improve'} at the largest size"
        if falling
        else "No architecture improves much at the largest size"
    )
    return Figure(
        "loss-by-size",
        title[0].upper() + title[1:],
        "Test loss in nats against the number of parameters, both logarithmic. The law E + A·P^(−α) is fitted to all sizes. The "
        "signs are means over seeds with 95 % intervals, which include what a seed adds to all sizes; the law's band does not.",
        plots(panels, logarithmic_axis("parameters", sizes), partial(logarithmic_axis, "test loss, nats")),
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


def law_table(*, found: Mapping[str, Fit]) -> TextTable | None:
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
            "E, nats",
            "best form without an end, and its lead in AICc",
            "forecast minus measured loss",
            "error without the two largest",
        ),
        rows,
        1,
        name="laws",
    )


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
        "Losses in nats, means over seeds ± 95 %. The training targets' frequencies alone give "
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


def crossing_table(*, found: Mapping[str, Fit]) -> TextTable | None:
    """Where the laws of two architectures cross."""
    if len(found) < 2:
        return None
    rows = []
    for one, other, places in crossings(found):
        largest = min(found[one].means.sizes[-1], found[other].means.sizes[-1])
        first = (
            found[one].law.fitted.at(np.array([largest]))[0]
            < found[other].law.fitted.at(np.array([largest]))[0]
        )
        words = ", ".join(power(place) + (" (extrapolated)" if place > largest else "") for place in places)
        rows.append((f"{one}, {other}", one if first else other, words or "nowhere"))
    return TextTable(
        "Sizes at which the fitted laws cross, up to ten times the largest size, and which architecture is better at the largest "
        "size that both have. The laws are those of the figure; crossings have the uncertainty of both.",
        ("architectures", "better at the largest size", "crossings, parameters"),
        tuple(rows),
        1,
        name="crossings",
    )


def published_exponents(*, found: Mapping[str, Fit]) -> TextTable | None:
    """Exponents of papers next to ours."""
    if not found:
        return None
    ours = tuple(_ours(kind, fit) for kind, fit in found.items())
    return TextTable(
        "Published exponents of size next to ours. Tasks, sizes and lengths of training differ, so only the order of magnitude "
        "can be compared. A law with a floor has a larger α than one without.",
        ("", "α", "source"),
        (*ours, *PUBLISHED),
        1,
        name="published",
    )


def _ours(kind: str, fit: Fit) -> tuple[str, ...]:
    return (f"{kind}, this run (with a floor)", estimate(fit.law.exponent, fit.law.interval), "this run")
