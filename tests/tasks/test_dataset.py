"""Data sets: what they refuse, their hash, and their summary."""

from typing import Any

import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.tasks import Bundled, Dataset, Digits


def dataset(**changes: Any) -> Dataset:
    x = np.arange(24.0).reshape(12, 2)
    fields: dict[str, Any] = {"name": "toy", "x": x, "classes": ("a", "b", "c"), "labels": np.arange(12) % 3}
    return Dataset(**{**fields, **changes})


def with_value(value: float) -> np.ndarray:
    x = np.arange(24.0).reshape(12, 2)
    x[4, 1] = x[7, 0] = value
    return x


@pytest.mark.parametrize(
    ("changes", "got", "expected"),
    [
        (
            {"x": with_value(np.nan)},
            "2 of 24 inputs that are NaN.*the first .nan. at row 4, column .1.",
            "finite",
        ),
        ({"x": with_value(-np.inf)}, "the first .-inf. at row 4", "finite"),
        ({"x": with_value(1e31)}, "beyond 1e.30.*the first .1e.31.", "finite"),
        ({"x": with_value(np.nan), "features": ("width", "height")}, "column 'height'", "finite"),
        ({"x": np.zeros((12, 2), complex)}, "inputs of type complex128", "floating-point"),
        ({"x": np.zeros((0, 2)), "labels": np.zeros(0, int)}, r"shape \[0, 2\]", "at least one example"),
        ({"x": np.zeros(12)}, r"shape \[12\]", "features"),
        ({"labels": np.arange(11) % 3}, "11 labels for 12 examples", "equally many labels and examples"),
        ({"labels": np.arange(12) % 4}, "3 labels out of range.*the first .3. at row 3", "from 0 to 2"),
        ({"labels": np.arange(12) % 3 - 1}, "4 labels out of range.*the first .-1. at row 0", "from 0 to 2"),
        ({"labels": np.zeros(12, int)}, "one class only .'a', 12 examples.", "at least two classes"),
        ({"labels": np.arange(12) % 2}, "no examples of 1 of 3 classes.*'c'", "every class"),
        ({"classes": tuple("abcdefghijklmnop")}, "12 examples for 16 classes", "one example of each class"),
    ],
)
def test_what_is_wrong_is_said_with_its_count_and_place(
    changes: dict[str, Any], got: str, expected: str
) -> None:
    with pytest.raises(UserError, match=got) as caught:
        dataset(**changes)
    assert expected in caught.value.expected
    assert caught.value.do


def test_neither_or_both_of_labels_and_targets_is_refused() -> None:
    with pytest.raises(UserError, match="exactly one"):
        dataset(labels=None)
    with pytest.raises(UserError, match="exactly one"):
        dataset(targets=np.ones((12, 3)))


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.full((12, 1), 3.0), "same value of target 'height'"),
        (
            np.where(np.arange(12.0) == 5, np.nan, np.arange(12.0))[:, None],
            "1 of 12 targets.*row 5, column 'height'",
        ),
        (np.ones((12, 2)), "targets of shape"),
    ],
)
def test_bad_targets_are_refused(targets: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        dataset(labels=None, targets=targets, classes=("height",))


def test_hash_changes_with_any_value_label_or_name() -> None:
    x = np.arange(24.0).reshape(12, 2)
    x[11, 1] = np.nextafter(x[11, 1], 100)
    labels = np.arange(12) % 3
    labels[0] = 1
    hashes = [
        dataset().content_hash,
        dataset(x=x).content_hash,
        dataset(labels=labels).content_hash,
        dataset(classes=("a", "b", "d")).content_hash,
        dataset(scale=2.0).content_hash,
        dataset(official_test=3).content_hash,
    ]
    assert len(set(hashes)) == len(hashes)
    assert dataset().content_hash == hashes[0]


def test_hash_does_not_depend_on_byte_order_or_layout() -> None:
    x = np.arange(24.0).reshape(12, 2)
    assert dataset(x=x.astype(">f8")).content_hash == dataset().content_hash
    assert dataset(x=np.asfortranarray(x)).content_hash == dataset().content_hash


def test_equal_rows_have_equal_digests() -> None:
    x = np.array([[0.0, 1.0], [-0.0, 1.0], [0.0, 2.0]])
    digests = dataset(x=x, labels=np.array([0, 1, 2])).row_digests
    assert digests[0] == digests[1] != digests[2]


def test_summary_of_a_classification() -> None:
    rows = dict(Digits().load().summary())
    assert rows["examples"] == "1797"
    assert rows["kind"] == "classification, 10 classes"
    assert rows["input"].startswith("8 × 8 × 1")
    assert rows["range"] == "0 … 1 (raw values / 16)"
    assert rows["examples per class"].startswith("0: 178, 1: 182")
    assert len(rows["content hash"]) == 64


def test_a_notebook_shows_the_summary() -> None:
    assert "<th>examples</th><td>12</td>" in dataset()._repr_html_()
    assert "array" not in repr(dataset())


def test_summary_of_a_regression_and_of_an_official_test_part() -> None:
    rows = dict(Bundled(name="linnerud").load().summary())
    assert "Weight: 178.6 ± 24.07" in rows["targets' mean ± sd"]
    noted = dataset(official_test=3, notes=("A note.",)).summary()
    assert dict(noted)["examples"] == "12 (3 in the official test part)"
    assert noted[-1] == ("note", "A note.")
