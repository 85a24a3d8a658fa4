"""The study `linear-regime`: what a cell computes, against training written out; and from tables to verdicts."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from toy_cell import measured

from ticketlab.claims.linear_regime import cell
from ticketlab.claims.linear_regime.claim import LinearRegime, LinearRegimePlan
from ticketlab.claims.linear_regime.formula import (
    CONTROL,
    GIVEN,
    MEASURES,
    Setting,
    Terms,
    _control,
    formula,
    settled,
    side_questions,
    verdicts,
    whole_rule,
)
from ticketlab.claims.linear_regime.planted import NAMES, TERMS, World, planted
from ticketlab.claims.study import Cell
from ticketlab.engine.run import run_study
from ticketlab.errors import NumericalFailure, UserError
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Sample
from ticketlab.laws.formulae import rules_of
from ticketlab.laws.looks import look_at
from ticketlab.laws.rules import USUAL
from ticketlab.laws.verdict import Outcome
from ticketlab.networks import MLP, ConvNet, Parameterisation
from ticketlab.tangent import centred_alignment, target_alignment
from ticketlab.tasks.sources import Bundled
from ticketlab.training.result import Ending

PLAN = LinearRegimePlan(
    task=Bundled(name="wine", train=20, validation=40, test=60),
    network=MLP(widths=(64,)),
    shares=(0.125, 1.0),
    depths=(1,),
    losses=("square",),
    seeds=2,
    steps=30,
    kernel_examples=12,
    tolerance=1e-6,
)


def at_widths(plan, loss, depth, parameterisation, seed):
    of = {"loss": loss, "depth": depth, "parameterisation": parameterisation}
    return measured(LinearRegime(), plan, seeds=(seed,), **of)


@pytest.fixture(scope="module")
def evidence():
    return run_study(LinearRegime(), PLAN)


def row(table, **equal):
    (found,) = table.where(**equal).rows()
    return found


@pytest.mark.parametrize("parameterisation", PLAN.parameterisations)
def test_measures_are_those_of_training_written_out(evidence, parameterisation) -> None:
    """Width 8, seed 1: both sides trained step by step in float64, on the network and on its Jacobian written down."""
    found = row(evidence.tables["widths"], parameterisation=parameterisation, seed=1, width=8)
    task = PLAN.task.task(1)
    network = MLP((8,), parameterisation=Parameterisation(parameterisation)).build(
        task.input_shape, task.outputs
    )
    params = network.init(jax.random.split(jax.random.fold_in(jax.random.key(1), 0))[0])
    if parameterisation == "mup":
        params["output"] = jax.tree.map(jnp.zeros_like, params["output"])
    with jax.enable_x64(True):
        start, restore = ravel_pytree(jax.tree.map(lambda a: np.asarray(a, np.float64), params))
        x, y = (np.asarray(a, np.float64) for a in (task.train.x, task.train.targets))
        test = np.asarray(task.test.x, np.float64)

        @jax.jit
        def outputs(theta, x):
            return network.apply(restore(theta), x) - network.apply(restore(start), x)

        @jax.jit
        def linear(theta, x):
            return jax.jvp(lambda t: outputs(t, x), (start,), (theta - start,))[1]

        def trained(function):
            slope = jax.jit(jax.grad(lambda t: 0.5 * jnp.mean(jnp.sum((function(t, x) - y) ** 2, axis=1))))
            theta, velocity = start, jnp.zeros_like(start)
            for _ in range(PLAN.steps):
                velocity = PLAN.momentum * velocity + slope(theta)
                theta = theta - found["step_size"] * velocity
            return theta

        real, straight = trained(outputs), trained(linear)
        f, g = outputs(real, test), linear(straight, test)
        jacobian = jax.jit(jax.jacfwd(lambda t: outputs(t, x[: PLAN.kernel_examples])))
        kernels = []
        for theta in (start, real):
            j = np.asarray(jacobian(theta)).reshape(-1, start.size)
            kernels.append(j @ j.T)
        expected = {
            "motion": float(jnp.linalg.norm(real - start) / jnp.linalg.norm(start)),
            "drift": 1 - centred_alignment(*kernels, task.outputs),
            "distance": float(jnp.linalg.norm(f - g) / jnp.linalg.norm(f)),
            "alignment_start": target_alignment(kernels[0], np.asarray(y[: PLAN.kernel_examples])),
            "alignment_end": target_alignment(kernels[1], np.asarray(y[: PLAN.kernel_examples])),
        }
        values = np.linalg.eigvalsh(kernels[0])
        dimension = np.sum(values / (values + 0.01 * values.mean()))
        assert abs(found["effective_dimension"] - dimension) < 5 * found["effective_dimension_error"] + 1e-6
        losses = [
            0.5 * float(jnp.mean(jnp.sum((o - y) ** 2, axis=1)))
            for o in (outputs(real, x), linear(straight, x))
        ]
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=2e-3, abs=1e-6), name
    assert found["train_loss"] == pytest.approx(losses[0], rel=1e-3)
    assert found["linear_train_loss"] == pytest.approx(losses[1], rel=1e-4)
    assert found["test_score"] == np.mean(task.scores(np.asarray(f), task.test))
    assert found["linear_test_score"] == np.mean(task.scores(np.asarray(g), task.test))


def test_every_width_and_parameterisation_stands_in_the_tables(evidence) -> None:
    widths = evidence.tables["widths"]
    assert len(widths) == 3 * 2 * 2
    assert sorted(set(widths["width"].tolist())) == [8, 64]
    assert np.all(widths["defect"] <= PLAN.tolerance)
    assert len(evidence.tables["fits"]) == 3 * len(MEASURES)
    curves = evidence.tables["curves"].where(step=0)
    np.testing.assert_allclose(curves["train_loss"], curves["linear_train_loss"], rtol=1e-4)


def test_with_f0_kept_the_start_is_the_networks(evidence) -> None:
    plan = dataclasses.replace(PLAN, centred=False, steps=1)
    tables = at_widths(plan, "square", 1, "ntk", 0)
    task = plan.task.task(0)
    network = MLP((8,), parameterisation=Parameterisation.NTK).build(task.input_shape, task.outputs)
    params = network.init(jax.random.split(jax.random.fold_in(jax.random.key(0), 0))[0])
    f0 = network.apply(params, task.train.x)
    loss = 0.5 * float(jnp.mean(jnp.sum((f0 - task.train.targets) ** 2, axis=1)))
    assert row(tables["curves"], step=0, width=8)["train_loss"] == pytest.approx(loss, rel=1e-4)


def test_the_same_plan_gives_the_same_bits(evidence) -> None:
    again = at_widths(PLAN, "square", 1, "mup", 1)["widths"]
    assert again.digest() == evidence.tables["widths"].where(parameterisation="mup", seed=1).digest()


def test_a_network_without_loss_stops_and_its_linear_model_goes_on(monkeypatch) -> None:
    """To the plan's last step, or to a later one if it has not converged there."""
    asked = []

    def once(steps, losses):
        asked.append(settled(steps, losses))
        return len(asked) == 2

    monkeypatch.setattr(cell, "settled", once)
    plan = dataclasses.replace(PLAN, steps=400, shares=(0.9, 1.0))
    tables = at_widths(plan, "square", 1, "mup", 0)
    first, second = (row(tables["widths"], width=width) for width in (58, 64))
    assert max(first["last_step"], second["last_step"]) < plan.steps
    assert (first["linear_step"], second["linear_step"]) == (4 * plan.steps, 16 * plan.steps)
    for found in (first, second):
        curve = tables["curves"].where(width=found["width"])
        still = curve["train_loss"][curve["step"] >= found["last_step"]]
        assert len(still) > 1
        assert set(still) == {found["train_loss"]}
        assert found["train_loss"] <= 1e-4 * curve["train_loss"][0]
        assert np.all(np.diff(curve["step"]) > 0)
        assert np.all(np.diff(curve["linear_train_loss"]) < 1e-6)
        assert found["defect"] <= plan.tolerance


