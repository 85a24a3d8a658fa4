"""A convolution and its two gradients, each as the operation that a processor does fast.

    z[n, i, j, u] = Σ_{p, q, c} a[n, s i + p, s j + q, c] · weight[p, q, c, u]        (a padded with zeros, s the stride)

The three maps (z from a and weight, ā from z̄ and weight, weight̄ from a and z̄) are bilinear, and each is a derivative of the
other two. So they are one JAX primitive, and derivatives of every order, forward and backward, stay in the family.

On a CPU, XLA sends a convolution to its matrix-product kernels only if the axes are in one order. In the body of a loop it
does not bring them into it: derivatives that JAX makes, and convolutions under `vmap`, run as scalar loops there. Here the
axes are put in order first, and replicas are computed one after the other. Few units leave the product thin. Then a wider
kernel gives m neighbouring columns of z at once, or a band matrix whole rows: more operations at a higher rate. Which is
faster depends on the shape alone (`_seconds`). Layers of middling width are products of our own: columns of the window side by
side, times rows of the kernel side by side, for as many images as the cache holds. Other devices use XLA's own convolution.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float

__all__ = ["convolve", "convolve_once", "patches"]

_LABELS = ("NHWC", "HWIO", "NHWC")  # the order of axes that XLA's matrix products need
_MOST_BY_PRODUCT = 128  # examples


def convolve(
    a: Float[Array, "n height width channels"],
    weight: Float[Array, "rows columns channels units"],
    strides: tuple[int, int] = (1, 1),
    padding: str = "SAME",
) -> Float[Array, "n out_height out_width units"]:
    """a ∗ weight, in the wider of the two precisions.

    Arguments:
        a: images.
        weight: the kernel.
        strides: steps of the window down and across, in pixels.
        padding: SAME (zeros around; ⌈size/stride⌉ pixels out) or VALID (none).

    Cost: 2 · n · out_height · out_width · |weight| operations, and as many for each of the two gradients.
    Equivalent to `jax.lax.conv_general_dilated` with dimension numbers NHWC, HWIO, NHWC.
    """
    dtype = jnp.result_type(a, weight)
    size, window = a.shape[1:3], weight.shape[:2]
    around = tuple(lax.padtype_to_pads(size, window, strides, padding))
    form = _Form("outputs", tuple(strides), around, size, window)
    return _convolution.bind(a.astype(dtype), weight.astype(dtype), form=form)


def convolve_once(
    a: Float[Array, "n height width channels"],
    weight: Float[Array, "rows columns channels units"],
    strides: tuple[int, int] = (1, 1),
    padding: str = "SAME",
) -> Float[Array, "n out_height out_width units"]:
    """The same by XLA's own convolution and its derivatives, for one kernel with many images or cotangents.

    For ten cotangents of 16 images (64 channels, 16 × 16 pixels) pulled back at once on one core it reaches 100 GFLOP/s.
    """
    dtype = jnp.result_type(a, weight)
    return lax.conv_general_dilated(
        a.astype(dtype), weight.astype(dtype), strides, padding, dimension_numbers=_LABELS
    )


def patches(
    a: Float[Array, "n height width channels"],
    window: tuple[int, int],
    strides: tuple[int, int] = (1, 1),
    padding: str = "SAME",
) -> Float[Array, "n out_height out_width inputs"]:
    """The inputs of each output pixel: rows · columns · channels numbers, in the order of a kernel's first three axes."""
    around = lax.padtype_to_pads(a.shape[1:3], window, strides, padding)
    a = jnp.pad(a, [(0, 0), *around, (0, 0)])
    last = a.shape[2] - window[1]
    wide = jnp.concatenate([a[:, :, q : q + last + 1 : strides[1]] for q in range(window[1])], axis=-1)
    return _rows(wide, window[0], strides[0], axis=-1)


_Map = Literal["outputs", "inputs", "weights"]


