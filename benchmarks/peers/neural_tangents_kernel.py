"""neural-tangents 0.6.5 on a problem written by benchmarks/kernel.py; runs in its own environment, prints one line of JSON.

    python neural_tangents_kernel.py PROBLEM.npz IMPLEMENTATION OUT.npy GIGABYTES

It ends if it needs more gigabytes than this, to protect the machine: one implementation forms the whole Jacobian.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import types

sys.modules["neural_tangents.experimental"] = types.ModuleType("experimental")  # avoids starting TensorFlow

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import neural_tangents as nt
import numpy as np
from neural_tangents import stax


def network(name: str):
    """The same network in the peer's terms; NTK parameterisation, weights √2/√fan-in, biases 0.1."""

    def dense(units: int):
        return stax.Dense(units, W_std=2**0.5, b_std=0.1)

    def convolution(units: int):
        return stax.Conv(units, (3, 3), padding="SAME", W_std=2**0.5, b_std=0.1)

    if name == "mlp":
        return stax.serial(stax.Flatten(), dense(512), stax.Relu(), dense(512), stax.Relu(), dense(10))
    layers = [layer for units in (32, 64, 64) for layer in (convolution(units), stax.Relu())]
    tail = [stax.GlobalAvgPool()] if name == "cnn-mean" else [stax.AvgPool((2, 2), (2, 2)), stax.Flatten()]
    return stax.serial(*layers, *tail, dense(10))


def parameters(init, problem, shape: tuple[int, ...]):
    """Our parameters in the peer's shapes."""
    _, shapes = init(jax.random.PRNGKey(0), (-1, *shape))
    layers = iter(problem["layers"])

    def filled(layer):
        if not layer:
            return layer
        name = next(layers)
        return tuple(
            jnp.asarray(problem[f"{name}/{leaf}"]).reshape(own.shape)
            for leaf, own in zip(("weight", "bias"), layer, strict=True)
        )

    return [filled(layer) for layer in shapes]


def timed(call, *arguments):
    begin = time.perf_counter()
    result = jax.block_until_ready(call(*arguments))
    return result, time.perf_counter() - begin


def matrix(kernel) -> jax.Array:
    n, m, k, _ = kernel.shape
    return jnp.transpose(kernel, (0, 2, 1, 3)).reshape(n * k, m * k)


def main(path: str, implementation: str, out: str, gigabytes: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (int(float(gigabytes) * 1e9),) * 2)
    problem = np.load(path)
    init, apply, _ = network(str(problem["network"]))
    x = jnp.asarray(problem["x"])
    params = parameters(init, problem, x.shape[1:])
    kernel_of = jax.jit(
        nt.empirical_ntk_fn(
            apply, trace_axes=(), vmap_axes=0, implementation=nt.NtkImplementation[implementation]
        )
    )
    if "targets" in problem:
        result = solve(kernel_of, apply, params, problem)
    else:
        kernel, compiled = timed(kernel_of, x, None, params)
        # A run that is far slower is not repeated.
        seconds = [timed(kernel_of, x, None, params)[1] for _ in range(5 if compiled < 30 else 1)]
        np.save(out, np.asarray(matrix(kernel)))
        result = {"seconds": min(seconds)}
    print(json.dumps({"gigabytes": peak(), **result}))


def solve(kernel_of, apply, params, problem) -> dict[str, float]:
    """Kernel, cross kernel, and predictions at the test points by a Cholesky factor, as in the peer's `predict`."""
    x, there = jnp.asarray(problem["x"]), jnp.asarray(problem["test"])
    targets, ridge = jnp.asarray(problem["targets"]), float(problem["ridge"])
    for inputs in ((x, None), (there, x)):
        jax.block_until_ready(kernel_of(*inputs, params))  # compiles
    kernel, first = timed(lambda: matrix(kernel_of(x, None, params)))
    cross, second = timed(lambda: matrix(kernel_of(there, x, params)))
    r = (targets - apply(params, x)).ravel()

    @jax.jit
    def solved(kernel, cross):
        shift = ridge * jnp.mean(jnp.diagonal(kernel))
        factor = jax.scipy.linalg.cho_factor(kernel + shift * jnp.eye(len(kernel)), lower=True)
        u = jax.scipy.linalg.cho_solve(factor, r)
        return u, cross @ u

    compiled = solved.lower(kernel, cross).compile()
    (u, _), third = timed(compiled, kernel, cross)
    return {
        "seconds": first + second + third,
        "kernel": first,
        "cross": second,
        "solve": third,
        "gigabytes": peak(),
        "residual": residual(np.asarray(kernel), np.asarray(u, np.float64), np.asarray(r, np.float64), ridge),
    }


def residual(kernel, u, r, ridge: float) -> float:
    """‖∇P(Jᵀu)‖/‖∇P(0)‖ for its own kernel, in float64: √(eᵀKe / rᵀKr) with e = (K + λI)u − r."""

    def times(v):
        return np.concatenate([block.astype(np.float64) @ v for block in np.array_split(kernel, 20)])

    e = times(u) + ridge * np.mean(np.diagonal(kernel), dtype=np.float64) * u - r
    return float(np.sqrt(e @ times(e)) / np.sqrt(r @ times(r)))


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)


if __name__ == "__main__":
    main(*sys.argv[1:])
