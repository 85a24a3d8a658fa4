"""What every model is checked for, and which of its parameters are weights: on functions of JAX alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ticketlab import UserError, adapters
from ticketlab.networks import pure_network
from ticketlab.tangent import Jacobian, Result, minimise
from ticketlab.tasks import Digits, split
from ticketlab.tickets import full_mask, over_parameters, weights_of
from ticketlab.tickets.ranking import LayerWise

SHAPE, OUTPUTS = (4,), 2


def init(key):
    one, two, three = jax.random.split(key, 3)
    return {
        "out": {"kernel": jax.random.normal(one, (5, OUTPUTS)) / 2, "bias": jnp.zeros(OUTPUTS)},
        "in": [jax.random.normal(two, (4, 5)), jnp.ones((1, 5))],
        "table": jax.random.normal(three, (3, 5)),
    }


def apply(tree, x):
    weight, scale = tree["in"]
    looked_up = tree["table"][jnp.argmax(x[:, :3], axis=1)]
    hidden = (
        jax.jit(lambda w, x: jnp.tanh(x @ w.reshape(5, 4).T.reshape(4, 5)))(weight, x) * scale + looked_up
    )
    return hidden @ tree["out"]["kernel"] + tree["out"]["bias"]


@pytest.fixture(scope="module")
def network():
    return adapters.functions(init, apply, SHAPE, OUTPUTS)


def test_parameters_are_named_by_their_path(network):
    params = network.init(jax.random.key(0))
    assert sorted(params) == ["in.0", "in.1", "out.bias", "out.kernel", "table"]
    x = jnp.asarray(np.random.default_rng(0).standard_normal((3, 4)), jnp.float32)
    np.testing.assert_allclose(network.apply(params, x), apply(init(jax.random.key(0)), x), rtol=1e-6)


def test_weights_are_what_is_multiplied_or_looked_up_in_order_of_use(network):
    """Not the scale, which has two axes too; through a layout and a compiled part of the function."""
    assert [w.name for w in network.weights] == ["table", "in.0", "out.kernel"]
    assert [w.weight_shape for w in network.weights] == [(3, 5), (4, 5), (5, OUTPUTS)]


def test_masks_cover_the_weights_alone(network):
    params = network.init(jax.random.key(0))
    mask = LayerWise(0.5, output=0.1).prune(weights_of(network, params), full_mask(network))
    assert {n: int(m.sum()) for n, m in mask.items()} == {"table": 7, "in.0": 10, "out.kernel": 9}
    tree = over_parameters(mask, params)
    assert jax.tree.structure(tree) == jax.tree.structure(params)
    assert tree["in.1"].all()
    assert np.array_equal(tree["in.0"], mask["in.0"])


def test_the_tangent_minimum_and_the_estimators_take_it():
    task = split(
        Digits(train=60, validation=40, test=100).load(), 0, Digits(train=60, validation=40, test=100).sizes()
    )

    def small(key):
        return {"w": jax.random.normal(key, (64, 10)) / 8, "b": jnp.zeros(10)}

    mine = adapters.functions(
        small, lambda p, x: x.reshape(len(x), -1) @ p["w"] + p["b"], task.input_shape, 10
    )
    solution = minimise(mine, mine.init(jax.random.key(0)), task)
    assert solution.certificate.result is Result.MET
    assert np.mean(np.argmax(solution.predict(task.test.x), axis=1) == task.test.labels) > 0.6


def refused(said, apply, init=lambda key: {"w": jax.random.normal(key, (4, OUTPUTS))}):
    with pytest.raises(UserError, match=said):
        adapters.functions(init, apply, SHAPE, OUTPUTS, name="mine")


def test_what_is_no_function_of_each_example_is_refused():
    calls = iter(range(1000))

    def random(p, x):
        drawn = jax.pure_callback(
            lambda a: np.float32(next(calls)), jax.ShapeDtypeStruct((), np.float32), x[0, 0]
        )
        return x @ p["w"] + jax.lax.stop_gradient(drawn)

    refused("mixes examples", lambda p, x: x @ p["w"] - jnp.mean(x @ p["w"], axis=0))
    refused("outputs at a second call", random)
    refused("gradient is not finite in w", lambda p, x: jnp.sqrt(jnp.abs((x * 0) @ p["w"])))
    refused("outputs for random inputs are not finite", lambda p, x: jnp.log(-jnp.abs(x @ p["w"])))
    refused(r"shape \(4, 1\)", lambda p, x: (x @ p["w"])[:, :1])
    refused("cannot run on inputs", lambda p, x: x @ p["w"].T)
    refused("no parameters", lambda p, x: x[:, :2], lambda key: {})
    refused("not real numbers", lambda p, x: x @ p["w"], lambda key: {"w": jnp.ones((4, OUTPUTS), int)})
    refused(
        "do not depend on b", lambda p, x: x @ p["w"], lambda key: {"w": jnp.ones((4, 2)), "b": jnp.ones(2)}
    )
    refused("two parameters with the name 'a.b'", lambda p, x: x @ p["a.b"] + p["a"]["b"], one_name)
    refused(
        "with a traced key",
        lambda p, x: x @ p["w"],
        lambda key: {"w": np.asarray(jax.random.normal(key, (4, 2)))},
    )


def one_name(key):
    """Both were the same array."""
    return {"a.b": jax.random.normal(key, (4, OUTPUTS)), "a": {"b": jnp.ones((4, OUTPUTS))}}


@pytest.mark.parametrize(
    ("inputs", "inside", "said"),
    [
        (jnp.float32, None, None),  # the function of the parameters is as precise as they are
        (
            None,
            jnp.bfloat16,
            "computes in bfloat16",
        ),  # a certificate was given, of a loss 4 times the minimum
        (None, jnp.float32, "computes in float32"),  # ended in an error of JAX
    ],
)
def test_a_tangent_space_needs_a_model_that_computes_in_its_precision(inputs, inside, said):
    def rounded(p, x):
        return jnp.tanh(x.astype(inputs or x.dtype) @ p["w"]).astype(inside or p["w"].dtype) @ p["v"]

    mine = adapters.functions(
        lambda key: {"w": jax.random.normal(key, (4, 3)), "v": jnp.ones((3, OUTPUTS))},
        rounded,
        SHAPE,
        OUTPUTS,
    )
    params, x = mine.init(jax.random.key(0)), np.ones((2, 4), np.float32)
    if inside != jnp.bfloat16:
        assert Jacobian(mine, params, x).outputs().dtype == np.float32
    if said is None:
        assert Jacobian(mine, params, x, dtype=np.float64).outputs().dtype == np.float64
    else:
        with pytest.raises(UserError, match=said):
            Jacobian(mine, params, x, dtype=np.float64)


def test_parameters_that_do_not_fit_are_told(network):
    params = network.init(jax.random.key(0))
    x = np.ones((2, 4), np.float32)
    with pytest.raises(UserError, match=r"cannot be evaluated \(KeyError: 'table'\)"):
        Jacobian(network, {n: a for n, a in params.items() if n != "table"}, x)


def test_whole_numbers_among_the_parameters_do_not_move():
    """They had a column of J each, as if they could be learnt."""
    scaled = pure_network(
        lambda key: {"w": jnp.ones((4, 2)), "times": jnp.array(3)},
        lambda p, x: p["times"] * (x @ p["w"]),
        input_shape=(4,),
        outputs=2,
    )
    with pytest.raises(UserError, match="parameters of int32"):
        Jacobian(scaled, scaled.init(jax.random.key(0)), np.ones((2, 4), np.float32))
