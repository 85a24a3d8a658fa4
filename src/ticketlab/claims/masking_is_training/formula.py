"""What the claim `masking-is-training` says, as a formula.

Everything is asked of untrained networks at one density, of one criterion with one action for each side of the mask, all fixed
before the runs. The claim has two parts.

*A mask holds what was learnt*: under the chosen mask the network is better than guessing, than under random masks, and than under
the mask that the same criterion finds on permuted labels, each by a tenth of the headroom above guessing.

*Towards zero*: what counts is which way training moved the removed weights. Zeroing only those that shrank is compared with its
*twin*: in each layer equally many of the removed weights are zeroed, in a random choice. It must be better than its twin, and
better than zeroing those that shrank when the labels were permuted. Zeroing only those that grew must be worse than its own twin.
A twin has the same counts, so that only the choice differs. The network as it was drawn guesses, so it can hardly be made worse;
comparisons with it are side questions.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.gates import skill_gate
from ticketlab.claims.headroom import HEADROOM, LEAST, difference, percent, share
from ticketlab.claims.wording import points
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Difference, of_seeds
from ticketlab.laws.formulae import All, Formula, Gated, Question, Tables, answer
from ticketlab.laws.rules import Above, Below
from ticketlab.laws.scale import POINTS, Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "CONTROL",
    "DRAWN",
    "GROWN",
    "GROWN_TWIN",
    "GUESS",
    "MASK",
    "PERMUTED",
    "PREREGISTERED",
    "RANDOM",
    "RULE",
    "SHRUNK",
    "SHRUNK_PERMUTED",
    "SHRUNK_TWIN",
    "TRAINED",
    "conclude",
    "formula",
    "said",
    "sides",
]

PREREGISTERED, CONTROL = "large-final-same-sign", "random-equal-layers"
MASK, RANDOM, GUESS, PERMUTED, TRAINED = "mask", "random", "guess", "permuted", "trained"
SHRUNK, GROWN, DRAWN = "shrunk", "grown", "drawn"
SHRUNK_TWIN, GROWN_TWIN, SHRUNK_PERMUTED = "shrunk_twin", "grown_twin", "shrunk_permuted"
DECORRELATION = Scale("of decorrelation", bounds=(-2.0, 2.0))


WORDS = {
    GUESS: "guessing the most frequent class",
    RANDOM: "random masks that keep equally many weights in every layer",
    PERMUTED: "the mask found on permuted labels",
    DRAWN: "zeroing nothing",
    SHRUNK: "zeroing those removed weights that shrank",
    SHRUNK_TWIN: "zeroing equally many removed weights of each layer at random",
    SHRUNK_PERMUTED: "zeroing those removed weights that shrank in training on permuted labels",
    GROWN: "zeroing those removed weights that grew",
    GROWN_TWIN: "zeroing equally many removed weights of each layer at random",
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
    return Gated(
        (skill_gate(_examples, (TRAINED,)),),
        All(
            (
                _holds_the_task("guessing", GUESS, "better than guessing"),
                _holds_the_task("random", RANDOM, "better than random masks"),
                _holds_the_task("labels", PERMUTED, "better than a mask from permuted labels"),
                _towards("shrunk", SHRUNK, SHRUNK_TWIN, "zeroing what shrank: better than a random choice"),
                _towards(
                    "shrunk", SHRUNK, SHRUNK_PERMUTED, "zeroing what shrank: better than from permuted labels"
                ),
                _away("grown", GROWN, GROWN_TWIN, "zeroing what grew: worse than a random choice"),
            )
        ),
    )


def sides() -> tuple[Formula, ...]:
    """The side questions."""
    gates = (skill_gate(_examples, (TRAINED,)),)
    asked = (
        _towards("shrunk", SHRUNK, DRAWN, "zeroing what shrank: better than zeroing nothing"),
        _away("grown", GROWN, DRAWN, "zeroing what grew: worse than zeroing nothing"),
        _memorised(),
        _responses(),
    )
    return tuple(Gated(gates, question) for question in asked)


def conclude(tables: Mapping[str, Table]) -> tuple[Verdict, ...]:
    """The claim as a whole, then its questions, then the side questions."""
    found, examples = answer(formula(), tables), tables["examples"]
    mask, random = percent(examples, MASK), percent(examples, RANDOM)
    says = {
        Outcome.HOLDS: "Masking is training: under a mask chosen by how training moved the weights, and with none of them "
        f"moved, the untrained network scores {mask}. Under random masks it scores {random}. What counts is that the zeroed "
        "weights are those that training was moving to zero.",
        Outcome.FAILS: f"Masking is not training here. Under the chosen mask the untrained network scores {mask}, under random "
        f"masks {random}.",
        Outcome.UNDECIDED: "These runs do not decide whether masking is training.",
    }
    return verdicts_of(claim_verdict(found, RULE, says), found, sides(), tables)


RULE = (
    "Everything is asked of untrained networks, at one density and for one criterion, both fixed before the runs. The claim "
    "holds if all its questions hold. The chosen mask is better than guessing, than random masks that keep equally many "
    "weights in every layer and than the mask found on permuted labels. Zeroing those removed weights that shrank is better "
    "than zeroing equally many at random, and than zeroing those that shrank in training on permuted labels. Zeroing those "
    "that grew is worse than zeroing equally many at random. The claim fails if one of them fails. Otherwise it is undecided; "
    "and always if the trained network is not better than guessing."
)


def _examples(tables: Tables) -> Table:
    return tables["examples"]


def _holds_the_task(key: str, other: str, title: str) -> Question:
    """Is the chosen mask better, by a tenth of the headroom above guessing?"""

    def reading(tables: Tables) -> str:
        of = tables["examples"]
        gain = points(difference(of, MASK, other).mean)
        return (
            f"Under the chosen mask the untrained network scores {percent(of, MASK)} on test data, against "
            f"{percent(of, other)} for {WORDS[other]}, a difference of {gain} points"
        )

    least = "a tenth of the headroom above guessing"
    return Question(
        key=key,
        title=title,
        effect=lambda tables: share(tables["examples"], MASK, other),
        rule=Above(LEAST),
        what=f"the difference in untrained test score, chosen mask minus {WORDS[other]},",
        scale=HEADROOM,
        reading=reading,
        says={
            Outcome.HOLDS: "masking put the task into the network",
            Outcome.FAILS: f"that is less than {least}",
            Outcome.UNDECIDED: f"the data do not decide whether that is more than {least}",
        },
    )


def _towards(key: str, one: str, other: str, title: str) -> Question:
    says = {
        Outcome.HOLDS: "what counts is which weights training moved to zero",
        Outcome.FAILS: "it is worse",
        Outcome.UNDECIDED: "the data do not decide whether it is better",
    }
    if other == DRAWN:
        says[Outcome.HOLDS] = "zeroing them trains the network"
    return _choice(key, one, other, title, Above(0.0), says)


def _away(key: str, one: str, other: str, title: str) -> Question:
    says = {
        Outcome.HOLDS: "zeroing what training moved away from zero does harm",
        Outcome.FAILS: "it is better",
        Outcome.UNDECIDED: "the data do not decide whether it is worse",
    }
    return _choice(key, one, other, title, Below(0.0), says)


def _choice(
    key: str, one: str, other: str, title: str, rule: Above | Below, says: Mapping[Outcome, str]
) -> Question:
    """Two choices of the removed weights that are zeroed, the others left as they were drawn."""

    def reading(tables: Tables) -> str:
        of = tables["examples"]
        gain = points(difference(of, one, other).mean)
        return (
            f"Untrained, with all other weights as they were drawn, {WORDS[one]} gives a score of {percent(of, one)}, and "
            f"{WORDS[other]} one of {percent(of, other)}, a difference of {gain} points"
        )

    return Question(
        key=key,
        title=title,
        effect=lambda tables: difference(tables["examples"], one, other),
        rule=rule,
        what=f"the difference in untrained test score, {WORDS[one]} minus {WORDS[other]},",
        scale=POINTS,
        reading=reading,
        says=says,
        facets={"against": other},
    )


def _memorised() -> Question:
    """Whether a mask found on permuted labels fits them, on the training data: it says what masks can do."""

    def gain(tables: Tables) -> Difference:
        mask, random = (tables["memorised"].where(arm=arm) for arm in (MASK, RANDOM))
        return of_seeds(mask["train_score"] - random["train_score"])

    def reading(tables: Tables) -> str:
        mask, random = (percent(tables["memorised"].where(arm=arm), "train_score") for arm in (MASK, RANDOM))
        return f"The mask found on permuted labels fits {mask} of these labels untrained, random masks fit {random}"

    return Question(
        key="memorised",
        title="fits permuted training labels",
        effect=gain,
        rule=Above(0.0),
        what="the difference in training score on permuted labels, mask found on them minus random masks,",
        scale=POINTS,
        reading=reading,
        says={
            Outcome.HOLDS: "masks fit labels that mean nothing, as training does",
            Outcome.FAILS: "masks do not fit labels that mean nothing",
            Outcome.UNDECIDED: "the data do not decide whether masks fit labels that mean nothing",
        },
    )


def _responses() -> Question:
    """Whether the chosen mask changes what hidden units respond to more than a random mask does."""

    def reading(tables: Tables) -> str:
        mine, other = (float(np.mean(_hidden(tables, c))) for c in (PREREGISTERED, CONTROL))
        return (
            f"Under the chosen mask the responses of hidden units decorrelate by {mine:.3f} from what they were as drawn, "
            f"under a random mask by {other:.3f}"
        )

    return Question(
        key="responses",
        title="changes the responses of hidden units more than a random mask",
        effect=lambda tables: of_seeds(_hidden(tables, PREREGISTERED) - _hidden(tables, CONTROL)),
        rule=Above(0.0),
        what="the difference in decorrelation of hidden units' responses, chosen mask minus random mask,",
        scale=DECORRELATION,
        reading=reading,
        says={
            Outcome.HOLDS: "the chosen mask changes hidden units more than a random mask",
            Outcome.FAILS: "the chosen mask changes hidden units less than a random mask",
            Outcome.UNDECIDED: "the data do not decide which of the two changes hidden units more",
        },
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
