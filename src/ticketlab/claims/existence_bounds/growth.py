"""How the number of products grows as ε falls: like a logarithm of 1/ε, or like a power of it?

n_δ is the number of products that leave a share δ of the weights further than ε from their sum. Its *slope* is the number of
products that each halving of ε costs. Its *lean* compares two laws that agree with it at both ends of the range of ε. With u the
place of log 1/ε in its range, from 0 to 1, and n₀ and n₁ the numbers of products at its ends, they are

    logarithm   L(u) = n₀ + u·(n₁ − n₀)
    power       P(u) = n₀·(n₁/n₀)^u        that is n₀·(ε₀/ε)^a with a = ln(n₁/n₀) / ln(ε₀/ε₁)

The lean is the weight w of the power in the fit (1 − w)·L + w·P by least squares:

    w = Σ (L − n_δ)·(L − P) / Σ (L − P)²

It is 0 for a logarithm and 1 for a power, whatever a is. Halfway is the limit that decides which is nearer, since
‖n_δ − P‖² − ‖n_δ − L‖² = (1 − 2w)·‖L − P‖². So either law can be found, and the other ruled out.

In terms of steps: let only the middle of the range be measured besides the ends. The step of n_δ in the last half is as large as
that in the first half for a logarithm, and √(n₁/n₀) times as large for a power. With w = ½ it is (3ρ + 1)/(ρ + 3) times as large,
where ρ = √(n₁/n₀), which is (n₁/n₀)^¼ to first order. A limit on this ratio that does not depend on n₁/n₀ cannot tell the laws
apart. From ε = 0.1 to 0.001 the ratio is 10^a for a power, which is less than 2 for every a < 0.3.
"""

from __future__ import annotations

import math

import numpy as np

from ticketlab.evidence.tables import Table

__all__ = ["HALFWAY", "exponent", "lean", "slope"]

HALFWAY = 0.5  # the lean at which both laws are equally near


def slope(growth: Table) -> float:
    """Products for each halving of ε, by least squares; NaN if fewer than two numbers are known.

    Arguments:
        growth: of one seed and search, with the columns "tolerance", ε, and "products", n_δ, not finite where it is not known.
    """
    return _line(*_known(growth))


def exponent(growth: Table) -> float:
    """a of n_δ ∝ ε^−a, by least squares of the logarithms; NaN if fewer than two numbers are known."""
    bits, products = _known(growth)
    return _line(bits, np.log2(products))


def lean(growth: Table) -> float:
    """w, 0 for a logarithm and 1 for a power; NaN if fewer than three numbers are known, or if they do not grow."""
    bits, products = _known(growth)
    if len(bits) < 3 or not 0 < products[0] < products[-1]:
        return math.nan
    place, grown = (bits - bits[0]) / (bits[-1] - bits[0]), products[-1] / products[0]
    logarithm, power = products[0] * (1 + place * (grown - 1)), products[0] * grown**place
    return float((logarithm - products) @ (logarithm - power) / np.sum((logarithm - power) ** 2))


def _known(growth: Table) -> tuple[np.ndarray, np.ndarray]:
    """log₂ 1/ε and n_δ where it was reached, in order."""
    bits, products = -np.log2(growth["tolerance"]), growth["products"].astype(float)
    order = np.argsort(bits)
    bits, products = bits[order], products[order]
    there = np.isfinite(products)
    return bits[there], products[there]


def _line(bits: np.ndarray, values: np.ndarray) -> float:
    return float(np.polyfit(bits, values, 1)[0]) if len(bits) > 1 else math.nan
