"""Six kinds of random tickets, drawn by the thousand: what is drawn, and the function that it is.

    unit               of the first hidden layer of a random network
    network            a random network
    mask               of one random network per seed: each weight is kept with a given probability
    read-out           Gaussian weights over the last hidden layer of one random network
    tangent direction  v uniform over directions, in one random network: the function J v
    probe              the last hidden layer of a random network, with a ridge read-out fitted to training examples

Only sums over examples leave the compiled program, so tickets cost no memory. The same numbers give the same tickets.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt

from ticketlab.claims.ticket_tail.quality import Qualities, Sums, qualities
from ticketlab.errors import UserError
from ticketlab.networks.network import Network, Params

__all__ = ["Drum", "Kind", "draw"]

Kind: TypeAlias = Literal["unit", "network", "mask", "read-out", "tangent direction", "probe"]
_Parts: TypeAlias = tuple[Array, Array, Array]
"""The sums of a `Sums`, in JAX."""

HIDDEN = ("unit", "read-out", "probe")  # kinds made of hidden units
TOGETHER = 64  # draws that are computed at once
CHUNK = 2048  # draws in one call
RIDGE = 1e-2  # of a probe, in units of the mean variance of its features


class Drum(NamedTuple):
    """What the tickets of a seed are drawn from and scored on.

    Arguments:
        params: of one random network, for the kinds that share it.
        x: the examples, first half first.
        targets: true and permuted ones, `[2, n, k]`.
        train: inputs to which probes are fitted.
        train_targets: true and permuted ones.
        key: of the draws.
        density: with which a mask keeps a weight.
    """

    params: Params
    x: Float[Array, "n ..."]
    targets: Float[Array, "2 n k"]
    train: Float[Array, "r ..."]
    train_targets: Float[Array, "2 r k"]
    key: Array
    density: float | Float[Array, ""] = 0.5


def draw(
    kind: Kind,
    network: Network,
    drum: Drum,
    count: int,
    progress: Callable[[float], None] = lambda done: None,
) -> tuple[Qualities, Qualities]:
    """The qualities of so many tickets, for the true and for the permuted targets.

    Arguments:
        progress: is told the share that is done.

    Raises: UserError for units, read-outs and probes of a network without hidden units.
    """
    if kind in HIDDEN and not _features(network, drum):
        raise UserError(
            f"{network.name}, which has no hidden units, for tickets of the kind {kind!r}",
            "a network with a hidden layer",
            "Give --network widths, or leave this kind out of --kinds and --also.",
        )
    cut = len(drum.x) // 2
    drum = _remaining(network, drum) if kind == "tangent direction" else drum
    each = next(iter(_features(network, drum).values())).shape[-1] if kind == "unit" else 1
    draws = -(-count // each)
    host = np.asarray(drum.targets, float)
    found: tuple[list[Qualities], list[Qualities]] = ([], [])
    size = min(
        CHUNK, -(-draws // TOGETHER) * TOGETHER
    )  # the same for all calls, so that one program serves them
    for start in range(0, draws, size):
        numbers = jnp.arange(start, start + size, dtype=jnp.uint32)
        sums = [np.asarray(a, float) for a in _sums(kind, network, cut, drum, numbers)]
        for label, parts in enumerate(found):
            # [draw, label or 1, half, ticket, …] → [half, draw·ticket, …]
            of_label = [np.moveaxis(a[:, label if a.shape[1] == 2 else 0], 0, 1) for a in sums]
            flat = [a.reshape(2, -1, *a.shape[3:]) for a in of_label]
            parts.append(qualities(Sums(*flat), host[label], cut))
        progress(min((start + size) / draws, 1.0))
    one, other = (Qualities.joined(parts) for parts in found)
    return _first(one, count), _first(other, count)


def _first(of: Qualities, count: int) -> Qualities:
    return Qualities(of.whole[:count], of.halves[:, :count], of.held_out[:, :count])


@partial(jax.jit, static_argnums=(0, 1, 2))
def _sums(kind: Kind, network: Network, cut: int, drum: Drum, numbers: UInt[Array, "b"]) -> _Parts:
    """Of every number `[b, label or 1, half, ticket, …]`."""

    def of_one(number: Array) -> _Parts:
        outputs = _DRAWS[kind](network, drum, jax.random.fold_in(drum.key, number))
        centred = outputs - outputs.mean(axis=1, keepdims=True)
        parts = [
            jax.vmap(_half, in_axes=(0 if len(centred) == 2 else None, 0))(
                of if len(centred) == 2 else of[0], drum.targets[:, part]
            )
            for part in (slice(0, cut), slice(cut, None))
            for of in (centred[:, part],)
        ]
        mean, square, cross = (jnp.stack(pair, axis=1) for pair in zip(*parts, strict=True))
        return mean, square, cross

    return jax.lax.map(of_one, numbers, batch_size=TOGETHER)


def _half(outputs: Float[Array, "n t m"], targets: Float[Array, "n k"]) -> _Parts:
    unit = outputs.shape[2] == 1 and targets.shape[1] > 1
    cross = (
        jnp.einsum("nt,nk->tk", outputs[..., 0], targets)
        if unit
        else jnp.einsum("ntk,nk->t", outputs, targets)[:, None]
    )
    return outputs.mean(axis=0), jnp.sum(outputs**2, axis=(0, 2)), cross


# --- what is drawn: outputs [labels or 1, n, tickets, outputs] ---


def _units(network: Network, drum: Drum, key: Array) -> Array:
    """All units of one layer; what lies above it is not computed."""
    assert network.features is not None
    return _flat(next(iter(network.features(network.init(key), drum.x).values())))[None, :, :, None]


def _networks(network: Network, drum: Drum, key: Array) -> Array:
    return network.apply(network.init(key), drum.x)[None, :, None]


def _masks(network: Network, drum: Drum, key: Array) -> Array:
    leaves, tree = jax.tree.flatten(drum.params)
    keys = jax.random.split(key, len(leaves))
    kept = [
        leaf * jax.random.bernoulli(k, drum.density, leaf.shape) if leaf.ndim > 1 else leaf
        for leaf, k in zip(leaves, keys, strict=True)
    ]
    return network.apply(jax.tree.unflatten(tree, kept), drum.x)[None, :, None]


def _read_outs(network: Network, drum: Drum, key: Array) -> Array:
    features = _last(network, drum.params, drum.x)
    return (features @ jax.random.normal(key, (features.shape[1], network.outputs)))[None, :, None]


def _directions(network: Network, drum: Drum, key: Array) -> Array:
    leaves, tree = jax.tree.flatten(drum.params)
    keys = jax.random.split(key, len(leaves))
    v = [jax.random.normal(k, leaf.shape, leaf.dtype) for leaf, k in zip(leaves, keys, strict=True)]
    moved = jax.jvp(lambda p: network.apply(p, drum.x), (drum.params,), (jax.tree.unflatten(tree, v),))[1]
    return moved[None, :, None]


def _probes(network: Network, drum: Drum, key: Array) -> Array:
    params = network.init(key)
    on, off = _last(network, params, drum.train), _last(network, params, drum.x)
    centre = on.mean(axis=0)
    on, off = on - centre, off - centre
    gram = on.T @ on
    ridge = RIDGE * jnp.trace(gram) / len(gram) * jnp.eye(len(gram))
    weights = jnp.linalg.solve(
        gram + ridge, jnp.einsum("nu,Lnk->uLk", on, drum.train_targets).reshape(len(gram), -1)
    )
    return jnp.moveaxis((off @ weights).reshape(len(off), 2, -1), 1, 0)[:, :, None]


_DRAWS: dict[Kind, Callable[[Network, Drum, Array], Array]] = {
    "unit": _units,
    "network": _networks,
    "mask": _masks,
    "read-out": _read_outs,
    "tangent direction": _directions,
    "probe": _probes,
}


def _features(network: Network, drum: Drum) -> dict[str, jax.ShapeDtypeStruct]:
    """The shapes of the hidden layers' features."""
    assert network.features is not None
    return dict(jax.eval_shape(network.features, drum.params, drum.x))


def _last(network: Network, params: Params, x: Array) -> Array:
    """The features of the last hidden layer."""
    assert network.features is not None
    return _flat(list(network.features(params, x).values())[-1])


def _flat(features: Array) -> Array:
    """One number a unit: the mean over places of a channel."""
    return features.reshape(len(features), -1, features.shape[-1]).mean(axis=1)


def _remaining(network: Network, drum: Drum) -> Drum:
    """The targets without what the random network itself explains, with its best gain and offset."""
    start = network.apply(drum.params, drum.x)
    start = start - start.mean(axis=0)
    gain = jnp.einsum("nk,Lnk->L", start, drum.targets) / jnp.sum(start**2)
    return drum._replace(targets=drum.targets - gain[:, None, None] * start)
