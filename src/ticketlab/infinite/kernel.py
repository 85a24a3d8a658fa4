"""The two kernels of a network's stages in the limit of infinite width, in blocks of pairs of examples.

    NNGP  Σ(x, x′) = E[f_c(x) f_c(x′)],  one output over random networks;        NTK  Θ(x, x′) = E[∂f_c(x)/∂θ · ∂f_c(x′)/∂θ]

Both are for the network's own constants and widths, so they can be compared with `tangent_kernel` and `averaged_kernel` of the
same network: means over random networks differ from the limit by about the inverse width, and K ≈ Θ ⊗ I for all outputs. In the
standard parameterisation Θ grows with the width, because n stays in front of K (Θ/width has the limit); in the NTK
parameterisation Θ has no width in it; in μP Θ describes only the start of training.

Each example is first met with itself: this gives the diagonal, and the variances that all its pairs need. Then each pair of
blocks is one compiled program, on one side of the diagonal if X₁ = X₂. All arithmetic is float64: in float32 the angle between
similar examples would lose half of its digits.

Sources: Lee et al. 2018, arXiv 1711.00165; Jacot, Gabriel, Hongler 2018, arXiv 1806.07572; Novak et al. 2019, arXiv 1810.05148,
and Arora et al. 2019, arXiv 1904.11955 (convolutions); Yang 2020, arXiv 2006.14548 (any architecture).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import jax
import numpy as np
from jaxtyping import Array, Float

from ticketlab.errors import UserError
from ticketlab.infinite.blocks import assembled, block_size, met_with_themselves
from ticketlab.infinite.recursion import Recipe, itself, pair
from ticketlab.infinite.rules import refuse_sequences
from ticketlab.networks import Activate, Network, Parameterisation
from ticketlab.tangent.selection import AllParameters, Layers, Masked, Selection

__all__ = ["Kernels", "kernel_function", "kernels", "kernels_diagonal"]

ALL_PARAMETERS = AllParameters()
MEMORY = 2**30
Which: TypeAlias = Literal["nngp", "ntk"]


@dataclass(frozen=True)
class Kernels:
    """Kernels of one output; None for one that was not asked for.

    Arguments:
        nngp: Σ(x_i, x_j), the covariance of an output over random networks.
        ntk: Θ(x_i, x_j), the tangent kernel.
    """

    nngp: Float[np.ndarray, "..."] | None
    ntk: Float[np.ndarray, "..."] | None


def kernels(
    network: Network,
    x: Any,
    x2: Any = None,
    *,
    get: Which | Sequence[Which] = ("nngp", "ntk"),
    selection: Selection = ALL_PARAMETERS,
    memory: int = MEMORY,
    devices: Sequence[Any] | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Kernels:
    """Σ(X₁, X₂) and Θ(X₁, X₂) of a network of stages, float64, `[n, m]`.

    Arguments:
        network: from the zoo or from `sequential`.
        x, x2: inputs `[n, *input_shape]` and `[m, *input_shape]`; without x2 all pairs of x, symmetric to the bit.
        get: "nngp", "ntk" or both.
        selection: the trained parameters, all or those of some `Layers`: others add nothing to Θ.
        memory: bytes for a pair of blocks, in addition to the result (default: 1 GiB).
        devices: JAX devices that share the pairs of blocks (default: the first alone).
        progress: called with the fraction done.

    Returns:
        The kernels that were asked for.

    Raises:
        UserError: for a stage without a limit, a network without stages, or the covariance of μP's outputs, which tends to zero.
        NumericalFailure: if the series for tanh misses a relative error of 10⁻⁶.

    Cost for each pair: a matrix product over inputs, and for each activation function some 40 operations at each pair of pixels
        that matters: pixels with themselves before Flatten, more below average pools, all pairs before a mean over all pixels.
    """
    wanted = _wanted(get)
    recipe = _recipe(network, wanted, selection)
    first = _examples(network, x)
    second = first if x2 is None else _examples(network, x2)
    size, other = (block_size(recipe, memory, len(side)) for side in (first, second))
    with jax.enable_x64(True):
        recipe, left = met_with_themselves(recipe, first, size)
        right = left
        if x2 is not None:
            again, right = met_with_themselves(recipe, second, other)
            if again.terms != recipe.terms:  # both sides of a series have the same terms
                recipe, left = met_with_themselves(again, first, size)
        found = assembled(recipe, left, right, x2 is None, devices or jax.local_devices()[:1], progress)
    nngp, ntk = (None if f is None else f[: len(first), : len(second)] for f in found)
    return Kernels(nngp if "nngp" in wanted else None, ntk)


def kernels_diagonal(
    network: Network,
    x: Any,
    *,
    get: Which | Sequence[Which] = ("nngp", "ntk"),
    selection: Selection = ALL_PARAMETERS,
    memory: int = MEMORY,
) -> Kernels:
    """Σ(x_i, x_i) and Θ(x_i, x_i), `[n]`, without any pairs; arguments and errors as for `kernels`."""
    wanted = _wanted(get)
    recipe = _recipe(network, wanted, selection)
    examples = _examples(network, x)
    with jax.enable_x64(True):
        _, blocks = met_with_themselves(recipe, examples, block_size(recipe, memory, len(examples)))
    nngp = np.concatenate([block.nngp for block in blocks])[: len(examples)]
    if not recipe.ntk:
        return Kernels(nngp, None)
    ntk = np.concatenate([block.ntk for block in blocks if block.ntk is not None])[: len(examples)]
    return Kernels(nngp if "nngp" in wanted else None, ntk)


def kernel_function(
    network: Network,
    *,
    get: Which | Sequence[Which] = ("nngp", "ntk"),
    selection: Selection = ALL_PARAMETERS,
    terms: int = 128,
) -> Callable[[Array, Array], tuple[Array | None, Array | None]]:
    """`(x1, x2) -> (Σ, Θ)` as one pure JAX function, in the precision of its inputs, to differentiate and compile.

    Derivatives of Σ exist everywhere, also at copies. Those of ReLU's Θ do not exist there, and are taken to be finite.

    Arguments:
        terms: of the series for tanh; `kernels` chooses them by itself.
    """
    wanted = _wanted(get)
    recipe = _recipe(network, wanted, selection, terms)

    def function(x1: Array, x2: Array) -> tuple[Array | None, Array | None]:
        nngp, ntk = pair(recipe, x1, x2, itself(recipe, x1)[0], itself(recipe, x2)[0])
        return (nngp if "nngp" in wanted else None), ntk

    return function


# What is asked for


def _wanted(get: Which | Sequence[Which]) -> tuple[str, ...]:
    wanted = (get,) if isinstance(get, str) else tuple(get)
    if not wanted or not {*wanted} <= {"nngp", "ntk"}:
        raise UserError(f"get={get!r}", '"nngp", "ntk" or both')
    return wanted


def _recipe(network: Network, wanted: tuple[str, ...], selection: Selection, terms: int = 32) -> Recipe:
    if not network.steps:
        raise UserError(
            f"network {network.name!r}, which does not say which stages it has",
            "a network of the zoo, or stages joined by ticketlab.networks.sequential",
            "Average the empirical kernel of wide networks instead (ticketlab.tangent.averaged_kernel).",
        )
    refuse_sequences(network.steps)
    if isinstance(network.steps[-1].stage, Activate):
        raise UserError(
            f"{network.name}, which ends in an activation function, so its outputs are not Gaussian",
            "outputs that are linear in the last layer",
            "End the network in a dense layer.",
        )
    if not network.layers[-1].stage.weighted:
        raise UserError(
            f"{network.name}, which normalises its outputs, and their number is not large",
            "outputs that are linear in the last layer",
            "End the network in a dense layer.",
        )
    hidden = sum(layer.stage.weighted for layer in network.layers) > 1
    if "nngp" in wanted and network.parameterisation is Parameterisation.MUP and hidden:
        raise UserError(
            "the covariance of the outputs of a network in μP, which tends to zero with the inverse width",
            "a parameterisation whose random function has a limit",
            'Choose standard or ntk for a prior; ask for get="ntk" for the tangent kernel at the start of training.',
        )
    return Recipe(network, "ntk" in wanted, _trained(network, selection), terms)


def _trained(network: Network, selection: Selection) -> frozenset[str] | None:
    if isinstance(selection, AllParameters):
        return None
    if not isinstance(selection, Layers):
        raise UserError(
            "a mask" if isinstance(selection, Masked) else repr(selection),
            "AllParameters() or Layers(…)",
            "A mask has no limit of infinite width; use the empirical kernel (ticketlab.tangent.tangent_kernel).",
        )
    selection.masks(
        {layer.name: {"weight": np.zeros(1)} for layer in network.layers}
    )  # refuses unknown names
    return frozenset(selection.names)


def _examples(network: Network, x: Any) -> Float[np.ndarray, "n ..."]:
    x = np.asarray(x, np.float64)
    if x.shape[1:] != network.input_shape or not len(x):
        raise UserError(
            f"inputs of shape {x.shape} for {network.name}",
            f"[{', '.join(['n', *map(str, network.input_shape)])}], n examples",
        )
    if not np.isfinite(x).all():
        raise UserError("inputs that are not finite", "finite numbers")
    return x
