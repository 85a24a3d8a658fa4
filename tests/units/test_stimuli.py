"""Simple stimuli, tuning, shape detectors and best stimuli: against what is known of wired filters."""

import jax
import numpy as np
import pytest
from scipy.ndimage import correlate
from sklearn.metrics import roc_auc_score

from ticketlab.errors import UserError
from ticketlab.networks import MLP, ConvNet
from ticketlab.tickets.responses import responses
from ticketlab.units import (
    FAMILIES,
    Detectors,
    FieldFilters,
    FrontEnd,
    LinearFilters,
    Matrix,
    battery,
    best_stimuli,
    best_stimuli_of_filters,
    gratings,
    ideal_filters,
    receptive_field,
    scrambled,
    shape_detectors,
    spatial_maxima,
    tuning,
)

SIZE = 12


@pytest.fixture(scope="module")
def stimuli():
    return battery(SIZE)


@pytest.fixture(scope="module")
def twins(stimuli):
    return scrambled(stimuli.images, seed=0)


def flat(images):
    return images.reshape(len(images), -1)


def test_every_stimulus_has_mean_zero_and_contrast_one(stimuli, twins):
    for images in (stimuli.images, twins, gratings(SIZE).images):
        np.testing.assert_allclose(images.mean(axis=(1, 2)), 0, atol=1e-6)
        np.testing.assert_allclose(np.mean(images**2, axis=(1, 2)), 1, rtol=1e-4)
    assert {FAMILIES[f] for f in stimuli.family} == set(FAMILIES)
    counts = np.bincount(stimuli.member)
    assert set(counts) == {25, 8}
    assert len(stimuli.titles) == len(counts)


def test_twins_have_the_amplitude_spectrum_and_other_phases(stimuli, twins):
    one, other = (np.abs(np.fft.fft2(images)) for images in (stimuli.images, twins))
    np.testing.assert_allclose(one, other, atol=2e-3)
    alike = np.mean(flat(stimuli.images) * flat(twins), axis=1)
    assert np.abs(np.mean(alike)) < 0.05


def test_shapes_are_where_and_as_they_are_said_to_be(stimuli):
    """The centred members: an edge across 0° is dark left and light right; a light disc is lightest in the middle."""

    def shown(title, place=12):
        (at,) = np.flatnonzero((stimuli.member == stimuli.titles.index(title)) & (stimuli.place == place))
        return stimuli.images[at]

    edge = shown("edge, 0°")
    assert np.all(edge[:, :6] < 0)
    assert np.all(edge[:, 6:] > 0)
    np.testing.assert_allclose(shown("edge, 90°"), edge.T, atol=1e-6)
    disc, dark = shown("disc, radius 0.25 s, light"), shown("disc, radius 0.25 s, dark")
    assert disc[5:7, 5:7].min() == pytest.approx(disc.max(), rel=0.01)
    np.testing.assert_allclose(disc, -dark, atol=1e-6)
    bar = shown("bar, 0°, light")
    assert bar[6, 5:7].min() > 0 > bar[0, 5]  # it ends inside the frame
    corner = shown("corner, 90°, turned 0°")
    assert corner[6, 11] > 0 > corner[6, 0]
    np.testing.assert_allclose(corner, corner[::-1], atol=1e-5)
    ring = shown("ring, radius 0.375 s, light")
    assert ring[6, 1] > 0 > ring[6, 6]
    right = shown("disc, radius 0.25 s, light", place=14)
    assert np.argmax(right.sum(axis=0)) > 7


def test_a_gabor_unit_has_its_own_orientation_and_frequency():
    waves = gratings(16, orientations=12)
    x = np.arange(16)[None, :] - 7.5
    y = x.T
    angles = np.radians([30, 90, 135])
    kernels = []
    for theta in angles:
        across = x * np.cos(theta) + y * np.sin(theta)
        kernels.append(np.exp(-(x**2 + y**2) / 18) * np.cos(2 * np.pi * 0.25 * across))
    linear = flat(np.array(kernels)) @ flat(waves.images).T
    simple = tuning(np.maximum(linear, 0), waves)
    np.testing.assert_allclose(simple.preferred, angles, atol=0.001)
    assert np.all(simple.frequency == 0.25)
    assert np.all(simple.selectivity > 0.95)
    assert np.all(simple.global_index > 0.7)
    np.testing.assert_allclose(simple.modulation, 4 / (1 + 2**0.5), rtol=1e-3)  # a rectified sine in 8 phases
    silent = tuning(-np.ones((1, len(waves.images))), waves)
    assert np.isnan([silent.preferred[0], silent.selectivity[0], silent.global_index[0]]).all()


