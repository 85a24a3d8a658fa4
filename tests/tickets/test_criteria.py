"""Criteria and actions: by hand, weight by weight; exact counts; signs; and what is frozen never moves."""

import inspect
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.networks import MLP
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tickets import (
    Constant,
    Frozen,
    FrozenIfGrown,
    FrozenIfShrunk,
    LargeBoth,
    LargeFinal,
    LargeInitial,
    LayerWise,
    MagnitudeIncrease,
    Movement,
    Random,
    Reinitialise,
    Reshuffle,
    Rewind,
    Seen,
    SmallFinal,
    Zero,
    acted,
    chosen,
    full_mask,
    kept,
    over_parameters,
    require_pruned,
    stages,
    weights_of,
)
from ticketlab.training import Adam, AdamW, Replicas, Sgd, Sum, TrainingData, TrainingPlan, stack, train

NETWORK = MLP(widths=(6, 5)).build((4,), 3)
SHAPES = {"dense1": (4, 6), "dense2": (6, 5), "output": (5, 3)}
COUNTS = {"dense1": 10, "dense2": 9, "output": 7}
CRITERIA = [LargeFinal, SmallFinal, LargeInitial, MagnitudeIncrease, Movement, LargeBoth, Random]
BY_HAND = {
    LargeFinal: lambda i, f: abs(f),
    SmallFinal: lambda i, f: -abs(f),
    LargeInitial: lambda i, f: abs(i),
    MagnitudeIncrease: lambda i, f: abs(f) - abs(i),
    Movement: lambda i, f: abs(f - i),
}
KEY = jax.random.key(5)


def with_weights(weights, params):
    return {n: {**leaves, "weight": weights[n]} for n, leaves in params.items()}


@pytest.fixture(scope="module")
def seen():
    initial, other = (NETWORK.init(jax.random.key(k)) for k in (0, 1))
    final = jax.tree.map(lambda a, b: 0.7 * a + 0.8 * b, initial, other)
    return Seen(NETWORK, initial, final, key=jax.random.key(2))


few = st.sampled_from([-2.0, -1.0, -0.0, 0.0, 1.0, 2.0])
weights = st.fixed_dictionaries({n: hnp.arrays(np.float32, s, elements=few) for n, s in SHAPES.items()})


@pytest.mark.parametrize("kind", list(BY_HAND))
@pytest.mark.parametrize("same_sign", [False, True])
@given(initial=weights, final=weights)
def test_chosen_one_by_one(kind, same_sign, initial, final):
    """Among few values, so that there are ties, zeros, and fewer equal signs than weights to keep."""
    params = NETWORK.init(jax.random.key(0))
    seen = Seen(NETWORK, with_weights(initial, params), with_weights(final, params))
    mask = chosen(kind(same_sign=same_sign), seen, COUNTS)
    for name, count in COUNTS.items():
        pairs = list(zip(initial[name].ravel().tolist(), final[name].ravel().tolist(), strict=True))

        def order(n, pairs=pairs):
            i, f = pairs[n]
            if same_sign and not i * f > 0:
                return (1, 0.0, n)
            return (0, -BY_HAND[kind](i, f), n)

        first = sorted(range(len(pairs)), key=order)[:count]
        np.testing.assert_array_equal(np.flatnonzero(mask[name]), sorted(first))


def test_small_at_neither_end(seen):
    """min of the two ranks: a rank found by counting how many are smaller."""
    found = LargeBoth().scores(seen, full_mask(NETWORK))
    initial, final = weights_of(NETWORK, seen.initial), weights_of(NETWORK, seen.final)
    for name in SHAPES:
        ranks = [
            np.array([np.sum(np.abs(w) <= abs(v)) for v in w.ravel()]) for w in (initial[name], final[name])
        ]
        np.testing.assert_allclose(found[name].ravel() * found[name].size, np.minimum(*ranks))


