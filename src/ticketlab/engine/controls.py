"""Names made safe to show: terminals obey escape sequences, and names come from other people's files."""

from __future__ import annotations

import re

__all__ = ["shown"]

_ESCAPES = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]?")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def shown(text: str) -> str:
    """A text without escape sequences; other control characters, except line ends and tabs, become question marks."""
    return _CONTROLS.sub("?", _ESCAPES.sub("", text))
