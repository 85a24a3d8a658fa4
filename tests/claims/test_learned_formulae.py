"""What `untrained-subnetwork` and `multi-prize` conclude from planted tables: no network is trained here."""

import dataclasses

import numpy as np
import pytest

from ticketlab.claims.learned.halfway import again
from ticketlab.claims.learned.planted import World, planted
from ticketlab.claims.learned.questions import converged
from ticketlab.claims.multi_prize import formula as prizes
from ticketlab.claims.multi_prize.formula import BOTH, WEIGHTS
from ticketlab.claims.untrained_subnetwork import formula as untrained
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Sample
from ticketlab.laws.difference import paired_difference
from ticketlab.laws.formulae import Gated, answer
from ticketlab.laws.verdict import Outcome
from ticketlab.training import Cosine

HOLDS, FAILS, UNDECIDED = Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED
FITTED = {"ticket": (1.0, 0.99), "dense": (1.0, 1.0), "permuted": (0.7, 0.4), "multigraph": (1.0, 0.99)}
MARGIN = 0.02


def right(accuracy, n, seed):
    """Scores on n examples; other examples are wrong for every seed."""
    return ((7 * np.arange(n) + 13 * seed) % n < n * accuracy).astype(float)


def examples_of(settings, seeds, n, guess):
    """A table of examples.

    Arguments:
        settings: accuracies by arm, by (name, width).
        guess: how many examples are of the most frequent class.
    """
    columns = {}
    for (name, size), accuracy in settings.items():
        for seed in range(seeds):
            made = {
                "setting": np.full(n, name),
                "size": np.full(n, size),
                "seed": np.full(n, seed),
                "id": np.arange(n),
                "guess": right(guess, n, 5),
                **{arm: right(a, n, seed + i) for i, (arm, a) in enumerate(accuracy.items())},
            }
            for column, values in made.items():
                columns.setdefault(column, []).append(values)
    rows = {column: np.concatenate(parts) for column, parts in columns.items()}
    return Table.from_rows(
        "examples", [dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True)]
    )


def arm_rows(setting, size, fitted, seeds):
    return [
        {
            **{"setting": setting, "size": size, "arm": arm, "seed": seed, "density": 0.5},
            "train_score": end,
            "halfway_train_score": half,
            "halfway_at": 0.5,
        }
        for arm, (end, half) in fitted.items()
        for seed in range(seeds)
    ]


def tables(
    seeds=5, n=500, slope=0.01, dense_slope=0.01, guess=0.1, sizes=(1.0, 0.5, 0.25), fitted=None, **accuracy
):
    """Tables with given accuracies; those of ticket and dense network fall by a slope from each width to the next."""
    scores = {"ticket": 0.96, "random": 0.2, "dense": 0.965, "permuted": 0.1, "multigraph": 0.96, **accuracy}
    fall = {"ticket": slope, "dense": dense_slope}
    settings = {
        (f"width {size:g}", size): {
            a: scores[a] - k * fall.get(a, 0.0) for a in ("ticket", "random", "dense")
        }
        for k, size in enumerate(sizes)
    }
    arms = [
        row for (name, size) in settings for row in arm_rows(name, size, {**FITTED, **(fitted or {})}, seeds)
    ]
    apart = {
        arm: examples_of({("width 1", 1.0): {arm: scores[arm]}}, seeds, n, guess)
        for arm in ("permuted", "multigraph")
    }
    return {
        "examples": examples_of(settings, seeds, n, guess),
        **apart,
        "arms": Table.from_rows("arms", arms),
    }


def conclude(**changes):
    found = untrained.conclude(MARGIN, tables(**changes), widths=True, edges=True)
    return {v.key: v for v in found}


def outcome(**changes):
    return conclude(**changes)["claim"].outcome


def test_the_verdicts_come_in_order():
    found = untrained.conclude(MARGIN, tables(), widths=True, edges=True)
    sides = ["wider", "multigraph"]
    assert [v.key for v in found] == ["claim", "score", "guessing", "random", "labels", *sides]
    assert [v.headline for v in found] == [True] * 5 + [False] * 2
    assert [v.question for v in found if v.key == "claim"] == [""]
    assert all(v.rule.startswith("Holds if the 95 % interval of the difference") for v in found[1:5])
    assert "contains a subnetwork, 50.0 % of the weights" in found[0].reading
    assert len(untrained.conclude(MARGIN, tables(), widths=False, edges=False)) == 5


