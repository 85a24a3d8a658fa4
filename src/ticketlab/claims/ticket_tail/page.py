"""The page of the claim `ticket-tail`: the best of n against n, the shapes of the tails, and what more tickets would buy."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from ticketlab.claims.asking import columns
from ticketlab.claims.ticket_tail.formula import ALSO, COVERED, GAIN, HEADLINE, PREDICTED, STRAIGHT, TAIL
from ticketlab.claims.ticket_tail.measures import LOG
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import linear_axis, logarithmic_axis
from ticketlab.figures.curves import curve, plots
from ticketlab.figures.figure import Figure
from ticketlab.figures.forest import Asked
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, in_order, made, seconds_table
from ticketlab.figures.rows import bars
from ticketlab.figures.spread import spread
from ticketlab.figures.text_tables import Cell, TextTable, count, interval, mean, share, summary
from ticketlab.figures.wording import estimate, fixed, quantity
from ticketlab.laws.difference import of_seeds

__all__ = ["present"]

KINDS = (*HEADLINE, *ALSO)
FROM = 30  # tickets, from which on the best of n is drawn
NAIVE = Mark("scored on the examples that chose it", LIGHT.soft, "square", "dot")
HELD_OUT = Mark("scored on other examples", LIGHT.blue)
PERMUTED = Mark("permuted targets, other examples", LIGHT.vermilion, "x", "dash")
SHAPE = Mark("shape of the tail", LIGHT.blue)
NORMAL = Mark("a normal law's, at the same threshold", LIGHT.vermilion, "diamond")
STEADY = Mark("steady returns", LIGHT.soft, dash="dot", line=True)


def present(record: Record) -> Presentation:
    return Presentation(
        figures=made(record, best_of_n, shapes),
        summaries=made(
            record,
            bought_table,
            tail_table,
            prediction_table,
            partial(seconds_table, by={"kind": "kind", "part": "part"}),
        ),
        asked={
            TAIL: Asked("tail minus a normal law's", ("shorter", "longer")),
            GAIN: Asked("gain by a tenfold minus a normal law's", ("smaller", "larger")),
            STRAIGHT: Asked("tail", ("falling returns", "rising")),
            PREDICTED: Asked("predicted minus seen", ("too low", "too high")),
            COVERED: Asked("share in the 95 % intervals"),
        },
    )


_kinds = partial(in_order, column="kind", names=KINDS)


def best_of_n(curves: Table) -> Figure:
    """The skill of the best of n for each kind, chosen on one half of the examples."""
    panels = {}
    curves = curves.taken(np.flatnonzero(curves["count"] >= FROM))
    for kind, of in _kinds(curves).items():
        found = []
        for mark, column in ((NAIVE, "naive"), (HELD_OUT, "held_out"), (PERMUTED, "permuted")):
            places = of.along("count")
            spreads = [spread(100 * rows[column].astype(float)) for _, rows in places]
            found.append(curve(mark, [float(n) for n, _ in places], spreads, strong=column == "held_out"))
        panels[kind] = found
    first, largest = next(iter(_kinds(curves).items()))
    most = largest["count"].max()
    best = float(np.mean(largest.where(count=int(most))["held_out"]))
    x = logarithmic_axis("n", curves["count"].astype(float).tolist())
    return Figure(
        "best-of-n",
        f"The best of {quantity(int(most))} random {first}s explains {fixed(100 * best, 1)} % of the targets' variance, held out",
        "The mean skill of the best of n tickets. It is chosen on one half of the test examples, with its gain and offset, and "
        "scored on the other half. The distance to the grey curve is the winner's curse. With n below 30 a unit that hardly "
        "responds may be the best, and its gain is arbitrary. Means over seeds, bars 95 %.",
        plots(panels, x, partial(linear_axis, "variance explained, %", include=None)),
    )


def shapes(tails: Table) -> Figure:
    """ξ of each kind next to the normal law's."""
    rows = tails.where(scale=LOG)
    found = {
        kind: {SHAPE: spread(of["shape"].astype(float)), NORMAL: spread(of["normal_shape"].astype(float))}
        for kind, of in _kinds(rows).items()
    }
    longer = [
        kind
        for kind, of in _kinds(rows).items()
        if of_seeds(of["shape"] - of["normal_shape"]).lower(0.025) > 0  # False for a single seed
    ]
    return Figure(
        "shapes",
        f"{len(longer)} of {len(found)} kinds of ticket {'has' if len(longer) == 1 else 'have'} for certain a longer tail than a "
        "normal law",
        "The shape ξ of the tail of −log(loss − floor), without the noise of the test set. With 0 every tenfold buys the same, "
        "below it less. Signs are means over seeds, bars 95 % intervals; the numbers are those of the tickets.",
        bars(
            "shape ξ",
            {"": found},
            {"": {0.0: STEADY}},
            note=lambda _, of: estimate(of[0].mean, of[0].interval),
            dots=False,
            also=[0.0],
        ),
    )


