"""Rows of cells: what is written is read, and learning curves are a row a look."""

import numpy as np

from ticketlab.claims.rows import curve_rows, read_rows, rows_of, tables_of, written_rows
from ticketlab.training import LearningCurves

ROWS = {"arms": [{"arm": "ticket", "score": 0.5}], "timings": [{"arm": "ticket", "seconds": 2.0}]}


def test_rows_that_are_written_are_read():
    assert read_rows(written_rows(ROWS)) == ROWS


def test_columns_become_rows_of_plain_values():
    found = rows_of({"id": np.array([3, 4]), "right": np.array([True, False]), "score": [0.5, 1.0]})
    assert found == [{"id": 3, "right": True, "score": 0.5}, {"id": 4, "right": False, "score": 1.0}]
    assert isinstance(found[0]["id"], int)


def test_times_are_measured_and_nothing_else():
    tables = tables_of(ROWS, {"score": "accuracy"})
    assert [t.measured for t in tables.values()] == [False, True]
    assert tables["arms"].columns[1].meaning == "accuracy"
    assert tables["timings"].columns[1].unit == "s"


def test_a_learning_curve_is_that_of_one_replica():
    looks = np.arange(6.0).reshape(3, 2)
    curves = LearningCurves(np.array([0, 5, 9]), *(looks + i for i in range(5)))
    assert curve_rows(curves, 1, {"train_loss": "batch_loss"}) == [
        {"step": 0, "train_loss": 1.0},
        {"step": 5, "train_loss": 3.0},
        {"step": 9, "train_loss": 5.0},
    ]
