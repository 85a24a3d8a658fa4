"""Networks from models of other libraries: PyTorch, Flax (linen and nnx), Equinox; and from pure functions.

An adapter turns a model into a `Network`: two pure functions, with parameters by name. It works wherever nothing about single
units must be known: the tangent space, training, masks and pruning. `load_ticket` brings a ticket's file back into the model.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ticketlab.adapters.equinox_models import equinox
    from ticketlab.adapters.flax_models import linen, nnx
    from ticketlab.adapters.loading import load_ticket
    from ticketlab.adapters.own_model import OwnModel
    from ticketlab.adapters.pure_functions import functions
    from ticketlab.adapters.torch_models import torch

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "equinox_models": ["equinox"],
        "flax_models": ["linen", "nnx"],
        "loading": ["load_ticket"],
        "own_model": ["OwnModel"],
        "pure_functions": ["functions"],
        "torch_models": ["torch"],
    },
)

__all__ = ["OwnModel", "equinox", "functions", "linen", "load_ticket", "nnx", "torch"]
