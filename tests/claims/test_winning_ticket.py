"""The study `winning-ticket`: from plan to tables, from tables to verdicts, and what happens where there is no ticket."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy_cell import measured
from toy_draft import Memory

from ticketlab.claims.winning_ticket import cell as ticket_levels
from ticketlab.claims.winning_ticket.claim import DynamicName, WinningTicket, WinningTicketPlan
from ticketlab.claims.winning_ticket.formula import TITLES, Terms, formula
from ticketlab.engine.run import run_study
from ticketlab.errors import NumericalFailure, UserError
from ticketlab.evidence.tables import Column, Evidence, Table
from ticketlab.laws.formulae import answer
from ticketlab.laws.verdict import Outcome
from ticketlab.networks import MLP, ConvNet, Normalisation, Parameterisation, ResNet
from ticketlab.networks.pretrained import Pretrained
from ticketlab.plans import toml
from ticketlab.tasks.sources import Bundled, Digits
from ticketlab.tickets import CONTROLS, Control, Global, LayerWise, density, first_level, trained
from ticketlab.training import Adam

PLAN = WinningTicketPlan(
    task=Bundled(name="wine", train=60, validation=40, test=70),
    network=MLP(widths=(12, 8)),
    seeds=2,
    density=0.55,
    levels=4,
    pruning=LayerWise(fraction=0.3, output=0.1),
    rewind_step=7,
    steps=40,
    batch=16,
    optimiser=Adam(step_size=0.02),
    evaluate_every=4,
)
ARMS = ["ticket", *PLAN.controls]


@pytest.fixture(scope="module")
def evidence():
    return run_study(WinningTicket(), PLAN)


def test_every_plan_has_the_four_controls_that_decide():
    for plan in (WinningTicketPlan(), *WinningTicketPlan.presets().values()):
        assert {"reinitialised", "shuffled", "both", "equal-size"} <= set(plan.controls)


def test_the_controls_of_the_plan_are_those_that_there_are():
    assert set(typing.get_args(DynamicName)) == set(ticket_levels.DYNAMIC)
    assert set(typing.get_args(Control)) == set(CONTROLS) == set(TITLES) == set(WinningTicketPlan().controls)


def test_every_arm_of_every_level_stands_in_the_tables(evidence):
    levels = evidence.tables["levels"]
    assert [r["arm"] for r in levels.where(seed=0, level=0).rows()] == ["dense"]
    for level in range(1, 5):
        assert [r["arm"] for r in levels.where(seed=1, level=level).rows()] == ARMS
    assert len(levels) == 2 * (1 + 4 * 6)
    sizes = {"dense1": 13 * 12, "dense2": 12 * 8, "output": 8 * 3}
    counts = dict(sizes)
    for level in range(1, 5):
        counts = {n: c - int((0.1 if n == "output" else 0.3) * c + 0.5) for n, c in counts.items()}
        of = levels.where(level=level)
        for arm in ("ticket", "reinitialised", "shuffled", "both", "random"):
            assert set(of.where(arm=arm)["kept"].tolist()) == {sum(counts.values())}
            assert set(of.where(arm=arm)["parameters"].tolist()) == {sum(counts.values()) + 23}
        equal = of.where(arm="equal-size")["parameters"][0]
        assert abs(equal - sum(counts.values()) - 23) < 30
        assert (of["effective_density"] <= of["density"]).all()
        ticket = evidence.tables["layers"].where(level=level, arm="ticket", seed=0)
        assert {r["layer"]: r["density"] for r in ticket.rows()} == {
            n: c / sizes[n] for n, c in counts.items()
        }
    assert {r["level"] for r in levels.where(decisive=True).rows()} == {2}


def test_masks_that_change_stand_beside_the_tickets_and_decide_nothing(evidence):
    plan, seen = dataclasses.replace(PLAN, dynamic=("rigl", "set", "gradual")), []
    tables = measured(WinningTicket(), plan, None, lambda what, fraction: seen.append((fraction, what)))
    found = WinningTicket().conclude(plan, tables)
    assert found.verdicts == evidence.verdicts
    assert [fraction for fraction, _ in seen] == sorted(fraction for fraction, _ in seen)
    assert {what for _, what in seen[-3:]} <= {"masks that change: set", "masks that change: gradual"}
    assert seen[-1][0] == pytest.approx(1)
    levels = found.tables["levels"]
    (kept,) = set(levels.where(arm="ticket", decisive=True)["kept"].tolist())
    for arm in ("rigl", "set", "gradual"):
        of = levels.where(arm=arm)
        assert of["level"].tolist() == [2, 2]
        assert of["kept"].tolist() == [kept, kept]
        assert of["parameters"].tolist() == [kept + 23] * 2
        assert (of["early_stop_step"] > 0).all()
        layers = {r["layer"]: r["density"] for r in found.tables["layers"].where(arm=arm, seed=0).rows()}
        random = found.tables["layers"].where(arm="random", level=2, seed=0)
        assert layers == {r["layer"]: r["density"] for r in random.rows()}
        for row in of.rows():
            mean = np.mean(found.tables["examples"].where(seed=row["seed"])[arm])
            assert row["test_score"] == pytest.approx(mean)
    assert found.tables["curves"].digest() == evidence.tables["curves"].digest()
    checks = found.tables["checks"]
    moving = [r for r in checks.rows() if r["arms"] in ("rigl", "set", "gradual")]
    assert [(r["level"], r["arms"]) for r in moving] == [(2, "rigl"), (2, "set"), (2, "gradual")] * 2
    removed = 13 * 12 + 12 * 8 + 8 * 3 - kept
    assert all(r["pruned"] == removed for r in moving)
    assert not any(r[c] for r in moving for c in ("parameters_left", "best", "moments"))
    rest = [r for r in checks.rows() if r not in moving]
    assert rest == evidence.tables["checks"].rows()


@pytest.mark.parametrize("part", ["params", "best", "optimiser"])
def test_a_study_whose_dropped_weights_leave_something_behind_ends(monkeypatch, part):
    honest = ticket_levels.trained_sparse

    def moved(*args):
        found = honest(*args)
        more = jax.tree.map(lambda a: np.asarray(a) + 1, getattr(found.state, part))
        return dataclasses.replace(found, state=dataclasses.replace(found.state, **{part: more}))

    monkeypatch.setattr(ticket_levels, "trained_sparse", moved)
    plan = dataclasses.replace(PLAN, levels=2, controls=(), dynamic=("set",))
    with pytest.raises(NumericalFailure, match="pruned weights took part"):
        measured(WinningTicket(), plan)


def test_networks_with_changing_masks_that_diverge(monkeypatch):
    """They are refused as those of a level are, and not ranked or scored."""
    honest = ticket_levels.trained_sparse

    def diverging(dynamic, network, loss, data, plan, *others):
        worse = dataclasses.replace(plan, optimiser=Adam(step_size=1e30))
        return honest(dynamic, network, loss, data, worse, *others)

    monkeypatch.setattr(ticket_levels, "trained_sparse", diverging)
    for name in ("rigl", "set", "gradual"):
        with pytest.raises(NumericalFailure, match=rf"diverged with {name}, after \d+ of 40 steps"):
            measured(WinningTicket(), dataclasses.replace(PLAN, levels=2, controls=(), dynamic=(name,)))


def test_pruned_weights_are_exactly_zero_at_every_level(evidence):
    checks = evidence.tables["checks"]
    for seed in (0, 1):
        of = checks.where(seed=seed)
        assert of["level"].tolist() == [0, 1, 2, 3, 4]
        assert of["arms"].tolist() == ["dense", *[", ".join(ARMS)] * 4]
        assert (np.diff(of["pruned"]) > 0).all()
    for column in ("parameters_left", "best", "moments"):
        assert not checks[column].any()


def test_a_study_whose_pruned_weights_take_part_ends(monkeypatch):
    from ticketlab.training import program

    monkeypatch.setattr(program, "_masked", lambda tree, masks: tree)
    own = MLP(widths=(11, 7))  # of no other test: what is compiled with the fault is for this network alone
    with pytest.raises(NumericalFailure, match="pruned weights took part"):
        measured(WinningTicket(), dataclasses.replace(PLAN, network=own, levels=2))


def test_scores_are_those_of_the_examples_and_stops_those_of_the_curves(evidence):
    levels, examples, curves = (evidence.tables[n] for n in ("levels", "examples", "curves"))
    for arm in ["dense", *ARMS]:
        level = 0 if arm == "dense" else 2
        for row in levels.where(arm=arm, level=level).rows():
            assert row["test_score"] == pytest.approx(np.mean(examples.where(seed=row["seed"])[arm]))
            curve = curves.where(arm=arm, level=level, seed=row["seed"])
            best = int(np.argmin(curve["validation_loss"]))
            assert row["early_stop_step"] == curve["step"][best]
            assert row["validation_loss"] == curve["validation_loss"][best]
            assert row["validation_score"] == curve["validation_score"][best]
    task = PLAN.task.task(ticket_levels.SPLIT_SEED)
    most = np.bincount(task.train.labels).argmax()
    np.testing.assert_array_equal(examples.where(seed=1)["guess"], task.test.labels == most)
    np.testing.assert_array_equal(examples.where(seed=1)["id"], task.test.ids)


def test_the_tickets_that_decide_are_left_behind(evidence):
    """They score what the tables say of them, and start where the dense network was at step k."""
    draft = Memory()
    measured(WinningTicket(), PLAN, draft)
    assert list(draft.tickets) == ["seed-0", "seed-1"]
    task = PLAN.task.task(ticket_levels.SPLIT_SEED)
    search, _ = ticket_levels._search(PLAN, task, (0, 1))
    network, dense = search.network, trained(search, first_level(search), PLAN.rewind_step).state.params
    for seed, ticket in enumerate(draft.tickets.values()):
        (row,) = evidence.tables["levels"].where(arm="ticket", seed=seed, level=2).rows()
        assert density(ticket.mask) == pytest.approx(row["density"])
        assert float(ticket.about["density"]) == pytest.approx(row["density"], rel=1e-5)
        scores = task.scores(np.asarray(network.apply(ticket.trained, task.test.x)), task.test)
        assert np.mean(scores) == pytest.approx(row["test_score"])
        for name, kept in ticket.mask.items():
            assert not ticket.trained[name]["weight"][~kept].any()
            np.testing.assert_array_equal(
                ticket.start[name]["weight"], kept * np.asarray(dense[name]["weight"][seed])
            )
            np.testing.assert_array_equal(ticket.start[name]["bias"], dense[name]["bias"][seed])


@pytest.mark.parametrize("after", [1, 9, 13, 31])
def test_a_run_that_ends_goes_on_at_its_level_and_step_to_the_same_bits(evidence, after):
    """With ten pieces a level: in dense training before and after step k, at level 1, and at level 3."""
    draft = Memory(after)
    with pytest.raises(KeyboardInterrupt):
        measured(WinningTicket(), PLAN, draft)
    assert draft.kept["number"] == (after - 1) // 10
    assert set(draft.kept["state 000"].shape[:1]) == {2 if after <= 10 else 12}
    draft.left, seen = 10**9, []
    tables = measured(WinningTicket(), PLAN, draft, lambda what, fraction: seen.append((fraction, what)))
    assert Evidence(tables).digest() == evidence_digest(evidence)
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] < 0.1 < 0.9 < fractions[-1] <= 1
    assert seen[0][1].startswith(f"level {after // 10} of 4")


def evidence_digest(evidence):
    return Evidence(evidence.tables).digest()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
def test_killed_within_its_cell_and_started_again(tmp_path):
    plan = dataclasses.replace(PLAN, steps=400, evaluate_every=8)
    (tmp_path / "plan.toml").write_text(toml("winning-ticket", plan), encoding="utf-8")
    code = "from ticketlab.store import drafts; drafts.EVERY = 0.0; import ticketlab.cli as c, sys; sys.exit(c.main())"
    command = [sys.executable, "-c", code, "run", "plan.toml", "--json", "--out"]
    with (
        open(tmp_path / "said", "w") as said,
        subprocess.Popen([*command, "run"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=said) as process,
    ):
        seen, deadline = set(), time.monotonic() + 300
        while len(seen) < 15 and process.poll() is None and time.monotonic() < deadline:
            seen |= {f.stat().st_mtime_ns for f in tmp_path.glob("run/cells/*.draft")}
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, (tmp_path / "said").read_text()
    (draft,) = tmp_path.glob("run/cells/*.draft")
    assert draft.stat().st_size > 1000

    def finish(folder):
        done = subprocess.run(
            [*command, folder], cwd=tmp_path, capture_output=True, encoding="utf-8", check=True
        )
        return json.loads(done.stdout)["digest"]

    assert finish("run") == finish("uninterrupted")
    assert not list(tmp_path.glob("run/cells/*.draft"))


def test_a_seed_alone_has_the_bits_that_it_has_among_others(evidence):
    for name, table in measured(WinningTicket(), PLAN, seeds=(1,)).items():
        if not table.measured:
            assert table.digest() == evidence.tables[name].where(seed=1).digest(), name


@pytest.mark.parametrize(
    "options",
    [
        {"pruning": Global(fraction=0.3)},
        {"one_shot": True, "rewind_step": 0},
        {"controls": ()},
        {"task": Bundled(name="diabetes", train=60, validation=40, test=70), "network": MLP(widths=(8,))},
        pytest.param(
            {
                "task": Digits(train=60, validation=40, test=70),
                "network": ResNet(channels=(4, 6)),
                "controls": ("shuffled", "random"),
                "levels": 2,
                "steps": 12,
            },
            marks=pytest.mark.slow,
        ),
    ],
    ids=["global", "one-shot", "no controls", "regression", "residual"],
)
def test_other_plans(options):
    plan = dataclasses.replace(PLAN, **{"density": 0.5, "levels": 3, **options})
    evidence = run_study(WinningTicket(), plan)
    assert len(evidence.verdicts) == 1 + 2 + 3 * len(plan.controls)
    assert np.isfinite(evidence.tables["levels"]["test_score"]).all()
    assert np.isfinite(evidence.tables["levels"]["effective_density"]).all()


# --- where there is no ticket ---


@pytest.mark.slow
def test_with_permuted_labels_none_is_found():
    plan = dataclasses.replace(
        WinningTicketPlan.presets()["quick"], network=MLP(widths=(32,)), levels=2, density=0.65, steps=100,
        permuted_labels=True, task=Digits(train=300, validation=300, test=1000), controls=("reinitialised",), seeds=5,
    )  # fmt: skip
    verdicts = run_study(WinningTicket(), plan).verdicts
    assert verdicts[0].outcome is Outcome.UNDECIDED  # the dense network has learnt nothing to compare with
    assert "Neither side is better than guessing" in verdicts[0].reading
    learnt = run_study(WinningTicket(), dataclasses.replace(plan, permuted_labels=False)).verdicts
    assert "Neither side is better than guessing" not in learnt[0].reading


@dataclasses.dataclass(frozen=True)
class Zero(MLP):
    """A network whose weights are all zero: with ReLU no gradient reaches any of them."""

    def build(self, input_shape, outputs):
        network = super().build(input_shape, outputs)
        return dataclasses.replace(network, init=lambda key: jax.tree.map(jnp.zeros_like, network.init(key)))


def test_a_network_of_zeros_holds_no_ticket():
    plan = dataclasses.replace(PLAN, network=Zero(widths=(12, 8)), controls=("shuffled",))
    verdicts = run_study(WinningTicket(), plan).verdicts
    assert verdicts[0].outcome is Outcome.UNDECIDED  # the dense network has learnt nothing to compare with
    assert "Neither side is better than guessing" in verdicts[0].reading


# --- verdicts ---


def tables(seeds=5, noise=0.1, stop=None, guess=0.1, fitted=None, **accuracy):
    """Tables with given accuracies of the arms, and steps to the early stop, of all seeds or of each, but for noise."""
    rng = np.random.default_rng(0)
    scores = {"dense": 0.97, "ticket": 0.972, **dict.fromkeys(PLAN.controls, 0.94), **accuracy}
    steps = {"dense": 500, "ticket": 400, **dict.fromkeys(PLAN.controls, 900), **(stop or {})}
    arms = [a for a in scores if scores[a] is not None]
    rows = [
        {
            "arm": arm,
            "seed": seed,
            "level": 0 if arm == "dense" else 5,
            "decisive": arm != "dense",
            "density": 1.0 if arm == "dense" else 0.12,
            "test_score": scores[arm],
            "final_train_score": (fitted or {}).get(arm, 1.0),
            "early_stop_step": int(
                np.broadcast_to(steps[arm], seeds)[seed] * np.exp(noise * rng.standard_normal())
            ),
        }
        for arm in arms
        for seed in range(seeds)
    ]
    n = 4000
    seed, i = np.repeat(np.arange(seeds), n), np.tile(np.arange(n), seeds)
    columns = {"seed": seed, "id": i, "guess": (11 * i % n < n * guess).astype(float)}
    columns |= {arm: ((7 * i + 13 * seed) % n < n * scores[arm]).astype(float) for arm in arms}
    examples = Table("examples", tuple(Column(name, values) for name, values in columns.items()))
    return {"levels": Table.from_rows("levels", rows), "examples": examples, "checks": checks(arms)}


def checks(arms, **found):
    """Of the dense network at level 0, of the other arms at level 5."""
    clean = {"parameters_left": 0, "best": 0, "moments": 0, **found}
    by_level = {0: ["dense"], 5: [arm for arm in arms if arm != "dense"]}
    return Table.from_rows(
        "checks", [{"level": n, "arms": ", ".join(of), **clean} for n, of in by_level.items()]
    )


def conclude(seeds=5, controls=PLAN.controls, **changes):
    given = {**changes, **{name: None for name in PLAN.controls if name not in controls}}
    plan = WinningTicketPlan(seeds=seeds, controls=controls)
    return WinningTicket().conclude(plan, tables(seeds, **given)).verdicts


@pytest.mark.parametrize(
    ("changes", "outcome", "words"),
    [
        ({}, Outcome.HOLDS, "contains a subnetwork with 12.0 % of the weights"),
        ({"ticket": 0.90}, Outcome.FAILS, "not as accurate as the dense network"),
        (
            {"ticket": 0.05},
            Outcome.FAILS,
            "not as accurate as the dense network",
        ),  # the dense network has skill
        ({"ticket": 0.1, "dense": 0.1}, Outcome.UNDECIDED, "Neither side is better than guessing"),
        ({"stop": {"ticket": 5000}}, Outcome.FAILS, "not as soon as the dense network"),
        ({"reinitialised": 0.972}, Outcome.HOLDS, "contains a subnetwork"),  # as accurate, but later
        (
            {"reinitialised": 0.972, "noise": 0.01, "stop": {"reinitialised": 400}},
            Outcome.FAILS,
            "not better than its mask over new",
        ),
        # controls that are better by 1.8 points: stopping 5 % sooner, or even at half the steps, does not make up for it
        (
            {"ticket": 0.957, "dense": 0.96, **dict.fromkeys(PLAN.controls, 0.975), "noise": 0.01}
            | {"stop": dict.fromkeys(PLAN.controls, 420)},
            Outcome.FAILS,
            "not better than its mask over new weights",
        ),
        (
            {"ticket": 0.957, "dense": 0.96, **dict.fromkeys(PLAN.controls, 0.975), "noise": 0.01},
            Outcome.FAILS,
            "not better than its mask over new weights",
        ),
        # sooner by 2 % only, and more accurate by .2 points only: neither is an advantage that matters
        (
            {
                **dict.fromkeys(PLAN.controls, 0.970),
                "noise": 0.001,
                "stop": dict.fromkeys(PLAN.controls, 410),
            },
            Outcome.FAILS,
            "not better than",
        ),
        # by 5 % as it seems: with a look every 20 steps it may be 10 %
        (
            {
                **dict.fromkeys(PLAN.controls, 0.970),
                "noise": 0.001,
                "stop": dict.fromkeys(PLAN.controls, 420),
            },
            Outcome.UNDECIDED,
            "It is open whether it is better than",
        ),
        (
            {"stop": {"ticket": [60, 1500, 100, 900, 400]}},
            Outcome.UNDECIDED,
            "It is open whether it is as soon as the dense network",
        ),
        ({"controls": ()}, Outcome.UNDECIDED, "compared with no control"),
        ({"seeds": 1}, Outcome.UNDECIDED, "do not decide"),
    ],
)
def test_the_claim_needs_every_comparison(changes, outcome, words):
    claim = conclude(**changes)[0]
    assert claim.outcome is outcome
    assert words in claim.reading


def of(verdicts, key, other):
    return next(v for v in verdicts if v.key == key and v.facets == {"other": other})


def test_questions():
    claim, *questions = conclude()
    assert claim.key == "claim"
    assert len(questions) == 2 + 3 * 5
    assert {q.outcome for q in questions} == {Outcome.HOLDS}
    soon = of(questions, "sooner", "reinitialised")
    assert soon.effect == pytest.approx(100 * (400 / 900 - 1), rel=0.15)
    assert soon.interval[0] < soon.effect < soon.interval[1] < 0
    assert of(questions, "more-accurate", "reinitialised").effect == pytest.approx(3.2, abs=0.2)


def test_the_claim_is_wrong_at_its_level_only():
    """Seven parts, of which one that fails is enough: each fails at 2.5 % over 7; a control holds in one of two ways."""
    found = answer(formula(Terms(0.01, 1.25, 20, 1000, PLAN.controls)), tables())
    assert found.find("as-accurate").levels.fails == pytest.approx(0.025 / 7)
    assert found.find("as-accurate").levels.holds == pytest.approx(0.025)
    assert found.find("sooner", other="both").levels.holds == pytest.approx(0.025 / 2)


LAST = WinningTicketPlan().steps
SEEN = (980, 985, 975, 990, 970)


@pytest.mark.parametrize(
    ("ticket", "other", "soon", "sooner"),
    [
        (LAST, LAST, Outcome.UNDECIDED, Outcome.UNDECIDED),  # nothing was seen to end
        (400, LAST, Outcome.HOLDS, Outcome.HOLDS),
        (LAST, 400, Outcome.FAILS, Outcome.FAILS),
        (SEEN, (981, 986, LAST - 1, 989, 971), Outcome.HOLDS, Outcome.FAILS),
        (
            SEEN,
            (981, 986, LAST, 989, 971),
            Outcome.HOLDS,
            Outcome.UNDECIDED,
        ),  # one of them, later than it seems
        ((*SEEN[:4], LAST), 915, Outcome.UNDECIDED, Outcome.FAILS),
        ((100, 110, 90, 100, LAST), (999, 990, 980, 985, 999), Outcome.UNDECIDED, Outcome.UNDECIDED),
    ],
)
def test_an_early_stop_at_the_last_step_is_a_lower_bound(ticket, other, soon, sooner):
    stop = {"ticket": ticket, **dict.fromkeys(("dense", *PLAN.controls), other)}
    claim, *questions = conclude(noise=0.0, stop=stop)
    assert of(questions, "as-soon", "dense").outcome is soon
    question = of(questions, "sooner", "shuffled")
    assert question.outcome is sooner
    assert "last step, 1000, is a lower bound" in claim.rule
    assert ("lower bound" in question.reading) is (LAST in np.append(ticket, other))


FIRST = WinningTicketPlan().evaluate_every


@pytest.mark.parametrize(
    ("ticket", "other", "soon", "sooner"),
    [
        (8, 1, Outcome.UNDECIDED, Outcome.UNDECIDED),  # before the first look: eight times later, or as soon
        (FIRST, FIRST, Outcome.UNDECIDED, Outcome.UNDECIDED),
        (FIRST, 400, Outcome.HOLDS, Outcome.HOLDS),
        (400, FIRST, Outcome.FAILS, Outcome.FAILS),
        ((200, 210, 190, 200, FIRST), 205, Outcome.UNDECIDED, Outcome.UNDECIDED),
        ((200, 210, 190, 200, 205), (600, 610, 590, 600, FIRST), Outcome.UNDECIDED, Outcome.UNDECIDED),
    ],
)
def test_an_early_stop_at_the_first_look_is_an_upper_bound(ticket, other, soon, sooner):
    stop = {"ticket": ticket, **dict.fromkeys(("dense", *PLAN.controls), other)}
    claim, *questions = conclude(noise=0.0, stop=stop)
    assert of(questions, "as-soon", "dense").outcome is soon
    question = of(questions, "sooner", "shuffled")
    assert question.outcome is sooner
    assert "at the first look is an upper bound" in claim.rule
    assert "at the first look: " in question.reading
    assert question.reading.count("upper bound") == 1


@pytest.mark.parametrize(
    ("dense", "ticket", "outcome"),
    [
        (100, 60, Outcome.UNDECIDED),  # a look is a fifth of the dense network's time
        (200, 120, Outcome.HOLDS),
        (100, 900, Outcome.FAILS),  # late by more than looks can hide
    ],
)
def test_looks_too_far_apart_do_not_show_that_times_are_similar(dense, ticket, outcome):
    claim, *questions = conclude(noise=0.01, stop={"dense": dense, "ticket": ticket})
    soon = of(questions, "as-soon", "dense")
    assert soon.outcome is outcome
    assert claim.outcome is outcome
    closed = outcome is Outcome.UNDECIDED
    assert ("There was a look every 20 steps" in claim.reading) is closed
    assert claim.would_decide == ("A smaller --evaluate-every would open the question." if closed else "")
    assert "every 20 steps, are further apart than 12.5 % of the dense network's steps" in claim.rule


LEARNING = np.geomspace(2, 0.1, 50)  # of a validation loss, at so many looks


@pytest.mark.parametrize(
    ("stop", "ticket", "loss", "outcome"),
    [
        (700, 0.972, None, Outcome.HOLDS),
        (1000, 0.972, None, Outcome.UNDECIDED),
        (0, 0.972, None, Outcome.UNDECIDED),
        (1000, 0.972, LEARNING, Outcome.UNDECIDED),
        (
            1000,
            0.972,
            np.append(1.0, LEARNING / 20 + 0.5),
            Outcome.HOLDS,
        ),  # it hardly falls, and the score is flat
        (1000, 0.9, LEARNING, Outcome.FAILS),  # the more so, the longer the dense network learns
    ],
)
def test_a_dense_network_that_still_learns_is_no_standard_to_be_as_accurate_as(stop, ticket, loss, outcome):
    given = tables(noise=0.0, ticket=ticket, stop={"dense": stop})
    if loss is not None:
        rows = [{"seed": s, "arm": "dense", "validation_loss": v} for s in range(5) for v in loss]
        given["curves"] = Table.from_rows("curves", [{**row, "validation_score": 0.97} for row in rows])
    claim, *questions = WinningTicket().conclude(WinningTicketPlan(seeds=5), given).verdicts
    accurate = of(questions, "as-accurate", "dense")
    assert accurate.outcome is outcome
    closed = outcome is Outcome.UNDECIDED
    assert ("In 5 of 5 seeds the dense network was still learning" in accurate.reading) is closed
    assert "the dense network of some seed was still learning" in claim.rule
    assert (accurate.would_decide == "More --steps would open the question.") is closed


@pytest.mark.parametrize("stop", [0, (500, 510, 490, 500, 0)])
def test_a_dense_network_that_is_best_before_training_is_no_standard(stop):
    """With far too large steps its loss jumps, and hardly changes then. The ticket learns, and seemed late."""
    given = tables(noise=0.0, dense=0.1, stop={"dense": stop})
    loss = np.append(2.3, np.full(50, 3.0))
    rows = [{"seed": s, "arm": "dense", "validation_loss": v} for s in range(5) for v in loss]
    given["curves"] = Table.from_rows("curves", [{**row, "validation_score": 0.1} for row in rows])
    claim, *questions = WinningTicket().conclude(WinningTicketPlan(seeds=5), given).verdicts
    accurate, soon = (of(questions, key, "dense") for key in ("as-accurate", "as-soon"))
    assert {claim.outcome, accurate.outcome, soon.outcome} == {Outcome.UNDECIDED}
    seeds = 5 if stop == 0 else 1
    assert f"In {seeds} of 5 seeds the dense network's validation loss is lowest at step 0" in soon.reading
    assert "every 0 steps" not in soon.reading
    assert soon.would_decide.startswith("A smaller step size")
    assert "one of the dense network's is at step 0, before training" in claim.rule


@pytest.mark.parametrize(
    ("ticket", "outcome"), [(0.992, Outcome.UNDECIDED), (0.998, Outcome.HOLDS), (0.97, Outcome.FAILS)]
)
def test_a_ticket_that_guesses_is_not_as_accurate_because_one_class_is_frequent(ticket, outcome):
    """With 99.2 % of the examples in one class, all that can be gained is less than the margin of a point."""
    controls = dict.fromkeys(PLAN.controls, ticket - 0.008)
    claim, *questions = conclude(guess=0.992, dense=0.998, ticket=ticket, **controls)
    assert {claim.outcome, of(questions, "as-accurate", "dense").outcome} == {outcome}
    assert ("Equal within 1 point says little here: over guessing the ticket gains" in claim.reading) is (
        outcome is Outcome.UNDECIDED
    )
    assert "gain at least half of what the dense network gains over guessing" in claim.rule


@pytest.mark.parametrize(
    ("fits", "ticket", "outcome"),
    [
        (0.62, 0.85, Outcome.UNDECIDED),
        (0.985, 0.85, Outcome.UNDECIDED),
        (0.995, 0.85, Outcome.HOLDS),
        (0.62, 0.55, Outcome.FAILS),
    ],
)
def test_a_dense_network_that_fits_less_than_its_ticket_is_no_standard(fits, ticket, outcome):
    """Its validation loss had its minimum, but its steps were too large for it, and small enough for the ticket."""
    controls = dict.fromkeys(PLAN.controls, 0.5)
    claim, *questions = conclude(dense=0.6, ticket=ticket, fitted={"dense": fits}, **controls)
    accurate = of(questions, "as-accurate", "dense")
    assert {claim.outcome, accurate.outcome} == {outcome}
    closed = outcome is Outcome.UNDECIDED
    assert (
        "on its training examples when training ends, and the ticket, which it contains, 100.0 %"
        in accurate.reading
    ) is closed
    assert "scores less on training examples than the ticket" in claim.rule


def test_a_run_without_training_scores_is_not_shown_to_have_a_fair_standard():
    given = tables()
    levels = given["levels"]
    given["levels"] = Table("levels", tuple(c for c in levels.columns if c.name != "final_train_score"))
    accurate = of(
        WinningTicket().conclude(WinningTicketPlan(seeds=5), given).verdicts, "as-accurate", "dense"
    )
    assert accurate.outcome is Outcome.UNDECIDED
    assert "This older run has no training scores" in accurate.reading


@pytest.mark.parametrize("seeds", [2, 3, 10, 100])
def test_stops_that_are_rounded_alike_are_not_exact(seeds):
    """Stops at steps 200 and 240 in every seed: 1.2 times as many steps, or, within the distance of looks, 1.3 times."""
    _, *questions = conclude(seeds=seeds, noise=0.0, stop={"dense": 200, "ticket": 240})
    soon = of(questions, "as-soon", "dense")
    assert soon.outcome is Outcome.UNDECIDED
    assert soon.interval[0] < 20 < 25 < soon.interval[1]


def rewound(step, **changes):
    plan = WinningTicketPlan(seeds=5, rewind_step=step)
    return plan, WinningTicket().conclude(plan, tables(**changes)).verdicts[0]


@pytest.mark.parametrize(
    ("step", "ticket", "words"),
    [
        (0, 0.972, "The random network contains a subnetwork with 12.0 % of the weights that trains as well"),
        (
            100,
            0.972,
            "The network, trained densely for 100 steps, contains a subnetwork with 12.0 % of the weights",
        ),
        (0, 0.9, "With 12.0 % of the weights no winning ticket was found."),
        (100, 0.9, "With 12.0 % of the weights, rewound to step 100, no winning ticket was found."),
    ],
)
def test_late_rewinding_says_nothing_of_the_random_network(step, ticket, words):
    plan, claim = rewound(step, ticket=ticket)
    assert claim.reading.startswith(words)
    late = "Weights are those of step 100 of dense training, so this is not about the random network."
    assert (late in claim.rule) is (step > 0)
    assert (WinningTicket().remarks(plan) != ()) is (step > 0)


def test_a_start_from_a_file_says_nothing_of_the_random_network():
    plan = WinningTicketPlan(seeds=5, network=Pretrained("runs/first.safetensors", MLP(widths=(100, 50))))
    claim = WinningTicket().conclude(plan, tables()).verdicts[0]
    assert claim.reading.startswith("The network that starts at first.safetensors contains a subnetwork")
    assert "Networks start at first.safetensors, so this is not about a random one." in claim.rule


@pytest.mark.parametrize(("step", "decided"), [(0, True), (300, True), (600, False)])
def test_weights_of_a_step_at_which_the_dense_network_has_stopped_decide_nothing(step, decided):
    """The dense network's early stop is at step 500: a ticket rewound to step 600 cannot be as soon."""
    _, claim = rewound(step, stop={"ticket": max(400, step + 50)}, noise=0.01)
    assert (claim.outcome is Outcome.UNDECIDED) is not decided
    assert ("they are trained already" in claim.reading) is not decided


