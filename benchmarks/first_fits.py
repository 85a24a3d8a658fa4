"""What the first fits of a process cost: imports, compiling, programs from disk, other shapes, the choice of a ridge, a search.

Two processes, one after the other, with the same empty folder for compiled programs: the first compiles, the second finds them.
Each measures CPU seconds (and the seconds that passed) on one processor. Prints the table of docs/estimators.md.

    python benchmarks/first_fits.py [--classes 50] [--write]      (--classes: also 3 examples of each of so many classes)
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "estimators.md"
BEGIN, END = "<!-- the table of benchmarks/first_fits.py -->", "<!-- end of first fits -->"


def measured(classes: int) -> dict[str, tuple[float, float]]:
    """CPU and passed seconds of each step of this process."""
    found: dict[str, tuple[float, float]] = {}

    def step(name: str, call: Callable[[], Any]) -> Any:
        begin, passed = time.process_time(), time.perf_counter()
        result = call()
        found[name] = (time.process_time() - begin, time.perf_counter() - passed)
        return result

    def libraries() -> None:
        for name in ("jax", "sklearn.datasets", "sklearn.model_selection", "sklearn.preprocessing"):
            importlib.import_module(name)

    step("importing scikit-learn and JAX", libraries)
    step("importing the estimators", lambda: importlib.import_module("ticketlab.estimators.classifier"))
    import numpy as np
    from sklearn.datasets import load_iris, load_wine
    from sklearn.model_selection import GridSearchCV
    from sklearn.preprocessing import StandardScaler

    from ticketlab import TangentClassifier
    from ticketlab.networks import MLP

    def fit(x: np.ndarray, y: np.ndarray, **options: Any) -> TangentClassifier:
        return TangentClassifier(random_state=0, **options).fit(x, y)

    x, y = load_wine(return_X_y=True)
    x = StandardScaler().fit_transform(x)
    whole = step("the first fit: wine", lambda: fit(x, y))
    step("the same again", lambda: fit(x, y))
    step("with its ridge given", lambda: fit(x, y, ridge=whole.ridge_))
    step("every other row", lambda: fit(x[::2], y[::2]))
    step("7 of its 13 features", lambda: fit(x[:, :7], y))
    x, y = load_iris(return_X_y=True)
    x = StandardScaler().fit_transform(x)
    grid = {"ridge": [1e-3, 1e-2, 1e-1], "centred": [True, False]}
    search = GridSearchCV(TangentClassifier(random_state=0), grid, cv=3)
    step("a grid search: iris, 6 candidates, 3 folds", lambda: search.fit(x, y))
    if classes:
        draw = np.random.default_rng(0)
        y = np.arange(3 * classes) % classes
        x = (draw.normal(size=(classes, 20)) * 3)[y] + draw.normal(size=(len(y), 20))
        title = f"{len(y)} examples of {classes} classes, one ridge"
        made = step(title, lambda: fit(x, y, network=MLP(widths=(64,)), ridge=1e-2))
        print(made.solution_.stats.reason, made.certificate_.message(), file=sys.stderr)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, default=0)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.process:
        print(json.dumps(measured(options.classes)))
        return
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC"), "1")
    left_out = ("JAX_", "PYTHONDONTWRITEBYTECODE")  # as in an installed package, modules are kept in bytecode
    others = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    command = [sys.executable, __file__, "--process", f"--classes={options.classes}"]
    with tempfile.TemporaryDirectory() as folder:
        environment = others | one | {"TICKETLAB_CACHE": folder}
        runs = [
            json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout)
            for _ in ("compiles", "finds programs")
        ]
    lines = ["| step | nothing kept | programs kept |", "|---|---|---|"]
    for name in runs[0]:
        lines.append(
            f"| {name} | " + " | ".join("{:.2f} s ({:.2f} s)".format(*run[name]) for run in runs) + " |"
        )
    text = "\n".join(lines)
    print(text)
    if options.write:
        before, rest = PAGE.read_text().split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