@pytest.mark.parametrize(
    ("changes", "expected", "fails"),
    [
        ({}, HOLDS, set()),
        ({"ticket": 0.90}, FAILS, {"score"}),
        ({"ticket": 0.05, "slope": 0.0}, FAILS, {"score", "guessing", "random", "labels"}),
        ({"random": 0.955}, FAILS, {"random"}),
    ],
)
def test_the_claim_needs_every_comparison(changes, expected, fails):
    found = conclude(**changes)
    assert found["claim"].outcome is expected
    assert {key for key, v in found.items() if v.outcome is FAILS} - {"claim", "wider"} == fails
    if fails:
        assert found[min(fails)].question in found["claim"].reading


@pytest.mark.parametrize(
    ("accuracy", "fitted", "expected"),
    [
        (0.96, (1.0, 0.99), HOLDS),
        (0.99, (1.0, 0.99), HOLDS),
        (0.90, (1.0, 0.99), FAILS),
        (0.90, (0.9, 0.8), UNDECIDED),
    ],
)
def test_the_multigraph_is_compared_with_the_ticket_beside_the_claim(accuracy, fitted, expected):
    found = conclude(n=2000, multigraph=accuracy, fitted={"multigraph": fitted})
    assert found["claim"].outcome is HOLDS
    assert found["multigraph"].outcome is expected
    if expected is UNDECIDED:
        assert "The search over the multigraph has not converged" in found["multigraph"].reading


def test_one_seed_concludes_nothing():
    found = conclude(seeds=1)
    assert {v.outcome for v in found.values()} == {UNDECIDED}
    assert "One seed is not enough" in found["random"].reading


def test_a_ticket_that_is_worse_by_less_than_the_margin_is_as_accurate():
    assert outcome(n=2000, ticket=0.952, dense=0.965) is HOLDS
    assert outcome(n=2000, ticket=0.93, dense=0.965) is FAILS


# --- gates ---


def test_neither_side_is_better_than_guessing():
    found = conclude(ticket=0.1, dense=0.1, slope=0.0, dense_slope=0.0, random=0.1, multigraph=0.1)
    assert {v.outcome for v in found.values()} == {UNDECIDED}
    assert "guessing" in found["claim"].reading


def test_a_ticket_that_guesses_where_the_dense_network_does_not_fails():
    assert outcome(ticket=0.1, slope=0.0) is FAILS


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"ticket": (0.33, 0.25)},
            "The search has not converged: it fits 33.0 % of its training labels, on average 8.00 points from its score half-way",
        ),
        ({"ticket": (0.33, 0.325)}, "The search has not converged"),
        ({"ticket": (0.10, 0.10)}, "The search has not converged: it fits 10.0 %"),
        (
            {"ticket": (0.33, float("nan"))},
            "The search has not converged: it fits 33.0 % of its training labels.",
        ),
        ({"dense": (0.69, 0.6)}, "The training of the dense network has not converged"),
        (
            {"dense": (0.5, 0.9)},
            "the dense network has not converged: it fits 50.0 % of its training labels, on average 40.00 points from its score",
        ),
    ],
    ids=["rises", "rises slowly", "has not begun", "nobody looked", "the dense network", "it falls"],
)
def test_a_search_that_has_not_converged_decides_nothing(changes, why):
    """On CIFAR-10 a search had fitted 33 % of its training labels, and the claim failed."""
    found = conclude(ticket=0.318, slope=0.0, dense=0.573, dense_slope=0.0, fitted=changes)
    assert {v.outcome for key, v in found.items() if key != "multigraph"} == {UNDECIDED}
    assert (found["multigraph"].outcome is UNDECIDED) == (
        "ticket" in changes
    )  # the dense network has no part in it
    assert why in found["claim"].reading


@pytest.mark.parametrize(
    "ends", [(0.985, 0.5), (0.60, 0.598), (0.60, 0.602)], ids=["fitted", "flat", "falling slowly"]
)
def test_a_search_that_has_converged_and_fell_short_fails(ends):
    """It fits all labels but the margin, or another run as long would gain less than the margin."""
    assert outcome(ticket=0.5, slope=0.0, fitted={"ticket": ends}) is FAILS


