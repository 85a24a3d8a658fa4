"""The networks of one seed, by width: trained ones, each at its own step size, and random features with a ridge read-out.

All widths and step sizes are trained in one program, in one order of the data. A narrow network is the widest one with units
that are masked: these have weights and biases of 0, as every activation here has the value 0 at 0, so that they compute nothing.
The parameters of the others are drawn as in a network of their own width. The step size rises, then falls along half a cosine.
Validation chooses step size and step. The grid of a width is extended while its choice lies at the edge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def learnt(plan: TailExponentPlan, task: Task, networks: Sequence[Network], key: jax.Array) -> list[Learnt]:
    """The networks at the step size and step that validation chooses.

    Arguments:
        networks: by increasing width, with one hidden layer.

    Raises: NumericalFailure if training of a width diverges at every step size.
    """
    at = _Setting(plan, task, networks, key)
    count = len(networks)
    tried: list[dict[float, tuple[float, Params | None]]] = [{} for _ in networks]
    new = [(place, size) for place in range(count) for size in plan.step_sizes]
    factor = (plan.step_sizes[-1] / plan.step_sizes[0]) ** (1 / (len(plan.step_sizes) - 1))
    for _ in range(EXTENSIONS + 1):
        result = at.trained(new, plan.steps)
        for i, (place, size) in enumerate(new):
            tried[place][size] = _best(result, i)
        chosen = [_chosen(of) for of in tried]
        low, high = ([end(of) == size for of, size in zip(tried, chosen, strict=True)] for end in (min, max))
        new = [
            (i, chosen[i] / factor if low[i] else chosen[i] * factor)
            for i in range(count)
            if low[i] or high[i]
        ]
        if not new:
            break
    halves = at.trained([(i, chosen[i]) for i in (0, count - 1)], plan.steps // 2)
    shorter = {0: at.loss(_best(halves, 0)[1]), count - 1: at.loss(_best(halves, 1)[1])}
    found = []
    for i, (of, size) in enumerate(zip(tried, chosen, strict=True)):
        if of[size][1] is None:
            raise NumericalFailure("Training diverged at every step size that was tried. Use smaller ones.")
        inside = not (low[i] or high[i])
        found.append(Learnt(at.loss(of[size][1]), shorter.get(i, float("nan")), size, inside))
    return found


def _chosen(tried: Mapping[float, tuple[float, Params | None]]) -> float:
    """The step size with the least validation loss, of equals the smallest."""
    return min(sorted(tried), key=lambda size: tried[size][0])


@dataclass(frozen=True, eq=False)
class _Setting:
    """What is trained."""

    plan: TailExponentPlan
    task: Task
    networks: Sequence[Network]
    key: jax.Array

    def trained(self, lanes: Sequence[tuple[int, float]], steps: int) -> TrainingResult:
        """Networks by their place, each at a step size."""
        widest, rise = self.networks[-1], max(1, steps // 50)
        shapes = jax.eval_shape(widest.init, self.key)
        starts = [self.networks[place].init(jax.random.fold_in(self.key, place)) for place, _ in lanes]
        return training.train(
            widest,
            SQUARE,
            training.TrainingData.of(self.task),
            training.TrainingPlan(
                steps=steps,
                batch=batch_of(self.plan.batch, self.task),
                evaluate_every=max(1, steps // LOOKS),
                optimiser=training.Adam(),
                schedule=training.Warmup(rise, training.Cosine(steps - rise)),
                stop=training.ValidationLoss(),
                score=training.RSquared(),
            ),
            training.Replicas(
                params=training.stack([_padded(start, shapes) for start in starts]),
                order_keys=jax.random.fold_in(self.key, len(self.networks)),
                step_sizes=np.array([size for _, size in lanes], np.float32),
                masks=training.stack(
                    [_padded(jax.tree.map(np.ones_like, start), shapes) for start in starts]
                ),
            ),
        )

    def loss(self, params: Params | None) -> float:
        """On test data; infinite for a network that diverged."""
        if params is None:
            return float("inf")
        outputs = _applied(self.networks[-1])(params, self.task.test.x)
        return share_left(np.asarray(outputs), self.task.test.targets)


def _padded(params: Params, shapes: Params) -> Params:
    """With zeros for the units that the widest network has more."""
    return jax.tree.map(
        lambda a, b: np.pad(np.asarray(a), [(0, n - m) for m, n in zip(np.shape(a), b.shape, strict=True)]),
        params,
        shapes,
    )


def _best(result: TrainingResult, i: int) -> tuple[float, Params | None]:
    """The least validation loss of a training, and its parameters there; infinite and none if it diverges."""
    if result.endings[i] is Ending.DIVERGED:
        return float("inf"), None
    assert result.best is not None
    return float(result.best.loss[i]), jax.tree.map(lambda leaf: np.asarray(leaf)[i], result.best.params)


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
