"""What is read from the tables of `random-pick`: laws of the ways of training, of shuffled labels, and of the controls."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from ticketlab.claims.asking import columns
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Difference, of_seeds
from ticketlab.laws.formulae import Tables

__all__ = [
    "ARMS", "BAYES", "SHUFFLED", "TITLES", "UNIFORM", "WIDTH", "Trained", "better_than_random", "control", "from_own_width",
    "mean", "random_labels", "rows_of", "shuffled",
]  # fmt: skip

Trained: TypeAlias = Literal["sgd", "logistic", "adam", "full-batch", "momentum", "single"]
ARMS: tuple[Trained, ...] = ("sgd", "logistic", "adam", "full-batch")  # by default
TITLES = {
    "sgd": "SGD, square loss",
    "logistic": "SGD, logistic loss",
    "adam": "Adam, square loss",
    "full-batch": "full batch, square loss",
    "momentum": "SGD with momentum 0.9, square loss",
    "single": "SGD on single examples, square loss",
}
BAYES, SHUFFLED = "random networks that fit", "shuffled labels"
WIDTH, UNIFORM = "random networks of the trained width", "error-matched functions"


def rows_of(arm: str, tables: Tables) -> Table:
    found: Table = tables["laws"].where(training=arm)
    return found.by_seed()


def control(column: str, tables: Tables) -> np.ndarray:
    """One value a seed."""
    found: np.ndarray = tables["controls"].by_seed()[column]
    return found


def shuffled(column: str, tables: Tables) -> np.ndarray:
    """The mean over the permutations of each seed."""
    return np.array([np.mean(rows[column]) for _, rows in tables["shuffled"].along("seed")])


def mean(arm: str, column: str, tables: Tables) -> float:
    return float(np.mean(rows_of(arm, tables)[column]))


def from_own_width(arm: str, tables: Tables) -> np.ndarray | None:
    """The total variation from random networks of the trained width, from below; None if it was not measured."""
    rows = rows_of(arm, tables)
    if "tv_low_width" not in columns(rows) or np.isnan(rows["tv_low_width"]).any():
        return None
    found: np.ndarray = rows["tv_low_width"]
    return found


def random_labels(shuffled: Table) -> str:
    """The column with the error of labels drawn at random; it was called "chance" once."""
    return "random_labels" if "random_labels" in columns(shuffled) else "chance"


def better_than_random(tables: Tables) -> Difference:
    """By how much training on shuffled labels errs less than labels drawn at random."""
    random = shuffled(random_labels(tables["shuffled"]), tables)
    return of_seeds(random - shuffled("error", tables))
