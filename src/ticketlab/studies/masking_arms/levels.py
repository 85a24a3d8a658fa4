"""What the study `masking-is-training` computes: one seed with all criteria and actions, from dense to sparse.

draw split, θ_i, orders  →  θ_f: dense training, on true and on permuted labels  →  level: choose all masks, measure the untrained
networks that they and the actions make  →  train those that the plan asks for, prove that what was removed took no part  →
next level: the same from θ_f (one-shot), or from where each criterion's own networks were taken  →  tables

A *chain* is a criterion on its way through the levels: its masks, and the final weights that it looks at. Besides those of the
plan there is one for the pre-registered criterion on permuted labels. In chains that train level by level a removed weight keeps,
for those who ask where training took it, the last value that it had.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import jax
import numpy as np

from ticketlab.errors import NumericalFailure
from ticketlab.networks.network import Network, Params
from ticketlab.studies.evidence import Table
from ticketlab.studies.levels import level_counts, nearest_level
from ticketlab.studies.masking_arms.named import CRITERIA, ONES, ZEROS
from ticketlab.studies.masking_arms.questions import (
    DRAWN,
    GROWN,
    GUESS,
    MASK,
    PERMUTED,
    PREREGISTERED,
    RANDOM,
    SHRUNK,
)
from ticketlab.studies.masking_arms.tables import Rows, masking_tables, read_rows, written_rows
from ticketlab.studies.masking_is_training import MaskingIsTrainingPlan
from ticketlab.studies.start import built, drawn_task, example_scores, guessed, permuted_labels, score_of
from ticketlab.studies.study import Draft, Progress
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY, SQUARE, ConvexLoss
from ticketlab.tasks.task import Split, Task
from ticketlab.tickets.actions import Acted, Frozen, FrozenIfGrown, FrozenIfShrunk, Rewind, Zero, acted, laid
from ticketlab.tickets.criterion import Seen, chosen
from ticketlab.tickets.masks import Mask, density, full_mask, kept, over_parameters, weights_of
from ticketlab.tickets.motion import bits, cosine, motion
from ticketlab.tickets.pruned import require_pruned
from ticketlab.tickets.random_masks import shuffled
from ticketlab.tickets.ranking import Counts
from ticketlab.tickets.responses import change, responses
from ticketlab.training import Replicas, Sum, TrainingData, TrainingPlan, train
from ticketlab.training.result import Ended, TrainingResult

__all__ = ["measure_seed"]

STREAM = 1  # of every seed's key and split: those of stream 0 were used up in choosing the default plan
SPLITS = 1000  # seeds of splits that one stream may use
TOGETHER = 64  # networks in one call of training: what memory has to hold


@dataclass(frozen=True)
class _Chain:
    """A criterion on its way through the levels.

    Arguments:
        name: the criterion's, or `PERMUTED`.
        final: θ_f, as it looks at it.
        mask: of the level before; everything at level 0.
    """

    name: str
    final: Params
    mask: Mask

    @property
    def criterion(self) -> str:
        return PREREGISTERED if self.name == PERMUTED else self.name


@dataclass(frozen=True)
class _Setting:
    """What does not change from level to level."""

    plan: MaskingIsTrainingPlan
    seed: int
    task: Task
    confused: Task  # with permuted labels
    network: Network
    initial: Params
    key: Any

    @property
    def loss(self) -> ConvexLoss:
        return SOFTMAX_CROSS_ENTROPY if self.task.kind == "classification" else SQUARE

    @property
    def training(self) -> TrainingPlan:
        p = self.plan
        return TrainingPlan(
            steps=p.steps,
            batch=p.batch,
            optimiser=p.optimiser,
            schedule=p.schedule,
            evaluate_every=p.evaluate_every,
            score=score_of(self.task),
        )

    @property
    def criteria(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((PREREGISTERED, *self.plan.criteria)))

    @cached_property
    def counts(self) -> tuple[Counts, ...]:
        return level_counts(self.plan.pruning, self.network, self.plan.levels)

    @cached_property
    def decisive(self) -> int:
        return nearest_level(self.counts, self.network, self.plan.density)

    @cached_property
    def responses(self) -> dict[str, np.ndarray]:
        """Of the network as it was drawn, on test data."""
        return responses(self.network, self.initial, self.task.test.x)

    def draw(self, level: int, purpose: int) -> Any:
        return jax.random.fold_in(jax.random.fold_in(self.key, purpose), level)

    def seen(self, chain: _Chain, level: int = 0) -> Seen:
        task = self.confused if chain.name == PERMUTED else self.task
        x, y = (a[: self.plan.scored] for a in (task.train.x, task.train.targets))
        return Seen(self.network, self.initial, chain.final, self.loss, x, y, self.draw(0, 10))

    def score(self, params: Params) -> np.ndarray:
        """Of one network, every test example's."""
        return self._on(params, self.task, self.task.test)

    def memorised(self, params: Params) -> float:
        """The mean score of one network on permuted training labels, of as many examples as criteria with gradients look at."""
        whole = self.confused.train
        part = {f.name: getattr(whole, f.name) for f in fields(whole)}
        some: Any = {name: None if a is None else a[: self.plan.scored] for name, a in part.items()}
        return float(self._on(params, self.confused, replace(whole, **some)).mean())

    def _on(self, params: Params, task: Task, part: Split) -> np.ndarray:
        stacked = jax.tree.map(lambda a: np.asarray(a)[None], params)
        return example_scores(self.network, stacked, task, part)[0]


