"""What `tangent-sampling` asks, from tables alone: has training the law over functions of tangent-space solutions?

    equality   the total variation between trained networks and tangent-space solutions, both over random starts, is below 0.10

As in `random-pick`, each seed gives two estimates of the total variation. The mean of one is at most the truth and that of the
other is at least the truth, and each bounds one side. Where most draws are functions that are met once, nothing is said about
single functions. Where both laws are nearly one function there is nothing to compare.

Any two laws look alike on few held-out examples, or on examples that are alike. Then a law is no more than its errors: functions
with equally many errors are equally probable. *Holds* is said only if the law of trained networks is seen to be more than a tenth
from that, on the examples on which it is compared. And both sides have to give the labels of the training examples.

Side questions ask the same of one start's null space, whether errors agree, and from where predictions get their variance: the
start θ₀, the order of the data, or the null space. A draw from the null space means something else at another θ₀, and so may an
order. So what counts as theirs is all that varies at one start, their interaction with it included.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.asking import columns, three
from ticketlab.claims.headroom import LEAST, avoided
from ticketlab.claims.wording import number
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Bracket, Difference, of_seeds
from ticketlab.laws.formulae import Formula, Gate, Gated, Question, Tables, answer
from ticketlab.laws.rules import USUAL, Below, Levels, Within
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "BIAS", "ENSEMBLES", "EQUALITY", "FITTED", "HALVES", "MOST", "NULL", "NULL_SPACE", "ORDER", "RULE", "STARTS", "TITLES",
    "formula", "side_questions", "verdicts",
]  # fmt: skip

STARTS, NULL, HALVES, ENSEMBLES = "starts", "null space", "halves", "ensembles"
TITLES = {
    STARTS: "tangent solutions over random starts",
    NULL: "tangent solutions along one null space",
    HALVES: "the other half of the trained networks",
    ENSEMBLES: "ensembles of both",
}
EQUALITY, BIAS, ORDER, NULL_SPACE = "equality", "bias", "order", "null-space"
UNSEEN, FITTED, MOST, MARGIN = 0.2, 0.99, 0.10, 0.02
ONE = 0.8  # probability of one function that leaves little to compare
SPREAD = 0.01  # variance of labels that can be split
HALF, TENTH = 0.5, 0.1
DISTANCE = Scale("", bounds=(0.0, 1.0))
ERRORS = Scale("points of error", 100.0, bounds=(-100.0, 100.0))
VARIANCE = Scale("% of the variance", 100.0)


def formula() -> Formula:
    """The claim: trained networks and tangent solutions over random starts have one law, but for a tenth."""
    return Gated((_ended(), _skill(), *_comparable(STARTS)), _equality(STARTS), key="claim")


def side_questions() -> tuple[Formula, ...]:
    """One start's null space, mean errors, and the sources of variance."""
    quality = (_ended(), _skill())
    return (
        Gated((*quality, *_comparable(NULL)), _equality(NULL)),
        *(Gated((*quality, _fit(comparison)), _bias(comparison)) for comparison in (STARTS, NULL)),
        Gated((_ended(), _chance("training")), _variance(ORDER, "training", Below(TENTH))),
        Gated((_chance("tangent"),), _variance(NULL_SPACE, "tangent", Below(HALF))),
    )


def _comparable(comparison: str) -> tuple[Gate, ...]:
    return _fit(comparison), _seen(comparison), _varied(comparison), _more_than_errors(comparison)


def verdicts(tables: Tables, levels: Levels = USUAL) -> tuple[Verdict, ...]:
    """The claim, its question, and the side questions."""
    whole = answer(formula(), tables, levels)
    return verdicts_of(claim_verdict(whole, RULE, SAYS), whole, side_questions(), tables, levels)


def _rows(comparison: str, tables: Tables) -> Table:
    found: Table = tables["laws"].where(comparison=comparison)
    return found.by_seed()


def _mean(comparison: str, column: str, tables: Tables) -> float:
    return float(np.mean(_rows(comparison, tables)[column]))


# --- questions ---


def _total_variation(comparison: str, tables: Tables) -> Bracket:
    rows = _rows(comparison, tables)
    return Bracket(of_seeds(rows["tv_low"]), of_seeds(rows["tv_high"]))


