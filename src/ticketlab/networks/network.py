"""The interface of every network: two pure functions and, for networks of the zoo, a description of their layers.

`init(key)` draws a pytree of parameters, `apply(params, x)` computes the outputs of a whole batch. This pair is enough
for training and for the tangent space. A user's own pure functions enter by `pure_network(init, apply, …)` and get
everything that needs no description of units. Zoo networks add `features` (the activations after each layer) and
`layers` (which leaves of the parameters belong to which layer, and along which axis its units lie). They also add
`tapped`, from which the structure of the tangent kernel follows. It adds a given array to each layer's pre-activation
and returns each layer's input. One vector-Jacobian product then gives the cotangents δ = ∂f/∂z of all layers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import jax
from jaxtyping import Array, Float

from ticketlab.errors import UserError
from ticketlab.networks.initialisation import Distribution, Parameterisation
from ticketlab.networks.layers import Layer, checked_shape
from ticketlab.networks.own_format import OwnFormat, Weight
from ticketlab.networks.params import Features, Params, Statistics
from ticketlab.networks.stages.stage import Step
from ticketlab.networks.units import UnitGroup

__all__ = ["Features", "Network", "Params", "Statistics", "parameter_count", "pure_network"]


@dataclass(frozen=True)
class Network:
    """A network: how its parameters are drawn, and the function that they compute.

    Arguments:
        name: a short name for tables and messages.
        input_shape: the shape of one example, without the batch axis.
        outputs: k, the number of outputs.
        init: `key -> params`; the same key gives the same parameters.
        apply: `(params, x[n, *input_shape]) -> outputs[n, k]`, pure and differentiable in `params`.
        features: `(params, x) -> {layer name: activations [n, …]}` after each hidden layer's activation function, in order of
            depth; None for a network without a description.
        layers: the description of the layers in order of depth; empty for a network without one.
        tapped: `(params, x, taps) -> (outputs[n, k], {layer name: the layer's input a})`, where `taps[layer name]` is added to
            the layer's pre-activation z, `[n, *output_shape]`; a layer missing from `taps` gets nothing.
        corrected: `(params, x, correct) -> outputs[n, k]`, where `correct(layer, z)` takes the place of each layer's z.
        unit_groups: which parameters belong to which unit, in order of depth: one group for each hidden layer, or one for all
            layers whose units are tied by a sum.
        surrogate: whether it is differentiated through a surrogate (sign activations). It can be trained, but its derivatives
            do not span its tangent space.
        statistics: `(params, x) -> statistics`, with which `apply` normalises the batch x; None for a network without
            normalisation over the batch, which is a function of each example alone.
        frozen: `statistics -> network`, a function of each example alone that normalises with the given statistics; None
            if `statistics` is None.
        steps: its stages, fitted to the shapes that reach them, from which the limit of infinite width follows; empty for a
            network without a description.
        parameterisation: where the constants of its initialisation are; None for a network without a description.
        distribution: of its weights; None for a network without a description, or with weights that are not drawn.
        weights: which parameters masks cover, in order of depth, for a network without a description of its layers whose
            parameters are arrays by name; empty if that is not known.
        own_format: for a network made from a model of another library, the way back; else None.
        redrawn: for a network with a given start, `key -> params` that are drawn at random; None if `init` draws them.
    """

    name: str
    input_shape: tuple[int, ...]
    outputs: int
    init: Callable[[Array], Params] = field(repr=False)
    apply: Callable[[Params, Float[Array, "n ..."]], Float[Array, "n k"]] = field(repr=False)
    features: Callable[[Params, Array], Features] | None = field(default=None, repr=False)
    layers: tuple[Layer, ...] = ()
    tapped: Callable[[Params, Array, Mapping[str, Array]], tuple[Array, dict[str, Array]]] | None = field(
        default=None, repr=False
    )
    corrected: Callable[[Params, Array, Callable[[Layer, Array], Array]], Array] | None = field(
        default=None, repr=False
    )
    unit_groups: tuple[UnitGroup, ...] = field(default=(), repr=False)
    surrogate: bool = False
    statistics: Callable[[Params, Array], Statistics] | None = field(default=None, repr=False)
    frozen: Callable[[Statistics], Network] | None = field(default=None, repr=False)
    steps: tuple[Step, ...] = field(default=(), repr=False, compare=False)
    parameterisation: Parameterisation | None = field(default=None, repr=False, compare=False)
    distribution: Distribution | None = field(default=None, repr=False, compare=False)
    weights: tuple[Weight, ...] = field(default=(), repr=False)
    own_format: OwnFormat | None = field(default=None, repr=False, compare=False)
    redrawn: Callable[[Array], Params] | None = field(default=None, repr=False, compare=False)

    def drawn(self, key: Array) -> Params:
        """Parameters that are drawn at random, whatever the network's own start: for controls."""
        return (self.redrawn or self.init)(key)

    def require_each_alone(self, purpose: str) -> None:
        """Raises a UserError if an example's outputs depend on the other examples of its batch."""
        if self.statistics is not None:
            raise UserError(
                f"{self.name}, which normalises over the batch, so an example's outputs depend on the other examples",
                f"a function of each example alone, for {purpose}",
                "Normalise over channels, or fix the statistics: network.frozen(network.statistics(params, x)).",
            )

    def require_layers(self, purpose: str) -> tuple[Layer, ...]:
        """The description of the layers; raises a UserError if the network has none."""
        if not self.layers or self.tapped is None or self.features is None:
            raise UserError(
                f"network {self.name!r}, which has no description of its layers",
                f"one for {purpose}",
                "Use a network of the zoo (ticketlab.networks), or a computation that needs only init and apply.",
            )
        return self.layers


def pure_network(
    init: Callable[[Array], Params],
    apply: Callable[[Params, Array], Array],
    *,
    input_shape: tuple[int, ...],
    outputs: int,
    name: str = "user's network",
    weights: tuple[Weight, ...] = (),
    own_format: OwnFormat | None = None,
) -> Network:
    """A `Network` from any pair of pure functions. It has no description of units; errors say where one is needed.

    Arguments:
        init: `key -> params`, any pytree of floating arrays.
        apply: `(params, x[n, *input_shape]) -> outputs[n, outputs]`, a whole batch at once.
        input_shape: the shape of one example.
        outputs: k.
        name: for tables and messages.
        weights: which parameters masks may cover, if the parameters are arrays by name; without them it has no masks.
        own_format: the way back to the library that the model comes from.

    Raises:
        UserError: from `apply`, if the outputs are not `[n, outputs]`.
    """

    def checked_apply(params: Params, x: Array) -> Array:
        result = apply(params, x)
        if result.shape != (x.shape[0], outputs):
            raise UserError(
                f"outputs of shape {result.shape} from {name} for inputs of shape {x.shape}",
                f"[{x.shape[0]}, {outputs}]",
                "Let apply take a whole batch and return one row of outputs for each example.",
            )
        return result

    return Network(
        name, checked_shape(input_shape), outputs, init, checked_apply, weights=weights, own_format=own_format
    )


def parameter_count(params: Params) -> int:
    """P, the number of parameters, from arrays or from the shapes that `jax.eval_shape` gives."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
