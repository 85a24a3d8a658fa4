"""The stages for sequences, slow and obvious: loops over steps, units and heads, in float64, one example at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from network_reference import REFERENCE_ACTIVATIONS, normalisation

from ticketlab.networks import (
    GRU,
    LSTM,
    Activate,
    Attention,
    CausalConvolution,
    Dense,
    Embedding,
    EveryStep,
    FeedForward,
    LastStep,
    Network,
    Normalise,
    Params,
    PerStep,
    Positions,
    Residual,
    Rows,
    Stage,
)


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def reference(network: Network, stages: tuple[Stage, ...], params: Params, x: np.ndarray) -> np.ndarray:
    """The outputs of a batch, example by example."""
    return np.stack([_through(stages, _leaves(network, params), np.asarray(one, np.float64)) for one in x])


def _leaves(network: Network, params: Params) -> Iterator[tuple[np.ndarray, Any]]:
    """The effective weight and bias of every layer, in order of depth."""
    for layer in network.layers:
        leaves = {name: np.asarray(a, np.float64) for name, a in params[layer.name].items()}
        yield layer.weight_scale * leaves["weight"], layer.bias_scale * leaves.get("bias", 0.0)


def _through(stages: tuple[Stage, ...], leaves: Any, a: np.ndarray) -> np.ndarray:
    for stage in stages:
        a = _stage(stage, leaves, a)
    return a


def _stage(stage: Stage, leaves: Any, a: np.ndarray) -> np.ndarray:
    if isinstance(stage, Rows):
        return a.reshape(len(a), -1)
    if isinstance(stage, LastStep):
        return a[-1]
    if isinstance(stage, Activate):
        return np.vectorize(REFERENCE_ACTIVATIONS[stage.activation], otypes=[float])(a)
    if isinstance(stage, Residual):
        return a + _through(stage.stages, leaves, a)
    weight, bias = next(leaves)
    if isinstance(stage, Normalise):
        return normalisation(a) * weight + bias
    if isinstance(stage, Embedding):
        return np.stack([weight[int(token)] for token in a])
    if isinstance(stage, Positions):
        return a + weight
    if isinstance(stage, Dense | PerStep):
        return a @ weight + bias
    if isinstance(stage, EveryStep):
        return (a @ weight + bias).ravel()
    if isinstance(stage, CausalConvolution):
        return convolution(stage, weight, a) + bias
    other, other_bias = next(leaves)
    if isinstance(stage, GRU):
        return gru(a @ weight + bias, other, other_bias)
    if isinstance(stage, LSTM):
        return lstm(a @ weight + bias, other)
    if isinstance(stage, FeedForward):
        hidden = np.vectorize(REFERENCE_ACTIVATIONS[stage.activation], otypes=[float])(a @ weight + bias)
        return hidden @ other + other_bias
    assert isinstance(stage, Attention)
    return attention(stage, a @ weight + bias) @ other + other_bias


def convolution(stage: CausalConvolution, weight: np.ndarray, a: np.ndarray) -> np.ndarray:
    z = np.zeros((len(a), stage.units))
    for t in range(len(a)):
        for p in range(stage.window):
            before = t - (stage.window - 1 - p) * stage.dilation
            if before >= 0:
                z[t] += a[before] @ weight[p]
    return z


def gru(given: np.ndarray, recurrent: np.ndarray, bias: Any) -> np.ndarray:
    units = len(recurrent)
    h, states = np.zeros(units), []
    for z in given:
        u = h @ recurrent + bias
        r, s = (sigmoid(z[i * units : (i + 1) * units] + u[i * units : (i + 1) * units]) for i in (0, 1))
        n = np.tanh(z[2 * units :] + r * u[2 * units :])
        h = (1 - s) * n + s * h
        states.append(h)
    return np.stack(states)


def lstm(given: np.ndarray, recurrent: np.ndarray) -> np.ndarray:
    h = c = np.zeros(len(recurrent))
    states = []
    for z in given:
        i, f, g, o = np.split(z + h @ recurrent, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return np.stack(states)


def attention(stage: Attention, z: np.ndarray) -> np.ndarray:
    q, k, v = np.split(z, 3, axis=-1)
    mixed = np.zeros_like(q)
    scale = 1 / stage.size if stage.maximal_update else stage.size**-0.5
    for first in range(0, q.shape[1], stage.size):
        own = slice(first, first + stage.size)
        for t in range(len(q)):
            match = np.array([scale * _match(stage, q[t, own], k[s, own], t - s) for s in range(t + 1)])
            weights = np.exp(match - match.max())
            mixed[t, own] = weights / weights.sum() @ v[: t + 1, own]
    return mixed


def _match(stage: Attention, q: np.ndarray, k: np.ndarray, distance: int) -> float:
    """q·k, after both are rotated by their positions: only the distance matters."""
    if not stage.rotary:
        return float(q @ k)
    half = stage.size // 2
    turned = (q[:half] + 1j * q[half:]) * np.exp(1j * distance * 10_000.0 ** (-np.arange(half) / half))
    return float(np.real(turned @ np.conj(k[:half] + 1j * k[half:])))
