"""The page of `random-filters`, from invented numbers: its findings follow from them."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from ticketlab.claims.random_filters import formula as rule
from ticketlab.claims.random_filters.claim import RandomFilters, RandomFiltersPlan
from ticketlab.evidence.tables import Table
from ticketlab.report.page import presentation

WRONG = {rule.RANDOM: 0.06, rule.LEARNED: 0.05, rule.PIXELS: 0.2, rule.PLAIN: 0.3}
EXAMPLES = 400
FROZEN = (0, 1, 2)


def tables(seeds=3):
    rng = np.random.default_rng(0)
    rows = {name: [] for name in ("examples", "designs", "choices", "freezing", "timings")}
    columns = [*rule.NAMES, *map(rule.frozen, FROZEN)]
    for seed in range(seeds):
        for i, hard in enumerate(rng.random(EXAMPLES)):
            right = {column: float(hard > WRONG.get(column, 0.1)) for column in columns}
            rows["examples"].append({"seed": seed, "id": i, "guess": float(i % 10 == 0), **right})
        for stages, rectify, normalise, pool, filters in product(
            (1, 2), ("none", "absolute"), (False, True), ("average", "none"), ("random", "learned")
        ):
            found = 0.9 + 0.01 * seed - 0.1 * (rectify == "none") + 0.02 * (pool == "none")
            about = {
                "stages": stages,
                "filters": filters,
                "rectify": rectify,
                "normalise": normalise,
                "pool": pool,
            }
            rows["designs"].append({"seed": seed, **about, "features": 256, "test_score": found})
        for arm in columns:
            rows["choices"].append({"seed": seed, "arm": arm, "inside": True, "settled": True})
        for count in FROZEN:
            rows["freezing"].append(
                {"seed": seed, "frozen": count, "trained_layers": 5 - count, "test_score": 0.95 - 0.1 * count}
            )
        rows["timings"].append({"seed": seed, "part": "learned filters", "seconds": 2.0})
    return {
        name: Table.from_rows(
            name, of, units={"seconds": "s"} if name == "timings" else {}, measured=name == "timings"
        )
        for name, of in rows.items()
    }


def toy_record(record):
    study, plan = RandomFilters(), RandomFiltersPlan(seeds=3, frozen=FROZEN[1:])
    return replace(record, claim=study.claim, evidence=study.conclude(plan, tables()), plan={"seeds": 3})


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


def test_all_figures_are_made_and_their_findings_follow(page, check_words) -> None:
    show = presentation(page)
    figures = {figure.key: figure for figure in show.figures}
    assert list(figures) == ["blocks", "pools", "frozen"]
    assert figures["blocks"].title.endswith("points less than learned ones")
    assert "no pooling scores most: 88.0 %" in figures["pools"].title
    assert figures["frozen"].title.endswith("from 95.0 % to 75.0 %")
    assert len(show.summaries) == 3
    check_words(show)


def test_the_invented_numbers_hold(page) -> None:
    assert str(page.whole.outcome) == "holds"
