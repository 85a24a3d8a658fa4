"""How many operations a network takes for one example: those of its products and convolutions, counted in its traced program.

A multiply–add counts as two. A loop over steps counts as often as it runs, which XLA's own count does not know. What is done
element by element is left out, as is usual for scaling laws.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from ticketlab.errors import UserError
from ticketlab.networks.network import Network

__all__ = ["forward_operations"]


def forward_operations(network: Network) -> float:
    """Operations of a forward pass for one example; a step of training takes three times as many for each example.

    The gradient needs two products for each one of the forward pass. Nothing is computed: shapes suffice.

    Raises: UserError for products in a loop whose number of rounds is not known.
    """
    params = jax.eval_shape(network.init, jax.random.key(0))
    x = jax.ShapeDtypeStruct((1, *network.input_shape), jnp.float32)
    return _counted(jax.make_jaxpr(network.apply)(params, x).jaxpr)


def _counted(program: Any) -> float:
    return sum(map(_operations, program.eqns))


def _operations(equation: Any) -> float:
    kind, results = equation.primitive.name, [math.prod(v.aval.shape) for v in equation.outvars]
    if kind == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        left = equation.invars[0].aval.shape
        return 2.0 * results[0] * math.prod(left[axis] for axis in contracted)
    if kind == "conv_general_dilated":
        _, *others = equation.params["dimension_numbers"].rhs_spec
        return 2.0 * results[0] * math.prod(equation.invars[1].aval.shape[axis] for axis in others)
    if kind == "convolution":  # our own, of a kernel with its outputs last
        return 2.0 * results[0] * math.prod(equation.invars[1].aval.shape[:-1])
    inner = [_counted(program) for program in _programs(equation.params)]
    if kind == "while" and any(inner):
        raise UserError(
            "a network with products in a loop whose number of rounds is not known before it runs",
            "loops of a fixed number of rounds (jax.lax.scan)",
            "Operations are counted in the traced program.",
        )
    times = equation.params["length"] if kind == "scan" else 1
    return times * (max(inner) if kind == "cond" else sum(inner))


def _programs(params: dict[str, Any]) -> Iterator[Any]:
    """The programs within an equation."""
    for value in params.values():
        for one in value if isinstance(value, (tuple, list)) else (value,):
            inner = getattr(one, "jaxpr", one)
            if hasattr(inner, "eqns"):
                yield inner
