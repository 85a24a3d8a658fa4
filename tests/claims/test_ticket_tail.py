"""The claim `ticket-tail`: skills against least squares, tickets against their own functions, and its rule on planted tickets."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ticketlab.claims.ticket_tail import formula as rule
from ticketlab.claims.ticket_tail import kinds, measures, planted
from ticketlab.claims.ticket_tail.claim import TicketTail, TicketTailPlan
from ticketlab.claims.ticket_tail.halves import in_halves
from ticketlab.claims.ticket_tail.measures import LOG, curve_rows, prediction_rows, ratio_of, tail_row, top
from ticketlab.claims.ticket_tail.planted import World
from ticketlab.claims.ticket_tail.quality import Qualities, Sums, qualities, scaled
from ticketlab.engine.run import run_study
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Sample
from ticketlab.laws.formulae import answer
from ticketlab.laws.tails import Pareto, fit
from ticketlab.laws.verdict import Outcome
from ticketlab.networks.architectures import MLP
from ticketlab.networks.sequence_architectures import GRUNet, Transformer
from ticketlab.tasks import Split
from ticketlab.tasks.sources import Digits

HOLDS, FAILS, UNDECIDED = Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED
N, CUT = 60, 25


# --- skill ---


def reference(outputs, targets, on, off):
    """Share of variance explained by least squares with one gain and an offset, fitted on one part and scored on another."""
    unit = outputs.shape[1] == 1
    x, y = outputs[on], targets[on]
    centre, mean = x.mean(axis=0), y.mean(axis=0)
    columns = [(x - centre).repeat(y.shape[1], 1)[:, c] for c in range(y.shape[1])] if unit else None
    if unit:
        gain = np.array(
            [column @ (y[:, c] - mean[c]) / (column @ column) for c, column in enumerate(columns)]
        )
    else:
        gain = np.linalg.lstsq((x - centre).reshape(-1, 1), (y - mean).ravel(), rcond=None)[0]
    left = targets[off] - mean - gain * (outputs[off] - centre)
    return 1 - np.sum(left**2) / np.sum((targets[off] - mean) ** 2)


EVERYTHING, HALVES = slice(None), (slice(0, CUT), slice(CUT, None))


def found_of(f, y):
    """The qualities of one ticket from its sums."""
    cross = [f[h].T @ y[h] if f.shape[1] == 1 else np.sum(f[h] * y[h])[None, None] for h in HALVES]
    sums = Sums(
        np.stack([f[h].mean(axis=0)[None] for h in HALVES]),
        np.stack([np.sum(f[h] ** 2)[None] for h in HALVES]),
        np.stack(cross),
    )
    return qualities(sums, y, CUT)


@pytest.mark.parametrize("outputs", [1, 4], ids=["a unit", "a function"])
def test_skill_is_that_of_least_squares(outputs):
    rng = np.random.default_rng(0)
    f = rng.normal(size=(N, outputs)) + 0.5
    y = rng.normal(size=(N, 4)) + 0.3 * f
    found = found_of(f, y)
    np.testing.assert_allclose(found.whole, reference(f, y, EVERYTHING, EVERYTHING))
    np.testing.assert_allclose(found.halves[:, 0], [reference(f, y, h, h) for h in HALVES])
    np.testing.assert_allclose(
        found.held_out[:, 0], [reference(f, y, *HALVES), reference(f, y, *HALVES[::-1])]
    )


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("outputs", [1, 4], ids=["a unit", "a function"])
def test_the_skill_of_a_ticket_that_is_silent_on_one_half_does_not_depend_on_its_scale(outputs, scale):
    rng = np.random.default_rng(0)
    f, y = np.zeros((N, outputs)), rng.normal(size=(N, 4))
    f[CUT : CUT + 6] = rng.random((6, outputs))
    found = found_of(scale * (f - f.mean(axis=0)), y)
    loud = HALVES[1]
    np.testing.assert_allclose(found.whole, reference(f, y, EVERYTHING, EVERYTHING))
    np.testing.assert_allclose(found.halves[:, 0], [0, reference(f, y, loud, loud)])
    np.testing.assert_allclose(found.held_out[:, 0], [0, reference(f, y, *HALVES[::-1])])


@pytest.mark.parametrize("apart", [0.0, 1e-7], ids=["equal", "rounded"])
def test_a_silent_ticket_has_no_skill(apart):
    mean = np.array([1.0, 1.0 + apart]).reshape(2, 1, 1)
    nothing = Sums(mean, np.full((2, 1), CUT), np.zeros((2, 1, 4)))
    found = qualities(nothing, np.random.default_rng(0).normal(size=(2 * CUT, 4)), CUT)
    assert found.whole == found.halves[0] == 0
    assert found.held_out.max() == 0


def part_of(targets):
    return Split(np.zeros((len(targets), 1)), targets, np.arange(len(targets)))


def test_the_targets_of_every_half_vary():
    rare = np.zeros((40, 1), np.float32)
    rare[:2] = 1
    drawn_anew = 0
    for seed in range(10):
        test, (true, permuted) = in_halves(part_of(rare), np.random.default_rng(seed))
        np.testing.assert_array_equal(test.targets, true)
        np.testing.assert_array_equal(test.targets, rare[test.ids])
        assert [half.sum() for of in (true, permuted) for half in (of[:20], of[20:])] == [1, 1, 1, 1]
        drawn_anew += not np.array_equal(test.ids, np.random.default_rng(seed).permutation(40))
    assert 0 < drawn_anew < 10


def test_halves_that_cannot_vary_are_refused():
    for ones in (0, 1):
        targets = np.repeat(np.float32([0, 1]), [40 - ones, ones])[:, None]
        with pytest.raises(UserError, match=f"{ones} of them with another target"):
            in_halves(part_of(targets), np.random.default_rng(0))


def test_a_floor_above_a_loss_is_refused():
    assert scaled(np.array([0.5]), 0.25) == pytest.approx(np.log(4))
    with pytest.raises(UserError, match="floor"):
        scaled(np.array([0.5]), 0.5)


# --- tickets ---


@pytest.fixture(scope="module")
def drum():
    rng = np.random.default_rng(1)
    network = MLP(widths=(6,)).build((5,), 3)
    x, train = rng.normal(size=(N, 5)), rng.normal(size=(20, 5))
    y, train_y = rng.normal(size=(2, N, 3)), rng.normal(size=(2, 20, 3))
    arrays = [jnp.asarray(a, jnp.float32) for a in (x, y, train, train_y)]
    return network, kinds.Drum(network.init(jax.random.key(3)), *arrays, jax.random.key(4))


@pytest.mark.parametrize(
    "kind",
    ["network", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("unit", *rule.ALSO))],
)
def test_tickets_have_the_skill_of_the_functions_that_they_are(drum, kind):
    network, of = drum
    found = kinds.draw(kind, network, of, 8)
    targets = kinds._remaining(network, of).targets if kind == "tangent direction" else of.targets
    outputs = [kinds._DRAWS[kind](network, of, jax.random.fold_in(of.key, i)) for i in range(8)]
    for label in (0, 1):
        tickets = [
            np.asarray(f[min(label, len(f) - 1), :, t], float) for f in outputs for t in range(f.shape[2])
        ][:8]
        y = np.asarray(targets[label], float)
        expected = [reference(f, y, slice(None), slice(None)) if f.std() > 0 else 0.0 for f in tickets]
        np.testing.assert_allclose(found[label].whole, expected, rtol=1e-3, atol=1e-5)
    assert len(found[0]) == 8


def test_a_probe_is_the_ridge_read_out_of_its_training_examples(drum):
    network, of = drum
    key = jax.random.key(9)
    params = network.init(key)
    on, off = (np.asarray(kinds._last(network, params, x), float) for x in (of.train, of.x))
    on, off = on - on.mean(axis=0), off - on.mean(axis=0)
    ridge = kinds.RIDGE * np.trace(on.T @ on) / 6
    for label in (0, 1):
        y = np.asarray(of.train_targets[label], float)
        padded = np.concatenate([on, np.sqrt(ridge) * np.eye(6)]), np.concatenate([y, np.zeros((6, 3))])
        expected = off @ np.linalg.lstsq(*padded, rcond=None)[0]
        np.testing.assert_allclose(
            kinds._probes(network, of, key)[label, :, 0], expected, rtol=1e-3, atol=1e-4
        )


def test_masks_keep_weights_or_remove_them(drum):
    network, of = drum
    whole = kinds._masks(network, of._replace(density=1.0), jax.random.key(0))
    np.testing.assert_allclose(whole[0, :, 0], network.apply(of.params, of.x), rtol=1e-5, atol=1e-6)


# --- measures ---


def test_ratios_of_gains_are_those_of_known_laws():
    assert (top(5000), top(40_000)) == (100, 800)
    harmonic = np.cumsum(1 / np.arange(1, 101))
    expected = (harmonic[99] - harmonic[9]) / (harmonic[9] - harmonic[0])
    assert ratio_of(Pareto(0.0, 1.0).quantile, 5000) == pytest.approx(expected, rel=1e-3)
    assert ratio_of(tickets=5000) == pytest.approx(
        (2.50759 - 1.53875) / 1.53875, rel=1e-3
    )  # normal order statistics


def test_what_is_chosen_on_noise_is_worth_nothing_on_other_examples():
    true, noise = planted.drawn(World("alike", 1.0), np.random.default_rng(0))
    last = curve_rows(noise, true)[-1]
    assert last["naive"] > 0.02
    assert abs(last["held_out"]) < 0.005


def test_noise_that_grows_with_the_skill_is_taken_out():
    rng, found = np.random.default_rng(0), []
    for _ in range(3):
        signal = np.sqrt(
            0.02 * Pareto(-0.3, 1.0).quantile(rng.random(20_000))
        )  # correlations, whose noise is even
        halves = signal + 0.012 * rng.standard_normal((2, len(signal)))
        of = Qualities(halves.mean(axis=0) ** 2, halves**2, halves**2)
        found.append(tail_row(of, LOG, 0.0, rng))
    raw, clear = (float(np.mean([row[name] for row in found])) for name in ("raw_shape", "shape"))
    assert raw > -0.26
    assert clear < raw - 0.01
    assert clear == pytest.approx(-0.29, abs=0.03)  # what the same skills have without noise
    assert all(row["reliability"] > rule.RELIABLE for row in found)


def foretold(tickets, seed):
    """The rows of predictions of one kind, for tickets with these qualities on the logarithmic scale."""
    skill = 1 - np.exp(-0.3 - 0.01 * tickets)
    return prediction_rows(
        Qualities(skill, np.stack([skill] * 2), np.stack([skill] * 2)), 0.0, np.random.default_rng(seed)
    )


def test_few_tickets_foretell_the_best_of_more_and_miss_an_end_beyond_them(monkeypatch):
    """Exponential tickets of which none is better than the best of 500, and those without such an end."""
    monkeypatch.setattr(fit, "SPLITS", 1)  # of the interval of ξ, which no prediction uses
    monkeypatch.setattr(measures, "fit_tail", partial(fit.fit_tail, resamples=3))  # of intervals of the best
    missed = {}
    for end in (500, np.inf):
        rng, misses = np.random.default_rng(1), []
        for seed in range(10):
            x = np.minimum(rng.exponential(size=40_000), np.log(end) + 1e-3 * rng.random(40_000))
            row = foretold(x, seed)[0]
            assert (row["fitted"], row["count"]) == (606, 1697)
            assert np.sign(row["missed"]) == np.sign(row["predicted"] - row["seen"])
            misses.append((row["predicted"] - row["seen"]) / 0.01)
        missed[end] = np.mean(misses)
    assert abs(missed[np.inf]) < 0.25
    assert missed[500] > 0.75


@pytest.fixture(scope="module")
def one_seed():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(measures, "FITS", 1)
        return foretold(np.random.default_rng(0).exponential(size=40_000), 0)


@pytest.mark.parametrize(
    "changed",
    [
        lambda row, s: {"missed": -1.0 + 0.01 * s, "covered": 0.95},
        lambda row, s: {"missed": 0.01 * s, "covered": 0.68 + 0.01 * s},
    ],
    ids=["nothing is gained", "narrow intervals"],
)
def test_what_is_no_prediction_does_not_come_true(one_seed, changed):
    """The best of the few is near the best of many; and a prediction may be right on average with intervals that are not."""
    rows = [
        {"kind": "network", "seed": s, **row, **changed(row, s)} for s in range(6) for row in one_seed[:1]
    ]
    foretells = rule.side_questions(("network",), ())[1].part
    assert answer(foretells, {"predictions": Table.from_rows("predictions", rows)}).outcome is FAILS


def test_tickets_that_tie_are_no_mistake(monkeypatch):
    monkeypatch.setattr(measures, "FITS", 1)
    for tickets in (np.full(20_000, 1.0), np.repeat([1.0, 2.0], [19_950, 50])):
        assert all(np.isfinite(row["predicted"]) for row in foretold(tickets, 0))


def test_runs_whose_sets_were_smaller_than_the_fits_foretell_nothing(one_seed):
    """Older ones: 4 000 tickets were fitted, and the best of 1 500 was checked."""
    rows = [{"kind": "network", "seed": s, **row, "fitted": 10**6} for s in range(6) for row in one_seed[:1]]
    foretells = rule.side_questions(("network",), ())[1].part
    assert answer(foretells, {"predictions": Table.from_rows("predictions", rows)}).outcome is UNDECIDED


# --- the rule ---


@pytest.fixture
def small_pools(monkeypatch):
    monkeypatch.setattr(planted, "POOL", 12)
    planted.pool.cache_clear()
    yield
    planted.pool.cache_clear()


@pytest.mark.parametrize(
    ("world", "outcome", "gate"),
    [
        (World(0.2), HOLDS, None),
        (World(-0.45), FAILS, None),
        (World("alike", 1.0, permuted=1.0), UNDECIDED, "skill"),
        (World("two groups"), UNDECIDED, "agreement"),
        (World("alike", 1.0), UNDECIDED, "noise"),
        (World(-0.3, 1.0), UNDECIDED, "noise"),
        (World(levels=2), UNDECIDED, "ties"),
    ],
    ids=[
        "long",
        "short",
        "permuted targets",
        "two groups",
        "noise alone",
        "a short tail under noise",
        "ties",
    ],
)
@pytest.mark.usefixtures("small_pools")
def test_the_rule_on_planted_tickets(world, outcome, gate):
    tables = planted.planted(world, Sample(6, 0), np.random.default_rng(0))
    found = answer(rule.formula(), tables)
    assert found.outcome is outcome
    closed = [g.key for g in rule._gates("unit") if g.passed(tables)]
    assert closed == [] if gate is None else gate in closed


@pytest.mark.usefixtures("small_pools")
def test_estimators_that_disagree_close_the_gate():
    tables = planted.planted(World(0.2), Sample(6, 0), np.random.default_rng(0))
    tails = tables["tails"]
    apart = np.where(tails["seed"] == 2, 0.2, 0.0)
    columns = [dataclasses.replace(c, values=apart) if c.name == "apart" else c for c in tails.columns]
    found = answer(rule.formula(), {**tables, "tails": dataclasses.replace(tails, columns=tuple(columns))})
    assert found.outcome is UNDECIDED
    assert "estimators" in next(found.questions()).closed[0]


# --- a run ---

PLAN = TicketTailPlan(
    task=Digits(train=100, validation=50, test=300),
    network=MLP(widths=(16,)),
    also=("probe",),
    tickets=20_000,
    fewer=5000,
    seeds=2,
)


@pytest.fixture(scope="module")
def evidence():
    return run_study(TicketTail(), PLAN)


@pytest.mark.slow
def test_every_kind_is_in_the_tables_and_has_its_verdicts(evidence):
    for name in TicketTail.needs:
        assert set(evidence.tables[name]["kind"]) == {"unit", "network", "probe"}
    claim, *asked = evidence.verdicts
    assert claim.key == "claim"
    assert [v.key for v in asked if v.headline] == [rule.TAIL, rule.GAIN] * 2
    assert len([v for v in asked if not v.headline]) == 2 * 3 + 2


@pytest.mark.slow
def test_the_best_is_better_held_out_than_chance_and_worse_than_where_it_was_chosen(evidence):
    rows = evidence.tables["curves"]
    last = rows.where(count=int(rows["count"].max()))
    assert np.all(last["naive"] > last["held_out"])
    assert np.all(last["held_out"] > last["permuted"])
    assert np.all(last["permuted"] < 0)


@pytest.mark.slow
def test_the_same_plan_gives_the_same_bits(evidence):
    again = run_study(TicketTail(), dataclasses.replace(PLAN, seeds=1, also=(), kinds=("unit",)))
    for name in TicketTail.needs:
        assert again.tables[name].digest() == evidence.tables[name].where(seed=0, kind="unit").digest()


def test_a_kind_is_decided_when_its_seeds_are_there():
    assert TicketTail().conclude(PLAN, {}).verdicts == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tickets": 100}, "tickets=100"),
        ({"floor": 1.0}, "floor"),
        ({"kinds": ()}, "kinds"),
        ({"density": 0.0}, "density"),
        ({"density": 1.0}, "the same ticket"),
    ],
)
def test_plans_are_checked(changes, words):
    with pytest.raises(UserError, match=words):
        TicketTailPlan(**changes)


@pytest.mark.parametrize("network", [GRUNet(widths=(6,), symbols=4), Transformer(width=16, symbols=4)])
def test_units_are_those_of_the_first_features(network):
    built = network.build((5,), 3)
    rng = np.random.default_rng(1)
    x = jnp.asarray(rng.integers(0, 4, (N, 5)), jnp.float32)
    y = jnp.asarray(rng.normal(size=(2, N, 3)), jnp.float32)
    drum = kinds.Drum(built.init(jax.random.key(3)), x, y, x[:20], y[:, :20], jax.random.key(4))
    assert len(kinds.draw("unit", built, drum, 100)[0]) == 100


def test_without_hidden_units_there_are_none_to_draw():
    network = MLP(widths=()).build((5,), 3)
    x, y = jnp.ones((N, 5)), jnp.ones((2, N, 3))
    drum = kinds.Drum(network.init(jax.random.key(3)), x, y, x[:20], y[:, :20], jax.random.key(4))
    for kind in kinds.HIDDEN:
        with pytest.raises(UserError, match="no hidden units"):
            kinds.draw(kind, network, drum, 10)


def test_too_few_test_examples_are_refused():
    with pytest.raises(UserError, match="test examples"):
        run_study(TicketTail(), dataclasses.replace(PLAN, task=Digits(train=100, validation=50, test=60)))
