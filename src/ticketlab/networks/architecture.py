"""A choice of network: a frozen record that a plan, a command line or a file can hold.

A choice does not know its data. `build(input_shape, outputs)` fits it to them and returns a `Network`. Until then
nothing is computed and JAX is not imported. Every architecture has an activation function, optional biases, a
parameterisation and an initialisation. It lists its stages as a tuple.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ticketlab.errors import UserError
from ticketlab.networks.initialisation import HE_NORMAL, Initialisation, Parameterisation
from ticketlab.networks.layers import Parametrised, checked_shape
from ticketlab.networks.stages import (
    Activate,
    Activation,
    FeedForward,
    Normalisation,
    Normalise,
    Shape,
    Stage,
)

if TYPE_CHECKING:
    from ticketlab.networks.network import Network

__all__ = ["Architecture", "StagedArchitecture", "Widened", "before", "normalised"]

_ACTIVATION_TITLES = {
    Activation.RELU: "ReLU",
    Activation.TANH: "tanh",
    Activation.GELU: "GELU",
    Activation.ERF: "erf",
    Activation.SIGN: "sign",
}
_PARAMETERISATION_TITLES = {
    Parameterisation.STANDARD: "standard",
    Parameterisation.NTK: "NTK",
    Parameterisation.MUP: "μP",
}


@dataclass(frozen=True)
class Architecture(ABC):
    """A choice of network, which is fitted to data when it is built."""

    @property
    def described(self) -> bool:
        """Whether the networks have a description of their layers and units."""
        return True

    @abstractmethod
    def describe(self, input_shape: Shape | None = None, outputs: int | None = None) -> str:
        """A short name, with the sizes that are given."""

    @abstractmethod
    def build(self, input_shape: Shape, outputs: int) -> Network:
        """The network for data of this shape: the same object for equal choices, so that its programs are compiled once.

        Arguments:
            input_shape: the shape of one example: any for an MLP, (height, width, channels) for a convolutional
                network.
            outputs: k, the number of classes or targets.

        Raises:
            UserError: if the architecture cannot take such data.
        """

    def staged(self) -> StagedArchitecture:
        """The architecture itself, with the options of stages; UserError for a network that is not made of stages."""
        raise self._not_described("its stages")

    @property
    def activation(self) -> Activation:
        """The activation function of all hidden layers; UserError for a network that is not made of stages."""
        raise self._not_described("its activation function")

    @property
    def parameterisation(self) -> Parameterisation:
        """Where the constants of the initialisation are; UserError for a network that is not made of stages."""
        raise self._not_described("its parameterisation")

    def stages(self, outputs: int) -> tuple[Stage, ...]:
        """The network from input to output; UserError for a network that is not made of stages."""
        raise self._not_described("its stages")

    def widened(self, share: float) -> Architecture:
        """The same architecture with the units of every hidden layer multiplied; UserError for a network without widths."""
        raise self._not_described("the widths of its layers")

    if not TYPE_CHECKING:  # where every name would be known

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(
                f"{type(self).__name__} has no {name!r}. It is a choice of network: "
                "choice.build(input_shape, outputs) is the network, with parameters and a function."
            )

    def _not_described(self, what: str) -> UserError:
        return UserError(
            f"{self.describe()}, a model of your own, where {what} must be known",
            "a network of the zoo, such as mlp or conv",
        )


@dataclass(frozen=True, kw_only=True)
class StagedArchitecture(Architecture):
    """The options of every network that is made of stages.

    Arguments:
        activation: after every layer except the last.
        bias: whether the layers have biases.
        parameterisation: standard, ntk (constants multiply parameters of order one) or mup (features are learnt at
            every width).
        initialisation: the distribution of the effective weights and biases.

    Raises:
        UserError: for an unknown name or an impossible size.
    """

    activation: Activation = Activation.RELU
    bias: bool = True
    parameterisation: Parameterisation = Parameterisation.STANDARD
    initialisation: Initialisation = HE_NORMAL

    def __post_init__(self) -> None:
        for field_ in fields(self):
            value = _plain(getattr(self, field_.name))
            if str(field_.type).startswith("tuple[int") and not isinstance(value, tuple):
                raise UserError(
                    f"{field_.name}={value!r}", "several whole numbers, such as (64, 64) or (64,)"
                )
            object.__setattr__(self, field_.name, value)
        object.__setattr__(self, "activation", Activation(self.activation))
        object.__setattr__(self, "parameterisation", Parameterisation(self.parameterisation))
        if not isinstance(self.initialisation, Initialisation):
            raise UserError(f"{self.initialisation!r} as initialisation", "an Initialisation")
        self.stages(outputs=1)  # refuses an impossible size where it was written

    @abstractmethod
    def stages(self, outputs: int) -> tuple[Stage, ...]:
        """The network from input to output."""

    def staged(self) -> StagedArchitecture:
        return self

    def widened(self, share: float) -> StagedArchitecture:
        """The same architecture with the units of every hidden layer multiplied by `share`, at least one in each."""
        return Widened(
            activation=self.activation,
            bias=self.bias,
            parameterisation=self.parameterisation,
            initialisation=self.initialisation,
            base=self,
            share=share,
        )

    @abstractmethod
    def label(self, input_shape: Shape | None, outputs: int | None) -> str:
        """The architecture's own name, with its sizes."""

    def describe(self, input_shape: Shape | None = None, outputs: int | None = None) -> str:
        """A short name: "MLP 64–512–512–10, ReLU, standard parameterisation"; leaves out sizes that are not given."""
        stages = self.stages(outputs or 1)
        parts = [self.label(input_shape, outputs)]
        if _activated(stages):
            parts.append(_ACTIVATION_TITLES[self.activation])
        parts.append(f"{_PARAMETERISATION_TITLES[self.parameterisation]} parameterisation")
        usual = next(f.default for f in fields(self) if f.name == "initialisation")
        if self.initialisation != usual:
            parts.append(f"{self.initialisation.describe()} initialisation")
        if not self.bias:
            parts.append("no biases")
        return ", ".join(parts)

    def build(self, input_shape: Shape, outputs: int) -> Network:
        return _built(self, checked_shape(input_shape), _plain(outputs))


