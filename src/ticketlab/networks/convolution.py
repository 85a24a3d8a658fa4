"""A convolution and its two gradients, each as the operation that a processor does fast.

    z[n, i, j, u] = Σ_{p, q, c} a[n, s i + p, s j + q, c] · weight[p, q, c, u]        (a padded with zeros, s the stride)

The three maps (z from a and weight, ā from z̄ and weight, weight̄ from a and z̄) are bilinear, and each is a derivative of the
other two. So they are one JAX primitive, and derivatives of every order, forward and backward, stay in the family.

On a CPU, XLA sends a convolution to its matrix-product kernels only if the axes are in one order. In the body of a loop it
does not bring them into it: derivatives that JAX makes, and convolutions under `vmap`, run as scalar loops there. Here the
axes are put in order first, and replicas are computed one after the other. Few channels leave the product thin. Then all
columns of an image row go into one wide product with the band matrix

    band[p, x, c, j, u] = weight[p, x − s j, c, u]        (zero outside the window),

which does more operations at a higher rate; `_bands_are_faster` has the rule. Other devices use XLA's own.
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


@dataclass(frozen=True)
class _Form:
    """Which of the three maps, and the sizes that its operands do not tell.

    Arguments:
        gives: outputs z(a, weight), inputs ā(z̄, weight) or weights weight̄(a, z̄).
        strides, around: of the window, and the zeros around an image (before, after; down, across).
        size, window: of an image and of the kernel, in pixels.
        replicas: which operands have a leading axis of replicas.
    """

    gives: Literal["outputs", "inputs", "weights"]
    strides: tuple[int, int]
    around: tuple[tuple[int, int], ...]
    size: tuple[int, int]
    window: tuple[int, int]
    replicas: tuple[bool, bool] = (False, False)

    @property
    def padded(self) -> tuple[int, ...]:
        """Height and width with the zeros around."""
        return tuple(s + sum(extra) for s, extra in zip(self.size, self.around, strict=True))

    @property
    def out(self) -> tuple[int, ...]:
        """Height and width of z."""
        return tuple(
            (p - w) // s + 1 for p, w, s in zip(self.padded, self.window, self.strides, strict=True)
        )

    @property
    def unread(self) -> tuple[int, ...]:
        """Rows and columns at the end that no window reads."""
        ends = zip(self.padded, self.out, self.strides, self.window, strict=True)
        return tuple(p - (o - 1) * s - w for p, o, s, w in ends)

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
    gives, operands, replicas = {
        ("outputs", 0): ("inputs", (c, y), (many, of_y)),
        ("outputs", 1): ("weights", (x, c), (of_x, many)),
        ("inputs", 0): ("outputs", (c, y), (many, of_y)),
        ("inputs", 1): ("weights", (c, x), (many, of_x)),
        ("weights", 0): ("inputs", (y, c), (of_y, many)),
        ("weights", 1): ("outputs", (x, c), (of_x, many)),
    }[form.gives, which]
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
        return one(x.reshape(-1, *x.shape[2:]), y).reshape(*x.shape[:2], *_abstract(x, y, form=form).shape[2:])
    own = (x if of_x else None, y if of_y else None)  # None: no axis to go along

    def replica(own: tuple[Array | None, Array | None]) -> Array:
        return one(x if own[0] is None else own[0], y if own[1] is None else own[1])

    if len(x if of_x else y) == 1:
        return replica(jax.tree.map(lambda a: a[0], own))[None]
    return lax.map(replica, own)


def _on_other_devices(x: Array, y: Array, *, form: _Form) -> Array:
    own = partial(_library, form=replace(form, replicas=(False, False)))
    if any(form.replicas):
        own = jax.vmap(own, in_axes=tuple(0 if many else None for many in form.replicas))
    return own(x, y)


def _one(x: Array, y: Array, form: _Form) -> Array:
    one = _by_bands if _bands_are_faster(form, x.shape, y.shape) else _library
    return one(x, y, form)


def _library(x: Array, y: Array, form: _Form) -> Array:
    """XLA's convolution, with axes in the order of its matrix products."""
    convolution = partial(lax.conv_general_dilated, dimension_numbers=_LABELS)
    pads, out, unread = form.around, form.out, form.unread
    match form.gives:
        case "outputs":
            return convolution(x, y, form.strides, pads)
        case "inputs":  # the kernel turned round slides over z̄, whose pixels lie a stride apart
            around = [
                (w - 1 - p[0], w - 1 + u - p[1]) for w, p, u in zip(form.window, pads, unread, strict=True)
            ]
            turned = y[::-1, ::-1].transpose(0, 1, 3, 2)
            return convolution(x, turned, (1, 1), around, lhs_dilation=form.strides)
        case "weights":  # z̄ slides over the images, with channels for examples and examples for channels
            around = [(p[0], p[1] - u) for p, u in zip(pads, unread, strict=True)]
            found = convolution(
                _examples_last(x),
                y.transpose(1, 2, 0, 3),
                (1, 1),
                around,
                rhs_dilation=form.strides,
            )
            return found.transpose(1, 2, 0, 3)


