"""Causal attention: every step mixes the values of the steps up to it, weighted by how well keys match its query."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ticketlab.errors import UserError
from ticketlab.networks.initialisation import Parameterisation
from ticketlab.networks.layers import Shape
from ticketlab.networks.stages.checks import check_positive, check_sequence
from ticketlab.networks.stages.per_step import Map
from ticketlab.networks.stages.scaling import scaled
from ticketlab.networks.stages.stage import Fitting, Stage, Step

if TYPE_CHECKING:
    from jaxtyping import Array, Float

    from ticketlab.networks.streams import Streams
    from ticketlab.networks.walk import Walk

__all__ = ["Attention", "attend", "rotated"]

BASE = 10_000.0  # of the wavelengths of rotary positions


@dataclass(frozen=True)
class _QueriesKeysValues(Map):
    prefix: ClassVar[str] = "layer"


@dataclass(frozen=True)
class _Out(Map):
    prefix: ClassVar[str] = "out"
    continues: ClassVar[bool] = True


@dataclass(frozen=True)
class Attention(Stage):
    """Multi-head causal attention, with an output layer O that mixes the heads. Keeps the shape (steps, features).

        q, k, v = a W + b,   z_t = [Σ_{s ≤ t} softmax_s(m q_t·k_s) v_s for each head] O + c

    m is 1/√size, or 1/size under μP. The columns of W are queries, keys, values; in each, head after head.

    Arguments:
        size: features of one head, ≥ 1; it divides the features.
        rotary: whether queries and keys are rotated by their positions, so that their products depend on the distance alone;
            needs an even size. Without it, the order of the earlier steps is not seen.

    Cost: steps² · features operations and heads · steps² numbers for each example, besides the layers.
    Equivalent to `torch.nn.MultiheadAttention` with a causal mask (not rotary).
    Source: Vaswani et al. 2017, arXiv 1706.03762, section 3.2; rotary positions: Su et al. 2021, arXiv 2104.09864, equation 34
    (there with adjacent entries as pairs);
    1/size: Yang et al. 2022, arXiv 2203.03466, definition 4.1.
    """

    size: int = 16
    rotary: bool = True
    maximal_update: bool = False  # set by `fit`

    def __post_init__(self) -> None:
        check_positive(self.size, "features of an attention head")
        if self.rotary and self.size % 2:
            raise UserError(f"heads of {self.size} features with rotary positions", "an even number")

    def shape(self, given: Shape) -> Shape:
        _, features = check_sequence(given, "attention")
        if features % self.size:
            raise UserError(
                f"{features} features for attention heads of {self.size}",
                f"a multiple of {self.size}",
                "Choose another width, or other heads.",
            )
        return given

    def fit(self, given: Shape, fitting: Fitting) -> Step:
        (steps, features), fitting = self.shape(given), replace(fitting, following=None)
        reads = fitting.layer(_QueriesKeysValues(), (features, 3 * features), (steps, 3 * features), 3)
        out = fitting.layer(_Out(), (features, features), given)
        stage = replace(self, maximal_update=fitting.parameterisation is Parameterisation.MUP)
        return Step(stage, body=(Step(self, scaled(reads, fitting)), Step(self, scaled(out, fitting))))

    def forward(self, step: Step, walk: Walk, a: Array) -> Array:
        """The features of the first layer are the mixed values."""
        reads, out = (part.layer for part in step.body)
        n, steps, features = a.shape
        z = walk.weighted(reads, a).reshape(n, steps, 3, features // self.size, self.size)
        q, k, v = z[:, :, 0], z[:, :, 1], z[:, :, 2]
        if self.rotary:
            q, k = rotated(q), rotated(k)
        scale = 1 / self.size if self.maximal_update else 1 / math.sqrt(self.size)
        mixed = walk.features[reads.name] = attend(q, k, v, scale).reshape(a.shape)
        return walk.layer(out, mixed)

    def follow(self, step: Step, streams: Streams) -> None:
        """Units of a head cannot be exchanged with those of another, so they are no group of units."""
        reads, out = (part.layer for part in step.body)
        units = streams.current.units  # after Rows, a channel has a feature for each pixel
        streams.cross(reads, (reads.inputs // units, units, reads.units))
        streams.current.fixed = True
        streams.cross(out, (1, *out.weight_shape))


def attend(
    q: Float[Array, "n steps heads size"],
    k: Float[Array, "n steps heads size"],
    v: Float[Array, "n steps heads size"],
    scale: float,
) -> Float[Array, "n steps heads size"]:
    """Σ_{s ≤ t} softmax_s(scale q_t·k_s) v_s, head by head."""
    import jax
    import jax.numpy as jnp

    match = scale * jnp.einsum("nthd,nshd->nhts", q, k)
    later = jnp.arange(q.shape[1])[:, None] < jnp.arange(q.shape[1])
    weights = jax.nn.softmax(jnp.where(later, -jnp.inf, match), axis=-1)
    return jnp.einsum("nhts,nshd->nthd", weights, v)


def rotated(q: Float[Array, "n steps heads size"]) -> Float[Array, "n steps heads size"]:
    """Entries i and i + size/2 as a complex number times exp(j t ω_i), ω_i = 10 000^(−2i/size), at every step t."""
    import jax.numpy as jnp
    import numpy as np

    half = q.shape[-1] // 2
    angles = np.arange(q.shape[1])[:, None] * BASE ** (-np.arange(half) / half)
    cos, sin = (jnp.asarray(f(angles)[:, None], q.dtype) for f in (np.cos, np.sin))
    real, imaginary = q[..., :half], q[..., half:]
    return jnp.concatenate([real * cos - imaginary * sin, real * sin + imaginary * cos], axis=-1)
