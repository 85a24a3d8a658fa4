"""How far apart two networks are: in parameters, in units and in functions.

    d(A, B) = ‖A − B‖ / √(‖A‖ ‖B‖)

in canonical form and after matching. (The least distance over all symmetries is not known, so this is an upper estimate.) A
distance says little alone: matching finds some likeness between any two networks. The *similarity index*

    S = (d_null − d) / (d_null − d_twin)

puts it between twins (the same start, another order of the data: 1) and independent networks matched by the same code (0).

For functions: the share of inputs whose largest output differs, the share of the variance of one's centred outputs that a
multiple of the other's explains, and the linear CKA of each layer's features, which no rotation of the units changes.

Source of CKA: Kornblith, Norouzi, Lee, Hinton 2019, arXiv 1905.00414.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ticketlab.errors import UserError, counted
from ticketlab.networks.network import Params

__all__ = [
    "SimilarityIndex",
    "disagreement",
    "explained",
    "layer_cosines",
    "linear_cka",
    "parameter_distance",
    "similarity_index",
]


def parameter_distance(one: Params, other: Params) -> float:
    """‖A − B‖/√(‖A‖‖B‖) over all parameters; √2 for orthogonal ones of equal norm, NaN if either is zero."""
    a, b = _flat(one), _flat(other)
    sizes = float(np.sqrt(np.linalg.norm(a) * np.linalg.norm(b)))
    return float(np.linalg.norm(a - b)) / sizes if sizes else float("nan")


def layer_cosines(one: Params, other: Params) -> dict[str, float]:
    """The cosine of each layer's parameters; NaN for a layer of zeros."""
    found = {}
    for layer in one:
        a, b = _flat({layer: one[layer]}), _flat({layer: other[layer]})
        sizes = float(np.linalg.norm(a) * np.linalg.norm(b))
        found[layer] = float(a @ b) / sizes if sizes else float("nan")
    return found


def disagreement(one: Float[np.ndarray, "n k"], other: Float[np.ndarray, "n k"]) -> float:
    """The share of the examples whose largest output is another."""
    return float(np.mean(np.argmax(one, axis=1) != np.argmax(other, axis=1)))


def explained(one: Float[np.ndarray, "n k"], other: Float[np.ndarray, "n k"]) -> float:
    """R²: the share of the variance of `one`, with each example's mean output and each output's mean removed, that a multiple
    of `other` explains.

    It is the squared cosine of the two, so it is symmetric; NaN if either is constant, and for a single output.
    """
    a, b = (_twice_centred(np.asarray(f, np.float64)) for f in (one, other))
    sizes = float(np.sum(a * a) * np.sum(b * b))
    return float(np.sum(a * b)) ** 2 / sizes if sizes else float("nan")


def linear_cka(one: Float[np.ndarray, "n p"], other: Float[np.ndarray, "n m"]) -> float:
    """‖AᵀB‖²/(‖AᵀA‖‖BᵀB‖) of features centred over the examples; 1 for features equal up to rotation and scale, NaN for
    features that are the same for all examples.

    Cost: the products of the smaller of examples and units.
    """
    a, b = (_centred(f.astype(np.float64), f.mean(axis=0)) for f in (one, other))
    if len(a) < max(a.shape[1], b.shape[1]):
        one_gram, other_gram = a @ a.T, b @ b.T
        cross, sizes = (
            float(np.sum(one_gram * other_gram)),
            float(np.linalg.norm(one_gram) * np.linalg.norm(other_gram)),
        )
    else:
        cross, sizes = float(np.sum((a.T @ b) ** 2)), float(np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    return cross / sizes if sizes else float("nan")


@dataclass(frozen=True)
class SimilarityIndex:
    """S with an interval from a bootstrap over networks.

    Arguments:
        value: S of the mean distances; 1 as near as twins, 0 as far as independent networks; NaN if twins are as far apart.
        low, high: the 2.5 and 97.5 % points; NaN if there are none.
    """

    value: float
    low: float
    high: float


def similarity_index(
    distances: Float[np.ndarray, "n pairs"],
    twins: Float[np.ndarray, "n"],
    independent: Float[np.ndarray, "n n"],
    *,
    repetitions: int = 1000,
    seed: int = 0,
) -> SimilarityIndex:
    """S of the mean of some distances, each from one of the networks.

    Arguments:
        distances: d from each network to whatever is compared with it.
        twins: d from each network to its twin.
        independent: d between each two networks; the diagonal is not read.
        repetitions, seed: of the bootstrap. Networks are drawn, not pairs, since pairs share networks.

    Raises:
        UserError: for fewer than 3 networks.
    """
    nets = len(independent)
    if nets < 3:
        raise UserError(counted(nets, "network"), "at least 3, for an interval")
    draw = np.random.default_rng(seed)

    def index(chosen: np.ndarray) -> float:
        pairs = independent[np.ix_(chosen, chosen)]
        different = chosen[:, None] != chosen[None, :]  # a network drawn twice is no independent pair
        if not different.any():
            return float("nan")
        null = float(np.mean(pairs[different]))
        room = null - float(np.mean(twins[chosen]))
        return (null - float(np.mean(distances[chosen]))) / room if room else float("nan")

    found = np.array([index(draw.integers(0, nets, nets)) for _ in range(repetitions)])
    known = found[~np.isnan(found)]
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else np.full(2, np.nan)
    return SimilarityIndex(index(np.arange(nets)), float(low), float(high))


def _flat(params: Params) -> np.ndarray:
    return np.concatenate(
        [np.asarray(params[k][n], np.float64).ravel() for k in sorted(params) for n in sorted(params[k])]
    )


def _twice_centred(outputs: np.ndarray) -> np.ndarray:
    outputs = outputs - outputs.mean(axis=1, keepdims=True)
    return _centred(outputs, outputs.mean(axis=0))


def _centred(columns: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Columns without their means; those that are constant become exactly zero, since the mean of equal numbers is rounded."""
    return np.where(np.ptp(columns, axis=0) == 0, 0.0, columns - means)
