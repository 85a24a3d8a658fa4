"""Operations that move numbers without changing them: views, joins, slices, look-ups, and tensors of constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from ticketlab.adapters.aten.dtypes import number_type

__all__ = ["SHAPES"]


def _view(a: Array, shape: Sequence[int]) -> Array:
    return a.reshape(tuple(shape))


def _expand(a: Array, shape: Sequence[int], *, implicit: bool = False) -> Array:
    """−1 keeps the length of an axis."""
    new = len(shape) - a.ndim
    sizes = tuple(a.shape[i - new] if size == -1 else size for i, size in enumerate(shape))
    return jnp.broadcast_to(a, sizes)


def _permute(a: Array, dims: Sequence[int]) -> Array:
    return jnp.transpose(a, tuple(d % a.ndim for d in dims))


def _transpose(a: Array, one: int, other: int) -> Array:
    return jnp.swapaxes(a, one, other) if a.ndim else a


def _t(a: Array) -> Array:
    return a.T


def _squeeze(a: Array, dim: Any = None) -> Array:
    """Only axes of length one go."""
    dims = range(a.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    return jnp.squeeze(a, tuple(d % a.ndim for d in dims if a.shape[d] == 1))


def _unsqueeze(a: Array, dim: int) -> Array:
    return jnp.expand_dims(a, dim)


def _flip(a: Array, dims: Sequence[int]) -> Array:
    return jnp.flip(a, tuple(dims))


def _roll(a: Array, shifts: Sequence[int], dims: Sequence[int] = ()) -> Array:
    return (
        jnp.roll(a, tuple(shifts), tuple(dims)) if dims else jnp.roll(a.ravel(), shifts[0]).reshape(a.shape)
    )


def _repeat(a: Array, times: Sequence[int]) -> Array:
    return jnp.tile(a, tuple(times))


def _cat(arrays: Sequence[Array], dim: int = 0) -> Array:
    return jnp.concatenate([a for a in arrays if a.shape != (0,)], axis=dim)


def _stack(arrays: Sequence[Array], dim: int = 0) -> Array:
    return jnp.stack(list(arrays), axis=dim)


def _split_sizes(a: Array, sizes: Sequence[int], dim: int = 0) -> tuple[Array, ...]:
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]
    return tuple(jnp.split(a, ends, axis=dim))


def _split(a: Array, size: int, dim: int = 0) -> tuple[Array, ...]:
    return tuple(jnp.split(a, range(size, a.shape[dim], size), axis=dim))


def _unbind(a: Array, dim: int = 0) -> tuple[Array, ...]:
    return tuple(jnp.take(a, i, axis=dim) for i in range(a.shape[dim]))


def _slice(a: Array, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Array:
    cut = [slice(None)] * a.ndim
    cut[dim] = slice(start, end, step)
    return a[tuple(cut)]


def _select(a: Array, dim: int, index: int) -> Array:
    cut: list[Any] = [slice(None)] * a.ndim
    cut[dim] = index
    return a[tuple(cut)]


def _index(a: Array, indices: Sequence[Any]) -> Array:
    return a[tuple(slice(None) if i is None else i for i in indices)]


def _index_select(a: Array, dim: int, index: Array) -> Array:
    return jnp.take(a, index, axis=dim)


def _gather(a: Array, dim: int, index: Array, *, sparse_grad: bool = False) -> Array:
    cut = tuple(slice(index.shape[d]) if d != dim % a.ndim else slice(None) for d in range(a.ndim))
    return jnp.take_along_axis(a[cut], index, axis=dim)


def _embedding(weight: Array, index: Array, padding: int = -1, *_: Any) -> Array:
    """The row for padding has no derivative, as in PyTorch, which never trains it."""
    rows = jnp.take(weight, index, axis=0)
    return rows if padding < 0 else jnp.where((index == padding)[..., None], lax.stop_gradient(rows), rows)


def _pad(a: Array, widths: Sequence[int], value: Any = 0.0) -> Array:
    """Widths from the last axis to the first, before and after; negative ones cut."""
    pairs = [(0, 0)] * (a.ndim - len(widths) // 2)
    pairs += [(widths[i], widths[i + 1]) for i in range(len(widths) - 2, -1, -2)]
    cut = tuple(
        slice(max(-low, 0), size - max(-high, 0)) for (low, high), size in zip(pairs, a.shape, strict=True)
    )
    return jnp.pad(a[cut], [(max(low, 0), max(high, 0)) for low, high in pairs], constant_values=value)


def _tri(keep: Callable[..., Array]) -> Callable[..., Array]:
    return lambda a, diagonal=0: keep(a, diagonal)


def _arange(*bounds: Any, dtype: Any = None, **_: Any) -> Array:
    whole = all(isinstance(b, int) for b in bounds)
    kind = number_type(dtype, jnp.asarray(0).dtype if whole else jnp.float32)
    start, stop, step = {1: (0, *bounds, 1), 2: (*bounds, 1)}.get(len(bounds), bounds)
    return jnp.arange(start, stop, step, kind)


def _full(shape: Sequence[int], value: Any, *, dtype: Any = None, **_: Any) -> Array:
    usual = jnp.asarray(value).dtype
    return jnp.full(tuple(shape), value, number_type(dtype, usual))


def _zeros(shape: Sequence[int], **options: Any) -> Array:
    return _full(shape, 0, **{"dtype": "torch.float32", **options})


def _ones(shape: Sequence[int], **options: Any) -> Array:
    return _full(shape, 1, **{"dtype": "torch.float32", **options})


def _size(a: Array, dim: int) -> int:
    return a.shape[dim]


SHAPES: Mapping[str, Callable[..., Any]] = {
    "aten.view.default": _view,
    "aten._unsafe_view.default": _view,
    "aten.reshape.default": _view,
    "aten.expand.default": _expand,
    "aten.permute.default": _permute,
    "aten.transpose.int": _transpose,
    "aten.t.default": _t,
    "aten.squeeze.default": _squeeze,
    "aten.squeeze.dim": _squeeze,
    "aten.squeeze.dims": _squeeze,
    "aten.unsqueeze.default": _unsqueeze,
    "aten.flip.default": _flip,
    "aten.roll.default": _roll,
    "aten.repeat.default": _repeat,
    "aten.cat.default": _cat,
    "aten.stack.default": _stack,
    "aten.split_with_sizes.default": _split_sizes,
    "aten.split.Tensor": _split,
    "aten.unbind.int": _unbind,
    "aten.slice.Tensor": _slice,
    "aten.select.int": _select,
    "aten.index.Tensor": _index,
    "aten.index_select.default": _index_select,
    "aten.gather.default": _gather,
    "aten.embedding.default": _embedding,
    "aten.constant_pad_nd.default": _pad,
    "aten.tril.default": _tri(jnp.tril),
    "aten.triu.default": _tri(jnp.triu),
    "aten.arange.default": _arange,
    "aten.arange.start": _arange,
    "aten.arange.start_step": _arange,
    "aten.full.default": _full,
    "aten.zeros.default": _zeros,
    "aten.ones.default": _ones,
    "aten.sym_size.int": _size,
}
