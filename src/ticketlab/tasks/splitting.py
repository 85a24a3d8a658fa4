"""From a data set to a task: which examples train, validate and test, and in what units their inputs are.

The split is a function of the data set, a seed and the sizes. Every class gets its exact share of every part (largest remainders,
and never less than one example). A data set with an official test part keeps it as the test part for all seeds, and only train and
validation are redrawn. Inputs are standardised with the mean and standard deviation of the training part: feature by feature for vectors,
channel by channel for images and sequences (one mean and one deviation for a grey image), so that a pixel which is nearly always
black is not blown up. Features that are constant in training carry nothing to learn from and become 0 everywhere.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from ticketlab.errors import UserError
from ticketlab.tasks.dataset import Dataset
from ticketlab.tasks.task import Split, Task

__all__ = ["Sizes", "split"]

PARTS = ("train", "validation", "test")
CONSTANT = 1e-7  # a deviation below this share of the largest value is rounding, not variation


@dataclass(frozen=True)
class Sizes:
    """How many examples each part gets: a count, a fraction (a float below 1) of the examples that can be had, or None.

    Without an official test part, None means: test a fifth of all, validation a third of train, train all that is left; so 60 %, 20 % and
    20 %. With one: the whole official test part, validation a third of train, train all that is left; so 75 % and 25 % of
    the others. Fractions of train and validation are of the examples outside the official test part.
    """

    train: int | float | None = None
    validation: int | float | None = None
    test: int | float | None = None

    def __post_init__(self) -> None:
        for part in PARTS:
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

    Arguments:
        dataset: what to split.
        seed: at least 0; draws train and validation, and test where there is no official test part.
        sizes: of the parts; `Sizes()` by default.

    Returns: a Task with inputs `[n, …]` in float32, one-hot targets (classification) or targets standardised on train (regression).

    Raises: UserError when there are too few examples, in all or of a class.
    """
    if seed < 0:
        raise UserError(f"seed={seed}", "an integer of at least 0")
    ids = _draw(dataset, seed, sizes or Sizes())
    centre, spread = _moments(dataset, ids[0])
    if dataset.targets is None:
        answers = np.eye(len(dataset.classes), dtype=np.float32)[dataset.labels]
    else:
        fitted = dataset.targets[ids[0]].astype(np.float64)
        deviation = _deviation(fitted, fitted.mean(axis=0), fitted.std(axis=0))
        answers = ((dataset.targets - fitted.mean(axis=0)) / deviation).astype(np.float32)
    parts = [
        Split(
            x=_standardised(dataset, part, centre, spread),
            targets=answers[part],
            ids=part,
            labels=None if dataset.labels is None else dataset.labels[part].astype(np.int64),
        )
        for part in ids
    ]
    return Task(
        name=dataset.name,
        kind=dataset.kind,
        train=parts[0],
        validation=parts[1],
        test=parts[2],
        classes=dataset.classes,
        content_hash=_content_hash(dataset, ids, centre, spread),
        notes=dataset.notes + _duplicates(dataset, ids),
    )


def _draw(dataset: Dataset, seed: int, sizes: Sizes) -> list[Int[np.ndarray, "m"]]:
    """The examples' numbers in train, validation and test, each part in random order."""
    n, strata = len(dataset), _strata(dataset)
    pool = np.arange(n - dataset.official_test)
    official = np.arange(n - dataset.official_test, n)
    train, validation, test = _counts(sizes, len(pool), len(official), dataset.name)
    # Raw bits of a bit generator are the one stream that NumPy promises never to change.
    order = np.argsort(np.random.PCG64(seed).random_raw(len(pool)), kind="stable")
    if len(official):
        chosen = _evenly(official, strata[official], test, dataset)
        parts = _deal(order, strata[pool], {"validation": validation, "train": train}, dataset)
        return [pool[parts["train"]], pool[parts["validation"]], chosen]
    parts = _deal(order, strata, {"test": test, "validation": validation, "train": train}, dataset)
    return [pool[parts[part]] for part in PARTS]


