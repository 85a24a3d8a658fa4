"""A network that starts at given parameters: another architecture, and the file that its θ₀ is read from.

Everything else stays as it is: the function, its layers, what is measured. Only `init` differs. It returns the file's
parameters for every key. Layers that are asked to be new are drawn from the key, and so is a read-out layer for another number
of outputs. All other differences between file and network are mistakes, and are refused.

The file is safetensors. Names are `LAYER/weight` and `LAYER/bias` for a network of the zoo, and those of the model's own format
for a user's model (a `state_dict`). A ticket's file is a start too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ticketlab.errors import UserError
from ticketlab.networks.architectures import MLP, Architecture
from ticketlab.networks.layers import Shape
from ticketlab.networks.stages import Activation, Stage

if TYPE_CHECKING:
    import numpy as np

    from ticketlab.networks.initialisation import Parameterisation
    from ticketlab.networks.network import Network, Params

__all__ = ["Pretrained", "named_parameters"]

TICKET = "ticketlab ticket"
SAVE = (
    "Save it by safetensors: safetensors.torch.save_file(model.state_dict(), path), or `ticketlab pretrain`."
)


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
        return _built(self, self.base.build(input_shape, outputs), self._content())

    def drawn(self, input_shape: Shape, outputs: int) -> tuple[str, ...]:
        """The parameters that a key draws anew, by name. Raises UserError as `build` does."""
        network = self.base.build(input_shape, outputs)
        return _fitted(self, network, self._content())[1]

    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the file."""
        return self._content().digest

    def where(self) -> Path:
        """The path of the file."""
        return Path(self.start).expanduser()

    def _content(self) -> _Content:
        path = self.where()
        try:
            return _Content(
                self.start, hashlib.sha256(content := path.read_bytes()).hexdigest(), _Bytes(content)
            )
        except FileNotFoundError:
            raise UserError(
                f"no file {self.start}", "a safetensors file with the parameters of a network"
            ) from None
        except OSError as error:
            raise UserError(
                f"{self.start}, which cannot be read ({error.strerror})", "a safetensors file"
            ) from None


class _Bytes:
    """Bytes that are compared by nothing: the digest beside them is."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Bytes)

    def __hash__(self) -> int:
        return 0


@dataclass(frozen=True)
class _Content:
    """A file as it was read: its name for messages, and its arrays by name."""

    name: str
    digest: str
    raw: _Bytes

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            return load(self.raw.content)
        except (
            SafetensorError,
            AttributeError,
            TypeError,
            ValueError,
            KeyError,
        ) as error:  # or types unknown to NumPy
            raise UserError(
                f"{self.name}, which is no safetensors file of numbers ({error})", "float32", SAVE
            ) from None

    @property
    def metadata(self) -> Mapping[str, str]:
        length = int.from_bytes(self.raw.content[:8], "little")
        found: Mapping[str, str] = json.loads(self.raw.content[8 : 8 + length]).get("__metadata__") or {}
        return found


@lru_cache(maxsize=8)
def _built(choice: Pretrained, network: Network, content: _Content) -> Network:
    network, anew, kept = _fitted(choice, network, content)
    import jax

    def init(key: Any) -> Params:
        if not anew:
            return jax.tree.map(jax.numpy.asarray, kept)
        drawn = dict(named_parameters(network.init(key)))
        return jax.tree_util.tree_map_with_path(
            lambda path, own: drawn[_name(path)] if _name(path) in anew else jax.numpy.asarray(own), kept
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


def _fitted(
    choice: Pretrained, network: Network, content: _Content
) -> tuple[Network, tuple[str, ...], Params]:
    """The network with what is fixed in the file, the names of what is drawn anew, and the file's parameters as its own.

    Where a parameter is drawn anew, its place holds zeros.
    """
    import jax
    import numpy as np

    like: Any = jax.eval_shape(network.init, jax.random.key(0))
    shapes = {name: tuple(of.shape) for name, of in named_parameters(like)}
    arrays, network = _own(choice, network, content, shapes)
    anew = tuple(
        name for name in shapes if _asked(name, choice.anew) or _read_out(network, name, shapes, arrays)
    )
    _check_asked(choice, shapes)
    if len(anew) == len(shapes):
        raise UserError(
            f"{content.name}, of which nothing is kept", "at least one layer that is not drawn anew"
        )
    for name, shape in shapes.items():
        if name not in anew:
            _check(content.name, name, shape, arrays, network)
    kept = jax.tree_util.tree_map_with_path(
        lambda path, of: (
            np.zeros(of.shape, np.float32)
            if _name(path) in anew
            else np.asarray(arrays[_name(path)], np.float32)
        ),
        like,
    )
    return network, anew, kept


def named_parameters(params: Params) -> Iterator[tuple[str, Any]]:
    """Every array with its name: `LAYER/weight`, or the name that a user's model has for it."""
    import jax

    for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        yield _name(path), leaf


def _name(path: Any) -> str:
    import jax

    return jax.tree_util.keystr(path, simple=True, separator="/")


