"""What `scaling` asks besides its claim, each a question of its own with its own level:

    transformer   does the yardstick keep improving?
    noisy         with a tenth of the inputs exchanged, does the loss still fall?
    compute       at equal computation, chosen over sizes and lengths of training, how fast does the least loss fall?
    second        does a read-out of the trained features for a second task get better?
    context       does the loss fall faster late in a sequence than early in it?

Exponents are those of the whole loss or error. Those of size are taken between the two largest sizes. That of computation is
taken along the lower envelope of trainings that were each made for their length (`ticketlab.laws.scaling.frontier`), and never
mixed with losses at equal steps. What could make a question say *holds* and be wrong is a gate of it, or part of its effect:

    compute   the envelope ends at a size because no other was tried; short trainings have a wrong step size
    second    wide layers are easier to read out, learnt or not: then the untrained networks' read-out improves as fast
    context   size helps at every step, or harms early ones: the early exponent is subtracted if it is positive
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

import numpy as np
from jaxtyping import Float

from ticketlab.claims.answers import claim_verdict, headline, side_verdicts
from ticketlab.claims.asking import three
from ticketlab.claims.scaling.families import OTHERS, YARDSTICK
from ticketlab.claims.scaling.formula import (
    LEAST,
    REGRET,
    RULE,
    SAYS,
    SLOPE,
    asked,
    curves,
    gates,
    improving,
    local,
    percent,
    three_places,
)
from ticketlab.figures.wording import power
from ticketlab.laws.difference import of_seeds
from ticketlab.laws.formulae import Formula, Gate, Gated, Question, Tables
from ticketlab.laws.rules import USUAL, Above, Levels
from ticketlab.laws.scaling import Frontier, frontier
from ticketlab.laws.verdict import Verdict

__all__ = [
    "COMPUTE",
    "CONTEXT",
    "NOISY",
    "RANGE",
    "SECOND",
    "envelope",
    "growth",
    "lengths",
    "side_questions",
    "verdicts",
]

NOISY, COMPUTE, SECOND, CONTEXT = "noisy", "compute", "second", "context"
RANGE = 4.0  # times as much computation, from the first budget to the last
ROOM = 1.1  # times the smallest possible loss


def side_questions(
    kinds: Sequence[str] = OTHERS, second: bool = True, context: bool = True
) -> tuple[Formula, ...]:
    """The side questions about the transformer and these architectures.

    Arguments:
        second: whether the task has a second one, of the same inputs.
        context: whether it has an answer at every step.
    """
    kinds = tuple(dict.fromkeys((*kinds, YARDSTICK)))
    found: list[Formula] = [improving(YARDSTICK)]
    found += [Gated(gates(kind), _noisy(kind)) for kind in kinds]
    found += [
        Gated((*gates(kind, ("length", "grid", "noise")), *_of_compute(kind)), _compute(kind))
        for kind in kinds
    ]
    if second:
        found += [Gated((*gates(kind), _earned_gate(kind)), _second(kind)) for kind in kinds]
    if context:
        found += [Gated((*gates(kind), _room_gate(kind)), _context(kind)) for kind in kinds]
    return tuple(found)


def verdicts(
    kinds: Sequence[str],
    complete: Collection[str],
    tables: Tables,
    levels: Levels = USUAL,
    second: bool = False,
    context: bool = False,
) -> tuple[Verdict, ...]:
    """The claim, once all its architectures are trained, then the questions of each that is.

    Arguments:
        kinds: other than the transformer.
        complete: those that have all sizes.
        second, context: as for `side_questions`.
    """
    if YARDSTICK not in complete:
        return ()
    whole, found = headline({kind: improving(kind) for kind in kinds}, complete, tables, levels)
    claim = [] if whole is None else [claim_verdict(whole, RULE, SAYS)]
    sides = side_questions([kind for kind in kinds if kind in complete], second, context)
    return (*claim, *(v for of in found.values() for v in of), *side_verdicts(sides, tables, levels))


_asked = partial(asked, rule=Above(LEAST), scale=SLOPE)


# --- noise in the inputs ---


def _noisy(kind: str) -> Question:
    return _asked(
        NOISY,
        kind,
        "with noise in the inputs the loss falls too",
        lambda kind, tables: of_seeds(local(curves(kind, tables, "noisy"))),
        what=f"the exponent of the {kind}'s loss between the two largest sizes, with a tenth of the inputs exchanged,",
        reading=partial(_noisy_read, kind),
        says=three(
            "with noise in the inputs the loss falls too",
            "with noise in the inputs the loss hardly falls",
            "whether the loss falls with noise in the inputs",
        ),
    )


def _noisy_read(kind: str, tables: Tables) -> str:
    first, last = _ends(kind, tables, "noisy")
    return f"With a tenth of the inputs exchanged the {kind}'s test loss goes from {first} to {last}"


def _ends(kind: str, tables: Tables, column: str) -> list[str]:
    """Means at the two largest sizes."""
    losses = curves(kind, tables, column).losses
    return [three_places(float(np.mean(losses[:, place]))) for place in (-2, -1)]


# --- equal computation ---


def lengths(
    kind: str, tables: Tables
) -> tuple[
    Float[np.ndarray, "n"], Float[np.ndarray, "n l"], Float[np.ndarray, "s n l"], Float[np.ndarray, "s n l"]
]:
    """Sizes; operations of each size and length, NaN where a size has fewer lengths; validation and test losses of each seed.

    Only seeds with all sizes count, and lengths that all of them have.
    """
    rows = tables["lengths"].where(kind=kind)
    places = np.unique(rows["place"]).tolist()
    by_seed: dict[int, dict[tuple[int, int], tuple[float, ...]]] = {}
    names = ("operations", "validation_loss", "loss", "parameters")
    for row in rows.rows():
        of_seed = by_seed.setdefault(row["seed"], {})
        of_seed[row["place"], row["steps"]] = tuple(float(row[name]) for name in names)
    whole = [of for of in by_seed.values() if {place for place, _ in of} == set(places)]
    shared = sorted(set.intersection(*(set(of) for of in whole))) if whole else []
    shared = [at for at in shared if all(np.all(np.isfinite(of[at])) for of in whole)]
    each = [[at for at in shared if at[0] == place] for place in places]
    most = max((len(of) for of in each), default=0)
    found = np.full((3, len(whole), len(places), most), np.nan)
    for i, of_place in enumerate(each):
        for j, at in enumerate(of_place):
            for s, of in enumerate(whole):
                found[:, s, i, j] = of[at][:3]
    sizes = np.array([whole[0][of_place[0]][3] for of_place in each if of_place])
    return sizes, found[0].mean(axis=0), found[1], found[2]


def envelope(kind: str, tables: Tables) -> Frontier | None:
    """The least loss for each computation; None if too few sizes or lengths are there."""
    if "lengths" not in tables or not len(tables["lengths"].where(kind=kind)):
        return None
    sizes, budgets, validation, test = lengths(kind, tables)
    if len(sizes) < max(3, len(budgets)) or np.isfinite(budgets).sum(axis=1).min() < 2:
        return None
    return frontier(sizes, budgets, validation, test)


def _compute(kind: str) -> Question:
    return _asked(
        COMPUTE,
        kind,
        "the least loss for a computation falls as it grows",
        lambda kind, tables: of_seeds(_exponents(kind, tables)),
        what=f"the exponent of the {kind}'s least loss against the operations of training",
        reading=partial(_compute_read, kind),
        says=three(
            "the least loss for a computation falls as the computation grows",
            "the least loss for a computation hardly falls as the computation grows",
            "whether the least loss for a computation falls as the computation grows",
        ),
    )


def _exponents(kind: str, tables: Tables) -> Float[np.ndarray, "s"]:
    found = envelope(kind, tables)
    return np.full(2, np.nan) if found is None else found.exponents


def _compute_read(kind: str, tables: Tables) -> str:
    found = envelope(kind, tables)
    if found is None or found.ends is None:
        return f"There is no computation for which a smaller and a larger {kind} are both known to be worse"
    first, last = (
        f"{power(float(found.budgets[b]))} operations reaches a loss of {three_places(float(found.losses[:, b].mean()))} "
        f"(about {power(float(f'{found.sizes[b]:.2g}'))} parameters)"
        for b in found.ends
    )
    return f"The {kind}'s best training of {first}, and one of {last}"


def _of_compute(kind: str) -> tuple[Gate, ...]:
    return (
        Gate(
            "between",
            "a smaller and a larger size are worse",
            partial(_between, kind),
            "Other sizes, or other lengths of training, would open the question.",
        ),
        Gate(
            "short",
            "the step size is right for short trainings",
            partial(_short, kind),
            "Other step sizes would open the question.",
        ),
    )


def _between(kind: str, tables: Tables) -> str | None:
    found = envelope(kind, tables)
    if found is not None and found.range >= RANGE:
        return None
    if found is None or found.ends is None:
        return f"Nowhere does the best size of the {kind} for a computation lie between two that are worse."
    return (
        f"The best size of the {kind} for a computation lies between two that are worse only over a factor of "
        f"{found.range:.1f}, and a factor of {RANGE:g} is required."
    )


def _short(kind: str, tables: Tables) -> str | None:
    known = tables["runs"].where(kind=kind)["short_regret"].astype(float)
    known = known[np.isfinite(known)]
    if len(known) and known.mean() <= REGRET:
        return None
    if not len(known):
        return f"No other step size was tried for short trainings of the {kind}."
    return (
        f"In short trainings of the {kind} half or twice the step size leads to a loss that is {percent(float(known.mean()))} "
        f"smaller, where at most {100 * REGRET:g} % is allowed."
    )


# --- a second task ---


def _second(kind: str) -> Question:
    return _asked(
        SECOND,
        kind,
        "a second task profits from size",
        lambda kind, tables: of_seeds(local(curves(kind, tables, "probe"))),
        what=f"the exponent of the error of a read-out of the {kind}'s features for the token after the next, between the two "
        "largest sizes,",
        reading=partial(_second_read, kind),
        says=three(
            "the features of the larger network serve the second task better",
            "the features of the larger network hardly serve the second task better",
            "whether the features of the larger network serve the second task better",
        ),
    )


def _second_read(kind: str, tables: Tables) -> str:
    first, last = _ends(kind, tables, "probe")
    start, end = _ends(kind, tables, "untrained_probe")
    return (
        f"Of the variance of the token after the next a read-out of the {kind}'s features leaves {first} at the second largest "
        f"size and {last} at the largest, and before training {start} and {end}"
    )


def _earned_gate(kind: str) -> Gate:
    """It keeps back *holds* alone."""
    opens = "Another second task would open the question."
    return Gate(
        "earned", "a read-out before training profits less", partial(_earned, kind), opens, shows=True
    )


def _earned(kind: str, tables: Tables, levels: Levels = USUAL) -> str | None:
    trained, start = (curves(kind, tables, column) for column in ("probe", "untrained_probe"))
    slope = of_seeds(local(trained))
    if not slope.decidable or slope.lower(levels.holds) <= LEAST:
        return None
    if of_seeds(np.log(start.losses[:, -1] / trained.losses[:, -1])).lower(levels.holds) <= 0:
        return f"The {kind}'s features are not for certain better for the second task than before training."
    if of_seeds(local(trained) - local(start)).lower(levels.holds) <= 0:
        return (
            f"Before training the {kind}'s features may profit as much: wide layers are easier to read out."
        )
    return None


# --- along a sequence ---


def growth(kind: str, tables: Tables) -> Float[np.ndarray, "s"]:
    """The exponent of the late loss minus that of the early one, if that falls too, of each seed."""
    early, late = (local(curves(kind, tables, column)) for column in ("early_loss", "late_loss"))
    return late - early if early.mean() > 0 else late


def _context(kind: str) -> Question:
    return _asked(
        CONTEXT,
        kind,
        "size buys more late in a sequence",
        lambda kind, tables: of_seeds(growth(kind, tables)),
        what=f"the exponent of the {kind}'s loss in the last quarter of a sequence, minus that in the first quarter if it is "
        "positive, between the two largest sizes,",
        reading=partial(_context_read, kind),
        says=three(
            "the larger network learns more from what it has read",
            "the larger network hardly learns more from what it has read",
            "whether the larger network learns more from what it has read",
        ),
    )


def _context_read(kind: str, tables: Tables) -> str:
    early, late = (_ends(kind, tables, column) for column in ("early_loss", "late_loss"))
    return (
        f"Between the two largest sizes the {kind}'s loss goes from {early[0]} to {early[1]} in the first quarter of a sequence, "
        f"and from {late[0]} to {late[1]} in the last"
    )


def _room_gate(kind: str) -> Gate:
    """It keeps back *fails* alone: what has been learnt cannot be learnt again."""
    opens = "A harder task would open the question."
    return Gate("room", "more can be learnt from what was read", partial(_room, kind), opens, shows=True)


def _room(kind: str, tables: Tables, levels: Levels = USUAL) -> str | None:
    late, least = (curves(kind, tables, column).losses for column in ("late_loss", "least_late_loss"))
    above = float(np.mean(late[:, -2] / least[:, -2]))
    if not above < ROOM or of_seeds(growth(kind, tables)).lower(levels.holds) > LEAST:  # NaN: not known
        return None
    return (
        f"The {kind}'s late loss is within {percent(ROOM - 1)} of the smallest possible one before the largest size: hardly "
        "anything is left to be learnt."
    )
