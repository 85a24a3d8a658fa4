"""Parquet: numbers, images in the hub's layout, shards, and damage."""

import io
import json
import time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from PIL import Image

from ticketlab.errors import UserError
from ticketlab.tasks import Parquet
from ticketlab.tasks.formats import parquet as reader

pyarrow = pytest.importorskip("pyarrow", reason="the tests write Parquet with pyarrow (extra 'frames')")
parquet = pytest.importorskip("pyarrow.parquet")

NUMBERS = {"a": np.arange(12), "b": np.arange(12) / 8, "label": np.arange(12) % 3}


def written(path: Path, metadata: dict[str, Any] | None = None, **columns: Any) -> str:
    table = pyarrow.table({name: pyarrow.array(values) for name, values in columns.items()})
    if metadata:
        table = table.replace_schema_metadata({"huggingface": json.dumps(metadata)})
    parquet.write_table(table, path)
    return str(path)


def image(seed: int, form: str = "PNG", size: int = 5) -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.fromarray(pixels(seed, size)).save(buffer, form)
    return {"bytes": buffer.getvalue(), "path": f"{seed}.{form}"}


def pixels(seed: int, size: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size=(size, size, 3)).astype(np.uint8)


def test_columns_of_numbers(tmp_path: Path) -> None:
    data = Parquet(path=written(tmp_path / "t.parquet", **NUMBERS)).load()
    np.testing.assert_array_equal(data.x, np.stack([NUMBERS["a"], NUMBERS["b"]], axis=1))
    assert (data.labels.tolist(), data.features) == ([0, 1, 2] * 4, ("a", "b"))
    data = Parquet(path=written(tmp_path / "t.parquet", **NUMBERS), target="b").load()
    assert (data.kind, data.classes) == ("regression", ("b",))


@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.uint64, np.float32, np.bool_])
def test_types_of_numbers(tmp_path: Path, kind: type) -> None:
    path = written(tmp_path / "t.parquet", a=(np.arange(6) % 2).astype(kind), label=np.arange(6) % 2)
    np.testing.assert_array_equal(Parquet(path=path).load().x[:, 0], np.arange(6) % 2)


