"""The rung that the ladder chooses against the other dense one, over a grid of problems: examples, outputs, parameters, loss.

Both rungs solve every problem, once to compile and then again; the shorter of two timed solves counts. The chosen rung goes
first, and the other is stopped after three times its time. Prints a line a problem: the seconds predicted and taken by each rung,
the choice, and how much slower it is than the better one. Ends with the worst ratio, and with exit code 1 if it is above 1.5.

    python benchmarks/ladder.py [--only NUMBER …] [--kept FILE] [--seconds 100] [--write]    (--write: into docs/tangent-space.md)
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC"):
    os.environ.setdefault(_name, "1")  # before NumPy: the rates of the ladder are those of one processor

import jax
import numpy as np

from ticketlab.networks import MLP
from ticketlab.tangent import Automatic, DenseDual, DensePrimal, Jacobian, Relative, ridge_path
from ticketlab.tangent.ladder import choose_rung
from ticketlab.tasks import SOFTMAX_CROSS_ENTROPY, SQUARE, ConvexLoss
from ticketlab.tasks.task import Split

FEATURES, LIMIT, PATIENCE, COMPILING = 10, 1.5, 3.0, 15.0
SIZES = [
    (60, 2),
    (100, 10),
    (80, 40),
    (400, 3),
    (250, 10),
    (800, 2),
    (600, 5),
    (2000, 1),
    (1500, 2),
    (500, 1),
]
WIDTHS = [(8,), (64, 16)]
LOSSES = (SQUARE, SOFTMAX_CROSS_ENTROPY)
PAGE = Path(__file__).parents[1] / "docs" / "tangent-space.md"
BEGIN, END = "<!-- the table of benchmarks/ladder.py -->", "<!-- end of the table -->"
HEADER = "| # | examples | outputs | parameters | loss | dual: predicted, taken | primal: predicted, taken | chosen | ratio |"


def problems() -> list[tuple[int, int, tuple[int, ...], ConvexLoss]]:
    """(examples, outputs, widths, loss); softmax needs two outputs."""
    return [
        (n, max(k, 2) if loss is not SQUARE else k, w, loss)
        for (n, k), w, loss in product(SIZES, WIDTHS, LOSSES)
    ]


def data(n: int, k: int) -> Split:
    """Classes around centres, as one-hot rows, or noise around a line for one output."""
    draw = np.random.default_rng(n + k)
    labels = np.arange(n) % max(k, 2)
    x = (draw.normal(size=(max(k, 2), FEATURES)) * 2)[labels] + draw.normal(size=(n, FEATURES))
    y = np.eye(k)[labels] if k > 1 else x[:, :1] / 3
    return Split(x, y, np.arange(n))


class _Late(Exception):
    pass


def within(limit: float, solve: Callable[[], Any]) -> float:
    """Seconds of a call; infinite if it is stopped at the limit."""

    def late(*_: Any) -> None:
        raise _Late

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, min(limit, 1e6))
    begin = time.perf_counter()
    try:
        solve()
        return time.perf_counter() - begin
    except _Late:
        return float("inf")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def compared(n: int, k: int, widths: tuple[int, ...], loss: ConvexLoss) -> dict[str, Any]:
    """The choice, and what each rung was predicted to take and took."""
    jacobian = posed(n, k, widths)
    split, network, params = data(n, k), jacobian.network, jacobian.params
    chosen = type(choose_rung(jacobian, Automatic(), quadratic=loss.quadratic).rung)
    rungs = [DenseDual(), DensePrimal()] if chosen is DenseDual else [DensePrimal(), DenseDual()]
    best, taken, parts = float("inf"), {}, {}
    for rung in rungs:
        name = type(rung).__name__

        def solve(rung: Any = rung, name: str = name) -> None:
            (found,) = ridge_path(
                network,
                params,
                split,
                loss=loss,
                ridges=(Relative(1e-2),),
                centred=(True,),
                rung=rung,
                common=True,
            )
            s = found.stats
            parts[name] = [
                s.kernel_seconds,
                s.factor_seconds,
                s.solve_seconds,
                s.certificate_seconds,
                found.certificate.steps,
            ]

        within(PATIENCE * best + COMPILING, solve)
        taken[name] = within(PATIENCE * best, solve)
        if taken[name] < PATIENCE * best:
            taken[name] = min(taken[name], within(PATIENCE * best, solve))
        best = min(best, taken[name])
    return {"taken": taken, "parts": parts}


def posed(n: int, k: int, widths: tuple[int, ...]) -> Jacobian:
    network = MLP(widths).build((FEATURES,), k)
    return Jacobian(network, network.init(jax.random.key(0)), data(n, k).x, dtype=np.float64)


def judged(i: int, measured: dict[str, Any]) -> dict[str, Any]:
    """With the predictions and the choice."""
    n, k, widths, loss = problems()[i]
    jacobian = posed(n, k, widths)

    def choice(rung: Any) -> Any:
        return choose_rung(jacobian, rung, quadratic=loss.quadratic)

    predicted = {type(rung).__name__: choice(rung).seconds for rung in (DenseDual(), DensePrimal())}
    chosen = type(choice(Automatic()).rung).__name__
    return {**measured, "parameters": jacobian.columns, "predicted": predicted, "chosen": chosen}


def line(i: int, found: dict[str, Any]) -> str:
    n, k, _, loss = problems()[i]
    taken = {name: f"{s:.2g}" if np.isfinite(s) else "stopped" for name, s in found["taken"].items()}
    both = " | ".join(
        f"{found['predicted'][name]:.2g}, {taken[name]}" for name in ("DenseDual", "DensePrimal")
    )
    words = {"DenseDual": "dual", "DensePrimal": "primal"}[found["chosen"]]
    return (
        f"| {i} | {n} | {k} | {found['parameters']} | {loss.name} | {both} | {words} | {ratio(found):.2f} |"
    )


def ratio(found: dict[str, Any]) -> float:
    return found["taken"][found["chosen"]] / min(found["taken"].values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", type=int)
    parser.add_argument("--kept", type=Path, help="a file for results; a run continues from it")
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), help="begin no problem after this time"
    )
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    kept, begin = options.kept, time.perf_counter()
    found = (
        {int(i): each for i, each in json.loads(kept.read_text()).items()} if kept and kept.exists() else {}
    )
    found = {i: judged(i, each) for i, each in found.items()}
    for i, problem in enumerate(problems()):
        measured = i in found and np.isfinite(ratio(found[i]))  # else the choice is another one now
        if measured or (options.only and i not in options.only):
            continue
        if time.perf_counter() - begin > options.seconds:
            break
        found[i] = judged(i, compared(*problem))
        print(line(i, found[i]), found[i]["parts"], flush=True)
        if kept:
            kept.write_text(json.dumps(found))
    worst = max(map(ratio, found.values()))
    text = "\n".join([HEADER, "|---" * 9 + "|", *(line(i, found[i]) for i in sorted(found))])
    print(f"{text}\n\n{len(found)} of {len(problems())} problems, worst ratio: {worst:.2f}")
    if options.write:
        before, rest = PAGE.read_text().split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
