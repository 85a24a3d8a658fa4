"""How far apart the masked network and its target can be: a certificate from measured norms.

Every construction collapses, layer by layer of the target, to a matrix M and a bias b̂ that follow from θ₀ and the mask alone.
Where the random network computes several copies of a unit, M maps all copies to all copies; 1 is the map from the target's units
to their copies. With e the distance of the activations, R a bound of the target's, and p the Lipschitz constant of pools,

    e_l ≤ p (‖M_l‖ e_{l−1} + ‖M_l 1 − 1 W_l‖ R_{l−1} + ‖b̂_l − 1 b_l‖),   R_l = p (‖W_l‖ R_{l−1} + ‖b_l‖),   e_0 = 0, R_0 = ‖x‖.

So e_L bounds ‖f(x) − g(x)/λ‖ for every input of norm ‖x‖, in exact arithmetic. A convolution adds its bias at each of P pixels,
so the norms of b are √P times those of one pixel. Norms of maps are spectral: of a matrix the root of the
largest eigenvalue of its Gram matrix; of a convolution the largest singular value over all frequencies of a torus that holds the
image and the zeros around it. A convolution on the image is part of the one on the torus, so that is an upper bound. A power
iteration would approach the norm from below, which is no certificate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ticketlab.tickets.constructions.target import TargetLayer

__all__ = ["Collapsed", "Gap", "certificate", "gap", "gaps", "spectral_norm"]

ROUNDING = 1 + 1e-10  # of an eigenvalue in float64


@dataclass(frozen=True)
class Collapsed:
    """What the masked network computes for one layer of the target, in the target's units.

    Arguments:
        layer: the target's.
        weight: M, `[…, sources, units]`, or of all their copies.
        negative: the same for relu(−x), which should be −M; None where inputs are not negative.
        bias: b̂, of all units or copies.
        copies: the source that each input is a copy of, and the unit that each output is; None where there are no copies.
    """

    layer: TargetLayer
    weight: Float[np.ndarray, "..."]
    negative: Float[np.ndarray, "..."] | None
    bias: Float[np.ndarray, " all"]
    copies: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def difference(self) -> Float[np.ndarray, "..."]:
        """M 1 − 1 W, with the rows of relu(−x) below if there are any."""
        wanted = self.layer.weight if self.copies is None else self.layer.weight[..., self.copies[1]]
        both = [self._merged(self.weight) - wanted]
        if self.negative is not None:
            both.append(self._merged(self.negative) + wanted)
        return np.concatenate(both, axis=-2)

    @property
    def bias_difference(self) -> Float[np.ndarray, " all"]:
        """b̂ − 1 b."""
        return self.bias - (self.layer.bias if self.copies is None else self.layer.bias[self.copies[1]])

    @property
    def largest(self) -> float:
        """The largest error of a weight or bias."""
        parts = (self.difference, self.bias_difference)
        return max(float(np.abs(part).max(initial=0.0)) for part in parts)

    def _merged(self, matrix: np.ndarray) -> np.ndarray:
        """M 1: the rows of a source's copies added up."""
        if self.copies is None:
            return matrix
        found = np.zeros((self.layer.sources, matrix.shape[1]))
        np.add.at(found, self.copies[0], matrix)
        return found


@dataclass(frozen=True)
class Gap:
    """The numbers of one layer that the certificate needs.

    Arguments:
        name: of the target's layer.
        carried: ‖M‖, or that of M and its negative side by side.
        target: ‖W‖.
        bias: ‖b‖, of a convolution over all its pixels; so is `bias_difference`.
        difference: ‖M 1 − 1 W‖.
        bias_difference: ‖b̂ − 1 b‖.
        frobenius: ‖M 1 − 1 W‖_F.
        largest: the largest error of a weight or bias.
        shrinks: p.
    """

    name: str
    carried: float
    target: float
    bias: float
    difference: float
    bias_difference: float
    frobenius: float
    largest: float
    shrinks: float


def gap(of: Collapsed) -> Gap:
    """The norms of one layer."""
    layer, difference = of.layer, of.difference
    everywhere = math.sqrt(layer.pixels)  # a bias is added at every pixel
    whole = of.weight if of.negative is None else np.concatenate([of.weight, of.negative], axis=-2)
    return Gap(
        layer.name,
        spectral_norm(whole, layer),
        spectral_norm(layer.weight, layer),
        everywhere * float(np.linalg.norm(layer.bias)),
        spectral_norm(difference, layer),
        everywhere * float(np.linalg.norm(of.bias_difference)),
        float(np.linalg.norm(difference)),
        of.largest,
        layer.shrinks,
    )


def gaps(collapsed: Sequence[Collapsed]) -> tuple[Gap, ...]:
    """The norms of all layers."""
    return tuple(gap(of) for of in collapsed)


def certificate(layers: Sequence[Gap], radius: Float[np.ndarray, "..."] | float) -> Float[np.ndarray, "..."]:
    """A bound of ‖f(x) − g(x)/λ‖ for all inputs of norm `radius`; one for each radius, which it grows with.

    Arguments:
        layers: in order of depth.
        radius: ‖x‖.
    """
    bound = np.asarray(radius, np.float64)
    error = np.zeros(bound.shape)
    for layer in layers:
        error = layer.shrinks * (layer.carried * error + layer.difference * bound + layer.bias_difference)
        bound = layer.shrinks * (layer.target * bound + layer.bias)
    return np.asarray(error)


def spectral_norm(weight: Float[np.ndarray, "..."], layer: TargetLayer) -> float:
    """The norm of a layer's map; for a convolution an upper bound that does not know the border of the image.

    Arguments:
        weight: a matrix, or a kernel `[rows, columns, channels, units]`.
        layer: tells the size of the image.
    """
    if weight.ndim == 2:
        gram = weight @ weight.T if weight.shape[0] < weight.shape[1] else weight.T @ weight
        return float(np.sqrt(max(np.linalg.eigvalsh(gram)[-1], 0.0))) * ROUNDING
    rows, columns = weight.shape[:2]
    torus = (layer.shape[0] + rows - 1, layer.shape[1] + columns - 1)
    at = np.fft.fft2(weight, s=torus, axes=(0, 1)).reshape(-1, *weight.shape[2:])
    return float(np.linalg.norm(at, ord=2, axis=(1, 2)).max()) * ROUNDING
