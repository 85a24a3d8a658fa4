"""The rungs that read out fixed features: one unit, a unit for each class, the layers; and the controls of every rung.

The control of a rung is the same fit with equally many parameters on random projections of the input, linear or rectified,
whichever validation prefers. Of a rung with P parameters for k classes that is a ridge read-out of P/k − 1 projections. The
control of a choice among U units is the same choice among U projections.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from ticketlab.claims.fair_search import tuned_probe
from ticketlab.claims.ladder.rung import Rung, Start, best_rung
from ticketlab.units import Logistic, NetworkUnits, Parts, Probe, random_features

__all__ = [
    "control", "layer_features", "logistic_read_out", "one_for_each_class", "one_unit", "read_out", "unit_responses",
]  # fmt: skip

KINDS: tuple[Literal["linear", "relu"], ...] = ("linear", "relu")


def unit_responses(at: Start) -> Parts:
    """The responses of all hidden units, `[n, units]` of each part; a channel counts by its spatial maximum and mean."""
    reads = (NetworkUnits(at.network, at.params, x, at.task.train.x) for x in at.inputs)
    return Parts(*(units.read(0, units.units).T for units in reads))


def layer_features(at: Start) -> dict[str, Parts]:
    """The activations of every hidden layer, flattened."""
    assert at.network.features is not None
    found = [at.network.features(at.params, jnp.asarray(x)) for x in at.inputs]
    return {
        name: Parts(*(np.asarray(of[name]).reshape(len(of[name]), -1) for of in found)) for name in found[0]
    }


def one_unit(features: Parts, at: Start) -> Rung:
    """The best single feature, cut into k intervals with a class each by a tree of k leaves; validation chooses the feature.

    Source: Breiman, Friedman, Olshen, Stone 1984, Classification and Regression Trees (the tree, grown best first).
    """
    from sklearn.tree import DecisionTreeClassifier

    labels, k = at.labels, at.task.outputs
    best: tuple[float, np.ndarray] = (-1.0, np.zeros(0))
    for unit in range(features.train.shape[1]):
        tree = DecisionTreeClassifier(max_leaf_nodes=k, random_state=0)
        one = [part[:, unit : unit + 1] for part in features]
        tree.fit(one[0], labels.train)
        score = float(np.mean(tree.predict(one[1]) == labels.validation))
        if score > best[0]:
            best = score, (tree.predict(one[2]) == labels.test).astype(float)
    return Rung(best[1], best[0], 2 * k - 1, math.log2(features.train.shape[1]))


def one_for_each_class(features: Parts, at: Start) -> Rung:
    """For each class the feature with the AUC farthest from ½ on training data, and a ridge read-out of these."""
    auc = _auc(features.train, at.labels.train, at.task.outputs)
    chosen = np.argmax(np.abs(auc - 0.5), axis=0)
    rung = read_out(Parts(*(part[:, chosen] for part in features)), at)
    return replace(rung, bits=at.task.outputs * math.log2(features.train.shape[1]))


def _auc(values: np.ndarray, labels: np.ndarray, classes: int) -> Float[np.ndarray, "units classes"]:
    """½ + S/(n₁n₀), S the sum of centred mid-ranks over the class."""
    ranks = rankdata(values, axis=0) - (len(values) + 1) / 2
    one_hot = np.eye(classes)[labels]
    ones = one_hot.sum(axis=0)
    return 0.5 + (ranks.T @ one_hot) / (ones * (len(labels) - ones))


def read_out(features: Parts, at: Start) -> Rung:
    """The ridge read-out; its grid is extended while the choice lies at its edge."""
    return _of_probe("ridge", *tuned_probe(features, at.labels, at.plan.penalties, at.plan.extensions))


def logistic_read_out(features: Parts, at: Start) -> Rung:
    """The same with logistic regression; only one whose every minimisation ended by its own criterion counts as inside."""
    found, candidates = tuned_probe(features, at.labels, at.plan.penalties, at.plan.extensions, Logistic)
    rung = _of_probe("penalty", found, candidates)
    return replace(rung, inside=rung.inside and found.converged)


def _of_probe(name: str, found: Probe, candidates: int) -> Rung:
    return Rung(
        np.asarray(found.correct, float),
        found.validation,
        found.parameters,
        setting=found.penalty,
        setting_name=name,
        candidates=candidates,
        inside=found.inside,
    )


def control(at: Start, count: int, fit: Callable[[Parts, Start], Rung] = read_out) -> Rung:
    """The same fit on equally many random projections of the input.

    Arguments:
        count: of the projections.
        fit: how they are read out.
    """
    each: Sequence[Rung] = [fit(random_features(at.inputs, count, at.seed, kind), at) for kind in KINDS]
    return best_rung(each)
