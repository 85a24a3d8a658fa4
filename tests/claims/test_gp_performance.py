"""The claim `gp-performance`: its formula on planted tables, and one small run from plan to verdict."""

import dataclasses

import jax
import numpy as np
import pytest

from ticketlab.claims.fair_search import best, inside
from ticketlab.claims.gp_performance import formula as rule
from ticketlab.claims.gp_performance.claim import GpPerformance, GpPerformancePlan
from ticketlab.claims.gp_performance.kernel_arms import arbitrary
from ticketlab.claims.gp_performance.planted import ASKED, World, planted
from ticketlab.claims.gp_performance.search import SEARCH
from ticketlab.claims.gp_performance.shares import ARBITRARY, LINEAR, RBF_NOISE, explained, read_share
from ticketlab.claims.planted import ALIKE, NOTHING, examples, made
from ticketlab.claims.tangent_minimum.candidates import Start
from ticketlab.engine.run import run_study
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table, concatenate
from ticketlab.laws.calibration import Sample
from ticketlab.laws.formulae import All, answer
from ticketlab.laws.verdict import Outcome
from ticketlab.networks.architectures import MLP
from ticketlab.tasks import SQUARE, split
from ticketlab.tasks.sources import Bundled, Digits
from ticketlab.tasks.task import Split, Task

HOLDS, FAILS, UNDECIDED = Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED
SAMPLE = Sample(5, 1000)


def tables(world, seed=0, sample=SAMPLE):
    return planted(world, sample, np.random.default_rng(seed))


def measured(world):
    """With what only side questions read."""
    found = tables(world)
    of = found["examples"]
    more = {f"{name}_score": of["descent_score"] for name in ("draw", "kept_descent", "kept_tangent")}
    return {**found, "examples": of.adding(**more)}


def whole(world, seed=0):
    return answer(All(tuple(rule.parts(ASKED).values())), tables(world, seed))


@pytest.mark.parametrize(
    ("world", "outcome"),
    [
        (World(), HOLDS),
        (World((0.8, 0.97, 0.97)), FAILS),  # one picture is enough
        (World((0.97, 0.97, 0.8)), FAILS),
        (World((0.9, 0.97, 0.97)), UNDECIDED),
        (World((1.04, 1.04, 1.04)), HOLDS),  # better than training
        (World(shuffled=0.4), FAILS),  # labels leak
        (World(arbitrary=(0.8, 0.8)), HOLDS),  # pictures explain more than arbitrary kernels do
        (World((0.8, 0.97, 0.97), arbitrary=(0.97, 0.97)), FAILS),  # too small a share needs no comparison
    ],
)
def test_the_claim_is_the_large_majority_for_every_picture(world, outcome):
    assert whole(world).outcome is outcome


@pytest.mark.parametrize(
    ("world", "why"),
    [
        (World(skill=NOTHING), "not better than guessing"),
        (World(skill=ALIKE), "not better than guessing"),  # every share is 0/0
        (World(settled=False), "still improving"),
        (World(on_test=True), "not that of the validation examples"),
        (World((1.0, 1.0, 1.0), gain=0.02), "not better than guessing"),  # a share of next to nothing
        (World(inside=False), "edge of what was tried"),
        (World(met=False), "missed their tolerance"),
        (World(candidates=2), "unequal numbers of candidates"),
        (World(arbitrary=(0.97, 0.5)), "RBF kernel of the inputs, which knows nothing of the network, has 9"),
        (
            World(arbitrary=(0.5, 1.0)),
            "linear kernel of the inputs, which knows nothing of the network, has 1",
        ),
        (World(arbitrary=(0.9, 0.5)), "RBF kernel"),  # it may have as much
        (World((2.0, 2.0, 2.0)), "may have less than 90 % of what its picture gains"),
        (World((1.0, 1.12, 1.0)), "may have less than 90 % of what its picture gains"),
    ],
)
def test_what_was_not_measured_well_is_undecided(world, why):
    """Without its gate each of these would hold."""
    found = whole(world)
    assert found.outcome is UNDECIDED
    assert any(why in reason for q in found.questions() for reason in q.closed)


def without(found, *names):
    """The tables without some columns of scores, as they were before arbitrary kernels were measured."""
    of = found["examples"]
    return {**found, "examples": Table("examples", tuple(c for c in of.columns if c.name not in names))}


