"""What the studies of learned masks compute: networks of one architecture, each with its frozen weights searched or trained.

draw split  →  θ₀, scores, orders, permuted labels  →  arms of one program side by side, a piece at a time, noting where they are
→  the ticket without its scores, measured; the proof that it is made of what was drawn  →  a random mask of equal counts

An arm is all seeds of one kind of network. Arms that differ in density, or in how weights are drawn, are replicas of one program.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab.errors import NumericalFailure
from ticketlab.networks.architectures import Architecture
from ticketlab.networks.initialisation import Distribution
from ticketlab.networks.network import Params, parameter_count
from ticketlab.studies.evidence import Table
from ticketlab.studies.learned_arms.tables import arm_tables
from ticketlab.studies.rows import Rows, read_rows, written_rows
from ticketlab.studies.start import built, drawn_task, network_scores, permuted, score_of, seed_keys
from ticketlab.studies.study import Draft, Progress
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY, SQUARE
from ticketlab.tasks.sources import TaskSource
from ticketlab.tasks.task import Split, Task
from ticketlab.tickets.biprop import Binarised, Biprop
from ticketlab.tickets.learned import ScoredMask, require_frozen
from ticketlab.tickets.masks import density as density_of
from ticketlab.tickets.masks import kept as kept_of
from ticketlab.tickets.masks import layer_densities, prunable_layers
from ticketlab.tickets.random_masks import random_mask
from ticketlab.tickets.supermask import Supermask
from ticketlab.training import Cosine, Ended, Replicas, TrainingData, TrainingPlan, stack, train
from ticketlab.training.optimisers import Optimiser

__all__ = ["Arm", "Setting", "run_setting"]

PIECES = 10  # of an arm's training; between them the draft is written
LOOKS = 20  # at the validation data
DRAWS = 10  # masks over which a supermask's score is also averaged
SPLIT_SEED = 1
STREAM = 1  # of every seed's key: choosing the default plans used up stream 0, and the split of seed 7


@dataclass(frozen=True)
class Arm:
    """All seeds of one kind of network.

    Arguments:
        name: "ticket", "dense", ….
        search: how a mask over frozen weights is learned; None: weights are trained.
        binary: for trained weights, whether the network sees their signs and a gain.
        density: the fraction of each layer that a search keeps (a supermask: with which it starts).
        distribution: of the weights; None: the architecture's own.
        permuted: whether it learns from labels that are permuted, another way for every seed.
        compared: whether its scores on single test examples are kept, for the verdict.
    """

    name: str
    search: ScoredMask | None = None
    binary: bool = False
    density: float = 1.0
    distribution: Distribution | None = None
    permuted: bool = False
    compared: bool = True

    def program(self) -> tuple[Any, ...]:
        """What arms that are trained side by side have in common."""
        return (self.search, self.binary, self.permuted)


@dataclass(frozen=True)
class Setting:
    """One cell's networks, and how they are searched and trained.

    Arguments:
        name: for the tables ("width 0.5").
        size: the factor on the widths.
        architecture: of all arms.
        arms: what is compared; one called "ticket" has a random mask of equal counts beside it.
        search_by, train_by, binary_by: the optimisers of scores, of weights, and of weights that are seen as signs. Step sizes
            fall to zero along half a cosine.
    """

    name: str
    size: float
    task: TaskSource
    architecture: Architecture
    arms: tuple[Arm, ...]
    seeds: int
    steps: int
    batch: int
    search_by: Optimiser
    train_by: Optimiser
    binary_by: Optimiser

    def groups(self) -> list[tuple[Arm, ...]]:
        """The arms by program, in the order of the first of each."""
        programs = list(dict.fromkeys(arm.program() for arm in self.arms))
        return [tuple(arm for arm in self.arms if arm.program() == p) for p in programs]


def run_setting(setting: Setting, draft: Draft, progress: Progress) -> dict[str, Table]:
    """All tables of one setting, from where the draft says."""
    bench = _Bench(setting, drawn_task(setting.task, SPLIT_SEED))
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
            each = [jax.tree.map(lambda a, r=r: jnp.asarray(a[r]), scores) for r in bench.rows(i)]
            _measure(bench, arm, each, rows)
    return arm_tables(rows, setting, bench.task, bench.network)


class _Bench:
    """What the arms of a setting have in common: data, network, and what every seed draws."""

    def __init__(self, setting: Setting, task: Task) -> None:
        self.setting, self.task = setting, task
        self.network = built(setting.architecture, task.input_shape, task.outputs)
        keys = seed_keys(setting.seeds, STREAM, 4)
        self.init, self.order, self.score, self.chance = (keys[:, i] for i in range(4))
        draws = (np.random.Generator(np.random.PCG64((SPLIT_SEED, seed))) for seed in range(setting.seeds))
        self.permuted = [permuted(task.train, rng) for rng in draws]
        classes = task.kind == "classification"
        self.loss = SOFTMAX_CROSS_ENTROPY if classes else SQUARE

    def params(self, arm: Arm, seed: int) -> Params:
        """θ₀ of a seed, drawn as the arm says."""
        return _drawing(
            self.setting.architecture, arm.distribution, self.task.input_shape, self.task.outputs
        )(self.init[seed])

    def rows(self, arm: int) -> range:
        """Where an arm's networks are among those of its group."""
        return range(arm * self.setting.seeds, (arm + 1) * self.setting.seeds)

    def scores(self, params: Params, part: Split) -> np.ndarray:
        """One network's, on every example of a part."""
        return network_scores(self.network, params, self.task, part)

    def data(self, permuted: bool, arms: int) -> TrainingData:
        shared = TrainingData.of(self.task)
        if not permuted:
            return shared
        return replace(shared, y=np.concatenate([np.stack([p.targets for p in self.permuted])] * arms))

    def plan(self, arm: Arm) -> TrainingPlan:
        steps, of = self.setting.steps, self.setting
        by = of.search_by if arm.search else of.binary_by if arm.binary else of.train_by
        return TrainingPlan(
            steps=steps,
            batch=min(self.setting.batch, len(self.task.train)),
            optimiser=by,
            schedule=Cosine(steps),
            evaluate_every=max(1, steps // LOOKS),
            score=score_of(self.task),
        )

    def replicas(self, group: Sequence[Arm]) -> Replicas:
        seeds = self.setting.seeds
        params = stack([self.params(arm, seed) for arm in group for seed in range(seeds)])
        order, score = (jnp.tile(keys, len(group)) for keys in (self.order, self.score))
        first = group[0]
        if first.search is not None:
            density = np.repeat([arm.density for arm in group], seeds)
            return first.search.replicas(self.network, params, density, score, order)
        return Replicas(params, order, effective=Binarised.of(self.network) if first.binary else None)


@lru_cache(maxsize=64)
def _drawing(
    architecture: Architecture, distribution: Distribution | None, shape: tuple[int, ...], outputs: int
) -> Any:
    if distribution is not None:
        drawn = replace(architecture.initialisation, distribution=distribution)
        architecture = replace(architecture, initialisation=drawn)
    return jax.jit(built(architecture, shape, outputs).init)


def _trained(
    bench: _Bench,
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
        state, step = result.state, until
        where = {f"state {i:04d}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
        draft.write({"group": np.array(number), "rows": written_rows(rows), **where})
    assert state is not None
    return state.params


def _train(
    bench: _Bench,
    replicas: Replicas,
    data: TrainingData,
    plan: TrainingPlan,
    state: Any = None,
    progress: Any = None,
) -> Any:
    return train(bench.network, bench.loss, data, plan, replicas, start=state, progress=progress)


def _add_curves(bench: _Bench, group: Sequence[Arm], curves: Any, rows: Rows) -> None:
    for i, arm in enumerate(group):
        if arm.compared:
            rows.setdefault("curves", []).extend(
                {
                    **_about(bench, arm),
                    "seed": seed,
                    "step": int(step),
                    "batch_loss": float(curves.batch_loss[n, row]),
                    "validation_score": float(curves.validation_score[n, row]),
                }
                for seed, row in enumerate(bench.rows(i))
                for n, step in enumerate(curves.steps.tolist())
            )


def _about(bench: _Bench, arm: Arm) -> dict[str, Any]:
    own = bench.setting.architecture.initialisation.distribution
    return {
        "setting": bench.setting.name,
        "arm": arm.name,
        "size": bench.setting.size,
        "distribution": str(arm.distribution or own),
        "asked": arm.density,
    }


def _measure(bench: _Bench, arm: Arm, trained: Sequence[Params], rows: Rows) -> None:
    """One arm's rows, and those of random masks with the ticket's counts."""
    for seed, scores in enumerate(trained):
        drawn = bench.params(arm, seed)
        if arm.search is None:
            binary = Binarised.of(bench.network)
            params = binary(scores, None, bench.chance[seed]) if arm.binary else scores
            _note(bench, arm, seed, params, None, rows)
            continue
        (mask,) = arm.search.masks(
            bench.network, jax.tree.map(lambda a: np.asarray(a)[None], scores), arm.density
        )
        params = arm.search.ticket(drawn, mask)
        _check(bench, arm, seed, drawn, params, mask, rows)
        sampled = _sampled(bench, arm.search, scores, drawn, seed)
        _note(bench, arm, seed, params, mask, rows, sampled)
        if not arm.permuted:
            shapes = {name: kept.shape for name, kept in mask.items()}
            counts = {name: int(kept.sum()) for name, kept in mask.items()}
            chance = random_mask(shapes, counts, bench.chance[seed])
            random = replace(arm, name="random" if arm.name == "ticket" else f"random {arm.name}")
            _note(bench, random, seed, arm.search.ticket(drawn, chance), chance, rows)


def _sampled(bench: _Bench, search: ScoredMask, scores: Params, drawn: Params, seed: int) -> float:
    """A supermask's mean score over masks that are drawn; NaN for masks that are not drawn."""
    if not isinstance(search, Supermask):
        return float("nan")
    frozen = {"weights": drawn, "counts": {name: jnp.int32(0) for name in scores}}
    keys = jax.random.split(bench.chance[seed], DRAWS)
    each = [bench.scores(search(scores, frozen, key), bench.task.test) for key in keys]
    return float(np.mean(each))


def _check(
    bench: _Bench, arm: Arm, seed: int, drawn: Params, params: Params, mask: Mapping[str, Any], rows: Rows
) -> None:
    rows.setdefault("checks", []).append(
        {
            **_about(bench, arm),
            "seed": seed,
            "compared": require_frozen(drawn, params, mask, signs=isinstance(arm.search, Biprop)),
            "kept": kept_of(mask),
        }
    )


def _note(
    bench: _Bench, arm: Arm, seed: int, params: Params, mask: Any, rows: Rows, sampled: float = float("nan")
) -> None:
    task = bench.task
    test = bench.scores(params, task.test)
    learnt = bench.permuted[seed] if arm.permuted else task.train
    weights = sum(int(np.prod(layer.weight_shape)) for layer in prunable_layers(bench.network))
    rows.setdefault("arms", []).append(
        {
            **_about(bench, arm),
            "seed": seed,
            "permuted": arm.permuted,
            "density": 1.0 if mask is None else density_of(mask),
            "kept": weights if mask is None else kept_of(mask),
            "weights": weights,
            "parameters": parameter_count(params),
            "test_score": float(test.mean()),
            "sampled_test_score": sampled,
            "train_score": float(bench.scores(params, learnt).mean()),
            "validation_score": float(bench.scores(params, task.validation).mean()),
        }
    )
    if arm.compared:
        rows.setdefault("scores", []).append({"arm": arm.name, "seed": seed, "scores": test.tolist()})
    if mask is not None and arm.compared:
        rows.setdefault("layers", []).extend(
            {**_about(bench, arm), "seed": seed, "layer": name, "density": d}
            for name, d in layer_densities(mask).items()
        )
