"""Networks of every kind whose units can be rescaled, flipped or permuted, and planted symmetries of them, written out."""

from typing import Any

import jax
import numpy as np

from ticketlab.networks import (
    MLP,
    Activate,
    Activation,
    ConvNet,
    Dense,
    Flatten,
    LeNet5,
    Network,
    Normalisation,
    Normalise,
    Parameterisation,
    PreActResNet,
    Repeat,
    Residual,
    ResNet,
    sequential,
)
from ticketlab.networks.sequence_architectures import GRUNet, LSTMNet
from ticketlab.symmetry.places import arrays_of, by_unit
from ticketlab.symmetry.scale_groups import scale_groups

SHAPE = (8, 8, 2)
BATCH, CHANNELS = Normalisation.BATCH, Normalisation.CHANNELS
SIGN = Activation.SIGN


def repeated() -> Network:
    """Layers that lead from their units to the same units."""
    act = Activate(Activation.RELU)
    stages = (Dense(7), act, Repeat((Dense(7), act), 2), Residual((Dense(5), act, Dense(7))), Dense(3))
    return sequential((Flatten(), *stages), SHAPE, name="repeated")


def normalised_when_flat() -> Network:
    act = Activate(Activation.RELU)
    stages = (Flatten(), Dense(9), act, Normalise(BATCH), Dense(8), act, Dense(3))
    return sequential(stages, SHAPE, name="normalised after its activations")


def relu_before_signs() -> Network:
    """Factors that are free on both sides lead into units whose own size is void."""
    relu, sign = Activate(Activation.RELU), Activate(Activation.SIGN)
    stages = (Dense(9), relu, Dense(7), sign, Residual((Dense(6), relu, Dense(7), sign)), Dense(8), relu)
    return sequential((Flatten(), *stages, Dense(3)), SHAPE, name="ReLU before signs")


NETWORKS = {
    "mlp": MLP((16, 12, 9)).build(SHAPE, 3),
    "without biases": MLP((16, 12), bias=False).build(SHAPE, 3),
    "ntk": MLP((16, 12), parameterisation=Parameterisation.NTK).build(SHAPE, 3),
    "tanh": MLP((16, 12), activation=Activation.TANH).build(SHAPE, 3),
    "cnn": LeNet5().build((16, 16, 1), 3),
    "cnn, normalised": ConvNet(2, width=6, normalisation=CHANNELS).build(SHAPE, 3),
    "residual": PreActResNet((6, 8), blocks=2, normalisation=None).build(SHAPE, 3),
    "residual, channels": ResNet((6, 8), blocks=2).build(SHAPE, 3),
    "residual, batch": ResNet((6, 8), blocks=2, normalisation=BATCH).build(SHAPE, 3),
    "pre-activation, channels": PreActResNet((6, 8), blocks=1).build(SHAPE, 3),
    "pre-activation, batch": PreActResNet((6, 8), blocks=1, normalisation=BATCH).build(SHAPE, 3),
    "repeated": repeated(),
    "normalised after activations": normalised_when_flat(),
    "sign": MLP((16, 12), activation=SIGN).build(SHAPE, 3),
    "sign, without biases": MLP((16, 12), activation=SIGN, bias=False).build(SHAPE, 3),
    "sign, channels": ConvNet(2, width=6, normalisation=CHANNELS, activation=SIGN).build(SHAPE, 3),
    "sign, batch": MLP((16, 12), normalisation=BATCH, activation=SIGN).build(SHAPE, 3),
    "sign, residual": PreActResNet((6, 8), blocks=1, normalisation=None, activation=SIGN).build(SHAPE, 3),
    "relu before signs": relu_before_signs(),
    "gru": GRUNet((6,)).build((4, 3), 3),
    "lstm": LSTMNet((5, 4)).build((4, 3), 3),
}


def drawn(network: Network, seed: int) -> Any:
    """He-sized weights, scales around 1, and biases that are not zero, without compiling `init`."""
    draw = np.random.default_rng(seed)
    shapes = jax.eval_shape(network.init, jax.random.key(0))
    weighted = {layer.name: layer for layer in network.layers}

    def leaf(layer: str, name: str, shape: tuple[int, ...]) -> np.ndarray:
        values = draw.standard_normal(shape)
        if name == "bias":
            values = 0.3 * values
        elif weighted[layer].stage.weighted:
            values = np.sqrt(2 / weighted[layer].inputs) / weighted[layer].weight_scale * values
        else:
            values = 1 + 0.3 * values
        return values.astype(np.float32)

    return {
        layer: {n: leaf(layer, n, a.shape) for n, a in sorted(leaves.items())}
        for layer, leaves in sorted(shapes.items())
    }


def inputs(network: Network, n: int = 32) -> np.ndarray:
    return np.random.default_rng(7).standard_normal((n, *network.input_shape)).astype(np.float32)


def planted(network: Network, params: Any, seed: int, permute: bool = True) -> tuple[Any, dict[str, Any]]:
    """Random factors e^{N(0, 1)}, signs and orders where they are free, unit by unit; and the orders."""
    draw = np.random.default_rng(seed)
    arrays = arrays_of(network, params)
    for group in scale_groups(network):
        factors = np.ones(group.units.units)
        if group.units.rescalable:
            factors = factors * np.exp(draw.standard_normal(group.units.units))
        biased = any(axis.leaf == "bias" for axis in group.units.incoming)
        if group.units.flippable and (biased or not group.units.jumps):
            factors = factors * draw.choice([-1.0, 1.0], group.units.units)
        for axes, power in ((group.units.incoming, 1), (group.units.outgoing, -1)):
            for axis in axes:
                view = by_unit(arrays, axis)
                for u, factor in enumerate(factors):
                    of_unit = (u, ...) if axis.odd_gate is None else (u, ..., axis.odd_gate)
                    view[of_unit] *= factor**power
    orders = {g.layer: draw.permutation(g.units) for g in network.unit_groups} if permute else {}
    for group in network.unit_groups if permute else ():
        for axis in (*group.incoming, *group.outgoing):
            view = by_unit(arrays, axis)
            view[...] = view[orders[group.layer]].copy()
    return arrays, orders


def apart(one: Any, other: Any) -> float:
    """The largest difference of two arrays, relative to the largest entry of the first, over all arrays."""
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return max(
        float(np.max(np.abs(a - np.asarray(b)))) / max(float(np.max(np.abs(a))), 1e-30) for a, b in pairs
    )
