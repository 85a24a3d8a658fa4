"""What `multigraph` asks: can a mask write any network into edges that were not drawn, and which measures are fooled by that?

The multigraph has b pairs of parallel edges ±S·2^−k in the place of each weight. Nothing is drawn, and all edges together add up
to zero. So whatever a mask of it scores shows what a mask can store, and not what a random network contains.

*Without a mask* nothing may be found in the multigraph: its answers, its units and a read-out of its features have to be at
chance. A *random mask* makes it a random network like any other. Its answers are at chance too, but its units and features
separate classes as those of any random network do.

*Calibration.* A measure is taken of a random network, of the same network with permuted labels, of the multigraph, and of a
random mask of it. Scores are shares of what chance leaves to be gained. A measure may be said to show content of the network if
it tells true labels from permuted ones by more than a tenth, scores less than a tenth on the multigraph, and scores higher than
on the random mask by more than a tenth. If it does not, it may show what a search or any random function can do.

The *learned mask* is what a search found, and a search that did not learn is at chance wherever it looks. So what a low score
would decide is asked only where the search fitted its training labels, to nine tenths of the headroom in every seed. The search
over permuted labels is a control: it has to fit a tenth.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.asking import scores, three
from ticketlab.claims.gates import FITTED, fitted_gate, skill_gate
from ticketlab.claims.headroom import LEAST
from ticketlab.claims.wording import margin_words, plural
from ticketlab.laws.difference import Difference, of_seeds
from ticketlab.laws.formulae import All, Formula, Gate, Gated, Question, Tables, answer
from ticketlab.laws.rules import USUAL, Above, Below, Levels, Within
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "EDGES", "EMPTY", "LEARNED", "LEAST", "MEASURES", "NET", "PERMUTED", "RANDOM", "TARGET", "TRUE", "UNMASKED", "WRITTEN",
    "formula", "of_learned_masks", "rule", "side_questions", "verdicts",
]  # fmt: skip

TARGET, WRITTEN, EMPTY, RANDOM = "target", "written mask", "all edges", "random mask"
NET, PERMUTED, EDGES, TRUE = "random network", "permuted labels", "multigraph", "true labels"
SEARCHED = {
    NET: "the random network",
    PERMUTED: "the random network with permuted labels",
    EDGES: "the multigraph",
    RANDOM: "a random mask of the multigraph",
}
LEARNED = "learned mask"
MEASURES = ("accuracy as drawn", "best unit", "linear read-out", LEARNED)
UNMASKED = ("best unit", "linear read-out")  # measures of a network that need neither its answers nor a mask
GAINED = Scale("% of what chance leaves", 100.0, bounds=(-np.inf, 100.0))


def formula(margin: float) -> Formula:
    """The claim.

    Arguments:
        margin: the difference in test score that counts as equal.
    """
    return Gated(
        (_skill(),),
        All(
            (
                _written(margin),
                Gated((_memorised(),), _permuted()),
                _answers(EMPTY),
                *(_chance(measure) for measure in UNMASKED),
                _answers(RANDOM),
            ),
            key="claim",
        ),
    )


def side_questions() -> tuple[Formula, ...]:
    """Of each measure: does it tell true labels from permuted ones, is it at chance on the multigraph, and is it higher than on a
    random mask? The second is asked of some by the claim itself.
    """
    asked = [
        question
        for measure in MEASURES
        if measure != LEARNED
        for question in (
            _separates(measure),
            *([] if measure in UNMASKED else [_chance(measure)]),
            _beyond(measure),
        )
    ]
    return (*(Gated((_skill(),), question) for question in asked), *of_learned_masks())


def of_learned_masks() -> tuple[Formula, Formula, Formula]:
    """The three side questions of the learned mask, each where the searches have learnt whose low scores would decide it."""
    separates, chance, beyond = _separates(LEARNED), _chance(LEARNED), _beyond(LEARNED)
    holds, fails = Outcome.HOLDS, Outcome.FAILS
    return (
        Gated((_skill(), _searched(separates, PERMUTED, holds), _searched(separates, NET, fails)), separates),
        Gated((_skill(), _searched(chance, EDGES, holds)), chance),
        Gated((_skill(), _searched(beyond, RANDOM, holds), _searched(beyond, NET, fails)), beyond),
    )


def verdicts(tables: Tables, margin: float, bits: int, levels: Levels = USUAL) -> tuple[Verdict, ...]:
    """The claim, its questions, and the side questions."""
    whole = answer(formula(margin), tables, levels)
    claim = claim_verdict(whole, rule(margin, bits), SAYS)
    return verdicts_of(claim, whole, side_questions(), tables, levels)


def _skill() -> Gate:
    return skill_gate(lambda tables: tables["examples"], (TARGET,))


def _memorised() -> Gate:
    return fitted_gate(lambda tables: tables["learnt"], TARGET)


def _searched(question: Question, of: str, kept: Outcome) -> Gate:
    """Did the search learn, in every seed? It keeps back one outcome alone, which is that of a search that did not.

    Arguments:
        of: what was searched; permuted labels are those over the random network.
    """
    over, labels = (NET, PERMUTED) if of == PERMUTED else (of, TRUE)
    least = LEAST if of == PERMUTED else FITTED

    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        if question.rule.outcome(question.effect(tables), levels) is not kept:
            return None
        guess = float(np.mean(tables["examples"]["guess"]))
        fits = tables["searches"].where(over=over, labels=labels)["train_score"].astype(float)
        missed = int(np.sum(~(fits - guess >= least * (1 - guess))))
        if not missed:
            return None
        return (
            f"In {missed} of {len(fits)} runs the search over {SEARCHED[of]} gains less than {100 * least:g} % of what guessing "
            "leaves on its training labels, so that its mask says little of what a mask can do."
        )

    opens = "More --search-steps, or a wider network, would make it a question."
    return Gate(f"searched {of}", f"the search over {SEARCHED[of]} has learnt", passed, opens, shows=True)


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


def _answers(arm: str) -> Question:
    who, as_usual = {
        EMPTY: ("the multigraph with all its edges", ""),
        RANDOM: ("a random mask of the multigraph", ", as any random network does"),
    }[arm]
    return scores(
        arm,
        f"{who} answers at chance",
        lambda tables: tables["examples"],
        (arm, who),
        ("guess", "the most frequent class"),
        Below(LEAST),
        three(
            f"it answers at chance{as_usual}",
            "it answers better than chance",
            "whether it answers at chance",
        ),
        headroom=True,
    )


def rule(margin: float, bits: int) -> str:
    """What happens for each outcome."""
    return (
        f"The claim holds if six statements are true. A mask of {plural(bits, 'digit')} gives the multigraph the trained "
        f"network's test score, to within {margin_words(margin)}. Another mask loses less than a tenth of the headroom of a "
        "network that has fitted permuted labels, on those labels. With all its edges, the multigraph gains less than a tenth of "
        "the headroom above guessing. Its best unit then gains less than a tenth of what chance leaves, and so does a linear "
        "read-out. Under random masks it gains less than a tenth of the headroom too. It fails if one of them is false. "
        "Otherwise it is undecided. It is also undecided if the target has learnt nothing, or has not fitted permuted labels. "
        "What the measures say of random networks are side questions. Of learned masks, what a low score would decide is "
        f"undecided if in some seed the search with that score gained less than {100 * FITTED:g} % of what guessing leaves on "
        f"its training labels, or less than {100 * LEAST:g} % on permuted ones."
    )


SAYS = {
    Outcome.HOLDS: (
        "One mask turns the multigraph into the trained network, another into one that has fitted permuted labels. Without a "
        "mask its answers, units and features are at chance, and under a random mask its answers are. What a chosen mask does "
        "shows no content of the network that is masked."
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


def _beyond(measure: str) -> Question:
    def effect(tables: Tables) -> Difference:
        return of_seeds(_values(tables, measure, NET) - _values(tables, measure, RANDOM))

    return Question(
        key="beyond",
        title=f"{measure}: higher than on a random mask of the multigraph",
        effect=effect,
        rule=Above(LEAST),
        what=f"the {measure}, random network minus random mask of the multigraph,",
        scale=GAINED,
        reading=partial(_read, measure),
        says=three(
            "it is higher on the random network",
            "a random mask does about as well, so the measure shows what any random function does",
            "whether it is higher on the random network",
        ),
        facets={"measure": measure},
    )


def _read(measure: str, tables: Tables) -> str:
    means = (float(_values(tables, measure, of).mean()) for of in (NET, PERMUTED, EDGES, RANDOM))
    read = [f"{round(100 * mean)} %".replace("-", "−") for mean in means]
    return (
        f"The measure ({measure}) gains {read[0]} of what chance leaves on the random network, {read[1]} with permuted labels, "
        f"{read[2]} on the multigraph and {read[3]} on a random mask of it"
    )
