"""Plans and choices: impossible values are refused where they are written, and nothing heavy is imported."""

import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ticketlab.errors import UserError
from ticketlab.training import (
    Accuracy,
    Adam,
    AdamW,
    BinaryAccuracy,
    Constant,
    Cosine,
    Piecewise,
    Resources,
    RSquared,
    Sgd,
    SignAccuracy,
    TrainingPlan,
    ValidationLoss,
    ValidationScore,
    Warmup,
)


@pytest.mark.parametrize(
    ("choice", "arguments", "message"),
    [
        (Sgd, {"step_size": 0.0}, "a step size of 0.0"),
        (Sgd, {"step_size": float("nan")}, "a step size of nan"),
        (Sgd, {"momentum": 1.0}, "momentum=1.0"),
        (Sgd, {"decay": -1.0}, "decay=-1.0"),
        (Sgd, {"nesterov": True}, "nesterov=True with momentum 0"),
        (Adam, {"b1": -0.1}, "b1=-0.1"),
        (AdamW, {"b2": 1.0}, "b2=1.0"),
        (Adam, {"eps": 0.0}, "eps=0.0"),
        (AdamW, {"eps": -1e-8}, "eps=-1e-08"),
        (Cosine, {"steps": 0}, "a schedule over 0 steps"),
        (Cosine, {"final": -0.1}, "final=-0.1"),
        (Piecewise, {"at": (5,), "by": float("nan")}, "by=nan"),
        (Warmup, {"steps": 0}, "a schedule over 0 steps"),
        (Piecewise, {"at": (5, 3)}, "increasing positive steps"),
        (ValidationLoss, {"patience": 0}, "patience=0"),
        (ValidationScore, {"patience": -1}, "patience=-1"),
        (Resources, {"lanes": 0}, "lanes=0"),
        (Resources, {"least_lanes": 0}, "least_lanes=0"),
        (TrainingPlan, {"steps": -1}, "-1 steps"),
        (TrainingPlan, {"batch": 0}, "batch=0"),
        (TrainingPlan, {"evaluate_every": 0}, "evaluate_every=0"),
        (TrainingPlan, {"steps": 10, "checkpoints": (11,)}, "steps from 0 to 10"),
    ],
)
def test_impossible_values_are_refused(choice, arguments, message):
    with pytest.raises(UserError, match=message):
        choice(**arguments)


def test_what_an_epoch_leaves_over_is_dropped():
    plan = TrainingPlan(batch=8)
    assert [plan.steps_per_epoch(n) for n in (8, 15, 16)] == [1, 1, 2]
    assert TrainingPlan(batch=None).steps_per_epoch(15) == 1


def test_schedules_are_optax_schedules():
    steps = np.arange(40)
    rise = np.minimum(steps / 10, 1)
    cosine = optax.cosine_decay_schedule(1.0, 20, 0.1)
    for schedule, expected in (
        (Constant(), np.ones(40)),
        (Cosine(20, 0.1), cosine(steps)),
        (Piecewise((10, 20), 0.5), np.where(steps < 10, 1, np.where(steps < 20, 0.5, 0.25))),
        (Warmup(10), rise),
        (Warmup(10, Cosine(20, 0.1)), np.where(steps < 10, rise, cosine(np.maximum(steps - 10, 0)))),
    ):
        factor = schedule.factor()
        np.testing.assert_allclose([factor(t) for t in steps], expected, rtol=1e-6)


def test_scores():
    outputs = jnp.array([[2.0, 1.0], [0.0, 3.0], [1.0, 0.5]])
    one_hot = jnp.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    assert float(Accuracy()(outputs, one_hot)) == pytest.approx(2 / 3)
    signs = jnp.array([[1.0], [-1.0], [1.0], [1.0]])
    assert float(SignAccuracy()(jnp.array([[0.3], [-2.0], [0.0], [-1.0]]), signs)) == pytest.approx(0.5)
    bits = (signs + 1) / 2
    assert float(BinaryAccuracy()(jnp.array([[0.3], [-2.0], [0.0], [-1.0]]), bits)) == pytest.approx(0.5)
    assert float(BinaryAccuracy()(outputs, one_hot)) == pytest.approx(0.0)  # each output counts, none is 0
    y = jnp.array([[1.0], [2.0], [3.0]])
    assert float(RSquared()(y, y)) == 1
    assert float(RSquared()(jnp.full((3, 1), 2.0), y)) == pytest.approx(0)


def test_a_plan_costs_no_heavy_import():
    code = (
        "import sys; from ticketlab.training import TrainingPlan, Resources, AdamW, Warmup, Cosine;"
        "TrainingPlan(optimiser=AdamW(), schedule=Warmup(10, Cosine()));"
        "heavy = {'jax', 'optax', 'numpy', 'sklearn'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"steps": 1e3}, "steps=1000.0; expected a whole number"),
        ({"batch": 32.0}, "batch=32.0"),
        ({"optimiser": "adam"}, "optimiser='adam'"),
        ({"optimiser": Adam}, "Adam"),
        ({"schedule": "cosine"}, "schedule='cosine'"),
    ],
)
def test_words_and_fractions_are_refused_where_they_are_written(options, said):
    with pytest.raises(UserError, match=said):
        TrainingPlan.__init__.__wrapped__(object.__new__(TrainingPlan), **options)
