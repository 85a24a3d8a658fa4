"""Taps: zeros added to pre-activations change nothing, and their cotangents give the gradients of weights and biases."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array
from network_cases import Case, prepared

from ticketlab.networks import Convolution, Dense, Layer, Params


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
        if isinstance(layer.stage, Dense):
            weight = a.reshape(-1, layer.inputs).T @ delta.reshape(-1, layer.units)
        elif isinstance(layer.stage, Convolution):
            images = a.reshape(-1, *a.shape[-3:]), delta.reshape(-1, *delta.shape[-3:])
            weight = convolution_weight_gradient(layer, *images)
        else:
            weight = (a * delta).reshape(-1, layer.units).sum(axis=0)
        found = {"weight": layer.weight_scale * weight}
        if layer.has_bias:
            found["bias"] = layer.bias_scale * bias
        for kind, value in found.items():
            np.testing.assert_allclose(
                value, expected[layer.name][kind], atol=rounding(expected[layer.name][kind])
            )


def rounding(values: np.ndarray) -> float:
    """The rounding error of sums in float32: some tens of units in the last place of the largest."""
    return max(2e-5, 32 * float(np.finfo(np.float32).eps) * float(np.max(np.abs(values))))


def convolution_weight_gradient(layer: Layer, a: np.ndarray, delta: np.ndarray) -> np.ndarray:
    """Σ_{n, i, j} a[n, s i + p, s j + q, c] δ[n, i, j, u], by loops over p and q on the padded image."""
    window, stage = layer.weight_shape[:2], layer.stage
    assert isinstance(stage, Convolution)
    pads = jax.lax.padtype_to_pads(a.shape[1:3], window, stage.strides, stage.padding)
    padded = np.pad(a, [(0, 0), *pads, (0, 0)])
    height, width = delta.shape[1:3]
    gradient = np.zeros(layer.weight_shape)
    for p, q in itertools.product(*map(range, window)):
        seen = padded[:, p :: stage.stride, q :: stage.stride][:, :height, :width]
        gradient[p, q] = np.einsum("nijc,niju->cu", seen, delta)
    return gradient
