"""The fair search, and that of `tangent-minimum`: when a run is trained to the end, and when a choice lies inside its grid."""

import dataclasses

import numpy as np
import pytest

from ticketlab.claims.fair_search import (
    Candidate,
    Scored,
    edges,
    inside,
    wider,
)
from ticketlab.claims.settling import past_its_highest, past_its_minimum, settled
from ticketlab.claims.tangent_minimum.formula import DESCENT, OFFSETS, TANGENT


def run(values, scores=None):
    return settled(np.array(values, float), np.array(scores if scores is not None else [0.5] * len(values)))


def test_a_run_is_trained_to_the_end() -> None:
    falling = np.geomspace(1, 0.01, 21)
    assert not run(falling)
    assert run([1, 0.5, 0.2, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])  # its minimum lies inside
    assert not run([*falling[:-1], 1.0])  # its minimum lies inside, but just before the end
    slow = np.concatenate([np.geomspace(1, 0.1, 11), np.linspace(0.1, 0.095, 10)])
    assert run(slow)  # the second half brings next to nothing
    assert run(slow, np.where(np.arange(21) > 13, 0.9, 0.5))  # its highest score lies inside
    assert not run(slow, np.where(np.arange(21) > 16, 0.9, 0.5))  # but just before the end
    assert not run([np.nan, np.nan, np.nan])
    assert not run([1.0])


def grid(scores, losses=None, outputs=True):
    losses = losses or [1 - s for s in scores]
    return [
        Scored(
            Candidate(10.0**i, "ridge", {"test": np.zeros(1)} if outputs else {}, 0.0),
            {"validation": score},
            {"validation": loss},
        )
        for i, (score, loss) in enumerate(zip(scores, losses, strict=True))
    ]


@pytest.mark.parametrize(
    ("candidates", "found"),
    [
        (grid([0.1, 0.9, 0.2]), set()),
        (grid([0.9, 0.5, 0.2]), {-1}),
        (grid([0.1, 0.5, 0.9]), {1}),
        (grid([0.9]), {-1, 1}),
        (grid([0.1], [np.inf]), {-1, 1}),  # outputs so large that their loss is infinite
        (grid([0.1], [np.nan]), {-1, 1}),
        (grid([0.9, 0.9, 0.2], [0.1, 0.10001, 0.8]), set()),  # the limit of the grid is reached
        (grid([0.9, 0.9, 0.2], [0.1, 0.102, 0.8]), {-1}),
        (grid([0.9, 0.9, 0.9], [0.1, 0.10001, 0.10002]), {-1, 1}),  # nothing has made a difference
        (grid([0.9, 0.9, 0.9], [0.10001, 0.1, 0.10002]), {-1, 1}),
        (grid([0.8, 0.9, 0.9], [0.10012, 0.1001, 0.1]), {1}),  # it falls faster and faster
        (grid([0.5, 0.5], outputs=False), {-1}),  # all diverged
    ],
)
def test_the_ends_at_which_a_grid_is_too_narrow(candidates, found) -> None:
    assert edges(candidates) == found
    assert inside(candidates) == (not found)
    assert edges(candidates[::-1]) == found


def test_grids_are_extended_by_the_ratio_at_their_end() -> None:
    assert wider([1.0, 2.0, 8.0], {1}, 1) == pytest.approx([32.0])
    assert wider([1.0, 2.0, 8.0], {-1}, 2) == pytest.approx([0.5, 0.25])
    assert wider([1.0, 2.0, 8.0], {-1, 1}, 2) == pytest.approx([0.5, 32.0])
    assert wider([1.0, 2.0, 8.0], set(), 1) == pytest.approx([32.0])
    assert wider([1.0], {1}, 1) == pytest.approx([10**0.5])


def test_both_sides_end_with_equally_many_candidates(plan, compared) -> None:
    """From step sizes that are all too small, the grids grow together, and every candidate is trained as long."""
    narrow = dataclasses.replace(
        plan, losses=("square",), step_sizes=(0.02, 0.05), epochs=2, doublings=1, extensions=2
    )
    tables = compared(narrow).tables
    for offset in OFFSETS:
        tried = {a: tables["tuning"].where(arm=a, offset=offset)["candidate"] for a in (TANGENT, DESCENT)}
        assert len(set(tried[TANGENT])) == len(set(tried[DESCENT])) > 2
        assert tried[DESCENT].max() > 0.05
    last = {}
    for size in set(tables["curves"]["step_size"]):
        steps = tables["curves"].where(step_size=size, offset="kept")["step"]
        assert np.all(np.diff(steps) > 0)
        last[size] = steps[-1]
    assert len(set(last.values())) == 1
    choices = tables["choices"]
    assert set(choices.where(arm=DESCENT)["epochs"]) == {4}


def test_training_that_is_taken_up_gives_the_bits_of_one_that_never_stopped(plan, compared) -> None:
    """And those that are not taken up with the others of their kind have their lowest validation loss inside."""
    short = dataclasses.replace(
        plan, losses=("square",), step_sizes=(0.05, 1.0, 60.0), ridges=(0.01, 0.1, 1.0), epochs=2, doublings=1
    )
    long = dataclasses.replace(short, epochs=4, doublings=0)
    one, other = (compared(p).tables["curves"] for p in (short, long))
    taken_up = 0
    for offset in OFFSETS:
        runs = [
            tuple(t.where(offset=offset, step_size=size) for t in (one, other)) for size in short.step_sizes
        ]
        as_long = [len(mine) == len(whole) for mine, whole in runs]
        for (mine, whole), longer in zip(runs, as_long, strict=True):
            known = mine["validation_loss"]
            np.testing.assert_array_equal(known, whole["validation_loss"][: len(mine)])
            if any(as_long) and not longer:
                past = past_its_minimum(known) and past_its_highest(mine["validation_score"])
                assert past or not np.isfinite(known).all()
        taken_up += sum(as_long)
    assert taken_up


def test_a_step_size_too_small_to_learn_anything_is_trained_on() -> None:
    plateau = np.linspace(1.0, 0.99, 21)
    assert run(plateau)  # it brings next to nothing
    assert not past_its_minimum(plateau)
    assert past_its_minimum(np.array([1.0, 0.5, 0.2, 0.3, 0.4, 0.5]))
    assert not past_its_minimum(np.array([np.nan, np.nan]))


def test_a_loss_that_jumps_above_its_start_and_falls_is_trained_on() -> None:
    spike = np.array([2.3, 5, 4.5, 4, 3.6, 3.2, 2.9, 2.7, 2.5, 2.4])
    assert not past_its_minimum(spike)
    assert not run(spike)
    assert not run(spike, np.linspace(0.1, 0.7, 10))
    assert run([0.1, *np.linspace(0.11, 0.2, 10)])  # from a trained start training can but overfit


def test_a_score_that_still_rises_is_trained_on_though_the_loss_has_its_minimum_inside() -> None:
    overfitted = np.concatenate([np.linspace(2.3, 0.8, 15), np.linspace(0.81, 0.95, 16)])
    assert past_its_minimum(overfitted)
    assert not run(overfitted, np.linspace(0.1, 0.93, 31))
    assert run(overfitted, np.minimum(np.linspace(0.1, 1.3, 31), 0.93))