def _equality(comparison: str) -> Question:
    return Question(
        key=EQUALITY,
        title=f"trained networks have the law of {TITLES[comparison]}",
        effect=partial(_total_variation, comparison),
        rule=Below(MOST),
        what=f"the total variation between trained networks and {TITLES[comparison]}",
        scale=DISTANCE,
        reading=lambda tables: (
            f"The total variation between trained networks and {TITLES[comparison]} is estimated at "
            f"{number(_mean(comparison, 'tv_low', tables))} from below and {number(_mean(comparison, 'tv_high', tables))} from "
            f"above, on average over seeds. Between halves of the trained networks the second number is "
            f"{number(_mean(HALVES, 'tv_high', tables))}"
        ),
        says=three(
            "the two laws are equal but for a tenth",
            "the two laws differ by more than a tenth",
            "whether the two laws differ by more than a tenth",
        ),
        facets={"comparison": comparison},
    )


def _bias(comparison: str) -> Question:
    def effect(tables: Tables) -> Difference:
        rows = _rows(comparison, tables)
        return of_seeds(rows["error"] - rows["other_error"])

    return Question(
        key=BIAS,
        title=f"the mean error of trained networks is that of {TITLES[comparison]}",
        effect=effect,
        rule=Within(MARGIN),
        what=f"the mean error of trained networks minus that of {TITLES[comparison]}",
        scale=ERRORS,
        reading=lambda tables: (
            f"Trained networks err on {number(100 * _mean(comparison, 'error', tables))} % of the held-out examples, "
            f"{TITLES[comparison]} on {number(100 * _mean(comparison, 'other_error', tables))} %"
        ),
        says=three("they generalise alike", "they do not generalise alike", "whether they generalise alike"),
        facets={"comparison": comparison},
    )


SOURCES = {
    ORDER: (
        "the order of the data has less than a tenth of the variance of trained networks",
        "the share of the variance of trained networks that is left at one start, over data orders,",
        ("data orders matter little", "data orders matter", "how much data orders matter"),
    ),
    NULL_SPACE: (
        "the null space has less than half of the variance of tangent solutions",
        "the share of the variance of tangent solutions that is left at one start, over its null space,",
        (
            "most of it comes from the start",
            "most of it comes from the null space",
            "from where most of it comes",
        ),
    ),
}


def _variance(key: str, law: str, rule: Below) -> Question:
    """What is left at one start: of the second source alone, and of both together."""

    def rows(tables: Tables) -> Table:
        found: Table = tables["variance"].where(law=law)
        return found.by_seed()

    def reading(tables: Tables) -> str:
        of = rows(tables)
        start, second, rest = (
            f"{round(100 * float(np.mean(of[c])), 1) + 0.0:.1f}".replace("-", "−")
            for c in ("rows", "columns", "rest")
        )
        other = "the order of the data" if law == "training" else "the null-space draw"
        whose = "trained networks" if law == "training" else "tangent solutions"
        return f"Of the variance of the labels of {whose}, θ₀ has {start} %, {other} {second} %, and both together {rest} %"

    title, what, says = SOURCES[key]
    return Question(
        key=key,
        title=title,
        effect=lambda tables: of_seeds(rows(tables)["columns"] + rows(tables)["rest"]),
        rule=rule,
        what=what,
        scale=VARIANCE,
        reading=reading,
        says=three(*says),
        facets={"law": law},
    )


# --- gates ---


def _ended() -> Gate:
    def passed(tables: Tables) -> str | None:
        least = float(np.min(_rows(STARTS, tables)["fitted"]))
        if least >= FITTED:
            return None
        return f"Only {100 * least:.5g} % of the training runs of one seed ended; {100 * FITTED:g} % are required."

    return Gate(
        "ended", "training was finished", passed, "More steps, or another step size, would let them end."
    )


def _fit(comparison: str) -> Gate:
    """A small mean loss, or a ridge, may leave single labels wrong."""

    def passed(tables: Tables) -> str | None:
        rows = _rows(comparison, tables)
        if "fits" not in columns(rows):
            return "This older run did not count the networks that give the training labels."
        least = float(min(np.min(rows["fits"]), np.min(rows["other_fits"])))
        if least >= FITTED:
            return None
        return (
            f"Only {100 * least:.5g} % of the networks of one side (trained networks, or {TITLES[comparison]}) give "
            f"{100 * FITTED:g} % of the training labels in one seed; {100 * FITTED:g} % are required."
        )

    opens = "A smaller --loss or --ridge would make both sides fit."
    return Gate("fits", "both sides fit the training labels", passed, opens)


