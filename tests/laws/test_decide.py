"""What would decide a question: the parts of the variance are found, and at the number that is named most runs are decided."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.laws.decide import EXAMPLES, fewest, outlook, projected
from ticketlab.laws.difference import Bracket, Difference, of_seeds, paired_difference
from ticketlab.laws.formulae import All, Any, Gate, Gated, Not, Question, answer, verdict_of, whole_outlook
from ticketlab.laws.ratio import Ratio
from ticketlab.laws.rules import USUAL, Above, Below, Within
from ticketlab.laws.scale import POINTS
from ticketlab.laws.verdict import Outcome

A, B, C = 4e-4, 0.02, 0.05  # of a seed, of an example, of an example in a seed
N = 500


def planted(rng, seeds, shared, a=A, b=B, c=C):
    """Differences with mean zero, of `shared` test examples that have their part already, or of so many new ones."""
    if isinstance(shared, int):
        shared = np.sqrt(b) * rng.standard_normal(shared)
    n = len(shared)
    d = np.sqrt(a) * rng.standard_normal((seeds, 1)) + shared + np.sqrt(c) * rng.standard_normal((seeds, n))
    return paired_difference(
        d.ravel(), np.repeat(np.arange(seeds), n), np.tile(np.arange(n), seeds), unit=None
    )


def test_the_parts_of_the_variance_are_those_that_were_planted():
    rng = np.random.default_rng(0)
    found = [planted(rng, 8, N) for _ in range(60)]
    assert np.mean([d.seed_variance for d in found]) * 8 == pytest.approx(A, rel=0.25)
    assert np.mean([d.crossed_variance for d in found]) * 8 * N == pytest.approx(C, rel=0.05)
    fixed = np.mean([d.example_variance - d.crossed_variance for d in found]) * N
    assert fixed == pytest.approx(B, rel=0.05)


def test_a_forecast_has_the_parts_of_a_run_of_that_size():
    rng = np.random.default_rng(1)
    small, large = (np.mean([planted(rng, s, N).half_width(0.025) for _ in range(60)]) for s in (10, 40))
    forecast = [projected(planted(rng, 10, N), seeds=40).half_width(0.025) for _ in range(60)]
    assert np.mean(forecast) == pytest.approx(large, rel=0.1)
    assert large < 0.8 * small
    assert projected(planted(rng, 10, N), examples=4 * N).examples == 4 * N


@pytest.mark.parametrize(("b", "limit"), [(0.0, -0.015), (B, -0.02)])
def test_at_the_number_that_is_named_most_runs_are_decided(b, limit):
    rng, decided, rule = np.random.default_rng(2), [], Above(limit)
    while len(decided) < 100:
        shared = np.sqrt(b) * rng.standard_normal(N)
        now = planted(rng, 5, shared)
        if rule.outcome(now, USUAL) is Outcome.UNDECIDED and (seeds := outlook(now, rule, USUAL).seeds):
            later = planted(rng, min(seeds, 100), shared)
            decided.append(rule.outcome(later, USUAL) is not Outcome.UNDECIDED)
    assert np.mean(decided) > 0.5


def effect(mean=0.0, seeds=5, by_seed=1e-5, by_example=1e-5, n=400, **more):
    return Difference(mean, by_seed, by_example, seeds, n, **more)


def test_each_source_of_chance_is_named():
    rule = Above(-0.01)
    both = outlook(effect(), rule, USUAL)
    assert "main source of uncertainty is differences between seeds" in both.words
    assert f"about {both.seeds} seeds would decide it, or about" in both.words
    assert rule.outcome(projected(effect(), seeds=both.seeds), USUAL) is Outcome.HOLDS
    assert rule.outcome(projected(effect(), seeds=both.seeds - 1), USUAL) is Outcome.UNDECIDED
    examples = outlook(effect(by_seed=0.0, by_example=4e-5), rule, USUAL)
    assert examples.seeds is None
    assert examples.words.startswith("More seeds cannot decide it with 400 test examples.")
    seeds = outlook(effect(by_seed=3e-5, by_example=1e-7), rule, USUAL)
    assert seeds.words.startswith("More test examples cannot decide it with 5 seeds.")
    close = outlook(effect(mean=-0.01), rule, USUAL)
    assert close.words.startswith("Neither more seeds nor more test examples alone")
    assert outlook(effect(by_seed=float("nan"), seeds=1), rule, USUAL).seeds == 2


def test_one_number_a_seed():
    values = np.array([0.0, 0.2, 0.4, 0.1])
    assert "about 5 seeds would decide it" in outlook(of_seeds(values), Above(-0.05), USUAL).words
    assert "Not even 1" in outlook(of_seeds(values), Above(float(values.mean())), USUAL).words
    bound = replace(of_seeds(values), lower_known=False)
    assert "Longer training would" in outlook(bound, Above(-0.05), USUAL).words


def test_several_seeds_without_a_bound_are_not_called_one_seed():
    """A denominator that may be 0, and values that are bounds on the wrong side: a second seed is not what is missing."""
    ratio = Ratio(effect(0.5, by_seed=0.01), effect(0.1, by_seed=0.04), effect(0.4, by_seed=0.04))
    bound = replace(effect(), lower_known=False, upper_known=False)
    for found in (ratio, bound):
        asked = replace(question("q", 0.0), effect=lambda tables, found=found: found)
        assert (
            verdict_of(answer(asked, {}), {}).reading == "Seen. What was measured bounds it on neither side."
        )


def test_what_could_not_be_measured_has_no_estimate_that_more_seeds_would_narrow():
    asked = replace(question("q", 0.0), effect=lambda tables: of_seeds(np.full(5, np.nan)))
    verdict = verdict_of(answer(asked, {}), {})
    assert verdict.reading == "Seen. This could not be measured."
    assert (verdict.would_decide, verdict.enough_seeds) == ("", None)


def test_a_bracket_is_as_sure_as_its_sides():
    bracket = Bracket(effect(mean=0.012), effect(mean=0.014))
    found = outlook(bracket, Below(0.025), USUAL)
    assert Below(0.025).outcome(projected(bracket, seeds=found.seeds), USUAL) is Outcome.HOLDS


def test_the_smallest_number():
    for least in (6, 19, 21, 99, 101, 998):
        found = fewest(lambda n, least=least: n >= least, 5, EXAMPLES)
        assert least <= found <= 1.1 * least
        assert found == least or least > 20
    assert fewest(lambda n: n >= 11, 5, 10) is None
    assert fewest(lambda n: True, 10, 10) is None


def question(key, mean, **more):
    return Question(
        key, key, lambda tables: effect(mean, **more), Within(0.01), "the difference", POINTS, lambda tables: "Seen",
        {outcome: str(outcome) for outcome in Outcome},
    )  # fmt: skip


def test_the_claim_as_a_whole_needs_what_its_open_parts_need():
    near, far = question("near", 0.001), question("far", 0.0, by_seed=2e-4)
    single = {q.key: verdict_of(answer(q, {}), {}) for q in (near, far)}
    assert all(v.outcome is Outcome.UNDECIDED for v in single.values())
    both = whole_outlook(answer(All((near, far)), {}))
    either = whole_outlook(answer(Any((near, far)), {}))
    assert both.seeds >= max(v.enough_seeds for v in single.values())
    assert either.seeds is not None
    assert either.seeds < both.seeds
    assert whole_outlook(answer(Not(near), {})).seeds == single["near"].enough_seeds
    assert "about" in both.words
    hopeless = question("hopeless", 0.01)
    assert whole_outlook(answer(All((near, hopeless)), {})).seeds is None
    assert whole_outlook(answer(question("held", 0.0, by_seed=1e-9, by_example=1e-9), {})).words == ""


def test_what_would_open_a_gate():
    gates = (
        Gate("a", "", lambda tables: "Training was too short.", "More epochs would."),
        Gate("b", "", lambda tables: None, "Nothing is needed."),
    )
    found = answer(Gated(gates, question("q", 0.0)), {})
    (inner,) = found.questions()
    verdict = verdict_of(inner, {})
    assert (verdict.would_decide, verdict.enough_seeds) == ("More epochs would.", None)
    assert whole_outlook(found).words == "More epochs would."
