"""Two random layers for one layer of the target: what is drawn, and which sums are to be written.

Biases. A law with biases gives n units whose in-weights are all masked, and whose bias c > 0 is kept: relu(c) = c is a constant,
at every pixel too, and v c are products like the others. All other biases are masked. A law without biases needs a constant input
1 that every layer writes anew as one more unit; its actual size is known and accounted for.

Scale. Layer l is multiplied by r_l, so that its largest weight is as long as the products reach; biases by r_1 … r_l. ReLU
networks are homogeneous, so the masked network is λ f with λ = r_1 … r_L.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ticketlab.tickets.constructions.laws import REACH, Law
from ticketlab.tickets.constructions.sums import Block
from ticketlab.tickets.constructions.target import TargetLayer

__all__ = ["Pair"]


@dataclass(frozen=True)
class Pair:
    """Two random layers, U and V, for one layer of the target.

    Arguments:
        layer: the target's.
        law, count, seed: as in `DoubleDepth`.
        number: of the layer.
        biased: whether the layer has biases to be written.
        carried: whether a constant arrives as one more input, because the law has no biases.
        regenerates: whether a constant leaves as one more output.
        signed: whether its inputs may be negative.
    """

    layer: TargetLayer
    law: Law
    count: int
    seed: int
    number: int
    biased: bool
    carried: bool
    regenerates: bool
    signed: bool

    @property
    def sources(self) -> int:
        """Inputs or channels, and the constant if it is needed."""
        return self.layer.sources + (self.biased or self.regenerates)

    @property
    def inputs(self) -> int:
        """What the random layer reads: the constant is one of them if it is carried."""
        return self.layer.sources + self.carried

    @cached_property
    def outputs(self) -> int:
        """Of V: every tap of every unit, and the constant if it leaves."""
        return self.layer.rows.shape[1] + self.regenerates

    @property
    def fan_in(self) -> int:
        """Of a unit that V feeds, without repairs."""
        return self.count * self.sources * self.layer.weight[..., 0, 0].size

    @property
    def reach(self) -> float:
        """How long the largest weight may be."""
        return REACH * self.law.sd(self.inputs) * self.law.sd(self.fan_in)

    @property
    def bias_reach(self) -> float:
        """How long the largest bias may be, for a constant of 1."""
        return self.reach if self.carried else REACH * self.law.bias_sd * self.law.sd(self.fan_in)

    def draw(self, attempt: int, units: int) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        """U `[inputs, units]`, the units' biases, and V `[units, outputs]`: the same for the same attempt."""
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, self.number, attempt]))
        u = self.law.weights(rng, (self.inputs, units), self.inputs)
        c = self.law.biases(rng, (units,))
        return u, c, self.law.weights(rng, (units, self.outputs), self.fan_in)

    def block(self, attempt: int, owners: np.ndarray) -> Block:
        """Fresh units: what each is reached with, and the weights that leave it."""
        u, c, v = self.draw(attempt, len(owners))
        value = u[np.minimum(owners, self.inputs - 1), np.arange(len(owners))].astype(np.float64)
        if c is not None:
            value = np.where(owners < self.layer.sources, value, c)
        return Block(owners, value, v)

    def wanted(self, scale: float, constant: float) -> tuple[np.ndarray, np.ndarray, float]:
        """The sums to be written, `[sources, outputs]`, the error that counts as 1, and r, which multiplies the layer's weights.

        One is the largest weight or bias of the layer, as it is in the target. Small activations make a bias's error larger
        in comparison, so its unit is smaller.

        Arguments:
            scale: of the activations that arrive.
            constant: the value of the constant that arrives.
        """
        rows, bias = self.layer.rows, self.layer.bias * scale / constant
        limits = [(self.reach, np.abs(rows).max()), (self.bias_reach, np.abs(bias).max())]
        factor = min((reach / largest for reach, largest in limits if largest > 0), default=1.0)
        target = np.zeros((self.sources, self.outputs))
        largest = max(np.abs(rows).max(), np.abs(self.layer.bias).max())
        unit = np.full(target.shape, factor * largest)
        unit[self.layer.sources :] *= scale / constant
        target[: self.layer.sources, : rows.shape[1]] = factor * rows
        if self.biased:
            target[-1, self.layer.centre : self.layer.centre + len(bias)] = factor * bias
        if self.regenerates:
            target[-1, -1] = unit[-1, -1] = self.reach
        return target, unit, factor
