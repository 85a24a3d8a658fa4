"""Copies that differ in the order of the data alone: against training written out, and what must hold bit for bit."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.networks import MLP, Normalisation, ResNet
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tickets import (
    DENSE,
    LayerWise,
    Search,
    beside_the_dense,
    controls,
    copy_pairs,
    first_copies,
    first_level,
    next_level,
    read_copies,
    read_level,
    require_pruned,
    trained,
    trained_copies,
    written_copies,
    written_level,
)
from ticketlab.training import Adam, Replicas, Sgd, TrainingData, TrainingPlan, train

ARCHITECTURES = {
    "plain": (MLP(widths=(8, 6)), (4,), Adam(0.02)),
    "batch": (ResNet((3,), normalisation=Normalisation.BATCH), (4, 4, 2), Sgd(0.1, momentum=0.9)),
}
SEEDS, COPIES, K, END = 2, 3, 7, 30


def classes(shape, n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, *shape)).astype(np.float32)
    flat = x.reshape(n, -1)
    labels = np.argmax(flat @ np.random.default_rng(9).normal(size=(flat.shape[1], 3)), axis=1)
    return x, np.eye(3, dtype=np.float32)[labels]


@cache
def started(kind="plain", k=K):
    """A search at its first round, and the copies of all its arms at step k."""
    architecture, shape, optimiser = ARCHITECTURES[kind]
    network = architecture.build(shape, 3)
    keys = jax.random.split(jax.random.key(5), SEEDS)
    plan = TrainingPlan(steps=END, batch=8, optimiser=optimiser, evaluate_every=5)
    data = TrainingData(*classes(shape, 50, 0))
    search = Search(
        network, SOFTMAX_CROSS_ENTROPY, data, plan, jax.vmap(network.init)(keys), keys, LayerWise(0.4), k
    )
    beside = beside_the_dense(search, controls(("random", "reinitialised"), search, architecture, keys))
    level = next_level(search, trained(search, first_level(search), END), beside)
    order_keys = jnp.stack([jax.random.split(jax.random.fold_in(key, 3), COPIES) for key in keys])
    return search, beside, first_copies(search, level, order_keys)


@cache
def finished(kind="plain", k=K):
    search, _, copies = started(kind, k)
    return trained_copies(search, copies, END)


def same_bits(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def at(tree, rows):
    return jax.tree.map(lambda a: np.asarray(a)[rows], tree)


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("k", [pytest.param(0, marks=pytest.mark.slow), K])
def test_a_copy_is_its_network_trained_from_step_k_in_another_order(kind, k):
    search, _, copies = started(kind, k)
    done = finished(kind, k)
    assert [arm.name for arm in copies.level.arms] == ["ticket", DENSE, "random", "reinitialised"]
    for arm in (0, 1, 3):
        for seed in range(SEEDS):
            state = at(copies.level.state, [arm * SEEDS + seed])
            mask = at(copies.level.arms[arm].masks, [seed])
            for copy in range(COPIES):
                replicas = Replicas(state.params, done.order_keys[seed, copy][None], masks=mask)
                alone = train(
                    search.network, search.loss, search.data, search.plan, replicas, start=state
                ).state.params
                mine = at(done.state.params, [(arm * SEEDS + seed) * COPIES + copy])
                jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3), mine, alone)


def test_copies_start_as_one_and_end_apart():
    _, _, copies = started()
    done = finished()
    for seed in range(SEEDS * len(copies.level.arms)):
        first = at(copies.state, [COPIES * seed])
        for copy in range(1, COPIES):
            same_bits(at(copies.state, [COPIES * seed + copy]), first)
            a, b = (at(done.state.params, [COPIES * seed + c])["dense1"]["weight"] for c in (0, copy))
            assert np.abs(a - b).max() > 1e-3


def test_equal_orders_give_equal_copies():
    search, _, copies = started()
    same = replace(copies, order_keys=jnp.broadcast_to(copies.order_keys[:, :1], copies.order_keys.shape))
    one, other = trained_copies(search, same, END).pairs_of(0)
    same_bits(one, other)


def test_the_dense_copies_start_from_dense_training_at_step_k():
    search, _, copies = started()
    dense = trained(search, first_level(search), END)
    assert np.asarray(copies.state.steps).tolist() == [K] * (4 * SEEDS * COPIES)
    for seed in range(SEEDS):
        rows = [copies.rows(1).start + COPIES * seed]
        same_bits(at(copies.state.params, rows), at(dense.point.params, [seed]))
        same_bits(at(copies.state.optimiser, rows), at(dense.point.optimiser, [seed]))
        ticket = at(copies.state.params, [COPIES * seed])["dense1"]["weight"]
        mask = copies.level.masks[seed]["dense1"]
        np.testing.assert_array_equal(
            ticket[0], np.where(mask, dense.point.params["dense1"]["weight"][seed], 0)
        )


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_pruned_weights_take_no_part(kind):
    search, _, _ = started(kind)
    done = finished(kind)
    proof = require_pruned(search.plan.optimiser, done.state, done.all_masks())
    assert proof.pruned > 0
    assert done.running
    assert done.step == END


def test_pairs_are_every_two_copies_of_each_seed():
    done = finished()
    assert copy_pairs(3) == [(0, 1), (0, 2), (1, 2)]
    one, other = done.pairs_of(2)
    first = 2 * SEEDS * COPIES
    for seed in range(SEEDS):
        for p, (a, b) in enumerate(copy_pairs(COPIES)):
            rows = [first + seed * COPIES + a, first + seed * COPIES + b]
            same_bits(at(one, [seed * 3 + p]), at(done.state.params, rows[:1]))
            same_bits(at(other, [seed * 3 + p]), at(done.state.params, rows[1:]))


@pytest.mark.parametrize("pauses", [(10,), (15, 20)])
def test_where_one_stops_on_the_way_and_writing_it_down_changes_no_bit(pauses):
    search, beside, copies = started()
    for pause in pauses:
        copies = trained_copies(search, copies, pause)
        assert copies.step == pause
        arrays = {**written_level(copies.level), **written_copies(copies)}
        level = read_level(search, arrays, beside)
        copies = read_copies(first_copies(search, level, copies.order_keys), arrays)
    same_bits(trained_copies(search, copies, END).state, finished().state)


def test_what_cannot_be_done_is_said():
    search, _, copies = started()
    with pytest.raises(UserError, match="at least 2 copies"):
        first_copies(search, copies.level, copies.order_keys[:, :1])
    with pytest.raises(UserError, match="2, copies"):
        first_copies(search, copies.level, copies.order_keys[:1])
    with pytest.raises(UserError, match="rewind step, 7"):
        first_copies(search, trained(search, copies.level, 10), copies.order_keys)