def test_each_gate_holds_back_its_planted_case():
    """Without it the case would be decided."""
    cases = {
        "skill": {"ticket": 0.1, "dense": 0.1, "slope": 0.0, "dense_slope": 0.0},
        "search": {"ticket": 0.318, "slope": 0.0, "fitted": {"ticket": (0.33, 0.25)}},
        "training": {"ticket": 0.95, "dense": 0.7, "fitted": {"dense": (0.7, 0.6), "ticket": (0.7, 0.7)}},
        "behind": {"ticket": 0.95, "dense": 0.5, "fitted": {"dense": (0.5, 0.5)}},
        "control": {"permuted": 0.4},
    }
    whole = untrained.formula(MARGIN)
    assert isinstance(whole, Gated)
    assert [gate.key for gate in whole.gates] == list(cases)
    for key, case in cases.items():
        given = tables(**case)
        others = dataclasses.replace(whole, gates=tuple(g for g in whole.gates if g.key != key))
        assert answer(whole, given).outcome is UNDECIDED, key
        assert answer(others, given).outcome is not UNDECIDED, key


@pytest.mark.parametrize(
    ("dense", "ticket", "expected"),
    [(0.5, 1.0, UNDECIDED), (0.97, 1.0, UNDECIDED), (0.985, 1.0, HOLDS), (0.5, 0.5, HOLDS)],
)
def test_a_trained_network_that_fits_less_than_the_ticket_it_contains_is_no_standard(dense, ticket, expected):
    """One that was stuck at half of its training labels once made the claim hold; both together on a plateau are not seen."""
    found = conclude(dense=0.95, fitted={"dense": (dense, dense), "ticket": (ticket, ticket)})
    said = f"The trained network fits {100 * dense:.1f} % of its training labels and the ticket, which it contains, 100.0 %"
    assert found["claim"].outcome is expected
    assert (said in found["wider"].reading) is (expected is UNDECIDED)
    assert found["multigraph"].outcome is HOLDS  # the trained network has no part in it
    assert (said in found["claim"].reading) is (expected is UNDECIDED)
    assert "fits fewer of the training labels than the ticket" in found["claim"].rule
    if expected is UNDECIDED:
        assert "Another optimiser" in found["claim"].would_decide


@pytest.mark.parametrize("dense", [(0.5, 0.9), (0.5, 0.6)])
def test_a_training_whose_score_falls_has_not_converged(dense):
    """A dense network at 90 % half-way and 50 % at the end once made a ticket of 50 % as accurate as the trained network."""
    world, sample = World(gain=0, random=0.3, fitted={"ticket": (1, 1), "dense": dense}), Sample(8, 3000, 0.5)
    given = planted(("width 1",), world, sample, np.random.default_rng(0))
    whole = untrained.formula(MARGIN)
    assert answer(whole, given).outcome is UNDECIDED
    assert answer(whole.part, given).outcome is HOLDS


def test_seeds_that_rise_and_one_that_falls_do_not_cancel():
    rows = [{"setting": "s", "train_score": e, "halfway_train_score": h, "halfway_at": 0.5} for e, h in MIXED]
    passed = converged(
        "search", "the search", lambda _: Table.from_rows("arms", rows), guesses, MARGIN
    ).passed
    assert np.mean([e - h for e, h in MIXED]) == pytest.approx(0)
    assert "it fits 70.0 % of its training labels, on average 8.75 points" in passed({})


MIXED = [(0.75, 0.70)] * 7 + [(0.35, 0.70)]


def guesses(_):
    return Table.from_rows("examples", [{"guess": 0.1}])


@pytest.mark.parametrize("t", [0.0, 0.3, 0.5, 0.592, 0.9])
def test_another_run_is_weighed_by_the_step_sizes_that_were_left(t):
    sizes = np.asarray(Cosine(20000).factor()(np.arange(20000)), np.float64)
    expected = sizes.sum() / sizes[round(t * 20000) :].sum()
    assert again(np.array([t]))[0] == pytest.approx(expected, rel=1e-3)


def test_after_half_of_the_steps_another_run_moves_five_and_a_half_times_as_far():
    assert again(np.array([0.5]))[0] == pytest.approx(5.504, abs=1e-3)


