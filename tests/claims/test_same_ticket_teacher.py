"""The control of `same-ticket` that has something to lose: the labels of a random teacher, and the shares that are compared."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from ticketlab.claims.planted import examples
from ticketlab.claims.same_ticket import formula as rule
from ticketlab.claims.same_ticket import tables as read
from ticketlab.claims.same_ticket.lost import BOTH, more_lost, share_lost, to_lose
from ticketlab.claims.same_ticket.planted import World, accuracies, lost, planted
from ticketlab.claims.same_ticket.teacher import control_tasks, taught
from ticketlab.claims.start import built, drawn_task, permuted_labels
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Sample
from ticketlab.laws.difference import paired_difference
from ticketlab.laws.formulae import answer, verdict_of
from ticketlab.laws.rules import Levels
from ticketlab.laws.verdict import Outcome
from ticketlab.networks.architectures import MLP
from ticketlab.tasks.sources import Digits

HOLDS, FAILS, UNDECIDED = Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED
SAMPLE = Sample(6, 700, 0.95)
TAUGHT = ("rest_teacher", "chance_rest_teacher", "guess_teacher")
DAMPENED = "dampened by the task"


# --- the teacher ---


@pytest.fixture(scope="module")
def small():
    """A task and a network for it."""
    task = drawn_task(Digits(train=400, validation=50, test=300), 0)
    return task, built(MLP(widths=(40, 20)), task.input_shape, task.outputs)


def test_the_labels_are_the_largest_standardised_outputs_of_another_network(small):
    task, network = small
    found = taught(task, network, 3)
    apply = jax.jit(network.apply)
    teacher = network.init(jax.random.fold_in(jax.random.key(3), 6))
    outputs = {name: np.asarray(apply(teacher, part.x), float) for name, part in _parts(task).items()}
    mean, deviation = outputs["train"].mean(axis=0), outputs["train"].std(axis=0)
    for name, part in _parts(found).items():
        standard = (outputs[name] - mean) / deviation
        first, second = np.sort(standard, axis=1)[:, :-3:-1].T
        clear = first - second > 1e-4
        assert clear.mean() > 0.99
        assert np.array_equal(part.labels[clear], np.argmax(standard, axis=1)[clear])
        assert np.array_equal(part.targets, np.eye(10, dtype=np.float32)[part.labels])
        assert np.array_equal(part.ids, getattr(task, name).ids)


def test_no_class_of_a_teacher_takes_nearly_all_examples(small):
    """Without standardisation the most frequent class has more in nearly every teacher."""
    task, network = small
    for seed in range(10):
        shares = np.bincount(taught(task, network, seed).train.labels, minlength=10) / 400
        assert shares.max() < 0.25
        assert shares.min() > 0.02


def test_a_teacher_knows_nothing_of_the_true_labels_and_differs_between_seeds(small):
    """Its best guess at true labels, class by class, is far from right; another teacher's is not better."""
    task, network = small
    first, second = (taught(task, network, seed).train.labels for seed in (0, 1))
    assert np.mean(first == second) < 0.3
    for labels in (first, second):
        assert np.mean(labels == task.train.labels) < 0.3
    assert np.array_equal(first, taught(task, network, 0).train.labels)


def test_the_controls_are_permuted_and_taught(small):
    task, network = small
    found = control_tasks(task, network, 2)
    assert np.array_equal(found[read.PERMUTED].train.labels, permuted_labels(task, 2).train.labels)
    assert np.array_equal(found[read.TEACHER].test.labels, taught(task, network, 2).test.labels)


def _parts(task):
    return {"train": task.train, "validation": task.validation, "test": task.test}


# --- shares ---


