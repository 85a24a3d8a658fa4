"""What a cell notes: pieces of training with their times, where it stands, and the scores of seeds and test examples."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from toy_draft import Memory

from ticketlab.claims.notes import Notes, example_table
from ticketlab.errors import NumericalFailure
from ticketlab.tasks.sources import Bundled
from ticketlab.training.optimisers import Adam
from ticketlab.training.result import Ended, TrainingState

PLAN = SimpleNamespace(steps=25, optimiser=Adam(step_size=0.5))


@dataclass(frozen=True)
class Toy:
    """Two networks, of which the second can diverge."""

    step: int = 0
    ended: int = Ended.NO

    @property
    def state(self):
        numbers = np.array([self.step, self.step])
        return TrainingState({}, None, numbers, numbers, numbers, np.array([Ended.NO, self.ended]), None)


def trained(notes, go_on, start=Toy()):
    told = []

    def piece(at, until, progress):
        progress(0.5)
        return go_on(at, until)

    def written(at):
        return {"step": np.array(at.step)}

    return notes.in_pieces(start, PLAN, 10, piece, written, told.append, "at level 2", level=2), told


def test_a_training_is_cut_into_pieces_that_are_timed_and_noted():
    draft = Memory()
    end, told = trained(Notes.of(draft), lambda at, until: Toy(until))
    assert (end.step, told) == (25, [5, 15, 22.5])
    again = Notes.of(draft)
    assert again.arrays["step"] == 25
    assert [(row["level"], row["network_steps"]) for row in again.rows["timings"]] == [
        (2, 20),
        (2, 20),
        (2, 10),
    ]
    assert trained(again, None, Toy(25)) == (Toy(25), [])


def test_a_network_that_diverges_ends_the_training():
    with pytest.raises(NumericalFailure, match="diverged at level 2, after 10 of 25 steps: .* than 0.5"):
        trained(Notes.of(Memory()), lambda at, until: Toy(until, Ended.DIVERGED))


def test_scores_of_seeds_and_examples_with_those_of_guessing():
    task = Bundled(name="wine", train=60, validation=40, test=70).task(0)
    scores = np.arange(140.0).reshape(2, 70)
    found = example_table(
        "examples", (3, 5), task, {"ticket": scores, "guess": None}, {"guess": "g"}, size=0.5
    )
    assert [c.name for c in found.columns] == ["size", "seed", "id", "ticket", "guess"]
    assert [c.meaning for c in found.columns] == ["", "", "", "", "g"]
    assert set(found["size"]) == {0.5}
    one = found.where(seed=5)
    np.testing.assert_array_equal(one["id"], task.test.ids)
    np.testing.assert_array_equal(one["ticket"], scores[1])
    most = np.bincount(task.train.labels).argmax()
    np.testing.assert_array_equal(one["guess"], task.test.labels == most)
