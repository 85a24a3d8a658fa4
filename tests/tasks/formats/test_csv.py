"""Text tables: separators, headers, targets, and every kind of bad row with its line."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.tasks import Csv

ROWS = "".join(f"{i},{i / 2},{'cat' if i % 2 else 'dog'}\n" for i in range(6))
TABLE = "width,height,animal\n" + ROWS


def written(folder: Path, text: str | bytes) -> str:
    (folder / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(folder / "t.csv")


@pytest.mark.parametrize(
    "text",
    [
        TABLE,
        TABLE.replace(",", ";"),
        TABLE.replace(",", "\t"),
        TABLE.replace("\n", "\r\n"),
        TABLE.replace(",", ", "),
        "\ufeff" + TABLE,
        TABLE + "\n\n",
        TABLE.replace("cat", '"cat"'),
        gzip.compress(TABLE.encode()),
    ],
    ids=["commas", "semicolons", "tabs", "windows", "spaces", "mark", "blank lines", "quotes", "gzip"],
)
def test_ways_of_writing_the_same_table(tmp_path: Path, text: str | bytes) -> None:
    data = Csv(path=written(tmp_path, text)).load()
    np.testing.assert_array_equal(data.x, np.stack([np.arange(6), np.arange(6) / 2], axis=1))
    assert data.labels.tolist() == [1, 0, 1, 0, 1, 0]
    assert data.classes == ("cat", "dog")
    assert data.features == ("width", "height")


def test_without_names_the_last_column_is_the_target(tmp_path: Path) -> None:
    data = Csv(path=written(tmp_path, "".join(f"{i},{i % 2}\n" for i in range(8)))).load()
    assert data.features == ("column0",)
    assert data.labels.tolist() == [0, 1] * 4


@pytest.mark.parametrize("first", ["5.1,?,a", "5.1,,a", "5.1,3.3,c"], ids=["mark", "empty", "a class of one"])
def test_a_first_row_that_may_be_an_example_is_noted(tmp_path: Path, first: str) -> None:
    rows = "".join(f"5.{i},3.{i % 7},{'ab'[i % 2]}\n" for i in range(9))
    data = Csv(path=written(tmp_path, f"{first}\n{rows}")).load()
    assert len(data) == 9
    assert any("has numbers, and is read as names" in note for note in data.notes)
    assert not any(
        "read as names" in note for note in Csv(path=written(tmp_path, f"u,v,kind\n{rows}")).load().notes
    )


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_columns_in_spaces_may_have_spaces_at_both_ends(tmp_path: Path, end: str) -> None:
    rows = [f"  {i}.5  {i * i % 7}.5 {'ab'[i % 2]} " for i in range(8)]
    data = Csv(path=written(tmp_path, (end.join([*rows, ""])).encode())).load()
    assert data.x.shape == (8, 2)
    assert data.classes == ("a", "b")


def test_numbers_in_every_notation(tmp_path: Path) -> None:
    data = Csv(path=written(tmp_path, "a,y\n+1000,x\n1e3,y\n.5,x\n-2.,y\n")).load()
    assert data.x[:, 0].tolist() == [1000, 1000, 0.5, -2]


def test_the_target_is_named_or_has_a_usual_name(tmp_path: Path) -> None:
    path = written(tmp_path, "label,a\n" + "".join(f"{'xy'[i % 2]},{i}\n" for i in range(4)))
    assert Csv(path=path).load().features == ("a",)
    numbers = written(tmp_path, TABLE.replace("cat", "1").replace("dog", "2"))
    assert Csv(path=numbers, target="height").load().kind == "regression"


def test_numbers_that_are_not_numbered_from_zero_are_names_of_classes(tmp_path: Path) -> None:
    data = Csv(path=written(tmp_path, "a,y\n" + "".join(f"{i},{3 + i % 2}\n" for i in range(8)))).load()
    assert data.classes == ("3", "4")
    assert "read as 2 classes" in data.notes[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TABLE + "1,2\n", "1 ragged row.*the first on line 8 with 2 cells.*3 cells"),
        (TABLE + "1,2,cat,4\n", "1 ragged row.*line 8 with 4 cells"),
        (TABLE + "1,,cat\n", "1 missing cell in column 'height'.*line 8"),
        (TABLE + "1,red,cat\n1,blue,cat\n", "2 non-numeric cells in column 'height'.*'red'.*line 8"),
        (TABLE + "1,nan,cat\n", "1 missing cell in column 'height'.*'nan'.*line 8"),
        (TABLE + "inf,1,cat\n", "column 'width'"),
        (TABLE + "1,2,\n", "1 missing value of target 'animal'.*line 8"),
        (TABLE.replace("cat", "dog"), "one class only"),
        (TABLE.replace("height", "width"), "more than one column named 'width'"),
        ("width,height,animal\n", "a row of names and no examples"),
        ("", "an empty file"),
        ("\n\n", "no rows"),
        ("animal\ncat\ndog\n", "one column only"),
        (b"a,b\n1,\xff\xfe\n", "not UTF-8.*position 6"),
        (b"\x1f\x8b" + TABLE.encode(), "a damaged gzip file"),
        (TABLE + '1,2,"cat\n', "line 8 of .*unexpected end of data"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        Csv(path=written(tmp_path, text)).load()
    assert caught.value.expected
    assert caught.value.do


def test_an_unknown_column_is_answered_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"target='colour'; expected one of the columns of t.csv: width, height, animal"
    ):
        Csv(path=written(tmp_path, TABLE), target="colour").load()