def _own(
    choice: Pretrained, network: Network, content: _Content, shapes: Mapping[str, Shape]
) -> tuple[dict[str, np.ndarray], Network]:
    """The file's arrays by the network's names; and the network, with the file's statistics and the like where it has some."""
    arrays = content.arrays
    if content.metadata.get("format", "").startswith(TICKET):
        return _of_ticket(choice, content, shapes), network
    own = network.own_format
    if own is None:
        _check_names(content.name, arrays, shapes, shapes)
        return dict(arrays), network
    names = {name: next((n for n in own.names.get(name, ()) if n in arrays), name) for name in shapes}
    fixed = {name: array for name, array in arrays.items() if name in own.fixed and not _is_mask(name)}
    tied = {n for of in own.names.values() for n in of}
    rest = {
        name: array
        for name, array in arrays.items()
        if name not in fixed and name not in tied and not _is_mask(name)
    }
    _check_names(content.name, rest, shapes, [*tied, *own.fixed])
    return {name: arrays[n] for name, n in names.items() if n in arrays}, _with_fixed(
        content.name, network, fixed
    )


def _is_mask(name: str) -> bool:
    return name.startswith("mask/")


def _with_fixed(file: str, network: Network, fixed: Mapping[str, np.ndarray]) -> Network:
    """The network with the file's running statistics and the like."""
    import numpy as np

    own = network.own_format
    assert own is not None
    for name, array in fixed.items():
        if array.shape != own.fixed[name].shape:
            raise _other_shape(file, name, array.shape, own.fixed[name].shape, network)
    changed = {name: array for name, array in fixed.items() if not np.array_equal(array, own.fixed[name])}
    if not changed:
        return network
    if own.refixed is None:
        raise UserError(
            f"{file}, whose {next(iter(changed))!r} is fixed in {network.name} with other values",
            "a model with the file's values",
            "Load the file in the function that makes the model.",
        )
    return own.refixed(changed)


def _of_ticket(choice: Pretrained, content: _Content, shapes: Mapping[str, Shape]) -> dict[str, np.ndarray]:
    """The parameters of a ticket, with zeros where its mask is."""
    places = (f"{choice.part}/", f"{choice.part}-parameter/")
    found = {
        name.removeprefix(place): array
        for name, array in content.arrays.items()
        for place in places
        if name.startswith(place)
    }
    if not found:
        raise UserError(
            f"{content.name}, a ticket without {choice.part} weights", "the other part", "Use part=start."
        )
    _check_names(content.name, found, shapes, shapes)
    return found


def _asked(name: str, anew: tuple[str, ...]) -> bool:
    return any(name == asked or name.startswith((f"{asked}/", f"{asked}.")) for asked in anew)


def _check_asked(choice: Pretrained, shapes: Mapping[str, Shape]) -> None:
    for asked in choice.anew:
        if not any(_asked(name, (asked,)) for name in shapes):
            raise UserError(f"anew={asked!r}", f"a layer or parameter: {_listed(shapes)}")


def _read_out(
    network: Network, name: str, shapes: Mapping[str, Shape], arrays: Mapping[str, np.ndarray]
) -> bool:
    """Whether a parameter of the file is of a read-out layer with another number of outputs: one axis differs, the outputs'."""
    if name not in arrays or (network.layers and name.partition("/")[0] != network.layers[-1].name):
        return False
    own, file = shapes[name], arrays[name].shape
    differ = [i for i, (a, b) in enumerate(zip(own, file, strict=False)) if a != b]
    return len(own) == len(file) and len(differ) == 1 and own[differ[0]] == network.outputs


def _check_names(file: str, arrays: Mapping[str, Any], shapes: Mapping[str, Shape], known: Any) -> None:
    if other := [name for name in arrays if name not in known]:
        raise UserError(
            f"{file}, with arrays that the network has not: {_listed(other)}",
            f"the names of its parameters: {_listed(shapes)}",
            "Give --network the architecture that the file is of.",
        )


def _check(file: str, name: str, shape: Shape, arrays: Mapping[str, np.ndarray], network: Network) -> None:
    """One parameter of the file: there, of the network's shape, and finite real numbers."""
    import numpy as np

    layer = name.rpartition("/")[0] or name
    if name not in arrays:
        raise UserError(
            f"{file}, which has no {name!r}",
            f"all parameters of {network.name}",
            f"Give --network the architecture that the file is of, or draw this layer anew: anew={layer}.",
        )
    array = arrays[name]
    if array.shape != shape:
        raise _other_shape(
            file, name, array.shape, shape, network, f", or draw this layer anew: anew={layer}"
        )
    if not np.issubdtype(array.dtype, np.floating):
        raise UserError(f"{file}, whose {name!r} is of type {array.dtype}", "real floating numbers", SAVE)
    if not np.isfinite(np.asarray(array, np.float32)).all():
        raise UserError(f"{file}, whose {name!r} is not finite in single precision", "finite numbers")


def _other_shape(
    file: str, name: str, got: Shape, expected: Shape, network: Network, anew: str = ""
) -> UserError:
    return UserError(
        f"{file}, whose {name!r} has the shape {tuple(got)}",
        f"{tuple(expected)}, as in {network.name}",
        f"Give --network the architecture that the file is of{anew}.",
    )


def _listed(names: Any) -> str:
    some = list(names)
    return ", ".join(some[:6]) + (f" and {len(some) - 6} more" if len(some) > 6 else "")
