"""Training against a slow loop, and what must hold bit for bit: resuming, chunks, neighbours, masks.

Tests share one program where they can (`PLAN`, `SQUARE`, `DATA`), since compiling is most of their time.
"""

from dataclasses import replace
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ticketlab.errors import UserError
from ticketlab.networks import MLP, ConvNet, pure_network
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY, SQUARE
from ticketlab.training import (
    Adam,
    AdamW,
    Constant,
    Cosine,
    Ending,
    Interpolation,
    Piecewise,
    Replicas,
    Resources,
    RSquared,
    Sgd,
    TrainingData,
    TrainingPlan,
    ValidationLoss,
    ValidationScore,
    Warmup,
    epoch_order,
    groups,
    stack,
    train,
)
from ticketlab.training.factors import SEGMENT, factors
from ticketlab.training.groups import layout, program_and_lanes
from ticketlab.training.program import advance

NETWORK = MLP(widths=(6, 5)).build((4,), 3)
PLAN = TrainingPlan(steps=23, batch=8, optimiser=AdamW(0.02, decay=0.1), schedule=Warmup(5, Cosine(15)))


def classes(n=50, seed=0):
    """Three classes cut by a random linear map, with noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    labels = np.argmax(
        x @ np.random.default_rng(9).normal(size=(4, 3)) + 0.1 * rng.normal(size=(n, 3)), axis=1
    )
    return x, np.eye(3, dtype=np.float32)[labels]


DATA = TrainingData(*classes(50), *classes(40, seed=1))


def keys(n, seed=7):
    return jax.random.split(jax.random.key(seed), n)


@cache
def seventy(seed):
    return jax.device_get(jax.jit(jax.vmap(NETWORK.init))(keys(70, seed)))


def draws(n, seed=0):
    """The first n of seventy, so that one program draws for every test."""
    return row(seventy(seed), slice(n))


def masks_like(params, seed=3):
    leaves, tree = jax.tree.flatten(params)
    rng = np.random.default_rng(seed)
    return jax.tree.unflatten(tree, [(rng.random(a.shape) < 0.6).astype(np.float32) for a in leaves])


def row(tree, r):
    return jax.tree.map(lambda a: jax.device_put(np.asarray(a)[r]), tree)


def assert_same_bits(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def assert_close(a, b, rtol=1e-4, atol=1e-5):
    jax.tree.map(partial(np.testing.assert_allclose, rtol=rtol, atol=atol), a, b)


def assert_masked(tree, masks):
    jax.tree.map(lambda p, m: np.testing.assert_array_equal(p[m == 0], 0), tree, masks)


jitted_order = jax.jit(epoch_order, static_argnums=2)


def own_optimiser(plan, step_size):
    """optax's optimiser under its own name, with the step size times the schedule's factor."""
    factor = plan.schedule.factor()

    def rate(step):
        return step_size * factor(step)

    match plan.optimiser:
        case Sgd(momentum=momentum, nesterov=nesterov, decay=decay):
            descent = optax.sgd(rate, momentum or None, nesterov)
            return optax.chain(optax.add_decayed_weights(decay), descent)
        case Adam(b1=b1, b2=b2, eps=eps):
            return optax.adam(rate, b1, b2, eps)
        case AdamW(b1=b1, b2=b2, eps=eps, decay=decay):
            return optax.adamw(rate, b1, b2, eps, weight_decay=decay)


def reference_loop(network, loss, x, y, plan, params, key, step_size, mask=None, centred=False):
    """One replica, slowly and obviously: the parameters after `plan.steps` steps, and every batch's loss."""
    mask = jax.tree.map(jnp.ones_like, params) if mask is None else mask
    params = start = jax.tree.map(jnp.multiply, params, mask)
    optimiser, x, y = own_optimiser(plan, step_size), jax.device_put(x), jax.device_put(y)
    state, losses = optimiser.init(params), []

    @jax.value_and_grad
    def batch_loss(params, rows):
        f = network.apply(params, x[rows])
        if centred:
            f = f - network.apply(start, x[rows])
        return jnp.mean(loss.value(f, y[rows]))

    @jax.jit
    def one_step(params, state, rows):
        value, gradient = batch_loss(params, rows)
        gradient = jax.tree.map(jnp.multiply, gradient, mask)
        update, state = optimiser.update(gradient, state, params)
        return optax.apply_updates(params, update), state, value

    for step in range(plan.steps):
        epoch, batch = divmod(step, plan.steps_per_epoch(len(x)))
        rows = np.arange(len(x))
        if plan.batch is not None:
            rows = np.asarray(jitted_order(key, epoch, len(x)))[batch * plan.batch : (batch + 1) * plan.batch]
        params, state, value = one_step(params, state, rows)
        losses.append(float(value))
    return params, losses