@dataclass(frozen=True)
class _Form:
    """Which of the three maps, and the sizes that its operands do not tell.

    Arguments:
        gives: outputs z(a, weight), inputs ā(z̄, weight) or weights weight̄(a, z̄).
        strides, around: of the window, and the zeros around an image (before, after; down, across).
        size, window: of an image and of the kernel, in pixels.
        replicas: which operands have a leading axis of replicas.
    """

    gives: _Map
    strides: tuple[int, ...]
    around: tuple[tuple[int, int], ...]
    size: tuple[int, ...]
    window: tuple[int, ...]
    replicas: tuple[bool, ...] = (False, False)

    @property
    def padded(self) -> tuple[int, ...]:
        """Height and width with the zeros around."""
        return tuple(s + sum(extra) for s, extra in zip(self.size, self.around, strict=True))

    @property
    def out(self) -> tuple[int, ...]:
        """Height and width of z."""
        return tuple((p - w) // s + 1 for p, w, s in zip(self.padded, self.window, self.strides, strict=True))

    @property
    def unread(self) -> tuple[int, ...]:
        """Rows and columns at the end that no window reads."""
        ends = zip(self.padded, self.out, self.strides, self.window, strict=True)
        return tuple(p - (o - 1) * s - w for p, o, s, w in ends)

    @property
    def without_unread(self) -> tuple[tuple[int, int], ...]:
        """The zeros around, less the rows and columns that no window reads."""
        return tuple((p[0], p[1] - u) for p, u in zip(self.around, self.unread, strict=True))

    def shape(self, x: tuple[int, ...], y: tuple[int, ...]) -> tuple[int, ...]:
        """Of the result, without replicas."""
        match self.gives:
            case "outputs":
                return (x[0], *self.out, y[3])
            case "inputs":
                return (x[0], *self.size, y[2])
            case "weights":
                return (*self.window, x[3], y[3])


_convolution = Primitive("convolution")


@partial(jax.jit, static_argnames=["form"])
def _bound(x: Array, y: Array, form: _Form) -> Array:
    return _convolution.bind(x, y, form=form)


def _own_shapes(x: Any, y: Any, form: _Form) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The operands' shapes without replicas, and the leading axis of the result."""
    lead = next((a.shape[:1] for a, many in zip((x, y), form.replicas, strict=True) if many), ())
    return x.shape[form.replicas[0] :], y.shape[form.replicas[1] :], lead


def _abstract(x: Any, y: Any, *, form: _Form) -> jax.core.ShapedArray:
    one, other, lead = _own_shapes(x, y, form)
    return jax.core.ShapedArray((*lead, *form.shape(one, other)), x.dtype)


def _pull_back(which: int, cotangent: Array, x: Any, y: Any, *, form: _Form) -> Array:
    """The cotangent of one operand: another of the three maps, summed over the replicas that share the operand."""
    c, (of_x, of_y) = cotangent, form.replicas
    many = of_x or of_y
    ways: dict[tuple[_Map, int], tuple[_Map, tuple[Any, Any], tuple[bool, bool]]] = {
        ("outputs", 0): ("inputs", (c, y), (many, of_y)),
        ("outputs", 1): ("weights", (x, c), (of_x, many)),
        ("inputs", 0): ("outputs", (c, y), (many, of_y)),
        ("inputs", 1): ("weights", (c, x), (many, of_x)),
        ("weights", 0): ("inputs", (y, c), (of_y, many)),
        ("weights", 1): ("outputs", (x, c), (of_x, many)),
    }
    gives, operands, replicas = ways[form.gives, which]
    found = _convolution.bind(*operands, form=replace(form, gives=gives, replicas=replicas))
    return jnp.sum(found, axis=0) if many and not form.replicas[which] else found


def _batch(operands: tuple[Array, Array], axes: tuple[int | None, int | None], *, form: _Form) -> Any:
    """A new axis joins that of the replicas."""
    size = next(a.shape[k] for a, k in zip(operands, axes, strict=True) if k is not None)
    had = _lead(operands, axes, form)
    found, flags = [], []
    for a, k, many in zip(operands, axes, form.replicas, strict=True):
        flags.append(many or k is not None)
        if k is not None:
            a = jnp.moveaxis(a, k, 0)
        if had and flags[-1]:
            a = a if k is not None else a[None]
            a = a if many else a[:, None]
            a = jnp.broadcast_to(a, (size, had, *a.shape[2:])).reshape(size * had, *a.shape[2:])
        found.append(a)
    result = _convolution.bind(*found, form=replace(form, replicas=tuple(flags)))
    return (result.reshape(size, had, *result.shape[1:]) if had else result), 0


def _lead(operands: tuple[Array, Array], axes: tuple[int | None, int | None], form: _Form) -> int:
    """The number of replicas without the new axis; 0 if there are none."""
    for a, k, many in zip(operands, axes, form.replicas, strict=True):
        if many:
            return a.shape[1 if k == 0 else 0]
    return 0


def _on_processor(x: Array, y: Array, *, form: _Form) -> Array:
    """One replica after the other; replicas that share a kernel are further images."""
    of_x, of_y = form.replicas
    one = partial(_one, form=replace(form, replicas=(False, False)))
    if not (of_x or of_y):
        return one(x, y)
    if of_x and not of_y and form.gives != "weights":
        return one(x.reshape(-1, *x.shape[2:]), y).reshape(
            *x.shape[:2], *_abstract(x, y, form=form).shape[2:]
        )
    own = (x if of_x else None, y if of_y else None)  # None: no axis to go along

    def replica(own: tuple[Array | None, Array | None]) -> Array:
        return one(x if own[0] is None else own[0], y if own[1] is None else own[1])

    if len(x if of_x else y) == 1:
        return replica(jax.tree.map(lambda a: a[0], own))[None]
    return lax.map(replica, own)


def _on_other_devices(x: Array, y: Array, *, form: _Form) -> Array:
    """XLA's convolution, and the derivatives that JAX makes of it."""

    def outputs(a: Array, weight: Array) -> Array:
        return _library(a, weight, form.strides, form.around)

    def one(x: Array, y: Array) -> Array:
        match form.gives:
            case "outputs":
                return outputs(x, y)
            case "inputs":
                images = jax.ShapeDtypeStruct((x.shape[0], *form.size, y.shape[2]), x.dtype)
                return jax.linear_transpose(lambda a: outputs(a, y), images)(x)[0]
            case "weights":
                kernel = jax.ShapeDtypeStruct((*form.window, x.shape[3], y.shape[3]), x.dtype)
                return jax.linear_transpose(lambda w: outputs(x, w), kernel)(y)[0]

    if any(form.replicas):
        one = jax.vmap(one, in_axes=tuple(0 if many else None for many in form.replicas))
    return one(x, y)


def _one(x: Array, y: Array, form: _Form) -> Array:
    """By XLA's convolution, with axes in the order of its matrix products and m columns of z at a time."""
    pads, unread = form.around, form.unread
    match form.gives:
        case "outputs":
            return _outputs(x, y, form)
        case "inputs":  # the kernel turned round slides over z̄, whose pixels lie a stride apart
            around = tuple(
                (w - 1 - p[0], w - 1 + u - p[1]) for w, p, u in zip(form.window, pads, unread, strict=True)
            )
            turned = y[::-1, ::-1].transpose(0, 1, 3, 2)
            if form.strides == (1, 1):
                turned_form = _Form("outputs", (1, 1), around, form.out, form.window)
                if _row_seconds(form, *y.shape[2:]) < _seconds(turned_form, *turned.shape[2:])[0]:
                    return _inputs_by_rows(x, y, form)
                return _outputs(x, turned, turned_form)
            return _library(x, turned, (1, 1), around, lhs_dilation=form.strides)
        case "weights":
            return _weights(x, y, form)


def _outputs(a: Array, weight: Array, form: _Form) -> Array:
    """z from a kernel for m columns: widened[p, s j + q, c, j, u] = weight[p, q, c, u], and zero elsewhere."""
    (rows, _, channels, units), (down, across) = weight.shape, form.strides
    if form.strides == (1, 1) and _THIN <= min(channels, units) < _THICK:
        return _outputs_by_products(a, weight, form)
    seconds, m = _seconds(form, channels, units)
    if _row_seconds(form, channels, units) < seconds:
        return _outputs_by_rows(a, weight, form)
    if m == 1:
        return _library(a, weight, form.strides, form.around)
    pad = [(0, 0)] * 4
    moved = [jnp.pad(weight, [*pad[:1], (j * across, (m - 1 - j) * across), *pad[:2]]) for j in range(m)]
    widened = jnp.stack(moved, axis=3).reshape(rows, -1, channels, m * units)
    z = _library(a, widened, (down, m * across), form.without_unread)
    return z.reshape(len(a), *form.out, units)


def _weights(a: Array, cotangent: Array, form: _Form) -> Array:
    """weight̄: z̄ slides over the images, with channels for examples and examples for channels; that of m columns is added up.

    From `_THIN` channels and units on, by products.
    """
    (n, height, width, units), (down, across) = cotangent.shape, form.strides
    if form.strides == (1, 1) and min(a.shape[3], units) >= _THIN:
        return _weights_by_products(a, cotangent, form)
    rows, columns = form.window
    _, m = _seconds(form, n, units)
    found = _library(
        _examples_last(a),
        cotangent.reshape(n, height, width // m, m * units).transpose(1, 2, 0, 3),
        (1, 1),
        form.without_unread,
        rhs_dilation=(down, m * across),
    ).reshape(a.shape[3], rows, -1, m, units)
    parts = (found[:, :, j * across : j * across + columns, j] for j in range(1, m))
    return sum(parts, start=found[:, :, :columns, 0]).transpose(1, 2, 0, 3)


def _outputs_by_products(a: Array, weight: Array, form: _Form) -> Array:
    """z = Σ_p of rows p, p + 1, … of wide · kernel_p, with wide = [a(·, ·), a(·, · + 1), …]; all kernel_p in one product."""
    rows, _, channels, units = weight.shape
    kernel = weight.transpose(1, 2, 0, 3).reshape(-1, rows * units)  # [(q, c), (p, u)]

    def some(images: Array) -> Array:
        wide = _side_by_side(images, form)
        found = (wide.reshape(-1, wide.shape[-1]) @ kernel).reshape(*wide.shape[:3], rows * units)
        parts = [found[:, p : p + form.out[0], :, p * units : (p + 1) * units] for p in range(rows)]
        return sum(parts[1:], start=parts[0])

    size = _images_at_once(len(a), form, channels, units)
    z = lax.map(some, _in_parts(a, size, form.around))
    return z.reshape(-1, *z.shape[2:])[: len(a)]


def _weights_by_products(a: Array, cotangent: Array, form: _Form) -> Array:
    """weight̄[p, q, c, u]: the same product, with z̄ moved down by p rows in the place of the kernel."""
    rows, columns, channels, units = *form.window, a.shape[3], cotangent.shape[3]
    size = _images_at_once(len(a), form, channels, units)

    def add(total: Array, some: tuple[Array, Array]) -> tuple[Array, None]:
        wide = _side_by_side(some[0], form)
        moved = [jnp.pad(some[1], [(0, 0), (p, rows - 1 - p), (0, 0), (0, 0)]) for p in range(rows)]
        tall = jnp.concatenate(moved, axis=-1)
        return total + wide.reshape(-1, wide.shape[-1]).T @ tall.reshape(-1, rows * units), None

    start = jnp.zeros((columns * channels, rows * units), a.dtype)
    found, _ = lax.scan(add, start, (_in_parts(a, size, form.around), _in_parts(cotangent, size)))
    return found.reshape(columns, channels, rows, units).transpose(2, 0, 1, 3)


def _side_by_side(images: Array, form: _Form) -> Array:
    """For each column of z, the image columns under the window: [n, padded height, width of z, columns · channels]."""
    wide = form.out[1]
    return jnp.concatenate([images[:, :, q : q + wide] for q in range(form.window[1])], axis=-1)


def _in_parts(images: Array, size: int, around: tuple[tuple[int, int], ...] = ((0, 0), (0, 0))) -> Array:
    """[n, …] → [⌈n / size⌉, size, …], with zeros around the images, and images of zeros at the end."""
    padded = jnp.pad(images, [(0, -len(images) % size), *around, (0, 0)])
    return padded.reshape(-1, size, *padded.shape[1:])


def _images_at_once(n: int, form: _Form, channels: int, units: int) -> int:
    """As many as the cache holds with both operands of a product, in parts of nearly equal size."""
    numbers = form.padded[0] * form.out[1] * (form.window[1] * channels + form.window[0] * units)
    parts = -(-n // max(1, _CACHED // numbers))
    return -(-n // parts)


def _outputs_by_rows(a: Array, weight: Array, form: _Form) -> Array:
    """z from whole rows of the images: one product with the band matrix of the kernel."""
    slabs = _slabs(a, form)
    return (slabs @ _band(weight, form)).reshape(len(a), *form.out, weight.shape[3])


def _inputs_by_rows(cotangent: Array, weight: Array, form: _Form) -> Array:
    """The adjoint of `_outputs_by_rows` in the images."""
    (top, _), (left, _) = form.around
    n, channels = len(cotangent), weight.shape[2]
    slabs = cotangent.reshape(n * form.out[0], -1) @ _band(weight, form).T
    parts = slabs.reshape(n, form.out[0], form.window[0], -1)
    below = form.padded[0] - form.out[0]  # with stride 1
    pads = ([(0, 0), (p, below - p), (0, 0)] for p in range(form.window[0]))
    found: Array = sum(jnp.pad(parts[:, :, p], pad) for p, pad in enumerate(pads))  # type: ignore[assignment]
    found = found.reshape(n, *form.padded, channels)
    return found[:, top : top + form.size[0], left : left + form.size[1]]


def _slabs(a: Array, form: _Form) -> Array:
    """The rows of the window at each row of z, [n · out_height, rows · width · channels]."""
    a = jnp.pad(a, [(0, 0), *form.around, (0, 0)]).reshape(len(a), form.padded[0], -1)
    return _rows(a, form.window[0], form.strides[0], axis=-1).reshape(len(a) * form.out[0], -1)


def _band(weight: Array, form: _Form) -> Array:
    """band[(p, x, c), (j, u)] = weight[p, x − s j, c, u], and zero outside the window."""
    rows, columns, channels, _ = weight.shape
    q = jnp.arange(form.padded[1])[:, None] - form.strides[1] * jnp.arange(form.out[1])  # [x, j]
    inside = (q >= 0) & (q < columns)
    band = jnp.where(inside[:, :, None, None], weight[:, jnp.clip(q, 0, columns - 1)], 0)  # [p, x, j, c, u]
    return band.transpose(0, 1, 3, 2, 4).reshape(rows * form.padded[1] * channels, -1)


# What was measured on one core: a product with N columns runs at 2.4 N GFLOP/s, up to 120. With fewer than four channels,
# XLA's convolution takes 3 ns to collect a number for it, otherwise next to nothing.
_RATE, _MOST_RATE, _COLLECT = 2.4e9, 120e9, 3e-9
_THIN, _THICK = 16, 128  # channels and units from which, and below which, z by products of our own is faster
_CACHED = 2**20  # numbers


def _seconds(form: _Form, channels: int, units: int) -> tuple[float, int]:
    """The time for one row of the window and one image, and the number m of columns at a time that needs least."""
    out, across, window = form.out[1], form.strides[1], form.window[1]

    def seconds(m: int) -> float:
        read = ((m - 1) * across + window) * channels  # numbers for m pixels
        rate = min(_MOST_RATE, _RATE * m * units)
        return form.out[0] * out / m * read * (2 * m * units / rate + (_COLLECT if channels < 4 else 0))

    return min((seconds(m), m) for m in range(1, out + 1) if out % m == 0)


def _row_seconds(form: _Form, channels: int, units: int) -> float:
    """The same with the band matrix."""
    return form.out[0] * 2 * form.padded[1] * channels * form.out[1] * units / _MOST_RATE


def _library(
    x: Array, y: Array, strides: tuple[int, ...], around: tuple[tuple[int, int], ...], **dilation: Any
) -> Array:
    return lax.conv_general_dilated(x, y, strides, around, dimension_numbers=_LABELS, **dilation)


def _examples_last(x: Array) -> Array:
    """[n, h, w, c] → [c, h, w, n]; by a product with the identity, because XLA transposes one number at a time."""
    n, h, w, c = x.shape
    if n > _MOST_BY_PRODUCT:
        return x.transpose(3, 1, 2, 0)
    turned = jnp.einsum("nhk,nm->hkm", x.reshape(n, h, w * c), jnp.eye(n, dtype=x.dtype))
    return turned.reshape(h, w, c, n).transpose(2, 0, 1, 3)


def _rows(a: Array, rows: int, stride: int, axis: int) -> Array:
    """For each output row, the image rows that the window lies on, next to each other."""
    last = a.shape[1] - rows
    return jnp.concatenate([a[:, p : p + last + 1 : stride] for p in range(rows)], axis=axis)


_convolution.def_impl(_bound)
_convolution.def_abstract_eval(_abstract)
ad.defbilinear(_convolution, partial(_pull_back, 0), partial(_pull_back, 1))
batching.primitive_batchers[_convolution] = _batch
mlir.register_lowering(_convolution, mlir.lower_fun(_on_other_devices, multiple_results=False))
mlir.register_lowering(_convolution, mlir.lower_fun(_on_processor, multiple_results=False), platform="cpu")
