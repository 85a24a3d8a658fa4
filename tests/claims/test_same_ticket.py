"""The claim `same-ticket`: its formula on planted tables, its measures against references, and planted tickets in networks."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from ticketlab.claims.planted import ALIKE, NOTHING, made
from ticketlab.claims.same_ticket import formula as rule
from ticketlab.claims.same_ticket import tables as read
from ticketlab.claims.same_ticket.claim import SameTicket, SameTicketPlan
from ticketlab.claims.same_ticket.planted import OTHER, World, planted
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Sample
from ticketlab.laws.difference import of_seeds
from ticketlab.laws.formulae import answer, verdict_of
from ticketlab.laws.rules import Levels
from ticketlab.laws.verdict import Outcome
from ticketlab.networks.architectures import MLP
from ticketlab.tasks.sources import Digits

HOLDS, FAILS, UNDECIDED = Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED
SAMPLE = Sample(6, 700, 0.95)
SMALL = SameTicketPlan(
    task=Digits(train=400, validation=50, test=300), network=MLP(widths=(40, 20)), others=("snip", "twin"), seeds=1,
    densities=(0.2,), search_steps=150, steps=200, batch=50, chance_masks=5, redraws=1,
)  # fmt: skip


@pytest.mark.parametrize(
    ("ticket", "chance", "cheap", "by_its_places"),
    [(0.972, 0.97, UNDECIDED, UNDECIDED), (0.985, 0.97, HOLDS, UNDECIDED), (0.985, 0.984, HOLDS, FAILS)],
)
def test_five_points_that_are_all_of_the_gain_make_no_mask_as_good(ticket, chance, cheap, by_its_places):
    """97 % of the examples are of one class, and the network is right on 99 %."""
    at = np.tile(np.arange(2000) / 2000, 5)
    columns = {"seed": np.repeat(np.arange(5), 2000), "id": np.arange(len(at))}
    scored = {"guess": 0.97, "trained": 0.99, "ticket": ticket, "chance": chance}
    columns |= {name: (at < accuracy).astype(float) for name, accuracy in scored.items()}
    tables = {"examples": made("examples", columns)}
    asked = (answer(of, tables).outcome for of in (rule._cheap(), rule._by_its_places()))
    assert tuple(asked) == (cheap, by_its_places)


@pytest.mark.parametrize(
    ("world", "whole", "parts"),
    [
        (World(), HOLDS, (HOLDS, HOLDS, HOLDS, HOLDS)),
        (World(change=-0.06), FAILS, (FAILS, HOLDS, HOLDS, HOLDS)),
        (World(task=0.0), FAILS, (FAILS, HOLDS, HOLDS, HOLDS)),
        (World(growth=0.0), FAILS, (HOLDS, FAILS, HOLDS, HOLDS)),
        (World(growth_permuted=0.4), FAILS, (HOLDS, FAILS, HOLDS, HOLDS)),
        (World(rest=0.05), FAILS, (HOLDS, HOLDS, FAILS, HOLDS)),
        (World(rest_teacher=-0.2, rest=-0.1), FAILS, (HOLDS, HOLDS, FAILS, HOLDS)),
        (World(cost=-0.2), FAILS, (HOLDS, HOLDS, HOLDS, FAILS)),
        (World(places=0.0), FAILS, (HOLDS, HOLDS, HOLDS, FAILS)),
        (World(growth=rule.GROWTH), UNDECIDED, (HOLDS, UNDECIDED, HOLDS, HOLDS)),
        # On a teacher's labels there is nothing to lose. What fails anyway had no need of it.
        # Chance rests know nothing, so there is nothing that could be dampened.
        (World(known=0.01, rest=0.0), UNDECIDED, (HOLDS, HOLDS, UNDECIDED, HOLDS)),
        (World(known_teacher=0.01), UNDECIDED, (HOLDS, HOLDS, UNDECIDED, HOLDS)),
        (World(known_teacher=0.01, rest=0.05), FAILS, (HOLDS, HOLDS, FAILS, HOLDS)),
        # Ten times as many points, and the same share.
        (World(rest=-0.2, known_teacher=0.2, rest_teacher=-0.1), FAILS, (HOLDS, HOLDS, FAILS, HOLDS)),
        # All is lost in both, and only in the task the rest is far below guessing.
        (World(rest=-0.5, rest_teacher=-0.3), FAILS, (HOLDS, HOLDS, FAILS, HOLDS)),
    ],
)
def test_the_four_sub_verdicts_are_asked_separately(world, whole, parts):
    found = answer(rule.formula(), planted(world, SAMPLE, np.random.default_rng(0)))
    assert tuple(found.find(part).outcome for part in rule.PARTS) == parts
    assert found.outcome is whole


@pytest.mark.parametrize(
    "world",
    [
        World(skill=ALIKE), World(skill=NOTHING), World(fitted=False), World(change=0.7), World(far=0.78), World(far=1.27),
        World(far=2.1), World(learnt=False),
    ],
    ids=[
        "all guess", "permuted labels", "not fitted", "bad at the start", "a control that stays", "that moves further",
        "that moves twice as far", "that learns nothing",
    ],
)  # fmt: skip
def test_what_was_not_measured_decides_nothing(world):
    found = answer(rule.formula(), planted(world, SAMPLE, np.random.default_rng(0)))
    assert [q.outcome for q in found.questions()] == [UNDECIDED] * 8


@pytest.mark.parametrize("far", [0.82, 1.0, 1.23])
def test_a_control_that_moves_about_as_far_decides(far):
    """Within a factor of 1.25 either way."""
    found = answer(rule.formula(), planted(World(far=far), SAMPLE, np.random.default_rng(0)))
    assert found.outcome is HOLDS


def test_growth_on_permuted_labels_ends_where_they_have_moved_as_far():
    """The share doubles until then, and falls to a tenth afterwards."""
    looks = [(0, read.START, 0.2), (10, "between", 0.3), (25, read.END, 0.4), (100, "after", 0.02)]
    rows = [
        {
            "seed": 0, "mask": read.TICKET, "labels": "permuted", "kind": "norm", "step": step, "at": at, "share": share,
            "stratified": 0.2,
        }
        for step, at, share in looks
    ]  # fmt: skip
    shares = Table.from_rows("shares", rows)
    assert read.growths({"shares": shares}, "permuted") == pytest.approx([np.log(2)])


@pytest.mark.parametrize(
    ("other", "permuted", "outcome"),
    [(0.1, 0.02, HOLDS), (-0.036, -0.083, FAILS), (0.02, 0.1, FAILS), (0.0, -0.1, UNDECIDED)],
)
def test_a_mask_that_loses_share_is_not_reinforced(other, permuted, outcome):
    """Even if it loses more on permuted labels. No question says so either, with a conclusion of its own."""
    tables = planted(World(other=other, other_permuted=permuted), SAMPLE, np.random.default_rng(0))
    asked = next(q for q in rule.side_questions((OTHER,)) if q.part.key == "reinforced also")
    found = answer(asked, tables)
    assert found.outcome is outcome
    concluded = [verdict_of(q, tables).reading for q in found.questions() if q.outcome is HOLDS]
    assert other > 0 or not any("reinforces" in reading for reading in concluded)


def test_growth_is_that_of_the_ratio_to_chance_masks():
    """A share of a half that becomes 0.6 while that of chance masks falls to 0.4."""
    step, share, chance = np.array([10, 0]), np.array([0.6, 0.5]), np.array([0.4, 0.5])
    assert read.growth(step, share, chance) == pytest.approx(np.log(1.5))
    assert read.growth(step, share, np.array([0.4, 0.25])) == pytest.approx(np.log(0.75))
    assert read.growth(step, share, np.array([0.4, 0.25]), "motion") == pytest.approx(np.log(1.5))


def _cosines(**found):
    """Of two seeds, the second one's 0.1 higher."""
    rows = [
        {"seed": seed, "of": of.replace("_", " "), "cosine": cosine + seed / 10}
        for seed in (1, 0)
        for of, cosine in found.items()
    ]
    return {"weights": Table.from_rows("weights", rows)}


