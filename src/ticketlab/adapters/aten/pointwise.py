"""Operations on one number at a time: arithmetic, comparisons, activation functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ticketlab.adapters.aten.dtypes import converted, number_type

__all__ = ["POINTWISE"]


def _add(a: Any, b: Any, *, alpha: Any = 1) -> Any:
    return a + (b if alpha == 1 else alpha * b)


def _subtract(a: Any, b: Any, *, alpha: Any = 1) -> Any:
    return a - (b if alpha == 1 else alpha * b)


def _reversed_subtract(a: Any, b: Any, alpha: Any = 1) -> Any:
    return b - (a if alpha == 1 else alpha * a)


def _divide(a: Any, b: Any, *, rounding_mode: str | None = None) -> Any:
    if rounding_mode is None:
        return jnp.true_divide(a, b)
    return jnp.floor_divide(a, b) if rounding_mode == "floor" else jnp.trunc(jnp.true_divide(a, b))


def _power(a: Any, b: Any) -> Any:
    """Whole powers by multiplication, whose derivative at zero is a number."""
    return a ** int(b) if isinstance(b, (int, float)) and float(b).is_integer() else jnp.power(a, b)


def _clamp(a: Array, low: Any = None, high: Any = None) -> Array:
    """PyTorch's derivative at a bound is that of the inside."""
    inside = jnp.ones(a.shape, bool)
    if low is not None:
        inside &= a >= low
    if high is not None:
        inside &= a <= high
    return jnp.where(inside, a, jax.lax.stop_gradient(jnp.clip(a, low, high)))


def _clamp_to(a: Array, low: Array | None = None, high: Array | None = None) -> Array:
    """Between tensors, which may be parameters, so that they have derivatives too."""
    if low is not None:
        a = jnp.where(a < low, low, a)
    return a if high is None else jnp.where(a > high, high, a)


def _relu6(a: Array) -> Array:
    return _hardtanh(a, 0, 6)


def _hardtanh(a: Array, low: Any = -1, high: Any = 1) -> Array:
    """Unlike `clamp`, its derivative at a bound is zero."""
    outside = jax.lax.stop_gradient(jnp.clip(a, low, high))
    return jnp.where((a > low) & (a < high), a, outside)


def _leaky_relu(a: Array, slope: float = 0.01) -> Array:
    return jnp.where(a > 0, a, slope * a)


