"""The tables of the studies of learned masks, from the rows that their arms leave.

Rows called "scores" are those of the test examples, "timings" one a piece of training. Every table of examples holds the arms
that a verdict needs, one column each; what learns from permuted labels has a table of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ticketlab.claims.rows import Rows, made, timings
from ticketlab.claims.start import guessed
from ticketlab.evidence.tables import Table
from ticketlab.networks.network import Network
from ticketlab.tasks.task import Task

if TYPE_CHECKING:
    from ticketlab.claims.learned.setting import Setting

__all__ = ["PERMUTED", "arm_tables"]

PERMUTED = "permuted"


def arm_tables(rows: Rows, setting: Setting, task: Task, network: Network) -> dict[str, Table]:
    """All tables, by name."""
    names = [name for name in ("arms", "layers", "curves", "checks") if rows.get(name)]
    tables = [Table.from_rows(name, rows[name], meanings=_MEANINGS) for name in names]
    tables += [*_examples(rows, setting, task), timings(rows, "arms", _MEANINGS, setting=setting.name)]
    return {table.name: table.by_seed() for table in tables}


def _examples(rows: Rows, setting: Setting, task: Task) -> list[Table]:
    """Every test example's score with each arm, and with guessing."""
    arms = list(dict.fromkeys(row["arm"] for row in rows["scores"]))
    scores = {
        arm: np.array([r["scores"] for r in rows["scores"] if r["arm"] == arm], np.float64) for arm in arms
    }
    seeds, examples = next(iter(scores.values())).shape
    guess = np.broadcast_to(guessed(task), (seeds, examples))
    permuted = {arm: values for arm, values in scores.items() if arm.startswith(PERMUTED)}
    compared = {"guess": guess, **{arm: v for arm, v in scores.items() if arm not in permuted}}
    found = [_example_table("examples", compared, setting, task)]
    if permuted:
        found.append(_example_table("permuted", {"guess": guess, **permuted}, setting, task))
    return found


def _example_table(name: str, scores: Mapping[str, np.ndarray], setting: Setting, task: Task) -> Table:
    seeds, examples = next(iter(scores.values())).shape
    columns: dict[str, np.ndarray] = {
        "setting": np.full(seeds * examples, setting.name),
        "size": np.full(seeds * examples, setting.size),
        "seed": np.repeat(setting.seeds, examples).astype(np.int64),
        "id": np.tile(task.test.ids, seeds).astype(np.int64),
        **{arm: values.reshape(-1).astype(np.float64) for arm, values in scores.items()},
    }
    return made(name, columns, _MEANINGS)


_MEANINGS: Mapping[str, str] = {
    "setting": "which networks",
    "arm": "ticket, or one of its controls; those of other densities and distributions are called variants",
    "size": "the factor on the network's widths",
    "distribution": "of the weights at the start",
    "asked": "the density that was asked for; of a supermask, that it starts with",
    "permuted": "whether it learnt from permuted labels",
    "density": "the fraction of the weights that is kept",
    "kept": "weights that are kept",
    "weights": "all weights of the network",
    "parameters": "these, and biases and normalisations",
    "test_score": "accuracy, or R² for regression, on the true labels",
    "sampled_test_score": "the mean over ten masks that are drawn, for a supermask",
    "train_score": "on the labels that it learnt from",
    "halfway_train_score": "the same after half of the steps",
    "validation_score": "on the true labels; nothing was chosen by it",
    "batch_loss": "mean over the batches since the row before",
    "compared": "entries of the ticket's parameters, all of which are what was drawn, times one number a layer, or zero",
    "guess": "always answering with the most frequent class",
    "network_steps": "steps times networks",
}
