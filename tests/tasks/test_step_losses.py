"""The loss of an answer at every step: against the mean written out, and by the identities that every loss has."""

import jax
import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.tasks import LOGISTIC, SOFTMAX_CROSS_ENTROPY, SQUARE, ConvexLoss, each_step
from ticketlab.training.plan import StepAccuracy

STEPS, K, N = 3, 4, 5
RNG = np.random.default_rng(0)
F = RNG.standard_normal((N, STEPS * K))
ONE_HOT = np.eye(K)[RNG.integers(0, K, (N, STEPS))].reshape(N, -1)
LOSSES = [SQUARE, SOFTMAX_CROSS_ENTROPY, LOGISTIC]


def answers(a: np.ndarray, t: int) -> np.ndarray:
    return a.reshape(N, STEPS, K)[:, t]


@pytest.mark.parametrize("one", LOSSES, ids=lambda loss: loss.name)
def test_it_is_the_mean_over_steps(one: ConvexLoss) -> None:
    loss = each_step(one, STEPS)
    wanted = np.mean([one.values(answers(F, t), answers(ONE_HOT, t)) for t in range(STEPS)], axis=0)
    np.testing.assert_allclose(loss.values(F, ONE_HOT), wanted)
    with jax.enable_x64(True):
        np.testing.assert_allclose(loss.values(jax.numpy.asarray(F), ONE_HOT), wanted)
    gradient = np.stack([one.gradient(answers(F, t), answers(ONE_HOT, t)) for t in range(STEPS)], axis=1)
    np.testing.assert_allclose(loss.gradient(F, ONE_HOT), gradient.reshape(N, -1) / STEPS)
    hessian = loss.hessian(F, ONE_HOT).reshape(N, STEPS, K, STEPS, K)
    for t in range(STEPS):
        block = one.hessian(answers(F, t), answers(ONE_HOT, t)) / STEPS
        np.testing.assert_allclose(hessian[:, t, :, t], block, atol=1e-15)
    assert not hessian[:, 0, :, 1].any()


@pytest.mark.parametrize("one", LOSSES, ids=lambda loss: loss.name)
def test_fenchel_and_young_meet_at_the_gradient(one: ConvexLoss) -> None:
    loss = each_step(one, STEPS)
    v = loss.gradient(F, ONE_HOT)
    both = loss.values(F, ONE_HOT) + loss.conjugates(v, ONE_HOT)
    np.testing.assert_allclose(both, np.sum(v * F, axis=1), atol=1e-12)


def test_derivatives_are_those_of_automatic_differentiation() -> None:
    loss = each_step(SOFTMAX_CROSS_ENTROPY, STEPS)
    with jax.enable_x64(True):
        f = jax.numpy.asarray(F)
        np.testing.assert_allclose(loss.gradient(f, ONE_HOT), loss.gradient(F, ONE_HOT), atol=1e-12)
        np.testing.assert_allclose(loss.hessian(f, ONE_HOT), loss.hessian(F, ONE_HOT), atol=1e-12)
    several = np.stack([F, 2 * F])
    value, gradient = loss.look(several, ONE_HOT)
    np.testing.assert_allclose(value, [loss.values(f, ONE_HOT).sum() for f in several])
    np.testing.assert_allclose(gradient[1], loss.gradient(several[1], ONE_HOT))
    np.testing.assert_allclose(loss.curvature(several, ONE_HOT)[1], loss.hessian(several[1], ONE_HOT))


def test_probabilities_targets_and_one_step() -> None:
    loss = each_step(SOFTMAX_CROSS_ENTROPY, STEPS)
    assert loss.probabilities is not None
    p = loss.probabilities(F).reshape(N, STEPS, K)
    np.testing.assert_allclose(p.sum(axis=2), 1)
    wide = loss.float64_targets(ONE_HOT.astype(np.float32))
    np.testing.assert_array_equal(wide, ONE_HOT)
    assert each_step(SQUARE, 1) is SQUARE
    for steps, of in ((0, SQUARE), (2, loss)):
        with pytest.raises(UserError, match="at least one step"):
            each_step(of, steps)


def test_accuracy_counts_steps() -> None:
    outputs = ONE_HOT.copy().reshape(N, STEPS, K)
    outputs[0, 0] *= -1
    found = StepAccuracy(STEPS)(jax.numpy.asarray(outputs.reshape(N, -1)), jax.numpy.asarray(ONE_HOT))
    assert float(found) == pytest.approx(1 - 1 / (N * STEPS))
