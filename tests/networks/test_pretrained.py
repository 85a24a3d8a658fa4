"""A network that starts at a file: its own parameters, what is drawn anew, and every way in which a file can be wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from ticketlab.choices import choice_text, families
from ticketlab.errors import UserError
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.architectures import MLP
from ticketlab.networks.pretrained import Pretrained
from ticketlab.networks.start_file import named_parameters
from ticketlab.plans import parse_choice
from ticketlab.store import write_ticket
from ticketlab.tickets import full_mask
from ticketlab.tickets.ticket import Ticket

BASE, SHAPE, K = MLP(widths=(6,)), (4,), 3


def arrays(params):
    return {name: np.ascontiguousarray(a) for name, a in named_parameters(params)}


@pytest.fixture
def kept():
    """The parameters of a network, as they are in the file."""
    return jax.device_get(BASE.build(SHAPE, K).init(jax.random.key(3)))


@pytest.fixture
def file(tmp_path, kept):
    save_file(arrays(kept), tmp_path / "first.safetensors")
    return str(tmp_path / "first.safetensors")


def equal(one, other):
    return jax.tree.all(jax.tree.map(lambda a, b: bool(np.array_equal(a, b)), one, other))


def test_every_key_gives_the_file(file, kept):
    network = Pretrained(file, BASE).build(SHAPE, K)
    assert equal(network.init(jax.random.key(0)), kept)
    assert equal(jax.jit(network.init)(jax.random.key(1)), kept)
    assert network is Pretrained(file, BASE).build(SHAPE, K)


def test_function_and_layers_are_those_of_the_base(file, kept):
    base, network = BASE.build(SHAPE, K), Pretrained(file, BASE).build(SHAPE, K)
    x = jnp.linspace(-1, 1, 8).reshape(2, 4)
    assert np.array_equal(network.apply(kept, x), base.apply(kept, x))
    assert network.layers == base.layers
    assert network.distribution is None


def test_a_control_is_drawn_at_random(file):
    base, network = BASE.build(SHAPE, K), Pretrained(file, BASE).build(SHAPE, K)
    assert equal(network.drawn(jax.random.key(5)), base.init(jax.random.key(5)))


def test_a_layer_is_drawn_anew_where_that_is_asked(file, kept):
    choice, key = Pretrained(file, BASE, anew=("output",)), jax.random.key(7)
    found, drawn = choice.build(SHAPE, K).init(key), BASE.build(SHAPE, K).init(key)
    assert equal(found["dense1"], kept["dense1"])
    assert equal(found["output"], drawn["output"])
    assert choice.drawn(SHAPE, K) == ("output/bias", "output/weight")


def test_a_read_out_for_other_classes_is_drawn_anew(file, kept):
    choice = Pretrained(file, BASE)
    found = choice.build(SHAPE, 5).init(jax.random.key(7))
    assert found["output"]["weight"].shape == (6, 5)
    assert equal(found["dense1"], kept["dense1"])
    assert choice.drawn(SHAPE, 5) == ("output/bias", "output/weight")
    assert choice.drawn(SHAPE, K) == ()


def test_another_content_is_another_network(file, kept):
    first = Pretrained(file, BASE)
    network, digest = first.build(SHAPE, K), first.digest()
    moved = jax.tree.map(lambda a: a + 1, kept)
    save_file(arrays(moved), file)
    assert first.digest() != digest
    assert first.build(SHAPE, K) is not network
    assert equal(first.build(SHAPE, K).init(jax.random.key(0)), moved)


def test_a_ticket_is_a_start(tmp_path, kept):
    path = tmp_path / "seed-0.safetensors"
    mask = {name: np.asarray(m).copy() for name, m in full_mask(BASE.build(SHAPE, K)).items()}
    mask["dense1"][0] = False
    start = {**kept, "dense1": {**kept["dense1"], "weight": kept["dense1"]["weight"] * mask["dense1"]}}
    trained = jax.tree.map(lambda a: 2 * a, start)
    write_ticket(path, Ticket(start, mask, trained, {}))
    for part, expected in (("trained", trained), ("start", start)):
        assert equal(Pretrained(str(path), BASE, part=part).build(SHAPE, K).init(jax.random.key(0)), expected)
    write_ticket(path, Ticket(start, mask, None, {}))
    with pytest.raises(UserError, match="without trained weights"):
        Pretrained(str(path), BASE).build(SHAPE, K)


def test_a_choice_is_read_back_from_its_text():
    networks = families()[Architecture]
    choice = Pretrained("a,b.safetensors", MLP(widths=(8, 4)), anew=("output", "dense1"))
    assert parse_choice(choice_text(choice, networks), networks) == choice


def changed(name, change):
    return lambda kept: {**arrays(kept), name: change(arrays(kept)[name])}


MISTAKES = {
    "another shape": (changed("dense1/weight", lambda a: a[:, :5]), "'dense1/weight' has the shape (4, 5)"),
    "another rank": (changed("output/bias", lambda a: a[None]), "'output/bias' has the shape (1, 3)"),
    "a missing array": (
        lambda kept: {n: a for n, a in arrays(kept).items() if n != "dense1/bias"},
        "no 'dense1/bias'",
    ),
    "another name": (lambda kept: {**arrays(kept), "fc/weight": np.zeros(2)}, "has not: fc/weight"),
    "not finite": (changed("dense1/weight", lambda a: a * np.nan), "'dense1/weight' is not finite"),
    "too large": (changed("dense1/bias", lambda a: a.astype(np.float64) + 1e300), "in single precision"),
    "integers": (changed("dense1/bias", lambda a: a.astype(np.int32)), "type int32"),
    "complex numbers": (changed("dense1/bias", lambda a: a.astype(np.complex64)), "complex"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_wrong_arrays_are_refused(mistake, file, kept):
    make, said = MISTAKES[mistake]
    try:
        save_file(make(kept), file)
    except (KeyError, TypeError, ValueError) as error:
        pytest.skip(f"safetensors does not write it: {error}")
    with pytest.raises(UserError) as error, np.errstate(over="ignore"):
        Pretrained(file, BASE).build(SHAPE, K)
    assert said in str(error.value)


def test_files_that_are_no_starts_are_refused(file, tmp_path):
    with pytest.raises(UserError, match="no file"):
        Pretrained(str(tmp_path / "none.safetensors"), BASE).build(SHAPE, K)
    (tmp_path / "pickled.pt").write_bytes(b"PK\x03\x04 a pickle")
    with pytest.raises(UserError, match=r"no safetensors file.*save_file"):
        Pretrained(str(tmp_path / "pickled.pt"), BASE).build(SHAPE, K)
    with pytest.raises(UserError, match="cannot be read"):
        Pretrained(str(tmp_path), BASE).build(SHAPE, K)


def test_impossible_requests_are_refused(file):
    with pytest.raises(UserError, match="a layer or parameter: dense1/bias"):
        Pretrained(file, BASE, anew=("dense9",)).build(SHAPE, K)
    with pytest.raises(UserError, match="nothing is kept"):
        Pretrained(file, BASE, anew=("dense1", "output")).build(SHAPE, K)
    with pytest.raises(UserError, match="one start"):
        Pretrained(file, Pretrained(file, BASE))
