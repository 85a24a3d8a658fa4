"""What a cell knows, as rows of tidy tables: the chosen candidate of every arm, all of them, their certificates, and each test
example.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ticketlab.claims.start import guessed
from ticketlab.claims.tangent_minimum.descent import Descent
from ticketlab.claims.tangent_minimum.formula import (
    DESCENT,
    LIMIT,
    LINEAR,
    MOVED,
    OFFSETS,
    READ_OUT,
    TANGENT,
)
from ticketlab.claims.tangent_minimum.search import inside
from ticketlab.claims.tangent_minimum.start import Arms, Scored, Start, best
from ticketlab.evidence.tables import Table

__all__ = ["tables"]

_UNITS = {"seconds": "s"}
_MEANINGS = {
    "offset": "whether f(x, θ₀) is kept or centred away",
    "test_score": "accuracy, or R² for regression",
    "test_loss": "mean loss per example",
    "agreement": "fraction of test examples on which the prediction is that of gradient descent",
    "relative_motion": "‖Δθ‖/‖θ₀‖",
    "setting": "the chosen ridge relative to mean diag(K), or step size relative to the inverse largest curvature at θ₀",
    "duality_gap": "(primal − dual)/primal; for the minimum-norm limit the relative gradient norm",
    "relative_residual": "‖Jᵀ(∇ℓ(F) + λu)‖/‖Jᵀ∇ℓ(f₀)‖",
    "condition": "estimated condition number of K + λI",
    "stop_step": "the step whose parameters were chosen by validation",
    "inside": "whether the choice lies between two candidates, or the grid has reached its limit",
    "settled": "whether gradient descent's validation loss has its minimum inside the run, or has stopped changing",
    "epochs": "of the chosen candidate of gradient descent",
    "guess": "the score of always giving the most frequent class, or the mean",
    "moved_score": "of the network at θ₀ + Δθ; that of guessing where its outputs are not finite",
    "seconds": "of all candidates of the arm together, compilation included",
}


def tables(
    at: Start, cell: dict[str, Any], arms: Arms, descent: Descent, seconds: dict[str, float]
) -> dict[str, Table]:
    chosen = {key: best(candidates) for key, candidates in arms.items()}
    rows = {
        "arms": _arm_rows(at, cell, chosen),
        "tuning": _tuning_rows(cell, arms, chosen),
        "curves": [{**cell, **row} for row in descent.curves()],
        "choices": _choice_rows(cell, arms, descent),
        "certificates": _certificate_rows(cell, arms),
        "examples": _example_rows(at, cell, chosen),
        "timings": [{**cell, "arm": arm, "seconds": value} for arm, value in seconds.items()],
    }
    return {
        n: Table.from_rows(n, of, units=_UNITS, meanings=_MEANINGS, measured=n == "timings")
        for n, of in rows.items()
    }


def _about(cell: dict[str, Any], offset: str) -> dict[str, Any]:
    return {"loss": cell["loss"], "offset": offset, "seed": cell["seed"]}


def _arm_rows(at: Start, cell: dict[str, Any], chosen: dict[tuple[str, str], Scored]) -> list[dict[str, Any]]:
    rows = []
    for (offset, arm), s in chosen.items():
        reference = chosen[offset, DESCENT].candidate.outputs["test"]
        outputs = s.candidate.outputs.get("test")
        agreement = float("nan")
        if at.task.kind == "classification" and outputs is not None:
            agreement = float(np.mean(np.argmax(outputs, axis=1) == np.argmax(reference, axis=1)))
        rows.append(
            {
                **_about(cell, offset),
                "arm": arm,
                "test_score": s.score["test"],
                "validation_score": s.score["validation"],
                "train_score": s.score["train"],
                "test_loss": s.loss["test"],
                "agreement": agreement,
                "relative_motion": s.candidate.motion,
                "setting": s.candidate.setting,
                "setting_name": s.candidate.setting_name,
            }
        )
    return rows


def _tuning_rows(
    cell: dict[str, Any], arms: Arms, chosen: dict[tuple[str, str], Scored]
) -> list[dict[str, Any]]:
    return [
        {
            **_about(cell, offset),
            "arm": arm,
            "candidate": s.candidate.setting,
            "validation_score": s.score["validation"],
            "validation_loss": s.loss["validation"],
            "test_score": s.score["test"],
            "test_loss": s.loss["test"],
            "train_loss": s.loss["train"],
            "chosen": s is chosen[offset, arm],
            "stop_step": s.candidate.stop_step,
            "outcome": s.candidate.outcome,
        }
        for (offset, arm), candidates in arms.items()
        for s in candidates
    ]


def _choice_rows(cell: dict[str, Any], arms: Arms, descent: Descent) -> list[dict[str, Any]]:
    """Whether the two sides were tuned and trained to the end."""
    return [
        {
            **_about(cell, offset),
            "arm": arm,
            "candidates": len(arms[offset, arm]),
            "inside": inside(arms[offset, arm]),
            "settled": descent.settled(offset) if arm == DESCENT else True,
            "epochs": descent.epochs_of_chosen(offset) if arm == DESCENT else 0,
        }
        for offset in OFFSETS
        for arm in (DESCENT, TANGENT)
    ]


def _certificate_rows(cell: dict[str, Any], arms: Arms) -> list[dict[str, Any]]:
    rows = []
    for (offset, arm), candidates in arms.items():
        if arm == LINEAR and offset == "centred":
            continue  # the same model stands beside both offsets
        for s in candidates:
            solution = s.candidate.solution
            if solution is None or (arm == LIMIT and solution.ridge > 0):
                continue
            c = solution.certificate
            rows.append(
                {
                    **_about(cell, offset),
                    "arm": arm,
                    "ridge": s.candidate.setting,
                    "relative_residual": c.relative_residual,
                    "duality_gap": c.duality_gap,
                    "primal": c.primal,
                    "dual": c.dual,
                    "condition": c.condition,
                    "iterations": c.iterations,
                    "precision": c.precision,
                    "rung": solution.stats.rung,
                    "met": c.met,
                    "tolerance": c.tolerance,
                }
            )
    return rows


def _example_rows(
    at: Start, cell: dict[str, Any], chosen: dict[tuple[str, str], Scored]
) -> list[dict[str, Any]]:
    rows = []
    guess = guessed(at.task)
    compared = {
        "descent_score": DESCENT,
        "tangent_score": TANGENT,
        "read_out_score": READ_OUT,
        "moved_score": MOVED,
    }
    for offset in OFFSETS:
        scores = {"guess": guess}
        for column, arm in compared.items():
            if (offset, arm) in chosen:
                outputs = chosen[offset, arm].candidate.outputs
                scores[column] = at.task.scores(outputs["test"], at.task.test) if outputs else guess
        for i, example in enumerate(at.task.test.ids.tolist()):
            rows.append(
                {**_about(cell, offset), "id": example}
                | {column: float(values[i]) for column, values in scores.items()}
            )
    return rows
