"""Networks of infinite width as estimators: scikit-learn's checks, and what they compute."""

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from ticketlab import InfiniteWidthClassifier, InfiniteWidthRegressor
from ticketlab.errors import UserError
from ticketlab.infinite import kernels
from ticketlab.networks import MLP, Initialisation, Parameterisation

SMALL = MLP(widths=(16,))
BIASED = MLP(widths=(16,), initialisation=Initialisation(sigma_b=1.0))
RNG = np.random.default_rng(0)


def checks(*estimators: BaseEstimator) -> Iterator[Any]:
    for estimator in estimators:
        for given, check in estimator_checks_generator(estimator):
            name = getattr(check, "func", check).__name__
            yield pytest.param(given, check, id=f"{type(given).__name__}-{name}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "check"), [*checks(InfiniteWidthRegressor(SMALL), InfiniteWidthClassifier(SMALL))]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_a_regressor_is_the_gaussian_process_of_its_kernel():
    x, y = RNG.standard_normal((16, 3)), RNG.standard_normal((16, 2)) * [1.0, 5.0] + 3
    tests = RNG.standard_normal((4, 3))
    mine = InfiniteWidthRegressor(SMALL, kernel="ntk", noise=0.01).fit(x, y)
    network = SMALL.build((3,), 1)

    def kernel(a: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
        return kernels(network, a, b, get="ntk").ntk / mine.kernel_scale_

    k, cross = kernel(x) + 0.01 * np.eye(16), kernel(tests, x)
    scaled = (y - y.mean(0)) / y.std(0)
    mean, sd = mine.predict(tests, return_std=True)
    np.testing.assert_allclose(mean, cross @ np.linalg.solve(k, scaled) * y.std(0) + y.mean(0), rtol=1e-9)
    variance = np.diag(kernel(tests) - cross @ np.linalg.solve(k, cross.T))
    np.testing.assert_allclose(sd, np.sqrt(variance)[:, None] * y.std(0), rtol=1e-7)
    assert pickle.loads(pickle.dumps(mine)).predict(tests).tolist() == mine.predict(tests).tolist()
    chosen = InfiniteWidthRegressor(SMALL).fit(x, y[:, 0])
    others = [InfiniteWidthRegressor(SMALL, noise=10.0**i).fit(x, y[:, 0]) for i in range(1, -7, -1)]
    assert chosen.posterior_.log_marginal_likelihood == max(
        o.posterior_.log_marginal_likelihood for o in others
    )


def test_a_classifier_learns_and_its_probabilities_are_calibrated():
    x, y = load_iris(return_X_y=True)
    three = make_pipeline(StandardScaler(), InfiniteWidthClassifier(BIASED, random_state=0))
    assert three.fit(x[::2], y[::2]).score(x[1::2], y[1::2]) > 0.92
    two = make_pipeline(StandardScaler(), InfiniteWidthClassifier(BIASED)).fit(x[50:], y[50:])
    p = two.predict_proba(x[50:])
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert ((p[:, 1] > 0.5) == (two.predict(x[50:]) == 2)).all()
    assert abs(p[:, 1].mean() - 0.5) < 0.02


def test_mistakes_are_named():
    x, y = RNG.standard_normal((6, 2)), np.arange(6) % 2
    for estimator, match in (
        (InfiniteWidthClassifier(SMALL, kernel="rbf"), "'nngp' or 'ntk'"),
        (InfiniteWidthClassifier(SMALL, variance=0.0), "variance"),
        (InfiniteWidthClassifier(MLP((4,), parameterisation=Parameterisation.MUP)), "μP"),
        (
            InfiniteWidthRegressor(MLP((4,), parameterisation=Parameterisation.MUP), kernel="ntk"),
            "moves during",
        ),
        (InfiniteWidthRegressor(SMALL, noise=-1.0), "noise"),
        (InfiniteWidthRegressor(SMALL, noise="low"), "noise='low'"),
        (InfiniteWidthClassifier(SMALL, variance="one"), "variance='one'"),
    ):
        with pytest.raises(UserError, match=match):
            estimator.fit(x, y)
    with pytest.raises(UserError, match="at least two classes"):
        InfiniteWidthClassifier(SMALL).fit(x, 0 * y)
    assert InfiniteWidthClassifier(SMALL).set_params(network__widths=(8,)).network.widths == (8,)
