"""CIFAR-10 in the two forms that need no unpickling: Parquet in a hub's layout, and the original binary batches.

A binary batch is a sequence of records. Each has one label and 3 072 pixel values: 32 × 32 red, then green, then blue.
Source: A. Krizhevsky, Learning multiple layers of features from tiny images, 2009.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ticketlab.errors import UserError
from ticketlab.tasks.dataset import Dataset
from ticketlab.tasks.formats.files import file_bytes, files_in
from ticketlab.tasks.formats.parquet import parquet_dataset

__all__ = ["CLASSES", "cifar10_folder"]

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCHES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST = "test_batch.bin"
RECORD = 1 + 32 * 32 * 3
WANTED = "CIFAR-10 as train-….parquet and test-….parquet, or as data_batch_1.bin … data_batch_5.bin and test_batch.bin"


def cifar10_folder(folder: Path) -> Dataset:
    """CIFAR-10 from a folder; JPEG-coded copies are named "CIFAR-10 (JPEG copy)".

    Cost: about 10 s for 60 000 encoded images, 0.5 s for the binary batches.
    """
    names = {path.name for path in files_in(folder, f"a folder with {WANTED}")}
    if any(name.endswith(".parquet") for name in names):
        dataset = parquet_dataset(folder, name="CIFAR-10", classes=CLASSES)
        jpeg = any("JPEG" in note for note in dataset.notes)
        return replace(dataset, name="CIFAR-10 (JPEG copy)") if jpeg else dataset
    missing = [name for name in (*BATCHES, TEST) if name not in names]
    if missing:
        pickled = (
            "the pickled batches of the Python version" if "data_batch_1" in names else f"no {missing[0]}"
        )
        raise UserError(
            f"{pickled} in {folder}", WANTED, "Put the binary version there; pickles are never read."
        )
    records = np.concatenate([_records(folder / name) for name in (*BATCHES, TEST)])
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return Dataset(
        name="CIFAR-10",
        x=np.ascontiguousarray(np.moveaxis(planes, 1, -1)),
        classes=CLASSES,
        labels=records[:, 0].astype(np.int64),
        scale=255.0,
        official_test=len(_records(folder / TEST)),
    )


def _records(path: Path) -> np.ndarray:
    content = file_bytes(path, "a binary batch of CIFAR-10")
    if len(content) % RECORD:
        raise UserError(
            f"a truncated file, {path} ({len(content)} bytes)",
            f"a multiple of {RECORD} bytes",
            "Copy or download it again.",
        )
    return np.frombuffer(content, np.uint8).reshape(-1, RECORD)
