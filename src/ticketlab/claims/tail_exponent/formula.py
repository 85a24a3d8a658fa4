"""What `tail-exponent` asks: does the tail of random units predict the exponent with which the loss falls with size?

Every pair of task and network has a predicted exponent α̂, from the expected best of its random units, and a measured one α, both
between its smallest and its largest width (`exponents`). Of trained networks two things are asked, of means over seeds:

    ranks   the rank correlation of α̂ and α over the tasks of a network, on average over networks, above 0
    miss    the mean of |α̂ − α|/α over pairs, below 0.3

The claim is about trained networks, because the loss of these is what people mean by returns to scale. The same two questions
about random features with a trained read-out are side questions. They are nearer to the best unit, since the first layer stays.

A predictor that says the same of every task has no rank correlation, so the first question keeps it out. One that ranks tasks
well and has the wrong size is kept out by the second.

The rule would be wrong if pairs counted as independent. Networks on one task are alike, and with few tasks any two quantities of
a task are ranked alike by chance, over all pairs at once. So certainty comes from the number of tasks (`over_tasks`). And all
pairs of one network may be above those of another by chance. So tasks are ranked within each network.

Nothing is said with fewer than six tasks, of units that are no better than with permuted targets or differ by noise, of exponents
that may be 0, and of networks that other step sizes would change, or that are not shown to be trained to the end.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.asking import no_misses, three
from ticketlab.claims.tail_exponent.over_tasks import OverTasks, by_task, mean_over_tasks, rank_correlation
from ticketlab.claims.wording import listed, plural
from ticketlab.figures.wording import fixed
from ticketlab.laws.difference import of_seeds
from ticketlab.laws.formulae import All, Formula, Gate, Gated, Question, Tables, answer
from ticketlab.laws.rules import USUAL, Above, Below, Levels
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "BEST", "LATE", "MISS", "MISSED", "PREDICTED", "RANKS", "RULE", "SELECTED", "TASKS", "TRAINED", "Exponents", "exponents",
    "formula", "misses", "side_questions", "verdicts",
]  # fmt: skip

BEST, SELECTED, TRAINED = "best unit", "random features", "trained"
COLUMNS = {SELECTED: "selected", TRAINED: "trained"}
NETWORKS = {SELECTED: "networks with random features", TRAINED: "trained networks"}
PREDICTED = "predicted"
RANKS, MISS = "ranks", "miss"
MISSED = 0.3  # of the measured exponent
TASKS, LATE = 6, 0.1
RELIABLE = 0.9  # with normal units and noise, 1/9 of their variance, gains are then 0.3 % too large, and 5 % before correction
RANK = Scale("in rank correlation", bounds=(-1.0, 1.0))
SHARE = Scale("% of the measured exponent", 100.0, bounds=(0.0, np.inf))


class Exponents(NamedTuple):
    """Exponents of the pairs, of the seeds that all pairs have.

    Arguments:
        predicted, measured: α̂ and α `[m, s]`.
        task: of each pair `[m]`; tasks of one name, such as two splits of one data set, are one.
        network: of each pair `[m]`.
        names: of each pair.
    """

    predicted: Float[np.ndarray, "m s"]
    measured: Float[np.ndarray, "m s"]
    task: Int[np.ndarray, "m"]
    network: Int[np.ndarray, "m"]
    names: tuple[str, ...]


def formula() -> Formula:
    """The claim: the tail predicts the exponents of trained networks, in order and in size."""
    return Gated(_gates(TRAINED), All((_ranks(TRAINED), _miss(TRAINED)), key="claim"))


def side_questions() -> tuple[Formula, ...]:
    """The same of random features."""
    return Gated(_gates(SELECTED), _ranks(SELECTED)), Gated(_gates(SELECTED), _miss(SELECTED))


def verdicts(tables: Tables, levels: Levels = USUAL) -> tuple[Verdict, ...]:
    found = answer(formula(), tables, levels)
    return verdicts_of(claim_verdict(found, RULE, SAYS), found, side_questions(), tables, levels)


# --- exponents ---


def exponents(of: str, tables: Tables) -> Exponents:
    """The exponents of random features or of trained networks, next to those predicted."""
    found = _columns(tables, PREDICTED, COLUMNS[of])
    task, network = _numbered(found, "task"), _numbered(found, "network")
    return Exponents(found[PREDICTED], found[COLUMNS[of]], task, network, _names(found))


def _numbered(found: dict[str, np.ndarray], name: str) -> Int[np.ndarray, "m"]:
    """The task or the network of each pair, by number."""
    return np.unique(found[name][:, 0], return_inverse=True)[1]


def _columns(tables: Tables, *names: str) -> dict[str, np.ndarray]:
    """Columns by pair and seed `[m, s]`, of the seeds that all pairs have; with task, place and network."""
    rows = tables["exponents"]
    place, network, seed = (rows[name] for name in ("place", "network", "seed"))
    order = np.lexsort((seed, network, place))
    new = (np.diff(place[order]) != 0) | (network[order][1:] != network[order][:-1])
    pair = np.concatenate([[0], np.cumsum(new)])
    pairs = pair[-1] + 1
    _, number, counts = np.unique(seed[order], return_inverse=True, return_counts=True)
    kept = order[counts[number] == pairs]
    columns = ("task", "place", "network", *names)
    return {name: rows[name][kept].reshape(pairs, -1) for name in columns}


def _names(found: dict[str, np.ndarray]) -> tuple[str, ...]:
    tasks, networks = (found[name][:, 0].tolist() for name in ("task", "network"))
    return tuple(f"{task} with {network}" for task, network in zip(tasks, networks, strict=True))


def misses(of: Exponents) -> Float[np.ndarray, "m"]:
    """|α̂ − α|/α of each pair, of means over seeds."""
    predicted, measured = of.predicted.mean(axis=1), of.measured.mean(axis=1)
    return np.asarray(np.abs(predicted - measured) / np.maximum(np.abs(measured), 1e-12))


# --- questions ---


def _asked(key: str, of: str, title: str, effect: Callable[[str, Tables], OverTasks]) -> partial[Question]:
    return partial(
        Question,
        key=key,
        title=f"{of}: {title}",
        effect=partial(effect, of),
        reading=partial(_read, of),
        facets={"networks": of},
    )


def _ranks(of: str) -> Question:
    return _asked(RANKS, of, "the tail ranks the exponents", _correlation)(
        rule=Above(0.0),
        what=f"the rank correlation of predicted exponents with those of {NETWORKS[of]}, over the tasks of each network,",
        scale=RANK,
        says=three(
            "where the tail promises more, the loss falls faster",
            "where the tail promises more, the loss falls more slowly",
            "whether the loss falls faster where the tail promises more",
        ),
    )


def _correlation(of: str, tables: Tables) -> OverTasks:
    found = exponents(of, tables)
    return rank_correlation(found.predicted, found.measured, found.task, found.network)


def _miss(of: str) -> Question:
    return _asked(MISS, of, "the tail gives their size", _missed)(
        rule=Below(MISSED),
        what=f"the mean distance of predicted exponents from those of {NETWORKS[of]}",
        scale=SHARE,
        says=three(
            "predictions miss by less than three tenths",
            "predictions miss by more than three tenths",
            "whether predictions miss by less than three tenths",
        ),
    )


def _missed(of: str, tables: Tables) -> OverTasks:
    found = exponents(of, tables)
    return mean_over_tasks(misses(found), found.task, found.predicted.shape[1])


def _read(of: str, tables: Tables) -> str:
    found = exponents(of, tables)
    predicted, measured = (values.mean(axis=1) for values in (found.predicted, found.measured))
    tasks = len(np.unique(found.task))
    return (
        f"Over {len(found.task)} pairs of {tasks} tasks the tail predicts exponents from {fixed(predicted.min(), 3)} to "
        f"{fixed(predicted.max(), 3)}, and {NETWORKS[of]} have {fixed(measured.min(), 3)} to {fixed(measured.max(), 3)}"
    )


def _percent(share: float) -> str:
    return f"{fixed(100 * share, 0)} %"


# --- gates ---


def _gates(of: str) -> tuple[Gate, ...]:
    units = "More --tickets, or other --tasks, would open the question."
    gates = (
        Gate("tasks", "at least six tasks", _tasks, "More --tasks would open the question."),
        Gate("skill", "units are better than with permuted targets", _skill, units, shows=True),
        Gate(
            "noise",
            "little noise of the test set",
            _noise,
            "More test examples would open the question.",
        ),
        Gate(
            "falls",
            "the loss falls with size",
            partial(_falls, of),
            "Other --tasks, or more training examples, would open the question.",
            shows=True,
        ),
    )
    if of == SELECTED:
        return gates
    trained = (
        Gate(
            "trained",
            "trained to the end",
            _trained,
            "More --steps or --seeds would open the question.",
            shows=True,
        ),
        no_misses(
            "grid",
            "step sizes inside their grid",
            lambda tables: tables["exponents"],
            "inside",
            "In {} trainings of a pair the step size of a network lies at the edge of its grid.",
            "More --step-sizes would open the question.",
        ),
    )
    return (*gates, *trained)


def _tasks(tables: Tables) -> str | None:
    count = len(np.unique(tables["exponents"]["task"]))
    if count >= TASKS:
        return None
    return f"The run has {plural(count, 'task')} of different names, and a correlation over fewer than {TASKS} says nothing."


def _skill(tables: Tables, levels: Levels = USUAL) -> str | None:
    found = _columns(tables, "held_out", "permuted")
    what = "the best unit explains no more, held out, than of permuted targets"
    return _refused(found, _not_above_zero(found["held_out"] - found["permuted"], levels), what)


def _noise(tables: Tables) -> str | None:
    found = _columns(tables, "reliability")
    what = "more than a tenth of what differs between units is noise of the test set"
    return _refused(found, found["reliability"].mean(axis=1) < RELIABLE, what)


def _falls(of: str, tables: Tables, levels: Levels = USUAL) -> str | None:
    found = _columns(tables, COLUMNS[of])
    what = f"the exponent of {NETWORKS[of]} may be 0, so that no distance from it has a meaning"
    return _refused(found, _not_above_zero(found[COLUMNS[of]], levels), what)


def _trained(tables: Tables, levels: Levels = USUAL) -> str | None:
    """Is it shown that half of the steps change exponents by less than a tenth? A single seed passes, as it decides nothing.

    Single narrow networks end in different minima, so that a pair alone is refused only if its change is certain. Of all pairs
    two things are shown: the mean change, from seed to seed, and, as changes may go both ways, the mean square, from task to
    task. The mean of the products of two seeds, c̄² − s²/S, is that of the square of a pair's change without its noise.
    """
    found = _columns(tables, "trained", "half")
    whole = np.maximum(np.abs(found["trained"].mean(axis=1, keepdims=True)), 1e-12)
    changes = (found["half"] - found["trained"]) / whole
    if (seeds := changes.shape[1]) < 2:
        return None
    certain = np.array([max(low, -high) > LATE for low, high in (of_seeds(of).interval() for of in changes)])
    if certain.any():
        return _refused(found, certain, "half of the steps change the exponent by more than a tenth")
    average = of_seeds(changes.mean(axis=0))
    squares = changes.mean(axis=1) ** 2 - changes.var(axis=1, ddof=1) / seeds
    square = of_seeds(by_task(squares, _numbered(found, "task")))
    low, high = average.lower(levels.smaller), average.upper(levels.smaller)
    most = float(np.sqrt(max(square.upper(levels.smaller), 0.0)))
    if max(-low, high, most) < LATE:
        return None
    return (
        f"Half of the steps change exponents by {_percent(average.mean)} on average ({_percent(low)} to {_percent(high)}), and "
        f"in root mean square by up to {_percent(most)}. That both are below a tenth has to be shown."
    )


def _not_above_zero(values: Float[np.ndarray, "m s"], levels: Levels) -> Bool[np.ndarray, "m"]:
    """Whether the mean over seeds is not for certain above 0; a single seed passes, as it decides nothing."""
    if values.shape[1] < 2:
        return np.zeros(len(values), bool)
    return np.array([of_seeds(of).lower(levels.smaller) <= 0 for of in values])


def _refused(found: dict[str, np.ndarray], wrong: Bool[np.ndarray, "m"], what: str) -> str | None:
    """The reason, if something is wrong with a pair; three are named."""
    named = [name for name, yes in zip(_names(found), wrong, strict=True) if yes]
    if not named:
        return None
    more = [f"{len(named) - 3} more"] if len(named) > 3 else []
    return f"For {listed([*named[:3], *more])}, {what}."


# --- the claim ---

RULE = (
    "The claim holds if the exponents that the tail predicts have a positive rank correlation with those of trained networks, "
    "over the tasks of each network and on average over networks, and miss them by less than 30 % on average over all pairs. "
    "It fails if the correlation is negative, or the miss larger. Otherwise it is undecided. It is also undecided with fewer "
    "than six tasks of different names, or if it is not shown that half of the steps change exponents by less than a tenth, "
    "on average and in root mean square. So it is if for one pair units are no better than with permuted targets or differ by "
    "noise, the loss does not fall, half of the steps change the exponent by more than a tenth, or a step size lies at the "
    "edge of its grid. The same questions about random features are side questions."
)
SAYS = {
    Outcome.HOLDS: "The tail of random units predicts how fast the loss of trained networks falls with size.",
    Outcome.FAILS: "The tail of random units does not predict how fast the loss of trained networks falls with size.",
    Outcome.UNDECIDED: "These runs do not decide whether the tail of random units predicts how fast the loss falls.",
}
