"""Masks learned over frozen weights: gradients by hand, exact counts, fixed weights, bits independent of neighbours."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.networks import MLP, Distribution, Initialisation, ResNet
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tickets import (
    Binarised,
    Biprop,
    EdgePopup,
    Supermask,
    counts_at,
    highest,
    kept,
    largest,
    require_frozen,
)
from ticketlab.training import (
    Adam,
    Cosine,
    Replicas,
    Resources,
    Sgd,
    TrainingData,
    TrainingPlan,
    ValidationLoss,
    stack,
    train,
)

NETWORK = MLP(widths=(12, 8), initialisation=Initialisation(sigma_b=0.3)).build((4,), 3)
PLAN = TrainingPlan(steps=24, batch=8, optimiser=Adam(0.02), schedule=Cosine(24), evaluate_every=6)
METHODS = {"supermask": Supermask(), "edge-popup": EdgePopup(), "biprop": Biprop()}
each_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
compiled, init, apply = jax.jit(largest), jax.jit(NETWORK.init), jax.jit(NETWORK.apply)


def data(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 4)).astype(np.float32)
    y = np.eye(3, dtype=np.float32)[np.argmax(x @ np.random.default_rng(9).normal(size=(4, 3)), axis=1)]
    return TrainingData(x[:40], y[:40], x[40:], y[40:])


DATA = data()


def keys(n, seed=0):
    return jax.random.split(jax.random.key(seed), n)


def replicas(method, densities, seed=0):
    n = len(densities)
    params = stack([init(key) for key in keys(n, seed)])
    return method.replicas(NETWORK, params, densities, keys(n, seed + 1), keys(n, seed + 2))


def run(given, plan=PLAN, **more):
    return train(NETWORK, SOFTMAX_CROSS_ENTROPY, DATA, plan, given, **more)


def row(tree, r):
    return jax.tree.map(lambda a: np.asarray(a)[r], tree)


def same_bits(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


# --- exactly `count` largest ---


tied = hnp.arrays(np.float32, (5, 7), elements=st.sampled_from([0.0, 1e-37, 0.5, 1.0, 3e38]))
spread = hnp.arrays(np.float32, (5, 7), elements=st.floats(0, 2.0**100, width=32, allow_subnormal=False))


@given(st.one_of(tied, spread), st.integers(0, 35))
def test_the_largest_are_those_of_the_ranking(sizes, count):
    expected = highest({"a": sizes}, {"a": count}, {"a": np.ones(sizes.shape, bool)})["a"]
    np.testing.assert_array_equal(compiled(sizes, np.int32(count)), expected)


def test_the_largest_of_many_side_by_side_each_with_its_own_count():
    sizes = np.abs(np.random.default_rng(0).normal(size=(6, 40_000))).astype(np.float32)
    sizes[1] = np.round(sizes[1], 1)  # many ties
    sizes[2] = 0.25
    sizes[3, ::2] = 0
    counts = np.array([1, 17_000, 12_345, 30_000, 0, 40_000], np.int32)
    found = np.asarray(jax.jit(jax.vmap(largest))(sizes, counts))
    for r in range(6):
        expected = highest({"a": sizes[r]}, {"a": int(counts[r])}, {"a": np.ones(40_000, bool)})["a"]
        np.testing.assert_array_equal(found[r], expected)


def test_the_largest_in_double_precision():
    with jax.enable_x64(True):
        sizes = np.abs(np.random.default_rng(0).normal(size=999))
        sizes[500:] = sizes[:499] * (1 + 1e-15)
        assert np.asarray(jax.jit(largest)(sizes, np.int32(321))).sum() == 321


# --- gradients ---


@partial(jax.jit, static_argnums=0)
def gradients(method, scores, frozen, key):
    """Of a loss in the scores, and in the parameters that the network computes with."""
    x, y = jnp.asarray(DATA.x), jnp.asarray(DATA.y)

    def loss(params):
        return SOFTMAX_CROSS_ENTROPY.value(NETWORK.apply(params, x), y).mean()

    effective = method(scores, frozen, key)
    return jax.grad(lambda s: loss(method(s, frozen, key)))(scores), jax.grad(loss)(effective), effective


@pytest.mark.parametrize(
    ("method", "factor"),
    [
        (EdgePopup(scaled=False), lambda w, s, m: w * np.sign(s)),
        (EdgePopup(), lambda w, s, m: w * np.sign(s) * np.sqrt(m.size / m.sum())),
        (Biprop(), lambda w, s, m: np.sum(np.abs(w) * m) / m.sum() * np.sign(w) * np.sign(s)),
        (Supermask(rescale=False), lambda w, s, m: w / (2 + np.exp(s) + np.exp(-s))),
    ],
    ids=["edge-popup", "edge-popup scaled", "biprop", "supermask"],
)
def test_the_gradient_of_scores_is_the_one_that_was_published(method, factor):
    given = replicas(method, [0.4])
    scores, frozen = row(given.params, 0), row(given.frozen, 0)
    waves = {name: np.sin(np.arange(a.size, dtype=np.float32)).reshape(a.shape) for name, a in scores.items()}
    scores = {name: a + np.float32(0.1) * waves[name] for name, a in scores.items()}
    found, direct, effective = gradients(method, scores, frozen, jax.random.key(5))
    for name, s in scores.items():
        w = frozen["weights"][name]["weight"]
        mask = (np.asarray(effective[name]["weight"]) != 0).astype(np.float32)
        expected = np.asarray(direct[name]["weight"]) * factor(w, s, mask)
        np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-7)
        assert np.abs(found[name][mask == 0]).max() > 0  # what is not in use has a gradient too


def test_the_gradient_of_a_rescaled_supermask_knows_that_each_weight_kept_scales_the_others_down():
    """θ_j = w_j m_j n / Σm:  ∂L/∂m_j = g_j w_j n / Σm − Σ_i g_i w_i m_i n / (Σm)²."""
    method, given = Supermask(), replicas(Supermask(), [0.4])
    scores, frozen = row(given.params, 0), row(given.frozen, 0)
    found, direct, effective = gradients(method, scores, frozen, jax.random.key(5))
    for name, s in scores.items():
        w, g = frozen["weights"][name]["weight"], np.asarray(direct[name]["weight"])
        m = np.asarray(effective[name]["weight"]) != 0
        scale = m.size / m.sum()
        by_mask = g * w * scale - np.sum(g * w * m) * scale / m.sum()
        np.testing.assert_allclose(found[name], by_mask / (2 + np.exp(s) + np.exp(-s)), rtol=1e-4, atol=1e-7)


def test_what_each_method_computes_with():
    for method in METHODS.values():
        given = replicas(method, [0.4])
        scores, frozen = row(given.params, 0), row(given.frozen, 0)
        w = frozen["weights"]["dense1"]["weight"]
        computed = jax.jit(method)(scores, frozen, jax.random.key(5))
        effective = np.asarray(computed["dense1"]["weight"])
        mask = effective != 0
        expected = {
            Supermask: w * mask * mask.size / mask.sum(),
            EdgePopup: w * mask * np.sqrt(mask.size / mask.sum()),
            Biprop: np.sign(w) * mask * np.abs(w[mask]).mean(),
        }[type(method)]
        np.testing.assert_allclose(effective, expected, rtol=1e-6)
        same_bits(computed["dense1"]["bias"], frozen["weights"]["dense1"]["bias"])


def test_a_supermask_is_drawn_with_its_probabilities():
    given = replicas(Supermask(rescale=False), [0.3])
    scores, frozen = row(given.params, 0), row(given.frozen, 0)
    scores["dense1"] = scores["dense1"].copy()
    scores["dense1"][0] = 20.0
    scores["dense1"][1] = -20.0
    method = Supermask(rescale=False)
    draw = jax.jit(lambda key: method.sample(frozen["weights"], scores, key)["dense1"]["weight"] != 0)
    share = np.mean([draw(key) for key in keys(400)], axis=0)
    assert share[0].min() == 1
    assert share[1].max() == 0
    np.testing.assert_allclose(share[2:].mean(), 0.3, atol=0.02)


# --- training ---


@each_method
def test_frozen_weights_are_never_moved(method):
    given = replicas(method, [0.3, 0.6])
    before = jax.tree.map(lambda a: np.array(a, copy=True), given.frozen)
    result = run(given)
    same_bits(jax.tree.map(np.asarray, given.frozen), before)
    drawn = [init(key) for key in keys(2)]
    masks = method.masks(NETWORK, result.params, [0.3, 0.6])
    moved = [np.abs(np.asarray(result.params[n]) - np.asarray(given.params[n])).max() for n in masks[0]]
    assert min(moved) > 0  # scores do move
    shapes = {np.shape(a)[1:] for a in jax.tree.leaves(result.state.params)}
    assert shapes == {
        layer.weight_shape for layer in NETWORK.layers
    }  # a score a weight, and nothing for biases
    for r in range(2):
        ticket = method.ticket(drawn[r], masks[r])
        compared = require_frozen(drawn[r], ticket, masks[r], signs=method == Biprop())
        assert compared == sum(np.size(a) for a in jax.tree.leaves(drawn[r]))
        for name, leaf in (("dense1", "weight"), ("dense2", "bias")):
            wrong = {**ticket, name: {**ticket[name], leaf: np.array(ticket[name][leaf])}}
            wrong[name][leaf][-1] += 1e-3
            with pytest.raises(NumericalFailure, match=f"{name}/{leaf} of a ticket differs from the draw"):
                require_frozen(drawn[r], wrong, masks[r], signs=method == Biprop())


@pytest.mark.parametrize("method", [EdgePopup(), Biprop()], ids=["edge-popup", "biprop"])
def test_counts_are_exact_in_training_and_after_it(method):
    densities = [0.05, 0.3, 0.5, 1.0]
    given = replicas(method, densities)
    result = run(given)
    effective = jax.jit(jax.vmap(method))(result.params, given.frozen, keys(4))
    for r, (mask, density) in enumerate(
        zip(method.masks(NETWORK, result.params, densities), densities, strict=True)
    ):
        counts = counts_at(NETWORK, density)
        assert counts["dense1"] == int(48 * density + 0.5)
        for name in counts:
            np.testing.assert_array_equal(np.asarray(effective[name]["weight"][r]) != 0, mask[name])
            assert mask[name].sum() == counts[name]


@each_method
def test_a_ticket_is_what_the_program_evaluates(method):
    """The scores of the curves are those of the ticket without scores; of the supermask, of a draw that has become certain."""
    given = replicas(method, [0.3, 0.6])
    if isinstance(method, Supermask):
        key = jax.random.key(3)
        certain = {n: 40 * np.sign(jax.random.normal(key, a.shape)) for n, a in given.params.items()}
        given = dataclasses.replace(given, params=certain)
    result = run(given)
    for r, mask in enumerate(method.masks(NETWORK, result.params, [0.3, 0.6])):
        ticket = method.ticket(row(given.frozen, r)["weights"], mask)
        outputs = apply(ticket, jnp.asarray(DATA.validation_x))
        value = SOFTMAX_CROSS_ENTROPY.value(outputs, jnp.asarray(DATA.validation_y)).mean()
        np.testing.assert_allclose(result.curves.validation_loss[-1, r], value, rtol=1e-5)


@each_method
def test_going_on_gives_the_bits_of_a_run_that_was_not_stopped(method):
    given = replicas(method, [0.3, 0.6])
    half = run(given, dataclasses.replace(PLAN, steps=12))
    same_bits(run(given, start=half.state).state, run(given).state)


@each_method
def test_densities_side_by_side_have_the_bits_of_each_alone(method):
    given = replicas(method, [0.3, 0.6, 0.8])
    together = run(given)
    alone = Replicas(
        *(jax.tree.map(lambda a: a[1:2], a) for a in (given.params, given.order_keys)),
        effective=method,
        frozen=jax.tree.map(lambda a: a[1:2], given.frozen),
    )
    same_bits(row(together.state, 1), row(run(alone).state, 0))


@each_method
def test_a_search_learns(method):
    wide = MLP(
        widths=(64, 64), initialisation=Initialisation(distribution=Distribution.SIGNED_CONSTANT)
    ).build((4,), 3)
    params = stack([jax.jit(wide.init)(key) for key in keys(2)])
    given = method.replicas(wide, params, 0.5, keys(2, 1), keys(2, 2))
    plan = dataclasses.replace(
        PLAN, steps=600, optimiser=Adam(0.3 if method == Supermask() else 0.01), schedule=Cosine(600)
    )
    result = train(wide, SOFTMAX_CROSS_ENTROPY, DATA, plan, given, resources=Resources(lanes=2))
    score = result.curves.validation_score.mean(axis=1)
    assert score[-1] > max(0.75, score[0] + 0.1)


@dataclasses.dataclass(frozen=True)
class Same:
    """What is trained is what the network computes with."""

    def __call__(self, trained, frozen, key):
        return jax.tree.map(jnp.add, trained, frozen)


def test_a_reparameterisation_that_changes_nothing_changes_no_bit():
    params = stack([init(key) for key in keys(2)])
    zero = jax.tree.map(jnp.zeros_like, params)
    plain = Replicas(params, keys(2, 1))
    same_bits(run(plain).state, run(dataclasses.replace(plain, effective=Same(), frozen=zero)).state)
    centred = dataclasses.replace(plain, centred=True)
    shifted = dataclasses.replace(centred, effective=Same(), frozen=zero)
    same_bits(run(centred).state, run(shifted).state)


def test_masks_over_what_is_trained_stand_before_the_reparameterisation():
    params = stack([init(key) for key in keys(2)])
    masks = jax.tree.map(lambda a: np.arange(a.size).reshape(a.shape) % 2, params)
    zero = jax.tree.map(jnp.zeros_like, params)
    plain = Replicas(params, keys(2, 1), masks=masks)
    same_bits(run(plain).state, run(dataclasses.replace(plain, effective=Same(), frozen=zero)).state)


# --- binary weights that are trained ---


def test_binarised_weights_are_signs_with_a_gain_and_pass_the_gradient_on():
    params = init(jax.random.key(0))
    binary = Binarised.of(NETWORK)
    key = jax.random.key(0)
    seen = jax.jit(binary)(params, None, key)
    w = np.asarray(params["dense1"]["weight"])
    np.testing.assert_allclose(seen["dense1"]["weight"], np.sign(w) * np.abs(w).mean(), rtol=1e-6)
    same_bits(seen["dense1"]["bias"], params["dense1"]["bias"])
    slope = jax.jit(jax.grad(lambda p: jnp.sum(3 * binary(p, None, key)["dense1"]["weight"])))(params)
    assert (np.asarray(slope["dense1"]["weight"]) == 3).all()
    result = run(Replicas(stack([params]), keys(1), effective=binary), dataclasses.replace(PLAN, steps=200))
    assert result.curves.validation_score[-1, 0] > result.curves.validation_score[0, 0]


# --- mistakes ---


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: replicas(EdgePopup(), [0.0]), "density=0, but"),
        (lambda: replicas(EdgePopup(), [0.5, 1.5]), "density=1.5"),
        (lambda: Replicas(stack([{"a": jnp.ones(3)}]), keys(1), frozen=jnp.ones(1)), "frozen arrays without"),
        (
            lambda: Replicas(stack([{"a": jnp.ones(3)}]), keys(1), effective=Same(), frozen=jnp.ones(2)),
            "a leading axis of 1",
        ),
    ],
)
def test_mistakes(call, message):
    with pytest.raises(UserError, match=message.replace(", but", "")):
        call()


@each_method
def test_scores_that_are_no_numbers_are_not_ranked(method):
    scores = {layer.name: np.full((1, *layer.weight_shape), np.nan, np.float32) for layer in NETWORK.layers}
    with pytest.raises(NumericalFailure, match="the search has diverged"):
        method.masks(NETWORK, scores, 0.5)


@pytest.mark.slow
def test_normalisations_and_convolutions_are_searched_too():
    network = ResNet(channels=(4, 6)).build((6, 6, 1), 3)
    drawn = jax.jit(network.init)(jax.random.key(0))
    params = stack([drawn])
    given = EdgePopup().replicas(network, params, 0.5, keys(1), keys(1))
    x = np.random.default_rng(0).normal(size=(40, 6, 6, 1)).astype(np.float32)
    plan = dataclasses.replace(PLAN, steps=3, optimiser=Sgd(0.1, momentum=0.9), stop=ValidationLoss())
    result = train(network, SOFTMAX_CROSS_ENTROPY, TrainingData(x, DATA.y), plan, given)
    (mask,) = EdgePopup().masks(network, result.params, 0.5)
    assert set(mask) == {layer.name for layer in network.layers if layer.stage.weighted}
    assert kept(mask) == sum(counts_at(network, 0.5).values())
    require_frozen(drawn, EdgePopup().ticket(drawn, mask), mask)
