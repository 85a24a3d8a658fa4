"""Layers copied between two halves of the classes, after Yosinski et al. 2014.

The classes fall into two random halves, A and B. One network is trained on each, from starts of their own. Then, on half B, the
first n layers are those of network A (AnB) or of network B (BnB), frozen or fine-tuned (AnB+, BnB+), or as they were drawn and
frozen; all layers above are drawn anew and trained. BnB asks whether layers that were trained together can be taken apart. AnB
asks whether what half A taught serves half B.

Networks A and B are tuned. All the others use the step size that validation chose for network B, as the published ones all have
one learning rate, and they are trained in one program.
"""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np

from ticketlab.claims.random_filters import formula
from ticketlab.claims.random_filters.seed_run import SeedRun, course, movable
from ticketlab.claims.start import built, each_part, example_rows, network_outputs
from ticketlab.claims.tuned_training import Lane, side_by_side, tuned_training
from ticketlab.networks.network import Network, Params
from ticketlab.tasks.task import Split, Task

__all__ = ["halves_of", "transfer"]

DOUBLINGS = 5  # of the epochs, at most: one network that goes on takes all others with it
KEPT = 0.8  # of the examples that half of a part would have: every seed then has equally many, and shares compiled programs


def halves_of(task: Task, rng: np.random.Generator) -> tuple[Task, Task]:
    """The task on two random halves of its classes, with the classes of each numbered anew; of an odd number B has one more.

    Every half has 0.8 of half of the examples of each part, or what there is; every class has its share of them.
    """
    count = len(task.classes)
    order = rng.permutation(count)
    return _of_classes(task, np.sort(order[: count // 2])), _of_classes(task, np.sort(order[count // 2 :]))


def _of_classes(task: Task, classes: np.ndarray) -> Task:
    share = KEPT * len(classes) / len(task.classes)
    names = tuple(task.classes[c] for c in classes.tolist())
    some = each_part(task, lambda part: _of_part(part, classes, int(share * len(part))))
    return replace(some, classes=names)


def _of_part(part: Split, classes: np.ndarray, most: int) -> Split:
    assert part.labels is not None  # a task with classes
    some = _evenly(np.flatnonzero(np.isin(part.labels, classes)), part.labels, most)
    labels = np.searchsorted(classes, part.labels[some])
    targets = np.eye(len(classes), dtype=np.float32)[labels]
    return replace(part, x=part.x[some], targets=targets, ids=part.ids[some], labels=labels)


def _evenly(rows: np.ndarray, labels: np.ndarray, most: int) -> np.ndarray:
    """Evenly spaced rows of every class, in their order: an official test part may be sorted by class."""
    by_class = rows[np.argsort(labels[rows], kind="stable")]
    count = min(most, len(rows))
    return np.sort(by_class[(2 * np.arange(count) + 1) * len(rows) // (2 * count)])


def transfer(run: SeedRun, network: Network, draw: jax.Array, order: jax.Array) -> None:
    """The rows "transfer", and the scores of half B's test examples, "halves"."""
    plan = run.plan
    first, second = halves_of(run.task, np.random.default_rng([run.seed, 1]))
    names = [layer.name for layer in network.layers]
    keys = jax.random.split(jax.random.fold_in(draw, 1), 3)
    networks = [built(plan.network, half.input_shape, half.outputs) for half in (first, second)]
    starts = [of.init(key) for of, key in zip(networks, keys[:2], strict=True)]
    anew = networks[1].init(keys[2])
    bases = [
        tuned_training(course(plan, half, of, start, order, movable(start, ())), plan.step_sizes)
        for half, of, start in zip((first, second), networks, starts, strict=True)
    ]
    base = bases[1]
    lanes = {
        formula.copied(kind, count): _lane(kind, names[:count], bases[0].params, base.params, anew)
        for count in plan.copied
        for kind in formula.COPIES
    }
    how = course(plan, second, networks[1], anew, order)
    how = replace(how, doublings=min(plan.doublings, DOUBLINGS))
    ended = side_by_side(how, list(lanes.values()), base.size)
    found = {formula.BASE: (base.params, base.settled, base.epochs)}
    found |= {arm: (of.params, of.settled, of.epochs) for arm, of in zip(lanes, ended, strict=True)}
    scored: dict[str, np.ndarray] = {}
    for arm, (params, settled, epochs) in found.items():
        outputs = network_outputs(networks[1], params, second)
        scored[arm] = second.scores(outputs["test"], second.test)
        run.note("choices", arm=arm, inside=base.inside, settled=settled, epochs=epochs, candidates=1)
        kind, count = formula.of_copied(arm)
        validation = float(second.scores(outputs["validation"], second.validation).mean())
        about = {"source": formula.COPIES.get(kind, "half B, all layers"), "layers": count}
        run.note("transfer", **about, test_score=float(scored[arm].mean()), validation_score=validation)
    run.rows["halves"] = example_rows(second, run.seed, scored)


def _lane(kind: str, lower: list[str], of_a: Params, of_b: Params, anew: Params) -> Lane:
    """Where a network starts whose lower layers are copied, and what moves."""
    source = {"a": of_a, "b": of_b, "r": anew}[kind[0]]
    params = {name: source[name] if name in lower else anew[name] for name in anew}
    return Lane(params, movable(params, () if kind in formula.TUNED else lower))
