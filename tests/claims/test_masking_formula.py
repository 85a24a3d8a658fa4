"""What `masking-is-training` concludes from planted tables: no network is trained here."""

import dataclasses

import numpy as np
import pytest

from ticketlab.claims.answers import closed as closed_gates
from ticketlab.claims.masking_is_training.formula import CONTROL, PREREGISTERED, conclude, formula
from ticketlab.claims.masking_is_training.planted import World, planted
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Sample
from ticketlab.laws.formulae import Gated, answer
from ticketlab.laws.verdict import Outcome

HOLDS, FAILS, UNDECIDED = Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED
SCORES = {
    "mask": 0.75,
    "random": 0.13,
    "guess": 0.1,
    "permuted": 0.12,
    "trained": 0.97,
    "shrunk": 0.8,
    "shrunk_twin": 0.4,
    "shrunk_permuted": 0.35,
    "grown": 0.05,
    "grown_twin": 0.3,
    "drawn": 0.1,
    "multigraph": 0.96,
}


def tables(seeds=5, n=500, decorrelation=(0.14, 0.41), fitted=(1.0, 0.99), **accuracy):
    """Tables with given accuracies of the arms.

    Arguments:
        fitted: training scores of the networks trained on true and on permuted labels.
        decorrelation: of the hidden units of layer 1, under the chosen and under a random mask; 0.3 more in layer 2. At the
            output it is the other way round.
    """
    scores = SCORES | accuracy
    examples = [
        {
            "seed": s,
            "id": i,
            **{arm: float((7 * i + 13 * s + 29 * k) % n < n * scores[arm]) for k, arm in enumerate(scores)},
        }
        for s in range(seeds)
        for i in range(n)
    ]
    memorised = [
        {"seed": s, "arm": arm, "train_score": score + 0.003 * (s % 2)}
        for s in range(seeds)
        for arm, score in (("mask", 0.2), ("random", 0.1 - 0.001 * s))
    ]
    both = {PREREGISTERED: decorrelation[0], CONTROL: decorrelation[1]}
    responses = [
        {
            **{"seed": s, "decisive": decisive, "criterion": criterion, "layer": layer, "units": units},
            "decorrelation": value + 0.002 * s * (1 if criterion == CONTROL else -1),
        }
        for s in range(seeds)
        for decisive in (False, True)
        for criterion, d in both.items()
        for layer, units, value in (("dense1", 100, d), ("dense2", 50, d + 0.3), ("output", 10, 1 - d))
    ]
    learnt = [
        {
            **{"seed": s, "id": i, "guess": float(i < 50)},
            **{name: float(i < 500 * of) for name, of in zip(("trained", "permuted"), fitted, strict=True)},
        }
        for s in range(seeds)
        for i in range(500)
    ]
    named = {"examples": examples, "memorised": memorised, "responses": responses, "learnt": learnt}
    return {name: Table.from_rows(name, rows) for name, rows in named.items()}


def verdicts(**changes):
    """By key, and by what it is compared with where there are several of a key."""
    return {(v.key, v.facets.get("against", "")): v for v in conclude(tables(**changes))}


TWIN, LABELS = ("shrunk", "shrunk_twin"), ("shrunk", "shrunk_permuted")


def test_the_verdicts_come_in_order():
    found = conclude(tables())
    assert [v.key for v in found if v.headline] == [
        "claim",
        "guessing",
        "random",
        "labels",
        "shrunk",
        "shrunk",
        "grown",
        "multigraph",
    ]
    assert [v.key for v in found if not v.headline] == ["shrunk", "grown", "memorised", "responses"]
    assert found[0].reading.startswith("Masking is training: under a mask")
    assert {v.outcome for v in found if v.headline} == {HOLDS}
    assert verdicts()["random", ""].effect == pytest.approx(100 * 0.62 / 0.9, abs=0.5)


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({"mask": 0.12}, {("guessing", ""), ("random", ""), ("labels", "")}),
        ({"random": 0.74}, {("random", "")}),
        ({"permuted": 0.74}, {("labels", "")}),
        ({"shrunk_twin": 0.9}, {TWIN}),
        ({"shrunk_permuted": 0.9}, {LABELS}),
        ({"shrunk_twin": 0.77}, {TWIN}),
        ({"shrunk_permuted": 0.77}, {LABELS}),
        ({"grown": 0.5}, {("grown", "grown_twin")}),
        ({"grown": 0.27}, {("grown", "grown_twin")}),
        ({"multigraph": 0.6}, {("multigraph", "")}),
    ],
)
def test_the_claim_needs_every_comparison(changes, failed):
    found = verdicts(**changes)
    assert {key for key, v in found.items() if v.outcome is FAILS and v.headline} - {("claim", "")} == failed
    assert found["claim", ""].outcome is FAILS
    assert all(found[key].question in found["claim", ""].reading for key in failed)


