"""Optimisers and schedules, as choices that a plan can hold.

An optimiser turns gradients g into a direction d, and θ ← θ − η·s(t)·d. The step size η can differ between replicas, and
s(t) is the schedule's factor at step t. The rules come from optax; JAX is imported only when a rule is needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ticketlab.errors import UserError

if TYPE_CHECKING:
    import optax

__all__ = ["Adam", "AdamW", "Constant", "Cosine", "Optimiser", "Piecewise", "Schedule", "Sgd", "Warmup"]


@dataclass(frozen=True)
class Sgd:
    """Gradient descent, v ← μv + (g + λθ), d = v (Nesterov: d = g + λθ + μv).

    Arguments:
        step_size: η, for replicas without their own.
        momentum: μ, in [0, 1).
        nesterov: whether to use Nesterov's momentum.
        decay: λ of an L2 penalty ½λ‖θ‖², whose gradient goes through the momentum.
    """

    step_size: float = 0.1
    momentum: float = 0.0
    nesterov: bool = False
    decay: float = 0.0

    def __post_init__(self) -> None:
        _check_step_size(self.step_size)
        _check_fraction("momentum", self.momentum)
        _check_decay(self.decay)
        if self.nesterov and not self.momentum:
            raise UserError("nesterov=True with momentum 0", "a momentum above 0")

    def direction(self) -> optax.GradientTransformation:
        import optax

        decay = [optax.add_decayed_weights(self.decay)] if self.decay else []
        momentum = [optax.trace(self.momentum, self.nesterov)] if self.momentum else []
        return optax.chain(optax.identity(), *decay, *momentum)


@dataclass(frozen=True)
class Adam:
    """Adam, d = m̂ / (√v̂ + ε) with bias-corrected running means m of g and v of g² (Kingma and Ba, 1412.6980, algorithm 1).

    Arguments:
        step_size: η, for replicas without their own.
        b1, b2: decay rates of the two running means, in [0, 1).
        eps: ε, above 0.
    """

    step_size: float = 1e-3
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        _check_step_size(self.step_size)
        _check_fraction("b1", self.b1)
        _check_fraction("b2", self.b2)
        _check_eps(self.eps)

    def direction(self) -> optax.GradientTransformation:
        import optax

        return optax.scale_by_adam(self.b1, self.b2, self.eps)


@dataclass(frozen=True)
class AdamW:
    """Adam with decoupled weight decay, d = m̂ / (√v̂ + ε) + λθ (Loshchilov and Hutter, 1711.05101, algorithm 2).

    Arguments:
        step_size: η, for replicas without their own.
        b1, b2: decay rates of the two running means, in [0, 1).
        eps: ε, above 0.
        decay: λ.
    """

    step_size: float = 1e-3
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8
    decay: float = 1e-2

    def __post_init__(self) -> None:
        _check_step_size(self.step_size)
        _check_fraction("b1", self.b1)
        _check_fraction("b2", self.b2)
        _check_eps(self.eps)
        _check_decay(self.decay)

    def direction(self) -> optax.GradientTransformation:
        import optax

        return optax.chain(
            optax.scale_by_adam(self.b1, self.b2, self.eps), optax.add_decayed_weights(self.decay)
        )


Optimiser = Sgd | Adam | AdamW


@dataclass(frozen=True)
class Constant:
    """s(t) = 1."""

    def factor(self) -> optax.Schedule:
        import optax

        return optax.constant_schedule(1.0)


@dataclass(frozen=True)
class Cosine:
    """From 1 down to `final` along half a cosine over `steps` steps, then constant.

    Arguments:
        steps: the length of the descent.
        final: the factor at its end.
    """

    steps: int = 1000
    final: float = 0.0

    def __post_init__(self) -> None:
        _check_steps(self.steps)
        _check_factor("final", self.final)

    def factor(self) -> optax.Schedule:
        import optax

        return optax.cosine_decay_schedule(1.0, self.steps, self.final)


@dataclass(frozen=True)
class Piecewise:
    """Starts at 1 and is multiplied by `by` at each step in `at`.

    Arguments:
        at: the steps, increasing.
        by: the multiplier at each of them.
    """

    at: tuple[int, ...] = ()
    by: float = 0.1

    def __post_init__(self) -> None:
        if any(a <= 0 for a in self.at) or list(self.at) != sorted(set(self.at)):
            raise UserError(f"at={self.at}", "increasing positive steps")
        _check_factor("by", self.by)

    def factor(self) -> optax.Schedule:
        import optax

        return optax.piecewise_constant_schedule(1.0, dict.fromkeys(self.at, self.by))


@dataclass(frozen=True)
class Warmup:
    """Rises linearly from 0 to 1 over `steps` steps; then the schedule `then`, whose steps count from there.

    Arguments:
        steps: the length of the rise.
        then: the schedule that follows.
    """

    steps: int = 100
    then: Constant | Cosine | Piecewise = Constant()

    def __post_init__(self) -> None:
        _check_steps(self.steps)

    def factor(self) -> optax.Schedule:
        import optax

        rise = optax.linear_schedule(0.0, 1.0, self.steps)
        return optax.join_schedules([rise, self.then.factor()], [self.steps])


Schedule = Constant | Cosine | Piecewise | Warmup


def _check_step_size(value: Any) -> None:
    if not (math.isfinite(value) and value > 0):
        raise UserError(f"a step size of {value!r}", "a positive number")


def _check_fraction(name: str, value: Any) -> None:
    if not 0 <= value < 1:
        raise UserError(f"{name}={value!r}", "a number in [0, 1)")


def _check_eps(value: Any) -> None:
    if not (math.isfinite(value) and value > 0):
        raise UserError(f"eps={value!r}", "a positive number, because gradients of zero are divided by it")


def _check_factor(name: str, value: Any) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise UserError(f"{name}={value!r}", "a factor of the step size, ≥ 0")


def _check_decay(value: Any) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise UserError(f"decay={value!r}", "a number ≥ 0")


def _check_steps(value: Any) -> None:
    if value < 1:
        raise UserError(f"a schedule over {value!r} steps", "at least one step")
