"""A ticket's file, back in the model that it was found in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ticketlab.errors import UserError

__all__ = ["load_ticket"]


def load_ticket(path: str | Path, model: Any, *, state: Any = None) -> Any:
    """Puts the weights of a ticket's file into a model of its own library, with the pruned ones at zero.

    Arguments:
        path: `seed-0.dense.safetensors` or the like, as a run leaves it.
        model: of the same class and sizes: a `torch.nn.Module`, a Flax module (linen or nnx) or an Equinox model.
        state: of an Equinox model with batch normalisation.

    Returns:
        The PyTorch or nnx module itself, with these weights; for linen the variables (`params`, `batch_stats`); for Equinox
        another model, and with `state` the pair of model and state.

    Raises:
        UserError: for a file that cannot be read, or does not fit the model.
    """
    arrays = _arrays(Path(path))
    for cls in type(model).__mro__:
        match f"{cls.__module__}.{cls.__name__}":
            case "torch.nn.modules.module.Module":
                return _torch(arrays, model)
            case "flax.linen.module.Module":
                return _linen(arrays, model)
            case "flax.nnx.module.Module" | "flax.nnx.pytreelib.Pytree":
                return _nnx(arrays, model)
            case "equinox._module._module.Module" | "equinox._module.Module":
                return _equinox(arrays, model, state)
    raise UserError(f"{type(model).__name__}", "a model of PyTorch, Flax or Equinox")


def _arrays(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}, which cannot be read ({error})", "a ticket's file") from None
    return {name: a for name, a in found.items() if not name.startswith("mask/")}


def _torch(arrays: Mapping[str, np.ndarray], model: Any) -> Any:
    import torch

    try:
        model.load_state_dict(
            {n: torch.from_numpy(np.array(a)) for n, a in _multiplied_out(arrays).items()}, strict=True
        )
    except RuntimeError as error:
        raise _other_model(model, str(error)) from None
    return model


def _multiplied_out(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`NAME_orig` times `NAME_mask` is NAME, where there are both; a model may have a buffer of its own called `attn_mask`."""
    halves = (n.removesuffix("_orig") for n in arrays if n.endswith("_orig"))
    pruned = [n for n in halves if f"{n}_mask" in arrays]
    apart = {f"{n}_{half}" for n in pruned for half in ("orig", "mask")}
    whole = {n: a for n, a in arrays.items() if n not in apart}
    return whole | {n: arrays[f"{n}_orig"] * arrays[f"{n}_mask"] for n in pruned}


def _linen(arrays: Mapping[str, np.ndarray], model: Any) -> dict[str, Any]:
    """The variables. A module has no shapes before it sees inputs, so only their names can be wrong here."""
    if not any(name.startswith("params/") for name in arrays):
        raise _other_model(model, "no array is called 'params/…'")
    tree: dict[str, Any] = {}
    for name, array in arrays.items():
        *outer, last = name.split("/")
        inside = tree
        for key in outer:
            inside = inside.setdefault(key, {})
        inside[last] = array
    return tree


def _nnx(arrays: Mapping[str, np.ndarray], model: Any) -> Any:
    from flax import nnx

    from ticketlab.adapters.named_leaves import named_leaves

    for part, of in (("params", nnx.Param), ("rest", nnx.Not(nnx.Any(nnx.Param, nnx.RngState)))):
        state = nnx.state(model, of)
        names, back = named_leaves(nnx.to_pure_dict(state), "/")
        _check_shapes(model, {f"{part}/{n}": a for n, a in names.items()}, arrays)
        nnx.replace_by_pure_dict(state, back({n: arrays[f"{part}/{n}"] for n in names}))
        nnx.update(model, state)
    return model


def _equinox(arrays: Mapping[str, np.ndarray], model: Any, state: Any) -> Any:
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    from ticketlab.adapters.named_leaves import named_leaves

    start, static = eqx.partition(model, eqx.is_inexact_array)
    names, back = named_leaves(start)
    _check_shapes(model, {f"params/{n}": a for n, a in names.items()}, arrays)
    whole = eqx.combine(back({n: jnp.asarray(arrays[f"params/{n}"]) for n in names}), static)
    if state is None:
        return whole
    leaves, structure = jax.tree.flatten(state)
    return whole, jax.tree.unflatten(
        structure, [jnp.asarray(arrays[f"state/{i}"]) for i in range(len(leaves))]
    )


def _check_shapes(model: Any, expected: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    wrong = [n for n, a in expected.items() if n not in arrays or arrays[n].shape != np.shape(a)]
    if wrong:
        raise _other_model(model, f"{wrong[0]!r} is missing or has another shape")


def _other_model(model: Any, why: str) -> UserError:
    return UserError(
        f"a file that does not fit {type(model).__name__}: {why}", "the model that the ticket was found in"
    )
