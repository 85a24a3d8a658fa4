"""Networks from stages, against a slow and obvious reference: loops over examples, pixels, channels and units."""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Array

from ticketlab.errors import UserError
from ticketlab.networks import (
    MLP,
    Activate,
    Activation,
    AllConv,
    Architecture,
    Convolution,
    Dense,
    Distribution,
    Family,
    Features,
    Flatten,
    GlobalAverage,
    Initialisation,
    Layer,
    LeNet5,
    Network,
    Normalise,
    Parameterisation,
    Params,
    Pool,
    Pooling,
    Repeat,
    Residual,
    ResNet,
    Stage,
    sequential,
)

REFERENCE_ACTIVATIONS: Mapping[Activation, Any] = {
    Activation.RELU: lambda z: max(z, 0.0),
    Activation.TANH: math.tanh,
    Activation.GELU: lambda z: z * 0.5 * (1 + math.erf(z / math.sqrt(2))),
    Activation.ERF: math.erf,
}


def reference(
    stages: tuple[Stage, ...], layers: tuple[Layer, ...], params: Params, example: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """One example's outputs and features in float64, entry by entry."""
    walk = Walk(layers, params)
    return walk.through(stages, np.asarray(example, np.float64)), walk.features


class Walk:
    """Through the stages, nested ones too; `next` numbers the layer that comes next, `current` the one that was last."""

    def __init__(self, layers: tuple[Layer, ...], params: Params) -> None:
        self.layers, self.params, self.next, self.current = layers, params, 0, layers[0].name
        self.features: dict[str, np.ndarray] = {}

    def through(self, stages: tuple[Stage, ...], a: np.ndarray) -> np.ndarray:
        for stage in stages:
            a = self.stage(stage, a)
        return a

    def stage(self, stage: Stage, a: np.ndarray) -> np.ndarray:
        if isinstance(stage, Dense | Convolution):
            a, self.current = self.parametrised(stage, a)
        elif isinstance(stage, Normalise):
            a, _ = self.parametrised(stage, a)
        elif isinstance(stage, Activate):
            a = np.vectorize(REFERENCE_ACTIVATIONS[stage.activation], otypes=[np.float64])(a)
            self.features[self.current] = a
        elif isinstance(stage, Pool):
            a = pool(a, stage)
        elif isinstance(stage, GlobalAverage):
            a = np.array([a[:, :, c].mean() for c in range(a.shape[2])])
        elif isinstance(stage, Flatten):
            a = a.reshape(-1)
        elif isinstance(stage, Residual):
            given, a = a, self.through(stage.stages, a)
            beside = stage.shortcut(given.shape)
            a = a + (self.parametrised(beside, given)[0] if beside else given)
        elif isinstance(stage, Repeat):
            first = self.next
            for _ in range(stage.times):
                self.next = first
                a = self.through(stage.stages, a)
        return a

    def parametrised(self, stage: Dense | Convolution | Normalise, a: np.ndarray) -> tuple[np.ndarray, str]:
        layer = self.layers[self.next]
        self.next += 1
        leaves = self.params[layer.name]
        weight = layer.weight_scale * np.asarray(leaves["weight"], np.float64)
        bias = layer.bias_scale * np.asarray(leaves.get("bias", np.zeros(layer.units)), np.float64)
        if isinstance(stage, Normalise):
            return normalisation(a) * weight + bias, layer.name
        z = dense(a, weight) if isinstance(stage, Dense) else convolution(a, weight, stage)
        return z + bias, layer.name


def normalisation(a: np.ndarray) -> np.ndarray:
    out = np.zeros_like(a)
    for pixel in np.ndindex(a.shape[:-1]):
        out[pixel] = (a[pixel] - np.mean(a[pixel])) / math.sqrt(np.var(a[pixel]) + 1e-5)
    return out


def dense(a: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return np.array([np.dot(a, weight[:, u]) for u in range(weight.shape[1])])


def convolution(a: np.ndarray, weight: np.ndarray, stage: Convolution) -> np.ndarray:
    height, width, units = stage.shape(a.shape)
    before = [0, 0]
    if stage.padding == "SAME":  # what is missing, the smaller half in front
        needed = [
            (out - 1) * stage.stride + stage.window - n
            for out, n in zip((height, width), a.shape, strict=False)
        ]
        before = [max(n, 0) // 2 for n in needed]
    z = np.zeros((height, width, units))
    for i, j, p, q in itertools.product(
        range(height), range(width), range(stage.window), range(stage.window)
    ):
        row, column = i * stage.stride + p - before[0], j * stage.stride + q - before[1]
        if 0 <= row < a.shape[0] and 0 <= column < a.shape[1]:
            z[i, j] += a[row, column] @ weight[p, q]
    return z


def pool(a: np.ndarray, stage: Pool) -> np.ndarray:
    height, width, channels = stage.shape(a.shape)
    out, w = np.zeros((height, width, channels)), stage.window
    for i, j, c in itertools.product(range(height), range(width), range(channels)):
        window = a[i * w : (i + 1) * w, j * w : (j + 1) * w, c]
        out[i, j, c] = window.max() if stage.pooling is Pooling.MAX else window.mean()
    return out


def batch(network: Network, n: int = 3, seed: int = 9) -> Array:
    draws = np.random.default_rng(seed).standard_normal((n, *network.input_shape))
    return jnp.asarray(draws, jnp.float32)  # NumPy's, because JAX compiles its own for every shape


NTK, BIASED = Parameterisation.NTK, Initialisation(sigma_b=0.3)
ERF, TANH = Activate(Activation.ERF), Activate(Activation.TANH)
NESTED = (
    *(Dense(4), ERF, Repeat((Residual((Normalise(), Dense(5), TANH, Dense(4))), ERF), 3)),
    *(Residual((Dense(3), TANH)), Dense(2), Normalise()),
)
SHARED = (
    *(Normalise(), Convolution(3), ERF, Repeat((Convolution(3, 2), Normalise(), TANH), 2), Repeat((ERF,), 2)),
    *(Residual((Convolution(3, stride=2), Pool(Pooling.MAX))), Flatten(), Dense(2)),
)
POOLED = (Convolution(3, 2), Activate(Activation.ERF), Pool(Pooling.AVERAGE, 2), Flatten(), Dense(2))


def zoo(architecture: Architecture, shape: tuple[int, ...]) -> tuple[Network, tuple[Stage, ...]]:
    return architecture.build(shape, 2), architecture.stages(2)


CASES: dict[str, tuple[Network, tuple[Stage, ...]]] = {
    "mlp": zoo(MLP((5, 4), initialisation=BIASED), (3,)),
    "mlp ntk": zoo(MLP((5, 4), parameterisation=NTK, activation=Activation.GELU), (3,)),
    "mlp without bias": zoo(MLP((5, 4), bias=False, activation=Activation.ERF), (2, 3, 2)),
    "linear": zoo(MLP(()), (2, 2, 1)),
    "lenet5": zoo(LeNet5(activation=Activation.TANH), (12, 13, 1)),
    "all-conv ntk": zoo(AllConv((3, 4), parameterisation=NTK), (5, 6, 2)),
    "resnet": zoo(ResNet((3, 4), parameterisation=NTK), (5, 4, 2)),
    "nested": (sequential(NESTED, (3,), name="nested", initialisation=BIASED), NESTED),
    "shared": (sequential(SHARED, (5, 6, 2), name="shared", initialisation=BIASED), SHARED),
    "average pool": (sequential(POOLED, (5, 4, 1), name="pooled", initialisation=BIASED), POOLED),
}


@dataclass(frozen=True)
class Case:
    """A network with parameters and inputs, and what it computes from them."""

    network: Network
    stages: tuple[Stage, ...]
    params: Params
    x: Array
    compute: Callable[[Params, Array], tuple[Array, Features]]
    outputs: Array
    features: Features


def prepare(network: Network, stages: tuple[Stage, ...], params: Params) -> Case:
    features, x = network.features, batch(network)
    assert features is not None
    compute = jax.jit(lambda params, x: (network.apply(params, x), features(params, x)))
    return Case(network, stages, params, x, compute, *compute(params, x))


@cache
def prepared(name: str) -> Case:
    """Compiled once for all tests."""
    network, stages = CASES[name]
    return prepare(network, stages, random_params(network))


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return prepared(request.param)


def random_params(network: Network) -> Params:
    """Parameters of the network's shapes and about its sizes, without compiling its `init`."""
    draws = np.random.default_rng(0)
    shapes = jax.eval_shape(network.init, jax.random.key(0))

    def drawn(leaf: jax.ShapeDtypeStruct) -> Array:
        return jnp.asarray(
            draws.standard_normal(leaf.shape) / math.sqrt(math.prod(leaf.shape[:-1])), jnp.float32
        )

    return jax.tree.map(drawn, shapes)


def check_against_reference(case: Case) -> None:
    for i in range(len(case.x)):
        outputs, features = reference(case.stages, case.network.layers, case.params, np.asarray(case.x[i]))
        np.testing.assert_allclose(case.outputs[i], outputs, atol=2e-5)
        assert list(case.features) == list(features)
        for name, feature in features.items():
            np.testing.assert_allclose(case.features[name][i], feature, atol=2e-5)


def test_outputs_and_features_are_the_references(case: Case) -> None:
    check_against_reference(case)


@settings(max_examples=12)  # each compiles its own program
@given(
    widths=st.lists(st.integers(1, 5), max_size=4),
    activation=st.sampled_from(Activation),
    parameterisation=st.sampled_from(Parameterisation),
    bias=st.booleans(),
    shape=st.lists(st.integers(1, 3), min_size=1, max_size=3),
)
def test_any_mlp_is_the_reference(
    widths: list[int],
    activation: Activation,
    parameterisation: Parameterisation,
    bias: bool,
    shape: list[int],
) -> None:
    mlp = MLP(tuple(widths), activation=activation, parameterisation=parameterisation, bias=bias)
    network = mlp.build(tuple(shape), 2)
    check_against_reference(prepare(network, mlp.stages(2), random_params(network)))


def test_the_reference_agrees_with_scipy() -> None:
    z = np.linspace(-3, 3, 13)
    np.testing.assert_allclose([REFERENCE_ACTIVATIONS[Activation.ERF](v) for v in z], scipy.special.erf(z))
    np.testing.assert_allclose(
        [REFERENCE_ACTIVATIONS[Activation.GELU](v) for v in z], z * scipy.special.ndtr(z), atol=1e-12
    )


# Taps ---------------------------------------------------------------------------------------------------------------------


def zero_taps(case: Case) -> dict[str, Array]:
    """Zeros of the shape of each layer's pre-activation."""
    return {layer.name: jnp.zeros((len(case.x), *layer.output_shape)) for layer in case.network.layers}


@pytest.mark.parametrize("name", ["mlp ntk", "lenet5", "all-conv ntk", "resnet", "shared"])
def test_zero_taps_change_nothing(name: str) -> None:
    case = prepared(name)
    assert case.network.tapped is not None
    outputs, inputs = jax.jit(case.network.tapped)(case.params, case.x, zero_taps(case))
    np.testing.assert_allclose(outputs, case.outputs, atol=2e-6)
    assert list(inputs) == [layer.name for layer in case.network.layers]


def test_without_taps_it_is_the_network() -> None:
    case = prepared("mlp")
    assert case.network.tapped is not None
    outputs, _ = case.network.tapped(case.params, case.x, {})
    np.testing.assert_array_equal(outputs, case.network.apply(case.params, case.x))


def test_cotangents_at_the_taps_give_the_gradients_of_weights_and_biases(case: Case) -> None:
    """∂⟨v, f⟩/∂W = s_w Σ a ⊗ δ and ∂⟨v, f⟩/∂b = s_b Σ δ, with δ the cotangent of the layer's tap."""
    network, x, tapped = case.network, case.x, case.network.tapped
    assert tapped is not None
    v = jnp.array([[1.0, -2.0], [0.5, 3.0], [-1.5, 0.25]])

    @jax.jit
    def differentiated(
        params: Params, taps: dict[str, Array]
    ) -> tuple[Params, dict[str, Array], dict[str, Array]]:
        _, pull, inputs = jax.vjp(lambda taps: tapped(params, x, taps), taps, has_aux=True)
        return jax.grad(lambda p: jnp.sum(v * network.apply(p, x)))(params), pull(v)[0], inputs

    expected, deltas, inputs = differentiated(case.params, zero_taps(case))
    for layer in network.layers:
        a, delta = np.asarray(inputs[layer.name]), np.asarray(deltas[layer.name])
        assert case.params[layer.name]["weight"].shape == layer.weight_shape
        bias = delta.reshape(-1, layer.units).sum(axis=0)
        if layer.kind == "dense":
            weight = a.reshape(-1, layer.inputs).T @ delta.reshape(-1, layer.units)
        elif layer.kind == "convolution":
            images = a.reshape(-1, *a.shape[-3:]), delta.reshape(-1, *delta.shape[-3:])
            weight = convolution_weight_gradient(layer, *images)
        else:
            weight = (a * delta).reshape(-1, layer.units).sum(axis=0)
        np.testing.assert_allclose(layer.weight_scale * weight, expected[layer.name]["weight"], atol=2e-5)
        if layer.has_bias:
            np.testing.assert_allclose(layer.bias_scale * bias, expected[layer.name]["bias"], atol=2e-5)


def convolution_weight_gradient(layer: Layer, a: np.ndarray, delta: np.ndarray) -> np.ndarray:
    """Σ_{n, i, j} a[n, s i + p, s j + q, c] δ[n, i, j, u], by loops over p and q on the padded image."""
    window, (stride, _) = layer.weight_shape[:2], layer.strides
    pads = jax.lax.padtype_to_pads(a.shape[1:3], window, layer.strides, layer.padding)
    padded = np.pad(a, [(0, 0), *pads, (0, 0)])
    height, width = delta.shape[1:3]
    gradient = np.zeros(layer.weight_shape)
    for p, q in itertools.product(*map(range, window)):
        seen = padded[:, p::stride, q::stride][:, :height, :width]
        gradient[p, q] = np.einsum("nijc,niju->cu", seen, delta)
    return gradient


# Drawing ------------------------------------------------------------------------------------------------------------------


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


# Precision, transformations, names and errors -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mlp ntk", "lenet5", "all-conv ntk", "resnet"])
def test_float64_parameters_compute_in_float64(name: str) -> None:
    case = prepared(name)
    with jax.enable_x64(True):
        params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), case.params)
        outputs, features = case.compute(params, case.x)
    assert outputs.dtype == jnp.float64
    assert all(feature.dtype == jnp.float64 for feature in features.values())
    expected, _ = reference(case.stages, case.network.layers, params, np.asarray(case.x[0]))
    np.testing.assert_allclose(outputs[0], expected, atol=1e-12)


@pytest.mark.parametrize("name", ["mlp ntk", "lenet5", "all-conv ntk", "shared"])
def test_replicas_at_once_are_replicas_one_by_one(name: str) -> None:
    case = prepared(name)
    factors = [1.0, 0.5, -1.0]
    params = jax.tree.map(lambda leaf: np.stack([factor * leaf for factor in factors]), case.params)
    together = jax.jit(jax.vmap(case.network.apply, in_axes=(0, None)))(params, case.x)
    for i in range(len(factors)):
        alone, _ = case.compute(jax.tree.map(lambda leaf, i=i: leaf[i], params), case.x)
        np.testing.assert_allclose(together[i], alone, atol=2e-5)


def test_numpy_inputs_are_taken_as_they_are() -> None:
    case = prepared("mlp")
    apply = case.network.apply
    np.testing.assert_array_equal(apply(case.params, np.asarray(case.x)), apply(case.params, case.x))


def test_names_stay_in_order_of_depth_when_sorted() -> None:
    network = MLP((2,) * 12).build((2,), 2)
    names = [layer.name for layer in network.layers]
    assert names == sorted(names)
    assert names[0] == "dense01"
    assert network.features is not None
    params = jax.eval_shape(network.init, jax.random.key(0))
    assert list(jax.eval_shape(network.features, params, jnp.ones((1, 2)))) == names[:-1]


def test_layers_of_sums_and_repetitions_are_named_in_order_of_depth() -> None:
    for name, expected in {
        "resnet": "conv1 conv1-norm conv2 conv2-norm conv3 conv3-norm conv4 conv4-norm conv5 conv5-norm conv6 output",
        "nested": "dense1 dense1-norm dense2 dense3 dense4 dense5 output output-norm",
        "shared": "before-norm conv1 conv2 conv2-norm conv3 conv4 output",
    }.items():
        names = [layer.name for layer in CASES[name][0].layers]
        assert names == expected.split() == sorted(names)


def test_only_a_dense_last_stage_is_the_readout() -> None:
    flags = {name: [layer.readout for layer in network.layers] for name, (network, _) in CASES.items()}
    assert not any(flag for f in flags.values() for flag in f[:-1])
    assert {name for name, f in flags.items() if not f[-1]} == {"all-conv ntk", "nested"}


def test_a_shared_layer_has_its_applications_first() -> None:
    network = CASES["shared"][0]
    shapes = {layer.name: layer.output_shape for layer in network.layers}
    assert shapes["conv1"] == (5, 6, 3)
    assert shapes["conv2"] == shapes["conv2-norm"] == (2, 5, 6, 3)


def test_normalisations_start_as_the_identity() -> None:
    network = ResNet((3,)).build((4, 4, 1), 2)
    params = network.init(jax.random.key(0))
    np.testing.assert_array_equal(params["conv1-norm"]["weight"], np.ones(3, np.float32))
    np.testing.assert_array_equal(params["conv1-norm"]["bias"], np.zeros(3, np.float32))
    unbiased = jax.eval_shape(ResNet((3,), bias=False).build((4, 4, 1), 2).init, jax.random.key(0))
    assert set(unbiased["conv1-norm"]) == {"weight"}


def test_inputs_of_another_shape_are_refused_when_traced() -> None:
    network = MLP((4,)).build((3,), 2)
    params = network.init(jax.random.key(0))
    with pytest.raises(
        UserError, match=r"\(5, 4\) for MLP 3–4–2.*\[n, 3\].*Build the network for data of this shape"
    ):
        jax.jit(network.apply)(params, jnp.ones((5, 4)))
    with pytest.raises(UserError, match=r"batch axis: x\[None\]"):
        network.apply(params, jnp.ones(3))


def test_stages_that_are_no_network_are_refused() -> None:
    with pytest.raises(UserError, match="no layers"):
        sequential((Flatten(),), (3,), name="test")
    with pytest.raises(UserError, match="end in shape"):
        sequential((Convolution(3),), (4, 4, 1), name="test")