def older(steps):
    """Tables without the column that says when half-way was, of a run of these steps."""
    given = tables(n=2000, ticket=0.5, slope=0.0, fitted={"ticket": (0.60, 0.598)})
    arms = [{n: v for n, v in row.items() if n != "halfway_at"} for row in given["arms"].rows()]
    curves = [{"step": step} for step in (0, steps)]
    return {**given, "arms": Table.from_rows("arms", arms), "curves": Table.from_rows("curves", curves)}


@pytest.mark.parametrize(
    ("steps", "expected"), [(1000, FAILS), (30, FAILS), (750, UNDECIDED), (59, UNDECIDED), (0, UNDECIDED)]
)
def test_an_older_record_is_judged_by_its_half_way_score_only_where_that_was_half_way(steps, expected):
    """With 750 steps it was noted at step 444, where another run moves 9.7 times as far as the rest."""
    claim, *_ = untrained.conclude(MARGIN, older(steps), widths=False, edges=False)
    assert claim.outcome is expected
    assert ("this older record does not say when that was" in claim.reading) == (expected is UNDECIDED)


@pytest.mark.parametrize("permuted", [0.4, 0.95])
def test_a_control_that_learns_refutes_nothing(permuted):
    """What the search over permuted labels learns of true ones is a leak, and no finding about the ticket."""
    found = conclude(permuted=permuted)
    assert {v.outcome for v in found.values() if v.headline} == {UNDECIDED}
    assert "Over permuted labels the same search fits 70.0 % of the training labels" in found["claim"].reading
    assert "It must guess" in found["claim"].reading


def test_a_leak_that_is_planted_decides_nothing():
    """The ticket equals the dense network, and the search over permuted labels has most of its accuracy."""
    given = planted(("width 1",), World(0.9, 0.0, 0.5, 0.3), Sample(8, 700, 0.95), np.random.default_rng(0))
    whole = untrained.formula(MARGIN)
    assert answer(whole, given).outcome is UNDECIDED
    assert answer(whole.part, given).outcome is HOLDS


# --- headroom ---


def test_guessing_where_one_class_is_frequent():
    """Of 10 points that can be gained 9 are most of the headroom; a mask that guesses has gained none of it."""
    frequent = {"guess": 0.9, "permuted": 0.9, "random": 0.5, "dense": 0.99, "n": 2000}
    assert outcome(**frequent, ticket=0.99) is HOLDS
    guesses = conclude(**frequent, ticket=0.9, slope=0.0)
    assert guesses["guessing"].outcome is FAILS
    assert guesses["random"].outcome is HOLDS  # a random mask does not know which class is frequent


def test_a_ticket_that_guesses_within_the_margin_of_a_network_with_little_skill_does_not_hold():
    weak = {"guess": 0.9, "permuted": 0.5, "random": 0.5, "dense": 0.915, "ticket": 0.9}
    given = tables(**weak, slope=0.0, dense_slope=0.0, n=8000, sizes=(1.0,))
    found = {v.key: v for v in untrained.conclude(MARGIN, given, widths=False, edges=False)}
    assert found["score"].outcome is UNDECIDED
    assert "over guessing the ticket gains +0.00 points" in found["score"].reading
    assert found["claim"].outcome is FAILS


# --- widths ---


@pytest.mark.parametrize(
    ("slope", "dense_slope", "expected"),
    [(0.05, 0.05, UNDECIDED), (0.05, 0.0, HOLDS), (0.0, 0.05, FAILS), (0.0, 0.0, UNDECIDED)],
    ids=["both rise", "the ticket rises", "the dense network rises", "neither"],
)
def test_the_dense_slope_is_subtracted(slope, dense_slope, expected):
    """Where the dense network gains equally from width, nothing is said of tickets."""
    found = conclude(slope=slope, dense_slope=dense_slope, n=2000)["wider"]
    assert found.outcome is expected
    assert found.effect == pytest.approx(100 * (slope - dense_slope), abs=0.1)
    assert not found.headline


def test_widths_at_which_a_search_has_not_converged_decide_nothing():
    given = tables(slope=0.05, dense_slope=0.0, n=2000)
    rows = [
        {**row, "train_score": 0.5, "halfway_train_score": 0.4}
        if (row["arm"], row["size"]) == ("ticket", 0.25)
        else row
        for row in given["arms"].rows()
    ]
    claim, *_, wider = untrained.conclude(
        MARGIN, {**given, "arms": Table.from_rows("arms", rows)}, widths=True, edges=False
    )
    assert claim.outcome is HOLDS
    assert wider.outcome is UNDECIDED
    assert "50.0 % of its training labels (width 0.25)" in wider.reading


