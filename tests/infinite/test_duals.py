"""Moments of pairs of Gaussians: closed forms and series against integration in the plane, and derivatives, also at ρ = ±1."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from limit_reference import FUNCTIONS, integral

from ticketlab.infinite.duals import dual_of
from ticketlab.networks import Activation

TERMS = 256
z = np.linspace(-12, 12, 40_000)  # without zero, where sign jumps
PAIRS = np.array(
    [
        (a, b, rho * np.sqrt(a * b))
        for a, b in ((1.0, 1.0), (0.5, 2.0), (3.0, 0.01))
        for rho in (-1.0, -0.9, 0.0, 0.3, 0.99, 1.0)
    ]
)


def pair(moment, a, b, c):
    return moment.pair(moment.profile(a), moment.profile(b), c)


@pytest.mark.parametrize("activation", list(Activation))
def test_moments_are_those_of_integration(activation):
    phi, slope = FUNCTIONS[activation]
    with jax.enable_x64(True):
        dual = dual_of(activation, TERMS)
        given = [m for m in (dual.value, dual.slope, dual.scaling) if m is not None]
        assert len(given) == (1 if activation is Activation.SIGN else 3)
        found = np.asarray(jax.jit(lambda a, b, c: [pair(m, a, b, c) for m in given])(*jnp.asarray(PAIRS.T)))
        means = np.asarray(dual.mean(jnp.asarray(PAIRS[:, 0])))
    functions = (phi, slope, lambda u: u * slope(u))
    for values, g in zip(found, functions, strict=False):
        # At ρ = ±1 sign and ReLU's slope are computed from an angle that is zero or π exactly.
        np.testing.assert_allclose(values, [integral(g, *p) for p in PAIRS], rtol=1e-10, atol=1e-10)
    ones = [np.trapezoid(phi(np.sqrt(a) * z) * np.exp(-z * z / 2), z) for a in PAIRS[:, 0]]
    np.testing.assert_allclose(means, np.array(ones) / np.sqrt(2 * np.pi), atol=1e-6)


@pytest.mark.parametrize("activation", [a for a in Activation if a is not Activation.SIGN])
def test_the_derivative_in_the_covariance_is_the_slope(activation):
    """Price's theorem; and derivatives in the variances are those of differences."""
    with jax.enable_x64(True):
        dual = dual_of(activation, 32)

        @jax.jit
        def moments(a, b, c):
            return jnp.stack([pair(dual.value, a, b, c), pair(dual.slope, a, b, c)])

        @jax.jit
        def derivatives(a, b, c):
            return jnp.stack([jax.jvp(moments, (a, b, c), unit)[1] for unit in units(a)])

        inner = PAIRS[np.abs(PAIRS[:, 2]) < 0.95 * np.sqrt(PAIRS[:, 0] * PAIRS[:, 1])]
        exact = np.asarray(derivatives(*jnp.asarray(inner.T)))  # [by which variable, of which moment, pair]
        np.testing.assert_allclose(exact[2, 0], moments(*jnp.asarray(inner.T))[1], rtol=1e-8)
        for i in range(3):
            h = 1e-6 * np.eye(3)[i][:, None]
            up, down = (moments(*(jnp.asarray(inner.T) + s * h)) for s in (1, -1))
            np.testing.assert_allclose((up - down) / 2e-6, exact[i], rtol=1e-5, atol=1e-8)
        edges = np.array(
            [(1.0, 1.0, 1.0), (1.0, 1.0, -1.0), (0.0, 1.0, 0.0), (0.0, 0.0, 0.0), (2.0, 0.5, 1.0)]
        )
        assert np.isfinite(derivatives(*jnp.asarray(edges.T))).all()


def units(a):
    one, zero = jnp.ones_like(a), jnp.zeros_like(a)
    return ((one, zero, zero), (zero, one, zero), (zero, zero, one))


def test_a_series_says_how_much_it_leaves_out():
    with jax.enable_x64(True):
        variances = jnp.asarray([0.5, 2.0, 10.0])
        few, many = (np.asarray(dual_of(Activation.TANH, terms).tail(variances)) for terms in (16, 64))
    assert (few > many).all()
    assert (np.diff(few) > 0).all()
    assert many[0] < 1e-7
    assert few[2] > 1e-2


def test_where_a_pre_activation_has_no_variance_its_derivative_is_that_of_the_network():
    zero, one = jnp.zeros(1), jnp.ones(1)
    relu, sign = dual_of(Activation.RELU, 2), dual_of(Activation.SIGN, 2)
    assert float(pair(relu.slope, zero, one, zero)[0]) == float(jax.grad(jax.nn.relu)(0.0)) == 0
    assert float(pair(sign.value, zero, zero, zero)[0]) == 1
    assert float(pair(sign.value, zero, one, zero)[0]) == 0
