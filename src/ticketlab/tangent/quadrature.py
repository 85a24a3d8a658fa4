"""The whole spectrum of the tangent kernel from products with it alone: traces of functions of K, with error bars.

For a random vector z of signs, E zᵀg(K)z = tr g(K), and the Lanczos process from z gives zᵀg(K)z ≈ ‖z‖² Σ wᵢ² g(θᵢ) for every
g at once (stochastic Lanczos quadrature). So a few vectors give the distribution of all eigenvalues, and their spread gives the
standard error. The effective dimension at a ridge is

    d(λ) = tr K(K + λI)⁻¹ = Σ κ/(κ + λ).

Sources: Ubaru, Chen & Saad 2017, Fast estimation of tr(f(A)) via stochastic Lanczos quadrature, theorem 4.1; Hutchinson 1989;
for the effective dimension Zhang 2005, Learning bounds for kernel regression using effective data dimensionality.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from ticketlab.errors import UserError
from ticketlab.tangent.lanczos import lanczos
from ticketlab.tangent.spectrum import condition_number

__all__ = ["Estimate", "Spectrum", "kernel_spectrum"]


@dataclass(frozen=True)
class Estimate:
    """A mean over probes, and its standard error; 0 where nothing is random."""

    value: float
    standard_error: float


@dataclass(frozen=True, eq=False)
class Spectrum:
    """What the probes saw of K's eigenvalues.

    Arguments:
        size: n·k, the number of eigenvalues.
        nodes: θ `[probes, steps]`.
        weights: w² `[probes, steps]`, each row with sum 1; 0 after the end of a probe's process.
    """

    size: int
    nodes: Float[np.ndarray, "probes steps"] = field(repr=False)
    weights: Float[np.ndarray, "probes steps"] = field(repr=False)

    def trace(self, of: Callable[[np.ndarray], np.ndarray]) -> Estimate:
        """tr g(K) for a function g of the eigenvalues."""
        # Where a process has ended there are no nodes, and g of the filling may be infinite.
        nodes = np.where(self.weights > 0, self.nodes, self.nodes[:, :1])
        each = self.size * np.sum(self.weights * of(np.maximum(nodes, 0.0)), axis=1)
        count = len(each)
        error = float(np.std(each, ddof=1) / np.sqrt(count)) if count > 1 else float("nan")
        return Estimate(float(np.mean(each)), error)

    def effective_dimension(self, ridge: float) -> Estimate:
        """tr K(K + λI)⁻¹: the number of directions that a ridge λ > 0, as in the objective, leaves to be fitted."""
        if not ridge > 0:
            raise UserError(f"ridge {ridge}", "a number above 0", "For λ → 0 it is the rank of K.")
        return self.trace(lambda kappa: kappa / (kappa + ridge))

    def count_above(self, value: float) -> Estimate:
        """The number of eigenvalues above a value: one point of the spectrum's distribution."""
        return self.trace(lambda kappa: (kappa > value).astype(float))

    @property
    def mean(self) -> Estimate:
        """The mean eigenvalue, mean diag(K): the unit of relative ridges."""
        whole = self.trace(lambda kappa: kappa)
        return Estimate(whole.value / self.size, whole.standard_error / self.size)

    def condition(self, ridge: float) -> float:
        """(κ_max + λ)/(κ_min + λ), from below, because Ritz values lie inside the spectrum."""
        seen = np.maximum(self.nodes[self.weights > 0], 0.0)
        return condition_number((float(seen.min()), float(seen.max())), ridge)

    @property
    def largest(self) -> float:
        """The largest eigenvalue, from below."""
        return float(self.nodes.max())


def kernel_spectrum(
    gram: Callable[[Any], Any], shape: tuple[int, int], *, probes: int = 10, steps: int = 60, seed: int
) -> Spectrum:
    """Probes the spectrum of K with random vectors.

    Arguments:
        gram: u `[1, n, k]` ↦ K u, as `Jacobian.gram`.
        shape: (n, k).
        probes: the number of vectors; error bars fall with its square root and need at least 2.
        steps: products with K for each; the quadrature is exact for polynomials of degree 2·steps − 1.
        seed: of the vectors.

    Cost: probes × steps products with K.
    """
    if probes < 1 or steps < 1:
        raise UserError(f"probes={probes}, steps={steps}", "at least 1 of each")
    draw = np.random.default_rng(seed)
    size = shape[0] * shape[1]
    steps = min(steps, size)
    nodes, weights = np.zeros((probes, steps)), np.zeros((probes, steps))
    for i in range(probes):
        ritz = lanczos(gram, draw.choice([-1.0, 1.0], size=shape), steps, vectors=False)
        nodes[i, : len(ritz.values)] = ritz.values
        weights[i, : len(ritz.values)] = ritz.weights**2
    return Spectrum(size, nodes, weights)