def test_an_unoriented_unit_has_no_orientation():
    waves = gratings(16, orientations=12)
    x = np.arange(16)[None, :] - 7.5
    centre = np.exp(-(x**2 + x.T**2) / 8)[None]
    found = tuning(np.maximum(flat(centre) @ flat(waves.images).T, 0), waves)
    assert found.global_index[0] < 0.02


def test_the_auc_of_a_family_is_the_one_that_its_words_say(stimuli, twins):
    draw = np.random.default_rng(0)
    kernel = draw.standard_normal((1, SIZE * SIZE))
    one, other = (
        np.maximum(kernel @ flat(images).T, 0).astype(np.float32) for images in (stimuli.images, twins)
    )
    found = shape_detectors(one, other, stimuli)
    both, family = (
        np.concatenate([one[0], other[0]]),
        np.concatenate([stimuli.family, np.full(len(twins), -1)]),
    )
    place = np.tile(stimuli.place, 2)
    for f in (0, 3, 7):
        of_side = []
        for parity in (0, 1):
            side = place % 2 == parity
            negatives = both[side & (family != f)]
            aucs = {}
            for m in np.unique(stimuli.member[stimuli.family == f]):
                positives = one[0][(stimuli.member == m) & (stimuli.place % 2 == parity)]
                truth = np.repeat([1, 0], [len(positives), len(negatives)])
                aucs[m] = roc_auc_score(truth, np.concatenate([positives, negatives]))
            of_side.append(aucs)
        first, second = of_side
        expected = (second[max(first, key=first.get)] + first[max(second, key=second.get)]) / 2
        assert found.auc[0, f] == pytest.approx(expected, abs=1e-12)


def test_a_wired_edge_detector_is_found_and_random_filters_are_not(stimuli, twins):
    """The unit takes the largest product with an edge of one orientation, over all positions."""
    filters = LinearFilters(stimuli.images, 400, seed=1), LinearFilters(twins, 400, seed=1)
    control = shape_detectors(*(np.maximum(of.read(0, 200), 0) for of in filters), stimuli)
    others = shape_detectors(*(np.maximum(of.read(200, 400), 0) for of in filters), stimuli)
    title = "edge, 60°"
    templates = flat(stimuli.images[stimuli.member == stimuli.titles.index(title)])

    def wired(images):
        return np.max(templates @ flat(images).T, axis=0)[None]

    found = shape_detectors(wired(stimuli.images), wired(twins), stimuli)
    excess = found.excess("edge", control)
    assert excess.found == 1
    assert stimuli.titles[found.member[0, 0]] == title
    assert excess.threshold >= 0.9
    same = others.excess("edge", control)
    assert same.share < 0.04
    assert not same.beyond_null


def test_ideal_edge_filters_pass_in_a_small_frame_and_no_ideal_blob_filter_does():
    """Random filters of 5 × 5 pixels tell blobs so well that their 99 % point is 1; of edges it is 0.92."""
    small = battery(8)
    shown = [images[..., None] for images in (small.images, scrambled(small.images, 0))]
    control = shape_detectors(*(FieldFilters(of, 5, 300, seed=0).read(0, 300) for of in shown), small)
    bank = ideal_filters(8, 5)
    assert bank.shape == (5, 5, 2 * len(small.titles))
    np.testing.assert_allclose(bank.sum(axis=(0, 1)), 0, atol=1e-5)
    ideal = shape_detectors(*(spatial_maxima(of, bank[:, :, None]) for of in shown), small)
    assert ideal.possible("edge", control, small) > 0.8
    assert control.threshold("blob") == 1
    assert ideal.auc[:, FAMILIES.index("blob")].max() > 0.999
    assert ideal.possible("blob", control, small) == 0


