"""A network from an Equinox model, which takes one example; here it is mapped over a batch.

Parameters are its floating arrays, named by their path, `layers.0.weight`. The model is put into inference mode: dropout is off,
and batch normalisation uses its running statistics, which are held fixed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ticketlab.adapters.adapted import adapted, check_fixed
from ticketlab.adapters.named_leaves import named_leaves
from ticketlab.adapters.user_code import called, required, title
from ticketlab.errors import UserError
from ticketlab.networks.layers import checked_shape
from ticketlab.networks.network import Network, Params
from ticketlab.networks.own_format import OwnFormat

if TYPE_CHECKING:
    import equinox as library

__all__ = ["equinox"]


def equinox(
    factory: Callable[[Array], library.Module] | library.Module,
    input_shape: tuple[int, ...],
    outputs: int,
    *,
    name: str = "",
    channels_first: bool = True,
) -> Network:
    """A network from an Equinox model.

    Arguments:
        factory: `key -> model`, or `key -> (model, state)` for a model with batch normalisation. Or the model itself, whose
            parameters are then θ₀ for every key.
        input_shape: the shape of one example; (height, width, channels) for images.
        outputs: k.
        name: for tables and messages (default: the class of the model).
        channels_first: whether images are given to the model as [channels, height, width], as Equinox's layers expect.

    Returns:
        A network with masks over the weights that it multiplies or looks up, but without a description of its units.

    Raises:
        UserError: if Equinox is not installed; as for `torch`, for a model that is not a deterministic, differentiable function
            of each example alone; for one with arrays that are drawn by the key and are no parameters.
    """
    eqx = required("equinox", "Equinox")
    input_shape = checked_shape(input_shape)

    def made(key: Array) -> tuple[Any, Any]:
        found = factory if isinstance(factory, eqx.Module) else called(factory, key)
        model, state = found if isinstance(found, tuple) and len(found) == 2 else (found, None)
        if not callable(model) or not isinstance(model, eqx.Module):
            raise UserError(
                f"{type(model).__name__} from {title(factory)}", "an equinox.Module that can be called"
            )
        return eqx.nn.inference_mode(model), state

    def fixed_at(seed: int) -> Any:
        """The arrays that are no parameters: whole numbers, and the state."""
        model, state = made(jax.random.key(seed))
        return eqx.filter((eqx.partition(model, eqx.is_inexact_array)[1], state), eqx.is_array)

    model, state = made(jax.random.key(0))
    name = name or type(model).__name__
    check_fixed(name, fixed_at(0), fixed_at(1))
    start, static = eqx.partition(model, eqx.is_inexact_array)
    _, back = named_leaves(start)
    turned = channels_first and len(input_shape) == 3

    def apply(params: Params, x: Array) -> Array:
        whole = eqx.combine(back(params), static)

        def one(example: Array) -> Array:
            given = jnp.moveaxis(example, -1, 0) if turned else example
            return whole(given) if state is None else whole(given, state)[0]

        return jax.vmap(one, axis_name="batch")(x)

    def init(key: Array) -> Params:
        return named_leaves(eqx.partition(made(key)[0], eqx.is_inexact_array)[0])[0]

    rest = {} if state is None else named_leaves({"state": jax.tree.leaves(state)}, "/")[0]
    fixed = {n: np.asarray(a) for n, a in rest.items()}

    def own(params: Params) -> dict[str, np.ndarray]:
        return {**{f"params/{n}": np.asarray(a) for n, a in params.items()}, **fixed}

    about = {"framework": f"equinox {eqx.__version__}", "class": type(model).__qualname__}
    names = {n: (f"params/{n}",) for n in named_leaves(start)[0]}
    own_format = OwnFormat("Equinox", about, own, names, "separate", fixed)
    return adapted(init, apply, input_shape, outputs, name, own_format)
