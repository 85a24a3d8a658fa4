"""What the claim `multi-prize` says, as a formula: the same questions of each prize, under *all*.

A prize is a ticket with binary weights, or one with binary weights and activations. Both are compared with one network: the one
of full precision, with the activation function that was chosen, whose weights are trained. What each ticket loses against a mask
of full precision, or against trained binary weights, are side questions.
"""

from __future__ import annotations

from collections.abc import Mapping

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.gates import skill_gate
from ticketlab.claims.headroom import with_column
from ticketlab.claims.learned.questions import Part, as_accurate, better, converged, no_skill
from ticketlab.evidence.tables import Table
from ticketlab.laws.formulae import All, Formula, Gated, Tables, answer
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = ["BOTH", "RULE", "WEIGHTS", "conclude", "formula", "sides"]

WEIGHTS, BOTH = "binary weights", "binary weights and activations"
FULL = "full precision"
DENSE = "the trained network of full precision"
OTHERS = {
    "mask": ("a mask of full precision", "the search for a mask of full precision"),
    "binarised": ("trained binary weights", "the training of binary weights"),
}


def formula(margin: float) -> Formula:
    """The claim.

    Arguments:
        margin: the difference in test score that still counts as equal.
    """
    return All(tuple(_prize(setting, margin) for setting in (WEIGHTS, BOTH)))


def sides(margin: float) -> tuple[Formula, ...]:
    """Against a mask of full precision, and against trained binary weights."""
    asked = ((BOTH, "mask"), (WEIGHTS, "binarised"), (BOTH, "binarised"))
    return tuple(_side(setting, other, margin) for setting, other in asked)


def conclude(margin: float, tables: Mapping[str, Table]) -> tuple[Verdict, ...]:
    """The claim as a whole, then its questions."""
    found = answer(formula(margin), tables)
    return verdicts_of(claim_verdict(found, RULE, SAYS), found, sides(margin), tables)


RULE = (
    "Everything is asked at the density fixed before the runs. The claim holds if all questions hold for both tickets, the "
    "one with binary weights and the one with binary weights and activations: it is as accurate as the trained network of "
    "full precision, and better than guessing, than a random mask of equal counts over the same signs and than the same "
    "search over permuted labels, which guesses. The claim fails if one of them fails. Otherwise it is undecided. The "
    "questions of a ticket are undecided if neither it nor the trained network is better than guessing, or if its search or "
    "the training of that network has not converged. Converged means that at most the margin is left to be gained in training "
    "score: all labels but the margin are fitted, or the rise in the second half of the steps shows that another run as long "
    "would gain less than the margin."
)
SAYS = {
    Outcome.HOLDS: "The random network contains subnetworks of binary weights, with and without binary activations, that are as "
    "accurate as the trained network of full precision. No weight was trained.",
    Outcome.FAILS: "Not all of the prizes were found.",
    Outcome.UNDECIDED: "These runs do not decide whether the random network contains all of the prizes.",
}


def _prize(setting: str, margin: float) -> Formula:
    examples, facets = _examples(setting), {"prize": setting}

    def permuted(tables: Tables) -> Table:
        return tables["permuted"].where(setting=setting)

    def with_permuted(tables: Tables) -> Table:
        return with_column(examples(tables), "permuted", permuted(tables)["permuted"])

    def titled(words: str) -> str:
        return f"{setting}: {words}"

    gates = (
        skill_gate(examples, ("ticket", FULL)),
        converged("search", f"the search ({setting})", _arm(setting, "ticket"), examples, margin),
        converged(
            "training",
            "the training of the network of full precision",
            _arm(WEIGHTS, "dense"),
            examples,
            margin,
        ),
    )
    guessing, random = (
        "always guessing what is most frequent",
        "a random mask of equal counts over the same signs",
    )
    search = "the same search over permuted labels"
    questions = (
        as_accurate(
            "score", examples, FULL, DENSE, margin, title=titled(f"as accurate as {DENSE}"), facets=facets
        ),
        better("guessing", examples, "guess", guessing, title=titled("better than guessing"), facets=facets),
        better("random", examples, "random", random, title=titled(f"better than {random}"), facets=facets),
        better(
            "labels", with_permuted, "permuted", search, title=titled(f"better than {search}"), facets=facets
        ),
        no_skill(
            permuted,
            _arm(setting, "permuted"),
            title=titled("nothing is learnt from permuted labels"),
            facets=facets,
        ),
    )
    return Gated(gates, All(questions), key="prize", title=setting)


def _side(setting: str, other: str, margin: float) -> Formula:
    examples, (whom, made) = _examples(setting), OTHERS[other]
    gates = (
        skill_gate(examples, ("ticket", other)),
        converged("search", f"the search ({setting})", _arm(setting, "ticket"), examples, margin),
        converged("other", f"{made} ({setting})", _arm(setting, other), examples, margin),
    )
    title = f"{setting}: as accurate as {whom}"
    return Gated(
        gates, as_accurate(other, examples, other, whom, margin, title=title, facets={"prize": setting})
    )


def _examples(setting: str) -> Part:
    """The test scores of a setting, with those of the trained network of full precision in a column."""

    def part(tables: Tables) -> Table:
        dense = tables["examples"].where(setting=WEIGHTS)["dense"]
        return with_column(tables["examples"].where(setting=setting), FULL, dense)

    return part


def _arm(setting: str, arm: str) -> Part:
    return lambda tables: tables["arms"].where(setting=setting, arm=arm)
