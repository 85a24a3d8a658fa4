"""The studies `untrained-subnetwork` and `multi-prize`: from plan to tables to verdicts, and where there is no ticket."""

import dataclasses
import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy_draft import Memory

from ticketlab.claims import start
from ticketlab.claims.learned import arms as mask_arms
from ticketlab.claims.learned import setting
from ticketlab.claims.learned.setting import Arm, Bench, Setting
from ticketlab.claims.multi_prize.claim import BOTH, WEIGHTS, MultiPrize, MultiPrizePlan, with_signs
from ticketlab.claims.study import Blank, silent
from ticketlab.claims.untrained_subnetwork.cell import _setting
from ticketlab.claims.untrained_subnetwork.claim import UntrainedSubnetwork, UntrainedSubnetworkPlan
from ticketlab.claims.untrained_subnetwork.formula import formula
from ticketlab.engine.run import run_study
from ticketlab.errors import NumericalFailure, UserError
from ticketlab.evidence.tables import Evidence
from ticketlab.laws.formulae import answer
from ticketlab.laws.verdict import Outcome
from ticketlab.networks import (
    MLP,
    VGG,
    Activate,
    Activation,
    AllConv,
    CausalCNN,
    ConvNet,
    Distribution,
    GRUNet,
    Initialisation,
    LeNet5,
    LeNet300100,
    LSTMNet,
    Normalisation,
    Normalise,
    Pool,
    ResNet,
    ResNet20,
    Transformer,
)
from ticketlab.networks.evaluation import evaluate
from ticketlab.plans import cell_fields
from ticketlab.tasks.sources import Bundled, Digits
from ticketlab.tickets import EdgePopup, learned
from ticketlab.training import Adam, Constant

SIGNED = Initialisation(distribution=Distribution.SIGNED_CONSTANT)
PLAN = UntrainedSubnetworkPlan(
    task=Bundled(name="wine", train=60, validation=40, test=70),
    network=MLP(widths=(16, 12), initialisation=SIGNED),
    seeds=2,
    density=0.5,
    densities=(0.2, 0.8),
    widths=(0.5,),
    distributions=(Distribution.NORMAL, Distribution.SIGNED_CONSTANT),
    bits=8,
    steps=60,
    batch=16,
    optimiser=Adam(step_size=0.02),
    dense_optimiser=Adam(step_size=0.02),
)
PRIZES = MultiPrizePlan(
    **{f.name: getattr(PLAN, f.name) for f in dataclasses.fields(MultiPrizePlan) if hasattr(PLAN, f.name)}
)


@pytest.fixture(scope="module")
def evidence():
    return run_study(UntrainedSubnetwork(), PLAN)


@pytest.fixture(scope="module")
def prizes():
    return run_study(MultiPrize(), PRIZES)


# --- what is run ---


def test_every_arm_stands_in_the_tables(evidence):
    arms = evidence.tables["arms"]
    whole = {(r["arm"], r["asked"], r["distribution"]) for r in arms.where(size=1.0).rows()}
    own = "signed-constant"
    assert whole == {
        *((a, 0.5, own) for a in ("ticket", "random", "permuted")),
        *((a, d, own) for a in ("density", "random density") for d in (0.2, 0.8)),
        *((a, 0.5, "normal") for a in ("distribution", "random distribution")),
        *((a, 1.0, own) for a in ("dense", "permuted dense", "multigraph")),
    }
    assert {r["arm"] for r in arms.where(size=0.5).rows()} == {"ticket", "random", "dense"}
    assert len(arms) == 2 * (12 + 3)
    sizes = {"dense1": 13 * 16, "dense2": 16 * 12, "output": 12 * 3}
    for name in ("ticket", "random", "permuted"):
        counts = {n: int(0.5 * s + 0.5) for n, s in sizes.items()}
        of = arms.where(arm=name, size=1.0)
        assert set(of["kept"].tolist()) == {sum(counts.values())}
        assert set(of["weights"].tolist()) == {sum(sizes.values())}
        layers = evidence.tables["layers"].where(arm=name, size=1.0, seed=0)
        assert {r["layer"]: r["density"] for r in layers.rows()} == {
            n: c / sizes[n] for n, c in counts.items()
        }


