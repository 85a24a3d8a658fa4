"""What the studies of learned masks compute: the arms of a setting, trained and measured.

draw split  →  θ₀, scores, orders, permuted labels  →  arms of one program side by side, a piece at a time, noting where they are
→  the ticket without its scores, measured; the proof that it is made of what was drawn  →  a random mask of equal counts
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from ticketlab.claims.learned.setting import SPLIT_SEED, Arm, Bench, Setting
from ticketlab.claims.learned.tables import arm_tables
from ticketlab.claims.rows import Rows, curve_rows, read_rows, written_rows
from ticketlab.claims.start import drawn_task
from ticketlab.claims.study import Draft, Progress
from ticketlab.errors import NumericalFailure
from ticketlab.evidence.tables import Table
from ticketlab.networks.network import Params, parameter_count
from ticketlab.tickets.biprop import Binarised, Biprop
from ticketlab.tickets.learned import ScoredMask, require_frozen
from ticketlab.tickets.magnitude import TICKET
from ticketlab.tickets.masks import density as density_of
from ticketlab.tickets.masks import kept as kept_of
from ticketlab.tickets.masks import layer_densities, prunable_layers
from ticketlab.tickets.random_masks import random_mask
from ticketlab.tickets.supermask import Supermask
from ticketlab.tickets.ticket import Ticket, described
from ticketlab.training import Ended, Replicas, TrainingData, TrainingPlan, train

__all__ = ["run_setting"]

PIECES = 10  # of an arm's training; between them the draft is written
DRAWS = 10  # masks over which a supermask's score is also averaged


def run_setting(setting: Setting, draft: Draft, progress: Progress) -> dict[str, Table]:
    """All tables of one setting, from where the draft says."""
    bench = Bench(setting, drawn_task(setting.task, SPLIT_SEED))
    groups = setting.groups()
    arrays = draft.read()
    rows: Rows = {} if arrays is None else read_rows(arrays["rows"])
    first = 0 if arrays is None else int(arrays["group"])
    state = None if arrays is None else arrays
    shares = np.cumsum([0] + [len(group) for group in groups]) / len(setting.arms)
    began: list[float] = []
    for number in range(first, len(groups)):

        def told(done: float, number: int = number) -> None:
            """Of what is left for this process, from which the time left is estimated."""
            at = shares[number] + done * (shares[number + 1] - shares[number])
            began[:] = began or [at]
            names = ", ".join(dict.fromkeys(arm.name for arm in groups[number]))
            progress(f"{setting.name}: {names}", float((at - began[0]) / max(1 - began[0], 1e-9)))

        scores = _trained(bench, groups[number], number, state, rows, draft, told)
        state = None
        for i, arm in enumerate(groups[number]):
            each = [jax.tree.map(lambda a, r=r: jax.device_put(a[r]), scores) for r in bench.rows(i)]
            _measure(bench, arm, each, rows, draft)
    return arm_tables(rows, setting, bench.task, bench.network)


def _trained(
    bench: Bench,
    group: Sequence[Arm],
    number: int,
    arrays: Mapping[str, np.ndarray] | None,
    rows: Rows,
    draft: Draft,
    told: Any,
) -> Params:
    """What a group has trained, to the last step: scores, or weights; noting where it is after every piece."""
    plan, replicas, data = (
        bench.plan(group[0]),
        bench.replicas(group),
        bench.data(group[0].permuted, len(group)),
    )
    every = plan.evaluate_every or 1
    piece = every * max(1, round(plan.steps / every / PIECES))
    state, step = None, 0
    if arrays is not None and "state 0000" in arrays:
        like = _train(bench, replicas, data, replace(plan, steps=0)).state
        leaves = [arrays[name] for name in sorted(arrays) if name.startswith("state ")]
        state = jax.tree.unflatten(jax.tree.structure(like), leaves)
        step = int(np.max(state.steps))
    while step < plan.steps:
        until, began = min(plan.steps, (step // piece + 1) * piece), time.perf_counter()

        def said(fraction: float, step: int = step, until: int = until) -> None:
            told((step + fraction * (until - step)) / plan.steps)

        result = _train(bench, replicas, data, replace(plan, steps=until), state, said)
        if not bool(np.all(np.asarray(result.state.ended) == Ended.NO)):
            raise NumericalFailure(
                f"Training diverged ({bench.setting.name}, {group[0].name}) before step {until}: use a smaller step size than "
                f"{plan.optimiser.step_size:g}."
            )
        rows.setdefault("timings", []).append(
            {
                "arms": ", ".join(dict.fromkeys(arm.name for arm in group)),
                "network_steps": len(replicas) * (until - step),
                "seconds": time.perf_counter() - began,
            }
        )
        _add_curves(bench, group, result.curves, rows)
        if step < plan.steps / 2 <= until < plan.steps:
            _note_halfway(bench, group, result.state.params, rows)
        state, step = result.state, until
        where = {f"state {i:04d}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
        draft.write({"group": np.array(number), "rows": written_rows(rows), **where})
    assert state is not None
    return state.params


def _train(
    bench: Bench,
    replicas: Replicas,
    data: TrainingData,
    plan: TrainingPlan,
    state: Any = None,
    progress: Any = None,
) -> Any:
    return train(bench.network, bench.loss, data, plan, replicas, start=state, progress=progress)


def _add_curves(bench: Bench, group: Sequence[Arm], curves: Any, rows: Rows) -> None:
    for i, arm in enumerate(group):
        if arm.compared:
            rows.setdefault("curves", []).extend(
                {**bench.about(arm), "seed": seed, **point}
                for seed, row in zip(bench.setting.seeds, bench.rows(i), strict=True)
                for point in curve_rows(curves, row, {c: c for c in ("batch_loss", "validation_score")})
            )


def _note_halfway(bench: Bench, group: Sequence[Arm], params: Params, rows: Rows) -> None:
    """Training scores half-way: by what they rise after it, a search or a training is judged to have converged or not."""
    for i, arm in enumerate(group):
        for s, row in enumerate(bench.rows(i) if arm.compared else ()):
            one = jax.tree.map(lambda a, row=row: jax.device_put(a[row]), params)
            network, _ = _made(bench, arm, s, one)
            score = float(bench.scores(network, bench.learnt(arm, s)).mean())
            seed = bench.setting.seeds[s]
            rows.setdefault("halfway", []).append({"arm": arm.name, "seed": seed, "train_score": score})


def _made(bench: Bench, arm: Arm, s: int, trained: Params) -> tuple[Params, Any]:
    """One network of an arm, from what was trained: what it computes with, and its mask; None where weights are trained.

    Arguments:
        s: the place of its seed in the setting.
    """
    if arm.search is None:
        binary = Binarised.of(bench.network)
        return (binary(trained, None, bench.chance[s]) if arm.binary else trained), None
    one = jax.tree.map(lambda a: np.asarray(a)[None], trained)
    (mask,) = arm.search.masks(bench.network, one, arm.density)
    return arm.search.ticket(bench.params(arm, s), mask), mask


def _measure(bench: Bench, arm: Arm, trained: Sequence[Params], rows: Rows, draft: Draft) -> None:
    """One arm's rows, and those of random masks with the ticket's counts; the ticket itself is left behind."""
    for s, scores in enumerate(trained):
        seed, (params, mask) = bench.setting.seeds[s], _made(bench, arm, s, scores)
        if arm.search is None:
            _note(bench, arm, s, params, None, rows)
            continue
        drawn = bench.params(arm, s)
        _check(bench, arm, seed, drawn, params, mask, rows)
        if arm.name == TICKET:
            about = described(bench.network, mask, seed)
            draft.leave(f"seed-{seed}", Ticket(jax.tree.map(np.asarray, params), mask, about=about))
        sampled = _sampled(bench, arm.search, scores, drawn, s)
        _note(bench, arm, s, params, mask, rows, sampled)
        if not arm.permuted:
            shapes = {name: kept.shape for name, kept in mask.items()}
            counts = {name: int(kept.sum()) for name, kept in mask.items()}
            chance = random_mask(shapes, counts, bench.chance[s])
            random = replace(arm, name="random" if arm.name == TICKET else f"random {arm.name}")
            _note(bench, random, s, arm.search.ticket(drawn, chance), chance, rows)


def _sampled(bench: Bench, search: ScoredMask, scores: Params, drawn: Params, s: int) -> float:
    """A supermask's mean score over masks that are drawn; NaN for masks that are not drawn."""
    if not isinstance(search, Supermask):
        return float("nan")
    keys = jax.random.split(bench.chance[s], DRAWS)
    each = [bench.scores(search.sample(drawn, scores, key), bench.task.test) for key in keys]
    return float(np.mean(each))


