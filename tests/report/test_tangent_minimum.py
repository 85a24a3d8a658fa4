"""The figures of the claim: their findings follow from the numbers, and a run that lacks something still has a page."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims.tangent_minimum.page import (
    DESCENT,
    TANGENT,
    agreement,
    differences,
    inside_the_grid,
    learning_curves,
    motion,
    ridge_path,
)
from ticketlab.claims.tangent_minimum.page import test_error as error_figure
from ticketlab.evidence.tables import Column, Evidence, Table
from ticketlab.figures.forest import forest
from ticketlab.report.page import presentation


def with_column(table: Table, name: str, values: np.ndarray) -> Table:
    columns = tuple(replace(c, values=values) if c.name == name else c for c in table.columns)
    return Table(table.name, columns, table.measured)


@pytest.fixture
def tables(record):
    return record.evidence.tables


def test_all_figures_are_made(record, check_words):
    show = presentation(record)
    assert [f.key for f in show.figures] == [
        "test-error",
        "ridge-path",
        "learning-curves",
        "motion",
        "agreement",
    ]
    assert [f.key for f in show.certificates] == ["certificates"]
    check_words(show)


@pytest.mark.parametrize("missing", ["arms", "tuning", "curves", "certificates", "timings", "examples"])
def test_a_missing_or_an_empty_table_leaves_its_figures_out(record, missing):
    tables = {name: t for name, t in record.evidence.tables.items() if name != missing}
    made = {
        f.key for f in presentation(replace(record, evidence=replace(record.evidence, tables=tables))).figures
    }
    assert made == {"test-error", "ridge-path", "learning-curves", "motion", "agreement"} - {
        "arms": {"test-error", "ridge-path", "learning-curves", "motion", "agreement"},
        "tuning": {"ridge-path", "learning-curves"},
        "curves": {"learning-curves"},
    }.get(missing, set())
    empty = presentation(replace(record, evidence=Evidence({missing: Table(missing, ())})))
    assert (empty.figures, empty.summaries, empty.certificates, empty.certificate_tables) == ((), (), (), ())


def test_no_evidence_at_all(record):
    assert presentation(replace(record, evidence=Evidence({}))).figures == ()


def test_seeds_are_paired_by_seed_not_by_order(tables):
    rows = tables["arms"].where(loss="square", offset="kept")
    shuffled = Table(rows.name, tuple(replace(c, values=c.values[::-1]) for c in rows.columns))
    assert sorted(differences(rows)) == sorted(differences(shuffled))
    tangent, descent = (rows.where(arm=a)["test_score"] for a in (TANGENT, DESCENT))
    assert differences(rows) == pytest.approx(tuple(100 * (tangent - descent)))


def test_the_best_arm_is_named(tables):
    arms = tables["arms"]
    best = np.where(arms["arm"] == "linear model", 1.0, arms["test_score"])
    title = error_figure(with_column(arms, "test_score", best)).title
    assert title == "Lowest mean test error: linear model in 4 of 4 settings"


def test_error_is_one_minus_score_in_per_cent(tables):
    ones = np.where(tables["arms"]["arm"] == DESCENT, 0.975, 0.5)
    rows = error_figure(with_column(tables["arms"], "test_score", ones)).panels[0].chart.rows
    assert {row.label: row.series[0].centre for row in rows}["gradient descent"] == pytest.approx(2.5)
    assert {row.label: row.series[0].interval for row in rows}["linear model"] == pytest.approx((50, 50))


def test_regression_has_no_agreement_and_shares_of_variance(tables):
    arms = with_column(tables["arms"], "agreement", np.full(len(tables["arms"]), np.nan))
    assert agreement(arms) is None
    assert "variance" in error_figure(arms).panels[0].chart.axis.title


def test_motion_without_numbers_is_left_out(tables):
    assert (
        motion(with_column(tables["arms"], "relative_motion", np.full(len(tables["arms"]), np.nan))) is None
    )


def test_a_choice_at_the_edge_of_the_grid_is_said(tables):
    tuning = tables["tuning"]
    at_edge = np.where(
        tuning["arm"] == TANGENT, tuning["candidate"] == tuning["candidate"].min(), tuning["chosen"]
    )
    edged = with_column(tuning, "chosen", at_edge)
    assert inside_the_grid(tuning, TANGENT) == (12, 12)
    assert inside_the_grid(edged, TANGENT) == (0, 12)
    assert "a wider search might do better" in ridge_path(tables["arms"], edged).caption


def test_titles_tell_better_from_worse(tables):
    arms, tuning = tables["arms"], tables["tuning"]
    assert "lowers mean test error by" in ridge_path(arms, tuning).title
    swapped = np.where(arms["arm"] == TANGENT, 0.5, arms["test_score"])
    assert "raises mean test error by" in ridge_path(with_column(arms, "test_score", swapped), tuning).title


def test_without_a_minimum_norm_limit(tables):
    arms = tables["arms"]
    kept = arms["arm"] != "minimum-norm limit"
    figure = ridge_path(
        Table("arms", tuple(replace(c, values=c.values[kept]) for c in arms.columns)), tables["tuning"]
    )
    assert figure.title == "Error along the ridge path"
    assert all("limit" not in mark.label for mark in figure.marks)


def test_a_diverged_run_is_not_drawn_but_does_not_stop_the_page(tables):
    curves = tables["curves"]
    diverged = np.where(curves["step_size"] == 0.3, np.nan, curves["train_loss"])
    figure = learning_curves(tables["arms"], tables["tuning"], with_column(curves, "train_loss", diverged))
    assert len(figure.panels) == 8


def test_a_missed_tolerance_is_in_the_title(record):
    table = record.evidence.tables["certificates"]
    missed = with_column(table, "met", np.arange(len(table)) > 2)
    tables = {**record.evidence.tables, "certificates": missed}
    show = presentation(replace(record, evidence=replace(record.evidence, tables=tables)))
    assert show.certificates[0].title == "21 of 24 solutions met the tolerance"
    assert [row[-1] for row in show.certificate_tables[0].rows][:3] == ["1 of 3", "2 of 3", "3 of 3"]


def test_one_seed(record):
    tables = {n: t.where(seed=0) for n, t in record.evidence.tables.items()}
    show = presentation(replace(record, evidence=replace(record.evidence, tables=tables)))
    assert "1 seed" in show.figures[0].caption
    assert all(row.series[0].interval is None for row in show.figures[0].panels[0].chart.rows)


def test_exact_zeros_stand_at_the_left_end(record):
    table = record.evidence.tables["certificates"]
    zeros = with_column(table, "duality_gap", np.zeros(len(table)))
    tables = {**record.evidence.tables, "certificates": zeros}
    figure = presentation(replace(record, evidence=replace(record.evidence, tables=tables))).certificates[0]
    assert "The largest gap is 0;" in figure.caption
    assert figure.panels[0].chart.axis.low < 1e-17


def test_the_forest_has_every_seed(record):
    scores = forest(record.questions, presentation(record).asked).panels[0].chart
    assert [len(scores.series(v).dots) for v in record.questions] == [3] * 4


def test_a_limit_that_does_not_exist_is_said(tables):
    arms = tables["arms"]
    limit = (arms["arm"] == "minimum-norm limit") & (arms["loss"] == "square")
    figure = ridge_path(with_column(arms, "setting", np.where(limit, 0.0, arms["setting"])), tables["tuning"])
    assert "With cross-entropy loss there is no minimum-norm limit" in figure.caption


def test_diverged_runs_are_counted(tables):
    tuning = tables["tuning"]
    diverged = np.where(tuning["candidate"] == 0.3, "diverged", tuning["outcome"])
    assert (
        "12 runs of 48 diverged."
        in learning_curves(tables["arms"], with_column(tuning, "outcome", diverged), tables["curves"]).caption
    )


def test_ridges_that_differ_by_rounding_are_one_candidate(tables):
    tuning = tables["tuning"]
    noisy = tuning["candidate"] * (1 + 1e-9 * tuning["seed"])
    figure = ridge_path(tables["arms"], with_column(tuning, "candidate", noisy))
    mean = next(c for c in figure.panels[0].chart.curves if "mean" in c.label)
    assert len(mean.x) == 8


def test_runs_whose_best_step_is_the_last_are_counted(tables):
    arms, tuning, curves = tables["arms"], tables["tuning"], tables["curves"]
    assert "longer training" not in learning_curves(arms, tuning, curves).caption
    last = with_column(tuning, "stop_step", np.full(len(tuning), 1024))
    assert "In 12 of 12 chosen runs the best step is the last" in learning_curves(arms, last, curves).caption


def test_columns_are_not_needed_in_any_order(record):
    arms = record.evidence.tables["arms"]
    turned = Table("arms", tuple(Column(c.name, c.values) for c in reversed(arms.columns)))
    assert error_figure(turned).title == error_figure(arms).title
