"""The layout of parameters in the layers of another library, with one rule for each kind of layer."""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from ticketlab.errors import UserError
from ticketlab.networks.network import Network, Params
from ticketlab.networks.stages import CausalConvolution, Convolution, Dense, Embedding, Normalise, Positions
from ticketlab.networks.stages.per_step import Map

__all__ = ["torch_layout"]


def torch_layout(network: Network, params: Params) -> dict[str, np.ndarray]:
    """Parameters in the axes and sizes of PyTorch's layers: `{"dense1.weight": [units, inputs], …}`.

    A convolution's kernel becomes [units, channels, rows, columns]. If an image is flattened for a dense layer, its inputs are
    reordered to PyTorch's order, channel by channel; here channels vary fastest. The two layers of a GRU or an LSTM become
    `weight_ih_l0` and `weight_hh_l0`, with the gates in PyTorch's order, those of attention `in_proj_weight` and
    `out_proj.weight`, under the names of the layers here. Constants of the parameterisation (NTK, μP) are multiplied into the
    parameters, because PyTorch's layers have none.

    Raises:
        UserError: for a network without a description of its layers, or with a kind of layer that has no rule here.
    """
    layers = {layer.name: layer for layer in network.require_layers("PyTorch's layout")}
    pixels = {
        part.layer: part.view[0]
        for group in network.unit_groups
        for part in group.outgoing
        if part.leaf == "weight"
    }
    found = {}
    for name, leaves in params.items():
        for leaf, array in leaves.items():
            layer = layers[name]
            values = np.asarray(array)
            values = values * values.dtype.type(layer.weight_scale if leaf == "weight" else layer.bias_scale)
            if leaf == "weight":
                values = weight_layout(layer.stage, values, pixels.get(name, 1))
            found[f"{name}.{leaf}"] = np.ascontiguousarray(values)
    return found


@singledispatch
def weight_layout(stage: object, values: np.ndarray, pixels: int) -> np.ndarray:
    """A layer's weight in PyTorch's layout.

    Arguments:
        stage: the stage of the layer.
        values: its weight.
        pixels: of the image flattened for it; 1 if there is none.
    """
    raise UserError(
        f"a layer of the kind {type(stage).__name__}", "a kind with a known counterpart in PyTorch"
    )


@weight_layout.register
def _(stage: Dense, values: np.ndarray, pixels: int) -> np.ndarray:
    rows = values.reshape(pixels, -1, stage.units)
    return rows.transpose(2, 1, 0).reshape(stage.units, -1)


@weight_layout.register
def _(stage: Map, values: np.ndarray, pixels: int) -> np.ndarray:
    return values.T


@weight_layout.register
def _(stage: CausalConvolution, values: np.ndarray, pixels: int) -> np.ndarray:
    return values.transpose(2, 1, 0)


@weight_layout.register
def _(stage: Embedding | Positions, values: np.ndarray, pixels: int) -> np.ndarray:
    return values


@weight_layout.register
def _(stage: Convolution, values: np.ndarray, pixels: int) -> np.ndarray:
    return values.transpose(3, 2, 0, 1)


@weight_layout.register
def _(stage: Normalise, values: np.ndarray, pixels: int) -> np.ndarray:
    return values
