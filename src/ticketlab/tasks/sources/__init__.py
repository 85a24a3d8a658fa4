"""Sources of data: each choice is a frozen record that says how to get one data set, and `load()` gets it.

Nothing heavy is imported before `load()`, because the command line lists these choices in its help. Every choice has the
optional counts `train`, `validation` and `test` (see `Sizes`). So a plan can say "MNIST with 3 200 training examples" in
one line.

Reading order: `source` (the base class), `bundled` (comes with scikit-learn), `made` (generated), `named` (published
data), `own` (the user's files), `sequences` (text, and generated data whose best possible loss is known).
"""

from ticketlab.tasks.sources.bundled import Bundled, Digits
from ticketlab.tasks.sources.made import Boolean, Mnist1d
from ticketlab.tasks.sources.named import Cifar10, Fashion, Hub, Mnist, NamedFolder
from ticketlab.tasks.sources.own import Csv, Idx, ImageFolder, Npz, OwnFile, Parquet
from ticketlab.tasks.sources.sequences import (
    InContext,
    Markov,
    NextRow,
    SourceCode,
    SparseParity,
    Teacher,
    Text,
)
from ticketlab.tasks.sources.source import TaskSource

__all__ = [  # noqa: RUF022 (by topic)
    # the base class
    "TaskSource",
    # bundled or generated data
    "Digits",
    "Bundled",
    "Boolean",
    "Mnist1d",
    # sequences, and data of known floor
    "SourceCode",
    "Text",
    "NextRow",
    "Markov",
    "InContext",
    "SparseParity",
    "Teacher",
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
