import numpy as np

from ticketlab.evidence.tables import Column, Table
from ticketlab.figures.text_tables import TextTable, html_table, shown


def test_cells_are_readable():
    table = Table(
        "t",
        (
            Column("loss", np.array(["square", "a<b"])),
            Column("seed", np.array([0, 1])),
            Column("gap", np.array([3.2e-9, np.nan])),
            Column("met", np.array([True, False])),
            Column("seconds", np.array([1.0, 2.5]), "s"),
        ),
    )
    text = shown(table)
    assert text.rows == (("square", "0", "3.2 × 10⁻⁹", "yes", "1"), ("a<b", "1", "–", "no", "2.5"))
    assert text.head[-1] == "seconds [s]"
    assert text.labels == 2
    assert "a&lt;b" in html_table(text)
    assert "a<b" not in html_table(text)


def test_long_tables_are_cut_and_say_so():
    text = shown(Table("long", (Column("x", np.arange(1000.0)),)), longest=10)
    assert len(text.rows) == 10
    assert "1\u202f000 rows" in text.caption
    assert "first 10" in text.caption


def test_an_empty_table():
    assert "0 rows" in html_table(shown(Table("none", ())))


def test_measured_tables_say_so():
    assert "differ from run to run" in shown(Table("t", (Column("s", np.ones(1)),), measured=True)).caption


def test_groups_and_row_heads():
    html = html_table(TextTable("c", ("arm", "n"), (("a", "1"), ("b", "2")), 1, ((1, "second"),)))
    assert html.count('scope="row"') == 2
    assert html.index("second") < html.index(">b<")
