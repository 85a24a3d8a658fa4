"""How it is learnt: one compiled program that trains R replicas at once, in minibatches, to a stop of their own."""

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
        Interpolation,
        Resources,
        RSquared,
        Score,
        SignAccuracy,
        Stop,
        TrainingPlan,
        ValidationLoss,
        ValidationScore,
    )
    from ticketlab.training.reparameterisation import Reparameterisation, Sum
    from ticketlab.training.replicas import Replicas, TrainingData, stack
    from ticketlab.training.result import Best, Ended, Ending, LearningCurves, TrainingResult, TrainingState

# Imported when first used: the choices must not cost the import of JAX.
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
            "Interpolation",
            "RSquared",
            "Resources",
            "Score",
            "SignAccuracy",
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
    # what is asked
    "TrainingPlan",
    "Resources",
    "Stop",
    "Interpolation",
    "ValidationLoss",
    "ValidationScore",
    "Score",
    "Accuracy",
    "SignAccuracy",
    "RSquared",
    # how a step is taken
    "Optimiser",
    "Sgd",
    "Adam",
    "AdamW",
    "Schedule",
    "Constant",
    "Cosine",
    "Piecewise",
    "Warmup",
    # what is trained, on what
    "Replicas",
    "TrainingData",
    "stack",
    "Reparameterisation",
    "Sum",
    "epoch_order",
    # training, and what it leaves
    "train",
    "TrainingResult",
    "TrainingState",
    "Best",
    "LearningCurves",
    "Ending",
    "Ended",
]
