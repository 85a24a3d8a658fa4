"""The arms that are kernels: two laws of infinite width, and two kernels of the inputs that know nothing of the network.

    NNGP posterior, law of trained wide networks      kernels from the network's own layers, with a noise to choose
    linear kernel    k(x, x′) = x·x′ + 1              with a noise to choose
    RBF kernel       k(x, x′) = exp(−‖x − x′‖²/2s²)   with its width s to choose, and a noise

Noises are relative to the mean diagonal of the kernel, the width s to the median distance between training examples. Each has as
many candidates as training had, and the same validation examples choose. Arbitrary kernels get a few more where their choice
would lie at an edge: the better they are tuned, the more it means that a picture is better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import jax
import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist, pdist

from ticketlab.claims.fair_search import Candidate, Scored, best, edges, wider
from ticketlab.claims.gp_performance.formula import DRAW, NNGP, NTK
from ticketlab.claims.gp_performance.shares import LINEAR, RBF, RBF_NOISE
from ticketlab.claims.start import Outputs, parts
from ticketlab.claims.tangent_minimum.candidates import Arms, Start
from ticketlab.claims.tangent_minimum.formula import OFFSETS
from ticketlab.errors import NumericalFailure
from ticketlab.infinite import kernels, posterior, trained_law

__all__ = ["arbitrary", "infinite_width"]

KEPT, CENTRED = OFFSETS
Blocks = dict[str, np.ndarray]
"""A kernel of every part with the training part."""


def infinite_width(at: Start, budget: int, key: jax.Array) -> Arms:
    """The two laws of infinite width, each with this number of candidates for its noise; and a draw of the second."""
    x = {name: np.asarray(part.x, np.float64) for name, part in parts(at.task).items()}
    own = kernels(at.network, x["train"])
    cross = {name: kernels(at.network, x[name], x["train"]) for name in ("validation", "test")} | {
        "train": own
    }
    arms: Arms = {}
    for arm, which in ((NNGP, "nngp"), (NTK, "ntk")):
        of = {name: getattr(found, which) for name, found in cross.items()}
        arms[CENTRED, arm] = _tuned(at.plan.ridges, budget, partial(_of_noise, at, of))
    ridge = best(arms[CENTRED, NTK]).candidate.setting
    law = trained_law(
        own.nngp,
        own.ntk,
        at.task.train.targets,
        cross_nngp=cross["test"].nngp,
        cross_ntk=cross["test"].ntk,
        test_nngp=kernels(at.network, x["test"], get="nngp").nngp,
        ridge=ridge * _unit(own.ntk),
    )
    values, vectors = np.linalg.eigh(law.covariance)
    z = np.random.default_rng(np.asarray(jax.random.key_data(key))).standard_normal(law.mean.shape)
    drawn = law.mean + vectors @ (np.sqrt(np.maximum(values, 0.0))[:, None] * z)
    scored = at.scored(Candidate(ridge, "ridge", {"test": drawn}, float("nan")))
    return {**arms, (KEPT, DRAW): [scored]}


def arbitrary(at: Start, budget: int) -> Arms:
    """The two kernels of the inputs, each with at least this number of candidates: noises, and widths at the best noise.

    Those of the RBF kernel's noise, each with its best width, stand under a name of their own.
    """
    x = {name: np.asarray(part.x, np.float64).reshape(len(part), -1) for name, part in parts(at.task).items()}
    products = {name: rows @ x["train"].T + 1.0 for name, rows in x.items()}
    squares = {name: cdist(rows, x["train"], "sqeuclidean") for name, rows in x.items()}
    usual = _median_distance(x["train"])

    def linear(ridge: float) -> Scored:
        return _if_regular(at, products, ridge, Candidate(ridge, "ridge", {}, float("nan")))

    def rbf(noise: float, width: float) -> Scored:
        kernel = {name: np.exp(-of / (2 * (width * usual) ** 2)) for name, of in squares.items()}
        return _if_regular(at, kernel, noise, Candidate(width, "width", {}, float("nan")))

    more = 2 * at.plan.extensions
    of_noise: dict[float, list[Scored]] = {}

    def at_noise(noise: float) -> Scored:
        found = _tuned(_widths(len(at.plan.ridges)), budget, partial(rbf, noise), more)
        chosen = best(of_noise.setdefault(noise, found))
        return replace(chosen, candidate=replace(chosen.candidate, setting=noise, setting_name="ridge"))

    noises = _tuned(at.plan.ridges, len(at.plan.ridges), at_noise, more)
    return {
        (CENTRED, RBF): of_noise[best(noises).candidate.setting],
        (CENTRED, RBF_NOISE): noises,
        (CENTRED, LINEAR): _tuned(at.plan.ridges, budget, linear, more),
    }


def _median_distance(x: Float[np.ndarray, "n d"]) -> float:
    """1 for a single example, and for copies of one."""
    apart = pdist(x)
    return (float(np.median(apart)) if len(apart) else 0.0) or 1.0


def _widths(count: int) -> list[float]:
    """A factor of √2 apart, around 0.7: near neighbours are closer than the median."""
    return [2.0 ** ((i - count // 2 - 1) / 2) for i in range(count)]


def _tuned(
    grid: Sequence[float], budget: int, candidate: Callable[[float], Scored], more: int = 0
) -> list[Scored]:
    """The grid's candidates, and others towards the better end, up to the number that training had.

    Arguments:
        more: the most beyond that number, while the choice lies at an edge.
    """
    found = [candidate(setting) for setting in grid]
    while len(found) < budget or (len(found) < budget + more and edges(found)):
        towards, tried = edges(found), [s.candidate.setting for s in found]
        found += [candidate(setting) for setting in wider(tried, towards, max(1, len(towards)))]
    return found


def _of_noise(at: Start, kernel: Blocks, ridge: float) -> Scored:
    """A candidate for the noise."""
    outputs = _posterior_means(at, kernel, ridge)
    return at.scored(Candidate(ridge, "ridge", outputs, float("nan"), outcome="exact"))


def _if_regular(at: Start, kernel: Blocks, ridge: float, candidate: Candidate) -> Scored:
    """A candidate with its outputs; without, where its kernel is singular to rounding, which ends a grid."""
    try:
        found = replace(candidate, outputs=_posterior_means(at, kernel, ridge), outcome="exact")
    except NumericalFailure:
        found = replace(candidate, outcome="singular")
    return at.scored(found)


def _posterior_means(at: Start, kernel: Blocks, ridge: float) -> Outputs:
    """The mean of the Gaussian process given the data, on every part."""
    k = kernel["train"]
    found = posterior(k, at.task.train.targets, noise=ridge * _unit(k))
    return {name: found.mean(rows) for name, rows in kernel.items()}


def _unit(kernel: np.ndarray | None) -> float:
    """That of ridges: the mean diagonal."""
    assert kernel is not None
    return float(np.mean(np.diag(kernel)))
