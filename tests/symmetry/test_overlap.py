"""Overlap of masks: the hypergeometric law against draws and exact counts, and nulls that keep what they say."""

from itertools import combinations

import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.symmetry import against, overlap, same_degrees, same_sizes


def mask(shape, kept, seed):
    bits = np.zeros(int(np.prod(shape)), bool)
    bits[np.random.default_rng(seed).permutation(bits.size)[:kept]] = True
    return bits.reshape(shape)


def test_the_null_is_that_of_all_masks():
    """All 2 masks of 3 among 6 weights against a fixed one of 2."""
    fixed = np.array([[True, True, False], [False, False, False]])
    counts, p_values = [], {}
    for chosen in combinations(range(6), 3):
        other = np.zeros(6, bool)
        other[list(chosen)] = True
        layer = overlap({"a": fixed}, {"a": other.reshape(2, 3)}).layers["a"]
        counts.append(layer.both)
        p_values[layer.both] = layer.p_value
    assert np.mean(counts) == pytest.approx(layer.expected)
    assert np.var(counts) == pytest.approx(layer.variance)
    for both, p in p_values.items():
        assert p == pytest.approx(np.mean(np.array(counts) > both) + 0.5 * np.mean(np.array(counts) == both))


def test_random_masks_are_at_chance_and_nested_ones_at_one():
    kappas = [
        overlap({"a": mask((40, 25), 100, s)}, {"a": mask((40, 25), 100, 500 + s)}).kappa for s in range(200)
    ]
    zs = [overlap({"a": mask((40, 25), 100, s)}, {"a": mask((40, 25), 100, 500 + s)}).z for s in range(200)]
    assert np.mean(kappas) == pytest.approx(0, abs=0.01)
    assert np.std(zs) == pytest.approx(1, abs=0.15)
    small, large = mask((40, 25), 100, 0), mask((40, 25), 100, 0) | mask((40, 25), 50, 1)
    assert overlap({"a": small}, {"a": large}).kappa == pytest.approx(1)
    one = overlap({"a": mask((40, 25), 100, 0)}, {"a": mask((40, 25), 100, 1)})
    assert one.jaccard_by_chance == pytest.approx(0.1 / 1.9)  # p/(2 − p)
    full = overlap({"a": np.ones((2, 2), bool)}, {"a": np.ones((2, 2), bool)})
    assert np.isnan(full.kappa)
    assert full.jaccard == 1


def test_switches_keep_degrees_and_mix():
    one = {"conv": mask((2, 2, 5, 8), 60, 3)}
    others = [same_degrees(one, seed)["conv"] for seed in range(20)]
    rows = one["conv"].reshape(-1, 8)
    for other in others:
        np.testing.assert_array_equal(other.reshape(-1, 8).sum(axis=0), rows.sum(axis=0))
        np.testing.assert_array_equal(other.reshape(-1, 8).sum(axis=1), rows.sum(axis=1))
    kappas = [overlap(one, {"conv": other}).kappa for other in others]
    assert max(kappas) < 0.5
    empty_input = {"a": np.vstack([np.zeros((50, 6), bool), mask((10, 6), 30, 0)])}
    plain = overlap(empty_input, {"a": np.vstack([np.zeros((50, 6), bool), mask((10, 6), 30, 1)])})
    null = against(empty_input, empty_input, [same_degrees(empty_input, seed) for seed in range(10)])
    assert plain.kappa > 0.3  # agreement that is only about the empty inputs
    assert null.null_mean > 0.3


def test_every_matrix_of_the_same_degrees_is_about_equally_likely():
    """The 3 × 3 masks with one weight in every row and column: the six permutations."""
    one = {"a": np.eye(3, dtype=bool)}
    found = [np.argmax(same_degrees(one, seed)["a"], axis=1) for seed in range(600)]
    counts = np.unique(found, axis=0, return_counts=True)[1]
    assert len(counts) == 6
    assert counts.min() > 60


def test_classes_of_size_are_kept():
    scores = {"a": np.random.default_rng(0).standard_normal((30, 20))}
    large = {"a": np.abs(scores["a"]) > 1}
    shuffled = same_sizes(large, scores, 1)
    order = np.argsort(np.abs(scores["a"]).ravel())
    for part in np.array_split(order, 10):
        assert shuffled["a"].ravel()[part].sum() == large["a"].ravel()[part].sum()
    assert overlap(large, shuffled).kappa > 0.8  # what the initial sizes alone give
    assert overlap(large, same_sizes(large, scores, 1, classes=1)).kappa < 0.2
    with pytest.raises(UserError, match="classes"):
        same_sizes(large, scores, 1, classes=0)


def test_a_null_explains_what_it_explains():
    one, other = {"a": mask((20, 20), 40, 0)}, {"a": mask((20, 20), 40, 0)}
    found = against(one, other, [{"a": mask((20, 20), 40, s)} for s in range(1, 30)])
    assert found.kappa == 1
    assert found.excess == pytest.approx(1, abs=0.05)
    with pytest.raises(UserError, match="at least 2"):
        against(one, other, [one])
