"""Code that is not ours: what goes wrong in it is told to its author, and libraries that are not installed are named."""

from __future__ import annotations

import importlib
import textwrap
from typing import Any

from ticketlab.errors import UserError

__all__ = ["called", "first_line", "required", "title"]


def called(factory: Any, *arguments: Any) -> Any:
    """What a user's factory returns; its own error is told as the user's."""
    if not callable(factory):
        raise UserError(f"{factory!r}", "a function that makes the model, or the model")
    try:
        return factory(*arguments)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{title(factory)}, which raised {type(error).__name__}: {first_line(error)}",
            "a function that makes the model",
        ) from error


def title(factory: Any) -> str:
    """A factory's name for messages."""
    return getattr(factory, "__qualname__", None) or type(factory).__qualname__


def first_line(error: BaseException) -> str:
    """The beginning of what an error of another library says."""
    lines = str(error).strip().splitlines()
    return textwrap.shorten(lines[0], 300) if lines else "without a message"


def required(module: str, library: str) -> Any:
    """An optional library.

    Raises:
        UserError: if it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        extra = module.partition(".")[0]
        raise UserError(
            f"a model of {library}, which cannot be imported ({error})",
            f"an installed {library}",
            f"Install it with `pip install 'ticketlab[{extra}]'`.",
        ) from None
