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
from ticketlab.estimators.parameters import chosen_loss
from ticketlab.estimators.tangent_estimator import PRECISIONS, TangentEstimator
from ticketlab.tasks import SQUARE, ConvexLoss, Targets

__all__ = ["TangentRegressor"]


class TangentRegressor(RegressorMixin, TangentEstimator):
    """A linearised network as a regressor, for one target or several.

        min_Δ  Σₙ ℓ(f₀(xₙ) + J(xₙ)Δ, yₙ) + ½λ‖Δ‖²,   y standardised

    Inputs are used unchanged: standardise them in a pipeline.

    Arguments:
        loss: square (default), `huber(width)` with the width in standard deviations of the targets, or a convex loss of your own.
        ridges: candidates; cross-validation chooses the one with the smallest squared error on held-out examples.
        cv: the folds (default: 5).
        Others as for `TangentClassifier`.

    Attributes:
        target_mean_, target_scale_: of the training targets.
        Others as for `TangentClassifier`, except `classes_`.

    Raises:
        UserError: a `ValueError`, for data or options that cannot be fitted.

    Cost: that of `ticketlab.tangent.minimise`; with `ridges` once more for each fold.

    Equivalent: `Ridge` without intercept on the features ∂f/∂θ, for standardised targets.
    """

    target_mean_: Float[np.ndarray, "k"]
    target_scale_: Float[np.ndarray, "k"]

    def fit(self, X: Any, y: Any) -> TangentRegressor:
        """Finds the minimum for inputs `[n, d]` and targets `[n]` or `[n, k]`."""
        X, y = validate_data(self, X, y, dtype=PRECISIONS, multi_output=True, y_numeric=True)
        self._vector = y.ndim == 1
        columns = np.asarray(y, np.float64).reshape(len(y), -1)
        self.target_mean_ = columns.mean(axis=0)
        spread = columns.std(axis=0)
        constant = spread <= 10 * np.finfo(float).eps * np.abs(self.target_mean_)
        self.target_scale_ = np.where(constant, 1.0, spread)
        targets = (columns - self.target_mean_) / self.target_scale_
        self._minimise(X, targets, y, lambda outputs, rows: -float(np.mean((targets[rows] - outputs) ** 2)))
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