def test_the_index_is_counted_from_permuted_labels_to_the_twin():
    tables = _cosines(twin=0.8, alone=0.5, permuted_labels=0.2)
    assert read.index(tables, read.ALONE) == pytest.approx([0.5, 0.5])
    assert read.index(tables, read.TWIN) == pytest.approx([1, 1])
    assert read.index(tables, read.PERMUTED) == pytest.approx([0, 0])


@pytest.mark.parametrize("permuted", [0.3, 0.0, -0.3, -0.9])
def test_a_ticket_that_is_not_trained_never_moves_alike(permuted):
    """Whatever permuted labels do: where they turn it back, the scale begins at no likeness."""
    world = World(alone=0.0, motion_permuted=permuted)
    tables = planted(world, SAMPLE, np.random.default_rng(0))
    assert np.all(read.index(tables, read.ALONE) <= 0)
    asked = next(q for q in rule.side_questions() if q.part.key == "same motion")
    assert answer(asked, tables).outcome is FAILS
    assert answer(asked, planted(World(), SAMPLE, np.random.default_rng(0))).outcome is HOLDS


def test_without_a_scale_nothing_moves_alike():
    world = World(twin=0.3, motion_permuted=0.25)
    asked = next(q for q in rule.side_questions() if q.part.key == "same motion")
    found = answer(asked, planted(world, SAMPLE, np.random.default_rng(0)))
    assert found.outcome is UNDECIDED
    assert "no scale" in found.closed[0]


