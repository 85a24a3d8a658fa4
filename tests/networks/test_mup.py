"""μP: the scalings with which features are learnt in the limit, compared with NTK's, with which they are not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.networks import MLP, ConvNet, LeNet5, Parameterisation, parameter_count

WIDTHS = (64, 192, 576)
X = jnp.asarray(np.random.default_rng(0).standard_normal((12, 20)), jnp.float32)
Y = jnp.asarray(np.random.default_rng(1).standard_normal((12, 2)), jnp.float32)


def slope(values: list[float]) -> float:
    """Exponent of a power law in width."""
    return float(np.polyfit(np.log(WIDTHS), np.log(values), 1)[0])


def measured(parameterisation: Parameterisation, width: int) -> dict[str, float]:
    """At the start, and after one step of gradient descent whose size does not depend on width; means over 16 draws."""
    network = MLP((width, width), parameterisation=parameterisation).build((20,), 2)

    @jax.jit
    @jax.vmap
    def of(key):
        params = network.init(key)
        gradient = jax.grad(lambda p: 0.5 * jnp.mean(jnp.sum((network.apply(p, X) - Y) ** 2, axis=1)))(params)
        after = jax.tree.map(lambda p, g: p - 0.5 * g, params, gradient)
        before, now = (network.features(p, X)["dense2"] for p in (params, after))
        return {
            "outputs": jnp.sqrt(jnp.mean(network.apply(params, X) ** 2)),
            "kernel": sum(
                jnp.sum(g**2) for g in jax.tree.leaves(jax.grad(lambda p: network.apply(p, X)[0, 0])(params))
            ),
            "features": jnp.linalg.norm(now - before) / jnp.linalg.norm(before),
            "function": jnp.linalg.norm(network.apply(after, X) - network.apply(params, X)),
        }

    return {
        name: float(np.mean(values)) for name, values in of(jax.random.split(jax.random.key(0), 16)).items()
    }


@pytest.fixture(scope="module")
def exponents() -> dict[tuple[str, str], float]:
    found = {}
    for parameterisation in (Parameterisation.NTK, Parameterisation.MUP):
        rows = [measured(parameterisation, width) for width in WIDTHS]
        for name in rows[0]:
            found[str(parameterisation), name] = slope([row[name] for row in rows])
    return found


def test_mup_learns_features_at_every_width_and_ntk_does_not(exponents) -> None:
    assert exponents["mup", "features"] == pytest.approx(0, abs=0.15)
    assert exponents["ntk", "features"] == pytest.approx(-0.5, abs=0.15)


@pytest.mark.parametrize("parameterisation", ["ntk", "mup"])
def test_kernel_and_change_of_the_function_do_not_depend_on_width(exponents, parameterisation) -> None:
    assert exponents[parameterisation, "kernel"] == pytest.approx(0, abs=0.15)
    assert exponents[parameterisation, "function"] == pytest.approx(0, abs=0.15)


def test_outputs_vanish_at_the_start_of_mup(exponents) -> None:
    assert exponents["mup", "outputs"] == pytest.approx(-0.5, abs=0.15)
    assert exponents["ntk", "outputs"] == pytest.approx(0, abs=0.15)


def test_one_hidden_layer_is_mean_field() -> None:
    """f = (1/n) Σ aⱼ relu(wⱼ·x) with aⱼ and wⱼ of order one."""
    network = MLP((50,), bias=False, parameterisation=Parameterisation.MUP).build((20,), 2)
    params = network.init(jax.random.key(0))
    w = np.sqrt(50) * np.asarray(params["dense1"]["weight"])
    a = np.sqrt(50) * np.asarray(params["output"]["weight"])
    np.testing.assert_allclose(network.apply(params, X), np.maximum(X @ w, 0) @ a / 50, rtol=1e-4, atol=1e-6)
    assert 0.8 < a.std() / np.sqrt(2) < 1.2
    assert 0.8 < w.std() / np.sqrt(2 / 20) < 1.2


def test_multipliers_are_those_of_the_table() -> None:
    network = MLP((30, 40), parameterisation=Parameterisation.MUP).build((20,), 2)
    assert [layer.weight_scale for layer in network.layers] == pytest.approx([30**0.5, 1, 40**-0.5])
    assert [layer.bias_scale for layer in network.layers] == pytest.approx([30**0.5, 40**0.5, 1])
    linear = MLP((), parameterisation=Parameterisation.MUP).build((20,), 2)
    assert linear.layers[0].weight_scale == 1
    assert network.name.endswith("μP parameterisation")


def test_widened_keeps_all_but_the_units() -> None:
    wide = MLP((64, 32), parameterisation=Parameterisation.MUP).widened(0.25)
    assert [layer.units for layer in wide.build((20,), 3).layers] == [16, 8, 3]
    assert wide.describe() == "MLP 64–32 × 0.25, ReLU, μP parameterisation"
    assert [layer.units for layer in LeNet5().widened(2.0).build((28, 28, 1), 10).layers] == [
        12,
        32,
        240,
        168,
        10,
    ]
    half = ConvNet(2).widened(0.5).build((8, 8, 3), 10)
    whole = ConvNet(2).build((8, 8, 3), 10)
    assert parameter_count(half.init(jax.random.key(0))) < parameter_count(whole.init(jax.random.key(0))) / 3
    assert MLP((3,)).widened(0.01).build((4,), 2).layers[0].units == 1
    with pytest.raises(UserError, match="positive"):
        MLP((3,)).widened(0.0)
