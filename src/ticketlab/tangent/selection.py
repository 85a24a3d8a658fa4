"""The parameters that may move: all, those of some layers, or the weights that a mask keeps.

Restricting the tangent space leaves out columns of the Jacobian. Leaves of which nothing may move are never differentiated. A
mask inside a leaf multiplies tangents and cotangents by its zeros and ones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ticketlab.errors import UserError
from ticketlab.networks.network import Params

__all__ = ["AllParameters", "Layers", "Masked", "Selection", "leaf_paths"]


def leaf_paths(params: Params) -> list[tuple[str, ...]]:
    """The path of each leaf, as text, in the order of `jax.tree.leaves`."""
    return [
        tuple(str(getattr(k, "key", getattr(k, "idx", getattr(k, "name", k)))) for k in path)
        for path, _ in jax.tree_util.tree_flatten_with_path(params)[0]
    ]


class Selection(ABC):
    """A choice of columns of the Jacobian."""

    @abstractmethod
    def masks(self, params: Params) -> list[Any]:
        """For each leaf: True (all of it), False (none of it), or a mixed boolean array of the leaf's shape."""


@dataclass(frozen=True)
class AllParameters(Selection):
    """Every parameter may move."""

    def masks(self, params: Params) -> list[Any]:
        return [True] * len(jax.tree.leaves(params))


@dataclass(frozen=True)
class Layers(Selection):
    """Only the parameters of these layers (the first keys of the parameter dictionary) may move."""

    names: tuple[str, ...]

    def masks(self, params: Params) -> list[Any]:
        paths = leaf_paths(params)
        known = list(dict.fromkeys(path[0] for path in paths if path))
        for name in self.names:
            if name not in known:
                raise UserError(
                    f"layer {name!r}", f"one of {', '.join(known)}", "Name layers as the parameters do."
                )
        if not self.names:
            raise UserError(
                "no layer", f"at least one of {', '.join(known)}", "Name the layers that may move."
            )
        return [bool(path) and path[0] in self.names for path in paths]


@dataclass(frozen=True, eq=False)
class Masked(Selection):
    """Only parameters where `mask`, a pytree shaped like the parameters, is one (true) may move."""

    mask: Params

    def masks(self, params: Params) -> list[Any]:
        expected: Any = jax.tree.structure(params)
        if jax.tree.structure(self.mask) != expected:
            raise UserError(
                "a mask whose tree structure differs from that of the parameters",
                "the same structure",
                "Make it with jax.tree.map over the parameters.",
            )
        masks = []
        for leaf, mask in zip(jax.tree.leaves(params), jax.tree.leaves(self.mask), strict=True):
            values = np.asarray(mask)
            if values.shape not in ((), leaf.shape):
                raise UserError(
                    f"a mask of shape {values.shape}",
                    f"() or the parameter's shape {leaf.shape}",
                    "Make it with jax.tree.map over the parameters.",
                )
            if not np.all((values == 0) | (values == 1)):
                raise UserError(
                    "a mask with values other than 0 and 1",
                    "zeros and ones, or booleans",
                    "Compare scores with a threshold to get a mask.",
                )
            uniform = bool(np.all(values == values.flat[0])) if values.size else True
            # True or False is cheaper than an array for a leaf that moves as a whole or not at all.
            masks.append(bool(np.any(values)) if uniform else jax.device_put(values.astype(bool)))
        if not any(mask is not False for mask in masks):
            raise UserError(
                "a mask that keeps nothing", "at least one parameter that may move", "Keep more parameters."
            )
        return masks