@pytest.mark.parametrize("lacking", [("rbf_score", "linear_score"), ("linear_score",)])
def test_a_run_without_arbitrary_kernels_is_read_and_does_not_hold(lacking):
    found = without(measured(World()), *lacking)
    claim = next(v for v in rule.verdicts(ASKED, found) if v.key == "claim")
    assert claim.outcome is UNDECIDED
    assert "knows nothing of the network was not measured" in claim.reading
    failed = without(measured(World((0.8, 0.97, 0.97))), *lacking)
    assert next(v for v in rule.verdicts(ASKED, failed) if v.key == "claim").outcome is FAILS


def test_an_arbitrary_kernel_at_the_edge_of_its_grid_is_no_control():
    """With another width or noise it might be as good as the pictures."""
    found = tables(World())
    choices = found["choices"]
    inside = np.where(choices["arm"] == LINEAR, False, choices["inside"])
    columns = [dataclasses.replace(c, values=inside) if c.name == "inside" else c for c in choices.columns]
    found["choices"] = dataclasses.replace(choices, columns=tuple(columns))
    whole = answer(All(tuple(rule.parts(ASKED).values())), found)
    assert whole.outcome is UNDECIDED
    reasons = {reason for q in whole.questions() for reason in q.closed}
    assert reasons == {
        "With width × 1, 300 training examples, validation chose the edge of what was tried for: linear kernel."
    }


def test_side_questions_about_shares_ask_the_same():
    """No share says that it explains the large majority where an arbitrary kernel has it too: f₀ kept, and smaller sizes."""
    asked = dataclasses.replace(ASKED, sizes=(300, 600))
    for world, outcome in ((World(), HOLDS), (World(arbitrary=(0.97, 0.97)), UNDECIDED)):
        (smaller,) = {v.outcome for v in rule.verdicts(asked, measured(world)) if v.key == rule.SHARE}
        assert smaller is outcome
        kept = [v for v in rule.verdicts(ASKED, measured(world)) if v.key == rule.KEPT]
        assert outcome in {v.outcome for v in kept}
        assert (HOLDS in {v.outcome for v in kept}) is (outcome is HOLDS)


def two_rings(count, rng):
    """Two classes that no linear kernel tells apart: an inner and an outer ring."""
    labels = np.arange(count) % 2
    angle = rng.uniform(0, 2 * np.pi, count)
    x = (1 + labels)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Split(x + 0.05 * rng.standard_normal(x.shape), np.eye(2)[labels], np.arange(count), labels)


def arbitrary_arms(budget=5, ridges=(1e-3, 1e-2, 1e-1)):
    rng = np.random.default_rng(0)
    rings = {name: two_rings(60, rng) for name in ("train", "validation", "test")}
    task = Task("rings", "classification", **rings, classes=("inner", "outer"), content_hash="")
    network = MLP(widths=(4,)).build((2,), 2)
    tuning = dataclasses.replace(PLAN, ridges=ridges).tuning()
    at = Start(tuning, task, SQUARE, network, network.init(jax.random.key(0)), None)
    return arbitrary(at, budget)


def test_arbitrary_kernels_are_regression_with_the_kernels_of_their_name():
    """The RBF kernel tells two rings apart, the linear one cannot; both have at least as many candidates as training."""
    arms = arbitrary_arms()
    rbf, linear = (arms["centred", name] for name in ("RBF kernel", "linear kernel"))
    assert best(rbf).score["test"] > 0.98
    assert best(linear).score["test"] < 0.7
    assert len(rbf) >= 5
    assert len(linear) >= 5
    assert {s.candidate.setting_name for s in rbf} == {"width"}
    assert {s.candidate.setting_name for s in linear} == {"ridge"}


def test_the_width_of_the_rbf_kernel_is_tuned_around_the_median_distance():
    found = arbitrary_arms(budget=3)["centred", "RBF kernel"]
    assert [s.candidate.setting for s in found[:3]] == pytest.approx([0.5, 0.5**0.5, 1.0])
    assert inside(found)


def test_the_rbf_kernel_has_the_noise_that_validation_prefers():
    """Whatever the order of the noises; with useless ones alone the rings are told apart less well."""
    chosen, turned, useless = (
        best(arbitrary_arms(ridges=ridges)["centred", "RBF kernel"]).rank()
        for ridges in ((1e-2, 1e4, 2e4), (2e4, 1e4, 1e-2), (1e4, 2e4, 4e4))
    )
    assert chosen == turned
    assert chosen > useless


