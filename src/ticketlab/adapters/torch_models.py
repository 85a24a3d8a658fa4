"""A network from a PyTorch model.

f is the model in evaluation mode: dropout is off, and batch normalisation uses its running statistics, which are held fixed.
Parameters keep PyTorch's names and layouts, `{"stem.0.weight": [units, inputs, rows, columns], …}`, so that they go back by
`load_state_dict`. Images come as [n, height, width, channels], and the model sees [n, channels, height, width].

A factory `() -> module` draws by PyTorch's own initialisation, seeded by the key; JAX calls it back on the host. A module
itself has one fixed start: `init` gives its parameters, whatever the key.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ticketlab.adapters.adapted import adapted
from ticketlab.adapters.exported_graph import export
from ticketlab.adapters.user_code import called, required, title
from ticketlab.errors import UserError
from ticketlab.networks.layers import checked_shape
from ticketlab.networks.network import Network, Params
from ticketlab.networks.own_format import OwnFormat

if TYPE_CHECKING:
    import torch as pytorch

__all__ = ["torch"]

EXAMPLES = 3  # in the batch that the model is traced with


def torch(
    factory: Callable[[], pytorch.nn.Module] | pytorch.nn.Module,
    input_shape: tuple[int, ...],
    outputs: int,
    *,
    name: str = "",
    channels_first: bool = True,
) -> Network:
    """A network from a PyTorch model.

    Arguments:
        factory: makes the model; its parameters are drawn by PyTorch, seeded by the key. Or the model itself, whose parameters
            are then θ₀ for every key. Parameters with `requires_grad=False` and buffers are held fixed.
        input_shape: the shape of one example; (height, width, channels) for images.
        outputs: k.
        name: for tables and messages (default: the class of the model).
        channels_first: whether images are given to the model as [n, channels, height, width].

    Returns:
        A network with masks over the weights that it multiplies or looks up, but without a description of its units.

    Raises:
        UserError: if PyTorch is not installed; for a model that cannot be exported, or has an operation that cannot be
            converted, which is named; for one that is not a deterministic, differentiable function `[n, …] -> [n, k]` of each
            example alone; for parameters that its outputs do not depend on.

    Cost: seconds, for tracing the model.
    """
    library = required("torch", "PyTorch")
    input_shape = checked_shape(input_shape)
    module = called(factory) if not isinstance(factory, library.nn.Module) else factory
    if not isinstance(module, library.nn.Module):
        raise UserError(f"{type(module).__name__} from {title(factory)}", "a torch.nn.Module")
    name = name or type(module).__name__
    turned = channels_first and len(input_shape) == 3
    shape = (input_shape[-1], *input_shape[:-1]) if turned else tuple(input_shape)
    example = library.randn((EXAMPLES, *shape), generator=library.Generator().manual_seed(0))
    graph = export(module, example, name)
    of = {n: p for n, p in module.named_parameters() if p.requires_grad}

    def apply(params: Params, x: Array) -> Array:
        return graph(params, jnp.moveaxis(x, -1, 1) if turned else x)

    if module is factory:
        start = {n: p.detach().cpu().numpy().copy() for n, p in of.items()}
        init: Callable[[Array], Params] = functools.partial(_fixed, start)
    else:
        _check_drawn(factory, module, name)
        init = _drawing(factory, {n: tuple(p.shape) for n, p in of.items()})
    about = {"framework": f"torch {library.__version__}", "class": type(module).__qualname__}
    names = _names_of(module)
    tied = {m for n in of for m in names[n]}
    fixed = {n: t.detach().cpu().numpy().copy() for n, t in module.state_dict().items() if n not in tied}

    def refixed(arrays: Mapping[str, np.ndarray]) -> Network:
        made = functools.partial(_refixed, factory, arrays)
        again = made() if module is factory else made
        return torch(again, input_shape, outputs, name=name, channels_first=channels_first)

    own = OwnFormat("PyTorch", about, _state_of(module, names), names, "pruned", fixed, refixed)
    return adapted(init, apply, input_shape, outputs, name, own)


def _refixed(factory: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """The model with other buffers and fixed parameters; one that was given as it is stays as it was."""
    import torch as library

    module = copy.deepcopy(factory) if isinstance(factory, library.nn.Module) else factory()
    module.load_state_dict({n: library.from_numpy(np.array(a)) for n, a in arrays.items()}, strict=False)
    return module


def _fixed(start: Mapping[str, np.ndarray], key: Array) -> Params:
    return {n: jnp.asarray(a) for n, a in start.items()}


def _drawing(factory: Callable[[], Any], shapes: Mapping[str, tuple[int, ...]]) -> Callable[[Array], Params]:
    """`init` that calls the factory on the host: pure, and the same bits alone, compiled and vmapped."""
    like = {n: jax.ShapeDtypeStruct(shape, jnp.float32) for n, shape in shapes.items()}

    def draw(key: Any) -> dict[str, np.ndarray]:
        # PyTorch's generator takes the last 32 bits of a seed, so all words of the key must reach them.
        module = _seeded(factory, int(np.random.SeedSequence(np.asarray(key).tolist()).generate_state(1)[0]))
        found = dict(module.named_parameters())
        return {n: found[n].detach().cpu().numpy().astype(np.float32) for n in shapes}

    def init(key: Array) -> Params:
        return jax.pure_callback(draw, like, jax.random.key_data(key), vmap_method="sequential")

    return init


def _seeded(factory: Callable[[], Any], seed: int) -> Any:
    """The module that the factory makes with this seed; PyTorch's own random state stays as it was."""
    import torch as library

    with library.random.fork_rng(devices=[]):
        library.manual_seed(seed)
        return factory()


