"""The page of `masking-is-training`, from invented numbers: findings follow from them, and what lacks something has a page."""

from dataclasses import replace

import pytest

from ticketlab.claims.masking_is_training.claim import MaskingIsTraining, MaskingIsTrainingPlan
from ticketlab.claims.masking_is_training.page import CONTROL, CRITERIA, ONES, ZEROS
from ticketlab.evidence.tables import Evidence, Table
from ticketlab.figures.html import prose
from ticketlab.report.page import presentation, render

PLAN = MaskingIsTrainingPlan(seeds=3)
SCORES = {
    "large-final-same-sign": 0.7,
    "large-final": 0.5,
    "small-final": 0.08,
    "synflow": 0.2,
    CONTROL: 0.12,
}


def tables(seeds=3, criteria=tuple(SCORES), ones=("rewind", "constant-same-sign"), zeros=tuple(ZEROS)):
    arms, masks, responses, examples = [], [], [], []
    for seed in range(seeds):
        for level in (1, 2, 3):
            about = {"seed": seed, "level": level, "decisive": level == 2, "density": 0.6**level}
            for criterion in criteria:
                arms += [
                    {
                        **about,
                        "criterion": criterion,
                        "one": one,
                        "zero": zero,
                        "test_score": SCORES[criterion] - 0.1 * i + 0.001 * seed,
                        "trained_score": 0.9 if level == 2 or (i, j) == (0, 0) else float("nan"),
                        "early_stop_step": 100.0,
                    }
                    for i, one in enumerate(ones)
                    for j, zero in enumerate(zeros)
                ]
                masks.append(
                    {
                        **about,
                        "criterion": criterion,
                        "kept": 300,
                        "mask_bits": 800.5,
                        "flipped": 0.01,
                        "shrank": 0.6,
                        "moved": 0.5 + 0.01 * seed,
                        "motion_bits": 200.0,
                        "aligned": 0.3 if criterion != CONTROL else 0.1,
                    }
                )
                responses += [
                    {
                        **about,
                        "criterion": criterion,
                        "layer": layer,
                        "units": 10,
                        "decorrelation": SCORES[criterion] + 0.01 * seed,
                        "lower": 0.1,
                        "upper": 0.9,
                        "relative_change": 0.8,
                    }
                    for layer in ("dense1", "output")
                ]
        values = {
            "mask": 0.7,
            "random": 0.12,
            "guess": 0.1,
            "permuted": 0.11,
            "shrunk": 0.4,
            "grown": 0.1,
            "drawn": 0.1,
            "shrunk_twin": 0.2,
            "grown_twin": 0.3,
            "shrunk_permuted": 0.2,
            "trained": 0.96,
            "multigraph": 0.95,
        }
        examples += [
            {"seed": seed, "id": i, **{a: float((7 * i + seed) % 200 < 200 * v) for a, v in values.items()}}
            for i in range(200)
        ]
    dense = [
        {
            "seed": s,
            "untrained_score": 0.1,
            "early_stop_step": 90,
            "test_score": 0.96,
            "moved": 1.2,
            "bits": 900.0,
        }
        for s in range(seeds)
    ]
    surprise = [{"seed": s, "random_masks": 100, "as_good": 0, "bits": 6.66} for s in range(seeds)]
    memorised = [
        {"seed": s, "arm": arm, "train_score": score + 0.001 * s * score}
        for s in range(seeds)
        for arm, score in (("mask", 0.2), ("random", 0.1))
    ]
    checks = [
        {"seed": s, "training": "level 2, trained", "networks": 4, "removed": 100, "parameters_left": 0, "best": 0, "moments": 0}
        for s in range(seeds)
    ]  # fmt: skip
    timings = [
        {"seed": s, "training": "dense", "network_steps": 1000, "seconds": 2.0, "rate": 500.0}
        for s in range(seeds)
    ]
    found = {"arms": arms, "masks": masks, "responses": responses, "examples": examples}
    found |= {"dense": dense, "surprise": surprise, "checks": checks, "memorised": memorised}
    made = {name: Table.from_rows(name, rows) for name, rows in found.items()}
    return {**made, "timings": Table.from_rows("timings", timings, measured=True)}


def page_of(record, given, plan=PLAN):
    study = MaskingIsTraining()
    evidence = study.conclude(plan, given)
    return replace(record, claim=study.claim, evidence=evidence, plan={"seeds": plan.seeds})


def toy_record(record):
    return page_of(record, tables())


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


KEYS = ["density", "criteria", "actions", "responses", "direction"]


def test_all_figures_are_made(page, check_words) -> None:
    show = presentation(page)
    assert [f.key for f in show.figures] == KEYS
    assert len(show.summaries) == 3
    assert len(show.certificate_tables) == 1
    check_words(show)


def test_findings_follow_from_the_numbers(page) -> None:
    figures = {f.key: f for f in presentation(page).figures}
    title = "Untrained, with 36 % of its weights where they were drawn and the others zero, the network scores 70.1 %"
    assert figures["density"].title.startswith(title)
    assert figures["density"].title.endswith("and 12.1 % under a random one")
    assert (
        "highest score is that of large final, |w_f|, same sign, the lowest that of small final"
        in figures["criteria"].title
    )
    assert figures["actions"].title.endswith(
        "scores 70.1 %, as ± one constant with the signs that they had 60.1 %"
    )
    said = "under a random one: in dense1 0.710 and 0.130 and in output 0.710 and 0.130"
    assert figures["responses"].title.endswith(said)
    assert "with a cosine of 0.300, by a random mask of 0.100" in figures["direction"].title
    assert [p.name for p in figures["density"].panels] == [
        "large final, |w_f|",
        "small final, −|w_f| (reversed)",
        "pruning at initialisation",
    ]
    assert [p.name for p in figures["actions"].panels] == ["untrained", "trained"]


def test_every_combination_is_in_the_table(page) -> None:
    masks, combinations, _ = presentation(page).summaries
    assert len(masks.rows) == 1 + len(SCORES)
    assert "of 100 random masks a seed".lower() in masks.caption.lower()
    assert "at least 6.66 bits" in masks.caption
    assert len(combinations.rows) == 2 * len(SCORES)
    assert combinations.rows[0][1].startswith("70.10 ± 0.25 → 90.00")
    assert all(" → " in cell for row in combinations.rows for cell in row[1:])


def test_every_name_has_a_title() -> None:
    assert set(ONES) == set(PLAN.ones)
    assert set(ZEROS) == set(PLAN.zeros)
    assert len({CRITERIA[c] for c in (*PLAN.criteria, CONTROL)}) == len(PLAN.criteria) + 1


def test_one_seed_and_one_combination_have_a_page(record) -> None:
    small = tables(seeds=1, criteria=("large-final-same-sign", CONTROL), ones=("rewind",), zeros=("zero",))
    keys = [f.key for f in presentation(page_of(record, small, replace(PLAN, seeds=1))).figures]
    assert keys == [k for k in KEYS if k != "actions"]


def test_a_table_that_is_missing_leaves_its_figures_out(page) -> None:
    kept = {n: t for n, t in page.evidence.tables.items() if n not in ("arms", "timings", "surprise")}
    show = presentation(replace(page, evidence=Evidence(kept, page.evidence.verdicts)))
    assert [f.key for f in show.figures] == ["responses", "direction"]
    assert show.summaries == ()
    assert presentation(replace(page, evidence=Evidence({}))).figures == ()


def test_the_page_is_written(page) -> None:
    html = render(page)
    assert "random, with the chosen mask" in html
    assert prose(page.evidence.verdicts[0].reading) in html
