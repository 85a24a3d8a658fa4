"""Iterative magnitude pruning: train, remove the smallest weights, rewind the others to step k, and repeat.

    level 0:  θ₀ ──k steps──▶ θ_k ──────────────▶ θ_T           dense; the whole state at k is kept
    level ℓ:  m_ℓ = the largest |θ_T| among m_{ℓ−1};   θ_k ⊙ m_ℓ ─▶ θ_T

A training state consists of parameters, the optimiser's moments and the number of steps taken, which determines the
data order. So rewinding only means resuming from the kept state under a mask. The search runs for S networks at once,
its *seeds*. At every level other networks can be trained together with the tickets, all in one compiled program: the
*arms* of the level, S networks each.

The state of a search is a value, `Level`: `first_level` makes the first, `trained` trains it further, and `next_level`
prunes and rewinds. So a search can be saved at any step and resumed to the same bits.

Sources: Frankle & Carbin 2018, arXiv 1803.03635, section 1 (k = 0); Frankle et al. 2019, arXiv 1912.05671, algorithm 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.networks.network import Network, Params
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.tickets.masks import Mask, full_mask, over_parameters, weights_of
from ticketlab.tickets.ranking import Pruning
from ticketlab.training.loop import train
from ticketlab.training.plan import Interpolation, TrainingPlan
from ticketlab.training.program import blank_best
from ticketlab.training.replicas import Replicas, TrainingData
from ticketlab.training.result import Ended, LearningCurves, TrainingState

__all__ = ["DENSE", "TICKET", "Arm", "Companions", "Level", "Search", "first_level", "next_level", "trained"]

DENSE, TICKET = "dense", "ticket"


@dataclass(frozen=True)
class Search:
    """The setting of a search, without its state.

    Arguments:
        network, loss, data: f, ℓ and the examples.
        plan: how every network is trained at every level; without checkpoints, and without stopping replicas early.
        params: θ₀ of the seeds, `[S, …]`.
        order_keys: their data orders `[S]`, the same at every level and for every arm.
        pruning: which weights are removed after a level.
        rewind_step: k, 0 ≤ k < steps; 0 rewinds to θ₀.
        one_shot: whether the mask of every level comes from the dense network's θ_T instead of the previous level; counts
            are the same.

    Raises:
        UserError: for a plan that stops replicas early, or a rewind step outside training.
    """

    network: Network
    loss: ConvexLoss
    data: TrainingData
    plan: TrainingPlan
    params: Params
    order_keys: Array
    pruning: Pruning
    rewind_step: int = 0
    one_shot: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.rewind_step < self.plan.steps:
            raise UserError(
                f"rewind_step={self.rewind_step}",
                f"a step before the end of training, 0 to {self.plan.steps - 1}",
            )
        check_no_early_stop(self.plan)

    def __len__(self) -> int:
        """S, the number of seeds."""
        return len(jax.tree.leaves(self.params)[0])


@dataclass(frozen=True)
class Arm:
    """S networks of one kind at one level.

    Arguments:
        name: "ticket", "reinitialised", ….
        masks: a pytree like the parameters, `[S, …]`.
        params: their own θ₀ `[S, …]`, trained under the mask from step 0; None: the dense networks' states at step k, masked.
    """

    name: str
    masks: Any
    params: Params | None = None


Companions = Callable[[int, tuple[Mask, ...]], Sequence[Arm]]
"""What is trained together with the tickets: `(level, masks of the seeds) -> arms`, a pure function."""


@dataclass(frozen=True)
class Level:
    """The state of a search.

    Arguments:
        number: of the level; 0 is dense.
        masks: of the tickets of all seeds.
        arms: the arms being trained, the tickets (at level 0 the dense networks) first.
        point: the states of the dense networks at step k; None before they reach it.
        dense: θ_T of the dense networks, once known, if the search is one-shot.
        state: of all arms, `[arms·S, …]`; seeds vary fastest.
        curves: the measurements at this level so far.
    """

    number: int
    masks: tuple[Mask, ...]
    arms: tuple[Arm, ...]
    point: TrainingState | None
    dense: Params | None
    state: TrainingState
    curves: LearningCurves

    @property
    def step(self) -> int:
        """The step that the arms have reached."""
        running = np.asarray(self.state.steps)[np.asarray(self.state.ended) == Ended.NO]
        return int(running[0]) if len(running) else int(np.max(self.state.steps))

    def rows(self, arm: int) -> slice:
        """The places of an arm's networks in the state."""
        return slice(arm * len(self.masks), (arm + 1) * len(self.masks))

    def all_masks(self) -> Any:
        """The masks of all networks, as in the state."""
        return jax.tree.map(lambda *parts: np.concatenate(parts), *(arm.masks for arm in self.arms))


