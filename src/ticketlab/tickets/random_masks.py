"""Random masks: the bits of a mask in another order, and masks drawn with a given number of weights in each layer.

Comparing a ticket with such masks shows whether the positions of its weights matter, or only their number in each layer.
The Erdős–Rényi profile sets these numbers without using any weight: the density of a layer is proportional to
    Σ of its axes / Π of its axes       ((inputs + units)/(inputs·units) for a dense layer),
so that wide layers are thinned more than narrow ones. For a convolution the axes of the kernel count too. A layer can keep at
most all its weights; the other layers share the excess.
"""

from __future__ import annotations

from collections.abc import Mapping

import jax
import numpy as np
from jaxtyping import Array, Key

from ticketlab.errors import UserError, counted
from ticketlab.tickets.masks import Mask

__all__ = ["erdos_renyi_counts", "random_mask", "shuffled"]


def shuffled(mask: Mask, key: Key[Array, ""]) -> dict[str, np.ndarray]:
    """The same bits in a random order, layer by layer: every layer keeps its count."""
    return {
        name: np.asarray(_permuted(key, i, array.ravel())).reshape(array.shape)
        for i, (name, array) in enumerate(mask.items())
    }


@jax.jit
def _permuted(key: Array, i: Array, bits: Array) -> Array:
    return jax.random.permutation(jax.random.fold_in(key, i), bits)


def random_mask(
    shapes: Mapping[str, tuple[int, ...]], counts: Mapping[str, int], key: Key[Array, ""]
) -> dict[str, np.ndarray]:
    """A mask that keeps `counts[layer]` weights of each layer, all choices equally likely.

    Raises:
        UserError: for more weights than a layer has.
    """
    ordered = {}
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        if not 0 <= counts[name] <= size:
            raise UserError(
                f"{counted(int(counts[name]), 'weight')} to keep in layer {name!r}", f"0 to {size}"
            )
        ordered[name] = (np.arange(size) < counts[name]).reshape(shape)
    return shuffled(ordered, key)


def erdos_renyi_counts(shapes: Mapping[str, tuple[int, ...]], kept: int) -> dict[str, int]:
    """The number of weights that each layer keeps, `kept` in total, by the Erdős–Rényi(-kernel) profile.

    Arguments:
        shapes: of the weights, layer by layer.
        kept: the exact total; remainders of rounding go to the largest fractions.

    Raises:
        UserError: for more weights than there are.

    Source: Mocanu et al. 2018, Nature Communications 9, equation 3; for kernels Evci et al. 2019, arXiv 1911.11134, section 3.
    """
    sizes = {name: int(np.prod(shape)) for name, shape in shapes.items()}
    if not 0 <= kept <= sum(sizes.values()):
        raise UserError(
            f"{counted(int(kept), 'weight')} to keep", f"0 to {sum(sizes.values())}, the number of weights"
        )
    whole: set[str] = set()
    while True:  # each pass fills at least one more layer
        free = [name for name in shapes if name not in whole]
        axes = sum(sum(shapes[name]) for name in free)
        left = kept - sum(sizes[name] for name in whole)
        wanted = {name: left * sum(shapes[name]) / axes for name in free}
        full = {name for name in free if wanted[name] >= sizes[name]}
        if not full:
            break
        whole |= full
    counts = {name: sizes[name] if name in whole else int(wanted[name]) for name in shapes}
    by_remainder = sorted(free, key=lambda name: int(wanted[name]) - wanted[name])
    for name in by_remainder[: kept - sum(counts.values())]:
        counts[name] += 1
    return counts
