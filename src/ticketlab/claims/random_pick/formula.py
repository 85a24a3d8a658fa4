"""What `random-pick` asks of each way of training, from tables alone: is it the law of random networks that fit?

    equality   the total variation between the two laws is below 0.10
    order      log P_SGD = α + β log P_B + scatter, with β between ½ and 1½, and a correlation above 0.7
    bias       the mean errors on held-out examples differ by less than two points

The claim is equality, for every way of training. The random networks have infinite width, so a difference may be that of width.
*Fails* is said only where training is far from random networks of its own width too. Each control guards against one way in which
a verdict would be wrong:

    shuffled   held-out labels leak into both samplers, so that they agree for the wrong reason
    width      the width moves the law of random networks, and not training; or its chains have not mixed
    matched    the law is no more than its errors, so that any training with these errors would agree
    halves     chains disagree among themselves; or the fit does not find slope 1 between halves of one law

One seed gives two estimates of the total variation. The mean of the first is at most the truth: a set chosen by one half of the
draws, measured by the other. The mean of the second, the plug-in value, is at least the truth. Student's lower bound of the
first and upper bound of the second decide, so neither bias helps a verdict. The price is that *holds* needs many draws. Of the
first there is one from infinite and one from the trained width. The mean of the smaller one is at most either truth.

Where most draws are functions that are met once, nothing is said about single functions: equality and order are behind a gate on
the unseen mass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, TypeAlias

import numpy as np

from ticketlab.claims.answers import claim_verdict, concerned, verdicts_of
from ticketlab.claims.asking import columns, three
from ticketlab.claims.headroom import LEAST, avoided
from ticketlab.claims.wording import number
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Bracket, Difference, of_seeds
from ticketlab.laws.formulae import All, Answer, Formula, Gate, Gated, Question, Tables, answer
from ticketlab.laws.rules import ALPHA, USUAL, Above, Below, Between, Levels, Within
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "ALIKE", "ARMS", "BAYES", "BIAS", "CORRELATION", "EQUALITY", "FLAT", "NOTHING", "RULE", "SHUFFLED", "SLOPE", "TITLES",
    "UNIFORM", "WIDTH", "Trained", "formula", "random_labels", "side_questions", "verdicts",
]  # fmt: skip

Trained: TypeAlias = Literal["sgd", "logistic", "adam", "full-batch", "momentum", "single"]
ARMS: tuple[Trained, ...] = ("sgd", "logistic", "adam", "full-batch")  # by default
TITLES = {
    "sgd": "SGD, square loss",
    "logistic": "SGD, logistic loss",
    "adam": "Adam, square loss",
    "full-batch": "full batch, square loss",
    "momentum": "SGD with momentum 0.9, square loss",
    "single": "SGD on single examples, square loss",
}
BAYES, SHUFFLED = "random networks that fit", "shuffled labels"
WIDTH, UNIFORM = "random networks of the trained width", "error-matched functions"
EQUALITY, SLOPE, CORRELATION, BIAS = "equality", "slope", "correlation", "bias"
NOTHING, ALIKE, FLAT = "shuffled", "shuffled-alike", "shuffled-flat"

UNSEEN, FITTED, DECADES, R_HAT, EFFECTIVE = 0.2, 0.99, 2.0, 1.05, 1000.0
MOST, LOW, HIGH, AGREE, MARGIN, AWAY = 0.10, 0.5, 1.5, 0.7, 0.02, 0.05
APART, SAME_SLOPE, SAME, WIDE = 0.05, 0.2, 0.9, 0.05
PLAIN = Scale("")
DISTANCE, COEFFICIENT = Scale("", bounds=(0.0, 1.0)), Scale("", bounds=(-1.0, 1.0))
DIFFERENCE = Scale("", bounds=(-1.0, 1.0))
ERRORS = Scale("points of error", 100.0, bounds=(-100.0, 100.0))


def formula(arms: Sequence[str] = ARMS) -> Formula:
    """The claim: for every way of training, the two laws are equal but for a tenth."""
    parts = tuple(Gated((_seen(arm), _own_width(arm)), _equality(arm)) for arm in arms)
    return Gated((*_quality(arms), _width(), _more_than_errors()), All(parts, key="claim"))


def _quality(arms: Sequence[str]) -> tuple[Gate, ...]:
    return _fits(arms), _chains(arms), _halves(), _skill(arms), _leak()


def side_questions(arms: Sequence[str] = ARMS) -> tuple[Formula, ...]:
    """The order and the inductive bias of each way of training, and what shuffled labels do."""
    sides: list[Formula] = []
    quality = (*_quality(arms), _width())
    for arm in arms:
        single = (*quality, _seen(arm), _range(arm), _fit(), _ranks(arm))
        sides += [Gated(single, _slope(arm)), Gated(single, _correlation(arm)), Gated(quality, _bias(arm))]
    return (*sides, *(Gated((_fits_shuffled(),), q) for q in (_nothing(), _alike(), _flat())))


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


def _rows(arm: str, tables: Tables) -> Table:
    found: Table = tables["laws"].where(training=arm)
    return found.by_seed()


def _control(column: str, tables: Tables) -> np.ndarray:
    """One value a seed."""
    found: np.ndarray = tables["controls"].by_seed()[column]
    return found


def _shuffled(column: str, tables: Tables) -> np.ndarray:
    """The mean over the permutations of each seed."""
    return np.array([np.mean(rows[column]) for _, rows in tables["shuffled"].along("seed")])


def _mean(arm: str, column: str, tables: Tables) -> float:
    return float(np.mean(_rows(arm, tables)[column]))


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
    rows, own = _rows(arm, tables), _from_own_width(arm, tables)
    low = rows["tv_low"] if own is None else np.minimum(rows["tv_low"], own)
    return Bracket(of_seeds(low), of_seeds(rows["tv_high"]))


def _from_own_width(arm: str, tables: Tables) -> np.ndarray | None:
    """The total variation from random networks of the trained width, from below; None if it was not measured."""
    rows = _rows(arm, tables)
    if "tv_low_width" not in columns(rows) or np.isnan(rows["tv_low_width"]).any():
        return None
    found: np.ndarray = rows["tv_low_width"]
    return found


def _distance_read(arm: str, tables: Tables) -> str:
    own = _from_own_width(arm, tables)
    from_own = "was not measured" if own is None else f"is {number(float(np.mean(own)))} from below"
    return (
        f"With {TITLES[arm]}, the total variation from random networks of infinite width is estimated at "
        f"{number(_mean(arm, 'tv_low', tables))} from below and {number(_mean(arm, 'tv_high', tables))} from above, on average "
        f"over seeds. That from random networks of the trained width {from_own}. Between eighths of the draws of one sampler "
        f"it is {number(_mean(arm, 'tv_within', tables))}"
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
            f"With {TITLES[arm]}, the slope is {number(_mean(arm, 'slope', tables))} over "
            f"{number(_mean(arm, 'decades', tables))} decades, with a scatter of {number(_mean(arm, 'scatter', tables))} decades"
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
            f"With {TITLES[arm]}, the correlation is {number(_mean(arm, 'correlation', tables))}; with the noise of counting it "
            f"is {number(_mean(arm, 'plain_correlation', tables))} on functions that both drew, and "
            f"{number(_mean(arm, 'ceiling', tables))} between halves of one sampler"
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
        effect=lambda tables: of_seeds(_rows(arm, tables)["error"] - _rows(arm, tables)["bayes_error"]),
        rule=Within(MARGIN),
        what=f"the mean error of training ({TITLES[arm]}) minus that of random networks that fit",
        scale=ERRORS,
        reading=lambda tables: (
            f"With {TITLES[arm]}, functions err on {number(100 * _mean(arm, 'error', tables))} % of the held-out examples; those "
            f"of random networks that fit on {number(100 * _mean(arm, 'bayes_error', tables))} %"
        ),
        says=three("they generalise alike", "they do not generalise alike", "whether they generalise alike"),
        facets={"training": arm},
    )


def _nothing() -> Question:
    return Question(
        key=NOTHING,
        title="shuffled labels: nothing is learnt",
        effect=lambda tables: -_better_than_random(tables),
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
        effect=lambda tables: of_seeds(_shuffled("error", tables) - _shuffled("bayes_error", tables)),
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
        effect=lambda tables: of_seeds(_first(tables)["repeat"] - _shuffled("repeat", tables)),
        rule=Above(0.0),
        what="the probability that two runs end on the same function, minus the same on shuffled labels,",
        scale=DIFFERENCE,
        reading=lambda tables: (
            f"Two runs end on the same function with probability {number(float(np.mean(_first(tables)['repeat'])))}, and on "
            f"shuffled labels with probability {number(float(np.mean(_shuffled('repeat', tables))))}"
        ),
        says=three("the law is flatter", "the law is not flatter", "whether the law is flatter"),
        facets={"training": SHUFFLED},
    )


def _first(tables: Tables) -> Table:
    """The way of training that is repeated on shuffled labels: the first one of the table."""
    laws = tables["laws"]
    return _rows(str(laws["training"][0]), tables)


def random_labels(shuffled: Table) -> str:
    """The column with the error of labels drawn at random; it was called "chance" once."""
    return "random_labels" if "random_labels" in columns(shuffled) else "chance"


def _better_than_random(tables: Tables) -> Difference:
    """By how much training on shuffled labels errs less than labels drawn at random."""
    random = _shuffled(random_labels(tables["shuffled"]), tables)
    return of_seeds(random - _shuffled("error", tables))


def _percent(column: str, tables: Tables) -> str:
    return f"{number(100 * float(np.mean(_shuffled(column, tables))))} %"


def _of_seeds(arm: str, column: str, tables: Tables) -> Difference:
    """Of a fit's number, which is unknown where no functions repeat."""
    rows = _rows(arm, tables)
    return of_seeds(np.where(rows["decades"] > 0, rows[column], np.nan))


