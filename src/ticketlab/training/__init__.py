"""Training: one compiled program trains R replicas at once in minibatches; each stops on its own."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ticketlab.training.batches import epoch_order
    from ticketlab.training.loop import train
    from ticketlab.training.optimisers import (
        Adam,
        AdamW,
        Constant,
        Cosine,
        Optimiser,
        Piecewise,
        Schedule,
        Sgd,
        Warmup,
    )
    from ticketlab.training.plan import (
        Accuracy,
        BinaryAccuracy,
        Interpolation,
        Resources,
        RSquared,
        Score,
        SignAccuracy,
        StepAccuracy,
        Stop,
        TrainingPlan,
        ValidationLoss,
        ValidationScore,
    )
    from ticketlab.training.reparameterisation import Reparameterisation, Sum
    from ticketlab.training.replicas import Replicas, TrainingData, stack
    from ticketlab.training.result import Best, Ended, Ending, LearningCurves, TrainingResult, TrainingState

# Imported on first use, so that the choices do not import JAX.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "batches": ["epoch_order"],
        "optimisers": [
            "Adam",
            "AdamW",
            "Constant",
            "Cosine",
            "Optimiser",
            "Piecewise",
            "Schedule",
            "Sgd",
            "Warmup",
        ],
        "plan": [
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
        ],
        "reparameterisation": ["Reparameterisation", "Sum"],
        "replicas": ["Replicas", "TrainingData", "stack"],
        "result": ["Best", "Ended", "Ending", "LearningCurves", "TrainingResult", "TrainingState"],
        "loop": ["train"],
    },
)

__all__ = [  # noqa: RUF022 (grouped by topic)
    # the plan
    "TrainingPlan",
    "Resources",
    "Stop",
    "Interpolation",
    "ValidationLoss",
    "ValidationScore",
    "Score",
    "Accuracy",
    "SignAccuracy",
    "BinaryAccuracy",
    "StepAccuracy",
    "RSquared",
    # optimisers and schedules
    "Optimiser",
    "Sgd",
    "Adam",
    "AdamW",
    "Schedule",
    "Constant",
    "Cosine",
    "Piecewise",
    "Warmup",
    # replicas and their data
    "Replicas",
    "TrainingData",
    "stack",
    "Reparameterisation",
    "Sum",
    "epoch_order",
    # training and its result
    "train",
    "TrainingResult",
    "TrainingState",
    "Best",
    "LearningCurves",
    "Ending",
    "Ended",
]
