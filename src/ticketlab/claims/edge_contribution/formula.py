"""What `edge-contribution` asks: is the gradient of a weight what it contributes to subnetworks, good and bad?

For each measure of contribution (densities, of which ½ is the Banzhaf value, and the Shapley value) there is one number a seed,

    r = mean of corr(g, φ_A) and corr(g, φ_B)  /  √corr(φ_A, φ_B),        g = −w ∂L/∂w at the full network,

where φ_A and φ_B are contributions from two independent halves of the masks. The denominator takes out what the noise of the
values hides (Spearman 1904). The claim asks for r > 0.7, half of the variance, at each of the inner densities of the sweep and
for the Shapley value.

A gradient for permuted labels knows the network and not the task. If it follows Banzhaf values as well, then what is followed may
be how much signal a weight carries, and the part that is about the task may be what is missed. So the gradient has to follow
Banzhaf values by a tenth more than that for permuted labels. There is one exception: where it follows them nearly completely,
with r > 0.9, hardly any part is missed, and the control cannot say anything. Then contributions are the same for other labels.

Let the two gradients have a correlation c. If what the first one misses has nothing to do with either, that for permuted labels
correlates with contributions by r·c. Up to r = 0.9 it falls behind by r·(1 − c) ≤ 0.9·(1 − c), which for c > 8/9 is less than a
tenth, however well the first one follows. So gradients that are more alike keep back *fails*. They may be alike because the
permutation changed few labels, as with few or unequal classes, or because labels have a small part in them. To change as many
labels as possible is no way out: with two classes all would be the opposite ones, which know the task.

The Shapley value is a sum over a few densities. With an error ε, in its standard deviations over weights, it may be turned by
arcsin ε. So the question about it is decided only where r stays on its side of the limit if the angle arccos r changes by that.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.asking import columns, three
from ticketlab.claims.gates import skill_gate
from ticketlab.claims.wording import number
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Difference, of_seeds
from ticketlab.laws.formulae import All, Any, Formula, Gate, Gated, Question, Tables, answer
from ticketlab.laws.rules import USUAL, Above, Levels
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "BANZHAF",
    "RANDOM",
    "RULE",
    "SHAPLEY",
    "TRAINED",
    "formula",
    "inner",
    "measure_name",
    "side_questions",
    "verdicts",
]

RANDOM, TRAINED = "random network", "trained network"
BANZHAF, SHAPLEY = "density 0.5 (Banzhaf)", "Shapley"
HALF = 0.7  # a correlation that explains half of the variance
MORE = 0.1  # than permuted labels
NEARLY = 0.9  # a correlation that leaves less than a fifth of the variance
ALIKE = 1 - MORE / NEARLY  # gradients for true and permuted labels, above which one cannot be more by a tenth
RELIABLE = 0.1  # the least correlation of two halves that can be corrected for
SIGNS = 0.75
CORRELATION = Scale("correlation", bounds=(-1.0, 1.0))
DIFFERENCE = Scale("correlation", bounds=(-2.0, 2.0))
PART = Scale("% of weights", 100.0, bounds=(0.0, 100.0))
INNER = (0.2, 0.8)  # densities the claim asks about: outside, most contributions are lost in their noise


def measure_name(density: float) -> str:
    """What the contributions at a density are called."""
    return BANZHAF if np.isclose(density, 0.5) else f"density {density:.2g}"


def inner(densities: Sequence[float]) -> tuple[str, ...]:
    """The measures that the claim asks about: densities from 0.2 to 0.8, and the Shapley value."""
    return (*(measure_name(p) for p in densities if INNER[0] <= p <= INNER[1]), SHAPLEY)


def formula(measures: Sequence[str]) -> Formula:
    """The claim, about the random network.

    Arguments:
        measures: of contribution.
    """
    asked = [_follows(RANDOM, measure, "corrected", "correlation") for measure in measures]
    of_task = Any(
        (Gated((_room(),), _of_task()), _follows(RANDOM, BANZHAF, "corrected", "nearly", NEARLY)),
        key="task",
        title="the gradient says more than that for permuted labels, or there is hardly more to say",
    )
    return Gated((_skill(), _reliable(RANDOM, measures)), All((*asked, of_task)), key="claim")


def side_questions(measures: Sequence[str]) -> tuple[Formula, ...]:
    """Ranks and signs; and the same after training."""
    ranks = (
        Gated((_reliable(RANDOM, (m,), "rank_reliability"),), _follows(RANDOM, m, "rank_corrected", "ranks"))
        for m in (BANZHAF, SHAPLEY)
    )
    trained = (
        Gated((_reliable(TRAINED, (m,)),), _follows(TRAINED, m, "corrected", "trained")) for m in measures
    )
    asked = (*ranks, Gated((_reliable(RANDOM, (BANZHAF,)),), _signs(RANDOM)), *trained)
    return tuple(Gated((_skill(),), question) for question in asked)


def verdicts(measures: Sequence[str], tables: Tables, levels: Levels = USUAL) -> tuple[Verdict, ...]:
    """The claim, its questions, and the side questions."""
    whole = answer(formula(measures), tables, levels)
    return verdicts_of(claim_verdict(whole, RULE, SAYS), whole, side_questions(measures), tables, levels)


# --- questions ---


def _rows(tables: Tables, source: str, measure: str) -> Table:
    found: Table = tables["measures"].where(source=source, measure=measure).by_seed()
    return found


def _of(source: str, measure: str, column: str, tables: Tables) -> Difference:
    return of_seeds(_rows(tables, source, measure)[column].astype(float))


def _named(measure: str) -> str:
    return "the Shapley value" if measure == SHAPLEY else f"the contribution at {measure}"


def _follows(source: str, measure: str, column: str, key: str, limit: float = HALF) -> Formula:
    part = "half of the variance" if limit == HALF else "all but a fifth of the variance"
    kind = "rank correlation" if column == "rank_corrected" else "correlation"

    def reading(tables: Tables) -> str:
        rows = _rows(tables, source, measure)
        found, seen = (
            float(np.mean(rows[name])) for name in (column, column.removesuffix("corrected") + "correlation")
        )
        return (
            f"In the {source} the {kind} of −w·∂L/∂w with {_named(measure)} is {number(found)}, corrected for noise "
            f"({number(seen)} before)"
        )

    asked = Question(
        key=key,
        title=f"{source}, {measure}: the gradient follows the contribution{' in rank' * (column != 'corrected')}"
        f"{' nearly completely' * (limit != HALF)}",
        effect=partial(_of, source, measure, column),
        rule=Above(limit),
        what=f"the {kind} of −w·∂L/∂w with {_named(measure)} in the {source}, corrected for noise,",
        scale=CORRELATION,
        reading=reading,
        says=three(
            f"it explains {part}",
            f"it explains less than {part.removesuffix(' of the variance')}",
            f"whether it explains {part}",
        ),
        facets={"source": source, "measure": measure},
    )
    return Gated((_summed(source, column),), asked) if measure == SHAPLEY else asked


def _more(tables: Tables) -> Difference:
    """By how much the gradient correlates more with Banzhaf values than that for permuted labels."""
    rows = _rows(tables, RANDOM, BANZHAF)
    return of_seeds(rows["corrected"].astype(float) - rows["permuted"].astype(float))


def _of_task() -> Question:
    def reading(tables: Tables) -> str:
        rows = _rows(tables, RANDOM, BANZHAF)
        own, other = (number(float(np.mean(rows[name]))) for name in ("corrected", "permuted"))
        return f"The gradient correlates by {own} with Banzhaf values, and the gradient for permuted labels by {other}"

    return Question(
        key="labels",
        title="the gradient says more than that for permuted labels",
        effect=_more,
        rule=Above(MORE),
        what="the correlation with Banzhaf values, of the gradient minus that for permuted labels,",
        scale=DIFFERENCE,
        reading=reading,
        says=three("it says more", "it does not say more by a tenth", "whether it says more by a tenth"),
        facets={"source": RANDOM},
    )


def _signs(source: str) -> Question:
    def reading(tables: Tables) -> str:
        share = float(np.mean(_rows(tables, source, BANZHAF)["signs"]))
        return (
            f"Of weights whose Banzhaf value differs from zero by two standard errors, {100 * share:.0f} % have a gradient of "
            "the same sign"
        )

    return Question(
        key="signs",
        title=f"{source}: gradient and Banzhaf value have the same sign",
        effect=partial(_of, source, BANZHAF, "signs"),
        rule=Above(SIGNS),
        what="the share of weights, of those whose Banzhaf value is known to differ from zero, with a gradient of the same sign",
        scale=PART,
        reading=reading,
        says=three("most agree", "too many differ", "whether three quarters agree"),
        facets={"source": source},
    )


# --- gates and the claim ---


def _skill() -> Gate:
    return skill_gate(lambda tables: tables["examples"], ("trained",))


def _reliable(source: str, measures: Sequence[str], column: str = "reliability") -> Gate:
    """Two halves of the masks agree, so that noise can be corrected for."""
    what = "ranks of contributions" if column == "rank_reliability" else "contributions"

    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        found = {m: _of(source, m, column, tables) for m in measures}
        low = {
            m: of
            for m, of in found.items()
            if not (of.mean if not of.decidable else of.lower(levels.smaller)) > RELIABLE
        }
        if not low:
            return None
        worst = min(low, key=lambda m: low[m].mean)
        return (
            f"In the {source} {what} are too noisy: two halves of the masks correlate by {number(low[worst].mean)} ({worst}), "
            f"and a lower bound above {RELIABLE:g} is required."
        )

    return Gate(
        "noise",
        f"{what} of the {source} are known well enough",
        passed,
        "More --masks, or fewer weights, would open the question.",
        shows=True,
    )


def _room() -> Gate:
    """The gradients for true and for permuted labels differ."""

    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        """It keeps back *fails* alone, which a lead of a tenth or more cannot become."""
        rows = _rows(tables, RANDOM, BANZHAF)
        if "alike" not in columns(rows):
            return "This older run did not compare the gradients for true and for permuted labels."
        alike = of_seeds(rows["alike"].astype(float))
        leads = _more(tables).mean >= MORE
        if leads or not alike.decidable or alike.upper(levels.fails) < ALIKE:
            return None
        return (
            f"The gradients for true and for permuted labels correlate by {number(alike.mean)} (at most "
            f"{number(alike.upper(levels.fails))}); the permutation changed {100 * float(np.mean(rows['changed'])):.0f} % of the "
            f"labels. Unless this is below {ALIKE:.2f}, one can hardly follow contributions more than the other by {MORE:g}, so "
            "the comparison does not fail."
        )

    return Gate(
        "room",
        "the gradients for true and for permuted labels differ",
        passed,
        "A task with more classes, or more equal ones, may make them differ.",
        shows=True,
    )


def _summed(source: str, column: str) -> Gate:
    """The error of the Shapley value's rule over densities cannot take the correlation across its limit."""

    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        rows = _rows(tables, source, SHAPLEY)
        if "rule_error" not in columns(rows):
            return "This older run did not estimate the error of the Shapley value's rule."
        error, found = of_seeds(np.minimum(rows["rule_error"], 1.0)), _of(source, SHAPLEY, column, tables)
        low, high = found.lower(levels.holds), found.upper(levels.fails)
        if low > HALF:
            crosses = _turned(low, error.upper(levels.holds)) <= HALF
        else:
            crosses = high < HALF and _turned(high, -error.upper(levels.fails)) >= HALF
        if not crosses:
            return None
        most = error.upper(levels.holds if low > HALF else levels.fails)
        return (
            f"The rule over densities has an error of {number(error.mean)} standard deviations of the Shapley value (at most "
            f"{number(most)}), which may take the correlation across {HALF:g}."
        )

    return Gate(
        "rule",
        f"the Shapley values of the {source} are known well enough from a few densities",
        passed,
        "More --densities would open the question.",
        shows=True,
    )


