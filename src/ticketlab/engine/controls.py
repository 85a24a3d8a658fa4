"""Names as they may be shown: a terminal obeys escape sequences, and names come from files that others wrote."""

from __future__ import annotations

import re

__all__ = ["shown"]

_ESCAPES = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]?")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def shown(text: str) -> str:
    """A text without escape sequences, and with a question mark for every other control character but line ends and tabs."""
    return _CONTROLS.sub("?", _ESCAPES.sub("", text))
