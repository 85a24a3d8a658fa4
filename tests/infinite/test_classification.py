"""Posteriors of classes: expectation propagation, slices, orthant probabilities and Laplace against each other and against exact
values."""

import inspect
import itertools
import math

import jax
import numpy as np
import pytest
from scipy.stats import chi2, norm
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.infinite import (
    Likelihood,
    effective_draws,
    expectation_propagation,
    laplace,
    orthant_probability,
    orthant_slices,
    probit_slices,
    split_r_hat,
)

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)


def problem(n, length=1.5, tests=3):
    """Covariances of training points, of test with training points, and of test points; labels from one draw."""
    x = RNG.standard_normal((n + tests, 2))
    k = 2 * RBF(length)(x) + 1e-6 * np.eye(n + tests)
    y = np.where(np.linalg.cholesky(k[:n, :n]) @ RNG.standard_normal(n) >= 0, 1.0, -1.0)
    return k[:n, :n], k[n:, :n], np.diag(k)[n:], y


def test_two_signs_have_the_probability_of_their_angle():
    for rho in (-0.8, 0.0, 0.6):
        k = np.array([[2.0, rho * 2], [rho * 2, 2.0]])
        exact = 0.25 + math.asin(rho) / (2 * math.pi)
        found = orthant_probability(KEY, k, np.ones(2), points=512)
        assert abs(math.exp(found.log_probability) / exact - 1) < max(5 * found.relative_error, 1e-6)
        assert found.relative_error < 1e-2
        ep = expectation_propagation(k, np.ones(2), likelihood=Likelihood.ZERO_ONE)
        np.testing.assert_allclose(math.exp(ep.log_marginal_likelihood), exact, rtol=0.02)


@pytest.mark.parametrize("n", [4, pytest.param(8, marks=pytest.mark.slow)])
def test_all_orthants_add_up_to_one_and_expectation_propagation_agrees_with_each(n):
    k = problem(n)[0] + np.eye(n)  # of probit
    exact, approximate, variance = [], [], 0.0
    for signs in itertools.product((-1.0, 1.0), repeat=n):
        if signs[0] < 0:
            continue  # the opposite signs are as likely
        found = orthant_probability(KEY, k, np.array(signs), points=256, shifts=8)
        exact.append(math.exp(found.log_probability))
        variance += (exact[-1] * found.relative_error) ** 2
        ep = expectation_propagation(k - np.eye(n), np.array(signs))
        approximate.append(math.exp(ep.log_marginal_likelihood))
        assert abs(approximate[-1] / exact[-1] - 1) < 0.02
    assert abs(2 * sum(exact) - 1) < 5 * 2 * math.sqrt(variance) + 1e-4
    assert abs(2 * sum(approximate) - 1) < 0.01


def test_slices_have_the_marginals_of_rejection():
    """χ² of the signs of a further coordinate over 20 targets, conditioned on four signs."""
    signs = np.array([1.0, 1.0, -1.0, 1.0])
    x = np.random.default_rng(1).standard_normal((24, 2))
    k = RBF(1.0)(x) + 1e-3 * np.eye(24)
    prior = np.random.default_rng(2).standard_normal((200_000, 24)) @ np.linalg.cholesky(k).T
    accepted = prior[(np.sign(prior[:, :4]) == signs).all(axis=1)]
    assert len(accepted) > 2_500
    slices = orthant_slices(KEY, k[:4, :4], signs, draws=2_000, chains=8, thin=4)
    assert slices.r_hat < 1.01
    # Given the four, the others are Gaussian.
    solved = np.linalg.solve(k[:4, :4], k[:4, 4:])
    mean = slices.draws.reshape(-1, 4) @ solved
    sd = np.sqrt(np.diag(k)[4:] - np.sum(k[:4, 4:] * solved, axis=0))
    positive = norm.cdf(mean / sd)
    share, their_share = positive.mean(axis=0), (accepted[:, 4:] > 0).mean(axis=0)
    noise = their_share * (1 - their_share) / len(accepted) + positive.var(axis=0) / slices.effective
    z = (share - their_share) / np.sqrt(noise)
    # The targets are correlated, so the statistic is that of their covariance's eigenvectors.
    covariance = np.cov((accepted[:, 4:] > 0).T) / len(accepted) + np.cov(positive.T) / slices.effective
    values, vectors = np.linalg.eigh(covariance)
    statistic = float(np.sum(((share - their_share) @ vectors) ** 2 / values))
    assert len(z) == 20
    assert np.abs(z).max() < 4
    assert chi2.ppf(0.001, 20) < statistic < chi2.ppf(0.999, 20)


