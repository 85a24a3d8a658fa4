"""How a network that came from a model of another library goes back into that library's own format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from ticketlab.networks.params import Params

__all__ = ["OwnFormat", "Weight"]


@dataclass(frozen=True)
class Weight:
    """A parameter that masks cover: one that an input is multiplied with, or that is looked up.

    Arguments:
        name: of the parameter, or of the layer whose weight it is.
        weight_shape: its shape.
    """

    name: str
    weight_shape: tuple[int, ...]


@dataclass(frozen=True)
class OwnFormat:
    """The format of a user's model.

    Arguments:
        library: its name.
        about: text that belongs into a file: versions and names.
        state: from parameters to everything that the model needs, arrays by the library's own names.
        names: of every parameter in that state, `{parameter: names}`; several for one that is tied.
        masks: how masked weights are stored beside the dense state: "pruned" as PyTorch's `prune` does, by `NAME_orig` and
            `NAME_mask`, or "separate", under `mask/NAME`.
        fixed: what is in the state and is no parameter, such as running statistics.
        refixed: the network (a `Network`) with other values of these; None if the model has to be made with them.
    """

    library: str
    about: Mapping[str, str] = field(hash=False)
    state: Callable[[Params], dict[str, np.ndarray]] = field(repr=False)
    names: Mapping[str, tuple[str, ...]] = field(hash=False, repr=False)
    masks: Literal["pruned", "separate"]
    fixed: Mapping[str, np.ndarray] = field(default_factory=dict, hash=False, repr=False)
    refixed: Callable[[Mapping[str, np.ndarray]], Any] | None = field(default=None, hash=False, repr=False)

    def files(
        self, start: Params, trained: Params | None, mask: Mapping[str, np.ndarray]
    ) -> dict[str, dict[str, np.ndarray]]:
        """What is stored of a ticket, by the kind of file.

        "trained" and "start" are whole states with zeros where the mask is. If masks are "pruned", "trained-pruned" and
        "start-pruned" keep weights and masks apart, so that the mask stays in force in further training.
        """
        found: dict[str, dict[str, np.ndarray]] = {}
        for kind, params in (("trained", trained), ("start", start)):
            if params is None:
                continue
            state = self.state(params)
            if self.masks == "pruned":
                found[kind], found[f"{kind}-pruned"] = state, self._pruned(state, mask)
            else:
                found[kind] = {**state, **self._separate(mask)}
        return found

    def _pruned(
        self, state: Mapping[str, np.ndarray], mask: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """As PyTorch's `prune.custom_from_mask` leaves it: NAME_orig and NAME_mask in the place of NAME."""
        found = dict(state)
        for parameter, kept in mask.items():
            for name in self.names[parameter]:
                found[f"{name}_orig"] = weight = found.pop(name)
                found[f"{name}_mask"] = kept.astype(weight.dtype)
        return found

    def _separate(self, mask: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {f"mask/{name}": kept.astype(np.uint8) for p, kept in mask.items() for name in self.names[p]}
