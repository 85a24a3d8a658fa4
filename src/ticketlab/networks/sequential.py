"""A chain of stages as a network: one forward pass, from which `apply`, `features` and `tapped` all come.

Parameters are a plain dictionary `{layer name: {"weight": …, "bias": …}}`. They are drawn in float32 whatever the
precision that is enabled, so that a key means one network; cast them to float64 and the network computes in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array

from ticketlab.errors import UserError
from ticketlab.networks.convolution import convolve, convolve_once
from ticketlab.networks.drawing import DrawnLayer, draw_parameters
from ticketlab.networks.initialisation import HE_NORMAL, Initialisation, Parameterisation
from ticketlab.networks.network import Features, Layer, Network, Params, Statistics
from ticketlab.networks.stages import Activate, Shape, Stage
from ticketlab.networks.steps import (
    Again,
    Drawing,
    Step,
    Sum,
    activate,
    drawn_layers,
    fit,
    moments,
    pre_activation,
    standardised,
    standardised_by,
)
from ticketlab.networks.streams import unit_groups

__all__ = ["sequential"]


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
    steps, output_shape = fit(stages, input_shape, Drawing(bias, parameterisation, initialisation))
    if len(output_shape) != 1:
        raise UserError(f"stages that end in shape {output_shape}", "a vector of outputs")
    drawn = list(drawn_layers(steps))
    layers = tuple(d.layer for d in drawn)

    def init(key: Array) -> Params:
        return draw_parameters(key, drawn, initialisation.distribution)

    def functions(given: Statistics | None) -> Network:
        """The network as it normalises a batch with the batch's own statistics, or with those given."""

        def forward(walk: _Walk, x: ArrayLike) -> Array:
            # Callers that drop the layers' inputs and features do not pay for them once compiled.
            a = jnp.asarray(x)
            _check_inputs(a.shape, input_shape, name)
            return walk.through(steps, a)

        def apply(params: Params, x: ArrayLike) -> Array:
            return forward(_Walk(params, given), x)

        def features(params: Params, x: ArrayLike) -> Features:
            walk = _Walk(params, given)
            forward(walk, x)
            return walk.features

        def tapped(params: Params, x: ArrayLike, taps: Mapping[str, Array]) -> tuple[Array, dict[str, Array]]:
            walk = _Walk(params, given, taps, convolve_once)  # cotangents are many, the kernel is one
            return forward(walk, x), walk.inputs

        def statistics(params: Params, x: ArrayLike) -> Statistics:
            walk = _Walk(params)
            forward(walk, x)
            return walk.statistics

        network = Network(
            name=name,
            input_shape=input_shape,
            outputs=output_shape[0],
            init=init,
            apply=apply,
            features=features,
            layers=layers,
            tapped=tapped,
            unit_groups=unit_groups(stages, layers, input_shape),
        )
        if given is None and any(layer.of_batch for layer in layers):
            return replace(network, statistics=statistics, frozen=functions)
        return network

    return functions(None)


@dataclass(eq=False)
class _Walk:
    """One pass through the steps, which notes each layer's input, and the features under the layer that they follow.

    A normalisation over the batch takes the statistics that are given, or those of the batch, which are noted too.
    """

    params: Params
    given: Statistics | None = None
    taps: Mapping[str, Array] = field(default_factory=dict)
    convolution: Callable[..., Array] = convolve
    current: str = ""
    inputs: dict[str, Array] = field(default_factory=dict)
    features: dict[str, Array] = field(default_factory=dict)
    statistics: dict[str, tuple[Array, Array]] = field(default_factory=dict)

    def through(self, steps: Sequence[Step], a: Array) -> Array:
        for step in steps:
            match step:
                case DrawnLayer():
                    a = self._layer(step.layer, a)
                    if step.layer.kind != "normalisation":
                        self.current = step.layer.name
                case Activate():
                    a = self.features[self.current] = activate(step.activation, a)
                case Sum():
                    body = self.through(step.body, a)
                    a = body + (self._layer(step.shortcut.layer, a) if step.shortcut else a)
                case Again():
                    a = self._again(step, a)
                case _:
                    a = step(a)
        return a

    def _layer(self, layer: Layer, a: Array) -> Array:
        if layer.of_batch:
            self.statistics[layer.name] = moments(a) if self.given is None else self.given[layer.name]
            a = standardised_by(a, *self.statistics[layer.name])
        elif layer.kind == "normalisation":
            a = standardised(a)
        self.inputs[layer.name] = a
        z = pre_activation(layer, self.params[layer.name], a, self.convolution)
        return z + self.taps[layer.name] if layer.name in self.taps else z

    def _again(self, step: Again, a: Array) -> Array:
        """Each application with taps of its own; the inputs of all of them side by side, the features of the last."""
        names = [drawn.layer.name for drawn in drawn_layers(step.body)]
        applications = []
        for i in range(step.times):
            taps = {name: self.taps[name][:, i] for name in names if name in self.taps}
            walk = _Walk(
                self.params, self.given, taps, self.convolution, self.current, features=self.features
            )
            a = walk.through(step.body, a)
            self.current = walk.current
            applications.append(walk.inputs)
        for name in names:
            self.inputs[name] = jnp.stack([inputs[name] for inputs in applications], axis=1)
        return a


def _check_inputs(shape: Shape, input_shape: Shape, name: str) -> None:
    if len(shape) == len(input_shape) + 1 and shape[1:] == input_shape:
        return
    do = "Build the network for data of this shape."
    if shape == input_shape:
        do = "Give one example a batch axis: x[None]."
    expected = ", ".join(["n", *map(str, input_shape)])
    raise UserError(f"inputs of shape {shape} for {name}", f"[{expected}], n examples", do)
