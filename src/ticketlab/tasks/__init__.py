"""What is learnt: the data, its split into a task, and the losses.

Reading order: `task`, `losses`, `step_losses`, `dataset`, `splitting`, `sources` (the choices), `pinned`, `catalogue` (the
choices by name), `boolean`, `mnist1d` and `sequences` (generated data), `formats` (the user's files).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ticketlab.tasks.catalogue import TASKS, Available, available, check, from_path
    from ticketlab.tasks.dataset import Dataset
    from ticketlab.tasks.losses import (
        LOGISTIC,
        SOFTMAX_CROSS_ENTROPY,
        SQUARE,
        SQUARED_HINGE,
        ConvexLoss,
        Targets,
        huber,
    )
    from ticketlab.tasks.sources import (
        Boolean,
        Bundled,
        Cifar10,
        Csv,
        Digits,
        Fashion,
        Hub,
        Idx,
        ImageFolder,
        InContext,
        Markov,
        Mnist,
        Mnist1d,
        NextRow,
        Npz,
        Parquet,
        SourceCode,
        SparseParity,
        TaskSource,
        Teacher,
        Text,
    )
    from ticketlab.tasks.splitting import Sizes, split
    from ticketlab.tasks.step_losses import each_step
    from ticketlab.tasks.task import Split, Task

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "task": ["Split", "Task"],
        "losses": [
            "LOGISTIC",
            "SOFTMAX_CROSS_ENTROPY",
            "SQUARE",
            "SQUARED_HINGE",
            "ConvexLoss",
            "Targets",
            "huber",
        ],
        "dataset": ["Dataset"],
        "step_losses": ["each_step"],
        "splitting": ["Sizes", "split"],
        "sources": [
            "Boolean",
            "Bundled",
            "Cifar10",
            "Csv",
            "Digits",
            "Fashion",
            "Hub",
            "Idx",
            "ImageFolder",
            "InContext",
            "Markov",
            "Mnist",
            "Mnist1d",
            "NextRow",
            "Npz",
            "Parquet",
            "SourceCode",
            "SparseParity",
            "TaskSource",
            "Teacher",
            "Text",
        ],
        "catalogue": ["TASKS", "Available", "available", "check", "from_path"],
    },
)

__all__ = [  # noqa: RUF022 (by topic)
    # what a network learns
    "Task",
    "Split",
    # losses
    "ConvexLoss",
    "Targets",
    "SQUARE",
    "SOFTMAX_CROSS_ENTROPY",
    "LOGISTIC",
    "SQUARED_HINGE",
    "huber",
    "each_step",
    # from data to a task
    "Dataset",
    "Sizes",
    "split",
    # bundled or generated data
    "Digits",
    "Bundled",
    "Boolean",
    "Mnist1d",
    # sequences, and data of known floor
    "SourceCode",
    "Text",
    "NextRow",
    "Markov",
    "InContext",
    "SparseParity",
    "Teacher",
    # data by name
    "Mnist",
    "Fashion",
    "Cifar10",
    "Hub",
    # the user's files
    "Idx",
    "Npz",
    "Csv",
    "Parquet",
    "ImageFolder",
    # the choices
    "TaskSource",
    "TASKS",
    "Available",
    "available",
    "check",
    "from_path",
]