def noisy_digits(ridges, extensions=1):
    """Where three labels in five are of another class, an RBF kernel wants much noise."""
    source = Digits(train=200, validation=100, test=200)
    task = split(source.load(), 0, source.sizes())
    rng = np.random.default_rng(0)

    def part(of):
        redrawn = rng.random(len(of)) < 0.6
        labels = np.where(redrawn, rng.integers(0, 10, len(of)), of.labels)
        return dataclasses.replace(of, labels=labels, targets=np.eye(10)[labels])

    task = dataclasses.replace(
        task, **{name: part(getattr(task, name)) for name in ("train", "validation", "test")}
    )
    network = MLP(widths=(4,)).build(task.input_shape, task.outputs)
    tuning = dataclasses.replace(PLAN, ridges=ridges, extensions=extensions).tuning()
    at = Start(tuning, task, SQUARE, network, network.init(jax.random.key(0)), None)
    return arbitrary(at, 3)


def test_the_noises_of_the_rbf_kernel_are_extended_and_their_edge_is_seen():
    arms = noisy_digits((1e-3, 1e-2, 1e-1))
    noises = arms["centred", "noise of the RBF kernel"]
    assert len(noises) == 3 + 2
    assert best(noises).candidate.setting == max(s.candidate.setting for s in noises) > 0.1
    assert not inside(noises)
    assert best(noises).score == best(arms["centred", "RBF kernel"]).score
    assert inside(noisy_digits((0.1, 1.0, 10.0))["centred", "noise of the RBF kernel"])


def test_noises_that_are_all_tiny_are_extended_though_none_is_better_than_another():
    """All on one flat stretch, where each interpolates; the kernel scores more with noise."""
    tiny = noisy_digits((1e-6, 1e-5, 1e-4), extensions=4)["centred", "noise of the RBF kernel"]
    wide = noisy_digits((0.1, 1.0, 10.0))["centred", "noise of the RBF kernel"]
    assert best(tiny).score["validation"] == pytest.approx(best(wide).score["validation"], abs=0.02)


def test_a_run_whose_noises_were_not_extended_says_so():
    found = measured(World())
    choices = found["choices"]
    found["choices"] = choices.taken(choices["arm"] != RBF_NOISE)
    whole = answer(All(tuple(rule.parts(ASKED).values())), found)
    assert whole.outcome is UNDECIDED
    assert any("older run" in reason for q in whole.questions() for reason in q.closed)


def test_a_kernel_that_is_singular_ends_its_grid():
    """The linear kernel of two inputs has rank 3: without noise it has no posterior, and the candidate no scores."""
    found = arbitrary_arms(ridges=(1e-300, 1e-2, 1e-1))["centred", "linear kernel"]
    assert {s.candidate.outcome for s in found} == {"exact", "singular"}
    assert best(found).candidate.outcome == "exact"


def test_choices_with_f0_kept_are_checked_too():
    """A choice by test scores with f₀ kept closes the questions about it, and no other."""
    found = tables(World())
    tuning = found["tuning"]
    kept = (tuning["offset"] == "kept") & (tuning["arm"] == rule.TANGENT)
    last = tuning["candidate"] == tuning["candidate"].min()
    chosen = np.where(kept, last, tuning["chosen"])
    columns = [dataclasses.replace(c, values=chosen) if c.name == "chosen" else c for c in tuning.columns]
    found["tuning"] = dataclasses.replace(tuning, columns=tuple(columns))
    assert answer(All(tuple(rule.parts(ASKED).values())), found).outcome is HOLDS
    gates = {
        offset: rule._by_validation(1.0, 300, rule.TANGENT, offset, found) for offset in ("kept", "centred")
    }
    assert "not that of the validation examples" in gates["kept"]
    assert gates["centred"] is None


def test_a_gain_that_is_hardly_known_is_no_denominator():
    """Seeds differ so much that training's gain may be half or double: above a tenth, but its share says nothing."""
    found = tables(World(), sample=Sample(3, 400, 0.5, spread=0.35))
    gates = rule.parts(ASKED)["width × 1, 300 training examples"].gates
    closed = {gate.key for gate in gates if gate.passed(found) is not None}
    assert "known" in closed


def test_the_share_explained_is_the_ratio_of_gains_with_a_covering_interval():
    """The mean is the plain ratio; the interval covers the planted one, also with seeds that differ."""
    sample, covered, repetitions = Sample(5, 400, 0.8, 0.5, 0.15), 0, 200
    rng = np.random.default_rng(0)
    for _ in range(repetitions):
        of = examples(sample, {"picture": 0.66, "trained": 0.8}, rng)
        found = explained(of, "picture", "trained")
        mean = {c: np.mean(of[c]) for c in ("picture", "trained", "guess")}
        assert found.mean == pytest.approx(
            (mean["picture"] - mean["guess"]) / (mean["trained"] - mean["guess"])
        )
        low, high = found.interval()
        covered += low <= 0.8 <= high
    assert covered / repetitions > 0.9


