"""Are the targets such that a loss accepts them? Otherwise training or a solver would diverge, or minimise another function."""

from __future__ import annotations

from typing import Any

import numpy as np

from ticketlab.errors import UserError
from ticketlab.tasks.losses import ConvexLoss, Targets

__all__ = ["check_target_shape", "check_targets"]


def check_target_shape(targets: Any, examples: int, outputs: int) -> None:
    """Raises a UserError for targets that are not finite, or not one number for each output of each example."""
    y = np.asarray(targets)
    if y.shape != (examples, outputs):
        raise UserError(
            f"targets of shape {y.shape}",
            f"({examples}, {outputs})",
            "Give the network one output for each target.",
        )
    if not np.isfinite(y).all():
        raise UserError(
            "targets with NaN or infinite values", "finite numbers", "Remove these examples first."
        )


def check_targets(loss: ConvexLoss, targets: Any) -> None:
    """Raises a UserError for targets that the loss does not accept.

    Arguments:
        loss: whose `targets` says what it accepts.
        targets: `[…, n, k]`.
    """
    y = np.asarray(targets)
    if not np.isfinite(y).all():
        raise UserError(
            f"targets with NaN or infinite values, with {loss.name}",
            "finite numbers",
            "Remove these examples first.",
        )
    if loss.targets is Targets.DISTRIBUTION:
        answers = loss.by_step(y.reshape(-1, y.shape[-1]))
        if np.min(y) < 0 or not np.allclose(answers.sum(axis=2), 1.0, atol=1e-5):
            raise UserError(
                f"targets that are not distributions over classes, with {loss.name}",
                "one-hot rows, or rows ≥ 0 with sum 1",
                "Encode labels as one-hot rows, or use the square loss.",
            )
    elif loss.targets is Targets.PROBABILITIES:
        if np.min(y) < 0 or np.max(y) > 1:
            raise UserError(
                f"targets from {np.min(y):g} to {np.max(y):g}, with {loss.name}",
                "numbers from 0 to 1",
                "Encode yes as 1 and no as 0, or use the square loss.",
            )
    elif loss.targets is Targets.BINARY and not np.isin(y, (0, 1)).all():
        raise UserError(
            f"targets other than 0 and 1, with {loss.name}",
            "zeros and ones",
            "Encode yes as 1 and no as 0, or use the square loss.",
        )
