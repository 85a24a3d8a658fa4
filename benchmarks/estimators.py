"""The tangent estimators with their defaults against scikit-learn's machines with theirs: the table of docs/estimators.md.

Ten folds, the same for all, shuffled (seed 0) and stratified for classes. Inputs, and the targets of a regression, are
standardised on the training part, for every machine. Scores are accuracy and R², with the standard error of the mean over folds.
Times are of fits alone, with the choice of the ridge: the first of a process, in which programs are compiled (nothing is kept
between processes here), and the median of later ones. One processor. Results are kept in a file fold by fold, so that a run
can be continued.

    python benchmarks/estimators.py [--only DATA …] [--kept FILE] [--seconds 150] [--write]     (--write: into docs/estimators.md)
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC"):
    os.environ.setdefault(_name, "1")  # before NumPy: one thread for every method
os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)
os.environ["TICKETLAB_CACHE"] = "off"

import numpy as np
from sklearn import datasets
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from ticketlab import TangentClassifier, TangentRegressor

DATA = ("diabetes", "iris", "wine", "breast_cancer", "digits")
FOLDS = 10
PAGE = Path(__file__).parents[1] / "docs" / "estimators.md"
BEGIN, END = "<!-- the table of benchmarks/estimators.py -->", "<!-- end of the table -->"
CLASSIFIERS = {
    "logistic regression": LogisticRegression,
    "support vectors, RBF": SVC,
    "trained MLP": MLPClassifier,
    "tangent": TangentClassifier,
}
REGRESSORS = {
    "ridge": Ridge,
    "support vectors, RBF": SVR,
    "trained MLP": MLPRegressor,
    "tangent": TangentRegressor,
}


def machine(kind: type) -> BaseEstimator:
    """With defaults, and a seed where there is one."""
    return kind(random_state=0) if "random_state" in kind().get_params() else kind()


def scored(kind: type, x: np.ndarray, y: np.ndarray, fold: int) -> tuple[float, float]:
    """The score on a fold, and the seconds of the fit."""
    classes = kind in CLASSIFIERS.values()
    folds = (StratifiedKFold if classes else KFold)(FOLDS, shuffle=True, random_state=0)
    train, test = list(folds.split(x, y))[fold]
    scaler = StandardScaler().fit(x[train])
    mean, unit = (0, 1) if classes else (y[train].mean(), y[train].std())
    target = y if classes else (y - mean) / unit
    made, begin = machine(kind), time.perf_counter()
    made.fit(scaler.transform(x[train]), target[train])
    seconds = time.perf_counter() - begin
    return float(made.score(scaler.transform(x[test]), target[test])), seconds


def table(found: dict[str, dict[str, list[dict[str, float]]]]) -> str:
    """A row for each machine and data set; `*`: within one standard error of the best mean."""
    lines = ["| data | machine | score | first fit | later fits |", "|---|---|---|---|---|"]
    for data, machines in found.items():
        metric = "R²" if data == "diabetes" else "accuracy"
        means = {name: float(np.mean([each["score"] for each in folds])) for name, folds in machines.items()}
        for name, folds in machines.items():
            scores = np.array([each["score"] for each in folds])
            error = scores.std(ddof=1) / np.sqrt(len(scores))
            near = " *" if means[name] >= max(means.values()) - error else ""
            first = [each["seconds"] for each in folds if each["first"]]
            later = [each["seconds"] for each in folds if not each["first"]]
            times = " | ".join(
                f"{_rounded(float(np.median(each)))} s" if each else "–" for each in (first, later)
            )
            lines.append(f"| {data}, {metric} | {name} | {means[name]:.3f} ± {error:.3f}{near} | {times} |")
    return "\n".join(lines)


def _rounded(seconds: float) -> str:
    """To two digits, and never as a power of ten."""
    return f"{seconds:.2g}" if seconds < 100 else f"{round(seconds, -1):.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=list(DATA), choices=DATA)
    parser.add_argument("--kept", type=Path, help="a file for results; a run continues from it")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no fit after this time")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # from MLPs that were still learning
    kept, begin = options.kept, time.perf_counter()
    found = json.loads(kept.read_text()) if kept and kept.exists() else {}
    for name in options.only:
        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        for title, kind in (REGRESSORS if name == "diabetes" else CLASSIFIERS).items():
            folds, first = found.setdefault(name, {}).setdefault(title, []), True
            while len(folds) < FOLDS:
                if time.perf_counter() - begin > options.seconds:
                    sys.exit(f"stopped before {name}, {title}, fold {len(folds)}")
                score, seconds = scored(kind, x, y, len(folds))
                folds.append({"score": score, "seconds": seconds, "first": first})
                first = False
                print(f"{name}, {title}, fold {len(folds) - 1}: {score:.3f}, {seconds:.2f} s", flush=True)
                if kept:
                    kept.write_text(json.dumps(found))
    text = table({name: found[name] for name in DATA if name in found})
    print(text)
    if options.write:
        before, rest = PAGE.read_text().split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
