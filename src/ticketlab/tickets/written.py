"""The state of a search as named arrays that any file can hold, and back.

What follows from the search itself is not written: the arms are rebuilt from the masks, since companions are a pure function.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import jax
import numpy as np

from ticketlab.tickets.magnitude import Companions, Level, Search, first_level, level_arms
from ticketlab.tickets.masks import prunable_weights
from ticketlab.training.result import LearningCurves

__all__ = ["read_level", "written_level"]


def written_level(level: Level) -> dict[str, np.ndarray]:
    """The state of a search, as arrays by name."""
    arrays = {"number": np.array(level.number)}
    for name in level.masks[0]:
        arrays[f"mask {name}"] = np.stack([mask[name] for mask in level.masks])
    for name, tree in (("state", level.state), ("point", level.point), ("dense", level.dense)):
        arrays |= {f"{name} {i:03d}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(tree))}
    return arrays | {f"curve {f.name}": getattr(level.curves, f.name) for f in fields(LearningCurves)}


def read_level(search: Search, arrays: Mapping[str, np.ndarray], companions: Companions) -> Level:
    """The written level, for the same search with the same companions."""
    like = first_level(search)
    number = int(arrays["number"])
    names = [weight.name for weight in prunable_weights(search.network)]
    masks = tuple({name: arrays[f"mask {name}"][s] for name in names} for s in range(len(search)))
    return Level(
        number=number,
        masks=masks,
        arms=level_arms(search, number, masks, companions),
        point=_tree(arrays, "point", like.state),
        dense=_tree(arrays, "dense", search.params),
        state=_tree(arrays, "state", like.state),
        curves=LearningCurves(*(arrays[f"curve {f.name}"] for f in fields(LearningCurves))),
    )


def _tree(arrays: Mapping[str, np.ndarray], name: str, like: Any) -> Any:
    """The leaves with this name in the structure of `like`; None if none were written."""
    leaves = [arrays[key] for key in sorted(arrays) if key.startswith(f"{name} ")]
    return jax.tree.unflatten(jax.tree.structure(like), leaves) if leaves else None
