"""A network's forward pass, slow and obvious: loops over examples, pixels, channels and units, in float64."""

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ticketlab.networks import (
    Activate,
    Activation,
    Convolution,
    Dense,
    Flatten,
    GlobalAverage,
    Layer,
    Normalise,
    Params,
    Pool,
    Pooling,
    Repeat,
    Residual,
    Stage,
)

REFERENCE_ACTIVATIONS: Mapping[Activation, Any] = {
    Activation.RELU: lambda z: max(z, 0.0),
    Activation.TANH: math.tanh,
    Activation.GELU: lambda z: z * 0.5 * (1 + math.erf(z / math.sqrt(2))),
    Activation.ERF: math.erf,
}


def reference(
    stages: tuple[Stage, ...], layers: tuple[Layer, ...], params: Params, example: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """One example's outputs and features in float64, entry by entry."""
    walk = Walk(layers, params)
    return walk.through(stages, np.asarray(example, np.float64)), walk.features


class Walk:
    """Goes through the stages, including nested ones; `next` is the number of the next layer, `current` that of the last."""

    def __init__(self, layers: tuple[Layer, ...], params: Params) -> None:
        self.layers, self.params, self.next, self.current = layers, params, 0, layers[0].name
        self.features: dict[str, np.ndarray] = {}

    def through(self, stages: tuple[Stage, ...], a: np.ndarray) -> np.ndarray:
        for stage in stages:
            a = self.stage(stage, a)
        return a

    def stage(self, stage: Stage, a: np.ndarray) -> np.ndarray:
        if isinstance(stage, Dense | Convolution):
            a, self.current = self.parametrised(stage, a)
        elif isinstance(stage, Normalise):
            a, _ = self.parametrised(stage, a)
        elif isinstance(stage, Activate):
            a = np.vectorize(REFERENCE_ACTIVATIONS[stage.activation], otypes=[np.float64])(a)
            self.features[self.current] = a
        elif isinstance(stage, Pool):
            a = pool(a, stage)
        elif isinstance(stage, GlobalAverage):
            a = np.array([a[:, :, c].mean() for c in range(a.shape[2])])
        elif isinstance(stage, Flatten):
            a = a.reshape(-1)
        elif isinstance(stage, Residual):
            given, a = a, self.through(stage.stages, a)
            beside = stage.shortcut(given.shape)
            a = a + (self.parametrised(beside, given)[0] if beside else given)
        elif isinstance(stage, Repeat):
            first = self.next
            for _ in range(stage.times):
                self.next = first
                a = self.through(stage.stages, a)
        return a

    def parametrised(self, stage: Dense | Convolution | Normalise, a: np.ndarray) -> tuple[np.ndarray, str]:
        layer = self.layers[self.next]
        self.next += 1
        leaves = self.params[layer.name]
        weight = layer.weight_scale * np.asarray(leaves["weight"], np.float64)
        bias = layer.bias_scale * np.asarray(leaves.get("bias", np.zeros(layer.units)), np.float64)
        if isinstance(stage, Normalise):
            return normalisation(a) * weight + bias, layer.name
        z = dense(a, weight) if isinstance(stage, Dense) else convolution(a, weight, stage)
        return z + bias, layer.name


def normalisation(a: np.ndarray) -> np.ndarray:
    out = np.zeros_like(a)
    for pixel in np.ndindex(a.shape[:-1]):
        out[pixel] = (a[pixel] - np.mean(a[pixel])) / math.sqrt(np.var(a[pixel]) + 1e-5)
    return out


def dense(a: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return np.array([np.dot(a, weight[:, u]) for u in range(weight.shape[1])])


def convolution(a: np.ndarray, weight: np.ndarray, stage: Convolution) -> np.ndarray:
    height, width, units = stage.shape(a.shape)
    before = [0, 0]
    if stage.padding == "SAME":  # what is missing, the smaller half in front
        needed = [
            (out - 1) * stage.stride + stage.window - n
            for out, n in zip((height, width), a.shape, strict=False)
        ]
        before = [max(n, 0) // 2 for n in needed]
    z = np.zeros((height, width, units))
    for i, j, p, q in itertools.product(
        range(height), range(width), range(stage.window), range(stage.window)
    ):
        row, column = i * stage.stride + p - before[0], j * stage.stride + q - before[1]
        if 0 <= row < a.shape[0] and 0 <= column < a.shape[1]:
            z[i, j] += a[row, column] @ weight[p, q]
    return z


def pool(a: np.ndarray, stage: Pool) -> np.ndarray:
    height, width, channels = stage.shape(a.shape)
    out, w = np.zeros((height, width, channels)), stage.window
    for i, j, c in itertools.product(range(height), range(width), range(channels)):
        window = a[i * w : (i + 1) * w, j * w : (j + 1) * w, c]
        out[i, j, c] = window.max() if stage.pooling is Pooling.MAX else window.mean()
    return out
