"""Networks from Flax models: linen and nnx.

The model is evaluated as it is after training: dropout is off, and batch normalisation uses its running statistics, which are
held fixed. Parameters are named by their path, `Dense_0.kernel`. A ticket's file names them with slashes, below their collection:
`params/Dense_0/kernel`, `batch_stats/BatchNorm_0/mean`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ticketlab.adapters.adapted import adapted, check_fixed
from ticketlab.adapters.named_leaves import named_leaves
from ticketlab.adapters.user_code import called, first_line, required, title
from ticketlab.errors import UserError
from ticketlab.networks.layers import checked_shape
from ticketlab.networks.network import Network, Params
from ticketlab.networks.own_format import OwnFormat

if TYPE_CHECKING:
    from flax import linen as flax_linen
    from flax import nnx as flax_nnx

__all__ = ["linen", "nnx"]

# What models call the switch between training and evaluation, and its position for evaluation.
EVALUATION: Mapping[str, bool] = {
    "train": False,
    "training": False,
    "is_training": False,
    "deterministic": True,
    "use_running_average": True,
}


def linen(
    factory: Callable[[], flax_linen.Module] | flax_linen.Module,
    input_shape: tuple[int, ...],
    outputs: int,
    *,
    name: str = "",
    call: Mapping[str, Any] | None = None,
) -> Network:
    """A network from a Flax linen module.

    Arguments:
        factory: makes the module, or the module itself; parameters are drawn by `module.init`.
        input_shape: the shape of one example; (height, width, channels) for images.
        outputs: k.
        name: for tables and messages (default: the class of the module).
        call: what the module is called with after its inputs; by default `train=False`, `deterministic=True` and the like, if
            its `__call__` has such an argument.

    Returns:
        A network with masks over the weights that it multiplies or looks up, but without a description of its units.

    Raises:
        UserError: if Flax is not installed; as for `torch`, for a model that is not a deterministic, differentiable function of
            each example alone.
    """
    library = required("flax.linen", "Flax")
    input_shape = checked_shape(input_shape)
    module = factory if isinstance(factory, library.Module) else called(factory)
    if not isinstance(module, library.Module):
        raise UserError(f"{type(module).__name__} from {title(factory)}", "a flax.linen.Module")
    name = name or type(module).__name__
    options = _evaluation(type(module).__call__) if call is None else dict(call)
    one = jnp.zeros((1, *input_shape), jnp.float32)

    def variables(key: Array) -> Any:
        return module.init(key, one, **options)

    try:
        example = variables(jax.random.key(0))
    except Exception as error:
        raise _not_run(name, options, error) from error
    if "params" not in example:
        raise UserError(f"{name}, which has no parameters to train", "a model with trainable parameters")
    fixed = {c: tree for c, tree in example.items() if c != "params"}
    check_fixed(name, fixed, {c: t for c, t in variables(jax.random.key(1)).items() if c != "params"})
    _, back = named_leaves(example["params"])

    def apply(params: Params, x: Array) -> Array:
        return module.apply({"params": back(params), **fixed}, x, **options)

    def init(key: Array) -> Params:
        return named_leaves(variables(key)["params"])[0]

    def state(params: Params) -> dict[str, np.ndarray]:
        whole = {"params": back(params), **fixed}
        return {n: np.asarray(a) for n, a in named_leaves(whole, "/")[0].items()}

    own = _format(module, state, example["params"], fixed)
    return adapted(init, apply, input_shape, outputs, name, own)


def nnx(
    factory: Callable[[flax_nnx.Rngs], flax_nnx.Module] | flax_nnx.Module,
    input_shape: tuple[int, ...],
    outputs: int,
    *,
    name: str = "",
) -> Network:
    """A network from a Flax nnx module.

    Arguments:
        factory: `rngs -> module`, whose parameters are drawn from the key. Or the module itself, whose parameters are then θ₀
            for every key.
        input_shape: the shape of one example; (height, width, channels) for images.
        outputs: k.
        name: for tables and messages (default: the class of the module).

    Returns:
        A network with masks over the weights that it multiplies or looks up, but without a description of its units. The module
        is put into evaluation mode (`module.eval()`).

    Raises:
        UserError: as for `linen`.
    """
    library = required("flax.nnx", "Flax")
    input_shape = checked_shape(input_shape)

    def made(key: Array) -> Any:
        module = factory if isinstance(factory, library.Module) else called(factory, library.Rngs(key))
        if not isinstance(module, library.Module):
            raise UserError(f"{type(module).__name__} from {title(factory)}", "a flax.nnx.Module")
        module.eval()
        return module

    def parts(key: Array) -> tuple[Any, Any, Any]:
        """The graph, the parameters as nested dictionaries, and the rest without random states."""
        graph, state, rest = library.split(made(key), library.Param, ...)
        return graph, library.to_pure_dict(state), rest

    module = made(jax.random.key(0))
    name = name or type(module).__name__
    graph, state, rest = library.split(module, library.Param, ...)
    if not jax.tree.leaves(state):
        raise UserError(f"{name}, which has no parameters to train", "a model with trainable parameters")
    numbers = _numbers(library, rest)
    check_fixed(name, numbers, _numbers(library, parts(jax.random.key(1))[2]))
    _, back = named_leaves(library.to_pure_dict(state))

    def apply(params: Params, x: Array) -> Array:
        own = jax.tree.map(lambda a: a, state)  # a copy, which is then filled
        library.replace_by_pure_dict(own, back(params))
        return library.merge(graph, own, rest)(x)

    def init(key: Array) -> Params:
        return named_leaves(parts(key)[1])[0]

    def whole(params: Params) -> dict[str, np.ndarray]:
        tree = {"params": back(params), **({"rest": numbers} if jax.tree.leaves(numbers) else {})}
        return {n: np.asarray(a) for n, a in named_leaves(tree, "/")[0].items()}

    kept = {"rest": numbers} if jax.tree.leaves(numbers) else {}
    own = _format(module, whole, library.to_pure_dict(state), kept)
    return adapted(init, apply, input_shape, outputs, name, own)


def _evaluation(call: Callable[..., Any]) -> dict[str, bool]:
    """The arguments that a module's `__call__` has for evaluation."""
    return {n: value for n, value in EVALUATION.items() if n in inspect.signature(call).parameters}


def _numbers(library: Any, rest: Any) -> Any:
    """What is fixed besides parameters, without the states of random numbers."""
    kept = library.filter_state(rest, library.Not(library.RngState))
    return library.to_pure_dict(kept)


def _format(
    module: Any, state: Callable[[Params], dict[str, np.ndarray]], params: Any, fixed: Any
) -> OwnFormat:
    import flax

    about = {"framework": f"flax {flax.__version__}", "class": type(module).__qualname__}
    (dotted, _), (slashed, _) = named_leaves(params), named_leaves(params, "/")
    names = {n: (f"params/{own}",) for n, own in zip(dotted, slashed, strict=True)}
    kept = {n: np.asarray(a) for n, a in named_leaves(fixed, "/")[0].items()}
    return OwnFormat("Flax", about, state, names, "separate", kept)


def _not_run(name: str, options: Mapping[str, Any], error: Exception) -> UserError:
    return UserError(
        f"{name}, which cannot be initialised with {dict(options)} ({type(error).__name__}: {first_line(error)})",
        "a module that evaluates a batch of examples without further arguments",
        "Say how it is evaluated: call={'train': False} or the like.",
    )
