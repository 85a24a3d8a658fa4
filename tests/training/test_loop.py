"""Training against the slow loop, and what must hold bit for bit: resuming, chunks, neighbours, masks."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ticketlab.errors import UserError
from ticketlab.networks import MLP, pure_network
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY, SQUARE
from ticketlab.training import (
    Adam,
    AdamW,
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
    stack,
    train,
)

NETWORK = MLP(widths=(6, 5)).build((4,), 3)


def classes(n=50, seed=0):
    """Three classes cut by a random linear map, with noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    labels = np.argmax(
        x @ np.random.default_rng(9).normal(size=(4, 3)) + 0.1 * rng.normal(size=(n, 3)), axis=1
    )
    return x, np.eye(3, dtype=np.float32)[labels]


DATA = TrainingData(*classes(50), *classes(40, seed=1))


def draws(n, seed=0):
    return jax.vmap(NETWORK.init)(jax.random.split(jax.random.key(seed), n))


def keys(n, seed=7):
    return jax.random.split(jax.random.key(seed), n)


def masks_like(params, seed=3):
    leaves, tree = jax.tree.flatten(params)
    rng = np.random.default_rng(seed)
    return jax.tree.unflatten(tree, [(rng.random(a.shape) < 0.6).astype(np.float32) for a in leaves])


def row(tree, r):
    return jax.tree.map(lambda a: jnp.asarray(a[r]), tree)


def assert_same_bits(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


jitted_order = jax.jit(epoch_order, static_argnums=2)


def own_optimiser(plan, step_size):
    """optax's optimiser under its own name, with the step size times the schedule's factor."""
    factor = plan.schedule.factor()

    def rate(step):
        return step_size * factor(step)

    match plan.optimiser:
        case Sgd(momentum=momentum, nesterov=nesterov, decay=decay):
            chain = optax.sgd(rate, momentum or None, nesterov)
            return optax.chain(optax.add_decayed_weights(decay), chain)
        case Adam(b1=b1, b2=b2, eps=eps):
            return optax.adam(rate, b1, b2, eps)
        case AdamW(b1=b1, b2=b2, eps=eps, decay=decay):
            return optax.adamw(rate, b1, b2, eps, weight_decay=decay)


def reference_loop(network, loss, x, y, plan: TrainingPlan, params, key, step_size, mask=None, centred=False):
    """The parameters after `plan.steps` steps, and every batch's loss."""
    mask = jax.tree.map(jnp.ones_like, params) if mask is None else mask
    params = start = jax.tree.map(jnp.multiply, params, mask)
    optimiser, x, y = own_optimiser(plan, step_size), jnp.asarray(x), jnp.asarray(y)
    state, losses = optimiser.init(params), []

    @jax.jit
    @jax.value_and_grad
    def batch_loss(params, rows):
        f = network.apply(params, x[rows])
        if centred:
            f = f - network.apply(start, x[rows])
        return jnp.mean(loss.value(f, y[rows]))

    for step in range(plan.steps):
        epoch, batch = divmod(step, plan.steps_per_epoch(len(x)))
        rows = np.arange(len(x))
        if plan.batch is not None:
            rows = np.asarray(jitted_order(key, epoch, len(x)))[batch * plan.batch : (batch + 1) * plan.batch]
        value, gradient = batch_loss(params, rows)
        gradient = jax.tree.map(jnp.multiply, gradient, mask)
        update, state = optimiser.update(gradient, state, params)
        params = optax.apply_updates(params, update)
        losses.append(float(value))
    return params, losses


OPTIMISERS = [
    Sgd(0.1),
    Sgd(0.05, momentum=0.9),
    Sgd(0.05, momentum=0.9, nesterov=True, decay=0.01),
    Adam(0.01),
    AdamW(0.01, decay=0.1),
]


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=str)
@pytest.mark.parametrize("masked", [False, True])
def test_every_optimiser_is_the_slow_loop(optimiser, masked):
    params, order_keys, step_sizes = draws(3), keys(3), np.array([0.02, 0.05, 0.1])
    masks = masks_like(params) if masked else None
    centred = np.array([False, True, True])
    plan = TrainingPlan(steps=23, batch=8, optimiser=optimiser, schedule=Warmup(5, Cosine(15)))
    result = train(
        NETWORK, SOFTMAX_CROSS_ENTROPY, DATA, plan, Replicas(params, order_keys, step_sizes, masks, centred)
    )
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
            None if masks is None else row(masks, r),
            centred[r],
        )
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5),
            row(result.params, r),
            expected,
        )
        # Evaluations are at 0, 6, 12, 18 (epochs of 6 batches) and 23.
        np.testing.assert_array_equal(result.curves.steps, [0, 6, 12, 18, 23])
        np.testing.assert_allclose(result.curves.batch_loss[2, r], np.mean(losses[6:12]), rtol=1e-4)
        np.testing.assert_allclose(result.curves.batch_loss[4, r], np.mean(losses[18:]), rtol=1e-4)


