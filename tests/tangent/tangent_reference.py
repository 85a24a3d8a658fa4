"""The tangent-space problem, slow and obvious: J as a matrix in float64, and the problem solved by scikit-learn, SciPy
and NumPy. Also the small networks that the tests of the folder share, so that each is compiled once."""

from collections.abc import Callable
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
import scipy.special
from jax.flatten_util import ravel_pytree
from sklearn.linear_model import LogisticRegression, Ridge

from ticketlab.networks import (
    MLP,
    Activate,
    Activation,
    AllConv,
    Convolution,
    Dense,
    Flatten,
    Network,
    Parameterisation,
    Params,
    Pool,
    Pooling,
    pure_network,
    sequential,
)
from ticketlab.tasks import Split

# Networks


def _lenet(activation: Activation, parameterisation: Parameterisation) -> Network:
    """LeNet in small: convolution, pool, dense layers."""
    act = Activate(activation)
    stages = (Convolution(3), act, Pool(Pooling.AVERAGE), Flatten(), Dense(5), act, Dense(3))
    return sequential(stages, (6, 6, 1), name="small LeNet", parameterisation=parameterisation)


def _user_apply(params: Params, x: jax.Array) -> jax.Array:
    inner, (scale, shift) = params
    hidden = jnp.sin(x @ inner["in"]) * scale
    return hidden @ inner["out"] + shift * jnp.sum(x, axis=1, keepdims=True)


def _user_init(key: jax.Array) -> Params:
    a, b, c = jax.random.split(key, 3)
    inner = {"in": jax.random.normal(a, (4, 8)), "out": 0.3 * jax.random.normal(b, (8, 3))}
    return inner, [jax.random.normal(c, (8,)), jnp.float32(0.5)]


NTK, STANDARD = Parameterisation.NTK, Parameterisation.STANDARD
NETWORKS: dict[str, Network] = {
    "mlp": MLP((6, 5), activation=Activation.TANH).build((4,), 3),
    "mlp-ntk": MLP((7, 6), activation=Activation.GELU, parameterisation=NTK).build((4,), 3),
    "mlp-relu": MLP((9,), bias=False).build((2, 2), 3),
    "lenet": _lenet(Activation.TANH, STANDARD),
    "lenet-ntk": _lenet(Activation.ERF, NTK),
    "all-conv": AllConv((3,), activation=Activation.GELU).build((5, 4, 2), 3),
    "user": pure_network(_user_init, _user_apply, input_shape=(4,), outputs=3),
}
SMOOTH = [name for name in NETWORKS if name != "mlp-relu"]


@cache
def params_of(name: str) -> Params:
    return NETWORKS[name].init(jax.random.key(len(name)))


@cache
def split_of(name: str, n: int = 9, seed: int = 3) -> Split:
    """Random inputs, and one-hot targets that have nothing to do with them."""
    network, draw = NETWORKS[name], np.random.default_rng(seed)
    labels = draw.permutation(np.arange(n) % network.outputs)
    return Split(
        x=draw.standard_normal((n, *network.input_shape)).astype(np.float32),
        targets=np.eye(network.outputs, dtype=np.float32)[labels],
        ids=np.arange(n),
        labels=labels,
    )


# The problem, written down


def explicit(network: Network, params: Params, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """f(x, θ₀) `[n, k]` and J `[n·k, P]` in float64."""
    with jax.enable_x64(True):
        flat, restore = ravel_pytree(jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params))

        def outputs(theta: jax.Array) -> jax.Array:
            return network.apply(restore(theta), jax.device_put(np.asarray(x, np.float64)))

        # Forward mode, where the package goes backward.
        values, columns = jax.jit(lambda theta: (outputs(theta), jax.jacfwd(outputs)(theta)))(flat)
        return np.asarray(values), np.asarray(columns).reshape(-1, flat.size)


@cache
def explicit_of(name: str, n: int = 9) -> tuple[np.ndarray, np.ndarray]:
    return explicit(NETWORKS[name], params_of(name), split_of(name, n).x)


def flattened(params: Params) -> np.ndarray:
    """A vector in parameter space as one array, in the order of the columns of J."""
    return np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(params)])


