"""Losses of networks that answer at every step of a sequence: the mean over the steps of a loss of each answer.

Outputs F and targets y of all steps lie one after the other in one vector, so that for all that takes losses a sequence is one
example with many outputs. With T steps,

    ℓ(F, y) = 1/T Σ_t ℓ₁(F_t, y_t),    ℓ*(v, y) = 1/T Σ_t ℓ₁*(T v_t, y_t).

The loss is convex if ℓ₁ is, and its curvature has one block for each step. In nats a token, if ℓ₁ is a cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ticketlab.errors import UserError
from ticketlab.tasks.losses import ClosedForms, ConvexLoss

__all__ = ["each_step"]


def each_step(loss: ConvexLoss, steps: int) -> ConvexLoss:
    """The mean of `loss` over the answers of each example.

    Arguments:
        loss: ℓ₁, of one answer.
        steps: T, answers of each example; for 1 the loss is unchanged.

    Raises:
        UserError: for no steps, or for a loss that has steps already.
    """
    if steps < 1 or loss.steps > 1:
        raise UserError(f"{loss.name} at {steps} steps", "the loss of one answer, and at least one step")
    if steps == 1:
        return loss
    closed, model = loss.closed, loss.probabilities
    return replace(
        loss,
        name=f"{loss.name} at each of {steps} steps",
        value=_Mean(loss.value, steps, 1),
        conjugate=_Mean(loss.conjugate, steps, steps),
        quadratic=False,  # its curvature is 1/T
        probabilities=None if model is None else _Probabilities(model, steps),
        steps=steps,
        closed=closed and ClosedForms(_Gradient(closed.gradient, steps), _Hessian(closed.hessian, steps)),
    )


def _answers(outputs: Any, targets: Any, steps: int) -> tuple[Any, Any]:
    """Outputs and targets of all answers as rows; targets are repeated for every function in `outputs`."""
    k, each = outputs.shape[-1] // steps, targets.shape[-1] // steps
    y = targets.reshape(*(1,) * (outputs.ndim - 2), *targets.shape)
    y = y + outputs[..., :1] * 0 if outputs.ndim > 2 else y
    return outputs.reshape(-1, k), y.reshape(-1, each)


@dataclass(frozen=True)
class _Mean:
    """1/T Σ_t of a function of T answers, each multiplied by a factor."""

    one: Callable[[Any, Any], Any]
    steps: int
    factor: float

    def __call__(self, outputs: Any, targets: Any) -> Any:
        f, y = _answers(self.factor * outputs, targets, self.steps)
        return self.one(f, y).reshape(*outputs.shape[:-1], self.steps).mean(axis=-1)


@dataclass(frozen=True)
class _Gradient:
    one: Callable[[np.ndarray, np.ndarray], np.ndarray]
    steps: int

    def __call__(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return self.one(*_answers(outputs, targets, self.steps)).reshape(outputs.shape) / self.steps


@dataclass(frozen=True)
class _Hessian:
    one: Callable[[np.ndarray, np.ndarray], np.ndarray]
    steps: int

    def __call__(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        blocks = self.one(*_answers(outputs, targets, self.steps))
        k = blocks.shape[-1]
        blocks = blocks.reshape(*outputs.shape[:-1], self.steps, k, k) / self.steps
        whole = np.zeros((*outputs.shape[:-1], self.steps, k, self.steps, k), blocks.dtype)
        for t in range(self.steps):
            whole[..., t, :, t, :] = blocks[..., t, :, :]
        return whole.reshape(*outputs.shape, outputs.shape[-1])


@dataclass(frozen=True)
class _Probabilities:
    one: Callable[[np.ndarray], np.ndarray]
    steps: int

    def __call__(self, outputs: np.ndarray) -> np.ndarray:
        k = outputs.shape[-1] // self.steps
        return self.one(outputs.reshape(-1, k)).reshape(outputs.shape)
