"""Gates of `same-ticket`: a trained network, a ticket that is good at the start, and controls of equal motion."""

from __future__ import annotations

from functools import partial

import numpy as np

from ticketlab.claims.asking import columns, no_misses
from ticketlab.claims.gates import FITTED as OF_HEADROOM
from ticketlab.claims.gates import fitting, skill_gate
from ticketlab.claims.headroom import LEAST, percent
from ticketlab.claims.same_ticket.tables import CHANCE_MASK, PERMUTED, TEACHER, TRAINED, span
from ticketlab.laws.difference import paired_difference
from ticketlab.laws.formulae import Gate, Tables
from ticketlab.laws.rules import USUAL, Levels

__all__ = ["AS_FAR", "FITTED", "GOOD", "chance_redrawn", "gates", "scale", "teacher_gates"]

GOOD = 0.5  # of the trained network's gain over guessing, that a good ticket has at the start
FITTED = 0.95  # of the training data, that the trained network fits
AS_FAR = 1.25  # the largest ratio, either way, of the control's motion to that of training
CALLED = {PERMUTED: "permuted labels", TEACHER: "a teacher's labels"}
SPAN = 0.1  # of the cosine of motions, from permuted labels to the twin


def gates() -> tuple[Gate, ...]:
    """What every question asks for."""
    return (
        skill_gate(lambda tables: tables["examples"], (TRAINED,)),
        Gate(
            "good",
            "the ticket is good at the start",
            _good,
            "More --search-steps, a larger density or a wider network would find a better ticket.",
            shows=True,
        ),
        no_misses(
            "fitted",
            f"the network fits at least {100 * FITTED:g} % of the training data",
            lambda tables: fitting(tables["networks"].where(network=TRAINED), tables["examples"]),
            "fitted",
            f"{{}} networks fit less than {100 * FITTED:g} % of their training data, or gain less than {100 * OF_HEADROOM:g} % "
            "of what guessing leaves, so training has not ended.",
            "More --steps would let them fit.",
        ),
        _as_far(PERMUTED, "as far"),
        _learnt(PERMUTED, "learnt"),
    )


def teacher_gates() -> tuple[Gate, ...]:
    """What is asked of the control on a teacher's labels; an older run has none, which passes."""
    return _as_far(TEACHER, "teacher as far"), _learnt(TEACHER, "teacher learnt")


def _as_far(control: str, key: str) -> Gate:
    """A control has moved about as far as training."""
    return Gate(
        key,
        f"with {CALLED[control]}, the weights have moved {1 / AS_FAR:g} to {AS_FAR:g} times as far as in training",
        partial(_moved_as_far, control),
        "More --steps would let it move as far.",
    )


def _moved_as_far(control: str, tables: Tables) -> str | None:
    rows = tables["networks"].by_seed()
    true, other = (rows.where(network=name)["motion"].astype(float) for name in (TRAINED, control))
    if not len(other):
        return None
    near = (true <= AS_FAR * other) & (other <= AS_FAR * true)
    if near.all():
        return None
    return (
        f"With {CALLED[control]} {int(np.sum(~near))} of {len(near)} networks have at no look moved {1 / AS_FAR:g} to {AS_FAR:g} "
        "times as far as with true ones, so a difference from the control would be one of motion."
    )


def _learnt(control: str, key: str) -> Gate:
    """A control has learnt something of its labels."""
    return no_misses(
        key,
        f"by then it has learnt its own labels, by {100 * LEAST:g} % of what guessing leaves",
        lambda tables: tables["networks"].where(network=control),
        "learnt",
        f"With {CALLED[control]} {{}} networks have learnt next to nothing of these labels by the time they have moved as far as "
        "with true ones, so the control shows motion without learning.",
        "Fewer training examples would let it learn them with less motion.",
    )


def _good(tables: Tables, levels: Levels = USUAL) -> str | None:
    of = tables["examples"]
    above = of["start"] - GOOD * of[TRAINED] - (1 - GOOD) * of["guess"]
    found = paired_difference(above, of["seed"], of["id"])
    if not found.decidable or found.lower(levels.smaller) > 0:
        return None
    return (
        f"The ticket is not good at the start: untrained it scores {percent(of, 'start')}, and at least {100 * GOOD:g} % of the "
        "trained network's gain over guessing is required."
    )


def chance_redrawn() -> Gate:
    """Of the causal arm."""

    def passed(tables: Tables) -> str | None:
        if f"differs_{CHANCE_MASK}" in columns(tables["examples"]):
            return None
        return "This older run redrew the rest, which has as many weights as the ticket only at a density of a half."

    return Gate(
        "chance-redrawn", "chance masks were redrawn too", passed, "Running it again would open the question."
    )


def scale() -> Gate:
    """Of the similarity index."""

    def passed(tables: Tables) -> str | None:
        wide = span(tables) >= SPAN
        if wide.all():
            return None
        return (
            f"In {int(np.sum(~wide))} of {len(wide)} seeds the ticket's motion in the twin is hardly more alike than that on "
            f"permuted labels, by less than {SPAN:g} in the cosine, so the index has no scale."
        )

    return Gate(
        "scale",
        f"the twin's motion is more alike than that of permuted labels, by {SPAN:g} in the cosine",
        passed,
        "Larger batches would make the motions of twins more alike.",
    )
