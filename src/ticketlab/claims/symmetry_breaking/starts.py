"""Starting points with symmetries, for any network whose units are described, and measures of what is left of a symmetry.

From one random start θ₀ with layers of fan-in n and weights of root mean square s:

    constant      every weight of a layer is s/√n, so that sums of equal activations are as large as random ones
    signs         the same, times −1 for every second unit, into it (of gates, the odd one) and out of it
    duplicated    u/c random units, c copies of each; what reads them is multiplied by 1/√c
    noise         constant + ε·θ₀

Biases are zero in all of these, so that units differ by nothing else. Constants of normalisations stay as they are.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ticketlab.networks.network import Network, Params
from ticketlab.networks.units import UnitGroup, permute_units, rescale_units

__all__ = ["by_unit", "constant", "distinct", "duplicated", "independent", "signs", "spread", "with_noise"]

Units = Float[np.ndarray, "units weights"]
SAME = 1e-6  # relative


def constant(network: Network, params: Params) -> Params:
    """Every weight of a layer has one value, by the root mean square of the drawn ones."""
    return with_noise(network, params, 0.0)


def with_noise(network: Network, params: Params, noise: float) -> Params:
    """The constant start plus ε times the drawn weights, in float32."""
    found = {}
    for layer in network.require_layers("symmetric starts"):
        leaves = {leaf: np.asarray(array) for leaf, array in params[layer.name].items()}
        if layer.stage.weighted:
            drawn = leaves["weight"].astype(np.float64)
            value = np.sqrt(np.mean(drawn**2) / layer.inputs)
            leaves["weight"] = (value + noise * drawn).astype(np.float32)
            leaves |= {"bias": np.zeros_like(leaves["bias"])} if layer.has_bias else {}
        found[layer.name] = leaves
    return found


def signs(network: Network, params: Params) -> Params:
    """The constant start with every second unit of a hidden layer negative, in its incoming and its outgoing weights."""
    found = constant(network, params)
    for group in network.unit_groups:
        found = rescale_units(found, group, 1.0 - 2.0 * (jnp.arange(group.units) % 2))
    return found


def duplicated(network: Network, params: Params, copies: int) -> Params:
    """Random units, c copies of each, in their incoming and outgoing weights."""
    found = _without_biases(network, params)
    for group in network.unit_groups:
        different = max(1, group.units // copies)
        found = permute_units(found, group, jnp.arange(group.units) % different)
        for part in group.outgoing:
            found = part.put(found, part.take(found) * np.float32(np.sqrt(different / group.units)))
    return found


def _without_biases(network: Network, params: Params) -> Params:
    weighted = {layer.name for layer in network.require_layers("symmetric starts") if layer.stage.weighted}
    return {
        name: {
            leaf: jnp.zeros_like(a) if leaf == "bias" and name in weighted else a for leaf, a in of.items()
        }
        for name, of in params.items()
    }


def by_unit(group: UnitGroup, params: Any) -> Units:
    """What leads into each unit of a layer: of parameters, or of a gradient."""
    parts = [np.asarray(part.take(params), np.float64).reshape(group.units, -1) for part in group.incoming]
    return np.concatenate(parts, axis=1)


def distinct(units: Units, same: float = SAME) -> int:
    """The number of distinct units: each differs from all that were counted before by more than `same` of the larger norm."""
    kept: list[np.ndarray] = []
    for unit in units:
        size = np.linalg.norm(unit)
        if all(np.linalg.norm(unit - k) > same * max(size, np.linalg.norm(k)) for k in kept):
            kept.append(unit)
    return len(kept)


def independent(gradients: Units, same: float = SAME) -> int:
    """The numerical rank of the gradients of a layer's units: singular values above `same` of the largest; 0 for none."""
    values = np.linalg.svd(gradients, compute_uv=False)
    return int(np.sum(values > same * values[0]))


def spread(units: Units) -> float:
    """‖U − ū‖/‖U‖, the share of the norm by which units differ from their mean; 0 for equal ones."""
    size = float(np.linalg.norm(units))
    return float(np.linalg.norm(units - units.mean(axis=0))) / size if size else 0.0