def first_level(search: Search) -> Level:
    """Level 0 at step 0: the dense networks, under masks that keep everything."""
    masks = (full_mask(search.network),) * len(search)
    arm = Arm(DENSE, stacked(masks, search.params), search.params)
    state, curves = _started(search, [arm], search.params, arm.masks, 0)
    return Level(0, masks, (arm,), None if search.rewind_step else state, None, state, curves)


def trained(
    search: Search, level: Level, until: int, progress: Callable[[float], None] | None = None
) -> Level:
    """The level after `until` steps of all its arms, or at the end of training if that is earlier.

    Arguments:
        until: a multiple of the plan's evaluation interval, or a step at or beyond the end. Then the bits do not depend on
            intermediate stops.
        progress: called with the fraction done of the steps from here to `until`.
    """
    until = min(until, search.plan.steps)
    running = np.any(np.asarray(level.state.ended) == Ended.NO)
    passes = level.point is None and running and level.step < search.rewind_step <= until
    plan = replace(search.plan, steps=until, checkpoints=(search.rewind_step,) if passes else ())
    replicas = _replicas(search, level.arms, level.state.params, level.all_masks())
    result = train(
        search.network, search.loss, search.data, plan, replicas, start=level.state, progress=progress
    )
    return replace(
        level,
        state=result.state,
        point=result.checkpoints[search.rewind_step] if passes else level.point,
        curves=_joined_curves(level.curves, result.curves),
    )


def next_level(search: Search, level: Level, companions: Companions = lambda number, masks: ()) -> Level:
    """The next level at step k, after this one is fully trained: pruned, rewound, with its companions.

    Raises:
        UserError: for a level that is not fully trained.
        NumericalFailure: for networks whose training diverges.
    """
    own_rows = level.rows(0)
    ended, steps = (np.asarray(a)[own_rows] for a in (level.state.ended, level.state.steps))
    if np.any(ended != Ended.NO):
        raise _diverged(search, f"at level {level.number}", int(np.min(steps)), search.plan.steps)
    if level.step < search.plan.steps or level.point is None:
        raise UserError(
            f"level {level.number} at step {level.step}",
            f"a level trained to its end, step {search.plan.steps}",
        )
    own = jax.tree.map(lambda a: np.asarray(a)[own_rows], level.state.params)
    dense = (own if level.number == 0 else level.dense) if search.one_shot else None
    masks = _pruned(search, level.masks, own if dense is None else dense)
    arms = level_arms(search, level.number + 1, masks, companions)
    state, curves = _rewound(search, arms, level.point)
    return Level(level.number + 1, masks, arms, level.point, dense, state, curves)


def level_arms(
    search: Search, number: int, masks: tuple[Mask, ...], companions: Companions
) -> tuple[Arm, ...]:
    """The tickets and their companions."""
    if number == 0:
        return (Arm(DENSE, stacked(masks, search.params), search.params),)
    return (Arm(TICKET, stacked(masks, search.params)), *companions(number, masks))


def check_no_early_stop(plan: TrainingPlan) -> None:
    """Raises a UserError for a plan that stops replicas early."""
    if isinstance(plan.stop, Interpolation) or plan.stop.patience is not None:
        raise UserError(
            f"{plan.stop}",
            "a stop that lets every replica finish",
            "Use ValidationLoss() or ValidationScore().",
        )


