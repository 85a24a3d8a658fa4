"""How a column of answers is read, and what is refused."""

import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.tasks.formats.answers import read_answers


def test_text_makes_classes_in_alphabetical_order() -> None:
    answers = read_answers(np.array(["dog", "cat", "dog"]), "animal", "file")
    assert answers.classes == ("cat", "dog")
    assert answers.labels.tolist() == [1, 0, 1]


def test_booleans_make_classes() -> None:
    assert read_answers(np.array([True, False]), "y", "file").classes == ("False", "True")


def test_fractions_make_a_regression() -> None:
    answers = read_answers(np.array([0.5, 1.0, 2.0]), "y", "file")
    assert answers.labels is None
    assert answers.targets.tolist() == [[0.5], [1.0], [2.0]]
    assert answers.classes == ("y",)
    assert answers.notes == ()


def test_a_matrix_makes_several_targets() -> None:
    answers = read_answers(np.arange(6.0).reshape(3, 2), "y", "file")
    assert answers.classes == ("y0", "y1")
    assert answers.targets.shape == (3, 2)


def test_whole_numbers_are_classes_when_they_repeat_and_the_reading_is_noted() -> None:
    repeated = read_answers(np.repeat([3, 5, 8], 3), "quality", "file")
    assert repeated.classes == ("3", "5", "8")
    assert "3, 5, 8" in repeated.notes[0]
    different = read_answers(np.arange(30), "price", "file")
    assert different.labels is None
    assert "read as a quantity" in different.notes[0]


def test_kind_overrules_the_guess_and_needs_no_note() -> None:
    assert read_answers(np.repeat([3, 5, 8], 3), "y", "file", kind="regression").targets.shape == (9, 1)
    assert read_answers(np.arange(30), "y", "file", kind="classification").notes == ()


def test_class_numbers_stay_numbers() -> None:
    answers = read_answers(np.repeat([0, 2], 3), "y", "file", numbered=True)
    assert answers.classes == ("0", "1", "2")  # the data set then says that class 1 is empty
    assert answers.labels.tolist() == [0, 0, 0, 2, 2, 2]


def test_one_column_of_class_numbers_is_a_vector() -> None:
    assert read_answers(np.repeat([[0], [1]], 3, axis=0), "y", "file").labels.shape == (6,)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (
            np.array([0, 1, -1, 0, 1, 0, -1, 0, 1]),
            {},
            r"2 negative labels.*the first \(-1\) at row 2",
        ),
        (
            np.array([0.0, 1.5, 1.0]),
            {"kind": "classification"},
            r"1 fractional label.*\(1.5\) at row 1",
        ),
        (np.array([0.0, np.nan, 1.5]), {}, r"1 of 3 values of target 'y' that are NaN.*row 1"),
        (
            np.array([0, 1, 70, 1, 0, 1]),
            {"numbered": True, "kind": "classification"},
            "label 70 at row 2.*6 examples",
        ),
        (np.eye(3), {"kind": "classification"}, "labels of shape.*one-hot"),
        (np.array(["a", "", "b"]), {}, "1 missing value of target 'y'.*row 1"),
        (np.array(["a", None], dtype=object), {}, "1 missing value of target 'y'.*row 1"),
        (np.array(["a", "b"]), {"kind": "regression"}, "text such as 'a'.*numbers"),
        (np.array([["a", "b"]]), {}, "text of shape"),
    ],
)
def test_bad_answers_are_refused(values: np.ndarray, options: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(UserError, match=message) as caught:
        read_answers(values, "y", "file", **options)
    assert caught.value.expected
    assert caught.value.do
