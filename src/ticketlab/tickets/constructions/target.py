"""The network that a mask shall make: dense layers and convolutions, with ReLU between them.

    f = W_L σ(W_{L−1} … σ(W_1 x + b_1) …) + b_L

Between the layers may be pools and a flattening. They are positively homogeneous, so layers can be scaled one by one, and they
make no difference larger.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Shaped

from ticketlab.errors import UserError
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.layers import Shape
from ticketlab.networks.network import Network, Params
from ticketlab.networks.stages import (
    Activate,
    Activation,
    Convolution,
    Dense,
    Flatten,
    GlobalAverage,
    Pool,
    Pooling,
    Stage,
)

__all__ = ["Target", "TargetLayer", "lipschitz"]


@dataclass(frozen=True)
class TargetLayer:
    """One layer of the target.

    Arguments:
        name: of its parameters.
        stage: a dense layer or a convolution.
        weight: `[inputs, units]` or `[rows, columns, channels, units]`, in float64.
        bias: `[units]`, zeros where the target has none.
        shape: of one example's activations that reach it.
        shrinks: the Lipschitz constant of what lies between this layer and the next one.
    """

    name: str
    stage: Dense | Convolution
    weight: Float[np.ndarray, "..."]
    bias: Float[np.ndarray, " units"]
    shape: Shape
    shrinks: float

    @property
    def sources(self) -> int:
        """d, the inputs or channels that it reads."""
        return self.weight.shape[-2]

    @property
    def rows(self) -> Float[np.ndarray, "sources outputs"]:
        """The weights that leave each source: for a convolution all taps of all units."""
        return np.moveaxis(self.weight, -2, 0).reshape(self.sources, -1)

    def kernel(self, rows: Shaped[np.ndarray, "any outputs"]) -> Shaped[np.ndarray, "..."]:
        """`rows` turned back into the shape of the weight, with any number of sources."""
        taps = self.weight.shape[:-2]
        return np.moveaxis(rows.reshape(len(rows), *taps, -1), 0, -2)

    @property
    def pixels(self) -> int:
        """Of its outputs, each of which gets the bias; 1 for a dense layer."""
        return math.prod(self.stage.shape(self.shape)[:-1])

    @property
    def centre(self) -> int:
        """The first output of the tap that lies on the pixel itself, where a constant feeds a bias; 0 for a dense layer."""
        if isinstance(self.stage, Dense):
            return 0
        tap = (self.stage.window - 1) // 2 if self.stage.padding == "VALID" else self._padded_above
        return (tap * self.stage.window + tap) * self.weight.shape[-1]

    @property
    def _padded_above(self) -> int:
        """Rows of zeros above the image, so that this tap never leaves it."""
        stage, height = self.stage, self.shape[0]
        assert isinstance(stage, Convolution)
        if self.shape[0] != self.shape[1]:
            raise UserError(f"images of {self.shape[0]} × {self.shape[1]} pixels", "square ones")
        return max((-(-height // stage.stride) - 1) * stage.stride + stage.window - height, 0) // 2


@dataclass(frozen=True)
class Target:
    """A trained network to be contained in a random one.

    Arguments:
        architecture: its stages: dense layers, convolutions, ReLU, pools, flattening.
        input_shape: of one example.
        outputs: k.
        params: its parameters.

    Raises:
        UserError: for another activation function, a normalisation, a residual sum, or scales of another parameterisation.
    """

    architecture: Architecture
    input_shape: Shape
    outputs: int
    params: Params

    def __post_init__(self) -> None:
        _ = self.layers  # refuses what it cannot take where it was written

    @property
    def network(self) -> Network:
        return self.architecture.build(self.input_shape, self.outputs)

    @property
    def stages(self) -> tuple[Stage, ...]:
        return self.architecture.stages(self.outputs)

    @cached_property
    def layers(self) -> tuple[TargetLayer, ...]:
        """In order of depth."""
        described = iter(self.network.layers)
        found: list[TargetLayer] = []
        shape, active = self.input_shape, True
        for stage in self.stages:
            if isinstance(stage, Dense | Convolution):
                layer = next(described)
                if layer.weight_scale != 1.0 or not active:
                    raise UserError(
                        f"layer {layer.name} of {self.network.name}",
                        "the standard parameterisation, and a ReLU between layers",
                    )
                own = self.params[layer.name]
                weight = np.asarray(own["weight"], np.float64)
                bias = np.asarray(own["bias"], np.float64) if layer.has_bias else np.zeros(layer.units)
                found.append(TargetLayer(layer.name, stage, weight, bias, shape, 1.0))
                active = False
            else:
                active |= isinstance(stage, Activate)
                shrinks = lipschitz(stage, shape)  # refuses other stages
                if found:
                    found[-1] = replace(found[-1], shrinks=found[-1].shrinks * shrinks)
            shape = stage.shape(shape)
        return tuple(found)

    @property
    def weights(self) -> int:
        """N, weights and biases."""
        return sum(layer.weight.size + int(np.count_nonzero(layer.bias)) for layer in self.layers)

    @property
    def convolutional(self) -> bool:
        return any(isinstance(layer.stage, Convolution) for layer in self.layers)


def lipschitz(stage: Stage, shape: Shape) -> float:
    """How much further apart a stage can bring two activations, in the Euclidean norm.

    Arguments:
        stage: one without parameters.
        shape: of the activations that reach it.
    """
    match stage:
        case Activate(Activation.RELU) | Flatten() | Pool(Pooling.MAX):
            return 1.0
        case Pool(Pooling.AVERAGE, window):
            return 1.0 / window
        case GlobalAverage():
            return 1.0 / math.sqrt(shape[0] * shape[1])
    raise UserError(f"a target with {stage}", "dense layers, convolutions, ReLU, pools and flattening")
