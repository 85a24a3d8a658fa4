"""One layer of a network: the parameters that are applied together, and what is known of them without computing anything.

A layer comes from a stage. Whatever differs from kind to kind (how a kernel is contracted, how weights are exported) is looked up
by the type of that stage, so that no list of kinds is kept anywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Array

__all__ = ["DrawnLayer", "Layer", "Parametrised", "Shape", "pre_activation"]

Shape: TypeAlias = tuple[int, ...]


class Parametrised(ABC):
    """What a stage says of its layer.

    Arguments:
        prefix: what its layers are called, before their number.
        weighted: whether its weights lead from the units of one layer to those of the next (dense, convolution). Others scale
            units where they are (normalisation): they are called after the layer before them, and never masked.
    """

    prefix: ClassVar[str]
    weighted: ClassVar[bool]

    @property
    def of_batch(self) -> bool:
        """Whether what the layer does with an example depends on the others of its batch, and has their mean removed."""
        return False

    @abstractmethod
    def multiply(self, a: Array, weight: Array | np.ndarray, convolution: Callable[..., Array]) -> Array:
        """a ∗ weight, by the given convolution if it is one."""


@dataclass(frozen=True)
class Layer:
    """One parametrised layer of a zoo network, z = weight_scale · (a ∗ weight) + bias_scale · bias.

    `weight` is `[inputs, units]` for a dense layer, `[height, width, channels, units]` for a convolution, and `[units]` for a
    normalisation, whose a is standardised already and multiplied unit by unit: units lie along the last axis, and so does
    `bias` `[units]`, when there is one. `weight_scale` and `bias_scale` are the constant multipliers of the parameterisation
    (1 in the standard one). A layer that is applied several times with the same parameters has its applications as the first
    axes of its inputs and of z.
    """

    name: str
    stage: Parametrised  # rules for its kind are found by this
    inputs: int  # fan-in of one unit
    units: int
    has_bias: bool
    weight_shape: Shape
    output_shape: Shape  # of z for one example: (*times, …, units), with height and width for an image
    times: Shape = ()  # how often it is applied by each of the repetitions around it
    weight_scale: float = 1.0
    bias_scale: float = 1.0
    readout: bool = False  # a dense layer whose z is the network's output, so that ∂f/∂z is the identity
    gated: bool = False  # the read-out's input h_u is a function of z_u alone, so that ∂f_c/∂z_pu = ∂h_u/∂z_pu ∂f_c/∂h_u


@dataclass(frozen=True)
class DrawnLayer:
    """A layer with the standard deviations of its parameters, before the layer's own scales.

    Arguments:
        start: for a layer of which nothing is drawn, what all its weights are at the start; its biases are zero.
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
    # A factor of one is left out: training applies this millions of times.
    z = z if layer.weight_scale == 1.0 else layer.weight_scale * z
    if not layer.has_bias:
        return z
    return z + (parameters["bias"] if layer.bias_scale == 1.0 else layer.bias_scale * parameters["bias"])