def _strata(dataset: Dataset) -> Int[np.ndarray, "n"]:
    return np.zeros(len(dataset), np.int64) if dataset.labels is None else dataset.labels.astype(np.int64)


def _counts(sizes: Sizes, pool: int, official: int, name: str) -> tuple[int, int, int]:
    """The sizes as counts; see `Sizes` for those that are not given."""
    given = {
        part: round(size * (official if part == "test" and official else pool))
        if isinstance(size, float)
        else size
        for part in PARTS
        if (size := getattr(sizes, part)) is not None
    }
    if official:
        test = given.get("test", official)
        if test > official:
            raise UserError(f"test={test}", f"at most the {official} examples of {name}'s official test part")
    else:
        test = given.get("test", round(0.2 * pool))
    left = pool - (0 if official else test)
    train, validation = given.get("train"), given.get("validation")
    if train is None and validation is None:
        validation = round(left / 4)
    if validation is None:
        assert train is not None
        validation = round(train / 3)
        # What is not asked for gives way to what is.
        room = pool - train - (test if "test" in given and not official else 0)
        if "test" not in given and not official and test + validation > room:
            test = round(room * test / (test + validation))
            room -= test
        elif "test" not in given and not official:
            room -= test
        validation = min(validation, room)
    elif train is not None and "test" not in given and not official:
        test = min(test, pool - train - validation)
    if train is None:
        train = pool - validation - (0 if official else test)
    asked = {"train": train, "validation": validation, "test": test}
    used = train + validation + (0 if official else test)
    if used > pool or min(asked.values()) < 1:
        raise UserError(
            f"train={train}, validation={validation}, test={test} of {name}, which has {pool} examples"
            + (" outside its official test part" if official else ""),
            "at least 1 in each part, and together no more than there are",
            "Ask for smaller parts, or leave one of them out: it then gets what is left.",
        )
    return train, validation, test


def _deal(
    order: Int[np.ndarray, "n"], strata: Int[np.ndarray, "n"], counts: dict[str, int], dataset: Dataset
) -> dict[str, Int[np.ndarray, "m"]]:
    """Positions for each part: every stratum's examples are dealt in the given order, each part getting its share of each stratum."""
    available = np.bincount(strata, minlength=_k(dataset))
    by_stratum = [order[strata[order] == s] for s in range(len(available))]
    rank = np.argsort(order, kind="stable")
    dealt, start, parts = {}, np.zeros_like(available), len(counts)
    for position, (part, count) in enumerate(counts.items()):
        later = parts - position - 1
        share = _shares(available - start, count, later, part, dataset)
        taken = np.concatenate(
            [examples[a : a + m] for examples, a, m in zip(by_stratum, start, share, strict=True)]
        )
        dealt[part] = taken[np.argsort(rank[taken], kind="stable")]
        start = start + share
    return dealt


