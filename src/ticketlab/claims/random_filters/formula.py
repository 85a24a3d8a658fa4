"""What `random-filters` asks: random filters against learned ones, in a front end that rectifies, normalises and pools.

The claim is about one stage with all blocks. Random filters score at most the margin less than learned ones, and more than the
pixels themselves; otherwise a task that is linear in its pixels would make any filters look good. What the blocks do, a second
stage, Gabor filters and freezing layers of a deep network are side questions. The interaction,

    (learned − random, without rectification and normalisation) − (learned − random, with both),

is above zero if random filters need the blocks more than learned ones do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.asking import no_misses, scores, three
from ticketlab.claims.gates import skill_gate
from ticketlab.claims.headroom import difference
from ticketlab.claims.wording import margin_words, points
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Difference, paired_difference
from ticketlab.laws.formulae import All, Formula, Gate, Gated, Question, Tables, answer
from ticketlab.laws.rules import USUAL, Above, Levels
from ticketlab.laws.scale import POINTS
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "BLOCKS", "FREEZING", "GABOR", "INTERACTION", "LEARNED", "LEARNED_PLAIN", "LEARNED_TWO", "NORMALISED", "PIXELS",
    "PLAIN", "RANDOM", "RECTIFIED", "RULE", "SCORE", "STAGE", "TWO", "formula", "frozen", "side_questions", "verdicts",
]  # fmt: skip

RANDOM, LEARNED, GABOR, PIXELS = "random", "learned", "gabor", "pixels"
PLAIN, LEARNED_PLAIN, RECTIFIED, NORMALISED = (
    "random_plain",
    "learned_plain",
    "random_rectified",
    "random_normalised",
)
TWO, LEARNED_TWO = "random_two", "learned_two"
NAMES = {
    RANDOM: "random filters with rectification and normalisation",
    LEARNED: "learned filters with both",
    GABOR: "Gabor filters with both",
    PIXELS: "the pixels themselves",
    PLAIN: "random filters with neither",
    LEARNED_PLAIN: "learned filters with neither",
    RECTIFIED: "random filters with rectification alone",
    NORMALISED: "random filters with normalisation alone",
    TWO: "two stages of random filters",
    LEARNED_TWO: "two stages of learned filters",
}
"""The columns of test examples."""

SCORE, BLOCKS, INTERACTION, STAGE, FREEZING = "score", "blocks", "interaction", "stage", "freezing"
AS_GOOD, BETTER = "as-good", "better"
TRAINED = (LEARNED, LEARNED_PLAIN, LEARNED_TWO)


def frozen(layers: int) -> str:
    """The column of the network whose first layers stay random."""
    return f"frozen_{layers}"


def formula(margin: float) -> Formula:
    """The claim.

    Arguments:
        margin: by which random filters may score less than learned ones.
    """
    asked = (_as_good(SCORE, RANDOM, LEARNED, margin), _better(PIXELS, RANDOM, PIXELS))
    return Gated((_skill(),), All(asked), key="claim")


def side_questions(margin: float, layers: Sequence[int]) -> tuple[Formula, ...]:
    """The blocks, their interaction with learning, Gabor filters, the second stage, and freezing.

    Arguments:
        layers: numbers of first layers that are frozen.
    """
    asked = (
        _better(BLOCKS, RANDOM, PLAIN),
        _interaction(),
        _better("rectification", RECTIFIED, PLAIN),
        _better("normalisation", NORMALISED, PLAIN),
        _as_good(GABOR, GABOR, LEARNED, margin),
        _as_good(STAGE, TWO, LEARNED_TWO, margin),
        _better("second-stage", TWO, RANDOM),
        *(_freezing(count, margin) for count in layers),
    )
    return tuple(Gated((_skill(),), each) for each in asked)


def verdicts(
    margin: float, layers: Sequence[int], tables: Tables, levels: Levels = USUAL
) -> tuple[Verdict, ...]:
    """The claim, its two questions, and the side questions."""
    whole = answer(formula(margin), tables, levels)
    claim = claim_verdict(whole, RULE, SAYS)
    return verdicts_of(claim, whole, side_questions(margin, layers), tables, levels)


# --- questions ---


def _examples(tables: Tables) -> Table:
    found: Table = tables["examples"]
    return found


def _as_good(key: str, one: str, other: str, margin: float) -> Formula:
    within = f"the margin of {margin_words(margin)}"
    says = three(
        f"within {within} it is as good",
        f"it falls short by more than {within}",
        f"whether that is within {within}",
    )
    title = f"{NAMES[one]} are as good as {NAMES[other]}"
    return _asked(key, title, one, other, Above(-margin), says)


def _better(key: str, one: str, other: str) -> Formula:
    says = three("the first is better", "the second is better", "which is better")
    return _asked(key, f"{NAMES[one]} are better than {NAMES[other]}", one, other, Above(0.0), says)


def _asked(key: str, title: str, one: str, other: str, rule: Above, says: dict[Outcome, str]) -> Formula:
    question = scores(key, title, _examples, (one, NAMES[one]), (other, NAMES[other]), rule, says)
    return Gated(_of(one, other), question)


def _freezing(count: int, margin: float) -> Formula:
    within = f"the margin of {margin_words(margin)}"
    who = f"the network with its first {'layer' if count == 1 else f'{count} layers'} frozen at random"
    question = scores(
        FREEZING,
        f"first {'layer' if count == 1 else f'{count} layers'} frozen: as good as all trained",
        _examples,
        (frozen(count), who),
        (frozen(0), "the network with all layers trained"),
        Above(-margin),
        three(
            f"within {within} it is as good",
            f"it falls short by more than {within}",
            f"whether that is within {within}",
        ),
        facets={"layers": str(count)},
    )
    return Gated(_of(frozen(count), frozen(0)), question)


def _interaction() -> Formula:
    columns = (LEARNED_PLAIN, PLAIN, LEARNED, RANDOM)

    def gaps(tables: Tables) -> tuple[Difference, Difference]:
        rows = _examples(tables)
        return difference(rows, LEARNED_PLAIN, PLAIN), difference(rows, LEARNED, RANDOM)

    def effect(tables: Tables) -> Difference:
        rows = _examples(tables)
        apart = rows[LEARNED_PLAIN] - rows[PLAIN] - rows[LEARNED] + rows[RANDOM]
        return paired_difference(apart, rows["seed"], rows["id"], unit=2.0)

    def reading(tables: Tables) -> str:
        without, with_both = (points(gap.mean) for gap in gaps(tables))
        return (
            f"Learning the filters gains {without} points without rectification and normalisation and {with_both} points with "
            "both"
        )

    question = Question(
        key=INTERACTION,
        title="random filters need rectification and normalisation more than learned filters",
        effect=effect,
        rule=Above(0.0),
        what="what learning the filters gains without rectification and normalisation, minus what it gains with both,",
        scale=POINTS,
        reading=reading,
        says=three(
            "the blocks make up for learning",
            "the blocks make learning matter more",
            "whether the blocks make up for it",
        ),
    )
    return Gated(_of(*columns), question)


# --- gates ---


def _skill() -> Gate:
    return skill_gate(_examples, (LEARNED,))


def _of(*columns: str) -> tuple[Gate, ...]:
    """Read-outs lie inside their grids, and what was trained was trained to its end."""

    def rows(tables: Tables) -> Table:
        table: Table = tables["choices"]
        return table.taken(np.flatnonzero(np.isin(table["arm"], columns)))

    who = " or ".join(NAMES.get(column, "a frozen network") for column in dict.fromkeys(columns))
    gates = [
        no_misses(
            "inside",
            "choices lie inside their grids",
            rows,
            "inside",
            f"In {{}} cases ({who}) a ridge or step size lies at the edge of what was tried.",
            "A wider search would open the question: --extensions.",
        )
    ]
    if any(column in TRAINED or column.startswith("frozen") for column in columns):
        gates.append(
            no_misses(
                "trained",
                "filters are trained to the end",
                rows,
                "settled",
                f"In {{}} cases ({who}) training was still improving when it ended.",
                "More epochs would open the question: --epochs, or --doublings.",
            )
        )
    return tuple(gates)


# --- the claim ---

RULE = (
    "The claim holds if one stage of random filters, rectified, normalised and pooled, scores at most the margin less than the "
    "same stage with learned filters, and more than the pixels themselves with the same read-out. It fails if one of the two "
    "fails. Otherwise it is undecided. It is also undecided if learned filters are not better than guessing, if their training "
    "was still improving, or if a setting lies at the edge of its grid. Everything else is a side question."
)
SAYS = {
    Outcome.HOLDS: "Random filters are almost as good as learned ones, and better than the pixels.",
    Outcome.FAILS: "Random filters are not both almost as good as learned ones and better than the pixels.",
    Outcome.UNDECIDED: "These runs do not decide the claim.",
}
