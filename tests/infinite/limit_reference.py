"""The limit of infinite width the slow way: all pairs of examples and of pixels, one after the other, in NumPy.

It knows a network by its stages and the standard deviations of its layers alone, and activation functions by integration.
"""

import itertools
from functools import lru_cache

import numpy as np
from scipy.special import erf, ndtr

from ticketlab.networks import (
    Activate,
    Activation,
    Convolution,
    Dense,
    Flatten,
    GlobalAverage,
    Normalise,
    Pool,
    Repeat,
    Residual,
)


def density(u):
    return np.exp(-u * u / 2) / np.sqrt(2 * np.pi)


FUNCTIONS = {
    Activation.RELU: (lambda u: np.maximum(u, 0), lambda u: (u > 0).astype(float)),
    Activation.ERF: (erf, lambda u: 2 / np.sqrt(np.pi) * np.exp(-u * u)),
    Activation.GELU: (lambda u: u * ndtr(u), lambda u: ndtr(u) + u * density(u)),
    Activation.TANH: (np.tanh, lambda u: 1 - np.tanh(u) ** 2),
    Activation.SIGN: (lambda u: np.where(u >= 0, 1.0, -1.0), None),
}


rule = lru_cache(np.polynomial.legendre.leggauss)


def integral(g, a, b, c, angles=48, radii=160):
    """E[g(u) g(v)] by integration over radius and angle in the plane, split where u or v changes sign."""
    r, r_weight = rule(radii)
    r, r_weight = 6.5 * (r + 1), 6.5 * r_weight
    r_weight = r_weight * r * np.exp(-r * r / 2) / (2 * np.pi)
    size, rho = np.sqrt(a), 0.0 if a * b == 0 else c / np.sqrt(a * b)
    first, second = np.array([size, 0.0]), np.sqrt(b) * np.array([rho, np.sqrt(max(1 - rho * rho, 0.0))])
    zeros = [np.arctan2(-w[0], w[1]) % np.pi for w in (first, second) if np.any(w)]
    cuts = np.unique([0.0, 2 * np.pi, *zeros, *(z + np.pi for z in zeros)])
    t, t_weight = rule(angles)
    total = 0.0
    for low, high in itertools.pairwise(cuts):
        angle = (high - low) / 2 * (t + 1) + low
        unit = np.stack([np.cos(angle), np.sin(angle)])
        u, v = (np.multiply.outer(r, w @ unit) for w in (first, second))
        total += np.einsum("r,t,rt->", r_weight, (high - low) / 2 * t_weight, g(u) * g(v))
    return total


def moments(activation, K):
    """E[φφ′], E[φ′φ′] and E[uφ′vφ′] for all pairs of a covariance of pixels of examples `[N, N]`."""
    a = np.diag(K)
    if activation is Activation.RELU:
        size = np.sqrt(np.outer(a, a))
        angle = np.arccos(np.clip(np.divide(K, size, out=np.zeros_like(K), where=size > 0), -1, 1))
        np.fill_diagonal(angle, 0)
        value = size * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
        return value, (np.pi - angle) / (2 * np.pi) * (size > 0), value  # ReLU′(0) = 0
    if activation is Activation.ERF:
        d = np.outer(1 + 2 * a, 1 + 2 * a)
        rest = d - 4 * K**2
        return (
            2 / np.pi * np.arcsin(2 * K / np.sqrt(d)),
            4 / np.pi / np.sqrt(rest),
            4 / np.pi * K / rest**1.5,
        )
    phi, slope = FUNCTIONS[activation]

    def matrix(g):
        return np.array(
            [[integral(g, u, v, c) for v, c in zip(a, row, strict=True)] for u, row in zip(a, K, strict=True)]
        )

    if slope is None:
        return matrix(phi), np.nan * K, np.nan * K
    return matrix(phi), matrix(slope), matrix(lambda u: u * slope(u))


def mean(activation, a):
    """E[φ(u)] for variances a."""
    if activation is Activation.RELU:
        return np.sqrt(a / (2 * np.pi))
    return np.zeros_like(a) if activation is not Activation.GELU else a / np.sqrt(2 * np.pi * (1 + a))