@pytest.mark.parametrize("loss", [SQUARE, SOFTMAX_CROSS_ENTROPY], ids=lambda loss: loss.name)
def test_full_batches_are_the_slow_loop(loss):
    params, plan = draws(1), TrainingPlan(steps=10, batch=None, optimiser=Sgd(0.1), evaluate_every=5)
    result = train(NETWORK, loss, DATA, plan, Replicas(params, jax.random.key(0)))
    expected, _ = reference_loop(NETWORK, loss, DATA.x, DATA.y, plan, row(params, 0), None, 0.1)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a[0], b, rtol=1e-4, atol=1e-5), result.params, expected
    )


def test_schedule_in_pieces():
    params, key = draws(1), keys(1)
    plan = TrainingPlan(steps=20, batch=8, optimiser=Sgd(0.1), schedule=Piecewise(at=(6, 12), by=0.5))
    result = train(NETWORK, SQUARE, DATA, plan, Replicas(params, key))
    expected, _ = reference_loop(NETWORK, SQUARE, DATA.x, DATA.y, plan, row(params, 0), key[0], 0.1)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a[0], b, rtol=1e-4, atol=1e-5), result.params, expected
    )


@pytest.mark.parametrize("optimiser", OPTIMISERS[2::2], ids=str)
def test_masked_weights_are_exactly_zero_and_so_are_their_moments(optimiser):
    params = draws(2)
    masks = masks_like(params)
    plan = TrainingPlan(steps=12, batch=8, optimiser=optimiser, checkpoints=(0, 5))
    result = train(NETWORK, SQUARE, DATA, plan, Replicas(params, keys(2), masks=masks))
    for state in (result.state, *result.checkpoints.values()):
        jax.tree.map(lambda p, m: np.testing.assert_array_equal(p[m == 0], 0), state.params, masks)
        jax.tree.map(lambda p, m: np.testing.assert_array_equal(p[m == 0], 0), state.best.params, masks)
        moments = jax.tree.leaves(state.optimiser)
        for shape_like, mask in zip(moments, jax.tree.leaves(masks) * 2, strict=False):
            if shape_like.shape == mask.shape:
                np.testing.assert_array_equal(shape_like[mask == 0], 0)


def test_a_mask_applied_to_a_rewound_state_masks_its_momentum():
    params, plan = draws(2), TrainingPlan(steps=12, batch=8, optimiser=Adam(0.01), checkpoints=(4,))
    dense = train(NETWORK, SQUARE, DATA, plan, Replicas(params, keys(2)))
    masks = masks_like(params)
    pruned = Replicas(params, keys(2), masks=masks)
    result = train(NETWORK, SQUARE, DATA, plan, pruned, start=dense.checkpoints[4])
    moments = result.state.optimiser
    for tree in (result.params, moments.mu, moments.nu):
        jax.tree.map(lambda p, m: np.testing.assert_array_equal(p[m == 0], 0), tree, masks)


