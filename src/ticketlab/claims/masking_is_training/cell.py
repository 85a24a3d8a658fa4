"""One seed with all criteria and actions, from dense to sparse.

draw split, θ_i, orders  →  θ_f: dense training, on true and on permuted labels  →  level: choose all masks, measure the untrained
networks that they and the actions make  →  train those that the plan asks for, prove that what was removed took no part  →
next level: the same from θ_f (one-shot), or from where each criterion's own networks were taken  →  tables
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from ticketlab.claims.masking_is_training.claim import MaskingIsTrainingPlan
from ticketlab.claims.masking_is_training.formula import PERMUTED, PREREGISTERED, TRAINED
from ticketlab.claims.masking_is_training.named import CRITERIA
from ticketlab.claims.masking_is_training.setting import Chain, Setting, setting_of
from ticketlab.claims.masking_is_training.tables import masking_tables
from ticketlab.claims.masking_is_training.training import trained
from ticketlab.claims.masking_is_training.untrained import Arm, decide, measure_untrained
from ticketlab.claims.masking_is_training.work import Work
from ticketlab.claims.rows import Rows, read_rows, written_rows
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.evidence.tables import Table
from ticketlab.networks.network import Params
from ticketlab.tangent.devices import Devices
from ticketlab.tickets.actions import Rewind, Zero, acted
from ticketlab.tickets.criterion import Seen, chosen
from ticketlab.tickets.masks import density, full_mask, over_parameters, weights_of
from ticketlab.tickets.motion import motion

__all__ = ["measure", "measure_seed"]


def measure(
    plan: MaskingIsTrainingPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    """One cell's tables."""
    return measure_seed(plan, cell.seeds[0], draft, progress)


def measure_seed(
    plan: MaskingIsTrainingPlan, seed: int, draft: Draft, progress: Progress
) -> dict[str, Table]:
    """Everything of one seed, as tidy tables; from where the draft says."""
    setting = setting_of(plan, seed)
    work = Work(setting, progress)
    found = _read(setting, draft.read())
    if found is None:
        level, rows = 0, Rows()
        chains = _dense(setting, rows, work)
        draft.write(_written(level, chains, rows))
    else:
        level, chains, rows = found
        work.skip(level)
    for number in range(level + 1, plan.levels + 1):
        chains = _level(setting, number, chains, rows, work)
        draft.write(_written(number, chains, rows))
    return masking_tables(rows)


def _dense(setting: Setting, rows: Rows, work: Work) -> dict[str, Chain]:
    """Training of the dense network on true and on permuted labels, and the chains that start there."""
    full = full_mask(setting.network)
    whole = acted(Seen(setting.network, setting.initial), full, Rewind(), Zero(), setting.key)
    finals = {}
    for name, task in (("dense", setting.task), (PERMUTED, setting.confused)):
        (result,) = trained(setting, task, [(full, whole)], rows, work, f"dense, {name} labels")
        finals[name] = result.final
        if name == "dense":
            scores = setting.score(result.best)
            rows[TRAINED] = [{"score": float(score)} for score in scores]
            about = {"early_stop_step": result.stop, "test_score": float(scores.mean())}
            untrained = float(setting.score(setting.initial).mean())
            step = motion(*(weights_of(setting.network, p) for p in (setting.initial, result.final)))
            rows["dense"] = [
                {
                    "seed": setting.seed,
                    "untrained_score": untrained,
                    **about,
                    "moved": step.distance,
                    "bits": step.bits,
                }
            ]
    names = (*setting.criteria, PERMUTED)
    return {n: Chain(n, finals[n if n == PERMUTED else "dense"], full) for n in names}


def _level(
    setting: Setting, number: int, chains: Mapping[str, Chain], rows: Rows, work: Work
) -> dict[str, Chain]:
    """One level: masks, untrained networks, trained networks, and where the chains are then."""
    plan, full = setting.plan, full_mask(setting.network)
    at = {
        name: replace(
            chain,
            mask=chosen(
                CRITERIA[chain.criterion],  # type: ignore[index]
                setting.seen(chain),
                setting.counts[number - 1],
                full if plan.one_shot else chain.mask,
            ),
        )
        for name, chain in chains.items()
    }
    about: dict[str, Any] = {"seed": setting.seed, "level": number, "decisive": number == setting.decisive}
    about["density"] = density(at[PREREGISTERED].mask)
    arms = measure_untrained(setting, number, at, about, rows, work)
    if number == setting.decisive:
        decide(setting, at, rows)
    return _train_level(setting, number, at, arms, rows, work)


def _train_level(
    setting: Setting, number: int, chains: Mapping[str, Chain], arms: Sequence[Arm], rows: Rows, work: Work
) -> dict[str, Chain]:
    """Training of what the plan asks for, with its scores; and where that takes the chains."""
    what = f"level {number}, trained"
    results = trained(setting, setting.task, [(arm.mask, arm.act) for arm in arms], rows, work, what)
    of = {(r["criterion"], r["one"], r["zero"]): r for r in rows["arms"] if r["level"] == number}
    for arm, result in zip(arms, results, strict=True):
        whole = jax.tree.map(np.add, result.best, arm.act.frozen)
        of[arm.name].update(
            trained_score=float(setting.score(whole).mean()), early_stop_step=float(result.stop)
        )
    if setting.plan.one_shot:
        return dict(chains)
    rewound = {
        arm.name[0]: result
        for arm, result in zip(arms, results, strict=True)
        if arm.name[1:] == ("rewind", "zero")
    }
    found = {name: result.final for name, result in rewound.items()}
    found |= _train_permuted(setting, number, chains[PERMUTED], rows, work)
    return {name: replace(chain, final=_carried(chain, found[name])) for name, chain in chains.items()}


def _train_permuted(setting: Setting, number: int, chain: Chain, rows: Rows, work: Work) -> dict[str, Params]:
    act = acted(setting.seen(chain), chain.mask, Rewind(), Zero(), setting.key)
    (result,) = trained(
        setting, setting.confused, [(chain.mask, act)], rows, work, f"level {number}, permuted"
    )
    return {PERMUTED: result.final}


def _carried(chain: Chain, final: Params) -> Params:
    """Final weights, with the last value that it had for a weight that is removed."""
    keep = over_parameters(chain.mask, final)
    return jax.tree.map(lambda m, new, old: np.where(m, new, old), keep, final, chain.final)


def _written(level: int, chains: Mapping[str, Chain], rows: Rows) -> dict[str, np.ndarray]:
    arrays = {"level": np.array(level), "rows": written_rows(rows)}
    for name, chain in chains.items():
        arrays |= {f"final {name} {i:03d}": leaf for i, leaf in enumerate(jax.tree.leaves(chain.final))}
        arrays |= {f"mask {name} {layer}": mask for layer, mask in chain.mask.items()}
    return arrays


def _read(
    setting: Setting, arrays: Mapping[str, np.ndarray] | None
) -> tuple[int, dict[str, Chain], Rows] | None:
    if arrays is None:
        return None
    layers, tree = full_mask(setting.network), jax.tree.structure(setting.initial)
    chains = {}
    for name in (*setting.criteria, PERMUTED):
        leaves = [arrays[f"final {name} {i:03d}"] for i in range(len(jax.tree.leaves(setting.initial)))]
        mask = {layer: arrays[f"mask {name} {layer}"] for layer in layers}
        chains[name] = Chain(name, jax.tree.unflatten(tree, leaves), mask)
    return int(arrays["level"]), chains, read_rows(arrays["rows"])
