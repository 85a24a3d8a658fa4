"""A classifier from a random network: the minimum of a convex loss over its tangent space."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from ticketlab.errors import UserError
from ticketlab.estimators.parameters import TUNED, chosen_loss, weights_of
from ticketlab.estimators.tangent_estimator import PRECISIONS, TangentEstimator
from ticketlab.tasks import SOFTMAX_CROSS_ENTROPY, ConvexLoss, Targets

__all__ = ["TangentClassifier"]


def _models_probabilities(estimator: TangentClassifier) -> bool:
    try:
        loss = estimator._loss()
    except UserError:
        return False  # refused when the estimator is fitted
    if loss.probabilities is None:
        raise AttributeError(
            f"The {loss.name} loss does not model probabilities. Use SOFTMAX_CROSS_ENTROPY or LOGISTIC, or wrap the "
            "estimator in a CalibratedClassifierCV."
        )
    return True


class TangentClassifier(ClassifierMixin, TangentEstimator):
    """A linearised network as a classifier.

        min_Δ  Σₙ ℓ(f₀(xₙ) + J(xₙ)Δ, yₙ) + ½λ‖Δ‖²

    Inputs are used unchanged: standardise them in a pipeline.

    Arguments:
        network: an architecture of `ticketlab.networks`, built for the shape of the data (default: an MLP with two hidden layers
            of 1 024 units); its text ("mlp:widths=64x64"); or anything with `build(input_shape, outputs) -> Network`. Its
            fields are nested parameters (`network__widths`).
        loss: a convex loss of `ticketlab.tasks`, or its name: cross-entropy (default), square, logistic, squared-hinge. The
            square loss is a linear problem. Logistic and squared hinge are one-vs-rest, and take one output for two classes.
        ridge: λ; by default the one with the least log-loss (or best accuracy, if the loss models no probabilities) on examples
            left out one at a time, from the factorisation that the fit needs anyway. A number is relative to the mean diagonal
            of the tangent kernel; `Relative` and `Absolute` are explicit. 0 is the minimum-norm limit, for the square loss only.
        ridges: other candidates (default: a decade apart, from 100 to 10⁻⁶); `ridge` is then ignored.
        cv: folds to choose by, instead of single examples: a number, a splitter or splits. Solvers without a matrix always use
            folds (default: 5, stratified).
        centred: leave out f₀, the output of the random network before learning (default: yes).
        class_weight: `"balanced"`, or a weight for each class: how many times its examples count (default: once).
        input_shape: the shape of one example for networks that take images; its product is the number of features.
        rung: the solver (default: the one that is predicted to be the fastest).
        tol: on the relative duality gap (default 1e-8); a fit that misses it gives a `ConvergenceWarning`.
        scoring: another criterion for choosing the ridge: the name of a scikit-learn scorer, or your own.
        verbose: print the progress of a fit, the seconds predicted and the seconds taken (default: no).
        random_state: draws the network; an integer gives the same network at every fit.

    Attributes:
        solution_, certificate_: the minimum and the proof that it was reached.
        ridge_, ridge_choice_: the ridge, and the scores from which it was chosen (None if it was given).
        architecture_: that of the network.
        classes_, n_features_in_, feature_names_in_: as in all of scikit-learn.

    Raises:
        UserError: a `ValueError`, for data or options that cannot be fitted.

    Cost: that of `ticketlab.tangent.minimise` with one output per class. The choice of the ridge takes a few Newton steps for
        each candidate, twice as long as the fit itself on small data; `cv` takes a fit for each fold and candidate.

    Equivalent: multinomial `LogisticRegression` without intercept on the features ∂f/∂θ.
    """

    classes_: np.ndarray

    def __init__(
        self,
        network: Any = None,
        *,
        loss: Any = None,
        ridge: Any = TUNED,
        ridges: Any = None,
        cv: Any = None,
        centred: Any = True,
        class_weight: Any = None,
        input_shape: Any = None,
        rung: Any = None,
        tol: Any = 1e-8,
        scoring: Any = None,
        verbose: Any = False,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            network,
            loss=loss,
            ridge=ridge,
            ridges=ridges,
            cv=cv,
            centred=centred,
            input_shape=input_shape,
            rung=rung,
            tol=tol,
            scoring=scoring,
            verbose=verbose,
            random_state=random_state,
        )
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> TangentClassifier:
        """Finds the minimum for inputs `[n, d]` and labels `[n]`; example i counts `sample_weight[i]` times (default: once)."""
        X, y = validate_data(self, X, y, dtype=PRECISIONS)
        check_classification_targets(y)
        weights, counted = weights_of(sample_weight, self.class_weight, X, y), None
        if weights is not None:
            counted = weights > 0
            X, y, weights = X[counted], y[counted], weights[counted]
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise UserError(f"{len(self.classes_)} class", "at least two classes")
        self._minimise(
            X,
            self._encoded(labels),
            y,
            weights,
            lambda outputs, rows: self._held_out_score(
                outputs, labels[rows], None if weights is None else weights[rows]
            ),
            counted,
        )
        return self

    def _held_out_score(
        self,
        outputs: Float[np.ndarray, "m k"],
        labels: Int[np.ndarray, "m"],
        weights: Float[np.ndarray, "m"] | None,
    ) -> float:
        """Minus the log-loss if the loss models probabilities, else the accuracy: a mean over examples."""
        if self._loss().probabilities is None:
            return float(np.average(self._decided(outputs) == labels, weights=weights))
        p = self._probabilities(outputs)[np.arange(len(labels)), labels]
        return float(np.average(np.log(np.maximum(p, np.finfo(float).tiny)), weights=weights))

    def decision_function(self, X: Any) -> Float[np.ndarray, "n ..."]:
        """F, one column per class; for two classes the second minus the first, or the single output."""
        return _decision(self._outputs(X))

    def predict(self, X: Any) -> np.ndarray:
        """The class of the largest output."""
        decided = self._decided(self._outputs(X))
        return self.classes_[decided]

    @available_if(_models_probabilities)
    def predict_proba(self, X: Any) -> Float[np.ndarray, "n classes"]:
        """The probabilities of the classes, if the loss models them.

        Softmax cross-entropy: softmax of F. Logistic: 1/(1 + exp −F), for more than two classes divided by their sum. Other
        losses have none: wrap the estimator in a `CalibratedClassifierCV`.
        """
        return self._probabilities(self._outputs(X))

    def _probabilities(self, outputs: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n classes"]:
        model = self._loss().probabilities
        assert model is not None
        p = model(outputs)
        if p.shape[1] == 1:
            return np.hstack([1 - p, p])
        whole = p.sum(axis=1, keepdims=True)
        # Far below zero 1/(1 + exp −F) is exp F, of which nothing may be left.
        return np.where(whole > 0, p / np.where(whole > 0, whole, 1.0), softmax(outputs, axis=1))

    def _loss(self) -> ConvexLoss:
        return chosen_loss(self.loss, SOFTMAX_CROSS_ENTROPY)

    def _encoded(self, labels: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n k"]:
        one_output = self._loss().targets in (Targets.PROBABILITIES, Targets.BINARY)
        one_hot = np.eye(len(self.classes_))[labels]
        return one_hot[:, 1:] if one_output and len(self.classes_) == 2 else one_hot

    def _decided(self, outputs: Float[np.ndarray, "n k"]) -> Int[np.ndarray, "n"]:
        decision = _decision(outputs)
        return (decision > 0).astype(int) if decision.ndim == 1 else np.argmax(decision, axis=1)


def _decision(outputs: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n ..."]:
    if outputs.shape[1] == 1:
        return outputs[:, 0]
    return outputs[:, 1] - outputs[:, 0] if outputs.shape[1] == 2 else outputs
