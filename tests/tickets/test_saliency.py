"""Pruning at initialisation, against slow references (finite differences, a whole Hessian, all paths), and theorems."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from ticketlab.errors import UserError
from ticketlab.networks import (
    MLP,
    Activation,
    Attention,
    Dense,
    LastStep,
    LeNet5,
    PerStep,
    ResNet,
    pure_network,
    sequential,
)
from ticketlab.networks.own_format import Weight
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY, SQUARE
from ticketlab.tickets import (
    Grasp,
    Seen,
    Snip,
    SynFlow,
    chosen,
    full_mask,
    kept,
    over_parameters,
    random_mask,
    weights_of,
)

NETWORK = MLP(widths=(5, 4)).build((3,), 3)
SHAPES = {"dense1": (3, 5), "dense2": (5, 4), "output": (4, 3)}


@pytest.fixture
def seen():
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(12, 3)), np.eye(3)[rng.integers(0, 3, 12)]
        params = NETWORK.init(jax.random.key(0))
        params = jax.tree.map(lambda a: jnp.asarray(np.asarray(a, np.float64)) + 0.05, params)
        yield Seen(NETWORK, params, loss=SOFTMAX_CROSS_ENTROPY, x=jnp.asarray(x), y=jnp.asarray(y))


MASK = random_mask(SHAPES, {"dense1": 12, "dense2": 15, "output": 10}, jax.random.key(1))


@jax.jit
def compiled_loss(params, x, y, temperature):
    return jnp.mean(SOFTMAX_CROSS_ENTROPY.value(NETWORK.apply(params, x) / temperature, y))


def mean_loss(seen, weights, temperature=1.0):
    params = {n: {**leaves, "weight": weights[n]} for n, leaves in seen.initial.items()}
    return float(compiled_loss(params, seen.x, seen.y, temperature))


@pytest.mark.parametrize("mask", [full_mask(NETWORK), MASK], ids=["full", "masked"])
def test_snip_by_finite_differences(seen, mask):
    found = Snip().scores(seen, mask)
    weights = {n: np.where(mask[n], w, 0.0) for n, w in weights_of(NETWORK, seen.initial).items()}
    step = 1e-6
    for name, w in weights.items():
        for at in np.ndindex(w.shape):
            ends = []
            for sign in (1, -1):  # of the connection c, which multiplies the weight and is 1
                moved = {n: v.copy() for n, v in weights.items()}
                moved[name][at] *= 1 + sign * step
                ends.append(mean_loss(seen, moved))
            slow = abs(ends[0] - ends[1]) / (2 * step)
            assert found[name][at] == pytest.approx(slow, abs=1e-8)
            assert mask[name][at] or found[name][at] == 0


@pytest.mark.parametrize("loss", [SOFTMAX_CROSS_ENTROPY, SQUARE], ids=lambda loss: loss.name)
def test_grasp_by_the_whole_hessian(seen, loss):
    weights = {n: jnp.asarray(w) for n, w in weights_of(NETWORK, seen.initial).items()}
    flat, back = ravel_pytree(weights)

    def mean(vector):
        params = {n: {**leaves, "weight": back(vector)[n]} for n, leaves in seen.initial.items()}
        return jnp.mean(loss.value(NETWORK.apply(params, seen.x) / 3.0, seen.y))

    slow = back(jax.jit(lambda flat: flat * (jax.hessian(mean)(flat) @ jax.grad(mean)(flat)))(flat))
    given = Seen(NETWORK, seen.initial, loss=loss, x=seen.x, y=seen.y)
    found = Grasp(temperature=3.0).scores(given, full_mask(NETWORK))
    for name in SHAPES:
        np.testing.assert_allclose(found[name], slow[name], rtol=1e-9, atol=1e-14)
    assert min(a.min() for a in found.values()) < 0 < max(a.max() for a in found.values())


def test_grasp_removes_what_raises_the_flow_of_gradients_when_it_goes(seen):
    """‖g‖² after a weight is made a little smaller, by differences: it rises most where θ ⊙ Hg is lowest."""
    found = Grasp(temperature=1.0).scores(seen, full_mask(NETWORK))
    weights = weights_of(NETWORK, seen.initial)

    @jax.jit
    def slopes(weights):
        def mean(weights):
            params = {n: {**leaves, "weight": weights[n]} for n, leaves in seen.initial.items()}
            return jnp.mean(seen.loss.value(NETWORK.apply(params, seen.x), seen.y))

        return jax.grad(mean)(weights)

    def flow(weights):
        return sum(float(np.sum(np.square(g))) for g in jax.tree.leaves(slopes(weights)))

    base, rises, scores = flow(weights), [], []
    for name, w in weights.items():
        for at in np.ndindex(w.shape):
            moved = {n: v.copy() for n, v in weights.items()}
            moved[name][at] *= 1 - 1e-5
            rises.append((flow(moved) - base) / 1e-5)
            scores.append(found[name][at])
    np.testing.assert_allclose(rises, -2 * np.array(scores), rtol=1e-2, atol=1e-6)


def paths(weights):
    """Every path from an input to an output, as (indices, product of the weights on it)."""
    names = list(weights)
    sizes = [weights[names[0]].shape[0], *(weights[n].shape[1] for n in names)]
    for nodes in itertools.product(*map(range, sizes)):
        edges = list(zip(names, nodes[:-1], nodes[1:], strict=True))
        yield edges, float(np.prod([abs(weights[n][i, j]) for n, i, j in edges]))


def test_synflow_is_the_sum_over_the_paths_through_a_weight(seen):
    found = SynFlow().scores(seen, MASK)
    weights = {n: np.where(MASK[n], w, 0.0) for n, w in weights_of(NETWORK, seen.initial).items()}
    slow = {n: np.zeros_like(w) for n, w in weights.items()}
    for edges, product in paths(weights):
        for name, i, j in edges:
            slow[name][i, j] += product
    for name in SHAPES:
        np.testing.assert_allclose(found[name], slow[name], rtol=1e-9)


NETWORKS = [MLP(widths=(40, 20, 30)).build((8,), 5), LeNet5().build((12, 12, 1), 5)]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: n.name.split(",")[0])
def test_synflow_is_conserved_from_layer_to_layer(network):
    """Theorem 2: scores add up to R in every layer, also under a mask. And of each hidden unit's, theorem 1."""
    seen = Seen(network, network.init(jax.random.key(3)))
    counts = {n: (2 * m.size) // 3 for n, m in full_mask(network).items()}
    mask = random_mask({n: m.shape for n, m in full_mask(network).items()}, counts, jax.random.key(0))
    for among in (full_mask(network), mask):
        found = SynFlow().scores(seen, among)
        sums = [float(a.sum()) for a in found.values()]
        np.testing.assert_allclose(sums, sums[0], rtol=1e-10)
        assert sums[0] > 0
        assert all(a.dtype == np.float64 for a in found.values())
        for group in network.unit_groups:
            tree = {n: {"weight": a} for n, a in found.items()}
            into, out = (
                sum(
                    np.asarray(p.take(tree)).reshape(group.units, -1).sum(1)
                    for p in parts
                    if p.leaf == "weight"
                )
                for parts in (group.incoming, group.outgoing)
            )
            np.testing.assert_allclose(into, out, rtol=1e-5)


def test_synflow_empties_no_layer_and_one_round_does():
    """With one weight per layer, a hundred rounds leave a path; one round, or SNIP, empties a layer."""
    network = MLP(widths=(60, 10, 60)).build((20,), 4)
    emptied = {"many": 0, "one": 0}
    for seed in range(5):
        seen = Seen(network, network.init(jax.random.key(seed)))
        for name, rounds in (("many", 100), ("one", 1)):
            mask = chosen(SynFlow(rounds=rounds), seen, 4)
            assert kept(mask) == 4
            emptied[name] += any(not m.any() for m in mask.values())
            if name == "many":  # one weight a layer, each reading what the one before wrote
                places = [np.argwhere(m)[0] for m in mask.values()]
                assert all(a[1] == b[0] for a, b in itertools.pairwise(places))
    assert emptied["many"] == 0
    assert emptied["one"] > 0


def test_synflow_sees_neither_data_nor_signs(seen):
    flipped = Seen(NETWORK, jax.tree.map(jnp.negative, seen.initial))
    one, other = (SynFlow().scores(s, MASK) for s in (seen, flipped))
    assert all((one[n] == other[n]).all() for n in SHAPES)


@pytest.mark.parametrize(
    "architecture", [MLP(widths=(4,), activation=Activation.TANH), ResNet(channels=(4, 6))], ids=str
)
def test_networks_that_are_not_homogeneous_are_refused(architecture):
    network = architecture.build((8, 8, 1), 3)
    with pytest.raises(UserError, match="not homogeneous"):
        chosen(SynFlow(), Seen(network, network.init(jax.random.key(0))), 10)


def test_networks_whose_homogeneity_is_not_known_are_refused():
    """Attention has no units of its own that could be rescaled, and a model of one's own has no description."""
    attention = sequential((PerStep(4), Attention(2), LastStep(), Dense(3)), (5, 2), name="attention")
    weights = (Weight("w", (3, 2)),)
    own = pure_network(
        lambda key: {"w": jnp.ones((3, 2))}, lambda p, x: jnp.tanh(x @ p["w"]), input_shape=(3,), outputs=2,
        weights=weights,
    )  # fmt: skip
    for network, words in ((attention, "not homogeneous"), (own, "no description of its layers")):
        with pytest.raises(UserError, match=words):
            chosen(SynFlow(), Seen(network, network.init(jax.random.key(0))), 3)


@pytest.mark.parametrize("criterion", [Snip(), Snip(rounds=5), Grasp(), SynFlow(rounds=7)], ids=str)
def test_counts_are_exact(seen, criterion):
    counts = {"dense1": 7, "dense2": 9, "output": 5}
    assert {n: int(m.sum()) for n, m in chosen(criterion, seen, counts).items()} == counts
    assert kept(chosen(criterion, seen, 11)) == 11


@pytest.mark.parametrize("criterion", [Snip(), Grasp(), SynFlow()], ids=str)
def test_weights_of_zero_have_no_score(seen, criterion):
    nothing = Seen(NETWORK, jax.tree.map(jnp.zeros_like, seen.initial), loss=seen.loss, x=seen.x, y=seen.y)
    assert not any(a.any() for a in criterion.scores(nothing, full_mask(NETWORK)).values())
    over_parameters(chosen(criterion, nothing, 5), nothing.initial)


def test_mistakes(seen):
    for criterion in (Snip(), Grasp()):
        with pytest.raises(UserError, match="no loss or x or y for"):
            chosen(criterion, Seen(NETWORK, seen.initial), 3)
    for wrong in (lambda: Snip(rounds=0), lambda: SynFlow(rounds=0), lambda: Grasp(temperature=0.0)):
        with pytest.raises(UserError):
            wrong()
