"""Encoded images and folders of them."""

import io
import logging
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ticketlab.errors import UserError
from ticketlab.tasks import ImageFolder
from ticketlab.tasks.formats.images import decode


def picture(colour: bool = True, size: tuple[int, int] = (5, 4), seed: int = 0) -> np.ndarray:
    shape = (size[1], size[0], 3) if colour else (size[1], size[0])
    return np.random.default_rng(seed).integers(0, 256, size=shape).astype(np.uint8)


def encoded(pixels: np.ndarray, form: str = "PNG", mode: str | None = None) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(buffer, form)
    return buffer.getvalue()


def png_of_16_bits(colour_type: int, channels: int) -> bytes:
    """Of 2 × 2 pixels, which Pillow cannot write in colour."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 16, colour_type, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(2 * (b"\0" + bytes(range(4 * channels)))))
    return b"\x89PNG\r\n\x1a\n" + header + rows + chunk(b"IEND", b"")


def named(i: int) -> str:
    return f"image {i}"


def folder(root: Path, n: int = 6, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    for c, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(n):
            (root / name / f"{i}.png").write_bytes(encoded(picture(seed=10 * c + i)))
    return root


def test_pixels_are_read_exactly() -> None:
    pictures = [picture(seed=i) for i in range(3)]
    np.testing.assert_array_equal(decode([encoded(p) for p in pictures], named)[0], pictures)
    grey = [picture(colour=False, seed=i) for i in range(3)]
    np.testing.assert_array_equal(decode([encoded(p) for p in grey], named)[0][..., 0], grey)


def test_grey_among_coloured_is_coloured() -> None:
    grey, coloured = picture(colour=False), picture()
    found, _ = decode([encoded(grey), encoded(coloured)], named)
    np.testing.assert_array_equal(found[0], np.repeat(grey[..., None], 3, axis=2))
    np.testing.assert_array_equal(found[1], coloured)


@pytest.mark.parametrize("mode", ["RGBA", "P", "CMYK", "1", "LA"])
def test_other_modes_are_converted(mode: str) -> None:
    form = "TIFF" if mode == "CMYK" else "PNG"
    assert decode([encoded(picture(), form, mode)], named)[0].shape == (
        1,
        4,
        5,
        1 if mode in ("1", "LA") else 3,
    )


def test_images_are_resized_on_request() -> None:
    different = [encoded(picture(size=(5, 4))), encoded(picture(size=(9, 9)))]
    assert decode(different, named, side=6)[0].shape == (2, 6, 6, 3)


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (
            [encoded(picture()), encoded(picture(size=(5, 6)))],
            "image 1 of 5×6 pixels, after images of 5×4.*side=",
        ),
        ([encoded(picture()), encoded(picture())[:60]], "cannot be read, image 1"),
        ([encoded(picture(), "JPEG")[:300]], "cannot be read, image 0"),
        ([b"not an image"], "cannot be read, image 0"),
        ([b""], "cannot be read, image 0"),
        ([encoded(np.zeros((4, 4), np.int32), "TIFF")], "pixels of mode 'I' in image 0"),
        ([png_of_16_bits(0, 1)], "pixels of 16 bits a channel in image 0"),
        ([png_of_16_bits(2, 3)], "pixels of 16 bits a channel in image 0"),
        ([png_of_16_bits(6, 4)], "pixels of 16 bits a channel in image 0"),
        ([b"P6\n1 1\n65535\n" + bytes(6)], "pixels of 16 bits a channel in image 0"),
        ([b"P3\n1 1\n1023\n1 2 3\n"], "pixels of 16 bits a channel in image 0"),
        ([], "no images"),
    ],
)
def test_bad_images_are_refused(contents: list[bytes], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        decode(contents, named)
    assert caught.value.expected


def test_pillow_says_nothing_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 15)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode([encoded(picture())], named)[0].shape == (1, 4, 5, 3)
    fields = [(256, 8), (257, 8), (258, 8), (259, 1), (262, 1), (273, 8), (277, 2051)]
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields)
    damaged = b"II*\0\x08\0\0\0" + struct.pack("<H", len(fields)) + directory + bytes(4)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # as outside of tests
    with pytest.raises(UserError, match="cannot be read"):
        decode([damaged], named)
    assert capsys.readouterr().err == ""


def test_a_folder_of_classes(tmp_path: Path) -> None:
    data = ImageFolder(path=str(folder(tmp_path / "pets"))).load()
    assert (data.name, data.classes, len(data)) == ("pets", ("cat", "dog"), 12)
    assert data.labels.tolist() == [0] * 6 + [1] * 6
    np.testing.assert_array_equal(data.x[7], picture(seed=11))
    assert data.notes == ()


def test_train_and_test_folders(tmp_path: Path) -> None:
    folder(tmp_path / "train", 5)
    folder(tmp_path / "test", 2)
    data = ImageFolder(path=str(tmp_path)).load()
    assert (len(data), data.official_test) == (14, 4)
    assert data.labels[10:].tolist() == [0, 0, 1, 1]


def test_other_files_and_jpegs_are_noted(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "cat" / "readme.md").write_text("cats")
    (tmp_path / "cat" / ".DS_Store").write_text("hidden")
    (tmp_path / "dog" / "9.JPG").write_bytes(encoded(picture(), "JPEG"))
    notes = ImageFolder(path=str(tmp_path)).load().notes
    assert notes[0] == "Left out 1 file without an image."
    assert notes[1].startswith("1 of 13 images are JPEG-coded")


def test_a_bad_image_is_named(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "dog" / "3.png").write_bytes(b"\x89PNG damaged")
    with pytest.raises(UserError, match=r"cannot be read, .*dog.3\.png"):
        ImageFolder(path=str(tmp_path)).load()


@pytest.mark.parametrize(
    ("classes", "message"), [(("cat",), "one class only"), ((), "no images in sub-folders")]
)
def test_folders_without_two_classes_are_refused(
    tmp_path: Path, classes: tuple[str, ...], message: str
) -> None:
    folder(tmp_path, classes=classes)
    with pytest.raises(UserError, match=message):
        ImageFolder(path=str(tmp_path)).load()


def test_an_empty_class_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "cow").mkdir()
    with pytest.raises(UserError, match=r"no examples of 1 of 3 classes.*'cow'"):
        ImageFolder(path=str(tmp_path)).load()
    with pytest.raises(UserError, match="no file or folder"):
        ImageFolder(path=str(tmp_path / "nothing")).load()
