"""NumPy archives: the usual names, images, regression; and never a pickle."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.tasks import Npz

X = np.random.default_rng(0).normal(size=(12, 3))
Y = np.arange(12) % 3


def saved(folder: Path, **arrays: Any) -> str:
    np.savez(folder / "data.npz", **arrays)
    return str(folder / "data.npz")


@pytest.mark.parametrize(("x", "y"), [("x", "y"), ("X", "y"), ("images", "labels"), ("data", "target")])
def test_the_usual_names_are_found(tmp_path: Path, x: str, y: str) -> None:
    data = Npz(path=saved(tmp_path, **{x: X, y: Y})).load()
    np.testing.assert_array_equal(data.x, X)
    np.testing.assert_array_equal(data.labels, Y)
    assert (data.name, data.kind, data.classes) == ("data.npz", "classification", ("0", "1", "2"))


def test_other_names_are_given(tmp_path: Path) -> None:
    path = saved(tmp_path, speed=X, animal=np.array(["cat", "dog"])[Y % 2])
    assert Npz(path=path, x="speed", y="animal").load().classes == ("cat", "dog")
    with pytest.raises(UserError, match=r"arrays animal, speed.*Name the two"):
        Npz(path=path).load()
    with pytest.raises(UserError, match=r"arrays animal, speed.*'speed' and 'colour'"):
        Npz(path=path, x="speed", y="colour").load()


def test_an_official_test_part(tmp_path: Path) -> None:
    pixels = np.arange(9 * 4, dtype=np.uint8).reshape(9, 2, 2)
    path = saved(tmp_path, x_train=pixels[:6], y_train=Y[:6], x_test=pixels[6:], y_test=Y[6:9])
    data = Npz(path=path).load()
    assert data.x.shape == (9, 2, 2, 1)
    assert (data.official_test, data.scale) == (3, 255.0)


def test_channels_first_is_turned_to_last_and_noted(tmp_path: Path) -> None:
    pixels = np.arange(12 * 3 * 4 * 4, dtype=np.float32).reshape(12, 3, 4, 4)
    data = Npz(path=saved(tmp_path, x=pixels, y=Y)).load()
    np.testing.assert_array_equal(data.x, np.moveaxis(pixels, 1, -1))
    assert "channels first" in data.notes[0]


def test_fractions_make_a_regression_and_kind_overrules(tmp_path: Path) -> None:
    data = Npz(path=saved(tmp_path, x=X, y=X[:, :2])).load()
    assert (data.kind, data.classes) == ("regression", ("y0", "y1"))
    assert Npz(path=saved(tmp_path, x=X, y=Y), kind="regression").load().kind == "regression"


@pytest.mark.parametrize("arrays", [{"x": X, "y": np.array(5)}, {"x": np.array(5.0), "y": Y}])
def test_one_number_is_no_array_of_examples(tmp_path: Path, arrays: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"[xy] of shape \[\] .* expected examples along the first axis"):
        Npz(path=saved(tmp_path, **arrays)).load()


def test_booleans_are_numbers(tmp_path: Path) -> None:
    assert Npz(path=saved(tmp_path, x=X > 0, y=Y)).load().x.dtype == np.uint8
    images = Npz(path=saved(tmp_path, x=np.stack([X > 0, X > 1], axis=2), y=Y)).load()
    assert dict(images.summary())["range"] == "0 … 1"


def with_nan() -> np.ndarray:
    x = X.copy()
    x[5, 1] = np.nan
    return x


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": with_nan(), "y": Y}, "1 of 36 inputs that are NaN.*row 5"),
        ({"x": X[:11], "y": Y}, "12 labels for 11 examples"),
        ({"x": X, "y": Y * 0}, "one class only"),
        ({"x": X, "y": np.array(1)}, r"y of shape \[\] and type int64"),
        ({"x": np.array(1.0), "y": Y}, r"x of shape \[\] and type float64"),
        ({"x": X, "y": np.array([{}] * 12)}, "arrays of Python objects, y"),
        ({"x": X[:, 0], "y": Y}, r"shape \[12\]"),
        ({"x": X[:0], "y": Y[:0]}, r"shape \[0, 3\]"),
        ({"x": X.astype(str), "y": Y}, "inputs of type <U"),
        (
            {"x_train": X[:6], "y_train": Y[:6], "x_test": X[6:, :2], "y_test": Y[6:]},
            r"x_test of shape \[6, 2\]",
        ),
        ({"a": X}, "arrays a in"),
    ],
)
def test_bad_contents_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        Npz(path=saved(tmp_path, **arrays)).load()
    assert caught.value.expected
    assert caught.value.do


def test_python_objects_are_never_unpickled(tmp_path: Path) -> None:
    path = saved(tmp_path, x=np.array([1, "a", None] * 4, dtype=object), y=Y)
    with pytest.raises(UserError, match=r"arrays of Python objects.*Convert them to numbers"):
        Npz(path=path).load()


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    path = Path(saved(tmp_path, x=X, y=Y))
    whole = path.read_bytes()
    for content, message in (
        (whole[:-30], "a damaged archive"),
        (whole[:200] + b"\xff" * 20 + whole[220:], "a damaged archive"),
        (b"", "an empty file"),
        (b"\x80\x04\x95", "starts with 80 04 95.*an NPZ file"),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match=message):
            Npz(path=str(path)).load()
    path.unlink()
    with pytest.raises(UserError, match="no file or folder"):
        Npz(path=str(path)).load()
