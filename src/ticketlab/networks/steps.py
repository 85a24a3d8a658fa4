"""Stages fitted to the shapes that reach them: what a network does with a batch, one step after the other.

Layers are called `conv1`, …, `dense1`, …, `output`, and a normalisation is called after the layer before it, `conv1-norm`: names
that sort in order of depth, because JAX sorts dictionaries. A residual sum's shortcut counts as the layer after its body.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ticketlab.errors import UserError
from ticketlab.networks.convolution import convolve
from ticketlab.networks.drawing import DrawnLayer
from ticketlab.networks.initialisation import Initialisation, Parameterisation
from ticketlab.networks.network import Layer
from ticketlab.networks.stages import (
    Activate,
    Activation,
    Convolution,
    Dense,
    Flatten,
    GlobalAverage,
    Normalise,
    Pool,
    Pooling,
    Repeat,
    Residual,
    Shape,
    Stage,
)
from ticketlab.networks.straight_through import straight_through

__all__ = [
    "Again",
    "Drawing",
    "Step",
    "Sum",
    "activate",
    "drawn_layers",
    "fit",
    "moments",
    "pre_activation",
    "standardised",
    "standardised_by",
    "surrogates",
]


def _sign(z: Array) -> Array:
    """±1, with the derivative of z(2 − |z|), which goes from −1 to 1 on [−1, 1]."""
    near = jnp.clip(z, -1.0, 1.0)
    return straight_through(jnp.where(z >= 0, 1.0, -1.0).astype(z.dtype), near * (2 - jnp.abs(near)))


_ACTIVATIONS: Mapping[Activation, Callable[[Array], Array]] = {
    Activation.RELU: jax.nn.relu,
    Activation.TANH: jnp.tanh,
    Activation.GELU: lambda z: jax.nn.gelu(z, approximate=False),
    Activation.ERF: jax.lax.erf,
    Activation.SIGN: _sign,
}
_EPSILON = 1e-5  # added to the variance, which is zero where all channels are equal


@dataclass(frozen=True)
class Sum:
    """body(a) + a, or body(a) + shortcut(a)."""

    body: tuple[Step, ...]
    shortcut: DrawnLayer | None


@dataclass(frozen=True)
class Again:
    """The body several times over."""

    body: tuple[Step, ...]
    times: int


Step: TypeAlias = DrawnLayer | Activate | Sum | Again | Callable[[Array], Array]


@dataclass(frozen=True)
class Drawing:
    """How all layers of a network are drawn and scaled."""

    bias: bool
    parameterisation: Parameterisation
    initialisation: Initialisation
    first: str = ""  # the first layer's name, where there is a hidden one; μP scales it otherwise


def fit(stages: Sequence[Stage], shape: Shape, drawing: Drawing) -> tuple[tuple[Step, ...], Shape]:
    """The stages fitted to an input shape, and the shape they end in.

    Raises:
        UserError: when a stage cannot take the shape that reaches it, or there is no layer.
    """
    kinds = list(_kinds(stages, shape))
    if not any(kind != "norm" for kind in kinds):
        raise UserError("a network of no layers", "at least one dense layer or convolution")
    names = _names(kinds)
    hidden = [name for name, kind in zip(names, kinds, strict=True) if kind != "norm"][:-1]
    drawing = replace(drawing, first=hidden[0] if hidden else "")
    steps, reached = _fit(stages, shape, drawing, iter(names))
    if isinstance(stages[-1], Dense):
        steps = _marked(steps, len(steps) - 1, readout=True)
        behind = (
            i for i in range(len(stages) - 2, -1, -1) if not isinstance(stages[i], Activate | GlobalAverage)
        )
        if (before := next(behind, None)) is not None and isinstance(stages[before], Dense | Convolution):
            steps = _marked(steps, before, gated=True)
    return steps, reached


def _of_batch(stage: Stage) -> bool:
    """Whether it is, or has within it, a normalisation over the batch."""
    match stage:
        case Normalise():
            return stage.of_batch
        case Residual() | Repeat():
            return any(_of_batch(inner) for inner in stage.stages)
        case _:
            return False


def _marked(steps: tuple[Step, ...], i: int, **flag: bool) -> tuple[Step, ...]:
    step = steps[i]
    assert isinstance(step, DrawnLayer)
    return (*steps[:i], replace(step, layer=replace(step.layer, **flag)), *steps[i + 1 :])  # type: ignore[arg-type]


def _fit(
    stages: Sequence[Stage], shape: Shape, drawing: Drawing, names: Iterator[str], times: Shape = ()
) -> tuple[tuple[Step, ...], Shape]:
    """`times`: how often each of the repetitions around these stages applies them."""
    steps: list[Step] = []
    for stage, following in zip(stages, (*stages[1:], None), strict=True):
        reached = stage.shape(shape)
        match stage:
            case Dense() | Convolution() | Normalise():
                # The mean over the batch would take a bias away.
                unbiased = isinstance(following, Normalise) and following.of_batch
                drawn = _drawn(
                    stage, next(names), shape, replace(drawing, bias=drawing.bias and not unbiased), times
                )
                steps.append(drawn)
            case Activate():
                steps.append(stage)
            case Pool():
                steps.append(_pool(stage))
            case GlobalAverage():
                steps.append(lambda a: jnp.mean(a, axis=(1, 2)))
            case Flatten():
                steps.append(lambda a: a.reshape(a.shape[0], -1))
            case Residual():
                body, _ = _fit(stage.stages, shape, drawing, names, times)
                beside = stage.shortcut(shape)
                shortcut = _drawn(beside, next(names), shape, drawing, times) if beside else None
                steps.append(Sum(body, shortcut))
            case Repeat():
                if any(_of_batch(inner) for inner in stage.stages):
                    raise UserError(
                        "a normalisation over the batch that is applied several times",
                        "one that is applied once, whose statistics are its own",
                        "Normalise over channels there.",
                    )
                body, _ = _fit(stage.stages, shape, drawing, names, (*times, stage.times))
                steps.append(Again(body, stage.times))
        shape = reached
    return tuple(steps), shape


def drawn_layers(steps: Sequence[Step]) -> Iterator[DrawnLayer]:
    """The layers in order of depth."""
    for step in steps:
        if isinstance(step, DrawnLayer):
            yield step
        elif isinstance(step, Sum | Again):
            yield from drawn_layers(step.body)
            if isinstance(step, Sum) and step.shortcut:
                yield step.shortcut


def surrogates(steps: Sequence[Step]) -> bool:
    """Whether a step has another derivative than its own."""
    return any(
        step.activation is Activation.SIGN
        if isinstance(step, Activate)
        else isinstance(step, Sum | Again) and surrogates(step.body)
        for step in steps
    )


def activate(activation: Activation, z: Array) -> Array:
    """The activation function of every entry."""
    return _ACTIVATIONS[activation](z)


def standardised(a: Array) -> Array:
    """Less the mean over channels, divided by the standard deviation over channels."""
    a = a - jnp.mean(a, axis=-1, keepdims=True)
    return a * jax.lax.rsqrt(jnp.mean(jnp.square(a), axis=-1, keepdims=True) + _EPSILON)


def moments(a: Array) -> tuple[Array, Array]:
    """Mean and variance of each channel, over all pixels of all examples."""
    axes = tuple(range(a.ndim - 1))
    mean = jnp.mean(a, axis=axes)
    return mean, jnp.mean(jnp.square(a - mean), axis=axes)


def standardised_by(a: Array, mean: Array, variance: Array) -> Array:
    """Less the mean of each channel, divided by its standard deviation."""
    return (a - mean) * jax.lax.rsqrt(variance + _EPSILON)


def pre_activation(
    layer: Layer,
    parameters: Mapping[str, Array | np.ndarray],
    a: Array,
    convolution: Callable[..., Array] = convolve,
) -> Array:
    """z = weight_scale · (a ∗ weight) + bias_scale · bias, in the wider of the two precisions."""
    weight = parameters["weight"]
    match layer.kind:
        case "dense":
            z = a @ weight
        case "convolution":
            z = convolution(a, weight, layer.strides, layer.padding)
        case "normalisation":
            z = a * weight
    # A factor of one is left out: training applies this millions of times.
    z = z if layer.weight_scale == 1.0 else layer.weight_scale * z
    if not layer.has_bias:
        return z
    return z + (parameters["bias"] if layer.bias_scale == 1.0 else layer.bias_scale * parameters["bias"])


def _kinds(stages: Sequence[Stage], shape: Shape) -> Iterator[str]:
    """The kind of each layer, in order of depth."""
    for stage in stages:
        match stage:
            case Convolution():
                yield "conv"
            case Dense():
                yield "dense"
            case Normalise():
                yield "norm"
            case Repeat():
                yield from _kinds(stage.stages, shape)
            case Residual():
                yield from _kinds(stage.stages, shape)
                if beside := stage.shortcut(shape):
                    yield from _kinds((beside,), shape)
        shape = stage.shape(shape)


def _names(kinds: Sequence[str]) -> list[str]:
    """conv1, conv1-norm, conv2, dense1, output, …: padded with zeros from ten layers on, so that they sort in order of depth."""
    numbered = [i for i, kind in enumerate(kinds) if kind != "norm"]
    digits = len(str(len(numbered)))
    names: list[str] = []
    for i, kind in enumerate(kinds):
        if kind == "norm":
            names.append(f"{names[-1] if names else 'before'}-norm")
        elif i == numbered[-1]:
            names.append("output")
        else:
            names.append(f"{kind}{kinds[: i + 1].count(kind):0{digits}d}")
    return names


def _drawn(
    stage: Dense | Convolution | Normalise, name: str, given: Shape, drawing: Drawing, times: Shape
) -> DrawnLayer:
    output_shape = (*times, *stage.shape(given))
    if isinstance(stage, Normalise):
        units = given[-1]
        layer = Layer(name, "normalisation", 1, units, drawing.bias, of_batch=stage.of_batch)
        return DrawnLayer(replace(layer, weight_shape=(units,), output_shape=output_shape), 0.0, 0.0)
    window = (stage.window, stage.window) if isinstance(stage, Convolution) else ()
    pixels = math.prod(window)
    initialisation = drawing.initialisation
    weight_sd = initialisation.weight_sd(given[-1] * pixels, stage.units * pixels)
    bias_sd = initialisation.bias_sd(drawing.parameterisation) if drawing.bias else 1.0
    layer = Layer(
        name,
        kind="dense",
        inputs=given[-1] * pixels,
        units=stage.units,
        has_bias=drawing.bias,
        weight_shape=(*window, given[-1], stage.units),
        output_shape=output_shape,
    )
    if isinstance(stage, Convolution):
        strides = (stage.stride, stage.stride)
        layer = replace(layer, kind="convolution", strides=strides, padding=stage.padding)
    if drawing.parameterisation is Parameterisation.NTK:  # the constants move from the draws to the layer
        layer, weight_sd, bias_sd = replace(layer, weight_scale=weight_sd, bias_scale=bias_sd), 1.0, 1.0
    if drawing.parameterisation is Parameterisation.MUP and drawing.first:  # a single layer has no width
        return _maximal_update(DrawnLayer(layer, weight_sd, bias_sd), drawing.first)
    return DrawnLayer(layer, weight_sd, bias_sd)


def _maximal_update(drawn: DrawnLayer, first: str) -> DrawnLayer:
    """μP: √units before the first layer's weights, 1/√fan before the last's, whose draws stay as they are.

    A bias reads a constant as the first layer reads the data, so that √units stands before all biases but the outputs'.
    """
    layer = drawn.layer
    wide = math.sqrt(layer.units)
    if layer.name == "output":
        return replace(drawn, layer=replace(layer, weight_scale=1 / math.sqrt(layer.inputs)))
    scale = wide if layer.name == first else 1.0
    layer = replace(layer, weight_scale=scale, bias_scale=wide)
    return DrawnLayer(layer, drawn.weight_sd / scale, drawn.bias_sd / wide)


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
