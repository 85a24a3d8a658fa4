"""What `random-filters` asks: random filters against learned ones, in a front end that rectifies, normalises and pools.

The claim is about one stage with all blocks. Random filters score at most the margin less than learned ones, and more than the
pixels themselves; otherwise a task that is linear in its pixels would make any filters look good. There the margin may be more
than learned filters gain, and hardly any gain would do. So random filters have at least half of that gain:

    (random − pixels) − ½·(learned − pixels)

is above zero. What the blocks do, a second stage, Gabor filters and freezing layers of a deep network are side questions. The
interaction,

    (learned − random, without rectification and normalisation) − (learned − random, with both),

is above zero if random filters need the blocks more than learned ones do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.asking import columns, no_misses, scores, three
from ticketlab.claims.gates import margin_gate, skill_gate
from ticketlab.claims.headroom import difference
from ticketlab.claims.wording import margin_words, points
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Difference, paired_difference
from ticketlab.laws.formulae import All, Formula, Gate, Gated, Question, Tables, answer
from ticketlab.laws.rules import USUAL, Above, Levels
from ticketlab.laws.scale import POINTS
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "BASE", "BLOCKS", "COPIED", "COPIES", "COPYING", "FREEZING", "GABOR", "HALF", "INTERACTION",
    "LEARNED", "LEARNED_PLAIN", "LEARNED_TWO", "LOGISTIC", "NAMES", "NORMALISED", "PIXELS", "PLAIN", "RANDOM", "RECTIFIED",
    "RULE", "SCORE", "STAGE", "TUNED", "TWO", "copied", "formula", "frozen", "logistic", "of_copied",
    "side_questions", "verdicts",
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
    RANDOM: "the front end with random filters",
    LEARNED: "the front end with learned filters",
    GABOR: "the front end with Gabor filters",
    PIXELS: "the read-out of the pixels",
    PLAIN: "the bare front end with random filters",
    LEARNED_PLAIN: "the bare front end with learned filters",
    RECTIFIED: "the front end with random filters and rectification alone",
    NORMALISED: "the front end with random filters and normalisation alone",
    TWO: "the two-stage front end with random filters",
    LEARNED_TWO: "the two-stage front end with learned filters",
}
"""The columns of test examples; a bare front end has neither rectification nor normalisation."""

LOGISTIC = (RANDOM, LEARNED, PIXELS, PLAIN, LEARNED_PLAIN)
"""What has a logistic read-out, too."""

BASE = "base"
COPIES = {
    "anb": "half A, frozen",
    "anb_tuned": "half A, fine-tuned",
    "bnb": "half B, frozen",
    "bnb_tuned": "half B, fine-tuned",
    "rnb": "drawn, frozen",
}
"""Where the first layers of a network on half B come from, and whether they are trained."""
TUNED = ("anb_tuned", "bnb_tuned")
COPIED = {
    "anb": "copied from the network of half A and frozen",
    "anb_tuned": "copied from the network of half A and fine-tuned",
    "bnb": "copied from the network of half B and frozen",
    "bnb_tuned": "copied from the network of half B and fine-tuned",
    "rnb": "frozen at random",
}

SCORE, BLOCKS, INTERACTION, STAGE, FREEZING = "score", "blocks", "interaction", "stage", "freezing"
COPYING, HALF = "copying", "half"
TRAINED = (LEARNED, LEARNED_PLAIN, LEARNED_TWO)


def frozen(layers: int) -> str:
    """The column of the network whose first layers stay random."""
    return f"frozen_{layers}"


def logistic(arm: str) -> str:
    """The column of an arm's logistic read-out."""
    return f"{arm}_logistic"


def copied(kind: str, layers: int) -> str:
    """The column of a network whose first layers are copied, as `COPIES` says."""
    return f"{kind}_{layers}"


def of_copied(column: str) -> tuple[str, int]:
    """The kind and the number of layers of such a column; none of the network that is trained as a whole."""
    kind, _, layers = column.rpartition("_")
    return (kind, int(layers)) if kind else (BASE, 0)


def formula(margin: float) -> Formula:
    """The claim.

    Arguments:
        margin: by which random filters may score less than learned ones.
    """
    asked = (_as_good(SCORE, RANDOM, LEARNED, margin), _better(PIXELS, RANDOM, PIXELS), _half())
    return Gated((_skill(LEARNED),), All(asked), key="claim")