def test_a_step_size_with_which_cross_entropy_is_not_learnt_is_halved() -> None:
    """To the largest that reaches the stated loss, wherever halving begins."""
    plan = dataclasses.replace(PLAN, losses=("cross-entropy",), steps=300, step_size=8.0)
    widths = at_widths(plan, "cross-entropy", 1, "mup", 0)["widths"]
    usual = at_widths(dataclasses.replace(plan, step_size=8.0 / 4), "cross-entropy", 1, "mup", 0)["widths"]
    assert np.all(widths["halvings"] > 0)
    assert np.all(widths["train_loss"] <= plan.reached * np.log(3))
    np.testing.assert_allclose(widths["step_size"], usual["step_size"])


def test_a_trial_that_leaves_the_loss_where_it_was_is_repeated_with_half_the_step_size(monkeypatch) -> None:
    """Where units have died nothing is infinite."""
    tried, usual = [], cell._train

    def dead_once(*given):
        result = usual(*given)
        tried.append((given[0].step_size, given[1]))
        if len(tried) > 1:
            return result
        curves = dataclasses.replace(result.curves, train_loss=0 * result.curves.train_loss + 1)
        return dataclasses.replace(result, curves=curves, endings=(Ending.ALL_STEPS,))

    monkeypatch.setattr(cell, "_train", dead_once)
    plan = dataclasses.replace(PLAN, losses=("cross-entropy",), steps=300)
    widths = at_widths(plan, "cross-entropy", 1, "ntk", 0)["widths"]
    assert widths["halvings"].tolist() == [1, 0]
    sizes, steps = zip(*tried, strict=True)
    assert sizes[0] == 2 * sizes[1]
    assert steps == (200, 200, 200)  # a trial that reaches the stated loss is the training itself


