"""What is learnt: data sets, their splits into tasks, and the losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "task": ["Split", "Task"],
        "dataset": ["Dataset"],
        "splitting": ["Sizes", "split"],
        "losses": ["SOFTMAX_CROSS_ENTROPY", "SQUARE", "ConvexLoss"],
        "sources": ["Digits", "TaskSource"],
    },
)

if TYPE_CHECKING:
    from ticketlab.tasks.dataset import Dataset as Dataset
    from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY as SOFTMAX_CROSS_ENTROPY
    from ticketlab.tasks.losses import SQUARE as SQUARE
    from ticketlab.tasks.losses import ConvexLoss as ConvexLoss
    from ticketlab.tasks.sources import Digits as Digits
    from ticketlab.tasks.sources import TaskSource as TaskSource
    from ticketlab.tasks.splitting import Sizes as Sizes
    from ticketlab.tasks.splitting import split as split
    from ticketlab.tasks.task import Split as Split
    from ticketlab.tasks.task import Task as Task
