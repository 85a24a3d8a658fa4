"""The tangent estimators compared with scikit-learn's, on its bundled data: nested cross-validation, equal tuning for all.

Every method is tuned over six candidates by three inner folds, on the training halves of 5 × 2 cross-validation. All use the
same splits, with inputs standardised on the training half. Scores are accuracy and R². Intervals are the 95 % intervals of the
corrected resampled t-test, whose variance (1/J + n_test/n_train) s² allows for overlapping training sets (Nadeau & Bengio
2003; J = 10 here). Seconds are the median of a fit with its tuning. Prints the tables of docs/estimators.md.

    python benchmarks/estimators.py [--only DATA …] [--repeats 5] [--examples 600]
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable, Iterator

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC"):
    os.environ.setdefault(_name, "1")  # before NumPy: one thread for every method

import numpy as np
import scipy.stats
from sklearn import datasets
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    StratifiedKFold,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ticketlab import TangentClassifier, TangentRegressor
from ticketlab.networks import MLP
from ticketlab.tasks import SOFTMAX_CROSS_ENTROPY, SQUARE

CLASSIFICATION = ("iris", "wine", "breast_cancer", "digits")
REGRESSION = ("diabetes", "linnerud")
WIDTHS = (128, 128)
RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
Search = Callable[[BaseEstimator, dict[str, list]], BaseEstimator]


def machines(kind: str, features: int, inner: KFold | StratifiedKFold) -> dict[str, BaseEstimator]:
    """Each with six candidates."""

    def tuned(estimator: BaseEstimator, grid: dict[str, list]) -> BaseEstimator:
        return GridSearchCV(estimator, grid, cv=inner)

    tangent = {"network": MLP(widths=WIDTHS), "ridges": RIDGES, "cv": inner, "tol": 1e-4, "random_state": 0}
    mlp = {"hidden_layer_sizes": WIDTHS, "max_iter": 300, "random_state": 0}
    mlp_grid = {"alpha": [1e-4, 1e-2, 1.0], "learning_rate_init": [1e-3, 3e-3]}
    gammas = [0.3 / features, 1 / features]
    if kind == "classification":
        return {
            "ridge": tuned(RidgeClassifier(), {"alpha": list(np.geomspace(0.01, 1000, 6))}),
            "logistic regression": tuned(
                LogisticRegression(max_iter=3000), {"C": list(np.geomspace(1e-3, 100, 6))}
            ),
            "support vectors, RBF": tuned(SVC(), {"C": [1, 10, 100], "gamma": gammas}),
            "trained MLP": tuned(MLPClassifier(**mlp), mlp_grid),
            "tangent, square": TangentClassifier(**tangent, loss=SQUARE),
            "tangent, cross-entropy": TangentClassifier(**tangent, loss=SOFTMAX_CROSS_ENTROPY),
        }
    return {
        "ridge": tuned(Ridge(), {"alpha": list(np.geomspace(0.01, 1000, 6))}),
        "kernel ridge, RBF": tuned(KernelRidge(kernel="rbf"), {"alpha": [0.01, 0.1, 1], "gamma": gammas}),
        "trained MLP": tuned(MLPRegressor(**mlp), mlp_grid),
        "tangent, square": TangentRegressor(**tangent),
    }


def scores(
    x: np.ndarray, y: np.ndarray, kind: str, repeats: int
) -> Iterator[tuple[str, np.ndarray, float, float]]:
    """(machine, its score on each split, the interval's half width, median seconds)."""
    stratified = kind == "classification"
    outer = (RepeatedStratifiedKFold if stratified else RepeatedKFold)(
        n_splits=2, n_repeats=repeats, random_state=0
    )
    inner = (StratifiedKFold if stratified else KFold)(3, shuffle=True, random_state=0)
    splits = list(outer.split(x, y))
    for name, machine in machines(kind, x.shape[1], inner).items():
        found, seconds = [], []
        for train, test in splits:
            pipeline = make_pipeline(StandardScaler(), clone(machine))
            begin = time.perf_counter()
            pipeline.fit(x[train], targets(y[train], y[train], name))
            seconds.append(time.perf_counter() - begin)
            found.append(pipeline.score(x[test], targets(y[test], y[train], name)))
        count, (train, test) = len(found), splits[0]
        error = np.sqrt((1 / count + len(test) / len(train)) * np.var(found, ddof=1))
        yield (
            name,
            np.array(found),
            float(scipy.stats.t.ppf(0.975, count - 1) * error),
            float(np.median(seconds)),
        )


def targets(y: np.ndarray, train: np.ndarray, name: str) -> np.ndarray:
    """Real targets, standardised for methods without an intercept, and for the network, which fits best in these units."""
    if np.issubdtype(y.dtype, np.integer) or name.startswith("tangent"):
        return y
    return (y - train.mean(axis=0)) / train.std(axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[*CLASSIFICATION, *REGRESSION])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--examples", type=int, default=600, help="at most, drawn once; 0 for all")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # from MLPs that were still learning after 300 epochs
    for name in options.only:
        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        available = len(x)
        if 0 < options.examples < available:
            drawn = np.sort(np.random.default_rng(0).choice(available, options.examples, replace=False))
            x, y = x[drawn], y[drawn]
        kind = "classification" if name in CLASSIFICATION else "regression"
        metric = "accuracy" if kind == "classification" else "R²"
        of = f" of {available}" if len(x) < available else ""
        print(
            f"\n**{name}**: {len(x)}{of} examples, {x.shape[1]} features\n\n| machine | {metric} | seconds |\n|---|---|---|"
        )
        for machine, found, half, seconds in scores(x, y, kind, options.repeats):
            print(f"| {machine} | {np.mean(found):.3f} ± {half:.3f} | {seconds:.2g} |", flush=True)


if __name__ == "__main__":
    main()
