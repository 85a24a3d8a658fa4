"""The claim `many-optima`: its formula on planted tables, and one small run from plan to verdict."""

import jax
import numpy as np
import pytest

from ticketlab.claims.many_optima import cell
from ticketlab.claims.many_optima import formula as rule
from ticketlab.claims.many_optima.claim import ManyOptima, ManyOptimaPlan
from ticketlab.claims.many_optima.planted import World, planted
from ticketlab.claims.planted import ALIKE, made
from ticketlab.claims.start import built, drawn_task, network_scores, permuted_labels
from ticketlab.engine.run import run_study
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Sample
from ticketlab.laws.formulae import answer
from ticketlab.laws.verdict import Outcome
from ticketlab.networks.architectures import MLP
from ticketlab.tasks.sources import Digits

HOLDS, FAILS, UNDECIDED = Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED
SAMPLE = Sample(6, 700, 0.95)


@pytest.mark.parametrize(
    ("world", "whole", "functions", "basins"),
    [
        (World(0.04, 0.08), HOLDS, HOLDS, HOLDS),
        (World(-0.02, 0.08), FAILS, FAILS, HOLDS),
        (World(0.04, 0.0), FAILS, HOLDS, FAILS),
        (World(0.0, 0.08), UNDECIDED, UNDECIDED, HOLDS),
        (World(0.04, rule.LIMIT), UNDECIDED, HOLDS, UNDECIDED),
        (World(0.04, 0.08, ALIKE), UNDECIDED, UNDECIDED, UNDECIDED),
        (World(0.04, 0.08, fitted=False), UNDECIDED, UNDECIDED, UNDECIDED),
    ],
)
def test_functions_and_basins_are_asked_separately(world, whole, functions, basins):
    found = answer(rule.formula(), planted(world, SAMPLE, np.random.default_rng(0)))
    assert found.outcome is whole
    assert [q.outcome for q in found.questions()] == [functions, basins]


@pytest.mark.parametrize(
    ("misses", "undecided"),
    [((), set()), (("other ticket",), {rule.TICKETS}), (("ticket",), {rule.TICKETS, rule.OWN})],
)
def test_tickets_that_do_not_fit_decide_nothing_about_tickets(misses, undecided):
    """Without learning there is no barrier. The claim itself is about the dense networks."""
    tables = planted(World(bump=0.0), SAMPLE, np.random.default_rng(0))
    networks = tables["networks"]
    fitted = ~np.isin(networks["network"], misses)
    found = rule.verdicts({**tables, "networks": networks.adding(fitted=fitted)})
    sides = {v.key: v.outcome for v in found if not v.headline}
    assert {key for key, outcome in sides.items() if outcome is UNDECIDED} == undecided
    assert found[0].outcome is FAILS
    assert all("tickets fit less than 95 %" in v.reading for v in found if v.key in undecided)


def test_an_index_without_a_scale_decides_nothing():
    """A twin ends as far away as an independent network, and the ticket farther than both: the index is large."""
    tables = planted(World(), SAMPLE, np.random.default_rng(0))
    pairs = tables["pairs"]
    far = {rule.INDEPENDENT: 1.10, rule.TWIN: 1.14, rule.OWN: 1.25}
    matched = np.array([far.get(a, m) for a, m in zip(pairs["arm"].tolist(), pairs["matched"], strict=True)])
    columns = {c.name: c.values for c in pairs.columns} | {"matched": matched}
    found = rule.verdicts({**tables, "pairs": made("pairs", columns)})
    (own,) = [v for v in found if v.key == rule.OWN]
    assert own.outcome is UNDECIDED
    assert "the index has no scale" in own.reading


@pytest.mark.parametrize(("bump", "outcome"), [(0.005, UNDECIDED), (0.06, HOLDS)])
def test_a_barrier_that_cannot_be_high_is_not_called_low(bump, outcome):
    """97 % of the examples are of one class: a network between two of 99 % can lose two points, which are the limit."""
    tables = planted(World(bump=bump, guess=0.97), Sample(5, 2000, 0.99), np.random.default_rng(0))
    assert answer(rule.formula(), tables).find(rule.BASINS).outcome is outcome


