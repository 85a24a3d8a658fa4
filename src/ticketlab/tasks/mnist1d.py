"""MNIST-1D, made by its own package. Only `make_dataset` is called, because `get_dataset` unpickles a download."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ticketlab.errors import UserError
from ticketlab.tasks.dataset import Dataset

__all__ = ["made"]

TEST_SHARE = 0.2


def made(samples: int, draw: int) -> Dataset:
    """MNIST-1D with `samples` examples, made with seed `draw`; the last fifth is the test part, as published.

    Raises: UserError if the package is missing, or for fewer than 100 examples.
    """
    try:
        from mnist1d.data import get_dataset_args, make_dataset
    except ImportError as error:
        raise UserError(
            "mnist1d without the package that makes it",
            "the extra 'mnist1d'",
            "Install it: pip install 'ticketlab[mnist1d]'.",
        ) from error
    if samples < 100 or not 0 <= draw < 2**32:
        raise UserError(
            f"samples={samples}, draw={draw}", "at least 100 samples, and a draw from 0 to 2³² − 1"
        )
    arguments = get_dataset_args()
    arguments.num_samples, arguments.seed, arguments.train_split = samples, draw, 1 - TEST_SHARE
    with _global_generators_kept():
        data = make_dataset(arguments)
    return Dataset(
        name="mnist1d",
        x=np.concatenate([data["x"], data["x_test"]]),
        classes=tuple("0123456789"),
        labels=np.concatenate([data["y"], data["y_test"]]).astype(np.int64),
        official_test=len(data["x_test"]),
    )


@contextmanager
def _global_generators_kept() -> Iterator[None]:
    """Restores the global generators of Python and NumPy, which the package seeds."""
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
