"""The gates of skill, a tenth of the headroom by the better side, and of labels that were fitted, nine tenths of it."""

import numpy as np
import pytest

from ticketlab.claims.gates import fitted_gate, fitting, skill_gate
from ticketlab.claims.headroom import avoided
from ticketlab.evidence.tables import Table


def reason(*accuracies, guess=0.1, seeds=5, n=1000):
    """The gate's reason for sides of these accuracies."""
    names = tuple(f"side{i}" for i in range(len(accuracies)))

    def right(accuracy, shift):
        return ((np.arange(n) + shift) % n < n * accuracy).astype(float)

    rows = [
        {"seed": s, "id": i, **{name: float(values[i]) for name, values in scores.items()}}
        for s in range(seeds)
        for scores in [
            {
                "guess": right(guess, 0),
                **{n_: right(a, 7 * s) for n_, a in zip(names, accuracies, strict=True)},
            }
        ]
        for i in range(n)
    ]
    return skill_gate(lambda tables: tables["examples"], names).passed(
        {"examples": Table.from_rows("examples", rows)}
    )


@pytest.mark.parametrize("sides", [(0.9, 0.9), (0.9, 0.1), (0.1, 0.9), (0.3,)])
def test_one_side_with_skill_is_enough(sides):
    assert reason(*sides) is None


def test_where_both_guess_the_gate_is_closed():
    assert reason(0.1, 0.1).startswith("Neither side is better than guessing")
    assert reason(0.1).startswith("The trained network is not better than guessing")
    assert reason(0.15, 0.1) is not None  # 5.6 % of the headroom


def test_skill_is_a_share_of_the_headroom():
    """With 92 % of the examples in one class only eight points can be gained."""
    assert reason(0.98, 0.98, guess=0.92) is None
    assert reason(0.92, 0.92, guess=0.92) is not None
    assert reason(0.98, 0.98, guess=0.97, n=4000) is None


def test_a_single_seed_passes():
    """The reading then says that one seed is not enough."""
    assert reason(0.1, 0.1, seeds=1) is None


@pytest.mark.parametrize(("accuracies", "missed"), [((0.97, 0.92), 0), ((0.97, 0.9), 1), ((0.2, 0.22), 2)])
def test_labels_are_fitted_in_every_seed_or_not(accuracies, missed):
    """Nine tenths of the headroom above 10 % are 91 %."""
    rows = [
        {"seed": s, "guess": float(i < 100), "target": float(i < 1000 * accuracy)}
        for s, accuracy in enumerate(accuracies)
        for i in range(1000)
    ]
    gate = fitted_gate(lambda tables: tables["learnt"], "target")
    said = gate.passed({"learnt": Table.from_rows("learnt", rows)})
    assert (said is None) == (missed == 0)
    assert said is None or said.startswith(f"{missed} of 2 networks gain less than 90 %")


def test_guessing_fits_no_labels():
    """Where 92 % of them are of one class, its share is no fit."""
    rows = [{"seed": 0, "guess": float(i < 92), "target": float(i < 92)} for i in range(100)]
    assert fitted_gate(lambda tables: tables["learnt"], "target").passed(
        {"learnt": Table.from_rows("learnt", rows)}
    )


@pytest.mark.parametrize(("guess", "fits"), [(0.1, 0.95), (0.5, 0.95), (0.9, 0.99), (0.97, 0.997)])
def test_a_network_fits_its_data_where_it_fits_nine_tenths_of_the_headroom_too(guess, fits):
    """95 % are half of what guessing leaves where 90 % of the examples are of one class, and less than guessing at 97 %."""
    examples = Table.from_rows("examples", [{"guess": float(i < 1000 * guess)} for i in range(1000)])
    scores = (0.94, fits - 0.001, fits, 1.0)
    rows = [{"train_score": score, "fitted": score >= 0.95} for score in scores]
    assert fitting(Table.from_rows("networks", rows), examples)["fitted"].tolist() == [
        False,
        False,
        True,
        True,
    ]


def test_no_errors_are_avoided_where_guessing_makes_none():
    error, chance = np.array([0.1, 0.0, 0.25, 0.5]), np.array([0.0, 0.0, 0.5, 0.5])
    np.testing.assert_allclose(avoided(error, chance), [0.0, 0.0, 0.5, 0.0])
