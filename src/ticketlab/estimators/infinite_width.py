"""Networks of infinite width as scikit-learn estimators: a Gaussian process whose covariance is that of the network.

Nothing is trained and no parameters are drawn: the data are conditioned on under the law of random networks (`kernel="nngp"`) or
under the Gaussian process with the tangent kernel as its covariance (`kernel="ntk"`). Both are exact for the square loss.
"""

from __future__ import annotations

from abc import ABC
from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ticketlab.compiled_programs import keep_programs_if_allowed
from ticketlab.errors import UserError
from ticketlab.estimators.parameters import OfNetwork, chosen_architecture, shape_of, within
from ticketlab.infinite import (
    BinaryPosterior,
    LaplacePosterior,
    Posterior,
    expectation_propagation,
    kernels,
    kernels_diagonal,
    laplace,
    posterior,
)
from ticketlab.networks import Parameterisation

__all__ = ["InfiniteWidthClassifier", "InfiniteWidthRegressor"]

_NOISES = tuple(10.0**i for i in range(1, -7, -1))
_VARIANCES = (1.0, 10.0, 100.0, 1000.0)
_PRECISIONS = (np.float64, np.float32)


class _InfiniteWidth(OfNetwork, ABC):
    """What both have in common: a network's kernel of training and test points."""

    kernel: Any
    input_shape: Any

    def _condition(self, X: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n n"]:
        """Stores the training points and the architecture; returns the kernel in units of its mean diagonal."""
        keep_programs_if_allowed()
        if self.kernel not in ("nngp", "ntk"):
            raise UserError(f"kernel={self.kernel!r}", "'nngp' or 'ntk'")
        self.architecture_ = chosen_architecture(self.network)
        self._x = self._shaped(X)
        network = self._network()
        if network.parameterisation is Parameterisation.MUP:
            raise UserError(
                f"{network.name}, whose random function tends to zero and whose kernel moves during training",
                "the standard or ntk parameterisation",
            )
        k = self._kernel(self._x)
        mean = float(np.mean(np.diag(k)))
        self.kernel_scale_ = mean if mean > 0 else 1.0
        return k / self.kernel_scale_

    def _network(self) -> Any:
        return self.architecture_.build(self._x.shape[1:], 1)

    def _kernel(self, x: np.ndarray, x2: np.ndarray | None = None) -> Float[np.ndarray, "n m"]:
        found = kernels(self._network(), x, x2, get=self.kernel)
        return found.nngp if found.nngp is not None else found.ntk  # type: ignore[return-value]

    def _tested(self, X: Any) -> tuple[Float[np.ndarray, "m n"], Float[np.ndarray, "m"]]:
        """Kernel of test with training points, and of each test point with itself."""
        check_is_fitted(self)
        x = self._shaped(validate_data(self, X, dtype=_PRECISIONS, reset=False))
        own = kernels_diagonal(self._network(), x, get=self.kernel)
        diagonal = own.nngp if own.nngp is not None else own.ntk
        assert diagonal is not None
        return self._kernel(x, self._x) / self.kernel_scale_, diagonal / self.kernel_scale_

    def _shaped(self, X: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n ..."]:
        return np.asarray(X, np.float64).reshape(len(X), *shape_of(self.input_shape, X.shape[1]))


class InfiniteWidthRegressor(RegressorMixin, _InfiniteWidth):
    """A network of infinite width as a regressor, for one target or several.

    Targets are standardised on the training data, and the kernel is divided by its mean diagonal. So the prior has the variance
    of the targets. Inputs are used unchanged: standardise them in a pipeline.

    Arguments:
        network: as for `TangentClassifier`; it needs a limit of infinite width.
        kernel: "nngp" (random networks, default) or "ntk" (the Gaussian process with the tangent kernel).
        noise: σ², the variance of the noise as a share of the targets' variance; by default the one with the largest marginal
            likelihood, of those from 10 to 10⁻⁶, a decade apart.
        input_shape: the shape of one example for networks that take images.

    Attributes:
        posterior_: the Gaussian process conditioned on the data.
        noise_: the noise.
        kernel_scale_: the mean diagonal of the kernel.
        target_mean_, target_scale_: of the training targets.
        architecture_, n_features_in_, feature_names_in_: as for `TangentClassifier`.

    Raises:
        UserError: a `ValueError`, for data or options that cannot be fitted, or a network without a limit.

    Cost: that of `ticketlab.infinite.kernels`, and n³/3 operations for each noise.

    Equivalent: `GaussianProcessRegressor` with this kernel.
    """

    posterior_: Posterior

    def __init__(
        self, network: Any = None, *, kernel: Any = "nngp", noise: Any = None, input_shape: Any = None
    ) -> None:
        self.network = network
        self.kernel = kernel
        self.noise = noise
        self.input_shape = input_shape

    def fit(self, X: Any, y: Any) -> InfiniteWidthRegressor:
        """Conditions on inputs `[n, d]` and targets `[n]` or `[n, k]`."""
        X, y = validate_data(self, X, y, dtype=_PRECISIONS, multi_output=True, y_numeric=True)
        self._vector = y.ndim == 1
        columns = np.asarray(y, np.float64).reshape(len(y), -1)
        self.target_mean_ = columns.mean(axis=0)
        spread = columns.std(axis=0)
        constant = spread <= 10 * np.finfo(float).eps * np.abs(self.target_mean_)
        self.target_scale_ = np.where(constant, 1.0, spread)
        targets = (columns - self.target_mean_) / self.target_scale_
        k = self._condition(X)
        if self.noise is not None:
            within(
                "noise",
                self.noise,
                "a finite number of at least 0, or None for the best of several",
                zero=True,
            )
        noises = _NOISES if self.noise is None else (self.noise,)
        found = [(noise, posterior(k, targets, noise=noise)) for noise in noises]
        self.noise_, self.posterior_ = max(found, key=lambda each: each[1].log_marginal_likelihood)
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """The mean of the targets, in their unit and shape; with `return_std` also its standard deviation, without the noise."""
        cross, diagonal = self._tested(X)
        mean = self.posterior_.mean(cross) * self.target_scale_ + self.target_mean_
        mean = mean[:, 0] if self._vector else mean
        if not return_std:
            return mean
        sd = np.sqrt(self.posterior_.variance(cross, diagonal))[:, None] * self.target_scale_
        return mean, sd[:, 0] if self._vector else sd

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class InfiniteWidthClassifier(ClassifierMixin, _InfiniteWidth):
    """A network of infinite width as a classifier.

    Two classes: probit likelihood, by expectation propagation. More classes: softmax likelihood, by Laplace's approximation. The
    kernel is divided by its mean diagonal and multiplied by `variance`, the prior variance of the latent values.

    Arguments:
        network, kernel, input_shape: as for `InfiniteWidthRegressor`.
        variance: of the latent values before the data (default: of 1, 10, 100 and 1000 the one with the largest marginal
            likelihood).
        random_state: draws the values over which probabilities of more than two classes are averaged.

    Attributes:
        posterior_: of the latent values.
        variance_: their variance before the data.
        classes_: the labels.
        Others as for `InfiniteWidthRegressor`.

    Raises:
        UserError: a `ValueError`, for data or options that cannot be fitted, or a network without a limit.

    Cost: that of `ticketlab.infinite.kernels`; then for each variance and each of 10 to 50 steps some 3 n³
        operations for each class.

    Equivalent: `GaussianProcessClassifier` with this kernel, which has the logistic likelihood and Laplace's approximation.
    """

    posterior_: BinaryPosterior | LaplacePosterior
    classes_: np.ndarray

    def __init__(
        self,
        network: Any = None,
        *,
        kernel: Any = "nngp",
        variance: Any = None,
        input_shape: Any = None,
        random_state: Any = None,
    ) -> None:
        self.network = network
        self.kernel = kernel
        self.variance = variance
        self.input_shape = input_shape
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> InfiniteWidthClassifier:
        """Conditions on inputs `[n, d]` and labels `[n]`."""
        X, y = validate_data(self, X, y, dtype=_PRECISIONS)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise UserError(f"{len(self.classes_)} class", "at least two classes")
        if self.variance is not None:
            within(
                "variance", self.variance, "a positive number, or None for the best of several", zero=False
            )
        k = self._condition(X)
        self._seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        variances = _VARIANCES if self.variance is None else (self.variance,)
        found = [(variance, self._posterior(variance * k, labels)) for variance in variances]
        self.variance_, self.posterior_ = max(found, key=lambda each: each[1].log_marginal_likelihood)
        return self

    def _posterior(
        self, k: Float[np.ndarray, "n n"], labels: np.ndarray
    ) -> BinaryPosterior | LaplacePosterior:
        if len(self.classes_) == 2:
            return expectation_propagation(k, 2.0 * labels - 1)
        return laplace(k, labels, len(self.classes_))

    def predict_proba(self, X: Any) -> Float[np.ndarray, "n classes"]:
        """The probabilities of the classes."""
        cross, diagonal = (self.variance_ * part for part in self._tested(X))
        if isinstance(self.posterior_, BinaryPosterior):
            p = self.posterior_.probability(cross, diagonal)
            return np.stack([1 - p, p], axis=1)
        return self.posterior_.probabilities(jax.random.key(self._seed), cross, diagonal)

    def decision_function(self, X: Any) -> Float[np.ndarray, "n ..."]:
        """Two classes: mean over standard deviation of the noisy latent value; more: the logarithms of the probabilities."""
        check_is_fitted(self)
        if len(self.classes_) > 2:
            return np.log(np.maximum(self.predict_proba(X), np.finfo(float).tiny))
        cross, diagonal = (self.variance_ * part for part in self._tested(X))
        assert isinstance(self.posterior_, BinaryPosterior)
        mean, spread = self.posterior_.latent(cross, diagonal)
        return mean / np.sqrt(1 + spread)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class."""
        check_is_fitted(self)
        decision = self.decision_function(X)
        return self.classes_[
            (decision > 0).astype(int) if decision.ndim == 1 else np.argmax(decision, axis=1)
        ]