def _skill() -> Gate:
    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        rows = _rows(STARTS, tables)
        gains = [of_seeds(avoided(rows[column], rows["chance"])) for column in ("error", "other_error")]
        best = max(gains, key=lambda gain: gain.lower(levels.smaller))
        if not best.decidable or best.lower(levels.smaller) > LEAST:
            return None
        return (
            "Neither trained networks nor tangent solutions are better than guessing on held-out examples: the better one avoids "
            f"{number(100 * best.mean)} % of its errors, and {100 * LEAST:g} % are required."
        )

    opens = "More training examples, or a target that networks generalise to, would make it a question."
    return Gate("skill", "better than guessing", passed, opens, shows=True)


def _seen(comparison: str) -> Gate:
    def passed(tables: Tables) -> str | None:
        rows = _rows(comparison, tables)
        most = float(max(np.max(rows["unseen"]), np.max(rows["other_unseen"])))
        if most <= UNSEEN:
            return None
        return (
            f"Functions that were never drawn (trained networks, or {TITLES[comparison]}) have a probability of {most:.2f}; at "
            f"most {UNSEEN:g} is allowed, so nothing is said about single functions."
        )

    opens = "More runs and draws would let functions repeat."
    return Gate("seen", "functions repeat", passed, opens)


def _varied(comparison: str) -> Gate:
    """Two laws that both are nearly one function are equal, and that says little."""

    def passed(tables: Tables) -> str | None:
        rows = _rows(comparison, tables)
        least = float(min(np.mean(rows["top"]), np.mean(rows["other_top"])))
        if least <= ONE:
            return None
        return (
            f"Both laws are nearly one function: the most frequent one has a probability of {least:.2f} or more in each, and at "
            f"most {ONE:g} is allowed, so there is little to compare."
        )

    return Gate("varied", "functions vary", passed, "Fewer training examples would let functions vary.")


def _more_than_errors(comparison: str) -> Gate:
    """It keeps back *holds* alone: two laws that are seen to differ do."""

    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        rows = _rows(comparison, tables)
        if "matched_low" not in columns(rows):
            return "This older run did not compare the law of trained networks with its errors."
        apart = of_seeds(rows["matched_low"])
        alike = _total_variation(comparison, tables).upper(levels.holds) < MOST
        if not alike or not apart.decidable or apart.lower(levels.holds) > MOST:
            return None
        return (
            "These held-out examples do not show that the law of trained networks is more than its errors. From a law with the "
            "same errors in which functions with equally many errors are equally probable, its total variation is estimated at "
            f"{number(max(apart.mean, 0.0))} from below. More than {MOST:g} has to be shown, because otherwise any law with "
            "these errors would agree."
        )

    opens = "More held-out examples would tell functions apart."
    return Gate("matched", "the law is more than its errors", passed, opens, shows=True)


def _chance(law: str) -> Gate:
    def passed(tables: Tables) -> str | None:
        least = float(np.mean(tables["variance"].where(law=law)["total"]))
        if least >= SPREAD:
            return None
        return f"Labels have a variance of {least:.4f}; at least {SPREAD:g} is required to split it."

    return Gate("chance", "labels vary", passed, "Fewer training examples would let labels vary.")


RULE = (
    "The claim holds if the total variation between the functions of trained networks and of tangent-space solutions, both over "
    "random starts, is below 0.10. It fails if it is above 0.10. Otherwise it is undecided. It is also undecided if more than "
    "1 % of the runs did not reach the training loss, if more than 1 % of the networks of a side do not give 99 % of the "
    "training labels, if neither side is better than guessing by a tenth, if functions that were never drawn have a probability "
    "above 0.2, or if both laws give one function more than 0.8, on average over training sets. *Holds* also needs held-out "
    "examples that tell functions apart: the law of trained networks must be shown to have a total variation above 0.10 from the "
    "law with the same errors in which functions with equally many errors are equally probable. Everything else is a side "
    "question."
)
SAYS = {
    Outcome.HOLDS: "The functions that training reaches have the law of tangent-space solutions over random starts.",
    Outcome.FAILS: "The functions that training reaches do not have the law of tangent-space solutions over random starts.",
    Outcome.UNDECIDED: "These runs do not decide whether training has the law of tangent-space solutions over random starts.",
}