def test_zeroing_what_shrank_must_be_better_than_zeroing_anything():
    """Better than the network as it was drawn is not enough, where a random choice of removed weights does equally well."""
    found = verdicts(shrunk=0.4, drawn=0.1, shrunk_twin=0.4)
    assert found["shrunk", "drawn"].outcome is HOLDS
    assert found["claim", ""].outcome is FAILS
    assert found[TWIN].question in found["claim", ""].reading


def test_what_shrank_on_permuted_labels_must_do_less():
    """Where it does equally well, any training would say which weights to zero, and the task plays no part."""
    found = verdicts(shrunk=0.8, shrunk_permuted=0.8)
    assert found[TWIN].outcome is HOLDS
    assert found[LABELS].outcome is FAILS
    assert found["claim", ""].outcome is FAILS
    assert found[LABELS].question in found["claim", ""].reading


def test_a_lead_of_a_point_is_no_direction():
    """It held in 7 of 10 repetitions, and said that what counts is which weights training was moving to zero."""
    world, rng = World(shrunk=(0.011, 0.011), grown=-0.011), np.random.default_rng(0)
    found = [answer(formula(), planted(world, Sample(5, 10000, 0.9), rng)) for _ in range(3)]
    assert {each.outcome for each in found} == {FAILS}
    assert {q.outcome for q in found[0].questions() if q.formula.key in ("shrunk", "grown")} == {FAILS}


def test_against_the_network_as_it_was_drawn_the_sign_is_asked():
    found = verdicts(shrunk=0.8, drawn=0.1, grown=0.05)
    assert found["grown", "drawn"].outcome is HOLDS
    assert found["grown", "drawn"].unit == "points of test score"
    assert found["grown", "grown_twin"].unit == "% of the headroom above guessing"


def test_a_network_that_guesses_can_hardly_be_made_worse():
    """So that the converse is compared with its twin: against the network as it was drawn nothing might be decided."""
    found = verdicts(grown=0.1, drawn=0.1, grown_twin=0.3)
    assert found["grown", "drawn"].outcome is UNDECIDED
    assert found["grown", "grown_twin"].outcome is HOLDS
    assert found["claim", ""].outcome is HOLDS


def test_where_nothing_is_learnt_nothing_is_decided():
    found = verdicts(trained=0.1, mask=0.1)
    assert {v.outcome for v in found.values()} == {UNDECIDED}
    assert "guessing" in found["claim", ""].reading


def test_a_mask_that_guesses_in_a_network_that_learns_fails():
    assert verdicts(mask=0.1)["claim", ""].outcome is FAILS


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("skill", {"trained": 0.1, "mask": 0.1}),
        ("fitted-trained", {"trained": 0.25, "mask": 0.12, "fitted": (0.3, 0.99)}),
    ],
)
def test_each_gate_holds_back_its_planted_case(key, changes):
    whole, given = formula(), tables(**changes)
    assert isinstance(whole, Gated)
    assert [gate.key for gate in whole.gates] == ["skill", "fitted-trained"]
    assert answer(whole, given).outcome is UNDECIDED
    others = tuple(gate for gate in whole.gates if gate.key != key)
    assert answer(dataclasses.replace(whole, gates=others), given).outcome is FAILS


def test_what_grew_is_not_asked_where_its_twin_has_nothing_to_lose():
    """A twin that guesses cannot be undercut by a tenth of the headroom, so the claim failed whatever training does."""
    found = verdicts(grown=0.10, grown_twin=0.12)
    assert found["grown", "grown_twin"].outcome is found["claim", ""].outcome is UNDECIDED
    assert "or nothing could be worse by as much" in found["claim", ""].reading
    assert "for then there is nothing to lose" in found["claim", ""].rule
    assert verdicts(grown=0.28)["claim", ""].outcome is FAILS  # the twin gains a fifth of the headroom


