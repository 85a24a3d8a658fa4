"""The page of `newton-step`, from invented numbers: its findings follow from them, and what lacks something has a page."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims.newton_step.claim import NewtonStep, NewtonStepPlan
from ticketlab.claims.newton_step.formula import VARIANTS
from ticketlab.claims.newton_step.page import along_the_flow
from ticketlab.evidence.tables import Evidence, Table
from ticketlab.figures.forest import forest
from ticketlab.report.page import presentation

ARMS = {  # arm: unexplained, cosine, length
    ("gradient descent", "network"): (0.0, 1.0, 1.0),
    ("gradient step", "tangent"): (0.5, 0.2, 0.05),
    ("gradient step", "network"): (0.55, 0.2, 0.05),
    ("Newton step", "tangent"): (0.02, 0.8, 1.1),
    ("Newton step", "network"): (0.03, 0.8, 1.1),
    ("damped Newton step", "tangent"): (0.015, 0.85, 0.9),
    ("damped Newton step", "network"): (0.02, 0.85, 0.9),
    ("stopped flow", "tangent"): (0.012, 0.9, 0.8),
    ("second training", "network"): (0.1, np.nan, np.nan),
    ("random start", "network"): (1.0, np.nan, 0.0),
}
TIMES = (0.1, 1.0, 10.0, 100.0, 1000.0, np.inf)
PATH = (0.9, 0.5, 0.1, 0.01, 0.018, 0.02)


def measured(unexplained, cosine=0.5, length=0.5):
    return {
        "unexplained": unexplained,
        "rms": unexplained**0.5,
        "divergence": unexplained,
        "agreement": 1 - unexplained / 2,
        "test_score": 0.9 - 0.5 * unexplained,
        "train_loss": unexplained,
        "cosine": cosine,
        "relative_length": length,
        "relative_distance": 0.5,
    }


def tables(seeds=3):
    rows = {
        name: []
        for name in (
            "arms",
            "path",
            "curves",
            "certificates",
            "candidates",
            "examples",
            "timings",
            "training",
        )
    }
    draw = np.random.default_rng(0)
    for offset in ("kept", "centred"):
        for seed in range(seeds):
            about = {"loss": "square", "seed": seed, "offset": offset}
            luck = float(np.exp(0.1 * draw.standard_normal()))
            for (arm, form), (share, cosine, length) in ARMS.items():
                setting = (
                    {"setting": 1.0, "setting_name": "step size"}
                    if "step" in arm
                    else {"setting": np.nan, "setting_name": ""}
                )
                rows["arms"].append(
                    {**about, "arm": arm, "form": form, **measured(share * luck, cosine, length), **setting}
                )
            rows["path"] += [
                {**about, "time": t, **measured(u * luck)} for t, u in zip(TIMES, PATH, strict=True)
            ]
            rows["curves"] += [
                {**about, "arm": arm, "step": step, "train_loss": 1.0 / (1 + step)}
                for arm in ("gradient descent", "second training")
                for step in (0, 10, 100)
            ]
            rows["training"].append({**about, "arm": "gradient descent", "converged": True})
            rows["candidates"] += [
                {**about, "arm": "gradient step", "form": form, "chosen": True, "inside": True}
                for form in ("tangent", "network")
            ]
            rows["certificates"] += [
                {
                    **about,
                    "what": what,
                    "setting": 0.0,
                    "measure": m,
                    "value": 1e-12,
                    "tolerance": 1e-5,
                    "met": True,
                    "precision": "float64",
                }
                for what, m in (("Newton step", "stationarity"), ("flow", "defect"))
            ]
            for variant in [form for of, form in VARIANTS if of == offset]:
                rows["examples"] += [
                    {
                        **about,
                        "form": variant,
                        "id": 50 * seed + i,
                        "guess": float(i % 10 == 0),
                        "change": 1.0,
                        "stopped_gap": 0.012 * luck,
                        "nearest_gap": 0.01 * luck,
                        "trained_score": float(i < 45),
                        "newton_score": float(i < 44),
                        "newton_gap": 0.02 * luck,
                        "gradient_gap": 0.5,
                        "second_gap": 0.1,
                    }
                    for i in range(50)
                ]
            rows["timings"].append({"loss": "square", "seed": seed, "part": "tangent kernel", "seconds": 1.0})
    return {name: Table.from_rows(name, of, measured=name == "timings") for name, of in rows.items()}


def toy_record(record):
    study, plan = NewtonStep(), NewtonStepPlan(seeds=3)
    evidence = study.conclude(plan, tables())
    return replace(record, claim=study.claim, evidence=evidence, plan={"margin": 0.01, "seeds": 3})


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


def test_all_figures_are_made(page, check_words) -> None:
    show = presentation(page)
    assert [f.key for f in show.figures] == [
        "unexplained",
        "flow",
        "flow-score",
        "parameters",
        "training",
    ]
    assert [f.key for f in show.certificates] == ["certificates"]
    assert len(show.summaries) == 2
    assert len(show.certificate_tables) == 1
    check_words(show)


def test_training_that_did_not_converge_is_in_the_title(page) -> None:
    ends = page.evidence.tables["training"]
    columns = tuple(
        replace(c, values=np.arange(len(ends)) > 0) if c.name == "converged" else c for c in ends.columns
    )
    tables = {**page.evidence.tables, "training": Table("training", columns)}
    show = presentation(replace(page, evidence=replace(page.evidence, tables=tables)))
    (figure,) = [f for f in show.figures if f.key == "training"]
    assert figure.title == "Gradient descent converged in 5 of 6 runs within 100 steps"


def test_the_forest_has_a_group_a_kind_of_question_and_its_seeds(page) -> None:
    (panel,) = forest(page.questions, presentation(page).asked).panels
    groups = panel.chart.groups()
    assert list(dict.fromkeys(effect for effect, _, _ in groups)) == [
        "Newton step minus trained network",
        "left unexplained of training's change by the Newton step",
        "left unexplained of training's change by the gradient step",
        "left by the gradient step minus left by the Newton step",
        "left at the end of the flow minus left at its best time",
        "left by the second training minus left by the Newton step",
        "cosine of the Newton step with training",
        "length of the Newton step",
    ]
    _, _, scores = groups[0]
    assert panel.chart.series(scores[0]).dots == pytest.approx((-2.0,) * 3)
    assert scores[0].region == pytest.approx((-1.0, 1.0))


def test_findings_follow_from_the_numbers(page) -> None:
    figures = {f.key: f for f in presentation(page).figures}
    assert figures["flow"].title.endswith("before its end in every setting, at time 100")
    assert "a cosine of 0.800 with training, the gradient step 0.200" in figures["parameters"].title
    assert figures["training"].title == "Gradient descent converged in every run, within 100 steps"
    assert "points above" in figures["flow-score"].title
    forms = {p.series for p in figures["unexplained"].panels[0].chart.points() if p.at == "Newton step"}
    assert forms == {"to first order, in the tangent space", "the network itself"}


def test_a_flow_that_is_nearest_at_its_end(page) -> None:
    t = page.evidence.tables
    falling = np.array(
        [1.0 / (1 + time) if np.isfinite(time) else 0.0 for time in t["path"]["time"].tolist()]
    )
    columns = tuple(replace(c, values=falling) if c.name == "unexplained" else c for c in t["path"].columns)
    title = along_the_flow(t["arms"], Table("path", columns)).title
    assert title == "The flow of the linearised model comes nearest to training at its end"


@pytest.mark.parametrize("missing", ["arms", "path", "curves", "certificates", "examples", "timings"])
def test_a_missing_or_an_empty_table_leaves_its_figures_out(page, missing) -> None:
    for kept in ({}, {missing: Table(missing, ())}):
        without = {n: t for n, t in page.evidence.tables.items() if n != missing} | kept
        show = presentation(replace(page, evidence=replace(page.evidence, tables=without)))
        made = {f.key for f in show.figures}
        assert made >= {"arms": {"training"}, "curves": {"unexplained"}}.get(missing, {"unexplained"})
    assert presentation(replace(page, evidence=Evidence({}))).figures == ()


def test_one_seed(page) -> None:
    evidence = NewtonStep().conclude(NewtonStepPlan(seeds=1), tables(seeds=1))
    show = presentation(replace(page, evidence=evidence))
    assert "1 seed" in show.figures[0].caption
