"""Tables are taken apart and put together without a change to what they hold."""

from math import nan

import numpy as np
import pytest

from ticketlab.evidence.tables import Table, concatenate

ROWS = [{"seed": seed, "step": step, "loss": 10.0 * seed + step} for seed in (2, 0, 1) for step in (8, 4)]
TABLE = Table.from_rows("losses", ROWS, units={"loss": "nats"}, measured=True)


def test_parts_are_in_the_order_of_their_rows_and_along_a_column_in_that_of_its_values():
    assert list(TABLE.by("seed")) == [(2,), (0,), (1,)]
    assert list(TABLE.by("seed", "step"))[:2] == [(2, 8), (2, 4)]
    assert [(step, of["loss"].tolist()) for step, of in TABLE.along("step")] == [
        (4, [24.0, 4.0, 14.0]),
        (8, [28.0, 8.0, 18.0]),
    ]
    assert [row for of in TABLE.by("seed").values() for row in of.rows()] == ROWS


def test_rows_that_are_taken_keep_their_columns():
    some = TABLE.taken(TABLE["loss"] > 10)
    assert some.rows() == [row for row in ROWS if row["loss"] > 10]
    assert some.measured
    assert [c.unit for c in some.columns] == ["", "", "nats"]
    assert TABLE.by_seed()["seed"].tolist() == [0, 0, 1, 1, 2, 2]


def test_a_column_that_is_added_takes_the_place_of_one_of_its_name():
    twice = TABLE.adding(loss=2 * TABLE["loss"], late=TABLE["step"] > 4)
    assert [c.name for c in twice.columns] == ["seed", "step", "loss", "late"]
    assert np.array_equal(twice["loss"], 2 * TABLE["loss"])
    assert TABLE["loss"][0] == 28.0


def test_tables_of_no_rows_take_nothing_from_the_others():
    none = Table.from_rows("losses", [])
    for tables in ([TABLE], [none, TABLE], [TABLE, none], [none, TABLE, none]):
        assert concatenate("all", tables).rows() == ROWS
    assert len(concatenate("all", [none, none])) == 0


def test_rows_without_a_value_are_found_by_that():
    table = Table.from_rows(
        "limits", [{"limit": v, "seed": s} for s, v in enumerate((nan, 1.0, float("nan")))]
    )
    assert list(table.by("limit")) == [(nan,), (1.0,)]
    assert table.by("limit")[nan,]["seed"].tolist() == table.where(limit=nan)["seed"].tolist() == [0, 2]


def test_no_row_and_no_part_may_lack_a_column_or_have_one_of_its_own():
    fewer = Table.from_rows("losses", [{"seed": 0}])
    more = [{"seed": 0}, {"seed": 1, "loss": 0.1}]
    for rows in (more, more[::-1]):
        with pytest.raises(ValueError, match="'seed', 'loss'"):
            Table.from_rows("losses", rows)
    for parts in ([TABLE, fewer], [fewer, TABLE]):
        with pytest.raises(ValueError, match="'seed', 'step', 'loss'"):
            concatenate("all", parts)
