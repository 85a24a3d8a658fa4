"""Where data comes from: each choice is a frozen record of how to get one data set, and `load()` gets it.

Nothing heavy is imported before `load()` is called, since the command line lists these choices in its help. Every choice
has the optional counts `train`, `validation` and `test` (see `Sizes`), so that a plan says "MNIST with 3 200 examples to train
on" in one line. Fields are numbers and text alone: they are a plan's options and its file format.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from ticketlab.errors import UserError

if TYPE_CHECKING:
    from ticketlab.tasks.dataset import Dataset
    from ticketlab.tasks.splitting import Sizes
    from ticketlab.tasks.task import Task

__all__ = [
    "Boolean",
    "Bundled",
    "Cifar10",
    "Csv",
    "Digits",
    "Fashion",
    "Hub",
    "Idx",
    "ImageFolder",
    "Mnist",
    "Mnist1d",
    "Npz",
    "Parquet",
    "TaskSource",
]

Kind: TypeAlias = Literal["classification", "regression"]

DATA_VARIABLE = "TICKETLAB_DATA"
BUNDLED = {
    "iris": "load_iris",
    "wine": "load_wine",
    "breast_cancer": "load_breast_cancer",
    "digits": "load_digits",
    "diabetes": "load_diabetes",
    "linnerud": "load_linnerud",
}
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
class TaskSource(ABC):
    """A choice of data set.

    Arguments:
        train, validation, test: counts of examples in each part; None for the default shares (see `Sizes`).
    """

    train: int | None = None
    validation: int | None = None
    test: int | None = None

    what: ClassVar[str]
    size: ClassVar[str] = "yours"
    how: ClassVar[str] = ""
    package: ClassVar[str] = ""  # that must be installed beside Ticketlab's own

    @abstractmethod
    def load(self) -> Dataset:
        """The data set, read and checked; raises UserError when it is missing or wrong."""

    @abstractmethod
    def describe(self) -> str:
        """One line for reports and tables."""

    def sizes(self) -> Sizes:
        """The counts that were asked for, as `split` takes them."""
        from ticketlab.tasks.splitting import Sizes

        return Sizes(self.train, self.validation, self.test)

    def task(self, seed: int) -> Task:
        """The data set read and split: `split(self.load(), seed, self.sizes())`, a function of the data and the seed alone.

        Arguments:
            seed: of the split.

        Raises:
            UserError: data that are missing or wrong, or counts that they do not allow.
        """
        from ticketlab.tasks.splitting import split

        return split(self.load(), seed, self.sizes())


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


@dataclass(frozen=True, kw_only=True)
class Boolean(TaskSource):
    """All 2ⁿ inputs of n bits with a Boolean target; inputs are not standardised.

    Arguments:
        bits: n, from 2 to 16.
        target: a name (parity, majority, and, or, first), a truth table of 2ⁿ characters 0 and 1 (values on 00…0, 00…1, …,
            11…1), or "random", drawn by at most one of `ones`, `leaves`, `complexity` (uniformly when none is given).
        ones: how many inputs have the value 1.
        leaves: of a random decision tree.
        complexity: Lempel–Ziv complexity in bits, reached as nearly as 2 000 candidates allow.
        draw: the seed of the target, at least 0.
        zero: the number that stands for bit 0 in the inputs, −1 or 0; bit 1 is 1.
    """

    bits: int = 7
    target: str = "majority"
    ones: int | None = None
    leaves: int | None = None
    complexity: float | None = None
    draw: int = 0
    zero: Literal[-1, 0] = -1

    what: ClassVar[str] = "all inputs of n bits; target named, written out, or drawn with a chosen complexity"
    size: ClassVar[str] = "2ⁿ (n = 7: 128)"

    def table(self) -> str:
        """The target's truth table, a string of 2ⁿ characters 0 and 1."""
        from ticketlab.tasks import boolean

        chosen = [name for name in ("ones", "leaves", "complexity") if getattr(self, name) is not None]
        if not 2 <= self.bits <= 16 or self.draw < 0 or self.zero not in (-1, 0):
            raise UserError(
                f"bits={self.bits}, draw={self.draw}, zero={self.zero}",
                "bits from 2 to 16, draw of at least 0, and zero −1 or 0",
            )
        if len(chosen) > 1 or (chosen and self.target != "random"):
            raise UserError(
                f"target={self.target!r} with {' and '.join(chosen)}",
                "at most one of ones, leaves and complexity, and only with target='random'",
            )
        if self.target in boolean.NAMED:
            return "".join("01"[int(v)] for v in boolean.NAMED[self.target](boolean.all_inputs(self.bits)))
        if self.target == "random":
            if self.ones is not None:
                return boolean.draw_ones(self.bits, self.ones, self.draw)
            if self.leaves is not None:
                return boolean.decision_tree(self.bits, self.leaves, self.draw)
            if self.complexity is not None:
                return boolean.draw_complexity(self.bits, self.complexity, self.draw)
            return boolean.draw_uniform(self.bits, self.draw)
        if set(self.target) <= {"0", "1"} and len(self.target) == 2**self.bits:
            return self.target
        raise UserError(
            f"target={self.target!r} ({len(self.target)} characters)",
            f"{', '.join(boolean.NAMED)}, random, or {2**self.bits} characters 0 and 1 for {self.bits} bits",
        )

    def load(self) -> Dataset:
        import numpy as np

        from ticketlab.tasks import boolean
        from ticketlab.tasks.dataset import Dataset

        table = self.table()
        named = self.target in (*boolean.NAMED, "random")
        return Dataset(
            name=f"boolean-{self.bits} {self.target if named else 'table'}",
            x=boolean.signs(boolean.all_inputs(self.bits), self.zero),
            classes=("0", "1"),
            labels=np.array([int(v) for v in table]),
            features=tuple(f"bit{i}" for i in range(self.bits)),
            standardise=False,
            notes=(
                f"The truth table has {table.count('1')} ones of {len(table)}, and a Lempel–Ziv complexity of "
                f"{boolean.lempel_ziv(table):g} bits.",
            ),
        )

    def describe(self) -> str:
        options = [f"{name}={getattr(self, name)}" for name in ("ones", "leaves", "complexity")]
        drawn = [option for option in options if not option.endswith("None")] + [f"draw {self.draw}"]
        what = f"random target ({', '.join(drawn)})" if self.target == "random" else f"target {self.target}"
        return f"all {2**self.bits} inputs of {self.bits} bits, {what}"


