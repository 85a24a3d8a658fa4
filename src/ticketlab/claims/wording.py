"""How numbers and lists are worded in what the questions of several studies say alike."""

from __future__ import annotations

from collections.abc import Sequence

from ticketlab.figures.wording import fixed

__all__ = [
    "listed", "margin_words", "more_points", "number", "percent", "plural", "points", "sentence", "weights_kept",
]  # fmt: skip


def sentence(words: str) -> str:
    """With a capital letter."""
    return words[0].upper() + words[1:]


def points(fraction: float) -> str:
    """In points, with a typographic minus."""
    return f"{100 * fraction:+z.2f}".replace("-", "−")


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
    """Two digits, the whole part in full, with a typographic minus."""
    return (f"{value:.2g}" if abs(value) < 99.5 else f"{value:.0f}").replace("-", "−")


def percent(fraction: float) -> str:
    """ "11.8 %"."""
    return f"{fixed(100 * fraction, 1)} %"


def weights_kept(density: float) -> str:
    """ "11.8 % of the weights", with two digits of less than a tenth of a per cent."""
    return f"{percent(density) if density >= 1e-3 else f'{number(100 * density)} %'} of the weights"


def listed(names: Sequence[str], last: str = "and") -> str:
    """ "a, b and c"."""
    return f"{', '.join(names[:-1])} {last} {names[-1]}" if len(names) > 1 else "".join(names)
