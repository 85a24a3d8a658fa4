"""How numbers and lists are worded in what the questions of several studies say alike."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["listed", "margin_words", "more_points", "number", "plural", "points", "sentence"]


def sentence(words: str) -> str:
    """With a capital letter."""
    return words[0].upper() + words[1:]


def points(fraction: float) -> str:
    """In points, with a typographic minus."""
    return f"{100 * fraction:+.2f}".replace("-", "−")


def more_points(fraction: float) -> str:
    """ "0.30 points more", or less."""
    return f"{abs(100 * fraction):.2f} points {'less' if fraction < 0 else 'more'}"


def margin_words(margin: float) -> str:
    """A margin in points: "1 point", "2 points"."""
    return plural(100 * margin, "point")


def plural(count: float, noun: str) -> str:
    """ "1 point", "2 points"."""
    return f"{count:g} {noun}{'' if count == 1 else 's'}"


def number(value: float) -> str:
    """Two digits, with a typographic minus."""
    return f"{value:.2g}".replace("-", "−")


def listed(names: Sequence[str], last: str = "and") -> str:
    """ "a, b and c"."""
    return f"{', '.join(names[:-1])} {last} {names[-1]}" if len(names) > 1 else "".join(names)
