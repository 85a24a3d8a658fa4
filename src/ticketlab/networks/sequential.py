"""A chain of stages as a network: one forward pass, from which `apply`, `features` and `tapped` all come.

Parameters are a plain dictionary `{layer name: {"weight": …, "bias": …}}`. They are drawn in float32 whatever the
precision that is enabled, so that a key means one network; cast them to float64 and the network computes in float64.
Layers are called `conv1`, …, `dense1`, …, `output`: names that sort in order of depth, because JAX sorts dictionaries.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ticketlab.errors import UserError
from ticketlab.networks.convolution import convolve
from ticketlab.networks.drawing import DrawnLayer, draw_parameters
from ticketlab.networks.initialisation import HE_NORMAL, Initialisation, Parameterisation
from ticketlab.networks.network import Features, Layer, Network, Params
from ticketlab.networks.stages import (
    Activate,
    Activation,
    Convolution,
    Dense,
    Flatten,
    GlobalAverage,
    Pool,
    Pooling,
    Shape,
    Stage,
)
from ticketlab.networks.units import UnitAxis, UnitGroup

__all__ = ["sequential"]

_ACTIVATIONS: Mapping[Activation, Callable[[Array], Array]] = {
    Activation.RELU: jax.nn.relu,
    Activation.TANH: jnp.tanh,
    Activation.GELU: lambda z: jax.nn.gelu(z, approximate=False),
    Activation.ERF: jax.lax.erf,
}

_Step: TypeAlias = DrawnLayer | Activate | Callable[[Array], Array]


def sequential(
    stages: Sequence[Stage],
    input_shape: Shape,
    *,
    name: str,
    bias: bool = True,
    parameterisation: Parameterisation = Parameterisation.STANDARD,
    initialisation: Initialisation = HE_NORMAL,
) -> Network:
    """The network that applies the stages one after the other.

    Arguments:
        stages: from input to output; the last that has parameters is the read-out.
        input_shape: the shape of one example.
        name: the network's name.
        bias: whether layers have biases.
        parameterisation, initialisation: how parameters are drawn and scaled.

    Returns:
        A network with features (after every activation function) and a description of its layers.

    Raises:
        UserError: when a stage cannot take the shape that reaches it; and, from `apply`, for inputs of another shape.
    """
    if not all(size > 0 for size in input_shape):
        raise UserError(f"inputs of shape {input_shape}", "at least one entry along every axis")
    steps, output_shape = _steps(stages, input_shape, bias, parameterisation, initialisation)
    if len(output_shape) != 1:
        raise UserError(f"stages that end in shape {output_shape}", "a vector of outputs")
    parametrised = [step for step in steps if isinstance(step, DrawnLayer)]

    def init(key: Array) -> Params:
        return draw_parameters(key, parametrised, initialisation.distribution)

    def forward(
        params: Params, x: ArrayLike, taps: Mapping[str, Array]
    ) -> tuple[Float[Array, "n k"], dict[str, Array], dict[str, Array]]:
        # Callers that drop the layers' inputs and features do not pay for them once compiled.
        a = jnp.asarray(x)
        _check_inputs(a.shape, input_shape, name)
        inputs, features, current = {}, {}, ""
        for step in steps:
            if isinstance(step, DrawnLayer):
                current = step.layer.name
                inputs[current] = a
                a = _pre_activation(step.layer, params[current], a)
                if current in taps:
                    a = a + taps[current]
            elif isinstance(step, Activate):
                a = features[current] = _ACTIVATIONS[step.activation](a)
            else:
                a = step(a)
        return a, inputs, features

    def apply(params: Params, x: ArrayLike) -> Array:
        return forward(params, x, {})[0]

    def features(params: Params, x: ArrayLike) -> Features:
        return forward(params, x, {})[2]

    def tapped(params: Params, x: ArrayLike, taps: Mapping[str, Array]) -> tuple[Array, dict[str, Array]]:
        return forward(params, x, taps)[:2]

    layers = tuple(p.layer for p in parametrised)
    return Network(
        name=name,
        input_shape=input_shape,
        outputs=output_shape[0],
        init=init,
        apply=apply,
        features=features,
        layers=layers,
        tapped=tapped,
        unit_groups=_unit_groups(stages, layers),
    )


def _steps(
    stages: Sequence[Stage],
    shape: Shape,
    bias: bool,
    parameterisation: Parameterisation,
    initialisation: Initialisation,
) -> tuple[tuple[_Step, ...], Shape]:
    """The stages fitted to an input shape, and the shape they end in."""
    names = iter(_names(stages))
    steps: list[_Step] = []
    for stage in stages:
        reached = stage.shape(shape)
        match stage:
            case Dense() | Convolution():
                steps.append(_parametrised(stage, next(names), shape, bias, parameterisation, initialisation))
            case Activate():
                steps.append(stage)
            case Pool():
                steps.append(_pool(stage))
            case GlobalAverage():
                steps.append(lambda a: jnp.mean(a, axis=(1, 2)))
            case Flatten():
                steps.append(lambda a: a.reshape(a.shape[0], -1))
        shape = reached
    return tuple(steps), shape


def _names(stages: Sequence[Stage]) -> list[str]:
    """conv1, conv2, dense1, output, …: padded with zeros from ten layers on, so that they sort in order of depth."""
    layers = [stage for stage in stages if isinstance(stage, Dense | Convolution)]
    if not layers:
        raise UserError("a network of no layers", "at least one dense layer or convolution")
    kinds = ["conv" if isinstance(layer, Convolution) else "dense" for layer in layers]
    digits = len(str(len(kinds)))
    names = [f"{kind}{kinds[: i + 1].count(kind):0{digits}d}" for i, kind in enumerate(kinds)]
    return [*names[:-1], "output"]


def _parametrised(
    stage: Dense | Convolution,
    name: str,
    given: Shape,
    bias: bool,
    parameterisation: Parameterisation,
    initialisation: Initialisation,
) -> DrawnLayer:
    window = (stage.window, stage.window) if isinstance(stage, Convolution) else ()
    pixels = math.prod(window)
    weight_sd = initialisation.weight_sd(given[-1] * pixels, stage.units * pixels)
    bias_sd = initialisation.bias_sd(parameterisation) if bias else 1.0
    layer = Layer(
        name,
        kind="dense",
        inputs=given[-1] * pixels,
        units=stage.units,
        has_bias=bias,
        weight_shape=(*window, given[-1], stage.units),
        output_shape=stage.shape(given),
    )
    if isinstance(stage, Convolution):
        strides = (stage.stride, stage.stride)
        layer = replace(layer, kind="convolution", strides=strides, padding=stage.padding)
    if parameterisation is Parameterisation.NTK:  # the constants move from the draws to the layer
        layer, weight_sd, bias_sd = replace(layer, weight_scale=weight_sd, bias_scale=bias_sd), 1.0, 1.0
    return DrawnLayer(layer, weight_sd, bias_sd)


def _unit_groups(stages: Sequence[Stage], layers: Sequence[Layer]) -> tuple[UnitGroup, ...]:
    """Each hidden layer's units, read by the next layer alone."""
    at = [i for i, stage in enumerate(stages) if isinstance(stage, Dense | Convolution)]
    between = [stages[i + 1 : j] for i, j in pairwise(at)]
    return tuple(_unit_group(*pair, way) for pair, way in zip(pairwise(layers), between, strict=True))


