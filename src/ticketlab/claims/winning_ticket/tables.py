"""The tables of the study `winning-ticket`, from the rows that its levels leave.

Rows called "scores" are those of the test examples, "timings" one a piece of training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ticketlab.claims.rows import Rows, made, timings
from ticketlab.claims.start import guessed
from ticketlab.claims.winning_ticket.formula import DENSE, GUESS, TICKET
from ticketlab.evidence.tables import Table
from ticketlab.tasks.task import Task

__all__ = ["level_tables"]


def level_tables(rows: Rows, task: Task, seeds: Sequence[int]) -> dict[str, Table]:
    """All tables, by name, seed by seed."""
    tables = [
        *(Table.from_rows(n, rows[n], meanings=_MEANINGS) for n in ("levels", "layers", "curves", "checks")),
        _examples(rows, task, seeds),
        timings(rows, "level", _MEANINGS),
    ]
    return {table.name: table.by_seed() for table in tables}


def _examples(rows: Rows, task: Task, numbers: Sequence[int]) -> Table:
    """Every test example's score with each arm at its early stop, and with guessing: dense, and at the decisive level."""
    scores = {entry["arm"]: np.array(entry["early"], np.float64) for entry in rows["scores"]}
    seeds, examples = scores[DENSE].shape
    scores[GUESS] = np.broadcast_to(guessed(task), (seeds, examples))
    columns = {"seed": np.repeat(numbers, examples), "id": np.tile(task.test.ids, seeds)}
    columns = {name: values.astype(np.int64) for name, values in columns.items()}
    columns |= {arm: scores[arm].reshape(-1) for arm in (DENSE, TICKET, GUESS) if arm in scores}
    columns |= {arm: values.reshape(-1) for arm, values in scores.items() if arm not in columns}
    return made("examples", columns, _MEANINGS)


_MEANINGS: Mapping[str, str] = {
    "level": "rounds of pruning so far; 0 is dense",
    "arm": "dense, ticket, one of its controls, or a network with a mask that changes",
    "decisive": "whether the question is decided at this level",
    "density": "the fraction of the weights that is kept",
    "effective_density": "the fraction of the weights that is kept and lies on a path from an input to an output",
    "kept": "weights that are kept",
    "parameters": "these, and all biases that the network has",
    "early_stop_step": "the step with the lowest validation loss",
    "test_score": "there: accuracy, or R² for regression",
    "validation_score": "there",
    "validation_loss": "there; in the table of curves at the step of the row",
    "final_test_score": "at the last step",
    "arms": "which were trained together",
    "pruned": "pruned parameters of all networks of the seed",
    "parameters_left": "of these, how many are not exactly zero at the end",
    "best": "how many are not exactly zero at the early stop",
    "moments": "how many of the optimiser's moments of pruned parameters are not exactly zero",
    "guess": "always answering with the most frequent class",
    "network_steps": "steps times networks",
}
