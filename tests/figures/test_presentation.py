"""What a page makes of the tables of a run: nothing of those that are missing, and times as means and ranges."""

from functools import partial

from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Evidence, Table
from ticketlab.figures.presentation import made, rate_table, seconds_table


def test_what_is_made_of_tables_that_are_there():
    tables = {name: Table.from_rows(name, [{"c": 1.0}]) for name in ("one", "two")} | {
        "none": Table("none", ())
    }
    record = Record("", "", "", (), (), {}, "", {}, {}, (), Evidence(tables))
    assert made(record, lambda one, two: one.name + two.name) == ("onetwo",)
    assert made(record, lambda one, three: 1 / 0, lambda none: 1 / 0) == ()
    assert made(record, lambda one: None) == ()


def test_arguments_are_called_as_the_tables_that_they_take():
    tables = {name: Table.from_rows(name, [{"c": 1.0}]) for name in ("one", "two")}
    record = Record("", "", "", (), (), {}, "", {}, {}, (), Evidence(tables))
    with_times = partial(seconds_table, by={"c": "c"})
    parts = (lambda one, two, unit="s": one.name + two.name + unit, lambda record, two: record is not two)
    assert made(record, *parts, lambda three: 1 / 0, with_times) == ("onetwos", True)


def test_seconds_by_loss_and_arm_in_their_order():
    rows = [("square", "b", 2.0), ("square", "a", 1.0), ("square", "b", 4.0)]
    timings = Table.from_rows("timings", [{"loss": x, "arm": y, "seconds": s} for x, y, s in rows])
    table = seconds_table(timings, {"loss": "loss", "arm": "arm"}, "; one")
    assert table.head == ("loss", "arm", "mean, s", "range, s")
    assert table.rows == (("square", "b", "3.00", "2.00 to 4.00"), ("square", "a", "1.00", "1.00"))
    assert table.caption == (
        "Seconds by loss and arm: mean and range over runs. Measured times differ from run to run; one."
    )


def test_rates_are_those_of_the_sums():
    timings = Table.from_rows(
        "timings", [{"level": 1, "network_steps": 30, "seconds": s} for s in (1.0, 2.0)]
    )
    assert rate_table(timings, {"level": "level"}).rows == (("1", "60", "3.00", "20"),)
