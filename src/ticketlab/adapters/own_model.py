"""The user's own model as a choice of network, by the name of its factory: `own:module=my_module:make_model`.

The library is recognised by what the factory returns. A factory may ask for what it needs by the names of its arguments:
`input_shape` and `outputs` of the task, `rngs` (then it makes an nnx module), `key` (an Equinox model).
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ticketlab.errors import UserError
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.layers import Shape

if TYPE_CHECKING:
    from ticketlab.networks.network import Network

__all__ = ["OwnModel", "adapt"]

KINDS = {  # base class of a model: the adapter
    ("torch.nn", "Module"): "torch",
    ("flax.linen", "Module"): "linen",
    ("flax.nnx", "Module"): "nnx",
    ("equinox", "Module"): "equinox",
}
ACCEPTED = "a model of PyTorch, Flax (linen, nnx) or Equinox, a pair (init, apply), or a ticketlab Network"


@dataclass(frozen=True)
class OwnModel(Architecture):
    """A model of your own, in PyTorch, Flax or Equinox.

    Arguments:
        module: where its factory is: my_module:make_model, or path/to/my_model.py:make_model.
    """

    module: str

    @property
    def described(self) -> bool:
        return False

    def __post_init__(self) -> None:
        from ticketlab.adapters.reference import REFERENCE

        if not REFERENCE.fullmatch(self.module):
            raise UserError(
                f"the model {self.module!r}",
                "MODULE:FACTORY or FILE.py:FACTORY, such as my_module:make_model",
            )

    def describe(self, input_shape: Shape | None = None, outputs: int | None = None) -> str:
        return self.module

    def build(self, input_shape: Shape, outputs: int) -> Network:
        """The model as a network: the same object as long as its files are the same.

        Raises:
            UserError: for a module that cannot be imported, a factory that raises or asks for arguments that are not known, and
                as the adapters do.
        """
        return _built(self, tuple(input_shape), outputs, tuple(self.digest().items()))

    def digest(self) -> Mapping[str, str]:
        """What the model's numbers depend on beside the plan: its files, as a hash, and its library."""
        from ticketlab.adapters.reference import digest

        return digest(self.module)


@lru_cache(maxsize=32)
def _built(model: OwnModel, input_shape: Shape, outputs: int, depends: Any) -> Network:
    from ticketlab.adapters.reference import resolve

    return adapt(resolve(model.module), input_shape, outputs, model.module)


def adapt(own: Any, input_shape: Shape, outputs: int, name: str) -> Network:
    """A network from a factory, a model, a pair of functions or a network, by what it is or returns.

    Arguments:
        own: the factory or model.
        input_shape, outputs: of the task.
        name: for messages.

    Raises:
        UserError: for anything else, and as the adapters do.
    """
    from ticketlab import adapters
    from ticketlab.adapters.user_code import called
    from ticketlab.networks.network import Network

    kind = kind_of(own)
    if kind is None and not isinstance(own, Network | tuple):
        factory, keyed = _filled(own, input_shape, outputs, name)
        if keyed:
            return getattr(adapters, keyed)(factory, input_shape, outputs, name=name)
        found = called(factory)
        kind = kind_of(found)
        # Linen modules and PyTorch factories draw their parameters by the key; other models come with theirs.
        own = factory if kind in ("torch", "linen") else found
    if kind is not None:
        return getattr(adapters, kind)(own, input_shape, outputs, name=name)
    if isinstance(own, tuple) and len(own) == 2 and all(map(callable, own)):
        return adapters.functions(*own, input_shape, outputs, name=name)
    if not isinstance(own, Network):
        raise UserError(f"{type(own).__name__} from {name}", ACCEPTED)
    if (own.input_shape, own.outputs) != (tuple(input_shape), outputs):
        raise UserError(
            f"a network for inputs {own.input_shape} and {own.outputs} outputs from {name}",
            f"one for inputs {tuple(input_shape)} and {outputs} outputs",
            "Let the factory take input_shape and outputs.",
        )
    return own


def kind_of(model: Any) -> str | None:
    """The adapter for a model; None for what is no model of a known library. Imports none of them."""
    for (module, cls), kind in KINDS.items():
        base = getattr(sys.modules.get(module), cls, None)
        if base is not None and isinstance(model, base):
            return kind
    return None


def _filled(factory: Any, input_shape: Shape, outputs: int, name: str) -> tuple[Callable[..., Any], str]:
    """The factory with the arguments that it asks for, and the adapter if it asks for random numbers."""
    if not callable(factory):
        raise UserError(f"{type(factory).__name__} at {name}", ACCEPTED)
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return factory, ""
    given = {
        n: v for n, v in {"input_shape": tuple(input_shape), "outputs": outputs}.items() if n in parameters
    }
    random = {n: kind for n, kind in {"rngs": "nnx", "key": "equinox"}.items() if n in parameters}
    positional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    missing = [
        n
        for n, p in parameters.items()
        if p.default is p.empty and p.kind not in positional and n not in given and n not in random
    ]
    if missing:
        raise UserError(
            f"{name}, whose argument {missing[0]!r} has no value",
            "a factory with the arguments input_shape, outputs, rngs or key, or none",
            "Give the others default values.",
        )
    filled = functools.partial(factory, **given)
    for argument, kind in random.items():
        return functools.partial(_with_random, filled, argument), kind
    return filled, ""


def _with_random(factory: Callable[..., Any], argument: str, value: Any) -> Any:
    return factory(**{argument: value})