def _check_drawn(factory: Callable[[], Any], module: Any, name: str) -> None:
    """Checks that a seed gives the same parameters twice, and that buffers are the same for all seeds."""
    one, same, other = (_seeded(factory, seed).state_dict() for seed in (0, 0, 1))
    kept = [n for n in one if not one[n].equal(same[n])]
    if kept:
        raise UserError(
            f"{name}, whose {kept[0]!r} differs between two models with one seed",
            "parameters drawn from PyTorch's own random numbers, so that a key gives a network",
            "Draw them by torch.nn.init or torch.randn.",
        )
    drawn = {n for n, p in module.named_parameters(remove_duplicate=False) if p.requires_grad}
    if fixed := [n for n in one if n not in drawn and not one[n].equal(other[n])]:
        raise UserError(
            f"{name}, whose {fixed[0]!r} is drawn at random but is not a trained parameter",
            "buffers and fixed parameters that do not depend on the seed, since they are part of the function",
            "Make it a parameter, or fix its seed within the model.",
        )


def _names_of(module: Any) -> dict[str, tuple[str, ...]]:
    """All names of every parameter, by the first."""
    every = list(module.named_parameters(remove_duplicate=False))
    return {n: tuple(m for m, q in every if q is p) for n, p in module.named_parameters()}


def _state_of(module: Any, names: Mapping[str, tuple[str, ...]]) -> Callable[[Params], dict[str, np.ndarray]]:
    """The whole state under PyTorch's names: the given parameters, under all names of tied ones, and everything that is fixed."""
    fixed = {n: t.detach().cpu().numpy().copy() for n, t in module.state_dict().items()}
    first = {name: n for n, tied in names.items() for name in tied}

    def state(params: Params) -> dict[str, np.ndarray]:
        def value(n: str, kept: np.ndarray) -> np.ndarray:
            own = params.get(first.get(n, n))
            return kept if own is None else np.asarray(own).astype(kept.dtype).reshape(kept.shape)

        return {n: value(n, kept) for n, kept in fixed.items()}

    return state
