"""Pruned weights take no part with any optimiser, and the check detects it if they do."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketlab.errors import NumericalFailure
from ticketlab.networks import MLP
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tickets import over_parameters, random_mask, require_pruned, residue
from ticketlab.training import Adam, AdamW, Replicas, Sgd, TrainingData, TrainingPlan, program, stack, train

OPTIMISERS = [
    Sgd(0.1),
    Sgd(0.1, decay=0.1),
    Sgd(0.05, momentum=0.9),
    Sgd(0.05, momentum=0.9, nesterov=True, decay=0.01),
    Adam(0.01),
    AdamW(0.02, decay=0.1),
]
COUNTS = {"dense1": 12, "dense2": 10, "output": 9}
SHAPES = {"dense1": (4, 6), "dense2": (6, 5), "output": (5, 3)}


ONE = MLP(widths=(6, 5)).build((4,), 3)
init = jax.jit(ONE.init)


def trained(optimiser, steps=25, network=ONE):
    """Two networks with different masks. A network of another name has programs of its own, for training with a fault."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 4)).astype(np.float32), np.eye(3, dtype=np.float32)[rng.integers(0, 3, 40)]
    keys = jax.random.split(jax.random.key(1), 2)
    params = [init(key) for key in keys]
    masks = stack([over_parameters(random_mask(SHAPES, COUNTS, key), params[0]) for key in keys])
    plan = TrainingPlan(steps=steps, batch=8, optimiser=optimiser)
    replicas = Replicas(stack(params), keys, masks=masks)
    return train(network, SOFTMAX_CROSS_ENTROPY, TrainingData(x, y, x, y), plan, replicas).state, masks


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=str)
def test_pruned_weights_stay_zero_with_every_optimiser(optimiser):
    state, masks = trained(optimiser)
    found = require_pruned(optimiser, state, masks)
    assert found.pruned == 2 * (sum(int(np.prod(s)) for s in SHAPES.values()) - sum(COUNTS.values()))
    assert (found.parameters, found.best, found.moments) == (0, 0, 0)
    for name, mask in masks.items():
        assert (np.asarray(state.params[name]["weight"])[np.asarray(mask["weight"])] != 0).all()


bits = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=str)
@given(draw=bits, share=st.lists(st.floats(0, 1), min_size=2, max_size=2), steps=st.sampled_from([1, 2, 13]))
def test_pruned_weights_stay_zero_under_any_mask(optimiser, draw, share, steps):
    """Also where a layer keeps nothing, or everything."""
    keys = jax.random.split(jax.random.key(draw), 2)
    params = [init(key) for key in keys]
    counts = [{name: round(s * np.prod(shape)) for name, shape in SHAPES.items()} for s in share]
    masks = stack(
        [
            over_parameters(random_mask(SHAPES, c, key), p)
            for c, key, p in zip(counts, keys, params, strict=True)
        ]
    )
    rng = np.random.default_rng(draw)
    x, y = rng.normal(size=(40, 4)).astype(np.float32), np.eye(3, dtype=np.float32)[rng.integers(0, 3, 40)]
    plan = TrainingPlan(steps=steps, batch=8, optimiser=optimiser)
    data = TrainingData(x, y, x, y)
    state = train(ONE, SOFTMAX_CROSS_ENTROPY, data, plan, Replicas(stack(params), keys, masks=masks)).state
    assert require_pruned(optimiser, state, masks).pruned == sum(
        np.prod(shape) - c[name] for c in counts for name, shape in SHAPES.items()
    )


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=str)
def test_without_the_gradients_mask_the_check_fails(optimiser, monkeypatch):
    """Training as if only the start were masked: inside a step of one lane, a weight has no axis of lanes."""
    masked = program._masked

    def masked_at_the_start(tree, masks):
        return tree if tree["output"]["weight"].ndim == 2 else masked(tree, masks)

    monkeypatch.setattr(program, "_masked", masked_at_the_start)
    state, masks = trained(optimiser, network=replace(ONE, name="masked at the start"))
    assert residue(optimiser, state, masks).parameters > 0
    with pytest.raises(NumericalFailure, match="pruned weights took part"):
        require_pruned(optimiser, state, masks)


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=str)
def test_without_any_mask_the_check_fails(optimiser, monkeypatch):
    monkeypatch.setattr(program, "_masked", lambda tree, masks: tree)
    state, masks = trained(optimiser, network=replace(ONE, name="never masked"))
    found = residue(optimiser, state, masks)
    assert found.parameters > 0
    assert found.best > 0
    with pytest.raises(NumericalFailure, match="pruned weights took part"):
        require_pruned(optimiser, state, masks)


def test_one_weight_that_is_not_zero_is_found():
    state, masks = trained(Adam(0.01))
    place = tuple(np.argwhere(~np.asarray(masks["dense1"]["weight"]))[0])
    state.params["dense1"]["weight"] = jnp.asarray(state.params["dense1"]["weight"]).at[place].set(1e-30)
    assert residue(Adam(0.01), state, masks).parameters == 1
