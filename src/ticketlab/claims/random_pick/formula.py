"""What `random-pick` asks of each way of training, from tables alone: is it the law of random networks that fit?

    equality   the total variation between the two laws is below 0.10
    order      log P_SGD = α + β log P_B + scatter, with β between ½ and 1½, and a correlation above 0.7
    bias       the mean errors on held-out examples differ by less than two points

The claim is equality, for every way of training. The random networks have infinite width, so a difference may be that of width.
*Fails* is said only where training is far from random networks of its own width too. The controls are gates (`gates.py`).

One seed gives two estimates of the total variation. The mean of the first is at most the truth: a set chosen by one half of the
draws, measured by the other. The mean of the second, the plug-in value, is at least the truth. Student's lower bound of the
first and upper bound of the second decide, so neither bias helps a verdict. The price is that *holds* needs many draws. Of the
first there is one from infinite and one from the trained width. The mean of the smaller one is at most either truth.

Where most draws are functions that are met once, nothing is said about single functions: equality and order are behind a gate on
the unseen mass.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from ticketlab.claims.answers import claim_verdict, concerned, verdicts_of
from ticketlab.claims.asking import three
from ticketlab.claims.random_pick import gates
from ticketlab.claims.random_pick.gates import AWAY, MOST
from ticketlab.claims.random_pick.tables import (
    ARMS,
    BAYES,
    SHUFFLED,
    TITLES,
    UNIFORM,
    WIDTH,
    Trained,
    better_than_random,
    from_own_width,
    mean,
    random_labels,
    rows_of,
    shuffled,
)
from ticketlab.claims.wording import number
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Bracket, Difference, of_seeds
from ticketlab.laws.formulae import All, Answer, Formula, Gated, Question, Tables, answer
from ticketlab.laws.rules import USUAL, Above, Below, Between, Levels, Within
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "ALIKE", "ARMS", "BAYES", "BIAS", "CORRELATION", "EQUALITY", "FLAT", "NOTHING", "RULE", "SHUFFLED", "SLOPE", "TITLES",
    "UNIFORM", "WIDTH", "Trained", "formula", "random_labels", "side_questions", "verdicts",
]  # fmt: skip

EQUALITY, SLOPE, CORRELATION, BIAS = "equality", "slope", "correlation", "bias"
NOTHING, ALIKE, FLAT = "shuffled", "shuffled-alike", "shuffled-flat"

LOW, HIGH, AGREE, MARGIN = 0.5, 1.5, 0.7, 0.02
PLAIN = Scale("")
DISTANCE, COEFFICIENT = Scale("", bounds=(0.0, 1.0)), Scale("", bounds=(-1.0, 1.0))
DIFFERENCE = Scale("", bounds=(-1.0, 1.0))
ERRORS = Scale("points of error", 100.0, bounds=(-100.0, 100.0))


def formula(arms: Sequence[str] = ARMS) -> Formula:
    """The claim: for every way of training, the two laws are equal but for a tenth."""
    parts = tuple(
        Gated((gates.functions_repeat(arm), gates.far_from_own_width(arm)), _equality(arm)) for arm in arms
    )
    return Gated(
        (*gates.quality(arms), gates.width_matters_little(), gates.more_than_errors()),
        All(parts, key="claim"),
    )


def side_questions(arms: Sequence[str] = ARMS) -> tuple[Formula, ...]:
    """The order and the inductive bias of each way of training, and what shuffled labels do."""
    sides: list[Formula] = []
    quality = (*gates.quality(arms), gates.width_matters_little())
    for arm in arms:
        single = (
            *quality,
            gates.functions_repeat(arm),
            gates.probabilities_range(arm),
            gates.fit_finds_one_law(),
            gates.ranks_agree(arm),
        )
        sides += [Gated(single, _slope(arm)), Gated(single, _correlation(arm)), Gated(quality, _bias(arm))]
    return (*sides, *(Gated((gates.fits_shuffled(),), q) for q in (_nothing(), _alike(), _flat())))


def verdicts(tables: Tables, arms: Sequence[str] = ARMS, levels: Levels = USUAL) -> tuple[Verdict, ...]:
    """The claim, equality for each way of training, and the side questions."""
    whole, sides = answer(formula(arms), tables, levels), side_questions(arms)
    almost = whole.outcome is Outcome.FAILS and _first_order(sides, tables, levels)
    says = {**SAYS, Outcome.FAILS: ALMOST} if almost else SAYS
    return verdicts_of(claim_verdict(whole, RULE, says, _which), whole, sides, tables, levels)


def _first_order(sides: Sequence[Formula], tables: Tables, levels: Levels) -> bool:
    """Whether order and bias hold for every way of training."""
    found = [q for side in sides for q in answer(side, tables, levels).questions()]
    return all(q.outcome is Outcome.HOLDS for q in found if q.formula.key not in (NOTHING, ALIKE, FLAT))


def _which(found: Answer) -> str:
    asked = concerned(found, found.outcome)
    names = "; ".join(dict.fromkeys(TITLES[q.facets["training"]] for q in asked))
    return f"{'It fails' if found.outcome is Outcome.FAILS else 'It is undecided'} for: {names}."


# --- questions ---


def _equality(arm: str) -> Question:
    return Question(
        key=EQUALITY,
        title=f"{TITLES[arm]}: functions have the probabilities of random networks that fit",
        effect=partial(_total_variation, arm),
        rule=Below(MOST),
        what=(
            f"the total variation between the functions of training ({TITLES[arm]}) and of random networks that fit, of infinite "
            "or of the trained width, whichever are nearer,"
        ),
        scale=DISTANCE,
        reading=partial(_distance_read, arm),
        says=three(
            "training has the law of infinite width but for a tenth",
            "training differs from both by more than a tenth",
            "whether training differs by more than a tenth",
        ),
        facets={"training": arm},
    )


def _total_variation(arm: str, tables: Tables) -> Bracket:
    """From above that from infinite width; from below that from the nearer of both widths, seed by seed."""
    rows, own = rows_of(arm, tables), from_own_width(arm, tables)
    low = rows["tv_low"] if own is None else np.minimum(rows["tv_low"], own)
    return Bracket(of_seeds(low), of_seeds(rows["tv_high"]))


def _distance_read(arm: str, tables: Tables) -> str:
    own = from_own_width(arm, tables)
    from_own = "was not measured" if own is None else f"is {number(float(np.mean(own)))} from below"
    return (
        f"With {TITLES[arm]}, the total variation from random networks of infinite width is estimated at "
        f"{number(mean(arm, 'tv_low', tables))} from below and {number(mean(arm, 'tv_high', tables))} from above, on average "
        f"over seeds. That from random networks of the trained width {from_own}. Between eighths of the draws of one sampler "
        f"it is {number(mean(arm, 'tv_within', tables))}"
    )


def _slope(arm: str) -> Question:
    return Question(
        key=SLOPE,
        title=f"{TITLES[arm]}: probabilities are proportional on a logarithmic scale",
        effect=partial(_of_seeds, arm, "slope"),
        rule=Between(LOW, HIGH),
        what=f"the slope β of log P_SGD ({TITLES[arm]}) on log P_B",
        scale=PLAIN,
        reading=lambda tables: (
            f"With {TITLES[arm]}, the slope is {number(mean(arm, 'slope', tables))} over "
            f"{number(mean(arm, 'decades', tables))} decades, with a scatter of {number(mean(arm, 'scatter', tables))} decades"
        ),
        says=three("frequent functions stay frequent", "probabilities follow another power", "the slope"),
        facets={"training": arm},
    )


def _correlation(arm: str) -> Question:
    return Question(
        key=CORRELATION,
        title=f"{TITLES[arm]}: probabilities are correlated on a logarithmic scale",
        effect=partial(_of_seeds, arm, "correlation"),
        rule=Above(AGREE),
        what=f"the correlation of log P_SGD ({TITLES[arm]}) and log P_B, without the noise of counting,",
        scale=COEFFICIENT,
        reading=lambda tables: (
            f"With {TITLES[arm]}, the correlation is {number(mean(arm, 'correlation', tables))}; with the noise of counting it "
            f"is {number(mean(arm, 'plain_correlation', tables))} on functions that both drew, and "
            f"{number(mean(arm, 'ceiling', tables))} between halves of one sampler"
        ),
        says=three(
            "training follows the order", "training hardly follows the order", "how closely it follows"
        ),
        facets={"training": arm},
    )


def _bias(arm: str) -> Question:
    return Question(
        key=BIAS,
        title=f"{TITLES[arm]}: the mean error is that of random networks that fit",
        effect=lambda tables: of_seeds(rows_of(arm, tables)["error"] - rows_of(arm, tables)["bayes_error"]),
        rule=Within(MARGIN),
        what=f"the mean error of training ({TITLES[arm]}) minus that of random networks that fit",
        scale=ERRORS,
        reading=lambda tables: (
            f"With {TITLES[arm]}, functions err on {number(100 * mean(arm, 'error', tables))} % of the held-out examples; those "
            f"of random networks that fit on {number(100 * mean(arm, 'bayes_error', tables))} %"
        ),
        says=three("they generalise alike", "they do not generalise alike", "whether they generalise alike"),
        facets={"training": arm},
    )


def _nothing() -> Question:
    return Question(
        key=NOTHING,
        title="shuffled labels: nothing is learnt",
        effect=lambda tables: -better_than_random(tables),
        rule=Within(AWAY),
        what="the mean error after training on shuffled labels, minus that of labels drawn at random,",
        scale=ERRORS,
        reading=lambda tables: (
            f"After training on shuffled labels, functions err on {_percent('error', tables)} of the held-out examples, and "
            f"labels drawn at random on {_percent(random_labels(tables['shuffled']), tables)}"
        ),
        says=three(
            "nothing is learnt", "something is learnt, or held-out labels leak", "whether that is chance"
        ),
        facets={"training": SHUFFLED},
    )


def _alike() -> Question:
    return Question(
        key=ALIKE,
        title="shuffled labels: the mean error is that of random networks that fit them",
        effect=lambda tables: of_seeds(shuffled("error", tables) - shuffled("bayes_error", tables)),
        rule=Within(MARGIN),
        what="the mean error of training on shuffled labels, minus that of random networks that fit the same labels,",
        scale=ERRORS,
        reading=lambda tables: (
            f"On the same shuffled labels, training errs on {_percent('error', tables)} of the held-out examples and random "
            f"networks that fit on {_percent('bayes_error', tables)}"
        ),
        says=three("they guess alike", "they guess differently", "whether they guess alike"),
        facets={"training": SHUFFLED},
    )


def _flat() -> Question:
    return Question(
        key=FLAT,
        title="shuffled labels: the law is flatter",
        effect=lambda tables: of_seeds(_first(tables)["repeat"] - shuffled("repeat", tables)),
        rule=Above(0.0),
        what="the probability that two runs end on the same function, minus the same on shuffled labels,",
        scale=DIFFERENCE,
        reading=lambda tables: (
            f"Two runs end on the same function with probability {number(float(np.mean(_first(tables)['repeat'])))}, and on "
            f"shuffled labels with probability {number(float(np.mean(shuffled('repeat', tables))))}"
        ),
        says=three("the law is flatter", "the law is not flatter", "whether the law is flatter"),
        facets={"training": SHUFFLED},
    )


def _first(tables: Tables) -> Table:
    """The way of training that is repeated on shuffled labels: the first one of the table."""
    laws = tables["laws"]
    return rows_of(str(laws["training"][0]), tables)


def _percent(column: str, tables: Tables) -> str:
    return f"{number(100 * float(np.mean(shuffled(column, tables))))} %"


def _of_seeds(arm: str, column: str, tables: Tables) -> Difference:
    """Of a fit's number, which is unknown where no functions repeat."""
    rows = rows_of(arm, tables)
    return of_seeds(np.where(rows["decades"] > 0, rows[column], np.nan))


RULE = (
    "The claim holds if, for every way of training, the total variation between the functions on which training ends and those "
    "of random networks that fit, at infinite width, is below 0.10. It fails if for one of them it is above 0.10, both at "
    "infinite and at the trained width. Otherwise it is undecided. It is also undecided if more than 1 % of the runs do not fit, "
    "if the chains have not mixed, or if neither side is better than guessing by a tenth. Where functions that were never drawn "
    "have a probability above 0.2, that way of training is undecided, and the claim cannot hold. Four controls keep the claim "
    "undecided: halves of the chains that differ, held-out labels that leak into training on shuffled ones, random networks of "
    "the trained width that differ from infinite width by 0.05 or whose chains have not mixed, and a law no larger than its "
    "errors. If it fails, but slope, correlation and mean error hold for all, the reading says so: almost."
)
SAYS = {
    Outcome.HOLDS: "Training picks functions with the probabilities that random networks of infinite width have.",
    Outcome.FAILS: "Training does not pick functions with the probabilities of random networks, of infinite or of its own width.",
    Outcome.UNDECIDED: "These runs do not decide the claim.",
}
ALMOST = (
    "Almost: training follows the probabilities of random networks to first order, in slope, correlation and mean error, but the "
    "two laws are not equal."
)
