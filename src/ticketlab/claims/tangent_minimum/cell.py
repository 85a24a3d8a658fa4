"""One cell: one loss and one seed, as rows of tidy tables.

Cheap arms come first, so that their scores are on the screen while the others are computed.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from ticketlab.claims.fair_search import Scored, best, edges, inside, wider
from ticketlab.claims.gates import START
from ticketlab.claims.rows import rows_of, tables_of
from ticketlab.claims.start import LOSSES, Clock, built, check_losses, drawn_task, guessed
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.claims.tangent_minimum import minima
from ticketlab.claims.tangent_minimum.candidates import Arms, Start
from ticketlab.claims.tangent_minimum.claim import TangentMinimumPlan
from ticketlab.claims.tangent_minimum.descent import Descent
from ticketlab.claims.tangent_minimum.formula import DESCENT, LIMIT, LINEAR, MOVED, OFFSETS, READ_OUT, TANGENT
from ticketlab.evidence.tables import Table
from ticketlab.networks.pretrained import Pretrained
from ticketlab.tangent.devices import Devices

__all__ = ["choice_row", "measure", "wide_enough"]


def measure(
    plan: TangentMinimumPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    """All arms for one loss and one seed, as tidy tables."""
    progress("drawing split and network", 0.0)
    loss, seed = cell.settings["loss"], cell.seeds[0]
    task = drawn_task(plan.task, seed)
    check_losses(plan.losses, task)
    network = built(plan.network, task.input_shape, task.outputs)
    draw, order = jax.random.split(jax.random.key(seed))
    at = Start(plan, task, LOSSES[loss], network, network.init(draw), devices)
    clock = Clock()

    arms = minima.linear_model(at)
    clock.lap(LINEAR)
    progress(f"linear model {_test_score(arms, LINEAR):.3f}; read-out layer", 0.02)
    arms |= minima.read_out(at)
    clock.lap(READ_OUT)
    said = f"read-out layer {_test_score(arms, READ_OUT):.3f}"
    progress(f"{said}; tangent space", 0.06)
    arms |= minima.tangent_space(
        at, lambda what, fraction: progress(f"{said}; {what}", 0.06 + 0.44 * fraction)
    )
    clock.lap(TANGENT)
    said = f"tangent minimum {_test_score(arms, TANGENT):.3f}"

    def descending(fraction: float) -> None:
        progress(f"{said}; gradient descent", 0.5 + 0.3 * fraction)

    progress(f"{said}; gradient descent", 0.5)
    descent = Descent.of(at, order).with_sizes(plan.step_sizes, descending).to_the_end(descending)
    clock.lap(DESCENT)
    arms, descent = wide_enough(at, arms, descent, lambda what, _: progress(f"{said}; {what}", 0.8))
    clock.lap("wider grids")
    arms |= minima.moved_network(at, arms)
    clock.lap(MOVED)
    return _tables(at, loss, seed, arms, descent, clock)


def wide_enough(at: Start, arms: Arms, descent: Descent, progress: Progress) -> tuple[Arms, Descent]:
    """Both grids extended until every choice lies inside, or no extensions are left; and all arms of the two sides."""

    def descending(fraction: float) -> None:
        progress("gradient descent, wider grid", fraction)

    arms = arms | descent.arms()
    for _ in range(at.plan.extensions):
        tangent, other = (set().union(*(edges(arms[o, a]) for o in OFFSETS)) for a in (TANGENT, DESCENT))
        count = max(len(tangent), len(other))
        if not count:
            break
        ridges = wider([s.candidate.setting for s in arms[OFFSETS[0], TANGENT]], tangent, count)
        found = minima.more_minima(at, ridges, progress)
        arms = arms | {key: [*arms[key], *of] for key, of in found.items()}
        sizes = wider(descent.tried(), other, count)
        descent = descent.with_sizes(sizes, descending).to_the_end(descending)
        arms = arms | descent.arms()
    descent.require_some()
    if not at.loss.quadratic:
        smallest = {o: min(arms[o, TANGENT], key=lambda s: s.candidate.setting) for o in OFFSETS}
        arms = arms | {(o, LIMIT): [s] for o, s in smallest.items()}
    return arms, descent


def _test_score(arms: Arms, arm: str) -> float:
    return best(arms["kept", arm]).score["test"] if ("kept", arm) in arms else float("nan")


# --- rows ---


Chosen = dict[tuple[str, str], Scored]
"""By (offset, arm): what validation chose."""


def _tables(at: Start, loss: str, seed: int, arms: Arms, descent: Descent, clock: Clock) -> dict[str, Table]:
    chosen, cell = {key: best(candidates) for key, candidates in arms.items()}, {"loss": loss, "seed": seed}

    def of_cell(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"loss": loss, "offset": row["offset"], "seed": seed, **row} for row in rows]

    rows = {
        "arms": of_cell([_arm_row(at, chosen, *key) for key in chosen]),
        "tuning": of_cell(_tuning_rows(arms, chosen)),
        "curves": [{**cell, **row} for row in descent.curves()],
        "choices": of_cell(
            [choice_row(arms, descent, o, arm) for o in OFFSETS for arm in (DESCENT, TANGENT)]
        ),
        "certificates": of_cell(_certificate_rows(arms)),
        "examples": of_cell([{"offset": o, **row} for o in OFFSETS for row in _example_rows(at, chosen, o)]),
        "timings": clock.rows("arm", **cell),
    }
    return tables_of(rows, _MEANINGS)


def _arm_row(at: Start, chosen: Chosen, offset: str, arm: str) -> dict[str, Any]:
    s, agreement = chosen[offset, arm], float("nan")
    outputs = s.candidate.outputs.get("test")
    if at.task.kind == "classification" and outputs is not None:
        reference = chosen[offset, DESCENT].candidate.outputs["test"]
        agreement = float(np.mean(np.argmax(outputs, axis=1) == np.argmax(reference, axis=1)))
    return {
        "offset": offset,
        "arm": arm,
        **{f"{part}_score": s.score[part] for part in ("test", "validation", "train")},
        "test_loss": s.loss["test"],
        "agreement": agreement,
        "relative_motion": s.candidate.motion,
        "setting": s.candidate.setting,
        "setting_name": s.candidate.setting_name,
    }


def _tuning_rows(arms: Arms, chosen: Chosen) -> list[dict[str, Any]]:
    return [
        {
            "offset": offset,
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


def choice_row(arms: Arms, descent: Descent, offset: str, arm: str) -> dict[str, Any]:
    """Whether a side was tuned and trained to the end."""
    return {
        "offset": offset,
        "arm": arm,
        "candidates": len(arms[offset, arm]),
        "inside": inside(arms[offset, arm]),
        "settled": descent.settled(offset) if arm == DESCENT else True,
        "epochs": descent.epochs_of_chosen(offset) if arm == DESCENT else 0,
    }


CERTIFIED = ("relative_residual", "duality_gap", "primal", "dual", "condition", "iterations", "precision")


def _certificate_rows(arms: Arms) -> list[dict[str, Any]]:
    rows = []
    for (offset, arm), candidates in arms.items():
        if arm == LINEAR and offset == "centred":
            continue  # one model serves both offsets
        for s in candidates:
            solution = s.candidate.solution
            if solution is None or (arm == LIMIT and solution.ridge > 0):
                continue
            c = solution.certificate
            about = {"offset": offset, "arm": arm, "ridge": s.candidate.setting}
            measured = {name: getattr(c, name) for name in CERTIFIED}
            rows.append(
                {**about, **measured, "rung": solution.stats.rung, "met": c.met, "tolerance": c.tolerance}
            )
    return rows


COMPARED = {
    "descent_score": DESCENT,
    "tangent_score": TANGENT,
    "read_out_score": READ_OUT,
    "moved_score": MOVED,
}


def _example_rows(at: Start, chosen: Chosen, offset: str) -> list[dict[str, Any]]:
    guess = guessed(at.task)
    columns = {"id": at.task.test.ids, "guess": guess}
    if isinstance(at.plan.network, Pretrained):
        columns[START] = at.task.scores(at.outputs(at.params, offset)["test"], at.task.test)
    for column, arm in COMPARED.items():
        if (offset, arm) in chosen:
            outputs = chosen[offset, arm].candidate.outputs
            scores = at.task.scores(outputs["test"], at.task.test) if outputs else guess
            columns[column] = np.asarray(scores, np.float64)
    return rows_of(columns)


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
    "settled": "whether descent's highest validation score lies inside the run, and its lowest loss too or one that hardly falls",
    "epochs": "of the chosen candidate of gradient descent",
    "guess": "the score of always giving the most frequent class, or the mean",
    START: "of the start from a file",
    "moved_score": "of the network at θ₀ + Δθ; that of guessing where its outputs are not finite",
    "seconds": "of all candidates of the arm together, compilation included",
}
