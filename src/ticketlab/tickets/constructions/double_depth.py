"""A random network of twice the depth: between any two layers of the target, n random units for every source.

Source j feeds its own n hidden units, each through one kept weight u; masks of the weights v that leave them write the layer. A
target of width d needs hidden layers of width n d, n of order log(1/ε), and two random layers for each of its own:

    z = (V ⊙ m_V)ᵀ relu((U ⊙ m_U)ᵀ a),     m_U keeps one weight of each unit.

A convolution becomes a 1 × 1 convolution with n units for every channel, and then one of the target's window: one masked unit
serves all taps and channels that its channel feeds.

`pair` says what biases and scales do.

Sources: Malach et al. 2020, arXiv 2002.00585 (one product a weight); Pensia et al. 2020, arXiv 2006.07990 (subset sum); da Cunha,
Natale, Viennot 2021, arXiv 2111.11146 (convolutions); Fischer, Gadhikar, Burkholz 2021, arXiv 2110.11150 (biases).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.networks.network import Network, Params
from ticketlab.networks.sequential import sequential
from ticketlab.networks.stages import Activate, Activation, Convolution, Dense, Stage
from ticketlab.tickets.constructions.construction import Construction, LayerReport, check_options
from ticketlab.tickets.constructions.gaps import Collapsed
from ticketlab.tickets.constructions.laws import Law, Uniform
from ticketlab.tickets.constructions.pair import Pair
from ticketlab.tickets.constructions.searches import Search, SubsetSum
from ticketlab.tickets.constructions.sums import Written, written
from ticketlab.tickets.constructions.target import Target

__all__ = ["DoubleDepth", "collapsed"]

RELU = Activate(Activation.RELU)


@dataclass(frozen=True)
class DoubleDepth:
    """The construction with two random layers for each layer of the target.

    Arguments:
        count: n, units drawn for every source at an attempt; about half of them have the sign that is needed.
        tolerance: ε, the error wanted of a weight, as a fraction of the largest weight or bias of its layer.
        law: what θ₀ is drawn from.
        search: how a weight is written.
        signed: whether inputs may be negative. Then the first layer needs two sums for every weight.
        attempts: at most, for weights that fail; 1 leaves them as they are, and counts them.
    """

    count: int = 32
    tolerance: float = 0.01
    law: Law = Uniform()
    search: Search = SubsetSum()
    signed: bool = True
    attempts: int = 20

    def __post_init__(self) -> None:
        check_options(self, "unit", "units")

    def __call__(self, target: Target, seed: int) -> Construction:
        """Draws a random network and finds the mask that makes it the target.

        Arguments:
            target: f.
            seed: of everything that is drawn.

        Raises:
            UserError: for a convolutional target with biases and a law without.
            NumericalFailure: if weights are still outside the tolerance after all attempts.

        Cost: one search for each of N weights; memory Σ_l n d_{l−1} (d_{l−1} + d_l) weights of g, and their mask.
        """
        begin = time.perf_counter()
        pairs = self.pairs(target, seed)
        solved, scale, constant = [], 1.0, 1.0
        for pair in pairs:
            solved.append(_solve(self, pair, scale, constant))
            scale *= solved[-1].factor
            constant = solved[-1].constant
        seconds = time.perf_counter() - begin
        carried = bool(pairs[0].carried)
        stages = _stages(target, solved, carried)
        shape = (pairs[0].inputs,) if carried else target.input_shape
        network = sequential(
            stages, shape, name=f"random network for {target.network.name}", bias=self.law.bias_sd > 0
        )

        def redraw() -> Params:
            return _named(network, [leaves for s in solved for leaves in s.draw()])

        return Construction(
            name="depth 2L",
            target=target,
            network=network,
            stages=stages,
            params=redraw(),
            masks=_named(network, [leaves for s in solved for leaves in s.masks()]),
            factor=scale,
            constant=carried,
            signed=self.signed,
            reports=tuple(s.report() for s in solved),
            seconds=seconds,
            redraw=redraw,
            collapse=collapsed,
        )

    def pairs(self, target: Target, seed: int) -> list[Pair]:
        """The random layers for each layer of the target, before anything is drawn."""
        biased = [bool(np.any(layer.bias)) for layer in target.layers]
        carried = self.law.bias_sd == 0 and any(biased)
        if carried and target.convolutional:
            raise UserError(
                f"a convolutional target with biases, and {self.law}, which has none",
                "a law with biases",
                "Draw biases too (sigma_b), or take a target without them.",
            )
        last = len(target.layers) - 1
        return [
            Pair(
                layer,
                self.law,
                self.count,
                seed,
                i,
                biased[i],
                carried,
                carried and i < last,
                self.signed and i == 0,
            )
            for i, layer in enumerate(target.layers)
        ]


@dataclass(frozen=True)
class _Solved:
    """The masks of a pair.

    Arguments:
        factor: r.
        constant: the value of the constant that leaves.
    """

    pair: Pair
    written: Written
    factor: float
    constant: float

    @property
    def units(self) -> int:
        return sum(len(block.owner) for block in self.written.blocks)

    def draw(self) -> list[dict[str, np.ndarray]]:
        """The parameters of both layers, drawn anew."""
        parts = [self.pair.draw(i, len(block.owner)) for i, block in enumerate(self.written.blocks)]
        u = np.concatenate([u for u, _, _ in parts], axis=1)
        v = np.concatenate([v for _, _, v in parts])
        hidden, out = {"weight": self._first(u)}, {"weight": self.pair.layer.kernel(v)}
        if parts[0][1] is not None:
            rng = np.random.default_rng(np.random.SeedSequence([self.pair.seed, self.pair.number, 1, 1]))
            hidden["bias"] = np.concatenate([c for _, c, _ in parts if c is not None])
            bias = self.pair.law.biases(rng, (out["weight"].shape[-1],))
            assert bias is not None
            out["bias"] = bias
        return [hidden, out]

    def masks(self) -> list[dict[str, np.ndarray]]:
        """Of both layers: of a unit that leaves nothing, nothing arrives."""
        owner = np.concatenate([block.owner for block in self.written.blocks])
        leaving = np.concatenate(self.written.masks)
        used = np.flatnonzero(leaving.any(axis=1))
        arriving = np.zeros((self.pair.inputs, len(owner)), bool)
        real = used[owner[used] < self.pair.inputs]
        arriving[owner[real], real] = True
        hidden, out = {"weight": self._first(arriving)}, {"weight": self.pair.layer.kernel(leaving)}
        if self.pair.law.bias_sd > 0:
            hidden["bias"] = np.zeros(len(owner), bool)
            hidden["bias"][used[owner[used] >= self.pair.inputs]] = True
            out["bias"] = np.zeros(out["weight"].shape[-1], bool)
        return [hidden, out]

    def report(self) -> LayerReport:
        found = self.written
        kept = sum(int(np.count_nonzero(leaf)) for leaves in self.masks() for leaf in leaves.values())
        return LayerReport(
            self.pair.layer.name,
            found.wanted,
            found.failures,
            found.failed_sources,
            self.pair.sources,
            self.units,
            kept,
            self.factor,
        )

    def _first(self, array: np.ndarray) -> np.ndarray:
        """U in the shape of its layer: a 1 × 1 convolution before a convolution."""
        return array if isinstance(self.pair.layer.stage, Dense) else array[None, None]


def _solve(plan: DoubleDepth, pair: Pair, scale: float, constant: float) -> _Solved:
    target, unit, factor = pair.wanted(scale, constant)
    found = written(
        pair.block,
        target,
        plan.tolerance * unit,
        np.arange(len(target)) < pair.layer.sources * pair.signed,
        plan.count,
        plan.search,
        plan.attempts,
    )
    if plan.attempts > 1 and found.failures[-1]:
        raise NumericalFailure(
            f"{found.failures[-1]} weights of {pair.layer.name} are still off by up to {found.error:.3g} after "
            f"{plan.attempts} attempts: draw more units for every source, or allow more attempts."
        )
    if pair.regenerates:
        constant *= sum(
            float((block.value * block.leaving[:, -1] * mask[:, -1]).sum())
            for block, mask in zip(found.blocks, found.masks, strict=True)
        )
    return _Solved(pair, found, factor, constant)


def _stages(target: Target, solved: Sequence[_Solved], carried: bool) -> tuple[Stage, ...]:
    found: list[Stage] = []
    own = iter(solved)
    for stage in target.stages:
        if isinstance(stage, Dense | Convolution):
            of = next(own)
            dense = isinstance(stage, Dense)
            found += [Dense(of.units) if dense else Convolution(of.units, 1, padding="VALID"), RELU]
            stage = replace(stage, units=stage.units + of.pair.regenerates)
        found.append(stage)
    return tuple(found)


def _named(network: Network, leaves: Sequence[dict[str, np.ndarray]]) -> dict[str, dict[str, np.ndarray]]:
    return {layer.name: own for layer, own in zip(network.layers, leaves, strict=True)}


def collapsed(construction: Construction) -> tuple[Collapsed, ...]:
    """What the masked network computes for each layer of the target, from θ₀ and the mask alone.

    Raises:
        NumericalFailure: if the mask keeps more than one weight or bias that reaches a hidden unit, or if what should be the
            constant depends on an input. Then the pairs are no linear maps of positive inputs.
    """
    names = [layer.name for layer in construction.network.layers]
    scale, constant, found = 1.0, 1.0, []
    for i, (layer, report) in enumerate(zip(construction.target.layers, construction.reports, strict=True)):
        hidden, out = names[2 * i], names[2 * i + 1]
        positive, negative, bias = _through(construction, hidden, out)
        sources = layer.sources
        if construction.constant:
            bias, wide = positive[sources] * constant, positive
            positive, negative = positive[:sources], negative[:sources]
            if wide.shape[1] > layer.rows.shape[1]:
                if np.any(positive[:, -1]) or np.any(negative[:, -1]):
                    raise NumericalFailure(f"The constant that leaves {layer.name} depends on an input.")
                constant, positive, negative, bias = bias[-1], positive[:, :-1], negative[:, :-1], bias[:-1]
        scale *= report.scale
        at = slice(layer.centre, layer.centre + len(layer.bias))
        if np.any(np.delete(bias, np.arange(at.start, at.stop))):
            raise NumericalFailure(
                f"A bias of {layer.name} leaves through another tap than the one in the centre."
            )
        found.append(
            Collapsed(
                layer,
                layer.kernel(positive) / report.scale,
                layer.kernel(negative) / report.scale if construction.signed and i == 0 else None,
                bias[at] / scale,
            )
        )
    return tuple(found)


def _through(construction: Construction, hidden: str, out: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The maps of relu(x) and relu(−x), `[inputs, outputs]`, and of the constants of a pair of layers."""

    def kept(layer: str, leaf: str) -> tuple[np.ndarray, np.ndarray]:
        mask: Any = construction.masks[layer][leaf]
        return mask, np.where(mask, construction.params[layer][leaf], 0.0).astype(np.float64)

    mask, u = (a.reshape(-1, a.shape[-1]) for a in kept(hidden, "weight"))
    v = kept(out, "weight")[1]
    v = np.moveaxis(v, -2, 0).reshape(v.shape[-2], -1)
    arriving, bias = mask.sum(axis=0), np.zeros(v.shape[1])
    if "bias" in construction.params[hidden]:
        constants, c = kept(hidden, "bias")
        arriving = arriving + constants
        bias = np.maximum(c, 0.0) @ v
        if construction.masks[out]["bias"].any():
            raise NumericalFailure(f"The mask keeps a bias of {out}, which is no constant's product.")
    if arriving.max(initial=0) > 1:
        raise NumericalFailure(f"The mask keeps {arriving.max()} weights that reach one unit of {hidden}.")
    positive = scipy.sparse.csr_array(np.maximum(u, 0.0)) @ v
    return positive, scipy.sparse.csr_array(np.maximum(-u, 0.0)) @ v, bias
