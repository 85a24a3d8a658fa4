"""Named columns: which is the target, and which can be inputs."""

import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.tasks.formats.tables import table_dataset, target_column

COLUMNS = {"a": np.arange(6), "label": np.arange(6) % 2, "b": np.arange(6) / 2}


def test_target_is_asked_for_or_usual_or_last() -> None:
    assert target_column(COLUMNS, "a", "file") == "a"
    assert target_column(COLUMNS, "", "file") == "label"
    assert target_column(["a", "b"], "", "file") == "b"
    with pytest.raises(UserError, match=r"one of the columns of file: 0, 1, .*, 39, … \(1000 in all\)"):
        target_column(map(str, range(1000)), "none", "file")


def test_inputs_are_all_other_columns_in_order() -> None:
    data = table_dataset(COLUMNS, "", "file", official_test=2)
    assert data.features == ("a", "b")
    np.testing.assert_array_equal(data.x, np.stack([np.arange(6), np.arange(6) / 2], axis=1))
    assert data.official_test == 2


def test_known_class_names_number_the_labels() -> None:
    assert table_dataset(COLUMNS, "", "file", classes=("no", "yes")).classes == ("no", "yes")
    with pytest.raises(UserError, match="labels out of range"):
        table_dataset({**COLUMNS, "label": np.arange(6) % 3}, "", "file", classes=("no", "yes"))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (np.array(["x"] * 6, dtype=object), "column 'a' of file, which holds values such as 'x'"),
        (np.array(["2020-01-01"] * 6, dtype="datetime64[D]"), "values of type datetime64"),
    ],
)
def test_columns_that_are_not_numbers_are_refused(column: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        table_dataset({**COLUMNS, "a": column}, "", "file")


def test_a_thousand_columns_that_count_the_rows_are_named_in_a_few_notes() -> None:
    columns = {f"week{i}": np.arange(4) + i % 2 for i in range(1000)} | {"label": np.arange(4) % 2}
    data = table_dataset(columns, "", "file")
    assert len(data.features) == 1000
    counting = [note for note in data.notes if "column" in note.lower()]
    assert len(counting) == 6
    assert counting[0].startswith("Column 'week0' counts the rows")
    assert counting[5] == "The same holds for 995 further columns, up to 'week999'."
