"""Examples left out where K is not decomposed: by the kernel of one output, or a fifth of them at a time."""

from typing import Any

import jax
import numpy as np
import pytest
from scipy.special import log_expit, log_softmax

from ticketlab.networks import MLP
from ticketlab.tangent import DenseDual, Jacobian, Relative, dual, ridge_path, tangent_kernel, tuned_minimum
from ticketlab.tangent.shared_kernel import one_kernel, shared_influence, softmax_probabilities
from ticketlab.tasks import LOGISTIC, SOFTMAX_CROSS_ENTROPY, SQUARE, ConvexLoss
from ticketlab.tasks.task import Split

N, K, RIDGE = 9, 4, 0.3
DRAW = np.random.default_rng(0)
ROOT = DRAW.normal(size=(N, 6))
G = ROOT @ ROOT.T + 0.1 * np.eye(N)
SURE = np.exp(3 * DRAW.normal(size=(N, K)))
P = SURE / SURE.sum(axis=1, keepdims=True)
SOFTMAX = P[:, :, None] * np.eye(K) - P[:, :, None] * P[:, None, :]
CURVATURES = {
    "square": None,
    "logistic": (P * (1 - P))[:, :, None] * np.eye(K),
    "hinge": (P > 0.25)[:, :, None] * np.eye(K),
    "softmax": SOFTMAX,
}


def by_hand(h: np.ndarray | None) -> np.ndarray:
    """The blocks of K(HK + λI)⁻¹ with K = G ⊗ I."""
    kernel, curvature = np.kron(G, np.eye(K)), np.zeros((N * K, N * K))
    for i in range(N):
        curvature[i * K :, i * K :][:K, :K] = np.eye(K) if h is None else h[i]
    whole = kernel @ np.linalg.inv(curvature @ kernel + RIDGE * np.eye(N * K))
    return np.stack([whole[i * K :, i * K :][:K, :K] for i in range(N)])


@pytest.mark.parametrize("name", CURVATURES)
def test_the_influence_is_that_of_the_whole_matrix(name: str) -> None:
    found = shared_influence(G, CURVATURES[name], RIDGE, K)
    np.testing.assert_allclose(found, by_hand(CURVATURES[name]), atol=1e-9)


def test_probabilities_follow_from_their_curvature() -> None:
    np.testing.assert_allclose(softmax_probabilities(SOFTMAX), P, atol=1e-7)
    two = np.array([[0.9, 0.1]])
    again = softmax_probabilities(two[:, :, None] * np.eye(2) - two[:, :, None] * two[:, None, :])
    assert sorted(again[0]) == pytest.approx([0.1, 0.9])  # which of two it is makes no difference to H


def test_another_coupling_is_not_taken_for_softmax() -> None:
    assert shared_influence(G, SOFTMAX + 0.1, RIDGE, K) is None


def test_the_kernel_of_one_output_is_the_mean_over_outputs() -> None:
    matrix = np.kron(G, np.diag([1.0, 2.0, 3.0, 6.0])) + np.kron(ROOT @ ROOT.T, 1 - np.eye(4))
    np.testing.assert_allclose(one_kernel(matrix, 4), 3 * G)


# In the choice of a ridge

CLASSES, EXAMPLES = 5, 60
NETWORK = MLP((128,)).build((4,), CLASSES)
RIDGES = tuple(Relative(10.0**i) for i in range(1, -5, -1))


def exercise() -> tuple[Any, Split, np.ndarray]:
    draw = np.random.default_rng(2)
    labels = np.arange(EXAMPLES) % CLASSES
    x = draw.normal(size=(CLASSES, 4))[labels] + 0.4 * draw.normal(size=(EXAMPLES, 4))
    return (
        jax.jit(NETWORK.init)(jax.random.key(1)),
        Split(x, np.eye(CLASSES)[labels], np.arange(EXAMPLES)),
        labels,
    )


def chosen(loss: ConvexLoss, rung: DenseDual, weights: np.ndarray | None = None) -> Any:
    params, split, labels = exercise()

    def score(left: np.ndarray, rows: np.ndarray) -> float:
        if loss is SOFTMAX_CROSS_ENTROPY:
            return float(np.mean(log_softmax(left, axis=1)[np.arange(len(rows)), labels[rows]]))
        if loss is LOGISTIC:
            return float(np.mean(log_expit(np.where(split.targets[rows] > 0.5, left, -left))))
        return -float(np.mean(np.square(left - split.targets[rows])))

    return tuned_minimum(
        NETWORK,
        params,
        split,
        loss=loss,
        ridges=RIDGES,
        score=score,
        rung=rung,
        centred=True,
        weights=weights,
    )


@pytest.mark.parametrize("loss", [SQUARE, SOFTMAX_CROSS_ENTROPY, LOGISTIC], ids=lambda loss: loss.name)
def test_scores_are_nearly_those_of_the_whole_matrix(loss: ConvexLoss) -> None:
    exact = chosen(loss, DenseDual())
    near = chosen(loss, DenseDual("iterative"))
    assert near.scores.best == exact.scores.best >= 1
    larger = slice(
        near.scores.best + 1
    )  # for smaller ridges an example weighs a little less than its own output's kernel says
    np.testing.assert_allclose(near.scores.scores[larger], exact.scores.scores[larger], rtol=0.1)
    assert np.all(near.scores.scores <= exact.scores.scores + 0.02 * np.abs(exact.scores.scores))
    assert near.scores.rows.tolist() == list(range(EXAMPLES))


def test_weights_count_in_the_kernel_of_one_output() -> None:
    weights = np.arange(EXAMPLES) % 3 + 1.0
    exact = chosen(SOFTMAX_CROSS_ENTROPY, DenseDual(), weights)
    near = chosen(SOFTMAX_CROSS_ENTROPY, DenseDual("iterative"), weights)
    np.testing.assert_allclose(near.scores.scores[:4], exact.scores.scores[:4], rtol=0.1)


def test_of_many_examples_a_fifth_is_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dual, "EIGEN_ROWS", EXAMPLES - 1)
    tuned = chosen(SQUARE, DenseDual("iterative"))
    rows = tuned.scores.rows
    assert len(rows) == EXAMPLES // 5
    params, split, _ = exercise()
    fitted = np.setdiff1d(np.arange(EXAMPLES), rows)
    part = Split(split.x[fitted], split.targets[fitted], fitted)
    unit = np.mean(
        np.asarray(tangent_kernel(Jacobian(NETWORK, params, split.x, dtype=np.float64))).diagonal()
    )
    absolute = tuned.solution.ridge
    part_unit = np.mean(
        np.asarray(tangent_kernel(Jacobian(NETWORK, params, part.x, dtype=np.float64))).diagonal()
    )
    (alone,) = ridge_path(NETWORK, params, part, ridges=(Relative(absolute / part_unit),), centred=(True,))
    error = -float(np.mean(np.square(alone.predict(split.x[rows]) - split.targets[rows])))
    assert tuned.scores.scores[tuned.scores.best] == pytest.approx(error, rel=0.05)
    assert absolute == pytest.approx(RIDGES[tuned.scores.best].value * unit)
    assert tuned.solution.certificate.met
