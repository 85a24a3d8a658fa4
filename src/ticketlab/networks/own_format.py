"""How a network that came from a model of another library goes back into that library's own format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

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
        masks: how masked weights are stored beside the dense state: "pruned" as PyTorch's `prune` does, by `NAME_orig` and
            `NAME_mask`, or "separate", under `mask/NAME`.
    """

    library: str
    about: Mapping[str, str] = field(hash=False)
    state: Callable[[Params], dict[str, np.ndarray]] = field(repr=False)
    masks: Literal["pruned", "separate"]