def test_expectation_propagation_agrees_with_slices_on_a_hundred_labels():
    k, cross, test, y = problem(100)
    ep = expectation_propagation(k, y)
    slices = probit_slices(KEY, ep, draws=1_000)
    assert slices.r_hat < 1.01
    assert slices.effective > 400
    np.testing.assert_allclose(slices.draws.mean(axis=(0, 1)), ep.mean, atol=0.1)
    solved = np.linalg.solve(k, cross.T)
    sd = np.sqrt(test - np.sum(cross.T * solved, axis=0) + 1)
    exact = norm.cdf(slices.draws.reshape(-1, 100) @ solved / sd).mean(axis=0)
    np.testing.assert_allclose(ep.probability(cross, test), exact, atol=0.03)
    found = orthant_probability(KEY, k + np.eye(100), y, points=2048, shifts=8)
    assert found.relative_error < 0.3
    assert abs(ep.log_marginal_likelihood - found.log_probability) < 0.5


def test_expectation_propagation_satisfies_its_fixed_point():
    """For one label the approximation is exact: Z = Φ(0), and the moments are those of the tilted Gaussian."""
    k = np.array([[3.0]])
    ep = expectation_propagation(k, np.array([-1.0]))
    f = np.linspace(-15, 15, 100_001)
    weight = norm.pdf(f, scale=math.sqrt(3)) * norm.cdf(-f)
    weight /= weight.sum()
    np.testing.assert_allclose(math.exp(ep.log_marginal_likelihood), 0.5, rtol=1e-8)
    np.testing.assert_allclose(ep.mean[0], np.sum(weight * f), rtol=1e-4)
    np.testing.assert_allclose(
        ep.covariance[0, 0], np.sum(weight * f**2) - np.sum(weight * f) ** 2, rtol=1e-4
    )


@pytest.mark.parametrize("likelihood", Likelihood)
def test_a_latent_value_that_is_zero_for_certain_halves_the_evidence(likelihood):
    """An input of zeros in a network without biases; its label says nothing about the others."""
    a = np.random.default_rng(0).standard_normal((6, 6))
    k, y = np.zeros((7, 7)), np.array([1, -1, 1, 1, -1, 1, -1])
    k[:6, :6] = a @ a.T
    whole = expectation_propagation(k, y, likelihood=likelihood)
    others = expectation_propagation(k[:6, :6], y[:6], likelihood=likelihood)
    assert whole.log_marginal_likelihood - others.log_marginal_likelihood == pytest.approx(
        np.log(0.5), abs=1e-12
    )
    np.testing.assert_allclose(whole.mean, [*others.mean, 0], atol=1e-12)


def test_equal_inputs_with_different_labels_are_no_zero_one_problem():
    with pytest.raises(NumericalFailure, match="different labels"):
        expectation_propagation(np.ones((2, 2)), np.array([1, -1]), likelihood=Likelihood.ZERO_ONE)


def test_laplace_with_two_classes_is_scikit_learns():
    """Two latent functions with covariance K differ by one with 2K, for which the softmax is the logistic function."""
    x = RNG.standard_normal((30, 2))
    y = (x[:, 0] + 0.5 * RNG.standard_normal(30) > 0).astype(int)
    tests = RNG.standard_normal((4, 2))
    kernel = RBF(1.0)
    theirs = GaussianProcessClassifier(2.0 * kernel, optimizer=None).fit(x, y)
    mine = laplace(kernel(x), y, 2)
    np.testing.assert_allclose(mine.log_marginal_likelihood, theirs.log_marginal_likelihood_value_, rtol=1e-6)
    p = mine.probabilities(KEY, kernel(tests, x), kernel.diag(tests), draws=20_000)
    np.testing.assert_allclose(p, theirs.predict_proba(tests), atol=0.02)


