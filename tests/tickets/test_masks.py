"""Masks: what they are about, what they leave alone, and counts that are exact at every level of every rule."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.networks import MLP, ConvNet, LeNet300100, ResNet, permute_units, pure_network
from ticketlab.tickets import (
    Global,
    LayerWise,
    density,
    erdos_renyi_counts,
    full_mask,
    highest,
    highest_overall,
    intersection,
    jaccard,
    kept,
    layer_densities,
    mask_of,
    over_parameters,
    random_mask,
    shuffled,
    transported,
    union,
    weights_of,
)

NETWORK = MLP(widths=(6, 5)).build((4,), 3)
SHAPES = {"dense1": (4, 6), "dense2": (6, 5), "output": (5, 3)}
SIZES = {name: a * b for name, (a, b) in SHAPES.items()}


def scores(draw):
    """Few different values, so that there are ties."""
    return {
        name: hnp.arrays(np.float32, shape, elements=st.sampled_from([0, 1, 2, 3])) for name, shape in draw
    }


tied = st.fixed_dictionaries(scores(SHAPES.items()))
masks = st.fixed_dictionaries({name: hnp.arrays(bool, shape) for name, shape in SHAPES.items()})
fractions = st.floats(0, 0.99)


def slow_highest(values, count, among):
    """One by one: the highest remaining score; ties go to the first."""
    flat, left = values.ravel().tolist(), np.flatnonzero(among.ravel()).tolist()
    mask = np.zeros(len(flat), bool)
    for _ in range(count):
        best = max(left, key=lambda i: (flat[i], -i))
        mask[best] = True
        left.remove(best)
    return mask.reshape(values.shape)


def assert_same(one, other):
    assert set(one) == set(other)
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name])


@given(tied, masks, st.data())
def test_the_highest_scores_are_kept_by_rank_and_index(values, among, data):
    counts = {name: data.draw(st.integers(0, kept({name: among[name]}))) for name in values}
    chosen = highest(values, counts, among)
    assert {name: int(array.sum()) for name, array in chosen.items()} == counts
    assert_same(
        chosen, {name: slow_highest(array, counts[name], among[name]) for name, array in values.items()}
    )


@given(tied, masks, st.data())
def test_one_rank_for_all_layers(values, among, data):
    count = data.draw(st.integers(0, kept(among)))
    chosen = highest_overall(values, count, among)
    flat, open_, joined = (
        np.concatenate([tree[name].ravel() for name in values]) for tree in (values, among, chosen)
    )
    np.testing.assert_array_equal(joined, slow_highest(flat, count, open_))
    assert {name: a.shape for name, a in chosen.items()} == SHAPES


@given(tied, fractions, st.one_of(st.none(), fractions))
def test_counts_are_exact_at_every_level(values, fraction, output):
    rule = LayerWise(fraction, output=output)
    counts, mask = dict(SIZES), full_mask(NETWORK)
    for _ in range(6):
        smaller = rule.prune(values, mask)
        for name, n in counts.items():
            p = output if name == "output" and output is not None else fraction
            counts[name] = n - int(np.floor(p * n + 0.5))
        assert {name: int(array.sum()) for name, array in smaller.items()} == counts
        assert_same(intersection(smaller, mask), smaller)
        mask = smaller


@given(tied, fractions)
def test_global_counts_are_exact_at_every_level(values, fraction):
    n, mask = sum(SIZES.values()), full_mask(NETWORK)
    for _ in range(6):
        smaller = Global(fraction).prune(values, mask)
        n -= int(np.floor(fraction * n + 0.5))
        assert kept(smaller) == n
        assert_same(intersection(smaller, mask), smaller)
        mask = smaller


def test_what_goes_is_smallest_in_magnitude():
    weights = weights_of(NETWORK, NETWORK.init(jax.random.key(0)))
    mask = LayerWise(0.5).prune(weights, full_mask(NETWORK))
    for name, w in weights.items():
        assert np.abs(w[mask[name]]).min() > np.abs(w[~mask[name]]).max()
    overall = Global(0.5).prune(weights, full_mask(NETWORK))
    stay, go = (
        np.concatenate([np.abs(w[overall[n] == on]) for n, w in weights.items()]) for on in (True, False)
    )
    assert stay.min() > go.max()


def test_lenets_levels_are_the_published_ones():
    """Frankle & Carbin 2018, figure 1 and 4: 20 % a round, 10 % of the output layer."""
    network = LeNet300100().build((28, 28), 10)
    weights = weights_of(network, network.init(jax.random.key(0)))
    mask, found = full_mask(network), []
    for _ in range(15):
        mask = LayerWise().prune(weights, mask)
        found.append(100 * density(mask))
    for published in (51.3, 21.1, 7.0, 3.6):
        assert min(abs(d - published) for d in found) < 0.06


def test_convolutions_have_a_fraction_of_their_own():
    network = ConvNet().build((8, 8, 3), 10)
    weights = weights_of(network, network.init(jax.random.key(0)))
    found = layer_densities(LayerWise(0.2, convolution=0.1, output=0.3).prune(weights, full_mask(network)))
    assert [round(d, 2) for d in found.values()] == [0.9, 0.9, 0.8, 0.8, 0.7]


def test_a_last_layer_without_a_fraction_of_its_own_is_pruned_like_the_others_of_its_kind():
    shapes = {"conv1": (3, 3, 1, 10), "output": (1, 1, 10, 10)}
    mask = {name: np.ones(shape, bool) for name, shape in shapes.items()}
    assert LayerWise(0.5, convolution=0.1, output=None).survivors(mask) == {"conv1": 81, "output": 90}


def test_biases_and_normalisations_are_never_pruned():
    network = ResNet((3, 4)).build((4, 4, 2), 2)
    params = network.init(jax.random.key(0))
    mask = LayerWise(0.9, output=None).prune(weights_of(network, params), full_mask(network))
    tree = over_parameters(mask, params)
    assert jax.tree.structure(tree) == jax.tree.structure(params)
    for layer in network.layers:
        assert tree[layer.name]["bias"].all()
        assert tree[layer.name]["weight"].all() == (not layer.stage.weighted)
    assert_same(mask_of(network, tree), mask)


def test_masks_need_a_description():
    own = pure_network(
        lambda key: {"w": jnp.ones((2, 1))}, lambda p, x: x @ p["w"], input_shape=(2,), outputs=1
    )
    with pytest.raises(UserError, match="no description of its layers"):
        full_mask(own)


@given(masks, st.integers(0, 99))
def test_shuffling_keeps_every_layers_count_and_takes_a_key(mask, seed):
    other = shuffled(mask, jax.random.key(seed))
    assert layer_densities(other) == layer_densities(mask)
    assert_same(other, shuffled(mask, jax.random.key(seed)))


def test_shuffling_is_uniform():
    """Each place of a layer is equally often kept."""
    mask = {"a": np.arange(12) < 4}
    often = sum(shuffled(mask, jax.random.key(i))["a"].astype(int) for i in range(300))
    assert often.sum() == 4 * 300
    assert abs(often - 100).max() < 5 * np.sqrt(300 * 2 / 9)


@given(st.integers(0, sum(SIZES.values())), st.integers(0, 99))
def test_a_random_mask_keeps_what_the_profile_gives(count, seed):
    counts = erdos_renyi_counts(SHAPES, count)
    assert sum(counts.values()) == count
    assert all(0 <= counts[name] <= size for name, size in SIZES.items())
    mask = random_mask(SHAPES, counts, jax.random.key(seed))
    assert {name: int(a.sum()) for name, a in mask.items()} == counts


def test_the_profile_is_proportional_to_axes_over_sizes():
    shapes = {"conv": (3, 3, 16, 32), "dense": (2000, 300), "output": (300, 10)}
    counts = erdos_renyi_counts(shapes, 8000)
    ratios = {name: counts[name] / sum(shape) for name, shape in shapes.items()}
    assert max(ratios.values()) / min(ratios.values()) < 1.05
    many = erdos_renyi_counts(shapes, 100_000)
    assert many["output"] == 3000  # whole, and the others share the rest
    assert many["conv"] / sum(shapes["conv"]) == pytest.approx(many["dense"] / 2300, rel=0.1) or (
        many["conv"] == 4608
    )
    assert sum(many.values()) == 100_000


@given(masks, masks)
def test_union_intersection_and_overlap(one, other):
    both, either = intersection(one, other), union(one, other)
    assert kept(both) + kept(either) == kept(one) + kept(other)
    assert jaccard(one, other) == jaccard(other, one) == (kept(both) / kept(either) if kept(either) else 1)
    assert jaccard(one, one) == 1


@pytest.mark.parametrize(
    "network", [NETWORK, ConvNet().build((8, 8, 3), 10), ResNet((3, 4), blocks=2).build((4, 4, 2), 2)]
)
def test_a_mask_goes_along_with_its_units(network):
    """A masked network whose units are permuted is the permuted network under the transported mask."""
    params = network.init(jax.random.key(0))
    mask = shuffled(LayerWise(0.5).prune(weights_of(network, params), full_mask(network)), jax.random.key(1))
    x = jax.random.normal(jax.random.key(2), (3, *network.input_shape))

    @jax.jit
    def masked(params, kept):
        return network.apply(jax.tree.map(jnp.multiply, params, kept), x)

    expected = masked(params, over_parameters(mask, params))
    for group in network.unit_groups:
        order = np.random.default_rng(0).permutation(group.units)
        moved = transported(network, mask, group, order)
        assert layer_densities(moved) == layer_densities(mask)
        found = masked(permute_units(params, group, order), over_parameters(moved, params))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LayerWise(1.0), "fraction=1.0"),
        (lambda: LayerWise(output=-0.1), "output=-0.1"),
        (lambda: Global(2.0), "fraction=2.0"),
        (
            lambda: highest({"a": np.ones(3)}, {"a": 4}, {"a": np.ones(3, bool)}),
            "4 weights to keep in layer 'a'",
        ),
        (lambda: highest_overall({"a": np.ones(3)}, -1, {"a": np.ones(3, bool)}), "-1 weights to keep"),
        (lambda: union({"a": np.ones(3, bool)}, {"a": np.ones(4, bool)}), "equal shapes"),
        (lambda: union({"a": np.ones(3, bool)}, {"b": np.ones(3, bool)}), "equal shapes"),
        (lambda: erdos_renyi_counts({"a": (2, 2)}, 5), "5 weights to keep"),
        (lambda: random_mask({"a": (2, 2)}, {"a": 5}, jax.random.key(0)), "5 weights to keep"),
    ],
)
def test_what_cannot_be_done_is_said(call, message):
    with pytest.raises(UserError, match=message):
        call()


def test_a_mask_of_another_network_is_refused():
    """A layer that is not there would be left out in silence, and a shape of ones would mask a whole layer."""
    params = {
        "dense1": {"weight": np.ones((2, 3)), "bias": np.ones(3)},
        "output": {"weight": np.ones((3, 1))},
    }
    assert not over_parameters({"output": np.zeros((3, 1), bool)}, params)["output"]["weight"].any()
    for mask in ({"dense2": np.zeros((2, 3), bool)}, {"dense1": np.zeros((1, 1), bool)}):
        with pytest.raises(UserError, match=r"a mask of shapes .* a mask of this network"):
            over_parameters(mask, params)


def test_weights_that_are_not_numbers_are_not_ranked():
    with pytest.raises(NumericalFailure, match="diverged"):
        highest({"a": np.array([1.0, np.nan])}, {"a": 1}, {"a": np.ones(2, bool)})
