"""The page of `detector-neuron`, from invented numbers: its findings follow from them."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims.detector_neuron import formula as rule
from ticketlab.claims.detector_neuron.claim import DetectorNeuron, DetectorNeuronPlan
from ticketlab.claims.galleries import MIDDLING, STIMULUS, STRONGEST
from ticketlab.evidence.pictures import strip
from ticketlab.evidence.tables import Table
from ticketlab.report.page import presentation

SOURCES = {rule.RANDOM: 0.6, rule.TRAINED: 1.1, rule.FILTERS: 0.7, rule.BRIGHTNESS: 0.3}
CHANNELS = 100


def tables(seeds=3):
    rng = np.random.default_rng(0)
    rows = {
        name: [] for name in ("classes", "scans", "shapes", "channels", "pictures", "examples", "timings")
    }
    for seed in range(seeds):
        for source, reach in SOURCES.items():
            about = {"source": source, "seed": seed}
            for name in "012":
                near = reach + 0.02 * seed - 0.1 * int(name)
                found = {"auc": 0.5 + 0.45 * near, "youden": 0.8 * near, "reach": near}
                units = int(source == rule.TRAINED)
                rows["classes"].append(
                    {
                        **about,
                        "class": name,
                        **found,
                        "unit": "layer 1, unit 3",
                        "reliable_units": units,
                        rule.PLANTED: 1.05 + 0.001 * seed,
                    }
                )
            rows["scans"].append(
                {**about, "units": 400, "largest_z": 12.0, "critical_z": 4.0, "p_value": 0.005}
            )
        for source, auc in ((rule.RANDOM, 0.8), (rule.TRAINED, 0.99)):
            about = {"source": source, "seed": seed, "class": "0", "unit": "layer 1, unit 3", "auc": auc}
            rows["pictures"] += [
                {
                    **about,
                    "column": column,
                    "png": strip(rng.standard_normal((count, 8, 8, 1))),
                    "response": 1.5,
                }
                for column, count in ((STIMULUS, 1), (STRONGEST, 9), (MIDDLING, 9))
            ]
        for source, share in ((rule.RANDOM, 0.12), (rule.TRAINED, 0.3)):
            for layer in ("layer 1", "layer 2"):
                for family in rule.SHAPES:
                    found = {
                        "threshold": 0.9,
                        "found": round(share * CHANNELS),
                        "channels": CHANNELS,
                        "share": share,
                        "ideal": 0.9,
                    }
                    about = {"source": source, "seed": seed, "layer": layer, "field": 5, "family": family}
                    rows["shapes"].append({**about, **found})
            for i in range(CHANNELS):
                detects = {family: int(i < round(share * CHANNELS)) for family in rule.SHAPES}
                rows["channels"].append(
                    {"source": source, "seed": seed, "id": seed * CHANNELS + i, **detects}
                )
        right = (rng.random(200) < 0.9).astype(float)
        rows["examples"] += [
            {"seed": seed, "id": i, "guess": float(i % 3 == 0), "trained": float(t)}
            for i, t in enumerate(right)
        ]
        rows["timings"].append({"seed": seed, "part": "scans", "seconds": 2.0})
    return {
        name: Table.from_rows(
            name, of, units={"seconds": "s"} if name == "timings" else {}, measured=name == "timings"
        )
        for name, of in rows.items()
    }


def toy_record(record):
    study, plan = DetectorNeuron(), DetectorNeuronPlan(seeds=3)
    return replace(record, claim=study.claim, evidence=study.conclude(plan, tables()), plan={"seeds": 3})


@pytest.fixture(scope="module")
def page(record):
    return toy_record(record)


def test_all_figures_are_made_and_their_findings_follow(page, check_words) -> None:
    show = presentation(page)
    figures = {figure.key: figure for figure in show.figures}
    assert list(figures) == ["classes", "shapes", "pictures"]
    assert "for the class 0: on average 62 % of a reliable detector" in figures["classes"].title
    assert "12.0 % of the channels in the second layer" in figures["shapes"].title
    assert len(show.summaries) == 4
    check_words(show)


def test_the_invented_numbers_hold(page) -> None:
    whole = next(v for v in page.evidence.verdicts if not v.question)
    assert str(whole.outcome) == "holds"
