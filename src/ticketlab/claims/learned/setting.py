"""What arms are: networks of one architecture, each with its frozen weights searched or trained; and what all seeds draw.

An arm is all seeds of one kind of network. Arms that differ in density, or in how weights are drawn, are replicas of one program.
What they have in common, the `Bench`, is made once: data, network, keys, permuted labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab.claims.start import (
    built,
    loss_of,
    network_scores,
    permuted,
    score_of,
    seed_keys,
    training_plan,
)
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.initialisation import Distribution
from ticketlab.networks.network import Params
from ticketlab.tasks.task import Split, Task
from ticketlab.tickets.biprop import Binarised
from ticketlab.tickets.learned import ScoredMask
from ticketlab.tickets.learned_edges import LearnedEdges
from ticketlab.training import Cosine, Replicas, TrainingData, TrainingPlan, stack

__all__ = ["SPLIT_SEED", "Arm", "Bench", "Setting"]

LOOKS = 20  # at the validation data
SPLIT_SEED = 1
STREAM = 1  # of every seed's key: choosing the default plans used up stream 0, and the split of seed 7


@dataclass(frozen=True)
class Arm:
    """All seeds of one kind of network.

    Arguments:
        name: "ticket", "dense", ….
        search: how a mask is learned, over frozen weights or over the edges of the multigraph; None: weights are trained.
        binary: for trained weights, whether the network sees their signs and a gain.
        density: the fraction of each layer that a search keeps (a supermask: with which it starts).
        distribution: of the weights; None: the architecture's own.
        permuted: whether it learns from labels that are permuted, another way for every seed.
        compared: whether its scores on single test examples are kept, for the verdict.
    """

    name: str
    search: ScoredMask | LearnedEdges | None = None
    binary: bool = False
    density: float = 1.0
    distribution: Distribution | None = None
    permuted: bool = False
    compared: bool = True

    def program(self) -> tuple[Any, ...]:
        """What arms that are trained side by side have in common."""
        return (self.search, self.binary, self.permuted)


@dataclass(frozen=True)
class Setting:
    """One cell's networks, and how they are searched and trained.

    Arguments:
        name: for the tables ("width 0.5").
        size: the factor on the widths.
        plan: with task, steps, batch, and the optimisers of scores (`optimiser`), of weights (`dense_optimiser`), and of weights
            that are seen as signs (`binary_optimiser`). Scores of edges are moved as weights are. Step sizes fall to zero along
            half a cosine.
        architecture: of all arms.
        arms: what is compared; one called "ticket" comes with a random mask of equal counts.
        seeds: whose numbers are computed.
    """

    name: str
    size: float
    plan: Any
    architecture: Architecture
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]

    def groups(self) -> list[tuple[Arm, ...]]:
        """The arms by program, in the order of the first of each."""
        programs = list(dict.fromkeys(arm.program() for arm in self.arms))
        return [tuple(arm for arm in self.arms if arm.program() == p) for p in programs]


class Bench:
    """What the arms of a setting have in common: data, network, and what every seed draws."""

    def __init__(self, setting: Setting, task: Task) -> None:
        self.setting, self.task = setting, task
        self.network = built(setting.architecture, task.input_shape, task.outputs)
        keys = seed_keys(setting.seeds, STREAM, 4)
        self.init, self.order, self.score, self.chance = (keys[:, i] for i in range(4))
        draws = (np.random.Generator(np.random.PCG64((SPLIT_SEED, seed))) for seed in setting.seeds)
        self.permuted = [permuted(task.train, rng) for rng in draws]
        self.loss = loss_of(task)

    def params(self, arm: Arm, place: int) -> Params:
        """θ₀ of the seed at a place, drawn as the arm says."""
        return _drawing(
            self.setting.architecture, arm.distribution, self.task.input_shape, self.task.outputs
        )(self.init[place])

    def rows(self, arm: int) -> range:
        """Where an arm's networks are among those of its group."""
        return range(arm * len(self.setting.seeds), (arm + 1) * len(self.setting.seeds))

    def scores(self, params: Params, part: Split) -> np.ndarray:
        """One network's, on every example of a part."""
        return network_scores(self.network, params, self.task, part)

    def learnt(self, arm: Arm, place: int) -> Split:
        """The training examples with the labels that an arm learns from, with the seed at a place."""
        return self.permuted[place] if arm.permuted else self.task.train

    def about(self, arm: Arm) -> dict[str, Any]:
        """What every row of an arm says."""
        own = self.setting.architecture.staged().initialisation.distribution
        return {
            "setting": self.setting.name,
            "arm": arm.name,
            "size": self.setting.size,
            "distribution": str(arm.distribution or own),
            "asked": arm.density,
        }

    def data(self, permuted: bool, arms: int) -> TrainingData:
        shared = TrainingData.of(self.task)
        if not permuted:
            return shared
        return replace(shared, y=np.concatenate([np.stack([p.targets for p in self.permuted])] * arms))

    def plan(self, arm: Arm) -> TrainingPlan:
        plan = self.setting.plan
        own = isinstance(arm.search, ScoredMask)
        by = "optimiser" if own else "binary_optimiser" if arm.binary else "dense_optimiser"
        return training_plan(
            plan,
            self.task,
            optimiser=getattr(plan, by),
            schedule=Cosine(plan.steps),
            evaluate_every=max(1, plan.steps // LOOKS),
            score=score_of(self.task),
        )

    def replicas(self, group: Sequence[Arm]) -> Replicas:
        seeds, first = len(self.setting.seeds), group[0]
        order, score = (jnp.tile(keys, len(group)) for keys in (self.order, self.score))
        if isinstance(first.search, LearnedEdges):
            return first.search.replicas(self.network, score, order)
        params = stack([self.params(arm, place) for arm in group for place in range(seeds)])
        if first.search is not None:
            density = np.repeat([arm.density for arm in group], seeds)
            return first.search.replicas(self.network, params, density, score, order)
        return Replicas(params, order, effective=Binarised.of(self.network) if first.binary else None)


@lru_cache(maxsize=64)
def _drawing(
    architecture: Architecture, distribution: Distribution | None, shape: tuple[int, ...], outputs: int
) -> Any:
    if distribution is not None:
        staged = architecture.staged()
        drawn = replace(staged.initialisation, distribution=distribution)
        architecture = replace(staged, initialisation=drawn)
    return jax.jit(built(architecture, shape, outputs).init)