class TestWhatGoesWrong:
    def measured(self, **changes):
        return at_widths(dataclasses.replace(PLAN, **changes), "square", 1, "ntk", 0)

    def test_training_that_diverges(self) -> None:
        with pytest.raises(NumericalFailure, match="smaller step_size"):
            self.measured(step_size=1e5)

    def test_a_step_size_that_diverges_is_halved_and_said(self) -> None:
        tables = self.measured(step_size=6.0)  # momentum .9 is stable up to 2·(1 + .9) over the curvature
        asked = self.measured(step_size=3.0)["widths"]
        widths = tables["widths"]
        assert set(widths["halvings"]) == {1}
        np.testing.assert_allclose(widths["step_size"], asked["step_size"])
        said = LinearRegime().brief(PLAN, Cell("any"), tables)
        assert f"diverged at {len(widths)} widths, and was repeated with half the step size" in said

    def test_widths_that_are_the_same(self) -> None:
        with pytest.raises(UserError, match="different widths"):
            self.measured(shares=(0.9999, 1.0))

    def test_a_network_without_width(self) -> None:
        with pytest.raises(UserError, match="no hidden layer"):
            self.measured(network=MLP(widths=()))

    def test_too_many_rows(self) -> None:
        with pytest.raises(UserError, match="at most 12000"):
            self.measured(task=Bundled(name="digits", train=1300))

    @pytest.mark.parametrize(
        "options",
        [
            {"seeds": 0},
            {"shares": (1.0,)},
            {"shares": (1.0, -1.0)},
            {"parameterisations": ()},
            {"least": 0.0},
            {"step_size": np.inf},
            {"momentum": 1.0},
            {"steps": 0},
            {"depths": ()},
            {"depths": (0,)},
            {"losses": ()},
            {"reached": 1.0},
            {"kernel_examples": 1},
        ],
    )
    def test_impossible_plans(self, options) -> None:
        with pytest.raises(UserError):
            LinearRegimePlan(**options)


# --- verdicts ---

FALLING = {"motion": 0.5, "drift": 1.0, "distance": 0.5}
STAYING = {"motion": 0.5, "drift": 0.0, "distance": 0.05}