def _check(
    bench: Bench, arm: Arm, seed: int, drawn: Params, params: Params, mask: Mapping[str, Any], rows: Rows
) -> None:
    rows.setdefault("checks", []).append(
        {
            **bench.about(arm),
            "seed": seed,
            "compared": require_frozen(drawn, params, mask, signs=isinstance(arm.search, Biprop)),
            "kept": kept_of(mask),
        }
    )


def _note(
    bench: Bench, arm: Arm, s: int, params: Params, mask: Any, rows: Rows, sampled: float = float("nan")
) -> None:
    task, seed = bench.task, bench.setting.seeds[s]
    test = bench.scores(params, task.test)
    halfway = [r["train_score"] for r in rows.get("halfway", []) if (r["arm"], r["seed"]) == (arm.name, seed)]
    weights = sum(int(np.prod(layer.weight_shape)) for layer in prunable_layers(bench.network))
    rows.setdefault("arms", []).append(
        {
            **bench.about(arm),
            "seed": seed,
            "permuted": arm.permuted,
            "density": 1.0 if mask is None else density_of(mask),
            "kept": weights if mask is None else kept_of(mask),
            "weights": weights,
            "parameters": parameter_count(params),
            "test_score": float(test.mean()),
            "sampled_test_score": sampled,
            "train_score": float(bench.scores(params, bench.learnt(arm, s)).mean()),
            "halfway_train_score": halfway[0] if halfway else float("nan"),
            "validation_score": float(bench.scores(params, task.validation).mean()),
        }
    )
    if arm.compared:
        rows.setdefault("scores", []).append({"arm": arm.name, "seed": seed, "scores": test.tolist()})
    if mask is not None and arm.compared:
        rows.setdefault("layers", []).extend(
            {**bench.about(arm), "seed": seed, "layer": name, "density": d}
            for name, d in layer_densities(mask).items()
        )
