"""The standard deviations of a layer's draws, and the constants that the parameterisation puts in front of them."""

from __future__ import annotations

import math
from dataclasses import replace

from ticketlab.networks.initialisation import Parameterisation
from ticketlab.networks.layers import DrawnLayer, Layer
from ticketlab.networks.stages.stage import Fitting

__all__ = ["scaled"]


def scaled(layer: Layer, fitting: Fitting) -> DrawnLayer:
    """The dense layer or convolution with its standard deviations and constants.

    Each gate of a layer counts as a layer of its own: its fan-out is the number of units in one gate.
    """
    initialisation = fitting.initialisation
    units = layer.units // layer.gates
    weight_sd = initialisation.weight_sd(layer.inputs, units * math.prod(layer.weight_shape[:-2]))
    bias_sd = initialisation.bias_sd(fitting.parameterisation, weight_sd) if layer.has_bias else 1.0
    if fitting.parameterisation is Parameterisation.NTK:  # the constants move from the draws to the layer
        return DrawnLayer(replace(layer, weight_scale=weight_sd, bias_scale=bias_sd), 1.0, 1.0)
    drawn = DrawnLayer(layer, weight_sd, bias_sd)
    if fitting.parameterisation is Parameterisation.MUP and fitting.first:  # one layer has no width
        return _maximal_update(drawn, fitting.first)
    return drawn


def _maximal_update(drawn: DrawnLayer, first: str) -> DrawnLayer:
    """μP: √units in front of the first layer's weights, 1/√fan in front of the last layer's, whose draws do not change.

    A bias reads a constant, as the first layer reads the data. So √units is in front of all biases except the outputs'.
    """
    layer = drawn.layer
    wide = math.sqrt(layer.units // layer.gates)
    if layer.name == "output":
        return replace(drawn, layer=replace(layer, weight_scale=1 / math.sqrt(layer.inputs)))
    scale = wide if layer.name == first else 1.0
    layer = replace(layer, weight_scale=scale, bias_scale=wide)
    return DrawnLayer(layer, drawn.weight_sd / scale, drawn.bias_sd / wide)
