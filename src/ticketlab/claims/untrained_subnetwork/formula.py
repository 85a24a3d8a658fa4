"""What the claim `untrained-subnetwork` says, as a formula: the learned mask against the trained network and three controls.

All questions are asked at one search, density, width and distribution of the weights, fixed before the runs. Whether wider
networks hold better tickets is a side question. The dense network improves with width too, so its slope is subtracted.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.gates import skill_gate
from ticketlab.claims.headroom import with_column
from ticketlab.claims.learned.questions import as_accurate, better, converged, no_skill
from ticketlab.claims.wording import points
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Difference, paired_difference
from ticketlab.laws.formulae import All, Formula, Gated, Question, Tables, answer
from ticketlab.laws.rules import Above
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = ["RULE", "conclude", "formula", "wider"]

DOUBLING = Scale("points of test score a doubling", 100.0)
DENSE = "the trained dense network"


def formula(margin: float) -> Formula:
    """The claim.

    Arguments:
        margin: the difference in test score that still counts as equal.
    """
    gates = (
        skill_gate(_decisive, ("ticket", "dense")),
        converged("search", "the search", lambda t: _arm(t, "ticket"), _decisive, margin),
        converged(
            "training", "the training of the dense network", lambda t: _arm(t, "dense"), _decisive, margin
        ),
    )
    questions = (
        as_accurate("score", _decisive, "dense", DENSE, margin),
        better(
            "guessing",
            _decisive,
            "guess",
            "always guessing what is most frequent",
            title="better than guessing",
        ),
        better("random", _decisive, "random", "a random mask of equal counts"),
        better("labels", _with_permuted, "permuted", "the same search over permuted labels"),
        no_skill(_permuted, lambda t: _arm(t, "permuted")),
    )
    return Gated(gates, All(questions))


def wider(margin: float) -> Formula:
    """The side question: does the ticket gain more from width than the dense network does?"""
    gates = (
        skill_gate(_decisive, ("ticket", "dense")),
        converged("search", "the search", lambda t: t["arms"].where(arm="ticket"), _decisive, margin),
        converged(
            "training",
            "the training of the dense network",
            lambda t: t["arms"].where(arm="dense"),
            _decisive,
            margin,
        ),
    )
    return Gated(
        gates,
        Question(
            key="wider",
            title="gains more from width than the dense network",
            effect=lambda tables: slope(tables["examples"]),
            rule=Above(0.0),
            what="the slope of the test score in log₂ width, ticket minus trained dense network,",
            scale=DOUBLING,
            reading=_widths_read,
            says={
                Outcome.HOLDS: "wider networks hold better tickets",
                Outcome.FAILS: "the ticket gains less from width than the dense network",
                Outcome.UNDECIDED: "the data do not decide whether the ticket gains more from width than the dense network",
            },
        ),
    )


def slope(examples: Table) -> Difference:
    """The slope of ticket minus dense network in log₂ width: one slope for every seed and test example.

    b = Σ_w (x_w − x̄) d_w / Σ_w (x_w − x̄)²,    x = log₂ width
    """
    sizes = np.log2(examples["size"])
    different = np.unique(sizes)
    spread = float(np.sum((different - different.mean()) ** 2))
    weights = len(different) * (sizes - different.mean()) / spread
    largest = float(np.sum(np.abs(different - different.mean()))) / spread
    apart = examples["ticket"] - examples["dense"]
    return paired_difference(weights * apart, examples["seed"], examples["id"], unit=largest)


def conclude(margin: float, tables: Mapping[str, Table], *, widths: bool) -> tuple[Verdict, ...]:
    """The claim as a whole, then its questions.

    Arguments:
        widths: whether several widths have been run, so that the side question can be asked.
    """
    found = answer(formula(margin), tables)
    kept = f"{100 * float(np.mean(_arm(tables, 'ticket')['density'])):.1f} % of the weights"
    says = {
        Outcome.HOLDS: f"The random network contains a subnetwork, {kept}, that is as accurate as the trained network. No weight "
        "was trained.",
        Outcome.FAILS: f"No such subnetwork was found. The search kept {kept}.",
        Outcome.UNDECIDED: "These runs do not decide whether the random network contains such a subnetwork.",
    }
    sides = (wider(margin),) if widths else ()
    return verdicts_of(claim_verdict(found, RULE, says), found, sides, tables)


RULE = (
    "Everything is asked at one search, density, width and distribution of the weights, fixed before the runs. The claim "
    "holds if all its questions hold: the ticket is as accurate as the trained dense network, and better than guessing, than "
    "a random mask of equal counts and than the same search over permuted labels, which guesses. The claim fails if one of "
    "them fails. Otherwise it is undecided; and always if neither the ticket nor the dense network is better than guessing, "
    "or if the search or the training of the dense network has not converged. Converged means that at most the margin is left "
    "to be gained in training score: all labels but the margin are fitted, or the rise in the second half of the steps shows "
    "that another run as long would gain less than the margin."
)


def _decisive(tables: Tables) -> Table:
    return tables["examples"].where(size=1.0)


def _permuted(tables: Tables) -> Table:
    return tables["permuted"]


def _with_permuted(tables: Tables) -> Table:
    return with_column(_decisive(tables), "permuted", tables["permuted"]["permuted"])


def _arm(tables: Tables, arm: str) -> Table:
    return tables["arms"].where(arm=arm, size=1.0)


def _widths_read(tables: Tables) -> str:
    examples = tables["examples"]
    ends = [float(size) for size in (np.min(examples["size"]), np.max(examples["size"]))]
    scores = [
        f"{100 * float(np.mean(examples.where(size=ends[0])[arm])):.1f} to "
        f"{100 * float(np.mean(examples.where(size=ends[1])[arm])):.1f} %"
        for arm in ("ticket", "dense")
    ]
    return (
        f"From {ends[0]:g} to {ends[1]:g} times the width the ticket's score goes from {scores[0]}, the dense network's from "
        f"{scores[1]}. The ticket gains {points(slope(examples).mean)} points a doubling more"
    )
