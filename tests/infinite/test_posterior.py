"""Posteriors for the square loss against scikit-learn, the definitions, and draws of trained linear models."""

import inspect

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.infinite import posterior, trained_law

RNG = np.random.default_rng(0)
X, TEST = RNG.standard_normal((12, 3)), RNG.standard_normal((5, 3))
Y = RNG.standard_normal((12, 2))
KERNEL = RBF(1.5)


def test_the_posterior_is_scikit_learns():
    theirs = GaussianProcessRegressor(KERNEL, alpha=0.1, optimizer=None).fit(X, Y)
    mine = posterior(KERNEL(X), Y, noise=0.1)
    mean, covariance = theirs.predict(TEST, return_cov=True)
    cross = KERNEL(TEST, X)
    np.testing.assert_allclose(mine.mean(cross), mean, rtol=1e-10)
    np.testing.assert_allclose(
        mine.covariance(cross, KERNEL(TEST)), covariance[..., 0], rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(
        mine.variance(cross, KERNEL.diag(TEST)), np.diag(covariance[..., 0]), rtol=1e-9
    )
    np.testing.assert_allclose(
        mine.log_marginal_likelihood, theirs.log_marginal_likelihood_value_, rtol=1e-12
    )
    assert mine.condition <= np.linalg.cond(KERNEL(X) + 0.1 * np.eye(12)) * (1 + 1e-12)


def test_a_singular_covariance_is_named_and_noise_helps():
    k = KERNEL(np.concatenate([X, X]))
    with pytest.raises(NumericalFailure, match="smallest eigenvalue"):
        posterior(k, np.concatenate([Y, -Y]))
    twice = posterior(k, np.concatenate([Y, Y]), noise=0.2)  # two looks with variance 0.2 are one with 0.1
    cross = KERNEL(TEST, X)
    np.testing.assert_allclose(
        twice.mean(np.hstack([cross, cross])), posterior(KERNEL(X), Y, noise=0.1).mean(cross), rtol=1e-9
    )


@pytest.mark.parametrize(
    ("time", "ridge"), [(0.0, 0.0), (0.3, 0.0), (0.3, 0.2), (np.inf, 0.0), (np.inf, 0.2)]
)
def test_the_trained_law_is_that_of_gradient_flow_from_random_starts(time, ridge):
    """A linear model f = Φθ with θ₀ ~ N(0, S) and its exact flow."""
    features, tested = RNG.standard_normal((6, 20)), RNG.standard_normal((4, 20))
    s = np.diag(RNG.random(20))
    # θ_t = θ₀ − Φᵀ B (Φθ₀ − y), B = (ΦΦᵀ + λ)⁻¹(1 − e^{−t(ΦΦᵀ + λ)})
    values, vectors = np.linalg.eigh(features @ features.T)
    gain = (1 - np.exp(-time * (values + ridge)) if np.isfinite(time) else 1.0) / (values + ridge)
    a = tested @ features.T @ (vectors * gain) @ vectors.T
    start = tested - a @ features  # outputs at the test points are start θ₀ + a y
    law = trained_law(
        features @ s @ features.T,
        features @ features.T,
        Y[:6],
        cross_nngp=tested @ s @ features.T,
        cross_ntk=tested @ features.T,
        test_nngp=tested @ s @ tested.T,
        time=time,
        ridge=ridge,
    )
    np.testing.assert_allclose(law.mean, a @ Y[:6], atol=1e-10)
    np.testing.assert_allclose(law.covariance, start @ s @ start.T, atol=1e-9)


def test_the_three_laws_differ_but_meet_where_they_must():
    """With Θ = Σ, training the read-out alone, the trained law is the posterior."""
    k, cross, test = KERNEL(X), KERNEL(TEST, X), KERNEL(TEST)
    law = trained_law(k, k, Y, cross_nngp=cross, cross_ntk=cross, test_nngp=test)
    exact = posterior(k, Y)
    np.testing.assert_allclose(law.mean, exact.mean(cross), rtol=1e-6)
    np.testing.assert_allclose(law.covariance, exact.covariance(cross, test), atol=1e-9)
    other = trained_law(k, k + np.eye(12), Y, cross_nngp=cross, cross_ntk=cross, test_nngp=test)
    assert np.abs(other.covariance - exact.covariance(cross, test)).max() > 0.01


def test_mistakes():
    k = KERNEL(X)
    with pytest.raises(UserError, match="targets of shape"):
        posterior(k, Y[:3])
    with pytest.raises(UserError, match="noise"):
        posterior(k, Y, noise=-1.0)
    parts = {"cross_nngp": k[:2], "cross_ntk": k[:2], "test_nngp": k[:2, :2]}
    with pytest.raises(UserError, match="cross_ntk of shape"):
        trained_law(k, k, Y, **(parts | {"cross_ntk": k[:3]}))
    with pytest.raises(UserError, match="time"):
        trained_law(k, k, Y, **parts, time=-1.0)
    with pytest.raises(NumericalFailure, match="singular"):
        trained_law(k, np.ones_like(k), Y, **parts)


def test_covariances_of_test_points_of_other_shapes_are_refused():
    """A diagonal in the place of the matrix was broadcast."""
    mine, cross, test = posterior(KERNEL(X), Y, noise=0.1), KERNEL(TEST, X), KERNEL(TEST)
    for bound, arguments in (
        (mine.mean, (cross.T,)),
        (mine.mean, (cross[0],)),
        (mine.covariance, (cross, np.diag(test))),
        (mine.covariance, (cross, test[:2, :2])),
        (mine.variance, (cross, test)),
    ):
        with pytest.raises(UserError, match="of shape"):
            inspect.unwrap(bound.__func__)(mine, *arguments)


def test_what_is_not_finite_is_refused():
    with pytest.raises(UserError, match="targets with NaN"):
        posterior(KERNEL(X), Y * np.nan, noise=0.1)
    with pytest.raises(UserError, match="covariance with NaN"):
        posterior(KERNEL(X) * np.inf, Y, noise=0.1)
