"""Gradient descent in parameter space: every step size, with f₀ kept and centred away, as replicas of one program.

A step size is trained until its lowest validation loss and its highest score lie inside the run. The others go on, in doublings,
until the chosen one is trained to the end. A run is taken up from where it was, and gives the bits of a run that was never
stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from ticketlab import training
from ticketlab.claims.fair_search import Candidate, Scored, best
from ticketlab.claims.rows import curve_rows
from ticketlab.claims.settling import past_its_highest, past_its_minimum, settled
from ticketlab.claims.start import batch_of, largest_curvature, relative_motion, score_of
from ticketlab.claims.tangent_minimum.candidates import Arms, Start
from ticketlab.claims.tangent_minimum.formula import DESCENT, OFFSETS
from ticketlab.errors import NumericalFailure
from ticketlab.training.result import Ending

__all__ = ["Descent"]

EVALUATIONS = 30  # of the first run; more choose by chance, and cost as much as training

LOOKED_AT = {
    "train_loss": "batch_loss",
    "validation_score": "validation_score",
    "validation_loss": "validation_loss",
}
_Told = Callable[[float], None]
_Lane = tuple[str, float]
"""The offset and the step size of a replica."""


@dataclass(frozen=True)
class _Part:
    """Replicas that were trained equally long, and what came out, with the learning curves from step 0."""

    lanes: tuple[_Lane, ...]
    result: training.TrainingResult
    epochs: int

    def only(self, replicas: Sequence[int]) -> _Part:
        return replace(self, lanes=tuple(self.lanes[i] for i in replicas), result=self.result.only(replicas))

    def settled(self, i: int) -> bool:
        curves = self.result.curves
        return settled(curves.validation_loss[:, i], curves.validation_score[:, i])

    def behind(self, epochs: Mapping[str, int]) -> list[int]:
        """The replicas to be trained on for their offset's epochs: not those past their best, and not those that diverged."""
        curves = self.result.curves
        return [
            i
            for i, (offset, _) in enumerate(self.lanes)
            if self.epochs < epochs[offset]
            and self.result.endings[i] is not Ending.DIVERGED
            and not (
                past_its_minimum(curves.validation_loss[:, i])
                and past_its_highest(curves.validation_score[:, i])
            )
        ]