BOTH = LinearRegimePlan(depths=(1, 2, 3), losses=("square", "cross-entropy"), seeds=5)
SETTINGS = (Setting("square", 1), Setting("cross-entropy", 2))


def tables(exponents, seeds=5, noise=0.01, level=0.1, left=0.001, late=None, score=0.9):
    """Power laws from a level at width 32, under μP from 0.5; and training that leaves a share of the loss at the start.

    Arguments:
        late: what training with cross-entropy leaves, if not the same.
        score: of both sides; guessing scores .1.
    """
    draw = np.random.default_rng(0)
    each = [
        (at, name, seed, width)
        for at in SETTINGS
        for name in exponents
        for seed in range(seeds)
        for width in (32, 64, 128)
    ]
    rows, curves, examples = [], [], []
    for at, name, seed, width in each:
        about = {**at.where(), "parameterisation": name, "seed": seed}
        measured = {
            m: float(
                (0.5 if name == "mup" else level)
                * (width / 32) ** -a
                * np.exp(noise * draw.standard_normal())
            )
            for m, a in exponents[name].items()
        }
        rows.append({**about, "width": width, **measured})
        end = left if at.loss == "square" or late is None else late
        curves += [
            {
                **about,
                "width": width,
                "step": step,
                "train_loss": 2.0 * end ** (step / 100),
                "linear_train_loss": 2.0 * 0.001 ** (step / 100),
            }
            for step in (0, 50, 75, 100)
        ]
        if width == 128:
            examples += [
                {
                    **about,
                    "id": i,
                    "guess": float(i % 10 == 0),
                    "network": float(7 * i % 200 < 200 * score),
                    "linear": float(7 * i % 200 < 200 * score),
                }
                for i in range(200)
            ]
    made = {"widths": rows, "curves": curves, "examples": examples}
    return {name: Table.from_rows(name, of) for name, of in made.items()}


def conclude(standard=None, ntk=None, mup=None, seeds=5, **changes):
    given = {"standard": standard or FALLING, "ntk": ntk or FALLING, "mup": mup or STAYING}
    planted = {k: changes.pop(k) for k in ("noise", "level", "left", "late", "score") if k in changes}
    terms = {"parameterisations": tuple(given), "least": 0.25, **changes}
    asked = Terms(terms["parameterisations"], SETTINGS, terms["least"], 0.1)
    found = tables({name: given[name] for name in asked.parameterisations}, seeds, **planted)
    return verdicts(asked, dict.fromkeys(SETTINGS, asked.parameterisations), found)


def of(verdicts, key, parameterisation, measure, at=SETTINGS[0]):
    facets = {
        "loss": at.loss,
        "depth": str(at.depth),
        "parameterisation": parameterisation,
        "measure": measure,
    }
    return next(v for v in verdicts if v.key == key and v.facets == facets)


