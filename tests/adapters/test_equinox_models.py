"""Equinox models as networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from model_checks import OUTPUTS, SHAPE, inputs, library, same_as, tilted, vmapped

from ticketlab import UserError, adapters

eqx = library("equinox", "equinox")
nn = eqx.nn


def mlp(key):
    layers = [
        jnp.ravel,
        nn.Linear(64, 12, key=key),
        jnp.tanh,
        nn.Linear(12, OUTPUTS, key=jax.random.fold_in(key, 1)),
    ]
    return nn.Sequential([nn.Lambda(f) if not isinstance(f, eqx.Module) else f for f in layers])


class CNN(eqx.Module):
    conv: nn.Conv2d
    norm: nn.BatchNorm
    dropout: nn.Dropout
    output: nn.Linear

    def __init__(self, key):
        one, two = jax.random.split(key)
        self.conv = nn.Conv2d(1, 4, 3, padding=1, key=one)
        self.norm = nn.BatchNorm(4, "batch", mode="batch")
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(4, OUTPUTS, key=two)

    def __call__(self, x, state):
        z, state = self.norm(self.conv(x), state)
        return self.output(self.dropout(jax.nn.relu(z)).mean((1, 2))), state


class ResNet(eqx.Module):
    stem: nn.Conv2d
    convs: list
    norms: list
    output: nn.Linear

    def __init__(self, key):
        keys = jax.random.split(key, 4)
        self.stem = nn.Conv2d(1, 4, 3, stride=2, padding=1, key=keys[0])
        self.convs = [nn.Conv2d(4, 4, 3, padding=1, use_bias=False, key=k) for k in keys[1:3]]
        self.norms = [nn.GroupNorm(2, 4) for _ in range(2)]
        self.output = nn.Linear(4, OUTPUTS, key=keys[3])

    def __call__(self, x):
        x = self.stem(x)
        z = self.norms[1](self.convs[1](jax.nn.relu(self.norms[0](self.convs[0](x)))))
        return self.output(jax.nn.relu(x + z).mean((1, 2)))


class Transformer(eqx.Module):
    patches: nn.Conv2d
    positions: jax.Array
    norm: nn.LayerNorm
    attention: nn.MultiheadAttention
    up: nn.Linear
    down: nn.Linear
    output: nn.Linear

    def __init__(self, key):
        keys = jax.random.split(key, 6)
        self.patches = nn.Conv2d(1, 8, 2, 2, key=keys[0])
        self.positions = 0.1 * jax.random.normal(keys[1], (16, 8))
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(2, 8, dropout_p=0.1, key=keys[2])
        self.up, self.down = nn.Linear(8, 16, key=keys[3]), nn.Linear(16, 8, key=keys[4])
        self.output = nn.Linear(8, OUTPUTS, key=keys[5])

    def __call__(self, x):
        z = self.patches(x).reshape(8, 16).T + self.positions
        a = jax.vmap(self.norm)(z)
        z = z + self.attention(a, a, a)
        z = z + jax.vmap(lambda t: self.down(jax.nn.gelu(self.up(t))))(z)
        return self.output(z.mean(0))


def with_statistics(key):
    model, state = nn.make_with_state(CNN)(key)
    return model, jax.tree.map(lambda a: a + 0.3 if a.dtype == jnp.float32 else a, state)


CASES = {"mlp": mlp, "cnn": with_statistics, "resnet": ResNet, "transformer": Transformer}


@pytest.mark.parametrize(
    "name",
    ["mlp", "cnn", *(pytest.param(name, marks=pytest.mark.slow) for name in ("resnet", "transformer"))],
)
def test_outputs_and_kernel_are_those_of_equinox(name, tmp_path):
    from safetensors.numpy import save_file

    network = adapters.equinox(lambda key: CASES[name](key), SHAPE, OUTPUTS)
    params = tilted(network.init(jax.random.key(0)))
    save_file(network.own_format.state(params), tmp_path / "model.safetensors")
    other = CASES[name](jax.random.key(9))
    model, state = other if isinstance(other, tuple) else (other, None)
    found = adapters.load_ticket(tmp_path / "model.safetensors", model, state=state)
    model, state = found if isinstance(found, tuple) else (found, None)
    start, static = eqx.partition(eqx.nn.inference_mode(model), eqx.is_inexact_array)
    x = jnp.moveaxis(jnp.asarray(inputs()), -1, 1)

    def outputs(p):
        whole = eqx.combine(p, static)
        if state is None:
            return jax.vmap(whole)(x)
        return jax.vmap(lambda one: whole(one, state)[0], axis_name="batch")(x)

    rows, _ = jax.tree_util.tree_flatten_with_path(jax.jacrev(outputs)(start))
    names = {jax.tree_util.keystr(path, simple=True, separator="."): np.asarray(a) for path, a in rows}
    same_as(network, params, outputs(start), names)
    vmapped(network)


def test_a_model_itself_has_one_start():
    network = adapters.equinox(mlp(jax.random.key(3)), SHAPE, OUTPUTS)
    one, other = (network.init(jax.random.key(i)) for i in (0, 1))
    assert all(np.array_equal(one[n], other[n]) for n in one)


def test_what_is_no_model_is_refused():
    with pytest.raises(UserError, match="an equinox.Module"):
        adapters.equinox(lambda key: key, SHAPE, OUTPUTS)
    with pytest.raises(UserError, match="no parameters"):
        adapters.equinox(nn.Lambda(lambda x: x[0, 0, :3]), SHAPE, OUTPUTS)


class Shuffled(eqx.Module):
    """Reads its inputs in an order that is drawn."""

    order: jax.Array
    output: nn.Linear
    seed: jax.Array

    def __init__(self, key, fixed):
        self.order = jax.random.permutation(jax.random.key(5) if fixed else key, 64)
        self.output = nn.Linear(64, OUTPUTS, key=key)
        self.seed = jax.random.key(5)

    def __call__(self, x):
        return self.output(x.ravel()[self.order])


def test_what_is_drawn_and_no_parameter_is_refused():
    with pytest.raises(UserError, match="drawn at random but is not a parameter"):
        adapters.equinox(lambda key: Shuffled(key, fixed=False), SHAPE, OUTPUTS)
    assert adapters.equinox(lambda key: Shuffled(key, fixed=True), SHAPE, OUTPUTS).weights
