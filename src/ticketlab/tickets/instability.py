"""Instability analysis: does SGD noise after step k lead training into different regions of the landscape?

    (θ_k, m) ──order 1──▶ θ_T¹,   (θ_k, m) ──order 2──▶ θ_T²,   …        barrier between every pair

The *copies* of a network start from one state (parameters and moments at step k, under a mask) and differ only in data
order. A network is *stable* if the error barrier between copies is below 2 points. Copies of all seeds and all arms of
a level (the dense network, the ticket, its controls) are trained in one program. Copy c of a seed has the same order in
every arm, so that arms can be compared pair by pair.

Source: Frankle, Dziugaite, Roy, Carbin 2019, arXiv 1912.05671, algorithm 1 and section 3 (stable below 2 %).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ticketlab.errors import UserError
from ticketlab.networks.network import Params
from ticketlab.tickets.magnitude import DENSE, Arm, Companions, Level, Search, stacked
from ticketlab.tickets.masks import Mask, full_mask
from ticketlab.training.loop import train
from ticketlab.training.replicas import Replicas
from ticketlab.training.result import Ended, TrainingState

__all__ = [
    "Copies",
    "beside_the_dense",
    "copy_pairs",
    "first_copies",
    "read_copies",
    "trained_copies",
    "written_copies",
]


@dataclass(frozen=True)
class Copies:
    """C copies of every network of a level, and their state of training.

    Arguments:
        level: the level at step k, from whose networks they start.
        order_keys: the data orders of the copies after step k, `[S, C]`.
        state: `[arms·S·C, …]`; copies vary fastest.
    """

    level: Level
    order_keys: Array
    state: TrainingState

    @property
    def count(self) -> int:
        """C."""
        return int(self.order_keys.shape[1])

    @property
    def step(self) -> int:
        """The step reached by copies that have not diverged."""
        return int(np.max(np.asarray(self.state.steps)))

    @property
    def running(self) -> bool:
        """Whether none has diverged."""
        return bool(np.all(np.asarray(self.state.ended) == Ended.NO))

    def rows(self, arm: int) -> slice:
        """The places of an arm's copies in the state."""
        size = len(self.level.masks) * self.count
        return slice(arm * size, (arm + 1) * size)

    def pairs_of(self, arm: int) -> tuple[Params, Params]:
        """Both ends of the lines between the copies of an arm, `[S·pairs, …]`; pairs vary fastest."""
        seeds = len(self.level.masks)
        ends = np.array(copy_pairs(self.count))  # [pairs, 2]
        rows = self.rows(arm).start + self.count * np.arange(seeds)[:, None, None] + ends
        one, other = (
            jax.tree.map(lambda a, i=i: np.asarray(a)[rows[..., i].ravel()], self.state.params)
            for i in (0, 1)
        )
        return one, other

    def all_masks(self) -> Any:
        """The masks of all copies, as in the state."""
        return jax.tree.map(lambda a: np.repeat(a, self.count, axis=0), self.level.all_masks())


def copy_pairs(copies: int) -> list[tuple[int, int]]:
    """All C(C − 1)/2 pairs of C copies."""
    return list(combinations(range(copies), 2))


def beside_the_dense(search: Search, others: Companions) -> Companions:
    """The companions, preceded by the dense networks, which are rewound to step k like the tickets, under a mask of ones."""

    def companions(number: int, masks: tuple[Mask, ...]) -> Sequence[Arm]:
        whole = stacked((full_mask(search.network),) * len(masks), search.params)
        return [Arm(DENSE, whole), *others(number, masks)]

    return companions


def first_copies(search: Search, level: Level, order_keys: Array) -> Copies:
    """C copies of every network of a level at step k.

    Arguments:
        search: the search of the level.
        level: not trained since it was rewound.
        order_keys: `[S, C]`, C ≥ 2.

    Raises:
        UserError: for a single copy, keys for another number of seeds, or a level that is already trained.
    """
    if order_keys.ndim != 2 or order_keys.shape[0] != len(search) or order_keys.shape[1] < 2:
        raise UserError(
            f"order keys of shape {order_keys.shape}", f"({len(search)}, copies), at least 2 copies"
        )
    if level.step != search.rewind_step:
        raise UserError(f"a level at step {level.step}", f"one at the rewind step, {search.rewind_step}")
    copies = int(order_keys.shape[1])
    state = jax.tree.map(lambda a: np.repeat(np.asarray(a), copies, axis=0), level.state)
    return Copies(level, order_keys, state)


def trained_copies(
    search: Search, copies: Copies, until: int, progress: Callable[[float], None] | None = None
) -> Copies:
    """The copies after `until` steps, counted from θ₀, or at the end of training if that is earlier.

    `until` is as in `trained`: the bits do not depend on intermediate stops.
    """
    plan = replace(search.plan, steps=min(until, search.plan.steps), checkpoints=())
    arms = len(copies.level.arms)
    keys = copies.order_keys[jnp.tile(jnp.arange(len(search)), arms)].reshape(-1)
    replicas = Replicas(copies.state.params, keys, masks=copies.all_masks())
    result = train(
        search.network, search.loss, search.data, plan, replicas, start=copies.state, progress=progress
    )
    return replace(copies, state=result.state)


def written_copies(copies: Copies) -> dict[str, np.ndarray]:
    """The training state of the copies, as arrays by name; with the initial level they restore the copies."""
    return {f"copies {i:03d}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(copies.state))}


def read_copies(copies: Copies, arrays: Mapping[str, np.ndarray]) -> Copies:
    """The written copies, restored from the same copies at step k."""
    leaves = [arrays[name] for name in sorted(arrays) if name.startswith("copies ")]
    return replace(copies, state=jax.tree.unflatten(jax.tree.structure(copies.state), leaves))
