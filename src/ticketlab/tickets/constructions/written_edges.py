"""The multigraph as a construction: parallel edges of fixed weights, of which a mask keeps those of a weight's binary digits.

Nothing is drawn, nothing can fail, and no layer is added: b bits a weight give an error of at most S 2^−(b+1), S the power of two
at or above the layer's largest weight. The bits that a subset sum of random weights needs beyond these are the price of chance.

`ticketlab.tickets.multigraph` has the edges. Here they are a network in its own right, with a mask, a certificate and a check
like those of the other constructions.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ticketlab.networks.network import Params, pure_network
from ticketlab.tickets.constructions.construction import Construction, LayerReport, masked
from ticketlab.tickets.constructions.gaps import Collapsed
from ticketlab.tickets.constructions.target import Target
from ticketlab.tickets.multigraph import Edges, edges_of

__all__ = ["WrittenEdges"]


@dataclass(frozen=True)
class WrittenEdges:
    """The construction with 2b parallel edges for every weight and bias.

    Arguments:
        bits: b, at most 24.
        signed: whether inputs may be negative; it makes no difference to the edges.
    """

    bits: int = 8
    signed: bool = True

    def __call__(self, target: Target, seed: int = 0) -> Construction:
        """The mask that writes the target, over the edges that stand for its weights.

        Arguments:
            target: f.
            seed: nothing is drawn.
        """
        begin = time.perf_counter()
        network = target.network
        edges: dict[str, dict[str, Edges]] = edges_of(target.params, self.bits)

        def laid() -> Params:
            """All edges: ±S 2^−k, whatever the mask is."""
            return {
                name: {leaf: _weights(of) for leaf, of in leaves.items()} for name, leaves in edges.items()
            }

        def apply(params: Params, x: Array) -> Array:
            return network.apply(jax.tree.map(lambda a: jnp.sum(a, axis=(0, 1)), params), x)

        masks = {name: {leaf: of.kept for leaf, of in leaves.items()} for name, leaves in edges.items()}
        multigraph = pure_network(
            lambda key: laid(),
            apply,
            input_shape=target.input_shape,
            outputs=target.outputs,
            name=f"multigraph for {network.name}",
        )
        params = laid()
        return Construction(
            name="multigraph",
            target=target,
            network=multigraph,
            stages=(),
            params=params,
            masks=masks,
            factor=1.0,
            constant=False,
            signed=self.signed,
            reports=tuple(_report(layer.name, masks[layer.name], layer.sources) for layer in target.layers),
            seconds=time.perf_counter() - begin,
            redraw=laid,
            collapse=_collapsed,
        )


def _weights(of: Edges) -> np.ndarray:
    sizes = of.scale * 0.5 ** np.arange(1, of.kept.shape[1] + 1)
    both = np.stack([sizes, -sizes]).astype(np.float32)
    return np.broadcast_to(both.reshape(2, -1, *(1,) * (of.kept.ndim - 2)), of.kept.shape).copy()


def _report(name: str, masks: dict[str, Any], sources: int) -> LayerReport:
    written = sum(int(mask.any(axis=(0, 1)).sum()) for mask in masks.values())
    kept = sum(int(mask.sum()) for mask in masks.values())
    return LayerReport(name, written, (0,), (0,), sources, 0, kept, 1.0)


def _collapsed(construction: Construction) -> tuple[Collapsed, ...]:
    found = []
    kept = masked(construction.params, construction.masks)
    for layer in construction.target.layers:
        sums = {leaf: a.astype(np.float64).sum(axis=(0, 1)) for leaf, a in kept[layer.name].items()}
        found.append(Collapsed(layer, sums["weight"], None, sums.get("bias", np.zeros(len(layer.bias)))))
    return tuple(found)