@pytest.mark.parametrize(
    ("changes", "whole", "words"),
    [
        ({}, Outcome.HOLDS, "does not become linear"),
        (
            {"ntk": {**FALLING, "distance": 0.0}},
            Outcome.FAILS,
            "NTK: distance to the linear model falls (square loss, 1 hidden layer; cross-entropy loss, 2",
        ),
        # exponents above the least, and 53 % of training's motion at the widest network: that is not good
        (
            {"level": 0.53 * 4**0.3, "standard": {**FALLING, "distance": 0.3}},
            Outcome.FAILS,
            "distance to the linear model is small",
        ),
        # the control becomes linear too: that says nothing about the others
        (
            {"mup": {**FALLING, "distance": 2.0}},
            Outcome.UNDECIDED,
            "The control, μP (square loss, 1 hidden layer), was not shown to stay non-linear",
        ),
        # the control is far from linear at the widest, and falls faster than the others have to
        (
            {"mup": {**STAYING, "distance": 0.35}},
            Outcome.UNDECIDED,
            "falls with an exponent of 0.35 (the upper bound, 0.37, is not below 0.25)",
        ),
        # its kernel is a side question
        ({"mup": {**STAYING, "drift": 0.6}}, Outcome.HOLDS, "does not become linear"),
        ({"noise": 2.0}, Outcome.UNDECIDED, "do not decide"),
        ({"left": 0.5}, Outcome.UNDECIDED, "had not converged at their last step"),
        # with cross-entropy the end is where a tenth of the loss is left; a flat curve says nothing
        ({"late": 0.09}, Outcome.HOLDS, "does not become linear"),
        ({"late": 0.11}, Outcome.UNDECIDED, "had not reached 10 % of the training loss"),
        ({"late": 0.4}, Outcome.UNDECIDED, "(cross-entropy loss, 2 hidden layers) had not reached 10 %"),
        # both sides guess
        ({"score": 0.12}, Outcome.UNDECIDED, "Neither side is better than guessing"),
        # a network that learns nothing has a flat curve, and hardly moves
        ({"left": 0.97}, Outcome.UNDECIDED, "had not converged at their last step"),
        (
            {"left": 1.0, "mup": {**FALLING, "distance": 2.0}},
            Outcome.UNDECIDED,
            "had not converged at their last step",
        ),
        ({"parameterisations": ("standard", "ntk")}, Outcome.UNDECIDED, "control, μP, was left out"),
        ({"parameterisations": ("mup",)}, Outcome.UNDECIDED, "asks of no parameterisation"),
    ],
)
def test_the_claim_has_absolute_sizes_and_needs_the_control(changes, whole, words) -> None:
    claim = conclude(**changes)[0]
    assert claim.outcome is whole
    assert words in claim.reading


def test_questions() -> None:
    claim, *questions = conclude()
    assert claim.key == "claim"
    assert [q.headline for q in questions] == [True] * (2 * 2 * 6) + [False] * (2 * 3)
    assert {q.facets["parameterisation"] for q in questions if not q.headline} == {"mup"}
    assert {q.outcome for q in questions} == {Outcome.HOLDS}
    drift = of(questions, "falls", "standard", "drift")
    assert drift.effect == pytest.approx(1.0, abs=0.02)
    assert drift.interval[0] <= drift.effect <= drift.interval[1]
    assert "from 0.1 at width 32 to 0.025 at width 128" in drift.reading
    assert "lies above 0.25" in drift.rule
    assert "lies below 0.25" in of(questions, "vanishes", "mup", "drift").rule
    assert of(questions, "small", "ntk", "distance", SETTINGS[1]).effect == pytest.approx(5.0, abs=0.1)
    assert "below 10 % of training's motion" in of(questions, "small", "ntk", "distance").rule


def concluded(world, seeds=10):
    """The verdicts on a planted world."""
    found = planted(world, Sample(seeds, 0), np.random.default_rng(0))
    return verdicts(TERMS, dict.fromkeys(TERMS.settings, NAMES), found)


@pytest.mark.parametrize(
    ("world", "whole", "words"),
    [
        (World(), Outcome.HOLDS, "At the widest they move little, and the linear approximation is good."),
        # the old rule: fails, with "Wide networks were not found to be linear"
        (
            World(0.01, 0.01, control=0.05),
            Outcome.UNDECIDED,
            "at the widest network its distance to the linear model is 5.1 % of training's motion (the lower bound, 4.9 %, is "
            "not above 20 %)",
        ),
        # the old rule: holds, with "The control … does not become linear"
        (
            World(control=0.3, fall=0.6),
            Outcome.UNDECIDED,
            "these widths cannot tell it from a network that becomes linear: its distance falls with an exponent of 0.6",
        ),
        # the old rule: holds, with "the less its parameters … move"
        (World(motion=3.0), Outcome.FAILS, "standard: motion of the parameters is small (square loss"),
        (World(motion=0.1), Outcome.UNDECIDED, "NTK: motion of the parameters is small (square loss"),
    ],
)  # fmt: skip
def test_the_control_is_a_gate_and_motion_has_a_size(world, whole, words) -> None:
    claim = concluded(world)[0]
    assert claim.outcome is whole
    assert words in claim.reading


