"""Rows and curves in panels: one axis holds all that is drawn, what was not measured is left out, and numbers are in words."""

from functools import partial

import numpy as np

from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import linear_axis
from ticketlab.figures.curves import Curve, Level, plots, points
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.rows import bars
from ticketlab.figures.spread import spread

ONE, OTHER = Mark("one", LIGHT.blue), Mark("other", LIGHT.green, "square")
LIMIT = Mark("limit", LIGHT.soft, line=True)


def test_bars_leave_out_what_was_not_measured():
    some, nothing = spread(np.array([1.0, 3.0])), spread(np.array([np.nan]))
    found = {"first": {"a": {ONE: some, OTHER: nothing}, "b": {ONE: nothing}}, "second": {"a": {OTHER: some}}}
    first, second = bars("points", found, {"second": {2.5: LIMIT}}, unit=" %")
    assert [row.label for row in first.chart.rows] == ["a"]
    assert [s.mark for s in first.chart.rows[0].series] == [ONE]
    assert first.chart.rows[0].numbers().endswith(" %")
    assert first.chart.axis == second.chart.axis
    assert (dict(first.chart.limits), dict(second.chart.limits)) == ({}, {2.5: LIMIT})


def test_bars_with_notes_and_without_single_measurements():
    found = {"": {"a": {ONE: spread(np.array([1.0, 3.0])), OTHER: spread(np.array([5.0]))}}}
    (panel,) = bars(
        "points", found, note=lambda label, of: f"{label}: {sum(s.mean for s in of):g}", dots=False
    )
    assert panel.chart.rows[0].numbers() == "a: 7"
    assert all(s.dots == () for s in panel.chart.rows[0].series)


def test_an_axis_holds_values_intervals_and_levels():
    rows = Table.from_rows("t", [{"x": 1, "y": 0.5}, {"x": 2, "y": 0.75}])
    curves = {
        "single": [points(ONE, rows, "x", "y")],
        "mean": [Curve(OTHER, [1.0], [1.0], [(0.25, 4.0)]), Curve(ONE, [2.0], [2.0], [None])],
    }
    x = linear_axis("x", [0.0, 3.0])
    single, mean = plots(
        curves, x, partial(linear_axis, "y"), {"single": [Level(LIMIT, y=-6.0)], "mean": []}, 99
    )
    axis = single.chart.y
    assert axis == mean.chart.y
    assert axis.low < -6.0
    assert axis.high > 4.0
    assert [len(panel.chart.levels) for panel in (single, mean)] == [1, 0]
    assert (single.chart.height, single.chart.x) == (99, x)
    assert single.chart.curves[0].signed
    assert not single.chart.curves[0].joined
