"""Dynamic sparse training: counts at every update, who is dropped and who grows, and where what grows starts."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ticketlab.errors import UserError
from ticketlab.networks import MLP
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tickets import Gradual, Regrowth, dynamic, regrown, require_pruned, trained_sparse, weights_of
from ticketlab.tickets.masks import over_parameters
from ticketlab.training import (
    Adam,
    Interpolation,
    Sgd,
    TrainingData,
    TrainingPlan,
    ValidationLoss,
    epoch_order,
    stack,
)

NETWORK = MLP(widths=(6, 5)).build((4,), 3)
SHAPES = {"dense1": (4, 6), "dense2": (6, 5), "output": (5, 3)}
COUNTS = {"dense1": 10, "dense2": 9, "output": 8}
PLAN = TrainingPlan(steps=60, batch=8, optimiser=Adam(0.02), evaluate_every=10)
KEYS = jax.random.split(jax.random.key(1), 2)


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(45, 4)).astype(np.float32)
    return TrainingData(
        x,
        np.eye(3, dtype=np.float32)[np.argmax(x[:, :3], axis=1)],
        x[:20],
        np.eye(3, dtype=np.float32)[:1].repeat(20, 0),
    )


def run(kind, plan=PLAN):
    params = stack([NETWORK.init(key) for key in KEYS])
    return trained_sparse(kind, NETWORK, SOFTMAX_CROSS_ENTROPY, data(), plan, params, KEYS, COUNTS, KEYS)


few = st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.0])
arrays = st.fixed_dictionaries({n: hnp.arrays(np.float32, s, elements=few) for n, s in SHAPES.items()})
masks = st.fixed_dictionaries({n: hnp.arrays(bool, s) for n, s in SHAPES.items()})


@given(arrays, arrays, masks, st.floats(0, 1))
def test_one_update_one_by_one(weights, growth, mask, share):
    drop = {n: int(share * m.sum()) for n, m in mask.items()}
    surviving, new = regrown(weights, growth, mask, drop)
    for name in SHAPES:
        w, g, kept = (a.ravel() for a in (weights[name], growth[name], mask[name]))
        left = set(np.flatnonzero(kept).tolist())
        for _ in range(drop[name]):  # the smallest goes, of equals the last
            left.remove(min(left, key=lambda i: (abs(w[i]), -i)))
        assert set(np.flatnonzero(surviving[name]).tolist()) == left
        for _ in range(
            drop[name]
        ):  # of all that are not there the one with the highest score, of equals the first
            left.add(max(set(range(len(w))) - left, key=lambda i: (g[i], -i)))
        assert set(np.flatnonzero(new[name]).tolist()) == left
        assert new[name].sum() == kept.sum()


@pytest.mark.parametrize("grow", ["gradient", "random"])
def test_the_density_is_exact_at_every_step(grow):
    found = run(Regrowth(grow=grow, every=7, fraction=0.5, until=0.75))
    assert [step for step, _ in found.updates] == [7, 14, 21, 28, 35, 42]
    for _, seeds in found.updates:
        assert list(seeds) == [COUNTS, COUNTS]
    tree = stack([over_parameters(m, NETWORK.init(KEYS[0])) for m in found.masks])
    assert require_pruned(PLAN.optimiser, found.state, tree).pruned > 0
    assert set(np.asarray(found.state.steps).tolist()) == {60}
    assert np.asarray(found.state.best.steps).min() >= 42  # measured under the final mask


def test_fraction_falls_along_half_a_cosine():
    rule = Regrowth(fraction=0.4)
    assert [rule.share(t, 100) for t in (0, 50, 100)] == pytest.approx([0.4, 0.2, 0.0])


def watched(monkeypatch):
    """The inputs and outputs of every update."""
    seen, real = [], dynamic.regrown

    def watching(weights, growth, mask, drop):
        result = real(weights, growth, mask, drop)
        seen.append((weights, growth, mask, drop, *result))
        return result

    monkeypatch.setattr(dynamic, "regrown", watching)
    return seen


def test_rigl_grows_the_largest_gradients_of_the_batch_of_that_step(monkeypatch):
    """By hand: the step's examples from the epoch's order, and the gradient in float64; a network without biases."""
    seen, network = watched(monkeypatch), MLP(widths=(6, 5), bias=False).build((4,), 3)
    plan, given = TrainingPlan(steps=26, batch=8, optimiser=Sgd(0.1)), data()
    params = stack([network.init(key) for key in KEYS])
    rule = Regrowth(every=9, fraction=0.5)
    trained_sparse(rule, network, SOFTMAX_CROSS_ENTROPY, given, plan, params, KEYS, COUNTS, KEYS)
    assert len(seen) == 2 * 2  # updates × seeds
    for i, (weights, growth, mask, drop, surviving, new) in enumerate(seen):
        step, per_epoch = 9 * (1 + i // 2), 45 // 8
        order = np.asarray(epoch_order(KEYS[i % 2], step // per_epoch, 45))
        rows = order[8 * (step % per_epoch) : 8 * (step % per_epoch) + 8]
        slow = slopes(weights, np.asarray(given.x, np.float64)[rows], np.asarray(given.y, np.float64)[rows])
        for name in SHAPES:
            np.testing.assert_allclose(growth[name], slow[name], rtol=1e-3, atol=1e-5)
            out = np.flatnonzero(~surviving[name].ravel())
            best = out[np.argsort(-slow[name].ravel()[out], kind="stable")][: drop[name]]
            grown = np.flatnonzero((new[name] & ~surviving[name]).ravel())
            np.testing.assert_allclose(
                np.sort(slow[name].ravel()[best]), np.sort(slow[name].ravel()[grown]), atol=2e-5
            )
            assert drop[name] == int(rule.share(step, 19) * COUNTS[name] + 0.5)
            assert drop[name] > 0 or step > 9  # the last update comes one step before the end
        assert any(growth[name][~mask[name]].any() for name in SHAPES)  # also where there is no weight


def slopes(weights, x, y):
    """|∂L/∂w| of every weight, by hand, from the outputs back; a unit that is exactly zero passes nothing on."""
    w = {name: np.asarray(weights[name], np.float64) for name in SHAPES}
    z1 = x @ w["dense1"]
    z2 = np.maximum(z1, 0) @ w["dense2"]
    f = np.maximum(z2, 0) @ w["output"]
    p = np.exp(f) / np.exp(f).sum(axis=1, keepdims=True)
    d3 = (p - y) / len(x)
    d2 = d3 @ w["output"].T * (z2 > 0)
    d1 = d2 @ w["dense2"].T * (z1 > 0)
    pairs = {"dense1": (x, d1), "dense2": (np.maximum(z1, 0), d2), "output": (np.maximum(z2, 0), d3)}
    return {name: np.abs(a.T @ d) for name, (a, d) in pairs.items()}


@pytest.mark.parametrize("grow", ["gradient", "random"])
def test_what_grows_starts_at_zero_with_moments_of_zero(monkeypatch, grow):
    seen, states, real = watched(monkeypatch), [], dynamic.train

    def training(*args, start=None, **kwargs):
        states.append(start)
        return real(*args, start=start, **kwargs)

    monkeypatch.setattr(dynamic, "train", training)
    run(Regrowth(grow=grow, every=10, fraction=0.6))
    at = 0
    for start in states[1:]:
        for s in range(2):
            if at >= len(seen):
                break
            weights, *_, surviving, new = seen[at]
            at += 1
            for name in SHAPES:
                grown = new[name] & ~surviving[name]
                for tree in (start.params, *moments(start)):
                    assert not np.asarray(tree[name]["weight"])[s][grown].any()
                stays = surviving[name]
                now = np.asarray(start.params[name]["weight"])[s]
                np.testing.assert_array_equal(now[stays], weights[name][stays])
                assert any(np.asarray(t[name]["weight"])[s][surviving[name]].any() for t in moments(start))
    assert at == len(seen) > 4


def moments(state):
    return [state.optimiser.mu, state.optimiser.nu]


def test_gradual_pruning_falls_along_the_cube_and_never_returns():
    rule = Gradual(every=10, until=0.75)
    found = run(rule)
    sizes = {n: a * b for n, (a, b) in SHAPES.items()}
    steps = [step for step, _ in found.updates]
    assert steps == [10, 20, 30, 40, 45]
    for step, seeds in found.updates:
        left = (1 - step / 45) ** 3
        assert list(seeds) == [{n: COUNTS[n] + int((sizes[n] - COUNTS[n]) * left + 0.5) for n in SHAPES}] * 2
    assert rule.counts(sizes, COUNTS, 45, 45) == COUNTS


def test_gradual_pruning_ends_at_the_counts():
    found = run(Gradual(every=100, until=0.75))
    assert found.updates == ((45, (COUNTS, COUNTS)),)
    weights = weights_of(NETWORK, found.state.params)
    for s, mask in enumerate(found.masks):
        assert all((weights[n][s][~mask[n]] == 0).all() for n in SHAPES)
        assert {n: int(m.sum()) for n, m in mask.items()} == COUNTS


def test_the_same_keys_give_the_same_bits():
    one, same = (run(Regrowth(every=20)) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, one.state.params, same.state.params)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Regrowth(every=0),
        lambda: Regrowth(fraction=1.5),
        lambda: Gradual(until=0.0),
        lambda: Gradual(every=0),
    ],
)
def test_mistakes(wrong):
    with pytest.raises(UserError):
        wrong()


def test_a_plan_that_stops_replicas_early_is_refused():
    """A stop would end the search before its last update, with more weights than were asked for."""
    for stop in (ValidationLoss(1), Interpolation()):
        with pytest.raises(UserError, match="lets every replica finish"):
            run(Gradual(every=10), plan=replace(PLAN, stop=stop))