@pytest.mark.parametrize(
    ("guess", "score", "passed"),
    [(0.92, 0.99, True), (0.92, 0.925, False), (0.1, 0.99, True), (0.1, 0.15, False)],
)
def test_skill_is_a_tenth_of_the_headroom_above_guessing(guess, score, passed):
    """With 92 % of the examples in one class nothing is ten points better than guessing."""
    claim = conclude(guess=guess, ticket=score, dense=score, **dict.fromkeys(PLAN.controls, score - 0.03))[0]
    assert ("Neither side is better than guessing" not in claim.reading) is passed


@pytest.mark.parametrize(
    ("change", "outcome", "words"),
    [
        (lambda: {}, Outcome.HOLDS, "contains a subnetwork"),
        (
            lambda: {"checks": checks(ARMS, parameters_left=3)},
            Outcome.UNDECIDED,
            "6 pruned weights or moments were not zero",
        ),
        (lambda: {"checks": None}, Outcome.UNDECIDED, "There is no check that pruned weights"),
        (
            lambda: {"checks": checks([a for a in ARMS if a != "shuffled"])},
            Outcome.UNDECIDED,
            "exactly zero in these: shuffled.",
        ),
        (
            lambda: {"checks": checks(ARMS).where(level=0)},
            Outcome.UNDECIDED,
            "exactly zero in these: ticket, reinitialised,",
        ),
    ],
    ids=["clean", "left", "no table", "no arm", "another level"],
)
def test_what_no_check_has_shown_to_be_pruned_decides_nothing(change, outcome, words):
    found = tables()
    given = {name: table for name, table in {**found, **change()}.items() if table is not None}
    claim = WinningTicket().conclude(WinningTicketPlan(seeds=5), given).verdicts[0]
    assert claim.outcome is outcome
    assert words in claim.reading


