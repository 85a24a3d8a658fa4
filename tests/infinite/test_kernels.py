"""Kernels of every kind of stage against the slow recursion over all pairs of pixels, and what holds for every kernel."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from limit_reference import Reference

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.infinite import kernel_function, kernels, kernels_diagonal
from ticketlab.networks import (
    MLP,
    Activate,
    Activation,
    Convolution,
    Dense,
    Family,
    Flatten,
    GlobalAverage,
    Initialisation,
    Normalisation,
    Normalise,
    Parameterisation,
    Pool,
    Pooling,
    Repeat,
    Residual,
    pure_network,
    sequential,
)
from ticketlab.tangent import Layers, Masked

RNG = np.random.default_rng(0)
RELU, ERF = Activate(Activation.RELU), Activate(Activation.ERF)
AVERAGE = Pool(Pooling.AVERAGE, 2)


def stages_of(name):
    """Small networks, with all kinds of stage, odd sizes and strides."""
    c, norm = Convolution, Normalise()
    return {
        "strides and odd sizes": (
            c(4, stride=2),
            RELU,
            c(4, 2, padding="VALID"),
            ERF,
            Flatten(),
            Dense(5),
            RELU,
            Dense(2),
        ),
        "pools": (c(4), RELU, AVERAGE, c(4), ERF, AVERAGE, Flatten(), Dense(2)),
        "mean over pixels": (c(4), RELU, c(4, stride=2), RELU, c(2, 1), GlobalAverage()),
        "pre-activation": (
            c(4),
            Residual((norm, RELU, c(4), norm, RELU, c(4))),
            Residual((norm, RELU, c(6, stride=2), norm, RELU, c(6))),
            norm,
            RELU,
            GlobalAverage(),
            Dense(2),
        ),
        "normalised after": (
            c(4),
            RELU,
            norm,
            c(4),
            ERF,
            norm,
            AVERAGE,
            Flatten(),
            norm,
            Dense(2),
        ),
    }[name]


def built(stages, shape, parameterisation=Parameterisation.NTK, **more):
    return sequential(stages, shape, name="test", parameterisation=parameterisation, **more)


@pytest.mark.parametrize(
    "name", ["strides and odd sizes", "pools", "mean over pixels", "pre-activation", "normalised after"]
)
def test_stages_on_images(name):
    parameterisation = Parameterisation.STANDARD if name == "pools" else Parameterisation.NTK
    network = built(stages_of(name), (5, 6, 2), parameterisation)
    x = RNG.standard_normal((2, 5, 6, 2))
    x[0, :2] = 0  # pixels without variance where there are no biases
    reference = Reference(network, x)
    found = kernels(network, x)
    np.testing.assert_allclose(found.nngp, reference.K, rtol=1e-10)
    np.testing.assert_allclose(found.ntk, reference.theta, rtol=1e-10)


@pytest.mark.parametrize(
    "activation",
    [pytest.param(a, marks=[pytest.mark.slow] * (a is Activation.TANH)) for a in Activation],
)
def test_activations_initialisations_and_parameterisations(activation):
    """Glorot's variance depends on the ratio of widths; μP's does not tend to a constant."""
    x = RNG.standard_normal((4, 3))
    x[3] = x[2]
    for parameterisation in Parameterisation:
        initialisation = Initialisation(Family.GLOROT, sigma_b=0.3)
        network = MLP(
            (7, 5), activation=activation, parameterisation=parameterisation, initialisation=initialisation
        ).build((3,), 2)
        if activation is Activation.SIGN and parameterisation is Parameterisation.MUP:
            continue
        get = {Activation.SIGN: "nngp"}.get(
            activation, "ntk" if parameterisation is Parameterisation.MUP else ("nngp", "ntk")
        )
        found, reference = kernels(network, x, get=get), Reference(network, x)
        for mine, theirs in ((found.nngp, reference.K), (found.ntk, reference.theta)):
            if mine is not None:
                np.testing.assert_allclose(mine, theirs, rtol=1e-9)
                assert np.array_equal(mine, mine.T)


@pytest.mark.parametrize(
    "activation", [Activation.ERF, pytest.param(Activation.TANH, marks=pytest.mark.slow)]
)
def test_blocks_diagonals_crosses_and_devices_agree(activation):
    network = MLP((8,), activation=activation).build((3,), 2)
    rng = np.random.default_rng(0)  # for large inputs the series of tanh leaves out more than it aims at
    x, x2 = 0.5 * rng.standard_normal((5, 3)), 0.75 * rng.standard_normal((3, 3))
    whole = kernels(network, np.concatenate([x, x2]))
    entry = 8 * 6
    cross = kernels(network, x, x2, memory=4 * entry, devices=jax.local_devices()[:1] * 2)
    diagonal = kernels_diagonal(network, x, memory=4 * entry)
    fractions = []
    again = kernels(network, np.concatenate([x, x2]), memory=9 * entry, progress=fractions.append)
    for key in ("nngp", "ntk"):
        np.testing.assert_allclose(getattr(cross, key), getattr(whole, key)[:5, 5:], rtol=1e-12)
        np.testing.assert_allclose(getattr(diagonal, key), np.diag(getattr(whole, key))[:5], rtol=1e-12)
        np.testing.assert_allclose(getattr(again, key), getattr(whole, key), rtol=1e-12)
    assert fractions[-1] == 1
    assert len(fractions) == 6
    with jax.enable_x64(True):
        nngp, ntk = kernel_function(network)(jnp.asarray(x), jnp.asarray(x2))
    for mine, key in (
        (nngp, "nngp"),
        (ntk, "ntk"),
    ):  # `kernels` leaves out 1e-12 of a variance of tanh's series
        least = 0.0 if activation is Activation.ERF else 1e-12 * np.max(getattr(whole, key))
        np.testing.assert_allclose(mine, getattr(cross, key), rtol=1e-12, atol=least)


def test_the_diagonal_is_that_of_the_scalar_recursion():
    """An example with itself has ρ = 1, where an arc cosine would lose half of the digits."""
    network = MLP((8, 8, 8), parameterisation=Parameterisation.NTK).build((40,), 1)
    x = RNG.standard_normal((30, 40))
    found = kernels(network, x)
    bias = 0.1**2
    nngp = 2 * np.mean(x**2, axis=1) + bias
    ntk = nngp.copy()
    for _ in range(3):  # He: E[relu(u)²] is half of u's variance, and so is E[relu′(u)²] of 1
        nngp, ntk = nngp + bias, nngp + bias + ntk
    np.testing.assert_allclose(np.diag(found.nngp), nngp, rtol=1e-14)
    np.testing.assert_allclose(np.diag(found.ntk), ntk, rtol=1e-14)


def test_copies_zeros_and_opposites():
    """Kernels of degenerate examples are symmetric and positive semi-definite, and derivatives are finite."""
    network = MLP((8, 8), parameterisation=Parameterisation.STANDARD).build((3,), 1)
    one = RNG.standard_normal(3)
    x = np.array([one, one, -one, 2 * one, np.zeros(3), RNG.standard_normal(3)])
    found = kernels(network, x)
    for kernel in (found.nngp, found.ntk):
        assert np.array_equal(kernel, kernel.T)
        assert np.linalg.eigvalsh(kernel)[0] > -1e-12 * len(x) * np.linalg.norm(kernel, 2)
        np.testing.assert_array_equal(kernel[0], kernel[1])
    function = kernel_function(network)

    @jax.jit
    def gradients(z):
        return [jax.grad(lambda z, i=i: jnp.sum(function(z, z)[i]))(z) for i in (0, 1)]

    with jax.enable_x64(True):
        assert np.isfinite(gradients(jnp.asarray(x))).all()

        # The derivative of Σ(x, x) in x, through ρ = 1, is that of differences.
        def own(t):
            return function(t * jnp.asarray(one)[None], t * jnp.asarray(one)[None])[0][0, 0]

        value = jax.jit(own)
        difference = (value(1 + 1e-6) - value(1 - 1e-6)) / 2e-6
        np.testing.assert_allclose(jax.jit(jax.grad(own))(1.0), difference, rtol=1e-8)


def test_layers_that_are_not_trained_add_nothing():
    network = MLP((8, 8), parameterisation=Parameterisation.NTK).build((3,), 2)
    x = RNG.standard_normal((3, 3))
    parts = [kernels(network, x, get="ntk", selection=Layers((layer.name,))).ntk for layer in network.layers]
    np.testing.assert_allclose(sum(parts), kernels(network, x).ntk, rtol=1e-13)
    # In the NTK parameterisation the read-out's part is the covariance of the outputs.
    np.testing.assert_allclose(parts[-1], kernels(network, x, get="nngp").nngp, rtol=1e-13)


def test_a_repetition_has_the_covariance_of_its_copies():
    x = RNG.standard_normal((3, 4))
    repeated = built((Dense(4), ERF, Repeat((Dense(4), ERF), 2), Dense(1)), (4,))
    unrolled = built((Dense(4), ERF, Dense(4), ERF, Dense(4), ERF, Dense(1)), (4,))
    mine, theirs = (kernels(n, x, get="nngp").nngp for n in (repeated, unrolled))
    np.testing.assert_allclose(mine, theirs, rtol=1e-13)
    with pytest.raises(UserError, match="all pairs of applications"):
        kernels(repeated, x)


def refused(stages, shape, match, **options):
    with pytest.raises(UserError, match=match):
        kernels(built(stages, shape), np.zeros((2, *shape)), **options)


def test_what_has_no_limit_is_refused_with_its_reason_and_an_alternative():
    conv, norm = Convolution(4), Normalise()
    refused(
        (conv, RELU, Pool(Pooling.MAX, 2), Flatten(), Dense(1)), (4, 4, 1), "maximum pool.*pooling=average"
    )
    refused((Dense(4), Normalise(Normalisation.BATCH), RELU, Dense(1)), (3,), "over the batch.*over channels")
    refused((Dense(4), Activate(Activation.SIGN), Dense(1)), (3,), "surrogate.*nngp.*erf")
    refused((Dense(4), RELU, RELU, Dense(1)), (3,), "relu of values that are not Gaussian")
    refused((RELU, Dense(1)), (3,), "not Gaussian")
    refused((conv, Flatten(), RELU, Dense(1)), (4, 4, 1), "not Gaussian")
    refused(
        (Dense(4), RELU, Residual((Dense(4),)), Dense(1)),
        (3,),
        "skips values that are not Gaussian.*pre-activation",
    )
    refused((Dense(4), Residual((Dense(4), RELU)), Dense(1)), (3,), "not independent")
    refused((Dense(4), norm, Residual((RELU, Dense(4))), Dense(1)), (3,), "trained scales")
    refused((Dense(4), Repeat((Residual((RELU, Dense(4))),), 2), Dense(1)), (3,), "share weights", get="nngp")
    refused((Dense(4), RELU, Dense(3), RELU), (3,), "ends in an activation")
    refused((Dense(4), RELU, Dense(3), norm), (3,), "normalises its outputs")
    refused((Dense(1),), (3,), "get=", get=())
    refused((Dense(1),), (3,), "mask", selection=Masked({}))
    refused((Dense(1),), (3,), "layer 'dense7'", selection=Layers(("dense7",)))
    refused((conv, GlobalAverage()), (4, 4, 1), "at least 37,632", memory=1000)
    mup = MLP((4,), parameterisation=Parameterisation.MUP).build((3,), 1)
    with pytest.raises(UserError, match="μP.*tends to zero.*standard or ntk"):
        kernels(mup, np.zeros((1, 3)))
    with pytest.raises(UserError, match="which stages it has.*averaged_kernel"):
        kernels(pure_network(lambda key: key, lambda p, x: x, input_shape=(3,), outputs=3), np.zeros((1, 3)))
    network = MLP((4,)).build((8, 8, 1), 2)
    for bad in (np.zeros((2, 8, 8)), np.zeros((0, 8, 8, 1)), np.full((1, 8, 8, 1), np.nan)):
        with pytest.raises(UserError, match="inputs"):
            kernels(network, bad)


def test_a_series_that_needs_too_many_terms_is_a_failure():
    network = MLP((4,), activation=Activation.TANH).build((2,), 1)
    with pytest.raises(NumericalFailure, match=r"512 terms.*Standardise"):
        kernels(network, np.full((1, 2), 1e4))
