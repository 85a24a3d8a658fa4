"""Rows and curves in panels: one axis holds all that is drawn, what was not measured is left out, and numbers are in words."""

import math
from functools import partial

import numpy as np

from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import linear_axis
from ticketlab.figures.curves import Curve, Level, Plot, each_seed, plots, points
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
    assert [p.value for p in second.chart.points() if p.series == "limit"] == [2.5]


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


def test_seeds_have_a_mean_where_they_have_the_same_places():
    """The second seed has its places in another order, the third has others."""
    places = {0: [1.0, 2.0, 4.0], 1: [1.0, 4.0, 2.0], 2: [0.5, 1.0, 2.0]}
    rows = Table.from_rows("t", [{"seed": s, "x": x, "y": x + s} for s, at in places.items() for x in at])
    *single, mean = each_seed(ONE, rows.taken(rows["seed"] < 2), "x", "y")
    assert [(c.x, c.y) for c in single] == [
        ([1.0, 2.0, 4.0], [1.0, 2.0, 4.0]),
        ([1.0, 2.0, 4.0], [2.0, 3.0, 5.0]),
    ]
    assert (mean.x, mean.y) == ([1.0, 2.0, 4.0], [1.5, 2.5, 4.5])
    assert [c.thin for c in each_seed(ONE, rows, "x", "y")] == [True, True, True]


def test_levels_are_in_the_file_and_those_that_are_no_number_are_not_drawn():
    axis = linear_axis("", [0.0, 1.0])
    plot = Plot(axis, axis, (), (Level(LIMIT, x=0.25), Level(LIMIT, y=0.5), Level(LIMIT, y=math.nan)))
    assert [(s["x0"], s["y0"]) for s in plot.plotly()["layout"]["shapes"]] == [(0.25, 0), (0, 0.5)]
    upright, level, unknown = plot.points()
    assert (upright.at, level.at, level.value) == (0.25, "", 0.5)
    assert math.isnan(upright.value)
    assert math.isnan(unknown.value)
    assert "NaN" not in plot.html("label", "caption")
    bar = bars("points", {"": {"a": {ONE: spread(np.array([1.0, 3.0]))}}}, {"": {math.nan: LIMIT}})
    assert 'data-mark="limit"' not in bar[0].chart.html("label", "caption")
