"""The scan of units: against slow references and libraries, and how often it finds what is not there."""

import jax
import numpy as np
import pytest
from scipy.stats import kstest, mannwhitneyu
from sklearn.metrics import roc_auc_score
from units_reference import held_out_youden, z_score

from ticketlab.errors import UserError
from ticketlab.networks import MLP, ConvNet, pure_network
from ticketlab.units import (
    Labels,
    LinearFilters,
    Matrix,
    MaximumNull,
    NetworkUnits,
    brightness,
    centred_ranks,
    halves,
    permuted_labels,
    scan,
    sort,
)
from ticketlab.units.null import whole_numbers

LINEAR = MLP(widths=()).build((3,), 2)
DRAW = np.random.default_rng(7)
LABELS = np.concatenate([np.arange(4), DRAW.choice(4, size=86, p=(0.4, 0.3, 0.2, 0.1)), np.arange(4)])
VALUES = np.concatenate(
    [
        DRAW.standard_normal((5, len(LABELS))),
        np.maximum(DRAW.standard_normal((5, len(LABELS))) + 0.5 * (LABELS == 2), 0),  # ties at 0
        DRAW.integers(0, 3, (3, len(LABELS))),
        np.zeros((1, len(LABELS))),
        [np.where(DRAW.random(len(LABELS)) < 0.5, -0.0, 0.0)],  # both are zero
    ]
).astype(np.float32)


@pytest.fixture(scope="module")
def found():
    return scan(Matrix(VALUES), LABELS, permutations=39, seed=3)


def test_ranks_are_those_of_scipy_and_ties_too():
    from scipy.stats import rankdata, tiecorrect

    by_hand = [rankdata(row) for row in VALUES]
    ordered = sort(VALUES)
    np.testing.assert_array_equal(centred_ranks(ordered), [2 * r - (len(r) + 1) for r in by_hand])
    np.testing.assert_allclose(ordered.tie_factor, [tiecorrect(r) for r in by_hand], atol=1e-15)


def test_auc_agrees_with_scipy_and_scikit_learn(found):
    for c in range(4):
        member = c == LABELS
        learnt = [roc_auc_score(member, row) for row in VALUES]
        whitney = [mannwhitneyu(row[member], row[~member]).statistic for row in VALUES]
        np.testing.assert_allclose(found.auc[:, c], learnt, rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.auc[:, c], whitney / Labels(LABELS).pairs[c], rtol=0, atol=1e-12)
        for half, inside in enumerate((halves(Labels(LABELS), 3), ~halves(Labels(LABELS), 3))):
            learnt = [roc_auc_score(member[inside], row[inside]) for row in VALUES]
            np.testing.assert_allclose(found.halves.auc[half, :, c], learnt, rtol=0, atol=1e-12)


def test_z_has_the_variance_of_ties(found):
    expected = [[z_score(row, c == LABELS) for c in range(4)] for row in VALUES]
    np.testing.assert_allclose(found.z, expected, rtol=1e-5, atol=1e-6)
    assert np.all(found.z[-2:] == 0)
    assert np.all(found.auc[-2:] == 0.5)


def test_the_null_is_the_scan_of_permuted_labels(found):
    of = Labels(LABELS)
    for b in (0, 17, 38):
        permuted = permuted_labels(of, 3, b)
        expected = [max(abs(z_score(row, permuted == c)) for row in VALUES) for c in range(4)]
        np.testing.assert_allclose(found.maxima[b], expected, rtol=1e-5)
    largest = np.abs(found.z).max()
    reached = np.sum(found.maxima.max(axis=1) >= largest)
    assert found.p_value == (reached + 1) / 40


def test_youden_is_chosen_on_one_half_and_scored_on_the_other(found):
    first = halves(Labels(LABELS), 3)
    for c in range(4):
        member = c == LABELS
        for scored, (one, other) in enumerate([(~first, first), (first, ~first)]):
            expected = [held_out_youden(row, member, one, other) for row in VALUES]
            np.testing.assert_allclose(found.halves.youden[scored, :, c], expected, atol=1e-6)
    np.testing.assert_allclose(found.balanced_accuracy, (1 + found.halves.youden.mean(axis=0)) / 2)


