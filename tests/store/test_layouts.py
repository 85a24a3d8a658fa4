"""Parameters in PyTorch's layout compute the same by its conventions."""

import jax
import numpy as np
import pytest

from ticketlab.networks import MLP, ConvNet, Parameterisation
from ticketlab.store import torch_layout


def test_pytorchs_layout_computes_the_same():
    """PyTorch's own conventions, written out: images are channels first, and so are flattened."""
    network = ConvNet(2).build((8, 8, 3), 4)
    params = network.init(jax.random.key(0))
    arrays = torch_layout(network, params)
    assert arrays["conv1.weight"].shape == (64, 3, 3, 3)
    assert arrays["dense1.weight"].shape == (256, 4 * 4 * 64)
    rng = np.random.default_rng(0)
    image = rng.normal(size=(1, 4, 4, 64)).astype(np.float32)  # as it reaches the first dense layer, here
    channels_first = image.transpose(0, 3, 1, 2).reshape(1, -1)
    here = image.reshape(1, -1) @ np.asarray(params["dense1"]["weight"])
    np.testing.assert_allclose(channels_first @ arrays["dense1.weight"].T, here, rtol=1e-4, atol=1e-5)
    kernel = np.asarray(params["conv2"]["weight"])
    np.testing.assert_array_equal(arrays["conv2.weight"][5, 7], kernel[:, :, 7, 5])
    np.testing.assert_array_equal(arrays["dense2.weight"], np.asarray(params["dense2"]["weight"]).T)


@pytest.mark.parametrize("parameterisation", list(Parameterisation))
def test_pytorchs_layers_compute_the_same_in_every_parameterisation(parameterisation):
    """A layer of PyTorch is x Wᵀ + b, with no constants in front."""
    network = MLP(widths=(6, 5), parameterisation=parameterisation).build((4,), 3)
    params = jax.tree.map(lambda a: a + 0.1, network.init(jax.random.key(0)))  # biases too
    arrays, x = torch_layout(network, params), np.random.default_rng(0).normal(size=(7, 4))
    assert all(array.dtype == np.float32 for array in arrays.values())
    a = x
    for name in ("dense1", "dense2", "output"):
        z = a @ arrays[f"{name}.weight"].T + arrays[f"{name}.bias"]
        a = np.maximum(z, 0)
    np.testing.assert_allclose(z, network.apply(params, x.astype(np.float32)), rtol=1e-4, atol=1e-5)
