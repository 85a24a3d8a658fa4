"""A random network with one layer more than the target: later layers sum over copies of units instead of products.

Only the first layer of the target is split in two. It makes several copies of every unit, each by sums of its own. A weight of a
later layer is a subset sum of the random weights that leave the copies of its source,

    Σ_t m_ti v_ti h_j^(t) ≈ w_ji h_j,     h_j^(t) the copies of unit j,

for each of the copies that the next layer needs. No product is involved, so all n weights are usable, of both signs. The width
is n times that of the target, and the depth L + 1. But every copy has an error of its own, so the certificate follows all copies.

Layers are written from the last to the first: how many copies of a unit are needed is known once the layer that reads them is
written. A failed weight is repaired with more copies of its source. Biases are weights of a constant, copied like a unit.

Source: Burkholz 2022, arXiv 2205.02321 (most activation functions, depth L + 1). Here for ReLU.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import scipy.sparse

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.networks.network import Params
from ticketlab.networks.sequential import sequential
from ticketlab.networks.stages import Activate, Activation, Dense, Flatten, Stage
from ticketlab.tickets.constructions.construction import Construction, LayerReport, check_options
from ticketlab.tickets.constructions.gaps import Collapsed
from ticketlab.tickets.constructions.laws import REACH, Law, Uniform
from ticketlab.tickets.constructions.searches import Search, SubsetSum
from ticketlab.tickets.constructions.sums import Block, Written, written
from ticketlab.tickets.constructions.target import Target, TargetLayer

__all__ = ["OneMoreLayer"]

RELU = Activate(Activation.RELU)


@dataclass(frozen=True)
class OneMoreLayer:
    """The construction with L + 1 random layers.

    Arguments:
        count: n, copies of every unit, and units for every input of the first layer, at an attempt.
        tolerance: ε, the error wanted of a weight, as a fraction of the largest weight or bias of its layer.
        law: what θ₀ is drawn from. Biases are weights of a constant input, so the network has none.
        search: how a weight is written.
        signed: whether inputs may be negative.
        attempts: at most; 1 leaves failures as they are, and counts them.
    """

    count: int = 24
    tolerance: float = 0.01
    law: Law = Uniform(biased=False)
    search: Search = SubsetSum()
    signed: bool = True
    attempts: int = 20

    def __post_init__(self) -> None:
        check_options(self, "copy", "copies")

    def __call__(self, target: Target, seed: int) -> Construction:
        """Draws a random network and finds the mask that makes it the target.

        Arguments:
            target: f, dense layers only.
            seed: of everything that is drawn.

        Raises:
            UserError: for a convolutional target.
            NumericalFailure: if weights are still outside the tolerance after all attempts.

        Cost: a search for each of n N weights; memory n² N weights of g.
        """
        if target.convolutional:
            raise UserError("a convolutional target", "dense layers", "Use DoubleDepth.")
        begin = time.perf_counter()
        layers = target.layers
        wanted = _wanted(self, layers)
        solved: list[_Solved] = []
        copies = np.arange(layers[-1].weight.shape[1])  # the unit of every output that is to be written
        for number in reversed(range(len(layers))):
            rows, unit, factor = wanted[number]
            own = _Layer(self, seed, number, rows[:, copies], unit[:, copies], factor, copies)
            solved.insert(0, own.solved())
            copies = solved[0].owner
        seconds = time.perf_counter() - begin
        stages: list[Stage] = [Flatten(), Dense(len(solved[0].owner)), RELU]
        for layer in solved[:-1]:
            stages += [Dense(len(layer.outputs)), RELU]
        stages.append(Dense(len(solved[-1].outputs)))
        network = sequential(
            stages,
            (layers[0].sources + 1,),
            name=f"random network for {target.network.name}",
            bias=False,
        )
        names = [layer.name for layer in network.layers]
        owners = [layer.owner for layer in solved]

        def redraw() -> Params:
            arrays = [_first(self, seed, layers[0].sources + 1, solved[0].sizes), *(s.draw() for s in solved)]
            return {name: {"weight": array} for name, array in zip(names, arrays, strict=True)}

        first = np.zeros((layers[0].sources + 1, len(owners[0])), bool)
        used = np.flatnonzero(solved[0].mask.any(axis=1))
        first[owners[0][used], used] = True
        masks = [first, *(s.mask for s in solved)]
        return Construction(
            name="depth L + 1",
            target=target,
            network=network,
            stages=tuple(stages),
            params=redraw(),
            masks={name: {"weight": mask} for name, mask in zip(names, masks, strict=True)},
            factor=float(np.prod([factor for _, _, factor in wanted])),
            constant=True,
            signed=self.signed,
            reports=tuple(s.report(layer) for s, layer in zip(solved, layers, strict=True)),
            seconds=seconds,
            redraw=redraw,
            collapse=lambda construction: _collapsed(construction, owners),
        )


def _wanted(
    plan: OneMoreLayer, layers: tuple[TargetLayer, ...]
) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """The weights of every layer as the network of copies has them, with the constant's row and column; the error that counts as
    1 of each; and r."""
    found, scale, constant = [], 1.0, 1.0
    for number, layer in enumerate(layers):
        sources, units = layer.weight.shape
        fan = plan.count * (sources + 1)
        reach = REACH * plan.law.sd(fan) * (plan.law.sd(sources + 1) if number == 0 else 1.0)
        bias = layer.bias * scale / constant
        largest = max(np.abs(layer.weight).max(), np.abs(bias).max())
        factor = reach / largest if largest > 0 else 1.0
        rows = np.zeros((sources + 1, units + 1))
        rows[:-1, :-1], rows[-1, :-1], rows[-1, -1] = factor * layer.weight, factor * bias, reach
        unit = np.full(rows.shape, factor * max(np.abs(layer.weight).max(), np.abs(layer.bias).max()))
        unit[-1] *= scale / constant
        unit[-1, -1] = reach
        found.append((rows, unit, factor))
        scale, constant = scale * factor, constant * reach
    return found


@dataclass(frozen=True)
class _Layer:
    """A random layer between copies, before it is written.

    Arguments:
        rows: the weights that are wanted, `[sources and constant, outputs]`.
        unit: the error of each that counts as 1.
        factor: r.
        outputs: the unit that each output is a copy of.
    """

    plan: OneMoreLayer
    seed: int
    number: int
    rows: np.ndarray
    unit: np.ndarray
    factor: float
    outputs: np.ndarray

    def drawn(self, attempt: int, units: int) -> np.ndarray:
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, self.number + 1, attempt]))
        fan = self.plan.count * len(self.rows)
        return self.plan.law.weights(rng, (units, len(self.outputs)), fan)

    def block(self, attempt: int, owners: np.ndarray) -> Block:
        value = np.ones(len(owners))
        if self.number == 0:
            first = _first_block(self.plan, self.seed, len(self.rows), attempt, len(owners))
            value = first[owners, np.arange(len(owners))].astype(np.float64)
        return Block(owners, value, self.drawn(attempt, len(owners)))

    def solved(self) -> _Solved:
        plan, last = self.plan, len(self.rows) - 1
        signed = np.full(len(self.rows), plan.signed and self.number == 0)
        signed[last] = False
        tolerance = plan.tolerance * self.unit
        found = written(self.block, self.rows, tolerance, signed, plan.count, plan.search, plan.attempts)
        if plan.attempts > 1 and found.failures[-1]:
            raise NumericalFailure(
                f"{found.failures[-1]} weights of layer {self.number + 1} are still off by up to {found.error:.3g} after "
                f"{plan.attempts} attempts: take more copies of every unit, or allow more attempts."
            )
        return _Solved(self, found)


@dataclass(frozen=True)
class _Solved:
    """The masks of a random layer between copies."""

    layer: _Layer
    written: Written

    @property
    def owner(self) -> np.ndarray:
        """The source that each of its inputs is a copy of."""
        return np.concatenate([block.owner for block in self.written.blocks])

    @property
    def outputs(self) -> np.ndarray:
        return self.layer.outputs

    @property
    def sizes(self) -> list[int]:
        return [len(block.owner) for block in self.written.blocks]

    @property
    def mask(self) -> np.ndarray:
        return np.concatenate(self.written.masks)

    def draw(self) -> np.ndarray:
        return np.concatenate([self.layer.drawn(i, size) for i, size in enumerate(self.sizes)])

    def report(self, target: TargetLayer) -> LayerReport:
        found = self.written
        return LayerReport(
            target.name,
            found.wanted,
            found.failures,
            found.failed_sources,
            len(self.layer.rows),
            sum(self.sizes),
            int(self.mask.sum()),
            self.layer.factor,
        )


def _first_block(plan: OneMoreLayer, seed: int, inputs: int, attempt: int, units: int) -> np.ndarray:
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0, attempt]))
    return plan.law.weights(rng, (inputs, units), inputs)


def _first(plan: OneMoreLayer, seed: int, inputs: int, sizes: list[int]) -> np.ndarray:
    blocks = [_first_block(plan, seed, inputs, i, units) for i, units in enumerate(sizes)]
    return np.concatenate(blocks, axis=1)


def _collapsed(construction: Construction, owners: list[np.ndarray]) -> tuple[Collapsed, ...]:
    """What the masked network computes, all copies of a layer's units to all copies of the next one's.

    Raises:
        NumericalFailure: if a copy of the constant depends on an input.
    """
    names = [layer.name for layer in construction.network.layers]
    kept = [
        np.where(construction.masks[name]["weight"], construction.params[name]["weight"], 0.0).astype(
            np.float64
        )
        for name in names
    ]
    if (construction.masks[names[0]]["weight"].sum(axis=0) > 1).any():
        raise NumericalFailure(f"The mask keeps several weights that reach one unit of {names[0]}.")
    first = scipy.sparse.csr_array(np.maximum(kept[0], 0.0)) @ kept[1]
    negative = scipy.sparse.csr_array(np.maximum(-kept[0], 0.0)) @ kept[1]
    found, scale, constants = [], 1.0, np.ones(1)
    arriving = np.arange(construction.target.layers[0].sources + 1)
    for number, (layer, report) in enumerate(
        zip(construction.target.layers, construction.reports, strict=True)
    ):
        matrix = first if number == 0 else kept[number + 1]
        leaving = owners[number + 1] if number + 1 < len(owners) else np.arange(layer.weight.shape[1])
        real, made = arriving < layer.sources, leaving < layer.weight.shape[1]
        if np.any(matrix[np.ix_(real, ~made)]):
            raise NumericalFailure(f"A copy of the constant that leaves {layer.name} depends on an input.")
        scale *= report.scale
        bias = constants @ matrix[~real]
        found.append(
            Collapsed(
                layer,
                matrix[np.ix_(real, made)] / report.scale,
                negative[np.ix_(real, made)] / report.scale if number == 0 and construction.signed else None,
                bias[made] / scale,
                (arriving[real], leaving[made]),
            )
        )
        arriving, constants = leaving, bias[~made]
    return tuple(found)
