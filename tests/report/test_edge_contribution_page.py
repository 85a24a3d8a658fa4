"""The page of `edge-contribution`, from invented numbers: its findings follow from them."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims.edge_contribution import formula as rule
from ticketlab.claims.edge_contribution.claim import EdgeContribution, EdgeContributionPlan
from ticketlab.evidence.tables import Table
from ticketlab.report.page import presentation

PLAN = EdgeContributionPlan(seeds=3)
DENSITIES = ((np.polynomial.legendre.leggauss(5)[0] + 1) / 2).tolist()


def tables(seeds=3, test=200):
    rng = np.random.default_rng(0)
    rows = {name: [] for name in ("measures", "weights", "examples", "timings")}
    for seed in range(seeds):
        for source, level in ((rule.RANDOM, 0.4), (rule.TRAINED, 0.0)):
            about = {"source": source, "seed": seed}
            for density in (*DENSITIES, np.nan):
                name = rule.SHAPLEY if np.isnan(density) else rule.measure_name(density)
                found = level + 0.02 * seed
                own = {"correlation": found * 0.7, "corrected": found, "permuted": found + 0.05}
                ranks = {"rank_reliability": 0.3, "rank_correlation": 0.1, "rank_corrected": 0.2}
                rest = {"random_signs": 0.03, "reliability": 0.5, "signs": 0.66, "known": 0.1}
                rest |= {"alike": 0.6, "changed": 0.9, "rule_error": 0.02 if np.isnan(density) else np.nan}
                rows["measures"].append(
                    {**about, "measure": name, "density": density, "loss": 2.4, **own, **ranks, **rest}
                )
            values = rng.normal(size=(3, 100))
            rows["weights"] += [
                {**about, "weight": i, "saliency": s, "banzhaf": (s if i < 70 else -s), "error": 1.0}
                for i, s in enumerate(values[0])
            ]
        right = (rng.random(test) < 0.9).astype(float)
        rows["examples"] += [
            {"seed": seed, "id": i, "guess": float(i % 10 == 0), "trained": float(t)}
            for i, t in enumerate(right)
        ]
        rows["timings"].append({"seed": seed, "part": "training", "seconds": 2.0})
    units = {"timings": {"seconds": "s"}}
    return {
        name: Table.from_rows(name, of, units=units.get(name, {}), measured=name == "timings")
        for name, of in rows.items()
    }


def toy_record(record):
    study = EdgeContribution()
    return replace(record, claim=study.claim, evidence=study.conclude(PLAN, tables()), plan={"seeds": 3})


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


def test_all_figures_are_made_and_their_findings_follow(page, check_words) -> None:
    show = presentation(page)
    figures = {figure.key: figure for figure in show.figures}
    assert list(figures) == ["densities", "weights"]
    assert (
        "correlates by 0.42 with Banzhaf values, and that for permuted labels by 0.47"
        in figures["densities"].title
    )
    assert "70 % of gradients" in figures["weights"].title
    assert len(show.summaries) == 2
    check_words(show)


def test_the_invented_numbers_fail(page) -> None:
    whole = next(v for v in page.evidence.verdicts if not v.question)
    assert str(whole.outcome) == "fails"