# --- gates ---


def _fits(arms: Sequence[str]) -> Gate:
    def passed(tables: Tables) -> str | None:
        least = min(float(np.min(_rows(arm, tables)["fitted"])) for arm in arms)
        if least >= FITTED:
            return None
        return f"Only {number(100 * least)} % of the runs of one arm fit the training examples; {100 * FITTED:g} % are required."

    return Gate("fits", "training runs fit", passed, "More steps, or another step size, would let them fit.")


def _fits_shuffled() -> Gate:
    def passed(tables: Tables) -> str | None:
        least = float(np.min(_shuffled("fitted", tables)))
        if least >= FITTED:
            return None
        return f"Only {number(100 * least)} % of the runs of a seed fit the shuffled labels; {100 * FITTED:g} % are required."

    return Gate(
        "fits-shuffled", "training runs fit shuffled labels", passed, "More steps would let them fit."
    )


def _chains(arms: Sequence[str]) -> Gate:
    def passed(tables: Tables) -> str | None:
        r_hat = max(float(np.max(_rows(arm, tables)["r_hat"])) for arm in arms)
        effective = min(float(np.min(_rows(arm, tables)["effective"])) for arm in arms)
        return _unmixed("The chains", r_hat, effective)

    return Gate("chains", "chains have mixed", passed, "More draws would let the chains mix.")


