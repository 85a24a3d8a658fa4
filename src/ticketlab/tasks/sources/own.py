"""The user's own files, one class for each format; `ticketlab.tasks.formats` reads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ticketlab.tasks.formats.files import expanded
from ticketlab.tasks.sources.source import Kind, TaskSource

if TYPE_CHECKING:
    from ticketlab.tasks.dataset import Dataset

__all__ = ["Csv", "Idx", "ImageFolder", "Npz", "OwnFile", "Parquet"]


@dataclass(frozen=True, kw_only=True)
class OwnFile(TaskSource):
    """The user's own data.

    Arguments:
        path: the file or folder.
    """

    path: str

    def describe(self) -> str:
        return f"{type(self).__name__} {self.path}"

    def where(self) -> Path:
        return expanded(self.path)


@dataclass(frozen=True, kw_only=True)
class Idx(OwnFile):
    """A folder in MNIST's layout: IDX files of images and labels, plain or gzip."""

    what: ClassVar[str] = "a folder of IDX files in MNIST's layout, plain or gzip"
    how: ClassVar[str] = "idx:path=FOLDER"

    def load(self) -> Dataset:
        from ticketlab.tasks.formats.idx import idx_folder

        return idx_folder(self.where(), self.where().resolve().name)


@dataclass(frozen=True, kw_only=True)
class Npz(OwnFile):
    """A NumPy archive; `ticketlab.tasks.formats.npz` lists the usual names of arrays.

    Arguments:
        x, y: the names of the arrays; empty to look for the usual ones.
        kind: classification or regression; None guesses from y.
    """

    x: str = ""
    y: str = ""
    kind: Kind | None = None

    what: ClassVar[str] = "a NumPy archive with inputs and answers (x and y, x_train and y_train, …)"
    how: ClassVar[str] = "npz:path=FILE"

    def load(self) -> Dataset:
        from ticketlab.tasks.formats.npz import npz_dataset

        return npz_dataset(self.where(), self.x, self.y, self.kind)


@dataclass(frozen=True, kw_only=True)
class Csv(OwnFile):
    """A text table.

    Arguments:
        target: the column to predict; empty for label, target, class or y, else the last column.
        kind: classification or regression; None guesses from the target.
    """

    target: str = ""
    kind: Kind | None = None

    what: ClassVar[str] = "a text table (commas, semicolons or tabs) of numbers with a target column"
    how: ClassVar[str] = "csv:path=FILE,target=COLUMN"

    def load(self) -> Dataset:
        from ticketlab.tasks.formats.csv import csv_dataset

        return csv_dataset(self.where(), self.target, self.kind)


@dataclass(frozen=True, kw_only=True)
class Parquet(OwnFile):
    """A Parquet file, or a folder of them, with columns of numbers or with encoded images.

    Arguments:
        target: the column to predict; empty for label, target, class or y, else the last column.
        kind: classification or regression; None guesses from the target.
        side: resize images to side × side pixels; None requires images of one size.
    """

    target: str = ""
    kind: Kind | None = None
    side: int | None = None

    what: ClassVar[str] = "Parquet, one file or a folder: numbers, or encoded images as on dataset hubs"
    how: ClassVar[str] = "parquet:path=PATH,target=COLUMN"

    def load(self) -> Dataset:
        from ticketlab.tasks.formats.parquet import parquet_dataset

        return parquet_dataset(self.where(), self.target, self.kind, side=self.side)


@dataclass(frozen=True, kw_only=True)
class ImageFolder(OwnFile):
    """A folder with one sub-folder of images for each class; or with `train` and `test`, each with such sub-folders.

    Arguments:
        side: resize images to side × side pixels; None requires images of one size.
    """

    side: int | None = None

    what: ClassVar[str] = "a folder with one sub-folder of images for each class"
    how: ClassVar[str] = "images:path=FOLDER"

    def load(self) -> Dataset:
        from ticketlab.tasks.formats.images import image_folder

        return image_folder(self.where(), self.side)
