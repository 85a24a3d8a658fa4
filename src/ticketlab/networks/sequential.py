"""A chain of stages as a network: one forward pass, from which `apply`, `features` and `tapped` all follow.

Parameters are a plain dictionary `{layer name: {"weight": …, "bias": …}}`. They are always drawn in float32, so that a
key means the same network in every precision. To compute in float64, cast them to float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array

from ticketlab.errors import UserError
from ticketlab.networks.convolution import convolve_once
from ticketlab.networks.drawing import draw_parameters
from ticketlab.networks.fitting import fit
from ticketlab.networks.initialisation import HE_NORMAL, Initialisation, Parameterisation
from ticketlab.networks.layers import Layer, Shape
from ticketlab.networks.network import Network
from ticketlab.networks.params import Features, Params, Statistics
from ticketlab.networks.stages.stage import Stage, drawn_layers, follow, has_surrogate, reached, through
from ticketlab.networks.streams import Streams
from ticketlab.networks.walk import Walk

__all__ = ["sequential"]

MOST_WEIGHTS = 2**31


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
        stages: from input to output; the last stage with parameters is the read-out.
        input_shape: the shape of one example.
        name: the network's name.
        bias: whether layers have biases.
        parameterisation, initialisation: how parameters are drawn and scaled.

    Returns:
        A network with features (after every activation function) and a description of its layers.

    Raises:
        UserError: if a stage cannot take the shape that reaches it; from `apply`, for inputs of another shape.
    """
    if not input_shape or not all(size > 0 for size in input_shape):
        raise UserError(f"inputs of shape {input_shape}", "at least one entry along every axis")
    steps = fit(stages, input_shape, bias, parameterisation, initialisation)
    output_shape = reached(stages, input_shape)
    if len(output_shape) != 1:
        raise UserError(f"stages that end in shape {output_shape}", "a vector of outputs")
    drawn = list(drawn_layers(steps))
    layers = tuple(d.layer for d in drawn)
    count = sum(math.prod(layer.weight_shape) for layer in layers)
    if count > MOST_WEIGHTS:
        raise UserError(
            f"{name} with {count:,} weights", f"at most {MOST_WEIGHTS:,}", "Choose smaller sizes."
        )
    streams = Streams(input_shape[-1])
    follow(steps, streams)
    unit_groups = streams.groups()

    def init(key: Array) -> Params:
        return draw_parameters(key, drawn, initialisation.distribution)

    def functions(given: Statistics | None) -> Network:
        """The network that normalises with the given statistics, or with those of the batch."""

        def forward(walk: Walk, x: ArrayLike) -> Array:
            # Inputs and features that the caller drops cost nothing in the compiled program.
            a = jnp.asarray(x)
            _check_inputs(a.shape, input_shape, name)
            return through(steps, walk, a)

        def apply(params: Params, x: ArrayLike) -> Array:
            return forward(Walk(params, given), x)

        def features(params: Params, x: ArrayLike) -> Features:
            walk = Walk(params, given)
            forward(walk, x)
            return walk.features

        def tapped(params: Params, x: ArrayLike, taps: Mapping[str, Array]) -> tuple[Array, dict[str, Array]]:
            walk = Walk(params, given, taps, convolve_once)  # many cotangents, one kernel
            return forward(walk, x), walk.inputs

        def corrected(params: Params, x: ArrayLike, correct: Callable[[Layer, Array], Array]) -> Array:
            return forward(Walk(params, given, corrected=correct), x)

        def statistics(params: Params, x: ArrayLike) -> Statistics:
            walk = Walk(params)
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
            corrected=corrected,
            unit_groups=unit_groups,
            surrogate=has_surrogate(steps),
            steps=steps,
            parameterisation=parameterisation,
            distribution=initialisation.distribution if all(d.start is None for d in drawn) else None,
        )
        if given is None and any(layer.stage.of_batch for layer in layers):
            return replace(network, statistics=statistics, frozen=functions)
        return network

    return functions(None)


def _check_inputs(shape: Shape, input_shape: Shape, name: str) -> None:
    if len(shape) == len(input_shape) + 1 and shape[1:] == input_shape:
        return
    do = "Build the network for data of this shape."
    if shape == input_shape:
        do = "Give one example a batch axis: x[None]."
    expected = ", ".join(["n", *map(str, input_shape)])
    raise UserError(f"inputs of shape {shape} for {name}", f"[{expected}], n examples", do)