def _unmixed(whose: str, r_hat: float, effective: float) -> str | None:
    if r_hat < R_HAT and effective >= EFFECTIVE:
        return None
    return (
        f"{whose} have an R-hat of {r_hat:.3f} and {effective:.0f} effective draws. Required are an R-hat below {R_HAT:g} and at "
        f"least {EFFECTIVE:g} draws."
    )


def _halves() -> Gate:
    def passed(tables: Tables) -> str | None:
        found = of_seeds(_control("halves_low", tables))
        if not found.decidable or found.upper(ALPHA) < APART:
            return None
        return (
            f"Between two halves of the chains, which should draw from one law, the total variation is {number(found.mean)} from "
            f"below, at most {number(found.upper(ALPHA))}; less than {APART:g} is required."
        )

    return Gate(
        "halves", "halves of the chains agree", passed, "More paths between draws would let the chains mix."
    )


def _leak() -> Gate:
    def passed(tables: Tables) -> str | None:
        found = _better_than_random(tables)
        if not found.decidable or found.upper(ALPHA) < AWAY:
            return None
        return (
            f"After training on shuffled labels, functions err {number(100 * found.mean)} points less than labels drawn at "
            f"random, at most {number(100 * found.upper(ALPHA))}; less than {number(100 * AWAY)} is required, so that no label "
            "leaks."
        )

    opens = "More --shuffles would measure it better; held-out examples that are not among the training examples close a leak."
    return Gate("leak", "held-out labels do not leak", passed, opens)


def _width() -> Gate:
    def passed(tables: Tables) -> str | None:
        values = _control("width_tv", tables)
        if np.isnan(values).any():
            return "Random networks of the trained width were not drawn, so width and training are not told apart."
        r_hat = float(np.max(_control("width_r_hat", tables)))
        effective = float(np.min(_control("width_effective", tables)))
        unmixed = _unmixed("The chains of the trained width", r_hat, effective)
        return unmixed or _moved_by_width(of_seeds(values))

    return Gate(
        "width",
        "width matters little",
        passed,
        "Wider networks, or more draws of them, would separate the two.",
    )


def _moved_by_width(found: Difference) -> str | None:
    """Of a total variation that tends to the truth from below: near 0.1 it is about a third of it."""
    if not found.decidable or found.upper(ALPHA) < WIDE:
        return None
    return (
        f"Random networks of the trained width that fit have a total variation of {number(found.mean)} from those of infinite "
        f"width, at most {number(found.upper(ALPHA))}; less than {WIDE:g} is required, so that training counts."
    )


def _own_width(arm: str) -> Gate:
    """It keeps back *fails* alone, where nobody has measured whether training is far from its own width too."""

    def passed(tables: Tables) -> str | None:
        far = of_seeds(_rows(arm, tables)["tv_low"])
        if _from_own_width(arm, tables) is not None or not far.decidable or far.lower(ALPHA) <= MOST:
            return None
        return (
            "The total variation between training and random networks of the trained width was not measured, so the difference "
            "from infinite width may be that of the width."
        )

    opens = "A new run, with --width-draws above 0, would measure it."
    return Gate("own-width", "training differs from random networks of its width", passed, opens)


