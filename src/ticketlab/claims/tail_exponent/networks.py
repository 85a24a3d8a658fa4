"""The networks of one seed, by width: trained ones, each at its own step size, and random features with a ridge read-out.

All step sizes of a width are trained in one program, from one start and in one order of the data. The step size rises, then
falls along half a cosine. Validation chooses step size and step. The grid is extended while the choice lies at its edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from ticketlab import training
from ticketlab.claims.start import batch_of, parts
from ticketlab.claims.tail_exponent.claim import TailExponentPlan
from ticketlab.claims.tail_exponent.exponents import ridge_loss, share_left
from ticketlab.errors import NumericalFailure
from ticketlab.networks.network import Network, Params
from ticketlab.tasks.losses import SQUARE
from ticketlab.tasks.task import Task
from ticketlab.training.result import Ending, TrainingResult

__all__ = ["Learnt", "learnt", "random_features"]

LOOKS = 40  # evaluations of a training
EXTENSIONS = 3  # of the grid
DRAWS = 4  # of the random features of the largest width
BLOCKS = 8  # of a smaller width in each draw, at most


@dataclass(frozen=True, eq=False)
class Learnt:
    """A trained network.

    Arguments:
        loss: on test data, as a share of the targets' variance.
        half: that after a training of half the steps; NaN where it was not asked for.
        step_size: the chosen one.
        inside: whether it lies inside its grid.
    """

    loss: float
    half: float
    step_size: float
    inside: bool


def learnt(plan: TailExponentPlan, task: Task, network: Network, key: jax.Array, half: bool) -> Learnt:
    """The network at the step size and step that validation chooses.

    Arguments:
        half: whether it is trained for half of the steps too.

    Raises: NumericalFailure if training diverges at every step size.
    """
    params = network.init(jax.random.fold_in(key, 0))
    order = jax.random.fold_in(key, 1)
    tried: dict[float, tuple[float, Params | None]] = {}
    new = list(plan.step_sizes)
    factor = (plan.step_sizes[-1] / plan.step_sizes[0]) ** (1 / (len(plan.step_sizes) - 1))
    for extension in range(EXTENSIONS + 1):
        result = _trained(plan, task, network, params, order, new, plan.steps)
        tried |= {size: _best(result, i) for i, size in enumerate(new)}
        sizes = sorted(tried)
        chosen = min(sizes, key=lambda size: tried[size][0])
        inside = sizes[0] < chosen < sizes[-1]
        if inside or extension == EXTENSIONS:
            break
        new = [chosen / factor if chosen == sizes[0] else chosen * factor]
    best = tried[chosen][1]
    if best is None:
        raise NumericalFailure("Training diverged at every step size that was tried. Use smaller ones.")
    loss, shorter = _loss(network, best, task), float("nan")
    if half:
        other = _best(_trained(plan, task, network, params, order, [chosen], plan.steps // 2), 0)[1]
        shorter = float("inf") if other is None else _loss(network, other, task)
    return Learnt(loss, shorter, chosen, inside)


def _trained(
    plan: TailExponentPlan,
    task: Task,
    network: Network,
    params: Params,
    order: jax.Array,
    sizes: Sequence[float],
    steps: int,
) -> TrainingResult:
    rise = max(1, steps // 50)
    return training.train(
        network,
        SQUARE,
        training.TrainingData.of(task),
        training.TrainingPlan(
            steps=steps,
            batch=batch_of(plan.batch, task),
            evaluate_every=max(1, steps // LOOKS),
            optimiser=training.Adam(),
            schedule=training.Warmup(rise, training.Cosine(steps - rise)),
            stop=training.ValidationLoss(),
            score=training.RSquared(),
        ),
        training.Replicas(
            params=training.stack([params] * len(sizes)),
            order_keys=order,
            step_sizes=np.array(sizes, np.float32),
        ),
    )


def _best(result: TrainingResult, i: int) -> tuple[float, Params | None]:
    """The least validation loss of a training, and its parameters there; infinite and none if it diverges."""
    if result.endings[i] is Ending.DIVERGED:
        return float("inf"), None
    assert result.best is not None
    return float(result.best.loss[i]), jax.tree.map(lambda leaf: np.asarray(leaf)[i], result.best.params)


def _loss(network: Network, params: Params, task: Task) -> float:
    return share_left(np.asarray(_applied(network)(params, task.test.x)), task.test.targets)


def random_features(
    task: Task, widest: Network, widths: Sequence[int], key: jax.Array
) -> list[Sequence[float]]:
    """The test losses of ridge read-outs of random units, for each width several.

    Arguments:
        widest: a network of the largest width, whose units are cut into disjoint blocks of each smaller width. The law of a
            unit must not depend on the width.
    """
    found: list[list[float]] = [[] for _ in widths]
    targets = [part.targets for part in parts(task).values()]
    for draw in range(DRAWS):
        params = widest.init(jax.random.fold_in(key, draw))
        units = [np.asarray(_hidden(widest)(params, part.x)) for part in parts(task).values()]
        for losses, width in zip(found, widths, strict=True):
            for block in range(min(BLOCKS, widths[-1] // width)):
                some = [part[:, block * width : (block + 1) * width] for part in units]
                losses.append(ridge_loss(some, targets))
    return list(found)


@lru_cache(maxsize=16)
def _applied(network: Network) -> Any:
    return jax.jit(network.apply)


@lru_cache(maxsize=16)
def _hidden(network: Network) -> Any:
    """The activations of the hidden layer."""
    assert network.features is not None
    features, layer = network.features, network.layers[0].name
    return jax.jit(lambda params, x: features(params, x)[layer])
