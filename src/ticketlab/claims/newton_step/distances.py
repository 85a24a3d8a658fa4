"""How far a function is from the trained network: the part of training's change that it leaves unexplained, and other measures.

unexplained(F) = Σ‖F − f_T‖² / Σ‖f_T − f₀‖²    0: the same function, 1: no nearer than the random start
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from ticketlab.claims.newton_step.start import Candidate, Candidates, Start
from ticketlab.claims.start import Outputs
from ticketlab.tasks.losses import Targets

__all__ = ["Sides", "choose", "parameter_space"]


@dataclass(frozen=True)
class Sides:
    """The trained network with one offset, and how far other functions are from it."""

    at: Start
    offset: str
    trained: Candidate
    twin: Candidate

    def gaps(self, outputs: Outputs, part: str) -> np.ndarray:
        """‖F − f_T‖² example by example, relative to the mean of ‖f_T − f₀‖²; their mean is the unexplained share."""
        left = self._seen(outputs[part] - self.trained.outputs[part])
        return np.sum(left**2, axis=1) / self._scale(part)

    def change(self, part: str) -> np.ndarray:
        """‖f_T − f₀‖² example by example, relative to its mean."""
        return self._changes(part) / self._scale(part)

    def _changes(self, part: str) -> np.ndarray:
        moved = self._seen(self.trained.outputs[part] - self.at.outputs(self.offset)[part])
        return np.sum(moved**2, axis=1)

    def _scale(self, part: str) -> float:
        return max(float(np.mean(self._changes(part))), 1e-300)

    def _seen(self, difference: np.ndarray) -> np.ndarray:
        """What the loss sees of a difference of outputs: softmax does not see a constant."""
        if self.at.loss.targets is not Targets.DISTRIBUTION:
            return difference
        return difference - difference.mean(axis=1, keepdims=True)

    def unexplained(self, outputs: Outputs, part: str = "test") -> float:
        share = float(np.mean(self.gaps(outputs, part)))
        return share if np.isfinite(share) else float("inf")

    def measured(self, c: Candidate) -> dict[str, float]:
        task, test, reference = self.at.task, c.outputs["test"], self.trained.outputs["test"]
        classes = task.kind == "classification"
        agreement = divergence = float("nan")
        if classes:
            agreement = float(np.mean(np.argmax(test, axis=1) == np.argmax(reference, axis=1)))
            p, q = (scipy.special.log_softmax(f, axis=1) for f in (reference, test))
            divergence = float(np.mean(np.sum(np.exp(p) * (p - q), axis=1)))
        cosine, length, distance = parameter_space(c.delta, self.trained.delta)
        with jax.enable_x64(True):
            values = self.at.loss.value(jnp.asarray(c.outputs["train"]), jnp.asarray(self.at.targets))
        return {
            "unexplained": self.unexplained(c.outputs),
            "rms": float(np.sqrt(np.mean((test - reference) ** 2))),
            "divergence": divergence,
            "agreement": agreement,
            "test_score": float(np.mean(task.scores(test, task.test))),
            "train_loss": float(np.mean(np.asarray(values))),
            "cosine": cosine,
            "relative_length": length,
            "relative_distance": distance,
        }


def choose(sides: Sides, candidates: Candidates) -> dict[tuple[str, str], Candidate]:
    """Of each arm's candidates the one that is nearest to the trained network on validation examples."""
    return {
        key: min(of, key=lambda c: sides.unexplained(c.outputs, "validation"))
        for key, of in candidates.items()
    }


def parameter_space(delta: np.ndarray | None, reference: np.ndarray | None) -> tuple[float, float, float]:
    """cos(Δ, Δ_T), ‖Δ‖/‖Δ_T‖ and ‖Δ − Δ_T‖/‖Δ_T‖; NaN from another θ₀."""
    if delta is None or reference is None:
        return float("nan"), float("nan"), float("nan")
    length, size = float(np.linalg.norm(delta)), float(np.linalg.norm(reference))
    cosine = float(delta @ reference / (length * size)) if length > 0 and size > 0 else float("nan")
    return cosine, length / size, float(np.linalg.norm(delta - reference)) / size
