"""What `ladder` asks of each rung, and how the claim follows: from the test scores of all rungs and of their controls.

A rung is *enough* if it scores at most the margin less than the trained network. It *owes its score to the network* if it scores
more than its control, the same fit with equally many parameters on random projections of the input. Usefulness appears at the
first rung of which both are shown. A rung that is named is one of eight, so each is judged at an eighth of the level.

The claim names three rungs. The best single unit is not enough, no linear read-out of the best layer is, and the whole tangent
space is enough and beats its control. Logistic regression is a linear read-out too, next to the ladder's ridge regression, so
neither of the two may be enough. What the other rungs do are side questions.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.asking import columns, no_misses, scores, three
from ticketlab.claims.gates import margin_gate, skill_gate
from ticketlab.claims.headroom import percent
from ticketlab.claims.learned.halfway import noted_at_half
from ticketlab.claims.learned.questions import converged
from ticketlab.claims.wording import margin_words
from ticketlab.evidence.tables import Table
from ticketlab.laws.formulae import All, Formula, Gate, Gated, Question, Tables, answer
from ticketlab.laws.rules import USUAL, Above, Below, Levels
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "ABOVE", "CONTROL", "ENOUGH", "HIDDEN", "LAYER", "LOGISTIC", "LOGISTICS", "MASK", "NAMES", "NNGP",
    "NOT_ENOUGH", "NOWHERE", "NTK", "OTHERS", "PROBE", "PROBES", "RULE", "RUNGS", "TANGENT", "TRAINED", "UNIT", "UNITS",
    "appears", "control_of", "formula", "judged", "side_questions", "verdicts",
]  # fmt: skip

UNIT, UNITS, PROBE, PROBES = "unit", "units", "probe", "probes"
LAYER, HIDDEN, TANGENT, MASK, TRAINED = "layer", "hidden", "tangent", "mask", "trained"
NAMES = {
    UNIT: "the best single unit",
    UNITS: "one unit for each class",
    PROBE: "the linear read-out of the best layer",
    PROBES: "the linear read-out of all layers",
    LAYER: "the tangent space of the best layer",
    HIDDEN: "the tangent space of all layers but the last",
    TANGENT: "the whole tangent space",
    MASK: "the best untrained mask",
    TRAINED: "the trained network",
}
RUNGS = tuple(NAMES)
LOGISTIC, LOGISTICS, NNGP, NTK = "logistic", "logistics", "nngp", "ntk"
OTHERS = {
    LOGISTIC: "the logistic read-out of the best layer",
    LOGISTICS: "the logistic read-out of all layers",
    NNGP: "the NNGP kernel of infinite width",
    NTK: "the tangent kernel of infinite width",
}
"""Next to the ladder: other read-outs, and infinitely many parameters."""
NAMES = {**NAMES, **OTHERS}
CERTIFIED = (LAYER, HIDDEN, TANGENT)  # minima with a certificate

ENOUGH, NOT_ENOUGH, ABOVE, CONTROL = "enough", "not-enough", "above-control", "_control"
NOWHERE = "nowhere"  # usefulness appears, as far as was shown


def control_of(rung: str) -> str:
    """The column of a rung's control."""
    return rung + CONTROL


def formula(margin: float, others: Collection[str] = tuple(OTHERS)) -> Formula:
    """The claim.

    Arguments:
        margin: by which a rung that is enough may score less than the trained network.
        others: what was measured next to the ladder; an older run may have no logistic read-outs.
    """
    short = (UNIT, PROBE, LOGISTIC) if LOGISTIC in others else (UNIT, PROBE)
    asked = (*(_short(rung, margin) for rung in short), _enough(TANGENT, margin), _above(TANGENT))
    return Gated(_of_training(), All(asked), key="claim")


def side_questions(margin: float, others: Sequence[str] = tuple(OTHERS)) -> tuple[Formula, ...]:
    """Of every other rung whether it is enough, and of every rung whether it beats its control.

    Arguments:
        others: what is asked about next to the ladder; a network may have no kernels of infinite width.
    """
    beside = [rung for rung in others if rung != LOGISTIC]
    enough = [_enough(rung, margin) for rung in (UNITS, PROBES, LAYER, HIDDEN, MASK, *beside)]
    above = [_above(rung, margin) for rung in (*RUNGS, *others) if rung != TANGENT]
    return tuple(Gated(_of_training(), each) for each in (*enough, *above))


def verdicts(margin: float, tables: Tables, levels: Levels = USUAL) -> tuple[Verdict, ...]:
    """The claim with the rung at which usefulness appears, its questions, and the side questions."""
    others = [rung for rung in OTHERS if rung in columns(tables["examples"])]
    whole = answer(formula(margin, others), tables, levels)
    claim = claim_verdict(whole, RULE, SAYS if LOGISTIC in others else {**SAYS, Outcome.HOLDS: RIDGE_ALONE})
    if judged(tables, levels):
        rung = appears(margin, tables, levels)
        said = f"{claim.reading} {_appears_words(rung, margin, tables)}"
        claim = replace(claim, reading=said, facets={"appears": rung or NOWHERE})
    return verdicts_of(claim, whole, side_questions(margin, others), tables, levels)


def judged(tables: Tables, levels: Levels = USUAL) -> bool:
    """Whether any rung can be judged: by two seeds or more, and by a trained network that passes its gates."""
    seeds = len(set(tables["examples"]["seed"].tolist()))
    return seeds > 1 and all(gate.closed(tables, levels) is None for gate in _of_training())


