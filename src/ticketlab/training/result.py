"""The result of training: a state to resume from, the learning curves, and how each replica ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum, StrEnum
from typing import Any, TypeAlias

import jax
import numpy as np
from jaxtyping import Float, Int, Shaped

from ticketlab.networks.network import Params

__all__ = ["Best", "Ended", "Ending", "LearningCurves", "TrainingResult", "TrainingState"]


PerReplica: TypeAlias = Any  # an array [R]; not checked, because pytrees may have other leaves


class Ended(IntEnum):
    """Whether and how a replica has ended, as the code in states."""

    NO = 0
    INTERPOLATED = 1
    NO_BETTER = 2
    DIVERGED = 3


class Ending(StrEnum):
    """How a replica's training ended."""

    ALL_STEPS = "took all steps"
    INTERPOLATED = "fits the training data"
    NO_BETTER = "validation got no better"
    DIVERGED = "diverged"


_ENDINGS = {
    Ended.NO: Ending.ALL_STEPS,
    Ended.INTERPOLATED: Ending.INTERPOLATED,
    Ended.NO_BETTER: Ending.NO_BETTER,
    Ended.DIVERGED: Ending.DIVERGED,
}


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Best:
    """The best point on the validation data so far.

    Arguments:
        params: at that point, `[R, …]`.
        steps: taken up to there `[R]`.
        loss, score: on the validation data at that point `[R]`.
        criterion: the quantity that is minimised `[R]`: the loss, or minus the score.
        waited: evaluations since then without improvement `[R]`.
    """

    params: Params
    steps: PerReplica
    loss: PerReplica
    score: PerReplica
    criterion: PerReplica
    waited: PerReplica


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainingState:
    """The state from which training resumes to the bit, with the same inputs; every array has a leading axis R.

    The data order is a pure function of the order key and `steps`, so the state includes the position in it.

    Arguments:
        params: m⊙θ, with masked weights 0.
        optimiser: the optimiser's state.
        steps: taken so far `[R]`; fewer for replicas that have ended.
        batch_loss: the sum of the batch losses since the last evaluation `[R]`.
        batches: their number `[R]`.
        ended: `Ended`, as numbers `[R]`.
        best: the best point so far; None without validation data.
    """

    params: Params
    optimiser: Any
    steps: PerReplica
    batch_loss: PerReplica
    batches: PerReplica
    ended: PerReplica
    best: Best | None


@dataclass(frozen=True)
class LearningCurves:
    """The measurements at each evaluation, `[evaluations, R]`; NaN for replicas that had ended and for values not requested.

    Arguments:
        steps: the steps of the evaluations `[evaluations]`.
        batch_loss: the mean loss of the batches since the previous evaluation, each at the parameters of its own step.
        train_loss, train_score: on all training data.
        validation_loss, validation_score: on the validation data.
    """

    steps: Int[np.ndarray, "evaluations"]
    batch_loss: Float[np.ndarray, "evaluations R"]
    train_loss: Float[np.ndarray, "evaluations R"]
    train_score: Float[np.ndarray, "evaluations R"]
    validation_loss: Float[np.ndarray, "evaluations R"]
    validation_score: Float[np.ndarray, "evaluations R"]


@dataclass(frozen=True)
class TrainingResult:
    """R trained replicas.

    Arguments:
        state: at the end; `train(…, start=state)` continues from it.
        curves: the learning curves.
        endings: how each replica ended.
        checkpoints: the states at the plan's checkpoints; a replica that ended earlier keeps its last state.
        order_keys: the data of the order keys, as numbers.
    """

    state: TrainingState
    curves: LearningCurves
    endings: tuple[Ending, ...]
    checkpoints: Mapping[int, TrainingState] = field(default_factory=dict)
    order_keys: Shaped[np.ndarray, "..."] = field(default_factory=lambda: np.zeros(0, np.uint32))

    def only(self, replicas: Sequence[int]) -> TrainingResult:
        """The same of these replicas alone, for which the order keys are shared."""
        chosen = np.asarray(replicas, int)

        def cut(tree: Any) -> Any:
            return jax.tree.map(lambda a: np.asarray(a)[chosen], tree)

        curves = {f.name: getattr(self.curves, f.name) for f in fields(LearningCurves)}
        return replace(
            self,
            state=cut(self.state),
            curves=LearningCurves(**{n: v if n == "steps" else v[:, chosen] for n, v in curves.items()}),
            endings=tuple(self.endings[i] for i in chosen),
            checkpoints={step: cut(state) for step, state in self.checkpoints.items()},
        )

    @property
    def params(self) -> Params:
        """The final parameters `[R, …]`."""
        return self.state.params

    @property
    def best(self) -> Best | None:
        """The best points on the validation data; None without validation data."""
        return self.state.best

    @property
    def steps(self) -> Int[np.ndarray, "R"]:
        """Steps that each replica took."""
        return np.asarray(self.state.steps)


def endings(ended: Int[np.ndarray, "R"]) -> tuple[Ending, ...]:
    return tuple(_ENDINGS[Ended(code)] for code in ended.tolist())