@dataclass(frozen=True)
class Descent:
    """Gradient descent from θ₀ with all step sizes tried so far.

    Arguments:
        epochs: by offset, of the step sizes that are not past their best.
    """

    at: Start
    order: jax.Array
    unit: float
    epochs: Mapping[str, int]
    parts: tuple[_Part, ...] = ()

    @staticmethod
    def of(at: Start, order: jax.Array) -> Descent:
        """Nothing trained yet."""
        unit = 1.0 / largest_curvature(at.network, at.params, at.task.train, at.loss)
        return Descent(at, order, unit, dict.fromkeys(OFFSETS, at.plan.epochs))

    def tried(self) -> list[float]:
        """The step sizes."""
        return [size for part in self.parts for offset, size in part.lanes if offset == OFFSETS[0]]

    def with_sizes(self, sizes: Sequence[float], progress: _Told) -> Descent:
        """More step sizes, trained as long as those before."""
        lanes = tuple((offset, size) for offset in OFFSETS for size in sizes)
        part = _Part(lanes, self._train(lanes, self.at.plan.epochs, None, progress), self.at.plan.epochs)
        return replace(self, parts=(*self.parts, part))._caught_up(progress)

    def to_the_end(self, progress: _Told) -> Descent:
        """Trained until the chosen step sizes have settled, or there are no doublings left."""
        found, most = self, self.at.plan.epochs * 2**self.at.plan.doublings
        while rising := [o for o in OFFSETS if found.epochs[o] < most and not found.settled(o)]:
            epochs = {o: e * 2 if o in rising else e for o, e in found.epochs.items()}
            found = replace(found, epochs=epochs)._caught_up(progress)
        return found

    def _caught_up(self, progress: _Told) -> Descent:
        """All replicas that need it trained for their offset's epochs."""
        waiting, parts = list(self.parts), []
        while waiting:
            part = waiting.pop()
            behind = part.behind(self.epochs)
            if behind:
                waiting.append(self._longer(part.only(behind), progress))
            if done := sorted(set(range(len(part.lanes))) - set(behind)):
                parts.append(part.only(done) if behind else part)
        return replace(self, parts=tuple(parts))

    def settled(self, offset: str) -> bool:
        """Whether the chosen step size was trained to the end."""
        return self._of_chosen(offset)[1]

    def epochs_of_chosen(self, offset: str) -> int:
        """How long the chosen step size was trained."""
        return self._of_chosen(offset)[0].epochs

    def _of_chosen(self, offset: str) -> tuple[_Part, bool]:
        chosen = offset, best(self.arms()[offset, DESCENT]).candidate.setting
        part = next(part for part in self.parts if chosen in part.lanes)
        return part, part.settled(part.lanes.index(chosen))

    def arms(self) -> Arms:
        """All candidates, each at its best point."""
        arms: Arms = {(offset, DESCENT): [] for offset in OFFSETS}
        for part in self.parts:
            for i, (offset, size) in enumerate(part.lanes):
                arms[offset, DESCENT].append(_scored(self.at, part.result, i, offset, size))
        return {key: sorted(found, key=lambda s: s.candidate.setting) for key, found in arms.items()}

    def curves(self) -> list[dict[str, Any]]:
        """The learning curves, as rows."""
        return [
            {"offset": offset, "step_size": size, **row}
            for part in self.parts
            for i, (offset, size) in enumerate(part.lanes)
            for row in curve_rows(part.result.curves, i, LOOKED_AT)
        ]

    def require_some(self) -> None:
        """There is nothing to compare with when every step size diverged."""
        for (offset, _), found in self.arms().items():
            if not any(s.candidate.outputs for s in found):
                endings = sorted({Ending(s.candidate.outcome).value for s in found})
                raise NumericalFailure(
                    f"gradient descent with f₀ {offset} {', '.join(endings)} at every step size {self.tried()}: try smaller ones"
                )

    def _longer(self, part: _Part, progress: _Told) -> _Part:
        epochs = 2 * part.epochs
        after = self._train(part.lanes, epochs, part.result, progress)
        return replace(
            part, epochs=epochs, result=replace(after, curves=_joined(part.result.curves, after.curves))
        )

    def _train(
        self, lanes: tuple[_Lane, ...], epochs: int, before: training.TrainingResult | None, progress: _Told
    ) -> training.TrainingResult:
        at, plan = self.at, self.at.plan
        batch = batch_of(plan.batch, at.task)
        steps = len(at.task.train) // batch
        return training.train(
            at.network,
            at.loss,
            training.TrainingData.of(at.task),
            training.TrainingPlan(
                steps=epochs * steps,
                batch=batch,
                evaluate_every=_between_evaluations(plan.epochs) * steps,
                optimiser=training.Sgd(momentum=plan.momentum),
                stop=training.ValidationScore(),
                score=score_of(at.task),
            ),
            training.Replicas(
                params=training.stack([at.params] * len(lanes)),
                order_keys=self.order,
                step_sizes=np.array([self.unit * size for _, size in lanes], np.float32),
                centred=np.array([offset == "centred" for offset, _ in lanes]),
            ),
            start=None if before is None else before.state,
            progress=progress,
        )


def _between_evaluations(epochs: int) -> int:
    """Epochs; the first run is evaluated at least EVALUATIONS times, or each epoch, and a longer one at its end too."""
    return max(d for d in range(1, max(1, epochs // EVALUATIONS) + 1) if epochs % d == 0)


def _joined(before: training.LearningCurves, after: training.LearningCurves) -> training.LearningCurves:
    names = ("steps", "batch_loss", "train_loss", "train_score", "validation_loss", "validation_score")
    return training.LearningCurves(
        **{n: np.concatenate([getattr(before, n), getattr(after, n)]) for n in names}
    )


def _scored(at: Start, result: training.TrainingResult, i: int, offset: str, size: float) -> Scored:
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
