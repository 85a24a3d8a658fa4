"""What the lines between an arm's copies say, as rows: barriers by pair, scores by copy, curves along α, and parts by example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ticketlab.claims.linear_mode.barriers import barrier_parts
from ticketlab.claims.linear_mode.claim import LinearModePlan
from ticketlab.claims.rows import Rows
from ticketlab.networks.network import Params
from ticketlab.tickets.barriers import Lines, barrier, peak
from ticketlab.tickets.instability import copy_pairs

__all__ = ["line_rows"]


def line_rows(
    plan: LinearModePlan, seeds: Sequence[int], found: Mapping[str, Lines], one: Params, other: Params
) -> Rows:
    """All rows of an arm, by table; those of "scores" are lists, by seed and test example.

    Arguments:
        plan: how many copies there are.
        seeds: whose lines these are.
        found: along the lines, by part of the task: "test" and "train".
        one, other: the copies at their ends, `[S·pairs, …]`, pairs running fastest.
    """
    return {
        "barriers": _barriers(plan, seeds, found, _distances(one, other)),
        "copies": _copies(plan, seeds, found),
        "lines": _curves(seeds, found),
        "scores": [_by_example(seeds, found["test"])],
    }


def _by_seed(seeds: Sequence[int], values: np.ndarray) -> np.ndarray:
    """`[S·pairs, …]` as `[S, pairs, …]`."""
    return values.reshape(len(seeds), -1, *values.shape[1:])


def _barriers(
    plan: LinearModePlan, seeds: Sequence[int], found: Mapping[str, Lines], distances: np.ndarray
) -> list[dict[str, Any]]:
    measures = {
        **{f"{part}_error": barrier(at.error) for part, at in found.items()},
        **{f"{part}_loss": barrier(at.loss) for part, at in found.items()},
        "alpha": found["test"].alphas[peak(found["test"].error)],
        "distance": distances,
    }
    by_seed = {name: _by_seed(seeds, values) for name, values in measures.items()}
    return [
        {"seed": seed, "pair": f"{a + 1}–{b + 1}", **{n: float(v[s, p]) for n, v in by_seed.items()}}
        for s, seed in enumerate(seeds)
        for p, (a, b) in enumerate(copy_pairs(plan.copies))
    ]


def _copies(plan: LinearModePlan, seeds: Sequence[int], found: Mapping[str, Lines]) -> list[dict[str, Any]]:
    """Each copy by itself: copy 1 is the first end of the first line, the others are the second ends of the lines from it."""

    def ends(values: np.ndarray) -> np.ndarray:
        by_seed = _by_seed(seeds, values)
        return np.concatenate([by_seed[:, :1, 0], by_seed[:, : plan.copies - 1, -1]], axis=1)

    known = {
        name: ends(values)
        for part, at in found.items()
        for name, values in ((f"{part}_score", 1 - at.error), (f"{part}_loss", at.loss))
    }
    return [
        {"seed": seed, "copy": copy + 1, **{name: float(v[s, copy]) for name, v in known.items()}}
        for s, seed in enumerate(seeds)
        for copy in range(plan.copies)
    ]


def _curves(seeds: Sequence[int], found: Mapping[str, Lines]) -> list[dict[str, Any]]:
    """Means over the pairs of a seed."""
    means = {
        name: _by_seed(seeds, values).mean(axis=1)
        for part, at in found.items()
        for name, values in ((f"{part}_error", at.error), (f"{part}_loss", at.loss))
    }
    return [
        {"seed": seed, "alpha": float(alpha), **{name: float(v[s, i]) for name, v in means.items()}}
        for s, seed in enumerate(seeds)
        for i, alpha in enumerate(found["test"].alphas)
    ]


def _by_example(seeds: Sequence[int], at: Lines) -> dict[str, Any]:
    """Of every seed and test example: the score at the ends, and the part in the barrier of the mean of the seed's lines, twice.

    Chance makes a single line higher at some α than it is, and less so a mean.
    """
    top, split, ends = barrier_parts(_by_seed(seeds, at.wrong.astype(np.float32)).mean(axis=1))
    return {
        "score": (1 - ends).tolist(),
        "barrier": (top - ends).tolist(),
        "barrier_split": (split - ends).tolist(),
    }


def _distances(one: Params, other: Params) -> np.ndarray:
    """‖θ_A − θ_B‖ / ½(‖θ_A‖ + ‖θ_B‖) of every pair."""

    def norm(tree: Any) -> np.ndarray:
        squares = [
            np.square(np.asarray(a, np.float64)).reshape(len(a), -1).sum(axis=1)
            for a in jax.tree.leaves(tree)
        ]
        return np.sqrt(np.sum(squares, axis=0))

    apart = norm(jax.tree.map(lambda a, b: np.asarray(a) - np.asarray(b), one, other))
    return apart / ((norm(one) + norm(other)) / 2)
