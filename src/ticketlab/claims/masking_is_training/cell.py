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
from ticketlab.claims.masking_is_training.training import trained
from ticketlab.claims.masking_is_training.untrained import Arm, decide, measure_untrained
from ticketlab.claims.masking_is_training.work import Work
from ticketlab.claims.notes import OF_MASKS
from ticketlab.claims.rows import Rows, read_rows, written_rows
from ticketlab.claims.start import example_rows
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.evidence.tables import Table
from ticketlab.networks.network import Params
from ticketlab.tangent.devices import Devices
from ticketlab.tickets.actions import Rewind, Zero, acted
from ticketlab.tickets.criterion import Seen, chosen
from ticketlab.tickets.masks import Mask, density, full_mask, over_parameters, weights_of
from ticketlab.tickets.motion import motion

__all__ = ["measure"]


def measure(
    plan: MaskingIsTrainingPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    """Everything of one seed, as tidy tables; from where the draft says."""
    setting = setting_of(plan, cell.seeds[0])
    arrays = draft.read()
    work = Work(setting, progress, None if arrays is None else read_rows(arrays["rows"]))
    if arrays is None:
        level, chains = 0, _dense(work)
        draft.write(_written(level, chains, work.rows))
    else:
        level, chains = _read(setting, arrays)
        work.skip(level)
    for number in range(level + 1, plan.levels + 1):
        chains = _level(work, number, chains)
        draft.write(_written(number, chains, work.rows))
    return {name: _table(name, rows) for name, rows in work.rows.items()}


def _dense(work: Work) -> dict[str, Chain]:
    """Training of the dense network on true and on permuted labels, and the chains that start there."""
    setting = work.setting
    full = full_mask(setting.network)
    whole = acted(Seen(setting.network, setting.initial), full, Rewind(), Zero(), setting.key)
    (dense,) = trained(work, setting.task, [(full, whole)], "dense, dense labels")
    scores = setting.score(dense.best)
    work.rows[TRAINED] = [{"score": float(score)} for score in scores]
    step = motion(*(weights_of(setting.network, p) for p in (setting.initial, dense.final)))
    work.add(
        "dense",
        untrained_score=float(setting.score(setting.initial).mean()),
        early_stop_step=dense.stop,
        test_score=float(scores.mean()),
        moved=step.distance,
        bits=step.bits,
    )
    (permuted,) = trained(work, setting.confused, [(full, whole)], f"dense, {PERMUTED} labels")
    fitted = {TRAINED: setting.fitted(dense.final), PERMUTED: setting.fitted(permuted.final, confused=True)}
    some = replace(setting.task, test=setting.some(setting.task))
    work.rows["learnt"] = example_rows(some, setting.seed, fitted)
    chains = {name: Chain(name, dense.final, full) for name in setting.criteria}
    return {**chains, PERMUTED: Chain(PERMUTED, permuted.final, full)}


def _level(work: Work, number: int, chains: Mapping[str, Chain]) -> dict[str, Chain]:
    """One level: masks, untrained networks, trained networks, and where the chains are then."""
    setting, full = work.setting, full_mask(work.setting.network)
    at, networks = {}, {}
    for name, chain in chains.items():
        criterion = CRITERIA[chain.criterion]
        within = full if setting.plan.one_shot else chain.mask
        mask = chosen(criterion, setting.seen(chain), setting.counts[number - 1], within)
        at[name], networks[name] = replace(chain, mask=mask), _network(chain, within)
    decisive = number == setting.decisive
    about = {"level": number, "decisive": decisive, "density": density(at[PREREGISTERED].mask)}
    arms = measure_untrained(work, number, at, about)
    if decisive:
        decide(work, at, networks)
    return _train_level(work, number, at, arms)


def _train_level(
    work: Work, number: int, chains: Mapping[str, Chain], arms: Sequence[Arm]
) -> dict[str, Chain]:
    """Training of what the plan asks for, with its scores; and where that takes the chains."""
    setting = work.setting
    results = trained(work, setting.task, [(arm.mask, arm.act) for arm in arms], f"level {number}, trained")
    of = {(r["criterion"], r["one"], r["zero"]): r for r in work.rows["arms"] if r["level"] == number}
    final: dict[str, Params] = {}
    for arm, result in zip(arms, results, strict=True):
        whole = jax.tree.map(np.add, result.best, arm.act.frozen)
        of[arm.name].update(
            trained_score=float(setting.score(whole).mean()), early_stop_step=float(result.stop)
        )
        if arm.name[1:] == ("rewind", "zero"):
            final[arm.name[0]] = result.final
    if setting.plan.one_shot:
        return dict(chains)
    chain = chains[PERMUTED]
    act = acted(setting.seen(chain), chain.mask, Rewind(), Zero(), setting.key)
    (result,) = trained(work, setting.confused, [(chain.mask, act)], f"level {number}, permuted")
    final[PERMUTED] = result.final
    return {name: replace(chain, final=_carried(chain, final[name])) for name, chain in chains.items()}


def _carried(chain: Chain, final: Params) -> Params:
    """Final weights, with the last value that it had for a weight that is removed."""
    keep = over_parameters(chain.mask, final)
    return jax.tree.map(lambda m, new, old: np.where(m, new, old), keep, final, chain.final)


def _network(chain: Chain, within: Mask) -> Params:
    """The network that was trained under a mask; the chain has values of removed weights besides."""
    return jax.tree.map(np.multiply, chain.final, over_parameters(within, chain.final))


def _written(level: int, chains: Mapping[str, Chain], rows: Rows) -> dict[str, np.ndarray]:
    arrays = {"level": np.array(level), "rows": written_rows(rows)}
    for name, chain in chains.items():
        arrays |= {f"final {name} {i:03d}": leaf for i, leaf in enumerate(jax.tree.leaves(chain.final))}
        arrays |= {f"mask {name} {layer}": mask for layer, mask in chain.mask.items()}
    return arrays


def _read(setting: Setting, arrays: Mapping[str, np.ndarray]) -> tuple[int, dict[str, Chain]]:
    layers, tree = full_mask(setting.network), jax.tree.structure(setting.initial)
    chains = {}
    for name in (*setting.criteria, PERMUTED):
        leaves = [arrays[f"final {name} {i:03d}"] for i in range(len(jax.tree.leaves(setting.initial)))]
        mask = {layer: arrays[f"mask {name} {layer}"] for layer in layers}
        chains[name] = Chain(name, jax.tree.unflatten(tree, leaves), mask)
    return int(arrays["level"]), chains


def _table(name: str, rows: list[dict[str, Any]]) -> Table:
    units, meanings = _UNITS.get(name), {**_MEANINGS, **_OWN.get(name, {})}
    return Table.from_rows(name, rows, units=units, meanings=meanings, measured=name == "timings")


_UNITS: Mapping[str, Mapping[str, str]] = {"timings": {"seconds": "s", "rate": "1/s"}}
_MEANINGS: Mapping[str, str] = {
    **OF_MASKS,
    "level": "rounds of the rule of pruning",
    "criterion": "by which the mask is chosen; random-equal-layers is the chosen mask shuffled within each layer",
    "one": "what becomes of the weights that are kept",
    "zero": "what becomes of those that are not",
    "trained_score": "at the step of the lowest validation loss, where the network was trained",
    "early_stop_step": "that step",
    "mask_bits": "log₂ of how many masks have as many weights in each layer",
    "flipped": "the share of the kept weights whose sign training changed",
    "shrank": "the share of the removed weights that training made smaller",
    "moved": "‖Δ‖/‖θ_i‖ over all weights",
    "motion_bits": "Σ ‖Δ‖²/(2 σ² ln 2) of the motion that putting weights to zero is, σ the layer's initial scatter",
    "aligned": "the cosine of that motion with the one of training",
    "decorrelation": "1 − correlation of a unit's response before and after masking, mean over the layer's units",
    "lower": "its lower quartile over units",
    "upper": "its upper quartile over units",
    "relative_change": "root mean square of the change of response over that of the response, mean over units",
    "removed": "removed parameters of all networks",
    "parameters_left": "of these, how many are not exactly zero in the state at the end",
    "moments": "how many of the optimiser's moments of removed parameters are not exactly zero",
    "as_good": "random masks with a test score at least that of the chosen one",
}
_OWN: Mapping[str, Mapping[str, str]] = {
    "arms": {"test_score": "of the untrained network"},
    "chance": {
        "test_score": "of the untrained network under a random mask with the chosen mask's layer counts"
    },
    "dense": {
        "test_score": "of the trained dense network, at the step of the lowest validation loss",
        "untrained_score": "of the network as it was drawn",
        "moved": "‖θ_f − θ_i‖/‖θ_i‖ over all weights",
        "bits": "Σ ‖Δ‖²/(2 σ² ln 2) of the motion of training",
    },
    "learnt": {
        "trained": "of the trained dense network at the end, on training data",
        "permuted": "of the network trained on permuted labels at the end, on these labels",
    },
    "surprise": {"bits": "−log₂ of the share of masks as good as the chosen one, itself among them"},
    "multigraph": {
        "bits": "b: every parameter has 2b edges, of weight ±S·2^−k with k from 1 to b",
        "test_score": "under the mask that writes the trained weights to b bits",
        "random_score": "under a random mask with equally many edges for each array of parameters",
        "train_score": "on permuted training labels, under the mask that training on them gives",
    },
    "memorised": {"train_score": "on permuted training labels, untrained"},
    "examples": {
        "mask": "the score under the chosen mask, untrained; the other columns likewise",
        "random": "mean over random masks with as many weights in every layer",
        "guess": "always answering with the most frequent class",
        "permuted": "under the mask found on permuted labels",
        "shrunk": "with zero for those removed weights that training made smaller, and the others as they were drawn",
        "grown": "with zero for those removed weights that training made larger",
        "drawn": "the network as it was drawn",
        "shrunk_twin": "with zero for equally many removed weights in each layer, chosen at random; mean over draws",
        "grown_twin": "the same, for those that training made larger",
        "multigraph": "the multigraph under the mask that writes the trained weights",
        "shrunk_permuted": "with zero for equally many removed weights in each layer, those that shrank most in training on "
        "permuted labels",
        "trained": "of the trained dense network, at the step of the lowest validation loss",
    },
}
