"""What every adapted model must do: the outputs and derivatives of the original, alone and vmapped over parameters."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ticketlab.networks import Network
from ticketlab.tangent import Jacobian

TOLERANCE = 1e-5  # of the largest entry, in single precision
SHAPE, OUTPUTS = (8, 8, 1), 3


def library(name: str, extra: str) -> Any:
    """The library, or the reason why a test is skipped."""
    return pytest.importorskip(name, reason=f"the extra '{extra}' is not installed")


def inputs(n: int = 4) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n, *SHAPE)).astype(np.float32)


def near(mine: Any, theirs: Any) -> None:
    mine, theirs = np.asarray(mine), np.asarray(theirs)
    assert mine.shape == theirs.shape
    assert np.abs(mine - theirs).max() <= TOLERANCE * np.abs(theirs).max()


def kernel(rows: Mapping[str, Any]) -> np.ndarray:
    """K = J Jᵀ `[n k, n k]` in double precision, from each parameter's derivatives `[n, k, …]`."""
    flat = [np.asarray(a, np.float64).reshape(a.shape[0] * a.shape[1], -1) for a in rows.values()]
    return sum(j @ j.T for j in flat)


def same_as(network: Network, params: Any, outputs: np.ndarray, rows: Mapping[str, Any]) -> None:
    """Outputs, derivatives and tangent kernel are those of the original at these parameters.

    Arguments:
        outputs: of the original, `[n, k]`.
        rows: its derivatives by the names of the parameters, `[n, k, …]`.
    """
    x = inputs(len(outputs))
    near(jax.jit(network.apply)(params, x), outputs)
    jacobian = Jacobian(network, params, x)
    expected = kernel(rows)
    near(_gram(jacobian), expected)
    forward = jax.jit(jax.jacfwd(lambda p: network.apply(p, jnp.asarray(x))))(params)
    largest = max(np.abs(np.asarray(a)).max() for a in rows.values())
    for name, theirs in rows.items():
        assert np.abs(np.asarray(forward[name]) - np.asarray(theirs)).max() <= TOLERANCE * largest, name


def _gram(jacobian: Jacobian) -> np.ndarray:
    n, k = jacobian.examples, jacobian.outputs_per_example
    basis = np.eye(n * k, dtype=np.float32).reshape(n * k, n, k)
    return np.asarray(jacobian.gram(basis), np.float64).reshape(n * k, n * k)


def vmapped(network: Network) -> None:
    """Parameters are drawn and applied for several keys at once, with the same bits as one by one."""
    keys, x = jax.random.split(jax.random.key(0), 2), jnp.asarray(inputs())
    together = jax.jit(jax.vmap(network.init))(keys)
    alone = [network.init(key) for key in keys]
    for i, params in enumerate(alone):
        for name, array in params.items():
            np.testing.assert_allclose(np.asarray(together[name][i]), np.asarray(array), rtol=1e-6)
    outputs = jax.jit(jax.vmap(network.apply, in_axes=(0, None)))(together, x)
    near(outputs, jnp.stack([network.apply(p, x) for p in alone]))


def tilted(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with every bias and scale off its initial value, so that none is there by chance."""
    draw = np.random.default_rng(1)
    return {
        n: np.asarray(a) + 0.1 * draw.standard_normal(np.shape(a)).astype(np.float32)
        for n, a in params.items()
    }
