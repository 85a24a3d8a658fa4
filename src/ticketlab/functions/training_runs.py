"""P_SGD(f | S): networks trained from random starts until they fit S, thousands at once, and the functions on which they end.

A chunk of runs is trained in stages. Runs that fit early leave, and the others are packed closely again before the next stage.
Otherwise every group of lanes would wait for its slowest run. The bits of a run do not depend on stages. Run i has the key
`fold_in(key, i)`, which gives its start and its order of the data.

Source of the quantity: Mingard, Valle-Pérez, Skalse, Louis 2021, "Is SGD a Bayesian sampler? Well, almost", arXiv 2006.15191.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Shaped, UInt8

from ticketlab.errors import UserError
from ticketlab.functions.label_strings import packed
from ticketlab.functions.sampler import (
    Drawn,
    State,
    checked_labels,
    first_state,
    next_chunk,
    run_numbers,
    sampler_key,
    streams_of,
)
from ticketlab.networks.network import Network, Params
from ticketlab.tasks.losses import ConvexLoss, Targets
from ticketlab.training import (
    BinaryAccuracy,
    Interpolation,
    Replicas,
    Resources,
    SignAccuracy,
    TrainingData,
    TrainingPlan,
    train,
)
from ticketlab.training.result import Ended, TrainingState

__all__ = ["TrainingRuns", "binary_targets"]

FIRST_STAGE = (
    32  # steps, or one evaluation if that is later; each stage ends at twice the steps of the one before
)
TOGETHER = 2**18  # parameters of the networks that take their steps in one program: 8 to 128 networks


def binary_targets(loss: ConvexLoss, labels: Bool[np.ndarray, "n"]) -> np.ndarray:
    """Targets `[n, 1]`, float32, for one output: −1 and 1 for losses of real numbers, else 0 and 1.

    Raises:
        UserError: for a loss of distributions over classes, which one output cannot give.
    """
    if loss.targets is Targets.DISTRIBUTION:
        raise UserError(f"{loss.name} with one output", "the square, logistic or squared hinge loss")
    y = labels.astype(np.float32)[:, None]
    return 2 * y - 1 if loss.targets is Targets.REAL else y


@dataclass(frozen=True, eq=False)
class TrainingRuns:
    """Training runs that stop at the first evaluation where they fit the training data.

    Arguments:
        network: with one output, whose sign is the label.
        loss: square, logistic or squared hinge.
        x, labels: the training examples S and their labels 0 or 1.
        held_out: the inputs on which functions are compared.
        plan: optimiser, batch, the most steps, and steps between evaluations; its stop and score are set here.
        chunk: runs in a step of the sampler.
        resources: of the training program; None: as many networks in one program as are measured to be fast.
        stop: when a run fits: where the score is 1 (default), or where the training loss is low enough.
    """

    network: Network
    loss: ConvexLoss
    x: Shaped[np.ndarray, "n ..."]
    labels: Shaped[np.ndarray, "n"]
    held_out: Shaped[np.ndarray, "m ..."]
    plan: TrainingPlan = TrainingPlan(steps=20_000, batch=8, evaluate_every=8)
    chunk: int = 4096
    resources: Resources | None = None
    stop: Interpolation = Interpolation()

    def __post_init__(self) -> None:
        checked_labels(self.labels, len(self.x))
        if self.network.outputs != 1 or self.chunk < 1:
            raise UserError(
                f"{self.network.outputs} outputs and chunks of {self.chunk} runs",
                "one output, and at least one run",
            )

    @property
    def examples(self) -> int:
        return len(self.held_out)

    def init(self, key: Array) -> State:
        return first_state(key)

    def step(self, state: State) -> tuple[State, Drawn]:
        numbers = run_numbers(state, self.chunk)
        functions, fits, _ = self.run(sampler_key(state), numbers)
        return next_chunk(state), Drawn(functions[fits], streams_of(numbers[fits]), len(numbers))

    def run(
        self, key: Array, numbers: np.ndarray
    ) -> tuple[UInt8[np.ndarray, "n bytes"], Bool[np.ndarray, "n"], np.ndarray]:
        """The runs of these numbers: their functions, whether each fits S, and the steps that each took."""
        params, steps, ended = self.trained(key, numbers)
        return _functions(self.network, params, self.held_out), ended == Ended.INTERPOLATED, steps

    def trained(self, key: Array, numbers: np.ndarray) -> tuple[Params, np.ndarray, np.ndarray]:
        """The parameters of these runs at their end `[n, …]`, the steps that each took, and how it ended."""
        return self.trained_from(*_starts(self.network, key, jnp.asarray(numbers, jnp.uint32)))

    def trained_from(self, starts: Params, order_keys: Array) -> tuple[Params, np.ndarray, np.ndarray]:
        """The same for runs with these parameters θ₀ `[n, …]` and these keys of data orders `[n]`."""
        params = jax.tree.map(np.array, starts)
        orders = np.asarray(jax.random.key_data(order_keys))
        ended = np.zeros(len(orders), np.int32)
        steps = np.zeros(len(orders), np.int64)
        running, now, given = np.arange(len(orders)), None, params
        for until in self._stages():
            now = self._stage(given, orders[running], now, until)
            ended[running], steps[running] = now.ended, now.steps
            left = (now.ended == Ended.NO) & (until < self.plan.steps)
            for leaf, new in zip(jax.tree.leaves(params), jax.tree.leaves(now.params), strict=True):
                leaf[running[~left]] = new[~left]
            running, now = running[left], _rows(now, left)
            given = now.params
            if not len(running):
                break
        return params, steps, ended

    def _stages(self) -> Iterator[int]:
        """The steps at which stages end: evaluations of the plan, so that stages add none."""
        every = self.plan.evaluate_every or self.plan.steps_per_epoch(len(self.x))
        until = 0
        while until < self.plan.steps:
            goal = max(FIRST_STAGE, 2 * until)
            until = min(-(-goal // every) * every, self.plan.steps)
            yield until

    def _stage(
        self, params: Params, orders: np.ndarray, start: TrainingState | None, until: int
    ) -> TrainingState:
        labels = checked_labels(self.labels, len(self.x))
        score = SignAccuracy() if self.loss.targets is Targets.REAL else BinaryAccuracy()
        plan = replace(self.plan, steps=until, stop=self.stop, score=score, checkpoints=())
        data = TrainingData(np.asarray(self.x, np.float32), binary_targets(self.loss, labels))
        replicas = Replicas(params, order_keys=jax.random.wrap_key_data(jnp.asarray(orders)))
        return train(
            self.network,
            self.loss,
            data,
            plan,
            replicas,
            start=start,
            resources=self.resources or _resources(params, self.chunk),
        ).state


def _resources(params: Params, chunk: int) -> Resources:
    """Here there are many small networks: more of them in one program than where its arrays have to stay in the cache."""
    size = sum(a[0].size for a in jax.tree.leaves(params))
    lanes = 1 << max(TOGETHER // size, 1).bit_length() - 1
    return Resources(least_lanes=min(max(lanes, 8), 128, 1 << (chunk - 1).bit_length()))


def _rows(tree: Any, rows: np.ndarray) -> Any:
    return jax.tree.map(lambda a: np.asarray(a)[rows], tree)


@partial(jax.jit, static_argnums=0)
def _starts(network: Network, key: Array, numbers: Array) -> tuple[Params, Array]:
    """The starts and the order keys of runs by number."""

    def one(number: Array) -> tuple[Params, Array]:
        start, order = jax.random.split(jax.random.fold_in(key, number))
        return network.init(start), order

    return jax.vmap(one)(numbers)


def _functions(network: Network, params: Params, x: np.ndarray) -> UInt8[np.ndarray, "n bytes"]:
    return packed(np.asarray(_labels(network, params, jnp.asarray(x, jnp.float32))))


@partial(jax.jit, static_argnums=0)
def _labels(network: Network, params: Params, x: Array) -> Array:
    return jax.lax.map(lambda p: network.apply(p, x)[:, 0] > 0, params, batch_size=256)
