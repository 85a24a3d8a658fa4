"""One cell: one seed, with its targets, the random networks that contain them, and how often a weight cannot be written."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from ticketlab.claims.existence_bounds import formula
from ticketlab.claims.existence_bounds.claim import ExistenceBoundsPlan
from ticketlab.claims.rows import Rows, rows_of, tables_of
from ticketlab.claims.start import (
    Clock,
    built,
    check_classes,
    drawn_task,
    example_rows,
    permuted_labels,
    trained,
    training_plan,
)
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.evidence.tables import Table
from ticketlab.networks.network import Params
from ticketlab.tangent.devices import Devices
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tasks.task import Split, Task
from ticketlab.tickets.constructions import (
    Construction,
    DoubleDepth,
    GoldenBins,
    HeNormal,
    Hyperbolic,
    OneMoreLayer,
    PickOne,
    SubsetSum,
    Target,
    Uniform,
    WrittenEdges,
    agreement,
    batched,
    compact,
    exchanged,
    failure_chance,
    law,
    needed,
    pools,
    reached,
    shortfall,
)
from ticketlab.tickets.motion import bits
from ticketlab.training import Replicas, stack

__all__ = ["measure"]

EXCHANGES = 2  # other targets that each pool is tried with
LONG = 4096  # products among which one is chosen, where the growth of their number is measured
BATCH = 200  # inputs at once


def measure(
    plan: ExistenceBoundsPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    seed, clock = cell.seeds[0], Clock()
    progress("drawing and training targets", 0.0)
    task = drawn_task(plan.task, seed)
    check_classes(task)
    confused = permuted_labels(task, seed)
    targets = _targets(plan, task, confused, seed)
    clock.lap("training")
    rows: Rows = {"rates": [], "growth": [], "weights": []}
    for done, (name, target) in enumerate(targets.items()):
        progress(f"failure rates: {name}", 0.1 + 0.1 * done)
        rows["rates"] += [
            {"target": name, "seed": seed, **row} for row in _rates(plan, target, seed, done == 0)
        ]
    clock.lap("failure rates")
    progress("growth", 0.4)
    rows |= _growth(plan, targets[formula.TARGETS[0]], seed)
    clock.lap("growth")
    _constructed(plan, task, confused, targets, seed, rows, clock, progress)
    rows["timings"] = clock.rows(seed=seed)
    return tables_of(rows, _MEANINGS)


# --- targets ---


def _targets(plan: ExistenceBoundsPlan, task: Task, confused: Task, seed: int) -> dict[str, Target]:
    """What has learnt the task, what has fitted permuted labels, and the first with the weights of each layer shuffled."""
    start, order = jax.random.split(jax.random.key(seed))
    learnt = _trained(plan, task, start, order, plan.steps)
    fitted = _trained(plan, confused, start, order, plan.fitting_steps)
    rng = np.random.default_rng(seed)
    mixed = jax.tree.map(lambda a: rng.permutation(a.ravel()).reshape(a.shape), learnt)
    return {
        name: Target(plan.network, task.input_shape, task.outputs, params)
        for name, params in zip(formula.TARGETS, (learnt, fitted, mixed), strict=True)
    }


def _trained(plan: ExistenceBoundsPlan, task: Task, start: jax.Array, order: jax.Array, steps: int) -> Params:
    network = built(plan.network, task.input_shape, task.outputs)
    replicas = Replicas(stack([network.init(start)]), order_keys=order)
    return trained(network, SOFTMAX_CROSS_ENTROPY, task, training_plan(plan, task, steps=steps), replicas)


# --- how often a weight cannot be written ---


def _rates(plan: ExistenceBoundsPlan, target: Target, seed: int, exchange: bool) -> Iterator[dict[str, Any]]:
    """Failures of the closest subset sum, by units drawn and ε, with the curve; and with exchanged targets, if `exchange`."""
    for count in plan.counts:
        rng = np.random.default_rng(seed)
        found = pools(DoubleDepth(count, signed=False), target, seed, plan.weights, rng)
        products, error = shortfall(found)
        wanted = found.relative[1]
        others = [exchanged(found, by + 1) for by in range(EXCHANGES if exchange else 0)]
        theirs = [shortfall(other)[1] for other in others]
        sources = np.unique(found.source)
        for tolerance in plan.tolerances:
            failed = error > tolerance
            chance = failure_chance(products, wanted, tolerance)
            tried = [(other, of > tolerance) for other, of in zip(others, theirs, strict=True)]
            by_law, spread = law(found, failed, tried) if tried else (math.nan, math.nan)
            yield {
                "tolerance": tolerance,
                "drawn": count,
                "usable": float((found.pool != 0).sum(axis=1).mean()),
                "weights": len(error),
                "failed": int(failed.sum()),
                "expected": float(chance.sum()),
                "law": by_law,
                "spread": spread,
                "inputs": len(sources),
                "failed_inputs": len(np.unique(found.source[failed])),
                "free": float(np.mean(np.abs(wanted) <= tolerance)),
            }


def _growth(plan: ExistenceBoundsPlan, target: Target, seed: int) -> Rows:
    """n_δ of the two ways to write a weight, and which weights are missed with as many products as the claim allows."""
    most = formula.allowed(plan.tolerance)
    rng = np.random.default_rng(seed)
    found = pools(DoubleDepth(3 * most, signed=False), target, seed, plan.weights, rng)
    full = (found.pool[:, :most] != 0).all(axis=1)
    pool, wanted, unit = found.relative[0][full], found.relative[1][full], found.unit[full]
    tolerances = (*plan.tolerances, plan.tolerance)
    counts = needed(pool, wanted, tolerances, most)
    ids = seed * 10 * plan.weights + np.arange(len(pool))
    weights = {
        "seed": np.full(len(pool), seed),
        "id": ids,
        "missed": np.isinf(counts[-1]).astype(int),
    }
    large = np.flatnonzero(np.abs(wanted) > max(plan.tolerances))
    some = _few(large, rng)
    uniform = Uniform()
    single = np.abs(uniform.weights(rng, (len(some), LONG), 1)) * uniform.weights(rng, (len(some), LONG), 1)
    nearest = np.minimum.accumulate(np.abs(single / unit[some, None] - wanted[some, None]), axis=1)
    rows = []
    for number, tolerance in enumerate(plan.tolerances):
        first = (nearest <= tolerance).argmax(axis=1) + 1.0
        alone = np.where(nearest[:, -1] <= tolerance, first, np.inf)
        for search, of in ((formula.SUBSET, counts[number, large]), (formula.PICK, alone)):
            products = reached(of, plan.left)
            constant = products / math.log2(1 / tolerance)
            rows.append(
                {
                    "search": search,
                    "seed": seed,
                    "tolerance": tolerance,
                    "left": plan.left,
                    "weights": len(of),
                }
                | {"products": products, "constant": constant}
            )
    return {"growth": rows, "weights": rows_of(weights)}


def _few(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As many weights as one product is searched for; drawn, since they come layer by layer."""
    return rng.permutation(weights)[: max(1, 2**22 // LONG)]


# --- constructions ---


def _plans(plan: ExistenceBoundsPlan, target: Target, signed: bool) -> dict[str, Callable[..., Construction]]:
    """The other constructions, by name; some cannot write a convolution."""
    tolerance, wide = plan.tolerance, Hyperbolic()
    bins = DoubleDepth(192, tolerance, wide, GoldenBins(bins=13), signed, attempts=60)
    found: dict[str, Callable[..., Construction]] = {
        "smallest subset": DoubleDepth(plan.count, tolerance, search=SubsetSum(fewest=True), signed=signed),
        formula.PICK: DoubleDepth(400, tolerance, search=PickOne(), signed=signed, attempts=60),
        "golden bins": bins,
    }
    if not target.convolutional:
        found["He's law"] = DoubleDepth(plan.count, tolerance, HeNormal(), signed=signed)
        found["one more layer"] = OneMoreLayer(24, tolerance, signed=signed)
    return found


def _constructed(
    plan: ExistenceBoundsPlan,
    task: Task,
    confused: Task,
    targets: dict[str, Target],
    seed: int,
    rows: Rows,
    clock: Clock,
    progress: Progress,
) -> None:
    """All constructions, checked; and the test scores of the main one, of its target and of a random mask."""
    signed = bool((task.train.x < 0).any())
    main = DoubleDepth(plan.count, plan.tolerance, signed=signed)
    learnt = targets[formula.TARGETS[0]]
    todo: list[tuple[str, str, Callable[..., Construction]]] = [
        (formula.SUBSET, name, main) for name in formula.TARGETS
    ]
    todo.append(("multigraph", formula.TARGETS[0], WrittenEdges(plan.bits, signed)))
    if plan.others:
        todo += [(name, formula.TARGETS[0], of) for name, of in _plans(plan, learnt, signed).items()]
    rows["constructions"] = []
    for done, (name, of, make) in enumerate(todo):
        progress(f"construction: {name}, {of}", 0.45 + 0.55 * done / len(todo))
        own = confused if of == formula.PERMUTED else task
        construction = make(targets[of], seed)
        clock.lap(f"{name}, {of}: construct")
        row = _checked(plan, construction, own, seed)
        rows["constructions"].append({"construction": name, "target": of, "seed": seed, **row})
        if make is main and of != formula.SHUFFLED:
            part = own.train if of == formula.PERMUTED else own.test
            table = "learnt" if of == formula.PERMUTED else "examples"
            rows[table] = _scores(construction, own, part, seed)
        clock.lap(f"{name}, {of}: check")


def _checked(plan: ExistenceBoundsPlan, construction: Construction, task: Task, seed: int) -> dict[str, Any]:
    """What a construction costs, and how near it comes."""
    check = agreement(construction, task.test.x, np.random.default_rng(seed), inputs=plan.inputs)
    target, reports = construction.target, construction.reports
    sources, masks = sum(r.sources for r in reports), jax.tree.leaves(construction.masks)
    return {
        "size": construction.size / target.weights,
        "kept": construction.kept / target.weights,
        "kept_share": construction.kept / construction.size,
        "bits": bits({str(i): np.asarray(mask) for i, mask in enumerate(masks)}) / target.weights,
        "bits_needed": math.log2(2 / plan.tolerance),
        "failed": construction.failure_rate,
        "failed_inputs": sum(r.failed_sources[0] for r in reports) / sources,
        "attempts": max(r.attempts for r in reports),
        "factor": construction.factor,
        "attack": check.attack,
        "certificate": check.certificate,
        "radius": check.radius,
        "beyond": check.beyond,
        "certified": check.attack <= check.certificate and check.beyond <= 1,
        "agreement": check.agreement,
        "relative": check.relative,
        "whole": check.whole,
    }


def _scores(construction: Construction, task: Task, part: Split, seed: int) -> list[dict[str, Any]]:
    """Of the target, of the masked network, and of one with equally many random weights in each array."""
    rng = np.random.default_rng(seed)
    random = jax.tree.map(lambda mask: rng.permutation(mask.ravel()).reshape(mask.shape), construction.masks)
    target = construction.target
    params = jax.device_put(target.params)
    functions: dict[str, Callable[[jax.Array], jax.Array]] = {
        formula.TARGET: jax.jit(lambda x: target.network.apply(params, x)),
        formula.SUBSET: compact(construction),
        formula.RANDOM: compact(replace(construction, masks=random)),
    }
    scored = {name: task.scores(batched(of, part.x, BATCH), part) for name, of in functions.items()}
    return example_rows(replace(task, test=part), seed, scored)


_MEANINGS = {
    "target": "the network that is to be contained",
    "tolerance": "ε, as a fraction of the layer's largest weight",
    "drawn": "hidden units drawn for each input; about half are usable",
    "usable": "products that a weight has, on average",
    "failed": "weights, or their share, that no subset of the products writes to within ε",
    "expected": "what the curve without a fitted constant says",
    "law": "failures if each pool had the target of another weight of its input: the same expectation",
    "spread": "standard error of failed − law, with inputs as clusters",
    "failed_inputs": "inputs with at least one weight that fails",
    "free": "the share of weights of at most ε, which need no product",
    "left": "δ, the share of weights that may be further than ε from their sum",
    "products": "n_δ, products that leave this share; missing where it was not reached",
    "constant": "n_δ / log₂ 1/ε, the constant that the theorem does not give",
    "missed": "whether 4 log₂ 1/ε products do not write the weight to within ε",
    "size": "weights of the random network for each one of the target",
    "kept": "weights that the mask keeps for each one of the target",
    "kept_share": "the share of the random network's weights that the mask keeps",
    "bits": "log₂ of the number of masks with equally many weights in each array, for each weight of the target",
    "bits_needed": "log₂ 2/ε",
    "attempts": "at most, for the weights of a layer",
    "factor": "λ, the factor between the two functions",
    "attack": "the largest difference of outputs that was found in the ball",
    "certificate": "a bound of the difference in the ball",
    "radius": "of the ball: the largest norm of a test example",
    "beyond": "the largest difference as a multiple of the certificate for the norm of the input",
    "certified": "whether no difference exceeds its certificate",
    "agreement": "the share of test examples with the same class",
    "relative": "the largest difference on test examples, as a fraction of the largest output",
    "whole": "the largest difference between the whole network and without what is masked, relative",
}
