"""What the tests of the minimum share: solves of the small networks, kept, and their errors by the slow reference."""

from functools import cache
from typing import Any

import jax
import numpy as np
import pytest
from tangent_reference import (
    NETWORKS,
    Model,
    explicit_of,
    flattened,
    minimum_norm_step,
    newton_step,
    params_of,
    relative_error,
    ridge_step,
    split_of,
)

from ticketlab.tangent import (
    MINIMUM_NORM,
    Absolute,
    AllParameters,
    DenseDual,
    DensePrimal,
    NewtonOptions,
    Relative,
    Solution,
    minimise,
    ridge_path,
)
from ticketlab.tasks import SOFTMAX_CROSS_ENTROPY, SQUARE, ConvexLoss, Split, Task

RUNGS = {"eigen": DenseDual("eigen"), "iterative": DenseDual("iterative", rank=12), "primal": DensePrimal()}
# The gap bounds the square of the distance: ½λ‖Δ − Δ*‖² ≤ gap.
TIGHT = NewtonOptions(tolerance=1e-14)
# What sums in float64 leave of a gap of zero depends on the processor and its compiler.
ROUNDING = 256 * float(np.finfo(np.float64).eps)
ALL = AllParameters()
SQUARE_RIDGES = (Absolute(1e-4), Relative(0.1), MINIMUM_NORM)
ENTROPY_RIDGES = (Absolute(1e-4), Absolute(0.1), Absolute(100.0))

each_rung = pytest.mark.parametrize("rung", list(RUNGS))
square_and_entropy = pytest.mark.parametrize(
    "loss", [SQUARE, SOFTMAX_CROSS_ENTROPY], ids=lambda loss: loss.name
)


@cache
def solved(
    name: str, loss: ConvexLoss, rung: str, ridges: tuple[Any, ...], selection: Any = ALL
) -> list[Solution]:
    """Six at a time, f₀ kept and centred away, so that programs are compiled for one number of problems."""
    return ridge_path(
        NETWORKS[name],
        params_of(name),
        split_of(name),
        loss=loss,
        ridges=ridges,
        centred=(False, True),
        selection=selection,
        rung=RUNGS[rung],
        options=TIGHT,
    )


def minimum(task: Task | Split | None = None, **options: Any) -> Solution:
    """One minimum of the small MLP, on its own split where no other is given."""
    return minimise(NETWORKS["mlp"], params_of("mlp"), split_of("mlp") if task is None else task, **options)


def kept_columns(name: str, selection: Any) -> np.ndarray:
    whole = zip(jax.tree.leaves(params_of(name)), selection.masks(params_of(name)), strict=True)
    return flattened([np.broadcast_to(np.asarray(mask), leaf.shape) for leaf, mask in whole]).astype(bool)


def errors(name: str, solutions: list[Solution], model: Model | None, selection: Any = ALL) -> np.ndarray:
    """The relative errors of Δθ, by the independent solution; `model` None is the square loss."""
    (f0, j), y = explicit_of(name), split_of(name).targets.astype(float)
    kept = kept_columns(name, selection)
    found = []
    for solution in solutions:
        offset = f0 if solution.keeps_offset else np.zeros_like(f0)
        if model is not None:
            step = newton_step(j[:, kept], offset, y, solution.ridge, model)
        elif solution.ridge > 0:
            step = ridge_step(j[:, kept], y - offset, solution.ridge)
        else:
            step = minimum_norm_step(j[:, kept], y - offset)
        delta = flattened(solution.delta)
        assert not delta[~kept].any()
        found.append(relative_error(delta[kept], step))
    return np.array(found)
