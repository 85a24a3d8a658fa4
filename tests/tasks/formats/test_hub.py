"""The hub: a local folder in its layout where the library is installed, and clear errors where it is not."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ticketlab.errors import UserError
from ticketlab.tasks import Hub


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match=r"extra 'hub'.*pip install 'ticketlab\[hub\]'"):
        Hub(id="owner/name").load()


@pytest.fixture
def datasets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    pytest.importorskip("datasets", reason="the extra 'hub' is not installed")


@pytest.mark.usefixtures("datasets")
def test_a_name_that_cannot_be_reached(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no data set 'nobody/nothing' from the hub.*network connection"):
        Hub(id="nobody/nothing").load()


@pytest.mark.usefixtures("datasets")
def test_a_local_table_with_a_test_part(tmp_path: Path) -> None:
    folder = tmp_path / "table"
    folder.mkdir()
    for part, n in (("train", 12), ("test", 6)):
        rows = "".join(f"{i},{i / 2},{'cat' if i % 2 else 'dog'}\n" for i in range(n))
        (folder / f"{part}.csv").write_text("width,height,label\n" + rows)
    data = Hub(id=str(folder)).load()
    assert (data.classes, data.official_test, data.features) == (("cat", "dog"), 6, ("width", "height"))
    np.testing.assert_array_equal(data.x[:12, 0], np.arange(12))


@pytest.mark.usefixtures("datasets")
def test_local_images_in_parquet(tmp_path: Path) -> None:
    import datasets

    folder, contents = tmp_path / "images", []
    folder.mkdir()
    for i in range(6):
        buffer = io.BytesIO()
        Image.fromarray(np.full((4, 5, 3), 40 * i, np.uint8)).save(buffer, "PNG")
        contents.append({"bytes": buffer.getvalue(), "path": f"{i}.png"})
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    made = datasets.Dataset.from_dict({"image": contents, "label": [0, 1] * 3}, features=features)
    made.to_parquet(str(folder / "train.parquet"))
    data = Hub(id=str(folder)).load()
    assert data.x.shape == (6, 4, 5, 3)
    assert (data.classes, data.scale) == (("cat", "dog"), 255.0)
    assert data.x[:, 0, 0, 0].tolist() == [0, 40, 80, 120, 160, 200]
