"""The other losses, and the user's own: their curvature jumps, or vanishes, or does both, and the minimum is SciPy's."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import xlogy
from tangent_reference import flattened, huber_model, logistic_model, split_of, squared_hinge_model
from tangent_solves import ENTROPY_RIDGES, RUNGS, TIGHT, each_rung, errors, minimum, solved

from ticketlab.tangent import MatrixFree, NewtonOptions
from ticketlab.tangent.ladder import Rung
from ticketlab.tasks import LOGISTIC, SOFTMAX_CROSS_ENTROPY, SQUARED_HINGE, ConvexLoss, huber

LOSSES = {
    "logistic": (LOGISTIC, logistic_model),
    "squared hinge": (SQUARED_HINGE, squared_hinge_model),
    "Huber": (huber(0.5), huber_model(0.5)),
    "narrow Huber": (
        huber(0.05),
        huber_model(0.05),
    ),  # nearly all examples outside: the curvature is zero there
}
CASES = [("mlp", rung, which) for rung in RUNGS for which in LOSSES]
CASES += [("lenet-ntk", "iterative", "squared hinge"), ("lenet-ntk", "iterative", "narrow Huber")]


@pytest.mark.parametrize(("name", "rung", "which"), CASES)
def test_every_loss_is_scipys_minimum(name: str, rung: str, which: str) -> None:
    loss, model = LOSSES[which]
    solutions = solved(name, loss, rung, ENTROPY_RIDGES)
    for solution, error in zip(solutions, errors(name, solutions, model), strict=True):
        certificate = solution.certificate
        assert certificate.met
        # ‖Δ − Δ*‖ ≤ √(2 gap/λ): at large ridges, where the objective hardly depends on Δ, that is more than rounding.
        bound = np.sqrt(2 * TIGHT.tolerance * certificate.primal / solution.ridge)
        assert error <= 1e-6 + bound / np.linalg.norm(flattened(solution.delta))
        # The gap by subtraction is the gap as a sum of squares, to rounding in the two objectives.
        assert certificate.primal - certificate.dual == pytest.approx(0, abs=1e-12 * certificate.primal)


@pytest.mark.parametrize("which", list(LOSSES))
@pytest.mark.parametrize("rung", ["eigen", "primal"])
def test_the_gap_of_an_unfinished_solve_is_primal_minus_dual(rung: str, which: str) -> None:
    """Also far from the minimum, ‖∇P‖²/2λ equals the difference of the two objectives and bounds the remaining error."""
    loss, _ = LOSSES[which]
    rough = minimum(
        loss=loss, ridge=ENTROPY_RIDGES[0], rung=RUNGS[rung], options=NewtonOptions(steps=1, tolerance=1e-12)
    ).certificate
    best = solved("mlp", loss, rung, ENTROPY_RIDGES)[0].certificate
    assert np.isfinite(rough.dual)
    assert rough.duality_gap * rough.primal == pytest.approx(rough.primal - rough.dual, rel=1e-6, abs=1e-12)
    assert rough.dual <= best.primal * (1 + 1e-12)
    assert best.primal <= rough.primal * (1 + 1e-12)


def _log_cosh_value(outputs: jax.Array, y: jax.Array) -> jax.Array:
    d = outputs - y
    return jnp.sum(jnp.logaddexp(d, -d) - jnp.log(2.0), axis=-1)


def _log_cosh_conjugate(v: jax.Array, y: jax.Array) -> jax.Array:
    up, down = (1 + v) / 2, (1 - v) / 2  # the entropy of a coin again: log 2 cosh d = log(eᵈ + e⁻ᵈ)
    inside = jnp.max(jnp.abs(v), axis=-1) <= 1
    entropy = xlogy(up, up) + xlogy(down, down) + jnp.log(2.0)
    return jnp.where(inside, jnp.sum(entropy + v * y, axis=-1), jnp.inf)


def _log_cosh_model(outputs: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    d = outputs - y
    curvature = (1 / np.cosh(d) ** 2)[:, :, None] * np.eye(d.shape[1])
    return float(np.sum(np.log(np.cosh(d)))), np.tanh(d), curvature


LOG_COSH = ConvexLoss("log cosh", _log_cosh_value, _log_cosh_conjugate)


@each_rung
def test_the_users_own_loss(rung: str) -> None:
    solutions = solved("mlp", LOG_COSH, rung, ENTROPY_RIDGES)
    assert errors("mlp", solutions, _log_cosh_model).max() < 1e-6
    for certificate in (s.certificate for s in solutions):
        assert certificate.met
        assert certificate.dual <= certificate.primal * (1 + 1e-12)
        assert certificate.primal - certificate.dual <= 1e-11 * certificate.primal


NEGATIVE = ConvexLoss(
    "log cosh below zero",
    lambda outputs, y: _log_cosh_value(outputs, y) - 9,
    lambda v, y: _log_cosh_conjugate(v, y) + 9,
)


@pytest.mark.parametrize("rung", [*RUNGS.values(), MatrixFree()], ids=[*RUNGS, "matrix-free"])
def test_a_loss_may_be_negative(rung: Rung) -> None:
    """As minus a log-density is: the gap is relative to the size of the objective."""
    ridge = ENTROPY_RIDGES[1]
    mine, shifted = (minimum(loss=loss, ridge=ridge, rung=rung) for loss in (LOG_COSH, NEGATIVE))
    assert errors("mlp", [shifted], _log_cosh_model).max() < 1e-3
    certificate = shifted.certificate
    assert certificate.primal == pytest.approx(mine.certificate.primal - 81, rel=1e-6)
    assert certificate.met
    assert 0 <= certificate.duality_gap <= certificate.tolerance
    unfinished = minimum(loss=NEGATIVE, ridge=ridge, rung=rung, options=NewtonOptions(steps=0)).certificate
    assert not unfinished.met
    assert unfinished.primal - unfinished.dual == pytest.approx(
        -unfinished.duality_gap * unfinished.primal, rel=1e-6
    )


def test_soft_labels_need_to_sum_to_one_only_in_single_precision() -> None:
    """A float32 distribution is normalised, so that the conjugate's domain is met in float64."""
    split = split_of("mlp")
    soft = np.random.default_rng(0).dirichlet(np.ones(3), size=9).astype(np.float32)
    assert not np.all(soft.astype(float).sum(axis=1) == 1)
    solution = minimum(
        replace(split, targets=soft, labels=None), loss=SOFTMAX_CROSS_ENTROPY, rung=RUNGS["eigen"]
    )
    assert np.isfinite(solution.certificate.dual)
    assert solution.certificate.primal - solution.certificate.dual <= 1e-8 * solution.certificate.primal
