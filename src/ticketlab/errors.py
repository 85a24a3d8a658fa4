"""The two ways in which a run can fail; each asks for a different reaction.

A `UserError` is a mistake in the request (a truncated file, an impossible option). Its message says what was got, what
was expected and what to do. The command line prints it without a traceback and exits with 2. A `NumericalFailure` means
that the request was valid but the computation missed its tolerance; the command line exits with 3.
"""

from __future__ import annotations

__all__ = ["NumericalFailure", "UserError", "counted"]


def counted(count: int, one: str) -> str:
    """A number with its noun: "1 row", "2 rows"."""
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


class UserError(ValueError):
    """The request cannot be carried out; `str(error)` is one message for the user.

    Arguments:
        got: what was found, with its value ("30 labels for 40 images in digits.npz").
        expected: what would have been right ("one label for each image").
        do: the next step for the user ("write the file again, or pass …").
    """

    def __init__(self, got: str, expected: str = "", do: str = "") -> None:
        self.got, self.expected, self.do = got, expected, do
        parts = [f"got {got}"]
        if expected:
            parts.append(f"expected {expected}")
        message = "; ".join(parts) + "."
        super().__init__(f"{message} {do}".strip())


class NumericalFailure(ArithmeticError):
    """A computation missed its tolerance; the message says by how much and what to change."""
