"""Certificates say how many were met, and the worst of what was measured."""

import numpy as np
import pytest

from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import SMALLEST
from ticketlab.figures.certificates import all_met, check_table, met, proof, worst
from ticketlab.figures.palette import LIGHT, Mark

SOLVES = Table.from_rows("certificates", [{"met": True}, {"met": True}, {"met": False}])


def test_how_many_were_met_is_said():
    assert all_met(SOLVES, "solve") == "2 of 3 solves met the tolerance"
    assert all_met(SOLVES.where(met=True), "solve") == "All 2 solves met the tolerance"
    assert met(SOLVES) == "2 of 3"


def test_the_worst_is_the_largest_size_of_what_is_known():
    assert worst(np.array([1e-9, -3e-8, np.nan])) == pytest.approx(3e-8)
    assert np.isnan(worst(np.array([np.nan])))


def test_a_proof_draws_every_measurement_and_none_below_what_an_axis_shows():
    mark = Mark("gap", LIGHT.blue)
    row = proof("square loss", {mark: np.array([-2e-6, 0.0, np.nan])})
    assert row.note == "at most 2 × 10⁻⁶"
    assert row.series[0].dots == (2e-6, SMALLEST)


def test_checks_show_the_columns_that_they_have():
    rows = [{"level": 1, "pruned": 5, "parameters_left": 0, "moments": 1} for _ in range(2)]
    table = check_table("What was found.", Table.from_rows("checks", rows), {"level": "level"})
    assert table.head == ("level", "pruned", "not zero at the end", "moments")
    assert table.rows == (("1", "10", "0", "2"),)
