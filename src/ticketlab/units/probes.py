"""Linear probes: what a linear read-out of fixed features can do, by ridge regression or logistic regression.

Features are standardised with the training part. With Φ the features `[n, p]` and Y the one-hot labels, centred,

    ridge:     minimise ‖Y − ΦW‖² + λn‖W‖²     from one decomposition of ΦᵀΦ or ΦΦᵀ, whichever is smaller
    logistic:  minimise mean cross-entropy(ΦW + b) + λ/2·‖W‖²,     by L-BFGS from the solution of the larger penalty

The penalty is chosen by the accuracy on the validation part, ties by the larger penalty, and the test part is used once.
The control of a layer with p features is p random features of the input: Gaussian projections, linear or rectified. If
a probe of them is as good, the layer owes its score to its width.

Sources: Alain & Bengio 2016, arXiv 1610.01644 (linear probes); Rahimi & Recht 2008 (random features).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import eigh
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from ticketlab.errors import UserError
from ticketlab.units.null import whole_numbers

__all__ = ["PENALTIES", "Logistic", "Parts", "Probe", "Ridge", "probe", "random_features"]

PENALTIES = tuple(10.0**e for e in range(-6, 2))
FLAT = 1e-12  # features whose variance is below this are left out


@dataclass(frozen=True, eq=False)
class Parts:
    """Something for each example of the training, validation and test parts."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.train, self.validation, self.test))


@dataclass(frozen=True)
class Ridge:
    """Least squares on one-hot labels.

    Arguments:
        penalties: candidates for λ, relative to standardised features.
    """

    penalties: tuple[float, ...] = PENALTIES


@dataclass(frozen=True)
class Logistic:
    """Multinomial logistic regression.

    Arguments:
        penalties: candidates for λ.
        steps: of L-BFGS for each, at most.
    """

    penalties: tuple[float, ...] = PENALTIES[:-1]
    steps: int = 300


@dataclass(frozen=True)
class Probe:
    """A tuned probe.

    Arguments:
        penalty: the chosen λ.
        at_edge: whether it is the smallest or largest candidate.
        inside: whether it lies between two others, or is the largest and no better than the next.
        validation, test: accuracies.
        correct: of each test example.
        residual: ‖ΦW + b − Y‖² on the test part, as a share of that of the training frequencies; for a logistic probe with its
            probabilities in the place of ΦW + b.
        parameters: fitted, (p + 1)·k.
        converged: whether every minimisation ended by its own criterion.
    """

    penalty: float
    at_edge: bool
    inside: bool
    validation: float
    test: float
    correct: tuple[bool, ...]
    residual: float
    parameters: int
    converged: bool


def probe(features: Parts, labels: Parts, how: Ridge | Logistic = Ridge()) -> Probe:
    """The best linear read-out of features, tuned on validation data.

    Arguments:
        features: `[n, p]` of each part; for all layers together, one next to the other.
        labels: `[n]` integers 0 … k−1 of each part; every class is in the training part.
        how: ridge or logistic regression, with the candidates for the penalty.

    Raises:
        UserError: for parts of different widths, other labels, or candidates that are not positive.
    Cost: ridge, O(np·min(n, p)); logistic, O(npk) a step.
    """
    labels = Parts(*map(whole_numbers, labels))
    if any(part.ndim != 2 for part in features):
        raise UserError(
            f"features of shapes {[part.shape for part in features]}",
            "[n, p] in every part",
            "Images are features by x.reshape(len(x), -1).",
        )
    if len({part.shape[1] for part in features}) != 1:
        raise UserError(
            f"parts with {[part.shape[1] for part in features]} features",
            "equally many features in every part",
        )
    if not how.penalties or min(how.penalties) <= 0:
        raise UserError(f"penalties {how.penalties}", "positive numbers")
    train, *others = _standardised(features)
    classes = int(max(part.max() for part in labels)) + 1
    if len(np.unique(labels.train)) != classes:
        raise UserError(
            f"{len(np.unique(labels.train))} of {classes} classes in the training part",
            "examples of every class",
        )
    penalties = tuple(sorted(how.penalties, reverse=True))
    fit = _ridge_path if isinstance(how, Ridge) else _logistic_path
    path, converged = fit(train, labels.train, classes, penalties, getattr(how, "steps", 0))
    found = []
    for weights, bias in path:
        correct = [
            np.argmax(x @ weights + bias, axis=1) == y
            for x, y in zip(others, (labels.validation, labels.test), strict=True)
        ]
        found.append((float(np.mean(correct[0])), correct[1]))
    best = max(range(len(found)), key=lambda i: (found[i][0], penalties[i]))
    score, right = found[best]
    at_edge = best in (0, len(penalties) - 1)
    equal = best == 0 and len(found) > 1 and found[1][0] == score
    return Probe(
        penalties[best],
        at_edge,
        equal or not at_edge,
        score,
        float(np.mean(right)),
        tuple(right.tolist()),
        _residual(others[1] @ path[best][0] + path[best][1], labels, isinstance(how, Logistic)),
        (train.shape[1] + 1) * classes,
        converged,
    )


