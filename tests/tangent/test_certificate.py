"""The certificate says what NumPy finds when it computes both objectives again, and its gap is never negative."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from tangent_reference import (
    NETWORKS,
    Model,
    explicit_of,
    flattened,
    params_of,
    softmax_conjugate,
    softmax_model,
    split_of,
    square_conjugate,
    square_model,
)

from ticketlab.tangent import (
    MINIMUM_NORM,
    Absolute,
    Certificate,
    DenseDual,
    DensePrimal,
    NewtonOptions,
    Result,
    Solution,
    ridge_path,
)
from ticketlab.tasks import SOFTMAX_CROSS_ENTROPY, SQUARE, ConvexLoss

RUNGS = {"eigen": DenseDual("eigen"), "iterative": DenseDual("iterative", rank=12), "primal": DensePrimal()}
RIDGES = (Absolute(1e-3), Absolute(0.1), Absolute(10.0))
LOSSES = {
    "square": (SQUARE, square_model, square_conjugate),
    "cross-entropy": (SOFTMAX_CROSS_ENTROPY, softmax_model, softmax_conjugate),
}


def rough(
    loss: ConvexLoss, rung: str, name: str = "mlp", tolerance: float = 0.05, n: int = 9
) -> list[Solution]:
    """Stopped early, to leave a measurable gap (impossible for a direct solver of the square loss)."""
    return ridge_path(
        NETWORKS[name],
        params_of(name),
        split_of(name, n),
        loss=loss,
        ridges=RIDGES,
        centred=(False, True),
        rung=RUNGS[rung],
        options=NewtonOptions(tolerance=tolerance),
    )


def objectives(
    name: str, solution: Solution, model: Model, conjugate: Callable[[np.ndarray, np.ndarray], float]
) -> tuple[float, float, float]:
    """P(Δ), D(v) at v = ∇ℓ, and ‖∇P(Δ)‖/‖∇P(0)‖, from J written down and nothing else."""
    (f0, j), y, ridge = explicit_of(name), split_of(name).targets.astype(float), solution.ridge
    offset, delta = f0 if solution.keeps_offset else np.zeros_like(f0), flattened(solution.delta)
    value, v, _ = model(offset + (j @ delta).reshape(f0.shape), y)
    start = j.T @ model(offset, y)[1].ravel()
    pulled = j.T @ v.ravel()
    primal = value + 0.5 * ridge * delta @ delta
    dual = np.vdot(v, offset) - conjugate(v, y) - pulled @ pulled / (2 * ridge)
    return primal, float(dual), float(np.linalg.norm(pulled + ridge * delta) / np.linalg.norm(start))


@pytest.mark.parametrize("name", ["mlp", "lenet-ntk"])
@pytest.mark.parametrize("rung", list(RUNGS))
@pytest.mark.parametrize("loss", list(LOSSES))
def test_says_what_numpy_finds(loss: str, rung: str, name: str) -> None:
    problem, model, conjugate = LOSSES[loss]
    for solution in rough(problem, rung, name):
        c = solution.certificate
        primal, dual, residual = objectives(name, solution, model, conjugate)
        assert c.primal == pytest.approx(primal, rel=1e-10)
        assert c.dual == pytest.approx(dual, rel=1e-9, abs=1e-10 * primal)
        assert c.duality_gap == pytest.approx((primal - dual) / primal, rel=1e-6, abs=1e-11)
        assert c.relative_residual == pytest.approx(residual, rel=1e-6, abs=1e-12)
        assert c.duality_gap >= 0
        assert c.met == (c.duality_gap <= c.tolerance)


def test_a_rough_gap_is_there_to_be_seen() -> None:
    """Otherwise the test above would compare zeros."""
    assert max(s.certificate.duality_gap for s in rough(SOFTMAX_CROSS_ENTROPY, "iterative")) > 1e-4
    assert max(s.certificate.duality_gap for s in rough(SQUARE, "iterative")) > 1e-4


@pytest.mark.parametrize("rung", list(RUNGS))
@pytest.mark.parametrize("loss", list(LOSSES))
def test_the_gap_shrinks_to_the_tolerance(loss: str, rung: str) -> None:
    problem = LOSSES[loss][0]
    for tolerance in (1e-2, 1e-6, 1e-12):
        found = [s.certificate for s in rough(problem, rung, tolerance=tolerance)]
        assert all(0 <= c.duality_gap <= tolerance for c in found)
        assert all(c.tolerance == tolerance and c.met for c in found)


def test_the_gap_bounds_the_distance_to_the_minimum() -> None:
    """½λ‖Δ − Δ*‖² ≤ P(Δ) − P(Δ*) ≤ gap."""
    exact = rough(SOFTMAX_CROSS_ENTROPY, "iterative", tolerance=1e-14)
    for near, best in zip(rough(SOFTMAX_CROSS_ENTROPY, "iterative"), exact, strict=True):
        gap = near.certificate.duality_gap * near.certificate.primal
        excess = near.certificate.primal - best.certificate.primal
        distance = np.sum((flattened(near.delta) - flattened(best.delta)) ** 2)
        assert -1e-10 <= excess <= gap + 1e-12
        assert 0.5 * near.ridge * distance <= excess + 1e-10


@pytest.mark.parametrize("rung", list(RUNGS))
def test_the_minimum_norm_limit_has_a_gradient_instead_of_a_gap(rung: str) -> None:
    kept, centred = ridge_path(
        NETWORKS["mlp"],
        params_of("mlp"),
        split_of("mlp"),
        ridges=(MINIMUM_NORM,),
        centred=(False, True),
        rung=RUNGS[rung],
    )
    for solution in (kept, centred):
        c = solution.certificate
        assert math.isnan(c.dual)
        assert c.met
        assert c.duality_gap == c.relative_residual <= 1e-8
        assert c.primal < 1e-12  # 27 rows and 83 parameters: the data are fitted


@pytest.mark.parametrize("examples", [9, 30], ids=["fewer rows", "fewer columns"])
@pytest.mark.parametrize("rung", list(RUNGS))
@pytest.mark.parametrize("loss", list(LOSSES))
def test_condition_is_that_of_the_kernel_with_its_ridge(loss: str, rung: str, examples: int) -> None:
    """Exactly from an eigendecomposition, else from below; 27 and 90 rows and 83 columns."""
    _, j = explicit_of("mlp", examples)
    values = np.linalg.eigvalsh(j @ j.T)
    smallest = values[0] if examples == 9 else 0.0
    exact = rung == "eigen" or (rung == "primal" and loss == "square")
    for solution in rough(LOSSES[loss][0], rung, n=examples):
        expected = (values[-1] + solution.ridge) / (smallest + solution.ridge)
        assert 0.3 * expected < solution.certificate.condition <= expected * (1 + 1e-6)
        if exact:
            assert solution.certificate.condition == pytest.approx(expected, rel=1e-6)


def certificate(result: Result, dual: float = 1.0) -> Certificate:
    return Certificate(
        result=result,
        tolerance=1e-8,
        primal=1.0,
        dual=dual,
        duality_gap=2e-5,
        relative_residual=3e-4,
        condition=10.0,
        steps=3,
        iterations=30,
    )


def test_messages_say_what_was_reached_and_what_to_change() -> None:
    assert certificate(Result.MET).message() == (
        "The minimum was reached (relative duality gap 2.0e-05, tolerance 1e-08)."
    )
    missed = certificate(Result.MISSED).message()
    assert "relative duality gap 2.0e-05, tolerance 1e-08, relative residual 3.0e-04" in missed
    assert "a larger ridge, more steps or a larger tolerance" in missed
    assert "a small ridge instead" in certificate(Result.MISSED, dual=math.nan).message()
    assert certificate(Result.MET).met
    assert not certificate(Result.MISSED).met
