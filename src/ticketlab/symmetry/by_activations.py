"""Orders of units by their activations: units that respond alike to the same inputs are the same unit.

For each group, the correlations of A's units with B's, over examples and pixels, are the gains of one linear assignment.
The groups do not depend on each other, so there are no local maxima, and the answer does not depend on scales. Layers
whose units are tied by sums add up their correlations. A unit that never varies correlates with nothing.

Source: Li, Yosinski, Clune, Lipson, Hopcroft 2015, arXiv 1511.07543 (one-to-one matching of correlations);
Ainsworth et al. 2022, arXiv 2209.04836, section 3.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ticketlab.errors import UserError
from ticketlab.networks.network import Features, Network, Params
from ticketlab.symmetry.ascent import Gains, Start, assignment
from ticketlab.symmetry.matching import Matching, match_from
from ticketlab.symmetry.places import arrays_of, require_groups
from ticketlab.symmetry.signs import free_signs

__all__ = ["by_activations", "match_activations", "unit_correlations"]

ROWS = 256  # examples in a block
CONSTANT = 1e-5  # the variance of a unit that does not vary, to rounding, as a fraction of its mean square


def match_activations(
    network: Network, one: Params, other: Params, x: Float[Array | np.ndarray, "n ..."]
) -> Matching:
    """The orders of the units of `other` in which its activations are most like those of `one`.

    Arguments:
        network: of both, a function of each example alone.
        one, other: θ_A and θ_B.
        x: inputs; thousands for stable correlations.

    Returns:
        The matching; its objective is that of the weights, for comparison with `match_weights`.

    Raises:
        UserError: for a network without a description, or one that normalises over the batch.

    Cost: two forward passes and one assignment for each group.
    """
    start = by_activations(network, one, other, x)
    return match_from(network, one, other, "activations", start, climb=False)


def by_activations(
    network: Network, one: Params, other: Params, x: Float[Array | np.ndarray, "n ..."]
) -> Start:
    """The orders and signs alone, as a start for `match_weights`."""
    arrays = arrays_of(network, other)
    free = {group.layer: free_signs(arrays, group) for group in require_groups(network)}
    found = {
        layer: assignment(Gains(gains, np.zeros_like(gains)), free[layer])
        for layer, gains in unit_correlations(network, one, other, x).items()
    }
    return Start({layer: f[0] for layer, f in found.items()}, {layer: f[1] for layer, f in found.items()})


def unit_correlations(
    network: Network, one: Params, other: Params, x: Float[Array | np.ndarray, "n ..."]
) -> dict[str, Float[np.ndarray, "units units"]]:
    """Correlations of A's units with B's, by group, added up over the layers of the group that have features.

    Raises:
        UserError: as for `match_activations`.
    """
    groups = require_groups(network)
    network.require_each_alone("matching by activations")
    if len(x) < 2:
        raise UserError(f"{len(x)} inputs", "at least 2, for correlations")
    assert network.features is not None  # a network with layers has them
    shapes = jax.eval_shape(
        network.features, one, jax.ShapeDtypeStruct((1, *network.input_shape), np.float32)
    )
    wanted = {
        layer: group.units
        for group in groups
        for layer in dict.fromkeys(axis.layer for axis in group.incoming)
        if layer in shapes
    }
    sums: dict[str, tuple[np.ndarray, ...]] = {}
    for start in range(0, len(x), ROWS):
        block = _moments(network, tuple(wanted.items()), one, other, x[start : start + ROWS])
        for layer, parts in block.items():
            wide = tuple(np.asarray(part, np.float64) for part in parts)
            sums[layer] = tuple(map(np.add, sums[layer], wide)) if layer in sums else wide
    found = {}
    for group in groups:
        layers = [layer for layer in dict.fromkeys(axis.layer for axis in group.incoming) if layer in wanted]
        found[group.layer] = np.zeros((group.units, group.units))
        for layer in layers:
            found[group.layer] += _correlation(*sums[layer])
    return found


@partial(jax.jit, static_argnums=(0, 1))
def _moments(
    network: Network, wanted: tuple[tuple[str, int], ...], one: Params, other: Params, x: Any
) -> dict[str, tuple[Array, ...]]:
    """The number of rows, and sums of a, b, a², b² and a bᵀ, of each layer."""
    assert network.features is not None
    features: list[Features] = [network.features(params, x) for params in (one, other)]
    found: dict[str, tuple[Array, ...]] = {}
    for layer, units in wanted:
        a, b = (f[layer].reshape(-1, units) for f in features)
        rows = jnp.float32(a.shape[0])
        found[layer] = (rows, a.sum(0), b.sum(0), (a * a).sum(0), (b * b).sum(0), a.T @ b)
    return found


def _correlation(
    rows: np.ndarray | float, a: np.ndarray, b: np.ndarray, aa: np.ndarray, bb: np.ndarray, ab: np.ndarray
) -> np.ndarray:
    covariance = ab / rows - np.outer(a, b) / rows**2
    variances = [np.maximum(square / rows - (total / rows) ** 2, 0.0) for square, total in ((aa, a), (bb, b))]
    sds = [
        np.sqrt(np.where(v > CONSTANT * (q / rows), v, np.inf))
        for v, q in zip(variances, (aa, bb), strict=True)
    ]
    return covariance / np.outer(*sds)