def test_every_ticket_was_compared_with_what_was_drawn(evidence):
    checks = evidence.tables["checks"]
    assert {(r["arm"], r["setting"]) for r in checks.rows()} == {
        ("ticket", "width 1"), ("density", "width 1"), ("distribution", "width 1"), ("permuted", "width 1"),
        ("ticket", "width 0.5"),
    }  # fmt: skip
    whole = 13 * 16 + 16 * 12 + 12 * 3 + 16 + 12 + 3
    assert set(checks.where(setting="width 1")["compared"].tolist()) == {whole}


def test_a_study_whose_frozen_weights_are_moved_ends(monkeypatch):
    moved = lambda self, params, mask: jax.tree.map(lambda a: a + 0.01, learned_ticket(self, params, mask))  # noqa: E731
    learned_ticket = learned.ScoredMask.ticket
    monkeypatch.setattr(learned.ScoredMask, "ticket", moved)
    with pytest.raises(NumericalFailure, match="frozen weights have moved"):
        run_study(UntrainedSubnetwork(), dataclasses.replace(PLAN, steps=4))


def test_scores_are_those_of_the_examples(evidence):
    arms, examples = evidence.tables["arms"], evidence.tables["examples"]
    for size in (0.5, 1.0):
        for arm in ("ticket", "random", "dense"):
            for row in arms.where(arm=arm, size=size).rows():
                scores = examples.where(seed=row["seed"], size=size)[arm]
                assert row["test_score"] == pytest.approx(np.mean(scores))
    task = PLAN.task.task(mask_arms.SPLIT_SEED)
    np.testing.assert_array_equal(examples.where(seed=1, size=1.0)["id"], task.test.ids)
    most = np.bincount(task.train.labels).argmax()
    np.testing.assert_array_equal(examples.where(seed=1, size=1.0)["guess"], task.test.labels == most)


@pytest.mark.parametrize(("steps", "half"), [(50, 25), (15, 7), (1, None)])
def test_half_way_is_after_half_of_the_steps_wherever_pieces_end(monkeypatch, steps, half):
    """With 50 steps pieces end at 24 and 28."""
    at = []
    honest = mask_arms.train

    def watched(*given, **options):
        result = honest(*given, **options)
        at.append((int(np.max(result.state.steps)), result.state.params))
        return result

    monkeypatch.setattr(mask_arms, "train", watched)
    alone = dataclasses.replace(PLAN, steps=steps)
    arm = Setting("width 1", 1.0, alone, alone.network, (Arm("dense"),), (0,))
    row = mask_arms.run_setting(arm, Blank(), silent)["arms"].rows()[0]
    if half is None:
        assert np.isnan([row["halfway_train_score"], row["halfway_at"]]).all()
        return
    assert row["halfway_at"] == half / steps
    bench = Bench(arm, PLAN.task.task(mask_arms.SPLIT_SEED))
    params = jax.tree.map(lambda a: jnp.asarray(a)[0], dict(at)[half])
    assert row["halfway_train_score"] == bench.scores(params, bench.task.train).mean()


