"""The tables of the study `linear-mode`, from the rows that a cell leaves.

Rows called "scores" are lists over seeds and test examples, an entry an arm; "timings" are one a piece of training, or an arm's
lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ticketlab.claims.rows import Rows, timings
from ticketlab.claims.start import guessed
from ticketlab.evidence.tables import Column, Table
from ticketlab.tasks.task import Task

__all__ = ["mode_tables"]


def mode_tables(rows: Rows, task: Task, seeds: Sequence[int]) -> dict[str, Table]:
    """All tables, by name, seed by seed."""
    tables = [
        *(
            Table.from_rows(name, rows[name], meanings=_MEANINGS)
            for name in ("barriers", "copies", "lines", "networks", "checks")
        ),
        _examples(rows, task, seeds),
        timings(rows, "what", _MEANINGS, rewind_step=rows["checks"][0]["rewind_step"]),
    ]
    return {table.name: table.by_seed() for table in tables}


def _examples(rows: Rows, task: Task, numbers: Sequence[int]) -> Table:
    """Of every seed and test example each arm's score and its part in the arm's barrier."""
    seeds, examples = np.shape(rows["scores"][0]["score"])
    columns = {
        "rewind_step": np.full(seeds * examples, rows["scores"][0]["rewind_step"]),
        "seed": np.repeat(numbers, examples),
        "id": np.tile(task.test.ids, seeds),
    }
    found = [
        Column(name, values.astype(np.int64), meaning=_MEANINGS[name]) for name, values in columns.items()
    ]
    for entry in rows["scores"]:
        for measure in ("score", "barrier", "barrier_split"):
            values = np.asarray(entry[measure], np.float64).reshape(-1)
            found.append(Column(f"{entry['arm']}_{measure}", values, meaning=_MEANINGS[f"example_{measure}"]))
    guess = np.tile(guessed(task), seeds)
    return Table("examples", (*found, Column("guess", guess, meaning=_MEANINGS["guess"])))


_MEANINGS: Mapping[str, str] = {
    "rewind_step": "k, the step from which copies are trained, and to which tickets are rewound",
    "arm": "dense, ticket, or another mask of as many weights",
    "seed": "of parameters, data orders and masks",
    "id": "the test example's number in the data set",
    "pair": "the copies at the two ends of the line",
    "copy": "of the network, with a data order of its own",
    "alpha": "place on the line from one copy (0) to the other (1); in the table of barriers where the test error is highest",
    "test_error": "in the table of barriers the highest on the line less the mean of its ends; else the mean over lines",
    "train_error": "likewise, of training examples",
    "test_loss": "likewise, cross-entropy",
    "train_loss": "likewise, of training examples",
    "test_score": "accuracy at the last step",
    "train_score": "likewise, of training examples",
    "distance": "between the two copies, relative to the mean of their norms",
    "density": "the fraction of the weights that is kept",
    "effective_density": "the fraction of the weights that is kept and lies on a path from an input to an output",
    "kept": "weights that are kept",
    "pruned": "pruned parameters of all copies of the seed",
    "parameters_left": "of these, how many are not exactly zero at the end",
    "moments": "how many of the optimiser's moments of pruned parameters are not exactly zero",
    "example_score": "1 where the copies are right, their mean",
    "guess": "1 where the most frequent class is right",
    "example_barrier_split": "the same, at the α that is the highest on the other half of the test examples",
    "example_barrier": "wrong where the mean of the seed's lines is highest, less wrong at the ends; means over lines",
    "what": "what was done",
    "network_steps": "steps times networks",
}
