"""What `multigraph` asks: can a mask write any network into edges that contain nothing, and which measures are fooled by that?

The multigraph has b pairs of parallel edges ±S·2^−k in the place of each weight. Nothing is drawn. So whatever scores high on it
shows what a mask can store, and not what a random network contains.

*Calibration.* A measure is taken of a random network, of the same network with permuted labels, and of the multigraph. Scores are
shares of what chance leaves to be gained. A measure may be said to show content if it tells true labels from permuted ones by
more than a tenth, and scores less than a tenth on the multigraph. Two side questions ask that of each measure.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.asking import scores, three
from ticketlab.claims.gates import skill_gate
from ticketlab.claims.headroom import LEAST
from ticketlab.claims.wording import margin_words
from ticketlab.laws.difference import Difference, of_seeds
from ticketlab.laws.formulae import All, Formula, Gate, Gated, Question, Tables, answer
from ticketlab.laws.rules import USUAL, Above, Below, Levels, Within
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "EDGES", "EMPTY", "LEAST", "MEASURES", "NET", "PERMUTED", "RANDOM", "TARGET", "WRITTEN", "formula", "rule", "side_questions",
    "verdicts",
]  # fmt: skip

TARGET, WRITTEN, EMPTY, RANDOM = "target", "written mask", "all edges", "random mask"
NET, PERMUTED, EDGES = "random network", "permuted labels", "multigraph"
MEASURES = ("accuracy as drawn", "best unit", "linear read-out", "learned mask")
GAINED = Scale("% of what chance leaves", 100.0, bounds=(-np.inf, 100.0))


def formula(margin: float) -> Formula:
    """The claim.

    Arguments:
        margin: the difference in test score that counts as equal.
    """
    return Gated(
        (_skill(),),
        All(
            (_written(margin), Gated((_memorised(),), _permuted()), _nothing(EMPTY), _nothing(RANDOM)),
            key="claim",
        ),
    )


def side_questions() -> tuple[Formula, ...]:
    """Of each measure: does it tell true labels from permuted ones, and is it at chance on the multigraph?"""
    asked = [question for measure in MEASURES for question in (_separates(measure), _chance(measure))]
    return tuple(Gated((_skill(),), question) for question in asked)


def verdicts(tables: Tables, margin: float, bits: int, levels: Levels = USUAL) -> tuple[Verdict, ...]:
    """The claim, its questions, and the side questions."""
    whole = answer(formula(margin), tables, levels)
    claim = claim_verdict(whole, rule(margin, bits), SAYS)
    return verdicts_of(claim, whole, side_questions(), tables, levels)


def _skill() -> Gate:
    return skill_gate(lambda tables: tables["examples"], (TARGET,))


def _memorised() -> Gate:
    return skill_gate(lambda tables: tables["learnt"], (TARGET,))


# --- the claim ---


def _written(margin: float) -> Question:
    return scores(
        "written",
        "a mask writes the trained network",
        lambda tables: tables["examples"],
        (WRITTEN, "the masked multigraph"),
        (TARGET, "the trained network"),
        Within(margin),
        three(
            "they are equally accurate", "they are not equally accurate", "whether they are equally accurate"
        ),
    )


def _permuted() -> Question:
    return scores(
        PERMUTED,
        "a mask writes what has fitted permuted labels",
        lambda tables: tables["learnt"],
        (WRITTEN, "the masked multigraph"),
        (TARGET, "the network that has fitted permuted labels"),
        Above(-LEAST),
        three("it is written as well", "it is written less well", "whether it is written as well"),
        headroom=True,
        before="With permuted labels, ",
        part="training",
    )


def _nothing(arm: str) -> Question:
    who = {EMPTY: "the multigraph with all its edges", RANDOM: "a random mask of the multigraph"}[arm]
    return scores(
        arm,
        f"{who} knows nothing",
        lambda tables: tables["examples"],
        (arm, who),
        ("guess", "the most frequent class"),
        Below(LEAST),
        three("it knows nothing", "it knows something", "whether it knows something"),
        headroom=True,
    )


def rule(margin: float, bits: int) -> str:
    """What happens for each outcome."""
    return (
        f"The claim holds if four statements are true. A mask of {bits} digits gives the multigraph the trained network's test "
        f"score, to within {margin_words(margin)}. Another mask loses less than a tenth of the headroom of a network that has "
        "fitted permuted labels, on those labels. With all its edges, and under random masks, the multigraph gains less than a "
        "tenth of the headroom above guessing. It fails if one of them is false. Otherwise it is undecided. It is also "
        "undecided if a target has learnt nothing. The measures are side questions."
    )


SAYS = {
    Outcome.HOLDS: (
        "A mask turns the multigraph into any network, and without one it knows nothing. What a mask does shows no content of "
        "the network that is masked."
    ),
    Outcome.FAILS: "Not all that the claim says of the multigraph is true.",
    Outcome.UNDECIDED: "These runs do not decide the claim.",
}


# --- measures ---


def _values(tables: Tables, measure: str, of: str) -> np.ndarray:
    rows = tables["measures"].where(measure=measure, of=of).by_seed()
    return np.array([float(part["above"][0]) for part in rows.by("seed").values()])


def _separates(measure: str) -> Question:
    def effect(tables: Tables) -> Difference:
        return of_seeds(_values(tables, measure, NET) - _values(tables, measure, PERMUTED))

    return Question(
        key="separates",
        title=f"{measure}: tells true labels from permuted ones",
        effect=effect,
        rule=Above(LEAST),
        what=f"the {measure} of the random network, true minus permuted labels,",
        scale=GAINED,
        reading=partial(_read, measure),
        says=three(
            "it tells them apart",
            "it does not tell them apart, so it shows no content",
            "whether it tells them apart",
        ),
        facets={"measure": measure},
    )


def _chance(measure: str) -> Question:
    return Question(
        key="chance",
        title=f"{measure}: at chance on the multigraph",
        effect=lambda tables: of_seeds(_values(tables, measure, EDGES)),
        rule=Below(LEAST),
        what=f"the {measure} of the multigraph",
        scale=GAINED,
        reading=partial(_read, measure),
        says=three(
            "the multigraph is at chance",
            "the multigraph is above chance, so the measure shows no content",
            "whether the multigraph is at chance",
        ),
        facets={"measure": measure},
    )


def _read(measure: str, tables: Tables) -> str:
    means = (float(_values(tables, measure, of).mean()) for of in (NET, PERMUTED, EDGES))
    read = [f"{round(100 * mean)} %".replace("-", "−") for mean in means]
    return (
        f"The measure ({measure}) gains {read[0]} of what chance leaves on the random network, {read[1]} with permuted labels "
        f"and {read[2]} on the multigraph"
    )