def test_a_share_is_what_was_lost_of_what_was_known():
    """Chance rests gain 0.4 and 0.2 over guessing; the rests have lost 0.3 and 0.05 of that."""
    of = _table(rest=0.2, chance_rest=0.5, guess=0.1, rest_teacher=0.25, chance_rest_teacher=0.3)
    assert [share_lost(of, scored).mean for scored in BOTH] == pytest.approx([0.75, 0.25])
    assert more_lost(of).mean == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("world", "outcome", "said"),
    [
        (World(), Outcome.HOLDS, ""),
        (World(earlier=0.1), Outcome.UNDECIDED, "the rest may lose more because the network knows more"),
        (World(earlier=0.1, rest_teacher=-0.15), Outcome.FAILS, ""),  # what fails anyway has no need of it
    ],
)
def test_a_share_that_is_larger_only_where_more_is_known_does_not_hold(world, outcome, said):
    tables = planted(world, Sample(10, 1000, 0.9), np.random.default_rng(0))
    found = answer(rule.formula(), tables).find("dampened by the task")
    assert found.outcome is outcome
    assert said in verdict_of(found, tables).reading


def test_an_older_run_that_did_not_look_earlier_does_not_hold():
    tables = planted(World(), Sample(10, 1000, 0.9), np.random.default_rng(0))
    of = tables["examples"]
    older = Table(of.name, tuple(c for c in of.columns if not c.name.endswith("_earlier")), of.measured)
    found = answer(rule.formula(), {**tables, "examples": older}).find("dampened by the task")
    assert found.outcome is Outcome.UNDECIDED
    assert "This older run did not measure" in verdict_of(found, tables).reading


def test_not_more_than_all_can_be_lost():
    """Rests below guessing, as where one class is frequent, have lost all."""
    of = _table(rest=0.0, chance_rest=0.5, guess=0.4, rest_teacher=0.25, chance_rest_teacher=0.3)
    assert share_lost(of, BOTH[0]).mean == pytest.approx(5)
    assert more_lost(of).mean == pytest.approx(0.75)


def _table(**scores):
    """Half a thousand entries of 2 seeds with these mean scores, without noise between seeds."""
    scores = {"guess_teacher": 0.1, **scores}
    rows = [
        {"seed": s, "id": i, **{n: float(i < 200 * p) for n, p in scores.items()}}
        for s in (0, 1)
        for i in range(200)
    ]
    return Table.from_rows("examples", rows)


@pytest.mark.parametrize("world", [World(), World(rest=-0.3, rest_teacher=-0.15), World(known_teacher=0.15)])
def test_its_error_is_that_of_the_jackknife(world):
    """Over test examples, and over seeds: both leave out one at a time."""
    sample = Sample(8, 150, 0.9, 0.9, 0.4)
    of = planted(world, sample, np.random.default_rng(0))["examples"]
    found = more_lost(of)
    assert found.low == found.high  # no share is at its limit
    assert found.low.example_variance == pytest.approx(_jackknife(of, "id"), rel=0.1)
    assert found.low.seed_variance == pytest.approx(_jackknife(of, "seed"), rel=0.25)


def _jackknife(of, name):
    groups = np.unique(of[name])
    left = np.array([more_lost(of.taken(of[name] != group)).mean for group in groups])
    return (len(groups) - 1) / len(groups) * np.sum((left - left.mean()) ** 2)


@pytest.mark.parametrize("world", [
    World(known_teacher=0.1, rest_teacher=-0.04), World(rest=-0.4, rest_teacher=-0.27), World(rest=-0.45, rest_teacher=-0.27),
])  # fmt: skip
def test_intervals_cover_where_little_is_known_and_where_all_is_lost(world):
    """Of runs that the gate lets pass, at the level at which a claim of eight questions fails. Both tails are wrong there."""
    sample, levels, true = Sample(10, 400, 0.5, 0.9), Levels(0.025, 0.025 / 8), np.subtract(*lost(world))
    gate, draw, found = to_lose(rule.COST), np.random.default_rng(0), []
    for _ in range(150):
        of = examples(sample, accuracies(world, sample.accuracy), draw)
        of = of.adding(guess_teacher=(draw.random(len(of)) < 0.1).astype(float))
        if gate.passed({"examples": of}, levels) is None:
            found.append(more_lost(of))
    assert len(found) > 50
    covered = [low <= true <= high for low, high in (of.interval() for of in found)]
    assert np.mean(covered) > 0.88
    assert np.mean([of.lower(levels.holds) > 0.1 for of in found]) < 0.085