def appears(margin: float, tables: Tables, levels: Levels = USUAL) -> str | None:
    """The first rung that is shown to be enough and to beat its control; None without one.

    Any of them may be the one that is named, so they share the levels.
    """
    rungs = RUNGS[:-1]
    share = Levels(levels.holds / len(rungs), levels.fails / len(rungs))
    for rung in rungs:
        both = All((_enough(rung, margin), _above(rung, margin)))
        if answer(Gated(_of_training(), both), tables, share).outcome is Outcome.HOLDS:
            return rung
    return None


def _appears_words(rung: str | None, margin: float, tables: Tables) -> str:
    both = f"within {margin_words(margin)} of the trained network and better than its control"
    if rung is None:
        return f"No rung was shown to be both {both}."
    return (
        f"The first rung that was shown to be {both} is {NAMES[rung]}, with a test score of "
        f"{percent(tables['examples'], rung)}."
    )


# --- questions ---


def _examples(tables: Tables) -> Table:
    found: Table = tables["examples"]
    return found


def _enough(rung: str, margin: float) -> Formula:
    within = f"the margin of {margin_words(margin)}"
    says = three(
        f"it is at least as good, to within {within}, so it is enough",
        f"it falls short by more than {within}",
        f"whether it falls short by more than {within}",
    )
    return _asked(ENOUGH, rung, f"{NAMES[rung]} is enough", TRAINED, Above(-margin), says, margin)


def _short(rung: str, margin: float) -> Formula:
    within = f"the margin of {margin_words(margin)}"
    says = three(
        f"it falls short by more than {within}",
        f"it is at least as good, to within {within}, so it is enough",
        f"whether it falls short by more than {within}",
    )
    return _asked(NOT_ENOUGH, rung, f"{NAMES[rung]} is not enough", TRAINED, Below(-margin), says, margin)


def _above(rung: str, margin: float = 0.02) -> Formula:
    says = three("it beats its control", "its control is better", "which is better")
    return _asked(ABOVE, rung, f"{NAMES[rung]} beats its control", control_of(rung), Above(0.0), says, margin)


def _asked(
    key: str, rung: str, title: str, other: str, rule: Above | Below, says: dict[Outcome, str], margin: float
) -> Formula:
    """A question about one rung, under the gates of that rung."""
    whom = NAMES[TRAINED]
    if other != TRAINED:
        whom = (
            "the Gaussian kernel"
            if rung in (NNGP, NTK)
            else "the same fit on equally many random projections"
        )
    question: Question = scores(
        key, title, _examples, (rung, NAMES[rung]), (other, whom), rule, says, facets={"rung": rung}
    )
    gates = _of_rung(rung, margin)
    if other == TRAINED:
        gates = (*gates, margin_gate(_examples, (rung, NAMES[rung]), (TRAINED, whom), margin))
    return Gated(gates, question)


# --- gates ---


def _of_training() -> tuple[Gate, ...]:
    """The trained network is the standard of every question."""
    return (
        skill_gate(_examples, (TRAINED,)),
        no_misses(
            "trained",
            "the network is trained to the end",
            partial(_of, "rungs", TRAINED),
            "settled",
            "In {} runs training was still improving when it ended.",
            "More epochs would open the question: --epochs, or --doublings.",
        ),
        _inside(TRAINED),
    )


def _of_rung(rung: str, margin: float) -> tuple[Gate, ...]:
    gates = [_inside(rung)]
    if rung in CERTIFIED:
        gates.append(
            no_misses(
                "certified",
                "minima are certified",
                partial(_of, "certificates", rung),
                "met",
                f"{{}} minima in {NAMES[rung]} missed their tolerance.",
                "Larger ridges or another --tolerance would open the question.",
            )
        )
    if rung == MASK:
        search = lambda tables: noted_at_half(tables["search"])  # noqa: E731
        gates.append(converged("search", "the search for a mask", search, _examples, margin))
    return tuple(gates)


def _inside(rung: str) -> Gate:
    return no_misses(
        "inside",
        "choices lie inside their grids",
        partial(_of, "rungs", rung),
        "inside",
        f"In {{}} runs a setting of {NAMES[rung]} or of its control lies at the edge of what was tried.",
        "A wider search would open the question: --extensions.",
    )


def _of(table: str, rung: str, tables: Tables) -> Table:
    found: Table = tables[table].where(rung=rung)
    return found


# --- the claim ---

RULE = (
    "The claim holds if five things are true. The best single unit scores less than the trained network by more than the "
    "margin. So does the linear read-out of the best layer, which is a ridge regression. So does the logistic one, where a run "
    "has it. The whole tangent space scores at most the margin less. And it beats a ridge read-out with equally many parameters "
    "on random projections of the input. The claim fails if one of these fails. Otherwise it is undecided. It is also undecided "
    "if the trained network is not better than guessing, if training was still improving, if a setting lies at the edge of its "
    "grid, or if a tangent-space minimum missed its tolerance. And a rung within the margin is enough only if it is shown to "
    "gain at least half of what the trained network gains over guessing. Everything about other rungs is a side question."
)
RIDGE_ALONE = "Neither one unit nor a ridge read-out of one layer is enough; the whole tangent space is."
SAYS = {
    Outcome.HOLDS: "Neither one unit nor a linear read-out of one layer is enough; the whole tangent space is.",
    Outcome.FAILS: "The ladder is not as the claim says.",
    Outcome.UNDECIDED: "These runs do not decide the claim.",
}
