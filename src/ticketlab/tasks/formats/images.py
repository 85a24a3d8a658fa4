"""Encoded images (PNG, JPEG, …) as one array of pixels, and folders with one sub-folder of images for each class.

All images must have the same size. If any image has colour, all become RGB; otherwise all stay grey. Transparent pixels
are shown on white. A folder with parts (train, test; also Training, val, …) that hold sub-folders of classes gives an
official test part; validation is pooled with train. Only common formats are read, because some of Pillow's readers start
other programs. The size of the pixels is checked before they are unpacked.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from ticketlab.errors import UserError, counted
from ticketlab.tasks.dataset import Dataset
from ticketlab.tasks.formats.answers import Answers
from ticketlab.tasks.formats.files import allowed, files_in, is_hidden, part_of, reading

__all__ = ["SUFFIXES", "decode", "encoded_dataset", "image_folder"]

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
GREY = ("1", "L", "LA")
COLOURED = ("RGB", "RGBA", "P", "CMYK", "YCbCr", "HSV", "LAB")
LEAST_PIXELS = 2**22  # bytes allowed for any image
JPEG = b"\xff\xd8\xff"
logging.getLogger("PIL").addHandler(
    logging.NullHandler()
)  # its remarks on damaged files reach the screen otherwise


def decode(
    encoded: Sequence[bytes], origin: Callable[[int], str], side: int | None = None
) -> tuple[UInt8[np.ndarray, "n h w c"], tuple[str, ...]]:
    """Pixels 0 … 255 of encoded images, with one channel if all are grey and three otherwise; and notes on what was dropped.

    Arguments:
        encoded: the contents of the files.
        origin: the name of image i in messages.
        side: resize every image to side × side pixels (bilinear); None keeps the sizes.

    Raises: UserError for an image that cannot be read, or whose size differs from the first.
    Cost: 0.1 to 0.2 ms for 32 × 32 pixels in JPEG.
    """
    if side is not None and side < 1:
        raise UserError(f"side={side}", "at least 1 pixel")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow: what is too large or damaged is judged here
        images = _all_opened(encoded, origin, side)
    if not images:
        raise UserError("no images", "at least one")
    grey = all(image.grey for image in images)
    pixels = (
        image.pixels if image.grey == grey else np.repeat(np.frombuffer(image.pixels, np.uint8), 3).tobytes()
        for image in images
    )
    width, height = images[0].size
    array = np.frombuffer(b"".join(pixels), np.uint8).reshape(len(images), height, width, 1 if grey else 3)
    transparent, several = (sum(getattr(i, what) for i in images) for what in ("transparent", "several"))
    notes = [
        f"{transparent} of {len(images)} images have transparent pixels, which are shown on white.",
        f"{several} of {len(images)} images have several frames or pages; the first is read.",
    ]
    return array, tuple(n for n, count in zip(notes, (transparent, several), strict=True) if count)


def _all_opened(encoded: Sequence[bytes], origin: Callable[[int], str], side: int | None) -> list[_Image]:
    images: list[_Image] = []
    limit = allowed(sum(map(len, encoded)))
    for i, content in enumerate(encoded):
        images.append(_opened(content, origin(i), side, limit // len(encoded)))
        if images[i].size != images[0].size:
            (width, height), (w, h) = images[i].size, images[0].size
            raise UserError(
                f"{origin(i)} of {width}×{height} pixels, after images of {w}×{h}",
                "images of one size",
                "Resize them, or pass side=….",
            )
    return images


@dataclass(frozen=True)
class _Image:
    """One image as read: whether it is grey, (width, height), its pixels, and what was dropped."""

    grey: bool
    size: tuple[int, int]
    pixels: bytes
    transparent: bool
    several: bool


def _opened(content: bytes, origin: str, side: int | None, limit: int) -> _Image:
    """One image. Transparent pixels are shown on white."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            deep = any(_is_deep(tile[3]) for tile in image.tile)
            if deep or image.mode not in GREY + COLOURED:
                raise UserError(
                    f"pixels of {'16 bits a channel' if deep else f'mode {image.mode!r}'} in {origin}",
                    "8-bit grey or colour images",
                    "Convert it.",
                )
            if image.width * image.height * 4 > max(limit, LEAST_PIXELS):
                raise UserError(
                    f"{image.width}×{image.height} pixels in {origin}",
                    f"images that together fit into {limit / 2**20:.0f} MiB each",
                    "Make them smaller before they are read.",
                )
            plain, transparent = _on_white(image)
            if side is not None:
                plain = plain.resize((side, side), Image.Resampling.BILINEAR)
            several = image.format in ("GIF", "TIFF", "WEBP", "PNG") and _has_more(image)
            return _Image(plain.mode == "L", plain.size, plain.tobytes(), transparent, several)
    except UserError:
        raise
    except UnidentifiedImageError:
        raise UserError(
            f"an image that cannot be read, {origin} (it is none of these formats)",
            ", ".join(FORMATS),
            "Convert or remove it.",
        ) from None
    except Exception as error:  # Pillow's readers raise nearly anything on damaged files
        raise UserError(
            f"an image that cannot be read, {origin} ({error})",
            "a whole image file",
            "Copy or download it again, or remove it.",
        ) from error


