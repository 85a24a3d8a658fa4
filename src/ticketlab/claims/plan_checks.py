"""What every study asks of the numbers in its plan, each in one line; what they find is said as a `UserError`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ticketlab.errors import UserError
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.pretrained import Pretrained

__all__ = [
    "at_least", "different", "drawn_at_random", "each_once", "fraction", "kept_fraction", "losses_once", "margin_inside",
    "momentum_below_one", "multiple_of", "positive", "some_seeds",
]  # fmt: skip


MOST_SEEDS = 1_000_000  # each is listed in a cell's record


def some_seeds(seeds: int, first: int) -> None:
    if seeds < 1:
        raise UserError(f"seeds={seeds}", "at least 1, and at least 2 for a verdict")
    if seeds > MOST_SEEDS:
        raise UserError(f"seeds={seeds}", f"at most {MOST_SEEDS}")
    if not 0 <= first < 2**31 - seeds:
        raise UserError(f"first_seed={first}", f"a number from 0 to {2**31 - seeds - 1}")


def margin_inside(margin: float, name: str = "margin") -> None:
    if not 0 < margin < 1:
        raise UserError(f"{name}={margin}", "a fraction between 0 and 1", "One percentage point is 0.01.")


def fraction(plan: Any, *names: str, hint: str = "", most: float = 1.0) -> None:
    """Numbers between 0 and 1, or a smaller number, by the names of their options."""
    for name in names:
        if not (0 < (value := getattr(plan, name)) < 1 and value <= most):
            raise UserError(f"{name}={value}", f"a fraction between 0 and {most:g}", hint)


def kept_fraction(*densities: float) -> None:
    for density in densities:
        if not 0 < density <= 1:
            raise UserError(
                f"density={density:g}",
                "the fraction that is kept, above 0 and at most 1",
                "10 % kept is 0.1.",
            )


def losses_once(losses: Sequence[str]) -> None:
    if not losses or len(set(losses)) != len(losses):
        raise UserError(f"losses {losses}", "square, cross-entropy, or both, each once")


def momentum_below_one(momentum: float) -> None:
    if not 0 <= momentum < 1:
        raise UserError(f"momentum={momentum}", "at least 0 and below 1")


def at_least(plan: Any, least: int, *names: str) -> None:
    """Counts, by the names of their options."""
    for name in names:
        if getattr(plan, name) < least:
            raise UserError(f"{name}={getattr(plan, name)}", f"at least {least}")


def multiple_of(plan: Any, unit: int, *names: str) -> None:
    """Counts that are taken so many at a time, by the names of their options."""
    for name in names:
        if (count := getattr(plan, name)) < unit or count % unit:
            raise UserError(f"{name}={count}", f"a multiple of {unit}")


def each_once(plan: Any, *names: str, some: bool = False) -> None:
    """Choices of which none stands twice, by the names of their options; with `some` at least one."""
    for name in names:
        values = getattr(plan, name)
        if len(set(values)) < len(values) or (some and not values):
            raise UserError(f"{name} {values}", "at least one, each once" if some else "each once")


def positive(plan: Any, *names: str) -> None:
    """Numbers above 0, by the names of their options."""
    for name in names:
        value = getattr(plan, name)
        if not (np.isfinite(value) and value > 0):
            raise UserError(f"{name}={value}", "a positive number")


def different(plan: Any, *names: str) -> None:
    """Candidates: different numbers above 0, by the names of their options."""
    for name in names:
        values = getattr(plan, name)
        if not values or not all(np.isfinite(v) and v > 0 for v in values) or len(set(values)) < len(values):
            raise UserError(f"{name} {values}", "different positive numbers")


def drawn_at_random(network: Architecture, why: str) -> None:
    """Refuses a network that starts at the parameters of a file, where the question needs random ones.

    Arguments:
        why: what the study does with random parameters, after "this study ".
    """
    if isinstance(network, Pretrained):
        raise UserError(
            f"a start for every seed, {network.start}",
            f"a network that each seed draws at random: this study {why}",
            "Leave out --start.",
        )
