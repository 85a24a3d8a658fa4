"""Both estimators pass scikit-learn's own checks, all of them, whichever solver and loss.

Most of the time goes into compiling programs, anew for every shape of data that the checks think of. The primal rung of a small
network compiles least. By it the regressor takes every check here, and the classifier those that are its own; `slow` are all
checks of the classifier, and of both by the dual rung. The ridge is tuned, as by default, except where weights are compared with
repeated examples: an example left out has its copy among the others, so that another ridge may be the best.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.utils.estimator_checks import estimator_checks_generator

from ticketlab import TangentClassifier, TangentRegressor
from ticketlab.networks import MLP
from ticketlab.tangent import DensePrimal
from ticketlab.tasks import SQUARE

SMALL = MLP(widths=(16,))
CLASSIFIER = TangentClassifier(SMALL, rung=DensePrimal())
REGRESSOR = TangentRegressor(SMALL, rung=DensePrimal())


def checks(*estimators: BaseEstimator) -> Iterator[Any]:
    for estimator in estimators:
        for given, check in estimator_checks_generator(estimator):
            if name(check).startswith("check_sample_weight_equivalence"):
                given = clone(given).set_params(ridge=0.01, tol=1e-16)
            yield pytest.param(given, check, id=f"{type(given).__name__}-{name(check)}")


def name(check: Any) -> str:
    return getattr(check, "func", check).__name__


SHARED = {name(each.values[1]) for each in checks(REGRESSOR)}
OWN = [each for each in checks(CLASSIFIER) if name(each.values[1]) not in SHARED]
ALL = (CLASSIFIER, TangentClassifier(SMALL), TangentClassifier(SMALL, loss=SQUARE), TangentRegressor(SMALL))


@pytest.mark.parametrize(("estimator", "check"), [*checks(REGRESSOR)])
def test_a_regressor_passes_every_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize(("estimator", "check"), OWN)
def test_a_classifier_passes_its_own_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize(("estimator", "check"), [*checks(*ALL)])
def test_all_estimators_pass_every_check(estimator, check):
    check(estimator)
