"""Whether a reliable detector would be found: one of known quality is planted among the units, and the best unit is chosen again.

With few test images a detector is missed. Where a half has three images of a class, some of a thousand other units tell them
from the rest without an error, and one of these is chosen. Then a small reach says nothing about the network. How many images
are enough depends on the other units, so it is tried out on them.

A planted detector has normal responses, those to its class d standard deviations above those to the rest:

    J = 2Φ(d/2) − 1,   AUC = Φ(d/√2)

At d = 2.84 its reach is 1.056, halfway between 1 for a unit that just is reliable and the 1.111 of one that never errs.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from ticketlab.claims.detector_neuron.formula import reaches
from ticketlab.units import Matrix, Scan, scan

__all__ = ["EACH", "next_to_planted", "planted_detectors"]

EACH = 50  # detectors for each class
APART = 2.84  # d
FEWEST = 19  # permutations of a scan; their null is not used


def planted_detectors(labels: Int[np.ndarray, " n"], classes: int, seed: int) -> Scan:
    """`EACH` detectors for every class, in the order of the classes.

    Arguments:
        seed: of the halves too, so that they are those of every other scan with it.
    """
    of = np.repeat(np.arange(classes), EACH)[:, None]
    noise = np.random.default_rng((seed, 1)).standard_normal((len(of), len(labels)))
    responses = (noise + APART * (labels == of)).astype(np.float32)
    return scan(Matrix(responses, "planted detectors"), labels, permutations=FEWEST, seed=seed)


def next_to_planted(found: Scan, planted: Scan) -> Float[np.ndarray, " classes"]:
    """The reach of the best unit with a planted detector among the units, the mean over those for each class.

    Arguments:
        found: the units.
        planted: by `planted_detectors`, on the same halves of the same examples.
    """
    near, scored = _largest(found, 1)
    its_near, its = _largest(planted, len(planted.auc))
    chosen = np.where(its_near > near, its, scored).mean(axis=0)
    return np.asarray(chosen.reshape(-1, EACH).mean(axis=1))


def _largest(found: Scan, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each group of units the largest reach on the half that chooses, and the same unit's and class's on the other.

    Returns: `[2, groups]` each.
    """
    of = found.halves
    near = reaches(np.abs(of.auc - 0.5) + 0.5, of.fitted).reshape(2, groups, -1)
    scored = reaches(of.directed_auc, of.youden)[::-1].reshape(near.shape)
    at = near.argmax(axis=2)[:, :, None]
    return np.take_along_axis(near, at, 2)[:, :, 0], np.take_along_axis(scored, at, 2)[:, :, 0]
