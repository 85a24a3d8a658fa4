"""A random network with the mask that makes it a target: the record that every construction returns.

    g(x; m ⊙ θ₀) ≈ λ f(x)

θ₀ is as it was drawn: nothing writes into it, and `require_untouched` draws it once more and compares it bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.networks.network import Network, Params
from ticketlab.networks.stages import Stage
from ticketlab.tickets.constructions.target import Target
from ticketlab.tickets.masks import Mask

if TYPE_CHECKING:
    from ticketlab.tickets.constructions.gaps import Collapsed

__all__ = ["Construction", "LayerReport", "check_options", "masked", "require_untouched"]


@dataclass(frozen=True)
class LayerReport:
    """How one layer of the target was written.

    Arguments:
        name: of the target's layer.
        wanted: weights and biases that are not zero; counted twice where inputs may be negative.
        failures: how many of them exceed the tolerance after each attempt; the first entry is the failure rate's numerator.
        failed_sources: sources (inputs, channels, the constant) with a failure after each attempt.
        sources: how many there are.
        units: hidden units that were drawn for it, with those of repairs.
        kept: weights and biases that the mask keeps.
        scale: what a weight of the target is multiplied by.
    """

    name: str
    wanted: int
    failures: tuple[int, ...]
    failed_sources: tuple[int, ...]
    sources: int
    units: int
    kept: int
    scale: float

    @property
    def attempts(self) -> int:
        return len(self.failures)


@dataclass(frozen=True)
class Construction:
    """A masked random network that agrees with a target.

    Arguments:
        name: of the construction.
        target: f.
        network: g, a network in its own right.
        stages: of g; empty for a network that has none.
        params: θ₀, as drawn.
        masks: booleans over all of θ₀, biases too.
        factor: λ.
        constant: whether g takes a constant 1 as one more input, because it has no biases.
        signed: whether inputs may be negative.
        reports: by layer of the target.
        seconds: for drawing and searching.
        redraw: draws θ₀ once more.
        collapse: what the masked network computes, layer by layer of the target, from θ₀ and the masks alone.
    """

    name: str
    target: Target
    network: Network
    stages: tuple[Stage, ...]
    params: Params
    masks: Params
    factor: float
    constant: bool
    signed: bool
    reports: tuple[LayerReport, ...]
    seconds: float
    redraw: Callable[[], Params] = field(repr=False)
    collapse: Callable[[Construction], tuple[Collapsed, ...]] = field(repr=False)

    @property
    def mask(self) -> Mask:
        """Over the weights alone, as other searches give it."""
        return {name: leaves["weight"] for name, leaves in self.masks.items()}

    @property
    def size(self) -> int:
        """Weights and biases of g."""
        return sum(np.size(leaf) for leaf in jax.tree.leaves(self.params))

    @property
    def kept(self) -> int:
        """Weights and biases that the mask keeps."""
        return sum(int(np.count_nonzero(leaf)) for leaf in jax.tree.leaves(self.masks))

    @property
    def failure_rate(self) -> float:
        """The share of weights that were not within the tolerance at the first attempt."""
        return sum(r.failures[0] for r in self.reports) / max(1, sum(r.wanted for r in self.reports))

    @property
    def milliseconds(self) -> float:
        """For a weight of the target."""
        return 1000 * self.seconds / self.target.weights

    def entering(self, x: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, "n ..."]:
        """The inputs as g takes them: with the constant, if it is carried."""
        if not self.constant:
            return x
        flat = np.reshape(x, (len(x), -1))
        return np.concatenate([flat, np.ones((len(x), 1), flat.dtype)], axis=1)

    def outputs(self, x: Float[np.ndarray, "n ..."]) -> Float[Array, "n k"]:
        """g(x; m ⊙ θ₀)/λ, by the whole network g with all its weights; float32."""
        params = jax.tree.map(jnp.asarray, masked(self.params, self.masks))
        return self.network.apply(params, jnp.asarray(self.entering(x))) / self.factor


def masked(params: Params, masks: Params) -> Params:
    """m ⊙ θ₀, in new arrays."""
    return jax.tree.map(np.multiply, params, masks)


def require_untouched(construction: Construction) -> str:
    """Proves that the weights are those that were drawn: draws them once more and compares all bits.

    Returns: the SHA-256 of θ₀.

    Raises:
        NumericalFailure: with the first layer that differs.
    """
    import hashlib

    digest = hashlib.sha256()
    again: Mapping[str, Mapping[str, np.ndarray]] = construction.redraw()
    for name, leaves in construction.params.items():
        for leaf, array in leaves.items():
            if np.asarray(array).tobytes() != np.asarray(again[name][leaf]).tobytes():
                raise NumericalFailure(
                    f"{leaf} of {name} differs from what was drawn; a mask may only remove weights."
                )
            digest.update(np.asarray(array).tobytes())
    return digest.hexdigest()


def check_options(options: Any, one: str, many: str) -> None:
    """Refuses what no construction can be made with.

    Arguments:
        options: of the construction: `count`, `tolerance` and `attempts`.
        one, many: what is counted ("unit", "units").
    """
    if options.count < 1 or not 0 < options.tolerance < 1 or options.attempts < 1:
        raise UserError(
            f"{options.count} {many}, tolerance {options.tolerance}, {options.attempts} attempts",
            f"at least one {one} and attempt, and a tolerance between 0 and 1",
        )
