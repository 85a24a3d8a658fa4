"""How far apart: the verdict against its margin, each arm's test error, how far the parameters moved, how predictions agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ticketlab.claims.tangent_minimum.formula import MOVED_SCORE, READ_OUT, READ_OUT_SCORE, SCORE
from ticketlab.claims.tangent_minimum.page.arms import (
    ARMS,
    DESCENT,
    SHIFTED,
    TANGENT,
    arms_in,
    error_of,
    errors,
)
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import linear_axis, logarithmic_axis
from ticketlab.figures.figure import Figure, Panel
from ticketlab.figures.forest import forest
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.rows import Row, Series, row_chart
from ticketlab.figures.setting import Setting, seeds, settings
from ticketlab.figures.spread import Spread, spread
from ticketlab.figures.wording import extent, listed, measure, plural, plus_minus, quantity
from ticketlab.laws.verdict import Verdict

__all__ = ["agreement", "motion", "test_error", "verdict"]

REFERENCE = Mark(f"mean of {DESCENT}", LIGHT.soft, dash="dot", line=True)
COMPARED = {SCORE: TANGENT, READ_OUT_SCORE: READ_OUT, MOVED_SCORE: SHIFTED}
BySetting = Mapping[Setting, Mapping[str, Spread]]


def verdict(questions: Sequence[Verdict], arms: Table | None, margin: float | None) -> Figure | None:
    """The paired differences against the margin, with each seed's difference where the arms are known."""
    dots = {q.question: _by_seed(q, arms) for q in questions} if arms else {}
    return forest(
        questions,
        margin=margin,
        dots=dots,
        effect=f"test score minus that of {DESCENT}",
        sides=(f"{DESCENT} better", f"{DESCENT} worse"),
    )


def _by_seed(q: Verdict, arms: Table) -> tuple[float, ...]:
    return differences(Setting(q.facets["loss"], q.facets["offset"]).of(arms), COMPARED[q.key])


def differences(arms: Table, arm: str = TANGENT) -> tuple[float, ...]:
    """By seed, 100 (score of the arm − score of gradient descent), where both are known."""
    one, descent = (
        dict(zip(rows["seed"].tolist(), rows["test_score"].tolist(), strict=True))
        for rows in (arms.where(arm=arm), arms.where(arm=DESCENT))
    )
    return tuple(100 * (one[seed] - descent[seed]) for seed in one if seed in descent)


def test_error(arms: Table) -> Figure:
    """Every arm's test error, seed by seed, with its mean and interval."""
    by_setting = {s: errors(s.of(arms)) for s in settings(arms)}
    ends = [v for of in by_setting.values() for s in of.values() for v in (*s.values, *(s.interval or ()))]
    x = linear_axis(f"test error, % of {error_of(arms)}", ends, include=0.0)
    panels = tuple(
        Panel(
            str(setting),
            row_chart([_error_row(arm, s) for arm, s in of.items()], x=x, limits=_reference(of)),
            _words(
                setting, "mean test error", {arm: plus_minus(s.mean, s.interval) for arm, s in of.items()}
            ),
        )
        for setting, of in by_setting.items()
    )
    best = [min(of, key=lambda arm: of[arm].mean) for of in by_setting.values()]
    wins = [f"{arm} in {quantity(best.count(arm))}" for arm in ARMS if arm in best]
    return Figure(
        "test-error",
        f"Lowest mean test error: {listed(wins)} of {plural(len(best), 'setting')}",
        f"Test error of every arm. Filled signs are means over {seeds(arms)}, bars and ± their 95 % intervals, open signs "
        f"single seeds; the dotted line is the mean of {DESCENT}. The intervals ignore the pairing that the verdict uses, so two "
        "of them may overlap although the difference is clear.",
        panels,
    )


def _words(setting: Setting, what: str, by_arm: Mapping[str, str]) -> tuple[str, ...]:
    return (f"{setting}: {what} {', '.join(f'{arm} {number} %' for arm, number in by_arm.items())}.",)


def _reference(of: Mapping[str, Spread]) -> dict[float, Mark]:
    return {of[DESCENT].mean: REFERENCE} if DESCENT in of else {}


def _error_row(arm: str, s: Spread) -> Row:
    return Row(arm, (Series(ARMS[arm], s.values, s.mean, s.interval),), f"{plus_minus(s.mean, s.interval)} %")


def motion(arms: Table) -> Figure | None:
    """How far the parameters moved from θ₀, by setting and arm."""
    moved = _by_setting(arms, "relative_motion", but=SHIFTED)
    means = {arm: [of[arm].mean for of in moved.values() if arm in of] for arm in (DESCENT, TANGENT)}
    if not all(means.values()):
        return None
    by_descent, by_tangent = (extent(m, measure) for m in means.values())
    x = logarithmic_axis("‖Δθ‖ / ‖θ₀‖, %", _values(moved))
    return Figure(
        "motion",
        f"Gradient descent moves the parameters by {by_descent} % of ‖θ₀‖, the tangent minimum by {by_tangent} %",
        "Distance ‖Δθ‖ between the initial parameters θ₀ and those an arm ends at, relative to ‖θ₀‖; one sign a seed. The "
        "smaller it is, the better a first-order expansion around θ₀ can describe the network.",
        (Panel("", row_chart(_rows(moved), x=x), _all_words(moved, "mean relative motion")),),
        _key(moved),
    )


def agreement(arms: Table) -> Figure | None:
    """On what share of test examples each arm predicts the class that gradient descent predicts."""
    agreeing = _by_setting(arms, "agreement", but=DESCENT)
    shares = [of[TANGENT].mean for of in agreeing.values() if TANGENT in of]
    if not shares:
        return None
    x = linear_axis(f"same prediction as {DESCENT}, % of test examples", _values(agreeing))
    return Figure(
        "agreement",
        f"The {TANGENT} predicts as {DESCENT} does on {extent(shares, measure)} % of test examples",
        f"Share of test examples on which an arm predicts the same class as {DESCENT}, right or wrong; one sign a seed. Two arms "
        "of equal accuracy may still disagree on many examples.",
        (Panel("", row_chart(_rows(agreeing), x=x), _all_words(agreeing, f"mean agreement with {DESCENT}")),),
        _key(agreeing),
    )


def _by_setting(arms: Table, column: str, *, but: str) -> BySetting:
    """Each setting's arms, all but one, that have numbers in a column of fractions; in per cent."""
    found = {}
    for s in settings(arms):
        rows = s.of(arms)
        of = {arm: spread(100 * rows.where(arm=arm)[column]) for arm in arms_in(rows) if arm != but}
        found[s] = {arm: v for arm, v in of.items() if v.values}
    return {s: of for s, of in found.items() if of}


def _rows(by_setting: BySetting) -> list[Row]:
    return [
        Row(str(s), tuple(Series(ARMS[a], v.values) for a, v in of.items())) for s, of in by_setting.items()
    ]


def _values(by_setting: BySetting) -> list[float]:
    return [v for of in by_setting.values() for s in of.values() for v in s.values]


def _key(by_setting: BySetting) -> tuple[Mark, ...]:
    return tuple(mark for arm, mark in ARMS.items() if any(arm in of for of in by_setting.values()))


def _all_words(by_setting: BySetting, what: str) -> tuple[str, ...]:
    numbers = {s: {arm: measure(v.mean) for arm, v in of.items()} for s, of in by_setting.items()}
    return tuple(line for s, by_arm in numbers.items() for line in _words(s, what, by_arm))
