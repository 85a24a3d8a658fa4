"""Data that comes with scikit-learn, so that a first study needs no files and no network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ticketlab.errors import UserError
from ticketlab.tasks.sources.source import TaskSource

if TYPE_CHECKING:
    from ticketlab.tasks.dataset import Dataset

__all__ = ["Bundled", "Digits"]

BUNDLED = {
    "iris": "load_iris",
    "wine": "load_wine",
    "breast_cancer": "load_breast_cancer",
    "digits": "load_digits",
    "diabetes": "load_diabetes",
    "linnerud": "load_linnerud",
}


@dataclass(frozen=True, kw_only=True)
class Digits(TaskSource):
    """scikit-learn's 1 797 real handwritten digits, 8 × 8 pixels of 0 … 16, ten classes; the default."""

    what: ClassVar[str] = "real handwritten digits of 8×8 pixels, ten classes (scikit-learn); the default"
    size: ClassVar[str] = "1 797"

    def load(self) -> Dataset:
        return Bundled(name="digits").load()

    def describe(self) -> str:
        return self.what


@dataclass(frozen=True, kw_only=True)
class Bundled(TaskSource):
    """A data set that comes with scikit-learn.

    Arguments:
        name: iris, wine, breast_cancer, digits (classification), diabetes or linnerud (regression, one and three targets).
    """

    name: str = "iris"

    what: ClassVar[str] = "a data set that comes with scikit-learn: " + ", ".join(BUNDLED)
    size: ClassVar[str] = "20 to 1 797"

    def load(self) -> Dataset:
        import numpy as np
        import sklearn.datasets

        from ticketlab.tasks.dataset import Dataset

        if self.name not in BUNDLED:
            raise UserError(f"name={self.name!r}", f"one of {', '.join(BUNDLED)}")
        unscaled = {"scaled": False} if self.name == "diabetes" else {}
        bunch = getattr(sklearn.datasets, BUNDLED[self.name])(**unscaled)
        images = self.name == "digits"
        classification = np.issubdtype(bunch.target.dtype, np.integer)
        names = bunch.target_names if "target_names" in bunch else ("disease progression",)
        return Dataset(
            name=self.name,
            x=bunch.images[..., None] if images else bunch.data,
            classes=tuple(str(name) for name in names),
            labels=bunch.target if classification else None,
            targets=None if classification else bunch.target.reshape(len(bunch.data), -1),
            features=() if images else tuple(bunch.feature_names),
            scale=16.0 if images else 1.0,
        )

    def describe(self) -> str:
        return f"{self.name} (scikit-learn)"
