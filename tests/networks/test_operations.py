"""Operations are counted as a person would count them."""

import jax
import jax.numpy as jnp
import pytest

from ticketlab.errors import UserError
from ticketlab.networks.architectures import MLP, AllConv
from ticketlab.networks.network import pure_network
from ticketlab.networks.operations import forward_operations
from ticketlab.networks.sequence_architectures import CausalCNN, GRUNet, LSTMNet, Transformer

T, W, K = 6, 8, 5  # steps, width, outputs


def test_a_perceptron_multiplies_once_for_each_weight() -> None:
    assert forward_operations(MLP(widths=(8, 4)).build((3,), 2)) == 2 * (3 * 8 + 8 * 4 + 4 * 2)


def test_a_convolution_multiplies_its_kernel_at_every_pixel() -> None:
    network = AllConv(channels=(4,)).build((8, 8, 1), 10)
    pixels = 2 * (64 * 9 * 4 + 16 * 9 * 4 * 4)  # the second convolution halves both sides
    read_out = forward_operations(network) - pixels
    assert read_out == 2 * 16 * 4 * 10


@pytest.mark.parametrize(("made", "gates"), [(GRUNet, 3), (LSTMNet, 4)])
def test_every_step_of_a_loop_counts(made, gates) -> None:
    network = made(widths=(W,), symbols=7).build((T,), K)
    products = T + (T - 1)  # the state before the first step is zero
    assert forward_operations(network) == 2 * (products * gates * W * W + W * K)


def test_a_transformer_has_scores_and_mixtures_besides_its_weights() -> None:
    network = Transformer(width=W, blocks=1, head=4, symbols=7).build((T,), K)
    weights, scores = T * (4 * W * W + 8 * W * W) + W * K, 2 * T * T * W
    assert forward_operations(network) == 2 * (weights + scores)


def test_a_causal_convolution_reads_its_window_at_every_step() -> None:
    network = CausalCNN(widths=(W, W), window=3, symbols=7).build((T,), K)
    assert forward_operations(network) == 2 * (2 * T * 3 * W * W + W * K)


def test_a_loop_without_a_known_end_is_refused() -> None:
    def apply(params, x):
        return jax.lax.while_loop(lambda a: a.sum() < 1, lambda a: a @ params, x)

    network = pure_network(lambda key: jnp.eye(3), apply, input_shape=(3,), outputs=3)
    with pytest.raises(UserError, match="rounds"):
        forward_operations(network)
