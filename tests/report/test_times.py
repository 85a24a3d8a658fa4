"""Times: mean and range over runs, by whatever a study's timings are told apart by."""

from ticketlab.evidence.tables import Table
from ticketlab.figures.times import seconds_table, time_table


def test_seconds_by_loss_and_arm_in_their_order():
    rows = [("square", "b", 2.0), ("square", "a", 1.0), ("square", "b", 4.0)]
    timings = Table.from_rows("timings", [{"loss": x, "arm": y, "seconds": s} for x, y, s in rows])
    table = time_table(timings, "arm")
    assert table.head == ("loss", "arm", "mean, s", "range, s")
    assert table.rows == (("square loss", "b", "3.00", "2.00 to 4.00"), ("square loss", "a", "1.00", "1.00"))
    assert table.caption == (
        "Seconds by loss and arm: mean and range over runs. Measured times differ from run to run."
    )


def test_more_can_be_said():
    assert seconds_table(("a", "b"), [], "; one").caption.endswith("from run to run; one.")
