"""What `existence-bounds` asks: does a random network contain any target, and is it only logarithmically wider?

*Growth.* Every weight of the target is a sum of random products. n_δ is the number of products that leave a share δ of the
weights further than ε from their sum. The claim says that n_δ grows with log 1/ε. Two numbers of `growth` ask for that: products
for each halving of ε, and which of two laws with the same ends is nearer, a logarithm or a power of 1/ε. An ε for which too few
products were tried has no n_δ, only a bound from below. It could decide against a logarithm but never for one, so nothing is
decided about growth then. Weights below the largest ε are left out: they need no product there, and would make the growth look
steeper.

The earlier construction, one product for each weight, is the control. Its n_δ has to grow like a power of 1/ε, and the comparison
of the two laws has to find that.

*Any target.* A network that has fitted permuted labels has to be contained as well, and a random mask must not do. So the mask
contains what was put into it, and its existence says nothing about what can be learnt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.asking import no_misses, scores, three
from ticketlab.claims.existence_bounds.growth import HALFWAY, exponent, lean, slope
from ticketlab.claims.gates import fitted_gate, margin_gate, skill_gate
from ticketlab.claims.headroom import LEAST
from ticketlab.claims.wording import listed, margin_words, number
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Difference, of_seeds, paired_difference
from ticketlab.laws.formulae import All, Formula, Gate, Gated, Question, Tables, answer
from ticketlab.laws.rules import USUAL, Above, Below, Between, Levels, Rule, Within
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "MISSES", "PERMUTED", "PICK", "RANDOM", "SHUFFLED", "SUBSET", "TARGET", "TARGETS", "allowed", "formula", "rule",
    "side_questions", "verdicts",
]  # fmt: skip

TARGET, SUBSET, PICK, RANDOM = "target", "subset sum", "one product", "random mask"
PERMUTED, SHUFFLED = "permuted labels", "shuffled weights"
TARGETS = ("true labels", PERMUTED, SHUFFLED)
MISSES = 1e-3  # weights that may be missed
SLOPE = (0.8, 1.6)
WHO = {SUBSET: "the closest subset", PICK: "one product for each weight"}
MISSED = Scale("% of weights not written", 100.0, bounds=(0.0, 100.0))
HALVING = Scale("products for each halving of ε")
LEAN = Scale("% of the way from a logarithm to a power of 1/ε", 100.0)
EXPONENT = Scale("exponent of 1/ε")
FAILURES = Scale("% more failures than the curve says", ratio=True)
CLOSE = math.log(1.1)  # what counts as "as the curve says"


def allowed(tolerance: float) -> int:
    """Products that the claim allows for a weight, 4 log₂ 1/ε."""
    return math.floor(4 * math.log2(1 / tolerance))


def formula(tolerance: float, margin: float) -> Formula:
    """The claim.

    Arguments:
        tolerance: ε at which a weight counts as written.
        margin: the difference in test score that counts as equal.
    """
    headline = All(
        (
            _missed(tolerance),
            Gated((_reached(SUBSET),), _slope()),
            Gated((_reached(SUBSET),), _lean()),
            Gated((_reached(PICK),), _power()),
            Gated((_reached(PICK),), _told()),
            _score(margin),
            Gated((_memorised(),), _permuted()),
            _random(),
        ),
        key="claim",
    )
    return Gated((_skill(), _certified()), headline)


def side_questions(tolerances: tuple[float, ...]) -> tuple[Formula, ...]:
    """Whether failures are as frequent as the curve without a fitted constant says, at each ε."""
    return tuple(_curve(tolerance) for tolerance in tolerances)


def verdicts(
    tables: Tables, tolerance: float, margin: float, tolerances: tuple[float, ...], levels: Levels = USUAL
) -> tuple[Verdict, ...]:
    """The claim, its questions, and the side questions."""
    whole = answer(formula(tolerance, margin), tables, levels)
    claim = claim_verdict(whole, rule(tolerance, margin), SAYS)
    return verdicts_of(claim, whole, side_questions(tolerances), tables, levels)


def _skill() -> Gate:
    return skill_gate(lambda tables: tables["examples"], (TARGET,))


def _memorised() -> Gate:
    return fitted_gate(lambda tables: tables["learnt"], TARGET)


def _reached(search: str) -> Gate:
    """Whether n_δ is known for every ε: what is not known may be any number above those that were tried."""

    def rows(tables: Tables) -> Table:
        growth: Table = tables["growth"].where(search=search)
        return growth.adding(reached=np.isfinite(growth["products"]))

    more = {
        SUBSET: "a smaller --tolerance, which allows more products,",
        PICK: "a larger smallest ε in --tolerances,",
    }[search]
    return no_misses(
        f"{search} reached",
        f"every ε is reached with {WHO[search]}",
        rows,
        "reached",
        f"With {WHO[search]}, {{}} numbers of products are above all that were tried, or no sampled weight is as large as the "
        "largest ε, so their growth is not known.",
        f"A larger --left, more --weights, or {more} would make it a question.",
    )


def _certified() -> Gate:
    return no_misses(
        "certified",
        "no attack exceeds its certificate",
        lambda tables: tables["constructions"],
        "certified",
        "In {} constructions an attack found a difference above the certificate, so the masked network is not what it should be.",
        "This is an error of the program, which no plan opens.",
    )


# --- growth ---


def _missed(tolerance: float) -> Question:
    count = allowed(tolerance)
    return Question(
        key="missed",
        title=f"{count} products write a weight",
        effect=lambda tables: _share(tables["weights"], "missed"),
        rule=Below(MISSES),
        what=f"the share of weights that no subset of {count} products writes to within ε = {tolerance:g}",
        scale=MISSED,
        reading=partial(_missed_read, count, tolerance),
        says=three(
            "4 log₂ 1/ε products are enough",
            "4 log₂ 1/ε products are not enough",
            "whether 4 log₂ 1/ε products are enough",
        ),
    )


def _share(weights: Table, column: str) -> Difference:
    return paired_difference(weights[column].astype(float), weights["seed"], weights["id"])


def _missed_read(count: int, tolerance: float, tables: Tables) -> str:
    rows = tables["weights"]
    missed = int(np.sum(rows["missed"]))
    return f"Of {len(rows)} weights, {missed} are further than ε = {tolerance:g} from all sums of {count} products"


def _slope() -> Question:
    return _grows(
        "slope",
        "products grow with log 1/ε",
        slope,
        Between(*SLOPE),
        "the slope of n_δ in log₂ 1/ε",
        HALVING,
        three("the slope is that of a subset sum", "the slope is another one", "what the slope is"),
    )


def _lean() -> Question:
    return _grows(
        "lean",
        "nearer to a logarithm than to a power",
        lean,
        Below(HALFWAY),
        "the place of n_δ between the two laws of 1/ε with its ends",
        LEAN,
        three(
            "the growth is nearer to a logarithm",
            "the growth is nearer to a power of 1/ε",
            "whether a logarithm or a power of 1/ε is nearer",
        ),
    )


def _power() -> Question:
    return _grows(
        PICK,
        "one product a weight needs nearly 1/ε of them",
        exponent,
        Above(0.8),
        "the exponent of n_δ in 1/ε, with one product for each weight,",
        EXPONENT,
        three(
            "choosing one product needs nearly 1/ε of them",
            "choosing one product grows with an exponent below 0.8",
            "how choosing one product grows",
        ),
        search=PICK,
    )


def _told() -> Question:
    return _grows(
        "told",
        "one product a weight is nearer to a power than to a logarithm",
        lean,
        Above(HALFWAY),
        "the place of n_δ between the two laws of 1/ε with its ends, with one product for each weight,",
        LEAN,
        three(
            "the measurement can tell a power from a logarithm",
            "the measurement cannot tell a power from a logarithm",
            "whether the measurement can tell a power from a logarithm",
        ),
        search=PICK,
    )


def _grows(
    key: str,
    title: str,
    measured: Callable[[Table], float],
    rule: Rule,
    what: str,
    scale: Scale,
    says: Mapping[Outcome, str],
    search: str = SUBSET,
) -> Question:
    """A question about one number of the growth of each seed."""

    def effect(tables: Tables) -> Difference:
        return of_seeds(np.array([measured(of) for of in _by_seed(tables, search)]))

    return Question(
        key=key,
        title=title,
        effect=effect,
        rule=rule,
        what=what,
        scale=scale,
        reading=partial(_growth_read, search),
        says=says,
        facets={"search": search},
    )


def _by_seed(tables: Tables, search: str) -> list[Table]:
    rows: Table = tables["growth"].where(search=search).by_seed()
    return list(rows.by("seed").values())


def _growth_read(search: str, tables: Tables) -> str:
    rows = tables["growth"].where(search=search)
    parts = []
    for tolerance, of in rows.along("tolerance")[::-1]:
        if np.isfinite(of["products"]).all():
            mean = float(np.mean(of["products"]))
            parts.append(
                f"{mean:.0f} at ε = {tolerance:g}" if mean >= 100 else f"{mean:.1f} at ε = {tolerance:g}"
            )
    left = number(100 * float(rows["left"][0]))
    return (
        f"With {WHO[search]}, products that leave {left} % of the weights unwritten: "
        f"{listed(parts) or 'no ε is reached in every seed'}"
    )


# --- the masked network ---


def _score(margin: float) -> Gated:
    sides = (SUBSET, "the masked random network"), (TARGET, "its target")
    question = scores(
        "score",
        "the masked random network is as accurate as its target",
        lambda tables: tables["examples"],
        *sides,
        Within(margin),
        three(
            "they are equally accurate", "they are not equally accurate", "whether they are equally accurate"
        ),
    )
    return Gated((margin_gate(lambda tables: tables["examples"], *sides, margin),), question)


def _permuted() -> Question:
    return scores(
        PERMUTED,
        "a network that has fitted permuted labels is contained as well",
        lambda tables: tables["learnt"],
        (SUBSET, "the masked random network"),
        (TARGET, "the network that has fitted permuted labels"),
        Above(-LEAST),
        three(
            "any target is contained, so the existence of the mask says nothing about learning",
            "this target is contained less well",
            "whether this target is contained as well",
        ),
        headroom=True,
        before="With permuted labels, ",
        part="training",
    )


def _random() -> Question:
    return scores(
        RANDOM,
        "a random mask of equal counts is no such network",
        lambda tables: tables["examples"],
        (SUBSET, "the mask that was searched for"),
        (RANDOM, "a random mask with equally many weights in each layer"),
        Above(LEAST),
        three(
            "the mask has to be searched for",
            "a random mask does nearly as well",
            "whether the mask has to be searched for",
        ),
        headroom=True,
    )


# --- the curve ---


def _curve(tolerance: float) -> Question:
    return Question(
        key="curve",
        title=f"failures as frequent as the curve says, ε = {tolerance:g}",
        effect=partial(_excess, tolerance),
        rule=Between(-CLOSE, CLOSE),
        what="the number of weights that fail, relative to the curve without a fitted constant,",
        scale=FAILURES,
        reading=partial(_curve_read, tolerance),
        says=three(
            "the curve is right to a tenth",
            "the curve is an approximation there",
            "whether the curve is right to a tenth",
        ),
        facets={"tolerance": f"{tolerance:g}"},
    )


def _rates(tables: Tables, tolerance: float) -> Table:
    rows: Table = tables["rates"].where(target=TARGETS[0], tolerance=tolerance).by_seed()
    return rows


def _excess(tolerance: float, tables: Tables) -> Difference:
    """The logarithm of failed over expected weights; its variance is at least that of counting, 1/(failed + ½) for each seed.

    Seeds without any failure agree, but say nothing about a curve that expects none either.
    """
    by = _rates(tables, tolerance).by("seed").values()
    failed, expected = (np.array([of[column].sum() for of in by]) + 0.5 for column in ("failed", "expected"))
    found, counting = of_seeds(np.log(failed / expected)), float(np.sum(1 / failed)) / len(failed) ** 2
    return replace(found, seed_variance=max(found.seed_variance, counting))


def _curve_read(tolerance: float, tables: Tables) -> str:
    rows = _rates(tables, tolerance)
    failed, expected = int(rows["failed"].sum()), float(rows["expected"].sum())
    counts = f"{int(rows['drawn'].min())} to {int(rows['drawn'].max())} units drawn for each input"
    return f"At ε = {tolerance:g}, with {counts}, {failed} weights fail and the curve says {expected:.0f}"


# --- the claim ---


def rule(tolerance: float, margin: float) -> str:
    """What happens for each outcome."""
    return (
        f"The claim holds if eight statements are true. Of all weights, fewer than 1 in 1 000 miss ε = {tolerance:g} with "
        f"{allowed(tolerance)} products. Each halving of ε costs {SLOPE[0]:g} to {SLOPE[1]:g} products. Of two laws with the "
        "measured ends, a logarithm of 1/ε is nearer to the numbers of products than a power is. With one product for each "
        "weight, the power is nearer, and its exponent is above 0.8. The masked random network has its target's test score, to "
        f"within {margin_words(margin)}. A target that has fitted permuted labels is contained too: its mask loses less than a "
        "tenth of the headroom. And a random mask of equal counts is worse by more than a tenth of the headroom. It fails if one "
        "of them is false. Otherwise it is undecided. It is also undecided if the target has learnt nothing or has not fitted "
        "permuted labels, if the margin is most of what is gained over guessing, if an ε needs more products than were tried, or "
        "if an attack exceeds its certificate."
    )


SAYS = {
    Outcome.HOLDS: (
        "A random network that is logarithmically wider contains the target. It contains any other as well, so this says nothing "
        "about learning."
    ),
    Outcome.FAILS: "Not all that the claim says of the random network is true.",
    Outcome.UNDECIDED: "These runs do not decide the claim.",
}