def _residual(outputs: Float[np.ndarray, "n k"], labels: Parts, logistic: bool) -> float:
    """The mean square error of one-hot test labels, over that of the training frequencies."""
    one_hot = np.eye(outputs.shape[1])
    answers = softmax(outputs, axis=1) if logistic else outputs
    guess, y = one_hot[labels.train].mean(axis=0), one_hot[labels.test]
    return float(np.sum((answers - y) ** 2) / np.sum((guess - y) ** 2))


def random_features(inputs: Parts, count: int, seed: int, kind: Literal["linear", "relu"] = "relu") -> Parts:
    """Gaussian projections of the flattened input, linear or rectified: the control with equally many features.

    Arguments:
        inputs: of each part.
        count: the number of features.
        seed: of the projection.
        kind: linear, or relu with a Gaussian bias as large as the projection of a typical input.
    """
    if kind not in ("linear", "relu"):
        raise UserError(f"features of kind {kind!r}", "linear or relu")
    flat = [np.asarray(part, np.float64).reshape(len(part), -1) for part in inputs]
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((flat[0].shape[1], count)) / np.sqrt(np.mean(np.sum(flat[0] ** 2, axis=1)))
    bias = rng.standard_normal(count)
    if kind == "linear":
        return Parts(*(part @ weights for part in flat))
    return Parts(*(np.maximum(part @ weights + bias, 0) for part in flat))


Path = list[tuple[np.ndarray, np.ndarray]]


def _standardised(features: Parts) -> list[Float[np.ndarray, "n p"]]:
    """Mean 0 and variance 1 on the training part; features that hardly vary there become 0."""
    train = np.asarray(features.train, np.float64)
    mean, spread = train.mean(axis=0), train.std(axis=0)
    flat = spread**2 <= FLAT * max(float(np.mean(train**2)), FLAT)
    scale = np.where(flat, 0, 1 / np.where(flat, 1, spread))
    return [(np.asarray(part, np.float64) - mean) * scale for part in features]


def _ridge_path(
    x: Float[np.ndarray, "n p"],
    labels: Int[np.ndarray, "n"],
    classes: int,
    penalties: Sequence[float],
    steps: int,
) -> tuple[Path, bool]:
    """W = (ΦᵀΦ + λn)⁻¹ΦᵀY = Φᵀ(ΦΦᵀ + λn)⁻¹Y for every λ, from one eigendecomposition."""
    n, p = x.shape
    y = np.eye(classes)[labels]
    mean = y.mean(axis=0)
    dual = n < p
    values, vectors = eigh(x @ x.T if dual else x.T @ x)
    right = vectors.T @ (y - mean if dual else x.T @ (y - mean))
    path = []
    for penalty in penalties:
        inner = vectors @ (right / (np.maximum(values, 0) + penalty * n)[:, None])
        path.append((x.T @ inner if dual else inner, mean))
    return path, True


def _logistic_path(
    x: Float[np.ndarray, "n p"],
    labels: Int[np.ndarray, "n"],
    classes: int,
    penalties: Sequence[float],
    steps: int,
) -> tuple[Path, bool]:
    n, p = x.shape
    y = np.eye(classes)[labels]
    shape = (p + 1, classes)

    def objective(flat: np.ndarray, penalty: float) -> tuple[float, np.ndarray]:
        w = flat.reshape(shape)
        z = x @ w[:-1] + w[-1]
        value = float(np.mean(logsumexp(z, axis=1) - np.sum(z * y, axis=1))) + penalty / 2 * float(
            np.sum(w[:-1] ** 2)
        )
        residual = (softmax(z, axis=1) - y) / n
        return value, np.concatenate([x.T @ residual + penalty * w[:-1], residual.sum(axis=0)[None]]).ravel()

    at = np.zeros(shape).ravel()
    path, converged = [], True
    for penalty in penalties:
        found = minimize(
            objective, at, (penalty,), "L-BFGS-B", jac=True, options={"maxiter": steps, "gtol": 1e-5}
        )
        at, converged = found.x, converged and bool(found.success)
        w = at.reshape(shape)
        path.append((w[:-1].copy(), w[-1].copy()))
    return path, converged
