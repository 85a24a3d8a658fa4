"""p-values are levels of the rules themselves, and their adjustment is that of the definition."""

import numpy as np
import pytest
import scipy.stats

from ticketlab.laws.difference import of_seeds
from ticketlab.laws.multiplicity import LEAST, adjusted, p_value
from ticketlab.laws.rules import Above, Levels
from ticketlab.laws.verdict import Outcome


def by_definition(p: list[float], q: float) -> set[int]:
    """Which are rejected: all up to the largest i with p₍ᵢ₎ ≤ i q/(m Σ 1/j)."""
    m = len(p)
    order = sorted(range(m), key=lambda i: p[i])
    harmonic = sum(1 / j for j in range(1, m + 1))
    most = max((i for i in range(1, m + 1) if p[order[i - 1]] <= i * q / (m * harmonic)), default=0)
    return set(order[:most])


def test_what_remains_is_what_the_definition_rejects() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        p = list(rng.random(int(rng.integers(1, 12))) ** 3)
        for q in (0.01, 0.05, 0.2):
            assert set(np.flatnonzero(adjusted(p) <= q)) == by_definition(p, q)


def test_it_agrees_with_another_implementation() -> None:
    p = np.random.default_rng(1).random(9) ** 2
    np.testing.assert_allclose(adjusted(list(p)), scipy.stats.false_discovery_control(p, method="by"))


def test_the_p_value_of_one_question_is_that_of_its_t_test() -> None:
    values = np.array([0.3, 0.1, 0.25, 0.2, 0.4])
    found = p_value(lambda levels: Above(0.0).outcome(of_seeds(values), levels))
    assert found == pytest.approx(
        2 * scipy.stats.ttest_1samp(values, 0, alternative="greater").pvalue, rel=0.01
    )


def test_what_is_never_decided_has_one_and_what_is_certain_the_least() -> None:
    assert p_value(lambda levels: Outcome.UNDECIDED) == 1.0
    assert p_value(lambda levels: None) == 1.0
    assert p_value(lambda levels: Outcome.FAILS) == 2 * LEAST


def test_a_claim_that_is_undecided_at_its_level_has_more() -> None:
    values = np.array([0.3, -0.1, 0.25, 0.2])
    assert Above(0.0).outcome(of_seeds(values), Levels()) is Outcome.UNDECIDED
    assert 0.05 < p_value(lambda levels: Above(0.0).outcome(of_seeds(values), levels)) < 0.5
