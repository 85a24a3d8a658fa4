"""Empirical kernels of wide networks: single networks miss the limit by width^(−1/2), and their means by far less."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ticketlab.infinite import kernels
from ticketlab.infinite.recursion import Recipe, itself, pair
from ticketlab.networks import (
    MLP,
    Activate,
    Activation,
    Convolution,
    Dense,
    Distribution,
    Family,
    Flatten,
    GlobalAverage,
    Initialisation,
    Normalise,
    Parameterisation,
    Pool,
    Pooling,
    PreActResNet,
    Residual,
    sequential,
)
from ticketlab.tangent import Jacobian, averaged_kernel

pytestmark = pytest.mark.slow
RNG = np.random.default_rng(0)
RELU = Activate(Activation.RELU)


def mlp(activation, parameterisation, initialisation=None):
    def built(width):
        more = {} if initialisation is None else {"initialisation": initialisation}
        return MLP((width, width), activation=activation, parameterisation=parameterisation, **more).build(
            (6,), 4
        )

    return built


def stages(make, shape, parameterisation=Parameterisation.NTK):
    return lambda width: sequential(
        make(width), shape, name=f"width {width}", parameterisation=parameterisation
    )


def conv(width, **more):
    return Convolution(width, **more)


AVERAGE = Pool(Pooling.AVERAGE, 2)
CASES = {
    **{f"mlp {p.value}": mlp(Activation.RELU, p) for p in Parameterisation},
    **{
        f"mlp {a.value}": mlp(a, Parameterisation.NTK)
        for a in (Activation.TANH, Activation.ERF, Activation.GELU)
    },
    "glorot uniform": mlp(
        Activation.RELU, Parameterisation.STANDARD, Initialisation(Family.GLOROT, Distribution.UNIFORM)
    ),
    "same, valid, stride": stages(
        lambda w: (conv(w, stride=2), RELU, conv(w, window=2, padding="VALID"), RELU, Flatten(), Dense(4)),
        (7, 6, 2),
    ),
    "pools": stages(
        lambda w: (conv(w), RELU, AVERAGE, conv(w), RELU, AVERAGE, Flatten(), Dense(4)), (5, 6, 2)
    ),
    "mean": stages(lambda w: (conv(w), RELU, conv(w, stride=2), RELU, GlobalAverage(), Dense(4)), (5, 5, 2)),
    "normalised": stages(
        lambda w: (
            Dense(w),
            Normalise(),
            RELU,
            Dense(w),
            Activate(Activation.ERF),
            Normalise(),
            Dense(w),
            RELU,
            Dense(4),
        ),
        (6,),
    ),
    "residual": stages(
        lambda w: (
            Dense(w),
            Residual((Normalise(), RELU, Dense(w), Normalise(), RELU, Dense(w))),
            RELU,
            Dense(4),
        ),
        (6,),
    ),
}


def limit(network, x):
    """Both kernels, also the covariance of μP's outputs at the given widths, which `kernels` refuses."""
    if network.parameterisation is not Parameterisation.MUP:
        found = kernels(network, x)
        return {"nngp": found.nngp, "ntk": found.ntk}
    recipe = Recipe(network, True, None)
    with jax.enable_x64(True):
        x = jnp.asarray(x, jnp.float64)
        own = itself(recipe, x)[0]
        nngp, ntk = pair(recipe, x, x, own, own)
    return {"nngp": np.asarray(nngp), "ntk": np.asarray(ntk)}


def measured(network, x, seeds):
    """Σ (from features before the read-out would need its rule, so from many outputs) and Θ of each random network."""
    found = {"nngp": [], "ntk": []}
    for seed in range(seeds):
        params = network.init(jax.random.key(seed))
        outputs = np.asarray(network.apply(params, x), np.float64)
        found["nngp"].append(outputs @ outputs.T / outputs.shape[1])
        found["ntk"].append(np.asarray(averaged_kernel(Jacobian(network, params, x)), np.float64))
    return {key: np.stack(values) for key, values in found.items()}


def spread(covariance, outputs):
    """The standard deviation of the mean product of Gaussian outputs; that of a sample is small where its mean is."""
    variance = np.diag(covariance)
    return np.sqrt((np.outer(variance, variance) + covariance**2) / outputs)


@pytest.mark.parametrize("name", CASES)
def test_single_networks_approach_the_limit_as_the_inverse_root_of_the_width(name):
    shape = CASES[name](8).input_shape
    x = np.random.default_rng(0).standard_normal((3, *shape)).astype(np.float32)
    widths, errors = (64, 128, 256, 512), []
    for width in widths:
        network = CASES[name](width)
        expected = limit(network, x)
        drawn = measured(network, x, 32)
        for key in ("nngp", "ntk"):
            size = np.sqrt(np.mean(expected[key] ** 2))
            off = np.abs(drawn[key].mean(axis=0) - expected[key]) / size
            error = (
                (drawn[key].std(axis=0, ddof=1) if key == "ntk" else spread(expected[key], 4))
                / np.sqrt(32)
                / size
            )
            # means differ by about 1/width, in addition to noise
            assert (off < 4 * error + 4 / width).all(), (width, key, off, error)
        relative = (drawn["ntk"] - expected["ntk"]) / np.sqrt(np.mean(expected["ntk"] ** 2))
        errors.append(np.sqrt(np.mean(relative**2)))
    slope = np.polyfit(np.log(widths), np.log(errors), 1)[0]
    assert abs(slope + 0.5) < 0.1, (slope, errors)


def test_the_zoo_has_members_with_a_limit():
    x = RNG.standard_normal((2, 8, 8, 1)).astype(np.float32)
    network = PreActResNet((64, 64), parameterisation=Parameterisation.NTK).build((8, 8, 1), 4)
    expected, drawn = kernels(network, x), measured(network, x, 16)
    off = np.abs(drawn["ntk"].mean(axis=0) - expected.ntk) / expected.ntk.max()
    assert off.max() < 0.1