def test_a_missing_leaf_of_a_mask_keeps_it_all():
    params = draws(1)
    masks = {name: {"weight": None, "bias": np.zeros_like(layer["bias"])} for name, layer in params.items()}
    result = train(
        NETWORK, SQUARE, DATA, TrainingPlan(steps=6, batch=8), Replicas(params, keys(1), masks=masks)
    )
    for layer in result.params.values():
        assert not layer["bias"].any()
        assert (layer["weight"] != 0).all()


@pytest.mark.parametrize("optimiser", OPTIMISERS[2::2], ids=str)
def test_going_on_from_a_checkpoint_gives_the_same_bits(optimiser):
    replicas = Replicas(draws(3), keys(3), centred=np.array([True, False, True]))
    plan = TrainingPlan(
        steps=24, batch=8, optimiser=optimiser, schedule=Cosine(24), checkpoints=(4, 9, 12, 24)
    )
    whole = train(NETWORK, SQUARE, DATA, plan, replicas)
    for step in (4, 9, 12):
        rest = train(NETWORK, SQUARE, DATA, plan, replicas, start=whole.checkpoints[step])
        assert_same_bits(rest.state, whole.state)
        late = whole.curves.steps > step
        np.testing.assert_array_equal(rest.curves.validation_loss, whole.curves.validation_loss[late])
        np.testing.assert_array_equal(rest.curves.batch_loss, whole.curves.batch_loss[late])
        assert_same_bits(rest.checkpoints[24], whole.checkpoints[24])


def test_the_same_run_gives_the_same_bits_and_another_order_others():
    params, plan = draws(2), TrainingPlan(steps=12, batch=8)
    first, second = (train(NETWORK, SQUARE, DATA, plan, Replicas(params, keys(2))) for _ in range(2))
    assert_same_bits(first.state, second.state)
    other = train(NETWORK, SQUARE, DATA, plan, Replicas(params, keys(2, seed=8)))
    assert all(
        (a != b).any() for a, b in zip(*map(jax.tree.leaves, (first.params, other.params)), strict=True)
    )


@pytest.mark.parametrize("lanes", [None, 1, 4])
def test_one_chunk_or_many_one_worker_or_many_give_the_same_bits(lanes):
    params, plan = draws(11), TrainingPlan(steps=12, batch=8, optimiser=Sgd(0.1, momentum=0.9))
    replicas = Replicas(params, keys(11), np.linspace(0.01, 0.1, 11), centred=np.arange(11) % 2 == 0)
    one = train(NETWORK, SQUARE, DATA, plan, replicas, resources=Resources(lanes=lanes))
    many = train(NETWORK, SQUARE, DATA, plan, replicas, resources=Resources(lanes=lanes, workers=1))
    # memory for one group, but not for two
    small = 1
    while True:
        try:
            few = train(
                NETWORK, SQUARE, DATA, plan, replicas, resources=Resources(lanes=lanes, memory_bytes=small)
            )
            break
        except UserError:
            small *= 2
    assert_same_bits(one.state, many.state)
    assert_same_bits(one.state, few.state)


def test_a_replica_alone_has_the_bits_it_has_among_others():
    params, plan = draws(9), TrainingPlan(steps=12, batch=8)
    together = train(NETWORK, SQUARE, DATA, plan, Replicas(params, keys(9)))
    for r in (0, 5, 8):
        alone = train(
            NETWORK,
            SQUARE,
            DATA,
            plan,
            Replicas(row(params, slice(r, r + 1)), keys(9)[r : r + 1]),
        )
        assert_same_bits(row(alone.state, 0), row(together.state, r))


def test_a_replica_that_diverges_is_named_and_harms_no_other():
    params, plan = draws(3), TrainingPlan(steps=60, batch=8)
    sizes = np.array([0.05, 1e30, 0.05])
    mixed = train(NETWORK, SQUARE, DATA, plan, Replicas(params, keys(3), sizes))
    calm = train(NETWORK, SQUARE, DATA, plan, Replicas(params, keys(3), np.full(3, 0.05)))
    assert mixed.endings == (Ending.ALL_STEPS, Ending.DIVERGED, Ending.ALL_STEPS)
    assert mixed.steps.tolist() == [60, 6, 60]
    for r in (0, 2):
        assert_same_bits(row(mixed.state, r), row(calm.state, r))
    assert np.isnan(mixed.curves.batch_loss[2:, 1]).all()
    assert_same_bits(row(mixed.best.params, 1), row(params, 1))  # the best point was the first