def _is_deep(arguments: object) -> bool:
    """Whether Pillow would drop half of each number: its decoder's arguments name 16 bits, or PPM's largest number."""
    match arguments:
        case (str(mode), int(largest)) if mode in GREY + COLOURED:
            return largest > 255
        case _:
            return ";16" in str(arguments)


def _on_white(image: Image.Image) -> tuple[Image.Image, bool]:
    """Grey (L) or coloured (RGB) pixels, and whether any were transparent."""
    mode = "L" if image.mode in GREY else "RGB"
    if not image.has_transparency_data:
        image.load()
        return (image if image.mode == mode else image.convert(mode)), False
    whole = image.convert("RGBA")
    alpha = whole.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return whole.convert(mode), False
    white = Image.new("RGBA", whole.size, "white")
    return Image.alpha_composite(white, whole).convert(mode), True


def _has_more(image: Image.Image) -> bool:
    try:
        image.seek(1)
    except EOFError:
        return False
    return True


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
    target: str = "",
    notes: tuple[str, ...] = (),
) -> Dataset:
    """The data set of encoded images and their answers; a note counts JPEG-coded images, whose pixels are not exact."""
    pixels, dropped = decode(encoded, origin, side)
    return Dataset(
        name=name,
        x=pixels,
        classes=answers.classes,
        labels=answers.labels,
        targets=answers.targets,
        scale=255.0,
        official_test=official_test,
        target=target,
        notes=(*answers.notes, *notes, *dropped, *_jpeg_note(encoded)),
    )


def image_folder(folder: Path, side: int | None = None) -> Dataset:
    """The data set in a folder with one sub-folder of images for each class; classes are sorted by name.

    Arguments:
        folder: with class sub-folders, or with `train` and `test` (each with class sub-folders).
        side: resize every image to side × side pixels; None requires images of one size.
    """
    roots, official_part, left_out = _parts(folder)
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
        official = len(paths) - before if root == official_part else 0
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
        official_test=official,
        side=side,
        notes=left_out + ((f"Left out {counted(ignored, 'file')} without an image.",) if ignored else ()),
    )


def _parts(folder: Path) -> tuple[list[Path], Path | None, tuple[str, ...]]:
    """The folders that hold the classes, the test part last; the test part, if there is one; and notes on what is read how.

    Sub-folders are parts when one is named for training and another for testing or validation, and those hold folders alone;
    a class called "train" holds images.
    """
    inside = [p for p in files_in(folder, "a folder with a sub-folder of images a class") if p.is_dir()]
    hidden = [p.name for p in folder.iterdir() if p.is_dir() and is_hidden(p.name) and _has_images(p)]
    notes: tuple[str, ...] = (f"Folders left out: {', '.join(sorted(hidden))}.",) if hidden else ()
    parts = {part: p for p in inside if (part := part_of(p.name)) and p.name.isalpha() and not _has_images(p)}
    if "train" not in parts or len(parts) < 2:
        return [folder], None, notes
    pooled = [parts[part] for part in ("train", "validation") if part in parts]
    if len(pooled) > 1:
        notes += (f"Folders {pooled[0].name} and {pooled[1].name} are pooled.",)
    others = [p.name for p in inside if p not in parts.values()]
    if others:
        notes += (f"Folders left out: {', '.join(others)}.",)
    test = parts.get("test")
    return [*pooled, *([test] if test else [])], test, notes


def _has_images(folder: Path) -> bool:
    return any(p.suffix.lower() in SUFFIXES for p in folder.iterdir())


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
