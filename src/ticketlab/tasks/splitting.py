"""From a data set to a task: the training, validation and test parts, and the standardisation of inputs.

The split is a function of the data set, a seed and the sizes. Every class gets its exact share of every part (largest
remainders, at least one example). An official test part stays the test part for all seeds; only train and validation
are redrawn. Inputs are standardised with the mean and the standard deviation of the training part: per feature for
vectors, per channel for images and sequences. A grey image has one mean and one deviation, so that a pixel which is
nearly always black is not amplified. A feature that is constant in training becomes 0 everywhere.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ticketlab.errors import UserError
from ticketlab.tasks.dataset import Dataset
from ticketlab.tasks.task import Split, Task

__all__ = ["Sizes", "preview", "split"]

SHARES = {"train": 3, "validation": 1, "test": 1}
CONSTANT = 1e-12  # a deviation below this share of the largest value is rounding in float64, not variation
BLOCK = 1024  # examples converted to float64 at a time


@dataclass(frozen=True)
class Sizes:
    """The size of each part: a count, a fraction (a float below 1) of the examples it can be drawn from, or None.

    Parts that are not given share the remaining examples in the ratio 3 : 1 : 1 (train, validation, test): 60 %, 20 % and
    20 % if none is given. With an official test part, test is drawn from that part (by default all of it). Train and
    validation then get 75 % and 25 % of the other examples. If train is given, validation is by default at most a third
    of it.
    """

    train: int | float | None = None
    validation: int | float | None = None
    test: int | float | None = None

    def __post_init__(self) -> None:
        for part in SHARES:
            size = getattr(self, part)
            if (
                size is None
                or (isinstance(size, int) and size >= 1)
                or (isinstance(size, float) and 0 < size < 1)
            ):
                continue
            raise UserError(f"{part}={size}", "a count of at least 1, or a fraction between 0 and 1")


def split(dataset: Dataset, seed: int, sizes: Sizes | None = None) -> Task:
    """The task of learning a data set: its parts drawn, its inputs standardised on the training part.

    x ← (x − mean) / sd, and for regression y ← (y − mean) / sd, with mean and sd over the training part.

    Arguments:
        dataset: what to split.
        seed: at least 0; draws train and validation, and test if there is no official test part.
        sizes: sizes of the parts; `Sizes()` by default.

    Returns: a `Task` with float32 inputs `[n, …]` and one-hot (or standardised) targets `[n, k]`.

    Raises: UserError if there are too few examples, in all or of a class; if all targets of a part are equal.
    """
    if seed < 0:
        raise UserError(f"seed={seed}", "an integer of at least 0")
    ids = _draw(dataset, seed, sizes or Sizes())
    centre, spread = _moments(dataset, ids["train"])
    targets = _targets(dataset, ids["train"])
    if dataset.labels is None:
        _check_vary(dataset, ids)
    parts = {
        part: Split(
            x=_standardised(dataset, own, centre, spread),
            targets=targets[own],
            ids=own,
            labels=None if dataset.labels is None else dataset.labels[own].astype(np.int64),
        )
        for part, own in ids.items()
    }
    return Task(
        name=dataset.name,
        kind=dataset.kind,
        train=parts["train"],
        validation=parts["validation"],
        test=parts["test"],
        classes=dataset.classes,
        content_hash=_content_hash(dataset, ids, centre, spread),
        notes=dataset.notes + _duplicates(dataset, ids),
    )


def preview(dataset: Dataset, seed: int, sizes: Sizes) -> tuple[int, tuple[str, ...]]:
    """A preview of a split, without its arrays: the number of training examples, and a note on duplicates if any."""
    ids = _draw(dataset, seed, sizes)
    return len(ids["train"]), _duplicates(dataset, ids)


def _draw(dataset: Dataset, seed: int, sizes: Sizes) -> dict[str, Int[np.ndarray, "m"]]:
    """The numbers of the examples in each part: random order for drawn parts, original order for an official test part."""
    pool = len(dataset) - dataset.official_test
    counts = _counts(sizes, pool, dataset.official_test, dataset.name)
    labels = _one_label(dataset)
    strata = np.zeros(len(dataset), np.int64) if labels is None else labels.astype(np.int64)
    # NumPy promises never to change the stream of raw bits.
    order = np.argsort(np.random.PCG64(seed).random_raw(pool), kind="stable")
    drawn = {part: counts[part] for part in ("test", "validation", "train")}  # in the order of dealing
    if not dataset.official_test:
        ids = _deal(order, strata, drawn, dataset)
    else:
        official = drawn.pop("test")
        ids = {
            **_deal(order, strata[:pool], drawn, dataset),
            "test": pool + _evenly(strata[pool:], official, dataset),
        }
    return {part: ids[part] for part in SHARES}


def _counts(sizes: Sizes, pool: int, official: int, name: str) -> dict[str, int]:
    """The sizes as counts; `Sizes` states the defaults."""
    counts: dict[str, int] = {}
    for part in SHARES:
        size = getattr(sizes, part)
        whole = official if part == "test" and official else pool
        if size is not None:
            counts[part] = round(size * whole) if isinstance(size, float) else size
    if official:
        counts.setdefault("test", official)
    fixed = sum(count for part, count in counts.items() if not (part == "test" and official))
    left, missing = pool - fixed, [part for part in SHARES if part not in counts]
    for i, part in enumerate(missing):
        share = round(left * SHARES[part] / sum(SHARES[p] for p in missing[i:]))
        if part == "validation" and "train" not in missing:
            share = min(share, round(counts["train"] / 3))
        counts[part] = share
        left -= share
    if left < 0 or min(counts.values()) < 1 or counts["test"] > (official or pool):
        has = f"{pool} examples" + (f" and {official} official test examples" if official else "")
        raise UserError(
            f"{', '.join(f'{part}={counts[part]}' for part in SHARES)} of {name}, which has {has}",
            "at least 1 in each part, and no more in total than there are",
            "Ask for smaller parts, or leave one out: it then gets a share of the remaining examples.",
        )
    return counts


def _deal(
    order: Int[np.ndarray, "n"], strata: Int[np.ndarray, "n"], counts: dict[str, int], dataset: Dataset
) -> dict[str, Int[np.ndarray, "m"]]:
    """Deals the examples of every stratum in the given order; each part gets its exact share of each stratum."""
    sizes = _sizes(strata, dataset)
    by_stratum = [order[strata[order] == s] for s in range(len(sizes))]
    place = np.argsort(order, kind="stable")
    dealt, start = {}, np.zeros_like(sizes)
    for i, (part, count) in enumerate(counts.items()):
        share = _shares(sizes - start, count, len(counts) - i - 1, part, dataset)
        taken = np.concatenate([own[a : a + m] for own, a, m in zip(by_stratum, start, share, strict=True)])
        dealt[part] = taken[np.argsort(place[taken], kind="stable")]
        start = start + share
    return dealt


def _evenly(strata: Int[np.ndarray, "n"], count: int, dataset: Dataset) -> Int[np.ndarray, "m"]:
    """`count` of n official test examples without randomness: evenly spaced within every class, in their order."""
    if count == len(strata):
        return np.arange(count)
    share = _shares(_sizes(strata, dataset), count, 0, "test", dataset)
    own = [np.flatnonzero(strata == s) for s in range(len(share))]
    chosen = [of[(2 * np.arange(m) + 1) * len(of) // (2 * m)] for of, m in zip(own, share, strict=True)]
    return np.sort(np.concatenate(chosen))


def _sizes(strata: Int[np.ndarray, "n"], dataset: Dataset) -> Int[np.ndarray, "s"]:
    return np.bincount(strata, minlength=1 if _one_label(dataset) is None else len(dataset.classes))


def _one_label(dataset: Dataset) -> Int[np.ndarray, "n"] | None:
    """The label of each example, by which a split is stratified; None for regression, or for an answer at every step."""
    return None if dataset.labels is None or dataset.labels.ndim > 1 else dataset.labels


def _shares(
    sizes: Int[np.ndarray, "s"], count: int, later: int, part: str, dataset: Dataset
) -> Int[np.ndarray, "s"]:
    """Distributes `count` examples over strata of these sizes: floors, then largest remainders (ties to the first).

    Every stratum gives at least one example, and keeps one for each of the `later` parts.
    """
    scarce = np.flatnonzero(sizes < 1 + later)
    if len(scarce):
        rare = ", ".join(f"{dataset.classes[s]!r} ({sizes[s]})" for s in scarce[:5])
        raise UserError(
            f"too few examples for {1 + later} parts with every class of {dataset.name}: {rare}",
            "one example of every class in each part",
            "Add examples, or merge or remove the rare classes.",
        )
    lowest, highest = len(sizes), int(sizes.sum()) - later * len(sizes)
    if not lowest <= count <= highest:
        raise UserError(
            f"{part}={count} of {dataset.name}, which has {len(sizes)} classes",
            f"from {lowest} to {highest} examples, so that every class is in every part",
        )
    share, remainders = np.divmod(sizes * count, sizes.sum())
    share[np.argsort(-remainders, kind="stable")[: count - share.sum()]] += 1
    share = np.clip(share, 1, sizes - later)
    while (
        excess := int(share.sum()) - count
    ) != 0:  # a rare class reached its bound: the class with most room compensates
        room = share - 1 if excess > 0 else sizes - later - share
        share[np.argmax(room)] -= np.sign(excess)
    return share


def _moments(
    dataset: Dataset, train: Int[np.ndarray, "m"]
) -> tuple[Float[np.ndarray, "c"], Float[np.ndarray, "c"]]:
    """Mean and standard deviation (infinite where constant) of the training inputs along the last axis, in float64."""
    if not dataset.standardise:
        return np.zeros(1), np.full(1, dataset.scale)
    channels = dataset.x.shape[-1] if dataset.x.ndim > 2 else dataset.x[0].size
    flat = dataset.x.reshape(
        len(dataset), -1
    )  # NumPy is slow along an axis of three channels, so rows are long
    positions = flat.shape[1] // channels
    blocks = [train[i : i + BLOCK] for i in range(0, len(train), BLOCK)]

    def by_channel(sums: np.ndarray) -> Float[np.ndarray, "c"]:
        return sums.reshape(positions, channels).sum(axis=0) / (len(train) * positions)

    mean = by_channel(sum(flat[b].sum(axis=0, dtype=np.float64) for b in blocks))
    tiled = np.tile(mean, positions)
    variance = by_channel(
        sum((np.subtract(flat[b], tiled, dtype=np.float64) ** 2).sum(axis=0) for b in blocks)
    )
    extremes = np.concatenate([(flat[b].min(axis=0), flat[b].max(axis=0)) for b in blocks]).astype(np.float64)
    largest = np.abs(extremes).reshape(-1, channels).max(axis=0)
    deviation = np.sqrt(variance)
    return mean, np.where(deviation > CONSTANT * largest, deviation, np.inf)


def _standardised(
    dataset: Dataset,
    part: Int[np.ndarray, "m"],
    centre: Float[np.ndarray, "c"],
    spread: Float[np.ndarray, "c"],
) -> Float[np.ndarray, "m ..."]:
    """(x − centre) / spread; an infinite spread makes a constant feature 0."""
    x = dataset.x[part]
    flat = x.reshape(len(x), -1)
    repeats = flat.shape[1] // len(centre)
    # Pixels are exact in float32; other numbers may not be until their mean is subtracted.
    exact = np.float32 if x.dtype.kind in "iub" and x.dtype.itemsize <= 2 else np.float64
    out = np.subtract(flat, np.tile(centre, repeats), dtype=exact, casting="same_kind")
    out /= np.tile(spread, repeats).astype(exact)
    return out.astype(np.float32, copy=False).reshape(x.shape)


def _targets(dataset: Dataset, train: Int[np.ndarray, "m"]) -> Float[np.ndarray, "n k"]:
    if dataset.targets is None:
        return np.eye(len(dataset.classes), dtype=np.float32)[dataset.labels].reshape(len(dataset), -1)
    fitted = dataset.targets[train].astype(np.float64)
    mean, deviation = fitted.mean(axis=0), fitted.std(axis=0)
    deviation = np.where(deviation > CONSTANT * np.abs(fitted).max(axis=0), deviation, 1.0)
    return ((dataset.targets - mean) / deviation).astype(np.float32)


def _check_vary(dataset: Dataset, ids: dict[str, np.ndarray]) -> None:
    """R² divides by the variance of a part's targets."""
    for part, own in ids.items():
        answers = dataset.answers[own]
        if np.all(answers == answers[0]):
            raise UserError(
                f"the same targets in all of {part}={len(own)} of {dataset.name}",
                "targets that vary in every part, since R² is a share of their variance",
                "Ask for a larger part.",
            )


def _content_hash(
    dataset: Dataset,
    ids: dict[str, np.ndarray],
    centre: Float[np.ndarray, "c"],
    spread: Float[np.ndarray, "c"],
) -> str:
    h = hashlib.sha256(dataset.content_hash.encode())
    for part, own in ids.items():
        h.update(f"|{part}|".encode() + own.astype("<i8").tobytes())
    # Rounded to float32, like the inputs, because the last bits of a float64 sum differ between machines.
    h.update(centre.astype("<f4").tobytes() + spread.astype("<f4").tobytes())
    return h.hexdigest()


def _duplicates(dataset: Dataset, ids: dict[str, np.ndarray]) -> tuple[str, ...]:
    """A note with the number of test examples whose inputs are also in train, if any."""
    digests = dataset.row_digests
    train = {digests[i] for i in ids["train"]}
    count = sum(digests[i] in train for i in ids["test"])
    if not count:
        return ()
    return (f"{count} of {len(ids['test'])} test examples have the same inputs as a training example.",)
