"""The page of the claim `multigraph`: accuracy by bits, and what each measure says of a network without content."""

from __future__ import annotations

import numpy as np

from ticketlab.claims.multigraph import formula
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import axis_at, linear_axis
from ticketlab.figures.curves import Plot, curve, mean_curve
from ticketlab.figures.figure import Figure, alone
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, made, seconds_table
from ticketlab.figures.rows import Row, Rows, series
from ticketlab.figures.spread import score, seeds, spread
from ticketlab.figures.text_tables import Cell, TextTable, interval, scored, summary
from ticketlab.figures.wording import fixed, plural
from ticketlab.laws.verdict import Outcome

__all__ = ["present"]

WRITTEN = {
    formula.TARGET: Mark("true labels, test data", LIGHT.blue),
    formula.PERMUTED: Mark("permuted labels, training data", LIGHT.vermilion, "square", "dash"),
}
THEIRS = Mark("the network that is written", LIGHT.soft, dash="dot", line=True)
OBJECTS = {
    formula.NET: Mark("random network", LIGHT.blue),
    formula.PERMUTED: Mark("the same, permuted labels", LIGHT.green, "triangle-up"),
    formula.EDGES: Mark("multigraph", LIGHT.vermilion, "square"),
    formula.RANDOM: Mark("a random mask of it", LIGHT.purple, "diamond"),
}
LIMIT = Mark("a tenth of what chance leaves", LIGHT.soft, dash="dash", line=True)


def present(record: Record) -> Presentation:
    return Presentation(
        figures=made(record, by_bits, by_measure),
        summaries=made(record, bits_table, measure_table, search_table, seconds_table),
    )


def by_bits(bits: Table) -> Figure:
    """Scores of the masked multigraph by bits, next to those of the networks that are written."""
    widths = sorted(set(bits["bits"].tolist()))
    drawn = []
    for target, mark in WRITTEN.items():
        own = bits.where(target=target)
        found = [score(of, "score") for _, of in own.along("bits")]
        drawn.append(curve(mark, widths, found))
        drawn.append(mean_curve(THEIRS, own, "bits", "target_score", 100))
    y = linear_axis("score, %", [v for c in drawn for v in c.y])
    lost = {
        w: float(np.mean(of["target_score"] - of["score"]))
        for w, of in bits.where(target=formula.TARGET).along("bits")
    }
    enough = next((w for w in widths if lost[w] <= 0.01), None)
    title = (
        f"{plural(enough, 'bit')} a parameter {'is' if enough == 1 else 'are'} enough to lose at most 1 point"
        if enough
        else "No number of bits loses at most 1 point"
    )
    caption = (
        "Scores of the multigraph under the mask that writes a trained network, by pairs of edges for each parameter: means over "
        f"{seeds(bits)}, with 95 % intervals. Dotted lines are the networks that are written."
    )
    return Figure("bits", title, caption, alone(Plot(axis_at("bits", widths), y, tuple(drawn), height=300)))


def by_measure(record: Record, measures: Table) -> Figure:
    """Each measure of the four objects, as a share of what chance leaves; and of which all questions hold."""
    rows, ends = [], [0.0, 100 * formula.LEAST]
    for name in formula.MEASURES:
        own = measures.where(measure=name)
        found = tuple(series(mark, spread(100 * own.where(of=of)["above"])) for of, mark in OBJECTS.items())
        ends += [end for s in found for end in s.ends]
        rows.append(
            Row(name, found, note=" · ".join(fixed(s.centre, 0) for s in found if s.centre is not None))
        )
    open_ = {v.facets.get("measure") for v in record.questions if v.outcome is not Outcome.HOLDS}
    shown = [name for name in formula.MEASURES if name not in open_]
    axis = linear_axis("gain, % of what chance leaves", ends)
    told = ", ".join(shown) or "none"
    caption = (
        "A measure may be said to show content if it is higher on the random network than with permuted labels and than on a "
        "random mask of the multigraph, by a tenth of what chance leaves, and below that tenth on the multigraph. Signs are "
        f"means over seeds, bars 95 % intervals; the numbers are the means, in the order of the key ({seeds(measures)})."
    )
    limits = {100 * formula.LEAST: LIMIT}
    return Figure(
        "measures",
        f"Measures that were found to show content: {told}",
        caption,
        alone(Rows(tuple(rows), axis, limits)),
    )


def bits_table(bits: Table) -> TextTable:
    cells: dict[str, Cell] = {
        "score, %": scored("score"),
        "written network, %": scored("target_score"),
        "edges kept, %": scored("kept"),
        "bits of the mask": interval("mask_bits", low=0.0),
    }
    caption = (
        "The multigraph under masks that write trained networks. Bits of the mask are for each parameter: log₂ of the number of "
        "masks with equally many edges in each array. Means over seeds ± 95 %."
    )
    return summary(caption, bits, {"target": "written", "bits": "bits"}, cells, name="bits")


def measure_table(measures: Table) -> TextTable:
    cells: dict[str, Cell] = {
        "value": interval("score"),
        "chance": interval("chance"),
        "gain, % of what chance leaves": interval("above", 100.0),
    }
    caption = "The measures: held-out AUC of the best unit, else test accuracy. Means over seeds ± 95 %."
    return summary(caption, measures, {"measure": "measure", "of": "of"}, cells, name="measures")


def search_table(searches: Table) -> TextTable:
    cells: dict[str, Cell] = {
        "training score, %": scored("train_score"),
        "test score, %": scored("test_score"),
    }
    caption = "Learned masks: what was masked, and what the labels were. Means over seeds ± 95 %."
    return summary(caption, searches, {"over": "masked", "labels": "labels"}, cells, name="searches")
