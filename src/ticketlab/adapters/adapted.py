"""A network from any model, once it is a pair of pure functions of parameters by name; with the checks that every model passes.

A tangent space needs a deterministic, differentiable function of each example alone. Models often are not one: dropout is on, or
batch normalisation mixes examples. That would not fail; it would give wrong numbers. So every model is tried once, on a few
random inputs, before anything is run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ticketlab.adapters.named_leaves import named_leaves
from ticketlab.adapters.traced import uses
from ticketlab.adapters.user_code import first_line
from ticketlab.errors import UserError
from ticketlab.networks.network import Network, Params, pure_network
from ticketlab.networks.own_format import OwnFormat

__all__ = ["adapted", "check", "check_fixed", "tried"]

TRIED = 4  # examples
NEAR = 1e-5  # of the largest output: the rounding of single precision is below


def adapted(
    init: Callable[[Array], Params],
    apply: Callable[[Params, Array], Array],
    input_shape: tuple[int, ...],
    outputs: int,
    name: str,
    own_format: OwnFormat,
) -> Network:
    """A checked network.

    Arguments:
        init: `key -> {name: array}`.
        apply: `(params, x[n, *input_shape]) -> outputs[n, k]`.
        input_shape, outputs, name: as for `pure_network`.
        own_format: the way back to the model's library.

    Raises:
        UserError: as `check` says.
    """
    drawn = np.random.Generator(np.random.PCG64(0)).standard_normal((TRIED, *input_shape))
    x = jnp.asarray(drawn, jnp.float32)
    params = tried(name, "draw its parameters", lambda: init(jax.random.key(0)))
    if not params:
        raise UserError(f"{name}, which has no parameters to train", "a model with trainable parameters")
    _check_types(name, params)
    network = pure_network(init, apply, input_shape=input_shape, outputs=outputs, name=name)
    weights, unused = tried(name, f"run on inputs {x.shape}", lambda: uses(network.apply, params, x))
    if unused:
        raise UserError(
            f"{name}, whose outputs do not depend on {_listed(unused)}",
            "parameters that all reach the outputs",
            "Remove them from the model (in PyTorch: or set requires_grad=False, which holds them fixed).",
        )
    check(network, params, x)
    return pure_network(
        init,
        apply,
        input_shape=input_shape,
        outputs=outputs,
        name=name,
        weights=weights,
        own_format=own_format,
    )


def check(network: Network, params: Params, x: Array) -> None:
    """Tries a network on some inputs.

    Raises:
        UserError: if two calls differ, if an example's outputs depend on its batch, if outputs or gradient are not finite.

    Cost: the model is compiled for two sizes of a batch, and its gradient once.
    """
    name, apply = network.name, jax.jit(network.apply)
    once, again = (
        np.asarray(tried(name, f"run on inputs {x.shape}", lambda: apply(params, x))) for _ in range(2)
    )
    if not np.isfinite(once).all():
        raise UserError(f"{name}, whose outputs for random inputs are not finite", "finite numbers")
    size = max(float(np.abs(once).max()), 1e-6)
    if np.abs(once - again).max() > NEAR * size:
        raise UserError(
            f"{name}, which gives other outputs at a second call",
            "a deterministic function",
            "Dropout is on: switch it off.",
        )
    alone = np.asarray(tried(name, "run on one example", lambda: apply(params, x[:1])))
    mixed = float(np.abs(once[:1] - alone).max())
    if mixed > NEAR * size:
        raise UserError(
            f"{name}, which mixes examples: the outputs of one differ by {mixed / size:.2g} of the largest with its batch",
            "a function of each example alone",
            "Batch normalisation must use fixed statistics, and no axis but the first may count the examples.",
        )
    weights = jnp.linspace(1, 2, once.size, dtype=jnp.float32).reshape(once.shape)
    gradient = jax.jit(jax.grad(lambda p: jnp.sum(network.apply(p, x) * weights)))
    found = tried(name, "be differentiated", lambda: gradient(params))
    if wrong := [n for n, g in found.items() if not np.isfinite(np.asarray(g)).all()]:
        raise UserError(
            f"{name}, whose gradient is not finite in {_listed(wrong)}",
            "a finite derivative at the start",
            "A square root or a logarithm at zero is a common cause.",
        )


def check_fixed(name: str, one: Any, other: Any) -> None:
    """Checks that what is fixed does not depend on the key."""
    (first, _), (second, _) = named_leaves(one), named_leaves(other)
    if drawn := [n for n in first if not np.array_equal(_numbers(first[n]), _numbers(second[n]))]:
        raise UserError(
            f"{name}, whose {drawn[0]!r} is drawn at random but is not a parameter",
            "variables besides the parameters that do not depend on the key, since they are part of the function",
            "Make it a parameter, or fix its key within the model.",
        )


def _numbers(array: Any) -> np.ndarray:
    is_key = hasattr(array, "dtype") and jnp.issubdtype(array.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(array) if is_key else array)


def _check_types(name: str, params: Params) -> None:
    odd = [n for n, a in params.items() if not jnp.issubdtype(jnp.asarray(a).dtype, jnp.floating)]
    if odd:
        raise UserError(
            f"{name}, whose parameters {_listed(odd)} are not real numbers", "real floating numbers"
        )


def tried(name: str, what: str, do: Callable[[], Any]) -> Any:
    """The result; an error inside the user's model is told as the user's."""
    try:
        return do()
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{name}, which cannot {what} ({type(error).__name__}: {first_line(error)})", "a model that can"
        ) from error


def _listed(names: Any) -> str:
    some = list(names)
    return ", ".join(some[:5]) + (f" and {len(some) - 5} more" if len(some) > 5 else "")
