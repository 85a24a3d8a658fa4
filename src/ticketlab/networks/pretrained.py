"""A network that starts at given parameters: another architecture, and the file that its θ₀ is read from.

Everything else stays as it is: the function, its layers, what is measured. Only `init` differs. It returns the file's
parameters for every key. Layers that are asked to be new are drawn from the key, and so is a read-out layer for another number
of outputs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ticketlab.errors import UserError
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.architectures import MLP
from ticketlab.networks.layers import Shape
from ticketlab.networks.stages import Activation, Stage
from ticketlab.networks.start_file import StartFile, fitted, name_of, named_parameters

if TYPE_CHECKING:
    from ticketlab.networks.initialisation import Parameterisation
    from ticketlab.networks.network import Network, Params

__all__ = ["Pretrained"]


@dataclass(frozen=True)
class Pretrained(Architecture):
    """Another network, started at the parameters of a file.

    Arguments:
        start: the file, safetensors.
        base: the network that the parameters are of.
        part: of a ticket's file: trained, or start (its weights before training).
        anew: layers or parameters that are drawn anew, by name (output, fc.weight). A read-out layer for another number of
            outputs is drawn anew by itself.
    """

    start: str
    base: Architecture = MLP()
    part: Literal["trained", "start"] = "trained"
    anew: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "anew", tuple(self.anew))
        if not self.start:
            raise UserError("a start without a file", "the path of a safetensors file")
        if isinstance(self.base, Pretrained):
            raise UserError("a start of a network that has one", "one start")

    @property
    def described(self) -> bool:
        return self.base.described

    @property
    def activation(self) -> Activation:
        return self.base.activation

    @property
    def parameterisation(self) -> Parameterisation:
        return self.base.parameterisation

    def stages(self, outputs: int) -> tuple[Stage, ...]:
        return self.base.stages(outputs)

    def widened(self, share: float) -> Architecture:
        """The base with other widths. A file has no parameters for them, so they are drawn at random."""
        return self.base.widened(share)

    def describe(self, input_shape: Shape | None = None, outputs: int | None = None) -> str:
        return f"{self.base.describe(input_shape, outputs)}, started at {Path(self.start).name}"

    def build(self, input_shape: Shape, outputs: int) -> Network:
        """The base's network with this start: the same object as long as the file is the same.

        Raises:
            UserError: for a file that cannot be read, or whose names, shapes or numbers are not those of the network.
        """
        return _built(self, self.base.build(input_shape, outputs), StartFile.read(self.start))

    def drawn(self, input_shape: Shape, outputs: int) -> tuple[str, ...]:
        """The parameters that a key draws anew, by name. Raises UserError as `build` does."""
        network = self.base.build(input_shape, outputs)
        return fitted(StartFile.read(self.start), network, self.part, self.anew)[1]

    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the file."""
        return StartFile.read(self.start).digest

    def where(self) -> Path:
        """The path of the file."""
        return Path(self.start).expanduser()


@lru_cache(maxsize=8)
def _built(choice: Pretrained, network: Network, file: StartFile) -> Network:
    network, anew, kept = fitted(file, network, choice.part, choice.anew)
    import jax

    def init(key: Any) -> Params:
        if not anew:
            return jax.tree.map(jax.numpy.asarray, kept)
        drawn = dict(named_parameters(network.init(key)))
        return jax.tree_util.tree_map_with_path(
            lambda path, own: drawn[name_of(path)] if name_of(path) in anew else jax.numpy.asarray(own), kept
        )

    frozen = network.frozen
    return replace(
        network,
        name=f"{network.name}, started at {Path(choice.start).name}",
        init=init,
        redrawn=network.init,
        distribution=None,
        frozen=None
        if frozen is None
        else lambda statistics: replace(frozen(statistics), init=init, redrawn=network.init),
    )
