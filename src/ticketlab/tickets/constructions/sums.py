"""The masks of one layer: each weight of the target as a sum over the units that belong to its source.

A source is an input, a channel, or the constant 1 that feeds the biases. Unit t belongs to source o(t), is reached with the value
f_t (the one in-weight that is kept), and leaves with random weights v_ti. A mask m of the v shall give, for every source j and
output i,

    Σ_{t: o(t) = j, f_t > 0} m_ti v_ti |f_t| ≈ w_ji,     and for sources with negative inputs     Σ_{f_t < 0} … ≈ −w_ji,

because w x = w relu(x) − w relu(−x), and a ReLU unit gives |f| relu(x) or |f| relu(−x). The units of a source serve all its
outputs, so if few of them have the right sign, all weights of the source fail together.

A weight that fails is tried again with fresh units of its source: what is left of it is written with theirs. Units are only
added; none that was drawn is drawn again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from ticketlab.tickets.constructions.searches import Search

__all__ = ["Block", "Written", "rows_of", "written"]

ENTRIES = 2**21  # products held at once


@dataclass(frozen=True)
class Block:
    """Units that were drawn together.

    Arguments:
        owner: the source of each unit.
        value: f, what a unit is reached with.
        leaving: v, random weights.
    """

    owner: Int[np.ndarray, " units"]
    value: Float[np.ndarray, " units"]
    leaving: Float32[np.ndarray, "units outputs"]


@dataclass(frozen=True)
class Written:
    """The masks of one layer, and how it went.

    Arguments:
        blocks: the units, by attempt.
        masks: which of their leaving weights are kept.
        wanted: weights that are not zero; for a source with both signs counted twice.
        failures: of these, how many exceed the tolerance after each attempt.
        failed_sources: sources with a failure after each attempt.
        error: the largest that is left.
    """

    blocks: tuple[Block, ...]
    masks: tuple[Bool[np.ndarray, "_ _"], ...]
    wanted: int
    failures: tuple[int, ...]
    failed_sources: tuple[int, ...]
    error: float


def written(
    draw: Callable[[int, np.ndarray], Block],
    target: Float[np.ndarray, "sources outputs"],
    tolerance: Float[np.ndarray, "sources outputs"],
    negative: Bool[np.ndarray, " sources"],
    count: int,
    search: Search,
    attempts: int,
) -> Written:
    """Draws units and chooses masks until all weights are within the tolerance, or the attempts are used up.

    Arguments:
        draw: `(attempt, owners) -> block`, with one unit for each entry of `owners`.
        target: w.
        tolerance: the error that is wanted of every weight.
        negative: sources whose inputs may be negative, which need both sums.
        count: n, units drawn for each source at an attempt.
        search: how a weight is written.
        attempts: at most; 1 leaves failures as they are.
    """
    signs = (1, -1) if negative.any() else (1,)
    left = {s: s * target for s in signs}
    wanted = {s: (target != 0) & (negative | (s == 1))[:, None] for s in signs}
    open_ = dict(wanted)
    blocks: list[Block] = []
    masks: list[np.ndarray] = []
    failures: list[int] = []
    failed_sources: list[int] = []
    for attempt in range(attempts):
        sources = np.flatnonzero(sum(o.any(axis=1) for o in open_.values()))
        if attempt and not len(sources):
            break
        block = draw(attempt, np.repeat(sources if attempt else np.arange(len(target)), count))
        if attempt and not search.adds:
            for s in signs:  # what was kept for them is given back
                left[s] = np.where(open_[s], s * target, left[s])
                for old, mask in zip(blocks, masks, strict=True):
                    mask &= ~(open_[s][old.owner] & (s * old.value > 0)[:, None])
        mask = np.zeros(block.leaving.shape, bool)
        for s in signs:
            _search(block, s, left[s], open_[s], tolerance, search, mask)
            open_[s] = wanted[s] & (np.abs(left[s]) > tolerance)
        blocks.append(block)
        masks.append(mask)
        failures.append(sum(int(o.sum()) for o in open_.values()))
        failed_sources.append(int(np.count_nonzero(sum(o.any(axis=1) for o in open_.values()))))
    error = max(float(np.abs(np.where(wanted[s], left[s], 0.0)).max(initial=0.0)) for s in signs)
    total = sum(int(w.sum()) for w in wanted.values())
    return Written(tuple(blocks), tuple(masks), total, tuple(failures), tuple(failed_sources), error)


def rows_of(
    block: Block, sign: int, sources: Int[np.ndarray, " some"]
) -> tuple[Int[np.ndarray, "some most"], Float[np.ndarray, "some most outputs"]]:
    """The usable units of some sources, −1 where a source has fewer than another, and their products, 0 there."""
    usable = np.flatnonzero(sign * block.value > 0)
    usable = usable[np.argsort(block.owner[usable], kind="stable")]
    owner = block.owner[usable]
    counts = np.bincount(owner, minlength=int(sources.max(initial=0)) + 1)
    place = np.arange(len(owner)) - (counts.cumsum() - counts)[owner]
    table = np.full((len(counts), int(counts.max(initial=0))), -1)
    table[owner, place] = usable
    table = table[sources]
    value = np.where(table >= 0, np.abs(block.value)[table], 0.0)
    return table, value[:, :, None] * block.leaving[table]


def _search(
    block: Block,
    sign: int,
    left: np.ndarray,
    open_: np.ndarray,
    tolerance: np.ndarray,
    search: Search,
    mask: np.ndarray,
) -> None:
    """Searches the open weights; writes what is kept into `mask` and takes it from `left`."""
    sources = np.flatnonzero(open_.any(axis=1))
    per_source = max(1, len(block.owner) // max(1, len(np.unique(block.owner)))) * left.shape[1]
    some = max(1, ENTRIES // per_source)
    for first in range(0, len(sources), some):
        own = sources[first : first + some]
        table, products = rows_of(block, sign, own)
        if not table.shape[1]:
            continue
        here = open_[own]
        pool = products.transpose(0, 2, 1)[here]
        found = search(pool, left[own][here], tolerance[own][here])
        kept = np.zeros((len(own), left.shape[1], table.shape[1]), bool)
        kept[here] = found
        valid = table >= 0
        mask[table[valid]] |= kept.transpose(0, 2, 1)[valid]
        rest = left[own]
        rest[here] -= (pool * found).sum(axis=1)
        left[own] = rest
