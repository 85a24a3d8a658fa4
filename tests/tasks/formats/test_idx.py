"""IDX: what is written is read back, and every kind of damage is named."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.tasks import Idx
from ticketlab.tasks.formats.idx import TYPES, idx_array


def encoded(array: np.ndarray, kind: int = 0x08) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape)
    return header + array.astype(TYPES[kind]).tobytes()


def images(n: int = 12, size: int = 4) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, size=(n, size, size)).astype(np.uint8)


def write(folder: Path, suffix: str = "", prefix: str = "", n: int = 12, test: int = 6) -> Path:
    """A folder in MNIST's layout with three classes."""
    pack = gzip.compress if suffix else bytes
    for part, count in (("train", n), ("t10k", test)):
        if count:
            (folder / f"{prefix}{part}-images-idx3-ubyte{suffix}").write_bytes(pack(encoded(images(count))))
            (folder / f"{prefix}{part}-labels-idx1-ubyte{suffix}").write_bytes(
                pack(encoded(np.arange(count) % 3))
            )
    return folder


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_is_read_back(tmp_path: Path, kind: int) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(TYPES[kind])
    (tmp_path / "file").write_bytes(encoded(array, kind))
    found = idx_array(tmp_path / "file")
    np.testing.assert_array_equal(found, array)
    assert found.dtype.isnative


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("prefix", ["", "emnist-letters-"])
def test_a_folder_with_an_official_test_part(tmp_path: Path, suffix: str, prefix: str) -> None:
    data = Idx(path=str(write(tmp_path, suffix, prefix))).load()
    assert data.x.shape == (18, 4, 4, 1)
    assert data.official_test == 6
    assert data.scale == 255
    assert data.classes == ("0", "1", "2")
    np.testing.assert_array_equal(data.x[12:, ..., 0], images(6))
    assert data.labels[12:].tolist() == [0, 1, 2, 0, 1, 2]


def test_a_folder_without_a_test_part_and_names_with_dots(tmp_path: Path) -> None:
    write(tmp_path, test=0)
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / path.name.replace("-idx", ".idx"))
    data = Idx(path=str(tmp_path)).load()
    assert (len(data), data.official_test) == (12, 0)


def test_a_plain_file_beside_its_compressed_copy_is_one_file(tmp_path: Path) -> None:
    write(write(tmp_path), suffix=".gz")
    assert len(Idx(path=str(tmp_path)).load()) == 18


def replace(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            replace(IMAGES, encoded(images())[:-5]),
            r"a truncated file.*187 bytes.*192 bytes for the shape \[12, 4, 4\]",
        ),
        (replace(IMAGES, encoded(images()) + b"\0"), "a file that is too long"),
        (replace(IMAGES, encoded(images())[:9]), "a truncated file.*header of 16 bytes"),
        (replace(IMAGES, b"\x89PNG" + bytes(99)), "starts with 89 50 4e 47.*magic number of IDX"),
        (replace(IMAGES, b"\0\0\x07\x03" + bytes(99)), "starts with 00 00 07 03.*magic"),
        (replace(IMAGES, b"\0\0"), "starts with 00 00,.*magic"),
        (replace(IMAGES, b""), "an empty file"),
        (replace(IMAGES, gzip.compress(encoded(images()), mtime=0)[:-9]), "a damaged gzip file"),
        (replace(LABELS, encoded(np.arange(11) % 3)), r"shape \[12, 4, 4\] with labels of shape \[11\]"),
        (replace("t10k-images-idx3-ubyte", encoded(images(6, 5))), "test images of shape"),
        (lambda folder: (folder / LABELS).unlink(), "no file with train labels"),
        (lambda folder: (folder / "t10k-images-idx3-ubyte").unlink(), "no file with test images"),
        (
            replace("other-train-images-idx3-ubyte", encoded(images())),
            "both .* and .*one data set in a folder",
        ),
    ],
)
def test_bad_folders_are_refused(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(write(tmp_path))
    with pytest.raises(UserError, match=message) as caught:
        Idx(path=str(tmp_path)).load()
    assert caught.value.expected
    assert caught.value.do


def test_one_class_only_is_refused(tmp_path: Path) -> None:
    write(tmp_path, test=0)
    (tmp_path / LABELS).write_bytes(encoded(np.zeros(12)))
    with pytest.raises(UserError, match="one class only"):
        Idx(path=str(tmp_path)).load()


def test_a_header_that_claims_terabytes_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(struct.pack(">BBBB3I", 0, 0, 8, 3, 2**31, 2**31, 2**31) + bytes(9))
    with pytest.raises(UserError, match="a truncated file"):
        idx_array(tmp_path / "file")


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no file or folder.*IDX files named"):
        Idx(path=str(tmp_path / "nothing")).load()
