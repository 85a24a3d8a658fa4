"""The tangent minimum and networks of infinite width as scikit-learn estimators: try them in an existing pipeline."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ticketlab.estimators.classifier import TangentClassifier
    from ticketlab.estimators.infinite_width import InfiniteWidthClassifier, InfiniteWidthRegressor
    from ticketlab.estimators.regressor import TangentRegressor
    from ticketlab.estimators.ridge_choice import RidgeChoice

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "classifier": ["TangentClassifier"],
        "infinite_width": ["InfiniteWidthClassifier", "InfiniteWidthRegressor"],
        "regressor": ["TangentRegressor"],
        "ridge_choice": ["RidgeChoice"],
    },
)

__all__ = [
    "InfiniteWidthClassifier",
    "InfiniteWidthRegressor",
    "RidgeChoice",
    "TangentClassifier",
    "TangentRegressor",
]
