"""The claim `multigraph`: its formula on planted tables, and one small run from plan to verdict."""

import dataclasses

import numpy as np
import pytest

from ticketlab.claims.multigraph import formula as rule
from ticketlab.claims.multigraph.claim import Multigraph, MultigraphPlan
from ticketlab.claims.multigraph.planted import MARGIN, World, planted
from ticketlab.claims.planted import ALIKE
from ticketlab.engine.run import run_study
from ticketlab.errors import UserError
from ticketlab.laws.calibration import Sample
from ticketlab.laws.formulae import answer
from ticketlab.laws.verdict import Outcome
from ticketlab.networks.architectures import MLP
from ticketlab.tasks.sources import Digits

HOLDS, FAILS, UNDECIDED = Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED
SAMPLE = Sample(5, 2000, 0.95)


def tables_of(world):
    return planted(world, SAMPLE, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("world", "whole", "key"),
    [
        (World(), HOLDS, "written"),
        (World(written=-0.04), FAILS, "written"),
        (World(permuted=-0.3), FAILS, rule.PERMUTED),
        (World(empty=0.3), FAILS, rule.EMPTY),
        (World(edges=0.9), FAILS, "chance"),
        (World(edges=0.1), UNDECIDED, "chance"),
        (World(random=0.3), FAILS, rule.RANDOM),
        (World(random=0.1), UNDECIDED, rule.RANDOM),
    ],
)
def test_each_statement_decides_alone(world, whole, key):
    found = answer(rule.formula(MARGIN), tables_of(world))
    assert found.outcome is whole
    assert found.find(key).outcome is whole
    assert all(q.outcome is HOLDS for q in found.questions() if q.formula.key != key)


def test_nothing_is_said_of_targets_that_guess():
    found = answer(rule.formula(MARGIN), tables_of(World(skill=ALIKE)))
    assert {q.outcome for q in found.questions()} == {UNDECIDED}


@pytest.mark.parametrize(
    ("world", "separates", "chance", "beyond"),
    [
        (World(), HOLDS, HOLDS, HOLDS),
        (World(mixed=0.5), FAILS, HOLDS, HOLDS),
        (World(edges=0.5), HOLDS, FAILS, HOLDS),
        (World(mask=0.5), HOLDS, HOLDS, FAILS),
    ],
)
def test_a_measure_shows_content_if_labels_matter_and_neither_the_multigraph_nor_a_random_mask_has_it(
    world, separates, chance, beyond
):
    tables = tables_of(world)
    asked = [answer(q, tables) for q in (rule.formula(MARGIN), *rule.side_questions())]
    found = {
        (q.formula.key, q.formula.facets.get("measure")): q.outcome for a in asked for q in a.questions()
    }
    for measure in rule.MEASURES:
        outcomes = [found[key, measure] for key in ("separates", "chance", "beyond")]
        assert outcomes == [separates, chance, beyond]


def test_the_claim_does_not_ask_what_a_random_mask_contains():
    """Its units and features separate classes as those of any random network do; only its answers are at chance."""
    found = answer(rule.formula(MARGIN), tables_of(World(net=0.9, mask=0.9)))
    assert found.outcome is HOLDS
    assert {q.formula.key for q in found.questions()} == {
        "written", rule.PERMUTED, rule.EMPTY, "chance", rule.RANDOM,
    }  # fmt: skip


@pytest.mark.parametrize(("fitted", "written"), [(0.22, 0.145), (0.205, 0.13), (0.22, 0.22)])
def test_permuted_labels_that_were_hardly_fitted_say_nothing(fitted, written):
    """Half of the little that was fitted may be lost: it is less than a tenth of the headroom."""
    found = answer(rule.formula(MARGIN), tables_of(World(fitted=fitted, permuted=(written - fitted) / 0.9)))
    assert found.outcome is UNDECIDED
    assert "5 of 5 networks gain less than 90 %" in found.find(rule.PERMUTED).closed[0]
    assert found.find("written").outcome is HOLDS


