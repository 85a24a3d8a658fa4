"""Checks of the sizes and shapes of stages."""

from __future__ import annotations

from collections.abc import Sequence

from ticketlab.errors import UserError
from ticketlab.networks.layers import Shape
from ticketlab.networks.stages.stage import Stage

__all__ = ["check_image", "check_positive", "check_room", "check_sequence", "check_some"]


def check_some(stages: Sequence[Stage], what: str) -> None:
    if not stages:
        raise UserError(f"no stages in {what}", "at least one")


def check_positive(value: int, what: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise UserError(f"{value!r} {what}", "a whole number of at least 1")


def check_image(given: Shape) -> Shape:
    if len(given) != 3:
        raise UserError(
            f"inputs of shape {given} for a convolutional network",
            "images: (height, width, channels)",
            "Give grey images a last axis of size 1 for their channel, or use an MLP.",
        )
    return given


def check_room(given: Shape, window: int, what: str) -> None:
    if min(given[:2]) < window:
        raise UserError(
            f"images that have shrunk to {given[0]} × {given[1]} pixels before {what}",
            f"at least {window} × {window}",
            "Use larger images, or a network with fewer pools.",
        )


def check_sequence(given: Shape, what: str) -> Shape:
    if len(given) != 2:
        raise UserError(
            f"activations of shape {given} before {what}",
            "a sequence: (steps, features)",
            "Put Rows before it, which reads an image row by row, or Embedding for tokens.",
        )
    return given
