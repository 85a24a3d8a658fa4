"""The study `linear-mode`: from plan to tables, from tables to verdicts, and what becomes of a run that ends on the way."""

import dataclasses
import json
import subprocess
import sys
import typing

import numpy as np
import pytest
from toy_cell import measured
from toy_draft import Memory

from ticketlab.claims.linear_mode import planted
from ticketlab.claims.linear_mode.claim import LinearMode, LinearModePlan
from ticketlab.claims.linear_mode.formula import TITLES, Terms, _stable
from ticketlab.claims.linear_mode.lines import _by_example
from ticketlab.engine.run import run_study
from ticketlab.errors import NumericalFailure, UserError
from ticketlab.evidence.tables import Column, Evidence, Table, concatenate
from ticketlab.laws.calibration import Sample
from ticketlab.laws.formulae import answer
from ticketlab.laws.rules import Levels
from ticketlab.laws.verdict import Outcome
from ticketlab.networks import MLP, Normalisation, ResNet
from ticketlab.plans import toml
from ticketlab.tasks.sources import Bundled, Digits
from ticketlab.tickets import CONTROLS, Global, LayerWise
from ticketlab.tickets.barriers import Lines
from ticketlab.tickets.control_names import MaskControl
from ticketlab.tickets.instability import copy_pairs
from ticketlab.training import Adam, Sgd

PLAN = LinearModePlan(
    task=Bundled(name="wine", train=60, validation=40, test=70),
    network=MLP(widths=(12, 8)),
    seeds=2,
    rewind_steps=(0, 7),
    copies=3,
    levels=2,
    pruning=LayerWise(fraction=0.4, output=0.2),
    points=5,
    steps=40,
    batch=16,
    optimiser=Adam(step_size=0.02),
)
ARMS = ["ticket", "dense", "random", "shuffled"]


@pytest.fixture(scope="module")
def evidence():
    return run_study(LinearMode(), PLAN)


def test_the_controls_of_the_plan_are_masks_that_there_are():
    assert set(typing.get_args(MaskControl)) < set(CONTROLS)
    assert set(typing.get_args(MaskControl)) | {"ticket", "dense"} == set(TITLES)


def test_every_arm_seed_pair_and_copy_stands_in_the_tables(evidence):
    tables = evidence.tables
    for k in (0, 7):
        assert list(dict.fromkeys(tables["barriers"].where(rewind_step=k)["arm"].tolist())) == ARMS
        for arm in ARMS:
            at = {"rewind_step": k, "arm": arm, "seed": 1}
            assert tables["barriers"].where(**at)["pair"].tolist() == ["1–2", "1–3", "2–3"]
            assert tables["copies"].where(**at)["copy"].tolist() == [1, 2, 3]
            np.testing.assert_allclose(tables["lines"].where(**at)["alpha"], [0, 0.25, 0.5, 0.75, 1])
    sizes = {"dense1": 13 * 12, "dense2": 12 * 8, "output": 8 * 3}
    kept = 0
    for name, count in sizes.items():
        for _ in range(2):
            count -= int((0.2 if name == "output" else 0.4) * count + 0.5)
        kept += count
    networks = tables["networks"]
    for arm in ("ticket", "random", "shuffled"):
        assert set(networks.where(arm=arm)["kept"].tolist()) == {kept}
    assert set(networks.where(arm="dense")["kept"].tolist()) == {sum(sizes.values())}


def test_pruned_weights_are_exactly_zero_in_every_copy(evidence):
    checks = evidence.tables["checks"]
    assert checks["rewind_step"].tolist() == [0, 0, 7, 7]
    assert checks["seed"].tolist() == [0, 1, 0, 1]
    assert (checks["pruned"] > 0).all()
    assert not checks["parameters_left"].any()
    assert not checks["moments"].any()