@pytest.mark.parametrize(("stuck", "without"), [(0.5, HOLDS), (0.03125, FAILS)])
def test_a_width_at_which_the_dense_network_is_stuck_decides_nothing(stuck, without):
    """One of six, 10 points behind: over all widths that was 1.7 points, less than the margin."""
    sizes = (1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125)
    given = tables(seeds=8, n=300, slope=0.0, dense_slope=0.0, ticket=0.98, dense=0.98, sizes=sizes)
    rows = given["examples"]
    misses = (rows["size"] == stuck) & (rows["id"] % 10 == 0)
    arms = [
        {**row, "train_score": 0.9, "halfway_train_score": 0.9}
        if (row["arm"], row["size"]) == ("dense", stuck)
        else row
        for row in given["arms"].rows()
    ]
    given |= {
        "examples": rows.adding(dense=np.where(misses, 0.0, rows["dense"])),
        "arms": Table.from_rows("arms", arms),
    }
    wider = untrained.wider(MARGIN)
    found = answer(wider, given)
    assert found.outcome is UNDECIDED
    assert found.closed == (
        "The trained network fits 90.0 % of its training labels and the ticket, which it contains, 100.0 % "
        f"(width {stuck:g}). So its training did not find what it can do.",
    )
    others = dataclasses.replace(wider, gates=tuple(g for g in wider.gates if g.key != "behind"))
    assert answer(others, given).outcome is without


def test_any_widths_have_ends():
    assert 2.0 ** np.log2(0.05) != 0.05
    wider = conclude(sizes=(1.0, 0.2, 0.05))["wider"]
    assert wider.reading.startswith(
        "From 0.05 to 1 times the width the ticket's score goes from 94.0 to 96.0 %, "
    )


def test_every_width_of_a_seed_and_example_is_one_thing_that_chance_drew():
    """The slope's interval is that of one slope for every seed and test example."""
    rng = np.random.default_rng(0)
    seed, example = (a.ravel() for a in np.meshgrid(np.arange(6), np.arange(50)))
    slopes = 0.1 * (
        1 + 2 * rng.normal(size=6)[seed] + 3 * rng.normal(size=50)[example] + 0.3 * rng.normal(size=300)
    )
    rows = [
        {"size": 2.0**k, "seed": s, "id": i, "ticket": 0.5 + k * slope, "dense": 0.5}
        for k in (-2, -1, 0)
        for s, i, slope in zip(seed.tolist(), example.tolist(), slopes, strict=True)
    ]
    found = untrained.slope(Table.from_rows("examples", rows))
    own = paired_difference(
        slopes, seed, example
    )  # an example can change the slope by 1 a doubling, over two of them
    assert found.mean == pytest.approx(own.mean)
    assert found.seed_variance == pytest.approx(own.seed_variance)
    assert found.interval() == pytest.approx(own.interval())
    assert own.seed_variance > 0
    assert (found.seeds, found.examples) == (6, 50)


# --- prizes ---


def prize_tables(
    weights=0.965, both=0.965, full=0.97, seeds=5, n=500, permuted=(0.1, 0.1), fitted=None, guess=0.1
):
    """Tables of both prizes; the trained network with sign activations is poor.

    Arguments:
        fitted: training scores by arm, by setting.
    """
    scores = {
        (WEIGHTS, 1.0): {"ticket": weights, "random": 0.2, "mask": 0.97, "dense": full, "binarised": 0.96},
        (BOTH, 1.0): {"ticket": both, "random": 0.2, "mask": 0.96, "dense": 0.5, "binarised": 0.95},
    }
    ends = {**FITTED, "mask": (1.0, 1.0), "binarised": (1.0, 1.0)}
    arms = [
        row
        for setting in (WEIGHTS, BOTH)
        for row in arm_rows(setting, 1.0, {**ends, **(fitted or {}).get(setting, {})}, seeds)
    ]
    names = dict(zip((WEIGHTS, BOTH), permuted, strict=True))
    return {
        "examples": examples_of(scores, seeds, n, guess),
        "permuted": examples_of({(s, 1.0): {"permuted": p} for s, p in names.items()}, seeds, n, guess),
        "arms": Table.from_rows("arms", arms),
    }