@pytest.mark.parametrize(("shrank", "outcome"), [(0.02, UNDECIDED), (0.5, FAILS), (0.98, UNDECIDED)])
def test_where_nearly_all_removed_weights_shrank_there_is_nothing_to_choose(shrank, outcome):
    """With strong decay all of them shrink: what shrank, and equally many at random, are the same weights."""
    whole, sample = formula(), Sample(5, 500, 0.99, 0.5)
    world = World(shrunk=(0.0, 0.0), grown=0.0, shrank=shrank)
    found = answer(whole, planted(world, sample, np.random.default_rng(0)))
    assert found.outcome is outcome
    assert {q.outcome for q in found.questions() if q.formula.key in ("shrunk", "grown")} == {outcome}
    closed = outcome is UNDECIDED
    assert (
        any("two choices of equally many are nearly the same" in said for said in closed_gates(found))
        is closed
    )
    better = dataclasses.replace(world, shrunk=(0.3, 0.3), grown=-0.3)
    assert answer(whole, planted(better, sample, np.random.default_rng(0))).outcome is HOLDS


def test_a_network_that_was_hardly_trained_decides_nothing():
    found = verdicts(trained=0.25, mask=0.12, fitted=(0.3, 0.99))
    assert {v.outcome for v in found.values()} == {UNDECIDED}
    assert (
        "5 of 5 networks gain less than 90 % of what guessing leaves on their training labels"
        in found["claim", ""].reading
    )
    assert found["claim", ""].would_decide == "More --steps, or a wider network, would make it a question."


def test_permuted_labels_that_were_not_fitted_are_no_control():
    found = verdicts(fitted=(1.0, 0.8))
    open_ = {key for key, v in found.items() if v.outcome is UNDECIDED}
    assert open_ == {("claim", ""), ("labels", ""), LABELS, ("memorised", "")}
    assert "on their permuted labels, so what they choose is no control" in found["claim", ""].reading
    assert verdicts(fitted=(1.0, 0.8), mask=0.12)["claim", ""].outcome is FAILS


def test_an_older_run_that_did_not_note_what_was_fitted_decides_nothing():
    given = tables()
    del given["learnt"]
    found = conclude(given)
    assert {v.outcome for v in found} == {UNDECIDED}
    assert "This older run did not note whether the training labels were fitted." in found[0].reading


def test_one_seed_concludes_nothing():
    found = verdicts(seeds=1)
    assert {v.outcome for v in found.values()} == {UNDECIDED}
    assert "One seed is not enough" in found["random", ""].reading


def test_better_than_what_knows_nothing_where_one_class_is_frequent():
    """With 92 % of the examples in one class only eight points can be gained; random masks do not know which class it is."""
    frequent = {"guess": 0.92, "permuted": 0.5, "random": 0.5, "trained": 0.99, "multigraph": 0.99, "n": 2000}
    assert verdicts(mask=0.98, **frequent)["claim", ""].outcome is HOLDS
    found = verdicts(mask=0.91, **frequent)
    assert found["random", ""].outcome is HOLDS
    assert found["guessing", ""].outcome is FAILS


@pytest.mark.parametrize(
    ("decorrelation", "outcome", "words"),
    [
        ((0.14, 0.41), FAILS, "changes hidden units less than a random mask"),
        ((0.41, 0.14), HOLDS, "changes hidden units more than a random mask"),
    ],
)
def test_the_change_of_responses_is_that_of_hidden_units(decorrelation, outcome, words):
    """At the outputs it is the other way round, and they do not count."""
    found = verdicts(decorrelation=decorrelation)["responses", ""]
    assert found.outcome is outcome
    assert found.reading.endswith(f"{words}.")
    assert not found.headline
    assert found.effect == pytest.approx(decorrelation[0] - decorrelation[1], abs=0.01)
    low, high = found.interval
    assert low < found.effect < high


def test_a_mask_on_permuted_labels_is_asked_whether_it_fits_them():
    found = verdicts()["memorised", ""]
    assert (found.outcome, found.headline) == (HOLDS, False)
    given = tables()
    gains = [
        given["memorised"].where(arm="mask", seed=s)["train_score"][0]
        - given["memorised"].where(arm="random", seed=s)["train_score"][0]
        for s in range(5)
    ]
    assert found.effect == pytest.approx(100 * np.mean(gains))
