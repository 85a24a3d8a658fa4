"""Iterative magnitude pruning against the loop written out for one network, and what must hold bit for bit."""

from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.networks import MLP
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tickets import (
    DENSE,
    TICKET,
    Global,
    LayerWise,
    Search,
    controls,
    density,
    first_level,
    full_mask,
    kept,
    next_level,
    over_parameters,
    read_level,
    require_pruned,
    trained,
    weights_of,
    written_level,
)
from ticketlab.training import (
    Adam,
    Cosine,
    Interpolation,
    Replicas,
    Sgd,
    TrainingData,
    TrainingPlan,
    ValidationLoss,
    train,
)
from ticketlab.training.result import Ended

ARCHITECTURE = MLP(widths=(8, 6))
NETWORK = ARCHITECTURE.build((4,), 3)
OPTIMISERS = [Adam(0.02), Sgd(0.1, momentum=0.9)]
NAMES = ("reinitialised", "shuffled", "both", "equal-size", "random")


def classes(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    return x, np.eye(3, dtype=np.float32)[np.argmax(x @ np.random.default_rng(9).normal(size=(4, 3)), axis=1)]


DATA = TrainingData(*classes(50, 0), *classes(40, 1))


@cache
def drawn(seeds):
    """Keys, and the networks that they draw."""
    keys = jax.random.split(jax.random.key(5), seeds)
    return keys, jax.jit(jax.vmap(NETWORK.init))(keys)


def search(optimiser=OPTIMISERS[0], seeds=2, steps=40, **options):
    keys, params = drawn(seeds)
    # A step size that falls: rewound to k, training goes on with that of step k.
    plan = TrainingPlan(steps=steps, batch=8, optimiser=optimiser, schedule=Cosine(steps), evaluate_every=5)
    options = {"pruning": LayerWise(0.3), **options}
    return Search(NETWORK, SOFTMAX_CROSS_ENTROPY, DATA, plan, params, keys, **options)


def companions(of):
    return controls(NAMES, of, ARCHITECTURE, jax.random.split(jax.random.key(77), len(of)))


def levels(of, count, beside=lambda number, masks: ()):
    """All levels, trained to the end."""
    level = trained(of, first_level(of), of.plan.steps)
    found = [level]
    for _ in range(count):
        level = trained(of, next_level(of, level, beside), of.plan.steps)
        found.append(level)
    return found


def same_bits(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def row(tree, i):
    return jax.tree.map(lambda a: np.asarray(a)[i : i + 1], tree)


def written_out(of, seed, count):
    """One network by itself: train, rank, rewind, with nothing but `train` and sorting."""
    everything = jax.tree.map(lambda a: np.ones((1, *a.shape[1:]), bool), of.params)
    replicas = Replicas(row(of.params, seed), of.order_keys[seed : seed + 1], masks=everything)
    k, steps = of.rewind_step, of.plan.steps
    point = train(NETWORK, of.loss, DATA, replace(of.plan, steps=k), replicas).state
    result = train(NETWORK, of.loss, DATA, of.plan, replicas)
    masks = full_mask(NETWORK)
    found = [(result, masks)]
    for _ in range(count):
        weights = weights_of(NETWORK, (found[0] if of.one_shot else found[-1])[0].params)
        masks = {name: array.copy() for name, array in masks.items()}
        for name, w in weights.items():
            p = 0.1 if name == "output" else 0.3
            alive = np.flatnonzero(masks[name])
            order = sorted(alive, key=lambda i, w=w: (abs(w.ravel()[i]), -i))
            masks[name].ravel()[order[: int(p * len(alive) + 0.5)]] = False
        tree = jax.tree.map(
            lambda a: a[None], over_parameters(masks, jax.tree.map(lambda a: a[0], of.params))
        )
        start = replace(point, best=replace(point.best, criterion=np.full(1, np.inf, np.float32)))
        result = train(
            NETWORK, of.loss, DATA, of.plan, replace(replicas, masks=tree), start=start if k else None
        )
        assert result.steps[0] == steps
        found.append((result, masks))
    return found


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=str)
@pytest.mark.parametrize(("rewind_step", "one_shot"), [(0, False), (7, False), (10, True)])
def test_the_search_is_the_loop_written_out(optimiser, rewind_step, one_shot):
    of = search(optimiser, rewind_step=rewind_step, one_shot=one_shot)
    found = levels(of, 3)
    for seed in range(2):
        for level, (result, mask) in zip(found, written_out(of, seed, 3), strict=True):
            same_bits(level.masks[seed], mask)
            same_bits(row(level.state.params, seed), result.params)
            same_bits(row(level.state.optimiser, seed), result.state.optimiser)
            if level.number:  # the dense network was measured at step 0 as well, which rewound ones are not
                same_bits(row(level.state.best, seed).steps, result.best.steps)
                assert row(level.state.best, seed).loss == result.best.loss


@pytest.mark.parametrize(
    "optimiser", [*OPTIMISERS[:-1], pytest.param(OPTIMISERS[-1], marks=pytest.mark.slow)], ids=str
)
@given(k=st.integers(0, 39))
def test_rewinding_is_exact(optimiser, k):
    """Rewound under a mask that keeps everything, training repeats itself: parameters, moments and data order."""
    of = search(optimiser, rewind_step=k, pruning=Global(0.0))
    dense = trained(of, first_level(of), 40)
    again = next_level(of, dense)
    same_bits(again.state.params, dense.point.params)
    same_bits(again.state.optimiser, dense.point.optimiser)
    assert again.step == k
    again = trained(of, again, 40)
    same_bits(again.state.params, dense.state.params)
    same_bits(again.state.optimiser, dense.state.optimiser)
    late = dense.curves.steps > k
    np.testing.assert_array_equal(again.curves.validation_loss, dense.curves.validation_loss[late])


@pytest.mark.slow
@given(k=st.integers(0, 39), pauses=st.lists(st.integers(1, 7), max_size=4), written=st.booleans())
def test_where_one_stops_on_the_way_changes_no_bit(k, pauses, written):
    of = search(rewind_step=k)
    whole, level = levels(of, 1)[1], trained(of, first_level(of), 40)
    level = next_level(of, level)
    for pause in sorted(5 * p for p in pauses):
        if pause > level.step:
            level = trained(of, level, pause)
        if written:
            level = read_level(of, written_level(level), lambda number, masks: ())
    level = trained(of, level, 40)
    same_bits(level.state, whole.state)
    same_bits(level.curves.__dict__, whole.curves.__dict__)


@pytest.mark.slow
@given(k=st.integers(1, 39), pause=st.integers(1, 7))
def test_dense_training_may_stop_before_or_after_the_rewind_step(k, pause):
    of = search(rewind_step=k)
    whole = trained(of, first_level(of), 40)
    paused = read_level(of, written_level(trained(of, first_level(of), 5 * pause)), lambda n, m: ())
    paused = trained(of, paused, 40)
    same_bits(paused.point, whole.point)
    same_bits(paused.state, whole.state)


@cache
def with_controls(rewind_step=5):
    of = search(rewind_step=rewind_step)
    return of, levels(of, 3, companions(of))


def test_all_arms_are_trained_and_none_of_their_pruned_weights_takes_part():
    of, found = with_controls()
    assert [arm.name for arm in found[0].arms] == [DENSE]
    for level in found[1:]:
        assert [arm.name for arm in level.arms] == [TICKET, *NAMES]
        assert np.asarray(level.state.steps).tolist() == [40] * 12
        proof = require_pruned(of.plan.optimiser, level.state, level.all_masks())
        assert proof.pruned > 0


def test_controls_share_what_they_should_and_differ_in_the_rest():
    of, found = with_controls()
    level = found[2]
    arm = {a.name: a for a in level.arms}
    same_bits(arm["reinitialised"].masks, arm[TICKET].masks)
    same_bits(arm["both"].masks, arm["shuffled"].masks)
    same_bits(arm["both"].params, arm["reinitialised"].params)
    assert arm["shuffled"].params is None
    assert arm["random"].params is None
    for name in ("shuffled", "random"):
        assert (arm[name].masks["dense1"]["weight"] != arm[TICKET].masks["dense1"]["weight"]).any()

    def counts(arm, seed):
        return {n: int(leaf["weight"][seed].sum()) for n, leaf in arm.masks.items()}

    for seed in range(2):
        assert counts(arm["shuffled"], seed) == counts(arm[TICKET], seed)
        assert sum(counts(arm["random"], seed).values()) == kept(level.masks[seed])
    before = {a.name: a for a in found[1].arms}
    assert (
        arm["reinitialised"].params["dense1"]["weight"] != before["reinitialised"].params["dense1"]["weight"]
    ).all()
    assert (arm["reinitialised"].params["dense1"]["weight"] != of.params["dense1"]["weight"]).all()


def test_tickets_have_the_bits_they_have_without_controls():
    of, found = with_controls()
    for level, alone in zip(found, levels(of, 3), strict=True):
        tickets = level.rows(0)
        same_bits(jax.tree.map(lambda a, rows=tickets: a[rows], level.state), alone.state)


def test_a_search_with_controls_goes_on_from_what_was_written():
    of, found = with_controls()
    beside = companions(of)
    level = trained(of, next_level(of, found[1], beside), 20)
    level = read_level(of, written_level(level), beside)
    level = trained(of, level, 40)
    same_bits(level.state, found[2].state)
    same_bits(next_level(of, level, beside).masks, found[3].masks)


def test_one_shot_levels_have_the_same_counts():
    one, many = levels(search(one_shot=True), 3), levels(search(), 3)
    assert [density(a.masks[0]) for a in one] == [density(a.masks[0]) for a in many]
    same_bits(one[1].masks, many[1].masks)
    assert any((one[3].masks[0][n] != many[3].masks[0][n]).any() for n in one[3].masks[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: search(rewind_step=40), "rewind_step=40"),
        (lambda: search(rewind_step=-1), "rewind_step=-1"),
        (
            lambda: replace(search(), plan=replace(search().plan, stop=Interpolation())),
            "lets every replica finish",
        ),
        (
            lambda: replace(search(), plan=replace(search().plan, stop=ValidationLoss(3))),
            "lets every replica finish",
        ),
        (lambda: next_level(search(), first_level(search())), "level 0 at step 0"),
    ],
)
def test_what_cannot_be_done_is_said(call, message):
    with pytest.raises(UserError, match=message):
        call()