def _evenly(
    official: Int[np.ndarray, "m"], strata: Int[np.ndarray, "m"], count: int, dataset: Dataset
) -> Int[np.ndarray, "c"]:
    """Part of an official test part without any chance: evenly spaced examples of every class, in their order."""
    if count == len(official):
        return official
    share = _shares(np.bincount(strata, minlength=_k(dataset)), count, 0, "test", dataset)
    chosen = []
    for s, m in enumerate(share):
        own = official[strata == s]
        chosen.append(own[(np.arange(m) * len(own) + len(own) // 2) // max(m, 1)])
    return np.sort(np.concatenate(chosen))


def _k(dataset: Dataset) -> int:
    return len(dataset.classes) if dataset.labels is not None else 1


def _shares(
    available: Int[np.ndarray, "k"], count: int, later: int, part: str, dataset: Dataset
) -> Int[np.ndarray, "k"]:
    """`count` examples shared among strata in proportion to their sizes: floors, then largest remainders (ties to the first).

    Every stratum gets at least one, and keeps one for each of the `later` parts.
    """
    scarce = np.flatnonzero(available < 1 + later)
    if len(scarce):
        name, has = dataset.classes[scarce[0]], int(available[scarce[0]])
        raise UserError(
            f"too few examples of {len(scarce)} classes of {dataset.name} to stratify: {has} of {name!r} left for {part} and after",
            "at least one of every class in each part",
            "Add examples, or merge or drop the rare classes.",
        )
    if count < len(available):
        raise UserError(
            f"{part}={count} for the {len(available)} classes of {dataset.name}",
            f"at least {len(available)}, so that every class is in every part",
        )
    total = int(available.sum())
    floors, remainders = available * count // total, available * count % total
    share = floors.copy()
    share[np.argsort(-remainders, kind="stable")[: count - int(floors.sum())]] += 1
    share = np.clip(share, 1, available - later)
    while (
        excess := int(share.sum()) - count
    ) != 0:  # a rare class was raised to 1 or lowered: the others make up for it
        room = share - 1 if excess > 0 else available - later - share
        if not room.any():
            raise UserError(
                f"{part}={count} of {dataset.name}, whose rarest class has {available.min()} examples left",
                f"at most {total - later * len(available)}, so that every class is in every part",
            )
        share[np.argmax(room)] -= np.sign(excess)
    return share


def _moments(
    dataset: Dataset, train: Int[np.ndarray, "m"]
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Mean and standard deviation of the training inputs in float64, per feature (vectors) or per channel (the last axis of images)."""
    if not dataset.standardise:
        return np.zeros(1), np.ones(1)
    axes = tuple(range(dataset.x.ndim - 1)) if dataset.x.ndim > 2 else (0,)
    blocks = [train[i : i + 4096] for i in range(0, len(train), 4096)]
    count = len(train) * int(np.prod(dataset.x.shape[1:])) / dataset.x.shape[-1]
    mean = sum(dataset.x[b].sum(axis=axes, dtype=np.float64) for b in blocks) / count
    squares = sum((np.subtract(dataset.x[b], mean, dtype=np.float64) ** 2).sum(axis=axes) for b in blocks)
    largest = np.max([np.abs(dataset.x[b].astype(np.float64)).max(axis=axes) for b in blocks], axis=0)
    deviation = np.sqrt(squares / count)
    return mean, np.where(deviation > CONSTANT * largest, deviation, np.inf)


def _deviation(values: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    return np.where(deviation > CONSTANT * np.abs(values).max(axis=0), deviation, 1.0)


def _standardised(
    dataset: Dataset, part: Int[np.ndarray, "m"], centre: np.ndarray, spread: np.ndarray
) -> Float[np.ndarray, "m ..."]:
    """(x − mean) / deviation; division by an infinite deviation makes constant features 0. Unstandardised inputs are x / scale."""
    if not dataset.standardise:
        return (dataset.x[part] / dataset.scale).astype(np.float32)
    x = dataset.x[part]
    kind = np.float32 if x.dtype.kind in "iub" and x.dtype.itemsize <= 2 else np.float64
    return ((x - centre.astype(kind)) / spread.astype(kind)).astype(np.float32)


def _content_hash(dataset: Dataset, ids: list[np.ndarray], centre: np.ndarray, spread: np.ndarray) -> str:
    h = hashlib.sha256(dataset.content_hash.encode())
    for part in ids:
        h.update(f"|{len(part)}|".encode() + part.astype("<i8").tobytes())
    h.update(centre.astype("<f4").tobytes() + spread.astype("<f4").tobytes())
    return h.hexdigest()


def _duplicates(dataset: Dataset, ids: list[Shaped[np.ndarray, "m"]]) -> tuple[str, ...]:
    """A note with the number of test examples whose inputs also occur in train, if there are any."""
    digests = dataset.row_digests.tolist()
    train = {digests[i] for i in ids[0]}
    count = sum(digests[i] in train for i in ids[2])
    if not count:
        return ()
    return (f"{count} of {len(ids[2])} test examples have exactly the inputs of a training example.",)
