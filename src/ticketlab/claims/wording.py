"""How numbers are worded in what the questions of several studies say alike."""

from __future__ import annotations

__all__ = ["points", "sentence"]


def sentence(words: str) -> str:
    """With a capital letter."""
    return words[0].upper() + words[1:]


def points(fraction: float) -> str:
    """In points, with a typographic minus."""
    return f"{100 * fraction:+.2f}".replace("-", "−")
