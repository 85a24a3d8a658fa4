"""What random networks with weights ±1 would need: size by depth instead of digits, and why none is built here.

With weights ±1 a mask cannot scale. Powers of two come from depth: two units that carry the same value are added by a third, so
that it carries twice as much. To write a layer of d inputs and k outputs with b binary digits, b + 1 layers each have

    2 carriers of 2^t |input j| for every input, and two accumulators (of positive and of negative parts) for every output,

and layer t adds 2^t x_j to the accumulators of the outputs whose digit t is set. A connection exists only where the sign that was
drawn is +1. With r copies of every unit, each copy that is read has the sign that is needed with probability ½, so a union bound
over all M connections that are used asks for r = ⌈log2(M/δ)⌉ copies. So all hidden layers have r (2 d + 2 k) units, and there are
b + 1 dense matrices between them for every layer of the target.

Width and depth both grow with the logarithm of 1/ε only. But each matrix is r² (2 d + 2 k)² entries: for LeNet-300-100 tens of
billions of weights, which do not fit in memory. This file says how many.

Source: Sreenivasan, Rajput, Sohn, Papailiopoulos 2021, arXiv 2110.08996 (a polylogarithmically wider and deeper network with
weights ±1 suffices). The layout above is our reading of the idea; its constants are those of this layout alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ticketlab.errors import UserError
from ticketlab.tickets.constructions.target import Target

__all__ = ["SignNetwork", "sign_network"]


@dataclass(frozen=True)
class SignNetwork:
    """The size of a network of random signs that contains a target.

    Arguments:
        digits: b, binary digits of a weight.
        copies: r, of every unit.
        depth: random layers.
        weights: entries of all matrices.
    """

    digits: int
    copies: int
    depth: int
    weights: int

    @property
    def gigabytes(self) -> float:
        """Of signs alone, at one bit each."""
        return self.weights / 8e9


def sign_network(target: Target, tolerance: float, failure: float = 0.05) -> SignNetwork:
    """How large a network of random signs would be that contains the target.

    Arguments:
        target: dense layers only.
        tolerance: ε, of a weight, as a fraction of the largest one of its layer.
        failure: δ, the probability that some connection is missing.

    Raises:
        UserError: for a convolutional target.
    """
    if target.convolutional:
        raise UserError("a convolutional target", "dense layers")
    digits = math.ceil(math.log2(1 / tolerance))
    sizes = [(layer.sources + 1, layer.weight.shape[-1]) for layer in target.layers]
    used = sum((digits + 1) * (4 * d + 2 * k + d * k) for d, k in sizes)
    copies = math.ceil(math.log2(used / failure))
    widths = [copies * (2 * d + 2 * k) for d, k in sizes]
    weights = sum((digits + 1) * width**2 for width in widths)
    return SignNetwork(digits, copies, (digits + 1) * len(sizes), weights)