def _more_than_errors() -> Gate:
    def passed(tables: Tables) -> str | None:
        found = of_seeds(_control("matched_low", tables))
        if not found.decidable or found.lower(ALPHA) > MOST:
            return None
        return (
            "These draws do not show that the law of random networks is more than its errors: its total variation from a law "
            "with the same errors in which functions with equally many errors are equally probable is estimated from below at "
            f"{number(max(found.mean, 0.0))}. More than {MOST:g} is required, because otherwise any training with these errors "
            "would agree."
        )

    return Gate(
        "matched",
        "the law is more than its errors",
        passed,
        "More held-out examples would separate functions.",
    )


def _fit() -> Gate:
    def passed(tables: Tables) -> str | None:
        slope, correlation = (
            float(np.mean(_control(column, tables))) for column in ("halves_slope", "halves_correlation")
        )
        if abs(slope - 1) <= SAME_SLOPE and correlation >= SAME:
            return None
        return (
            f"Between halves of one law the fit finds a slope of {number(slope)} and a correlation of {number(correlation)}; "
            f"required are {1 - SAME_SLOPE:g} to {1 + SAME_SLOPE:g} and at least {SAME:g}."
        )

    return Gate("fit", "the fit finds one law in its halves", passed, "More draws would let the fit find it.")


def _ranks(arm: str) -> Gate:
    def passed(tables: Tables) -> str | None:
        found = of_seeds(_rows(arm, tables)["rank_within"])
        if not found.decidable or found.lower(ALPHA) > 0:
            return None
        return (
            f"Among functions with equally many errors, ranks are not known to agree ({TITLES[arm]}): the correlation is "
            f"{number(found.mean)}. So the order may be that of errors alone."
        )

    return Gate(
        "ranks", "ranks agree among equal errors", passed, "More runs and draws would show the order."
    )


def _skill(arms: Sequence[str]) -> Gate:
    def passed(tables: Tables) -> str | None:
        gains = [_gain(arm, column, tables) for arm in arms for column in ("error", "bayes_error")]
        best = max(gains, key=lambda gain: gain.lower(ALPHA))
        if not best.decidable or best.lower(ALPHA) > LEAST:
            return None
        return (
            f"Neither training nor random networks that fit are better than guessing on held-out examples: the better one avoids "
            f"{number(100 * best.mean)} % of its errors, and {100 * LEAST:g} % are required."
        )

    opens = "More training examples, or a target that networks generalise to, would make it a question."
    return Gate("skill", "better than guessing", passed, opens)


def _gain(arm: str, column: str, tables: Tables) -> Difference:
    """The share of guessing's errors that are avoided."""
    rows = _rows(arm, tables)
    return of_seeds(avoided(rows[column], rows["chance"]))


def _seen(arm: str) -> Gate:
    def passed(tables: Tables) -> str | None:
        rows = _rows(arm, tables)
        most = float(max(np.max(rows["unseen"]), np.max(rows["bayes_unseen"])))
        if most <= UNSEEN:
            return None
        return (
            f"Functions that were never drawn ({TITLES[arm]}) have a probability of {most:.2f}; at most {UNSEEN:g} is allowed, "
            "so nothing is said about single functions."
        )

    return _gate(
        "seen", passed, "More runs and draws, or fewer held-out examples, would let functions repeat."
    )


def _range(arm: str) -> Gate:
    def passed(tables: Tables) -> str | None:
        decades = _mean(arm, "decades", tables)
        if decades >= DECADES:
            return None
        return (
            f"The probabilities of functions range over {decades:.1f} decades only; {DECADES:g} are required."
        )

    return _gate("range", passed, "More draws would show rarer functions.")


def _gate(key: str, passed: Callable[[Tables], str | None], opens: str) -> Gate:
    return Gate(key, {"seen": "functions repeat", "range": "probabilities range widely"}[key], passed, opens)


RULE = (
    "The claim holds if, for every way of training, the total variation between the functions on which training ends and those "
    "of random networks that fit, at infinite width, is below 0.10. It fails if for one of them it is above 0.10, both at "
    "infinite and at the trained width. Otherwise it is undecided. It is also undecided if more than 1 % of the runs do not fit, "
    "if the chains have not mixed, if neither side is better than guessing by a tenth, or if functions that were never drawn "
    "have a probability above 0.2. Four controls keep it undecided: halves of the chains that differ, held-out labels that leak "
    "into training on shuffled ones, random networks of the trained width that differ from infinite width by 0.05 or whose "
    "chains have not mixed, and a law that is no more than its errors. If it fails, but slope, correlation and mean error hold "
    "for all, the reading says so: almost."
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
