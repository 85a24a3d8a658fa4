"""Elementwise activation functions. Their outputs are the features of the layer before them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ticketlab.networks.initialisation import Choice
from ticketlab.networks.layers import Shape
from ticketlab.networks.stages.stage import Stage, Step

if TYPE_CHECKING:
    from jaxtyping import Array

    from ticketlab.networks.streams import Stream, Streams
    from ticketlab.networks.walk import Walk

__all__ = ["Activate", "Activation", "activate", "leave_free"]


class Activation(Choice):
    """The function applied to every pre-activation.

    gelu is the exact x Φ(x), not its tanh approximation. sign is +1 for x ≥ 0 and −1 below. Its own derivative is zero,
    so it is trained with 2(1 − |x|) on |x| ≤ 1 instead (Liu et al. 2018, arXiv 1808.00278, section 3.3). It therefore
    has no tangent space.
    """

    RELU = "relu"
    TANH = "tanh"
    GELU = "gelu"
    ERF = "erf"
    SIGN = "sign"


@dataclass(frozen=True)
class Activate(Stage):
    """The activation function, applied elementwise."""

    activation: Activation
    gates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "activation", Activation(self.activation))

    @property
    def surrogate(self) -> bool:
        return self.activation is Activation.SIGN

    def shape(self, given: Shape) -> Shape:
        return given

    def forward(self, step: Step, walk: Walk, a: Array) -> Array:
        a = walk.features[walk.current] = activate(self.activation, a)
        return a

    def follow(self, step: Step, streams: Streams) -> None:
        leave_free(self.activation, streams.current)


def leave_free(activation: Activation, stream: Stream) -> None:
    """What the activation function leaves free of the units before it."""
    if activation is Activation.SIGN:
        stream.only_signs()
    stream.rescalable &= activation is Activation.RELU
    stream.flippable &= activation in (Activation.TANH, Activation.ERF, Activation.SIGN)


def activate(activation: Activation, z: Array) -> Array:
    """The activation function of every entry."""
    import jax
    import jax.numpy as jnp

    match activation:
        case Activation.RELU:
            return jax.nn.relu(z)
        case Activation.TANH:
            return jnp.tanh(z)
        case Activation.GELU:
            return jax.nn.gelu(z, approximate=False)
        case Activation.ERF:
            return jax.lax.erf(z)
        case Activation.SIGN:
            return _sign(z)


def _sign(z: Array) -> Array:
    """±1, with the derivative of z(2 − |z|), which goes from −1 to 1 on [−1, 1]."""
    import jax.numpy as jnp

    from ticketlab.networks.straight_through import straight_through

    near = jnp.clip(z, -1.0, 1.0)
    return straight_through(jnp.where(z >= 0, 1.0, -1.0).astype(z.dtype), near * (2 - jnp.abs(near)))
