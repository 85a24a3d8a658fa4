"""CIFAR-10 in its binary batches and in Parquet, small and, where it is there, real."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ticketlab.errors import UserError
from ticketlab.tasks import Cifar10
from ticketlab.tasks.formats.cifar import BATCHES, CLASSES, TEST


def binary(folder: Path, n: int = 10) -> np.ndarray:
    """Six batches of n records; returns all pixels, channels last."""
    pixels = np.random.default_rng(0).integers(0, 256, size=(6 * n, 32, 32, 3)).astype(np.uint8)
    for i, name in enumerate((*BATCHES, TEST)):
        planes = np.moveaxis(pixels[i * n : (i + 1) * n], -1, 1).reshape(n, -1)
        records = np.concatenate([np.arange(n, dtype=np.uint8)[:, None] % 10, planes], axis=1)
        (folder / name).write_bytes(records.tobytes())
    return pixels


def test_binary_batches(tmp_path: Path) -> None:
    pixels = binary(tmp_path)
    data = Cifar10(folder=str(tmp_path)).load()
    np.testing.assert_array_equal(data.x, pixels)
    assert (data.name, data.classes, data.official_test, data.scale) == ("CIFAR-10", CLASSES, 10, 255.0)


def test_damaged_missing_and_pickled_batches_are_refused(tmp_path: Path) -> None:
    binary(tmp_path)
    (tmp_path / TEST).write_bytes((tmp_path / TEST).read_bytes()[:-1])
    with pytest.raises(UserError, match=r"a truncated file.*a multiple of 3073 bytes"):
        Cifar10(folder=str(tmp_path)).load()
    (tmp_path / TEST).unlink()
    with pytest.raises(UserError, match=r"no test_batch\.bin"):
        Cifar10(folder=str(tmp_path)).load()
    for name in BATCHES:
        (tmp_path / name).unlink()
    (tmp_path / "data_batch_1").touch()
    with pytest.raises(UserError, match=r"pickled batches.*pickles are never read"):
        Cifar10(folder=str(tmp_path)).load()


@pytest.mark.parametrize(("form", "name"), [("JPEG", "CIFAR-10 (JPEG copy)"), ("PNG", "CIFAR-10")])
def test_parquet_copies_say_whether_they_are_exact(tmp_path: Path, form: str, name: str) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    images = []
    for i in range(10):
        buffer = io.BytesIO()
        Image.fromarray(np.full((32, 32, 3), 20 * i, np.uint8)).save(buffer, form)
        images.append({"bytes": buffer.getvalue(), "path": f"{i}"})
    for part in ("train", "test"):
        table = pyarrow.table({"img": pyarrow.array(images), "label": np.arange(10)})
        parquet.write_table(table, tmp_path / f"{part}-00000-of-00001.parquet")
    data = Cifar10(folder=str(tmp_path)).load()
    assert (data.name, data.classes, data.official_test) == (name, CLASSES, 10)


@pytest.mark.slow
def test_real_cifar10(data_folder: Path) -> None:
    data = Cifar10(folder=str(data_folder / "cifar10")).load()
    assert data.x.shape == (60000, 32, 32, 3)
    assert np.bincount(data.labels[:50000]).tolist() == [5000] * 10
    train = data.x[:50000].reshape(-1, 3) / np.float32(255)
    np.testing.assert_allclose(train.mean(axis=0, dtype=np.float64), [0.491, 0.482, 0.447], atol=2e-3)
    np.testing.assert_allclose(train.std(axis=0, dtype=np.float64), [0.245, 0.242, 0.261], atol=3e-3)
    assert "JPEG" in data.name