def side_questions(
    margin: float, layers: Sequence[int], copies: Sequence[int] = (), *, logistics: bool = True
) -> tuple[Formula, ...]:
    """The blocks, their interaction with learning, Gabor filters, the second stage, logistic read-outs, freezing and copying.

    Arguments:
        layers: numbers of first layers that are frozen.
        copies: numbers of first layers that are copied between two halves of the classes.
        logistics: whether logistic read-outs are asked about.
    """
    of_halves = [question for count in copies for question in _copying(count, margin)]
    skilled = skill_gate(lambda tables: tables["halves"], (BASE,))
    return (
        *_skilled(
            LEARNED,
            _better(BLOCKS, RANDOM, PLAIN),
            _interaction(),
            _better("rectification", RECTIFIED, PLAIN),
            _better("normalisation", NORMALISED, PLAIN),
            _as_good(GABOR, GABOR, LEARNED, margin),
        ),
        *_skilled(LEARNED_TWO, _as_good(STAGE, TWO, LEARNED_TWO, margin)),
        *_skilled(LEARNED, _better("second-stage", TWO, RANDOM)),
        *(_skilled(logistic(LEARNED), *_with_logistic(margin)) if logistics else ()),
        *_skilled(frozen(0), *(_freezing(count, margin) for count in layers)),
        *(Gated((skilled,), each) for each in of_halves),
    )


def verdicts(
    margin: float,
    layers: Sequence[int],
    tables: Tables,
    levels: Levels = USUAL,
    copies: Sequence[int] = (),
) -> tuple[Verdict, ...]:
    """The claim, its three questions, and the side questions; without those that an older run has not measured."""
    whole = answer(formula(margin), tables, levels)
    claim = claim_verdict(whole, RULE, SAYS)
    logistics = set(map(logistic, LOGISTIC)) <= columns(_examples(tables))
    asked = side_questions(margin, layers, copies if "halves" in tables else (), logistics=logistics)
    return verdicts_of(claim, whole, asked, tables, levels)


# --- questions ---


def _examples(tables: Tables) -> Table:
    found: Table = tables["examples"]
    return found


def _name(column: str) -> str:
    arm = column.removesuffix("_logistic")
    if arm == column:
        return NAMES[arm]
    return "the logistic read-out of the pixels" if arm == PIXELS else f"{NAMES[arm]} and a logistic read-out"


def _as_good(key: str, one: str, other: str, margin: float) -> Formula:
    within = f"the margin of {margin_words(margin)}"
    says = three(
        f"it is at least as good, to within {within}",
        f"it falls short by more than {within}",
        f"whether it falls short by more than {within}",
    )
    title = f"{_name(one)} is as good as {_name(other)}"
    asked = _asked(key, title, one, other, Above(-margin), says)
    if key == SCORE:  # whose gain over the pixels is asked for too
        return asked
    return Gated((margin_gate(_examples, (one, _name(one)), (other, _name(other)), margin),), asked)


def _better(key: str, one: str, other: str) -> Formula:
    says = three("the first is better", "the second is better", "which is better")
    return _asked(key, f"{_name(one)} is better than {_name(other)}", one, other, Above(0.0), says)


def _asked(key: str, title: str, one: str, other: str, rule: Above, says: dict[Outcome, str]) -> Formula:
    question = scores(key, title, _examples, (one, _name(one)), (other, _name(other)), rule, says)
    return Gated(_of(one, other), question)


def _half() -> Formula:
    def gains(tables: Tables) -> tuple[Difference, Difference]:
        rows = _examples(tables)
        return difference(rows, RANDOM, PIXELS), difference(rows, LEARNED, PIXELS)

    def effect(tables: Tables) -> Difference:
        rows = _examples(tables)
        beyond = rows[RANDOM] - (rows[LEARNED] + rows[PIXELS]) / 2
        return paired_difference(beyond, rows["seed"], rows["id"])

    def reading(tables: Tables) -> str:
        random, learned = (points(gain.mean) for gain in gains(tables))
        return f"Over the pixels random filters gain {random} points and learned filters {learned} points"

    question = Question(
        key=HALF,
        title="random filters gain at least half of what learned filters gain over the pixels",
        effect=effect,
        rule=Above(0.0),
        what="what random filters gain over the pixels, minus half of what learned filters gain,",
        scale=POINTS,
        reading=reading,
        says=three("that is at least half", "that is less than half", "whether that is at least half"),
    )
    return Gated(_of(RANDOM, LEARNED, PIXELS), question)


def _freezing(count: int, margin: float) -> Formula:
    within = f"the margin of {margin_words(margin)}"
    who = f"the network with its first {'layer' if count == 1 else f'{count} layers'} frozen at random"
    sides = (frozen(count), who), (frozen(0), "the network with all layers trained")
    question = scores(
        FREEZING,
        f"first {'layer' if count == 1 else f'{count} layers'} frozen: as good as all trained",
        _examples,
        *sides,
        Above(-margin),
        three(
            f"it is at least as good, to within {within}",
            f"it falls short by more than {within}",
            f"whether it falls short by more than {within}",
        ),
        facets={"layers": str(count)},
    )
    return Gated((*_of(frozen(count), frozen(0)), margin_gate(_examples, *sides, margin)), question)


