"""P_B(f | S) at infinite width: outputs of the NNGP, given the signs on S, by elliptical slices that reject nothing.

The chain moves only the outputs f_S on the training examples. On the ellipse f_S cos θ + ν sin θ through the state and a fresh
prior draw ν, each sign is right on a half circle around φ_i = atan2(y_i ν_i, y_i f_i). All half circles contain θ = 0, so they
meet in one interval, from which θ is drawn. The likelihood does not depend on the held-out outputs f_E, so given f_S these have
their prior conditional law, with any signs on S:

    f_E | f_S  ~  N( K_ES K_SS⁻¹ f_S,  K_EE − K_ES K_SS⁻¹ K_SE ).

They are drawn anew for each kept state. Moving n outputs instead of n + m costs less, and consecutive functions are less alike.

Sources: Murray, Adams, MacKay 2010, arXiv 1001.0175; Gessner, Kanjilal, Hennig 2020, arXiv 1910.09328 (linear constraints).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Array, Float, Shaped, UInt8
from scipy.linalg import LinAlgError, cholesky, solve_triangular

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.functions.label_strings import differences, packed
from ticketlab.functions.sampler import (
    Drawn,
    State,
    checked_labels,
    chunk_generator,
    first_state,
    next_chunk,
    streams_of,
)
from ticketlab.infinite import kernels
from ticketlab.networks.network import Network

__all__ = ["GaussianSlices"]


@dataclass(frozen=True, eq=False)
class GaussianSlices:
    """Functions from the zero–one posterior of a Gaussian process.

    Arguments:
        covariance: K of the training examples, then the held-out ones, `[n + m, n + m]`.
        labels: 0 or 1, of the n training examples.
        reference: a function on the held-out examples, from which the trace measures distances; None: all zeros.
        chains: independent chains.
        draws: kept from each chain in a step of the sampler.
        thin: moves for each kept draw.
        burn: moves of every chain before the first.
    """

    covariance: Float[np.ndarray, "p p"]
    labels: Shaped[np.ndarray, "n"]
    reference: UInt8[np.ndarray, "bytes"] | None = None
    chains: int = 256
    draws: int = 16
    thin: int = 16
    burn: int = 1000

    def __post_init__(self) -> None:
        checked_labels(self.labels, len(self.labels))
        if (
            len(self.covariance) <= len(self.labels)
            or min(self.chains, self.draws, self.thin) < 1
            or self.burn < 0
        ):
            raise UserError(
                f"a covariance of {len(self.covariance)} examples for {len(self.labels)} labels, {self.chains} chains, "
                f"draws={self.draws}, thin={self.thin}, burn={self.burn}",
                "held-out examples too, and positive numbers",
            )

    @staticmethod
    def of(network: Network, x: Any, labels: Any, held_out: Any, **settings: Any) -> GaussianSlices:
        """That of a network's limit of infinite width.

        Raises:
            UserError: for a network without a limit.
        """
        both = np.concatenate([np.asarray(x, np.float64), np.asarray(held_out, np.float64)])
        covariance = kernels(network, both, get="nngp").nngp
        assert covariance is not None
        return GaussianSlices(covariance, np.asarray(labels), **settings)

    @property
    def examples(self) -> int:
        return len(self.covariance) - len(self.labels)

    @cached_property
    def _law(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The factor of K_SS, the matrix K_ES K_SS⁻¹, and a factor of the conditional covariance."""
        n, k = len(self.labels), self.covariance
        try:
            factor = cholesky(k[:n, :n], lower=True)
        except LinAlgError:
            raise NumericalFailure(
                "the covariance of the training examples is singular to rounding: remove copies"
            ) from None
        half = solve_triangular(factor, k[:n, n:], lower=True)
        values, vectors = np.linalg.eigh(k[n:, n:] - half.T @ half)
        return (
            factor,
            solve_triangular(factor, half, lower=True, trans="T").T,
            vectors * np.sqrt(np.maximum(values, 0)),
        )

    def init(self, key: Array) -> State:
        state = first_state(key)
        rng = np.random.default_rng([*state["key"].ravel().tolist(), 2**32 - 1])
        y = 2.0 * checked_labels(self.labels, len(self.labels)) - 1.0
        f = y * np.abs(rng.standard_normal((self.chains, len(y))) @ self._law[0].T)
        return {**state, "outputs": self._moved(f, y, self.burn, rng)}

    def step(self, state: State) -> tuple[State, Drawn]:
        rng, f = chunk_generator(state), np.asarray(state["outputs"])
        y = 2.0 * checked_labels(self.labels, len(self.labels)) - 1.0
        _, mean, spread = self._law
        kept = np.empty((self.draws, self.chains, -(-self.examples // 8)), np.uint8)
        for draw in range(self.draws):
            f = self._moved(f, y, self.thin, rng)
            held_out = f @ mean.T + rng.standard_normal((self.chains, self.examples)) @ spread.T
            kept[draw] = packed(held_out > 0)
        functions = kept.reshape(-1, kept.shape[-1])
        zero = np.zeros(kept.shape[-1], np.uint8) if self.reference is None else self.reference
        return next_chunk(state, outputs=f), Drawn(
            functions,
            np.tile(streams_of(np.arange(self.chains)), self.draws),
            self.draws * self.thin * self.chains,
            differences(functions, zero).reshape(self.draws, self.chains),
        )

    def _moved(self, f: np.ndarray, y: np.ndarray, moves: int, rng: np.random.Generator) -> np.ndarray:
        factor, tiny = self._law[0], np.finfo(float).tiny
        for _ in range(moves):
            prior = rng.standard_normal(f.shape) @ factor.T
            phi = np.arctan2(y * prior, y * f)
            low, high = phi.max(axis=1) - math.pi / 2, phi.min(axis=1) + math.pi / 2
            theta = (low + (high - low) * rng.random(len(f)))[:, None]
            f = f * np.cos(theta) + prior * np.sin(theta)
            f = y * np.maximum(y * f, tiny)  # rounding at the ends of the interval
        return f
