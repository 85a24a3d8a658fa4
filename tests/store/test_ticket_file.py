"""Tickets in files: what is written is read, what is no ticket is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.networks import MLP, Normalisation
from ticketlab.store import read_ticket, write_ticket
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
    other = {f"{name}1": kept for name, kept in written.mask.items()}
    for mask in (other, {name: kept.T for name, kept in written.mask.items()}):
        with pytest.raises(UserError, match="a mask of shapes"):
            write_ticket(tmp_path / "t.safetensors", Ticket(written.start, mask))
    assert not list(tmp_path.iterdir())


def test_names_of_ones_own_parameters_may_have_slashes(tmp_path):
    """As Haiku's have. Such tickets were written, and refused when they were read."""
    weight = np.array([[1.0, 0.0]], np.float32)
    written = Ticket(
        {"mlp/~/linear.w": weight}, {"mlp/~/linear.w": weight > 0}, {"mlp/~/linear.w": 2 * weight}
    )
    write_ticket(str(tmp_path / "t.safetensors"), written)
    found = read_ticket(str(tmp_path / "t.safetensors"))
    for one, other in (
        (written.start, found.start),
        (written.trained, found.trained),
        (written.mask, found.mask),
    ):
        jax.tree.map(np.testing.assert_array_equal, one, other)


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
