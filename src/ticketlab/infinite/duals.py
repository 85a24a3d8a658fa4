"""What an activation function does to a pair of Gaussian pre-activations: its dual.

For (u, v) Gaussian with mean zero and covariance [[a, c], [c, b]], the limit of infinite width needs three moments of φ:

    value  E[φ(u) φ(v)],      slope  E[φ′(u) φ′(v)],      scaling  E[u φ′(u) · v φ′(v)].

The first carries the covariance, the second the tangent kernel, and the third the scales of a normalisation. ReLU, erf, GELU
and sign have closed forms; tanh has a series (`hermite`). With ρ = c/√(ab), δ = √(ab − c²) and θ = atan2(δ, c):

    ReLU   value (δ + (π − θ)c)/2π                     slope (π − θ)/2π
    erf    value (2/π) atan2(2c, √D), slope (4/π)/√D   D = 1 + 2(a + b) + 4(ab − c²)
    GELU   value cP + Q(ab − c² + c²/(1 + a) + c²/(1 + b)), slope P + cQ(1/(1 + a) + 1/(1 + b) + 1/D)
           D = 1 + a + b + ab − c², Q = 1/(2π√D), P = ¼ + atan2(c, √D)/2π
    sign   value 1 − 2θ/π, no slope

Near ρ = ±1, δ loses half of the digits. So δ is zero if ρ² > 1 − 10⁻¹⁴: copies of an example then agree to rounding. A
pre-activation without variance is zero. There φ′ is what automatic differentiation takes: ReLU′(0) = 0.

By Price's theorem ∂value/∂c = slope, which is finite everywhere. Automatic differentiation would divide by δ = 0 at ρ = ±1, so
ReLU has its own rule. The slope of ReLU is not differentiable there; its derivative is set to zero.

Sources: Cho & Saul 2009, "Kernel methods for deep learning", equations 3 to 6 (ReLU); Williams 1997, "Computing with infinite
networks", equation 11 (erf); Price 1958 (derivatives). GELU is derived by Gaussian integration by parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ticketlab.infinite.angle import angle
from ticketlab.infinite.hermite import hermite_moment
from ticketlab.infinite.moment import Moment, root
from ticketlab.networks import Activation

__all__ = ["Dual", "dual_of"]

_NEAR = 1e-14  # of 1 − ρ², below which δ is rounding error


@dataclass(frozen=True)
class Dual:
    """The moments of an activation function.

    Arguments:
        value, slope, scaling: as above; None where there is no limit (the slope of sign).
        mean: `a -> E[φ(u)]`.
        tail: `a ->` the share of the slope that a truncated series leaves out, None for a closed form. Of the value it leaves
            out less, of the scaling several times as much.
    """

    value: Moment
    slope: Moment | None
    scaling: Moment | None
    mean: Callable[[Array], Array]
    tail: Callable[[Array], Array] | None = None


def dual_of(activation: Activation, terms: int) -> Dual:
    """The dual of an activation function; a series has this many terms."""
    match activation:
        case Activation.RELU:
            # u ReLU′(u) = ReLU(u)
            return Dual(_closed(_relu), _closed(_relu_slope), _closed(_relu), _relu_mean)
        case Activation.ERF:
            return Dual(_closed(_erf), _closed(_erf_slope), _closed(_erf_scaling), jnp.zeros_like)
        case Activation.GELU:
            return Dual(_closed(_gelu), _closed(_gelu_slope), _closed(_gelu_scaling), _gelu_mean)
        case Activation.SIGN:
            return Dual(_closed(_sign), None, None, jnp.zeros_like)
        case Activation.TANH:
            return Dual(
                hermite_moment(jnp.tanh, terms, odd=True),
                hermite_moment(_tanh_slope, terms, odd=False),
                hermite_moment(lambda u: u * _tanh_slope(u), terms, odd=True),
                jnp.zeros_like,
                lambda a: hermite_moment(_tanh_slope, terms, odd=False).tail(a),
            )


def _closed(pair: Callable[[Array, Array, Array], Array]) -> Moment:
    """A moment that needs only the variances of the two sides."""
    return Moment(lambda a: a, pair)


def _delta(a: Array, b: Array, c: Array) -> Array:
    square = a * b - c * c
    return jnp.sqrt(jnp.where(square > _NEAR * a * b, square, 0.0))


def _over(numerator: Array, denominator: Array) -> Array:
    """The quotient; zero where the denominator is."""
    safe = jnp.where(denominator == 0, 1.0, denominator)
    return jnp.where(denominator == 0, 0.0, numerator / safe)


@jax.custom_jvp
def _relu(a: Float[Array, "..."], b: Float[Array, "..."], c: Float[Array, "..."]) -> Float[Array, "..."]:
    delta = _delta(a, b, c)
    return (delta + (math.pi - angle(delta, c)) * c) / (2 * math.pi)


@_relu.defjvp
def _relu_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    (a, b, c), (da, db, dc) = primals, tangents
    own = _delta(a, b, c) / (4 * math.pi)
    return _relu(a, b, c), _relu_slope(a, b, c) * dc + _over(own, a) * da + _over(own, b) * db


@jax.custom_jvp
def _relu_slope(a: Array, b: Array, c: Array) -> Array:
    theta = angle(_delta(a, b, c), c)
    return jnp.where(a * b > 0, (math.pi - theta) / (2 * math.pi), 0.0)


@_relu_slope.defjvp
def _relu_slope_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    (a, b, c), (da, db, dc) = primals, tangents
    change = dc - c * (_over(da, a) + _over(db, b)) / 2
    return _relu_slope(a, b, c), _over(change, 2 * math.pi * _delta(a, b, c))


def _relu_mean(a: Array) -> Array:
    return root(a) / math.sqrt(2 * math.pi)


def _erf_root(a: Array, b: Array, c: Array) -> Array:
    return jnp.sqrt(1 + 2 * (a + b) + 4 * (a * b - c * c))


def _erf(a: Array, b: Array, c: Array) -> Array:
    return 2 / math.pi * angle(2 * c, _erf_root(a, b, c))


def _erf_slope(a: Array, b: Array, c: Array) -> Array:
    return 4 / math.pi / _erf_root(a, b, c)


def _erf_scaling(a: Array, b: Array, c: Array) -> Array:
    return 4 / math.pi * c / _erf_root(a, b, c) ** 3


def _gelu(a: Array, b: Array, c: Array) -> Array:
    square = a * b - c * c
    root = jnp.sqrt(1 + a + b + square)
    p = 0.25 + angle(c, root) / (2 * math.pi)
    return c * p + (square + c * c * (1 / (1 + a) + 1 / (1 + b))) / (2 * math.pi * root)


def _gelu_slope(a: Array, b: Array, c: Array) -> Array:
    d = 1 + a + b + a * b - c * c
    root = jnp.sqrt(d)
    p = 0.25 + angle(c, root) / (2 * math.pi)
    return p + c * (1 / (1 + a) + 1 / (1 + b) + 1 / d) / (2 * math.pi * root)


def _gelu_scaling(a: Array, b: Array, c: Array) -> Array:
    """∂²/∂t∂s E[φ(tu) φ(sv)] at t = s = 1."""

    def scaled(t: Array, s: Array) -> Array:
        return _gelu(t * t * a, s * s * b, t * s * c)

    one = jnp.ones_like(a * b * c)

    def by_s(t: Array) -> Array:
        return jax.jvp(lambda s: scaled(t, s), (one,), (one,))[1]

    return jax.jvp(by_s, (one,), (one,))[1]


def _gelu_mean(a: Array) -> Array:
    return a / jnp.sqrt(2 * math.pi * (1 + a))


def _sign(a: Array, b: Array, c: Array) -> Array:
    """sign(0) = 1, so two pre-activations without variance agree, and one tells nothing about the other's sign."""
    value = 1 - 2 / math.pi * angle(_delta(a, b, c), c)
    return jnp.where((a > 0) == (b > 0), value, 0.0)


def _tanh_slope(u: Array) -> Array:
    return 1 - jnp.tanh(u) ** 2
