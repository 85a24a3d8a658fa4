"""Families of networks that grow in width alone: one for each architecture, for tokens, sequences of numbers and images.

    MLP            two hidden layers on the whole window; tokens enter by a table of fixed width
    CNN            three causal convolutions over a sequence of tokens; over images, two pairs of 3 × 3 convolutions
    GRU, LSTM      two layers
    transformer    two blocks, heads of four features, rotary positions

Images are read row by row by GRU, LSTM and transformer. A size is the total number of parameters, with tables and read-out
[Pearce & Song 2024]; the width is the one whose number of parameters is nearest to it, in logarithms.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from ticketlab.errors import UserError
from ticketlab.networks.architecture import Architecture, StagedArchitecture
from ticketlab.networks.architectures import MLP, AllConv
from ticketlab.networks.initialisation import Family, Initialisation
from ticketlab.networks.sequence_architectures import CausalCNN, GRUNet, LSTMNet, Transformer
from ticketlab.networks.stages import Activate, Dense, Embedding, Flatten, Shape, Stage

if TYPE_CHECKING:
    from ticketlab.networks.network import Network

__all__ = [
    "OTHERS", "YARDSTICK", "Answers", "Kind", "WindowMLP", "network_of", "parameters_at", "sees_later_steps", "width_for",
]  # fmt: skip

Answers: TypeAlias = Literal["last", "every"]
Kind: TypeAlias = Literal["MLP", "CNN", "GRU", "LSTM", "transformer"]
YARDSTICK: Kind = "transformer"
OTHERS: tuple[Kind, ...] = ("MLP", "CNN", "GRU", "LSTM")
HEAD = 4
FEATURES = 8  # of a token in the MLP's table
WIDEST = 2**14


@dataclass(frozen=True)
class WindowMLP(StagedArchitecture):
    """A multilayer perceptron on a window of tokens, each the row of a table [Bengio et al. 2003].

    Arguments:
        widths: units of each hidden layer.
        symbols: rows of the table.
        features: numbers in each row.
    """

    widths: tuple[int, ...] = (64, 64)
    symbols: int = 48
    features: int = FEATURES
    initialisation: Initialisation = field(default=Initialisation(Family.HE), kw_only=True)

    def stages(self, outputs: int) -> tuple[Stage, ...]:
        hidden = [stage for width in self.widths for stage in (Dense(width), Activate(self.activation))]
        return (Embedding(self.symbols, self.features), Flatten(), *hidden, Dense(outputs))

    def label(self, input_shape: Shape | None, outputs: int | None) -> str:
        return f"MLP {'–'.join(map(str, self.widths))} on {self.symbols} symbols"


def network_of(
    kind: Kind,
    width: int,
    input_shape: Shape,
    outputs: int,
    symbols: int | None,
    answers: Answers = "last",
) -> Network:
    """A member of a family.

    Arguments:
        symbols: different tokens; None for inputs that are numbers.
        answers: "last", or "every": one at every step, from what has been read by then.

    Raises: UserError for a CNN on inputs that are neither tokens nor images, and for a network that sees later steps, if an
        answer is asked for at every step.
    """
    return _architecture(kind, width, input_shape, symbols, answers).build(input_shape, outputs)


def sees_later_steps(kind: Kind, symbols: bool) -> bool:
    """Whether a family reads a sequence as a whole, so that it cannot answer at every step."""
    return kind == "MLP" or (kind == "CNN" and not symbols)


def _architecture(
    kind: Kind, width: int, input_shape: Shape, symbols: int | None, answers: Answers
) -> Architecture:
    if answers == "every" and sees_later_steps(kind, symbols is not None):
        raise UserError(f"the {kind} with an answer at every step", "a network that sees no later steps")
    if kind == "GRU":
        return GRUNet(widths=(width, width), symbols=symbols, answers=answers)
    if kind == "LSTM":
        return LSTMNet(widths=(width, width), symbols=symbols, answers=answers)
    if kind == "transformer":
        return Transformer(width=width, blocks=2, head=HEAD, symbols=symbols, answers=answers)
    if kind == "MLP":
        return MLP(widths=(width, width)) if symbols is None else WindowMLP((width, width), symbols)
    if symbols is not None:
        return CausalCNN(widths=(width,) * 3, symbols=symbols, answers=answers)
    if len(input_shape) != 3:
        raise UserError(
            f"inputs of shape {input_shape} for a CNN",
            "tokens, or images (height, width, channels)",
            "Leave CNN out.",
        )
    return AllConv(channels=(width, 2 * width))


def width_for(
    kind: Kind,
    size: int,
    input_shape: Shape,
    outputs: int,
    symbols: int | None,
    answers: Answers = "last",
) -> int:
    """The width of the member with about `size` parameters."""
    step = HEAD if kind == YARDSTICK else 1
    low, high = step, WIDEST

    def count(width: int) -> int:
        return parameters_at(kind, width, input_shape, outputs, symbols, answers)

    while high - low > step:  # count(low) ≤ size < count(high), unless the smallest is too large
        middle = (low + high) // (2 * step) * step
        low, high = (middle, high) if count(middle) <= size else (low, middle)
    nearer = count(low) * count(high) < size**2
    return high if nearer else low


def parameters_at(
    kind: Kind,
    width: int,
    input_shape: Shape,
    outputs: int,
    symbols: int | None,
    answers: Answers = "last",
) -> int:
    """All parameters of a member."""
    import math

    import jax

    network = network_of(kind, width, input_shape, outputs, symbols, answers)
    shapes = jax.eval_shape(network.init, jax.random.key(0))
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))