def stacked(masks: Sequence[Mask], params: Params) -> Any:
    """The masks of all seeds as one pytree like their parameters, `[S, …]`."""
    one = jax.tree.map(lambda a: np.asarray(a)[0], params)
    return jax.tree.map(lambda *leaves: np.stack(leaves), *(over_parameters(mask, one) for mask in masks))


def _pruned(search: Search, masks: tuple[Mask, ...], params: Params) -> tuple[Mask, ...]:
    """Each seed's mask after one more round."""
    weights = weights_of(search.network, params)
    return tuple(
        search.pruning.prune({name: w[seed] for name, w in weights.items()}, mask)
        for seed, mask in enumerate(masks)
    )


def _rewound(
    search: Search, arms: Sequence[Arm], point: TrainingState
) -> tuple[TrainingState, LearningCurves]:
    """All arms at step k: those with parameters of their own trained there, the others rewound."""
    own = [i for i, arm in enumerate(arms) if arm.params is not None]
    states = {i: _afresh(search, arm, point) for i, arm in enumerate(arms) if arm.params is None}
    if own:
        params, masks = (
            jax.tree.map(lambda *parts: np.concatenate(parts), *trees)
            for trees in ([arms[i].params for i in own], [arms[i].masks for i in own])
        )
        state, _ = _started(search, [arms[i] for i in own], params, masks, search.rewind_step)
        s = len(search)
        for j, i in enumerate(own):
            part = jax.tree.map(lambda a, j=j: np.asarray(a)[j * s : (j + 1) * s], state)
            states[i] = _afresh(search, arms[i], part)
    ordered = [states[i] for i in range(len(arms))]
    joined = jax.tree.map(lambda *parts: np.concatenate(parts), *ordered)
    return joined, _no_curves(len(joined.steps))


def _afresh(search: Search, arm: Arm, state: TrainingState) -> TrainingState:
    """The state of an arm at step k, without measurements; training masks its optimiser when it resumes."""
    if np.any(np.asarray(state.ended) != Ended.NO):
        where, at = f"before the rewind step ({arm.name})", int(np.min(state.steps))
        raise _diverged(search, where, at, search.rewind_step)
    params = jax.tree.map(lambda a, m: np.where(m, a, np.zeros_like(a)), state.params, arm.masks)
    zero = np.zeros_like(np.asarray(state.batch_loss))
    return replace(
        state,
        params=params,
        batch_loss=zero,
        batches=np.zeros_like(np.asarray(state.batches)),
        best=None if state.best is None else jax.device_get(blank_best(params, state.steps, zero)),
    )


def _diverged(search: Search, where: str, after: int, steps: int) -> NumericalFailure:
    return NumericalFailure(
        f"Training diverged {where}, after {after} of {steps} steps: use a step size below "
        f"{search.plan.optimiser.step_size:g}."
    )


def _started(
    search: Search, arms: Sequence[Arm], params: Params, masks: Any, steps: int
) -> tuple[TrainingState, LearningCurves]:
    """Networks trained from their own θ₀ for some steps."""
    plan = replace(search.plan, steps=steps, checkpoints=())
    result = train(search.network, search.loss, search.data, plan, _replicas(search, arms, params, masks))
    return result.state, result.curves


def _replicas(search: Search, arms: Sequence[Arm], params: Params, masks: Any) -> Replicas:
    keys = search.order_keys
    data = np.tile(np.asarray(jax.random.key_data(keys)), (len(arms), 1))
    return Replicas(
        params, jax.random.wrap_key_data(jax.device_put(data), impl=jax.random.key_impl(keys)), masks=masks
    )


def _no_curves(replicas: int) -> LearningCurves:
    none = np.zeros((0, replicas), np.float32)
    return LearningCurves(np.zeros(0, np.int64), *[none] * (len(fields(LearningCurves)) - 1))


def _joined_curves(one: LearningCurves, other: LearningCurves) -> LearningCurves:
    pairs = ((getattr(one, f.name), getattr(other, f.name)) for f in fields(LearningCurves))
    return LearningCurves(*(np.concatenate(pair) for pair in pairs))
