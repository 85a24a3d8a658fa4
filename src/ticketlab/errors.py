"""The two ways a run can end badly, told apart because they ask for different things.

A `UserError` is a mistake in what was asked (a truncated file, an impossible option): the message says what was got, what was
expected and what to do, and the command line prints it without a traceback and exits with 2. A `NumericalFailure` is a problem
that was well posed to the program but that the arithmetic could not finish to its tolerance; the command line exits with 3.
"""

from __future__ import annotations

__all__ = ["NumericalFailure", "UserError"]


class UserError(ValueError):
    """What was asked for cannot be done; `str(error)` is one message meant for the user.

    Arguments:
        got: what was found, with its value ("30 labels for 40 images in digits.npz").
        expected: what would have been right ("as many labels as images").
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
    """A computation missed its tolerance; the message says by how much, and what to change."""
