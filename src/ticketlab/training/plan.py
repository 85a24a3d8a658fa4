"""The plan of a training run: its length, batches, optimiser, evaluations and early stopping.

A plan applies to all replicas. What differs between them (parameters, data order, step size, mask, …) is in `Replicas`.
A plan is plain data that can be compared, hashed and written to a file. It imports nothing heavy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Integral
from typing import TYPE_CHECKING

from ticketlab.errors import UserError
from ticketlab.training.optimisers import Constant, Optimiser, Schedule, Sgd

if TYPE_CHECKING:
    from jaxtyping import Array, Float

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "Interpolation",
    "RSquared",
    "Resources",
    "Score",
    "SignAccuracy",
    "StepAccuracy",
    "Stop",
    "TrainingPlan",
    "ValidationLoss",
    "ValidationScore",
]


def _check_patience(patience: int | None) -> None:
    if patience is not None and patience < 1:
        raise UserError(f"patience={patience}", "1 or more evaluations, or None for no limit")


@dataclass(frozen=True)
class Accuracy:
    """The fraction of examples whose largest output and largest target have the same index."""

    def __call__(self, outputs: Float[Array, "n k"], targets: Float[Array, "n k"]) -> Float[Array, ""]:
        return (outputs.argmax(-1) == targets.argmax(-1)).mean(dtype=outputs.dtype)


@dataclass(frozen=True)
class StepAccuracy:
    """The fraction of steps whose largest output and largest target have the same index.

    Arguments:
        steps: of each example; its outputs are those of all steps, one after the other.
    """

    steps: int

    def __call__(self, outputs: Float[Array, "n k"], targets: Float[Array, "n k"]) -> Float[Array, ""]:
        one, other = (a.reshape(*a.shape[:-1], self.steps, -1).argmax(-1) for a in (outputs, targets))
        return (one == other).mean(dtype=outputs.dtype)


@dataclass(frozen=True)
class SignAccuracy:
    """The fraction of examples whose outputs all have the signs of their targets ±1 (an output of 0 counts as wrong)."""

    def __call__(self, outputs: Float[Array, "n k"], targets: Float[Array, "n k"]) -> Float[Array, ""]:
        return (outputs * targets > 0).all(-1).mean(dtype=outputs.dtype)


@dataclass(frozen=True)
class BinaryAccuracy:
    """The fraction of examples whose outputs are above 0 exactly where their targets, 0 or 1, are above ½."""

    def __call__(self, outputs: Float[Array, "n k"], targets: Float[Array, "n k"]) -> Float[Array, ""]:
        return ((outputs > 0) == (targets > 0.5)).all(-1).mean(dtype=outputs.dtype)


@dataclass(frozen=True)
class RSquared:
    """1 − Σ‖F − y‖² / Σ‖y − ȳ‖², the explained fraction of the targets' variance."""

    def __call__(self, outputs: Float[Array, "n k"], targets: Float[Array, "n k"]) -> Float[Array, ""]:
        return 1 - ((outputs - targets) ** 2).sum() / ((targets - targets.mean(0)) ** 2).sum()


Score = Accuracy | StepAccuracy | SignAccuracy | BinaryAccuracy | RSquared


@dataclass(frozen=True)
class Interpolation:
    """A replica stops at the first evaluation where it fits the training data.

    Arguments:
        loss: the largest mean training loss that counts as a fit; None: a training score of 1 counts.
    """

    loss: float | None = None


@dataclass(frozen=True)
class ValidationLoss:
    """The best point has the lowest validation loss; ties go to the earlier point.

    Arguments:
        patience: a replica stops after this number of successive evaluations without improvement; None: never.
    """

    patience: int | None = None

    def __post_init__(self) -> None:
        _check_patience(self.patience)


@dataclass(frozen=True)
class ValidationScore:
    """The best point has the highest validation score; ties go to the earlier point.

    Arguments:
        patience: a replica stops after this number of successive evaluations without improvement; None: never.
    """

    patience: int | None = None

    def __post_init__(self) -> None:
        _check_patience(self.patience)


Stop = Interpolation | ValidationLoss | ValidationScore


@dataclass(frozen=True)
class TrainingPlan:
    """How every replica is trained.

    Arguments:
        steps: the step at which training ends, counted from θ₀.
        batch: examples per step, drawn without replacement from a new order each epoch; None: all. Each epoch drops the
            remainder that is smaller than a batch; the next epoch drops other examples.
        optimiser: Sgd, Adam or AdamW.
        schedule: the factor of the step size.
        stop: when a replica stops early, and what its best point is. With `Interpolation` the best point has the lowest
            validation loss.
        evaluate_every: steps between evaluations, which happen at its multiples and at the end; None: one epoch.
        evaluate_training: whether to measure loss and score on all training data even if no stop needs them.
        checkpoints: steps at which the whole state is kept.
        score: measured in addition to the loss.

    Raises:
        UserError: for impossible numbers.
    """

    steps: int = 1000
    batch: int | None = 64
    optimiser: Optimiser = field(default=Sgd())
    schedule: Schedule = field(default=Constant())
    stop: Stop = ValidationLoss()
    evaluate_every: int | None = None
    evaluate_training: bool = False
    checkpoints: tuple[int, ...] = ()
    score: Score = Accuracy()

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "evaluate_every"):
            value = getattr(self, name)
            if not isinstance(value, Integral) and (value is not None or name == "steps"):
                raise UserError(f"{name}={value!r}", "a whole number")
        if not isinstance(self.optimiser, Optimiser):
            raise UserError(f"optimiser={self.optimiser!r}", "Sgd(…), Adam(…) or AdamW(…)")
        if not isinstance(self.schedule, Schedule):
            raise UserError(f"schedule={self.schedule!r}", "Constant(), Cosine(…), Piecewise(…) or Warmup(…)")
        if self.steps < 0:
            raise UserError(f"{self.steps} steps", "0 or more")
        for name, value in (("batch", self.batch), ("evaluate_every", self.evaluate_every)):
            if value is not None and value < 1:
                raise UserError(f"{name}={value}", "1 or more, or None")
        if any(not 0 <= c <= self.steps for c in self.checkpoints):
            raise UserError(f"checkpoints at {self.checkpoints}", f"steps from 0 to {self.steps}")

    def steps_per_epoch(self, examples: int) -> int:
        """The number of whole batches in this number of training examples."""
        if self.batch is not None and self.batch > examples:
            raise UserError(
                f"batches of {self.batch} from {examples} training examples",
                f"batch ≤ {examples}",
                "Use smaller batches, or batch=None for all examples in every step.",
            )
        return 1 if self.batch is None else examples // self.batch


@dataclass(frozen=True)
class Resources:
    """What a run may use. Only `lanes` and `least_lanes` can change a result, by rounding.

    Arguments:
        memory_bytes: for the replicas trained at the same time; None: half of the free memory, or all of it for one group.
        workers: groups of replicas trained at the same time; None: one per processor (CPU), one (GPU).
        lanes: replicas in one compiled program; None: chosen from the network and the batch, and on a GPU from the number of
            replicas.
        least_lanes: the fewest that are chosen. Where many replicas are trained, eight are faster than one even if their
            arrays leave the cache.
    """

    memory_bytes: int | None = None
    workers: int | None = None
    lanes: int | None = None
    least_lanes: int = 1

    def __post_init__(self) -> None:
        for name in ("memory_bytes", "workers", "lanes", "least_lanes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name}={value}", "1 or more, or None")