@pytest.mark.slow
def test_training_scores_are_looked_at_half_way_and_batches_are_at_most_all_examples(monkeypatch):
    """On the labels that were learnt from: with one step size throughout they are those of a run of half the steps."""
    constant = lambda steps: Constant()  # noqa: E731
    monkeypatch.setattr(setting, "Cosine", constant)
    alone = dataclasses.replace(PLAN, widths=(), densities=(), distributions=())
    found = [
        run_study(UntrainedSubnetwork(), dataclasses.replace(alone, steps=steps, batch=batch))
        for steps, batch in ((40, 60), (20, 60), (20, 61))
    ]
    assert found[1].digest() == found[2].digest()
    whole, half = (evidence.tables["arms"] for evidence in found[:2])
    for arm in ("ticket", "permuted", "dense", "permuted dense"):
        rows = whole.where(arm=arm)
        np.testing.assert_array_equal(rows["halfway_train_score"], half.where(arm=arm)["train_score"])
    assert np.isnan(whole.where(arm="random")["halfway_train_score"]).all()


@pytest.mark.slow
def test_batch_statistics_are_those_of_training_data(monkeypatch):
    """Of every ticket, as it was proved; with statistics of the examples that are scored it would have other scores."""
    network, tickets = dataclasses.replace(PLAN.network, normalisation=Normalisation.BATCH), []

    def proved(drawn, ticket, mask, signs=False):
        tickets.append(ticket)
        return learned.require_frozen(drawn, ticket, mask, signs=signs)

    monkeypatch.setattr(mask_arms, "require_frozen", proved)
    plan = dataclasses.replace(PLAN, network=network, widths=(), densities=(), distributions=(), steps=10)
    arms = run_study(UntrainedSubnetwork(), plan).tables["arms"]
    task = plan.task.task(mask_arms.SPLIT_SEED)
    built = network.build(task.input_shape, task.outputs)
    from_training, from_themselves = jax.jit(partial(evaluate, built)), jax.jit(built.apply)
    for part, column in ((task.test, "test_score"), (task.validation, "validation_score")):
        found = arms.where(arm="ticket")[column].tolist()
        x, train = jnp.asarray(part.x), jnp.asarray(task.train.x)
        right = [np.mean(task.scores(np.asarray(from_training(t, x, train)), part)) for t in tickets[:2]]
        wrong = [np.mean(task.scores(np.asarray(from_themselves(t, x)), part)) for t in tickets[:2]]
        assert found == right
        assert found != wrong


def test_labels_are_permuted_another_way_for_every_seed():
    train = PLAN.task.task(1).train
    one, other = Bench(_setting(PLAN, 1.0, (0, 1)), PLAN.task.task(1)).permuted
    assert sorted(one.labels.tolist()) == sorted(train.labels.tolist())
    assert (one.labels != other.labels).any()
    assert (one.labels != train.labels).any()
    np.testing.assert_array_equal(one.targets.argmax(1), one.labels)
    np.testing.assert_array_equal(one.x, train.x)


@pytest.mark.parametrize("after", [1, 12, 33])
def test_a_run_that_ends_goes_on_to_the_same_bits(evidence, after):
    """With ten pieces a program: within the search, the search over permuted labels, and dense training."""
    study, draft = UntrainedSubnetwork(), Memory(after)
    cell = study.cells(PLAN)[0]
    with pytest.raises(KeyboardInterrupt):
        study.resume(PLAN, cell, draft)
    assert draft.kept["group"] == (after - 1) // 10
    draft.left, seen = 10**9, []
    tables = study.resume(PLAN, cell, draft, lambda what, fraction: seen.append(fraction))
    whole = {name: t.where(size=1.0) for name, t in evidence.tables.items() if not t.measured}
    assert Evidence(tables).digest() == Evidence(whole).digest()
    assert seen == sorted(seen)
    assert 0 <= seen[0] < 0.2
    assert seen[-1] == pytest.approx(1)
    kept = evidence.tables["arms"].where(arm="ticket", size=1.0)["kept"].tolist()
    assert [sum(int(m.sum()) for m in t.mask.values()) for t in draft.tickets.values()] == kept