@pytest.mark.parametrize("kind", CRITERIA)
@pytest.mark.parametrize("same_sign", [False, True])
def test_counts_are_exact_layer_wise_and_global(seen, kind, same_sign):
    criterion = kind(same_sign=same_sign)
    layer_wise = chosen(criterion, seen, COUNTS)
    assert {n: int(m.sum()) for n, m in layer_wise.items()} == COUNTS
    assert kept(chosen(criterion, seen, 17)) == 17
    again = chosen(criterion, seen, {n: c - 3 for n, c in COUNTS.items()}, layer_wise)
    assert all((again[n] <= layer_wise[n]).all() for n in SHAPES)


def test_large_final_is_magnitude_pruning(seen):
    rule, full = LayerWise(fraction=0.4, output=0.2), full_mask(NETWORK)
    mask = rule.prune(weights_of(NETWORK, seen.final), full)
    mine = chosen(LargeFinal(), seen, rule.survivors(full))
    assert all((mask[n] == mine[n]).all() for n in SHAPES)
    small = chosen(SmallFinal(), seen, {n: m.size - COUNTS[n] for n, m in mask.items()})
    large = chosen(LargeFinal(), seen, COUNTS)
    assert all((small[n] != large[n]).all() for n in SHAPES)


def test_a_random_choice_follows_its_key(seen):
    one, same = (chosen(Random(), seen, COUNTS) for _ in range(2))
    other = chosen(Random(), replace(seen, key=jax.random.key(3)), COUNTS)
    assert all((one[n] == same[n]).all() for n in SHAPES)
    assert any((one[n] != other[n]).any() for n in SHAPES)
    counts = {"dense1": 5, "dense2": 5, "output": 3}
    mask = chosen(Random(same_sign=True), seen, counts)
    initial, final = weights_of(NETWORK, seen.initial), weights_of(NETWORK, seen.final)
    assert all(((initial[n] * final[n])[mask[n]] > 0).all() for n in SHAPES)


def test_what_is_missing_is_said(seen):
    blind = Seen(NETWORK, seen.initial)
    assert kept(chosen(LargeInitial(), blind, 4)) == 4
    for criterion in (LargeFinal(), LargeInitial(same_sign=True)):
        with pytest.raises(UserError, match="no final for"):
            chosen(criterion, blind, COUNTS)
    with pytest.raises(UserError, match="no key for"):
        chosen(Random(), blind, COUNTS)
    with pytest.raises(UserError, match="no final for"):
        acted(blind, full_mask(NETWORK), Rewind(), FrozenIfGrown(), KEY)


@pytest.mark.parametrize("criterion", [LargeFinal(same_sign=True), LargeBoth()])
def test_diverged_weights_are_found(seen, criterion):
    broken = jax.tree.map(lambda a: a * jnp.nan, seen.final)
    with pytest.raises(NumericalFailure, match="diverged"):
        chosen(criterion, replace(seen, final=broken), COUNTS)


def test_stages_end_at_the_counts_and_fall_by_equal_factors():
    mask = {n: np.ones(s, bool) for n, s in {"a": (100, 100), "b": (30, 10)}.items()}
    last = {"a": 100, "b": 30}
    steps = stages(last, mask, 10)
    assert steps[-1] == last
    assert [s["a"] for s in steps] == [int(10000 * 0.01 ** (r / 10) + 0.5) for r in range(1, 11)]
    assert stages(103, mask, 1) == [103]
    assert stages(0, mask, 3) == [0, 0, 0]
    assert (
        stages(last, {"a": np.zeros((2, 2), bool), "b": mask["b"]}, 2)[-1] == last
    )  # refused when it is ranked


# --- actions ---

ONES = [k(keep_sign=s) for k in (Rewind, Reinitialise, Reshuffle, Constant) for s in (True, False)]


