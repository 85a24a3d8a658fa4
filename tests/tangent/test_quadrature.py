"""Traces of functions of K, with their error bars, against NumPy's eigenvalues."""

import numpy as np
import pytest
from tangent_reference import NETWORKS, explicit_of, params_of, split_of

from ticketlab.errors import UserError
from ticketlab.tangent import Jacobian, kernel_spectrum


def symmetric(values: np.ndarray, seed: int = 0) -> np.ndarray:
    basis = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values),) * 2))[0]
    return (basis * values) @ basis.T


def look(matrix: np.ndarray, shape: tuple[int, int], **options):
    return kernel_spectrum(
        lambda u: (np.asarray(u).reshape(1, -1) @ matrix).reshape(1, *shape), shape, seed=4, **options
    )


VALUES = np.geomspace(1e-3, 100, 120)
FUNCTIONS = {
    "trace": lambda k: k,
    "effective dimension": lambda k: k / (k + 0.5),
    "square": lambda k: k**2,
    "logarithm": lambda k: np.log1p(k),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_estimates_are_right_within_their_error_bars(name) -> None:
    found = look(symmetric(VALUES), (40, 3), probes=40).trace(FUNCTIONS[name])
    expected = FUNCTIONS[name](VALUES).sum()
    assert 0 < found.standard_error < 0.1 * expected
    assert abs(found.value - expected) < 4 * found.standard_error


def test_error_bars_are_those_of_repetitions() -> None:
    """The spread of estimates over 60 seeds agrees with the standard error of a single estimate."""
    matrix = symmetric(VALUES[::3])
    each = [
        kernel_spectrum(
            lambda u: (np.asarray(u).reshape(1, -1) @ matrix).reshape(1, 20, 2),
            (20, 2),
            probes=6,
            steps=30,
            seed=seed,
        ).effective_dimension(0.5)
        for seed in range(60)
    ]
    apart = np.std([e.value for e in each], ddof=1)
    assert np.sqrt(np.mean([e.standard_error**2 for e in each])) == pytest.approx(apart, rel=0.3)


def test_the_tangent_kernel_of_a_network() -> None:
    _, j = explicit_of("mlp")
    values = np.linalg.eigvalsh(j @ j.T)
    jacobian = Jacobian(NETWORKS["mlp"], params_of("mlp"), split_of("mlp").x, dtype=np.float64)
    found = kernel_spectrum(jacobian.gram, (9, 3), probes=12, steps=27, seed=0)
    ridge = 0.1 * values.mean()
    for estimate, expected in (
        (found.effective_dimension(ridge), np.sum(values / (values + ridge))),
        (found.mean, values.mean()),
        (found.count_above(values.mean()), np.sum(values > values.mean())),
    ):
        assert abs(estimate.value - expected) < 4 * estimate.standard_error + 1e-9
    assert found.largest == pytest.approx(values[-1], rel=1e-6)
    assert found.condition(ridge) == pytest.approx((values[-1] + ridge) / (values[0] + ridge), rel=1e-3)


def test_a_multiple_of_the_identity_has_no_error() -> None:
    found = look(3.0 * np.eye(12), (12, 1), probes=3)
    assert found.effective_dimension(1.0).value == pytest.approx(9.0)
    assert found.effective_dimension(1.0).standard_error == pytest.approx(0, abs=1e-12)
    assert found.condition(0.0) == pytest.approx(1.0)
    assert found.trace(np.log).value == pytest.approx(12 * np.log(3))  # no step but the first has a node


def test_one_probe_knows_nothing_of_its_error() -> None:
    assert np.isnan(look(symmetric(VALUES), (40, 3), probes=1).mean.standard_error)


def test_mistakes() -> None:
    with pytest.raises(UserError, match="at least 1"):
        look(np.eye(4), (4, 1), probes=0)
    with pytest.raises(UserError, match="above 0"):
        look(np.eye(4), (4, 1)).effective_dimension(0.0)