def test_a_disagreement_that_copies_have_too_is_no_other_function():
    """Both disagree on a tenth of the examples, and hardly any answer is wrong."""
    tables = planted(World(), SAMPLE, np.random.default_rng(0))
    rows = tables["examples"]
    noise = np.random.default_rng(1).random((2, len(rows))) < 0.1
    columns = {c.name: c.values for c in rows.columns}
    columns |= {
        f"differs_{rule.INDEPENDENT}": noise[0].astype(float),
        f"differs_{rule.COPY}": noise[1].astype(float),
    }
    found = answer(rule.formula(), {**tables, "examples": made("examples", columns)})
    assert next(iter(found.questions())).outcome is not HOLDS


def test_the_index_is_counted_from_independent_networks_to_twins():
    rows = [
        {"arm": arm, "seed": seed, "matched": value + seed}
        for seed in (1, 0)
        for arm, value in ((rule.INDEPENDENT, 1.0), (rule.TWIN, 0.2), (rule.OWN, 0.6))
    ]
    pairs = Table.from_rows("pairs", rows)
    assert rule.index(pairs, rule.OWN) == pytest.approx([0.5, 0.5])
    assert rule.index(pairs, rule.TWIN) == pytest.approx([1, 1])
    assert rule.index(pairs, rule.INDEPENDENT) == pytest.approx([0, 0])


@pytest.mark.parametrize(("labels", "said"), [(True, ", which fits 47.6 % of them: "), (False, ": ")])
def test_the_reading_says_how_many_permuted_labels_were_fitted(labels, said):
    """An older run scored that network on true labels, and nothing is said of them."""
    tables = planted(World(), SAMPLE, np.random.default_rng(0))
    rows = [{"network": rule.PERMUTED, "counts": False, "fitted": False, "train_score": 0.476}]
    more = {"labels": "permuted"} if labels else {}
    kept = [{**row, "train_score": 1.0} for row in tables["networks"].rows()]
    both = [{**row, **more} for row in kept + rows]
    found = rule.verdicts({**tables, "networks": Table.from_rows("networks", both)})
    (nearer,) = [v for v in found if v.key == rule.UNTRAINED]
    assert nearer.outcome is HOLDS  # the control is not part of the question
    assert f"from a network trained on permuted labels{said}" in nearer.reading


def test_every_network_is_scored_on_the_labels_that_it_learnt_from():
    """One network is given for both, so that only the labels differ."""
    task = drawn_task(Digits(train=60, validation=20, test=20), 0)
    network = built(MLP(widths=(4,)), task.input_shape, task.outputs)
    params = jax.jit(network.init)(jax.random.key(0))
    learnt = {"one": task, rule.PERMUTED: permuted_labels(task, 0)}
    rows = cell._network_rows(network, dict.fromkeys(learnt, params), task, 0)
    for row, (name, of) in zip(rows, learnt.items(), strict=True):
        assert row["train_score"] == np.mean(network_scores(network, params, task, of.train)), name
    assert rows[0]["train_score"] != rows[1]["train_score"]


def test_plans_that_cannot_be_run_are_refused():
    for wrong in ({"fork": 0.0}, {"density": 1.0}, {"points": 2}, {"steps": 3}, {"seeds": 0}):
        with pytest.raises(UserError):
            ManyOptimaPlan(**wrong)
    assert ManyOptimaPlan(steps=1000, fork=0.05).shared_steps == 50


@pytest.mark.slow
def test_a_small_run_goes_from_plan_to_verdict():
    """A copy is nearer than a twin, both are nearer than an independent network, and matching never adds distance."""
    plan = ManyOptimaPlan(
        task=Digits(train=200, validation=50, test=100), network=MLP(widths=(12,)), seeds=1, steps=60, batch=50, points=3,
        restarts=0,
    )  # fmt: skip
    evidence = run_study(ManyOptima(), plan)
    pairs = {row["arm"]: row for row in evidence.tables["pairs"].rows()}
    assert pairs[rule.COPY]["matched"] < pairs[rule.TWIN]["matched"] < pairs[rule.INDEPENDENT]["matched"]
    assert all(row["matched"] <= row["balanced"] + 1e-6 for row in pairs.values())
    assert np.isnan(pairs[rule.UNTRAINED]["barrier"])
    assert pairs[rule.INDEPENDENT]["barrier_matched"] >= 0
    networks = {row["network"]: row for row in evidence.tables["networks"].rows()}
    assert networks["one"]["train_score"] > networks[rule.UNTRAINED]["train_score"]
    differs = evidence.tables["examples"][f"differs_{rule.INDEPENDENT}"]
    assert np.mean(differs) == pytest.approx(pairs[rule.INDEPENDENT]["disagreement"])
    claim = evidence.verdicts[0]
    assert claim.outcome is UNDECIDED  # one seed decides nothing
