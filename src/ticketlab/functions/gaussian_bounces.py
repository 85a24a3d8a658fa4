"""P_B(f | S) at infinite width: outputs of the NNGP, given the signs on S, by paths that bounce off the boundaries.

The chain moves only the outputs f on the training examples. A path is an arc of the ellipse through f and a fresh prior draw ν,

    f(t) = f cos t + ν sin t,    ν(t) = ν cos t − f sin t,    0 ≤ t ≤ π/2.

Without the signs a quarter of the ellipse would end on a fresh draw of the prior. Where an output y_i f_i falls to 0, the path is
reflected, ν ← ν − 2 (ν_i / K_ii) K e_i. This keeps the density N(0, K) of f and that of ν, so nothing is rejected. The first
boundary is that with the smallest ν_i / f_i, at t = arccot(−ν_i / f_i).

With n examples a path has about n reflections of cost n each, and its end is nearly independent of its start. A slice of the
ellipse up to the first boundary (Gessner, Kanjilal, Hennig 2020) has a length of about 1/n, so it takes about n² slices, of
cost n² each, to get as far.

The likelihood does not depend on the held-out outputs f_E, so given f they have their prior conditional law, with any signs:

    f_E | f  ~  N( K_ES K_SS⁻¹ f,  K_EE − K_ES K_SS⁻¹ K_SE ).

Source: Pakman & Paninski 2014, "Exact Hamiltonian Monte Carlo for truncated multivariate Gaussians", arXiv 1208.4118.
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

__all__ = ["GaussianBounces"]

CACHED = 8192  # outputs of the chains that move together
LEAST = 1e-290  # in place of what rounding leaves at or beyond a boundary


@dataclass(frozen=True, eq=False)
class GaussianBounces:
    """Functions from the zero–one posterior of a Gaussian process.

    Arguments:
        covariance: K of the training examples, then the held-out ones, `[n + m, n + m]`.
        labels: 0 or 1, of the n training examples.
        reference: a function on the held-out examples, from which the trace measures distances; None: all zeros.
        chains: independent chains.
        draws: kept from each chain in a step of the sampler.
        thin: paths for each kept draw.
        burn: paths of every chain before the first.

    Cost: a path takes about n² operations and the drawing of ν n² too; memory n² numbers.
    """

    covariance: Float[np.ndarray, "p p"]
    labels: Shaped[np.ndarray, "n"]
    reference: UInt8[np.ndarray, "bytes"] | None = None
    chains: int = 256
    draws: int = 16
    thin: int = 1
    burn: int = 8

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
    def of(network: Network, x: Any, labels: Any, held_out: Any, **settings: Any) -> GaussianBounces:
        """That of a network's limit of infinite width.

        Raises:
            UserError: for a network without a limit.
        """
        both = np.concatenate([np.asarray(x, np.float64), np.asarray(held_out, np.float64)])
        covariance = kernels(network, both, get="nngp").nngp
        assert covariance is not None
        return GaussianBounces(covariance, np.asarray(labels), **settings)

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

    @cached_property
    def _reflections(self) -> np.ndarray:
        """2 y_i K_ij y_j / K_ii, what a reflection at boundary i takes from ν in units of its velocity."""
        y, k = self._signs, self.covariance[: len(self.labels), : len(self.labels)]
        return 2 * y[:, None] * k * y / np.diag(k)[:, None]

    @property
    def _signs(self) -> np.ndarray:
        return 2.0 * checked_labels(self.labels, len(self.labels)) - 1.0

    def init(self, key: Array) -> State:
        state = first_state(key)
        rng = np.random.default_rng([*state["key"].ravel().tolist(), 2**32 - 1])
        # Right signs at equal distances from all boundaries, as far out as a prior draw.
        f = self._signs * np.sqrt(np.diag(self.covariance)[: len(self.labels)])
        f *= math.sqrt(len(f)) / np.linalg.norm(solve_triangular(self._law[0], f, lower=True))
        return {**state, "outputs": self._moved(np.tile(f, (self.chains, 1)), self.burn, rng)}

    def step(self, state: State) -> tuple[State, Drawn]:
        rng, f = chunk_generator(state), np.asarray(state["outputs"])
        _, mean, spread = self._law
        kept = np.empty((self.draws, self.chains, -(-self.examples // 8)), np.uint8)
        for draw in range(self.draws):
            f = self._moved(f, self.thin, rng)
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

    def _moved(self, f: np.ndarray, paths: int, rng: np.random.Generator) -> np.ndarray:
        """The chains after this number of paths, in groups that stay in the processor's cache."""
        factor, y, together = self._law[0], self._signs, max(1, CACHED // f.shape[1])
        for _ in range(paths):
            prior = rng.standard_normal(f.shape) @ factor.T
            groups = [slice(i, i + together) for i in range(0, len(f), together)]
            f = y * np.concatenate(
                [_path(y * f[some], y * prior[some], self._reflections) for some in groups]
            )
        return f


def _path(f: np.ndarray, v: np.ndarray, reflections: np.ndarray) -> np.ndarray:
    """The ends of one path of each chain in f > 0, `[chains, n]`; both arrays are overwritten."""
    chains, left, ratio = np.arange(len(f)), np.full(len(f), math.pi / 2), np.empty_like(f)
    while True:
        np.maximum(f, LEAST, out=f)
        first = np.divide(v, f, out=ratio).argmin(axis=1)
        t = np.arctan2(1.0, -ratio[chains, first])
        hit = t < left
        t = np.minimum(t, left)
        cos, sin = np.cos(t)[:, None], np.sin(t)[:, None]
        back = np.multiply(f, sin, out=ratio)
        f *= cos
        f += v * sin
        v *= cos
        v -= back
        if not hit.any():
            return f
        left -= t
        v -= reflections[first] * np.where(hit, v[chains, first], 0.0)[:, None]