def test_barriers_and_scores_are_those_of_the_examples(evidence):
    tables = evidence.tables
    for arm in ARMS:
        for k in (0, 7):
            for seed in (0, 1):
                at = {"rewind_step": k, "seed": seed}
                examples = tables["examples"].where(**at)
                pairs = tables["barriers"].where(**at, arm=arm)
                line = tables["lines"].where(**at, arm=arm)
                rises = line["test_error"].max() - line["test_error"][[0, -1]].mean()
                assert examples[f"{arm}_barrier"].mean() == pytest.approx(rises, abs=1e-6)
                assert rises <= pairs["test_error"].mean() + 1e-6
                copies = tables["copies"].where(**at, arm=arm)
                assert copies["test_score"].mean() == pytest.approx(examples[f"{arm}_score"].mean(), abs=1e-6)
                first, second, third = 1 - copies["test_score"]
                assert line["test_error"][0] == pytest.approx((2 * first + second) / 3)
                assert line["test_error"][-1] == pytest.approx((second + 2 * third) / 3)
    assert (tables["barriers"]["test_error"] >= 0).all()
    assert (tables["barriers"]["distance"] > 0).all()


@pytest.mark.parametrize("after", [1, 11, 21, 25, 31])
def test_a_run_that_ends_goes_on_at_its_round_and_step_to_the_same_bits(evidence, after):
    """With ten pieces a round, at k = 7: in dense training, in round 1, in the copies' training, which begins at step 7, and
    between the lines of two arms."""
    draft, cell = Memory(after), LinearMode().cells(PLAN)[1]
    with pytest.raises(KeyboardInterrupt):
        LinearMode().resume(PLAN, cell, draft)
    assert draft.kept["number"] == min((after - 1) // 10, 2)
    assert ("copies 000" in draft.kept) == (after > 20)
    draft.left, seen = 10**9, []
    tables = LinearMode().resume(PLAN, cell, draft, lambda what, fraction: seen.append((fraction, what)))
    whole = measured(LinearMode(), PLAN, rewind_step=7)
    assert Evidence(tables).digest() == Evidence(whole).digest()
    for name, table in whole.items():
        if not table.measured:
            assert table.digest() == evidence.tables[name].where(rewind_step=7).digest()
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] < 0.9 <= fractions[-1] <= 1
    assert seen[0][1].startswith("k = 7: ")


def test_what_progress_raises_ends_the_run():
    def cancelled(what, fraction):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(LinearMode(), PLAN, None, cancelled, rewind_step=0)