def _turned(correlation: float, error: float) -> float:
    """A correlation after the worst error of one of the two vectors.

    Arguments:
        error: as a share of the vector's length; below 0 if the worst one turns it towards the other.
    """
    turn = np.arcsin(error) if abs(error) < 1 else np.copysign(np.pi, error)
    return float(np.cos(np.clip(np.arccos(np.clip(correlation, -1, 1)) + turn, 0, np.pi)))


RULE = (
    f"The claim holds if −w·∂L/∂w at the full random network correlates by more than {HALF:g} with contributions at every inner "
    "density and with Shapley values. With Banzhaf values, which alone are compared with it, the correlation also has to be by "
    f"{MORE:g} larger than that of the gradient for permuted labels, or larger than {NEARLY:g}: then there is hardly more to "
    "follow. The claim fails if one of these is false. Otherwise it is undecided. It is also undecided if the same network, "
    "trained, is not better than guessing, if contributions are too noisy, or if the error of the Shapley value's rule over "
    f"densities may take the correlation across {HALF:g}. The comparison with permuted labels does not fail where their gradient "
    f"and that for true labels correlate by {ALIKE:.2f} or more. Ranks, signs and trained networks are side questions."
)
SAYS = {
    Outcome.HOLDS: "A weight's gradient at the full network is what it contributes to subnetworks.",
    Outcome.FAILS: "A weight's gradient at the full network is not what it contributes to subnetworks.",
    Outcome.UNDECIDED: "These runs do not decide the claim.",
}