@pytest.mark.parametrize("one", ONES, ids=str)
def test_mask_one_actions(seen, one):
    mask = chosen(LargeFinal(), seen, COUNTS)
    found = acted(seen, mask, one, Zero(), KEY)
    again = acted(seen, mask, one, Zero(), KEY)
    initial = weights_of(NETWORK, seen.initial)
    for name, w in initial.items():
        new, keep = found.start[name]["weight"], mask[name]
        np.testing.assert_array_equal(new, again.start[name]["weight"])
        assert not new[~keep].any()
        assert not found.frozen[name]["weight"].any()
        np.testing.assert_array_equal(found.start[name]["bias"], seen.initial[name]["bias"])
        if one.keep_sign:
            np.testing.assert_array_equal(np.sign(new[keep]), np.sign(w[keep]))
        if isinstance(one, Rewind):
            np.testing.assert_array_equal(np.abs(new[keep]), np.abs(w[keep]))
        if isinstance(one, Reshuffle):
            np.testing.assert_array_equal(np.sort(np.abs(new[keep])), np.sort(np.abs(w[keep])))
            if not one.keep_sign:
                np.testing.assert_array_equal(np.sort(new[keep]), np.sort(w[keep]))
        if isinstance(one, Constant):
            np.testing.assert_allclose(np.abs(new[keep]), np.sqrt(np.mean(w**2)), rtol=1e-6)
    joined = [np.concatenate([t[n][mask[n]].ravel() for n in SHAPES]) for t in (
        initial, {n: found.start[n]["weight"] for n in SHAPES}
    )]  # fmt: skip
    assert one.keep_sign or (np.sign(joined[0]) != np.sign(joined[1])).any()
    assert one == Rewind() or (joined[0] != joined[1]).any()
    assert one != Rewind() or (joined[0] == joined[1]).all()


def test_mask_zero_actions(seen):
    mask = chosen(LargeFinal(), seen, COUNTS)
    initial, final = weights_of(NETWORK, seen.initial), weights_of(NETWORK, seen.final)
    whole = acted(seen, mask, Rewind(), Frozen(), KEY)
    jax.tree.map(np.testing.assert_array_equal, whole.params, jax.tree.map(np.asarray, seen.initial))
    parts = [acted(seen, mask, Rewind(), z, KEY).frozen for z in (FrozenIfGrown(), FrozenIfShrunk())]
    for name, w in initial.items():
        grown = np.abs(final[name]) > np.abs(w)
        np.testing.assert_array_equal(parts[0][name]["weight"], np.where(~mask[name] & grown, w, 0))
        np.testing.assert_array_equal(parts[1][name]["weight"], np.where(~mask[name] & ~grown, w, 0))
        assert (parts[0][name]["weight"] != 0).any()
        assert (parts[1][name]["weight"] != 0).any()


def test_a_network_of_zeros_stays_one(seen):
    nothing = jax.tree.map(jnp.zeros_like, seen.initial)
    zeros = replace(seen, initial=nothing, final=nothing)
    for one in (Rewind(), Rewind(keep_sign=False), Reshuffle(), Constant(), Constant(keep_sign=False)):
        mask = chosen(LargeFinal(same_sign=True), zeros, COUNTS)
        params = acted(zeros, mask, one, FrozenIfGrown(), KEY).params
        assert not any(np.any(leaf) for leaf in jax.tree.leaves(params))
    for name, count in COUNTS.items():  # no sign agrees, so the index decides
        assert np.flatnonzero(mask[name]).tolist() == list(range(count))


# --- what is frozen never moves ---


def data():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 4)).astype(np.float32), np.eye(3, dtype=np.float32)[rng.integers(0, 3, 40)]
    return x, y


def arms(seen):
    masks = [chosen(c, seen, COUNTS) for c in (LargeFinal(), Random())]
    return masks, [acted(seen, m, Rewind(), Frozen(), KEY) for m in masks]


@pytest.mark.parametrize(
    "optimiser", [Sgd(0.1), Sgd(0.05, momentum=0.9, decay=0.1), Adam(0.01), AdamW(0.02, decay=0.1)], ids=str
)
def test_frozen_weights_never_move_and_take_part(seen, optimiser):
    masks, acts = arms(seen)
    x, y = data()
    trees = stack([over_parameters(m, seen.initial) for m in masks])
    start, frozen = (stack([getattr(a, part) for a in acts]) for part in ("start", "frozen"))
    keys = jax.random.split(jax.random.key(1), 2)
    plan = TrainingPlan(steps=30, batch=None, optimiser=optimiser)
    given = TrainingData(x, y, x, y)
    state = train(
        NETWORK,
        SOFTMAX_CROSS_ENTROPY,
        given,
        plan,
        Replicas(start, keys, masks=trees, effective=Sum(), frozen=frozen),
    ).state
    assert require_pruned(optimiser, state, trees).parameters == 0
    plain = train(NETWORK, SOFTMAX_CROSS_ENTROPY, given, plan, Replicas(start, keys, masks=trees)).state
    for r, mask in enumerate(masks):
        mine = jax.tree.map(lambda a, r=r: np.asarray(a[r]), state.params)
        slow = slowly(optimiser, acts[r].params, over_parameters(mask, seen.initial), x, y, 30)
        for name in SHAPES:
            total = mine[name]["weight"] + acts[r].frozen[name]["weight"]
            drawn = np.asarray(seen.initial[name]["weight"])
            np.testing.assert_array_equal(total[~mask[name]], drawn[~mask[name]])
            assert (total[mask[name]] != drawn[mask[name]]).all()
            np.testing.assert_allclose(total, slow[name]["weight"], rtol=2e-3, atol=2e-4)
            assert not np.allclose(
                mine[name]["weight"], np.asarray(plain.params[name]["weight"][r]), atol=1e-3
            )


