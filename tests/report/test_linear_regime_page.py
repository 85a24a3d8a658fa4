"""The page of `linear-regime`, from invented numbers: its findings follow from them, and what lacks something has a page."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims.linear_regime.claim import LinearRegime, LinearRegimePlan
from ticketlab.evidence.tables import Evidence, Table
from ticketlab.figures.forest import forest
from ticketlab.figures.wording import power
from ticketlab.report.page import presentation

FALLS = {"standard": 1.0, "ntk": 0.5, "mup": 0.0}
WIDTHS = (64, 128, 256)
PLAN = LinearRegimePlan(depths=(1,), losses=("square",), seeds=3)


def tables(seeds=3):
    draw = np.random.default_rng(0)
    widths, curves, timings, examples = [], [], [], []
    for name, exponent in FALLS.items():
        for seed in range(seeds):
            at = {"loss": "square", "depth": 1, "parameterisation": name, "seed": seed}
            examples += [
                {**at, "id": i, "guess": float(i % 10 == 0), "network": 1.0, "linear": 1.0} for i in range(50)
            ]
            for width in WIDTHS:
                about = {
                    "loss": "square",
                    "depth": 1,
                    "parameterisation": name,
                    "seed": seed,
                    "width": width,
                }
                level = 0.4 * (width / 64) ** -exponent * float(np.exp(0.02 * draw.standard_normal()))
                widths.append(
                    {
                        **about,
                        "parameters": 100 * width,
                        "motion": level,
                        "drift": level**2,
                        "distance": level,
                        "features": 0.3,
                        "train_loss": 0.01,
                        "linear_train_loss": 0.02,
                        "test_score": 0.9,
                        "linear_test_score": 0.9 - 0.1 * level,
                        "step_size": 0.1,
                        "alignment_start": 0.3,
                        "alignment_end": 0.3 + 0.2 * (name == "mup"),
                        "effective_dimension": 200.0,
                        "effective_dimension_error": 4.0,
                        "defect": 1e-13,
                    }
                )
                curves += [
                    {
                        **about,
                        "step": step,
                        "train_loss": 0.5 / (1 + step),
                        "linear_train_loss": 0.5 / (1 + step) + level,
                    }
                    for step in (0, 10, 100)
                ]
                timings.append({**about, "seconds": 1.5})
    return {
        "widths": Table.from_rows("widths", widths),
        "curves": Table.from_rows("curves", curves),
        "examples": Table.from_rows("examples", examples),
        "timings": Table.from_rows("timings", timings, measured=True),
    }


def toy_record(record):
    study = LinearRegime()
    evidence = study.conclude(PLAN, tables())
    return replace(record, claim=study.claim, evidence=evidence, plan={"least": 0.25, "seeds": 3})


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


def test_all_figures_are_made(page, check_words) -> None:
    show = presentation(page)
    assert [f.key for f in show.figures] == ["measures", "kernels", "training", "scores"]
    assert [f.key for f in show.certificates] == ["certificates"]
    assert len(show.summaries) == 3
    check_words(show)


def test_findings_follow_from_the_numbers(page) -> None:
    measures, kernels, training, scores = presentation(page).figures
    assert "from width 64 to 256" in measures.title
    assert "; μP: 0.4" in measures.title
    (verdict,) = forest(page.questions, presentation(page).asked).panels
    assert {effect for effect, _, _ in verdict.chart.groups()} == {
        "exponent of a fall as width to the power −α",
        "at the widest network",
    }
    assert kernels.title.endswith("alignment with the targets by 0.000 to +0.200")
    assert len(training.panels) == 6  # three parameterisations, the narrowest and the widest
    assert "points from the network's" in scores.title


def test_mean_losses_are_those_at_the_last_step_of_every_seed(page) -> None:
    """The second seed stopped at step 10."""
    curves = page.evidence.tables["curves"]
    ended = curves.taken((curves["seed"] != 1) | (curves["step"] <= 10))
    last = {step: 0.5 / (1 + step) for step in (10, 100)}
    expected = (2 * last[100] + last[10]) / 3
    evidence = replace(page.evidence, tables={**page.evidence.tables, "curves": ended})
    training = presentation(replace(page, evidence=evidence)).figures[2]
    assert f"width 64 {power(expected)} and" in training.caption


def test_fitted_lines_go_through_the_signs(page) -> None:
    motion = presentation(page).figures[0].panels[0]
    law = next(c for c in motion.chart.curves if c.joined and "NTK" in c.label)
    np.testing.assert_allclose(law.y, [0.4, 0.2], rtol=0.05)


def test_features_that_are_not_known_are_left_out(page) -> None:
    t = page.evidence.tables["widths"]
    unknown = tuple(
        replace(c, values=np.full(len(t), np.nan)) if c.name == "features" else c for c in t.columns
    )
    evidence = replace(page.evidence, tables={**page.evidence.tables, "widths": Table("widths", unknown)})
    show = presentation(replace(page, evidence=evidence))
    assert [p.name for p in show.figures[0].panels] == [
        "motion of the parameters",
        "drift of the kernel",
        "distance to the linear model",
    ]
    assert "–" in show.summaries[1].rows[0]


@pytest.mark.parametrize("missing", ["widths", "curves", "timings", "fits"])
def test_a_missing_or_an_empty_table_leaves_its_figures_out(page, missing) -> None:
    for kept in ({}, {missing: Table(missing, ())}):
        without = {n: t for n, t in page.evidence.tables.items() if n != missing} | kept
        show = presentation(replace(page, evidence=replace(page.evidence, tables=without)))
        assert ({f.key for f in show.figures} & {"training", "kernels"}) or missing == "nothing"
    assert presentation(replace(page, evidence=Evidence({}))).figures == ()


def test_one_seed(page) -> None:
    evidence = LinearRegime().conclude(replace(PLAN, seeds=1), tables(seeds=1))
    show = presentation(replace(page, evidence=evidence))
    assert "1 seed" in show.figures[0].caption


def test_every_loss_and_depth_has_figures_of_its_own(page) -> None:
    """Twice the figures but those of the verdicts, under names of their own, each in the section of its setting."""
    show = presentation(of_two_depths(page))
    keys = [f.key for f in (*show.figures, *show.certificates)]
    assert len(keys) == len(set(keys)) == 2 * 5
    sections = ["square loss, 1 hidden layer", "square loss, 2 hidden layers"]
    assert [f.section for f in show.figures] == [s for s in sections for _ in range(4)]
    assert [t.section for t in show.summaries] == [s for s in sections for _ in range(3)]


def of_two_depths(page):
    """Twice the run, once with another depth."""
    deeper = {}
    for name, table in page.evidence.tables.items():
        both = [
            replace(c, values=np.concatenate([c.values, c.values + (c.name == "depth")]))
            if c.values.dtype.kind != "U"
            else replace(c, values=np.tile(c.values, 2))
            for c in table.columns
        ]
        deeper[name] = Table(name, tuple(both), table.measured)
    return replace(page, evidence=replace(page.evidence, tables=deeper))


def toy_of_two_depths(record):
    """With as many questions as two depths have, of which some fail."""
    page = of_two_depths(toy_record(record))
    verdicts = page.evidence.verdicts
    again = [replace(v, question=f"{v.question}, deeper", reading="Folded.") for v in verdicts[1:]]
    return replace(page, evidence=replace(page.evidence, verdicts=(*verdicts, *again)))
