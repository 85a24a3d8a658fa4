"""The page of `random-filters`, from invented numbers: its findings follow from them."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from ticketlab.claims.galleries import FILTER, STRONGEST
from ticketlab.claims.random_filters import formula as rule
from ticketlab.claims.random_filters.claim import RandomFilters, RandomFiltersPlan
from ticketlab.evidence.pictures import strip
from ticketlab.evidence.tables import Table
from ticketlab.report.page import presentation

WRONG = {rule.RANDOM: 0.06, rule.LEARNED: 0.05, rule.PIXELS: 0.2, rule.PLAIN: 0.3}
EXAMPLES = 400
FROZEN = (0, 1, 2)


def tables(seeds=3):
    rng, drawing = np.random.default_rng(0), np.random.default_rng(1)
    rows = {
        name: []
        for name in (
            "examples",
            "designs",
            "choices",
            "freezing",
            "halves",
            "transfer",
            "logistic",
            "pictures",
            "timings",
        )
    }
    columns = [*rule.NAMES, *map(rule.frozen, FROZEN), *map(rule.logistic, rule.LOGISTIC)]
    of_halves = [rule.BASE, *(rule.copied(kind, 1) for kind in rule.COPIES)]
    for seed in range(seeds):
        for i, hard in enumerate(rng.random(EXAMPLES)):
            right = {column: float(hard > WRONG.get(column, 0.1)) for column in columns}
            about = {"seed": seed, "id": i, "guess": float(i % 10 == 0)}
            rows["examples"].append({**about, **right})
            rows["halves"].append({**about, **{column: float(hard > 0.1) for column in of_halves}})
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
        for arm in (*columns, *of_halves):
            rows["choices"].append({"seed": seed, "arm": arm, "inside": True, "settled": True})
        for count in FROZEN:
            rows["freezing"].append(
                {"seed": seed, "frozen": count, "trained_layers": 5 - count, "test_score": 0.95 - 0.1 * count}
            )
        for column in of_halves:
            kind, count = rule.of_copied(column)
            about = {"seed": seed, "source": rule.COPIES.get(kind, "half B, all layers"), "layers": count}
            rows["transfer"].append({**about, "test_score": 0.9, "validation_score": 0.9})
        for arm in rule.LOGISTIC:
            rows["logistic"].append({"seed": seed, "arm": arm, "test_score": 0.9, "ridge_score": 0.91})
        for name, number in product(("random filters", "learned filters"), (1, 8)):
            about = {"seed": seed, "filters_of": name, "filter": number}
            drawn = {
                FILTER: drawing.standard_normal((1, 3, 3, 1)),
                STRONGEST: drawing.standard_normal((9, 8, 8, 1)),
            }
            rows["pictures"] += [
                {**about, "column": column, "png": strip(images), "response": 2.0}
                for column, images in drawn.items()
            ]
        rows["timings"].append({"seed": seed, "part": "learned filters", "seconds": 2.0})
    return {
        name: Table.from_rows(
            name, of, units={"seconds": "s"} if name == "timings" else {}, measured=name == "timings"
        )
        for name, of in rows.items()
    }


def toy_record(record):
    study, plan = RandomFilters(), RandomFiltersPlan(seeds=3, frozen=FROZEN[1:], copied=(1,))
    return replace(record, claim=study.claim, evidence=study.conclude(plan, tables()), plan={"seeds": 3})


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


def test_all_figures_are_made_and_their_findings_follow(page, check_words) -> None:
    show = presentation(page)
    figures = {figure.key: figure for figure in show.figures}
    assert list(figures) == ["blocks", "pools", "frozen", "copied", "filters"]
    assert figures["blocks"].title.endswith("points less than learned ones")
    assert "no pooling scores most: 88.0 %" in figures["pools"].title
    assert figures["frozen"].title.endswith("from 95.0 % to 75.0 %")
    assert len(show.summaries) == 5
    check_words(show)


def test_the_invented_numbers_hold(page) -> None:
    assert str(page.whole.outcome) == "holds"