@lru_cache(maxsize=256)
def _built(architecture: StagedArchitecture, input_shape: Shape, outputs: int) -> Network:
    from ticketlab.networks.sequential import sequential

    return sequential(
        architecture.stages(outputs),
        input_shape,
        name=architecture.describe(input_shape, outputs),
        bias=architecture.bias,
        parameterisation=architecture.parameterisation,
        initialisation=architecture.initialisation,
    )


@dataclass(frozen=True)
class Widened(StagedArchitecture):
    """Another architecture with more or fewer units in every hidden layer; `Architecture.widened` returns it.

    Arguments:
        base: the architecture.
        share: multiplies its units and channels; the read-out keeps its outputs.
    """

    base: StagedArchitecture
    share: float

    def stages(self, outputs: int) -> tuple[Stage, ...]:
        if not 0 < self.share < math.inf:
            raise UserError(f"share={self.share}", "a positive number")
        stages = self.base.stages(outputs)
        last = max(i for i, s in enumerate(stages) if isinstance(s, Parametrised) and s.weighted)
        return tuple(stage if i == last else stage.widened(self.share) for i, stage in enumerate(stages))

    def label(self, input_shape: Shape | None, outputs: int | None) -> str:
        return f"{self.base.label(input_shape, outputs)} × {self.share:g}"


def _activated(stages: tuple[Stage, ...]) -> bool:
    """Whether the choice of an activation function has any effect."""
    return any(isinstance(s, Activate | FeedForward) or _activated(getattr(s, "stages", ())) for s in stages)


def _plain(value: Any) -> Any:
    """NumPy's numbers and lists as Python's numbers and tuples, which have a hash and can be written down."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value


# --- for architectures with an optional normalisation ---


def before(normalisation: Normalisation | None) -> tuple[Stage, ...]:
    """The stages before each activation."""
    return () if normalisation is None else (Normalise(normalisation),)


def normalised(normalisation: Normalisation | None) -> str:
    """What a label says of it."""
    names = {None: "", Normalisation.BATCH: ", normalised over the batch"}
    return names.get(normalisation, ", normalised over channels")
