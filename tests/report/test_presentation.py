"""What a page makes of the tables of a run: nothing of those that are missing, and no empty figures."""

from ticketlab.evidence.tables import Table
from ticketlab.figures.presentation import maker


def test_what_is_made_of_tables_that_are_there():
    tables = {name: Table.from_rows(name, [{"c": 1.0}]) for name in ("one", "two")}
    made = maker(tables)
    assert made(lambda a, b: a.name + b.name, "one", "two") == ["onetwo"]
    assert made(lambda a, b: 1 / 0, "one", "three") == []
    assert made(lambda a: None, "one") == []