def test_the_excess_is_counted_above_both_thresholds():
    weak = Detectors(np.full((100, len(FAMILIES)), 0.8), np.zeros((100, len(FAMILIES)), int))
    strong = Detectors(np.full((100, len(FAMILIES)), 0.95), np.zeros((100, len(FAMILIES)), int))
    assert (
        weak.excess("edge", Detectors(weak.auc - 0.2, weak.member)).found == 0
    )  # above the null, no detector
    assert strong.excess("ring", strong).found == 0  # detectors, as the null is
    excess = strong.excess("edge", weak)
    assert (excess.found, excess.share, excess.beyond_null) == (100, 1.0, True)
    assert excess.interval[0] == pytest.approx(0.025 ** (1 / 100))


@pytest.fixture(scope="module")
def conv():
    network = ConvNet(depth=2, width=3, bias=False).build((SIZE, SIZE, 1), 2)
    return network, network.init(jax.random.key(0))


def test_receptive_fields_grow_by_two_pixels_a_convolution(conv):
    found = list(receptive_field(*conv).values())
    assert found[:2] == [3, 5]
    assert found[2:] == [SIZE] * len(found[2:])


def test_filters_of_a_field_are_convolutions_pooled():
    x = np.random.default_rng(0).standard_normal((3, 6, 6, 1)).astype(np.float32)
    units = FieldFilters(x, window=3, count=2, seed=5)
    drawn = np.random.default_rng(5).standard_normal((3, 3, 1, 2)).astype(np.float32)
    z = np.array([[correlate(i[..., 0], drawn[..., 0, u], mode="constant") for i in x] for u in (0, 1)])
    expected = np.concatenate([np.maximum(z, 0).max(axis=(2, 3)), np.maximum(z, 0).mean(axis=(2, 3))])
    np.testing.assert_allclose(units.read(0, 4), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(units.read(1, 3), units.read(0, 4)[1:3])
    with pytest.raises(UserError, match="odd"):
        FieldFilters(x, window=4, count=1, seed=0)


def test_the_best_stimulus_of_a_first_layer_is_its_filter():
    network = MLP(widths=(5,)).build((4, 4, 1), 2)
    params = network.init(jax.random.key(1))
    layer = network.layers[0].name
    units = np.array([0, 3])
    found = best_stimuli(
        network, params, layer, units, jax.random.key(0), variation=0.0, jitter=False, starts=1
    )
    weights = np.asarray(params[layer]["weight"])[:, units].T
    weights /= np.sqrt(np.mean(weights**2, axis=1, keepdims=True))
    np.testing.assert_allclose(found.reshape(2, 16), weights, atol=0.02)


@pytest.mark.slow
def test_ascent_with_shifts_beats_every_stimulus_of_the_battery(conv, stimuli):
    network, params = conv
    layer = network.layers[1].name
    found = best_stimuli(network, params, layer, np.arange(3), jax.random.key(0))
    assert found.shape == (3, SIZE, SIZE, 1)
    z = responses(network, params, np.concatenate([found, stimuli.images[..., None]]), found)[layer]
    shown = z.reshape(3 + len(stimuli), -1, 3).mean(axis=1)
    assert np.all(np.diag(shown[:3]) > shown[3:].max(axis=0))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: battery(5), "5 pixels"),
        (lambda: tuning(np.zeros((1, 3)), gratings(8)), "3 responses"),
        (lambda: shape_detectors(np.zeros((1, 3)), np.zeros((1, 3)), battery(8)), "3 stimuli"),
        (
            lambda: best_stimuli(
                MLP(widths=(2,)).build((3,), 2), {}, "dense-9", np.array([0]), jax.random.key(0)
            ),
            "dense-9",
        ),
        (
            lambda: best_stimuli(
                MLP(widths=(2,)).build((3,), 2), {}, "dense1", np.array([0, 2]), jax.random.key(0)
            ),
            "numbers from 0 to 1",
        ),
        (
            lambda: best_stimuli_of_filters(
                FrontEnd(), np.zeros((3, 3, 1, 4)), np.array([-1]), (8, 8, 1), jax.random.key(0)
            ),
            "numbers from 0 to 3",
        ),
    ],
)
def test_mistakes_are_refused(call, words):
    with pytest.raises(UserError, match=words):
        call()


def test_a_matrix_of_stimuli_responses_can_be_scanned_too(stimuli):
    from ticketlab.units import scan

    units = Matrix(LinearFilters(stimuli.images, 4, seed=0).read(0, 4))
    assert scan(units, stimuli.family, permutations=19, seed=0).auc.shape == (4, len(FAMILIES))