def diverging(name):
    """A search with two steps before its rewind step, in which the parameters of one arm are far too large."""
    of = search(rewind_step=10)

    def beside(number, masks):
        arms = companions(of)(number, masks)
        large = jax.tree.map(lambda a: np.float32(1e30) * np.asarray(a), of.params)
        return [replace(arm, params=large) if arm.name == name else arm for arm in arms]

    return of, beside


@pytest.mark.parametrize("name", ["reinitialised", "both", "equal-size"])
def test_a_control_that_diverges_before_the_rewind_step_is_named(name):
    of, beside = diverging(name)
    dense = trained(of, first_level(of), of.plan.steps)
    with pytest.raises(NumericalFailure, match=rf"before the rewind step \({name}\), after \d of 10 steps"):
        next_level(of, dense, beside)


def test_dense_networks_that_all_diverge_are_named_wherever_training_pauses():
    """One pause after they diverged and before the rewind step, and none."""
    of = search(rewind_step=10)
    large = jax.tree.map(lambda a: np.float32(1e30) * np.asarray(a), of.params)
    of = replace(of, params=large)
    first = first_level(of)
    paused = trained(of, trained(of, first, 5), of.plan.steps)
    for level in (paused, trained(of, first, of.plan.steps)):
        with pytest.raises(NumericalFailure, match=rf"at level 0, after \d of {of.plan.steps} steps"):
            next_level(of, level)


def test_a_ticket_whose_dense_network_diverged_before_the_rewind_step_is_named():
    """Where one seed diverges and its weights stay numbers: masks can be drawn, and there is nothing to rewind to."""
    of = search(rewind_step=10)
    dense = trained(of, first_level(of), of.plan.steps)
    ended = np.array([0, int(Ended.DIVERGED)], np.asarray(dense.point.ended).dtype)
    steps = np.array([10, 5], np.asarray(dense.point.steps).dtype)
    with pytest.raises(NumericalFailure, match=r"before the rewind step \(ticket\), after 5 of 10 steps"):
        next_level(of, replace(dense, point=replace(dense.point, ended=ended, steps=steps)))
