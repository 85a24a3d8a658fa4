"""Gradient descent in parameter space: every step size, with f₀ kept and centred away, as replicas of one program.

All step sizes are trained for equally many epochs. A run is taken up from where it was when more are needed, and gives the bits
of a run that was never stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from ticketlab.claims.rows import curve_rows
from ticketlab.claims.start import batch_of, largest_curvature, relative_motion, score_of
from ticketlab.claims.tangent_minimum.candidates import Arms, Candidate, Scored, Start, best, settled
from ticketlab.claims.tangent_minimum.formula import DESCENT, OFFSETS
from ticketlab.errors import NumericalFailure
from ticketlab.training import (
    LearningCurves,
    Replicas,
    Sgd,
    TrainingData,
    TrainingPlan,
    TrainingResult,
    ValidationScore,
    stack,
    train,
)
from ticketlab.training.result import Ending

__all__ = ["Descent"]

LOOKED_AT = {
    "train_loss": "batch_loss",
    "validation_score": "validation_score",
    "validation_loss": "validation_loss",
}
_Lanes = tuple[tuple[str, float], ...]
"""(offset, step size) of each replica that was trained together."""
_Told = Callable[[float], None]


@dataclass(frozen=True)
class Descent:
    """Gradient descent from θ₀ with all step sizes tried so far, each for `epochs` epochs."""

    at: Start
    order: jax.Array
    unit: float
    epochs: int
    parts: tuple[tuple[_Lanes, TrainingResult], ...] = ()  # with the learning curves from step 0

    @staticmethod
    def of(at: Start, order: jax.Array) -> Descent:
        """Nothing trained yet."""
        unit = 1.0 / largest_curvature(at.network, at.params, at.task.train, at.loss)
        return Descent(at, order, unit, at.plan.epochs)

    def tried(self) -> list[float]:
        """The step sizes."""
        return [size for lanes, _ in self.parts for offset, size in lanes if offset == OFFSETS[0]]

    def with_sizes(self, sizes: Sequence[float], progress: _Told) -> Descent:
        """More step sizes, trained as long as those before."""
        lanes = tuple((offset, size) for offset in OFFSETS for size in sizes)
        return replace(self, parts=(*self.parts, (lanes, self._train(lanes, self.epochs, None, progress))))

    def to_the_end(self, progress: _Told) -> Descent:
        """Trained until the validation loss of the chosen step sizes has settled, or there are no doublings left."""
        found = self
        while not found.all_settled() and found.epochs < self.at.plan.epochs * 2**self.at.plan.doublings:
            epochs = 2 * found.epochs
            parts = tuple((lanes, found._train(lanes, epochs, r, progress)) for lanes, r in found.parts)
            found = replace(found, epochs=epochs, parts=parts)
        return found

    def all_settled(self) -> bool:
        return all(self.settled(offset) for offset in OFFSETS)

    def settled(self, offset: str) -> bool:
        """Whether the chosen step size was trained to the end."""
        chosen = best(self.arms()[offset, DESCENT]).candidate.setting
        for lanes, result in self.parts:
            if (offset, chosen) in lanes:
                i, curves = lanes.index((offset, chosen)), result.curves
                return settled(curves.validation_loss[:, i], curves.validation_score[:, i])
        return False

    def arms(self) -> Arms:
        """All candidates, each at its best point."""
        arms: Arms = {(offset, DESCENT): [] for offset in OFFSETS}
        for lanes, result in self.parts:
            for i, (offset, size) in enumerate(lanes):
                arms[offset, DESCENT].append(_scored(self.at, result, i, offset, size))
        return arms

    def curves(self) -> list[dict[str, Any]]:
        """The learning curves, as rows."""
        return [
            {"offset": offset, "step_size": size, **row}
            for lanes, result in self.parts
            for i, (offset, size) in enumerate(lanes)
            for row in curve_rows(result.curves, i, LOOKED_AT)
        ]

    def require_some(self) -> None:
        """There is nothing to compare with when every step size diverged."""
        for (offset, _), found in self.arms().items():
            if not any(s.candidate.outputs for s in found):
                endings = sorted({Ending(s.candidate.outcome).value for s in found})
                raise NumericalFailure(
                    f"gradient descent with f₀ {offset} {', '.join(endings)} at every step size {self.tried()}: try smaller ones"
                )

    def _train(
        self, lanes: _Lanes, epochs: int, before: TrainingResult | None, progress: _Told
    ) -> TrainingResult:
        """Trained from the start, or taken up from where it was, with the learning curves from step 0."""
        at, plan = self.at, self.at.plan
        batch = batch_of(plan.batch, at.task)
        found = train(
            at.network,
            at.loss,
            TrainingData.of(at.task),
            TrainingPlan(
                steps=epochs * (len(at.task.train) // batch),
                batch=batch,
                optimiser=Sgd(momentum=plan.momentum),
                stop=ValidationScore(),
                score=score_of(at.task),
            ),
            Replicas(
                params=stack([at.params] * len(lanes)),
                order_keys=self.order,
                step_sizes=np.array([self.unit * size for _, size in lanes], np.float32),
                centred=np.array([offset == "centred" for offset, _ in lanes]),
            ),
            start=None if before is None else before.state,
            progress=progress,
        )
        return found if before is None else replace(found, curves=_joined(before.curves, found.curves))


def _joined(before: LearningCurves, after: LearningCurves) -> LearningCurves:
    names = ("steps", "batch_loss", "train_loss", "train_score", "validation_loss", "validation_score")
    return LearningCurves(**{n: np.concatenate([getattr(before, n), getattr(after, n)]) for n in names})


def _scored(at: Start, result: TrainingResult, i: int, offset: str, size: float) -> Scored:
    """The best point of a run, by validation."""
    assert result.best is not None
    params = jax.tree.map(lambda leaf: np.asarray(leaf)[i], result.best.params)
    outputs = at.outputs(params, offset)
    # Its best point may well be finite, the start at worst, but a run that diverged is no choice.
    if result.endings[i] is Ending.DIVERGED or not all(np.isfinite(o).all() for o in outputs.values()):
        outputs = {}
    candidate = Candidate(
        size,
        "step size",
        outputs,
        relative_motion(params, at.params),
        stop_step=int(result.best.steps[i]),
        outcome=str(result.endings[i]),
    )
    return at.scored(candidate)