@pytest.mark.parametrize(
    ("redrawn", "outcome"),
    [({"rest": 0.3, "ticket": 0.1, "chance mask": 0.02}, HOLDS), ({"rest": 0.3, "ticket": 0.1, "chance mask": 0.3}, FAILS),
     ({"rest": 0.3, "ticket": 0.1}, UNDECIDED)],
)  # fmt: skip
def test_what_decides_is_asked_of_masks_of_one_size(redrawn, outcome):
    """A rest of four fifths of the weights decides more than a ticket of one fifth, whatever the ticket is."""
    tables = planted(World(), SAMPLE, np.random.default_rng(0))
    draw, size = np.random.default_rng(1), len(tables["examples"])
    differs = {f"differs_{what}": (draw.random(size) < p).astype(float) for what, p in redrawn.items()}
    tables |= {"examples": tables["examples"].adding(**differs)}
    asked = next(q for q in rule.side_questions() if q.part.key == "decides")
    found = answer(asked, tables)
    assert found.outcome is outcome
    if outcome is UNDECIDED:
        assert "only at a density of a half" in found.closed[0]


def test_plans_that_cannot_be_run_are_refused():
    for wrong in (
        {"density": 1.0}, {"densities": (0.5,)}, {"others": ("edge-popup",)}, {"steps": 3}, {"chance_masks": 1}, {"seeds": 0},
    ):  # fmt: skip
        with pytest.raises(UserError):
            SameTicketPlan(**wrong)
    assert SameTicketPlan(steps=1000).looks() == (0, 3, 10, 30, 100, 300, 1000)
    assert SameTicketPlan(steps=250).looks() == (0, 3, 10, 30, 100, 250)


@pytest.mark.parametrize("steps", [10, 97, 1000, 20_000])
def test_one_look_of_the_control_has_moved_about_as_far(steps):
    """Within a twelfth, where weights move in proportion to the steps or to their root."""
    looks = np.array(SameTicketPlan(steps=steps).control_looks())
    assert looks[0] == 0
    assert looks[-1] == 4 * steps
    assert {*SameTicketPlan(steps=steps).looks(), 2 * steps} <= set(looks)
    for power in (0.5, 1.0):
        path = (looks[1:] / steps) ** power
        for far in np.linspace(max(10 / steps, 0.02) ** power, 4**power, 99):
            assert np.min(np.abs(path - far)) <= far / 12


def test_the_control_is_taken_where_it_has_moved_most_nearly_as_far():
    from ticketlab.claims.same_ticket.networks import nearest_motion

    path = {step: {"layer": {"weight": np.array([3.0, 4.0 + step])}} for step in (0, 1, 3, 8)}
    assert [nearest_motion(path, far) for far in (0.0, 0.3, 0.5, 2.0)] == [1, 1, 3, 8]


@pytest.fixture(scope="module")
def small():
    """A task, a network and its start."""
    from ticketlab.claims.start import built, drawn_task

    task = drawn_task(SMALL.task, 0)
    network = built(SMALL.network, task.input_shape, task.outputs)
    return task, network, network.init(jax.random.key(0))


