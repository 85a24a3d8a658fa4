"""What the claim `untrained-subnetwork` says, as a formula: the learned mask against the trained network and three controls.

All questions are asked at one search, density, width and distribution of the weights, fixed before the runs. Whether wider
networks hold better tickets is a side question. The dense network improves with width too, so its slope is subtracted. Another
side question asks whether a mask of the multigraph, in which nothing was drawn, does as well.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.asking import Part, scores, three
from ticketlab.claims.gates import margin_gate, skill_gate
from ticketlab.claims.learned.halfway import rows_of_arms
from ticketlab.claims.learned.questions import KEPT_BACK, Asked, converged, found, not_behind
from ticketlab.claims.wording import more_points, weights_kept
from ticketlab.evidence.tables import Table
from ticketlab.figures.wording import fixed
from ticketlab.laws.difference import Difference, paired_difference
from ticketlab.laws.formulae import Formula, Gate, Gated, Question, Tables, answer
from ticketlab.laws.rules import USUAL, Above, Levels
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = ["MULTIGRAPH", "RULE", "conclude", "formula", "side_questions", "wider"]

DOUBLING = Scale("points of test score a doubling", 100.0)
DENSE = ("dense", "the trained dense network")
MULTIGRAPH = "multigraph"


def formula(margin: float) -> Formula:
    """The claim.

    Arguments:
        margin: the difference in test score that still counts as equal.
    """
    asked = Asked(
        _decisive,
        lambda tables: tables["permuted"],
        lambda arm: lambda tables: _arm(tables, arm),
        DENSE,
        "a random mask of equal counts",
        margin,
    )
    return found(asked, _converged(margin, size=1.0))


def wider(margin: float) -> Formula:
    """The side question: does the ticket gain more from width than the dense network does?"""
    return Gated(
        (skill_gate(_decisive, ("ticket", "dense")), *_converged(margin)),
        Question(
            key="wider",
            title="gains more from width than the dense network",
            effect=lambda tables: slope(tables["examples"]),
            rule=Above(0.0),
            what="the slope of the test score in log₂ width, ticket minus trained dense network,",
            scale=DOUBLING,
            reading=_widths_read,
            says=three(
                "wider networks hold better tickets",
                "the ticket gains less from width than the dense network",
                "whether the ticket gains more from width than the dense network",
            ),
        ),
    )


def as_well(margin: float) -> Formula:
    """The side question: does a learned mask of the multigraph do as well as the ticket?"""
    says = three(
        "a learned mask needs no random network to do this",
        "it is less accurate, so the random network helps the search",
        "whether it is as accurate",
    )
    ticket, edges = ("ticket", "the ticket"), (MULTIGRAPH, "the mask of the multigraph")
    title, rule = "a mask of the multigraph does as well", Above(-margin)
    searches = (
        *_converged(margin, size=1.0)[:1],
        converged(
            "edges",
            "the search over the multigraph",
            lambda tables: _arm(tables, MULTIGRAPH),
            _decisive,
            margin,
        ),
    )
    return Gated(
        (
            skill_gate(_with_edges, ("ticket", MULTIGRAPH)),
            *searches,
            margin_gate(_with_edges, edges, ticket, margin),
        ),
        scores(MULTIGRAPH, title, _with_edges, edges, ticket, rule, says),
    )


def side_questions(margin: float, *, widths: bool, edges: bool) -> tuple[Formula, ...]:
    """What is asked beside the claim, where several widths or the multigraph are part of the plan."""
    return (*((wider(margin),) if widths else ()), *((as_well(margin),) if edges else ()))


def _converged(margin: float, **where: float) -> tuple[Gate, ...]:
    """Search and training have come to their end, at one width or at all."""

    def rows(arm: str) -> Part:
        return lambda tables: rows_of_arms(tables).where(arm=arm, **where)

    return (
        converged("search", "the search", rows("ticket"), _decisive, margin),
        converged("training", "the training of the dense network", rows("dense"), _decisive, margin),
        not_behind(rows("dense"), rows("ticket"), margin),
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


def conclude(
    margin: float, tables: Mapping[str, Table], levels: Levels = USUAL, *, widths: bool, edges: bool
) -> tuple[Verdict, ...]:
    """The claim as a whole, then its questions.

    Arguments:
        widths, edges: whether several widths have been run, and the multigraph, so that their side questions can be asked.
    """
    whole = answer(formula(margin), tables, levels)
    kept = weights_kept(float(np.mean(_arm(tables, "ticket")["density"])))
    says = {
        Outcome.HOLDS: f"The random network contains a subnetwork, {kept}, that is as accurate as the trained network. No weight "
        "was trained.",
        Outcome.FAILS: f"No such subnetwork was found. The search kept {kept}.",
        Outcome.UNDECIDED: "These runs do not decide whether the random network contains such a subnetwork.",
    }
    sides = side_questions(margin, widths=widths, edges=edges)
    return verdicts_of(claim_verdict(whole, RULE, says), whole, sides, tables, levels)


RULE = (
    "Everything is asked at one search, density, width and distribution of the weights, fixed before the runs. The claim "
    "holds if all its questions hold: the ticket is as accurate as the trained dense network, and better than guessing, than "
    "a random mask of equal counts and than the same search over permuted labels. The claim fails if one of them fails. "
    "Otherwise it is undecided; and always if neither the ticket nor the dense network is better than guessing, if the search or "
    f"the training of the dense network has not converged, {KEPT_BACK}"
)


def _decisive(tables: Tables) -> Table:
    return tables["examples"].where(size=1.0)


def _with_edges(tables: Tables) -> Table:
    """The test scores that decide, with those of the mask of the multigraph."""
    return _decisive(tables).adding(**{MULTIGRAPH: tables[MULTIGRAPH][MULTIGRAPH]})


def _arm(tables: Tables, arm: str) -> Table:
    return rows_of_arms(tables).where(arm=arm, size=1.0)


def _widths_read(tables: Tables) -> str:
    examples = tables["examples"]
    ends = [float(size) for size in (np.min(examples["size"]), np.max(examples["size"]))]
    scores = [
        " to ".join(fixed(100 * float(np.mean(examples.where(size=end)[arm])), 1) for end in ends) + " %"
        for arm in ("ticket", "dense")
    ]
    return (
        f"From {ends[0]:g} to {ends[1]:g} times the width the ticket's score goes from {scores[0]}, the dense network's from "
        f"{scores[1]}. With each doubling the ticket gains {more_points(slope(examples).mean)}"
    )
