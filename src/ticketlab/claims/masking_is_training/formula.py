"""What the claim `masking-is-training` says, as a formula.

Everything is asked of untrained networks at one density, of one criterion with one action for each side of the mask, all fixed
before the runs. The claim has two parts.

*A mask holds what was learnt*: under the chosen mask the network is better than guessing, than under random masks, and than under
the mask that the same criterion finds on permuted labels, each by a tenth of the headroom above guessing.

*Towards zero*: what counts is which way training moved the removed weights. Zeroing only those that shrank is compared with two
twins, in which equally many of each layer's removed weights are zeroed: in a random choice, and those that shrank most when the
labels were permuted. It must be better than both. Zeroing only those that grew must be worse than a random choice of its own
counts. A twin has the same counts, so that only the choice differs. All of these are by a tenth of the headroom too. The network
as it was drawn guesses, so it can hardly be made worse; comparisons with it are side questions, about the sign alone.

A twin that guesses has nothing to lose, so nothing can be worse by that much; then this question is undecided. And where
training shrank nearly all removed weights, or hardly any, a random choice of equally many is nearly the same one.

Nothing is asked of a network that has not fitted its training labels: how it moved is not what training does. And what permuted
labels choose counts only if they were fitted too, for a control that learnt nothing is beaten by anything.

*The mask, not the start*: the same training chooses a mask of the multigraph, whose weights are powers of two and the same for
every unit. It must do as well as the chosen mask. So what a mask stores does not have to be in the network's random start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.asking import scores, three
from ticketlab.claims.gates import FITTED, fitted_gate, skill_gate
from ticketlab.claims.headroom import LEAST, percent, share
from ticketlab.claims.wording import percent as percent_of
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Difference, of_seeds
from ticketlab.laws.formulae import All, Formula, Gate, Gated, Question, Tables, answer
from ticketlab.laws.rules import USUAL, Above, Below, Levels, Rule
from ticketlab.laws.scale import POINTS, Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "CONTROL", "DRAWN", "GROWN", "GROWN_TWIN", "GUESS", "MARGIN", "MASK", "MULTIGRAPH", "PERMUTED", "PREREGISTERED",
    "RANDOM", "RULE", "SHRUNK", "SHRUNK_PERMUTED", "SHRUNK_TWIN", "TRAINED", "conclude", "formula", "said", "sides",
]  # fmt: skip

PREREGISTERED, CONTROL = "large-final-same-sign", "random-equal-layers"
MASK, RANDOM, GUESS, PERMUTED, TRAINED = "mask", "random", "guess", "permuted", "trained"
SHRUNK, GROWN, DRAWN = "shrunk", "grown", "drawn"
MULTIGRAPH, MARGIN = "multigraph", 0.01
SHRUNK_TWIN, GROWN_TWIN, SHRUNK_PERMUTED = "shrunk_twin", "grown_twin", "shrunk_permuted"
TENTH = "a tenth of the headroom above guessing"
DECORRELATION = Scale("of decorrelation", bounds=(-2.0, 2.0))


WORDS = {  # what is compared; "a random choice" is among the removed weights, of equal size in every layer
    MASK: "the chosen mask",
    MULTIGRAPH: "the masked multigraph",
    GUESS: "guessing the most frequent class",
    RANDOM: "a random mask of equal counts",
    PERMUTED: "the mask found on permuted labels",
    DRAWN: "zeroing nothing",
    SHRUNK: "zeroing what shrank",
    SHRUNK_TWIN: "zeroing a random choice",
    SHRUNK_PERMUTED: "zeroing equally many that shrank most on permuted labels",
    GROWN: "zeroing what grew",
    GROWN_TWIN: "zeroing a random choice",
}


def said(tables: Mapping[str, Table]) -> str:
    """The means on which the claim turns, in a line."""
    examples = tables["examples"]
    means = {arm: float(np.mean(examples[arm])) for arm in (MASK, RANDOM, PERMUTED)}
    return (
        f"untrained test score {means[MASK]:.3f} under the chosen mask, {means[RANDOM]:.3f} under random ones, "
        f"{means[PERMUTED]:.3f} under one from permuted labels"
    )


def formula() -> Formula:
    """The claim."""
    labels, to_lose = (
        _fitted(PERMUTED),
        Gate("to-lose", "the twin has something to lose", _to_lose, _SPARSER, shows=True),
    )
    parts: tuple[Formula, ...] = (
        *(_holds_the_task(key, other) for key, other in (("guessing", GUESS), ("random", RANDOM))),
        Gated((labels,), _holds_the_task("labels", PERMUTED)),
        Gated((_to_choose(SHRUNK, SHRUNK_TWIN),), _towards(SHRUNK_TWIN)),
        Gated((labels, _to_choose(SHRUNK, SHRUNK_PERMUTED)), _towards(SHRUNK_PERMUTED)),
        Gated((to_lose, _to_choose(GROWN, GROWN_TWIN)), _away(GROWN_TWIN)),
        _multigraph(),
    )
    return Gated(_learnt(), All(parts))


def sides() -> tuple[Formula, ...]:
    """The side questions."""
    asked = (*_from_drawn(), Gated((_fitted(PERMUTED),), _memorised()), _responses())
    return tuple(Gated(_learnt(), question) for question in asked)


def conclude(tables: Mapping[str, Table], levels: Levels = USUAL) -> tuple[Verdict, ...]:
    """The claim as a whole, then its questions, then the side questions."""
    found, examples = answer(formula(), tables, levels), tables["examples"]
    mask, random = percent(examples, MASK), percent(examples, RANDOM)
    says = {
        Outcome.HOLDS: "Masking is training: under a mask chosen by how training moved the weights, and with none of them "
        f"moved, the untrained network scores {mask}. Under random masks it scores {random}. What counts is that the zeroed "
        "weights are those that training was moving to zero.",
        Outcome.FAILS: f"Masking is not training here. Under the chosen mask the untrained network scores {mask}, under random "
        f"masks {random}.",
        Outcome.UNDECIDED: "These runs do not decide whether masking is training.",
    }
    return verdicts_of(claim_verdict(found, RULE, says), found, sides(), tables, levels)


RULE = (
    "Everything is asked of untrained networks, at one density and for one criterion, both fixed before the runs. The claim "
    "holds if all its questions hold. The chosen mask is better than guessing, than random masks that keep equally many "
    "weights in every layer and than the mask found on permuted labels. Zeroing those removed weights that shrank is better "
    "than zeroing equally many in each layer at random, and than zeroing equally many in each layer that shrank most in training "
    "on permuted labels. Zeroing those that grew is worse than zeroing equally many in each layer at random. Better and worse "
    f"mean by {TENTH}. And the multigraph, masked by the same training, is at most "
    f"{100 * MARGIN:g} point less accurate than the network under the chosen mask. The claim fails if one of them fails. "
    "Otherwise it is undecided; and always if the trained network is not better than guessing, or gains less than "
    f"{100 * FITTED:g} % of what guessing leaves on its training labels in some seed. The two questions about permuted labels "
    "are undecided if the network that was trained on them gains less than that on them. The one about what grew does not fail "
    f"if the random choice that it is compared with is not better than guessing by {TENTH}, for then there is nothing to lose. "
    f"No question about what is zeroed fails if training shrank more than {100 * (1 - LEAST):g} % of the removed weights, or "
    f"less than {100 * LEAST:g} %, unless there is a difference by {TENTH}: two choices of equally many are then nearly the same."
)


# --- gates ---

_LABELS = {  # of the network whose scores a column has; why nothing is decided where it has not fitted them; its option
    TRAINED: ("training labels", "so there was little training for masks to equal"),
    PERMUTED: ("permuted labels", "so what they choose is no control"),
}
_LONGER = "More --steps, or a wider network, would make it a question."
_SPARSER = "Another --density, or a network that does more with removed weights zeroed at random, would make it a question."


def _learnt() -> tuple[Gate, ...]:
    """The network was trained: it fits its training labels, and knows something of test data."""
    return skill_gate(_examples, (TRAINED,)), _fitted(TRAINED)


def _fitted(column: str) -> Gate:
    """A network has fitted its labels; where an older run did not note it, nothing is decided."""
    labels, so = _LABELS[column]
    known = fitted_gate(lambda tables: tables["learnt"], column, labels, so, _LONGER)

    def passed(tables: Tables) -> str | None:
        if "learnt" in tables:
            return known.passed(tables)
        return f"This older run did not note whether the {labels} were fitted."

    return replace(known, key=f"fitted-{column}", passed=passed)


def _to_choose(one: str, other: str) -> Gate:
    """Two choices of equally many removed weights can differ. It keeps back *fails* where they do not differ by a tenth."""

    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        if "masks" not in tables:
            return None
        rows = tables["masks"].where(decisive=True, criterion=PREREGISTERED)
        shrank, apart = float(np.mean(rows["shrank"])), share(_examples(tables), one, other)
        differ = apart.lower(levels.holds) > LEAST or apart.upper(levels.holds) < -LEAST
        if LEAST <= shrank <= 1 - LEAST or differ or not apart.decidable:
            return None
        return (
            f"Training shrank {percent_of(shrank)} of the removed weights, so two choices of equally many are nearly the same. "
            f"It must be {100 * LEAST:g} to {100 * (1 - LEAST):g} %."
        )

    opens = "Less decay, or another --density, would make it a question."
    return Gate(
        "to-choose", "training shrank some of the removed weights, and not all", passed, opens, shows=True
    )


def _to_lose(tables: Tables, levels: Levels = USUAL) -> str | None:
    """It keeps back *fails* alone: what is worse by a tenth of the headroom had something to lose."""
    examples = _examples(tables)
    gain, worse = (
        share(examples, GROWN_TWIN, GUESS),
        share(examples, GROWN, GROWN_TWIN).upper(levels.holds) < -LEAST,
    )
    if not gain.decidable or gain.lower(levels.fails) > LEAST or worse:
        return None
    return (
        f"Of what guessing leaves, zeroing a random choice gains {percent_of(gain.mean)} (at least "
        f"{percent_of(gain.lower(levels.fails))}). It must gain more than {100 * LEAST:g} %, or nothing could be worse by as "
        "much."
    )


# --- questions ---


def _examples(tables: Tables) -> Table:
    return tables["examples"]


def _asked(
    key: str, title: str, one: str, other: str, rule: Rule, says: Mapping[Outcome, str], **how: Any
) -> Question:
    """The difference between two scores of untrained networks."""
    how = {"before": "untrained, ", **how}
    return scores(key, title, _examples, (one, WORDS[one]), (other, WORDS[other]), rule, says, **how)


def _holds_the_task(key: str, other: str) -> Question:
    """Is the chosen mask better, by a tenth of the headroom above guessing?"""
    says = three(
        "masking put the task into the network",
        f"that is less than {TENTH}",
        f"whether that is more than {TENTH}",
    )
    title = f"the chosen mask is better than {WORDS[other]}"
    return _asked(key, title, MASK, other, Above(LEAST), says, headroom=True)


def _towards(other: str) -> Question:
    """Is zeroing what shrank better than another choice, by a tenth of the headroom?"""
    counts = "what counts is which weights training moved to zero"
    says = three(counts, f"it is not better by {TENTH}", f"whether it is better by {TENTH}")
    return _choice("shrunk", SHRUNK, other, "better", Above(LEAST), says, headroom=True)


def _away(other: str) -> Question:
    """Is zeroing what grew worse than another choice, by a tenth of the headroom?"""
    harm = "zeroing what training moved away from zero does harm"
    says = three(harm, f"it is not worse by {TENTH}", f"whether it is worse by {TENTH}")
    return _choice("grown", GROWN, other, "worse", Below(-LEAST), says, headroom=True)


def _from_drawn() -> tuple[Question, Question]:
    """Both choices against the network as it was drawn, about the sign alone: it guesses, and can hardly be made worse."""
    trains = three("zeroing them trains the network", "it is worse", "whether it is better")
    harm = three(
        "zeroing what training moved away from zero does harm", "it is better", "whether it is worse"
    )
    return (
        _choice("shrunk", SHRUNK, DRAWN, "better", Above(0.0), trains),
        _choice("grown", GROWN, DRAWN, "worse", Below(0.0), harm),
    )


def _choice(
    key: str, one: str, other: str, than: str, rule: Rule, says: Mapping[Outcome, str], **how: Any
) -> Question:
    """Two choices of the removed weights that are zeroed, the others left as they were drawn."""
    before = "untrained, with all other weights as they were drawn, "
    title = f"{WORDS[one]} is {than} than {WORDS[other]}"
    return _asked(key, title, one, other, rule, says, facets={"against": other}, before=before, **how)


def _multigraph() -> Question:
    holds = "a mask needs no random start to hold the task"
    says = three(holds, "it is less accurate", "whether it is as accurate")
    return _asked(
        "multigraph", "a mask of the multigraph does as well", MULTIGRAPH, MASK, Above(-MARGIN), says
    )


def _memorised() -> Question:
    """Whether a mask found on permuted labels fits them, on the training data: it says what masks can do."""

    def reading(tables: Tables) -> str:
        mask, random = (percent(tables["memorised"].where(arm=arm), "train_score") for arm in (MASK, RANDOM))
        return f"The mask found on permuted labels fits {mask} of these labels untrained, random masks fit {random}"

    def effect(tables: Tables) -> Difference:
        mask, random = (tables["memorised"].where(arm=arm)["train_score"] for arm in (MASK, RANDOM))
        return of_seeds(mask - random)

    return Question(
        key="memorised",
        title="fits permuted training labels",
        effect=effect,
        rule=Above(0.0),
        what="the difference in training score on permuted labels, mask found on them minus random masks,",
        scale=POINTS,
        reading=reading,
        says=three(
            "masks fit labels that mean nothing, as training does",
            "masks do not fit labels that mean nothing",
            "whether masks fit labels that mean nothing",
        ),
    )


def _responses() -> Question:
    """Whether the chosen mask changes what hidden units respond to more than a random mask does."""

    def reading(tables: Tables) -> str:
        mine, other = (float(np.mean(_hidden(tables, c))) for c in (PREREGISTERED, CONTROL))
        return (
            f"Under the chosen mask the responses of hidden units decorrelate by {mine:.3f} from what they were as drawn, "
            f"under a random mask by {other:.3f}"
        )

    changes = "the chosen mask changes hidden units {} than a random mask"
    return Question(
        key="responses",
        title="changes the responses of hidden units more than a random mask",
        effect=lambda tables: of_seeds(_hidden(tables, PREREGISTERED) - _hidden(tables, CONTROL)),
        rule=Above(0.0),
        what="the difference in decorrelation of hidden units' responses, chosen mask minus random mask,",
        scale=DECORRELATION,
        reading=reading,
        says=three(
            changes.format("more"), changes.format("less"), "which of the two changes hidden units more"
        ),
    )


def _hidden(tables: Tables, criterion: str) -> np.ndarray:
    """A seed's mean decorrelation over all hidden units, in the order of the seeds."""
    of = tables["responses"].where(decisive=True, criterion=criterion)
    output = of["layer"][-1]
    found = []
    for seed in sorted(set(of["seed"].tolist())):
        each = of.where(seed=seed)
        hidden = each["layer"] != output if len(set(each["layer"].tolist())) > 1 else np.ones(len(each), bool)
        found.append(np.average(each["decorrelation"][hidden], weights=each["units"][hidden]))
    return np.array(found)