def test_shares_and_outputs_agree_with_slow_references(small):
    """Layer by layer, in plain products of matrices in float64."""
    from ticketlab.claims.same_ticket.followed import View, around, complement
    from ticketlab.tickets.masks import weights_of

    task, network, start = small
    view, sizes = View(task, network), weights_of(network, start)
    draw = np.random.default_rng(0)
    mask = {name: draw.random(w.shape) < 0.3 for name, w in sizes.items()}
    masks = around(mask, sizes, 5, 3)
    for chance in (*masks.stratified, *masks.shuffled):
        assert {n: int(m.sum()) for n, m in chance.items()} == {n: int(m.sum()) for n, m in mask.items()}
    first = next(iter(sizes))
    order = np.argsort(np.abs(sizes[first]).ravel(), kind="stable")[: sizes[first].size // 10]
    assert all(m[first].ravel()[order].sum() == mask[first].ravel()[order].sum() for m in masks.stratified)

    end = jax.tree.map(
        lambda a: np.asarray(a) + 0.01 * draw.standard_normal(a.shape).astype(np.float32), start
    )
    found = {row["kind"]: row for row in view.shares(masks, view.quantities(start, end))}
    moved = {name: (weights_of(network, end)[name] - w).astype(float) ** 2 for name, w in sizes.items()}
    total = sum(m.sum() for m in moved.values())
    shares = [sum(moved[n][m[n]].sum() for n in moved) / total for m in (mask, *masks.stratified)]
    assert found["motion"]["share"] == pytest.approx(shares[0], rel=1e-5)
    assert found["motion"]["stratified"] == pytest.approx(np.mean(shares[1:]), rel=1e-5)
    assert found["motion"]["z"] == pytest.approx(
        (shares[0] - np.mean(shares[1:])) / np.std(shares[1:], ddof=1), rel=1e-2
    )
    assert "motion" not in view.quantities(start, start)

    x = task.test.x.reshape(len(task.test), -1).astype(np.float64)
    for layer in network.layers:
        x = np.maximum(x, 0) if layer.name != network.layers[0].name else x
        x = x @ (end[layer.name]["weight"] * ~mask[layer.name]) + end[layer.name]["bias"]
    assert view.outputs(end, complement(mask)) == pytest.approx(x, rel=1e-4, abs=1e-4)


def test_as_many_weights_are_redrawn_in_a_chance_mask_as_in_the_ticket(small):
    from ticketlab.claims.same_ticket.networks import trained_networks
    from ticketlab.tickets.masks import full_mask, weights_of

    task, network, start = small
    draw = np.random.default_rng(0)
    mask = {name: draw.random(m.shape) < 0.2 for name, m in full_mask(network).items()}
    paths = trained_networks(replace(SMALL, steps=10, redraws=2), task, network, start, mask, 3)
    own = weights_of(network, start)
    for number in (1, 2):
        ticket, chance = (
            {n: w != own[n] for n, w in weights_of(network, paths[f"{what} redrawn {number}"][0]).items()}
            for what in (read.TICKET, read.CHANCE_MASK)
        )
        for name, of in mask.items():
            assert np.array_equal(ticket[name], of)
            assert chance[name].sum() == of.sum()
            assert not np.array_equal(chance[name], of)


@pytest.mark.slow
def test_a_ticket_that_training_keeps_and_one_that_it_destroys_are_told_apart(small):
    """The ticket is trained alone, then set among small random weights; the whole is trained on its labels, and on others.

    Training on permuted labels reinforces neither.
    """
    from ticketlab.claims.same_ticket.cell import followed
    from ticketlab.claims.same_ticket.networks import trained_networks
    from ticketlab.tickets.masks import full_mask, weights_of

    task, network, _ = small
    other = (task.train.labels + 3) % 10
    wrong = replace(
        task, train=replace(task.train, targets=np.eye(10, dtype=np.float32)[other], labels=other)
    )
    plan = replace(SMALL, others=())
    seen = []
    for seed in range(5):
        start, draw = network.init(jax.random.key(seed)), np.random.default_rng(seed)
        mask = {name: draw.random(m.shape) < 0.5 for name, m in full_mask(network).items()}
        alone = trained_networks(plan, task, network, start, mask, seed)[read.ALONE][plan.steps]
        among = {}
        for name, leaves in alone.items():
            weight = weights_of(network, alone)[name].copy()
            weight[~mask[name]] = 0.1 * draw.choice(weight[mask[name]], int((~mask[name]).sum()))
            among[name] = {**leaves, "weight": weight}
        found = [followed(plan, of, network, among, {plan.ticket: mask}, seed) for of in (task, wrong)]
        seen.append(found)
    kept, destroyed = (
        {
            name: Table.from_rows(name, [row for found in seen for row in found[i][name].rows()])
            for name in SameTicket.needs
        }
        for i in (0, 1)
    )
    survives, reinforced = (rule.formula().part.parts[i].parts[0] for i in (0, 1))
    outcomes = [survives.rule.outcome(survives.effect(tables), Levels()) for tables in (kept, destroyed)]
    assert outcomes == [HOLDS, FAILS]
    for tables in (kept, destroyed):
        assert reinforced.rule.outcome(of_seeds(read.growths(tables, "permuted")), Levels()) is FAILS


@pytest.mark.slow
def test_a_small_run_goes_from_plan_to_verdict():
    """Untrained, the ticket is far better than chance masks; the twin's mask overlaps most with the trained network's."""
    from ticketlab.engine.run import run_study

    tables = (evidence := run_study(SameTicket(), SMALL)).tables
    examples = tables["examples"]
    first = {r["of"]: r["score"] for r in tables["paths"].where(mask="ticket", labels="true", step=0).rows()}
    last = {
        r["of"]: r["score"]
        for r in tables["paths"].where(mask="ticket", labels="true", step=SMALL.steps).rows()
    }
    assert first["ticket"] == pytest.approx(np.mean(examples["start"]))
    assert first["ticket"] > first["stratified"] + 0.2
    assert last["ticket"] == pytest.approx(np.mean(examples["ticket"]))
    instead = {r["instead"]: r["score"] for r in tables["instead"].where(of="ticket").rows()}
    assert instead["itself"] == pytest.approx(np.mean(examples["trained"]))
    assert instead["zero"] == pytest.approx(last["ticket"])
    kappa = {r["mask"]: r["kappa"] for r in tables["overlaps"].where(end="trained").rows()}
    assert kappa["twin"] > max(kappa["ticket"], kappa["snip"])
    networks = {r["network"]: r for r in tables["networks"].rows()}
    control, further = networks[read.PERMUTED], networks[f"{read.PERMUTED}, to the end"]
    assert SMALL.steps < control["step"] <= further["step"] == 2 * SMALL.steps
    assert control["motion"] == pytest.approx(networks["trained"]["motion"], rel=1 / 12)
    taught = networks[read.TEACHER]
    assert taught["motion"] == pytest.approx(networks["trained"]["motion"], rel=1 / 12)
    assert taught["step"] <= networks[f"{read.TEACHER}, to the end"]["step"]
    assert taught["test_score"] > np.mean(examples["guess_teacher"]) + 0.2  # these labels can be learnt
    rest = tables["paths"].where(mask="ticket", labels="teacher", of="rest", at=read.END).rows()
    assert [r["score"] for r in rest] == pytest.approx([np.mean(examples["rest_teacher"])])
    _check_earlier(tables)
    permuted = tables["paths"].where(mask="ticket", labels="permuted", of="ticket", at=read.END).rows()
    assert [r["step"] for r in permuted] == [control["step"]]
    assert permuted[0]["score"] == pytest.approx(np.mean(examples["ticket_permuted"]))
    weights = {r["of"]: r for r in tables["weights"].rows()}
    assert weights["twin"]["distance"] < weights["alone"]["distance"]
    assert weights["twin"]["cosine"] > max(weights["alone"]["cosine"], weights[read.PERMUTED]["cosine"])
    assert weights[read.UNTRAINED]["cosine"] == 0
    assert read.index(tables, read.UNTRAINED) <= 0
    assert evidence.verdicts[0].outcome is UNDECIDED  # one seed decides nothing


def _check_earlier(tables):
    """Between two looks of training, at which chance rests know about as much on test examples as on a teacher's labels."""
    examples, rows = tables["examples"], tables["paths"].where(mask="ticket", labels="true")
    known, rest = (
        [r["score"] for r in rows.where(of=group).rows() if r["step"] <= SMALL.steps]
        for group in ("stratified rest", "rest")
    )
    earlier, left = (np.mean(examples[name]) for name in ("chance_rest_earlier", "rest_earlier"))
    pairs = [
        (pairwise_weight(known[i : i + 2], earlier), pairwise_weight(rest[i : i + 2], left))
        for i in range(len(known) - 1)
    ]
    assert any(0 <= one <= 1 and one == pytest.approx(other, abs=1e-6) for one, other in pairs)
    taught = np.mean(examples["chance_rest_teacher"]) - np.mean(examples["guess_teacher"])
    assert earlier - np.mean(examples["guess"]) == pytest.approx(taught, abs=0.1)


def pairwise_weight(ends, value):
    return (value - ends[0]) / (ends[1] - ends[0]) if ends[1] != ends[0] else float("nan")
