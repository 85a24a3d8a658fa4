"""Pictures as evidence: a few small images side by side, as one PNG, so that a column of text can hold it.

A run keeps what it showed, and the page of the run shows it without asking the data again. Grey values are stretched from the
darkest to the lightest pixel of the strip. Signed pictures, such as filters, are stretched alike on both sides, so that zero is
the middle grey. Between two images is a gap, which is transparent.

Source of the format: W3C 2003, Portable Network Graphics, second edition.
"""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from jaxtyping import Float

from ticketlab.errors import UserError

__all__ = ["size_of", "strip"]

CLEAR = 1  # the grey value that is transparent; pixels have others
START = b"\x89PNG\r\n\x1a\n"


def strip(images: Float[np.ndarray, "n height width channels"], *, signed: bool = False) -> str:
    """Images side by side, as a PNG in base 64.

    Arguments:
        images: of one or three channels; of any other number, the mean over channels is shown.
        signed: whether zero is the middle grey.

    Raises:
        UserError: for no image, or values that are not finite.
    """
    if not images.size or not np.isfinite(images).all():
        raise UserError(f"images of shape {images.shape}", "at least one image of finite values")
    shown = images if images.shape[3] in (1, 3) else images.mean(axis=3, keepdims=True)
    low, high = float(shown.min()), float(shown.max())
    if signed:
        high = max(-low, high) or 0.5  # where all is zero: so that it is the middle grey
        low = -high
    levels = np.round((shown - low) / (high - low if high > low else 1.0) * 253).astype(np.uint8) + 2
    _, height, width, channels = levels.shape
    gap = np.full((height, max(1, width // 12), channels), CLEAR, np.uint8)
    parts = [part for image in levels for part in (image, gap)][:-1]
    return base64.b64encode(_png(np.concatenate(parts, axis=1))).decode()


def size_of(picture: str) -> tuple[int, int]:
    """Width and height of a strip in pixels."""
    try:
        head = base64.b64decode(picture[:36])
    except ValueError:
        head = b""
    if not head.startswith(START) or len(head) < 24:
        raise UserError("text that is no picture", "a PNG in base 64, as `strip` makes it")
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def _png(pixels: np.ndarray) -> bytes:
    """Eight bits a channel, no filter, `CLEAR` transparent."""
    height, width, channels = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    kind = 0 if channels == 1 else 2
    return START + b"".join(
        _chunk(name, data)
        for name, data in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)),
            (b"tRNS", struct.pack(">" + "H" * channels, *[CLEAR] * channels)),
            (b"IDAT", zlib.compress(rows, 9)),
            (b"IEND", b""),
        )
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