def won(**changes):
    return prizes.conclude(MARGIN, prize_tables(**changes))


def test_each_prize_is_asked_the_same_questions():
    claim, *questions = won()
    assert claim.outcome is HOLDS
    assert "with and without binary activations" in claim.reading
    keys = ["score", "guessing", "random", "labels"]
    asked = [(q.key, q.facets["prize"]) for q in questions if q.headline]
    assert asked == [(key, prize) for prize in (WEIGHTS, BOTH) for key in keys]
    assert [(q.key, q.facets["prize"]) for q in questions if not q.headline] == [
        ("mask", BOTH),
        ("binarised", WEIGHTS),
        ("binarised", BOTH),
    ]


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({"both": 0.90}, {("score", BOTH)}),
        ({"weights": 0.90}, {("score", WEIGHTS)}),
    ],
)
def test_the_prizes_are_compared_with_the_trained_network_of_full_precision(changes, failed):
    """Not with the trained network of signs, which here is poor."""
    claim, *questions = won(**changes)
    assert claim.outcome is FAILS
    assert {(q.key, q.facets["prize"]) for q in questions if q.headline and q.outcome is FAILS} == failed


def test_a_prize_whose_search_has_not_converged_is_undecided_and_the_other_is_not():
    claim, *questions = won(both=0.6, fitted={BOTH: {"ticket": (0.62, 0.5)}})
    assert claim.outcome is UNDECIDED
    assert f"The search ({BOTH}) has not converged" in claim.reading
    decided = {q.facets["prize"] for q in questions if q.headline and q.outcome is not UNDECIDED}
    assert decided == {WEIGHTS}
    assert won(both=0.6)[0].outcome is FAILS


def test_a_prize_whose_control_learns_is_undecided_and_the_other_is_not():
    claim, *questions = won(permuted=(0.4, 0.1))
    assert claim.outcome is UNDECIDED
    assert f"{WEIGHTS.capitalize()}: over permuted labels the same search fits" in claim.reading
    assert {q.facets["prize"] for q in questions if q.headline and q.outcome is not UNDECIDED} == {BOTH}
    assert won(permuted=(0.4, 0.1), both=0.90)[0].outcome is FAILS


def test_a_trained_network_that_has_not_converged_decides_neither_prize():
    claim, *questions = won(full=0.7, fitted={WEIGHTS: {"dense": (0.7, 0.6)}})
    assert {q.outcome for q in (claim, *questions) if q.headline} == {UNDECIDED}
    assert won(full=0.7)[0].outcome is HOLDS


@pytest.mark.parametrize(
    ("prize", "why"),
    [
        (WEIGHTS, "and the ticket, which it contains, 100.0 %. So its training did not find what it can do."),
        (BOTH, f"and the ticket ({BOTH}) 100.0 %. So the ticket may be as accurate only because"),
    ],
)
def test_a_standard_that_fits_less_than_a_ticket_decides_nothing_about_it(prize, why):
    """A network of full precision contains the ticket with binary weights. It does not contain the one with signs."""
    fits = (0.97, 0.97)
    fitted = {WEIGHTS: {"ticket": fits, "dense": fits}, BOTH: {"ticket": fits}}
    fitted[prize]["ticket"] = (1.0, 1.0)
    claim, *questions = won(fitted=fitted)
    assert claim.outcome is UNDECIDED
    assert why in claim.reading
    assert ("which it contains" in claim.reading) is (prize is WEIGHTS)
    assert {q.facets["prize"] for q in questions if q.headline and q.outcome is UNDECIDED} == {prize}
    assert "fits fewer of the training labels than the ticket" in claim.rule


def test_the_trained_network_of_signs_is_no_standard():
    assert won(fitted={BOTH: {"dense": (0.5, 0.5)}})[0].outcome is HOLDS


def test_where_nothing_is_learnt_no_prize_is_decided():
    assert won(weights=0.1, both=0.1, full=0.1)[0].outcome is UNDECIDED
    assert won(weights=0.1, both=0.1)[0].outcome is FAILS


def test_what_a_side_question_compares_with_must_have_converged():
    *_, weights, both = won(fitted={BOTH: {"binarised": (0.7, 0.5)}})
    assert (weights.outcome, both.outcome) == (HOLDS, UNDECIDED)
    assert "The training of binary weights" in both.reading