def test_a_control_that_tells_nothing_keeps_every_question_of_its_setting_back() -> None:
    claim, *questions = concluded(World(control=0.05))
    assert {q.outcome for q in questions if q.headline} == {Outcome.UNDECIDED}
    at = {"at": TERMS.settings[0]}
    assert of(questions, "stays", "mup", "distance", **at).outcome is Outcome.FAILS
    assert "too near to its linear model" in of(questions, "stays", "mup", "distance", **at).reading
    assert of(questions, "vanishes", "mup", "distance", **at).outcome is Outcome.HOLDS
    assert claim.would_decide == (
        "A wider --network, whose control is nearer to its limit, or more --seeds, would open the question."
    )


def test_the_control_is_asked_as_the_gate_asks_it() -> None:
    """So the page does not say that the control falls as fast while the claim holds."""
    for fall in (0.0, 0.2, 0.25, 0.3, 0.6):
        claim, *questions = concluded(World(fall=fall))
        slower = [q.outcome for q in questions if (q.key, q.facets["measure"]) == ("vanishes", "distance")]
        assert (claim.outcome is Outcome.HOLDS) == (set(slower) == {Outcome.HOLDS})


def test_a_start_from_a_file_is_asked_about_distance_and_drift_alone() -> None:
    """Its verdict says that training stays near its linear approximation, and nothing about its parameters."""
    asked = Terms((GIVEN,), SETTINGS[:1], 0.25, 0.1)
    questions = [question for question, _ in rules_of(formula(asked))]
    assert [q.facets["measure"] for q in questions] == ["distance", "drift"]
    assert side_questions(asked) == ()
    assert "motion of the parameters" not in whole_rule(asked)


def test_the_rule_says_what_the_control_is_for() -> None:
    agenda = LinearRegime().asked(BOTH)
    assert (
        "It is always undecided if the control, μP, was left out or not shown to stay non-linear: its distance at the widest "
        "network has to be above 20 %, and its exponent below 0.25, each with 97.5 % confidence, or more if "
        "the questions that it keeps back need more." in agenda.rule
    )
    assert "the motion of the parameters is below 10 % of their length" in agenda.rule
    assert "μP, square loss, 1 hidden layer: the control stays non-linear" in agenda.gates()
    assert not [title for title, _ in agenda.rules() if "μP" in title]


def test_the_least_exponent_is_the_plans() -> None:
    outcomes = [
        of(conclude(least=least), "falls", "standard", "motion").outcome for least in (0.25, 0.5, 1.0)
    ]
    assert outcomes == [Outcome.HOLDS, Outcome.UNDECIDED, Outcome.FAILS]


def test_one_seed_decides_nothing() -> None:
    assert {v.outcome for v in conclude(seeds=1)} == {Outcome.UNDECIDED}
    assert all("One seed is not enough" in q.reading for q in conclude(seeds=1)[1:])


def test_a_run_that_is_not_finished() -> None:
    plan = BOTH
    assert LinearRegime().conclude(plan, {}).verdicts == ()
    partial = LinearRegime().conclude(plan, tables({"ntk": FALLING}))
    assert {v.facets["parameterisation"] for v in partial.verdicts} == {"ntk"}
    assert {v.rule for v in partial.verdicts} <= {rule for _, rule in LinearRegime().asked(plan).rules()}
    assert len(partial.verdicts) == 2 * 6
    assert len(partial.tables["fits"]) == 2 * 3


# --- what the claim is asked for ---


def test_the_claim_is_asked_for_each_loss_and_depth() -> None:
    plan = BOTH
    assert [(at.loss, at.depth) for at in plan.settings()] == [
        (loss, depth) for depth in (1, 2, 3) for loss in ("square", "cross-entropy")
    ]
    assert [plan.of_depth(depth).widths for depth in (1, 2, 3)] == [
        plan.network.widths * d for d in (1, 2, 3)
    ]
    assert len(LinearRegime().cells(plan)) == 6 * 3