class Reference:
    """Σ and Θ as `[n·P, n·P]` over examples and their pixels."""

    def __init__(self, network, x):
        self.n = len(x)
        self.pixels = x.shape[1:-1]
        flat = np.asarray(x, float).reshape(-1, x.shape[-1])
        self.K, self.theta = flat @ flat.T / x.shape[-1], np.zeros((len(flat),) * 2)
        self.mean = flat.mean(axis=1)
        self.owned = None
        self.walk(network.steps)

    def walk(self, steps):
        for step in steps:
            self.stage(step.stage, step)

    def settle(self):
        if self.owned:
            self.theta = self.theta + self.owned[0] * self.K + self.owned[1]
        self.owned = None

    def linear(self, matrix):
        """Each example's pixels are mixed by `[new, old]`."""
        self.settle()
        whole = np.kron(np.eye(self.n), matrix)
        self.K, self.theta, self.mean = (
            whole @ self.K @ whole.T,
            whole @ self.theta @ whole.T,
            whole @ self.mean,
        )

    def fresh(self, drawn):
        layer = drawn.layer
        w = layer.inputs * (layer.weight_scale * drawn.weight_sd) ** 2
        v = (layer.bias_scale * drawn.bias_sd) ** 2 if layer.has_bias else 0.0
        own = layer.inputs * layer.weight_scale**2 * self.K + layer.bias_scale**2 * layer.has_bias
        self.theta = w * self.theta + own
        self.K = w * self.K + v
        self.mean = np.zeros(len(self.K))

    def stage(self, stage, step):
        if isinstance(stage, Dense):
            self.settle()
            self.fresh(step.drawn)
        elif isinstance(stage, Convolution):
            self.settle()
            self.window(stage)
            self.fresh(step.drawn)
        elif isinstance(stage, Activate):
            value, slope, scaled = moments(stage.activation, self.K)
            if self.owned:
                self.theta = self.theta + self.owned[1]
                self.theta = slope * self.theta + self.owned[0] * scaled
            else:
                self.theta = slope * self.theta
            self.mean = mean(stage.activation, np.diag(self.K))
            self.K, self.owned = value, None
        elif isinstance(stage, Flatten | GlobalAverage):
            p = int(np.prod(self.pixels))
            if isinstance(stage, GlobalAverage):
                self.linear(np.full((1, p), 1 / p))
            else:
                self.settle()
                blocks = [a.reshape(self.n, p, self.n, p) for a in (self.K, self.theta)]
                self.K, self.theta = (np.einsum("ipjp->ij", block) / p for block in blocks)
                self.mean = self.mean.reshape(self.n, p).mean(axis=1)
            self.pixels = ()
        elif isinstance(stage, Pool):
            height, width = self.pixels
            rows, columns = height // stage.window, width // stage.window
            matrix = np.zeros((rows, columns, height, width))
            for i in range(rows * stage.window):
                for j in range(columns * stage.window):
                    matrix[i // stage.window, j // stage.window, i, j] = 1 / stage.window**2
            self.linear(matrix.reshape(rows * columns, -1))
            self.pixels = (rows, columns)
        elif isinstance(stage, Normalise):
            self.settle()
            self.K = self.K - np.outer(self.mean, self.mean)
            root = np.sqrt(np.diag(self.K) + 1e-5)
            self.K, self.theta = self.K / np.outer(root, root), self.theta / np.outer(root, root)
            self.owned, self.mean = (1.0, float(step.layer.has_bias)), np.zeros(len(self.K))
        elif isinstance(stage, Repeat):
            self.walk(step.body * stage.times)
        elif isinstance(stage, Residual):
            before = dict(self.__dict__)
            self.walk(step.body)
            body = dict(self.__dict__)
            self.__dict__.update(before)
            self.walk(step.shortcut)
            self.K, self.theta = self.K + body["K"], self.theta + body["theta"]
            self.mean = self.mean * 0
        else:
            raise AssertionError(stage)

    def window(self, stage):
        """The mean over a window: A[K](p, p′) sums over shifts of both pixels together, so it is not a matrix on either side."""
        height, width = self.pixels
        out = stage.shape((height, width, 1))[:2]
        if stage.padding == "SAME":
            around = [
                max((o - 1) * stage.stride + stage.window - s, 0) // 2
                for o, s in zip(out, self.pixels, strict=True)
            ]
        else:
            around = [0, 0]
        K, theta = 0.0, 0.0
        for down in range(stage.window):
            for across in range(stage.window):
                shift = np.zeros((*out, height, width))
                for i in range(out[0]):
                    for j in range(out[1]):
                        row = i * stage.stride + down - around[0]
                        column = j * stage.stride + across - around[1]
                        if 0 <= row < height and 0 <= column < width:
                            shift[i, j, row, column] = 1
                whole = np.kron(np.eye(self.n), shift.reshape(-1, height * width))
                K, theta = K + whole @ self.K @ whole.T, theta + whole @ self.theta @ whole.T
        self.K, self.theta = K / stage.window**2, theta / stage.window**2
        self.pixels = out
        self.mean = np.zeros(len(self.K))
