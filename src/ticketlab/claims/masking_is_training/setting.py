"""What does not change from level to level of one seed: split, network, θ_i, keys; and what does, a chain.

A *chain* is a criterion on its way through the levels: its masks, and the final weights that it looks at. Besides those of the
plan there is one for the pre-registered criterion on permuted labels. In chains that train level by level a removed weight keeps,
for those who ask where training took it, the last value that it had.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np

from ticketlab.claims import start
from ticketlab.claims.levels import level_counts, nearest_level
from ticketlab.claims.masking_is_training.claim import MaskingIsTrainingPlan
from ticketlab.claims.masking_is_training.formula import PERMUTED, PREREGISTERED
from ticketlab.networks.network import Network, Params
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.tasks.task import Split, Task
from ticketlab.tickets.criterion import Seen
from ticketlab.tickets.masks import Mask
from ticketlab.tickets.ranking import Counts
from ticketlab.tickets.responses import responses
from ticketlab.tickets.saliency import require_homogeneous
from ticketlab.training import TrainingPlan

__all__ = ["Chain", "Setting", "setting_of"]

STREAM = 1  # of every seed's key, and of its split: stream 0 was used up in choosing the default plan
SPLITS = 1000  # seeds of splits that one stream may use


@dataclass(frozen=True)
class Chain:
    """A criterion on its way through the levels.

    Arguments:
        name: the criterion's, or `PERMUTED`.
        final: θ_f, as it looks at it.
        mask: of the level before; everything at level 0.
    """

    name: str
    final: Params
    mask: Mask

    @property
    def criterion(self) -> str:
        return PREREGISTERED if self.name == PERMUTED else self.name


@dataclass(frozen=True)
class Setting:
    """What does not change from level to level."""

    plan: MaskingIsTrainingPlan
    seed: int
    task: Task
    confused: Task  # with permuted labels
    network: Network
    initial: Params
    key: Any

    @property
    def loss(self) -> ConvexLoss:
        return start.loss_of(self.task)

    @property
    def training(self) -> TrainingPlan:
        every, score = self.plan.evaluate_every, start.score_of(self.task)
        return start.training_plan(self.plan, self.task, evaluate_every=every, score=score)

    @property
    def criteria(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((PREREGISTERED, *self.plan.criteria)))

    @cached_property
    def counts(self) -> tuple[Counts, ...]:
        return level_counts(self.plan.pruning, self.network, self.plan.levels)

    @cached_property
    def decisive(self) -> int:
        return nearest_level(self.counts, self.network, self.plan.density)

    def trains(self, level: int, one: str, zero: str) -> bool:
        """Whether the plan trains the networks that these actions make of a level's masks."""
        everything = self.plan.trained == "all" and level == self.decisive
        return everything or (self.plan.trained != "none" and (one, zero) == ("rewind", "zero"))

    @cached_property
    def responses(self) -> dict[str, np.ndarray]:
        """Of the network as it was drawn."""
        return self.responses_of(self.initial)

    def responses_of(self, params: Params) -> dict[str, np.ndarray]:
        """Of one network, on test data."""
        return responses(self.network, params, self.task.test.x, self.task.train.x)

    def draw(self, level: int, purpose: int) -> Any:
        return jax.random.fold_in(jax.random.fold_in(self.key, purpose), level)

    def seen(self, chain: Chain) -> Seen:
        task = self.confused if chain.name == PERMUTED else self.task
        x, y = (a[: self.plan.scored] for a in (task.train.x, task.train.targets))
        return Seen(self.network, self.initial, chain.final, self.loss, x, y, self.draw(0, 10))

    def score(self, params: Params) -> np.ndarray:
        """Of one network, every test example's."""
        return start.network_scores(self.network, params, self.task, self.task.test)

    def some(self, task: Task) -> Split:
        """As many training examples as criteria with gradients look at."""
        return start.taken(task.train, slice(self.plan.scored))

    def fitted(self, params: Params, *, confused: bool = False) -> np.ndarray:
        """Of one network, every one of some training examples', with true or with permuted labels."""
        task = self.confused if confused else self.task
        return start.network_scores(self.network, params, task, self.some(task))

    def memorised(self, params: Params) -> float:
        """The mean score of one network on permuted training labels."""
        return float(self.fitted(params, confused=True).mean())


def setting_of(plan: MaskingIsTrainingPlan, seed: int) -> Setting:
    drawn = STREAM * SPLITS + seed
    task = start.drawn_task(plan.task, drawn)
    task = start.permuted_labels(task, drawn) if plan.permuted_labels else task
    network = start.built(plan.network, task.input_shape, task.outputs)
    key = jax.random.fold_in(jax.random.key(seed), STREAM)
    initial = jax.tree.map(np.asarray, network.init(jax.random.fold_in(key, 0)))
    setting = Setting(
        plan, seed, task, start.permuted_labels(task, drawn + SPLITS // 2), network, initial, key
    )
    _ = setting.decisive  # refuses a density that no level has, before anything is trained
    if "synflow" in setting.criteria:
        require_homogeneous(network)
    return setting
