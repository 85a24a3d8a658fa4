"""What `symmetry-breaking` asks: do units that start alike stay alike, and does that cost accuracy?

Units of a hidden layer that start with equal weights get equal gradients, so they stay equal, and a layer of any width computes
one feature. The claim has two parts, both of the constant start without noise: the gradients of every hidden layer have rank
one, and the test score is lower than that of a random start by at least a tenth of the headroom above guessing. Where a symmetric
start does as well, the second part fails.

The claim is asked only where units are equal to the last bit at every look, because rounding may tell them apart. Then one
distinct unit is left, so that is no part of the claim. It is a side question without this gate, and fails where rounding grew.

A start is worse only if its training came to an end. Each start has a step size of its own, inside the grid from which validation
chose it. And a training score that is flat counts as converged only above guessing by a tenth of the headroom: a start that does
not move at its step size is flat too. Convergence is a matter of training scores, so its limits are shares of their headroom, and
not the margin, by which a start with noise may lose.

How much noise is enough is a side question, too, for each size: the start with noise loses at most the margin. The time
until units differ is compared with

    steps = ln(1/ε)/λ + constant,

because a difference of size ε grows like ε·exp(λ·steps) while it is small. Here ε is the difference that is there before the
first step, after rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

import numpy as np

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.asking import columns, no_misses, scores, three
from ticketlab.claims.gates import skill_gate
from ticketlab.claims.headroom import LEAST
from ticketlab.claims.wording import margin_words, number
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Difference, of_seeds
from ticketlab.laws.formulae import All, Formula, Gate, Gated, Question, Tables, answer
from ticketlab.laws.rules import USUAL, Above, Below, Levels
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "ALONE", "CONSTANT", "DUPLICATED", "RANDOM", "RULE", "SIGNS", "formula", "line", "noisy", "rate", "shown",
    "side_questions", "times", "verdicts",
]  # fmt: skip

CONSTANT, SIGNS, DUPLICATED, RANDOM = "constant", "signs", "duplicated", "random"
ALONE = (RANDOM, CONSTANT, SIGNS, DUPLICATED)  # without noise
TITLES = {
    CONSTANT: "the constant start",
    SIGNS: "the start with constants of either sign",
    DUPLICATED: "the start with copies of random units",
    RANDOM: "the random start",
}
ONE = float(np.log(1.5))  # below it, one is nearer than two
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
STRAIGHT = 0.9  # of the variance of times
STEADY = LEAST / 5  # of the headroom, that converged training may still gain: a fifth of what decides
COUNT = Scale("distinct units", log=True, bounds=(1.0, np.inf))
RANK = Scale("independent gradients", log=True, bounds=(1.0, np.inf))
VARIANCE = Scale("% of the variance", 100.0, bounds=(-np.inf, 100.0))


def noisy(noise: float) -> str:
    """The name of the constant start with noise, in tables."""
    return f"noise {noise:.0e}"


def shown(noise: float) -> str:
    """A size of noise for people, "10⁻⁸"."""
    exponent = round(float(np.log10(noise)))
    power = f"10{str(exponent).translate(RAISED)}"
    return power if np.isclose(noise, 10.0**exponent) else f"{noise:.0e}"


def formula() -> Formula:
    """The claim, asked of the constant start without noise."""
    gates = (_skill(), _rounding(), *_trained(CONSTANT), *_trained(RANDOM))
    return Gated(gates, All((_gradients(), _worse(CONSTANT))), key="claim")


def side_questions(margin: float, noises: Sequence[float]) -> tuple[Formula, ...]:
    """Distinct units, two other symmetric starts, each size of noise, and the time that it takes to grow.

    Arguments:
        margin: of test score, by which the start with noise may be less accurate.
    """
    random = _trained(RANDOM)
    asked: tuple[Formula, ...] = (
        _units(CONSTANT, 1),
        _units(SIGNS, 2),
        *(Gated((*_trained(start), *random), _worse(start)) for start in (SIGNS, DUPLICATED)),
        *(Gated(random, _enough(noise, margin)) for noise in noises),
        _time(),
    )
    return tuple(Gated((_skill(),), question) for question in asked)


def verdicts(
    margin: float, noises: Sequence[float], tables: Tables, levels: Levels = USUAL
) -> tuple[Verdict, ...]:
    """The claim with the noise from which on it is enough, its two questions, and the side questions."""
    whole = answer(formula(), tables, levels)
    claim, *rest = verdicts_of(
        claim_verdict(whole, RULE, SAYS), whole, side_questions(margin, noises), tables, levels
    )
    rest = [_with_rate(v, tables) if v.key == "time" else v for v in rest]
    least = _least(noises, {v.facets["noise"]: v.outcome for v in rest if v.key == "noise"})
    return (replace(claim, reading=f"{claim.reading} {least}"), *rest)


def _least(noises: Sequence[float], outcomes: dict[str, Outcome]) -> str:
    sizes = sorted(noises, reverse=True)
    enough = list(takewhile(lambda noise: outcomes[noisy(noise)] is Outcome.HOLDS, sizes))
    if not enough:
        return "The largest noise was not found to be enough."
    return f"All sizes of noise from {shown(enough[-1])} of the random weights on were found to be enough."


# --- what is asked of units ---


def _most(tables: Tables, start: str, column: str) -> np.ndarray:
    """The logarithm of the largest count of any hidden layer, by seed."""
    rows = tables["layers"].where(start=start).by_seed()
    return np.array([np.log(max(float(of[column].max()), 1.0)) for of in rows.by("seed").values()])


def _counted(key: str, start: str, most: int, column: str, scale: Scale, title: str, said: str) -> Question:
    def reading(tables: Tables) -> str:
        found = np.exp(_most(tables, start, column))
        units = int(tables["layers"]["units"].max())
        return f"From {TITLES[start]}, {said.format(number(float(found.mean())), units)}"

    return Question(
        key=key,
        title=title,
        effect=lambda tables: of_seeds(_most(tables, start, column)),
        rule=Below(ONE if most == 1 else float(np.log(most + 0.5))),
        what=f"the number of {scale.unit}, in the hidden layer that has most, from {TITLES[start]},",
        scale=scale,
        reading=reading,
        says=three(f"that is at most {most}", f"that is more than {most}", f"whether that is at most {most}"),
        facets={"start": start},
    )


def _gradients() -> Question:
    title = "constant start: the gradients of a hidden layer are all alike"
    said = "gradients have ranks up to {} in hidden layers of {} units"
    return _counted("gradients", CONSTANT, 1, "rank", RANK, title, said)


def _units(start: str, most: int) -> Question:
    named = "constant start" if start == CONSTANT else "constants of either sign"
    title = f"{named}: at most {most} distinct unit{'s' * (most > 1)} in a hidden layer after training"
    said = "up to {} of the {} units of a hidden layer are distinct after training"
    return _counted("units", start, most, "distinct", COUNT, title, said)


# --- what is asked of test scores ---


def _worse(start: str) -> Question:
    return scores(
        "error",
        f"{TITLES[start].removeprefix('the ')}: worse than a random start",
        lambda tables: tables["examples"],
        (RANDOM, TITLES[RANDOM]),
        (start, TITLES[start]),
        Above(LEAST),
        three(
            "the symmetric start is worse",
            "the symmetric start is not worse by a tenth of the headroom above guessing",
            "whether the symmetric start is worse by a tenth of the headroom above guessing",
        ),
        facets={"start": start},
        headroom=True,
    )


def _enough(noise: float, margin: float) -> Question:
    words = f"the margin of {margin_words(margin)}"
    return scores(
        "noise",
        f"noise of {shown(noise)} is enough",
        lambda tables: tables["examples"],
        (noisy(noise), f"the constant start with noise of {shown(noise)}"),
        (RANDOM, TITLES[RANDOM]),
        Above(-margin),
        three(
            f"it is at least as accurate, to within {words}",
            f"at the optimiser's step size it is less accurate by more than {words}",
            f"whether it is less accurate by more than {words}",
        ),
        facets={"noise": noisy(noise)},
    )


# --- the time until units differ ---


def times(tables: Tables) -> dict[int, Table]:
    """The rows of noise that was small at the start and had grown by the end of training, by seed."""
    rows = tables["arms"].where(start="noise").by_seed()
    grew = np.isfinite(rows["broken"]) & (rows["broken"] > 0) & (rows["at_start"] > 0)
    kept = rows.taken(np.flatnonzero(grew))
    return {int(seed): of for (seed,), of in kept.by("seed").items()}


def line(rows: Table) -> tuple[float, float]:
    """The slope in ln(1/difference at the start), 1/λ, and the share of the variance of times that the line explains.

    Both are NaN for fewer than three times, and for times that are all the same: then the looks are too far apart to tell times
    from one another. A line that falls explains nothing, because a smaller difference takes longer to grow.
    """
    if len(rows) < 3 or np.ptp(rows["broken"].astype(float)) == 0:
        return float("nan"), float("nan")
    x, y = -np.log(rows["at_start"].astype(float)), rows["broken"].astype(float)
    slope, at = np.polyfit(x, y, 1)
    if slope <= 0:
        return float(slope), 0.0
    left = float(np.sum((y - slope * x - at) ** 2))
    return float(slope), 1 - left / float(np.sum((y - y.mean()) ** 2))


def rate(time: Verdict | None, tables: Tables) -> float | None:
    """1/λ in steps, the mean over seeds; None unless times were found to lie on a line.

    Arguments:
        time: the verdict on that, at the levels of its look.
    """
    if time is None or time.outcome is not Outcome.HOLDS:
        return None
    return float(np.mean([line(rows)[0] for rows in times(tables).values()]))


def _with_rate(time: Verdict, tables: Tables) -> Verdict:
    steps = rate(time, tables)
    if steps is None:
        return time
    longer = number(steps * np.log(10))
    said = f"A tenth of the difference takes {longer} more steps to grow (1/λ = {number(steps)} steps)."
    return replace(time, reading=f"{time.reading} {said}")


def _explained(tables: Tables) -> Difference:
    every = np.unique(tables["arms"]["seed"])
    found = times(tables)
    return of_seeds(np.array([line(found[s])[1] if s in found else float("nan") for s in every]))


def _time() -> Question:
    def reading(tables: Tables) -> str:
        share = _explained(tables).mean
        if not np.isfinite(share):
            return "In some seed too few sizes of noise grew during training, or all at the same look, to fit a line"
        return f"A line explains {number(100 * share)} % of the variance of times, on average over seeds"

    return Question(
        key="time",
        title="the time until units differ is a line in ln(1/difference at the start)",
        effect=_explained,
        rule=Above(STRAIGHT),
        what="the share of the variance of the time until units differ that a line explains",
        scale=VARIANCE,
        reading=reading,
        says=three("times lie on a line", "times do not lie on a line", "whether times lie on a line"),
    )


# --- the claim ---


def _rounding() -> Gate:
    return no_misses(
        "rounding",
        "rounding treats equal units alike",
        lambda tables: tables["arms"].where(start=CONSTANT),
        "equal",
        "In {} runs rounding told units apart that had started equal: products round their columns differently here.",
        "Hidden layers of another width (multiples of 16, say), or another device, may round all columns alike.",
    )


def _skill() -> Gate:
    return skill_gate(lambda tables: tables["examples"], (RANDOM,))


def _trained(start: str) -> tuple[Gate, Gate]:
    """Training from a start has converged, at a step size that validation chose for it."""
    return _inside(start), _converged(start)


def _inside(start: str) -> Gate:
    def rows(tables: Tables) -> Table:
        of = tables["arms"].where(start=start)
        return of if "inside" in columns(of) else of.adding(inside=np.zeros(len(of), bool))

    return no_misses(
        f"{start} inside",
        f"the step size of {TITLES[start]} lies inside its grid",
        rows,
        "inside",
        f"In {{}} runs the step size of {TITLES[start]} lies at the edge of what was tried, or, in an older run, was not chosen "
        "for this start.",
        "A wider search would open the question: --extensions.",
    )


def _converged(start: str) -> Gate:
    """In every seed at most a fiftieth of the headroom is left to be gained on training data, or the last two quarters differ by
    at most that and lie above guessing by a tenth of it.

    A mean over seeds would hide one that still learns among others that do not, and changes that cancel. A score that falls
    has not converged either.
    """

    def rows(tables: Tables) -> Table:
        of = tables["arms"].where(start=start)
        last, before = (np.asarray(of[column], float) for column in ("train_score", "before"))
        room = 1.0 - float(np.mean(tables["examples"]["guess"]))
        flat = (np.abs(last - before) <= STEADY * room) & (last - (1 - room) >= LEAST * room)
        return of.adding(converged=(1 - last <= STEADY * room) | flat)

    most = f"{100 * STEADY:g} % of the headroom above guessing"
    return no_misses(
        f"{start} converged",
        f"training from {TITLES[start]} has converged",
        rows,
        "converged",
        f"In {{}} runs training from {TITLES[start]} has not converged: more than {most} is left to be gained in training "
        "score, and that score differs by more between the last two quarters of the steps, or gains less than "
        f"{100 * LEAST:g} % of the headroom.",
        "More --steps, or other --step-sizes, would open the question.",
    )


RULE = (
    "The claim holds if, from the constant start, the gradients of every hidden layer have rank one, and the test score is lower "
    f"than from the random start by at least {100 * LEAST:g} % of the headroom above guessing. It fails if one of the two is "
    "false. Otherwise it is undecided. It is also undecided if the random start is not better than guessing, if at any look "
    "rounding has told units apart, if the step size of one of the two starts lies at the edge of what was tried, or if training "
    f"from one of them has not converged in every seed. It has converged if at most {100 * STEADY:g} % of the headroom is "
    "left to be gained in training score. It has also converged if the score differs by at most that between the last two "
    f"quarters of the steps, and gains at least {100 * LEAST:g} % of the headroom: a start that is stuck at guessing is flat "
    "too. Distinct units, other starts, noise and times are side questions."
)
SAYS = {
    Outcome.HOLDS: "From equal weights the units of a layer stay equal, and the network learns less.",
    Outcome.FAILS: "Equal weights do not have all the consequences that the claim says.",
    Outcome.UNDECIDED: "These runs do not decide the claim.",
}