def _unit_group(layer: Layer, reader: Layer, way: Sequence[Stage]) -> UnitGroup:
    name, units = layer.name, layer.units
    incoming = [UnitAxis(name, "weight", layer.weight_shape, -1)]
    if layer.has_bias:
        incoming.append(UnitAxis(name, "bias", (units,), 0))
    # Flattened, a channel feeds one row of the next weight for each pixel, and channels run fastest.
    *window, _, read_by = reader.weight_shape
    view = (*window, units, read_by) if window else (reader.inputs // units, units, read_by)
    activations = {stage.activation for stage in way if isinstance(stage, Activate)}
    maximum = any(isinstance(stage, Pool) and stage.pooling is Pooling.MAX for stage in way)
    return UnitGroup(
        layer=name,
        units=units,
        incoming=tuple(incoming),
        outgoing=(UnitAxis(reader.name, "weight", view, -2),),
        rescalable=activations <= {Activation.RELU},
        flippable=activations <= {Activation.TANH, Activation.ERF} and not maximum,
    )


def _pre_activation(layer: Layer, parameters: Mapping[str, Array], a: Array) -> Array:
    """z = weight_scale · (a ∗ weight) + bias_scale · bias, in the wider of the two precisions."""
    weight = parameters["weight"]
    z = a @ weight if layer.kind == "dense" else convolve(a, weight, layer.strides, layer.padding)
    # A factor of one is left out: training applies this millions of times.
    z = z if layer.weight_scale == 1.0 else layer.weight_scale * z
    if not layer.has_bias:
        return z
    return z + (parameters["bias"] if layer.bias_scale == 1.0 else layer.bias_scale * parameters["bias"])


def _pool(stage: Pool) -> Callable[[Array], Array]:
    """Pooling by reshaping: unlike a reduction over windows it stays fast when vmapped and differentiated."""
    reduce = jnp.max if stage.pooling is Pooling.MAX else jnp.mean
    w = stage.window

    def pool(a: Array) -> Array:
        n, height, width, channels = a.shape
        rows, columns = height // w, width // w
        windows = a[:, : rows * w, : columns * w].reshape(n, rows, w, columns, w, channels)
        return reduce(windows, axis=(2, 4))

    return pool


def _check_inputs(shape: Shape, input_shape: Shape, name: str) -> None:
    if len(shape) == len(input_shape) + 1 and shape[1:] == input_shape:
        return
    do = "Build the network for data of this shape."
    if shape == input_shape:
        do = "Give one example a batch axis: x[None]."
    expected = ", ".join(["n", *map(str, input_shape)])
    raise UserError(f"inputs of shape {shape} for {name}", f"[{expected}], n examples", do)