@pytest.mark.parametrize(("study", "plan"), [(UntrainedSubnetwork(), PLAN), (MultiPrize(), PRIZES)])
def test_a_seed_alone_has_the_bits_that_it_has_among_others(study, plan, evidence, prizes):
    of, cell = (prizes, 0) if plan is PRIZES else (evidence, 1)
    for name, table in study.run(plan, study.cells(plan)[cell].group(1, 2)).items():
        if not table.measured:
            same = of.tables[name].where(seed=1, setting=str(table["setting"][0]))
            assert table.digest() == same.digest(), name


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(
            {"search": "supermask", "optimiser": Adam(step_size=0.3), "widths": ()}, marks=pytest.mark.slow
        ),
        {"rescale": False, "widths": (), "densities": (), "distributions": (), "bits": 0},
        pytest.param(
            {"task": Bundled(name="diabetes", train=60, validation=40, test=70), "widths": ()},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {
                "task": Digits(train=60, validation=40, test=70),
                "network": ResNet(channels=(4, 6)),
                "densities": (),
                "steps": 3,
            },
            marks=pytest.mark.slow,
        ),
        pytest.param({"search": "supermask", "optimiser": Adam(step_size=0.3)}, marks=pytest.mark.slow),
        pytest.param(
            {"task": Bundled(name="diabetes", train=60, validation=40, test=70)}, marks=pytest.mark.slow
        ),
    ],
    ids=["supermask", "alone", "regression", "residual", "supermask by width", "regression by width"],
)
def test_other_plans(options):
    evidence = run_study(UntrainedSubnetwork(), dataclasses.replace(PLAN, **options))
    sides = [bool(options.get(name, getattr(PLAN, name))) for name in ("widths", "bits")]
    assert len(evidence.verdicts) == 1 + 4 + sum(sides)
    assert np.isfinite(evidence.tables["arms"]["test_score"]).all()
    drawn = evidence.tables["arms"].where(arm="ticket")["sampled_test_score"]
    assert np.isfinite(drawn).all() == (options.get("search") == "supermask")


def test_both_kinds_of_prizes_stand_in_the_tables(prizes):
    arms = prizes.tables["arms"]
    both = {r["arm"] for r in arms.where(setting=BOTH).rows()}
    assert both == {"ticket", "random", "permuted", "mask", "random mask", "dense", "binarised"}
    assert {r["arm"] for r in arms.where(setting=WEIGHTS).rows()} == both
    assert len(prizes.verdicts) == 1 + 2 * 4 + 3
    assert [v.headline for v in prizes.verdicts[1:]] == [True] * 8 + [False] * 3


def test_signs_take_the_place_of_the_activation_function():
    signs = with_signs(MLP(widths=(5,), activation=Activation.TANH))
    assert signs == MLP(widths=(5,), activation=Activation.SIGN, normalisation=Normalisation.CHANNELS)
    assert with_signs(ConvNet()).normalisation is Normalisation.CHANNELS


@pytest.mark.parametrize("network", [MLP(widths=(5, 4)), *map(ConvNet, (2, 4, 6))], ids=MLP.describe)
def test_every_sign_follows_a_normalisation_and_no_pool_follows_a_sign(network):
    stages = with_signs(network).stages(outputs=1)
    pairs = [(one, two) for one, two in itertools.pairwise(stages) if isinstance(two, Activate)]
    assert pairs
    assert all(isinstance(one, Normalise) and two.activation is Activation.SIGN for one, two in pairs)
    assert not any(
        isinstance(one, Activate) and isinstance(two, Pool) for one, two in itertools.pairwise(stages)
    )


@pytest.mark.parametrize("network", [MLP(widths=(5,)), ConvNet()], ids=["mlp", "conv"])
def test_signs_keep_the_networks_own_normalisation(network):
    own = dataclasses.replace(network, normalisation=Normalisation.BATCH)
    assert with_signs(own) == dataclasses.replace(own, activation=Activation.SIGN)


