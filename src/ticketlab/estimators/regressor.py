"""A regressor from a random network: the minimum of a convex loss over its tangent space.

The random function f₀, the biases and the width of Huber's loss have fixed scales, so the unit of the targets would change
their influence. Targets are therefore standardised on the training data (each to mean 0 and standard deviation 1).
Predictions are returned in the original unit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data

from ticketlab.errors import UserError
from ticketlab.estimators.parameters import chosen_loss, weights_of
from ticketlab.estimators.tangent_estimator import PRECISIONS, TangentEstimator
from ticketlab.tasks import SQUARE, ConvexLoss, Targets

__all__ = ["TangentRegressor"]


class TangentRegressor(RegressorMixin, TangentEstimator):
    """A linearised network as a regressor, for one target or several.

        min_Δ  Σₙ ℓ(f₀(xₙ) + J(xₙ)Δ, yₙ) + ½λ‖Δ‖²,   y standardised

    Inputs are used unchanged: standardise them in a pipeline.

    Arguments:
        loss: square (default), `huber(width)` with the width in standard deviations of the targets, or a convex loss of your own.
        ridge, ridges: by default the ridge with the smallest squared error on examples left out one at a time is chosen.
        Others as for `TangentClassifier`.

    Attributes:
        target_mean_, target_scale_: of the training targets.
        Others as for `TangentClassifier`, except `classes_`.

    Raises:
        UserError: a `ValueError`, for data or options that cannot be fitted.

    Cost: as for `TangentClassifier`.

    Equivalent: `Ridge` without intercept on the features ∂f/∂θ, for standardised targets.
    """

    target_mean_: Float[np.ndarray, "k"]
    target_scale_: Float[np.ndarray, "k"]

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> TangentRegressor:
        """Finds the minimum for inputs `[n, d]` and targets `[n]` or `[n, k]`; `sample_weight` as for `TangentClassifier`."""
        X, y = validate_data(self, X, y, dtype=PRECISIONS, multi_output=True, y_numeric=True)
        weights, counted = weights_of(sample_weight, None, X, None), None
        if weights is not None:
            counted = weights > 0
            X, y, weights = X[counted], y[counted], weights[counted]
        self._vector = y.ndim == 1
        columns = np.asarray(y, np.float64).reshape(len(y), -1)
        self.target_mean_ = np.average(columns, axis=0, weights=weights)
        spread = np.sqrt(np.average((columns - self.target_mean_) ** 2, axis=0, weights=weights))
        constant = spread <= 10 * np.finfo(float).eps * np.abs(self.target_mean_)
        self.target_scale_ = np.where(constant, 1.0, spread)
        targets = (columns - self.target_mean_) / self.target_scale_

        def score(outputs: np.ndarray, rows: np.ndarray) -> float:
            squares = np.mean((targets[rows] - outputs) ** 2, axis=1)
            return -float(np.average(squares, weights=None if weights is None else weights[rows]))

        self._minimise(X, targets, y, weights, score, counted)
        return self

    def predict(self, X: Any) -> Float[np.ndarray, "n ..."]:
        """The predicted targets, in the unit and shape of the fitted ones."""
        targets = self._outputs(X) * self.target_scale_ + self.target_mean_
        return targets[:, 0] if self._vector else targets

    def _loss(self) -> ConvexLoss:
        loss = chosen_loss(self.loss, SQUARE)
        if loss.targets is not Targets.REAL:
            raise UserError(
                f"the {loss.name} loss for regression",
                "a loss for real targets",
                "Use the square loss or huber(width), or TangentClassifier.",
            )
        return loss

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
