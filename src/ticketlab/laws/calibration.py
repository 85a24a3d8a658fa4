"""Are the intervals and the rules right? Scores are made from a known truth, and the rules are asked about them many times.

Two methods are scored on n test examples that S seeds share. Each example has a latent difficulty; a method is right where

    z < Φ⁻¹(accuracy)·√(1 + σ²),   z = √ρ·(√c u_i + √(1−c) v_mi) + √(1−ρ)·(√c w_si + √(1−c) x_msi) + σ·η_ms

with standard normal variables: ρ is the share of difficulty that seeds have in common, c the correlation of the methods, and
σ the spread between seeds. Accuracies are exact, and the true difference is theirs. Separately, an example may be lost by the
first method in every seed. Such *rare, one-sided* disagreements need not occur at all in a sample of a hundred examples.

`rates` gives, for a setting, the rates of *holds*, *fails* and *undecided*, the coverage of
the 95 % interval, and its width against the ideal one. `make calibrate` writes the table into the documentation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from ticketlab.laws.difference import Difference, paired_difference
from ticketlab.laws.rules import Above, Levels, Rule, Within
from ticketlab.laws.verdict import Outcome

__all__ = ["Rates", "Setting", "planted", "rates", "settings", "truth", "wrong"]

MARGIN = 0.01


@dataclass(frozen=True)
class Setting:
    """What is planted.

    Arguments:
        seeds, examples: how many; examples are shared by all seeds.
        accuracy: of the second method.
        difference: accuracy of the first method minus that of the second.
        shared: ρ, the share of difficulty that seeds have in common.
        spread: σ, of seeds on the probit scale.
        rare: the share of examples that the first method alone loses, in every seed; part of `difference`.
        correlation: of the two methods' latent variables; with 1 they agree but for rare examples.
    """

    seeds: int
    examples: int
    accuracy: float
    difference: float = 0.0
    shared: float = 0.5
    spread: float = 0.0
    rare: float = 0.0
    correlation: float = 0.8


@dataclass(frozen=True)
class Rates:
    """What came out of many repetitions.

    Arguments:
        setting: what was planted.
        outcomes: the share of each outcome, by the rule's name.
        coverage: of the 95 % interval.
        width: of its half, over 1.96 true standard errors.
        discordant: examples on which the methods disagree, a seed.
    """

    setting: Setting
    outcomes: dict[str, dict[Outcome, float]]
    coverage: float
    width: float
    discordant: float


RULES: dict[str, Rule] = {"equal": Within(MARGIN), "as good": Above(-MARGIN), "better": Above(0.0)}
"""The rules for a difference of scores."""


def planted(setting: Setting, rng: np.random.Generator) -> np.ndarray:
    """Differences of score, `[seeds, examples]`: −1, 0 or 1."""
    s, seeds, n = setting, setting.seeds, setting.examples
    common = (np.sqrt(s.shared * s.correlation), np.sqrt(s.shared * (1 - s.correlation)))
    own = (np.sqrt((1 - s.shared) * s.correlation), np.sqrt((1 - s.shared) * (1 - s.correlation)))
    both = common[0] * rng.standard_normal(n) + own[0] * rng.standard_normal((seeds, n))
    right = []
    for accuracy in (s.accuracy + s.difference + s.rare, s.accuracy):
        z = both + common[1] * rng.standard_normal(n) + own[1] * rng.standard_normal((seeds, n))
        z += s.spread * rng.standard_normal((seeds, 1))
        right.append(z < ndtri(accuracy) * np.sqrt(1 + s.spread**2))
    first = right[0]
    if s.rare:  # lost where the second method wins, so that the true difference stays what it is
        lost = rng.random(n) < s.rare / s.accuracy
        first = np.where(lost & right[1], False, np.where(lost, right[1], first))
    return first.astype(float) - right[1]


def _difference(d: np.ndarray) -> Difference:
    seeds, n = d.shape
    return paired_difference(d.ravel(), np.repeat(np.arange(seeds), n), np.tile(np.arange(n), seeds))


def truth(setting: Setting) -> float:
    """The mean difference that `planted` has."""
    s = setting
    if not s.rare:
        return s.difference
    lost = s.rare / s.accuracy
    return (1 - lost) * (s.difference + s.rare) - lost * s.accuracy


def rates(setting: Setting, repetitions: int, rng: np.random.Generator) -> Rates:
    """Repeats one setting."""
    true, levels = truth(setting), Levels()
    counts = {name: dict.fromkeys(Outcome, 0) for name in RULES}
    covered, halves, means, discordant = 0, [], [], 0.0
    for _ in range(repetitions):
        d = planted(setting, rng)
        found = _difference(d)
        low, high = found.interval()
        covered += low <= true <= high
        halves.append((high - low) / 2)
        means.append(found.mean)
        discordant += float(np.mean(np.sum(d != 0, axis=1)))
        for name, rule in RULES.items():
            counts[name][rule.outcome(found, levels)] += 1
    ideal = 1.96 * float(np.std(means))
    return Rates(
        setting,
        {name: {o: c / repetitions for o, c in of.items()} for name, of in counts.items()},
        covered / repetitions,
        float(np.mean(halves)) / ideal if ideal else float("inf"),
        discordant / repetitions,
    )


def settings() -> Iterable[Setting]:
    """Seeds, examples, accuracies and kinds of chance; the difference inside the margin, at it, outside, on both sides."""
    for seeds in (3, 5, 10):
        for examples in (100, 400, 2000):
            for accuracy in (0.5, 0.9, 0.985):
                for difference in (0.0, -MARGIN / 2, -MARGIN, MARGIN, -1.5 * MARGIN):
                    for shared, spread in ((0.5, 0.0), (0.5, 0.15), (0.9, 0.0)):
                        yield Setting(seeds, examples, accuracy, difference, shared, spread)
            for accuracy in (0.9, 0.985):
                yield Setting(seeds, examples, accuracy, -MARGIN, 1.0, 0.0, MARGIN, 1.0)


def wrong(found: Rates) -> float:
    """The largest rate of a wrong verdict, over the rules."""
    true = truth(found.setting)
    outcomes = found.outcomes
    tiny = 1e-9
    errors = [
        outcomes["equal"][Outcome.HOLDS] if abs(true) >= MARGIN - tiny else 0.0,
        outcomes["equal"][Outcome.FAILS] if abs(true) <= MARGIN + tiny else 0.0,
        outcomes["as good"][Outcome.HOLDS] if true <= -MARGIN + tiny else 0.0,
        outcomes["as good"][Outcome.FAILS] if true >= -MARGIN - tiny else 0.0,
        outcomes["better"][Outcome.HOLDS] if true <= tiny else 0.0,
        outcomes["better"][Outcome.FAILS] if true >= -tiny else 0.0,
    ]
    return max(errors)
