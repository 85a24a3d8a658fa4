"""What `scaling` asks of each architecture: does the loss keep falling with size, and does it still fall at the largest?

Each seed has a curve L(P), with the same data and test examples at every size. Two questions of each architecture:

    exponent   (log L(P₋) − log L(P₊)) / log(P₊/P₋) at the two largest sizes, above 0.01
    promise    at least two thirds of the fall that E + A·P^(−α), fitted to the smaller sizes, promises for the last step, arrives

The loss is all of the loss, with what no network can predict, so the first exponent is below the law's α. With 0.01, ten times
more parameters take 2.3 % off the loss. A law's α alone is no question: it is above 0 for any curve that falls.

A curve may fall steeply and be about to end. So the promise counts only if a form without an end (power laws, logarithmic) beats
all forms with one (constant, exponentials, a power law up to some size) by 6 in AICc. And it counts only if with permuted
targets the exponent at the end, and that over all sizes, are below 0.01: if size pays there too, something is wrong with the
measurement, and nothing can be said to improve.

Gates of all questions: trained to the end, no size better with fewer steps, step sizes inside their grid and right for all steps,
data enough for the largest size, little noise, two decades, better than the unigram. And the transformer has to improve on the
task, or it says nothing about the others.

What this cannot see is an end in the last third of the last step, or beyond it, that has hardly begun to bend the curve. Side
questions are in `sides`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from ticketlab.claims.asking import three
from ticketlab.claims.scaling.families import OTHERS, YARDSTICK
from ticketlab.errors import counted
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Difference, of_seeds
from ticketlab.laws.formulae import All, Formula, Gate, Gated, Question, Tables
from ticketlab.laws.rules import USUAL, Above, Levels
from ticketlab.laws.scale import Scale
from ticketlab.laws.scaling import Means, forecast, paired_means, without_end
from ticketlab.laws.verdict import Outcome

__all__ = [
    "EXPONENT", "LEAST", "PROMISE", "REGRET", "RULE", "SAYS", "SLOPE", "Curves", "asked", "curves", "formula", "gates",
    "grouped", "improving", "local", "over_all", "percent", "promised", "three_places",
]  # fmt: skip

EXPONENT, PROMISE = "exponent", "promise"
LEAST = 0.01  # exponent of the whole loss
ARRIVES = 2 / 3  # of the promised fall
CALLED = 6.0  # ΔAICc
LATE, REGRET, GAP, NOISE, DECADES, SKILL = 0.1, 0.01, 0.1, 0.02, 2.0, 0.1
SLOPE = Scale("in the exponent")


class Curves(NamedTuple):
    """Losses of seeds that have all sizes.

    Arguments:
        sizes: parameters `[n]`.
        losses: `[S, n]`.
        seeds: their numbers.
    """

    sizes: Float[np.ndarray, "n"]
    losses: Float[np.ndarray, "s n"]
    seeds: tuple[int, ...] = ()


def formula(kinds: Sequence[str] = OTHERS) -> Formula:
    """The claim: every architecture other than the transformer keeps improving."""
    return All(tuple(improving(kind) for kind in kinds), key="claim")


def improving(kind: str) -> Formula:
    """An architecture keeps improving: exponent and promise, behind their gates."""
    promise = Gated((_forms_gate(kind), _control_gate(kind)), _promise(kind))
    return Gated(gates(kind), All((_exponent(kind), promise)))


# --- curves ---


def curves(kind: str, tables: Tables, column: str = "loss") -> Curves:
    """A column of the runs by seed and size."""
    rows = _rows(kind, tables)
    places = np.unique(rows["place"])
    by_seed = {s: of for (s,), of in rows.by("seed").items() if len(of) == len(places)}
    order = {s: np.argsort(of["place"], kind="stable") for s, of in by_seed.items()}
    values = [of[column][order[s]].astype(float) for s, of in by_seed.items()]
    first = next(iter(by_seed))
    sizes = by_seed[first]["parameters"][order[first]].astype(float)
    return Curves(sizes, np.array(values), tuple(by_seed))


def _rows(kind: str, tables: Tables) -> Table:
    found: Table = tables["runs"].where(kind=kind)
    return found


def local(of: Curves) -> Float[np.ndarray, "s"]:
    """The exponent between the two largest sizes, of each seed."""
    return np.log(of.losses[:, -2] / of.losses[:, -1]) / np.log(of.sizes[-1] / of.sizes[-2])


def promised(of: Curves) -> Float[np.ndarray, "s"]:
    """The measured fall at the last step minus two thirds of the promised one, as an exponent, of each seed."""
    falls = forecast(of.sizes, of.losses, 1)
    return (falls[:, 1] - ARRIVES * falls[:, 0]) / np.log(of.sizes[-1] / of.sizes[-2])


# --- questions ---


def asked(
    key: str, kind: str, title: str, effect: Callable[[str, Tables], Difference], **how: Any
) -> Question:
    return Question(
        key=key, title=f"{kind}: {title}", effect=partial(effect, kind), facets={"kind": kind}, **how
    )


def _exponent(kind: str) -> Question:
    return asked(
        EXPONENT,
        kind,
        "the loss still falls at the largest size",
        lambda kind, tables: of_seeds(local(curves(kind, tables))),
        rule=Above(LEAST),
        what=f"the exponent of the {kind}'s loss between the two largest sizes",
        scale=SLOPE,
        reading=partial(_fall_read, kind),
        says=three(
            "the loss still falls at the largest size",
            "the loss hardly falls any more",
            "whether the loss still falls at the largest size",
        ),
    )


def _fall_read(kind: str, tables: Tables) -> str:
    of = curves(kind, tables)
    first, last = (three_places(float(np.mean(of.losses[:, place]))) for place in (-2, -1))
    sizes = [grouped(of.sizes[place]) for place in (-2, -1)]
    return f"From {sizes[0]} to {sizes[1]} parameters the {kind}'s test loss goes from {first} to {last}"


def _promise(kind: str) -> Question:
    return asked(
        PROMISE,
        kind,
        "what smaller sizes promise arrives",
        lambda kind, tables: of_seeds(promised(curves(kind, tables))),
        rule=Above(0.0),
        what=f"the fall of the {kind}'s loss at the largest size, minus two thirds of the promised one,",
        scale=SLOPE,
        reading=partial(_promise_read, kind),
        says=three(
            "at least two thirds of what smaller sizes promise arrive",
            "less than two thirds of what smaller sizes promise arrive",
            "whether two thirds of what smaller sizes promise arrive",
        ),
    )


def _promise_read(kind: str, tables: Tables) -> str:
    of = curves(kind, tables)
    falls = 100 * -np.expm1(-forecast(of.sizes, of.losses, 1).mean(axis=0))
    return (
        f"A power law fitted without the largest size promises that there the {kind}'s loss is {falls[0]:.1f} % below the law at "
        f"the size before, and it is {falls[1]:.1f} % below"
    ).replace("-", "−")


def over_all(of: Curves) -> Float[np.ndarray, "s"]:
    """The exponent from the smallest size to the largest, of each seed."""
    return np.log(of.losses[:, 0] / of.losses[:, -1]) / np.log(of.sizes[-1] / of.sizes[0])


def three_places(value: float) -> str:
    return f"{value:.3f}"


def grouped(count: float) -> str:
    return f"{round(count):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def percent(share: float) -> str:
    return f"{100 * share:.1f} %".replace("-", "−")


# --- gates ---


def gates(kind: str, some: Collection[str] = ()) -> tuple[Gate, ...]:
    """What every question about an architecture asks of its training, or some of it, by key."""
    more = "More steps would open the question."
    gates = [
        ("trained", "trained to the end", _trained, more),
        (
            "length",
            "no size does better with fewer steps",
            _length,
            "Other step sizes, or more seeds, would open the question.",
        ),
        ("grid", "step sizes inside their grid", _inside, "More step sizes would open the question."),
        (
            "transfer",
            "the step size is right for all steps",
            _transfer,
            "Other step sizes would open the question.",
        ),
        (
            "data",
            "data enough for the largest size",
            _data,
            "More training examples would open the question.",
        ),
        (
            "noise",
            "little noise between seeds",
            _noise,
            "More test examples and steps would open the question.",
        ),
        ("range", "two decades of sizes", _range, "More sizes would open the question."),
        ("skill", "better than the targets' frequencies", _skill, "Another task would open the question."),
    ]
    found = [
        Gate(key, title, partial(passed, kind), opens, shows=passed is _skill)
        for key, title, passed, opens in gates
    ]
    if kind != YARDSTICK:
        opens = "More seeds, more data or another task would open the question."
        found.append(
            Gate("yardstick", "the transformer improves on this task", _yardstick, opens, shows=True)
        )
    return tuple(gate for gate in found if not some or gate.key in some)


def _forms_gate(kind: str) -> Gate:
    """It keeps back *holds* alone: a curve that has ended fails by its exponent."""
    opens = "Larger sizes, or more of them, would open the question."
    return Gate("forms", "no form with an end fits as well", partial(_forms, kind), opens)


def _control_gate(kind: str) -> Gate:
    """It keeps back *holds* alone: where size pays with permuted targets, a loss that hardly falls still hardly falls."""
    opens = "More seeds or test examples would open the question, unless targets leak into the measurement."
    return Gate(
        "control", "size buys nothing with permuted targets", partial(_control, kind), opens, shows=True
    )


def _trained(kind: str, tables: Tables) -> str | None:
    """Whether half of the steps lead to the same exponent at the end, and to about the same losses."""
    late = curves(kind, tables, "late")
    change = float(np.mean(late.losses[:, -2] - late.losses[:, -1])) / np.log(late.sizes[-1] / late.sizes[-2])
    fell = float(late.losses[:, -2:].mean(axis=0).max())
    if abs(change) <= LEAST and fell <= LATE:
        return None
    if fell > LATE:
        return (
            f"With half of the steps the {kind}'s loss is {percent(fell)} larger at one of the two largest sizes, where "
            f"at most {100 * LATE:g} % is allowed."
        )
    return (
        f"With half of the steps the {kind}'s exponent at the largest sizes differs by {abs(change):.3f}, where at most "
        f"{LEAST:g} is allowed: the sizes are not equally far trained."
    )


def _length(kind: str, tables: Tables) -> str | None:
    """Whether each size's loss after all steps is about the least of all lengths, and every training took all its steps.

    The law is fitted to the means that were measured, so they are compared, by the limit for a wrong step size. An interval of
    three seeds would pass several per cent. A network that longer training harms may be chance; that is asked by `noise`.
    """
    above = _above_shorter(kind, tables)
    if above is None:
        return f"This older run did not train the {kind} for fewer steps at every size."
    stopped = int(np.sum(_rows(kind, tables)["steps"] < tables["lengths"].where(kind=kind)["steps"].max()))
    if stopped:
        return f"This older run ended {counted(stopped, 'training')} of the {kind} before the step size had fallen."
    size, most = max(above.items(), key=lambda item: item[1])
    if most <= REGRET:
        return None
    return (
        f"With fewer steps the {kind}'s loss is {percent(most)} smaller at {grouped(size)} parameters, where at most "
        f"{100 * REGRET:g} % is allowed."
    )


def _above_shorter(kind: str, tables: Tables) -> dict[float, float] | None:
    """log validation loss after all steps above the least after fewer, means over seeds, by size; None if a size has no fewer."""
    if "lengths" not in tables:
        return None
    logs: dict[float, dict[int, dict[int, float]]] = {size: {} for size in curves(kind, tables).sizes}
    for row in tables["lengths"].where(kind=kind).rows():
        of_size = logs.setdefault(row["parameters"], {})
        of_size.setdefault(row["steps"], {})[row["seed"]] = float(np.log(row["validation_loss"]))
    if any(len(of_size) < 2 for of_size in logs.values()):
        return None
    return {size: _above_least(of_size) for size, of_size in logs.items()}


def _above_least(logs: dict[int, dict[int, float]]) -> float:
    """Of one size: its losses by steps and seed. Lengths are compared by the seeds that both have."""
    *fewer, (_, whole) = sorted(logs.items())
    return max(
        float(np.mean([whole[seed] - loss for seed, loss in of.items() if seed in whole])) for _, of in fewer
    )


def _inside(kind: str, tables: Tables) -> str | None:
    rows = _rows(kind, tables)
    outside = np.unique(rows["seed"][~rows["inside"].astype(bool)])
    if not len(outside):
        return None
    return f"The {kind}'s step size lies at the end of its grid for {len(outside)} of {len(np.unique(rows['seed']))} seeds."


def _transfer(kind: str, tables: Tables) -> str | None:
    """Whether half or twice the step size is better at the one size where they are tried: the middle one, after all steps.

    An older run has one step size for all sizes, and tries them at the largest.
    """
    rows = _rows(kind, tables)
    tried = np.isfinite(rows["regret"].astype(float))
    if not tried.any():
        return f"No other step size was tried for all steps of the {kind}."
    regret = float(rows["regret"][tried].astype(float).mean())
    if regret <= REGRET:
        return None
    return (
        f"At {grouped(rows['parameters'][tried][0])} parameters, half or twice the {kind}'s step size leads to a loss that is "
        f"{percent(regret)} smaller, where at most {100 * REGRET:g} % is allowed."
    )


def _data(kind: str, tables: Tables) -> str | None:
    one, other = (curves(kind, tables, name).losses[:, -1] for name in ("validation_loss", "train_loss"))
    gap = float(np.mean(np.log(one / other)))
    if gap <= GAP:
        return None
    return (
        f"At the largest size the {kind}'s validation loss is {percent(float(np.expm1(gap)))} above its training loss: what "
        "limits it is the data and not its size."
    )


def _noise(kind: str, tables: Tables) -> str | None:
    of = curves(kind, tables)
    if len(of.losses) < 2:
        return None
    means = _means(of)
    noise = float(means.errors[0] * np.sqrt(len(of.losses)))
    if noise <= NOISE:
        return None
    return f"Losses of the {kind} differ between seeds by {percent(noise)}, where at most {100 * NOISE:g} % is allowed."


def _range(kind: str, tables: Tables) -> str | None:
    sizes = curves(kind, tables).sizes
    decades = float(np.log10(sizes[-1] / sizes[0]))
    if decades >= DECADES - 0.1 and len(sizes) >= 5:
        return None
    return f"The sizes of the {kind} are {len(sizes)} over {decades:.1f} decades, and at least 5 over {DECADES:g} are needed."


def _skill(kind: str, tables: Tables, levels: Levels = USUAL) -> str | None:
    of, guess = curves(kind, tables), curves(kind, tables, "guess")
    gain = of_seeds(1 - of.losses[:, -1] / guess.losses[:, -1])
    if not gain.decidable or gain.lower(levels.smaller) > SKILL:
        return None
    return f"The largest {kind} is only {percent(gain.mean)} below the loss of the targets' frequencies."


def _forms(kind: str, tables: Tables) -> str | None:
    of = curves(kind, tables)
    if len(of.losses) < 2:
        return None
    found = without_end(_means(of))
    if found.lead >= CALLED:
        return None
    return (
        f"For the {kind} the best form without an end ({found.endless.name}) is {abs(found.lead):.1f} "
        f"{'ahead of' if found.lead > 0 else 'behind'} the best one with an end ({found.ending.name}) in AICc, and has to be "
        f"{CALLED:g} ahead."
    )


def _control(kind: str, tables: Tables, levels: Levels = USUAL) -> str | None:
    """Over all sizes, where noise counts least, and at the end, where the claim is decided."""
    of = curves(kind, tables, "permuted")
    found = of_seeds(over_all(of)), of_seeds(local(of))
    if not found[0].decidable or all(each.upper(levels.holds) < LEAST for each in found):
        return None
    whole, last = (three_places(each.mean).replace("-", "−") for each in found)
    return (
        f"With permuted targets the {kind}'s loss has the exponent {whole} over all sizes and {last} between the two largest; "
        f"both have to be below {LEAST:g} for certain."
    )


def _yardstick(tables: Tables, levels: Levels = USUAL) -> str | None:
    slope = of_seeds(local(curves(YARDSTICK, tables)))
    if not slope.decidable or slope.lower(levels.smaller) > LEAST:
        return None
    mean, least = (
        three_places(value).replace("-", "−") for value in (slope.mean, slope.lower(levels.smaller))
    )
    return (
        f"Even the transformer's loss does not fall by an exponent of {LEAST:g} for certain at the largest size (it is {mean}, "
        f"at least {least}): the task may end there."
    )


def _means(of: Curves) -> Means:
    return paired_means(of.sizes, of.losses)


# --- the claim ---

RULE = (
    "The claim holds if, for every architecture other than the transformer, the loss still falls at the largest size and at "
    "least two thirds of what smaller sizes promise arrive. It fails if, for one of them, the loss hardly falls any more or "
    "less arrives. Otherwise it is undecided. It is also undecided where networks are not trained to the end, do better with "
    "fewer steps or have wrong step sizes, where data limit the largest size, where losses are too noisy, where sizes span less "
    "than two decades, where networks hardly learn, and where the transformer itself does not improve by as much as is asked of "
    "the others. It does not hold where a form with an end fits about as well as one without, or where size may buy something "
    "with permuted targets. Everything else is a side question."
)
SAYS = {
    Outcome.HOLDS: "Architectures other than the transformer keep improving with size too.",
    Outcome.FAILS: "Not every other architecture keeps improving with size.",
    Outcome.UNDECIDED: "These runs do not decide whether other architectures keep improving with size.",
}