def test_interpolation_stops_each_replica_by_itself_and_freezes_it():
    data = TrainingData(*classes(12))
    plan = TrainingPlan(
        steps=2000, batch=4, optimiser=Adam(0.02), stop=Interpolation(), evaluate_every=5, checkpoints=(2000,)
    )
    result = train(NETWORK, SOFTMAX_CROSS_ENTROPY, data, plan, Replicas(draws(4), keys(4)))
    assert set(result.endings) == {Ending.INTERPOLATED}
    assert len(set(result.steps.tolist())) > 1
    assert result.curves.steps[-1] == result.steps.max()  # nothing was done after the last had ended
    for r, steps in enumerate(result.steps):
        outputs = NETWORK.apply(row(result.params, r), jnp.asarray(data.x))
        assert (np.argmax(outputs, 1) == np.argmax(data.y, 1)).all()
        running = result.curves.steps <= steps
        np.testing.assert_array_equal(np.isfinite(result.curves.train_score[:, r]), running)
        assert (result.curves.train_score[running, r][:-1] < 1).all()
        short = dataclasses.replace(plan, steps=int(steps), checkpoints=())
        again = train(NETWORK, SOFTMAX_CROSS_ENTROPY, data, short, Replicas(draws(4), keys(4)))
        assert_same_bits(row(again.params, r), row(result.params, r))
    assert_same_bits(result.checkpoints[2000].params, result.params)


def test_interpolation_by_loss():
    data, plan = (
        TrainingData(*classes(12)),
        TrainingPlan(
            steps=3000, batch=None, optimiser=Adam(0.02), stop=Interpolation(loss=0.02), evaluate_every=10
        ),
    )
    result = train(NETWORK, SQUARE, data, plan, Replicas(draws(1), keys(1)))
    assert result.endings == (Ending.INTERPOLATED,)
    assert result.curves.train_loss[-1, 0] <= 0.02 < result.curves.train_loss[-2, 0]


@pytest.mark.parametrize("rule", [ValidationLoss, ValidationScore])
def test_validation_keeps_the_best_point_and_stops_after_patience(rule):
    plan = TrainingPlan(steps=600, batch=8, optimiser=Sgd(0.3), stop=rule(patience=4), evaluate_every=3)
    result = train(NETWORK, SOFTMAX_CROSS_ENTROPY, DATA, plan, Replicas(draws(3), keys(3)))
    curve = result.curves.validation_loss if rule is ValidationLoss else -result.curves.validation_score
    for r in range(3):
        best = int(np.nanargmin(curve[:, r]))
        assert result.best.steps[r] == result.curves.steps[best]
        assert result.steps[r] == result.curves.steps[best + 4]
        assert result.endings[r] is Ending.NO_BETTER
        outputs = NETWORK.apply(row(result.best.params, r), jnp.asarray(DATA.validation_x))
        loss = float(SOFTMAX_CROSS_ENTROPY.value(outputs, jnp.asarray(DATA.validation_y)).mean())
        assert loss == pytest.approx(result.best.loss[r], rel=1e-5)
        accuracy = float((np.argmax(outputs, 1) == np.argmax(DATA.validation_y, 1)).mean())
        assert accuracy == pytest.approx(result.best.score[r])


