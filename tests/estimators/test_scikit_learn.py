"""Both estimators pass scikit-learn's own checks, all of them, whichever solver and loss.

Most of the time goes into compiling programs, anew for every shape of data that the checks think of. The primal rung of a small
network compiles least. By it the regressor takes every check here, and the classifier those that are its own; `slow` are all
checks of the classifier, and of both by the dual rung.
"""

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from ticketlab import TangentClassifier, TangentRegressor
from ticketlab.networks import MLP
from ticketlab.tangent import DensePrimal
from ticketlab.tasks import SQUARE

SMALL = MLP(widths=(16,))
CLASSIFIER = TangentClassifier(SMALL, rung=DensePrimal())
REGRESSOR = TangentRegressor(SMALL, rung=DensePrimal())


def checks(estimator):
    return [(given, check) for given, check in estimator_checks_generator(estimator)]


def name(check):
    return getattr(check, "func", check).__name__


SHARED = {name(check) for _, check in checks(REGRESSOR)}
OWN = [pytest.param(*pair, id=name(pair[1])) for pair in checks(CLASSIFIER) if name(pair[1]) not in SHARED]


@parametrize_with_checks([REGRESSOR])
def test_a_regressor_passes_every_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize(("estimator", "check"), OWN)
def test_a_classifier_passes_its_own_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [CLASSIFIER, TangentClassifier(SMALL), TangentClassifier(SMALL, loss=SQUARE), TangentRegressor(SMALL)]
)
def test_all_estimators_pass_every_check(estimator, check):
    check(estimator)