@pytest.mark.parametrize(("network", "depth"), [(MLP(widths=(64, 32)), 2), (ConvNet(), 0)])
def test_a_network_that_cannot_be_repeated_is_asked_about_as_it_is(network, depth) -> None:
    plan = LinearRegimePlan(network=network)
    assert {at.depth for at in plan.settings()} == {depth}
    assert plan.of_depth(depth) == network


@pytest.mark.slow
def test_with_cross_entropy_both_sides_stop_at_the_stated_loss() -> None:
    """The linear model's step and outputs are those of gradient descent written out, at the step at which the network stopped."""
    plan = dataclasses.replace(PLAN, losses=("cross-entropy",), depths=(2,), steps=200, reached=0.3)
    found = at_widths(plan, "cross-entropy", 2, "ntk", 0)
    wide = row(found["widths"], width=64)
    curve = found["curves"].where(width=64)
    assert curve["train_loss"][0] == pytest.approx(np.log(3), rel=1e-5)
    assert np.all(curve["train_loss"][:-1] > 0.3 * np.log(3))
    assert wide["train_loss"] <= 0.3 * np.log(3)
    assert 0 < wide["last_step"] == curve["step"][-1] < plan.steps
    task = plan.task.task(0)
    network = MLP((64, 64), parameterisation=Parameterisation.NTK).build(task.input_shape, task.outputs)
    params = network.init(jax.random.split(jax.random.fold_in(jax.random.key(0), 1))[0])
    with jax.enable_x64(True):
        start, restore = ravel_pytree(jax.tree.map(lambda a: np.asarray(a, np.float64), params))
        x, y, test = (np.asarray(a, np.float64) for a in (task.train.x, task.train.targets, task.test.x))

        @jax.jit
        def linear(theta, x):
            return jax.jvp(lambda t: network.apply(restore(t), x), (start,), (theta - start,))[1]

        slope = jax.jit(jax.grad(lambda t: -jnp.mean(jnp.sum(y * jax.nn.log_softmax(linear(t, x)), axis=1))))
        theta, velocity = start, jnp.zeros_like(start)
        for _ in range(wide["last_step"]):
            velocity = plan.momentum * velocity + slope(theta)
            theta = theta - wide["step_size"] * velocity
        outputs = linear(theta, x)
        loss = -float(jnp.mean(jnp.sum(y * jax.nn.log_softmax(outputs), axis=1)))
        score = np.mean(task.scores(np.asarray(linear(theta, test)), task.test))
    assert wide["linear_train_loss"] == pytest.approx(loss, rel=1e-4)
    assert wide["linear_test_score"] == score
    assert np.mean(found["examples"]["linear"]) == pytest.approx(score)


def test_ten_looks_by_hand_do_not_open_the_gate_of_the_control() -> None:
    """A control exactly at its limit. The gate once had the whole level at every look, and the claim held in 9.8 % of runs.

    Looks at 4, 8, …, 40 seeds by hand may err in 1.39 · 2.5 % of runs: of 200, in at most 16 but for one time in a thousand.
    """
    gate, looks = _control(TERMS, TERMS.settings[0]), []
    for seeds in range(4, 41, 4):
        looks.append(look_at(seeds, looks))
    opened = {"at its look": 0, "at the whole level": 0}
    for number in range(200):
        widths = planted(World(control=0.2), Sample(40, 0, spread=0.2), np.random.default_rng(number))[
            "widths"
        ]
        widths = widths.where(loss="square", parameterisation=CONTROL)
        seen = [(look, {"widths": widths.taken(widths["seed"] < look.seeds)}) for look in looks]
        opened["at its look"] += any(gate.closed(of, look.levels) is None for look, of in seen)
        opened["at the whole level"] += any(gate.closed(of, USUAL) is None for _, of in seen)
    assert opened["at its look"] <= 16 < opened["at the whole level"]