@pytest.mark.parametrize(
    "optimiser",
    [
        Sgd(0.1),
        Sgd(0.05, momentum=0.9),
        Sgd(0.05, momentum=0.9, nesterov=True, decay=0.01),
        Adam(0.01),
        AdamW(0.02, decay=0.1),
    ],
    ids=str,
)
def test_every_optimiser_is_the_slow_loop(optimiser):
    params, order_keys, step_sizes = draws(3), keys(3), np.array([0.02, 0.05, 0.1])
    masks = jax.tree.map(lambda m: np.concatenate([np.ones_like(m[:1]), m[1:]]), masks_like(params))
    centred = np.array([False, True, False])
    plan = replace(PLAN, optimiser=optimiser)
    result = train(
        NETWORK, SOFTMAX_CROSS_ENTROPY, DATA, plan, Replicas(params, order_keys, step_sizes, masks, centred)
    )
    np.testing.assert_array_equal(result.curves.steps, [0, 6, 12, 18, 23])  # an epoch is 6 batches
    for r in range(3):
        expected, losses = reference_loop(
            NETWORK,
            SOFTMAX_CROSS_ENTROPY,
            DATA.x,
            DATA.y,
            plan,
            row(params, r),
            order_keys[r],
            step_sizes[r],
            row(masks, r),
            centred[r],
        )
        assert_close(row(result.params, r), expected, rtol=2e-4, atol=2e-5)
        np.testing.assert_allclose(result.curves.batch_loss[2, r], np.mean(losses[6:12]), rtol=1e-4)
        np.testing.assert_allclose(result.curves.batch_loss[4, r], np.mean(losses[18:]), rtol=1e-4)
    assert_masked(result.params, masks)
    assert_masked(result.best.params, masks)
    moments, parameters = jax.tree.leaves(result.state.optimiser), jax.tree.leaves(masks)
    moments = [m for m in moments if m.ndim > 1]  # without the count of steps
    assert len(moments) % len(parameters) == 0
    for moment, mask in zip(moments, parameters * (len(moments) // len(parameters)), strict=True):
        np.testing.assert_array_equal(moment[mask == 0], 0)


def test_full_batches_and_a_schedule_in_pieces_are_the_slow_loop():
    plan = TrainingPlan(12, None, Sgd(0.2), Piecewise(at=(3, 8), by=0.5), evaluate_every=5)
    params = draws(1)
    result = train(NETWORK, SQUARE, DATA, plan, Replicas(params, jax.random.key(0)))
    expected, _ = reference_loop(NETWORK, SQUARE, DATA.x, DATA.y, plan, row(params, 0), None, 0.2)
    assert_close(row(result.params, 0), expected)
    np.testing.assert_array_equal(result.curves.steps, [0, 5, 10, 12])


def test_a_mask_on_a_rewound_state_masks_its_moments():
    params, masks = draws(2), masks_like(draws(2))
    dense = train(NETWORK, SQUARE, DATA, replace(PLAN, checkpoints=(4,)), Replicas(params, keys(2)))
    rewound = dense.checkpoints[4]
    pruned = train(NETWORK, SQUARE, DATA, PLAN, Replicas(params, keys(2), masks=masks), start=rewound)
    adam = pruned.state.optimiser[0]
    for tree in (pruned.params, adam.mu, adam.nu):
        assert_masked(tree, masks)
    assert all((a != 0).all() for a in jax.tree.leaves(rewound.params))


def test_a_best_point_of_another_mask_is_forgotten():
    """The dense network may be better than the pruned one ever is; under the same mask nothing is forgotten."""
    params, masks = draws(2), masks_like(draws(2))
    dense = train(NETWORK, SQUARE, DATA, replace(PLAN, steps=12), Replicas(params, keys(2))).state
    perfect = replace(
        dense.best, loss=np.zeros_like(dense.best.loss), criterion=np.zeros_like(dense.best.criterion)
    )
    pruned = Replicas(params, keys(2), masks=masks)
    state = train(NETWORK, SQUARE, DATA, PLAN, pruned, start=replace(dense, best=perfect)).state
    assert_masked(state.best.params, masks)
    assert np.all(state.best.steps > 12)
    again = train(NETWORK, SQUARE, DATA, PLAN, pruned, start=state).state
    assert_same_bits(again, state)


def test_a_missing_leaf_of_a_mask_keeps_it_all():
    params = draws(2)
    masks = {name: {"weight": None, "bias": np.zeros_like(layer["bias"])} for name, layer in params.items()}
    result = train(NETWORK, SQUARE, DATA, PLAN, Replicas(params, keys(2), masks=masks))
    for layer in result.params.values():
        assert not layer["bias"].any()
        assert (layer["weight"] != 0).all()


def test_going_on_from_a_checkpoint_gives_the_same_bits():
    replicas = Replicas(draws(3), keys(3))
    plan = replace(PLAN, checkpoints=(4, 9, 12, 23))
    whole = train(NETWORK, SQUARE, DATA, plan, replicas)
    for step in (4, 9, 12):
        rest = train(NETWORK, SQUARE, DATA, plan, replicas, start=whole.checkpoints[step])
        assert_same_bits(rest.state, whole.state)
        assert_same_bits(rest.checkpoints[23], whole.checkpoints[23])
        late = whole.curves.steps > step
        np.testing.assert_array_equal(rest.curves.validation_loss, whole.curves.validation_loss[late])
        np.testing.assert_array_equal(rest.curves.batch_loss, whole.curves.batch_loss[late])
    done = train(NETWORK, SQUARE, DATA, plan, replicas, start=whole.state)
    assert_same_bits(done.state, whole.state)
    assert done.curves.steps.size == 0


def test_a_centred_replica_goes_on_from_a_checkpoint_with_its_centre():
    params, plan = draws(2), replace(PLAN, checkpoints=(9,))
    whole = train(NETWORK, SQUARE, DATA, plan, Replicas(params, keys(2), centred=True))
    start = whole.checkpoints[9]
    rest = train(NETWORK, SQUARE, DATA, plan, Replicas(params, keys(2), centred=True), start=start)
    assert_same_bits(rest.state, whole.state)
    moved = Replicas(start.params, keys(2), centred=True, centre=params)
    assert_same_bits(train(NETWORK, SQUARE, DATA, plan, moved, start=start).state, whole.state)
    zero = train(
        NETWORK, SQUARE, DATA, replace(plan, steps=0, checkpoints=()), Replicas(params, keys(2), centred=True)
    )
    norm = 0.5 * (np.asarray(DATA.validation_y) ** 2).sum(1).mean()
    np.testing.assert_allclose(zero.curves.validation_loss[0], [norm, norm], rtol=1e-5)


def test_the_same_run_gives_the_same_bits_and_another_order_others():
    first, second = (train(NETWORK, SQUARE, DATA, PLAN, Replicas(draws(2), keys(2))) for _ in range(2))
    assert_same_bits(first.state, second.state)
    assert_same_bits(first.curves.__dict__, second.curves.__dict__)
    other = train(NETWORK, SQUARE, DATA, PLAN, Replicas(draws(2), keys(2, seed=8)))
    assert all(
        (a != b).any() for a, b in zip(*map(jax.tree.leaves, (first.params, other.params)), strict=True)
    )


@pytest.mark.parametrize("lanes", [1, 4])
def test_chunks_and_workers_change_no_bit(lanes):
    replicas = Replicas(draws(11), keys(11), np.linspace(0.01, 0.1, 11))
    run = partial(train, NETWORK, SQUARE, DATA, PLAN, replicas)
    at_once = run(resources=Resources(lanes=lanes, workers=11))
    one_by_one = run(resources=Resources(lanes=lanes, workers=1))
    assert_same_bits(at_once.state, one_by_one.state)
    with pytest.raises(UserError, match="one group of") as refused:
        run(resources=Resources(lanes=lanes, memory_bytes=1))
    needed = int(float(refused.value.expected.split(" MB")[0]) * 1.1e6 + 5e4)
    in_chunks = run(resources=Resources(lanes=lanes, memory_bytes=needed, workers=11))
    assert_same_bits(at_once.state, in_chunks.state)


def test_one_group_may_take_all_that_is_available(monkeypatch):
    """Parallel groups use half of the available memory; a single group may use all of it."""
    run = partial(train, NETWORK, SQUARE, DATA, PLAN, Replicas(draws(3), keys(3)))
    whole = run(resources=Resources(lanes=1))
    needed = []

    def watched(*given, estimate=groups._bytes_per_replica):
        needed.append(estimate(*given)[1])
        return estimate(*given)

    monkeypatch.setattr(groups, "_bytes_per_replica", watched)
    monkeypatch.setattr(groups, "available_bytes", lambda device: needed[-1] * 6 // 10)
    assert_same_bits(run(resources=Resources(lanes=1)).state, whole.state)
    monkeypatch.setattr(groups, "available_bytes", lambda device: needed[-1] * 4 // 10)
    with pytest.raises(UserError, match=r"one group of 1 replica\."):
        run(resources=Resources(lanes=1))


def test_a_replica_alone_has_the_bits_it_has_among_others():
    params, order_keys = draws(70), keys(70)
    together = train(NETWORK, SQUARE, DATA, PLAN, Replicas(params, order_keys))
    for r in (0, 30, 69):
        only = slice(r, r + 1)
        alone = train(NETWORK, SQUARE, DATA, PLAN, Replicas(row(params, only), order_keys[only]))
        assert_same_bits(row(alone.state, 0), row(together.state, r))


def test_a_replica_that_diverges_is_named_and_harms_no_other():
    params = draws(3)
    mixed = train(NETWORK, SQUARE, DATA, PLAN, Replicas(params, keys(3), np.array([0.05, 1e30, 0.05])))
    calm = train(NETWORK, SQUARE, DATA, PLAN, Replicas(params, keys(3), np.full(3, 0.05)))
    assert mixed.endings == (Ending.ALL_STEPS, Ending.DIVERGED, Ending.ALL_STEPS)
    assert mixed.steps.tolist() == [23, 6, 23]
    for r in (0, 2):
        assert_same_bits(row(mixed.state, r), row(calm.state, r))
    assert np.isnan(mixed.curves.batch_loss[2:, 1]).all()
    assert_same_bits(row(mixed.best.params, 1), row(params, 1))  # the best point was the first


def test_outputs_that_are_not_numbers_are_no_best_point() -> None:
    """Their largest is the first class, which may be the frequent one, and then scores more than a random network."""
    y = np.tile(np.eye(3, dtype=np.float32)[0], (40, 1))
    data = TrainingData(*classes(50), classes(40, seed=1)[0], y)
    plan = replace(PLAN, stop=ValidationScore())
    result = train(NETWORK, SQUARE, data, plan, Replicas(draws(3), keys(3), np.full(3, 1e30)))
    assert set(result.endings) == {Ending.DIVERGED}
    for r in range(3):
        assert_same_bits(row(result.best.params, r), row(draws(3), r))


def test_interpolation_stops_each_replica_by_itself_and_freezes_it():
    data = TrainingData(*classes(12))
    plan = TrainingPlan(2000, 4, Adam(0.02), stop=Interpolation(), evaluate_every=5, checkpoints=(2000,))
    run = partial(train, NETWORK, SOFTMAX_CROSS_ENTROPY, data)
    result = run(plan, Replicas(draws(4), keys(4)))
    assert set(result.endings) == {Ending.INTERPOLATED}
    assert len(set(result.steps.tolist())) > 1
    assert result.curves.steps[-1] == result.steps.max()  # nothing was done after the last had ended
    for r, steps in enumerate(result.steps.tolist()):
        outputs = NETWORK.apply(row(result.params, r), jnp.asarray(data.x))
        assert (np.argmax(outputs, 1) == np.argmax(data.y, 1)).all()
        running = result.curves.steps <= steps
        np.testing.assert_array_equal(np.isfinite(result.curves.train_score[:, r]), running)
        assert (result.curves.train_score[running, r][:-1] < 1).all()
        until_then = run(replace(plan, steps=steps, checkpoints=()), Replicas(draws(4), keys(4)))
        assert_same_bits(row(until_then.params, r), row(result.params, r))
    assert_same_bits(result.checkpoints[2000].params, result.params)


@pytest.mark.parametrize("rule", [ValidationLoss, ValidationScore])
def test_validation_keeps_the_best_point_and_stops_after_patience(rule):
    plan = TrainingPlan(600, 8, Sgd(0.3), stop=rule(patience=4), evaluate_every=3)
    result = train(NETWORK, SOFTMAX_CROSS_ENTROPY, DATA, plan, Replicas(draws(3), keys(3)))
    curve = result.curves.validation_loss if rule is ValidationLoss else -result.curves.validation_score
    x, y = jnp.asarray(DATA.validation_x), jnp.asarray(DATA.validation_y)
    for r in range(3):
        best = int(np.nanargmin(curve[:, r]))
        assert result.best.steps[r] == result.curves.steps[best]
        assert result.steps[r] == result.curves.steps[best + 4]
        assert result.endings[r] is Ending.NO_BETTER
        outputs = NETWORK.apply(row(result.best.params, r), x)
        assert float(SOFTMAX_CROSS_ENTROPY.value(outputs, y).mean()) == pytest.approx(
            result.best.loss[r], rel=1e-5
        )
        assert float((outputs.argmax(1) == y.argmax(1)).mean()) == pytest.approx(result.best.score[r])


def test_data_of_their_own_is_the_same_as_training_apart():
    parts, shuffled = [classes(50, seed=s) for s in range(2)], classes(50)[1][::-1]
    params, order_keys, plan = draws(2), keys(2), replace(PLAN, optimiser=Sgd(0.1))
    own = TrainingData(*map(np.stack, zip(*parts, strict=True)), *classes(40, seed=1))
    labels = TrainingData(parts[0][0], np.stack([parts[0][1], shuffled]), *classes(40, seed=1))
    for data, apart in ((own, parts), (labels, [parts[0], (parts[0][0], shuffled)])):
        together = train(NETWORK, SQUARE, data, plan, Replicas(params, order_keys, centred=True))
        for r in range(2):
            alone = TrainingData(*apart[r], *classes(40, seed=1))
            result = train(NETWORK, SQUARE, alone, plan, Replicas(params, order_keys, centred=True))
            assert_close(row(together.params, r), row(result.params, r))


def test_one_order_key_is_one_order_for_all():
    params, key = draws(3), jax.random.key(4)
    shared = train(NETWORK, SQUARE, DATA, PLAN, Replicas(params, key))
    copies = train(NETWORK, SQUARE, DATA, PLAN, Replicas(params, jnp.stack([key] * 3)))
    assert_close(shared.params, copies.params)


def test_a_users_own_functions_and_regression():
    line = pure_network(
        lambda key: {"w": jax.random.normal(key, (2, 1))},
        lambda p, x: x @ p["w"],
        input_shape=(2,),
        outputs=1,
    )
    x = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)
    data = TrainingData(x, x @ np.array([[2.0], [-1.0]], np.float32))
    plan = TrainingPlan(200, 16, Sgd(0.1), stop=Interpolation(loss=1e-8), score=RSquared())
    result = train(line, SQUARE, data, plan, Replicas(stack([line.init(k) for k in keys(2)]), keys(2)))
    assert result.best is None
    assert result.endings == (Ending.INTERPOLATED,) * 2
    np.testing.assert_allclose(result.params["w"][0], [[2.0], [-1.0]], atol=1e-3)
    assert (np.nanmin(result.curves.train_loss, axis=0) <= 1e-8).all()
    assert np.nanmax(result.curves.train_score, axis=0) == pytest.approx([1, 1], abs=1e-6)


def test_validation_in_blocks_of_rows():
    data = TrainingData(*classes(50), *classes(3001, seed=1))
    params = draws(1)
    result = train(NETWORK, SQUARE, data, TrainingPlan(steps=0, batch=8), Replicas(params, keys(1)))
    f = NETWORK.apply(row(params, 0), jnp.asarray(data.validation_x))
    loss = float(SQUARE.value(f, jnp.asarray(data.validation_y)).mean())
    assert result.curves.validation_loss[0, 0] == pytest.approx(loss)
    assert_same_bits(result.params, params)


def test_in_double_precision():
    with jax.enable_x64(True):
        params = jax.tree.map(lambda a: a.astype(np.float64), draws(2))
        data = TrainingData(*(a.astype(np.float64) for a in classes(50)))
        plan = replace(PLAN, schedule=Constant())  # optax computes the others in single precision
        result = train(NETWORK, SQUARE, data, plan, Replicas(params, keys(2)))
        expected, _ = reference_loop(NETWORK, SQUARE, data.x, data.y, plan, row(params, 0), keys(2)[0], 0.02)
        assert jax.tree.leaves(result.params)[0].dtype == np.float64
        assert_close(row(result.params, 0), expected, rtol=1e-9, atol=1e-12)


def test_progress_goes_to_one_and_what_it_raises_ends_the_run():
    seen = []
    replicas = Replicas(draws(2), keys(2))
    train(NETWORK, SQUARE, DATA, PLAN, replicas, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1

    def stop(fraction):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(NETWORK, SQUARE, DATA, replace(PLAN, steps=10**8), replicas, progress=stop)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"plan": replace(PLAN, batch=51)}, "batches of 51 from 50 training examples"),
        ({"data": TrainingData(DATA.x[:, :3], DATA.y)}, r"training inputs of shape \(50, 3\)"),
        ({"data": TrainingData(DATA.x, DATA.y[:, :2])}, r"targets of shape \(50, 2\)"),
        ({"data": TrainingData(DATA.x, DATA.y[:49])}, r"targets of shape \(49, 3\)"),
        ({"data": TrainingData(np.stack([DATA.x] * 3), DATA.y)}, "a leading axis of 2 replicas"),
        ({"data": TrainingData(DATA.x[:0], DATA.y[:0])}, "no training examples"),
        ({"data": TrainingData(DATA.x, DATA.y, DATA.validation_x)}, "only one of validation_x"),
        (
            {"data": TrainingData(DATA.x, DATA.y), "plan": replace(PLAN, stop=ValidationLoss(3))},
            "without validation",
        ),
        ({"plan": replace(PLAN, stop=Interpolation(), score=RSquared())}, "R² does not reach 1"),
        ({"resources": Resources(memory_bytes=1000)}, "0.0 MB of memory for training"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_done_is_said(change, message):
    arguments = {"data": DATA, "plan": PLAN, "resources": None, **change}
    with pytest.raises(UserError, match=message):
        train(NETWORK, SQUARE, replicas=Replicas(draws(2), keys(2)), **arguments)


def test_a_convolutional_network_on_cifar_fits_in_four_gigabytes():
    """Conv-2 with a batch of 60 on images of 32 × 32 pixels is not refused, because evaluations run in blocks."""
    network = ConvNet(2).build((32, 32, 3), 10)
    x, y = np.zeros((3000, 32, 32, 3), np.float32), np.zeros((3000, 10), np.float32)
    plan = TrainingPlan(steps=0, batch=60, optimiser=Adam(1e-3), evaluate_every=1)
    params = jax.eval_shape(jax.vmap(network.init), keys(1))
    replicas = Replicas(jax.tree.map(lambda a: np.zeros(a.shape, a.dtype), params), keys(1))
    program, lanes = program_and_lanes(network, SQUARE, TrainingData(x, y, x, y), plan, replicas)
    memory = 4 * 1024**3
    assert layout(program, lanes, replicas.params, 1, Resources(memory_bytes=memory)).width == 1
    assert (
        layout(program, lanes, replicas.params, 1, Resources(memory_bytes=memory, least_lanes=2)).width == 2
    )


def test_the_fewest_lanes_leave_a_small_network_as_it_is():
    replicas = Replicas(draws(3), keys(3))
    program, lanes = program_and_lanes(NETWORK, SQUARE, DATA, PLAN, replicas)
    usual, more = (layout(program, lanes, replicas.params, 3, Resources(least_lanes=n)).width for n in (1, 8))
    assert usual == more > 8


def test_a_state_that_does_not_fit_is_refused():
    result = train(NETWORK, SQUARE, DATA, replace(PLAN, checkpoints=(6,)), Replicas(draws(2), keys(2)))
    run = partial(train, NETWORK, SQUARE, DATA)
    with pytest.raises(UserError, match="a state of 2 replicas for 3"):
        run(PLAN, Replicas(draws(3), keys(3)), start=result.state)
    with pytest.raises(UserError, match="a state at step 23 for a plan of 12"):
        run(replace(PLAN, steps=12), Replicas(draws(2), keys(2)), start=result.state)
    mixed = replace(result.state, steps=np.array([23, 6], np.int32))
    with pytest.raises(UserError, match=r"replicas at steps \[6, 23\]"):
        run(PLAN, Replicas(draws(2), keys(2)), start=mixed)


@pytest.mark.parametrize("schedule", [Cosine(15), Warmup(5, Cosine(10)), Piecewise((3, 9))])
def test_a_schedule_enters_as_a_table_of_its_own_precision(schedule):
    """Equal to the schedule at each step, in single and in double precision, whichever is asked first."""
    for wide in (True, False, True):
        with jax.enable_x64(wide):
            tables = [factors(schedule, start) for start in (0, 5)]
            each = jax.jit(lambda t: jnp.asarray(schedule.factor()(t)))
            expected = np.array([each(jnp.int32(t)) for t in range(20)])
        for start, table in zip((0, 5), tables, strict=True):
            assert (table.dtype, table.shape) == (expected.dtype, (SEGMENT,))
            precision = 1e-6 if table.dtype == np.float32 else 1e-14
            np.testing.assert_allclose(table[: 20 - start], expected[start:], rtol=precision, atol=1e-7)


def test_runs_of_different_lengths_share_their_program():
    network = MLP((4,)).build((3,), 2)
    x, y = np.zeros((8, 3), np.float32), np.eye(2, dtype=np.float32)[[0, 1] * 4]
    replicas = Replicas(stack([network.init(jax.random.key(0))]), jax.random.key(1))

    def made(steps):
        plan = TrainingPlan(steps=steps, batch=4, schedule=Warmup(2, Cosine(steps - 2)))
        train(network, SQUARE, TrainingData(x, y), plan, replicas)
        return advance._cache_size()

    assert made(20) == made(200)
