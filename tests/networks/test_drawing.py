"""Drawing of parameters: the promised moments, the same draw in every precision, and the same functions in every
parameterisation.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array
from network_cases import BIASED, CASES, NTK, batch, prepared

from ticketlab.networks import (
    MLP,
    Convolution,
    Distribution,
    Family,
    GlobalAverage,
    Initialisation,
    Parameterisation,
    ResNet,
    drawing,
    sequential,
)

SHAPES = [((9, 7), 5, 3), ((30,), 40, 2), ((4, 4, 4), 6, 1)]


@pytest.mark.parametrize("distribution", Distribution)
@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("parameterisation", Parameterisation)
def test_drawn_weights_have_the_promised_moments(
    family: Family, distribution: Distribution, parameterisation: Parameterisation
) -> None:
    initialisation = Initialisation(family, distribution)
    network = MLP((250,), initialisation=initialisation, parameterisation=parameterisation).build((200,), 2)
    layer = network.layers[0]
    weight = layer.weight_scale * np.asarray(network.init(jax.random.key(0))["dense1"]["weight"], np.float64)
    sd = initialisation.weight_sd(200, 250)
    assert abs(weight.mean()) < 5 * sd / math.sqrt(weight.size)
    # Var(s²) ≤ 2σ⁴/n for all three, whose kurtosis is at most the normal's.
    assert abs(weight.var() / sd**2 - 1) < 5 * math.sqrt(2 / weight.size)
    largest = {"normal": 6.0, "uniform": math.sqrt(3), "signed-constant": 1.0}[distribution]
    assert np.abs(weight).max() <= largest * sd * (1 + 1e-6)
    if distribution is Distribution.SIGNED_CONSTANT:
        np.testing.assert_allclose(np.abs(weight), sd, rtol=1e-6)


@pytest.mark.parametrize(
    ("family", "distribution"),
    [
        (Family.HE, Distribution.NORMAL),
        (Family.GLOROT, Distribution.UNIFORM),
        (Family.LECUN, Distribution.NORMAL),
    ],
)
def test_draws_are_those_of_jax_initializers(family: Family, distribution: Distribution) -> None:
    """He et al. and Glorot & Bengio as JAX has them (its `he_normal` is truncated; `variance_scaling(…, "normal")` is not)."""
    initialisation = Initialisation(family, distribution)
    network = sequential(
        (Convolution(4, window=3), GlobalAverage()), (5, 5, 3), name="test", initialisation=initialisation
    )
    key = jax.random.key(0)
    scale, mode = {"he": (2, "fan_in"), "glorot": (1, "fan_avg"), "lecun": (1, "fan_in")}[family]
    expected = jax.nn.initializers.variance_scaling(scale, mode, str(distribution))(
        jax.random.split(key)[0], (3, 3, 3, 4)
    )
    np.testing.assert_allclose(network.init(key)["output"]["weight"], expected, rtol=1e-5)


def test_biases_are_drawn_as_promised() -> None:
    zero = MLP((2000,)).build((2,), 2).init(jax.random.key(0))["dense1"]["bias"]
    np.testing.assert_array_equal(zero, 0)
    drawn = MLP((2000,), initialisation=BIASED).build((2,), 2).init(jax.random.key(0))["dense1"]["bias"]
    assert np.std(drawn) == pytest.approx(0.3, rel=0.1)
    ntk = MLP((2000,), parameterisation=NTK).build((2,), 2)
    assert np.std(ntk.init(jax.random.key(0))["dense1"]["bias"]) == pytest.approx(1, rel=0.1)
    assert ntk.layers[0].bias_scale == 0.1
    assert "bias" not in MLP((3,), bias=False).build((2,), 2).init(jax.random.key(0))["dense1"]


@pytest.mark.parametrize("name", ["mlp", "all-conv ntk"])
def test_the_same_key_gives_the_same_network_and_another_key_another(name: str) -> None:
    network, _ = CASES[name]
    draw = jax.jit(network.init)
    one, same, other = (draw(jax.random.key(seed)) for seed in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, one, same)
    for layer in network.layers:
        assert not np.array_equal(one[layer.name]["weight"], other[layer.name]["weight"])


@pytest.mark.parametrize("distribution", Distribution)
def test_a_key_means_one_network_whatever_the_precision(distribution: Distribution) -> None:
    initialisation = Initialisation(distribution=distribution, sigma_b=0.3)
    network = MLP((4,), initialisation=initialisation).build((3,), 2)
    params = network.init(jax.random.key(0))
    with jax.enable_x64(True):
        wide = network.init(jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, params, wide)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(wide))


def test_layers_are_drawn_independently() -> None:
    params = MLP((50, 50)).build((50,), 50).init(jax.random.key(0))
    one, two = (np.ravel(params[name]["weight"]) for name in ("dense1", "dense2"))
    assert abs(np.corrcoef(one, two)[0, 1]) < 5 / math.sqrt(one.size)


@pytest.mark.parametrize("name", ["mlp", "all-conv ntk"])
def test_parameterisations_draw_the_same_functions(name: str) -> None:
    """From one key, with the constants moved between parameters and layers, outputs agree."""
    case = prepared(name)

    def outputs(parameterisation: Parameterisation) -> Array:
        network = sequential(
            case.stages,
            case.network.input_shape,
            name=parameterisation,
            parameterisation=parameterisation,
            initialisation=BIASED,
        )
        return jax.jit(lambda key, x: network.apply(network.init(key), x))(jax.random.key(0), case.x)

    np.testing.assert_allclose(outputs(NTK), outputs(Parameterisation.STANDARD), atol=2e-5)


def test_he_weights_keep_the_mean_square_through_relu_layers() -> None:
    network = MLP((800,) * 5, bias=False).build((800,), 800)
    outputs = network.apply(network.init(jax.random.key(0)), batch(network, n=20))
    assert float(jnp.mean(outputs**2)) == pytest.approx(2.0, rel=0.3)


def test_normalisations_start_as_the_identity() -> None:
    network = ResNet((3,)).build((4, 4, 1), 2)
    params = network.init(jax.random.key(0))
    np.testing.assert_array_equal(params["conv1-norm"]["weight"], np.ones(3, np.float32))
    np.testing.assert_array_equal(params["conv1-norm"]["bias"], np.zeros(3, np.float32))
    unbiased = jax.eval_shape(ResNet((3,), bias=False).build((4, 4, 1), 2).init, jax.random.key(0))
    assert set(unbiased["conv1-norm"]) == {"weight"}


def test_another_network_needs_no_other_generator() -> None:
    """A draw has one of a few common lengths, whose beginning is a draw of the exact length, as compiled programs make it."""
    networks = [
        MLP(widths, initialisation=Initialisation(bias_as_weight=True)).build((d,), k)
        for widths, d, k in SHAPES
    ]
    networks[0].init(jax.random.key(0))
    generators = drawing._drawn._cache_size()
    for network in networks:
        drawn, compiled = network.init(jax.random.key(5)), jax.jit(network.init)(jax.random.key(5))
        for one, other in zip(jax.tree.leaves(drawn), jax.tree.leaves(compiled), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)
    assert drawing._drawn._cache_size() == generators
