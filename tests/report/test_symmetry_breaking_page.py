"""The page of `symmetry-breaking`, from invented numbers: its findings follow from them."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims.symmetry_breaking import formula as rule
from ticketlab.claims.symmetry_breaking.claim import SymmetryBreaking, SymmetryBreakingPlan
from ticketlab.evidence.tables import Table
from ticketlab.laws.rules import Levels
from ticketlab.report.page import presentation

NOISES = (1e-6, 1e-4, 1e-2)
SCORES = {rule.RANDOM: 0.95, rule.CONSTANT: 0.3, rule.SIGNS: 0.5, rule.DUPLICATED: 0.85}
UNITS = {rule.RANDOM: 48, rule.CONSTANT: 1, rule.SIGNS: 2, rule.DUPLICATED: 6}


def tables(seeds=3, test=200):
    rng = np.random.default_rng(0)
    rows = {name: [] for name in ("arms", "layers", "curves", "examples", "timings")}
    scores = SCORES | {rule.noisy(n): 0.94 for n in NOISES}
    for seed in range(seeds):
        for name, score in scores.items():
            noise = next((n for n in NOISES if rule.noisy(n) == name), 0.0)
            about = {"start": "noise" if noise else name, "noise": noise, "seed": seed}
            differ = name in (rule.RANDOM, rule.SIGNS, rule.DUPLICATED)
            broken = -100.0 * np.log10(noise) if noise else 0.0 if differ else np.nan
            measured = {
                "equal": name == rule.CONSTANT,
                "at_start": noise,
                "spread": 0.8 * (name != rule.CONSTANT),
            }
            measured |= {"inside": True, "step_size": 0.05 if name == rule.CONSTANT else 0.1}
            learnt = {"train_score": score, "before": score, "test_score": score + 0.01 * seed}
            rows["arms"].append({**about, "broken": broken, **measured, **learnt})
            for layer in ("dense1", "dense2"):
                count = UNITS.get(name, 48)
                rows["layers"].append(
                    {**about, "layer": layer, "units": 48, "distinct": count, "rank": min(count, 40)}
                )
            for step in (0, 50, 100):
                found = 0.0 if name == rule.CONSTANT else min(1.0, noise * 10 ** (step / 20))
                rows["curves"].append({**about, "step": step, "spread": found, "train_score": score})
        right = {name: (rng.random(test) < score).astype(float) for name, score in scores.items()}
        rows["examples"] += [
            {
                "seed": seed,
                "id": i,
                "guess": float(i % 10 == 0),
                **{n: float(of[i]) for n, of in right.items()},
            }
            for i in range(test)
        ]
        rows["timings"].append({"seed": seed, "part": "training", "seconds": 2.0})
    units = {"timings": {"seconds": "s"}}
    return {
        name: Table.from_rows(name, of, units=units.get(name, {}), measured=name == "timings")
        for name, of in rows.items()
    }


def toy_record(record):
    study, plan = SymmetryBreaking(), SymmetryBreakingPlan(seeds=3, noises=NOISES)
    return replace(record, claim=study.claim, evidence=study.conclude(plan, tables()), plan={"seeds": 3})


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


def test_all_figures_are_made_and_their_findings_follow(page, check_words) -> None:
    show = presentation(page)
    figures = {figure.key: figure for figure in show.figures}
    assert list(figures) == ["error", "growth", "times"]
    assert "From equal weights the test error is 69.0 %, from random weights 4.0 %" in figures["error"].title
    assert "Without noise the difference between units does not grow at all" in figures["growth"].title
    assert "takes 100 more steps" in figures["times"].title
    assert len(show.summaries) == 3
    check_words(show)


def test_the_figure_tells_a_rate_only_where_the_verdict_does(page) -> None:
    """At a late look times are not found to lie on a line."""
    study, plan = SymmetryBreaking(), SymmetryBreakingPlan(seeds=3, noises=NOISES)
    late = study.conclude(plan, page.evidence.tables, Levels(1e-300, 1e-300))
    later = replace(page, evidence=late)
    assert next(v for v in later.questions if v.key == "time").outcome == "undecided"
    title = next(figure.title for figure in presentation(later).figures if figure.key == "times")
    assert "was not found to be a line" in title


def test_the_invented_numbers_hold(page) -> None:
    whole = next(v for v in page.evidence.verdicts if not v.question)
    assert str(whole.outcome) == "holds"
    assert "10⁻⁶ of the random weights" in whole.reading
