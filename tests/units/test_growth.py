"""The best of many units, predicted from single ones."""

from itertools import combinations

import jax
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import ks_2samp, norm

from ticketlab.errors import UserError
from ticketlab.networks import MLP
from ticketlab.units import LimitUnits, LinearFilters, NetworkUnits, best_of, scan


def test_the_mean_is_that_over_all_choices():
    scores = np.random.default_rng(0).standard_normal(9)
    for count in (1, 3, 8, 9):
        expected = np.mean([max(chosen) for chosen in combinations(scores, count)])
        assert best_of(scores, count).mean == pytest.approx(expected)


def test_the_best_of_gaussian_draws_is_the_known_one():
    scores = norm.ppf((np.arange(1_000_000) + 0.5) / 1_000_000)
    for count in (16, 512):
        expected = quad(lambda x, n=count: x * n * norm.pdf(x) * norm.cdf(x) ** (n - 1), -8, 8)[0]
        found = best_of(scores, count)
        assert found.mean == pytest.approx(expected, abs=0.005)
        ends = norm.ppf(np.array([0.025, 0.975]) ** (1 / count))
        np.testing.assert_allclose(found.interval, ends, atol=0.01)


@pytest.fixture(scope="module")
def data():
    """Two classes that differ in the mean of a few of 12 inputs."""
    draw = np.random.default_rng(3)
    labels = np.arange(120) % 2
    x = draw.standard_normal((120, 12)).astype(np.float32)
    x[:, :3] += labels[:, None]
    return x, labels


def strengths(units, labels):
    """AUC in the better direction, of the second class."""
    auc = scan(units, labels, permutations=19, seed=0).auc[:, 1]
    return np.maximum(auc, 1 - auc)


def after_one_layer(x):
    """Σ of the second layer's pre-activations with He initialisation and no biases: the arc-cosine kernel, over the width.

    Source: Cho & Saul 2009, Kernel Methods for Deep Learning, equation 6.
    """
    k = x @ x.T * 2 / x.shape[1]
    size = np.sqrt(np.diag(k))
    angle = np.arccos(np.clip(k / np.outer(size, size), -1, 1))
    return np.outer(size, size) * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi


def test_first_units_of_the_limit_are_linear_filters_in_law(data):
    x, labels = data
    limit = strengths(LimitUnits((x @ x.T).astype(float), 600, seed=0, rectified=False), labels)
    filters = strengths(LinearFilters(x, 600, seed=0), labels)
    assert ks_2samp(limit, filters).pvalue > 0.01


def test_the_best_of_a_layer_grows_with_width_as_the_limit_predicts(data):
    """Second layers of 16 networks at each width; below them the network is wide."""
    x, labels = data
    single = strengths(LimitUnits(after_one_layer(x.astype(float)), 3000, seed=1), labels)
    predicted = {width: best_of(single, width) for width in (8, 64)}
    assert predicted[64].interval[0] > predicted[8].mean
    for width, expected in predicted.items():
        network = MLP(widths=(512, width), bias=False).build((12,), 2)
        found = []
        for seed in range(16):
            units = NetworkUnits(network, network.init(jax.random.key(seed)), x)
            found.append(strengths(units, labels)[512:].max())
        found = np.array(found)
        inside = np.sum((found >= expected.interval[0]) & (found <= expected.interval[1]))
        assert inside >= 12
        assert np.mean(found) == pytest.approx(expected.mean, abs=4 * np.std(found) / 4)


def test_units_are_the_same_in_every_number_and_block(data):
    sigma = (data[0] @ data[0].T).astype(float)
    np.testing.assert_array_equal(LimitUnits(sigma, 5, 2).read(3, 5), LimitUnits(sigma, 9, 2).read(0, 9)[3:5])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: best_of(np.zeros(3), 4), "best of 4 units from 3"),
        (lambda: LimitUnits(-np.eye(3), 2, 0), "eigenvalue -1"),
        (lambda: LimitUnits(np.triu(np.ones((3, 3))), 2, 0), "asymmetry 1"),
    ],
)
def test_mistakes_are_refused(call, words):
    with pytest.raises(UserError, match=words):
        call()
