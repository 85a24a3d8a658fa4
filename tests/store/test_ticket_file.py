"""Tickets in files: what is written is read, what is no ticket is refused, and PyTorch's layout computes the same."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.networks import MLP, ConvNet, Normalisation, Parameterisation
from ticketlab.store import read_ticket, torch_layout, write_ticket
from ticketlab.store.ticket_file import FORMAT
from ticketlab.tickets import EdgePopup, Ticket, counts_at, highest, weights_of

NETWORK = MLP(widths=(6, 5), normalisation=Normalisation.CHANNELS).build((4,), 3)


def ticket():
    params = NETWORK.init(jax.random.key(0))
    weights = weights_of(NETWORK, params)
    full = {name: np.ones(w.shape, bool) for name, w in weights.items()}
    mask = highest({n: np.abs(w) for n, w in weights.items()}, counts_at(NETWORK, 0.4), full)
    start = EdgePopup(scaled=False).ticket(params, mask)
    return Ticket(start, mask, jax.tree.map(lambda a: 2 * a, start), {"plan": 'claim = "winning-ticket"\n'})


def test_what_is_written_is_read(tmp_path):
    written = ticket()
    write_ticket(tmp_path / "t.safetensors", written)
    found = read_ticket(tmp_path / "t.safetensors")
    for one, other in (
        (written.start, found.start),
        (written.trained, found.trained),
        (written.mask, found.mask),
    ):
        jax.tree.map(np.testing.assert_array_equal, one, other)
    assert found.about == written.about
    assert found.mask["dense1"].dtype == bool
    x = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    mine = jax.tree.map(jnp.asarray, found.start)
    np.testing.assert_array_equal(NETWORK.apply(mine, x), NETWORK.apply(written.start, x))
    assert not list(tmp_path.glob("*.partial"))


def test_weights_that_are_not_masked_are_refused(tmp_path):
    written = ticket()
    whole = Ticket(NETWORK.init(jax.random.key(0)), written.mask)
    with pytest.raises(UserError, match="not zero where the mask is"):
        write_ticket(tmp_path / "t.safetensors", whole)
    assert not list(tmp_path.iterdir())


def test_what_is_no_ticket_is_refused(tmp_path):
    from safetensors.numpy import save_file

    with pytest.raises(UserError, match="cannot be read"):
        read_ticket(tmp_path / "nothing")
    save_file({"a": np.ones(3)}, tmp_path / "other")
    with pytest.raises(UserError, match="no ticket of this format"):
        read_ticket(tmp_path / "other")


@pytest.mark.parametrize(
    "name", ["dense1", "mask", "mask/dense1/weight", "start/dense1", "end/dense1/weight"]
)
def test_an_array_of_another_name_is_refused(tmp_path, name):
    """In a file that another program wrote, which need not say which version wrote it."""
    from safetensors.numpy import save_file

    arrays, about = {"mask/dense1": np.ones((4, 6), np.uint8)}, {"format": FORMAT}
    save_file(arrays, tmp_path / "t", metadata=about)
    assert read_ticket(tmp_path / "t").mask["dense1"].all()
    save_file({**arrays, name: np.ones((4, 6), np.float32)}, tmp_path / "t", metadata=about)
    with pytest.raises(UserError, match=f"an array called '{name}'"):
        read_ticket(tmp_path / "t")


def test_pytorchs_layout_computes_the_same():
    """PyTorch's own conventions, written out: images are channels first, and so are flattened."""
    network = ConvNet(2).build((8, 8, 3), 4)
    params = network.init(jax.random.key(0))
    arrays = torch_layout(network, params)
    assert arrays["conv1.weight"].shape == (64, 3, 3, 3)
    assert arrays["dense1.weight"].shape == (256, 4 * 4 * 64)
    rng = np.random.default_rng(0)
    image = rng.normal(size=(1, 4, 4, 64)).astype(np.float32)  # as it reaches the first dense layer, here
    channels_first = image.transpose(0, 3, 1, 2).reshape(1, -1)
    here = image.reshape(1, -1) @ np.asarray(params["dense1"]["weight"])
    np.testing.assert_allclose(channels_first @ arrays["dense1.weight"].T, here, rtol=1e-4, atol=1e-5)
    kernel = np.asarray(params["conv2"]["weight"])
    np.testing.assert_array_equal(arrays["conv2.weight"][5, 7], kernel[:, :, 7, 5])
    np.testing.assert_array_equal(arrays["dense2.weight"], np.asarray(params["dense2"]["weight"]).T)


@pytest.mark.parametrize("parameterisation", list(Parameterisation))
def test_pytorchs_layers_compute_the_same_in_every_parameterisation(parameterisation):
    """A layer of PyTorch is x Wᵀ + b, with no constants in front."""
    network = MLP(widths=(6, 5), parameterisation=parameterisation).build((4,), 3)
    params = jax.tree.map(lambda a: a + 0.1, network.init(jax.random.key(0)))  # biases too
    arrays, x = torch_layout(network, params), np.random.default_rng(0).normal(size=(7, 4))
    assert all(array.dtype == np.float32 for array in arrays.values())
    a = x
    for name in ("dense1", "dense2", "output"):
        z = a @ arrays[f"{name}.weight"].T + arrays[f"{name}.bias"]
        a = np.maximum(z, 0)
    np.testing.assert_allclose(z, network.apply(params, x.astype(np.float32)), rtol=1e-4, atol=1e-5)
