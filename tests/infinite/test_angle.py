"""The angle against NumPy's, in all directions and near axes and diagonals, and its derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ticketlab.infinite.angle import angle


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def points() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    turns = np.concatenate([rng.uniform(-np.pi, np.pi, 100_000), np.arange(-16, 17) * np.pi / 16])
    near = rng.choice(np.arange(-8, 9) * np.pi / 8, 100_000) + 10.0 ** rng.uniform(-17, 0, 100_000)
    far = 10.0 ** rng.uniform(-12, 12, turns.size + near.size)
    turns = np.concatenate([turns, near])
    return far * np.sin(turns), far * np.cos(turns)


def test_two_units_in_the_last_place() -> None:
    y, x = points()
    found = np.asarray(angle(jnp.asarray(y), jnp.asarray(x)))
    right = np.arctan2(y, x)
    assert (np.abs(found - right) <= 2 * np.spacing(np.abs(right))).all()


@pytest.mark.parametrize(
    ("y", "x"), [(0, 0), (0, 1), (0, -1), (-0.0, -1), (1, 0), (-1, 0), (1e-300, -1), (1, 1)]
)
def test_axes_and_the_origin(y: float, x: float) -> None:
    assert float(angle(jnp.float64(y), jnp.float64(x))) == pytest.approx(np.arctan2(y, x), rel=4e-16)


def test_derivatives() -> None:
    turns = np.random.default_rng(1).uniform(-np.pi, np.pi, 1000)
    y, x = 3 * jnp.sin(turns), 3 * jnp.cos(turns)

    def both(f):  # type: ignore[no-untyped-def]
        first = jax.grad(lambda y, x: jnp.sum(f(y, x)), argnums=(0, 1))
        second = jax.grad(lambda y, x: jnp.sum(y * first(y, x)[1]), argnums=(0, 1))
        return (*first(y, x), *second(y, x))

    for one, other in zip(both(angle), both(jnp.arctan2), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-15)
    assert [float(d) for d in jax.grad(angle, argnums=(0, 1))(jnp.float64(0), jnp.float64(0))] == [0, 0]
