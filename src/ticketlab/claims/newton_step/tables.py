"""What a cell knows, as rows of tidy tables: arms, their candidates, the flow's path, and what the verdicts are drawn from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ticketlab.claims.newton_step.distances import Sides
from ticketlab.claims.newton_step.formula import GRADIENT, NEWTON, START, STOPPED, TRAINED, TWIN, VARIANTS
from ticketlab.claims.newton_step.start import Candidate, Candidates
from ticketlab.claims.start import guessed

__all__ = ["MEANINGS", "UNITS", "arm_rows", "candidate_rows", "example_rows", "path_rows"]

UNITS = {"seconds": "s"}
MEANINGS = {
    "offset": "whether f(x, θ₀) is kept or centred away",
    "form": "the function of the step: to first order (tangent), or the network at θ₀ + Δθ",
    "unexplained": "Σ‖F − f_T‖² / Σ‖f_T − f₀‖² over test examples, f_T the trained network",
    "validation_unexplained": "the same over validation examples, by which candidates are chosen",
    "rms": "root mean square of F − f_T over test examples and outputs",
    "divergence": "mean Kullback–Leibler divergence of softmax(F) from softmax(f_T)",
    "agreement": "fraction of test examples on which the prediction is that of the trained network",
    "test_score": "accuracy, or R² for regression",
    "cosine": "cos(Δθ, θ_T − θ₀)",
    "relative_length": "‖Δθ‖ / ‖θ_T − θ₀‖",
    "relative_distance": "‖Δθ − (θ_T − θ₀)‖ / ‖θ_T − θ₀‖",
    "setting": "step size relative to the inverse largest curvature, ridge relative to mean diag(K), or time relative to the "
    "inverse largest curvature",
    "time": "relative to the inverse of the largest curvature κ_max/N of the kernel",
    "newton_gap": "‖F − f_T‖² of the Newton step, relative to the mean of ‖f_T − f₀‖²",
    "gradient_gap": "the same of the best gradient step",
    "second_gap": "the same of a second training from another random start",
    "stopped_gap": "the same of the flow, stopped at the finite time that is nearest to training on validation examples",
    "nearest_gap": "the same of the flow at the time, ∞ included, that is nearest on these test examples",
    "change": "‖f_T − f₀‖², relative to its mean",
    "guess": "the score of always giving the most frequent class, or the mean",
    "relative_loss": "training loss at the end, relative to that of outputs that are zero",
    "limit": "the relative loss at which training has converged",
    "value": "stationarity: relative gradient of the step's model; defect: how far the flow is from its own equation",
}


def arm_rows(sides: Sides, chosen: dict[tuple[str, str], Candidate]) -> list[dict[str, Any]]:
    return [
        {"arm": arm, "form": form, **sides.measured(c), "setting": c.setting, "setting_name": c.setting_name}
        for (arm, form), c in _all(sides, chosen).items()
    ]


def _all(sides: Sides, chosen: dict[tuple[str, str], Candidate]) -> dict[tuple[str, str], Candidate]:
    size = 0 if sides.trained.delta is None else sides.trained.delta.size
    start = Candidate(sides.at.outputs(sides.offset), np.zeros(size))
    return {
        (TRAINED, "network"): sides.trained,
        **chosen,
        (TWIN, "network"): replace(sides.twin, delta=None),
        (START, "network"): start,
    }


def candidate_rows(
    sides: Sides, steps: Candidates, chosen: dict[tuple[str, str], Candidate]
) -> list[dict[str, Any]]:
    return [
        {
            "arm": arm,
            "form": form,
            "candidate": c.setting,
            "validation_unexplained": sides.unexplained(c.outputs, "validation"),
            "unexplained": sides.unexplained(c.outputs),
            "test_score": float(np.mean(sides.at.task.scores(c.outputs["test"], sides.at.task.test))),
            "chosen": c is chosen[arm, form],
        }
        for (arm, form), candidates in steps.items()
        for c in candidates
    ]


def path_rows(sides: Sides, path: list[tuple[float, Candidate]]) -> list[dict[str, Any]]:
    return [
        {
            "time": time,
            **sides.measured(c),
            "validation_unexplained": sides.unexplained(c.outputs, "validation"),
        }
        for time, c in path
    ]


def example_rows(
    sides: Sides, chosen: dict[tuple[str, str], Candidate], path: list[tuple[float, Candidate]]
) -> list[dict[str, Any]]:
    """What the verdicts are drawn from: scores, and gaps to the trained network."""
    task = sides.at.task
    nearest = min((c for _, c in path), key=lambda c: sides.unexplained(c.outputs))
    same = {
        "id": task.test.ids,
        "guess": guessed(task),
        "trained_score": task.scores(sides.trained.outputs["test"], task.test),
        "change": sides.change("test"),
        "second_gap": sides.gaps(sides.twin.outputs, "test"),
        "stopped_gap": sides.gaps(chosen[STOPPED, "tangent"].outputs, "test"),
        "nearest_gap": sides.gaps(nearest.outputs, "test"),
    }
    rows = []
    for form in [form for offset, form in VARIANTS if offset == sides.offset]:
        newton, gradient = (chosen[arm, form].outputs for arm in (NEWTON, GRADIENT))
        columns = {
            **same,
            "newton_score": task.scores(newton["test"], task.test),
            "newton_gap": sides.gaps(newton, "test"),
            "gradient_gap": sides.gaps(gradient, "test"),
        }
        listed = {name: np.asarray(values).tolist() for name, values in columns.items()}
        rows += [
            {"form": form, **dict(zip(listed, row, strict=True))}
            for row in zip(*listed.values(), strict=True)
        ]
    return rows