def _copying(count: int, margin: float) -> tuple[Formula, ...]:
    """Of the first layers, copied: is a network with them as good as one that is trained as a whole, or better?"""
    within = f"the margin of {margin_words(margin)}"
    good = three(
        f"it is at least as good, to within {within}",
        f"it falls short by more than {within}",
        f"whether it falls short by more than {within}",
    )
    better = three("the first is better", "the second is better", "which is better")
    first = f"first {'layer' if count == 1 else f'{count} layers'}"

    def asked(kind: str, other: str, rule: Above, says: dict[Outcome, str], then: str) -> Formula:
        pair = copied(kind, count), other if other == BASE else copied(other, count)
        whom = "the network with all layers trained"
        if other != BASE:
            whom = f"the network with its {first} {COPIED[other]}"
        sides = (pair[0], f"the network with its {first} {COPIED[kind]}"), (pair[1], whom)
        question = scores(
            COPYING,
            f"{first} {COPIED[kind]}: {then}",
            lambda tables: tables["halves"],
            *sides,
            rule,
            says,
            facets={"layers": str(count), "kind": kind, "against": other},
            before="on half B of the classes, ",
        )
        coarse = (margin_gate(lambda tables: tables["halves"], *sides, margin),) if rule.limit else ()
        return Gated((*_of(*pair), *coarse), question)

    return (
        asked("bnb", BASE, Above(-margin), good, "as good as all trained"),
        asked("bnb_tuned", BASE, Above(-margin), good, "as good as all trained"),
        asked("anb", BASE, Above(-margin), good, "as good as all trained"),
        asked("anb_tuned", BASE, Above(0.0), better, "better than all trained"),
        asked("anb", "rnb", Above(0.0), better, "better than frozen at random"),
    )


def _with_logistic(margin: float) -> tuple[Formula, ...]:
    """The claim's first two questions and the interaction, with another read-out."""
    return (
        _as_good("logistic", logistic(RANDOM), logistic(LEARNED), margin),
        _better("logistic-pixels", logistic(RANDOM), logistic(PIXELS)),
        _interaction(logistic),
    )


def _interaction(named: Callable[[str], str] = lambda arm: arm) -> Formula:
    four = tuple(map(named, (LEARNED_PLAIN, PLAIN, LEARNED, RANDOM)))
    learned_plain, plain, learned, random = four
    how = "" if plain == PLAIN else "With a logistic read-out, "

    def gaps(tables: Tables) -> tuple[Difference, Difference]:
        rows = _examples(tables)
        return difference(rows, learned_plain, plain), difference(rows, learned, random)

    def effect(tables: Tables) -> Difference:
        rows = _examples(tables)
        apart = rows[learned_plain] - rows[plain] - rows[learned] + rows[random]
        return paired_difference(apart, rows["seed"], rows["id"], unit=2.0)

    def reading(tables: Tables) -> str:
        without, with_both = (points(gap.mean) for gap in gaps(tables))
        return (
            f"{how}{'learning' if how else 'Learning'} the filters gains {without} points without rectification and "
            f"normalisation and {with_both} points with both"
        )

    question = Question(
        key=INTERACTION if not how else "logistic-interaction",
        title=f"{how.lower()}random filters need rectification and normalisation more than learned filters",
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
    return Gated(_of(*four), question)


# --- gates ---


def _skill(standard: str) -> Gate:
    """What others are compared with is better than guessing."""
    return skill_gate(_examples, (standard,))


def _skilled(standard: str, *asked: Formula) -> tuple[Formula, ...]:
    return tuple(Gated((_skill(standard),), each) for each in asked)


def _of(*names: str) -> tuple[Gate, ...]:
    """Read-outs lie inside their grids, and what was trained was trained to its end."""

    def rows(tables: Tables) -> Table:
        table: Table = tables["choices"]
        return table.taken(np.flatnonzero(np.isin(table["arm"], names)))

    who = " or ".join(
        dict.fromkeys(_name(c) if c.removesuffix("_logistic") in NAMES else "a deep network" for c in names)
    )
    gates = [
        no_misses(
            "inside",
            "choices lie inside their grids",
            rows,
            "inside",
            f"In {{}} cases ({who}) a ridge, a penalty or a step size lies at the edge of what was tried.",
            "A wider search would open the question: --extensions.",
        )
    ]
    if any(c.removesuffix("_logistic") in TRAINED or c.removesuffix("_logistic") not in NAMES for c in names):
        gates.append(
            no_misses(
                "trained",
                "what is trained is trained to the end",
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
    "same stage with learned filters, scores more than the pixels themselves with the same read-out, and gains at least half of "
    "what learned filters gain over the pixels. It fails if one of the three is false. Otherwise it is undecided. It is also "
    "undecided if learned filters are not better than guessing, if their training was still improving, or if a setting lies at "
    "the edge of its grid. Everything else is a side question."
)
SAYS = {
    Outcome.HOLDS: "Random filters are almost as good as learned ones, better than the pixels, and gain at least half of what "
    "learned filters gain over the pixels.",
    Outcome.FAILS: "Random filters are not all of these: almost as good as learned ones, better than the pixels, and ahead of "
    "the pixels by at least half of what learned filters gain.",
    Outcome.UNDECIDED: "These runs do not decide the claim.",
}