def test_many_columns_take_few_queries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each query reads the names of all columns, so one for each column would take the square of their number."""
    names = [f"range * {i} AS f{i}" for i in range(1, 1001)]
    query = f"SELECT {', '.join(names)}, range % 2 AS label FROM range(9)"
    duckdb.execute(f"COPY ({query}) TO '{tmp_path / 't.parquet'}' (FORMAT parquet)")
    expected = np.arange(9)[:, None] * np.arange(1, 1001)
    begun = time.process_time()
    data = Parquet(path=str(tmp_path / "t.parquet")).load()
    assert time.process_time() - begun < 3  # one query for each column takes 7 s
    np.testing.assert_array_equal(data.x, expected)
    monkeypatch.setattr(reader, "AT_ONCE", 9 * 300)
    np.testing.assert_array_equal(Parquet(path=str(tmp_path / "t.parquet")).load().x, expected)


def test_text_as_target_makes_classes(tmp_path: Path) -> None:
    path = written(tmp_path / "t.parquet", a=np.arange(4), y=["cat", "dog", "cat", "dog"])
    assert Parquet(path=path).load().classes == ("cat", "dog")


def test_lists_are_no_target(tmp_path: Path) -> None:
    path = written(tmp_path / "t.parquet", a=np.arange(4), embedding=[[0.5, 1.0]] * 4)
    with pytest.raises(UserError, match=r"the target 'embedding' of type DOUBLE\[\]"):
        Parquet(path=path, target="embedding").load()


def test_encoded_images_with_class_names_from_the_hub(tmp_path: Path) -> None:
    names = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    path = written(tmp_path / "t.parquet", names, img=[image(i) for i in range(6)], label=np.arange(6) % 2)
    data = Parquet(path=path).load()
    np.testing.assert_array_equal(data.x, [pixels(i) for i in range(6)])
    assert (data.classes, data.scale, data.notes) == (("cat", "dog"), 255.0, ())


def test_images_in_plain_bytes_and_columns_left_out(tmp_path: Path) -> None:
    contents = [image(i)["bytes"] for i in range(4)]
    data = Parquet(
        path=written(tmp_path / "t.parquet", img=contents, label=[0, 1, 0, 1], place=list("abcd"))
    ).load()
    assert data.classes == ("0", "1")
    assert data.notes == ("Columns left out: place.",)


def test_jpeg_is_noted_and_sizes_can_be_made_equal(tmp_path: Path) -> None:
    path = written(tmp_path / "t.parquet", img=[image(0, "JPEG"), image(1, "PNG", 7)], label=[0, 1])
    assert "1 of 2 images are JPEG-coded" in Parquet(path=path, side=4).load().notes[0]
    with pytest.raises(
        UserError, match=r"image 1 \(counted from 0\) of t.parquet of 7×7 pixels, after images of 5×5"
    ):
        Parquet(path=path).load()


@pytest.mark.parametrize("place", [".", "data"])
def test_a_folder_of_shards_with_an_official_test_part(tmp_path: Path, place: str) -> None:
    (tmp_path / place).mkdir(exist_ok=True)
    for name, start, stop in (
        ("train-00000-of-00002", 0, 4),
        ("train-00001-of-00002", 4, 9),
        ("test-00000", 9, 12),
    ):
        part = {column: values[start:stop] for column, values in NUMBERS.items()}
        written(tmp_path / place / f"{name}.parquet", **part)
    data = Parquet(path=str(tmp_path)).load()
    assert data.official_test == 3
    np.testing.assert_array_equal(data.x[:, 0], np.arange(12))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [0.0, None, 1.0], "label": [0, 1, 0]}, "1 missing value in column 'a'.*row 1"),
        ({"a": [1, 2, 3], "label": [0, None, 1]}, "1 missing value in column 'label'.*row 1"),
        ({"a": [1, 2, 3], "label": ["x", None, "y"]}, "1 missing value in column 'label'.*row 1"),
        ({"a": [0.0, np.nan, 1.0], "label": [0, 1, 0]}, "1 of 3 inputs that are NaN.*column 'a'"),
        ({"a": ["x", "y", "z"], "label": [0, 1, 0]}, "column 'a' of type VARCHAR"),
        ({"a": [[1, 2], [3], [4]], "label": [0, 1, 0]}, "column 'a' of type BIGINT"),
        ({"a": [1, 2, 3], "label": [1, 1, 1]}, "one class only"),
        ({"label": [0, 1, 0]}, "one column only"),
        ({"img": [image(0), None, image(1)], "label": [0, 1, 0]}, "1 missing value in column 'img'"),
        ({"img": [image(0), {"bytes": b"no", "path": ""}], "label": [0, 1]}, "cannot be read, image 1"),
        ({"a": [1, 2, 3], "label": [[1, 2], [3], [4]]}, r"the target 'label' of type BIGINT\[\]"),
    ],
)
def test_bad_contents_are_refused(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    path = written(tmp_path / "t.parquet", **columns)
    with pytest.raises(UserError, match=message) as caught:
        Parquet(path=path).load()
    assert caught.value.expected
    assert caught.value.do


def test_an_unknown_column_is_answered_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"target='c'; expected one of the columns of t.parquet: a, b, label"):
        Parquet(path=written(tmp_path / "t.parquet", **NUMBERS), target="c").load()


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = Path(written(tmp_path / "t.parquet", **NUMBERS))
    whole = path.read_bytes()
    for content, message in (
        (whole[:-20], "a truncated file"),
        (b"", "an empty file"),
        (b"a,b\n1,2\n", "starts with 61 2c 62 0a.*PAR1"),
        (whole[:4] + b"\xff" * (len(whole) - 8) + whole[-4:], "a damaged Parquet file"),
        (b"PAR1", "a truncated file|a damaged"),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match=message) as caught:
            Parquet(path=str(path)).load()
        assert caught.value.do
    path.unlink()
    with pytest.raises(UserError, match="no file or folder"):
        Parquet(path=str(path)).load()
    with pytest.raises(UserError, match=r"no \.parquet files"):
        Parquet(path=str(tmp_path)).load()


def test_shards_with_other_columns_are_refused(tmp_path: Path) -> None:
    written(tmp_path / "a.parquet", **NUMBERS)
    written(tmp_path / "b.parquet", c=np.arange(3))
    with pytest.raises(UserError, match="the same columns in every shard"):
        Parquet(path=str(tmp_path)).load()