def test_the_growth_of_the_lead_is_a_slope_over_doublings():
    """A lead of 2, 5 and 8 points at 75, 150 and 300 examples grows by 3 points for each doubling."""
    rng, parts = np.random.default_rng(1), []
    for size, lead in ((75, 0.02), (150, 0.05), (300, 0.08)):
        of = examples(Sample(5, 2000), {"descent_score": 0.9, "nngp_score": 0.9 - lead}, rng)
        about = {"labels": np.full(len(of), rule.TRUE), "width": np.full(len(of), 1.0)}
        columns = {c: of[c] for c in ("seed", "id", "descent_score", "nngp_score")}
        parts.append(made("examples", {**about, "size": np.full(len(of), size), **columns}))
    found = rule._growing((75, 150, 300), 1.0, rule.NNGP, {"examples": concatenate("examples", parts)})
    assert found.mean == pytest.approx(0.03, abs=0.01)
    assert found.standard_error < 0.01
    low, high = found.interval()
    assert low < 0.03 < high


def searched(accepted, score, seeds=5):
    rng = np.random.default_rng(2)
    of = examples(Sample(seeds, 400, 0.9), {"trained_score": 0.9, "search_score": score}, rng, guess=0.5)
    columns = {c: of[c] for c in ("seed", "id", "guess", "trained_score", "search_score")}
    rows = [
        {
            "size": 8,
            "seed": s,
            "tried_for": 1000,
            "expected": 1.2 * accepted,
            "accepted": accepted,
            "fitted": 1.0,
        }
        for s in range(seeds)
    ]
    return {
        **measured(World()),
        "search_examples": made("search_examples", {"size": np.full(len(of), 8), **columns}),
        "searches": Table.from_rows("searches", rows),
    }


@pytest.mark.parametrize(
    ("accepted", "score", "outcome"), [(100, 0.9, HOLDS), (100, 0.8, FAILS), (5, 0.9, UNDECIDED)]
)
def test_the_search_needs_random_networks_that_fit(accepted, score, outcome):
    asked = dataclasses.replace(ASKED, searched=(8,))
    found = rule.verdicts(asked, searched(accepted, score))
    verdict = next(v for v in found if v.key == SEARCH)
    assert verdict.outcome is outcome
    assert not verdict.headline
    if accepted == 5:
        assert "were expected to fit" in verdict.reading


@pytest.mark.parametrize("without", [2, 5])
def test_a_seed_that_was_not_searched_says_nothing(without):
    """Too few random networks were expected to fit there; guessing stands in the table, and does not count."""
    tables = searched(100, 0.9)
    searches, of = tables["searches"], tables["search_examples"]
    none = searches["seed"] < without
    tables["searches"] = searches.adding(
        expected=np.where(none, 20.0, searches["expected"]), accepted=np.where(none, 0, searches["accepted"])
    )
    score = np.where(of["seed"] < without, of["guess"], of["search_score"])
    tables["search_examples"] = of.adding(search_score=score)
    found = rule.verdicts(dataclasses.replace(ASKED, searched=(8,)), tables)
    verdict = next(v for v in found if v.key == SEARCH)
    assert verdict.outcome is UNDECIDED
    assert f"In {without} of 5 seeds too few" in verdict.reading
    if without < 5:
        others = of.taken(of["seed"] >= without)
        share = explained(others, "search_score", "trained_score").mean
        assert verdict.effect == pytest.approx(100 * share)
    else:
        assert np.isnan(verdict.effect)
        assert "no random network was found" in verdict.reading


def test_questions_wait_for_their_cells():
    asked = dataclasses.replace(ASKED, widths=(0.5, 1.0))
    found = rule.verdicts(asked, measured(World()))
    assert not any(v.key == "claim" for v in found)
    assert {v.facets.get("width") for v in found if v.key == rule.SHARE} == {"1"}