def test_data_of_their_own_is_the_same_as_training_apart():
    parts = [classes(30, seed=s) for s in range(3)]
    own = TrainingData(np.stack([p[0] for p in parts]), np.stack([p[1] for p in parts]), *classes(20, seed=5))
    params, plan = draws(3), TrainingPlan(steps=9, batch=8)
    together = train(NETWORK, SQUARE, own, plan, Replicas(params, keys(3), centred=True))
    for r in range(3):
        data = TrainingData(*parts[r], *classes(20, seed=5))
        apart = train(NETWORK, SQUARE, data, plan, Replicas(params, keys(3), centred=True))
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
            row(together.params, r),
            row(apart.params, r),
        )


def test_labels_of_their_own_on_shared_inputs():
    x, y = classes(30)
    plan, params = TrainingPlan(steps=9, batch=8), draws(2)
    shuffled = y[np.random.default_rng(0).permutation(30)]
    together = train(
        NETWORK, SQUARE, TrainingData(x, np.stack([y, shuffled])), plan, Replicas(params, keys(2))
    )
    apart = train(NETWORK, SQUARE, TrainingData(x, shuffled), plan, Replicas(params, keys(2)))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a[1], b[1], rtol=1e-5, atol=1e-6),
        together.params,
        apart.params,
    )


def test_one_order_key_is_one_order_for_all():
    params, plan, key = draws(3), TrainingPlan(steps=9, batch=8), jax.random.key(4)
    shared = train(NETWORK, SQUARE, DATA, plan, Replicas(params, key))
    copies = train(NETWORK, SQUARE, DATA, plan, Replicas(params, jnp.stack([key] * 3)))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), shared.params, copies.params
    )


def test_a_users_own_functions_and_regression():
    line = pure_network(
        lambda key: {"w": jax.random.normal(key, (2, 1))},
        lambda p, x: x @ p["w"],
        input_shape=(2,),
        outputs=1,
    )
    x = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)
    y = x @ np.array([[2.0], [-1.0]], np.float32)
    plan = TrainingPlan(
        steps=200,
        batch=16,
        optimiser=Sgd(0.1),
        stop=Interpolation(loss=1e-8),
        score=RSquared(),
        checkpoints=(8,),
    )
    result = train(
        line,
        SQUARE,
        TrainingData(x, y),
        plan,
        Replicas(stack([line.init(k) for k in keys(2)]), keys(2)),
    )
    assert result.best is None
    np.testing.assert_allclose(result.params["w"][0], [[2.0], [-1.0]], atol=1e-3)
    assert np.nanmax(result.curves.train_score, axis=0) == pytest.approx([1, 1], abs=1e-6)


def test_validation_in_blocks_of_rows():
    data = TrainingData(*classes(50), *classes(3001, seed=1))
    result = train(NETWORK, SQUARE, data, TrainingPlan(steps=0, batch=8), Replicas(draws(1), keys(1)))
    f = NETWORK.apply(row(draws(1), 0), jnp.asarray(data.validation_x))
    assert result.curves.validation_loss[0, 0] == pytest.approx(
        float(SQUARE.value(f, jnp.asarray(data.validation_y)).mean())
    )
    assert_same_bits(result.params, draws(1))


def test_in_double_precision():
    with jax.enable_x64(True):
        params = jax.tree.map(lambda a: a.astype(np.float64), draws(2))
        plan = TrainingPlan(steps=8, batch=8, optimiser=Adam(0.01))
        data = TrainingData(*(a.astype(np.float64) for a in classes(50)))
        result = train(NETWORK, SQUARE, data, plan, Replicas(params, keys(2)))
        expected, _ = reference_loop(NETWORK, SQUARE, data.x, data.y, plan, row(params, 0), keys(2)[0], 0.01)
        assert jax.tree.leaves(result.params)[0].dtype == np.float64
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a[0], b, rtol=1e-9, atol=1e-12), result.params, expected
        )


def test_progress_goes_to_one_and_what_it_raises_ends_the_run():
    seen = []
    replicas, plan = Replicas(draws(2), keys(2)), TrainingPlan(steps=30, batch=8)
    train(NETWORK, SQUARE, DATA, plan, replicas, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1

    def stop(fraction):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(NETWORK, SQUARE, DATA, dataclasses.replace(plan, steps=10**8), replicas, progress=stop)
