"""Encoded images (PNG, JPEG, …) as one array of pixels, and folders with one sub-folder of images for each class.

All images must have the same size. If any image has colour, all become RGB; otherwise all stay grey. Transparency is
dropped. If a folder has `train` and `test` with sub-folders of classes, `test` becomes the official test part.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from ticketlab.errors import UserError, counted
from ticketlab.tasks.dataset import Dataset
from ticketlab.tasks.formats.answers import Answers
from ticketlab.tasks.formats.files import files_in, reading

__all__ = ["SUFFIXES", "decode", "encoded_dataset", "image_folder"]

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
GREY = ("1", "L", "LA")
COLOURED = ("RGB", "RGBA", "P", "CMYK", "YCbCr", "HSV", "LAB")
# Exceptions that Pillow's readers raise on damaged files.
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError, Image.DecompressionBombError)
JPEG = b"\xff\xd8\xff"


def decode(
    encoded: Sequence[bytes], origin: Callable[[int], str], side: int | None = None
) -> UInt8[np.ndarray, "n h w c"]:
    """Pixels 0 … 255 of encoded images, with one channel if all are grey and three otherwise.

    Arguments:
        encoded: the contents of the files.
        origin: the name of image i in messages.
        side: resize every image to side × side pixels (bilinear); None keeps the sizes.

    Raises: UserError for an image that cannot be read, or whose size differs from the first.
    Cost: 0.1 to 0.2 ms for 32 × 32 pixels in JPEG.
    """
    if side is not None and side < 1:
        raise UserError(f"side={side}", "at least 1 pixel")
    pixels: list[bytes] = []
    grey: list[bool] = []
    size: tuple[int, int] | None = None
    for i, content in enumerate(encoded):
        mode, own, values = _pixels(content, origin(i), side)
        size = size or own
        if own != size:
            raise UserError(
                f"{origin(i)} of {own[0]}×{own[1]} pixels, after images of {size[0]}×{size[1]}",
                "images of one size",
                "Resize them, or pass side=….",
            )
        pixels.append(values)
        grey.append(mode == "L")
    if size is None:
        raise UserError("no images", "at least one")
    if not all(grey) and any(grey):
        pixels = [
            np.repeat(np.frombuffer(v, np.uint8), 3).tobytes() if g else v
            for v, g in zip(pixels, grey, strict=True)
        ]
    channels = 1 if all(grey) else 3
    return np.frombuffer(b"".join(pixels), np.uint8).reshape(len(pixels), size[1], size[0], channels)


def _pixels(content: bytes, origin: str, side: int | None) -> tuple[str, tuple[int, int], bytes]:
    """The mode (L or RGB), size and pixels of one image."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.mode not in GREY + COLOURED:
                raise UserError(
                    f"pixels of mode {image.mode!r} in {origin}",
                    "8-bit grey or colour images",
                    "Convert it.",
                )
            mode = "L" if image.mode in GREY else "RGB"
            plain = image if image.mode == mode else image.convert(mode)
            if side is not None:
                plain = plain.resize((side, side), Image.Resampling.BILINEAR)
            return mode, plain.size, plain.tobytes()
    except UserError:
        raise
    except DAMAGED as error:
        raise UserError(
            f"an image that cannot be read, {origin} ({error})",
            "a whole image file",
            "Copy or download it again, or remove it.",
        ) from error


def _jpeg_note(encoded: Sequence[bytes]) -> tuple[str, ...]:
    """A note if any image is JPEG-coded, which changes pixels."""
    count = sum(bytes(content[:3]) == JPEG for content in encoded)
    return (
        (f"{count} of {len(encoded)} images are JPEG-coded, so their pixels are not exact.",) if count else ()
    )


def encoded_dataset(
    encoded: Sequence[bytes],
    answers: Answers,
    name: str,
    *,
    origin: Callable[[int], str],
    official_test: int = 0,
    side: int | None = None,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """The data set of encoded images and their answers; a note counts JPEG-coded images, whose pixels are not exact."""
    return Dataset(
        name=name,
        x=decode(encoded, origin, side),
        classes=answers.classes,
        labels=answers.labels,
        targets=answers.targets,
        scale=255.0,
        official_test=official_test,
        notes=(*answers.notes, *notes, *_jpeg_note(encoded)),
    )


def image_folder(folder: Path, side: int | None = None) -> Dataset:
    """The data set in a folder with one sub-folder of images for each class; classes are sorted by name.

    Arguments:
        folder: with class sub-folders, or with `train` and `test` (each with class sub-folders).
        side: resize every image to side × side pixels; None requires images of one size.
    """
    parts = {
        p.name: p
        for p in files_in(folder, "a folder with one sub-folder of images for each class")
        if p.is_dir()
    }
    roots = [parts["train"], parts["test"]] if set(parts) == {"train", "test"} else [folder]
    classes = sorted({p.name for root in roots for p in files_in(root, "a folder") if p.is_dir()})
    paths: list[Path] = []
    labels: list[int] = []
    ignored, official = 0, 0
    for root in roots:
        before = len(paths)
        for label, name in enumerate(classes):
            own = _files_below(root / name, name) if (root / name).is_dir() else []
            images = [p for p in own if p.suffix.lower() in SUFFIXES and not p.is_dir()]
            ignored += len(own) - len(images)
            paths += images
            labels += [label] * len(images)
        official = len(paths) - before
    if not paths:
        raise UserError(
            f"no images in sub-folders of {folder}",
            f"one sub-folder for each class, with {', '.join(SUFFIXES)}",
            "Sort the images into one folder for each class.",
        )
    return encoded_dataset(
        [_content(path) for path in paths],
        Answers(tuple(classes), np.array(labels, np.int64)),
        folder.resolve().name,
        origin=lambda i: str(paths[i]),
        official_test=official if len(roots) == 2 else 0,
        side=side,
        notes=(f"Left out {counted(ignored, 'file')} without an image.",) if ignored else (),
    )


def _files_below(folder: Path, name: str) -> list[Path]:
    """All files of a class, including sub-folders. Links to folders are not followed, because they could form a loop."""
    found: list[Path] = []
    for path in files_in(folder, f"images of class {name!r}"):
        inside = path.is_dir() and not path.is_symlink()
        found += _files_below(path, name) if inside else [path]
    return found


def _content(path: Path) -> bytes:
    with reading(path, "an image"):
        return path.read_bytes()
