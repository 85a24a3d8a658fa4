"""What is asked of a training run: how long, in what batches, by which optimiser, measured how often, and when to stop early.

A plan holds for all replicas alike; what differs between them (parameters, data order, step size, mask, …) stands in
`Replicas`. A plan is plain data: it can be compared, hashed and written to a file, and imports nothing heavy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ticketlab.errors import UserError
from ticketlab.training.optimisers import Constant, Optimiser, Schedule, Sgd

if TYPE_CHECKING:
    from jaxtyping import Array, Float

__all__ = [
    "Accuracy",
    "Interpolation",
    "RSquared",
    "Resources",
    "Score",
    "SignAccuracy",
    "Stop",
    "TrainingPlan",
    "ValidationLoss",
    "ValidationScore",
]


def _check_patience(patience: int | None) -> None:
    if patience is not None and patience < 1:
        raise UserError(f"patience={patience}", "1 or more evaluations, or None for no end")


@dataclass(frozen=True)
class Accuracy:
    """The fraction of examples whose largest output is that of the largest target."""

    def __call__(self, outputs: Float[Array, "n k"], targets: Float[Array, "n k"]) -> Float[Array, ""]:
        return (outputs.argmax(-1) == targets.argmax(-1)).mean(dtype=outputs.dtype)


@dataclass(frozen=True)
class SignAccuracy:
    """The fraction of examples all of whose outputs have the sign of their targets ±1 (an output of 0 counts as wrong)."""

    def __call__(self, outputs: Float[Array, "n k"], targets: Float[Array, "n k"]) -> Float[Array, ""]:
        return (outputs * targets > 0).all(-1).mean(dtype=outputs.dtype)


@dataclass(frozen=True)
class RSquared:
    """1 − Σ‖F − y‖² / Σ‖y − ȳ‖², the fraction of the targets' variance that is explained."""

    def __call__(self, outputs: Float[Array, "n k"], targets: Float[Array, "n k"]) -> Float[Array, ""]:
        return 1 - ((outputs - targets) ** 2).sum() / ((targets - targets.mean(0)) ** 2).sum()


Score = Accuracy | SignAccuracy | RSquared


@dataclass(frozen=True)
class Interpolation:
    """A replica stops at the first evaluation where it fits the training data.

    Arguments:
        loss: it fits when its mean training loss is at most this; None: when its training score is 1.
    """

    loss: float | None = None


@dataclass(frozen=True)
class ValidationLoss:
    """The best point is that of the lowest validation loss, the earlier of two equals.

    Arguments:
        patience: a replica stops after so many evaluations in a row without a better one; None: it never does.
    """

    patience: int | None = None

    def __post_init__(self) -> None:
        _check_patience(self.patience)


@dataclass(frozen=True)
class ValidationScore:
    """The best point is that of the highest validation score, the earlier of two equals.

    Arguments:
        patience: a replica stops after so many evaluations in a row without a better one; None: it never does.
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
        batch: examples a step, drawn without replacement from a new order each epoch; None: all of them. What an epoch
            leaves over (fewer than a batch) is dropped, and other examples are left over in the next.
        optimiser: Sgd, Adam or AdamW.
        schedule: the factor of the step size.
        stop: when a replica stops before the end, and what its best point is. With `Interpolation` the best point is that of the
            lowest validation loss.
        evaluate_every: steps between evaluations, which are at its multiples and at the end; None: an epoch.
        evaluate_training: whether loss and score on all training data are measured too, and not only where a stop needs them.
        checkpoints: steps at which the whole state is kept.
        score: what is measured beside the loss.

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
        if self.steps < 0:
            raise UserError(f"{self.steps} steps", "0 or more")
        for name, value in (("batch", self.batch), ("evaluate_every", self.evaluate_every)):
            if value is not None and value < 1:
                raise UserError(f"{name}={value}", "1 or more, or None")
        if any(not 0 <= c <= self.steps for c in self.checkpoints):
            raise UserError(f"checkpoints at {self.checkpoints}", f"steps from 0 to {self.steps}")

    def steps_per_epoch(self, examples: int) -> int:
        """Whole batches in so many training examples."""
        if self.batch is not None and self.batch > examples:
            raise UserError(
                f"batches of {self.batch} from {examples} training examples",
                f"batch ≤ {examples}",
                "Take smaller batches, or batch=None for all examples in every step.",
            )
        return 1 if self.batch is None else examples // self.batch


@dataclass(frozen=True)
class Resources:
    """What a run may use. Only `lanes` can change a result, and that by rounding.

    Arguments:
        memory_bytes: for the replicas that are trained at a time; None: half of what is available, or all for a single group.
        workers: groups of replicas that are trained at the same time; None: one a processor (CPU), one (GPU).
        lanes: replicas that one compiled program takes side by side; None: from the network, the batch and the kind of device.
    """

    memory_bytes: int | None = None
    workers: int | None = None
    lanes: int | None = None

    def __post_init__(self) -> None:
        for name in ("memory_bytes", "workers", "lanes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name}={value}", "1 or more, or None")
