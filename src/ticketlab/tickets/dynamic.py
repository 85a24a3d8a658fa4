"""Dynamic sparse training: the mask changes during training and keeps exactly the planned number of weights at every step.

Every ΔT steps until T_end, a *regrowth* rule drops the kept weights with the smallest |w| in each layer and grows equally many
elsewhere:

    fraction(t) = ½ α (1 + cos(π t / T_end)),    ⌊fraction(t) · kept + ½⌋ weights of each layer,

RigL grows weights where the gradient of the loss is largest, SET at random. A grown weight starts at zero, with zero
moments. A weight that was just dropped may grow again, also from zero. *Gradual* magnitude pruning has no regrowth: it
goes from dense to the final density along
    density(t) = d + (1 − d) (1 − t/T_end)³,
and removes the smallest remaining |w|, so that a removed weight stays removed. All methods end with the same counts,
where they are compared.

Between updates the networks are trained by the same program as all others. So the proof that removed weights take no
part holds between updates.

Sources: Evci et al. 2019, arXiv 1911.11134, section 3 and algorithm 1 (RigL); Mocanu et al. 2018, Nature Communications 9,
algorithm 1 (SET; there with a constant fraction); Zhu & Gupta 2017, arXiv 1710.01878, equation 1 (gradual pruning).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

from ticketlab.errors import UserError
from ticketlab.networks.network import Network, Params
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.tickets.magnitude import check_no_early_stop, stacked
from ticketlab.tickets.masks import Mask, full_mask, prunable_weights, weights_of
from ticketlab.tickets.random_masks import random_mask
from ticketlab.tickets.ranking import highest
from ticketlab.training.batches import epoch_order
from ticketlab.training.loop import train
from ticketlab.training.plan import TrainingPlan
from ticketlab.training.program import blank_best
from ticketlab.training.replicas import Replicas, TrainingData
from ticketlab.training.result import Ended, TrainingState

__all__ = ["Dynamic", "Gradual", "Regrowth", "Sparse", "regrown", "trained_sparse"]


@dataclass(frozen=True)
class Regrowth:
    """RigL or SET.

    Arguments:
        grow: by the largest gradient (RigL) or at random (SET).
        every: ΔT, steps between two updates.
        fraction: α, of each layer's kept weights at t = 0, in [0, 1].
        until: T_end as a fraction of the training steps.

    Raises:
        UserError: for numbers outside their ranges.
    """

    grow: Literal["gradient", "random"] = "gradient"
    every: int = 100
    fraction: float = 0.3
    until: float = 0.75

    def __post_init__(self) -> None:
        _check(self.every, self.until)
        if not 0 <= self.fraction <= 1:
            raise UserError(f"fraction={self.fraction}", "a fraction of the kept weights, from 0 to 1")

    def updates(self, end: int) -> tuple[int, ...]:
        """The steps before which the mask changes, without T_end, where nothing would change."""
        return tuple(range(self.every, end, self.every))

    def share(self, step: int, end: int) -> float:
        """fraction(t)."""
        return self.fraction / 2 * (1 + math.cos(math.pi * step / end))


@dataclass(frozen=True)
class Gradual:
    """Gradual magnitude pruning.

    Arguments:
        every: steps between two updates.
        until: T_end as a fraction of the training steps.
    """

    every: int = 50
    until: float = 0.75

    def __post_init__(self) -> None:
        _check(self.every, self.until)

    def updates(self, end: int) -> tuple[int, ...]:
        """The steps before which the mask changes, the last of them T_end."""
        return (*range(self.every, end, self.every), end)

    def counts(
        self, sizes: Mapping[str, int], last: Mapping[str, int], step: int, end: int
    ) -> dict[str, int]:
        """The number of weights left in each layer after the update at a step; `last` from T_end on."""
        left = (1 - min(step / end, 1.0)) ** 3
        return {name: last[name] + int((n - last[name]) * left + 0.5) for name, n in sizes.items()}


Dynamic = Regrowth | Gradual


@dataclass(frozen=True)
class Sparse:
    """S networks after dynamic sparse training.

    Arguments:
        state: at the end of training; the best point is the best since the last change of the mask.
        masks: of the networks.
        updates: the step of every update, and the counts by layer of each seed after it.
    """

    state: TrainingState
    masks: tuple[Mask, ...]
    updates: tuple[tuple[int, tuple[Mapping[str, int], ...]], ...]


def trained_sparse(
    dynamic: Dynamic,
    network: Network,
    loss: ConvexLoss,
    data: TrainingData,
    plan: TrainingPlan,
    params: Params,
    order_keys: Array,
    counts: Mapping[str, int],
    keys: Array,
    progress: Callable[[float], None] | None = None,
) -> Sparse:
    """Trains S networks with changing masks, to exactly `counts` weights in each layer.

    Arguments:
        dynamic: how masks change.
        network, loss, data, plan: what is trained, and how; the plan must not stop replicas early.
        params: θ₀ `[S, …]`.
        order_keys: data orders `[S]`.
        counts: the number of weights in each layer at the end; with regrowth, at every step.
        keys: `[S]`, for the first mask and for random growth.
        progress: called with the fraction of the steps done.

    Raises:
        UserError: for a plan that stops replicas early.

    Returns:
        The state at the end, the masks, and the counts after each update. The last update is at or before T_end, so some
        steps train with the final mask; the best point is one of these. If a network diverges, all end there, before the
        next update, and the state says which network diverged.

    Cost: training; for RigL also a gradient of all weights at every update, on the batch of that step.
    """
    check_no_early_stop(plan)
    end = max(1, int(dynamic.until * plan.steps))
    run = _Run(dynamic, network, loss, data, plan, order_keys, counts, keys, end)
    masks, state, updates = _first(run), None, []
    for first, until in itertools.pairwise((0, *dynamic.updates(end), plan.steps)):
        if state is not None:
            masks, state = _updated(run, state, masks, first)
            updates.append((first, tuple({n: int(m.sum()) for n, m in mask.items()} for mask in masks)))
        state = train(
            network,
            loss,
            data,
            replace(plan, steps=until, checkpoints=()),
            Replicas(params, order_keys, masks=stacked(masks, params)),
            start=state,
            progress=progress and functools.partial(_told, progress, first, until - first, plan.steps),
        ).state
        if np.any(np.asarray(state.ended) != Ended.NO):
            break  # diverged weights cannot be ranked
    assert state is not None
    return Sparse(state, masks, tuple(updates))


def regrown(
    weights: Mapping[str, np.ndarray], growth: Mapping[str, np.ndarray], mask: Mask, drop: Mapping[str, int]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """One update of a mask: the weights that survive the drop, and the mask after growing equally many.

    Arguments:
        weights: kept weights with the smallest |w| are dropped; ties drop the higher index.
        growth: scores; the others with the highest scores grow; ties grow the lower index.
        mask: before the update.
        drop: the number to drop in each layer, at most the number that it keeps.
    """
    left = {name: int(array.sum()) - drop[name] for name, array in mask.items()}
    surviving = highest({n: np.abs(w) for n, w in weights.items()}, left, mask)
    grown = highest(growth, dict(drop), {name: ~array for name, array in surviving.items()})
    return surviving, {name: array | grown[name] for name, array in surviving.items()}


@dataclass(frozen=True)
class _Run:
    """What stays the same between updates; `end` is T_end."""

    dynamic: Dynamic
    network: Network
    loss: ConvexLoss
    data: TrainingData
    plan: TrainingPlan
    order_keys: Array
    counts: Mapping[str, int]
    keys: Array
    end: int


def _first(run: _Run) -> tuple[Mask, ...]:
    if isinstance(run.dynamic, Gradual):
        return (full_mask(run.network),) * len(run.keys)
    shapes = {weight.name: weight.weight_shape for weight in prunable_weights(run.network)}
    return tuple(random_mask(shapes, run.counts, key) for key in run.keys)


def _updated(
    run: _Run, state: TrainingState, masks: tuple[Mask, ...], step: int
) -> tuple[tuple[Mask, ...], TrainingState]:
    """The masks after the update at a step, and the state with zero values and moments for dropped weights."""
    dynamic, weights = run.dynamic, weights_of(run.network, state.params)
    kept, new = [], []
    for s, mask in enumerate(masks):
        own = {name: w[s] for name, w in weights.items()}
        if isinstance(dynamic, Gradual):
            sizes = {name: array.size for name, array in mask.items()}
            after = dynamic.counts(sizes, run.counts, step, run.end)
            surviving = following = highest({n: np.abs(w) for n, w in own.items()}, after, mask)
        else:
            drop = {n: int(dynamic.share(step, run.end) * int(m.sum()) + 0.5) for n, m in mask.items()}
            growth = (
                _gradients(run, jax.tree.map(lambda a, s=s: a[s], state.params), s, step)
                if dynamic.grow == "gradient"
                else _noise(own, jax.random.fold_in(run.keys[s], step))
            )
            surviving, following = regrown(own, growth, mask, drop)
        kept.append(surviving)
        new.append(following)
    return tuple(new), _without(run.plan, state, stacked(kept, state.params))


def _without(plan: TrainingPlan, state: TrainingState, masks: Any) -> TrainingState:
    """The state with zero values and moments where masks are false; without measurements, since the network has changed."""

    def zeroed(array: Any, mask: Any) -> Any:
        return np.where(mask, np.asarray(array), np.zeros_like(np.asarray(array)))

    params = jax.tree.map(zeroed, state.params, masks)
    optimiser = optax.tree_utils.tree_map_params(plan.optimiser.direction(), zeroed, state.optimiser, masks)
    zero = np.zeros_like(np.asarray(state.batch_loss))
    best = None if state.best is None else jax.device_get(blank_best(params, state.steps, zero))
    return replace(state, params=params, optimiser=optimiser, best=best)


def _gradients(run: _Run, params: Params, seed: int, step: int) -> dict[str, np.ndarray]:
    """|∂L/∂w| of all weights of one seed, including removed ones, on the batch of the step."""
    x, y, batch = np.asarray(run.data.x), np.asarray(run.data.y), run.plan.batch
    if batch is not None:
        epoch, within = divmod(step, run.plan.steps_per_epoch(len(x)))
        order = np.asarray(epoch_order(run.order_keys[seed], epoch, len(x)))
        rows = order[within * batch : (within + 1) * batch]
        x, y = x[rows], y[rows]
    found = weights_of(run.network, _gradient(run.network, run.loss, params, x, y))
    return {name: np.abs(g) for name, g in found.items()}


@functools.partial(jax.jit, static_argnums=(0, 1))
def _gradient(network: Network, loss: ConvexLoss, params: Params, x: Array, y: Array) -> Params:
    return jax.grad(lambda p: jnp.mean(loss.value(network.apply(p, x), y)))(params)


def _noise(weights: Mapping[str, np.ndarray], key: Array) -> dict[str, np.ndarray]:
    return {
        name: np.asarray(jax.random.uniform(jax.random.fold_in(key, i), w.shape))
        for i, (name, w) in enumerate(weights.items())
    }


def _told(progress: Callable[[float], None], first: int, steps: int, whole: int, share: float) -> None:
    progress((first + share * steps) / whole)


def _check(every: int, until: float) -> None:
    if every < 1:
        raise UserError(f"every={every}", "at least 1 step")
    if not 0 < until < 1:
        raise UserError(f"until={until}", "a fraction of the steps, above 0 and below 1")
