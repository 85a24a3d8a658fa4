"""What a function does with each of its parameters, read from its traced program (jaxpr).

Three things are asked of a model without a description of its layers: in which precision it computes, which parameters reach the
outputs at all, and which of them are *weights*, which masks may cover: those that enter a matrix product or a convolution, or of
which rows are looked up. A weight may be reshaped, transposed, cut or converted on its way there. Biases, scales of
normalisations and learnt positions are added or multiplied number by number, so they are no weights. Weights are found in the
order in which the program uses them, which is that of depth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ticketlab.networks.own_format import Weight
from ticketlab.networks.params import Params

__all__ = ["precisions", "uses"]

MULTIPLIES = ("dot_general", "conv_general_dilated")
LOOKS_UP = ("gather", "dynamic_slice")
LAYS_OUT = (
    "broadcast_in_dim", "concatenate", "convert_element_type", "copy", "copy_p", "dynamic_slice", "expand_dims",
    "optimization_barrier", "pad", "reshape", "rev", "slice", "split", "squeeze", "transpose",
)  # fmt: skip


def uses(
    apply: Callable[[Params, Array], Array], params: Mapping[str, Any], x: Any
) -> tuple[tuple[Weight, ...], tuple[str, ...]]:
    """The weights among the parameters in order of use, and the parameters that the outputs do not depend on.

    Arguments:
        apply: `(params, x) -> outputs`.
        params: by name; arrays or their shapes.
        x: inputs, or their shapes.

    Cost: tracing alone; nothing is computed.
    """
    names = sorted(params)  # as JAX orders a dictionary
    program = jax.make_jaxpr(lambda x, *arrays: apply(dict(zip(names, arrays, strict=True)), x))(
        x, *(params[n] for n in names)
    )
    own = [frozenset[str](), *(frozenset({n}) for n in names)]
    found: dict[str, None] = {}
    reached = _follow(program.jaxpr, own, own, found, set())
    depends = frozenset().union(*(every for _, every in reached))
    weights = (n for n in found if params[n].ndim > 1)
    return tuple(Weight(n, tuple(params[n].shape)) for n in weights), tuple(
        n for n in names if n not in depends
    )


def precisions(apply: Callable[[Any, Array], Array], params: Any, x: Any) -> set[np.dtype[Any]]:
    """The floating types of all numbers that a function makes of its parameters.

    Arguments:
        apply: `(params, x) -> outputs`.
        params: any pytree; arrays or their shapes.
        x: inputs, or their shapes.

    Cost: tracing alone.
    """
    program = jax.make_jaxpr(apply)(params, x).jaxpr
    own = [frozenset({"parameters"})] * (len(program.invars) - 1) + [frozenset[str]()]
    found: set[np.dtype[Any]] = set()
    _follow(program, own, own, {}, found)
    return found


Names = frozenset[str]


def _follow(
    program: Any,
    laid: Sequence[Names],
    every: Sequence[Names],
    found: dict[str, None],
    types: set[np.dtype[Any]],
) -> list[tuple[Names, Names]]:
    """For each output of a program: the parameters that it is a layout of, and those that it depends on.

    Arguments:
        laid, every: the same for its inputs.
        found: collects the weights.
        types: collects the floating types of what depends on parameters.
    """
    none: Names = frozenset()
    known = dict(zip(program.invars, zip(laid, every, strict=True), strict=True))

    def of(v: Any) -> tuple[Names, Names]:
        return (none, none) if hasattr(v, "val") else known.get(v, (none, none))

    for eqn in program.eqns:
        given = [of(v) for v in eqn.invars]
        kind = eqn.primitive.name
        inner = [p for p in _programs(eqn.params) if len(p.invars) <= len(given)]
        depends = none.union(*(pair[1] for pair in given))
        if depends:
            types.update(v.aval.dtype for v in eqn.outvars if jnp.issubdtype(v.aval.dtype, jnp.floating))
        if kind in MULTIPLIES:
            _add(found, *(pair[0] for pair in given))
        elif kind in LOOKS_UP:
            _add(found, given[0][0])
        results = [(none, depends)] * len(eqn.outvars)
        for part in inner:  # the last inputs are those of the body; of a branch, all but the index
            ends = given[len(given) - len(part.invars) :]
            once = _follow(part, [p[0] for p in ends], [p[1] for p in ends], found, types)
            if kind in (
                "pjit",
                "jit",
                "closed_call",
                "custom_jvp_call",
                "custom_vjp_call",
                "remat",
                "checkpoint",
            ):
                results = once
        if kind in LAYS_OUT:
            results = [(none.union(*(pair[0] for pair in given)), depends)] * len(eqn.outvars)
        known.update(zip(eqn.outvars, results, strict=False))
    return [of(v) for v in program.outvars]


def _programs(params: Mapping[str, Any]) -> Iterator[Any]:
    """The programs within an equation."""
    for value in params.values():
        for one in value if isinstance(value, (tuple, list)) else (value,):
            inner = getattr(one, "jaxpr", one)
            if hasattr(inner, "eqns") and hasattr(inner, "invars"):
                yield inner


def _add(found: dict[str, None], *names: Names) -> None:
    for some in names:
        found.update(dict.fromkeys(sorted(some)))
