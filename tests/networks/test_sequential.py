"""Networks from stages compute what a slow and obvious reference computes, in either precision, one or many at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from network_cases import Case, prepare, prepared, random_params
from network_reference import REFERENCE_ACTIVATIONS, reference

from ticketlab.errors import UserError
from ticketlab.networks import MLP, Activation, Convolution, Flatten, Parameterisation, sequential


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
    activation=st.sampled_from([a for a in Activation if a is not Activation.SIGN]),  # signs jump
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
    with pytest.raises(UserError, match="without layers"):
        sequential((Flatten(),), (3,), name="test")
    with pytest.raises(UserError, match="end in shape"):
        sequential((Convolution(3),), (4, 4, 1), name="test")
