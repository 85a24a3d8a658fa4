"""Where data comes from: each choice is a frozen record of how to get one data set, and `load()` gets it.

Nothing heavy is imported before `load()` is called, since the command line lists these choices in its help. Every choice
has the optional counts `train`, `validation` and `test` (see `Sizes`), so that a plan says "MNIST with 3 200 examples to train
on" in one line.

Reading order: `source` (what all have), `bundled` (comes with scikit-learn), `made` (on the spot), `named` (published data),
`own` (the user's files).
"""

from ticketlab.tasks.sources.bundled import Bundled, Digits
from ticketlab.tasks.sources.made import Boolean, Mnist1d
from ticketlab.tasks.sources.named import Cifar10, Fashion, Hub, Mnist, NamedFolder
from ticketlab.tasks.sources.own import Csv, Idx, ImageFolder, Npz, OwnFile, Parquet
from ticketlab.tasks.sources.source import TaskSource

__all__ = [  # noqa: RUF022 (by topic)
    # what all have
    "TaskSource",
    # data that is carried or made
    "Digits",
    "Bundled",
    "Boolean",
    "Mnist1d",
    # data by name
    "NamedFolder",
    "Mnist",
    "Fashion",
    "Cifar10",
    "Hub",
    # the user's files
    "OwnFile",
    "Idx",
    "Npz",
    "Csv",
    "Parquet",
    "ImageFolder",
]