@dataclass(frozen=True, kw_only=True)
class Mnist1d(TaskSource):
    """MNIST-1D: digits drawn as noisy, shifted and sheared lines of 40 points, made on the spot (extra `mnist1d`).

    The package draws from NumPy's global generator; its state is put back afterwards. Its own last fifth is the test part.
    Source: Greydanus, Kobak, Scaling down deep learning with MNIST-1D, arXiv 2011.14439.

    Arguments:
        samples: how many examples are made.
        draw: the seed they are made with (42 is the published set).
    """

    samples: int = 5000
    draw: int = 42

    what: ClassVar[str] = "digits as noisy lines of 40 points, made on the spot"
    size: ClassVar[str] = "5 000"
    how: ClassVar[str] = "pip install 'ticketlab[mnist1d]'"
    package: ClassVar[str] = "mnist1d"

    def load(self) -> Dataset:
        from ticketlab.tasks.mnist1d import made

        return made(self.samples, self.draw)

    def describe(self) -> str:
        return f"MNIST-1D, {self.samples} examples (draw {self.draw})"


@dataclass(frozen=True, kw_only=True)
class NamedFolder(TaskSource):
    """A data set with its own place: `folder`, or its usual sub-folder of the folder that TICKETLAB_DATA names.

    Arguments:
        folder: where the files are; empty to look in $TICKETLAB_DATA.
    """

    folder: str = ""

    place: ClassVar[str]

    def path(self) -> Path:
        """Where to look; raises UserError that says where, when there is no such folder."""
        data = os.environ.get(DATA_VARIABLE, "")
        if not self.folder and not data:
            raise UserError(
                f"no place to look for {self.place}: no folder given, and {DATA_VARIABLE} is not set",
                f"a folder with {self.how}",
                f"Pass folder=…, or set {DATA_VARIABLE} to the folder that contains {self.place}/.",
            )
        path = Path(self.folder).expanduser() if self.folder else Path(data).expanduser() / self.place
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
class OwnFile(TaskSource):
    """The user's own data.

    Arguments:
        path: of the file or folder.
    """

    path: str

    def describe(self) -> str:
        return f"{type(self).__name__} {self.path}"

    def where(self) -> Path:
        return Path(self.path).expanduser()


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
    """A NumPy archive; see `ticketlab.tasks.formats.npz` for the names that are looked for.

    Arguments:
        x, y: the arrays' names; empty to look for the usual ones.
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
        side: resize images to side × side pixels; None demands that they all have one size.
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
    """A folder with a sub-folder of images a class; or with `train` and `test`, each with such sub-folders.

    Arguments:
        side: resize images to side × side pixels; None demands that they all have one size.
    """

    side: int | None = None

    what: ClassVar[str] = "a folder with a sub-folder of images a class"
    how: ClassVar[str] = "images:path=FOLDER"

    def load(self) -> Dataset:
        from ticketlab.tasks.formats.images import image_folder

        return image_folder(self.where(), self.side)


@dataclass(frozen=True, kw_only=True)
class Hub(TaskSource):
    """A data set of the Hugging Face hub, or a local folder in its layout (extra `hub`).

    Arguments:
        id: "owner/name".
        config: the configuration, for data sets that have several.
        target: the column to predict; empty for label, target, class or y, else the last column.
        kind: classification or regression; None guesses from the target.
        side: resize images to side × side pixels; None demands that they all have one size.
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