@pytest.mark.parametrize(
    "network",
    [
        LeNet5(), LeNet300100(), AllConv(), VGG(), ResNet(), ResNet20(), MLP(widths=()), MLP(widths=(5,)).widened(2), GRUNet(),
        LSTMNet(), Transformer(), CausalCNN(),
    ],
    ids=lambda network: network.describe().partition(",")[0],
)  # fmt: skip
def test_networks_that_the_method_is_not_true_of_are_refused(network):
    """No normalisation before signs, pools after them, sums that are not normalised, no signs at all."""
    with pytest.raises(UserError, match="every sign follows a normalisation"):
        MultiPrizePlan(network=network)


# --- where there is no ticket ---


HARD = {"task": Digits(train=300, validation=100, test=900), "network": MLP(widths=(32,)), "seeds": 8}
ALONE = dataclasses.replace(PLAN, **HARD, widths=(), densities=(), distributions=())


@pytest.fixture
def permuted_labels(monkeypatch):
    """All arms learn from permuted labels."""
    honest = mask_arms.drawn_task

    def permuted(source, seed):
        task = honest(source, seed)
        return dataclasses.replace(task, train=start.permuted(task.train, np.random.default_rng((1, 99))))

    monkeypatch.setattr(mask_arms, "drawn_task", permuted)


@pytest.mark.slow
def test_a_ticket_is_better_than_its_controls():
    """In a run that is too short to pass the gate of convergence, so that its questions are asked without it."""
    evidence = run_study(UntrainedSubnetwork(), ALONE)
    asked = answer(formula(PLAN.margin).part, evidence.tables)
    outcomes = {key: asked.find(key).outcome for key in ("guessing", "random", "labels")}
    assert set(outcomes.values()) == {Outcome.HOLDS}, outcomes
    assert evidence.verdicts[0].outcome is Outcome.UNDECIDED
    assert "has not converged" in evidence.verdicts[0].reading


def nothing_is_decided(evidence):
    """Neither side has learnt the task: no question is answered, and the claim says why."""
    claim, *questions = evidence.verdicts
    return {v.outcome for v in (claim, *questions)} == {Outcome.UNDECIDED} and "guessing" in claim.reading


@pytest.mark.slow
def test_with_permuted_labels_nothing_is_decided(permuted_labels):
    assert nothing_is_decided(run_study(UntrainedSubnetwork(), ALONE))


@pytest.mark.slow
def test_with_permuted_labels_there_is_no_prize(permuted_labels):
    assert nothing_is_decided(run_study(MultiPrize(), dataclasses.replace(PRIZES, **HARD, steps=40)))


@dataclasses.dataclass(frozen=True)
class Zero(MLP):
    """A network whose weights are all zero: no mask makes anything of it, and no gradient moves them."""

    def build(self, input_shape, outputs):
        network = super().build(input_shape, outputs)
        return dataclasses.replace(network, init=lambda key: jax.tree.map(jnp.zeros_like, network.init(key)))


@pytest.mark.slow
@pytest.mark.parametrize("search", ["edge-popup", "supermask"])
def test_a_network_of_zeros_holds_no_ticket(search):
    plan = dataclasses.replace(ALONE, network=Zero(widths=(32,)), search=search)
    assert nothing_is_decided(run_study(UntrainedSubnetwork(), plan))


@pytest.mark.slow
def test_a_network_of_zeros_holds_no_prize():
    task = Digits(train=100, validation=100, test=1500)
    plan = dataclasses.replace(PRIZES, task=task, network=Zero(widths=(16, 12)), seeds=8, steps=10)
    assert nothing_is_decided(run_study(MultiPrize(), plan))


# --- plans ---


def test_a_run_that_is_not_finished_has_no_verdict(prizes):
    assert UntrainedSubnetwork().conclude(PLAN, {}).verdicts == ()
    half = {n: t.where(setting=BOTH) for n, t in prizes.tables.items()}
    assert MultiPrize().conclude(PRIZES, half).verdicts == ()
    no_control = {n: t.where(setting=BOTH) if n == "permuted" else t for n, t in prizes.tables.items()}
    assert MultiPrize().conclude(PRIZES, no_control).verdicts == ()


