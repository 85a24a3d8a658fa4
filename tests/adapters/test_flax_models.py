"""Flax models as networks: linen and nnx."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from model_checks import OUTPUTS, SHAPE, inputs, library, near, same_as, tilted, vmapped

from ticketlab import UserError, adapters

library("flax", "flax")
from flax import linen, nnx  # noqa: E402


class MLP(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(OUTPUTS)(jnp.tanh(linen.Dense(12)(x.reshape(len(x), -1))))


class CNN(linen.Module):
    @linen.compact
    def __call__(self, x, train):
        x = linen.Conv(4, (3, 3))(x)
        x = linen.relu(linen.BatchNorm(use_running_average=not train)(x))
        x = linen.Dropout(0.5, deterministic=not train)(linen.avg_pool(x, (2, 2), (2, 2)))
        return linen.Dense(OUTPUTS)(x.reshape(len(x), -1))


class Block(linen.Module):
    units: int

    @linen.compact
    def __call__(self, x, train):
        z = linen.relu(linen.BatchNorm(not train)(linen.Conv(self.units, (3, 3), use_bias=False)(x)))
        return x + linen.BatchNorm(not train)(linen.Conv(self.units, (3, 3), use_bias=False)(z))


class ResNet(linen.Module):
    @linen.compact
    def __call__(self, x, train):
        x = linen.Conv(4, (3, 3), strides=2)(x)
        x = linen.relu(Block(4)(x, train))
        return linen.Dense(OUTPUTS)(x.mean((1, 2)))


class Transformer(linen.Module):
    """16 tokens of 8 features."""

    @linen.compact
    def __call__(self, x, deterministic):
        z = linen.Conv(8, (2, 2), strides=(2, 2))(x).reshape(len(x), 16, 8)
        z = z + self.param("positions", linen.initializers.normal(0.1), (1, 16, 8))
        a = linen.LayerNorm()(z)
        z = z + linen.MultiHeadDotProductAttention(2, dropout_rate=0.1, deterministic=deterministic)(a)
        z = z + linen.Dense(8)(linen.gelu(linen.Dense(16)(linen.LayerNorm()(z))))
        return linen.Dense(OUTPUTS)(z.mean(1))


CASES = {"mlp": (MLP, {}), "cnn": (CNN, {"train": False}), "resnet": (ResNet, {"train": False}),
         "transformer": (Transformer, {"deterministic": True})}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["mlp", "cnn", *(pytest.param(name, marks=pytest.mark.slow) for name in ("resnet", "transformer"))],
)
def test_outputs_and_kernel_are_those_of_linen(name):
    make, call = CASES[name]
    network = adapters.linen(make, SHAPE, OUTPUTS)
    params = tilted(network.init(jax.random.key(0)))
    variables = nested(network.own_format.state(params))
    module, x = make(), inputs()
    rows = jax.jacrev(lambda p: module.apply({**variables, "params": p}, x, **call))(variables["params"])
    outputs = module.apply(variables, x, **call)
    same_as(
        network,
        params,
        outputs,
        {n.removeprefix("params/").replace("/", "."): a for n, a in flat(rows).items()},
    )
    vmapped(network)


def nested(arrays):
    tree = {}
    for name, array in arrays.items():
        *outer, last = name.split("/")
        inside = tree
        for key in outer:
            inside = inside.setdefault(key, {})
        inside[last] = jnp.asarray(array)
    return tree


def flat(tree, within=""):
    if not isinstance(tree, dict):
        return {within.removesuffix("/"): np.asarray(tree)}
    return {n: a for key, value in tree.items() for n, a in flat(value, f"{within}{key}/").items()}


class NnxMLP(nnx.Module):
    def __init__(self, rngs):
        self.layers = nnx.List([nnx.Linear(64, 12, rngs=rngs), nnx.Linear(12, OUTPUTS, rngs=rngs)])

    def __call__(self, x):
        return self.layers[1](jnp.tanh(self.layers[0](x.reshape(len(x), -1))))


class NnxCNN(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(1, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.output = nnx.Linear(4, OUTPUTS, rngs=rngs)

    def __call__(self, x):
        return self.output(self.dropout(nnx.relu(self.norm(self.conv(x)))).mean((1, 2)))


class NnxResNet(nnx.Module):
    def __init__(self, rngs):
        self.stem = nnx.Conv(1, 4, (3, 3), strides=2, rngs=rngs)
        self.one, self.two = (nnx.Conv(4, 4, (3, 3), use_bias=False, rngs=rngs) for _ in range(2))
        self.norms = nnx.List([nnx.BatchNorm(4, rngs=rngs) for _ in range(2)])
        self.output = nnx.Linear(4, OUTPUTS, rngs=rngs)

    def __call__(self, x):
        x = self.stem(x)
        z = self.norms[1](self.two(nnx.relu(self.norms[0](self.one(x)))))
        return self.output(nnx.relu(x + z).mean((1, 2)))


class NnxTransformer(nnx.Module):
    def __init__(self, rngs):
        self.patches = nnx.Conv(1, 8, (2, 2), strides=(2, 2), rngs=rngs)
        self.norm = nnx.LayerNorm(8, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(2, 8, dropout_rate=0.1, decode=False, rngs=rngs)
        self.up, self.down = nnx.Linear(8, 16, rngs=rngs), nnx.Linear(16, 8, rngs=rngs)
        self.output = nnx.Linear(8, OUTPUTS, rngs=rngs)

    def __call__(self, x):
        z = self.patches(x).reshape(len(x), 16, 8)
        z = z + self.attention(self.norm(z))
        return self.output((z + self.down(nnx.gelu(self.up(z)))).mean(1))


@pytest.mark.parametrize(
    "make",
    [NnxMLP, NnxCNN, NnxResNet, pytest.param(NnxTransformer, marks=pytest.mark.slow)],
    ids=lambda c: c.__name__,
)
def test_outputs_and_kernel_are_those_of_nnx(make, tmp_path):
    network = adapters.nnx(lambda rngs: make(rngs), SHAPE, OUTPUTS)
    params = tilted(network.init(jax.random.key(0)))
    module = loaded(make, network, params, tmp_path)
    graph, own, rest = nnx.split(module, nnx.Param, ...)
    x = inputs()
    rows = jax.jacrev(lambda p: nnx.merge(graph, p, rest)(x))(own)
    flat_rows = {".".join(map(str, path)): np.asarray(v.get_value()) for path, v in nnx.to_flat_state(rows)}
    same_as(network, params, module(x), flat_rows)
    vmapped(network)


def loaded(make, network, params, folder):
    """A new module of the class with these parameters, by way of a file."""
    from safetensors.numpy import save_file

    save_file(network.own_format.state(params), folder / "model.safetensors")
    module = adapters.load_ticket(folder / "model.safetensors", make(nnx.Rngs(7)))
    module.eval()
    return module


def test_linen_variables_come_back_from_a_file(tmp_path):
    from safetensors.numpy import save_file

    network = adapters.linen(CNN, SHAPE, OUTPUTS)
    params = tilted(network.init(jax.random.key(0)))
    save_file(network.own_format.state(params), tmp_path / "model.safetensors")
    variables = adapters.load_ticket(tmp_path / "model.safetensors", CNN())
    near(jax.jit(network.apply)(params, inputs()), CNN().apply(variables, inputs(), train=False))


def test_a_model_in_training_is_refused():
    with pytest.raises(UserError, match=r"cannot (be initialised|run)"):
        adapters.linen(CNN, SHAPE, OUTPUTS, call={"train": True})


def test_a_factory_of_something_else_is_refused():
    with pytest.raises(UserError, match="a flax.linen.Module"):
        adapters.linen(lambda: 3, SHAPE, OUTPUTS)
    with pytest.raises(UserError, match="a flax.nnx.Module"):
        adapters.nnx(lambda rngs: 3, SHAPE, OUTPUTS)


def test_a_file_without_parameters_of_flax_is_no_ticket_of_a_linen_module(tmp_path):
    """Its arrays were returned as variables."""
    from safetensors.numpy import save_file

    save_file({"0.weight": np.ones((2, 2), np.float32)}, tmp_path / "t.safetensors")
    with pytest.raises(UserError, match="does not fit MLP"):
        adapters.load_ticket(tmp_path / "t.safetensors", MLP())