def test_laplace_finds_the_mode_of_several_classes():
    k, cross, test, _ = problem(20)
    labels = RNG.integers(0, 4, 20)
    found = laplace(k, labels, 4)
    p = np.exp(found.mode) / np.exp(found.mode).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.mode, k @ (np.eye(4)[labels] - p), atol=1e-5)  # the gradient is zero
    # log p(y) − ½ log det(I + K W) by the matrix of all classes at once
    w = np.zeros((80, 80))
    for i in range(20):
        w[i::20, i::20] = np.diag(p[i]) - np.outer(p[i], p[i])
    whole = np.kron(np.eye(4), k)
    value = np.sum(np.log(p[np.arange(20), labels])) - 0.5 * np.sum(
        found.mode * np.linalg.solve(k, found.mode)
    )
    expected = value - 0.5 * np.linalg.slogdet(np.eye(80) + whole @ w)[1]
    np.testing.assert_allclose(found.log_marginal_likelihood, expected, rtol=1e-6)
    exact = np.linalg.inv(np.linalg.inv(whole) + w + 1e-12 * np.eye(80))
    gain = np.kron(np.eye(4), cross @ np.linalg.inv(k))
    joint = np.kron(np.eye(4), np.diag(test) - cross @ np.linalg.solve(k, cross.T)) + gain @ exact @ gain.T
    np.testing.assert_allclose(found.covariance(cross, test)[0], joint[::3, ::3], atol=1e-4)
    probabilities = found.probabilities(KEY, cross, test)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)


def test_diagnostics_know_correlated_draws():
    steps = RNG.standard_normal((4, 4_000))
    walk = np.empty_like(steps)
    walk[:, 0] = steps[:, 0]
    for t in range(1, 4_000):
        walk[:, t] = 0.9 * walk[:, t - 1] + math.sqrt(1 - 0.81) * steps[:, t]
    assert effective_draws(steps) > 12_000
    np.testing.assert_allclose(effective_draws(walk), 16_000 * 0.1 / 1.9, rtol=0.3)
    assert split_r_hat(steps) < 1.01
    assert split_r_hat(steps + 2 * np.arange(4)[:, None]) > 1.5


def test_mistakes():
    k = np.eye(3)
    for function in (
        expectation_propagation,
        lambda *a: orthant_slices(KEY, *a),
        lambda *a: orthant_probability(KEY, *a),
    ):
        with pytest.raises(UserError, match="labels −1 or 1"):
            function(k, np.array([0.0, 1.0, 1.0]))
        with pytest.raises(UserError, match="labels of shape"):
            function(np.zeros((0, 0)), np.zeros(0))
    with pytest.raises(UserError, match="chains=1"):
        orthant_slices(KEY, k, np.ones(3), chains=1)
    with pytest.raises(UserError, match="orthant_slices, which is for signs"):
        probit_slices(KEY, expectation_propagation(k, np.ones(3), likelihood=Likelihood.ZERO_ONE))
    with pytest.raises(UserError, match="shifts=1"):
        orthant_probability(KEY, k, np.ones(3), shifts=1)
    with pytest.raises(NumericalFailure, match="singular"):
        orthant_slices(KEY, np.ones((3, 3)), np.ones(3))
    with pytest.raises(UserError, match="classes"):
        laplace(k, np.array([0, 1, 2]), 2)


def test_the_diagonal_of_the_test_points_is_not_their_matrix():
    """The matrix was broadcast: 9 probabilities for 3 points."""
    k, cross, test, y = problem(8)
    binary, several = expectation_propagation(k, y), laplace(k, (y > 0).astype(float), 2)
    for bound in (binary.latent, several.covariance):
        for arguments in ((cross, np.diag(test)), (cross.T, test)):
            with pytest.raises(UserError, match="of shape"):
                inspect.unwrap(bound.__func__)(bound.__self__, *arguments)
