"""Matching by the loss itself, with a straight-through estimator: permutations under which the midpoint does well.

    minimise over θ̃:  L(½ (θ_A + π(θ̃)(θ_B))),     π(θ̃) = the matching of θ_B to θ̃ by weights

Parameters θ̃, which start at θ_A, choose the permutation. The gradient of the loss in the permuted θ_B moves θ̃ as if it were it.
The best permutations seen are kept. The objective is the barrier itself at its middle, so a barrier must then be measured
on other examples, and *distances must not use this matching*.

Source: Ainsworth, Hayase, Srinivasa 2022, arXiv 2209.04836, section 3.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from ticketlab.errors import UserError, counted
from ticketlab.networks.network import Network, Params
from ticketlab.symmetry.ascent import Start
from ticketlab.symmetry.matching import Matching, match_from, match_weights, permuted
from ticketlab.tasks.losses import ConvexLoss

__all__ = ["match_straight_through"]


def match_straight_through(
    network: Network,
    loss: ConvexLoss,
    one: Params,
    other: Params,
    x: Float[Array | np.ndarray, "n ..."],
    targets: Float[Array | np.ndarray, "n k"],
    *,
    steps: int = 50,
    learning_rate: float = 1e-3,
    batch: int = 512,
    seed: int = 0,
) -> Matching:
    """The orders of the units of `other` for which the network halfway to `one` has the least training loss.

    Arguments:
        network, loss: f, a function of each example alone, and ℓ.
        one, other: θ_A and θ_B.
        x, targets: training examples; measure barriers on others.
        steps: of Adam, at this learning rate, each on `batch` examples drawn with `seed`.

    Returns:
        The matching with the least loss on all of x, among those on the way; the first of them is the matching by weights.

    Raises:
        UserError: for no steps, a network without a description or one that normalises over the batch.

    Cost: a matching from one start in each step, a pass over x for each new matching.
    """
    if steps < 1:
        raise UserError(counted(steps, "step"), "at least 1")
    network.require_each_alone("matching by the loss")
    optimiser = optax.adam(learning_rate)
    chooser = jax.tree.map(jnp.asarray, one)
    state = optimiser.init(chooser)
    draw = np.random.default_rng(seed)
    matching = match_weights(network, one, other, seed=seed)
    best, least = matching, _midpoint(network, loss, one, permuted(network, other, matching), x, targets)
    for _ in range(steps):
        rows = draw.choice(len(x), min(batch, len(x)), replace=False)
        moved = permuted(network, other, matching)
        gradient = _gradient(network, loss, one, moved, x[rows], targets[rows])
        updates, state = optimiser.update(gradient, state)
        chooser = optax.apply_updates(chooser, updates)
        start = Start(matching.orders, matching.signs)
        found = match_from(network, chooser, other, "straight-through", start, climb=True, seed=seed)
        if not _same(found, matching):
            value = _midpoint(network, loss, one, permuted(network, other, found), x, targets)
            best, least = (found, value) if value < least else (best, least)
        matching = found
    return best


def _same(one: Matching, other: Matching) -> bool:
    pairs = ((one.orders, other.orders), (one.signs, other.signs))
    return all(np.array_equal(a[group], b[group]) for a, b in pairs for group in a)


def _middle(network: Network, loss: ConvexLoss, one: Params, moved: Params, x: Any, targets: Any) -> Array:
    params = jax.tree.map(lambda a, b: (a + b) / 2, one, moved)
    return jnp.mean(loss.value(network.apply(params, x), targets))


_gradient = partial(jax.jit, static_argnums=(0, 1))(jax.grad(_middle, argnums=3))
_loss = partial(jax.jit, static_argnums=(0, 1))(_middle)


def _midpoint(network: Network, loss: ConvexLoss, one: Params, moved: Params, x: Any, targets: Any) -> float:
    """The loss halfway, over blocks of equal size but for the last."""
    rows = 2048
    starts = range(0, len(x), rows)
    parts = [_loss(network, loss, one, moved, x[i : i + rows], targets[i : i + rows]) for i in starts]
    return float(np.average([float(p) for p in parts], weights=[len(x[i : i + rows]) for i in starts]))
