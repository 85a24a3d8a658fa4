"""Small JSON files that can detect damage: written under a temporary name, then renamed, with their own checksum."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ticketlab.plans import canonical_json
from ticketlab.store.tables import Damaged
from ticketlab.store.whole import write_whole

__all__ = ["read_record", "strict", "write_record", "write_text"]


def write_record(file: Path, record: dict[str, Any]) -> None:
    """Writes a record with its checksum, in full or not at all."""
    record = strict(record)
    sealed = {**record, "sha256": _seal(record)}
    write_text(file, json.dumps(sealed, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_record(file: Path) -> dict[str, Any]:
    """The record without its checksum. Raises Damaged if it is missing, truncated or altered."""
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        seal = record.pop("sha256")
        whole = seal == _seal(record)
    except OSError as error:
        raise Damaged(f"{file.name} cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise Damaged(f"{file.name} is not a whole record") from None
    if not whole:
        raise Damaged(f"{file.name} is not the record that was written")
    return record


def write_text(file: Path, text: str) -> None:
    """Writes a text file, in full or not at all."""
    write_whole(file, text.encode())


def strict(value: Any) -> Any:
    """The same value for JSON, which has no infinities or NaN: these become words that `float` reads."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: strict(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [strict(inner) for inner in value]
    return value


def _seal(record: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(record).encode()).hexdigest()
