"""How values become text that cannot break out of its place in a page."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

__all__ = ["csv_text", "json_text", "prose"]

_PERCENT = re.compile(r"(?<=\d) (?=%)")
_OPTION = re.compile(r"(?<!\S)--[a-z][a-z-]*")


def prose(text: str) -> str:
    """A sentence, in which no line breaks between a number and its "%", or within the name of an option."""
    whole = _PERCENT.sub("\N{NO-BREAK SPACE}", escape(text))
    return _OPTION.sub(r'<span class="whole">\g<0></span>', whole)


def json_text(value: Any) -> str:
    """JSON that cannot end the script element that holds it."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def csv_text(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as comma-separated values; what is not known is left empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(map(_cell, row) for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Ten digits are as many as any measurement here has."""
    if value is None or value != value:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else value