def _examples_last(x: Array) -> Array:
    """[n, h, w, c] → [c, h, w, n]; by a product with the identity, because XLA transposes one number at a time."""
    n, h, w, c = x.shape
    if n > _MOST_BY_PRODUCT:
        return x.transpose(3, 1, 2, 0)
    turned = jnp.einsum("nhk,nm->hkm", x.reshape(n, h, w * c), jnp.eye(n, dtype=x.dtype))
    return turned.reshape(h, w, c, n).transpose(2, 0, 1, 3)


def _by_bands(x: Array, y: Array, form: _Form) -> Array:
    """Products of whole image rows with the band matrix of the kernel."""
    (rows, columns), (down, across), (height, width) = form.window, form.strides, form.out
    full = form.padded[1]

    def band(weight: Array) -> Array:
        q = jnp.arange(full)[:, None] - across * jnp.arange(width)  # [x, j]
        inside = (q >= 0) & (q < columns)
        spread = weight[:, jnp.clip(q, 0, columns - 1)]  # [p, x, j, c, u]
        return jnp.where(inside[:, :, None, None], spread, 0).transpose(0, 1, 3, 2, 4)

    def slabs(a: Array) -> Array:
        """The rows of the window at each output row, [n · out_height, rows · width · channels]."""
        a = jnp.pad(a, [(0, 0), *form.around, (0, 0)]).reshape(len(a), form.padded[0], -1)
        return _rows(a, rows, down, axis=-1).reshape(len(a) * height, -1)

    match form.gives:
        case "outputs":
            product = slabs(x) @ band(y).reshape(-1, width * y.shape[3])
            return product.reshape(len(x), height, width, y.shape[3])
        case "inputs":
            matrix = band(y).reshape(-1, width * y.shape[3])
            product = (x.reshape(len(x) * height, -1) @ matrix.T).reshape(len(x), height, rows, -1)
            _, from_slabs = jax.vjp(
                lambda a: _rows(a, rows, down, axis=-1), jnp.zeros((len(x), form.padded[0], full * y.shape[2]), x.dtype)
            )
            (found,) = from_slabs(product.reshape(len(x), height, -1))
            found = found.reshape(len(x), *form.padded, y.shape[2])
            (top, _), (left, _) = form.around
            return found[:, top : top + form.size[0], left : left + form.size[1]]
        case "weights":
            product = slabs(x).T @ y.reshape(len(y) * height, -1)
            product = product.reshape(rows, full, x.shape[3], width, y.shape[3])
            j = jnp.arange(width)
            q = jnp.arange(columns)[:, None] + across * j  # [q, j]
            return jnp.sum(product[:, q, :, j], axis=1).transpose(1, 0, 2, 3) 


def _rows(a: Array, rows: int, stride: int, axis: int) -> Array:
    """For each output row, the image rows that the window lies on, next to each other."""
    last = a.shape[1] - rows
    return jnp.concatenate([a[:, p : p + last + 1 : stride] for p in range(rows)], axis=axis)


def _bands_are_faster(form: _Form, x: tuple[int, ...], y: tuple[int, ...]) -> bool:
    """Whether the whole band takes less time than the library's thin product."""
    thin = form.shape(x, y)[3]
    return form.window[1] / form.padded[1] > thin / 40


_convolution.def_impl(_bound)
_convolution.def_abstract_eval(_abstract)
ad.defbilinear(_convolution, partial(_pull_back, 0), partial(_pull_back, 1))
batching.primitive_batchers[_convolution] = _batch
mlir.register_lowering(_convolution, mlir.lower_fun(_on_other_devices, multiple_results=False))
mlir.register_lowering(_convolution, mlir.lower_fun(_on_processor, multiple_results=False), platform="cpu")
