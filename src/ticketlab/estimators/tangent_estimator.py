"""The common part of both estimators: parameters stored unchanged, and a fit that is one tangent minimum.

scikit-learn requires that the constructor only stores parameters, so that a clone with the same parameters is the same
estimator. So `fit` checks the parameters. A network is a choice (`MLP(widths=(256, 256))`), built in `fit` for the shape of the
data. A built network consists of functions, which cannot be pickled. A pickle keeps the choice, from which the same network is
rebuilt.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from functools import lru_cache
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ticketlab.compiled_programs import keep_programs_if_allowed
from ticketlab.errors import UserError
from ticketlab.estimators.parameters import (
    TUNED,
    OfNetwork,
    candidate_ridges,
    chosen_architecture,
    chosen_rung,
    flag,
    shape_of,
    tolerance,
)
from ticketlab.estimators.ridge_choice import RidgeChoice, choose_ridge
from ticketlab.networks import Architecture, Network
from ticketlab.tangent import (
    Certificate,
    Jacobian,
    NewtonOptions,
    Solution,
    Stats,
    ridge_path,
    tuned_minimum,
)
from ticketlab.tangent.minimise import Ridge
from ticketlab.tasks import ConvexLoss, Split

__all__ = ["TangentEstimator"]

PRECISIONS = (
    np.float64,
    np.float32,
)  # inputs keep their type; the minimum is found in float64


class TangentEstimator(OfNetwork, ABC):
    """Parameters, fit and outputs of `TangentClassifier` and `TangentRegressor`, whose docstrings explain them."""

    solution_: Solution
    architecture_: Architecture
    ridge_: Ridge
    ridge_choice_: RidgeChoice | None
    _known: np.ndarray

    def __init__(
        self,
        network: Any = None,
        *,
        loss: Any = None,
        ridge: Any = TUNED,
        ridges: Any = None,
        cv: Any = None,
        centred: Any = True,
        input_shape: Any = None,
        rung: Any = None,
        tol: Any = 1e-8,
        scoring: Any = None,
        verbose: Any = False,
        random_state: Any = None,
    ) -> None:
        self.network = network
        self.loss = loss
        self.ridge = ridge
        self.ridges = ridges
        self.cv = cv
        self.centred = centred
        self.input_shape = input_shape
        self.rung = rung
        self.tol = tol
        self.scoring = scoring
        self.verbose = verbose
        self.random_state = random_state

    @property
    def certificate_(self) -> Certificate:
        """How close the fitted function is to the minimum, in numbers."""
        return self.solution_.certificate

    @abstractmethod
    def _loss(self) -> ConvexLoss:
        """The requested loss, or the default."""

    def _minimise(
        self,
        X: Float[np.ndarray, "n d"],
        targets: Float[np.ndarray, "n k"],
        y: np.ndarray,
        weights: Float[np.ndarray, "n"] | None,
        score: Callable[[np.ndarray, np.ndarray], float],
        counted: Bool[np.ndarray, "all"] | None,
    ) -> None:
        """Sets `solution_`, `architecture_` and the ridge choice.

        `y` is for folds; `score` is of outputs on these rows, a mean by weight; `counted` are the examples with a weight above
        0, of all that were given, and None if there are no weights.
        """
        keep_programs_if_allowed()
        x = self._shaped(X)
        self.architecture_ = chosen_architecture(self.network)
        candidates = candidate_ridges(self.ridge, self.ridges)
        settings: dict[str, Any] = {
            "loss": self._loss(),
            "rung": chosen_rung(self.rung),
            "options": NewtonOptions(tolerance=tolerance(self.tol)),
            "progress": _printed if flag("verbose", self.verbose) else lambda what, value: None,
            "common": True,
        }
        centred = flag("centred", self.centred)
        network = self.architecture_.build(x.shape[1:], targets.shape[1])
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        params = drawn(network, seed)
        whole = np.arange(len(x))
        if self.scoring is not None:
            score = self._scored(X, y, weights)

        def path(rows: np.ndarray, ridges: tuple[Ridge, ...]) -> list[Solution]:
            return ridge_path(
                network,
                params,
                Split(x[rows], targets[rows], rows),
                ridges=ridges,
                centred=(centred,),
                weights=None if weights is None else weights[rows],
                **settings,
            )

        self.ridge_choice_ = None
        tuned = None
        if len(candidates) > 1 and self.cv is None:
            tuned = tuned_minimum(
                network,
                params,
                Split(x, targets, whole),
                ridges=candidates,
                score=score,
                centred=centred,
                weights=weights,
                **settings,
            )
        if tuned is not None:
            self.solution_ = tuned.solution
            rows = whole if tuned.scores.rows is None else tuned.scores.rows
            sizes = np.array([len(rows) if weights is None else weights[rows].sum()], float)
            self.ridge_choice_ = RidgeChoice(candidates, tuned.scores.scores[None], sizes, tuned.scores.best)
            self.ridge_ = self.ridge_choice_.ridge
        else:
            if len(candidates) > 1:
                folds = self._folds(X, y, counted)
                even = np.ones(len(x)) if weights is None else weights
                self.ridge_choice_ = choose_ridge(
                    lambda rows: path(rows, candidates), x, score, folds, candidates, even
                )
                candidates = (self.ridge_choice_.ridge,)
            (self.solution_,) = path(whole, candidates)
            (self.ridge_,) = candidates
        if settings["progress"] is _printed:
            print(f"tangent minimum: {_account(self.solution_.stats)}", flush=True)
        if not self.certificate_.met:
            warnings.warn(self.certificate_.message(), ConvergenceWarning, stacklevel=3)

    def _folds(
        self, X: np.ndarray, y: np.ndarray, counted: np.ndarray | None
    ) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        """Of the examples that count. Splits that are given number all examples."""
        folds = check_cv(self.cv, y, classifier=is_classifier(self)).split(X, y)
        given = isinstance(self.cv, Iterable) and not hasattr(self.cv, "split")
        if counted is None or not given:
            return folds
        place = np.cumsum(counted) - 1
        return ((place[fit[counted[fit]]], place[out[counted[out]]]) for fit, out in _rows(folds))

    def _scored(
        self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None
    ) -> Callable[[np.ndarray, np.ndarray], float]:
        """The requested scorer for outputs on these rows; it gets an estimator that has already computed them."""
        scorer = check_scoring(self, self.scoring)

        def score(outputs: np.ndarray, rows: np.ndarray) -> float:
            known = object.__new__(type(self))
            known.__dict__.update(self.__dict__, _known=outputs)
            weighed = {} if weights is None else {"sample_weight": weights[rows]}
            try:
                return float(scorer(known, X[rows], y[rows], **weighed))
            except TypeError as error:
                if weighed and "sample_weight" in str(error):
                    raise UserError(
                        f"scoring={self.scoring!r} with weights of examples, which it does not take",
                        "a scorer with the argument sample_weight",
                        "Leave sample_weight and class_weight out, or leave scoring out.",
                    ) from error
                raise

        return score

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "solution_") or hasattr(self, "_known")

    def _outputs(self, X: Any) -> Float[np.ndarray, "n k"]:
        """F(X)."""
        check_is_fitted(self)
        if hasattr(self, "_known"):
            return self._known
        x = self._shaped(validate_data(self, X, dtype=PRECISIONS, reset=False))
        return self.solution_.predict(x)

    def _shaped(self, X: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n ..."]:
        return X.reshape(len(X), *shape_of(self.input_shape, X.shape[1]))

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "solution_" in state:
            state["solution_"] = _packed(self.solution_)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "solution_" in state:
            state = state | {"solution_": _unpacked(state["solution_"], state["architecture_"])}
        super().__setstate__(state)


def _rows(folds: Iterable[tuple[Any, Any]]) -> Iterator[list[np.ndarray]]:
    """The row numbers of each fold, which may be a list of numbers or a mask."""
    for fold in folds:
        parts = map(np.asarray, fold)
        yield [np.flatnonzero(rows) if rows.dtype == bool else rows for rows in parts]


def _printed(what: str, value: float) -> None:
    """One line for each activity of a fit, with its progress: a fraction of the kernel, or the relative duality gap."""
    print(f"tangent minimum: {what} {value:.3g}", flush=True)


def _account(stats: Stats) -> str:
    """What was predicted, and what it took."""
    return f"{stats.rung}; {stats.reason}; took {stats.seconds:.2g} s"


@lru_cache(maxsize=64)
def _drawing(network: Network) -> Callable[[Any], Any]:
    return jax.jit(network.init)


def drawn(network: Network, seed: int) -> Any:
    """The parameters of a key; by one program instead of one for each array, where the network is not known to need few."""
    draw = network.init if network.layers else _drawing(network)
    return jax.tree.map(np.asarray, draw(jax.random.key(seed)))


def _packed(solution: Solution) -> dict[str, Any]:
    """A solution as plain records and arrays."""
    kept = {f.name: getattr(solution, f.name) for f in fields(solution) if f.name != "jacobian"}
    jacobian = solution.jacobian
    blocks = {"batch": jacobian.batch, "filled": jacobian.filled}
    return kept | {
        "jacobian": (jacobian.params, np.asarray(jacobian.x), jacobian.outputs_per_example, blocks)
    }


def _unpacked(kept: dict[str, Any], architecture: Architecture) -> Solution:
    params, x, outputs, blocks = kept["jacobian"]
    jacobian = Jacobian(architecture.build(x.shape[1:], outputs), params, x, dtype=np.float64, **blocks)
    return Solution(**(kept | {"jacobian": jacobian}))
