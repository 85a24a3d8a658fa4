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


@pytest.mark.parametrize("codes", [[1, 2, 3], [0, 2, 5], [-1, 1], [-1, 0, 1]])
@pytest.mark.parametrize("numbered", [True, False])
def test_class_numbers_need_not_be_0_to_k(codes: list[int], numbered: bool) -> None:
    values = np.array(codes * 4)
    answers = read_answers(values, "y", "file", numbered=numbered)
    assert answers.classes == tuple(map(str, codes))
    np.testing.assert_array_equal(np.array(codes)[answers.labels], values)
    assert "is read as" in answers.notes[0]


def test_class_numbers_from_0_need_no_note() -> None:
    assert read_answers(np.repeat([0, 1, 2], 3), "y", "file", numbered=True).notes == ()


@pytest.mark.parametrize("dtype", [np.uint8, np.bool_, np.float32])
def test_rows_with_a_single_1_are_classes(dtype: type) -> None:
    labels = np.array([2, 0, 1, 2, 1, 0])
    answers = read_answers(np.eye(3, dtype=dtype)[labels], "y", "file", numbered=True)
    assert answers.classes == ("0", "1", "2")
    np.testing.assert_array_equal(answers.labels, labels)
    assert "single 1" in answers.notes[0]
    assert read_answers(np.eye(3)[labels], "y", "file", kind="regression").targets.shape == (6, 3)


def test_words_in_bytes_are_words() -> None:
    assert read_answers(np.array([b"dog", b"cat"]), "y", "file").classes == ("cat", "dog")


@pytest.mark.parametrize("mark", ["", "NA", "nan", "?", "None", None, float("nan")])
def test_marks_of_missing_values_are_no_class(mark: object) -> None:
    with pytest.raises(UserError, match=r"1 missing value \(.*of target 'y' in file, the first at row 1"):
        read_answers(np.array(["a", mark, "b"], dtype=object), "y", "file")
    if mark:
        kept = read_answers(np.array(["a", "NA", "b"]), "y", "file", kind="classification")
        assert kept.classes == ("NA", "a", "b")


def test_one_column_of_class_numbers_is_a_vector() -> None:
    assert read_answers(np.repeat([[0], [1]], 3, axis=0), "y", "file").labels.shape == (6,)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (
            np.array([0.0, 1.5, 1.0]),
            {"kind": "classification"},
            r"1 fractional label.*\(1.5\) at row 1",
        ),
        (np.array([0.0, np.nan, 1.5]), {}, r"1 of 3 values of target 'y' that are NaN.*row 1"),
        (np.ones((3, 3)), {"kind": "classification"}, "labels of shape.*single 1"),
        (np.array([["a"], [["b"]]], dtype=object), {}, r"values such as \['b'\] as target 'y'"),
        (np.array([1 + 1j]), {}, r"values such as \(1\+1j\) as target 'y'"),
        (np.array(["a", "b"]), {"kind": "regression"}, "text such as 'a'.*numbers"),
        (np.array([["a", "b"]]), {}, "<U1 of shape"),
    ],
)
def test_bad_answers_are_refused(values: np.ndarray, options: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(UserError, match=message) as caught:
        read_answers(values, "y", "file", **options)
    assert caught.value.expected
    assert caught.value.do