@pytest.mark.slow
def test_killed_within_its_cell_and_started_again(tmp_path):
    """By the command line: interrupted at a draft, then finished from it, to the digest of a run that was not."""
    (tmp_path / "plan.toml").write_text(toml("linear-mode", PLAN), encoding="utf-8")
    ends = (
        "from ticketlab.store import drafts; drafts.EVERY = 0.0; import os; write, left = drafts.DraftFile.write, [12]\n"
        "def ending(self, arrays):\n"
        "    write(self, arrays); left[0] -= 1\n"
        "    if not left[0]: os.kill(os.getpid(), 9)\n"
        "drafts.DraftFile.write = ending; "
    )
    run = "import ticketlab.cli as c, sys; sys.exit(c.main())"
    arguments = ["run", "plan.toml", "--json", "--out"]
    killed = subprocess.run(
        [sys.executable, "-c", f"{ends}{run}", *arguments, "run"],
        cwd=tmp_path, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert killed.returncode == -9, killed.stderr
    assert list(tmp_path.glob("run/cells/*.draft"))

    def finish(folder):
        done = subprocess.run(
            [sys.executable, "-c", run, *arguments, folder],
            cwd=tmp_path, capture_output=True, encoding="utf-8", check=True,
        )  # fmt: skip
        return json.loads(done.stdout)["digest"]

    assert finish("run") == finish("uninterrupted")


def test_a_seed_alone_has_the_bits_that_it_has_among_others(evidence):
    """And a step those that it has without the others."""
    for name, table in measured(
        LinearMode(), dataclasses.replace(PLAN, rewind_steps=(7,)), seeds=(1,), rewind_step=7
    ).items():
        if not table.measured:
            assert table.digest() == evidence.tables[name].where(rewind_step=7, seed=1).digest(), name


@pytest.mark.parametrize(
    "options",
    [
        {"pruning": Global(fraction=0.4), "controls": ("random", "reinitialised", "both")},
        {"copies": 2, "controls": ()},
        pytest.param(
            {
                "task": Digits(train=60, validation=40, test=70),
                "network": ResNet(channels=(4, 6), normalisation=Normalisation.BATCH),
                "optimiser": Sgd(step_size=0.05, momentum=0.9),
                "levels": 1,
                "steps": 12,
            },
            marks=pytest.mark.slow,
        ),
    ],
    ids=["global", "no masks", "over the batch"],
)
def test_other_plans(options):
    plan = dataclasses.replace(PLAN, rewind_steps=(3,), **options)
    evidence = run_study(LinearMode(), plan)
    assert len(evidence.verdicts) == (1 + 5 + 2 if "random" in plan.controls else 1 + 3)
    for table in ("barriers", "copies", "lines"):
        assert np.isfinite(evidence.tables[table]["test_loss"]).all()


def test_equal_orders_would_have_no_barrier(monkeypatch):
    """The whole study with copies in one order: every barrier is exactly zero, and every network stable."""
    from ticketlab.claims.linear_mode import cell as mode_copies

    first = mode_copies.first_copies
    monkeypatch.setattr(
        mode_copies,
        "first_copies",
        lambda search, level, keys: first(search, level, keys[:, np.zeros(3, int)]),
    )
    found = measured(LinearMode(), PLAN, rewind_step=0)
    assert not found["barriers"]["distance"].any()
    assert found["barriers"]["test_error"].max() <= 1 / 70  # (1 − α)·a + α·a is not always a


# --- verdicts ---


def tables(barrier, score, seeds=6, n=4000, steps=(0, 50), guess=0.1, fitted=1.0):
    """Examples with given barriers and scores of the arms at the steps; which examples they are drifts from seed to seed.

    Arguments:
        fitted: the training score of the dense network's copies, at all steps or at each.
    """
    parts = []
    for i, k in enumerate(steps):
        for seed in range(seeds):
            place = (7 * np.arange(n) + 52 * seed) % n
            columns = {"rewind_step": np.full(n, k), "seed": np.full(n, seed), "id": np.arange(n)}
            for arm in ("ticket", "dense", "random"):
                columns[f"{arm}_score"] = (place < n * score[arm][i]).astype(float)
                rises = (place >= n * (1 - barrier[arm][i])).astype(float)
                columns |= {f"{arm}_barrier": rises, f"{arm}_barrier_split": rises}
            columns["guess"] = (np.arange(n) < n * guess).astype(float)
            parts.append(Table("examples", tuple(Column(name, v) for name, v in columns.items())))
    fitted = np.broadcast_to(fitted, len(steps)).tolist()
    copies = [
        {"rewind_step": k, "arm": arm, "seed": seed, "train_score": score if arm == "dense" else 0.5}
        for k, score in zip(steps, fitted, strict=True)
        for arm in ("ticket", "dense")
        for seed in range(seeds)
    ]
    return {"examples": concatenate("examples", parts), "copies": Table.from_rows("copies", copies)}


GOOD, BAD = 0.97, 0.90
USUAL = {"dense": (0.1, 0.0), "random": (0.3, 0.2)}
SCORES = {"dense": (GOOD, GOOD), "random": (0.85, 0.86)}


def conclude(barrier, score, **changes):
    plan = LinearModePlan(
        rewind_steps=changes.pop("planned", (0, 50)), controls=changes.pop("controls", ("random",))
    )
    random = changes.pop("random", SCORES["random"])
    given = tables({**USUAL, "ticket": barrier}, {**SCORES, "random": random, "ticket": score}, **changes)
    return LinearMode().conclude(plan, given).verdicts


@pytest.mark.parametrize(
    ("barrier", "score", "changes", "outcome", "words"),
    [
        ((0.1, 0.001), (BAD, GOOD), {}, Outcome.HOLDS, "at k = 50 they are both, at k = 0 neither"),
        ((0.1, 0.001), (GOOD, GOOD), {}, Outcome.FAILS, "At k = 0 the ticket works and is not stable"),
        ((0.0, 0.001), (GOOD, GOOD), {}, Outcome.UNDECIDED, "stable at every k. So these runs cannot say"),
        ((0.0, 0.001), (BAD, GOOD), {}, Outcome.UNDECIDED, "not enough to work, which they do not at k = 0"),
        ((0.1, 0.1), (BAD, BAD), {}, Outcome.UNDECIDED, "No ticket was found to work"),
        ((0.1, 0.0), (BAD, GOOD), {"controls": ()}, Outcome.UNDECIDED, "Without a random mask"),
        ((0.1, 0.0), (BAD, GOOD), {"planned": (0, 50, 90)}, Outcome.UNDECIDED, "Not all rewind steps"),
        ((0.1, 0.0), (GOOD, GOOD), {"random": (GOOD, GOOD)}, Outcome.UNDECIDED, "No ticket was found to work"),
        ((0.1, 0.0), (GOOD, GOOD), {"random": (GOOD - 0.01, 0.8)}, Outcome.UNDECIDED, "do not decide"),
        ((0.1, 0.0), (BAD, GOOD), {"seeds": 1}, Outcome.UNDECIDED, "do not decide"),
        ((0.02, 0.0), (GOOD, GOOD), {}, Outcome.UNDECIDED, "the ticket is stable, or whether it works, at k = 0"),
    ],
)  # fmt: skip
def test_the_claim(barrier, score, changes, outcome, words):
    claim = conclude(barrier, score, **changes)[0]
    assert claim.outcome is outcome
    assert words in claim.reading


def test_an_accurate_ticket_that_any_mask_equals_does_not_work():
    """Accurate and unstable, but no better than a random mask: no counterexample."""
    claim, *questions = conclude((0.1, 0.0), (GOOD, GOOD), random=(1.0, 0.85))
    assert claim.outcome is Outcome.UNDECIDED
    assert claim.reading.startswith("No ticket was found that is neither")
    better = next(q for q in questions if q.key == "better" and q.facets["rewind_step"] == "0")
    assert better.outcome is Outcome.FAILS


def test_a_lead_over_a_random_mask_within_the_margin_refutes_nothing():
    """Any mask does nearly as well. It failed in 4 of 4: "At k = 0, 300 the ticket works and is not stable"."""
    world = planted.World(barrier=(0.1, 0.1), gain=(0, 0), over_random=(0.003, 0.003))
    given = planted.planted(world, Sample(10, 10000, 0.97), np.random.default_rng(0))
    outcome, found = planted.decide(given)
    assert outcome is Outcome.UNDECIDED
    better = [q for q in found.questions() if q.formula.key == "better"]
    assert [q.outcome for q in better] == [Outcome.FAILS] * 2
    lead = dataclasses.replace(world, over_random=(0.03, 0.03))
    given = planted.planted(lead, Sample(10, 10000, 0.97), np.random.default_rng(0))
    assert planted.decide(given)[0] is Outcome.FAILS


def test_networks_that_gain_little_over_guessing_are_not_called_stable():
    """Guessing is right on 94.5 %: what they gain is hardly more than the limit of a barrier, so no line loses more."""
    claim, *questions = conclude((0.0, 0.0), (GOOD, GOOD), guess=0.945)
    stable = [q for q in questions if q.key == "stable" and q.facets["arm"] == "ticket"]
    assert [q.outcome for q in stable] == [Outcome.UNDECIDED] * 2
    assert "Over guessing, copies of the ticket gain +2.50 points" in stable[0].reading
    assert "barriers could hardly be above 2 points: more than 4 are required." in stable[0].reading
    assert claim.outcome is Outcome.UNDECIDED
    assert "stable at every k" not in claim.reading


def test_the_converse_is_asked_and_does_not_count():
    verdicts = conclude((0.0, 0.0), (BAD, GOOD))
    assert verdicts[-2].outcome is Outcome.FAILS
    assert verdicts[-2].reading.startswith("At k = 0 the ticket is stable and does not work")
    assert not verdicts[-2].headline
    assert conclude((0.1, 0.0), (BAD, GOOD))[-2].outcome is Outcome.HOLDS
    assert conclude((0.1, 0.0), (BAD, GOOD), planned=(0, 50, 90))[-2].outcome is Outcome.UNDECIDED
    assert conclude((0.0, 0.0), (BAD, GOOD), planned=(0, 50, 90))[-2].outcome is Outcome.FAILS


@pytest.mark.parametrize(
    ("barrier", "score", "random", "outcome", "words"),
    [
        ((0.0, 0.0), (GOOD, GOOD), (0.85, 0.86), Outcome.HOLDS, "2 are stable and as accurate as the dense"),
        ((0.0, 0.0), (GOOD, GOOD), (0.85, GOOD), Outcome.FAILS, "not stable: a random mask at k = 50"),
        ((0.1, 0.1), (BAD, BAD), (0.85, 0.86), Outcome.UNDECIDED, "0 are seen to be stable"),
    ],
)  # fmt: skip
def test_all_masks_of_the_density_are_asked(barrier, score, random, outcome, words):
    """With tickets that are all stable the claim is undecided, and the controls still say something."""
    claim, *_, masks = conclude(barrier, score, random=random)
    assert claim.outcome is Outcome.UNDECIDED
    assert masks.outcome is outcome
    assert words in masks.reading
    assert not masks.headline


def test_questions():
    _, *questions = conclude((0.1, 0.001), (BAD, GOOD))
    assert len(questions) == 2 * 5 + 2
    stable = {(q.facets["rewind_step"], q.facets["arm"]): q.outcome for q in questions if q.key == "stable"}
    assert stable == {
        ("0", "ticket"): Outcome.FAILS,
        ("0", "dense"): Outcome.FAILS,
        ("0", "random"): Outcome.FAILS,
        ("50", "ticket"): Outcome.HOLDS,
        ("50", "dense"): Outcome.HOLDS,
        ("50", "random"): Outcome.FAILS,
    }
    assert [q.headline for q in questions[:5]] == [True, True, True, False, False]
    assert questions[0].effect == pytest.approx(10.0, abs=0.5)
    assert questions[0].interval[0] < questions[0].effect < questions[0].interval[1]


def test_where_the_dense_network_guesses_nothing_is_decided():
    """Without the gate the claim would fail: the ticket is as accurate, better than a random mask, and not stable."""
    claim = conclude((0.1, 0.1), (GOOD, GOOD), guess=0.97)[0]
    assert claim.outcome is Outcome.UNDECIDED
    assert "The trained network is not better than guessing" in claim.reading
    assert conclude((0.1, 0.1), (GOOD, GOOD))[0].outcome is Outcome.FAILS


def test_where_the_dense_network_does_not_fit_its_labels_nothing_is_decided():
    """Without the gate the claim would fail, because a network that has learnt little is soon equalled."""
    world = planted.World((0.1, 0.1), (0.03, 0.03), (0.1, 0.1), fitted=0.27)
    given = planted.planted(world, Sample(10, 10000, 0.3), np.random.default_rng(0))
    outcome, found = planted.decide(given)
    assert outcome is Outcome.UNDECIDED
    assert answer(found.formula.part, given).outcome is Outcome.FAILS
    reason = "The training of the dense network has not converged: it fits 27.0 % of its training labels (from step 0)"
    assert found.closed[0].startswith(reason)


@pytest.mark.parametrize(("fitted", "outcome"), [(0.991, Outcome.FAILS), ((0.98, 1.0), Outcome.UNDECIDED)])
def test_the_dense_network_fits_all_its_labels_but_the_margin_at_every_step(fitted, outcome):
    claim = conclude((0.1, 0.1), (GOOD, GOOD), fitted=fitted)[0]
    assert claim.outcome is outcome
    if outcome is Outcome.UNDECIDED:
        assert "it fits 98.0 % of its training labels (from step 0)." in claim.reading


def noisy_lines(rng, plan, bump, n, error, flips):
    """Lines whose error rises by a bump: at each α examples flip by chance, with a memory of the α before."""
    alphas = np.linspace(0, 1, plan.points)
    limit = error + bump * np.sin(np.pi * alphas) ** 2
    hard = rng.random(n)
    count = plan.seeds * len(copy_pairs(plan.copies))
    wrong = np.empty((count, plan.points, n), bool)
    for line in range(count):
        place = np.where(rng.random(n) < flips, rng.random(n), hard)
        for i in range(plan.points):
            place = np.where(rng.random(n) < flips, rng.random(n), place)
            wrong[line, i] = place < limit[i]
    return Lines(alphas, np.zeros((count, plan.points)), wrong)


def stable_of_noisy_lines(plan, repetitions, bump, level=None, *, n, error=0.1, flips=0.1):
    """How often each outcome is concluded."""
    rng = np.random.default_rng(plan.seeds)
    question = _stable(Terms(plan.stable, plan.margin, (0,)), 0, "ticket").part
    outcomes = []
    for _ in range(repetitions):
        by_example = _by_example(range(plan.seeds), noisy_lines(rng, plan, bump, n, error, flips))
        columns = {
            "rewind_step": np.zeros(plan.seeds * n, int),
            "seed": np.repeat(np.arange(plan.seeds), n),
            "id": np.tile(np.arange(n), plan.seeds),
            **{f"ticket_{name}": np.ravel(by_example[name]) for name in ("barrier", "barrier_split")},
        }
        rows = Table("examples", tuple(Column(*column) for column in columns.items()))
        outcomes.append(answer(question, {"examples": rows}, level).outcome)
    return {outcome: outcomes.count(outcome) / repetitions for outcome in Outcome}


@pytest.mark.parametrize("seeds", [5, 10])
@pytest.mark.parametrize(
    ("bump", "wrongly"), [(0.0, Outcome.FAILS), (0.02, Outcome.FAILS), (0.02, Outcome.HOLDS)]
)
def test_barriers_of_noisy_lines_are_not_taken_for_instability(seeds, bump, wrongly):
    """The maximum of a noisy line alone says *not stable* at a true barrier of two points, the limit, in 8 to 16 %."""
    plan = dataclasses.replace(LinearModePlan(), seeds=seeds, copies=2)
    assert stable_of_noisy_lines(plan, 150, bump, n=400)[wrongly] <= 0.08


def test_the_default_plan_sees_that_lines_without_a_barrier_are_stable():
    """At the strictest level at which it is asked, and with lines much noisier than those of digits."""
    plan = LinearModePlan()
    share = Levels().holds / len(plan.rewind_steps)
    found = stable_of_noisy_lines(plan, 25, 0.0, Levels(share, share), n=plan.task.test, error=0.1, flips=0.1)
    assert found[Outcome.HOLDS] >= 0.8


def test_nothing_is_concluded_from_nothing():
    assert LinearMode().conclude(PLAN, {}).verdicts == ()


def test_the_brief_says_both_sides(evidence):
    cell = LinearMode().cells(PLAN)[0]
    said = LinearMode().brief(PLAN, cell, {n: t.where(rewind_step=0) for n, t in evidence.tables.items()})
    assert said.startswith("ticket ")
    assert "barrier" in said.split("; ")[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "seeds=0"),
        ({"margin": 0.0}, "margin=0.0"),
        ({"stable": 1.0}, "stable=1.0"),
        ({"copies": 1}, "copies=1"),
        ({"points": 2}, "points=2"),
        ({"levels": 0}, "levels=0"),
        ({"controls": ("both", "both")}, "each once"),
        ({"rewind_steps": ()}, "rewind_steps"),
        ({"rewind_steps": (50, 0)}, "in order"),
        ({"rewind_steps": (0, 600)}, "0 to 599"),
    ],
)
def test_impossible_plans(options, message):
    with pytest.raises(UserError, match=message):
        LinearModePlan(**{"steps": 600, **options})


def test_a_task_without_classes():
    plan = dataclasses.replace(PLAN, task=Bundled(name="diabetes", train=60, validation=40, test=70))
    with pytest.raises(UserError, match="a task with classes"):
        measured(LinearMode(), plan, rewind_step=0)


def test_levels_without_weights_are_refused_before_anything_is_trained(monkeypatch):
    from ticketlab.claims.linear_mode import cell as copies

    monkeypatch.setattr(copies, "trained", None)
    plan = dataclasses.replace(PLAN, levels=5, pruning=LayerWise(fraction=0.4, output=0.9))
    with pytest.raises(UserError, match="level 2 leaves layer 'output' no weight"):
        measured(LinearMode(), plan, rewind_step=0)


def test_training_that_diverges():
    with pytest.raises(NumericalFailure, match=r"diverged \(k = 0: dense\)"):
        measured(LinearMode(), dataclasses.replace(PLAN, optimiser=Adam(step_size=1e30)), rewind_step=0)
