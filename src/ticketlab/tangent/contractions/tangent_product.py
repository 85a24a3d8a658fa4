"""Forward mode on rows of the Jacobian, for any network, also without rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ticketlab.networks.network import Network
from ticketlab.tangent.contractions.contraction import Contraction, Factor

__all__ = ["TangentProduct", "outputs_at"]


@dataclass(frozen=True)
class TangentProduct(Contraction):
    """J(X₁) G with G = J(X₂)ᵀ: forward mode on the left, reverse mode on the right.

    The factor is (x, all leaves, rows G of the leaves that move as `[n, k, *leaf]`).

    Arguments:
        network, structure: f, and the tree of its parameters.
        leaves: the numbers of the leaves that move.
    """

    network: Network
    structure: Any
    leaves: tuple[int, ...]
    title: ClassVar[str] = "Jacobian-vector products"

    def full(self, left: Factor, right: Factor) -> Float[Array, "n k m k"]:
        x, leaves, _ = left
        push = jax.linearize(outputs_at(self, leaves, x), [leaves[i] for i in self.leaves])[1]
        # The k tangents of one example at a time, since each carries all activations of the left block.
        columns = jax.lax.map(jax.vmap(push), list(right[2]))
        return jnp.transpose(columns, (2, 3, 0, 1))  # [m, k', n, k] → [n, k, m, k']

    def mean(self, left: Factor, right: Factor) -> Float[Array, "n m"]:
        return jnp.einsum("ncmc->nm", self.full(left, right)) / self.network.outputs

    def diagonal(self, factor: Factor) -> Float[Array, "n k"]:
        squares = [jnp.sum(jnp.square(g), axis=tuple(range(2, g.ndim))) for g in factor[2]]
        return jnp.sum(jnp.stack(squares), axis=0)


def outputs_at(
    contraction: TangentProduct, leaves: Sequence[Array], x: Array
) -> Callable[[list[Array]], Array]:
    """f(x, θ) as a function of the leaves that move."""

    def outputs(moving: list[Array]) -> Array:
        merged = list(leaves)
        for i, leaf in zip(contraction.leaves, moving, strict=True):
            merged[i] = leaf
        return contraction.network.apply(jax.tree.unflatten(contraction.structure, merged), x)

    return outputs