@pytest.mark.parametrize("controls", [PLAN.controls, ("reinitialised", "random"), ("equal-size",)])
def test_the_claim_names_the_controls_that_ran(controls):
    claim = conclude(controls=controls)[0]
    assert claim.outcome is Outcome.HOLDS
    assert [name for name in PLAN.controls if TITLES[name] in claim.reading] == [
        c for c in PLAN.controls if c in controls
    ]


def test_one_seed_concludes_nothing():
    assert all("One seed is not enough" in q.reading for q in conclude(seeds=1)[1:])


def test_a_run_that_is_not_finished_has_no_verdict():
    assert WinningTicket().conclude(PLAN, {}).verdicts == ()


def test_the_brief_says_both_sides():
    said = WinningTicket().brief(PLAN, WinningTicket().cells(PLAN)[0], tables())
    assert said.startswith("test score 0.972 at density 0.120, dense 0.970; early stop at step ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "seeds=0"),
        ({"density": 1.0}, "density=1.0"),
        ({"margin": 0.0}, "margin=0.0"),
        ({"slower": 0.5}, "slower=0.5"),
        ({"slower": 1.0}, "a factor above 1"),
        ({"controls": ("both", "both")}, "each once"),
        ({"levels": 0}, "levels=0"),
        ({"evaluate_every": 1000}, "evaluate_every=1000"),
        ({"rewind_step": 1000}, "rewind_step=1000"),
        ({"dynamic": ("set", "set")}, "each once"),
    ],
)
def test_impossible_plans(options, message):
    with pytest.raises(UserError, match=message):
        WinningTicketPlan(**options)