def measure_seed(
    plan: MaskingIsTrainingPlan, seed: int, draft: Draft, progress: Progress
) -> dict[str, Table]:
    """Everything of one seed, as tidy tables; from where the draft says."""
    setting = _setting(plan, seed)
    work = _Work(setting, progress)
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


def _setting(plan: MaskingIsTrainingPlan, seed: int) -> _Setting:
    drawn = STREAM * SPLITS + seed
    task = drawn_task(plan.task, drawn)
    task = permuted_labels(task, drawn) if plan.permuted_labels else task
    network = built(plan.network, task.input_shape, task.outputs)
    key = jax.random.fold_in(jax.random.key(seed), STREAM)
    initial = jax.tree.map(np.asarray, network.init(jax.random.fold_in(key, 0)))
    setting = _Setting(plan, seed, task, permuted_labels(task, drawn + SPLITS // 2), network, initial, key)
    _ = setting.decisive  # refuses a density that no level has, before anything is trained
    return setting


def _dense(setting: _Setting, rows: Rows, work: _Work) -> dict[str, _Chain]:
    """Training of the dense network on true and on permuted labels, and the chains that start there."""
    full = full_mask(setting.network)
    whole = acted(Seen(setting.network, setting.initial), full, Rewind(), Zero(), setting.key)
    finals = {}
    for name, task in (("dense", setting.task), (PERMUTED, setting.confused)):
        (result,) = _trained(setting, task, [(full, whole)], rows, work, f"dense, {name} labels")
        finals[name] = result.final
        if name == "dense":
            score = float(setting.score(result.best).mean())
            about = {"early_stop_step": result.stop, "test_score": score}
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
    return {n: _Chain(n, finals[n if n == PERMUTED else "dense"], full) for n in names}


def _level(
    setting: _Setting, number: int, chains: Mapping[str, _Chain], rows: Rows, work: _Work
) -> dict[str, _Chain]:
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
    _untrained(setting, number, at, about, rows, work)
    if number == setting.decisive:
        _decide(setting, at, rows)
    return _train_level(setting, number, at, about, rows, work)


def _untrained(
    setting: _Setting,
    number: int,
    chains: Mapping[str, _Chain],
    about: dict[str, Any],
    rows: Rows,
    work: _Work,
) -> None:
    """Scores of all untrained networks, and what the masks do to responses and to weights."""
    equal = shuffled(chains[PREREGISTERED].mask, setting.draw(number, 11))
    control = _Chain("random-equal-layers", chains[PREREGISTERED].final, equal)
    for name in (*setting.criteria, control.name):
        chain = chains.get(name, control)
        for one, zero, act in _actions(setting, number, chain):
            rows.setdefault("arms", []).append(
                {
                    **about,
                    "criterion": name,
                    "one": one,
                    "zero": zero,
                    "test_score": float(setting.score(act.params).mean()),
                    "trained_score": float("nan"),
                    "early_stop_step": float("nan"),
                }
            )
            if (one, zero) == ("rewind", "zero"):
                rows.setdefault("masks", []).append(_mask_row(setting, chain, about, act))
                rows.setdefault("responses", []).extend(_response_rows(setting, name, about, act.params))
        work.done(f"level {number}, untrained", work.LEVEL / (len(setting.criteria) + 1))


def _actions(setting: _Setting, number: int, chain: _Chain) -> Iterator[tuple[str, str, Acted]]:
    """What the plan's actions make of a chain's mask; rewound with zeros always, and first. Draws are the same for all chains."""
    seen, plan, key = setting.seen(chain), setting.plan, setting.draw(number, 12)
    ones = {one: ONES[one].values(seen, chain.mask, key) for one in dict.fromkeys(("rewind", *plan.ones))}
    zeros = {zero: ZEROS[zero].values(seen) for zero in dict.fromkeys(("zero", *plan.zeros))}
    for one, zero in itertools.product(ones, zeros):
        if (one in plan.ones and zero in plan.zeros) or (one, zero) == ("rewind", "zero"):
            yield one, zero, laid(setting.initial, chain.mask, ones[one], zeros[zero])


def _mask_row(setting: _Setting, chain: _Chain, about: dict[str, Any], act: Acted) -> dict[str, Any]:
    network = setting.network
    start, final, masked = (weights_of(network, p) for p in (setting.initial, chain.final, act.params))
    removed = {n: ~m for n, m in chain.mask.items()}
    step = motion(start, masked)
    flipped = sum(int(np.sum((start[n] * final[n] <= 0)[m])) for n, m in chain.mask.items())
    shrank = sum(int(np.sum((np.abs(final[n]) <= np.abs(start[n]))[m])) for n, m in removed.items())
    return {
        **about,
        "criterion": chain.name,
        "kept": kept(chain.mask),
        "mask_bits": bits(chain.mask),
        "flipped": flipped / max(kept(chain.mask), 1),
        "shrank": shrank / max(kept(removed), 1),
        "moved": step.distance,
        "motion_bits": step.bits,
        "aligned": cosine(start, masked, final),
    }


def _response_rows(
    setting: _Setting, criterion: str, about: dict[str, Any], params: Params
) -> list[dict[str, Any]]:
    changed = change(setting.responses, responses(setting.network, params, setting.task.test.x))
    return [
        {
            **about,
            "criterion": criterion,
            "layer": layer,
            "units": len(of.decorrelation),
            "decorrelation": float(np.mean(of.decorrelation)),
            "lower": float(np.quantile(of.decorrelation, 0.25)),
            "upper": float(np.quantile(of.decorrelation, 0.75)),
            "relative_change": _mean(of.relative),
        }
        for layer, of in changed.items()
    ]


def _decide(setting: _Setting, chains: Mapping[str, _Chain], rows: Rows) -> None:
    """The arms on which the verdict turns: untrained, example by example; and random masks, one by one."""
    chain = chains[PREREGISTERED]
    seen, key = setting.seen(chain), setting.key

    def untrained(mask: Mask, zero: Any = None) -> Params:
        return acted(seen, mask, Rewind(), zero or Zero(), key).params

    masks = [shuffled(chain.mask, setting.draw(i, 13)) for i in range(setting.plan.random_masks)]
    random = [untrained(m) for m in masks]
    scores = np.stack([setting.score(p) for p in random])
    arms = {
        MASK: setting.score(untrained(chain.mask)),
        RANDOM: scores.mean(axis=0),
        GUESS: guessed(setting.task),
        PERMUTED: setting.score(untrained(chains[PERMUTED].mask)),
        SHRUNK: setting.score(untrained(chain.mask, FrozenIfGrown())),
        GROWN: setting.score(untrained(chain.mask, FrozenIfShrunk())),
        DRAWN: setting.score(untrained(chain.mask, Frozen())),
    }
    rows["examples"] = [
        {"seed": setting.seed, "id": int(i), **{arm: float(values[n]) for arm, values in arms.items()}}
        for n, i in enumerate(setting.task.test.ids)
    ]
    each = scores.mean(axis=1)
    as_good = 1 + int(np.sum(each >= arms[MASK].mean()))
    rows["chance"] = [
        {"seed": setting.seed, "draw": i, "test_score": float(score)} for i, score in enumerate(each)
    ]
    rows["surprise"] = [
        {
            "seed": setting.seed,
            "random_masks": len(masks),
            "as_good": as_good - 1,
            "bits": float(np.log2((1 + len(masks)) / as_good)),
        }
    ]
    fits = {
        MASK: [setting.memorised(untrained(chains[PERMUTED].mask))],
        RANDOM: [setting.memorised(p) for p in random],
    }
    rows["memorised"] = [
        {"seed": setting.seed, "arm": arm, "train_score": float(np.mean(values))}
        for arm, values in fits.items()
    ]


def _train_level(
    setting: _Setting,
    number: int,
    chains: Mapping[str, _Chain],
    about: dict[str, Any],
    rows: Rows,
    work: _Work,
) -> dict[str, _Chain]:
    """Training of what the plan asks for, with its scores; and where that takes the chains."""
    plan = setting.plan
    everything = plan.trained == "all" and number == setting.decisive
    arms: list[tuple[str, str, str, Mask, Acted]] = []
    if plan.trained != "none":
        equal = shuffled(chains[PREREGISTERED].mask, setting.draw(number, 11))
        control = _Chain("random-equal-layers", chains[PREREGISTERED].final, equal)
        for name in (*setting.criteria, control.name):
            chain = chains.get(name, control)
            for one, zero, act in _actions(setting, number, chain):
                if everything or (one, zero) == ("rewind", "zero"):
                    arms.append((name, one, zero, chain.mask, act))
    results = _trained(
        setting, setting.task, [(mask, act) for *_, mask, act in arms], rows, work, f"level {number}, trained"
    )
    of = {(r["criterion"], r["one"], r["zero"]): r for r in rows["arms"] if r["level"] == number}
    for (name, one, zero, _, act), result in zip(arms, results, strict=True):
        whole = jax.tree.map(np.add, result.best, act.frozen)
        of[name, one, zero].update(
            trained_score=float(setting.score(whole).mean()), early_stop_step=float(result.stop)
        )
    if plan.one_shot:
        return dict(chains)
    found = {name: result.final for (name, one, zero, *_), result in zip(arms, results, strict=True)
             if (one, zero) == ("rewind", "zero")}  # fmt: skip
    found |= _train_permuted(setting, number, chains[PERMUTED], rows, work)
    return {name: replace(chain, final=_carried(chain, found[name])) for name, chain in chains.items()}


def _train_permuted(
    setting: _Setting, number: int, chain: _Chain, rows: Rows, work: _Work
) -> dict[str, Params]:
    act = acted(setting.seen(chain), chain.mask, Rewind(), Zero(), setting.key)
    (result,) = _trained(
        setting, setting.confused, [(chain.mask, act)], rows, work, f"level {number}, permuted"
    )
    return {PERMUTED: result.final}


def _carried(chain: _Chain, final: Params) -> Params:
    """Final weights, with the last value that it had for a weight that is removed."""
    keep = over_parameters(chain.mask, final)
    return jax.tree.map(lambda m, new, old: np.where(m, new, old), keep, final, chain.final)


@dataclass(frozen=True)
class _Result:
    final: Params
    best: Params
    stop: int


def _trained(
    setting: _Setting,
    task: Task,
    arms: Sequence[tuple[Mask, Acted]],
    rows: Rows,
    work: _Work,
    what: str,
) -> list[_Result]:
    """All networks trained from where they start, on one order of the data, and proved."""
    results: list[_Result] = []
    order = jax.random.fold_in(setting.key, 1)
    for first in range(0, len(arms), TOGETHER):
        some = arms[first : first + TOGETHER]
        masks, starts, frozen = (
            jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
            for trees in (
                [over_parameters(m, setting.initial) for m, _ in some],
                [a.start for _, a in some],
                [a.frozen for _, a in some],
            )
        )
        replicas = Replicas(starts, order, masks=masks, effective=Sum(), frozen=frozen)
        began, count = time.perf_counter(), len(some)

        def told(share: float, count: int = count) -> None:
            work.during(what, share * count)

        result = train(
            setting.network,
            setting.loss,
            TrainingData.of(task),
            setting.training,
            replicas,
            progress=told,
        )
        work.done(what, count)
        results += _checked(setting, result, masks, rows, what, time.perf_counter() - began)
    return results


def _checked(
    setting: _Setting, result: TrainingResult, masks: Any, rows: Rows, what: str, seconds: float
) -> list[_Result]:
    if (np.asarray(result.state.ended) == Ended.DIVERGED).any():
        raise NumericalFailure(
            f"Training diverged ({what}): use a smaller step size than {setting.plan.optimiser.step_size:g}."
        )
    proof = require_pruned(setting.plan.optimiser, result.state, masks)
    networks, best = len(result.steps), result.best
    assert best is not None
    rows.setdefault("checks", []).append(
        {
            "seed": setting.seed,
            "training": what,
            "networks": networks,
            "removed": proof.pruned,
            "parameters_left": proof.parameters,
            "best": proof.best,
            "moments": proof.moments,
        }
    )
    rows.setdefault("timings", []).append(
        {
            "seed": setting.seed,
            "training": what,
            "network_steps": int(result.steps.sum()),
            "seconds": seconds,
            "rate": float(result.steps.sum() / seconds),
        }
    )

    def one(tree: Any, r: int) -> Any:
        return jax.tree.map(lambda a: np.asarray(a)[r], tree)

    return [_Result(one(result.params, r), one(best.params, r), int(best.steps[r])) for r in range(networks)]


class _Work:
    """How much of a seed is done, in trained networks; an untrained level counts as a few."""

    LEVEL = 4.0

    def __init__(self, setting: _Setting, progress: Progress) -> None:
        plan = setting.plan
        criteria, self._tell, self._done, self._begun = len(setting.criteria) + 1, progress, 2.0, 0.0
        combinations = len({"rewind", *plan.ones}) * len({"zero", *plan.zeros})
        at = 0 if plan.trained == "none" else criteria + (not plan.one_shot)
        self._levels = [self.LEVEL + at for _ in range(plan.levels)]
        if plan.trained == "all":
            self._levels[setting.decisive - 1] += criteria * (combinations - 1)
        self._whole, self._done = 2.0 + sum(self._levels), 0.0

    def skip(self, level: int) -> None:
        """Levels that an earlier process did."""
        self._begun = self._done = 2.0 + sum(self._levels[:level])

    def during(self, what: str, networks: float) -> None:
        share = (self._done + networks - self._begun) / max(self._whole - self._begun, 1e-9)
        self._tell(what, min(share, 1.0))

    def done(self, what: str, networks: float) -> None:
        self._done += networks
        self.during(what, 0.0)


def _written(level: int, chains: Mapping[str, _Chain], rows: Rows) -> dict[str, np.ndarray]:
    arrays = {"level": np.array(level), "rows": written_rows(rows)}
    for name, chain in chains.items():
        arrays |= {f"final {name} {i:03d}": leaf for i, leaf in enumerate(jax.tree.leaves(chain.final))}
        arrays |= {f"mask {name} {layer}": mask for layer, mask in chain.mask.items()}
    return arrays


def _read(
    setting: _Setting, arrays: Mapping[str, np.ndarray] | None
) -> tuple[int, dict[str, _Chain], Rows] | None:
    if arrays is None:
        return None
    layers, tree = full_mask(setting.network), jax.tree.structure(setting.initial)
    chains = {}
    for name in (*setting.criteria, PERMUTED):
        leaves = [arrays[f"final {name} {i:03d}"] for i in range(len(jax.tree.leaves(setting.initial)))]
        mask = {layer: arrays[f"mask {name} {layer}"] for layer in layers}
        chains[name] = _Chain(name, jax.tree.unflatten(tree, leaves), mask)
    return int(arrays["level"]), chains, read_rows(arrays["rows"])


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
