"""A task: data split into train, validation and test, with the score of a network on it.

The split is a deterministic function of the data set and a seed. Standardisation is fitted on the training part alone.
Every example keeps its number in the data set (`ids`), so that results on redrawn splits can be paired by example.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

__all__ = ["Split", "Task"]


@dataclass(frozen=True)
class Split:
    """Examples with their targets: labels for classification, real vectors for regression.

    Arguments:
        x: inputs `[n, *input_shape]`, float32, standardised.
        labels: `[n]` integers 0 … k−1, or `[n, steps]`, one for each step of a sequence; None for regression.
        targets: `[n, k]` float32: one-hot labels for classification (of all steps, one after the other), standardised targets
            for regression.
        ids: `[n]` the numbers of the examples in the data set.
    """

    x: Float[np.ndarray, "n ..."]
    targets: Float[np.ndarray, "n k"]
    ids: Int[np.ndarray, "n"]
    labels: Int[np.ndarray, "n ..."] | None = None

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Task:
    """A data set split for learning.

    Arguments:
        name: the name of the data set.
        kind: classification or regression.
        train, validation, test: the parts.
        classes: the names of the classes (classification) or of the targets (regression).
        content_hash: SHA-256 of data, split and standardisation (hexadecimal).
        notes: remarks for the reader (duplicates across parts, a JPEG copy, …), one sentence each.
    """

    name: str
    kind: Literal["classification", "regression"]
    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    content_hash: str
    notes: tuple[str, ...] = field(default=())

    @property
    def steps(self) -> int:
        """Answers of each example: 1, or one for each step of a sequence."""
        labels = self.train.labels
        return 1 if labels is None or labels.ndim == 1 else labels.shape[1]

    @property
    def outputs(self) -> int:
        """k, the outputs that a network needs: one for each class or target, at each step that is asked for."""
        return len(self.classes) * self.steps

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(self.train.x.shape[1:])

    def scores(self, outputs: Float[np.ndarray, "n k"], split: Split) -> Float[np.ndarray, "n"]:
        """The score of each example; the mean over examples is the task's metric.

        Classification: 1 if the argmax of the outputs is the label, else 0, or the fraction of the steps at which it is; the mean
        is the accuracy. Regression:
        1 − ‖F − y‖² / mean‖y − ȳ‖², where ȳ is the mean target of the split; the mean is R².
        """
        if split.labels is not None:
            labels = split.labels.reshape(len(split), -1)
            answers = np.argmax(outputs.reshape(*labels.shape, -1), axis=2)
            return (answers == labels).mean(axis=1)
        y = split.targets.astype(np.float64)
        spread = np.mean(np.sum((y - y.mean(axis=0)) ** 2, axis=1))
        return 1.0 - np.sum((outputs - y) ** 2, axis=1) / spread