def test_a_density_that_no_level_has():
    with pytest.raises(UserError, match=r"density=0.01, while the 4 levels have 0.71"):
        measured(WinningTicket(), dataclasses.replace(PLAN, density=0.01))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": ConvNet(normalisation=Normalisation.CHANNELS)}, "which has normalisations"),
        ({"network": ResNet(channels=(4, 6))}, "which has normalisations"),
        ({"network": MLP(widths=(12, 8), parameterisation=Parameterisation.NTK)}, "depends on width"),
        ({"network": MLP(widths=()), "density": 0.72}, "expected a network with hidden layers"),
        ({"network": MLP(widths=(4,), bias=False), "levels": 12}, "what one unit in every hidden layer needs"),
        ({"levels": 12, "pruning": Global(0.6)}, "level 7 leaves the network no weight"),
        ({"levels": 12, "pruning": LayerWise(0.3, output=0.8)}, "level 3 leaves layer 'output' no weight"),
    ],
    ids=["normalised", "residual", "scaled", "linear", "small", "empty", "an empty layer"],
)  # fmt: skip
def test_what_cannot_be_searched_to_the_end_is_refused_before_it_is_begun(monkeypatch, options, message):
    monkeypatch.setattr(ticket_levels, "trained", None)
    images = Digits(train=60, validation=40, test=70)
    task = images if isinstance(options.get("network"), ConvNet | ResNet) else PLAN.task
    with pytest.raises(UserError, match=message):
        measured(WinningTicket(), dataclasses.replace(PLAN, **{"task": task, **options}))


def test_training_that_diverges():
    with pytest.raises(NumericalFailure, match="diverged at level 0"):
        measured(WinningTicket(), dataclasses.replace(PLAN, optimiser=Adam(step_size=1e30)))