def test_the_brief_says_all_sides(prizes, evidence):
    given = {n: t.where(size=1.0) for n, t in evidence.tables.items() if n == "examples"}
    said = UntrainedSubnetwork().brief(PLAN, UntrainedSubnetwork().cells(PLAN)[0], given)
    assert said.startswith("test score: ticket 0.")
    given = {"examples": prizes.tables["examples"].where(setting=BOTH)}
    assert "trained binary 0." in MultiPrize().brief(PRIZES, MultiPrize().cells(PRIZES)[0], given)


@pytest.mark.parametrize(
    ("plan", "options", "message"),
    [
        (UntrainedSubnetworkPlan, {"seeds": 0}, "seeds=0"),
        (UntrainedSubnetworkPlan, {"density": 0.0}, "density=0"),
        (UntrainedSubnetworkPlan, {"density": 1.0}, "nothing to choose"),
        (UntrainedSubnetworkPlan, {"densities": (0.5, 1.2)}, "density=1.2"),
        (UntrainedSubnetworkPlan, {"widths": (1.0,)}, "factors other than 1"),
        (UntrainedSubnetworkPlan, {"widths": (0.5, 0.5)}, "each once"),
        (UntrainedSubnetworkPlan, {"widths": (0.5, 0.5001)}, "equally many units, or one name"),
        (UntrainedSubnetworkPlan, {"widths": (1.001,)}, "equally many units, or one name"),
        (
            UntrainedSubnetworkPlan,
            {"network": MLP(widths=(10**9,)), "widths": (0.12345671, 0.12345672)},
            "equally many units, or one name",
        ),
        (UntrainedSubnetworkPlan, {"margin": 0.0}, "margin=0.0"),
        (UntrainedSubnetworkPlan, {"steps": 0}, "steps=0"),
        (MultiPrizePlan, {"density": 1.5}, "density=1.5"),
        (MultiPrizePlan, {"density": 1.0}, "nothing to choose"),
        (MultiPrizePlan, {"network": MLP(activation=Activation.SIGN)}, "full-precision side"),
        (MultiPrizePlan, {"batch": 0}, "batch=0"),
    ],
)
def test_impossible_plans(plan, options, message):
    with pytest.raises(UserError, match=message):
        plan(**options)


def test_cells_do_not_depend_on_which_other_widths_there_are(evidence):
    """So that a width that is added leaves those that are there as they are."""
    more = dataclasses.replace(PLAN, widths=(0.5, 0.25))
    assert cell_fields(more) == cell_fields(PLAN)
    assert cell_fields(dataclasses.replace(PLAN, density=0.4)) != cell_fields(PLAN)
    study = UntrainedSubnetwork()
    assert study.cells(more)[:2] == study.cells(PLAN)
    for cell in study.cells(PLAN):
        tables = {n: t for n, t in study.run(more, cell).items() if not t.measured}
        mine = {n: t.where(size=cell.settings["size"]) for n, t in evidence.tables.items() if n in tables}
        assert Evidence(tables).digest() == Evidence({n: t for n, t in mine.items() if len(t)}).digest()


def test_training_that_diverges():
    plan = dataclasses.replace(PLAN, dense_optimiser=Adam(step_size=1e30))
    with pytest.raises(NumericalFailure, match=r"diverged \(width 0.5, dense\)"):
        UntrainedSubnetwork().resume(plan, UntrainedSubnetwork().cells(plan)[1], Blank())


def test_the_search_of_the_plan_is_the_one_that_is_run():
    assert _setting(PLAN, 1.0, (0, 1)).arms[0].search == EdgePopup()
    assert _setting(dataclasses.replace(PLAN, rescale=False), 1.0, (0, 1)).arms[0].search == EdgePopup(
        scaled=False
    )