def _elu(a: Array, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Array:
    # Not by jnp.minimum, whose derivative at 0 is a half.
    negative = alpha * jnp.expm1(jnp.where(a > 0, 0, a) * input_scale)
    return scale * jnp.where(a > 0, a, negative)


def _gelu(a: Array, approximate: str = "none") -> Array:
    return jax.nn.gelu(a, approximate=approximate == "tanh")


def _softplus(a: Array, beta: float = 1, threshold: float = 20) -> Array:
    linear = a * beta > threshold
    return jnp.where(linear, a, jax.nn.softplus(jnp.where(linear, 0, a) * beta) / beta)


def _relu(a: Array) -> Array:
    return jax.nn.relu(a)


def _hardswish(a: Array) -> Array:
    return a * jnp.clip(a + 3, 0, 6) / 6


def _hardsigmoid(a: Array) -> Array:
    return _hardtanh(a + 3, 0, 6) / 6


def _where(condition: Array, a: Any, b: Any) -> Array:
    return jnp.where(condition, a, b)


def _masked_fill(a: Array, mask: Array, value: Any) -> Array:
    return jnp.where(mask, jnp.asarray(value, a.dtype), a)


def _to_copy(a: Array, *, dtype: Any = None, **_: Any) -> Array:
    return converted(a, dtype)


def _full_like(a: Array, value: Any, *, dtype: Any = None, **_: Any) -> Array:
    return jnp.full(
        a.shape, value, a.dtype if dtype is None else converted(jnp.zeros((), a.dtype), dtype).dtype
    )


def _ones_like(a: Array, **options: Any) -> Array:
    return _full_like(a, 1, **options)


def _zeros_like(a: Array, **options: Any) -> Array:
    return _full_like(a, 0, **options)


def _scalar(value: Any, *, dtype: Any = None, **_: Any) -> Any:
    """A number that takes the precision of what it meets, if it is a floating one."""
    return value if isinstance(value, float) else jnp.asarray(value, number_type(dtype))


def _same(a: Any, *_: Any, **__: Any) -> Any:
    return a


_BOTH = ("Tensor", "Scalar")
_TWO: Mapping[str, Callable[..., Any]] = {
    "add": _add,
    "sub": _subtract,
    "rsub": _reversed_subtract,
    "mul": lambda a, b: a * b,
    "div": _divide,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "remainder": jnp.remainder,
    "fmod": jnp.fmod,
    "bitwise_and": lambda a, b: a & b,
    "bitwise_or": lambda a, b: a | b,
    "bitwise_xor": lambda a, b: a ^ b,
}
_ONE: Mapping[str, Callable[..., Any]] = {
    "relu": _relu,
    "relu6": _relu6,
    "hardtanh": _hardtanh,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "gelu": _gelu,
    "silu": jax.nn.silu,
    "mish": lambda a: a * jnp.tanh(jax.nn.softplus(a)),
    "softplus": _softplus,
    "hardswish": _hardswish,
    "hardsigmoid": _hardsigmoid,
    "sigmoid": jax.nn.sigmoid,
    "log_sigmoid": jax.nn.log_sigmoid,
    "tanh": jnp.tanh,
    "sin": jnp.sin,
    "cos": jnp.cos,
    "tan": jnp.tan,
    "sinh": jnp.sinh,
    "cosh": jnp.cosh,
    "asin": jnp.arcsin,
    "acos": jnp.arccos,
    "atan": jnp.arctan,
    "erf": jax.lax.erf,
    "erfc": jax.lax.erfc,
    "exp": jnp.exp,
    "exp2": jnp.exp2,
    "expm1": jnp.expm1,
    "log": jnp.log,
    "log2": jnp.log2,
    "log10": jnp.log10,
    "log1p": jnp.log1p,
    "sqrt": jnp.sqrt,
    "rsqrt": jax.lax.rsqrt,
    "reciprocal": lambda a: 1 / a,
    "abs": jnp.abs,
    "neg": jnp.negative,
    "sign": jnp.sign,
    "floor": jnp.floor,
    "ceil": jnp.ceil,
    "round": jnp.round,
    "trunc": jnp.trunc,
    "logical_not": jnp.logical_not,
    "logical_and": jnp.logical_and,
    "logical_or": jnp.logical_or,
    "bitwise_not": jnp.invert,
    "isnan": jnp.isnan,
    "isinf": jnp.isinf,
    "maximum": jnp.maximum,
    "minimum": jnp.minimum,
    "clamp": _clamp,
    "clamp_min": lambda a, low: _clamp(a, low),
    "clamp_max": lambda a, high: _clamp(a, None, high),
    "full_like": _full_like,
    "ones_like": _ones_like,
    "zeros_like": _zeros_like,
    "scalar_tensor": _scalar,
    "_to_copy": _to_copy,
    "clone": _same,
    "alias": _same,
    "detach": jax.lax.stop_gradient,
    "lift_fresh_copy": _same,
    "contiguous": _same,
}

POINTWISE: Mapping[str, Callable[..., Any]] = {
    **{f"aten.{name}.{kind}": function for name, function in _TWO.items() for kind in _BOTH},
    **{f"aten.{name}.default": function for name, function in _ONE.items()},
    "aten.div.Tensor_mode": _divide,
    "aten.div.Scalar_mode": _divide,
    "aten.floor_divide.default": jnp.floor_divide,
    "aten.clamp.Tensor": _clamp_to,
    "aten.pow.Tensor_Scalar": _power,
    "aten.pow.Tensor_Tensor": jnp.power,
    "aten.pow.Scalar": jnp.power,
    "aten.where.self": _where,
    "aten.where.ScalarOther": _where,
    "aten.where.ScalarSelf": _where,
    "aten.where.Scalar": _where,
    "aten.masked_fill.Scalar": _masked_fill,
    "aten.masked_fill.Tensor": _masked_fill,
    "aten.dropout.default": _same,  # of a model that is not in training
}
