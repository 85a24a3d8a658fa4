"""Distances of parameters, features and functions: their definitions, written out, and their invariances."""

import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.symmetry import (
    disagreement,
    explained,
    layer_cosines,
    linear_cka,
    parameter_distance,
    similarity_index,
)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_distance_and_cosines_are_those_written_out():
    one = {"a": {"weight": np.array([3.0, 0.0])}, "b": {"weight": np.array([[4.0]])}}
    other = {"a": {"weight": np.array([0.0, 3.0])}, "b": {"weight": np.array([[4.0]])}}
    assert parameter_distance(one, other) == pytest.approx(np.sqrt(18) / 5)
    assert parameter_distance(one, one) == 0
    assert layer_cosines(one, other) == {"a": 0.0, "b": 1.0}
    assert np.isnan(
        parameter_distance(one, {"a": {"weight": np.zeros(2)}, "b": {"weight": np.zeros((1, 1))}})
    )


@pytest.mark.parametrize("units", [(5, 8), (60, 70)])
def test_cka_forgets_rotations_scales_and_shifts_and_nothing_else(units):
    a, b = normal(40, units[0], seed=1), normal(40, units[1], seed=2)
    rotation = np.linalg.qr(normal(units[0], units[0], seed=3))[0]
    assert linear_cka(a, 3 * a @ rotation + 7) == pytest.approx(1)
    centring = np.eye(40) - 1 / 40
    k, m = centring @ a @ a.T @ centring, centring @ b @ b.T @ centring
    assert linear_cka(a, b) == pytest.approx(np.sum(k * m) / np.linalg.norm(k) / np.linalg.norm(m))
    assert linear_cka(a, b) < 0.9


def test_functions_are_compared_up_to_scale_and_offsets():
    f = normal(50, 4)
    assert explained(f, 2 * f + np.arange(4) + np.arange(50)[:, None]) == pytest.approx(1)
    assert explained(f, normal(50, 4, seed=1)) < 0.2
    assert disagreement(f, 2 * f + 1) == 0
    assert disagreement(f, -f) > 0.5


def test_the_index_is_one_for_twins_and_zero_for_independent_networks():
    """Distances from a planted law; the interval covers the truth and widens with fewer networks."""
    draw = np.random.default_rng(0)

    def index(nets, distance):
        own = 0.02 * draw.standard_normal(nets)
        independent = 1.0 + own[:, None] + own[None, :] + 0.01 * draw.standard_normal((nets, nets))
        twins = 0.3 + own
        measured = distance + own + 0.01 * draw.standard_normal(nets)
        return similarity_index(measured[:, None], twins, independent, repetitions=100)

    at = {d: index(12, d) for d in (0.3, 0.65, 1.0)}
    assert [at[d].value for d in at] == pytest.approx([1.0, 0.5, 0.0], abs=0.05)
    assert all(s.low < s.value < s.high for s in at.values())
    few, many = index(3, 0.65), index(100, 0.65)
    assert few.high - few.low > many.high - many.low
    with pytest.raises(UserError, match="at least 3"):
        similarity_index(np.ones((2, 1)), np.ones(2), np.ones((2, 2)))


def test_what_does_not_differ_between_examples_explains_nothing_and_is_not_alike():
    """The mean of equal numbers is rounded: the CKA of two constants was 1."""
    one, other = np.full((1000, 3), 0.1), np.full((1000, 3), 0.3)
    for of in (one, one.astype(np.float32)):
        assert np.isnan(linear_cka(of, other))
    assert np.isnan(explained(one * np.arange(1, 4), normal(1000, 3)))
    assert linear_cka(np.hstack([normal(50, 2), np.full((50, 1), 0.1)]), normal(50, 2)) == pytest.approx(1)
    assert np.isnan(explained(normal(50, 1), normal(50, 1)))
    assert np.isnan(linear_cka(np.full((9, 2), np.nan), normal(9, 2)))


def test_the_index_is_not_known_where_twins_are_as_far_apart_as_others():
    same = similarity_index(np.ones((3, 1)), np.ones(3), np.ones((3, 3)), repetitions=5)
    assert np.isnan([same.value, same.low, same.high]).all()
