"""A ticket in a file that other programs can read: initial weights, trained weights, the mask, and its origin.

The file is safetensors: named arrays and a dictionary of text. Names are `start/LAYER/weight`, `trained/LAYER/weight` and
`mask/LAYER` (bytes, 0 or 1). Weights are already masked. The text names the network, the search and the plan.
`ticketlab.store.torch_layout` converts the arrays to PyTorch's layout.

The parameters of a user's own model are `start-parameter/NAME` and `trained-parameter/NAME`. Other files beside this one have the
ticket in the format of the model's library.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import ticketlab
from ticketlab.errors import UserError
from ticketlab.networks.network import Params
from ticketlab.store.whole import write_whole
from ticketlab.tickets.masks import Mask, over_parameters, weights_in
from ticketlab.tickets.ticket import Ticket

__all__ = ["read_ticket", "write_ticket"]

FORMAT = "ticketlab ticket 1"


def write_ticket(path: Path | str, ticket: Ticket) -> None:
    """Writes a ticket in full or not at all.

    Raises:
        UserError: for parameters that are not zero where the mask is, a mask of other layers or shapes, or a path that cannot be
            written.
    """
    from safetensors.numpy import save

    path = Path(path)
    arrays: dict[str, np.ndarray] = {
        f"mask/{name}": np.asarray(m, np.uint8) for name, m in ticket.mask.items()
    }
    for what, params in (("start", ticket.start), ("trained", ticket.trained)):
        for name, leaves in (params or {}).items():
            if not isinstance(leaves, Mapping):  # of a user's own model: an array by name
                arrays[f"{what}-parameter/{name}"] = np.ascontiguousarray(leaves)
                continue
            for leaf, array in leaves.items():
                arrays[f"{what}/{name}/{leaf}"] = np.ascontiguousarray(array)
        if params:
            _check_masked(what, params, ticket.mask)
    about = {"format": FORMAT, "ticketlab": ticketlab.__version__, **ticket.about}
    write_whole(path, save(arrays, metadata=about))
    for kind, own in ticket.own.items():
        whole = {name: np.ascontiguousarray(array) for name, array in own.items()}
        write_whole(path.with_suffix(f".{kind}.safetensors"), save(whole, metadata={**about, "format": kind}))


def read_ticket(path: Path | str) -> Ticket:
    """The ticket in a file.

    Raises:
        UserError: for a file that cannot be read or is not a ticket.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            about = dict(file.metadata() or {})
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (
        OSError,
        SafetensorError,
        AttributeError,
        TypeError,
        ValueError,
        KeyError,
    ) as error:  # types unknown to NumPy
        raise UserError(f"{path}, which cannot be read ({error})", "a ticket's file") from None
    if about.pop("format", None) != FORMAT:
        raise UserError(f"{path}, which is no ticket of this format", FORMAT)
    about.pop("ticketlab", None)
    parts: dict[str, Any] = {"start": {}, "trained": {}, "mask": {}}
    parameters = [name.partition("/")[2] for name in arrays if "-parameter/" in name]
    for name, array in arrays.items():
        what, _, own = name.partition("/")
        match [what, own] if own in parameters else name.split("/"):  # a user's names may have slashes
            case ["mask", layer]:
                parts["mask"][layer] = array.astype(bool)
            case ["start-parameter" | "trained-parameter" as what, name]:
                parts[what.removesuffix("-parameter")][name] = array
            case ["start" | "trained" as what, layer, leaf]:
                parts[what].setdefault(layer, {})[leaf] = array
            case _:
                raise UserError(
                    f"{path}, with an array called {name!r}",
                    "mask/LAYER, start/LAYER/LEAF or trained/LAYER/LEAF",
                )
    return Ticket(parts["start"], parts["mask"], parts["trained"] or None, about)


def _check_masked(what: str, params: Params, mask: Mask) -> None:
    over_parameters(mask, params)  # refuses other layers and shapes
    for name, kept in mask.items():
        if np.any(np.asarray(weights_in(params, [name])[name])[~np.asarray(kept, bool)]):
            raise UserError(
                f"weights of {name!r} ({what}) that are not zero where the mask is",
                "a ticket's own parameters",
                "Multiply them by the mask, or take them from the search's state.",
            )