def test_the_error_at_the_limit_is_not_hidden_by_the_limit():
    """A share of 1.1 that may be 0.9: the difference may be smaller by more than the error of the other share, but not larger."""
    world = World(rest=-0.44, known_teacher=0.6, rest_teacher=-0.5)
    of = planted(world, Sample(3, 60, 0.9, 0.5, 0.3), np.random.default_rng(2))["examples"]
    task, teacher = (share_lost(of, scored) for scored in BOTH)
    assert task.mean > 1 > teacher.mean
    found, alone = more_lost(of), _alone(of, teacher, task.unit + teacher.unit)
    assert found.high.half_width(0.025) == pytest.approx(alone)
    assert found.low.half_width(0.025) > 1.2 * alone
    assert found.low.mean == found.high.mean == 1 - teacher.mean


def test_a_share_that_surely_is_at_its_limit_has_no_error():
    world = World(rest=-0.49, known_teacher=0.6, rest_teacher=-0.3)
    of = planted(world, Sample(10, 700, 0.9), np.random.default_rng(0))["examples"]
    task, teacher = (share_lost(of, scored) for scored in BOTH)
    assert more_lost(of).low.half_width(0.025) == pytest.approx(_alone(of, teacher, task.unit + teacher.unit))


def _alone(of, share, unit):
    """The half-width of the interval of one share."""
    return paired_difference(share.lost, of["seed"], of["id"], unit=unit, also=share.known).half_width(0.025)


# --- the question ---


@pytest.mark.parametrize(
    ("world", "outcome"),
    [
        (World(), HOLDS),
        (World(rest_teacher=-0.15), FAILS),  # as large a share
        (World(rest_teacher=0.1), HOLDS),  # a teacher's labels strengthen the rest
        (World(rest_teacher=-0.12), UNDECIDED),  # at the limit
        (World(far_teacher=0.78), UNDECIDED),
        (World(far_teacher=1.27), UNDECIDED),
        (World(learnt_teacher=False), UNDECIDED),
        (World(known_teacher=0.03), UNDECIDED),
        (World(known=0.04, rest=-0.1), UNDECIDED),
    ],
)
def test_the_task_dampens_by_a_larger_share(world, outcome):
    found = answer(rule.formula(), planted(world, SAMPLE, np.random.default_rng(0)))
    assert found.find(DAMPENED).outcome is outcome
    others = [q.outcome for q in found.questions() if q.formula.key != DAMPENED]
    assert others == [HOLDS] * 7  # they are not asked of the teacher


def older(tables):
    """The tables of a run before there was a teacher."""
    kept = [column for column in tables["examples"].columns if column.name not in TAUGHT]
    networks = tables["networks"]
    return {
        **tables,
        "examples": replace(tables["examples"], columns=tuple(kept)),
        "networks": networks.taken(networks["network"] != read.TEACHER),
    }


def test_an_older_run_without_a_teacher_does_not_decide_it():
    tables = older(planted(World(), SAMPLE, np.random.default_rng(0)))
    found = answer(rule.formula(), tables)
    assert found.outcome is found.find(DAMPENED).outcome is UNDECIDED
    assert [q.outcome for q in found.questions() if q.formula.key != DAMPENED] == [HOLDS] * 7
    assert (
        "This older run did not train on a teacher's labels"
        in verdict_of(found.find(DAMPENED), tables).reading
    )
    assert (
        answer(rule.formula(), older(planted(World(cost=-0.2), SAMPLE, np.random.default_rng(0)))).outcome
        is FAILS
    )


def test_two_seeds_do_not_show_what_chance_rests_know():
    """Unless they know very much: nothing is said by chance."""
    found = answer(rule.formula(), planted(World(), Sample(2, 400, 0.9, 0.5, 0.15), np.random.default_rng(0)))
    assert found.find(DAMPENED).outcome is UNDECIDED