PLAN = GpPerformancePlan(
    task=Digits(train=200, validation=60, test=80),
    network=MLP(widths=(16,)),
    widths=(1.0,),
    sizes=(20, 40),
    seeds=2,
    ridges=(1e-3, 1e-2, 1e-1),
    step_sizes=(1.0, 2.0, 4.0),
    epochs=20,
    doublings=1,
    extensions=1,
    search_sizes=(2, 24),
    search_width=1.0,
    networks=16_384,
    runs=32,
)


@pytest.fixture(scope="module")
def evidence():
    return run_study(GpPerformance(), PLAN)


@pytest.mark.slow
def test_a_small_run_has_all_tables_and_verdicts(evidence):
    arms, tuning = evidence.tables["arms"], evidence.tables["tuning"]
    centred = arms.where(labels=rule.TRUE, offset="centred", size=40)
    assert set(centred["arm"]) == {*rule.ARMS, *ARBITRARY}
    for (_, _, _, arm, offset, _), of in tuning.by(
        "labels", "size", "seed", "arm", "offset", "width"
    ).items():
        assert np.sum(of["chosen"]) == 1, (arm, offset)
    tried = tuning.where(offset="centred", size=40, labels=rule.TRUE, seed=0)
    counts = {arm: len(tried.where(arm=arm)) for arm in (*rule.ARMS, *ARBITRARY)}
    assert len({counts[arm] for arm in rule.ARMS}) == 1
    assert all(counts[arm] >= counts[rule.DESCENT] for arm in ARBITRARY)
    claim, *asked = evidence.verdicts
    assert claim.key == "claim"
    assert len([v for v in asked if v.headline]) == 3 + 4
    searches = evidence.tables["searches"].where(seed=0)
    accepted = dict(zip(searches["size"].tolist(), searches["accepted"].tolist(), strict=True))
    assert accepted[2] > 100
    assert accepted[24] == 0  # too few are expected, so nothing was searched
    assert np.all(searches["fitted"] > 0.9)
    few = searches.where(size=2)
    assert few["accepted"][0] == pytest.approx(few["expected"][0], rel=0.3)


@pytest.mark.slow
def test_a_seed_alone_gives_the_same_bits(evidence):
    again = run_study(GpPerformance(), dataclasses.replace(PLAN, seeds=1))
    for name in ("examples", "tuning", "searches", "search_examples"):
        assert again.tables[name].digest() == evidence.tables[name].where(seed=0).digest()


def test_plans_are_checked():
    for wrong in (
        {"sizes": (40, 20)},
        {"majority": 1.0},
        {"search_sizes": (3,)},
        {"pair": (3, 3)},
        {"networks": 1000},
        {"ridges": (0.1,)},
    ):
        with pytest.raises(UserError):
            GpPerformancePlan(**wrong)
    with pytest.raises(UserError, match="training examples of 200"):
        run_study(GpPerformance(), dataclasses.replace(PLAN, sizes=(260,)))
    diabetes = Bundled(name="diabetes", train=40, validation=40, test=40)
    with pytest.raises(UserError, match="regression"):
        run_study(GpPerformance(), dataclasses.replace(PLAN, task=diabetes))


@pytest.mark.parametrize(
    ("picture", "trained", "said"),
    [
        (0.05, 0.3, "−25 % of the gain"),
        (0.0999, 0.3, ": 0 % of the gain"),
        (0.1, 0.1, "training gains nothing"),
    ],
)
def test_the_reading_of_a_share_that_is_negative_hardly_negative_or_unknown(picture, trained, said):
    at = np.arange(10_000) / 10_000
    scored = {"guess": 0.1, "one": picture, "trained": trained}
    rows = {
        "seed": np.zeros(len(at), int),
        "id": np.arange(len(at)),
        **{n: (at < s).astype(float) for n, s in scored.items()},
    }
    words = read_share(
        lambda tables: tables["examples"], "one", "trained", "it", "here", {"examples": made("e", rows)}
    )
    assert words.endswith(said)


def test_equal_scores_need_gains_that_are_alike():
    """Guessing is within the margin of training where the margin is all that training gains."""
    asked = rule.side_questions(dataclasses.replace(ASKED, margin=0.06))
    nngp = next(of for of in asked if getattr(of.part, "key", "") == rule.EQUAL)
    (gate,) = [gate for gate in nngp.gates if gate.key == "margin"]
    found = measured(World())
    rows = found["examples"]
    hardly = rows["guess"] + (np.arange(len(rows)) % 20 == 0)
    coarse = {**found, "examples": rows.adding(nngp_score=rows["guess"], descent_score=hardly)}
    assert gate.closed(found) is None
    assert "says little here" in gate.closed(coarse)
