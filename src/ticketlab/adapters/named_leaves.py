"""A pytree of arrays as a dictionary of arrays by dotted name, and back: {"Dense_0": {"kernel": W}} is {"Dense_0.kernel": W}."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax

from ticketlab.errors import UserError

__all__ = ["named_leaves"]


def named_leaves(
    tree: Any, separator: str = "."
) -> tuple[dict[str, Any], Callable[[Mapping[str, Any]], Any]]:
    """The leaves by name, and the function that puts leaves with these names into the tree's place.

    Raises:
        UserError: for two leaves with one name, as {"a.b": V} and {"a": {"b": W}} in one tree give.
    """
    paths, structure = jax.tree_util.tree_flatten_with_path(tree)
    names = [jax.tree_util.keystr(path, simple=True, separator=separator) for path, _ in paths]
    if len(set(names)) < len(names):
        twice = [name for name in names if names.count(name) > 1]
        raise UserError(
            f"two parameters with the name {twice[0]!r}",
            "names that differ",
            f"Rename one of them, or take no key with {separator!r} in it.",
        )

    def back(leaves: Mapping[str, Any]) -> Any:
        return jax.tree.unflatten(structure, [leaves[name] for name in names])

    return dict(zip(names, (leaf for _, leaf in paths), strict=True)), back