def ridge_step(j: np.ndarray, r: np.ndarray, ridge: float) -> np.ndarray:
    """argmin ½‖JΔ − r‖² + ½λ‖Δ‖²."""
    return Ridge(alpha=ridge, fit_intercept=False, solver="svd").fit(j, r.ravel()).coef_


def minimum_norm_step(j: np.ndarray, r: np.ndarray) -> np.ndarray:
    """J⁺r."""
    return np.linalg.lstsq(j, r.ravel(), rcond=None)[0]


def logistic_step(j: np.ndarray, labels: np.ndarray, ridge: float) -> np.ndarray:
    """Softmax cross-entropy for two outputs and f₀ = 0, which is the logistic loss of F₁ − F₀."""
    rows = j.reshape(len(labels), 2, -1)
    model = LogisticRegression(C=1 / ridge, fit_intercept=False, tol=1e-14, solver="newton-cholesky")
    return model.fit(rows[:, 1] - rows[:, 0], labels).coef_[0]


def newton_step(j: np.ndarray, f0: np.ndarray, y: np.ndarray, ridge: float, loss: "Model") -> np.ndarray:
    """argmin Σ ℓ(f₀ + JΔ, y) + ½λ‖Δ‖² by SciPy's trust-region Newton method."""
    n, k = f0.shape
    rows = j.reshape(n, k, -1)

    def at(delta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        return loss(f0 + (j @ delta).reshape(n, k), y)

    def value(delta: np.ndarray) -> float:
        return at(delta)[0] + 0.5 * ridge * delta @ delta

    def gradient(delta: np.ndarray) -> np.ndarray:
        return j.T @ at(delta)[1].ravel() + ridge * delta

    def hessian(delta: np.ndarray) -> np.ndarray:
        return np.einsum("nap,nab,nbq->pq", rows, at(delta)[2], rows, optimize=True) + ridge * np.eye(
            len(delta)
        )

    zero = np.zeros(j.shape[1])
    goal = 1e-6 * np.linalg.norm(gradient(zero))
    delta = scipy.optimize.minimize(
        value, zero, jac=gradient, hess=hessian, method="trust-exact", options={"gtol": goal}
    ).x
    for _ in range(
        4
    ):  # the trust region compares values, and rounding ends it early; Newton's own steps go on
        delta = delta - np.linalg.solve(hessian(delta), gradient(delta))
    assert np.linalg.norm(gradient(delta)) <= 1e-11 * np.linalg.norm(gradient(zero))
    return delta


# Losses: value, gradient [n, k], Hessian [n, k, k]; and the conjugate

Model = Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray, np.ndarray]]


def square_model(outputs: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    identity = np.broadcast_to(np.eye(y.shape[1]), (*y.shape, y.shape[1]))
    return 0.5 * float(np.sum((outputs - y) ** 2)), outputs - y, identity


def square_conjugate(v: np.ndarray, y: np.ndarray) -> float:
    return float(np.sum(0.5 * v**2 + v * y))


def softmax_model(outputs: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    value = np.sum(scipy.special.logsumexp(outputs, axis=1)) - np.sum(y * outputs)
    p = scipy.special.softmax(outputs, axis=1)
    return float(value), p - y, p[:, :, None] * np.eye(y.shape[1]) - p[:, :, None] * p[:, None, :]


def softmax_conjugate(v: np.ndarray, y: np.ndarray) -> float:
    p = np.clip(v + y, 0, 1)
    return float(np.sum(scipy.special.xlogy(p, p)))


def logistic_model(outputs: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    p = scipy.special.expit(outputs)
    value = float(np.sum(np.logaddexp(0, outputs) - y * outputs))
    return value, p - y, (p * (1 - p))[:, :, None] * np.eye(y.shape[1])


def squared_hinge_model(outputs: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    s = np.where(y == 1, 1.0, -1.0)
    short = np.maximum(1 - s * outputs, 0)
    return 0.5 * float(np.sum(short**2)), -s * short, (short > 0)[:, :, None] * np.eye(y.shape[1])


def huber_model(width: float) -> Model:
    def model(outputs: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        d = outputs - y
        near = np.abs(d) <= width
        value = np.sum(np.where(near, 0.5 * d**2, width * (np.abs(d) - 0.5 * width)))
        return float(value), np.clip(d, -width, width), near[:, :, None] * np.eye(d.shape[1])

    return model


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
