"""The page of `multigraph`, from invented numbers: its findings follow from them."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims.multigraph import formula as rule
from ticketlab.claims.multigraph.claim import Multigraph, MultigraphPlan
from ticketlab.evidence.tables import Table
from ticketlab.report.page import presentation

SEEDS = 3
GAINS = {  # of the random network, with permuted labels, of the multigraph, of a random mask of it
    "accuracy as drawn": (0.01, 0.0, 0.0, 0.0),
    "best unit": (0.7, 0.01, 0.0, 0.1),
    "linear read-out": (0.8, 0.0, 0.0, 0.8),
    "learned mask": (0.9, 0.01, 0.95, 0.9),
}


def tables():
    rng = np.random.default_rng(0)
    rows = {name: [] for name in ("bits", "examples", "learnt", "measures", "searches", "timings")}
    for seed in range(SEEDS):
        for target, own in ((rule.TARGET, 0.96), (rule.PERMUTED, 0.95)):
            for bits in (1, 2, 4, 8):
                about = {"target": target, "seed": seed, "bits": bits, "score": own - 0.4 * 4.0**-bits}
                rows["bits"].append(about | {"target_score": own, "kept": 0.2, "mask_bits": 1.4 * bits})
        for table, accuracy in (("examples", 0.96), ("learnt", 0.95)):
            right = rng.random(400) < accuracy
            for i in range(400):
                scored = {rule.TARGET: float(right[i]), rule.WRITTEN: float(right[i])}
                if table == "examples":
                    scored |= {rule.EMPTY: float(i % 10 == 1), rule.RANDOM: 0.1}
                rows[table].append({"seed": seed, "id": i, "guess": float(i % 10 == 0), **scored})
        for name, gains in GAINS.items():
            for of, gain in zip((rule.NET, rule.PERMUTED, rule.EDGES, rule.RANDOM), gains, strict=True):
                above = gain + 0.001 * seed
                scored = {"score": 0.1 + 0.9 * above, "chance": 0.1, "above": above}
                rows["measures"].append({"seed": seed, "measure": name, "of": of, **scored})
        for over in (rule.NET, rule.EDGES, rule.RANDOM):
            for labels in ("true labels", rule.PERMUTED):
                scored = {"train_score": 0.95, "test_score": 0.9 if labels != rule.PERMUTED else 0.1}
                rows["searches"].append({"seed": seed, "over": over, "labels": labels, **scored})
        rows["timings"].append({"seed": seed, "part": "training", "seconds": 2.0})
    return {
        name: Table.from_rows(
            name, of, units={"seconds": "s"} if name == "timings" else {}, measured=name == "timings"
        )
        for name, of in rows.items()
    }


def toy_record(record):
    study, plan = Multigraph(), MultigraphPlan(seeds=SEEDS, widths=(1, 2, 4))
    return replace(record, claim=study.claim, evidence=study.conclude(plan, tables()), plan={"seeds": SEEDS})


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


def test_all_figures_are_made_and_their_findings_follow(page, check_words) -> None:
    show = presentation(page)
    figures = {figure.key: figure for figure in show.figures}
    assert list(figures) == ["bits", "measures"]
    assert figures["bits"].title == "4 bits a parameter are enough to lose at most 1 point"
    assert figures["measures"].title == "Measures that were found to show content: best unit"
    assert len(show.summaries) == 4
    check_words(show)


def test_a_search_that_did_not_learn_shows_no_content(page) -> None:
    """The learned mask is at chance on the multigraph and on its random mask, because the searches over them failed."""
    measures, searches = page.evidence.tables["measures"], page.evidence.tables["searches"]
    low = np.isin(measures["of"], (rule.EDGES, rule.RANDOM)) & (measures["measure"] == rule.LEARNED)
    failed = {
        **page.evidence.tables,
        "measures": measures.adding(above=np.where(low, 0.001 * measures["seed"], measures["above"])),
        "searches": searches.adding(train_score=np.where(searches["over"] == rule.NET, 0.95, 0.1)),
    }
    for tables, shown in (
        ({**failed, "searches": searches}, "best unit, learned mask"),
        (failed, "best unit"),
    ):
        evidence = Multigraph().conclude(MultigraphPlan(seeds=SEEDS, widths=(1, 2, 4)), tables)
        figures = {figure.key: figure for figure in presentation(replace(page, evidence=evidence)).figures}
        assert figures["measures"].title == f"Measures that were found to show content: {shown}"


def test_the_invented_numbers_hold(page) -> None:
    whole = next(v for v in page.evidence.verdicts if not v.question)
    assert str(whole.outcome) == "holds"
    found = {(v.key, v.facets.get("measure")): str(v.outcome) for v in page.evidence.verdicts}
    assert found["chance", "learned mask"] == "fails"
    assert found["chance", "best unit"] == found["separates", "best unit"] == "holds"
    assert found["beyond", "best unit"] == "holds"
    assert found["beyond", "linear read-out"] == "fails"