def bought_table(tails: Table) -> TextTable:
    best = "best" if "best" in columns(tails) else "best_1"  # older runs have the tail's prediction of it
    cells = {
        "tickets": count("tickets"),
        "best of all, %": interval(best, 100.0),
        "of 10 times more, %": interval("best_10", 100.0),
        "of 100 times more, %": interval("best_100", 100.0),
    }
    caption = (
        "What more tickets buy: the share of the targets' variance that the best one explains, without the noise of the test "
        "set. The best of those drawn was found; that of more is predicted from the tail. Means over seeds ± 95 %."
    )
    return summary(
        caption, tails.where(scale=LOG), {"kind": "kind"}, cells, titles=_titles(tails), name="bought"
    )


def tail_table(tails: Table) -> TextTable:
    cells = {
        "excesses": count("excesses"),
        "ξ": interval("shape"),
        "with noise": mean("raw_shape"),
        "a normal law's": mean("normal_shape"),
        "estimators apart": lambda rows: fixed(float(np.max(rows["apart"])), 3),
        "by moments": mean("moments_shape"),
        "reliability": share("reliability"),
    }
    caption = "Tails on both scales: means over seeds ± 95 %. Estimators apart: the largest difference of all seeds."
    by = {"kind": "kind", "scale": "scale"}
    return summary(caption, tails, by, cells, titles=_titles(tails), name="tails-of-kinds")


def prediction_table(predictions: Table) -> TextTable:
    cells = {
        "fitted to": count("fitted"),
        "blocks": count("blocks"),
        "predicted": mean("predicted"),
        "seen": mean("seen"),
        **({"missed, share of the gain": _known("missed", 2)} if "missed" in columns(predictions) else {}),
        "in the 95 % interval": share("covered"),
        "CRPS": _known("crps"),
        "normal law": _known("crps_normal"),
        "exponential tail": _known("crps_exponential"),
    }
    caption = (
        "Predictions of the best of n, from fits to fewer tickets, compared with blocks of others, on the scale "
        "−log(loss − floor): means over fits and seeds. A smaller score (CRPS) is better."
    )
    by = {"kind": "kind", "count": "n"}
    return summary(caption, predictions, by, cells, titles=_titles(predictions), name="predictions-of-kinds")


def _known(column: str, places: int | None = None) -> Cell:
    """The mean over the rows that have a number, a dash where none has."""

    def cell(rows: Table) -> str:
        known = [v for v in rows[column].tolist() if math.isfinite(v)]
        form = ".1e" if places is None else f".{places}f"
        return f"{np.mean(known):{form}}".replace("-", "−") if known else "–"

    return cell


def _titles(table: Table) -> dict[str, str]:
    """The kinds in the order of the page."""
    return {kind: kind for kind in _kinds(table)}
