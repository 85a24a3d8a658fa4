"""The tangent estimators with their defaults against scikit-learn's machines, on its data: the table of docs/estimators.md.

Ten folds, the same for all, shuffled and stratified for classes; inputs are standardised on the training part. The tangent
estimators are `TangentClassifier()` and `TangentRegressor()`. The others are tuned on the training part: ridge regression by
leave-one-out, logistic regression, support vectors and kernel ridge by three inner folds; the MLP has scikit-learn's defaults and
time to converge. Scores are accuracy and R², with the standard error of the mean over folds. Seconds are those of the first fit,
in which programs are compiled (nothing is kept between processes here), and the median of the others.

    python benchmarks/estimators.py [--only DATA …] [--write]     (--write puts the table into docs/estimators.md)
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC"):
    os.environ.setdefault(_name, "1")  # before NumPy: one thread for every method
os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)
os.environ["TICKETLAB_CACHE"] = "off"

import numpy as np
from sklearn import datasets
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ticketlab import TangentClassifier, TangentRegressor

DATA = ("diabetes", "iris", "wine", "breast_cancer", "digits")
PAGE = Path(__file__).parents[1] / "docs" / "estimators.md"
BEGIN, END = "<!-- the table of benchmarks/estimators.py -->", "<!-- end of the table -->"
POWERS = [10.0**i for i in range(-3, 4)]


def machines(features: int, classes: bool) -> dict[str, BaseEstimator]:
    gammas = [1 / features / 4, 1 / features]
    if classes:
        return {
            "logistic regression": GridSearchCV(LogisticRegression(max_iter=3000), {"C": POWERS}, cv=3),
            "support vectors, RBF": GridSearchCV(SVC(), {"C": [1, 10, 100], "gamma": gammas}, cv=3),
            "trained MLP": MLPClassifier(max_iter=1000, random_state=0),
            "tangent, defaults": TangentClassifier(random_state=0),
        }
    grid = {"alpha": [0.01, 0.1, 1.0, 10.0], "gamma": [*gammas, 1 / features / 16]}
    return {
        "ridge": RidgeCV(POWERS),
        "kernel ridge, RBF": GridSearchCV(KernelRidge(kernel="rbf"), grid, cv=3),
        "trained MLP": MLPRegressor(max_iter=1000, random_state=0),
        "tangent, defaults": TangentRegressor(random_state=0),
    }


def measured(name: str, machine: BaseEstimator, x: np.ndarray, y: np.ndarray) -> dict[str, list[float]]:
    """Scores and seconds on each fold. Targets of a regression are standardised, as the MLP and kernel ridge need it."""
    classes = is_classifier(machine)
    folds = (StratifiedKFold if classes else KFold)(10, shuffle=True, random_state=0)
    scores, seconds = [], []
    for train, test in folds.split(x, y):
        mean, unit = (0, 1) if classes else (y[train].mean(), y[train].std())
        pipeline = make_pipeline(StandardScaler(), clone(machine))
        begin = time.perf_counter()
        pipeline.fit(x[train], (y[train] - mean) / unit if not classes else y[train])
        seconds.append(time.perf_counter() - begin)
        scores.append(pipeline.score(x[test], (y[test] - mean) / unit if not classes else y[test]))
        print(f"{name}: {scores[-1]:.3f}, {seconds[-1]:.2f} s", flush=True)
    return {"scores": scores, "seconds": seconds}


def table(found: dict[str, dict[str, dict[str, list[float]]]]) -> str:
    lines = ["| data | machine | score | first fit | another |", "|---|---|---|---|---|"]
    for data, by_machine in found.items():
        metric = "R²" if data == "diabetes" else "accuracy"
        for machine, each in by_machine.items():
            scores, seconds = np.array(each["scores"]), each["seconds"]
            error = scores.std(ddof=1) / np.sqrt(len(scores))
            times = f"{seconds[0]:.2g} s | {np.median(seconds[1:]):.2g} s"
            lines.append(f"| {data}, {metric} | {machine} | {scores.mean():.3f} ± {error:.3f} | {times} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=list(DATA))
    parser.add_argument(
        "--kept", type=Path, default=None, help="a file for results, so that data sets can run one by one"
    )
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    kept = options.kept
    found = json.loads(kept.read_text()) if kept and kept.exists() else {}
    for name in options.only:
        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        found[name] = {
            title: measured(f"{name}, {title}", machine, x, y)
            for title, machine in machines(x.shape[1], name != "diabetes").items()
        }
        if kept:
            kept.write_text(json.dumps(found))
    text = table({name: found[name] for name in DATA if name in found})
    print(text)
    if options.write:
        before, rest = PAGE.read_text().split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