def slowly(optimiser, params, mask, x, y, steps):
    """One complete network with masked steps: frozen weights are ordinary parameters, and decay does not affect them."""
    import optax

    rule = optimiser.direction()
    free = jax.tree.map(lambda p, m: jnp.where(m, p, 0.0), params, mask)
    held = jax.tree.map(lambda p, m: jnp.where(m, 0.0, p), params, mask)
    state = rule.init(free)
    gradient = jax.grad(
        lambda p: SOFTMAX_CROSS_ENTROPY.value(NETWORK.apply(p, jnp.asarray(x)), jnp.asarray(y)).mean()
    )

    @jax.jit
    def one_step(free, state):
        g = gradient(jax.tree.map(jnp.add, free, held))
        d, state = rule.update(jax.tree.map(lambda a, m: jnp.where(m, a, 0.0), g, mask), state, free)
        return optax.apply_updates(free, jax.tree.map(lambda a: -optimiser.step_size * a, d)), state

    for _ in range(steps):
        free, state = one_step(free, state)
    return jax.tree.map(jnp.add, free, held)


def test_a_program_that_lets_frozen_weights_into_the_state_is_found(seen, monkeypatch):
    """The proof for removed weights also covers frozen ones: if they were trained, the state would contain them."""
    from ticketlab.training import program

    masks, acts = arms(seen)
    x, y = data()
    network = replace(NETWORK, name="with the fault")  # of no other test, since its programs have the fault
    trees = stack([over_parameters(m, seen.initial) for m in masks])
    monkeypatch.setattr(program, "_masked", lambda tree, masks: tree)
    replicas = Replicas(
        stack([a.start for a in acts]),
        KEY,
        masks=trees,
        effective=Sum(),
        frozen=stack([a.frozen for a in acts]),
    )
    plan = TrainingPlan(steps=5, batch=8)
    state = train(network, SOFTMAX_CROSS_ENTROPY, TrainingData(x, y), plan, replicas).state
    with pytest.raises(NumericalFailure, match="pruned weights took part"):
        require_pruned(Sgd(), state, trees)


def test_what_is_kept_cannot_be_frozen(seen):
    _, acts = arms(seen)
    start, frozen = (stack([getattr(a, part) for a in acts]) for part in ("start", "frozen"))
    with pytest.raises(UserError, match="frozen values where the mask keeps"):
        Replicas(start, KEY, effective=Sum(), frozen=frozen)
    full = stack([over_parameters(full_mask(NETWORK), seen.initial)] * 2)
    with pytest.raises(UserError, match="frozen values where the mask keeps"):
        Replicas(start, KEY, masks=full, effective=Sum(), frozen=frozen)
    with pytest.raises(UserError, match="frozen"):
        Replicas(start, KEY, masks=full, effective=Sum(), frozen={**frozen, "output": None})


def test_counts_are_for_the_whole_network_or_for_every_layer(seen):
    whole = chosen(LargeFinal(), seen, 10)
    assert inspect.unwrap(stages)(np.int64(10), whole, 1) == [10]
    first = next(iter(whole))
    for counts in ({first: 1}, 0.5):
        with pytest.raises(UserError, match="one for each of"):
            inspect.unwrap(stages)(counts, whole, 1)
