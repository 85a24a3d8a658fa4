"""The overlap of two masks, next to what chance alone gives.

In layer l, of n weights, mask A keeps K_A and mask B keeps K_B. If both are uniformly random, |A ∩ B| is hypergeometric:

    E = K_A K_B / n,    V = K_A K_B (n − K_A)(n − K_B) / (n² (n − 1)).

The layers are independent, so z = Σ(O − E)/√ΣV. The effect size is like Cohen's kappa,

    κ = Σ(O − E) / Σ(min(K_A, K_B) − E),

0 at chance, 1 if one mask contains the other. With hundreds of thousands of weights any excess is significant, so the effect
size and the right null decide. The nulls, from the weakest to the strongest:

1. uniformly random masks (`overlap` itself);
2. masks with the same number of weights in every row and column (`same_degrees`): without it, an input that is always zero
   makes all masks agree;
3. masks with the same number of weights in every class of initial size (`same_sizes`): large weights stay large without
   learning;
4. masks from the same start, trained on permuted labels;
5. for matched masks: those of unrelated networks, matched by the same code.

The last two are measured, not drawn: give them to `against` like the draws of the others.

Sources: Grosse & Backes 2020, arXiv 2006.07014 (the hypergeometric law for tickets); Maslov & Sneppen 2002, Science 296 (switches
that keep degrees).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import hypergeom

from ticketlab.errors import UserError
from ticketlab.tickets.masks import Mask, same_shapes

__all__ = ["AgainstNull", "LayerOverlap", "Overlap", "against", "overlap", "same_degrees", "same_sizes"]

SWITCHES = 10  # tried for each weight that a mask keeps


@dataclass(frozen=True)
class LayerOverlap:
    """One layer.

    Arguments:
        weights, one, other: n, K_A and K_B.
        both: |A ∩ B|.
        expected, variance: of the hypergeometric law.
        p_value: mid-p of at least this overlap by chance.
    """

    weights: int
    one: int
    other: int
    both: int
    expected: float
    variance: float
    p_value: float


@dataclass(frozen=True)
class Overlap:
    """Two masks.

    Arguments:
        layers: each layer by itself.
        kappa: the excess over chance, as a fraction of the largest possible; NaN if a mask keeps all or nothing.
        z: the excess in standard deviations; NaN if there is no variance.
        jaccard: |A ∩ B| / |A ∪ B|.
        jaccard_by_chance: Jaccard's index at the expected intersection.
    """

    layers: Mapping[str, LayerOverlap]
    kappa: float
    z: float
    jaccard: float
    jaccard_by_chance: float


@dataclass(frozen=True)
class AgainstNull:
    """κ of two masks next to κ of a null.

    Arguments:
        kappa: of the masks.
        null_mean, null_sd: over the null's masks.
        excess: kappa − null_mean, what the null does not explain.
        share: null_mean/kappa, how much of the overlap the null explains; NaN for no overlap.
    """

    kappa: float
    null_mean: float
    null_sd: float
    excess: float
    share: float


def overlap(one: Mask, other: Mask) -> Overlap:
    """The overlap of two masks and its hypergeometric null.

    Raises:
        UserError: for masks of different shapes.
    """
    same_shapes(one, other, "masks")
    layers = {name: _layer(np.asarray(array), np.asarray(other[name])) for name, array in one.items()}
    excess = sum(at.both - at.expected for at in layers.values())
    most = sum(min(at.one, at.other) - at.expected for at in layers.values())
    variance = sum(at.variance for at in layers.values())
    both, kept = sum(at.both for at in layers.values()), sum(at.one + at.other for at in layers.values())
    expected = sum(at.expected for at in layers.values())
    return Overlap(
        layers,
        excess / most if most > 0 else float("nan"),
        excess / np.sqrt(variance) if variance > 0 else float("nan"),
        both / (kept - both) if kept > both else 1.0,
        expected / (kept - expected) if kept > expected else 1.0,
    )


def against(one: Mask, other: Mask, null: Iterable[Mask]) -> AgainstNull:
    """κ of two masks, and of `one` with each mask of a null that takes the place of `other`.

    Raises:
        UserError: for fewer than two masks in the null.
    """
    kappas = [overlap(one, mask).kappa for mask in null]
    if len(kappas) < 2:
        raise UserError(f"{len(kappas)} masks in a null", "at least 2")
    kappa, mean = overlap(one, other).kappa, float(np.mean(kappas))
    share = mean / kappa if kappa else float("nan")
    return AgainstNull(kappa, mean, float(np.std(kappas, ddof=1)), kappa - mean, share)


def same_degrees(mask: Mask, seed: int) -> dict[str, np.ndarray]:
    """A random mask with the same number of weights in every row and column of every layer.

    Rows are all axes but the last, columns the units. Ten times for each kept weight, two of them, (i, j) and (p, q), become
    (i, q) and (p, j) if both of these are free. After many switches all masks of these degrees are about equally likely.
    """
    draw = np.random.default_rng(seed)
    return {name: _switched(np.asarray(array), draw) for name, array in mask.items()}


def same_sizes(
    mask: Mask, scores: Mapping[str, np.ndarray], seed: int, *, classes: int = 10
) -> dict[str, np.ndarray]:
    """A random mask with the same number of weights in every class of |score|, layer by layer.

    Arguments:
        mask: the mask.
        scores: usually the weights at the start, by layer.
        seed: of the draw.
        classes: equally many weights each, by rank; deciles by default.

    Raises:
        UserError: for scores of other shapes, or no classes.
    """
    if classes < 1:
        raise UserError(f"classes={classes}", "at least 1")
    same_shapes(mask, scores, "mask and scores")
    draw = np.random.default_rng(seed)
    found = {}
    for name, array in mask.items():
        bits, order = (
            np.asarray(array).ravel().copy(),
            np.argsort(np.abs(scores[name]).ravel(), kind="stable"),
        )
        for part in np.array_split(order, classes):
            bits[part] = bits[draw.permutation(part)]
        found[name] = bits.reshape(array.shape)
    return found


def _layer(one: np.ndarray, other: np.ndarray) -> LayerOverlap:
    n, a, b = one.size, int(np.count_nonzero(one)), int(np.count_nonzero(other))
    both = int(np.count_nonzero(one & other))
    law = hypergeom(n, a, b)
    mid_p = float(law.sf(both) + 0.5 * law.pmf(both))
    variance = a * b * (n - a) * (n - b) / (n**2 * (n - 1)) if n > 1 else 0.0
    return LayerOverlap(n, a, b, both, a * b / n, variance, mid_p)


def _switched(mask: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    bits = mask.reshape(-1, mask.shape[-1]).copy()
    rows, columns = np.nonzero(bits)
    if len(rows) < 2:
        return mask.copy()
    for a, b in draw.integers(0, len(rows), (SWITCHES * len(rows), 2)).tolist():
        i, j, p, q = rows[a], columns[a], rows[b], columns[b]
        if not bits[i, q] and not bits[p, j]:
            bits[i, j] = bits[p, q] = False
            bits[i, q] = bits[p, j] = True
            columns[a], columns[b] = q, j
    return bits.reshape(mask.shape)
