"""Gates of `random-pick`: what must have been measured, and the controls.

Each control guards against one way in which a verdict would be wrong:

    shuffled   held-out labels leak into both samplers, so that they agree for the wrong reason
    width      the width moves the law of random networks, and not training; or its chains have not mixed
    matched    the law is no more than its errors, so that any training with these errors would agree
    halves     chains disagree among themselves; or the fit does not find slope 1 between halves of one law
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ticketlab.claims.headroom import LEAST, avoided
from ticketlab.claims.random_pick.tables import (
    TITLES,
    better_than_random,
    control,
    from_own_width,
    mean,
    rows_of,
    shuffled,
)
from ticketlab.claims.wording import number
from ticketlab.laws.difference import Difference, of_seeds
from ticketlab.laws.formulae import Gate, Tables
from ticketlab.laws.rules import USUAL, Levels

__all__ = [
    "MOST", "chains_mix", "far_from_own_width", "fit_finds_one_law", "fits", "fits_shuffled", "functions_repeat", "halves_agree",
    "more_than_errors", "nothing_leaks", "probabilities_range", "quality", "ranks_agree", "skill", "width_matters_little",
]  # fmt: skip

MOST, AWAY = 0.10, 0.05  # total variation that the claim allows; error that shuffled labels may gain
UNSEEN, FITTED, DECADES, R_HAT, EFFECTIVE = 0.2, 0.99, 2.0, 1.05, 1000.0
APART, SAME_SLOPE, SAME, WIDE = 0.05, 0.2, 0.9, 0.05


def quality(arms: Sequence[str]) -> tuple[Gate, ...]:
    """What every question asks for."""
    return fits(arms), chains_mix(arms), halves_agree(), skill(arms), nothing_leaks()


def fits(arms: Sequence[str]) -> Gate:
    def passed(tables: Tables) -> str | None:
        least = min(float(np.min(rows_of(arm, tables)["fitted"])) for arm in arms)
        if least >= FITTED:
            return None
        return f"Only {100 * least:.5g} % of the runs of one arm fit the training examples; {100 * FITTED:g} % are required."

    return Gate("fits", "training runs fit", passed, "More steps, or another step size, would let them fit.")


def fits_shuffled() -> Gate:
    def passed(tables: Tables) -> str | None:
        least = float(np.min(shuffled("fitted", tables)))
        if least >= FITTED:
            return None
        return f"Only {100 * least:.5g} % of the runs of a seed fit the shuffled labels; {100 * FITTED:g} % are required."

    return Gate(
        "fits-shuffled", "training runs fit shuffled labels", passed, "More steps would let them fit."
    )


def chains_mix(arms: Sequence[str]) -> Gate:
    def passed(tables: Tables) -> str | None:
        r_hat = max(float(np.max(rows_of(arm, tables)["r_hat"])) for arm in arms)
        effective = min(float(np.min(rows_of(arm, tables)["effective"])) for arm in arms)
        return _unmixed("The chains", r_hat, effective)

    return Gate("chains", "chains have mixed", passed, "More draws would let the chains mix.")


def _unmixed(whose: str, r_hat: float, effective: float) -> str | None:
    if r_hat < R_HAT and effective >= EFFECTIVE:
        return None
    return (
        f"{whose} have an R-hat of {r_hat:.3f} and {effective:.0f} effective draws. Required are an R-hat below {R_HAT:g} and at "
        f"least {EFFECTIVE:g} draws."
    )


def halves_agree() -> Gate:
    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        found = of_seeds(control("halves_low", tables))
        if not found.decidable or found.upper(levels.smaller) < APART:
            return None
        return (
            f"Between two halves of the chains, which should draw from one law, the total variation is {number(found.mean)} from "
            f"below, at most {number(found.upper(levels.smaller))}; less than {APART:g} is required."
        )

    return Gate(
        "halves",
        "halves of the chains agree",
        passed,
        "More paths between draws would let the chains mix.",
        shows=True,
    )


def nothing_leaks() -> Gate:
    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        found = better_than_random(tables)
        if not found.decidable or found.upper(levels.smaller) < AWAY:
            return None
        return (
            f"After training on shuffled labels, functions err {number(100 * found.mean)} points less than labels drawn at "
            f"random, at most {number(100 * found.upper(levels.smaller))}; less than {number(100 * AWAY)} is required, so that "
            "no label leaks."
        )

    opens = "More --shuffles would measure it better; held-out examples that are not among the training examples close a leak."
    return Gate("leak", "held-out labels do not leak", passed, opens, shows=True)


def width_matters_little() -> Gate:
    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        values = control("width_tv", tables)
        if np.isnan(values).any():
            return "Random networks of the trained width were not drawn, so width and training are not told apart."
        r_hat = float(np.max(control("width_r_hat", tables)))
        effective = float(np.min(control("width_effective", tables)))
        unmixed = _unmixed("The chains of the trained width", r_hat, effective)
        return unmixed or _moved_by_width(of_seeds(values), levels.smaller)

    return Gate(
        "width",
        "width matters little",
        passed,
        "Wider networks, or more draws of them, would separate the two.",
        shows=True,
    )


def _moved_by_width(found: Difference, level: float) -> str | None:
    """Of a total variation that tends to the truth from below: near 0.1 it is about a third of it."""
    if not found.decidable or found.upper(level) < WIDE:
        return None
    return (
        f"Random networks of the trained width that fit have a total variation of {number(found.mean)} from those of infinite "
        f"width, at most {number(found.upper(level))}; less than {WIDE:g} is required, so that training counts."
    )


def far_from_own_width(arm: str) -> Gate:
    """It keeps back *fails* alone, where nobody has measured whether training is far from its own width too."""

    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        far = of_seeds(rows_of(arm, tables)["tv_low"])
        if from_own_width(arm, tables) is not None or not far.decidable or far.lower(levels.fails) <= MOST:
            return None
        return (
            "The total variation between training and random networks of the trained width was not measured, so the difference "
            "from infinite width may be that of the width."
        )

    opens = "A new run, with --width-draws above 0, would measure it."
    return Gate("own-width", "training differs from random networks of its width", passed, opens, shows=True)


def more_than_errors() -> Gate:
    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        found = of_seeds(control("matched_low", tables))
        if not found.decidable or found.lower(levels.smaller) > MOST:
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
        shows=True,
    )


def fit_finds_one_law() -> Gate:
    def passed(tables: Tables) -> str | None:
        slope, correlation = (
            float(np.mean(control(column, tables))) for column in ("halves_slope", "halves_correlation")
        )
        if abs(slope - 1) <= SAME_SLOPE and correlation >= SAME:
            return None
        return (
            f"Between halves of one law the fit finds a slope of {number(slope)} and a correlation of {number(correlation)}; "
            f"required are {1 - SAME_SLOPE:g} to {1 + SAME_SLOPE:g} and at least {SAME:g}."
        )

    return Gate("fit", "the fit finds one law in its halves", passed, "More draws would let the fit find it.")


def ranks_agree(arm: str) -> Gate:
    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        found = of_seeds(rows_of(arm, tables)["rank_within"])
        if not found.decidable or found.lower(levels.smaller) > 0:
            return None
        return (
            f"Among functions with equally many errors, ranks are not known to agree ({TITLES[arm]}): the correlation is "
            f"{number(found.mean)}. So the order may be that of errors alone."
        )

    return Gate(
        "ranks",
        "ranks agree among equal errors",
        passed,
        "More runs and draws would show the order.",
        shows=True,
    )


def skill(arms: Sequence[str]) -> Gate:
    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        gains = [_gain(arm, column, tables) for arm in arms for column in ("error", "bayes_error")]
        best = max(gains, key=lambda gain: gain.lower(levels.smaller))
        if not best.decidable or best.lower(levels.smaller) > LEAST:
            return None
        return (
            f"Neither training nor random networks that fit are better than guessing on held-out examples: the better one avoids "
            f"{number(100 * best.mean)} % of its errors, and {100 * LEAST:g} % are required."
        )

    opens = "More training examples, or a target that networks generalise to, would make it a question."
    return Gate("skill", "better than guessing", passed, opens, shows=True)


def _gain(arm: str, column: str, tables: Tables) -> Difference:
    """The share of guessing's errors that are avoided."""
    rows = rows_of(arm, tables)
    return of_seeds(avoided(rows[column], rows["chance"]))


def functions_repeat(arm: str) -> Gate:
    def passed(tables: Tables) -> str | None:
        rows = rows_of(arm, tables)
        most = float(max(np.max(rows["unseen"]), np.max(rows["bayes_unseen"])))
        if most <= UNSEEN:
            return None
        return (
            f"Functions that were never drawn ({TITLES[arm]}) have a probability of {most:.2f}; at most {UNSEEN:g} is allowed, "
            "so nothing is said about single functions."
        )

    opens = "More runs and draws, or fewer held-out examples, would let functions repeat."
    return Gate("seen", "functions repeat", passed, opens)


def probabilities_range(arm: str) -> Gate:
    def passed(tables: Tables) -> str | None:
        decades = mean(arm, "decades", tables)
        if decades >= DECADES:
            return None
        return (
            f"The probabilities of functions range over {decades:.1f} decades only; {DECADES:g} are required."
        )

    return Gate("range", "probabilities range widely", passed, "More draws would show rarer functions.")
