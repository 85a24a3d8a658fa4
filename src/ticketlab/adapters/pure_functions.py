"""A network from a pair of pure functions of any pytree, with parameters by name, so that masks can cover its weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from ticketlab.adapters.adapted import adapted, tried
from ticketlab.adapters.named_leaves import named_leaves
from ticketlab.networks.layers import checked_shape
from ticketlab.networks.network import Network, Params
from ticketlab.networks.own_format import OwnFormat

__all__ = ["functions"]


def functions(
    init: Callable[[Array], Any],
    apply: Callable[[Any, Array], Array],
    input_shape: tuple[int, ...],
    outputs: int,
    *,
    name: str = "user's network",
) -> Network:
    """A checked network from two pure functions.

    Arguments:
        init: `key -> tree`, any pytree of floating arrays.
        apply: `(tree, x[n, *input_shape]) -> outputs[n, k]`, a whole batch at once.
        input_shape: the shape of one example.
        outputs: k.
        name: for tables and messages.

    Returns:
        A network whose parameters are the leaves of the tree by name (`dense.kernel`), with masks over the weights that it
        multiplies or looks up. `networks.pure_network` takes the functions as they are, unchecked and without masks.

    Raises:
        UserError: for functions that are not a deterministic, differentiable function of each example alone; for parameters that
            the outputs do not depend on.
    """
    input_shape = checked_shape(input_shape)
    start, back = named_leaves(
        tried(
            name,
            "draw its parameters with a traced key, as jax.jit does",
            lambda: jax.eval_shape(init, jax.random.key(0)),
        )
    )

    def drawn(key: Array) -> Params:
        return named_leaves(init(key))[0]

    def applied(params: Params, x: Array) -> Array:
        return apply(back(params), x)

    def state(params: Params) -> dict[str, np.ndarray]:
        return {n: np.asarray(a) for n, a in params.items()}

    own = OwnFormat(
        "JAX", {"framework": f"jax {jax.__version__}"}, state, {n: (n,) for n in start}, "separate"
    )
    return adapted(drawn, applied, input_shape, outputs, name, own)
