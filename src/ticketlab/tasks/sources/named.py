"""Published data by name: in its usual folder on this machine, or on the Hugging Face hub.

Only `Hub` downloads anything. If data are missing, the message says where they were looked for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ticketlab.errors import UserError
from ticketlab.tasks.formats.files import expanded
from ticketlab.tasks.sources.source import Kind, TaskSource

if TYPE_CHECKING:
    from ticketlab.tasks.dataset import Dataset

__all__ = ["Cifar10", "Fashion", "Hub", "Mnist", "NamedFolder"]

DATA_VARIABLE = "TICKETLAB_DATA"
CLOTHES = (
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


@dataclass(frozen=True, kw_only=True)
class NamedFolder(TaskSource):
    """A data set in `folder`, or in its usual sub-folder of the folder that TICKETLAB_DATA names.

    Arguments:
        folder: where the files are; empty to look in $TICKETLAB_DATA.
    """

    folder: str = ""

    place: ClassVar[str]

    def path(self) -> Path:
        """The folder to read; raises a UserError with the path if it does not exist."""
        data = os.environ.get(DATA_VARIABLE, "")
        if not self.folder and not data:
            raise UserError(
                f"no folder for {self.place}, and {DATA_VARIABLE} is not set",
                f"a folder with {self.how}",
                f"Pass folder=…, or set {DATA_VARIABLE} to the folder that contains {self.place}/.",
            )
        path = expanded(self.folder) if self.folder else expanded(data) / self.place
        if not path.is_dir():
            origin = "" if self.folder else f" (from {DATA_VARIABLE}={data})"
            raise UserError(
                f"no folder {path}{origin}",
                f"a folder with {self.how}",
                "Put the files there, or pass folder=….",
            )
        return path

    def describe(self) -> str:
        return self.what


@dataclass(frozen=True, kw_only=True)
class Mnist(NamedFolder):
    """MNIST's 70 000 handwritten digits, 28 × 28 pixels, in IDX files; the official 10 000 are the test part."""

    what: ClassVar[str] = "MNIST: handwritten digits of 28×28 pixels, ten classes"
    size: ClassVar[str] = "60 000 + 10 000"
    how: ClassVar[str] = "MNIST's four IDX files (train-images-idx3-ubyte, … plain or .gz)"
    place: ClassVar[str] = "mnist"

    def load(self) -> Dataset:
        from ticketlab.tasks.formats.idx import idx_folder

        return idx_folder(self.path(), "MNIST", classes=tuple("0123456789"))


@dataclass(frozen=True, kw_only=True)
class Fashion(NamedFolder):
    """Fashion-MNIST's 70 000 pieces of clothing, 28 × 28 pixels, in IDX files; the official 10 000 are the test part."""

    what: ClassVar[str] = "Fashion-MNIST: clothing of 28×28 pixels, ten classes"
    size: ClassVar[str] = "60 000 + 10 000"
    how: ClassVar[str] = "Fashion-MNIST's four IDX files (train-images-idx3-ubyte, … plain or .gz)"
    place: ClassVar[str] = "fashion"

    def load(self) -> Dataset:
        from ticketlab.tasks.formats.idx import idx_folder

        return idx_folder(self.path(), "Fashion-MNIST", classes=CLOTHES)


@dataclass(frozen=True, kw_only=True)
class Cifar10(NamedFolder):
    """CIFAR-10's 60 000 colour images of 32 × 32 pixels; the official 10 000 are the test part."""

    what: ClassVar[str] = "CIFAR-10: colour images of 32×32 pixels, ten classes"
    size: ClassVar[str] = "50 000 + 10 000"
    how: ClassVar[str] = (
        "CIFAR-10 in Parquet (train-….parquet, test-….parquet) or in its binary batches (.bin)"
    )
    place: ClassVar[str] = "cifar10"

    def load(self) -> Dataset:
        from ticketlab.tasks.formats.cifar import cifar10_folder

        return cifar10_folder(self.path())


@dataclass(frozen=True, kw_only=True)
class Hub(TaskSource):
    """A data set of the Hugging Face hub, or a local folder in its layout (extra `hub`).

    Arguments:
        id: "owner/name".
        config: the configuration, for data sets that have several.
        target: the column to predict; empty for label, target, class or y, else the last column.
        kind: classification or regression; None guesses from the target.
        side: resize images to side × side pixels; None requires images of one size.
    """

    id: str
    config: str = ""
    target: str = ""
    kind: Kind | None = None
    side: int | None = None

    what: ClassVar[str] = "a data set of the Hugging Face hub, by its name"
    size: ClassVar[str] = "any"
    how: ClassVar[str] = "pip install 'ticketlab[hub]', then hub:id=OWNER/NAME"
    package: ClassVar[str] = "datasets"

    def load(self) -> Dataset:
        from ticketlab.tasks.formats.hub import hub_dataset

        return hub_dataset(self.id, self.config, self.target, self.kind, self.side)

    def describe(self) -> str:
        return f"{self.id}{f' ({self.config})' if self.config else ''} of the Hugging Face hub"
