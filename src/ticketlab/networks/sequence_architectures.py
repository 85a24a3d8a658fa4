"""Networks that read sequences: recurrent ones, a transformer, and causal convolutions.

They read an image row by row, a vector number by number, and, with `symbols`, a vector of tokens. They answer at the last step,
or at every step. None of them sees later steps.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Literal

from ticketlab.errors import UserError
from ticketlab.networks.architecture import StagedArchitecture
from ticketlab.networks.initialisation import Family, Initialisation
from ticketlab.networks.residual_architectures import MOST_BLOCKS
from ticketlab.networks.stages import (
    GRU,
    LSTM,
    Activate,
    Activation,
    Attention,
    CausalConvolution,
    Dense,
    Embedding,
    EveryStep,
    FeedForward,
    LastStep,
    Normalise,
    PerStep,
    Positions,
    Residual,
    Rows,
    Shape,
    Stage,
)

__all__ = ["CausalCNN", "GRUNet", "LSTMNet", "SequenceArchitecture", "Transformer"]

LECUN_NORMAL = Initialisation(Family.LECUN)


@dataclass(frozen=True, kw_only=True)
class SequenceArchitecture(StagedArchitecture):
    """The options of every network for sequences.

    Arguments:
        symbols: number of different tokens, for inputs (steps,) of tokens 0 … symbols − 1; None for inputs that are numbers.
        answers: "last": a read-out of the last step; "every": the same read-out at every step, and the outputs of all steps in
            one vector.
    """

    symbols: int | None = None
    answers: Literal["last", "every"] = "last"

    @abstractmethod
    def body(self) -> tuple[Stage, ...]:
        """The stages between the first and the read-out."""

    @abstractmethod
    def first_width(self) -> int:
        """The features of a token."""

    def start(self) -> tuple[Stage, ...]:
        """Inputs as a sequence of features."""
        return (Rows(),) if self.symbols is None else (Embedding(self.symbols, self.first_width()),)

    def stages(self, outputs: int) -> tuple[Stage, ...]:
        if self.answers not in ("last", "every"):
            raise UserError(f"answers={self.answers!r}", "'last' or 'every'")
        body = self.body()  # checks the sizes
        end = (EveryStep(outputs),) if self.answers == "every" else (LastStep(), Dense(outputs))
        return (*self.start(), *body, *end)

    def sizes(self) -> str:
        """What the label adds about tokens and answers."""
        tokens = "" if self.symbols is None else f", {self.symbols} symbols"
        return tokens + (", an answer at every step" if self.answers == "every" else "")


def _check_layers(layers: int, what: str) -> None:
    if not 1 <= layers <= MOST_BLOCKS:
        raise UserError(f"{layers} {what}", f"from 1 to {MOST_BLOCKS}")


@dataclass(frozen=True)
class _RecurrentNet(SequenceArchitecture):
    """Layers of gated units, each reading the states of the one before."""

    widths: tuple[int, ...] = (64,)
    activation: Activation = field(default=Activation.TANH, kw_only=True)
    initialisation: Initialisation = field(default=LECUN_NORMAL, kw_only=True)

    def first_width(self) -> int:
        return self.widths[0]

    def check(self) -> None:
        _check_layers(len(self.widths), "recurrent layers")
        if self.activation is not Activation.TANH:
            raise UserError(
                f"{self.activation} in a recurrent network", "tanh, with logistic gates, which define it"
            )


@dataclass(frozen=True)
class GRUNet(_RecurrentNet):
    """A network of gated recurrent units, with a read-out of the state.

    Arguments:
        widths: units of each layer, at least one layer.
    """

    widths: tuple[int, ...] = (64,)

    def body(self) -> tuple[Stage, ...]:
        self.check()
        return tuple(GRU(width) for width in self.widths)

    def label(self, input_shape: Shape | None, outputs: int | None) -> str:
        return f"GRU {'–'.join(map(str, self.widths))}{self.sizes()}"


@dataclass(frozen=True)
class LSTMNet(_RecurrentNet):
    """A network of long short-term memories, with a read-out of the state.

    Arguments:
        widths: units of each layer, at least one layer.
    """

    widths: tuple[int, ...] = (64,)

    def body(self) -> tuple[Stage, ...]:
        self.check()
        return tuple(LSTM(width) for width in self.widths)

    def label(self, input_shape: Shape | None, outputs: int | None) -> str:
        return f"LSTM {'–'.join(map(str, self.widths))}{self.sizes()}"


@dataclass(frozen=True)
class Transformer(SequenceArchitecture):
    """A causal transformer with normalisation before each layer: blocks of attention and a position-wise network.

    Each block adds Attention(Normalise(a)) and then FeedForward(Normalise(a)), with 4 · width hidden units. A normalisation
    comes before the read-out. Numbers enter by a dense layer at every step.

    Arguments:
        width: features of a step; a multiple of `head`.
        blocks: their number.
        head: features of one attention head.
        positions: "rotary" or "learned" (a vector for every position).

    Source: Vaswani et al. 2017, arXiv 1706.03762; the place of the normalisation: Xiong et al. 2020, arXiv 2002.04745, figure
    1(b).
    """

    width: int = 64
    blocks: int = 2
    head: int = 16
    positions: Literal["rotary", "learned"] = "rotary"
    activation: Activation = field(default=Activation.GELU, kw_only=True)
    initialisation: Initialisation = field(default=LECUN_NORMAL, kw_only=True)

    def first_width(self) -> int:
        return self.width

    def body(self) -> tuple[Stage, ...]:
        _check_layers(self.blocks, "transformer blocks")
        if self.positions not in ("rotary", "learned"):
            raise UserError(f"positions={self.positions!r}", "'rotary' or 'learned'")
        if self.head and self.width % self.head:
            raise UserError(f"width={self.width} with heads of {self.head}", f"a multiple of {self.head}")
        rotary = self.positions == "rotary"
        block = (
            Residual((Normalise(), Attention(self.head, rotary))),
            Residual((Normalise(), FeedForward(self.activation))),
        )
        numbers = () if self.symbols is not None else (PerStep(self.width),)
        places = () if rotary else (Positions(),)
        return (*numbers, *places, *(block * self.blocks), Normalise())

    def label(self, input_shape: Shape | None, outputs: int | None) -> str:
        learned = ", learned positions" if self.positions == "learned" else ""
        return f"Transformer of {self.blocks} blocks of width {self.width}{learned}{self.sizes()}"


@dataclass(frozen=True)
class CausalCNN(SequenceArchitecture):
    """Causal convolutions, each reaching twice as far back as the one before.

    Layer i has dilation 2ⁱ, so with L layers a step sees 1 + (window − 1)(2ᴸ − 1) steps.

    Arguments:
        widths: units of each layer, at least one layer.
        window: steps that a unit reads.

    Source: van den Oord et al. 2016, arXiv 1609.03499, section 2.1.
    """

    widths: tuple[int, ...] = (64, 64, 64)
    window: int = 3

    def first_width(self) -> int:
        return self.widths[0]

    def body(self) -> tuple[Stage, ...]:
        _check_layers(len(self.widths), "causal convolutions")
        layers = [CausalConvolution(width, self.window, 2**i) for i, width in enumerate(self.widths)]
        return tuple(stage for layer in layers for stage in (layer, Activate(self.activation)))

    def label(self, input_shape: Shape | None, outputs: int | None) -> str:
        return f"CausalCNN {'–'.join(map(str, self.widths))}{self.sizes()}"
