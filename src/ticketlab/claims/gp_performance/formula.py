"""What `gp-performance` asks, from tables alone: how much of what training gains over guessing does each picture explain?

The claim says *the large majority*: the share explained is above a limit (by default .9) for every picture and width, at the
largest training size. The formula also has shuffled labels, on which nobody may gain anything.

Training and tangent minimum are measured with the random function f₀ centred away. It costs both of them accuracy, which the
mean of an infinitely wide network does not lose: with f₀ kept, a picture would explain more than all of the gain. What is found
with f₀ kept, and of one draw of the law of trained networks, are side questions.

A share is a ratio. It says something only if its denominator is known: training has to be better than guessing by a tenth of the
headroom, and the interval of its gain has to be narrow. It is fair only if both sides were tuned alike. So each choice has to be
that of the validation examples, from equally many candidates, inside its grid; and training has to have ended.

A large share is an explanation only if arbitrary kernels do not have it too, and if training keeps up with its pictures
(`shares`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ticketlab.claims.answers import claim_verdict, headline, side_verdicts
from ticketlab.claims.asking import no_misses, scores, three
from ticketlab.claims.gates import margin_gate, skill_gate
from ticketlab.claims.gp_performance.search import searched
from ticketlab.claims.gp_performance.shares import (
    ARBITRARY,
    EXPLAINED,
    RBF,
    RBF_NOISE,
    explained,
    keeps_up,
    known_gain,
    read_share,
    telling,
)
from ticketlab.claims.headroom import HEADROOM, LEAST, percent, share
from ticketlab.claims.wording import margin_words, number
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Difference, paired_difference
from ticketlab.laws.formulae import All, Formula, Gate, Gated, Question, Tables
from ticketlab.laws.rules import USUAL, Above, Below, Levels, Within
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "ARMS", "COLUMNS", "DESCENT", "DRAW", "EQUAL", "GROWTH", "KEPT", "NNGP", "NOTHING", "NTK", "PICTURES",
    "SHARE", "SHUFFLED", "TANGENT", "TRUE", "Asked", "parts", "rule", "side_questions", "verdicts",
]  # fmt: skip

DESCENT, TANGENT = "gradient descent", "tangent minimum"
NNGP, NTK, DRAW = "NNGP posterior", "law of trained wide networks", "one draw of that law"
PICTURES = (NNGP, NTK, TANGENT)
ARMS = (DESCENT, *PICTURES)
TRUE, SHUFFLED = "true", "shuffled"
SHARE, EQUAL, GROWTH, KEPT, NOTHING = "share", "equal", "growth", "kept", "shuffled"
COLUMNS = {
    DESCENT: "descent_score",
    TANGENT: "tangent_score",
    NNGP: "nngp_score",
    NTK: "ntk_score",
    DRAW: "draw_score",
    **ARBITRARY,
}
NAMES = {
    DESCENT: "the trained network",
    TANGENT: "the tangent-space minimum",
    NNGP: "the mean of the NNGP posterior",
    NTK: "the mean of the law of trained wide networks",
    DRAW: "one draw of the law of trained wide networks",
}
KEPT_COLUMNS = {NNGP: "nngp_score", DRAW: "draw_score", TANGENT: "kept_tangent_score"}
KEPT_DESCENT = "kept_descent_score"
OFFSET = "centred"  # of training and tangent minimum, where the claim is asked; the other one is "kept"


@dataclass(frozen=True)
class Asked:
    """Of what the claim is asked.

    Arguments:
        widths: of the trained networks, as multiples of the plan's.
        sizes: numbers of training examples, ascending; the claim is asked of the largest.
        majority: the share that counts as the large majority.
        margin: of the test score.
        searched: numbers of training examples of the guess-and-check search.
    """

    widths: tuple[float, ...]
    sizes: tuple[int, ...]
    majority: float
    margin: float
    searched: tuple[int, ...] = ()


def parts(asked: Asked) -> dict[str, Formula]:
    """What counts, all of which has to hold: every picture at each width, and shuffled labels."""
    found: dict[str, Formula] = {}
    for width in asked.widths:
        at = (width, asked.sizes[-1])
        of = tuple(
            Gated(_tuned(*at, picture), _gated_share(*at, picture, asked.majority)) for picture in PICTURES
        )
        found[_named(*at)] = Gated(_training(*at), All(of))
    return {**found, SHUFFLED: All(tuple(_nothing(arm) for arm in ARMS))}


def side_questions(asked: Asked, tables: Tables | None = None) -> list[Formula]:
    """The side questions about what there is in the tables; without tables, all of them."""
    there = None if tables is None else _settings(tables)
    found: list[Formula] = []
    for width in asked.widths:
        for size in asked.sizes:
            if there is None or _named(width, size) in there:
                found += _at(asked, width, size)
        if len(asked.sizes) > 1 and (
            there is None or all(_named(width, size) in there for size in asked.sizes)
        ):
            found += [_gated_growth(asked, width, picture) for picture in PICTURES]
    if tables is None or "searches" in tables:
        found += [searched(size, asked.majority) for size in asked.searched]
    return found


def verdicts(asked: Asked, tables: Tables, levels: Levels = USUAL) -> list[Verdict]:
    """The claim, once everything that counts for it has been run, and the questions about what has been."""
    counted = parts(asked)
    complete = [name for name in counted if name in _settings(tables)]
    whole, found = headline(counted, complete, tables, levels)
    claim = [] if whole is None else [claim_verdict(whole, rule(asked), SAYS)]
    return [
        *claim,
        *(verdict for of in found.values() for verdict in of),
        *side_verdicts(side_questions(asked, tables), tables, levels),
    ]


def _settings(tables: Tables) -> set[str]:
    """What has been measured, by name."""
    found = tables["examples"].by("labels", "width", "size")
    return {SHUFFLED if labels == SHUFFLED else _named(width, size) for labels, width, size in found}


def _named(width: float, size: int) -> str:
    return f"width × {width:g}, {size} training examples"


def _rows(width: float, size: int, tables: Tables) -> Table:
    found: Table = tables["examples"].where(labels=TRUE, width=width, size=size)
    return found


# --- questions ---


def _share(width: float, size: int, picture: str, majority: float, key: str = SHARE) -> Question:
    columns, trained = (KEPT_COLUMNS, KEPT_DESCENT) if key == KEPT else (COLUMNS, COLUMNS[DESCENT])
    where = _named(width, size) + (", f₀ kept" if key == KEPT else "")
    return Question(
        key=key,
        title=f"{picture}, {where}",
        effect=lambda tables: explained(_rows(width, size, tables), columns[picture], trained),
        rule=Above(majority),
        what=f"the share of training's gain over guessing that {NAMES[picture]} has",
        scale=EXPLAINED,
        reading=partial(
            read_share, partial(_rows, width, size), columns[picture], trained, NAMES[picture], where
        ),
        says=three(
            "it explains the large majority of what training gains",
            "it does not explain the large majority of what training gains",
            "whether it explains the large majority of what training gains",
        ),
        facets={"picture": picture, "width": f"{width:g}", "size": str(size)},
    )


def _gated_share(width: float, size: int, picture: str, majority: float, key: str = SHARE) -> Formula:
    """A share that holds only if it says something of the network."""
    columns, trained = (KEPT_COLUMNS, KEPT_DESCENT) if key == KEPT else (COLUMNS, COLUMNS[DESCENT])
    rows, where = partial(_rows, width, size), _named(width, size)
    untuned = partial(_arbitrary_inside, width, size)
    gates = (
        telling(rows, columns[picture], trained, majority, where, untuned),
        keeps_up(rows, (columns[picture], NAMES[picture]), trained, majority, where),
    )
    return Gated(gates, _share(width, size, picture, majority, key))


def _at(asked: Asked, width: float, size: int) -> list[Formula]:
    """The side questions about one width and size."""
    largest = size == asked.sizes[-1]
    found: list[Formula] = []
    for picture in PICTURES:
        gates = _gates(width, size, picture)
        if not largest:
            found.append(Gated(gates, _gated_share(width, size, picture, asked.majority)))
            continue
        one, other = ((COLUMNS[arm], NAMES[arm]) for arm in (picture, DESCENT))
        coarse = margin_gate(partial(_rows, width, size), one, other, asked.margin)
        found.append(Gated((*gates, coarse), _equal(width, size, picture, asked.margin)))
    if largest:
        for picture in KEPT_COLUMNS:
            tuned = NTK if picture == DRAW else picture
            found.append(
                Gated(
                    _kept_gates(width, size, tuned), _gated_share(width, size, picture, asked.majority, KEPT)
                )
            )
    return found


def _equal(width: float, size: int, picture: str, margin: float) -> Question:
    within = margin_words(margin)
    return scores(
        EQUAL,
        f"{picture} equals training, {_named(width, size)}",
        partial(_rows, width, size),
        (COLUMNS[picture], NAMES[picture]),
        (COLUMNS[DESCENT], NAMES[DESCENT]),
        Within(margin),
        three(
            f"they are equally good, within {within}",
            f"they differ by more than {within}",
            f"whether they are equal within {within}",
        ),
        facets={"picture": picture, "width": f"{width:g}", "size": str(size)},
        before=f"with {_named(width, size)}, ",
    )


def _gated_growth(asked: Asked, width: float, picture: str) -> Formula:
    gates = {gate.title: gate for size in asked.sizes for gate in _gates(width, size, picture)}
    return Gated(tuple(gates.values()), _growth(asked.sizes, width, picture, asked.margin))


def _growth(sizes: Sequence[int], width: float, picture: str, margin: float) -> Question:
    def reading(tables: Tables) -> str:
        gaps = [
            float(np.mean(of[COLUMNS[DESCENT]] - of[COLUMNS[picture]]))
            for of in (_rows(width, size, tables) for size in sizes)
        ]
        listed = ", ".join(f"{number(100 * gap)} ({size})" for gap, size in zip(gaps, sizes, strict=True))
        return f"At width × {width:g}, training's lead over {NAMES[picture]} is {listed} points (training examples in brackets)"

    return Question(
        key=GROWTH,
        title=f"{picture}: training's lead does not grow with data, width × {width:g}",
        effect=partial(_growing, tuple(sizes), width, picture),
        rule=Below(margin),
        what=f"the growth of training's lead over {NAMES[picture]} for twice the training examples",
        scale=Scale("points of test score", 100.0),
        reading=reading,
        says=three("the lead hardly grows", "the lead grows", "whether the lead grows"),
        facets={"picture": picture, "width": f"{width:g}"},
    )


def _growing(sizes: tuple[int, ...], width: float, picture: str, tables: Tables) -> Difference:
    """The slope of the lead over log₂ of the training size, by least squares, from every seed and test example."""
    x = np.log2(np.array(sizes, float))
    weight = (x - x.mean()) / np.sum((x - x.mean()) ** 2)
    of = [_rows(width, size, tables) for size in sizes]
    leads = [
        len(sizes) * w * (rows[COLUMNS[DESCENT]] - rows[COLUMNS[picture]])
        for w, rows in zip(weight, of, strict=True)
    ]
    seed, example = (np.concatenate([rows[column] for rows in of]) for column in ("seed", "id"))
    return paired_difference(np.concatenate(leads), seed, example, unit=float(np.sum(np.abs(weight))))


def _nothing(arm: str) -> Question:
    def rows(tables: Tables) -> Table:
        found: Table = tables["examples"].where(labels=SHUFFLED)
        return found

    return Question(
        key=NOTHING,
        title=f"shuffled labels: {arm} gains nothing",
        effect=lambda tables: share(rows(tables), COLUMNS[arm], "guess"),
        rule=Below(LEAST),
        what=f"what {NAMES[arm]} gains over guessing on shuffled labels",
        scale=HEADROOM,
        reading=lambda tables: (
            f"On shuffled labels {NAMES[arm]} scores {percent(rows(tables), COLUMNS[arm])} and guessing "
            f"{percent(rows(tables), 'guess')}"
        ),
        says=three(
            "nothing is gained, as there is nothing to learn",
            "the test labels leak",
            "whether the test labels leak",
        ),
        facets={"picture": arm},
    )


# --- gates ---


def _kept_gates(width: float, size: int, picture: str) -> tuple[Gate, ...]:
    """Those of a question about training and tangent minimum with f₀ kept."""
    rows = partial(_rows, width, size)
    inside = Gate(
        "inside", "choices lie inside their grids", partial(_inside, width, size, picture, "kept"), _WIDER
    )
    return (
        *_gates(width, size, picture),
        skill_gate(rows, (KEPT_DESCENT,)),
        known_gain(rows, KEPT_DESCENT),
        _trained(width, size, "kept"),
        inside,
        Gate(
            "validation",
            "validation chose, from equally many candidates",
            partial(_by_validation, width, size, picture, "kept"),
        ),
    )


def _gates(width: float, size: int, picture: str) -> tuple[Gate, ...]:
    return (*_training(width, size), *_tuned(width, size, picture))


def _training(width: float, size: int) -> tuple[Gate, ...]:
    """What training has to have done."""
    rows = partial(_rows, width, size)
    return (
        skill_gate(rows, (COLUMNS[DESCENT],)),
        known_gain(rows, COLUMNS[DESCENT]),
        _trained(width, size),
    )


def _tuned(width: float, size: int, picture: str) -> tuple[Gate, ...]:
    """Both sides were tuned alike."""
    gates = [
        Gate(
            "inside", "choices lie inside their grids", partial(_inside, width, size, picture, OFFSET), _WIDER
        ),
        Gate(
            "validation",
            "validation chose, from equally many candidates",
            partial(_by_validation, width, size, picture, OFFSET),
        ),
    ]
    if picture == TANGENT:
        gates.append(
            no_misses(
                "certified",
                "minima are certified",
                lambda tables: tables["certificates"].where(labels=TRUE, width=width, size=size),
                "met",
                "{} tangent-space minima missed their tolerance.",
                "Larger ridges or another --tolerance would open the question.",
            )
        )
    return tuple(gates)


_WIDER = "A wider search would open the question: --extensions, or more --ridges and --step-sizes."


def _trained(width: float, size: int, offset: str = OFFSET) -> Gate:
    def rows(tables: Tables) -> Table:
        found: Table = tables["choices"].where(
            labels=TRUE, width=width, size=size, offset=offset, arm=DESCENT
        )
        return found

    return no_misses(
        "trained",
        "gradient descent is trained to the end",
        rows,
        "settled",
        f"With {_named(width, size)}, gradient descent was still improving when training ended in {{}} runs.",
        "More epochs would open the question: --epochs, or --doublings.",
    )


def _inside(width: float, size: int, picture: str, offset: str, tables: Tables) -> str | None:
    return _edge(width, size, {DESCENT: offset, picture: offset if picture == TANGENT else OFFSET}, tables)


def _arbitrary_inside(width: float, size: int, kernel: str, tables: Tables) -> str | None:
    """Whether an arbitrary kernel is tuned: with another noise or width it might be as good as the pictures."""
    if kernel != RBF:
        return _edge(width, size, {kernel: OFFSET}, tables)
    if not len(tables["choices"].where(labels=TRUE, width=width, size=size, arm=RBF_NOISE)):
        return "This older run gave the RBF kernel the plan's noises and no others, so it may be better than was measured."
    return _edge(width, size, {RBF: OFFSET, RBF_NOISE: OFFSET}, tables)


def _edge(width: float, size: int, offsets: Mapping[str, str], tables: Tables) -> str | None:
    rows = tables["choices"].where(labels=TRUE, width=width, size=size)
    at_edge = [arm for arm, of in offsets.items() if not np.all(rows.where(arm=arm, offset=of)["inside"])]
    if not at_edge:
        return None
    return (
        f"With {_named(width, size)}, validation chose the edge of what was tried for: {', '.join(at_edge)}."
    )


def _by_validation(width: float, size: int, picture: str, offset: str, tables: Tables) -> str | None:
    """Recomputes each choice from the scores of all candidates; pictures without f₀ have one offset only."""
    rows = tables["tuning"].where(labels=TRUE, width=width, size=size)
    offsets = {DESCENT: offset, picture: offset if picture == TANGENT else OFFSET}
    for (seed,), of in rows.by("seed").items():
        counts = set()
        for arm, its in offsets.items():
            tried = of.where(arm=arm, offset=its)
            counts.add(len(tried))
            ranks = list(
                zip(tried["validation_score"].tolist(), (-tried["validation_loss"]).tolist(), strict=True)
            )
            chosen = np.flatnonzero(tried["chosen"])
            if len(chosen) != 1 or ranks[chosen[0]] < max(r for r in ranks if np.isfinite(r[1])):
                return f"With {_named(width, size)}, the choice for {arm} in seed {seed} is not that of the validation examples."
        if len(counts) > 1:
            return f"With {_named(width, size)}, training and {picture} had unequal numbers of candidates in seed {seed}."
    return None


# --- the claim ---


def rule(asked: Asked) -> str:
    """What happens for each outcome."""
    return (
        "The claim holds if the NNGP posterior, the law of trained wide networks and the tangent-space minimum each have "
        f"more than {100 * asked.majority:g} % of what training gains over guessing, for every width at the largest training "
        "size, with f₀ centred away, and nobody gains a tenth of the headroom on shuffled labels. It fails if one share is "
        "below that, or if someone gains on shuffled labels. Otherwise it is undecided. It is also undecided if training is "
        "not better than guessing by a tenth of the headroom, if its gain is not known to a quarter, if training had not "
        "ended, or if a choice is at the edge of its grid, is not that of the validation examples, or comes from fewer "
        "candidates. And it does not hold, but is undecided, if an arbitrary kernel (RBF or linear, of the inputs) may have "
        f"{100 * asked.majority:g} % of training's gain too, was not measured or has its choice at an edge; or if training may "
        f"have less than {100 * asked.majority:g} % of what one of its pictures gains. Everything else is a side question."
    )


SAYS = {
    Outcome.HOLDS: "Gaussian-process and kernel pictures explain the large majority of what training gains.",
    Outcome.FAILS: "Gaussian-process and kernel pictures do not all explain the large majority of what training gains.",
    Outcome.UNDECIDED: "These runs do not decide whether Gaussian-process and kernel pictures explain what training gains.",
}
