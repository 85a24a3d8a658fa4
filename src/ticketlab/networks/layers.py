"""One layer of a network: the parameters that are applied together, and their static description.

A layer comes from a stage. What depends on the kind (how a kernel is contracted, how weights are exported) is looked up
by the type of that stage, so there is no list of kinds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from ticketlab.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Array

__all__ = ["DrawnLayer", "Layer", "Parametrised", "Shape", "checked_shape", "pre_activation", "with_bias"]

Shape: TypeAlias = tuple[int, ...]


def checked_shape(given: Any) -> Shape:
    """The shape of one example, in Python's own integers; a UserError for anything else."""
    sizes = tuple(given) if isinstance(given, Iterable) else (None,)
    if not all(isinstance(size, Integral) for size in sizes):
        raise UserError(
            f"input_shape={given!r}", "whole numbers, such as (64,) for vectors or (28, 28, 1) for images"
        )
    if not all(size > 0 for size in sizes):
        raise UserError(f"inputs of shape {sizes}", "at least one entry along every axis")
    return tuple(map(int, sizes))


class Parametrised(ABC):
    """What a stage says about its layer.

    Arguments:
        prefix: the name of its layers, before their number.
        weighted: whether its weights connect the units of one layer to those of the next (dense, convolution). Other layers
            scale units in place (normalisation); they take their name from the layer before and are never masked.
        continues: whether a weighted layer belongs to the layer before it and takes its name from it (the recurrent weights
            of a GRU).
    """

    prefix: ClassVar[str]
    weighted: ClassVar[bool]
    continues: ClassVar[bool] = False

    @property
    def of_batch(self) -> bool:
        """Whether the layer removes the mean of the batch, so that an example's outputs depend on the whole batch."""
        return False

    @abstractmethod
    def multiply(self, a: Array, weight: Array | np.ndarray, convolution: Callable[..., Array]) -> Array:
        """a ∗ weight, by the given convolution if it is one."""


@dataclass(frozen=True)
class Layer:
    """One parametrised layer of a zoo network, z = weight_scale · (a ∗ weight) + bias_scale · bias.

    `weight` is `[inputs, units]` for a dense layer, `[height, width, channels, units]` for a convolution, and `[units]`
    for a normalisation, whose a is already standardised and is multiplied unit by unit. Units lie along the last axis;
    `bias`, if there is one, is `[units]`. `weight_scale` and `bias_scale` are the constant multipliers of the
    parameterisation (1 in the standard one). If a layer is applied several times with the same parameters, its
    applications are the first axes of its inputs and of z.
    """

    name: str
    stage: Parametrised  # its type selects the rules for the kind
    inputs: int  # fan-in of one unit
    units: int
    has_bias: bool
    weight_shape: Shape
    output_shape: Shape  # of z for one example: (*times, …, units), with height and width for an image
    times: Shape = ()  # how often each enclosing repetition applies it
    weight_scale: float = 1.0
    bias_scale: float = 1.0
    readout: bool = False  # a dense layer whose z is the network's output, so that ∂f/∂z is the identity
    gates: int = 1  # how many groups of units its outputs form, gate after gate (3 for a GRU)
    gated: bool = False  # the read-out's input h_u is a function of z_u alone, so that ∂f_c/∂z_pu = ∂h_u/∂z_pu ∂f_c/∂h_u


@dataclass(frozen=True)
class DrawnLayer:
    """A layer with the standard deviations of its parameters, before the layer's own scales.

    Arguments:
        start: the initial value of all weights of a layer that is not drawn (its biases are zero); None for one that
            is.
    """

    layer: Layer
    weight_sd: float
    bias_sd: float
    start: float | None = None


def pre_activation(
    layer: Layer,
    parameters: Mapping[str, Array | np.ndarray],
    a: Array,
    convolution: Callable[..., Array],
) -> Array:
    """z = weight_scale · (a ∗ weight) + bias_scale · bias, in the wider of the two precisions."""
    z = layer.stage.multiply(a, parameters["weight"], convolution)
    # Skips a factor of one: training applies this millions of times.
    return with_bias(layer, parameters, z if layer.weight_scale == 1.0 else layer.weight_scale * z)


def with_bias(layer: Layer, parameters: Mapping[str, Array | np.ndarray], z: Array) -> Array:
    """z + bias_scale · bias."""
    if not layer.has_bias:
        return z
    bias = parameters["bias"] if layer.bias_scale == 1.0 else layer.bias_scale * parameters["bias"]
    if z.ndim != 4:
        return z + bias
    from ticketlab.networks.pixels import spread

    return z + spread(bias, z)