@pytest.mark.parametrize(
    ("world", "key", "without", "said"),
    [
        (World(unlearnt=rule.EDGES), "chance", HOLDS, "the search over the multigraph gains less than 90 %"),
        (World(net=0.0, unlearnt=rule.NET), "separates", FAILS, "the random network gains less than 90 %"),
        (World(net=0.0, unlearnt=rule.NET), "beyond", FAILS, "the random network gains less than 90 %"),
        (World(unlearnt=rule.PERMUTED), "separates", HOLDS, "with permuted labels gains less than 10 %"),
        (
            World(unlearnt=rule.RANDOM),
            "beyond",
            HOLDS,
            "a random mask of the multigraph gains less than 90 %",
        ),
    ],
)
def test_a_search_that_did_not_learn_decides_nothing_by_its_low_score(world, key, without, said):
    for unlearnt, outcome in ((world.unlearnt, UNDECIDED), ("", without)):
        tables = tables_of(dataclasses.replace(world, unlearnt=unlearnt))
        asked = [q for side in rule.of_learned_masks() for q in answer(side, tables).questions()]
        question = next(q for q in asked if q.formula.key == key)
        assert question.outcome is outcome
        assert [said in words for words in question.closed] == [True] * (outcome is UNDECIDED)


@pytest.mark.parametrize(
    ("world", "key", "outcome"),
    [
        (
            World(edges=0.5, unlearnt=rule.EDGES),
            "chance",
            FAILS,
        ),  # what is above chance is no failure of a search
        (World(unlearnt=rule.NET), "separates", HOLDS),
        (World(mask=0.5, unlearnt=rule.RANDOM), "beyond", FAILS),
    ],
)
def test_a_search_keeps_back_only_what_its_low_score_would_decide(world, key, outcome):
    asked = [q for side in rule.of_learned_masks() for q in answer(side, tables_of(world)).questions()]
    assert next(q.outcome for q in asked if q.formula.key == key) is outcome


PLAN = MultigraphPlan(
    task=Digits(train=200, validation=50, test=100),
    network=MLP(widths=(8,)),
    seeds=2,
    widths=(1, 4),
    draws=3,
    steps=150,
    fitting_steps=150,
    search_steps=150,
)


@pytest.fixture(scope="module")
def evidence():
    return run_study(Multigraph(), PLAN)


@pytest.mark.slow
def test_every_measure_and_object_is_in_the_tables(evidence):
    measures, bits = evidence.tables["measures"], evidence.tables["bits"]
    assert len(measures) == 2 * 4 * 4
    assert set(measures["measure"]) == set(rule.MEASURES)
    assert len(bits) == 2 * 2 * 3
    assert len(evidence.tables["searches"]) == 2 * 5
    above = (measures["score"] - measures["chance"]) / (1 - measures["chance"])
    np.testing.assert_allclose(measures["above"], above)


@pytest.mark.slow
def test_the_multigraph_is_at_chance_unless_it_is_masked(evidence):
    measures = evidence.tables["measures"]
    edges = measures.where(of=rule.EDGES)
    assert np.all(edges.where(measure="best unit")["score"] == 0.5)
    assert np.all(edges.where(measure="linear read-out")["above"] == 0)
    masked = measures.where(of=rule.RANDOM)
    assert all(np.all(masked.where(measure=name)["above"] > 0.1) for name in rule.UNMASKED)
    examples = evidence.tables["examples"]
    assert np.mean(examples[rule.WRITTEN] == examples[rule.TARGET]) > 0.97
    for _, rows in examples.by("seed").items():
        assert len(np.unique(rows[rule.EMPTY])) == 2  # always the same class


@pytest.mark.slow
def test_more_bits_come_nearer(evidence):
    for _, rows in evidence.tables["bits"].by("target", "seed").items():
        error = np.abs(rows["score"] - rows["target_score"])[np.argsort(rows["bits"])]
        assert error[-1] <= error[0]
        assert np.all(np.diff(rows["mask_bits"][np.argsort(rows["bits"])]) > 0)


@pytest.mark.slow
def test_the_same_plan_gives_the_same_bits(evidence):
    again = run_study(Multigraph(), dataclasses.replace(PLAN, seeds=1))
    for name in ("bits", "measures", "searches", "examples"):
        assert again.tables[name].digest() == evidence.tables[name].where(seed=0).digest()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bits": 0}, "0 bits"),
        ({"widths": (8,)}, "other than `bits`"),
        ({"density": 0.0}, "density=0"),
        ({"permutations": 5}, "permutations=5"),
    ],
)
def test_plans_are_checked(changes, words):
    with pytest.raises(UserError, match=words):
        dataclasses.replace(PLAN, **changes)


@pytest.mark.slow
def test_a_network_without_hidden_layer_is_refused():
    with pytest.raises(UserError, match="hidden layer"):
        run_study(Multigraph(), dataclasses.replace(PLAN, network=MLP(widths=())))
