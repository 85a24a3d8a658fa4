"""Probes against scikit-learn, and against what is known of planted features."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as SklearnRidge

from ticketlab.errors import UserError
from ticketlab.units import Logistic, Parts, Ridge, probe, random_features

SIZES = (80, 40, 300)


def planted(p=6, noise=0.3, seed=0):
    """Three classes along the first two of p features."""
    draw = np.random.default_rng(seed)
    x, y = [], []
    for size in SIZES:
        labels = np.arange(size) % 3
        centres = np.array([[1, 0], [-0.5, 0.9], [-0.5, -0.9]])
        features = noise * draw.standard_normal((size, p))
        features[:, :2] += centres[labels]
        x.append(features * np.arange(1, p + 1) + 5)
        y.append(labels)
    return Parts(*x), Parts(*y)


@pytest.mark.parametrize("p", [6, 200])
def test_ridge_is_that_of_scikit_learn(p):
    features, labels = planted(p, noise=1.0)
    found = probe(features, labels, Ridge((0.1,)))
    mean, spread = features.train.mean(axis=0), features.train.std(axis=0)
    train, test = ((part - mean) / spread for part in (features.train, features.test))
    other = SklearnRidge(alpha=0.1 * len(train)).fit(train, np.eye(3)[labels.train])
    right = np.argmax(other.predict(test), axis=1) == labels.test
    assert found.correct == tuple(right.tolist())
    assert 0.4 < found.test < 0.95
    assert found.parameters == (p + 1) * 3


def test_logistic_is_that_of_scikit_learn():
    features, labels = planted(noise=1.0)
    found = probe(features, labels, Logistic((0.01,)))
    mean, spread = features.train.mean(axis=0), features.train.std(axis=0)
    train, test = ((part - mean) / spread for part in (features.train, features.test))
    other = LogisticRegression(C=1 / (0.01 * len(train)), tol=1e-8).fit(train, labels.train)
    assert np.mean(np.array(found.correct) == (other.predict(test) == labels.test)) > 0.996
    assert found.converged


@pytest.mark.parametrize("how", [Ridge(), Logistic()])
def test_the_penalty_is_chosen_on_validation_data_alone(how):
    features, labels = planted(60, noise=1.2)
    found = probe(features, labels, how)
    alone = [probe(features, labels, type(how)((penalty,))) for penalty in how.penalties]
    best = max(one.validation for one in alone)
    assert found.validation == pytest.approx(best, abs=0.03)
    shuffled = Parts(labels.train, labels.validation, labels.test[::-1].copy())
    assert probe(features, shuffled, how).penalty == found.penalty


def test_a_planted_linear_class_is_read_and_noise_is_not():
    features, labels = planted(noise=0.2)
    assert probe(features, labels).test > 0.99
    draw = np.random.default_rng(3)
    noise = Parts(*(draw.standard_normal((size, 6)) for size in SIZES))
    assert probe(noise, labels).test < 0.45


def test_random_features_are_the_same_projection_of_every_part():
    draw = np.random.default_rng(0)
    inputs = Parts(*(draw.standard_normal((size, 2, 3)) for size in SIZES))
    linear, bent = (random_features(inputs, 4, seed=1, kind=kind) for kind in ("linear", "relu"))
    weights = np.linalg.lstsq(inputs.train.reshape(80, 6), linear.train, rcond=None)[0]
    np.testing.assert_allclose(inputs.test.reshape(300, 6) @ weights, linear.test, atol=1e-10)
    assert bent.test.shape == (300, 4)
    assert bent.test.min() == 0
    many = random_features(inputs, 400, seed=1, kind="linear")
    assert np.mean(many.train**2) == pytest.approx(1, rel=0.3)  # as large as the biases


def test_rectified_features_read_what_linear_ones_cannot():
    """The class is whether two coordinates have one sign."""
    draw = np.random.default_rng(0)
    inputs = Parts(*(draw.standard_normal((size, 2)) for size in (400, 100, 500)))
    labels = Parts(*(np.asarray(part[:, 0] * part[:, 1] > 0, int) for part in inputs))
    linear, bent = (
        probe(random_features(inputs, 200, seed=0, kind=kind), labels).test for kind in ("linear", "relu")
    )
    assert linear < 0.65
    assert bent > 0.9


def test_features_that_do_not_vary_change_nothing():
    features, labels = planted()
    wider = Parts(*(np.concatenate([part, np.full((len(part), 2), 7.0)], axis=1) for part in features))
    assert probe(wider, labels).correct == probe(features, labels).correct


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f, y: (Parts(f.train, f.validation[:, 1:], f.test), y, Ridge()), "features"),
        (lambda f, y: (Parts(*(part[..., None] for part in f)), y, Ridge()), "features of shapes"),
        (lambda f, y: (f, y, Ridge((0.0,))), "penalties"),
        (lambda f, y: (f, Parts(y.train % 2, y.validation, y.test), Ridge()), "2 of 3 classes"),
    ],
)
def test_mistakes_are_refused(change, words):
    with pytest.raises(UserError, match=words):
        probe(*change(*planted()))
