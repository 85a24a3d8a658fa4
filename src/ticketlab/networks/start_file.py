"""The file that a network's start is read from, and how its arrays become the parameters of a network.

The file is safetensors. Names are `LAYER/weight` and `LAYER/bias` for a network of the zoo, and those of the model's own format
for a user's model (a `state_dict`). A ticket's file is a start too. What is drawn anew is found by name, and a read-out layer for
another number of outputs by its shape. All other differences between file and network are mistakes, and are refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ticketlab.errors import UserError
from ticketlab.networks.layers import Shape

if TYPE_CHECKING:
    import numpy as np

    from ticketlab.networks.network import Network, Params

__all__ = ["TRAINED_ON", "StartFile", "fitted", "name_of", "named_parameters"]

TICKET = "ticketlab ticket"
TRAINED_ON = "data"  # in a file's metadata: the content hash of the data set that its network was trained on
SAVE = (
    "Save it by safetensors: safetensors.torch.save_file(model.state_dict(), path), or `ticketlab pretrain`."
)


class _Bytes:
    """Bytes that are compared by nothing: the digest beside them is."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Bytes)

    def __hash__(self) -> int:
        return 0


@dataclass(frozen=True)
class StartFile:
    """A file as it was read: its name for messages, and its arrays by name."""

    name: str
    digest: str
    raw: _Bytes

    @classmethod
    def read(cls, name: str) -> StartFile:
        """The file of this name, as it is now; UserError if it cannot be read."""
        try:
            content = Path(name).expanduser().read_bytes()
        except FileNotFoundError:
            raise UserError(
                f"no file {name}", "a safetensors file with the parameters of a network"
            ) from None
        except OSError as error:
            raise UserError(
                f"{name}, which cannot be read ({error.strerror})", "a safetensors file"
            ) from None
        return cls(name, hashlib.sha256(content).hexdigest(), _Bytes(content))

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


def fitted(
    file: StartFile, network: Network, part: str, asked: tuple[str, ...]
) -> tuple[Network, tuple[str, ...], Params]:
    """The network with what is fixed in the file, the names of what is drawn anew, and the file's parameters as its own.

    Arguments:
        part: of a ticket's file.
        asked: layers or parameters that are drawn anew, by name.

    Where a parameter is drawn anew, its place holds zeros.
    """
    import jax
    import numpy as np

    like: Any = jax.eval_shape(network.init, jax.random.key(0))
    shapes = {name: tuple(of.shape) for name, of in named_parameters(like)}
    arrays, network = _own(file, network, part, shapes)
    anew = tuple(name for name in shapes if _asked(name, asked) or _read_out(network, name, shapes, arrays))
    _check_asked(asked, shapes)
    if len(anew) == len(shapes):
        raise UserError(f"{file.name}, of which nothing is kept", "at least one layer that is not drawn anew")
    for name, shape in shapes.items():
        if name not in anew:
            _check(file.name, name, shape, arrays, network)
    kept = jax.tree_util.tree_map_with_path(
        lambda path, of: (
            np.zeros(of.shape, np.float32)
            if name_of(path) in anew
            else np.asarray(arrays[name_of(path)], np.float32)
        ),
        like,
    )
    return network, anew, kept


def named_parameters(params: Params) -> Iterator[tuple[str, Any]]:
    """Every array with its name: `LAYER/weight`, or the name that a user's model has for it."""
    import jax

    for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        yield name_of(path), leaf


def name_of(path: Any) -> str:
    import jax

    return jax.tree_util.keystr(path, simple=True, separator="/")


def _own(
    file: StartFile, network: Network, part: str, shapes: Mapping[str, Shape]
) -> tuple[dict[str, np.ndarray], Network]:
    """The file's arrays by the network's names; and the network, with the file's statistics and the like where it has some."""
    arrays = file.arrays
    if file.metadata.get("format", "").startswith(TICKET):
        return _of_ticket(file, part, shapes), network
    own = network.own_format
    if own is None:
        _check_names(file.name, arrays, shapes, shapes)
        return dict(arrays), network
    names = {name: next((n for n in own.names.get(name, ()) if n in arrays), name) for name in shapes}
    fixed = {name: array for name, array in arrays.items() if name in own.fixed and not _is_mask(name)}
    tied = {n for of in own.names.values() for n in of}
    rest = {
        name: array
        for name, array in arrays.items()
        if name not in fixed and name not in tied and not _is_mask(name)
    }
    _check_names(file.name, rest, shapes, [*tied, *own.fixed])
    return {name: arrays[n] for name, n in names.items() if n in arrays}, _with_fixed(
        file.name, network, fixed
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


def _of_ticket(file: StartFile, part: str, shapes: Mapping[str, Shape]) -> dict[str, np.ndarray]:
    """The parameters of a ticket, with zeros where its mask is."""
    places = (f"{part}/", f"{part}-parameter/")
    found = {
        name.removeprefix(place): array
        for name, array in file.arrays.items()
        for place in places
        if name.startswith(place)
    }
    if not found:
        raise UserError(f"{file.name}, a ticket without {part} weights", "the other part", "Use part=start.")
    _check_names(file.name, found, shapes, shapes)
    return found


def _asked(name: str, anew: tuple[str, ...]) -> bool:
    return any(name == asked or name.startswith((f"{asked}/", f"{asked}.")) for asked in anew)


def _check_asked(anew: tuple[str, ...], shapes: Mapping[str, Shape]) -> None:
    for asked in anew:
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
