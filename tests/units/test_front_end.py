"""The front end: contrast normalisation is SciPy's, blocks are what they say, and filters have unit norm."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import correlate

from ticketlab.errors import UserError
from ticketlab.units import (
    FrontEnd,
    gabor_filters,
    gaussian_window,
    local_contrast_normalisation,
    random_filters,
)

RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((3, 7, 9, 4)).astype(np.float32)


def scipy_normalised(x, width):
    """The same by SciPy: zeros around the image, the full window's weights also at the border."""
    window = gaussian_window(width)
    found = np.empty(x.shape)
    for n, image in enumerate(x.astype(np.float64)):
        mean = correlate(image.mean(axis=-1), window, mode="constant")
        v = image - mean[:, :, None]
        spread = np.sqrt(correlate((v**2).mean(axis=-1), window, mode="constant"))
        found[n] = v / np.maximum(spread.mean(), spread)[:, :, None]
    return found


@pytest.mark.parametrize("width", [3, 5])
def test_contrast_normalisation_agrees_with_scipy(width):
    expected = scipy_normalised(IMAGES, width)
    single = np.asarray(local_contrast_normalisation(jnp.asarray(IMAGES), width))
    np.testing.assert_allclose(single, expected, rtol=1e-6, atol=1e-6)
    with jax.enable_x64(True):
        double = np.asarray(local_contrast_normalisation(jnp.asarray(IMAGES.astype(np.float64)), width))
    np.testing.assert_allclose(double, expected, rtol=0, atol=1e-12)


def test_brightness_and_contrast_are_gone_away_from_the_border():
    image = jnp.asarray(IMAGES[:1])
    one, other = (np.asarray(local_contrast_normalisation(5.0 * image + shift, 3)) for shift in (0.0, 100.0))
    plain = np.asarray(local_contrast_normalisation(image, 3))
    np.testing.assert_allclose(one, plain, atol=1e-5)
    flat = np.asarray(local_contrast_normalisation(jnp.zeros((1, 4, 4, 2)), 3))
    assert np.all(flat == 0)
    assert not np.allclose(one, other)  # zeros around the image see the brightness


def test_the_window_sums_to_one_and_is_widest_in_the_middle():
    window = gaussian_window(5)
    assert window.sum() == pytest.approx(1)
    assert window.argmax() == 12


def reference(front, filters, x):
    """One stage by loops over pixels and maps."""
    p = filters.shape[0] // 2
    padded = np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)))
    z = np.zeros((*x.shape[:3], filters.shape[3]))
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            part = padded[:, i : i + filters.shape[0], j : j + filters.shape[1]]
            z[:, i, j] = np.tensordot(part, filters, axes=3)
    y = np.tanh(z)
    y = {"none": y, "absolute": np.abs(y), "relu": np.maximum(y, 0)}[front.rectify]
    if front.normalise:
        y = scipy_normalised(y, front.neighbourhood)
    if front.pool == "none":
        return y
    rows, columns = x.shape[1] // 2, x.shape[2] // 2
    found = np.empty((len(x), rows, columns, y.shape[3]))
    for i in range(rows):
        for j in range(columns):
            window = y[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            found[:, i, j] = (window.max if front.pool == "maximum" else window.mean)(axis=(1, 2))
    return found


@pytest.mark.parametrize(
    ("rectify", "normalise", "pool"),
    [
        ("none", False, "none"),
        ("absolute", True, "average"),
        ("relu", False, "maximum"),
        ("none", True, "maximum"),
    ],
)
def test_a_stage_agrees_with_loops(rectify, normalise, pool):
    front, filters = FrontEnd(rectify, normalise, pool), random_filters(3, 4, 5, RNG)
    found = np.asarray(front.stage(jnp.asarray(filters), jnp.asarray(IMAGES)))
    np.testing.assert_allclose(found, reference(front, filters, IMAGES), atol=2e-6)


def test_stages_follow_one_another():
    front = FrontEnd()
    filters = [jnp.asarray(random_filters(3, 4, 5, RNG)), jnp.asarray(random_filters(3, 5, 6, RNG))]
    x = jnp.asarray(RNG.standard_normal((2, 8, 8, 4)), jnp.float32)
    found = np.asarray(front.features(filters, x))
    assert found.shape == (2, 2 * 2 * 6)
    twice = np.asarray(front.stage(filters[1], front.stage(filters[0], x))).reshape(2, -1)
    np.testing.assert_allclose(found, twice, rtol=1e-6)


def test_filters_have_unit_norm_and_gabors_no_mean():
    gabor = gabor_filters(5, 2, 16)
    np.testing.assert_allclose((gabor**2).sum(axis=(0, 1, 2)), 1, rtol=1e-5)
    np.testing.assert_allclose(gabor.sum(axis=(0, 1)), 0, atol=1e-6)
    assert len({filter_.tobytes() for filter_ in np.moveaxis(gabor, -1, 0)}) == 16
    drawn = random_filters(9, 2, 400, RNG)
    assert (drawn**2).sum(axis=(0, 1, 2)).mean() == pytest.approx(1, abs=0.02)


def test_impossible_fronts_are_refused():
    with pytest.raises(UserError, match="odd"):
        FrontEnd(neighbourhood=4)
    with pytest.raises(UserError, match="for pooling"):
        FrontEnd(window=8).stage(jnp.asarray(random_filters(3, 4, 5, RNG)), jnp.asarray(IMAGES))