@pytest.mark.parametrize("ones", [5, 55, 110])
def test_a_detector_at_the_limit_is_reliable(ones):
    """It misses a fifth of its class in both halves and nothing else, so J is .8, and rounding may not take any of it away."""
    labels = np.repeat([0, 1], [376, 2 * ones])
    first, response = halves(Labels(labels), 3), (labels == 1).astype(np.float32)
    for half in (first, ~first):
        response[np.flatnonzero(half & (labels == 1))[: ones // 5]] = -1
    found = scan(Matrix(response[None]), labels, permutations=19, seed=3)
    assert found.youden[0, 1] == 0.8


def test_selectivity_is_that_of_class_means(found):
    row, member = VALUES[6].astype(float), LABELS == 2
    one, rest = row[member].mean(), row[~member].mean()
    assert found.selectivity[6, 2] == pytest.approx((one - rest) / (one + rest))
    assert np.isnan(found.selectivity[-2:]).all()


@pytest.mark.parametrize("memory", [1, 4 * 94 * 4])
def test_blocks_change_nothing(found, memory, monkeypatch):
    monkeypatch.setattr("ticketlab.units.unit_scan.TILE", 3000)
    monkeypatch.setattr("ticketlab.units.unit_scan.SORTED", 1000)
    monkeypatch.setattr("ticketlab.units.null.TILE", 4000)
    again = scan(Matrix(VALUES), LABELS, permutations=39, seed=3, memory=memory)
    for name in ("auc", "z", "selectivity", "maxima", "held_out_auc", "youden"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))


def test_rank_sums_are_exact_in_the_chosen_precision():
    """Where single precision could round, sums are taken in double precision."""
    small, large = (Labels(np.repeat([0, 1], n)) for n in (4000, 4200))
    assert small.precision is np.float32
    assert large.precision is np.float64
    ranks = np.arange(-7999, 8000, 2, dtype=np.float32)[None]
    null = MaximumNull(small, 19, 0)
    null.add(ranks, np.ones(1))
    for b in range(19):
        exact = np.abs(ranks[0].astype(np.int64)[permuted_labels(small, 0, b) == 1].sum())
        assert null.largest[b].tolist() == [exact, exact]


def test_a_planted_detector_is_found_among_many():
    """One unit wired to a class, low for it, among a thousand that are not."""
    draw = np.random.default_rng(1)
    labels = np.arange(400) % 5
    values = np.maximum(draw.standard_normal((1000, 400)), 0).astype(np.float32)
    assert scan(Matrix(values), labels, permutations=99, seed=0).p_value > 0.05
    values[617] = np.maximum(1 - 2.0 * (labels == 3) + 0.2 * draw.standard_normal(400), 0)
    found = scan(Matrix(values), labels, permutations=99, seed=0)
    assert np.argwhere(found.p_values <= 0.01).tolist() == [[617, 3]]
    assert np.argwhere(found.reliable).tolist() == [[617, 3]]
    assert found.best(3).units == (617, 617)
    assert found.best(3).reliable
    assert not any(found.best(c).reliable for c in (0, 1, 2, 4))
    assert found.name(617) == "units, unit 617"


def test_a_significant_unit_is_not_a_reliable_one():
    draw = np.random.default_rng(2)
    labels = np.arange(4000) % 4
    values = (draw.standard_normal((20, 4000)) + 0.4 * (labels == 1)).astype(np.float32)
    found = scan(Matrix(values), labels, permutations=19, seed=0)
    assert found.p_value == 0.05
    assert np.abs(found.z).max() > 1.5 * found.critical()
    assert not found.reliable.any()


@pytest.fixture(scope="module")
def p_values():
    """Of 200 tasks with random labels: correlated units with many ties, unequal classes."""
    draw = np.random.default_rng(11)
    found = []
    for seed in range(200):
        mixed = draw.standard_normal((24, 6)) @ draw.standard_normal((6, 60))
        labels = np.concatenate([[0, 0, 1, 1, 2, 2], draw.choice(3, size=54, p=(0.6, 0.3, 0.1))])
        labels = draw.permutation(labels)
        found.append(scan(Matrix(np.maximum(mixed, 0)), labels, permutations=39, seed=seed).p_value)
    return np.array(found)


def test_random_labels_give_significant_units_at_the_stated_rate(p_values):
    assert 4 <= np.sum(p_values <= 0.05) <= 16


def test_p_values_are_uniform_under_the_null(p_values):
    spread = np.random.default_rng(0).random(200)
    continuous = p_values - spread / 40  # uniform in the step of 1/40 that ends at p
    assert kstest(continuous, "uniform").pvalue > 0.01


def test_the_searched_number_of_units_is_paid_for():
    """The largest of more units of noise is larger, its p-value is not smaller."""
    draw = np.random.default_rng(5)
    labels = np.arange(200) % 2
    values = draw.standard_normal((2000, 200)).astype(np.float32)
    few, many = (scan(Matrix(values[:n]), labels, permutations=99, seed=0) for n in (10, 2000))
    assert np.abs(many.z).max() > np.abs(few.z).max()
    assert many.critical() > few.critical() + 0.7
    assert np.all(many.p_values[:10] >= few.p_values)


# --- reading ---


@pytest.mark.parametrize("choice", [MLP(widths=(7, 5)), ConvNet(depth=2, width=2)])
def test_units_of_a_network_are_its_features_layer_by_layer(choice, monkeypatch):
    network = choice.build((4, 4, 1), 3)
    params = network.init(jax.random.key(0))
    x = np.random.default_rng(0).standard_normal((11, 4, 4, 1)).astype(np.float32)
    expected, titles = [], []
    for name, of in network.features(params, x).items():
        if of.ndim == 4:
            expected += [np.max(of, axis=(1, 2)).T, np.mean(of, axis=(1, 2)).T]
            titles += [f"{name}, spatial maximum", f"{name}, spatial mean"]
        else:
            expected.append(of.T)
            titles.append(name)
    monkeypatch.setattr(
        "ticketlab.units.reading.block_rows", lambda network, params: 4
    )  # a last block of three
    units = NetworkUnits(network, params, x)
    assert [group.title for group in units.groups] == titles
    np.testing.assert_allclose(units.read(0, units.units), np.concatenate(expected), rtol=2e-5, atol=1e-6)
    parts = list(units.blocks(memory=4 * 11 * 3))
    assert max(len(block) for _, block in parts) == 3
    np.testing.assert_array_equal(np.concatenate([block for _, block in parts]), units.read(0, units.units))


def test_linear_filters_are_the_same_in_every_number_and_block():
    x = np.random.default_rng(0).standard_normal((9, 2, 3)).astype(np.float32)
    all_of_them = LinearFilters(x, 6, seed=4).read(0, 6)
    np.testing.assert_array_equal(LinearFilters(x, 5, seed=4).read(2, 5), all_of_them[2:5])
    weights = np.linalg.lstsq(x.reshape(9, 6), all_of_them.T, rcond=None)[0]
    np.testing.assert_allclose(x.reshape(9, 6) @ weights, all_of_them.T, atol=1e-5)
    np.testing.assert_allclose(brightness(x).read(0, 1)[0], x.mean(axis=(1, 2)), rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: scan(Matrix(VALUES), LABELS[:-1], seed=0), "93 labels for 94 examples"),
        (lambda: scan(Matrix(VALUES[:, :4]), np.array([0, 0, 2, 2]), seed=0), "2 of 3 classes"),
        (lambda: scan(Matrix(VALUES[:, :3]), np.array([0, 0, 1]), seed=0), "class 1 with one example"),
        (lambda: scan(Matrix(VALUES), LABELS, permutations=9, seed=0), "at least 19"),
        (lambda: scan(Matrix(VALUES * np.nan), LABELS, seed=0), "not numbers"),
        (lambda: NetworkUnits(LINEAR, LINEAR.init(jax.random.key(0)), VALUES), "no hidden units"),
        (
            lambda: NetworkUnits(
                pure_network(lambda k: k, lambda p, x: x, input_shape=(3,), outputs=3), 0, VALUES
            ),
            "no description",
        ),
    ],
)
def test_mistakes_are_refused(call, words):
    with pytest.raises(UserError, match=words):
        call()


def test_batch_statistics_are_fixed_before_units_are_read():
    from ticketlab.networks import Normalisation

    network = MLP(widths=(4,), normalisation=Normalisation.BATCH).build((3,), 2)
    params = network.init(jax.random.key(0))
    x = np.random.default_rng(0).standard_normal((12, 3)).astype(np.float32)
    units = NetworkUnits(network, params, x[:5], reference=x)
    frozen = network.frozen(network.statistics(params, x))
    np.testing.assert_allclose(
        units.read(0, 4), next(iter(frozen.features(params, x[:5]).values())).T, rtol=1e-5, atol=1e-6
    )


def test_labels_are_whole_numbers() -> None:
    labels = np.arange(12) % 3
    assert np.array_equal(whole_numbers(labels.astype(float)), labels)
    for other in (labels - 1, labels + 0.5, labels.astype(str), np.eye(3)[labels], labels * np.nan):
        with pytest.raises(UserError, match="one whole number from 0"):
            whole_numbers(other)
