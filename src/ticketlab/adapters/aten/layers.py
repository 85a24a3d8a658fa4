"""Operations that are layers: convolutions, pools, normalisations with fixed statistics, resampling."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from ticketlab.adapters.aten.means import mean_of_last
from ticketlab.errors import UserError

__all__ = ["LAYERS"]

_AXES = {1: ("NCH", "OIH", "NCH"), 2: ("NCHW", "OIHW", "NCHW"), 3: ("NCDHW", "OIDHW", "NCDHW")}


def _each(value: Any, count: int) -> tuple[int, ...]:
    """A number, or a list of one, for every axis."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * count if len(values) == 1 else values


def _convolution(
    a: Array,
    weight: Array,
    bias: Array | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Array:
    """A convolution, or its transpose: that of the flipped kernel over the inputs with `stride` − 1 zeros between them."""
    rank = weight.ndim - 2
    stride, padding, dilation = (_each(v, rank) for v in (stride, padding, dilation))
    between = (1,) * rank
    pads = [(p, p) for p in padding]
    if transposed:
        size = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        extra = _each(output_padding, rank)
        pads = [(s - p, s - p + e) for s, p, e in zip(size, padding, extra, strict=True)]
        weight = jnp.flip(weight, tuple(range(2, weight.ndim)))
        inputs, per_group = weight.shape[:2]
        grouped = weight.reshape(groups, inputs // groups, per_group, *weight.shape[2:])
        weight = jnp.swapaxes(grouped, 1, 2).reshape(groups * per_group, inputs // groups, *weight.shape[2:])
        stride, between = between, stride
    dtype = jnp.result_type(a, weight)
    result = lax.conv_general_dilated(
        a.astype(dtype), weight.astype(dtype), stride, pads, between, dilation, _AXES[rank], groups
    )
    return result if bias is None else result + bias.reshape(-1, *(1,) * rank)


def _right(size: int, kernel: int, stride: int, pad: int, dilation: int, ceil: bool) -> int:
    """The padding at the end of an axis: more than at its beginning if the last window may be incomplete."""
    if not ceil:
        return pad
    reach = dilation * (kernel - 1) + 1
    count = -(-(size + 2 * pad - reach) // stride) + 1
    if (count - 1) * stride >= size + pad:
        count -= 1
    return max(pad, (count - 1) * stride + reach - size - pad)


def _windows(
    a: Array, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool, rank: int
) -> tuple[Any, ...]:
    kernel, padding, dilation = (_each(v, rank) for v in (kernel, padding, dilation))
    stride = _each(stride, rank) if not isinstance(stride, Sequence) or len(stride) else kernel
    sizes = a.shape[-rank:]
    outer = a.ndim - rank
    pads = [
        (p, _right(n, k, s, p, d, ceil))
        for n, k, s, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True)
    ]
    one = (1,) * outer
    return (*one, *kernel), (*one, *stride), [*((0, 0),) * outer, *pads], (*one, *dilation)


def _apart_and_whole(a: Array, kernel: Any, stride: Any, padding: Any, dilation: Any, rank: int) -> bool:
    """Whether the windows of a pool neither overlap nor leave a rest."""
    kernel, padding, dilation = (_each(v, rank) for v in (kernel, padding, dilation))
    stride = _each(stride, rank) if not isinstance(stride, Sequence) or len(stride) else kernel
    whole = all(n % k == 0 for n, k in zip(a.shape[-rank:], kernel, strict=True))
    return whole and stride == kernel and not any(padding) and set(dilation) == {1}


def _mean_by_reshaping(a: Array, kernel: tuple[int, ...]) -> Array:
    """Such a pool as a reshape and a reduction, which stays fast when vmapped and differentiated."""
    outer = a.ndim - len(kernel)
    shape = list(a.shape[:outer])
    for n, k in zip(a.shape[outer:], kernel, strict=True):
        shape += [n // k, k]
    return jnp.mean(a.reshape(shape), axis=tuple(outer + 1 + 2 * i for i in range(len(kernel))))


def _max_pool(rank: int) -> Callable[..., Any]:
    def pooled(
        a: Array,
        kernel: Any,
        stride: Any = (),
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
    ) -> tuple[Array, None]:
        """The largest of each window, and the first of equals has the derivative; where they are is not given.

        By comparisons of shifted images: a reduction finds the largest again in its derivative, by equality, and XLA's processor
        back end can round the two differently (NaN for the CNN of the tests, with jaxlib 0.10.2).
        """
        size, step, pads, apart = _windows(a, kernel, stride, padding, dilation, ceil_mode, rank)
        outer = a.ndim - rank
        padded = jnp.pad(a, pads, constant_values=-jnp.inf)
        largest: Array | None = None
        for place in np.ndindex(*size[outer:]):
            cut = [slice(None)] * outer
            for axis, at in enumerate(place, start=outer):
                reach = apart[axis] * (size[axis] - 1) + 1
                last = (padded.shape[axis] - reach) // step[axis] * step[axis]
                cut.append(slice(apart[axis] * at, apart[axis] * at + last + 1, step[axis]))
            shifted = padded[tuple(cut)]
            largest = shifted if largest is None else jnp.where(shifted > largest, shifted, largest)
        assert largest is not None
        return largest, None

    return pooled


def _average_pool(rank: int) -> Callable[..., Array]:
    def pooled(
        a: Array,
        kernel: Any,
        stride: Any = (),
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: Any = None,
    ) -> Array:
        if divisor_override is None and _apart_and_whole(a, kernel, stride, padding, 1, rank):
            return _mean_by_reshaping(a, _each(kernel, rank))
        size, step, pads, _ = _windows(a, kernel, stride, padding, 1, ceil_mode, rank)
        total = lax.reduce_window(a, 0.0, lax.add, size, step, pads)
        if divisor_override is not None:
            return total / divisor_override
        # A window counts what lies in the image, and in the padding that was asked for, but nothing beyond.
        outer, asked = a.ndim - rank, _each(padding, rank)
        inside = np.ones(a.shape[outer:], np.float32)
        if count_include_pad:
            inside = np.pad(inside, [(p, p) for p in asked], constant_values=1)
            rest = [(0, high - p) for (_, high), p in zip(pads[outer:], asked, strict=True)]
        else:
            rest = pads[outer:]
        counts = lax.reduce_window(jnp.asarray(inside), 0.0, lax.add, size[outer:], step[outer:], rest)
        return total / counts.astype(a.dtype)

    return pooled


def _adaptive_average(rank: int) -> Callable[..., Array]:
    def pooled(a: Array, shape: Sequence[int]) -> Array:
        """Means over windows that share each axis out evenly: from ⌊i n/m⌋ to ⌈(i + 1) n/m⌉."""
        for axis, m in zip(range(a.ndim - rank, a.ndim), _each(shape, rank), strict=True):
            n = a.shape[axis]
            weights = np.zeros((n, m), np.float32)
            for i in range(m):
                low, high = i * n // m, -(-(i + 1) * n // m)
                weights[low:high, i] = 1 / (high - low)
            a = jnp.moveaxis(jnp.tensordot(a, jnp.asarray(weights, a.dtype), ((axis,), (0,))), -1, axis)
        return a

    return pooled


def _batch_norm(
    a: Array,
    weight: Array | None,
    bias: Array | None,
    mean: Array,
    variance: Array,
    momentum: float,
    eps: float,
) -> tuple[Array, None, None]:
    """With fixed statistics: a function of each example alone."""
    axes = (1, -1, *(1,) * (a.ndim - 2))
    scale = lax.rsqrt(variance.astype(a.dtype) + eps)
    result = (a - mean.reshape(axes)) * scale.reshape(axes)
    if weight is not None:
        result = result * weight.reshape(axes)
    return (result if bias is None else result + bias.reshape(axes)), None, None


def _layer_norm(
    a: Array, shape: Sequence[int], weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, None, None]:
    centred = a - mean_of_last(a, len(shape))
    result = centred * lax.rsqrt(mean_of_last(jnp.square(centred), len(shape)) + eps)
    if weight is not None:
        result = result * weight
    return (result if bias is None else result + bias), None, None


def _group_norm(
    a: Array,
    weight: Array | None,
    bias: Array | None,
    n: int,
    channels: int,
    pixels: int,
    groups: int,
    eps: float,
) -> tuple[Array, None, None]:
    parts = a.reshape(n, groups, -1)
    centred = parts - mean_of_last(parts, 1)
    result = centred * lax.rsqrt(mean_of_last(jnp.square(centred), 1) + eps)
    result, axes = result.reshape(a.shape), (1, -1, *(1,) * (a.ndim - 2))
    if weight is not None:
        result = result * weight.reshape(axes)
    return (result if bias is None else result + bias.reshape(axes)), None, None


def _nearest(rank: int) -> Callable[..., Array]:
    def resampled(a: Array, sizes: Any = None, scales: Any = None, *_: Any) -> Array:
        """Pixel i of m is pixel ⌊i n/m⌋ of n."""
        if scales is None:
            scales = [None] * rank
        scales = list(scales) if isinstance(scales, Sequence) else [scales, *_][:rank]
        for k, axis in enumerate(range(a.ndim - rank, a.ndim)):
            n = a.shape[axis]
            m = sizes[k] if sizes is not None else int(n * scales[k])
            ratio = n / m if scales[k] is None else 1 / scales[k]
            # In single precision throughout, as PyTorch does: the double product of the rounded ratio can be just below ⌊i n/m⌋.
            at = np.minimum((np.arange(m, dtype=np.float32) * np.float32(ratio)).astype(int), n - 1)
            a = jnp.take(a, at, axis=axis)
        return a

    return resampled


def _with_batch_statistics(*_: Any, **__: Any) -> Any:
    raise UserError(
        "a model with batch normalisation in training mode",
        "fixed statistics, so that an example's outputs do not depend on the other examples",
        "Use BatchNorm with track_running_stats=True; the adapter then uses the running statistics.",
    )


LAYERS: Mapping[str, Callable[..., Any]] = {
    "aten.convolution.default": _convolution,
    "aten._native_batch_norm_legit_no_training.default": _batch_norm,
    "aten._native_batch_norm_legit.default": _with_batch_statistics,
    "aten._native_batch_norm_legit.no_stats": _with_batch_statistics,
    "aten._native_batch_norm_legit_functional.default": _with_batch_statistics,
    "aten.native_layer_norm.default": _layer_norm,
    "aten.native_group_norm.default": _group_norm,
    **{f"aten.max_pool{d}d_with_indices.default": _max_pool(d) for d in (1, 2, 3)},
    **{f"aten.avg_pool{d}d.default": _average_pool(d) for d in (1, 2, 3)},
    **{f"aten._adaptive_avg_pool{d}d.default": _adaptive_average(d) for d in (2, 3)},
    **{f"aten.adaptive_avg_pool{d}d.default": _adaptive_average(d) for d in (1, 2, 3)},
    **{f"aten.upsample_nearest{d}d.{kind}": _nearest(d) for d in (1, 2, 3) for kind in ("vec", "default")},
}
