"""The outputs of a network on many independent examples, in blocks, so that memory stays bounded.

The block size depends on the network alone, not on free memory, so that results are the same to the bit.

A network that normalises over the batch is a function of each example alone only once its statistics are fixed. They are
estimated from *reference* examples (training data) at the current parameters. Each block of these is normalised with its
own statistics, as in training, and the moments of the blocks are combined. Running averages are not used, because they
belong to earlier parameters. After any change of the parameters (a mask, a point on a line) the statistics are estimated
again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from ticketlab.networks.network import Network, Params, Statistics

__all__ = [
    "ROWS",
    "STATISTICS_BLOCKS",
    "block_rows",
    "estimated_statistics",
    "evaluate",
    "intermediate_bytes",
]

ROWS = 1024  # most examples in a block
BLOCK_BYTES = 256 * 1024**2  # of all intermediate values of a block, as if no memory were reused
STATISTICS_BLOCKS = 4  # most blocks from which statistics are estimated


def evaluate(network: Network, params: Params, x: Array, reference: Array) -> Array:
    """f(x, θ) `[n, k]`, each example independently.

    Arguments:
        network, params: f and θ.
        x: inputs `[n, *input_shape]`.
        reference: training inputs `[m, *input_shape]`, from which batch statistics are estimated; other networks ignore them.

    Cost: one forward pass; with batch statistics, another on up to 4 096 examples.
    """
    if network.frozen is not None:
        network = network.frozen(estimated_statistics(network, params, reference))
    return _in_blocks(partial(network.apply, params), x, block_rows(network, params))


def block_rows(network: Network, params: Params) -> int:
    """Examples per block: the largest power of two up to 1 024 whose intermediate values take at most 256 MiB."""
    one = jax.ShapeDtypeStruct((1, *network.input_shape), jnp.result_type(*jax.tree.leaves(params)))
    shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), params)
    fitting = BLOCK_BYTES // max(intermediate_bytes(network.apply, shapes, one), 1)
    return min(ROWS, 1 << (max(fitting, 1).bit_length() - 1))


def intermediate_bytes(function: Callable[..., Any], *shapes: Any) -> int:
    """The bytes of all intermediate values of a function, as if no memory were reused: an upper bound."""
    jaxpr = jax.make_jaxpr(function)(*shapes)
    return sum(int(np.prod(v.aval.shape)) * v.aval.dtype.itemsize for eqn in jaxpr.eqns for v in eqn.outvars)


def estimated_statistics(network: Network, params: Params, reference: Array) -> Statistics:
    """Mean and variance of every normalisation over the batch, combined from blocks of examples.

        mean = Σ_b mean_b / B,   variance = Σ_b (variance_b + mean_b²) / B − mean²

    Arguments:
        network, params: f and θ; a network without batch statistics gives an empty dictionary.
        reference: inputs `[m, …]`. Uses the first 4 blocks of 1 024; fewer than 1 024 examples form one block.

    Cost: a forward pass on up to 4 096 examples.
    """
    if network.statistics is None:
        return {}
    blocks = min(len(reference) // ROWS, STATISTICS_BLOCKS)
    if blocks <= 1:
        return network.statistics(params, reference[:ROWS])
    parts = reference[: blocks * ROWS].reshape(blocks, ROWS, *reference.shape[1:])
    found = lax.map(partial(network.statistics, params), parts)
    return {name: _together(*both) for name, both in found.items()}


def _together(means: Array, variances: Array) -> tuple[Array, Array]:
    mean = jnp.mean(means, axis=0)
    return mean, jnp.mean(variances + jnp.square(means - mean), axis=0)


def _in_blocks(apply: Callable[[Array], Array], x: Array, rows: int) -> Array:
    whole = len(x) // rows if len(x) > 2 * rows else 0
    parts = []
    if whole:
        block = lax.map(lambda i: apply(lax.dynamic_slice_in_dim(x, i * rows, rows)), jnp.arange(whole))
        parts.append(block.reshape(whole * rows, -1))
    if whole * rows < len(x):
        parts.append(apply(x[whole * rows :]))
    return jnp.concatenate(parts)
