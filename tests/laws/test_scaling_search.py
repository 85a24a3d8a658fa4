"""The search for exponents: closed forms against a general solver, and ends against all ends."""

import numpy as np
import pytest
from scipy.optimize import nnls

from ticketlab.laws.scaling.search import best_ends, least, least_squares

SIZES = np.geomspace(1e3, 1e6, 7)
BOUNDS = np.array([3e3, 6e5])


@pytest.mark.parametrize("k", [1, 2])
def test_the_closed_form_is_that_of_a_general_solver(k) -> None:
    """Where all coefficients are positive, where one or all are zero, and where columns are parallel."""
    rng = np.random.default_rng(0)
    columns, target = rng.standard_normal((300, 6, k)), rng.standard_normal((300, 6))
    columns[:20, :, -1] = 2 * columns[:20, :, 0]
    found = least_squares(columns, target)
    assert found == pytest.approx(
        [nnls(c, t)[1] ** 2 for c, t in zip(columns, target, strict=True)], rel=1e-9
    )


@pytest.mark.parametrize("law", ["ended early", "ended late", "goes on", "rises", "noise"])
def test_the_best_end_is_no_worse_than_any_other(law) -> None:
    rng = np.random.default_rng(1)
    true = {
        "ended early": 1 + 20 * np.minimum(SIZES, 6e3) ** -0.4,
        "ended late": 1 + 20 * np.minimum(SIZES, 4e5) ** -0.4,
        "goes on": 1 + 20 * SIZES**-0.4,
        "rises": 1 + 1e-3 * SIZES**0.5,
        "noise": np.ones(7),
    }[law]
    losses = true * np.exp(0.01 * rng.standard_normal((5, 7)))
    weights, target = 100 / losses, np.full((5, 7), 100.0)
    alpha = np.array([0.05, 0.3, 0.4, 1.5])
    ends, misfits = best_ends(SIZES, BOUNDS, weights, target, np.tile(alpha, (5, 1)))
    assert np.all((ends >= BOUNDS[0]) & (ends <= BOUNDS[1]))

    def misfit(end, a, i):
        falling = np.minimum(SIZES, end) ** -a
        return nnls(np.stack([np.ones(7), falling], axis=1) * weights[i, :, None], target[i])[1] ** 2

    for i in range(5):
        for j, a in enumerate(alpha):
            tried = min(misfit(end, a, i) for end in np.geomspace(*BOUNDS, 400))
            assert misfits[i, j] <= tried * (1 + 1e-9)
            assert misfit(ends[i, j], a, i) == pytest.approx(misfits[i, j], rel=1e-8)


def test_every_function_is_searched_between_its_own_bounds() -> None:
    at = np.array([0.2, -1.3, 5.0])
    found = least(lambda z: (z - at[:, None]) ** 2, np.array([0.0, -2.0, 0.0]), np.array([1.0, 0.0, 4.0]))
    assert found == pytest.approx([0.2, -1.3, 4.0], abs=1e-7)
